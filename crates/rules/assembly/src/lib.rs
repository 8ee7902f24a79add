//! Assemblies: Wasm programs that are announced, cached ahead of time, executed by the nodes that
//! hold them, and agreed on by their results.
//!
//! Knows: how content is named and read, what nodes say to each other about it, what a node
//! should cache, evict, fetch from whom and serve to whom, who executes, and which results agree.
//!
//! Does not know: swarms, disks, clocks, Wasm engines. Time arrives as milliseconds since 1970.

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

pub mod cache;
pub mod content;
pub mod fetch;
mod fixed;
pub mod ids;
pub mod manifest;
pub mod message;
pub mod permission;
pub mod propagation;
pub mod run;
pub mod talk;

pub use content::Cid;
pub use ids::{ManifestDigest, MessageId, RequestId};
pub use manifest::Manifest;
pub use permission::{Origin, Permissions};
