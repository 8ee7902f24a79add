//! A whole state in memory, with the same root as the one on disk. For tests and the simulator.

use std::{collections::BTreeMap, sync::Arc};

use casper_types::{Digest, Key, StoredValue};
use girrona_types::keys::normalised;

use crate::{
    Commitment, Error, Leaves, Reader, Unreadable, commitment,
    trie::{Node, ValueHash},
};

/// A state in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    values: BTreeMap<Key, Arc<StoredValue>>,
    tree: MemoryTree,
}

impl MemoryState {
    /// A state that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The root of this state.
    pub fn root(&self) -> Digest {
        Digest::from(self.tree.root.hash())
    }

    /// The root of this state with changes on top.
    ///
    /// # Errors
    /// [`Error::Bytes`] when a value has no byte form.
    pub fn root_after(
        &self,
        changes: &BTreeMap<Key, Option<StoredValue>>,
    ) -> Result<Digest, Error> {
        Ok(Digest::from(self.tree.after(&commitment::leaves(changes)?).hash()))
    }

    /// Takes over changes and returns the new root.
    ///
    /// # Errors
    /// [`Error::Bytes`] when a value has no byte form; nothing is changed then.
    pub fn apply(&mut self, changes: &BTreeMap<Key, Option<StoredValue>>) -> Result<Digest, Error> {
        self.tree.root = self.tree.after(&commitment::leaves(changes)?);
        for (key, value) in changes {
            match value {
                Some(value) => self.values.insert(normalised(key), Arc::new(value.clone())),
                None => self.values.remove(&normalised(key)),
            };
        }
        Ok(self.root())
    }

    /// Every key with its value, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &StoredValue)> {
        self.values.iter().map(|(key, value)| (key, value.as_ref()))
    }
}

impl Reader for MemoryState {
    fn read(&self, key: &Key) -> Result<Option<Arc<StoredValue>>, Unreadable> {
        Ok(self.values.get(&normalised(key)).cloned())
    }
}

/// The tree alone: paths and the hashes of what is there.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    root: Node,
}

impl MemoryTree {
    fn after(&self, leaves: &Leaves) -> Node {
        let changes: Vec<(_, Option<ValueHash>)> = leaves
            .iter()
            .map(|(path, bytes)| {
                (*path, bytes.as_ref().map(|bytes| *blake3::hash(bytes).as_bytes()))
            })
            .collect();
        self.root.updated(0, &changes)
    }
}

impl Commitment for MemoryTree {
    fn root(&self) -> Result<Digest, Unreadable> {
        Ok(Digest::from(self.root.hash()))
    }

    fn root_after(&mut self, leaves: &Leaves) -> Result<Digest, Unreadable> {
        Ok(Digest::from(self.after(leaves).hash()))
    }

    fn commit(&mut self, leaves: &Leaves) -> Result<Digest, Unreadable> {
        self.root = self.after(leaves);
        self.root()
    }
}
