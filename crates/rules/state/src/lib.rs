//! The state of the chain as execution sees it: what one deploy reads, writes and adds, what a
//! block has made of it so far, and the root that commits to it.
//!
//! Start at [`View`]: one deploy works on one view, a view sits on a [`BlockState`], and that on
//! whatever holds the state before the block (a [`Reader`]).
//!
//! Knows: keys, values, deltas, the order of deploys in a block, how a set of keys and values
//! becomes one root.
//!
//! Does not know: gas, accounts, purses, Wasm, files.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::float_arithmetic
    )
)]

pub mod block;
pub mod commitment;
pub mod delta;
pub mod effects;
pub mod memory;
mod trie;
pub mod view;

use std::{error, sync::Arc};

use casper_types::{Key, StoredValue, bytesrepr};
use thiserror::Error;

pub use block::BlockState;
pub use commitment::{Commitment, Leaves};
pub use delta::Delta;
pub use memory::MemoryState;
pub use view::{Changes, Mark, Operation, View};

/// The state could not be read: a disk failed, or what it holds makes no sense. Never the fault of
/// a deploy; a node that meets it must stop.
#[derive(Debug, Error)]
#[error("read state")]
pub struct Unreadable(#[source] pub Box<dyn error::Error + Send + Sync>);

/// Why a view or a block state could not do what it was asked to.
#[derive(Debug, Error)]
pub enum Error {
    /// The state below could not be read; see [`Unreadable`].
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A delta for a key that holds nothing.
    #[error("nothing is stored under {} that could be added to", .0.to_formatted_string())]
    Absent(Key),
    /// A delta of a kind that the stored value does not take.
    #[error("{} holds {found}, to which a {delta} cannot be added", .key.to_formatted_string())]
    Mismatch {
        /// The target.
        key: Box<Key>,
        /// What was to be added.
        delta: &'static str,
        /// What is there.
        found: String,
    },
    /// A `U512` was to grow past its largest value.
    #[error("{} would exceed the largest U512", .0.to_formatted_string())]
    Overflow(Key),
    /// A value has no byte form.
    #[error("the value of {} has no byte form: {source}", .key.to_formatted_string())]
    Bytes {
        /// Whose value.
        key: Key,
        /// Why.
        source: bytesrepr::Error,
    },
}

/// One state: every key has at most one value.
///
/// Keys are normalised inside ([`girrona_types::keys::normalised`]), so the access rights of a
/// `URef` make no difference.
pub trait Reader {
    /// The value of a key.
    ///
    /// # Errors
    /// When the state cannot be read at all; a key without a value is `None`.
    fn read(&self, key: &Key) -> Result<Option<Arc<StoredValue>>, Unreadable>;
}

/// Whether a key names a record that clients look up and no deploy reads: such records are kept
/// beside the block, are not part of the state tree, and read as absent except by the deploy that
/// wrote them.
pub const fn is_record(key: &Key) -> bool {
    matches!(key, Key::Transfer(_) | Key::DeployInfo(_))
}
