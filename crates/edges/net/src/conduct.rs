//! What the owner holds against a peer, and when it is enough for a ban.
//!
//! Knows: offences and their decay. Time arrives as an argument.
//! Does not know: gossip scores; gossipsub keeps those, and `task.rs` watches both.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::PeerId;

/// Offences are forgotten by half in this time.
const HALF_LIFE: Duration = Duration::from_secs(60);
/// So many remembered offences are a ban.
const BAN_AT: f64 = 4.5;
/// Gossip score of one offence; with [`BAN_AT`] just below the graylist threshold of -400.
const SCORE: f64 = -100.0;
/// Peers with offences that are remembered. When full, the least guilty is forgotten.
const MAX_PEERS: usize = 4_096;

#[derive(Debug, Default)]
pub(crate) struct Conduct {
    peers: HashMap<PeerId, Record>,
}

#[derive(Debug)]
struct Record {
    offences: f64,
    at: Instant,
}

impl Record {
    fn now(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        self.offences * 0.5_f64.powf(age / HALF_LIFE.as_secs_f64())
    }
}

impl Conduct {
    /// Notes an offence; `true` if the peer has now earned a ban.
    pub(crate) fn offence(&mut self, peer: PeerId, now: Instant) -> bool {
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&peer) {
            self.forget_one(now);
        }
        let record = self.peers.entry(peer).or_insert(Record { offences: 0.0, at: now });
        record.offences = record.now(now) + 1.0;
        record.at = now;
        record.offences >= BAN_AT
    }

    /// What a peer's offences subtract from its gossip score.
    pub(crate) fn score(&self, peer: &PeerId, now: Instant) -> f64 {
        self.peers.get(peer).map_or(0.0, |record| SCORE * record.now(now))
    }

    /// Whose offences are remembered; those nearly forgotten are dropped.
    pub(crate) fn sweep(&mut self, now: Instant) -> Vec<PeerId> {
        self.peers.retain(|_, record| record.now(now) > 0.01);
        self.peers.keys().copied().collect()
    }

    /// A ban has been served, or the peer is now protected.
    pub(crate) fn pardon(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    fn forget_one(&mut self, now: Instant) {
        let least = self.peers.iter().min_by(|a, b| a.1.now(now).total_cmp(&b.1.now(now)));
        if let Some(peer) = least.map(|(peer, _)| *peer) {
            self.peers.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_offences_are_a_ban_and_old_ones_are_forgotten() {
        let start = Instant::now();
        let peer = PeerId::random();
        let mut conduct = Conduct::default();
        for _ in 0..4 {
            assert!(!conduct.offence(peer, start));
        }
        assert!(conduct.score(&peer, start) <= -400.0);
        assert!(conduct.offence(peer, start));

        let other = PeerId::random();
        for minute in 0..60 {
            assert!(!conduct.offence(other, start + Duration::from_secs(60 * minute)));
        }
        let year = start + Duration::from_secs(86_400);
        assert_eq!(conduct.sweep(year), vec![]);
        assert_eq!(conduct.score(&peer, year), 0.0);
    }

    #[test]
    fn a_crowd_of_offenders_is_remembered_within_bounds() {
        let start = Instant::now();
        let mut conduct = Conduct::default();
        let worst = PeerId::random();
        conduct.offence(worst, start);
        conduct.offence(worst, start);
        for _ in 0..MAX_PEERS + 10 {
            conduct.offence(PeerId::random(), start);
        }
        assert_eq!(conduct.peers.len(), MAX_PEERS);
        assert!(conduct.score(&worst, start) <= -200.0);
    }
}
