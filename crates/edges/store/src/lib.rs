//! The disk of a node: blocks, deploys, results, events, votes and the state tree.
//!
//! Two databases in one folder. What is looked up by hash, height or id is in fjall; the state tree
//! is in NOMT, which knows its root. A block reaches both in this order, so that a crash at any
//! moment leaves something that can be completed: one atomic batch with everything including the
//! new values of the state, made durable; then the tree. On opening, a tree that lags one block
//! behind gets that block's values.
//!
//! What assemblies are made of lies in a folder of its own: [`ContentStore`].
//!
//! Start at [`Store`], the one writer, which is a [`girrona_chain::Disk`]. [`StoreReader`] is for
//! everyone who only looks things up, at the same time, from any thread.
//!
//! Knows: files, fsync, which bytes are where.
//!
//! Does not know: why something is stored, tokio, the network.

#![forbid(unsafe_code)]

mod commit;
pub mod content;
mod disk;
mod faults;
mod folder;
mod history;
mod options;
mod reader;
mod recent;
mod store;
mod tables;
mod tree;
mod waiting;

pub use content::{ContentError, ContentStore};
pub use faults::{Faults, Moment, Write};
pub use folder::OpenError;
pub use history::{StateAt, StateGone};
pub use options::Options;
pub use reader::{Execution, StoreReader, StoredDeploy};
pub use store::Store;
