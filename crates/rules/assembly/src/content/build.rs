//! Makes UnixFS files and directories, with the same CIDs as Helia's defaults.
//!
//! A file goes in piece by piece and comes out block by block: no more than one chunk and the
//! unfinished node of each level are held.

use std::collections::{BTreeMap, btree_map};

use thiserror::Error;

use super::{
    Block, Cid, Codec, Limits,
    cid::CID_LENGTH,
    names::{NameError, check_name},
    node::{Part, write_directory, write_file},
};

/// Names and CIDs of a directory may take this many bytes together; beyond it, Helia would shard
/// the directory, which we do not read.
pub const DIRECTORY_MAX: usize = 256 * 1024;

/// How a file is cut and its tree is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of a leaf.
    pub chunk: usize,
    /// Links of a node.
    pub width: usize,
}

impl Shape {
    /// What Helia 7 does by default.
    pub const HELIA: Self = Self { chunk: 1024 * 1024, width: 1024 };
}

/// What was made of a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its root.
    pub cid: Cid,
    /// Bytes of files in it.
    pub size: u64,
    /// Bytes of all its blocks, each counted as often as it is linked to.
    pub weight: u64,
    /// Blocks, each counted as often as it is linked to.
    pub blocks: u64,
}

impl Built {
    fn leaf(cid: Cid, length: usize) -> Self {
        Self { cid, size: length as u64, weight: length as u64, blocks: 1 }
    }

    const fn part(&self) -> (Part, u64) {
        (Part { cid: self.cid, size: self.size }, self.weight)
    }
}

/// Cuts a file into blocks.
#[derive(Debug)]
pub struct FileBuilder {
    shape: Shape,
    chunk: Vec<u8>,
    /// Unfinished nodes, the one above the leaves first. Never holds a full one.
    levels: Vec<Vec<Built>>,
}

impl FileBuilder {
    /// An empty file. A shape with chunks of no bytes or nodes with fewer than two links is
    /// brought to the least that ends.
    pub fn new(shape: Shape) -> Self {
        let shape = Shape { chunk: shape.chunk.max(1), width: shape.width.max(2) };
        Self { shape, chunk: Vec::new(), levels: Vec::new() }
    }

    /// More of the file; `out` gets each block that is full, children before parents.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut dyn FnMut(Block)) {
        while !bytes.is_empty() {
            // A full chunk waits for the next byte, because only then it is known not to be the
            // file's last.
            if self.chunk.len() >= self.shape.chunk {
                self.end_chunk(out);
            }
            let room = self.shape.chunk.saturating_sub(self.chunk.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.chunk.extend_from_slice(now);
            bytes = later;
        }
    }

    /// A leaf whose block is already made, after what was pushed so far. Every leaf but the last
    /// has to be as long as the shape says.
    pub fn push_leaf(&mut self, leaf: Cid, length: usize, out: &mut dyn FnMut(Block)) {
        if !self.chunk.is_empty() {
            self.end_chunk(out);
        }
        self.add(0, Built::leaf(leaf, length), out);
    }

    /// The file is complete.
    pub fn finish(mut self, out: &mut dyn FnMut(Block)) -> Built {
        if !self.chunk.is_empty() || self.levels.is_empty() {
            self.end_chunk(out);
        }
        let mut level = 0_usize;
        loop {
            let nodes = self.levels.get_mut(level).map(std::mem::take).unwrap_or_default();
            let is_top = self.levels.len() <= level.saturating_add(1);
            match nodes.as_slice() {
                [root] if is_top => return *root,
                [] => {}
                nodes => self.add(level.saturating_add(1), node(nodes, out), out),
            }
            level = level.saturating_add(1);
        }
    }

    fn end_chunk(&mut self, out: &mut dyn FnMut(Block)) {
        let bytes = std::mem::take(&mut self.chunk);
        let length = bytes.len();
        let block = Block::new(Codec::Raw, bytes);
        let leaf = Built::leaf(block.cid, length);
        out(block);
        self.add(0, leaf, out);
    }

    /// Adds to a level; a full node goes to the level above.
    fn add(&mut self, level: usize, built: Built, out: &mut dyn FnMut(Block)) {
        let (mut level, mut built) = (level, built);
        loop {
            if self.levels.len() <= level {
                self.levels.resize_with(level.saturating_add(1), Vec::new);
            }
            let Some(nodes) = self.levels.get_mut(level) else { return };
            nodes.push(built);
            if nodes.len() < self.shape.width {
                return;
            }
            built = node(&std::mem::take(nodes), out);
            level = level.saturating_add(1);
        }
    }
}

/// Makes the node above these.
fn node(children: &[Built], out: &mut dyn FnMut(Block)) -> Built {
    let parts: Vec<_> = children.iter().map(Built::part).collect();
    finish_node(write_file(&parts), children.iter().copied(), out)
}

/// Gives out a node's block and sums up what is below it.
fn finish_node(
    bytes: Vec<u8>,
    children: impl Iterator<Item = Built>,
    out: &mut dyn FnMut(Block),
) -> Built {
    let block = Block::new(Codec::DagPb, bytes);
    let own = Built { cid: block.cid, size: 0, weight: block.bytes.len() as u64, blocks: 1 };
    out(block);
    children.fold(own, |sum, child| Built {
        cid: sum.cid,
        size: sum.size.saturating_add(child.size),
        weight: sum.weight.saturating_add(child.weight),
        blocks: sum.blocks.saturating_add(child.blocks),
    })
}

/// Why a file cannot be put where it should go.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// Part of the path is no name.
    #[error("`{path}`: {reason}")]
    Name {
        /// The path.
        path: String,
        /// What is wrong.
        reason: NameError,
    },
    /// Something is there already, or a file is where a directory would have to be.
    #[error("`{0}` is there already")]
    Taken(String),
    /// Too long, or too many directories deep.
    #[error("`{0}` is too long or too deep")]
    Deep(String),
    /// A directory has so many names that Helia would shard it.
    #[error("the directory `{0}` has more names than fit into one block")]
    Large(String),
}

/// Puts files into directories.
#[derive(Debug)]
pub struct TreeBuilder {
    limits: Limits,
    root: Folder,
}

/// Names in the order of their bytes, which is how dag-pb sorts links.
type Folder = BTreeMap<String, Child>;

#[derive(Debug)]
enum Child {
    File(Built),
    Folder(Folder),
}

impl TreeBuilder {
    /// An empty directory.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, root: Folder::new() }
    }

    /// Puts a file at a path, names separated by `/`; directories on the way are made.
    ///
    /// # Errors
    /// [`TreeError`] when the path is none, or taken, or a directory gets too large.
    pub fn add(&mut self, path: &str, file: Built) -> Result<(), TreeError> {
        let deep = || TreeError::Deep(path.to_owned());
        let names: Vec<&str> = path.split('/').collect();
        let depth = u32::try_from(names.len()).map_err(|_| deep())?;
        // A file has levels of its own below its name.
        if path.len() > self.limits.path_max || depth > self.limits.depth_max.saturating_sub(8) {
            return Err(deep());
        }
        for name in &names {
            check_name(name).map_err(|reason| TreeError::Name { path: path.to_owned(), reason })?;
        }
        let taken = || TreeError::Taken(path.to_owned());
        let (last, folders) = names.split_last().ok_or_else(deep)?;
        let mut folder = &mut self.root;
        for name in folders {
            let child =
                folder.entry((*name).to_owned()).or_insert_with(|| Child::Folder(Folder::new()));
            folder = match child {
                Child::Folder(folder) => folder,
                Child::File(_) => return Err(taken()),
            };
        }
        match folder.entry((*last).to_owned()) {
            btree_map::Entry::Occupied(_) => Err(taken()),
            btree_map::Entry::Vacant(place) => {
                place.insert(Child::File(file));
                Ok(())
            }
        }
    }

    /// All files are in; `out` gets the directories' blocks, children before parents.
    ///
    /// # Errors
    /// [`TreeError::Large`] when a directory would have to be sharded.
    pub fn finish(self, out: &mut dyn FnMut(Block)) -> Result<Built, TreeError> {
        finish_folder("", self.root, &self.limits, out)
    }
}

fn finish_folder(
    path: &str,
    folder: Folder,
    limits: &Limits,
    out: &mut dyn FnMut(Block),
) -> Result<Built, TreeError> {
    let bytes: usize = folder.keys().map(|name| name.len().saturating_add(CID_LENGTH)).sum();
    if bytes > DIRECTORY_MAX || folder.len() > limits.links_max {
        return Err(TreeError::Large(path.to_owned()));
    }
    let mut children = Vec::with_capacity(folder.len());
    for (name, child) in folder {
        let built = match child {
            Child::File(built) => built,
            // As deep as `add` allows.
            Child::Folder(below) => finish_folder(&format!("{path}/{name}"), below, limits, out)?,
        };
        children.push((name, built));
    }
    let entries = children.iter().map(|(name, built)| (name.as_str(), built.cid, built.weight));
    let bytes = write_directory(entries);
    Ok(finish_node(bytes, children.iter().map(|(_, built)| *built), out))
}
