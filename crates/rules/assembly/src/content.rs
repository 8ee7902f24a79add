//! Content: what an assembly is made of, as blocks that are named by their hashes.
//!
//! Knows: CIDs, UnixFS files and directories in the shape that Helia makes by default, CAR files.
//! Everything that reads is bounded by [`Limits`] and believes no block before its hash.
//!
//! Does not know: where blocks are kept and who sends them.

pub mod build;
pub mod car;
pub mod cid;
pub mod names;
pub mod node;
pub(crate) mod pb;
pub mod walk;

pub use build::{Built, FileBuilder, Shape, TreeBuilder};
pub use cid::{Cid, Codec};
pub use walk::{Piece, Walk};

/// A block with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The hash of the bytes.
    pub cid: Cid,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Block {
    /// Names these bytes.
    pub fn new(codec: Codec, bytes: Vec<u8>) -> Self {
        Self { cid: Cid::of(codec, &bytes), bytes }
    }
}

/// The longest block, in bytes: what every implementation of Bitswap takes.
pub const BLOCK_MAX: usize = 2 * 1024 * 1024;

/// How much content one assembly may be. Whoever reads a DAG stops at the first of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Blocks on the way from the root to a leaf, both counted.
    pub depth_max: u32,
    /// Links of one block.
    pub links_max: usize,
    /// Bytes of one block.
    pub block_max: usize,
    /// Bytes of all files together.
    pub bytes_max: u64,
    /// Blocks, each counted as often as it is linked to: what bounds a DAG that unfolds to more
    /// than it stores.
    pub blocks_max: u64,
    /// Bytes of a path.
    pub path_max: usize,
}

impl Default for Limits {
    /// 4 GiB in files, 64 levels, 8,192 links a block.
    fn default() -> Self {
        Self {
            depth_max: 64,
            links_max: 8_192,
            block_max: BLOCK_MAX,
            bytes_max: 4 * 1024 * 1024 * 1024,
            blocks_max: 100_000,
            path_max: 4_096,
        }
    }
}
