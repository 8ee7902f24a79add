//! The root: one hash for a whole state.
//!
//! The tree holds, for every key, the bytesrepr bytes of its value at the path
//! [`girrona_types::keys::path`]. It is NOMT's binary trie with blake3: a leaf hashes its path and
//! the hash of its value and has the highest bit set, an inner node hashes its two children and has
//! it cleared, an empty subtree is 32 zero bytes, and a subtree with one leaf is that leaf. So the
//! root is a function of the keys and values alone, not of how they came to be.

use std::{collections::BTreeMap, io};

use casper_types::{Digest, Key, StoredValue, bytesrepr::ToBytes};
use girrona_types::keys::{self, Path};

use crate::{Error, Unreadable};

/// New bytes by path; `None` removes. What a commitment sees of a block's changes.
pub type Leaves = BTreeMap<Path, Option<Vec<u8>>>;

/// Something that holds the tree and knows its root.
pub trait Commitment {
    /// The root of what it holds.
    ///
    /// # Errors
    /// When the tree cannot be read.
    fn root(&self) -> Result<Digest, Unreadable>;

    /// The root that it would have with these changes. Changes nothing that can be seen.
    ///
    /// # Errors
    /// When the tree cannot be read.
    fn root_after(&mut self, leaves: &Leaves) -> Result<Digest, Unreadable>;

    /// Takes over the changes and returns the new root.
    ///
    /// # Errors
    /// When the tree cannot be read or written; what it holds then is unknown.
    fn commit(&mut self, leaves: &Leaves) -> Result<Digest, Unreadable>;
}

/// The root of a state that holds nothing.
pub const EMPTY_ROOT: [u8; 32] = nomt_core::trie::TERMINATOR;

/// The leaves of a set of changes.
///
/// # Errors
/// [`Error::Bytes`] when a key or value has no byte form, which no real one lacks.
pub fn leaves(changes: &BTreeMap<Key, Option<StoredValue>>) -> Result<Leaves, Error> {
    changes
        .iter()
        .map(|(key, value)| {
            let bytes = value.as_ref().map(ToBytes::to_bytes).transpose();
            Ok((path(key)?, bytes.map_err(|source| Error::Bytes { key: *key, source })?))
        })
        .collect()
}

/// Where a key is in the tree.
///
/// # Errors
/// [`Unreadable`] when the key has no byte form, which no real one lacks.
pub fn path(key: &Key) -> Result<Path, Unreadable> {
    keys::path(key)
        .ok_or_else(|| Unreadable(Box::new(io::Error::other(format!("{key:?} has no byte form")))))
}
