//! Walks a DAG from its root in the order of its files, and believes nothing.
//!
//! The walker says which block it needs, the owner brings it, from wherever. Every block is
//! checked against its CID, every size against what was announced, and the whole against
//! [`Limits`]; a block that is linked to twice is asked for twice and counts twice.

use thiserror::Error;

use super::{
    Cid, Limits,
    node::{Entry, Node, NodeError, Part, read},
};

/// What a block was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A directory begins; what is in it follows.
    Directory {
        /// Where, names separated by `/`; empty for the root.
        path: String,
    },
    /// A file begins.
    File {
        /// Where; empty if the root is a file.
        path: String,
        /// How long it will be.
        size: u64,
        /// Its first bytes.
        bytes: &'a [u8],
    },
    /// The file goes on.
    More {
        /// Its next bytes.
        bytes: &'a [u8],
    },
}

/// Why a DAG is not walked to its end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WalkError {
    /// The bytes are not those that the CID names.
    #[error("the bytes are not block {0}")]
    Hash(Cid),
    /// The block is nothing that assemblies use.
    #[error("block {cid}: {reason}")]
    Node {
        /// Which.
        cid: Cid,
        /// Why.
        reason: NodeError,
    },
    /// A part of a file is a directory, or not as long as the file said.
    #[error("block {0} is not the part that its file announced")]
    Part(Cid),
    /// A path is too long.
    #[error("a path is longer than {0} bytes")]
    Path(usize),
    /// Deeper than allowed.
    #[error("more than {0} blocks lie on the way to a leaf")]
    Depth(u32),
    /// More in files than allowed.
    #[error("the files have more than {0} bytes")]
    Bytes(u64),
    /// More blocks than allowed.
    #[error("there are more than {0} blocks")]
    Blocks(u64),
    /// A block came that was not asked for.
    #[error("no block is needed any more")]
    Over,
}

#[derive(Debug)]
struct Open {
    cid: Cid,
    /// From the root, which has 1.
    depth: u32,
    expected: Expected,
}

#[derive(Debug)]
enum Expected {
    /// A file or a directory at this path.
    Entry(String),
    /// A part of the file that is being read, this long.
    Part(u64),
}

/// A walk under way.
#[derive(Debug)]
pub struct Walk {
    limits: Limits,
    /// What is still to be visited, the next last.
    open: Vec<Open>,
    blocks: u64,
    bytes: u64,
}

impl Walk {
    /// Starts at the root.
    pub fn new(root: Cid, limits: Limits) -> Self {
        let first = Open { cid: root, depth: 1, expected: Expected::Entry(String::new()) };
        Self { limits, open: vec![first], blocks: 0, bytes: 0 }
    }

    /// The block that is needed next; `None` at the end.
    pub fn wanted(&self) -> Option<Cid> {
        self.open.last().map(|open| open.cid)
    }

    /// Blocks visited so far.
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Bytes in files, as announced so far.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Brings the wanted block.
    ///
    /// # Errors
    /// [`WalkError`]; after [`WalkError::Hash`] another try may be made, everything else is the
    /// DAG's own fault and stays.
    pub fn give<'a>(&mut self, block: &'a [u8]) -> Result<Piece<'a>, WalkError> {
        let cid = self.wanted().ok_or(WalkError::Over)?;
        // Before the hash, because it bounds the work.
        let long = block.len() > self.limits.block_max;
        let node = |reason| WalkError::Node { cid, reason };
        if long {
            return Err(node(NodeError::Long(block.len())));
        }
        if !cid.names(block) {
            return Err(WalkError::Hash(cid));
        }
        let read = read(cid.codec, block, &self.limits).map_err(node)?;
        self.blocks = self.blocks.saturating_add(1);
        if self.blocks > self.limits.blocks_max {
            return Err(WalkError::Blocks(self.limits.blocks_max));
        }
        let open = self.open.pop().ok_or(WalkError::Over)?;
        match (open.expected, read) {
            (Expected::Entry(path), Node::Directory(entries)) => {
                self.open_entries(&path, open.depth, entries)?;
                Ok(Piece::Directory { path })
            }
            (Expected::Entry(path), Node::File { bytes, parts, size }) => {
                self.bytes = self.bytes.saturating_add(size);
                if self.bytes > self.limits.bytes_max {
                    return Err(WalkError::Bytes(self.limits.bytes_max));
                }
                self.open_parts(open.depth, parts)?;
                Ok(Piece::File { path, size, bytes })
            }
            (Expected::Part(expected), Node::File { bytes, parts, size }) if size == expected => {
                self.open_parts(open.depth, parts)?;
                Ok(Piece::More { bytes })
            }
            (Expected::Part(_), _) => Err(WalkError::Part(cid)),
        }
    }

    fn open_entries(
        &mut self,
        path: &str,
        depth: u32,
        entries: Vec<Entry>,
    ) -> Result<(), WalkError> {
        for entry in entries.into_iter().rev() {
            let path = if path.is_empty() { entry.name } else { format!("{path}/{}", entry.name) };
            if path.len() > self.limits.path_max {
                return Err(WalkError::Path(self.limits.path_max));
            }
            self.open(entry.cid, depth, Expected::Entry(path))?;
        }
        Ok(())
    }

    fn open_parts(&mut self, depth: u32, parts: Vec<Part>) -> Result<(), WalkError> {
        for part in parts.into_iter().rev() {
            self.open(part.cid, depth, Expected::Part(part.size))?;
        }
        Ok(())
    }

    fn open(&mut self, cid: Cid, above: u32, expected: Expected) -> Result<(), WalkError> {
        let depth = above.saturating_add(1);
        if depth > self.limits.depth_max {
            return Err(WalkError::Depth(self.limits.depth_max));
        }
        // What is open will be visited, so the end is known before it is reached.
        if self.blocks.saturating_add(self.open.len() as u64) >= self.limits.blocks_max {
            return Err(WalkError::Blocks(self.limits.blocks_max));
        }
        self.open.push(Open { cid, depth, expected });
        Ok(())
    }
}
