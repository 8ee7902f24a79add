//! The brain of a node: accept deploys, propose, judge, execute, commit, sign, catch up.
//!
//! Knows: the life of a deploy and of a block, and what of them has to be on disk before what is
//! said. Owns consensus and execution.
//!
//! Does not know: tokio, sockets, files, JSON-RPC, how bytes reach a peer.

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

pub mod accept;
pub mod attendance;
pub mod buffer;
pub mod chain;
mod decide;
pub mod disk;
mod eras;
mod finality;
mod funds;
mod judge;
pub mod memory;
pub mod message;
mod propose;
mod sync;
#[cfg(test)]
mod testing;

pub use accept::{Accepted, Incoming, Refusal, Source};
pub use chain::{
    Chain, Fatal, Input, Output, Parts, Peer, RequestId, SharedScheme, Timer, Verdict,
};
pub use disk::Disk;
pub use judge::Invalid;
pub use memory::MemoryDisk;
