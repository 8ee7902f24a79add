//! Who is asked for what: giving out, stealing, taking away, and naming who is at fault.

use std::collections::BTreeMap;

use super::{NODE_SIZE, Offence, Output, Session, State};
use crate::{
    content::Cid,
    fetch::{
        WantKind,
        peer::{Peer, Standing},
    },
};

/// How much longer than a round trip of the thief the victim has to need before it is stolen from,
/// in milliseconds.
const STEAL_MS: u64 = 20;
/// Of the whole content, this part may be asked of a second peer because the first seems slower;
/// at least one block.
const RISK: u64 = 64;
/// Times in a row that a peer may be late before it is named.
const STRIKES_MAX: u32 = 2;
/// The same where nobody else can be asked.
const STRIKES_ALONE_MAX: u32 = 6;
/// Blocks that nobody asked for before a peer is named.
const UNASKED_MAX: u32 = 16;
/// Blocks in a row that nobody can be asked for now before the others wait too.
const MISSES_MAX: u32 = 256;

impl<P: Ord + Clone> Session<P> {
    /// Puts blocks that are missing back into the queue, unless somebody else is asked for them.
    pub(super) fn requeue<'a>(&mut self, cids: impl IntoIterator<Item = &'a Cid>) {
        for cid in cids {
            let is_asked = self.peers.values().any(|peer| peer.flight.contains_key(cid));
            if let Some(missing) = self.missing.get(cid)
                && !is_asked
            {
                self.queue.insert(*cid, missing);
            }
        }
    }

    /// Asks whoever has room, in the order of the content.
    pub(super) fn assign(&mut self, now_ms: u64, out: &mut Vec<Output<P>>) {
        if self.state == State::Over {
            return;
        }
        let mut wants: BTreeMap<P, Vec<(Cid, WantKind)>> = BTreeMap::new();
        let mut given = Vec::new();
        let mut somebody = self.missing.len() > self.queue.len();
        let mut misses = 0_u32;
        let share = self.share(now_ms);
        for cid in self.queue.iter() {
            let size = self.missing.get(cid).map_or(NODE_SIZE, |missing| missing.size);
            let holders = self.peers.iter_mut().filter(|(_, known)| {
                known.standing == Standing::Holder && !known.lacks.contains(cid)
            });
            let mut holders: Vec<_> = holders.collect();
            somebody |= !holders.is_empty();
            // Whoever was late waits as long as somebody else is there.
            if holders.iter().any(|(_, known)| !known.is_resting(now_ms)) {
                holders.retain(|(_, known)| !known.is_resting(now_ms));
            }
            let free = holders.into_iter().filter(|(_, known)| known.has_room(size, share));
            // Whoever was late last time comes last, however little it owes.
            let least = free.min_by_key(|(_, known)| (known.strikes, known.business()));
            let Some((peer, known)) = least else {
                // When nobody has room there is no use in looking further.
                misses = misses.saturating_add(1);
                if misses >= MISSES_MAX
                    || self.peers.values().all(|known| !known.has_room(1, share))
                {
                    break;
                }
                continue;
            };
            known.ask(*cid, size, now_ms);
            wants.entry(peer.clone()).or_default().push((*cid, WantKind::Block));
            given.push(*cid);
        }
        for cid in &given {
            if let Some(missing) = self.missing.get(cid) {
                self.queue.remove(cid, missing);
            }
        }
        if self.queue.is_empty() {
            self.steal(now_ms, &mut wants, out);
        }
        out.extend(wants.into_iter().map(|(peer, wants)| Output::Want { peer, wants }));
        let probed = self.peers.values().any(|known| known.standing == Standing::Probed);
        match self.state {
            State::Going if !somebody && !probed => {
                self.state = State::Starved;
                out.push(Output::Starved);
            }
            State::Starved if somebody => self.state = State::Going,
            _ => {}
        }
    }

    /// How much each peer may owe of what is left: less and less, so that all are done at the same
    /// time, and little has to be taken from one and asked of another.
    fn share(&self, now_ms: u64) -> u64 {
        let holders = self
            .peers
            .values()
            .filter(|known| known.standing == Standing::Holder && !known.is_resting(now_ms))
            .count() as u64;
        match holders {
            0 | 1 => u64::MAX,
            several => {
                let parts = several.saturating_mul(2);
                self.queue.bytes().checked_div(parts).unwrap_or(u64::MAX)
            }
        }
    }

    /// Those who deliver and have nothing to do, resting or not.
    fn idle(&self) -> impl Iterator<Item = (&P, &Peer)> {
        self.peers.iter().filter(|(_, known)| {
            known.standing == Standing::Holder && known.flight.is_empty() && !known.is_relieved
        })
    }

    /// When somebody who owes something will have been silent for long while somebody else has
    /// nothing to do.
    pub(super) fn quiet_at_ms(&self) -> Option<u64> {
        if !self.queue.is_empty() {
            return None;
        }
        let known = self.idle().filter(|(_, known)| known.shortest_ms().is_some());
        let thief = known.map(|(_, known)| known.resting_until_ms).min()?;
        let quiet = self.peers.values().filter_map(Peer::quiet_at_ms).min()?;
        Some(quiet.max(thief))
    }

    /// Nothing waits any more, and somebody has nothing to do: it takes over half of what the
    /// busiest owes, from the end, where it is least likely to be on its way. Of one who fell
    /// silent it takes everything: then little is on its way, and nobody says when it will be.
    fn steal(
        &mut self,
        now_ms: u64,
        wants: &mut BTreeMap<P, Vec<(Cid, WantKind)>>,
        out: &mut Vec<Output<P>>,
    ) {
        let idle = self.idle().filter(|(_, known)| !known.is_resting(now_ms));
        let near = idle.filter_map(|(peer, known)| Some((peer.clone(), known.shortest_ms()?)));
        let Some((thief, thief_ms)) = near.min_by_key(|(_, ms)| *ms) else { return };
        let is_quiet = |known: &Peer| known.quiet_at_ms().is_some_and(|at| at <= now_ms);
        let quiet = self.peers.iter().find(|(_, known)| is_quiet(known));
        let busiest = || self.peers.iter().max_by_key(|(_, known)| known.remaining_ms());
        let Some((victim, known)) = quiet.or_else(busiest) else { return };
        let is_quiet = quiet.is_some();
        if !is_quiet && known.remaining_ms() <= thief_ms.saturating_add(STEAL_MS) {
            return;
        }
        let spare = if is_quiet { known.flight.keys().copied().collect() } else { known.spare() };
        let victim = victim.clone();
        let mut taken = Vec::new();
        let Some(known) = self.peers.get_mut(&thief) else { return };
        for cid in spare {
            let size = self.missing.get(&cid).map_or(NODE_SIZE, |missing| missing.size);
            // A guess that goes wrong costs twice the bytes.
            let risk = self.stolen.saturating_add(size);
            let is_bearable = is_quiet || self.stolen == 0 || risk <= self.expected / RISK;
            if is_bearable && known.has_room(size, u64::MAX) && !known.lacks.contains(&cid) {
                if !is_quiet {
                    self.stolen = risk;
                }
                known.ask(cid, size, now_ms);
                taken.push(cid);
            }
        }
        if let Some(known) = self.peers.get_mut(&victim) {
            for cid in &taken {
                known.release(cid);
            }
            known.is_relieved |= is_quiet && (taken.is_empty() || known.flight.is_empty());
        }
        if !taken.is_empty() {
            let asked = taken.iter().map(|cid| (*cid, WantKind::Block));
            wants.entry(thief).or_default().extend(asked);
            out.push(Output::Cancel { peer: victim, cids: taken });
        }
    }

    /// A peer is late: what it owes is asked of others.
    pub(super) fn take_away(&mut self, peer: &P, now_ms: u64, out: &mut Vec<Output<P>>) {
        let config = self.config;
        let others: Vec<&Peer> = self
            .peers
            .iter()
            .filter(|(other, known)| {
                *other != peer && known.standing == Standing::Holder && !known.is_resting(now_ms)
            })
            .map(|(_, known)| known)
            .collect();
        let owed: Vec<Cid> = match self.peers.get(peer) {
            Some(known) => known.flight.keys().copied().collect(),
            None => return,
        };
        // What nobody else has stays where it is.
        let taken: Vec<Cid> = owed
            .into_iter()
            .filter(|cid| others.iter().any(|other| !other.lacks.contains(cid)))
            .collect();
        let Some(known) = self.peers.get_mut(peer) else { return };
        known.strike(&config, now_ms);
        // One who has nobody beside it may just be slow.
        let strikes_max = if taken.is_empty() { STRIKES_ALONE_MAX } else { STRIKES_MAX };
        let is_named = known.strikes >= strikes_max && !known.is_named;
        known.is_named |= is_named;
        for cid in &taken {
            known.release(cid);
        }
        if !taken.is_empty() {
            out.push(Output::Cancel { peer: peer.clone(), cids: taken.clone() });
        }
        self.requeue(&taken);
        if is_named {
            out.push(Output::Blame { peer: peer.clone(), offence: Offence::Stalled });
        }
    }

    /// Names those who never delivered anything while others did.
    pub(super) fn name_dead(&mut self, now_ms: u64, out: &mut Vec<Output<P>>) {
        if self.best_ms().is_none() {
            return;
        }
        for (peer, known) in &mut self.peers {
            if known.dead_at_ms().is_some_and(|at| at <= now_ms) {
                known.is_named = true;
                out.push(Output::Blame { peer: peer.clone(), offence: Offence::Stalled });
            }
        }
    }

    pub(super) fn offend(
        &mut self,
        peer: &P,
        offence: Offence,
        now_ms: u64,
        out: &mut Vec<Output<P>>,
    ) {
        let Some(known) = self.peers.get_mut(peer) else { return };
        match offence {
            Offence::WrongBytes => {
                let gone = self.peers.remove(peer);
                self.banned.insert(peer.clone());
                if let Some(gone) = gone {
                    let cids: Vec<Cid> = gone.flight.keys().copied().collect();
                    self.requeue(&cids);
                    out.push(Output::Cancel { peer: peer.clone(), cids });
                }
            }
            Offence::Unasked => {
                known.unasked = known.unasked.saturating_add(1);
                if known.unasked != UNASKED_MAX {
                    return;
                }
            }
            Offence::Stalled => {}
        }
        out.push(Output::Blame { peer: peer.clone(), offence });
        self.assign(now_ms, out);
    }

    /// Peers may have got since what they had not.
    pub(super) fn relearn(&mut self, out: &mut Vec<Output<P>>) {
        let root = self.root;
        for (peer, known) in &mut self.peers {
            known.lacks.clear();
            if known.standing == Standing::Without {
                known.standing = Standing::Probed;
                let wants = vec![(root, WantKind::Have)];
                out.push(Output::Want { peer: peer.clone(), wants });
            }
        }
    }
}
