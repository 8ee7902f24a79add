//! Whom to dial next: configured peers for ever, remembered and discovered ones while we want more.
//!
//! Knows: addresses, failures, backoff. Time arrives as an argument, jitter from a hash.
//! Does not know: sockets; `task.rs` dials what [`Dialer::due`] says and reports back.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};

use crate::{
    address,
    book::{MAX_ADDRESSES, MAX_PEERS, Record},
};

const FIRST_DELAY: Duration = Duration::from_millis(200);
/// A refused connection on our own machine costs nothing, and a devnet wants to be whole again
/// within a second.
const MAX_DELAY_MACHINE: Duration = Duration::from_secs(1);
const MAX_DELAY_CONFIGURED: Duration = Duration::from_secs(30);
const MAX_DELAY_OTHERS: Duration = Duration::from_secs(600);
/// A connection that lasts less than this counts as a failure.
const STABLE: Duration = Duration::from_secs(2);
/// Dials under way at once.
const MAX_DIALS: usize = 16;
/// Peers that are not configured are forgotten after so many failures in a row.
const MAX_FAILURES: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Discovered,
    Remembered,
    Configured,
}

#[derive(Debug)]
struct Entry {
    /// Who lives there, as far as known.
    peer: Option<PeerId>,
    /// The peer was named, not learnt: somebody else at that address is an error. Else an address
    /// is not a person, and whoever answers there next is as welcome.
    named: bool,
    addresses: Vec<Multiaddr>,
    origin: Origin,
    failures: u32,
    next: Instant,
    dialing: Option<ConnectionId>,
    since: Option<Instant>,
    last_seen: u64,
    /// It is us.
    own: bool,
}

/// One dial to make.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dial {
    pub(crate) index: usize,
    pub(crate) peer: Option<PeerId>,
    pub(crate) addresses: Vec<Multiaddr>,
}

#[derive(Debug)]
pub(crate) struct Dialer {
    local: PeerId,
    entries: Vec<Entry>,
    changed: bool,
}

impl Dialer {
    pub(crate) fn new(local: PeerId, peers: &[Multiaddr], book: Vec<Record>, now: Instant) -> Self {
        let mut dialer = Self { local, entries: Vec::new(), changed: false };
        for address in peers {
            let (address, peer) = address::split_peer(address.clone());
            dialer.add(peer, vec![address], Origin::Configured, 0, now);
        }
        for record in book {
            let (peer, seen) = (Some(record.peer), record.last_seen);
            dialer.add(peer, record.addresses, Origin::Remembered, seen, now);
        }
        dialer.changed = false;
        dialer
    }

    /// Another peer told us where this one lives.
    pub(crate) fn discovered(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, now: Instant) {
        self.add(Some(peer), addresses, Origin::Discovered, 0, now);
    }

    fn add(
        &mut self,
        peer: Option<PeerId>,
        addresses: Vec<Multiaddr>,
        origin: Origin,
        last_seen: u64,
        now: Instant,
    ) {
        if addresses.is_empty() || peer == Some(self.local) {
            return;
        }
        let known = self.entries.iter_mut().find(|entry| match peer {
            Some(peer) => entry.peer == Some(peer),
            None => entry.addresses == addresses,
        });
        if let Some(entry) = known {
            for address in addresses {
                if entry.addresses.len() < MAX_ADDRESSES && !entry.addresses.contains(&address) {
                    entry.addresses.push(address);
                    self.changed = true;
                }
            }
            entry.last_seen = entry.last_seen.max(last_seen);
            return;
        }
        if self.entries.len() >= MAX_PEERS && !self.make_room(origin) {
            return;
        }
        self.changed = true;
        self.entries.push(Entry {
            peer,
            named: peer.is_some(),
            addresses: addresses.into_iter().take(MAX_ADDRESSES).collect(),
            origin,
            failures: 0,
            next: now,
            dialing: None,
            since: None,
            last_seen,
            own: false,
        });
    }

    // The worst entry leaves: never a configured, connected or dialled one.
    fn make_room(&mut self, origin: Origin) -> bool {
        let worst = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, e)| e.origin <= origin && e.origin != Origin::Configured)
            .filter(|(_, e)| e.dialing.is_none() && e.since.is_none())
            .min_by_key(|(_, e)| (e.last_seen, u32::MAX - e.failures));
        match worst.map(|(index, _)| index) {
            Some(index) => {
                self.entries.swap_remove(index);
                true
            }
            None => false,
        }
    }

    /// Where a peer lives, as far as known.
    pub(crate) fn addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let known = self.entries.iter().filter(|entry| entry.peer == Some(*peer) && !entry.own);
        known.flat_map(|entry| entry.addresses.clone()).take(MAX_ADDRESSES).collect()
    }

    /// What to dial now. `connected` is asked about each known peer, `peers` is how many there are.
    pub(crate) fn due(
        &self,
        now: Instant,
        connected: impl Fn(&PeerId) -> bool,
        peers: usize,
        target: usize,
    ) -> Vec<Dial> {
        let mut busy = self.entries.iter().filter(|entry| entry.dialing.is_some()).count();
        let mut wanted = target.saturating_sub(peers);
        let mut dials = Vec::new();
        // One peer may have several entries (addresses without its name); one dial at a time.
        let mut under_way: HashSet<PeerId> =
            self.entries.iter().filter(|e| e.dialing.is_some()).filter_map(|e| e.peer).collect();
        for (index, entry) in self.entries.iter().enumerate() {
            let here = entry.peer.is_some_and(|p| connected(&p) || under_way.contains(&p));
            if entry.own || entry.dialing.is_some() || here || entry.next > now {
                continue;
            }
            if busy >= MAX_DIALS {
                break;
            }
            if entry.origin != Origin::Configured {
                if wanted == 0 {
                    continue;
                }
                wanted -= 1;
            }
            busy += 1;
            under_way.extend(entry.peer);
            let peer = entry.peer.filter(|_| entry.named);
            dials.push(Dial { index, peer, addresses: entry.addresses.clone() });
        }
        dials
    }

    /// The dial of this entry is under way, or (`None`) was refused before it began.
    pub(crate) fn dialing(&mut self, index: usize, connection: Option<ConnectionId>, now: Instant) {
        let local = self.local;
        if let Some(entry) = self.entries.get_mut(index) {
            match connection {
                Some(_) => entry.dialing = connection,
                None => entry.fail(local, now),
            }
        }
    }

    /// A connection to `peer` is up; `dialed` is the address if we dialled it.
    pub(crate) fn established(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        dialed: Option<Multiaddr>,
        seconds: u64,
        now: Instant,
    ) {
        if let Some(entry) = self.entries.iter_mut().find(|e| e.dialing == Some(connection)) {
            entry.dialing = None;
            entry.peer = Some(peer);
            if let Some(address) = dialed {
                self.changed |= entry.prefer(address);
            }
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.peer == Some(peer)) {
            entry.since.get_or_insert(now);
            self.changed |= entry.last_seen == 0;
            entry.last_seen = seconds;
        }
    }

    /// A dial failed.
    pub(crate) fn failed(&mut self, connection: ConnectionId, own: bool, now: Instant) {
        let local = self.local;
        if let Some(entry) = self.entries.iter_mut().find(|e| e.dialing == Some(connection)) {
            entry.own |= own;
            entry.fail(local, now);
        }
        self.entries.retain(|entry| {
            entry.origin == Origin::Configured
                || entry.failures < MAX_FAILURES
                || entry.dialing.is_some()
        });
    }

    /// The last connection to `peer` is gone.
    pub(crate) fn lost(&mut self, peer: &PeerId, now: Instant) {
        let local = self.local;
        for entry in self.entries.iter_mut().filter(|entry| entry.peer == Some(*peer)) {
            let lasted = entry.since.take().is_some_and(|since| now - since >= STABLE);
            if lasted {
                entry.failures = 0;
                entry.next = now + entry.delay(local);
            } else {
                entry.fail(local, now);
            }
        }
    }

    /// Leaves `peer` alone until then.
    pub(crate) fn postpone(&mut self, peer: &PeerId, until: Instant) {
        for entry in self.entries.iter_mut().filter(|entry| entry.peer == Some(*peer)) {
            entry.next = entry.next.max(until);
        }
    }

    /// The book to write, if it has changed since it was last asked for.
    pub(crate) fn records(&mut self) -> Option<Vec<Record>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let known = self.entries.iter().filter(|entry| !entry.own);
        let records = known.filter_map(|entry| {
            let (addresses, last_seen) = (entry.addresses.clone(), entry.last_seen);
            Some(Record { peer: entry.peer?, addresses, last_seen })
        });
        Some(records.collect())
    }
}

impl Entry {
    fn fail(&mut self, local: PeerId, now: Instant) {
        self.dialing = None;
        self.failures = self.failures.saturating_add(1);
        self.next = now + self.delay(local);
    }

    // 200 ms, doubled per failure up to a cap, and up to a quarter more or less so that nodes
    // that lost each other at the same moment do not meet in the middle for ever.
    fn delay(&self, local: PeerId) -> Duration {
        let machine = self.addresses.iter().all(address::is_loopback);
        let cap = match self.origin {
            _ if machine => MAX_DELAY_MACHINE,
            Origin::Configured => MAX_DELAY_CONFIGURED,
            Origin::Remembered | Origin::Discovered => MAX_DELAY_OTHERS,
        };
        let doubled = FIRST_DELAY.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        let mut hash = blake3::Hasher::new();
        hash.update(&local.to_bytes());
        hash.update(&self.failures.to_le_bytes());
        for address in &self.addresses {
            hash.update(address.as_ref());
        }
        let roll = u32::from(hash.finalize().as_bytes().first().copied().unwrap_or(0));
        doubled.min(cap) * (192 + roll / 2) / 256
    }

    // The address that worked comes first.
    fn prefer(&mut self, address: Multiaddr) -> bool {
        if self.addresses.first() == Some(&address) {
            return false;
        }
        self.addresses.retain(|known| *known != address);
        self.addresses.insert(0, address);
        self.addresses.truncate(MAX_ADDRESSES);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: u8) -> Multiaddr {
        format!("/ip4/10.0.0.{host}/tcp/9").parse().unwrap()
    }

    fn nobody(_: &PeerId) -> bool {
        false
    }

    fn connection(id: usize) -> ConnectionId {
        ConnectionId::new_unchecked(id)
    }

    fn remembered(count: u8) -> Vec<Record> {
        (1..=count)
            .map(|host| Record {
                peer: PeerId::random(),
                addresses: vec![address(host)],
                last_seen: u64::from(host),
            })
            .collect()
    }

    #[test]
    fn a_configured_peer_is_dialled_for_ever_with_growing_pauses() {
        let start = Instant::now();
        let mut dialer = Dialer::new(PeerId::random(), &[address(1)], vec![], start);
        let (mut now, mut pauses) = (start, Vec::new());
        for attempt in 0..30 {
            let mut waited = Duration::ZERO;
            while dialer.due(now, nobody, 0, 0).is_empty() {
                now += Duration::from_millis(10);
                waited += Duration::from_millis(10);
                assert!(waited < Duration::from_secs(60));
            }
            pauses.push(waited);
            dialer.dialing(0, Some(connection(attempt)), now);
            assert!(dialer.due(now, nobody, 0, 0).is_empty(), "one dial at a time");
            dialer.failed(connection(attempt), false, now);
        }
        assert_eq!(pauses[0], Duration::ZERO);
        assert!(pauses[1] <= Duration::from_millis(260), "{:?}", pauses[1]);
        assert!(pauses[29] >= Duration::from_secs(20), "{:?}", pauses[29]);
    }

    #[test]
    fn a_peer_on_this_machine_is_tried_at_least_every_second_and_a_half() {
        let now = Instant::now();
        let local: Multiaddr = "/ip4/127.0.0.1/tcp/9".parse().unwrap();
        let mut dialer = Dialer::new(PeerId::random(), &[local], vec![], now);
        for _ in 0..50 {
            dialer.dialing(0, None, now);
        }
        assert_eq!(dialer.due(now + Duration::from_millis(1_500), nobody, 0, 0).len(), 1);
    }

    #[test]
    fn remembered_peers_are_dialled_until_there_are_enough() {
        let now = Instant::now();
        let dialer = Dialer::new(PeerId::random(), &[address(200)], remembered(9), now);
        assert_eq!(dialer.due(now, nobody, 0, 4).len(), 1 + 4);
        assert_eq!(dialer.due(now, nobody, 4, 4).len(), 1, "the configured one in any case");
        assert_eq!(dialer.due(now, |_| true, 0, 4).len(), 1, "its peer is not known yet");
    }

    #[test]
    fn a_lost_peer_is_dialled_again_at_once_and_a_flapping_one_later_and_later() {
        let start = Instant::now();
        let peer = PeerId::random();
        let mut dialer = Dialer::new(PeerId::random(), &[address(1)], vec![], start);
        dialer.dialing(0, Some(connection(1)), start);
        dialer.established(connection(1), peer, Some(address(1)), 77, start);
        assert!(dialer.due(start, |p| *p == peer, 1, 0).is_empty());
        let later = start + Duration::from_secs(10);
        dialer.lost(&peer, later);
        assert_eq!(dialer.due(later + Duration::from_millis(300), nobody, 0, 0).len(), 1);
        for id in 2..8 {
            dialer.dialing(0, Some(connection(id)), later);
            dialer.established(connection(id), peer, None, 77, later);
            dialer.lost(&peer, later);
        }
        assert!(dialer.due(later + Duration::from_secs(2), nobody, 0, 0).is_empty());
    }

    #[test]
    fn two_addresses_of_one_peer_are_not_dialled_at_once_when_that_is_known() {
        let now = Instant::now();
        let peer = PeerId::random();
        let peers = [address(1), address(2)];
        let mut dialer = Dialer::new(PeerId::random(), &peers, vec![], now);
        assert_eq!(dialer.due(now, nobody, 0, 0).len(), 2);
        for index in 0..2 {
            dialer.dialing(index, Some(connection(index)), now);
            dialer.established(connection(index), peer, None, 77, now);
        }
        dialer.lost(&peer, now);
        assert_eq!(dialer.due(now + Duration::from_secs(60), nobody, 0, 0).len(), 1);
    }

    #[test]
    fn the_book_holds_whom_we_met_and_where_it_worked() {
        let now = Instant::now();
        let peer = PeerId::random();
        let mut dialer = Dialer::new(PeerId::random(), &[address(1)], vec![], now);
        assert_eq!(dialer.records(), None);
        dialer.dialing(0, Some(connection(1)), now);
        dialer.established(connection(1), peer, Some(address(1)), 77, now);
        let record = Record { peer, addresses: vec![address(1)], last_seen: 77 };
        assert_eq!(dialer.records(), Some(vec![record]));
        assert_eq!(dialer.records(), None, "not twice");
        dialer.discovered(peer, vec![address(2)], now);
        assert_eq!(dialer.records().unwrap()[0].addresses, vec![address(1), address(2)]);
    }

    #[test]
    fn we_do_not_dial_ourselves_twice_nor_remember_without_bound() {
        let now = Instant::now();
        let mut dialer = Dialer::new(PeerId::random(), &[address(1)], vec![], now);
        dialer.dialing(0, Some(connection(1)), now);
        dialer.failed(connection(1), true, now);
        assert!(dialer.due(now + Duration::from_secs(3_600), nobody, 0, 9).is_empty());
        for _ in 0..MAX_PEERS + 100 {
            dialer.discovered(PeerId::random(), vec![address(3)], now);
        }
        assert_eq!(dialer.entries.len(), MAX_PEERS);
    }

    #[test]
    fn a_discovered_peer_that_never_answers_is_forgotten() {
        let mut now = Instant::now();
        let mut dialer = Dialer::new(PeerId::random(), &[], vec![], now);
        dialer.discovered(PeerId::random(), vec![address(1)], now);
        for id in 0..MAX_FAILURES as usize {
            now += Duration::from_secs(1_000);
            assert_eq!(dialer.due(now, nobody, 0, 9).len(), 1);
            dialer.dialing(0, Some(connection(id)), now);
            dialer.failed(connection(id), false, now);
        }
        assert!(dialer.entries.is_empty());
    }
}
