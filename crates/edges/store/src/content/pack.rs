//! Files of this machine, made into blocks.
//!
//! Twice over the files, so that the root, with which a CAR file begins, is known without holding
//! them: once to name the blocks, once to write them.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
};

use girrona_assembly::content::{
    Block, Built, Cid, FileBuilder, Limits, Shape, TreeBuilder, build::TreeError, car,
};
use thiserror::Error;

/// How much of a file is read at a time.
const PIECE: usize = 256 * 1024;

/// Why files are not made into blocks.
#[derive(Debug, Error)]
pub enum PackError {
    /// A file cannot be read, or the blocks cannot be written.
    #[error("{doing} {}", path.display())]
    Disk {
        /// What we were doing.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A name or a directory is none that content has.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Neither a file nor a directory, or a name that is no text.
    #[error("{} is neither a plain file nor a folder with a plain name", .0.display())]
    Kind(PathBuf),
    /// There is too much.
    #[error("{what} are more than content may have")]
    Limit {
        /// Of what.
        what: &'static str,
    },
    /// Files changed while they were read.
    #[error("the files in {} changed while they were read", .0.display())]
    Changed(PathBuf),
}

/// What files came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Root, size and number of blocks.
    pub built: Built,
    /// Bytes of the CAR file that [`write_car`] makes.
    pub car_bytes: u64,
}

/// Names the blocks of a folder or of one file, which becomes a directory with that file in it.
/// `extra` files are added to what is on disk, by path. `seen` is told of bytes as they are read.
///
/// # Errors
/// [`PackError`].
pub fn pack(
    path: &Path,
    extra: &[(String, Vec<u8>)],
    seen: &mut dyn FnMut(u64),
) -> Result<Packed, PackError> {
    let mut bytes = 0_u64;
    let built = build(path, extra, seen, &mut |block| {
        let section = car::section(&block.cid, block.bytes.len()).len();
        bytes = bytes.saturating_add((section as u64).saturating_add(block.bytes.len() as u64));
        Ok(())
    })?;
    let header = car::header(&[built.cid]).len() as u64;
    Ok(Packed { built, car_bytes: bytes.saturating_add(header) })
}

/// Writes what [`pack`] named as a CAR file.
///
/// # Errors
/// [`PackError`]; [`PackError::Changed`] when the files are not those that were named.
pub fn write_car(
    path: &Path,
    extra: &[(String, Vec<u8>)],
    root: Cid,
    out: &mut dyn Write,
) -> Result<(), PackError> {
    let failed =
        |source| PackError::Disk { doing: "write the blocks of", path: path.to_owned(), source };
    out.write_all(&car::header(&[root])).map_err(failed)?;
    let built = build(path, extra, &mut |_| {}, &mut |block| {
        out.write_all(&car::section(&block.cid, block.bytes.len()))?;
        out.write_all(&block.bytes)
    })?;
    out.flush().map_err(failed)?;
    if built.cid == root { Ok(()) } else { Err(PackError::Changed(path.to_owned())) }
}

fn build(
    path: &Path,
    extra: &[(String, Vec<u8>)],
    seen: &mut dyn FnMut(u64),
    out: &mut dyn FnMut(Block) -> io::Result<()>,
) -> Result<Built, PackError> {
    let limits = Limits::default();
    let mut tree = TreeBuilder::new(limits);
    let mut failed = None;
    // The builders do not stop; what they say after a fault is not written.
    let mut emit = |block: Block| {
        if failed.is_none()
            && let Err(source) = out(block)
        {
            failed = Some(source);
        }
    };
    let (mut total, mut blocks) = (0_u64, 0_u64);
    let mut add = |tree: &mut TreeBuilder, name: &str, built: Built| {
        total = total.saturating_add(built.size);
        blocks = blocks.saturating_add(built.blocks).saturating_add(1);
        if total > limits.bytes_max {
            return Err(PackError::Limit { what: "the bytes" });
        }
        if blocks >= limits.blocks_max {
            return Err(PackError::Limit { what: "the blocks" });
        }
        Ok(tree.add(name, built)?)
    };
    for (name, file) in list(path)? {
        if extra.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let built = build_file(&file, seen, &mut emit)?;
        add(&mut tree, &name, built)?;
    }
    for (name, bytes) in extra {
        let mut builder = FileBuilder::new(Shape::HELIA);
        builder.push(bytes, &mut emit);
        add(&mut tree, name, builder.finish(&mut emit))?;
    }
    let built = tree.finish(&mut emit)?;
    match failed {
        Some(source) => {
            Err(PackError::Disk { doing: "write the blocks of", path: path.into(), source })
        }
        None => Ok(built),
    }
}

fn build_file(
    path: &Path,
    seen: &mut dyn FnMut(u64),
    emit: &mut dyn FnMut(Block),
) -> Result<Built, PackError> {
    let failed = |source| PackError::Disk { doing: "read", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut builder = FileBuilder::new(Shape::HELIA);
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read(&mut piece).map_err(failed)?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
        builder.push(read, emit);
        seen(length as u64);
    }
    Ok(builder.finish(emit))
}

/// Every file below a folder, with its path inside it, in order.
fn list(path: &Path) -> Result<Vec<(String, PathBuf)>, PackError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PackError::Disk { doing: "look at", path, source }
    };
    let name_of = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        name.ok_or_else(|| PackError::Kind(path.to_owned()))
    };
    let kind = fs::metadata(path).map_err(failed(path))?;
    if kind.is_file() {
        return Ok(vec![(name_of(path)?, path.to_owned())]);
    }
    let mut found = Vec::new();
    let mut open = vec![(String::new(), path.to_owned())];
    while let Some((prefix, folder)) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let path = entry.map_err(failed(&folder))?.path();
            let name = name_of(&path)?;
            let inside = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            // A link would take along what lies elsewhere.
            let kind = fs::symlink_metadata(&path).map_err(failed(&path))?;
            if kind.is_dir() {
                open.push((inside, path));
            } else if kind.is_file() {
                found.push((inside, path));
            } else {
                return Err(PackError::Kind(path));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
