//! Peers that were late when a fetch ended: asked once more, and named if they say nothing.
//!
//! Knows: deadlines. Time arrives as an argument. Does not know: what they are asked.

use std::collections::BTreeMap;

use libp2p::PeerId;

/// Whoever says nothing at all for so long does not deliver.
const SILENCE_MS: u64 = 3_000;
/// Suspects at a time. When full the next is let go.
const SUSPECTS_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Suspects(BTreeMap<PeerId, u64>);

impl Suspects {
    pub(super) fn suspect(&mut self, peer: PeerId, now: u64) {
        if self.0.len() < SUSPECTS_MAX {
            self.0.entry(peer).or_insert_with(|| now.saturating_add(SILENCE_MS));
        }
    }

    /// It said something, or is gone.
    pub(super) fn acquit(&mut self, peer: &PeerId) {
        self.0.remove(peer);
    }

    /// Those who said nothing.
    pub(super) fn convict(&mut self, now: u64) -> Vec<PeerId> {
        self.0.extract_if(.., |_, at| *at <= now).map(|(peer, _)| peer).collect()
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.0.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_answers_in_time_is_not_named() {
        let (talks, silent) = (PeerId::random(), PeerId::random());
        let mut suspects = Suspects::default();
        suspects.suspect(talks, 100);
        suspects.suspect(silent, 100);
        suspects.suspect(silent, 2_000);
        assert_eq!(suspects.next_ms(), Some(100 + SILENCE_MS));
        suspects.acquit(&talks);
        assert_eq!(suspects.convict(99 + SILENCE_MS), []);
        assert_eq!(suspects.convict(100 + SILENCE_MS), [silent]);
        assert_eq!(suspects.next_ms(), None);
    }
}
