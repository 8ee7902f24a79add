//! The state in the middle of a block: what was before it, and what its deploys did so far.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use casper_types::{Key, StoredValue};
use girrona_types::keys::normalised;

use crate::{Changes, Error, Reader, Unreadable, is_record};

/// The state before a block with the changes of its deploys on top.
///
/// Values that were read or written once are kept decoded, so an account that many deploys of the
/// block use is decoded once.
pub struct BlockState<'a> {
    before: &'a dyn Reader,
    entries: RefCell<BTreeMap<Key, Entry>>,
    records: BTreeMap<Key, StoredValue>,
}

#[derive(Clone, Debug)]
struct Entry {
    before: Option<Arc<StoredValue>>,
    now: Option<Arc<StoredValue>>,
}

impl std::fmt::Debug for BlockState<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockState")
            .field("entries", &self.entries)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl<'a> BlockState<'a> {
    /// A block in which nothing happened yet.
    pub const fn new(before: &'a dyn Reader) -> Self {
        Self { before, entries: RefCell::new(BTreeMap::new()), records: BTreeMap::new() }
    }

    /// Takes over what one deploy did.
    ///
    /// # Errors
    /// When a delta does not fit its target, or the state below cannot be read; nothing is changed
    /// then.
    pub fn apply(&mut self, changes: Changes) -> Result<(), Error> {
        let mut sums = Vec::with_capacity(changes.deltas.len());
        for (key, delta) in &changes.deltas {
            let before = match changes.writes.get(key) {
                Some(written) => written.clone(),
                None => self.read(key)?,
            };
            sums.push((*key, delta.apply(key, before)?));
        }
        // The value before the block tells at the end whether a key differs.
        for key in changes.writes.keys() {
            self.read(key)?;
        }
        let entries = self.entries.get_mut();
        let sums = sums.into_iter().map(|(key, sum)| (key, Some(sum)));
        for (key, now) in changes.writes.into_iter().chain(sums) {
            if let Some(entry) = entries.get_mut(&normalised(&key)) {
                entry.now = now;
            }
        }
        let records = changes.records.into_iter();
        self.records.extend(records.map(|(key, value)| (key, Arc::unwrap_or_clone(value))));
        Ok(())
    }

    /// Records written so far; see [`is_record`].
    pub const fn records(&self) -> &BTreeMap<Key, StoredValue> {
        &self.records
    }

    /// The new value of every key that differs from before the block; `None` for a removed key.
    pub fn into_changes(self) -> BTreeMap<Key, Option<StoredValue>> {
        self.into_parts().0
    }

    /// [`BlockState::into_changes`], and the records.
    pub fn into_parts(self) -> (BTreeMap<Key, Option<StoredValue>>, BTreeMap<Key, StoredValue>) {
        let changes = self
            .entries
            .into_inner()
            .into_iter()
            .filter(|(_, entry)| entry.before != entry.now)
            .map(|(key, entry)| (key, entry.now.map(Arc::unwrap_or_clone)))
            .collect();
        (changes, self.records)
    }
}

impl Reader for BlockState<'_> {
    fn read(&self, key: &Key) -> Result<Option<Arc<StoredValue>>, Unreadable> {
        if is_record(key) {
            return Ok(None);
        }
        let key = normalised(key);
        let mut entries = self.entries.borrow_mut();
        if let Some(entry) = entries.get(&key) {
            return Ok(entry.now.clone());
        }
        let before = self.before.read(&key)?;
        entries.insert(key, Entry { before: before.clone(), now: before.clone() });
        Ok(before)
    }
}
