//! Deployment files: what a tenant writes about the servers to rent, in the YAML that users of
//! Akash (SDL 2.0 and 2.1) and Spheron (ICL 1.0) already have.
//!
//! Knows: the keys of both dialects and our own under `girrona`, quantities, images, prices. Out of
//! a file come, for each placement, a [`Manifest`] that only the provider may read, and an [`Order`]
//! that everybody may; the order names the manifest by its hash.
//!
//! Does not know: files, the chain, who bids. Start at [`read()`]; the format is in
//! `docs/spec/deployment.md`.

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

mod check;
mod file;
pub mod image;
pub mod manifest;
pub mod order;
pub mod problem;
pub mod quantity;
mod reader;
mod yaml;

use std::{collections::BTreeMap, num::NonZeroU64};

pub use image::Image;
pub use manifest::{Manifest, ManifestError, ManifestHash, Secret};
pub use order::{Order, OrderError};
pub use problem::{Place, Problem, Problems};

/// What a file says: for each placement, what is ordered and what is sent to whoever wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// What the file calls it (`profiles.name` of ICL).
    pub name: Option<String>,
    /// By the placement's name. Each is an order of its own.
    pub groups: BTreeMap<String, Group>,
}

/// One placement of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What goes on the chain.
    pub order: Order,
    /// What goes to the provider, over an authenticated channel only.
    pub manifest: Manifest,
}

/// Reads a deployment file. `block_time` is the chainspec's, in milliseconds: durations become
/// blocks by it, rounded up, and so do prices per hour.
///
/// # Errors
/// Everything that is wrong with the file, each with its place.
pub fn read(text: &str, block_time: NonZeroU64) -> Result<Deployment, Problems> {
    file::read(text, block_time)
}
