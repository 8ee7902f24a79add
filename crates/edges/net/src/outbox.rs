//! Gossip for which there is no subscribed peer yet: kept a moment, then sent or given up.
//!
//! Knows: bounds and age. Time arrives as an argument. Does not know: gossipsub.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::Topic;

const MAX_MESSAGES: usize = 1_024;
const MAX_BYTES: usize = 16 << 20;
/// After this the message is old news; digests heal what was missed.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<(Topic, Bytes, Instant)>,
    bytes: usize,
}

impl Outbox {
    /// Keeps a message; answers how many older ones it drove out.
    pub(crate) fn push(&mut self, topic: Topic, message: Bytes, now: Instant) -> usize {
        self.bytes += message.len();
        self.waiting.push_back((topic, message, now));
        let mut dropped = 0;
        while self.waiting.len() > MAX_MESSAGES || self.bytes > MAX_BYTES {
            dropped += self.drop_first();
        }
        dropped
    }

    /// Gives up what has waited too long; answers how many.
    pub(crate) fn sweep(&mut self, now: Instant) -> usize {
        let mut dropped = 0;
        while self
            .waiting
            .front()
            .is_some_and(|(_, _, since)| now.saturating_duration_since(*since) >= PATIENCE)
        {
            dropped += self.drop_first();
        }
        dropped
    }

    /// Everything that waits for this topic, the oldest first.
    pub(crate) fn take(&mut self, topic: Topic) -> Vec<(Bytes, Instant)> {
        let (taken, stay): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(of, _, _)| *of == topic);
        self.waiting = stay.into();
        self.bytes = self.waiting.iter().map(|(_, message, _)| message.len()).sum();
        taken.into_iter().map(|(_, message, since)| (message, since)).collect()
    }

    fn drop_first(&mut self) -> usize {
        let Some((_, message, _)) = self.waiting.pop_front() else { return 0 };
        self.bytes -= message.len();
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_peer_waits_within_bounds_and_not_for_ever() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        let big = Bytes::from(vec![0; 2 << 20]);
        let dropped: usize = (0..10).map(|_| outbox.push(Topic::Blocks, big.clone(), now)).sum();
        assert_eq!(dropped, 2);
        assert_eq!(outbox.push(Topic::Deploys, Bytes::from_static(b"d"), now), 1);
        let later = now + Duration::from_secs(1);
        assert_eq!(outbox.take(Topic::Blocks).len(), 7);
        assert_eq!(outbox.push(Topic::Commits, Bytes::from_static(b"c"), later), 0);
        assert_eq!(outbox.sweep(now + PATIENCE), 1, "the deploy");
        assert_eq!(outbox.take(Topic::Commits), [(Bytes::from_static(b"c"), later)]);
        assert_eq!(outbox.bytes, 0);
    }
}
