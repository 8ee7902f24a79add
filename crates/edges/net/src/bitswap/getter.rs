//! All fetches under way: brings what peers say to the sessions, and what sessions decide to peers.
//!
//! Knows: sessions, who is connected, the store. Time arrives as an argument.
//! Does not know: sockets and tasks; `client.rs` carries out what this says.

mod running;
mod suspects;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use girrona_assembly::{
    Cid,
    fetch::{self, Output, Took, WantKind, session::Config, wire},
};
use libp2p::{Multiaddr, PeerId};

use self::{running::Running, suspects::Suspects};
use super::{
    client::{End, Input, Said},
    roll::Entry,
};
use crate::{Blocks, Content, Fetch, FetchError, Offence, PutError};

/// Fetches under way. When full the next is refused.
const FETCHES_MAX: usize = 64;

/// A peer that took no message is tried again after this.
const DEAF_MS: u64 = 1_000;

/// What the client does.
#[derive(Debug)]
pub(super) enum Out {
    Ask { peer: PeerId, message: Vec<u8> },
    Blame { peer: PeerId, reason: &'static str },
    Received { peer: PeerId, bytes: u64 },
    Wasted(usize),
    Dial { peer: Option<PeerId>, address: Option<Multiaddr> },
    Find { fetch: u64, root: Cid },
    Ended(&'static str),
}

/// The owner's store as a session sees it.
#[derive(Debug)]
struct Store<'a>(&'a dyn Blocks);

impl fetch::Blocks for Store<'_> {
    fn has(&self, cid: &Cid) -> bool {
        self.0.has(cid)
    }

    fn bytes(&self, cid: &Cid) -> Option<Vec<u8>> {
        match self.0.get(cid) {
            Ok(block) => block.map(|block| block.to_vec()),
            Err(error) => {
                tracing::warn!(%cid, %error, "a block cannot be read, it is fetched again");
                None
            }
        }
    }
}

/// What is to be said to one peer, in one message.
#[derive(Debug, Default)]
struct Plan {
    wants: Vec<(Cid, WantKind)>,
    cancels: Vec<Cid>,
}

#[derive(Debug)]
pub(super) struct Getter {
    blocks: Arc<dyn Blocks>,
    config: Config,
    running: Vec<Running>,
    known: BTreeMap<PeerId, Entry>,
    plans: BTreeMap<PeerId, Plan>,
    suspects: Suspects,
    /// Peers that took no message, and when they are tried again.
    deaf: BTreeMap<PeerId, u64>,
    outs: Vec<Out>,
    number: u64,
    begin: Instant,
}

impl Getter {
    pub(super) fn new(content: &Content) -> Self {
        Self {
            blocks: content.blocks.clone(),
            config: content.session,
            running: Vec::new(),
            known: BTreeMap::new(),
            plans: BTreeMap::new(),
            suspects: Suspects::default(),
            deaf: BTreeMap::new(),
            outs: Vec::new(),
            number: 0,
            begin: Instant::now(),
        }
    }

    fn ms(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.begin);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// When [`Getter::work`] has something to do by itself.
    pub(super) fn next(&self) -> Option<Instant> {
        let running = self.running.iter().map(Running::next_ms);
        let deaf = self.deaf.values().copied().filter(|_| !self.running.is_empty());
        let next = running.chain(deaf).chain(self.suspects.next_ms()).min()?;
        // Timers fire up to a millisecond early.
        Some(self.begin + Duration::from_millis(next.saturating_add(1)))
    }

    /// Takes in what came, who is connected now, and the time.
    pub(super) fn work(
        &mut self,
        inputs: Vec<Input>,
        everybody: BTreeMap<PeerId, Entry>,
        now: Instant,
    ) -> Vec<Out> {
        let now = self.ms(now);
        self.meet(everybody, now);
        for input in inputs {
            match input {
                Input::Fetch { fetch, end } => self.begin(*fetch, end, now),
                Input::Said(said) => self.hear(said, now),
                Input::Deaf(peer) => {
                    self.deaf.insert(peer, now.saturating_add(DEAF_MS));
                    self.each(|running| running.session.gone(&peer, now));
                }
                Input::Found(id, peers) => self.found(id, peers, now),
            }
        }
        self.tick(now);
        self.say()
    }

    /// Compares who is connected with who was.
    fn meet(&mut self, everybody: BTreeMap<PeerId, Entry>, now: u64) {
        let before = std::mem::replace(&mut self.known, everybody);
        for (peer, old) in &before {
            if self.known.get(peer).is_none_or(|new| new.epoch != old.epoch) {
                self.plans.remove(peer);
                self.deaf.remove(peer);
                self.suspects.acquit(peer);
                self.each(|running| running.session.gone(peer, now));
            }
        }
        let fresh = self.known.iter().filter(|(peer, new)| {
            before
                .get(*peer)
                .is_none_or(|old| (old.epoch, old.is_member) != (new.epoch, new.is_member))
        });
        let fresh: Vec<_> = fresh.map(|(peer, new)| (*peer, new.is_member)).collect();
        for (peer, is_member) in fresh {
            self.offer(peer, is_member, now);
        }
    }

    /// Does something with each fetch, and what follows from it.
    fn each(&mut self, mut act: impl FnMut(&mut Running) -> Vec<Output<PeerId>>) {
        for index in 0..self.running.len() {
            let Some(running) = self.running.get_mut(index) else { return };
            let outputs = act(running);
            self.apply(index, outputs);
        }
    }

    /// Offers a peer to each fetch; one that sends large frames only to the first that wants it,
    /// because what it may owe holds for all fetches together.
    fn offer(&mut self, peer: PeerId, is_member: bool, now: u64) {
        for index in 0..self.running.len() {
            self.offer_to(index, peer, is_member, now);
        }
    }

    fn offer_to(&mut self, index: usize, peer: PeerId, is_member: bool, now: u64) {
        let mut others = self.running.iter().enumerate().filter(|(place, _)| *place != index);
        if !is_member && others.any(|(_, running)| running.lent.contains(&peer)) {
            return;
        }
        if let Some(running) = self.running.get_mut(index) {
            let outputs = running.offer(peer, is_member, now);
            self.apply(index, outputs);
        }
    }

    fn begin(&mut self, fetch: Fetch, end: End, now: u64) {
        if self.running.len() >= FETCHES_MAX {
            let _ = end.send(Err(FetchError::Busy));
            self.outs.push(Out::Ended("refused"));
            return;
        }
        self.number += 1;
        let store = Store(self.blocks.as_ref());
        let (running, outputs) = Running::new(self.number, fetch, end, self.config, &store, now);
        self.running.push(running);
        let index = self.running.len() - 1;
        self.apply(index, outputs);
        self.look_around(index, now);
    }

    /// Offers everybody who is connected, and dials those who are not.
    fn look_around(&mut self, index: usize, now: u64) {
        let known: Vec<_> = self.known.iter().map(|(peer, e)| (*peer, e.is_member)).collect();
        let Some(running) = self.running.get_mut(index) else { return };
        if running.end.is_none() {
            return;
        }
        // Those who are said to have it come first.
        let (named, others): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|(peer, _)| running.providers.contains(peer));
        self.outs.extend(running.dials(&self.known));
        for (peer, is_member) in named.into_iter().chain(others) {
            self.offer_to(index, peer, is_member, now);
        }
    }

    fn found(&mut self, id: u64, peers: Vec<PeerId>, now: u64) {
        let Some(index) = self.running.iter().position(|running| running.id == id) else { return };
        if let Some(running) = self.running.get_mut(index) {
            running.name(peers);
        }
        self.look_around(index, now);
    }

    fn hear(&mut self, said: Said, now: u64) {
        let Said { peer, blocks, has, lacks, .. } = said;
        self.suspects.acquit(&peer);
        for (cid, bytes) in blocks {
            self.block(&peer, &cid, bytes, now);
        }
        for cid in &has {
            self.each(|running| running.session.has(&peer, cid, now));
        }
        for cid in &lacks {
            self.each(|running| running.session.lacks(&peer, cid, now));
        }
    }

    fn block(&mut self, peer: &PeerId, cid: &Cid, bytes: Bytes, now: u64) {
        let knows = |running: &Running| running.session.knows(cid);
        let mut places: Vec<usize> =
            (0..self.running.len()).filter(|i| self.running.get(*i).is_some_and(knows)).collect();
        if places.is_empty() {
            // It may stand in for something else: whoever waits for this peer judges it.
            let waits = |running: &Running| running.session.expects(peer);
            places.extend(self.running.iter().position(waits));
        }
        let mut stored: Option<Result<(), PutError>> = None;
        let blocks = self.blocks.clone();
        for index in places {
            let Some(running) = self.running.get_mut(index) else { continue };
            let store = Store(blocks.as_ref());
            let (took, outputs) = running.session.block(peer, cid, &bytes, &store, now);
            if took == Took::New {
                running.got(*peer, bytes.len() as u64, now);
                if stored.is_none() {
                    stored = Some(blocks.put(cid, bytes.clone()));
                }
            }
            match stored.as_mut() {
                Some(Err(error)) if took == Took::New => {
                    let error = std::mem::replace(error, PutError::Full);
                    self.stop(index, Err(FetchError::Store(error)), "not stored");
                }
                _ => self.apply(index, outputs),
            }
        }
        match stored {
            Some(_) => self.outs.push(Out::Received { peer: *peer, bytes: bytes.len() as u64 }),
            None => self.outs.push(Out::Wasted(bytes.len())),
        }
    }

    fn tick(&mut self, now: u64) {
        for index in 0..self.running.len() {
            let Some(running) = self.running.get_mut(index) else { break };
            if running.end.as_ref().is_some_and(|end| end.is_closed()) {
                self.stop(index, Err(FetchError::Stopped), "dropped");
                continue;
            }
            let outputs = running.tick(now);
            if let Some(hopeless) = running.is_hopeless(now) {
                self.stop(index, Err(hopeless), "no providers");
                continue;
            }
            let search = running.search(now);
            self.apply(index, outputs);
            if let Some(out) = search {
                self.outs.push(out);
                self.look_around(index, now);
            }
        }
        let before = self.running.len();
        for ended in self.running.extract_if(.., |running| running.end.is_none()) {
            for (peer, question) in ended.suspects() {
                // Asked about what it was to send, it answers if it lives.
                self.suspects.suspect(peer, now);
                self.plans.entry(peer).or_default().wants.push(question);
            }
        }
        if self.running.len() < before {
            // Whom the ended ones had for themselves is free.
            (0..self.running.len()).for_each(|index| self.look_around(index, now));
        }
        self.try_again(now);
        for peer in self.suspects.convict(now) {
            self.outs.push(Out::Blame { peer, reason: reason(Offence::Stalled) });
        }
        self.running.iter_mut().for_each(Running::show);
    }

    /// Those who took no message may do so now.
    fn try_again(&mut self, now: u64) {
        for (peer, _) in self.deaf.extract_if(.., |_, at| *at <= now).collect::<Vec<_>>() {
            if let Some(entry) = self.known.get(&peer) {
                let is_member = entry.is_member;
                self.offer(peer, is_member, now);
            }
        }
    }

    fn apply(&mut self, index: usize, outputs: Vec<Output<PeerId>>) {
        for output in outputs {
            match output {
                Output::Want { peer, wants } => {
                    let plan = self.plans.entry(peer).or_default();
                    plan.cancels.retain(|cid| !wants.iter().any(|(want, _)| want == cid));
                    plan.wants.extend(wants);
                }
                Output::Cancel { peer, cids } => {
                    let plan = self.plans.entry(peer).or_default();
                    for cid in cids {
                        let before = plan.wants.len();
                        plan.wants.retain(|(want, _)| *want != cid);
                        if plan.wants.len() == before {
                            plan.cancels.push(cid);
                        }
                    }
                }
                Output::Blame { peer, offence } => {
                    if let Some(running) = self.running.get_mut(index) {
                        running.progress.offenders.push((peer, offence));
                    }
                    self.outs.push(Out::Blame { peer, reason: reason(offence) });
                }
                Output::Starved => {
                    if let Some(running) = self.running.get_mut(index) {
                        running.is_starved = true;
                        running.lent.clear();
                    }
                }
                Output::Done => self.end(index, None),
                Output::Failed(failure) => self.end(index, Some(failure.into())),
            }
        }
    }

    /// A fetch ends by itself.
    fn end(&mut self, index: usize, error: Option<FetchError>) {
        let now = Instant::now();
        if let Some(running) = self.running.get_mut(index)
            && let Some(outcome) = running.end(error, now)
        {
            self.outs.push(Out::Ended(outcome));
        }
    }

    /// A fetch is ended by us.
    fn stop(&mut self, index: usize, result: Result<(), FetchError>, outcome: &'static str) {
        let Some(running) = self.running.get_mut(index) else { return };
        let outputs = running.session.stop();
        if let Some(end) = running.end.take()
            && let Err(error) = result
        {
            let _ = end.send(Err(error));
            self.outs.push(Out::Ended(outcome));
        }
        self.apply(index, outputs);
    }

    /// One message to each peer that is to be told something.
    fn say(&mut self) -> Vec<Out> {
        for (peer, plan) in std::mem::take(&mut self.plans) {
            let Some(entry) = self.known.get(&peer) else { continue };
            if plan.wants.is_empty() && plan.cancels.is_empty() {
                continue;
            }
            let blocks = plan.wants.iter().filter(|(_, kind)| *kind == WantKind::Block).count();
            entry.guest.ask(blocks, plan.wants.len() - blocks);
            let message = wire::ask(&plan.wants, &plan.cancels);
            self.outs.push(Out::Ask { peer, message });
        }
        std::mem::take(&mut self.outs)
    }
}

const fn reason(offence: Offence) -> &'static str {
    match offence {
        Offence::WrongBytes => "wrong bytes as content",
        Offence::Unasked => "unasked content",
        Offence::Stalled => "content not delivered",
    }
}
