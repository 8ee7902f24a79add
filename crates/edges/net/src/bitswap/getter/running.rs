//! One fetch under way: its session, whom it may ask, and when it is hopeless.
//!
//! Knows: providers, patience, progress. Does not know: other fetches, peers' connections.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use girrona_assembly::{
    Cid,
    fetch::{self, Output, Session, WantKind, session::Config},
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::watch;

use super::Out;
use crate::{
    Fetch, FetchError, Fetched, Progress, Provider, address,
    bitswap::{client::End, roll::Entry},
};

/// Connected peers of which nobody said that they have it, but who are asked.
const PROBES_MAX: usize = 16;
/// Providers that are remembered.
const PROVIDERS_MAX: usize = 256;
/// While nobody has what is missing, this often somebody is looked for.
const SEARCH_MS: u64 = 5_000;
/// What was added beyond the content's own bytes: nodes.
const SLACK: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: u64,
    pub(super) session: Session<PeerId>,
    /// Taken when it has ended.
    pub(super) end: Option<End>,
    pub(super) providers: BTreeSet<PeerId>,
    pub(super) progress: Progress,
    pub(super) is_starved: bool,
    /// Peers that only one fetch at a time may ask, and that this one asks.
    pub(super) lent: BTreeSet<PeerId>,
    root: Cid,
    addresses: Vec<(Option<PeerId>, Multiaddr)>,
    probed: BTreeSet<PeerId>,
    shown: watch::Sender<Progress>,
    patience_ms: u64,
    /// When something new came last.
    fruitful_ms: u64,
    search_ms: u64,
    has_dialled: bool,
    begin: Instant,
}

impl Running {
    pub(super) fn new(
        id: u64,
        fetch: Fetch,
        end: End,
        config: Config,
        store: &dyn fetch::Blocks,
        now: u64,
    ) -> (Self, Vec<Output<PeerId>>) {
        let Fetch { root, limits, providers, progress: shown, patience } = fetch;
        let bytes_max = limits.bytes_max.saturating_add(SLACK);
        let config = Config { limits, bytes_max, ..config };
        let (session, outputs) = Session::new(root, config, store, now);
        let mut running = Self {
            id,
            session,
            end: Some(end),
            providers: BTreeSet::new(),
            progress: Progress::default(),
            is_starved: false,
            lent: BTreeSet::new(),
            root,
            addresses: Vec::new(),
            probed: BTreeSet::new(),
            shown,
            patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            fruitful_ms: now,
            search_ms: now,
            has_dialled: false,
            begin: Instant::now(),
        };
        for provider in providers.into_iter().take(PROVIDERS_MAX) {
            match provider {
                Provider::Peer(peer) => drop(running.providers.insert(peer)),
                Provider::Address(address) => {
                    let (plain, peer) = address::split_peer(address);
                    running.providers.extend(peer);
                    running.addresses.push((peer, plain));
                }
            }
        }
        (running, outputs)
    }

    /// Others say that these have it.
    pub(super) fn name(&mut self, peers: Vec<PeerId>) {
        let room = PROVIDERS_MAX.saturating_sub(self.providers.len());
        self.providers.extend(peers.into_iter().take(room));
    }

    /// Somebody is connected: asked if it is said to have it, or is one of us.
    pub(super) fn offer(&mut self, peer: PeerId, is_member: bool, now: u64) -> Vec<Output<PeerId>> {
        if self.providers.contains(&peer) {
            // The session says so again when this was in vain.
            self.is_starved = false;
            if is_member {
                self.lent.remove(&peer);
            } else {
                self.lent.insert(peer);
            }
            return self.session.connected(&peer, true, is_member, now);
        }
        let may_probe = self.probed.len() < PROBES_MAX || self.probed.contains(&peer);
        if !is_member || !may_probe {
            return Vec::new();
        }
        self.probed.insert(peer);
        self.session.connected(&peer, false, true, now)
    }

    /// Providers that are not connected.
    pub(super) fn dials(&mut self, known: &BTreeMap<PeerId, Entry>) -> Vec<Out> {
        let named: BTreeSet<PeerId> = self.addresses.iter().filter_map(|(peer, _)| *peer).collect();
        let by_address = self.addresses.iter().filter(|(peer, _)| {
            // One without a name may be connected already, so it is dialled once.
            peer.map_or(!self.has_dialled, |peer| !known.contains_key(&peer))
        });
        let by_address = by_address
            .map(|(peer, address)| Out::Dial { peer: *peer, address: Some(address.clone()) });
        let by_name = self
            .providers
            .iter()
            .filter(|peer| !known.contains_key(*peer) && !named.contains(*peer))
            .map(|peer| Out::Dial { peer: Some(*peer), address: None });
        let dials = by_address.chain(by_name).collect();
        self.has_dialled = true;
        dials
    }

    /// Whom to ask, now that it has ended, whether they are still there, and what.
    pub(super) fn suspects(&self) -> impl Iterator<Item = (PeerId, (Cid, WantKind))> {
        self.session.suspects().map(|peer| (*peer, (self.root, WantKind::Have)))
    }

    pub(super) fn got(&mut self, peer: PeerId, bytes: u64, now: u64) {
        *self.progress.by_peer.entry(peer).or_default() += bytes;
        self.fruitful_ms = now;
        self.is_starved = false;
    }

    pub(super) fn tick(&mut self, now: u64) -> Vec<Output<PeerId>> {
        match self.session.next_ms() {
            Some(at) if at <= now => self.session.tick(now),
            _ => Vec::new(),
        }
    }

    pub(super) fn next_ms(&self) -> u64 {
        let session = self.session.next_ms().unwrap_or(u64::MAX);
        let search = if self.is_starved { self.search_ms } else { u64::MAX };
        session.min(search).min(self.deadline_ms())
    }

    /// When it is given up if nothing comes. Whoever is there may just be slow, and has longer.
    fn deadline_ms(&self) -> u64 {
        let factor = if self.is_starved { 1 } else { 4 };
        self.fruitful_ms.saturating_add(self.patience_ms.saturating_mul(factor))
    }

    pub(super) fn is_hopeless(&self, now: u64) -> Option<FetchError> {
        if self.end.is_none() || now < self.deadline_ms() {
            return None;
        }
        let (here, found) = self.session.progress();
        let waited = Duration::from_millis(now.saturating_sub(self.fruitful_ms));
        Some(FetchError::NoProviders { missing: found.saturating_sub(here), waited })
    }

    /// Whether it is time to look for somebody.
    pub(super) fn search(&mut self, now: u64) -> Option<Out> {
        if !self.is_starved || self.end.is_none() || self.search_ms > now {
            return None;
        }
        self.search_ms = now.saturating_add(SEARCH_MS);
        Some(Out::Find { fetch: self.id, root: self.root })
    }

    fn look(&mut self) {
        let (blocks, found) = self.session.progress();
        (self.progress.blocks, self.progress.found) = (blocks, found);
        self.progress.bytes = self.session.bytes();
        self.progress.duplicate_bytes = self.session.duplicate_bytes();
    }

    /// Shows how far it is.
    pub(super) fn show(&mut self) {
        self.look();
        let progress = &self.progress;
        self.shown.send_if_modified(|shown| {
            let is_new = shown != progress;
            if is_new {
                shown.clone_from(progress);
            }
            is_new
        });
    }

    /// It ended by itself; answers what to call that, the first time.
    pub(super) fn end(&mut self, error: Option<FetchError>, now: Instant) -> Option<&'static str> {
        self.show();
        let end = self.end.take()?;
        let (result, outcome) = match error {
            Some(error) => (Err(error), "bad content"),
            None => {
                let elapsed = now.saturating_duration_since(self.begin);
                (Ok(Fetched { progress: self.progress.clone(), elapsed }), "done")
            }
        };
        let _ = end.send(result);
        Some(outcome)
    }
}
