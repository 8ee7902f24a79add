//! What happened to content elsewhere, for the ledger: added up by peer, so it stays small.
//!
//! Knows: sums. Does not know: what the ledger makes of them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use libp2p::PeerId;
use tokio::sync::Notify;

/// About one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// Bytes of blocks that left, or will not.
    pub(super) sent: u64,
    /// Bytes that we received and wanted.
    pub(super) received: u64,
    /// It does not listen.
    pub(super) is_gone: bool,
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    by_peer: Mutex<BTreeMap<PeerId, Note>>,
    wake: Notify,
}

impl Notes {
    pub(super) fn add(&self, peer: PeerId, change: impl FnOnce(&mut Note)) {
        let mut notes = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        change(notes.entry(peer).or_default());
        drop(notes);
        self.wake.notify_one();
    }

    /// Waits until there is something to take.
    pub(super) async fn wait(&self) {
        self.wake.notified().await;
    }

    pub(super) fn take(&self) -> BTreeMap<PeerId, Note> {
        std::mem::take(&mut *self.by_peer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn notes_add_up_by_peer_until_they_are_taken() {
        let (notes, peer) = (Notes::default(), PeerId::random());
        for _ in 0..1_000 {
            notes.add(peer, |note| note.sent += 2);
            notes.add(peer, |note| note.received += 1);
        }
        notes.wait().await;
        let expected = Note { sent: 2_000, received: 1_000, is_gone: false };
        assert_eq!(notes.take(), BTreeMap::from([(peer, expected)]));
        assert!(notes.take().is_empty());
    }
}
