//! Blocks that are missing and asked of nobody, in the order of the content.

use std::collections::BTreeSet;

use super::Missing;
use crate::content::Cid;

#[derive(Debug, Default)]
pub(super) struct Queue {
    places: BTreeSet<(u64, Cid)>,
    bytes: u64,
}

impl Queue {
    pub(super) fn insert(&mut self, cid: Cid, missing: &Missing) {
        if self.places.insert((missing.order, cid)) {
            self.bytes = self.bytes.saturating_add(missing.size);
        }
    }

    pub(super) fn remove(&mut self, cid: &Cid, missing: &Missing) {
        if self.places.remove(&(missing.order, *cid)) {
            self.bytes = self.bytes.saturating_sub(missing.size);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Cid> {
        self.places.iter().map(|(_, cid)| cid)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What the blocks are expected to have together.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}
