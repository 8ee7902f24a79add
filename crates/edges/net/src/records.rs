//! Provider records of others: how many the private DHT keeps for whom, and for how long.
//!
//! Knows: keys, peers, counts. Time arrives as an argument.
//! Does not know: libp2p's store, which holds the records; `task/content.rs` does what this says.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::{PeerId, kad::RecordKey};

/// Keys of one provider. When full its oldest is dropped.
pub(crate) const MAX_PER_PEER: usize = 1_024;
/// Keys of all providers. When full a new one is refused until others run out.
pub(crate) const MAX_KEYS: usize = 16_384;
/// A provider says again within this time that it still is one.
pub(crate) const TTL: Duration = Duration::from_secs(24 * 3_600);
pub(crate) const REPEAT: Duration = Duration::from_secs(6 * 3_600);

#[derive(Debug, Default)]
pub(crate) struct Records {
    by_peer: HashMap<PeerId, HashMap<RecordKey, Instant>>,
    count: usize,
}

impl Records {
    /// A peer says that it provides a key: whether to keep that, and which older key of its own to
    /// forget first.
    pub(crate) fn admit(
        &mut self,
        peer: PeerId,
        key: RecordKey,
        now: Instant,
    ) -> (bool, Option<RecordKey>) {
        let known = self.by_peer.entry(peer).or_default();
        if let Some(since) = known.get_mut(&key) {
            *since = now;
            return (true, None);
        }
        let mut dropped = None;
        if known.len() >= MAX_PER_PEER {
            let oldest = known.iter().min_by_key(|(_, since)| **since);
            dropped = oldest.map(|(key, _)| key.clone());
            if let Some(key) = &dropped {
                known.remove(key);
                self.count -= 1;
            }
        }
        if self.count >= MAX_KEYS {
            if known.is_empty() {
                self.by_peer.remove(&peer);
            }
            return (false, dropped);
        }
        known.insert(key, now);
        self.count += 1;
        (true, dropped)
    }

    /// What has run out by now.
    pub(crate) fn sweep(&mut self, now: Instant) -> Vec<(PeerId, RecordKey)> {
        let mut gone = Vec::new();
        for (peer, known) in &mut self.by_peer {
            let old = known.extract_if(|_, since| now.saturating_duration_since(*since) >= TTL);
            gone.extend(old.map(|(key, _)| (*peer, key)));
        }
        self.by_peer.retain(|_, known| !known.is_empty());
        self.count -= gone.len();
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> RecordKey {
        RecordKey::new(&number.to_le_bytes())
    }

    #[test]
    fn one_provider_and_all_of_them_are_bounded_and_what_is_old_goes() {
        let start = Instant::now();
        let mut records = Records::default();
        let greedy = PeerId::random();
        for number in 0..MAX_PER_PEER {
            let at = start + Duration::from_millis(number as u64);
            assert_eq!(records.admit(greedy, key(number), at), (true, None));
        }
        let later = start + Duration::from_secs(60);
        assert_eq!(records.admit(greedy, key(0), later), (true, None), "said again");
        assert_eq!(records.admit(greedy, key(9_999), later), (true, Some(key(1))));
        for number in 0.. {
            let (kept, _) = records.admit(PeerId::random(), key(number), later);
            assert!(records.count <= MAX_KEYS);
            if !kept {
                break;
            }
        }
        let soon = start + TTL + Duration::from_millis(2);
        assert_eq!(records.sweep(soon).len(), 1, "the oldest that was not said again");
        let all = records.sweep(later + TTL).len();
        assert_eq!((all, records.count, records.by_peer.len()), (MAX_KEYS - 1, 0, 0));
    }
}
