//! What the store says of content, and what it is told.

use std::{
    io,
    path::{Path, PathBuf},
};

use girrona_assembly::{
    cache::NoRoom,
    content::{Cid, car::CarError, walk::WalkError},
};
use thiserror::Error;

/// Why content is not there, or not taken.
#[derive(Debug, Error)]
pub enum ContentError {
    /// The disk failed.
    #[error("{doing} {}", path.display())]
    Disk {
        /// What we were doing.
        doing: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no room, whatever is given up.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// More came than room was reserved for.
    #[error("more comes than room was reserved for")]
    Unreserved,
    /// A block is missing, or its bytes are damaged.
    #[error("block {0} is missing")]
    Missing(Cid),
    /// The blocks are not those of files and directories within bounds.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// Nothing is known of this root, or it is not whole.
    #[error("{0} is not held")]
    NotHeld(Cid),
    /// There is no such file.
    #[error("there is no file `{0}`")]
    NoFile(String),
    /// A file is longer than the caller takes.
    #[error("`{path}` has more than {max} bytes")]
    Long {
        /// Which.
        path: String,
        /// What the caller takes.
        max: u64,
    },
    /// A CAR file is none, or does not have what was asked for.
    #[error(transparent)]
    Car(#[from] CarError),
    /// A CAR file is about something else.
    #[error("the file is not about {0} alone")]
    OtherRoot(Cid),
}

impl ContentError {
    pub(super) fn disk(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { doing, path, source }
    }
}

/// What is known of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootInfo {
    /// Which.
    pub root: Cid,
    /// All its blocks are here and were checked.
    pub is_whole: bool,
    /// Bytes of its files; what was announced, until it is whole.
    pub size: u64,
    /// Bytes of its blocks on disk; what is reserved, until it is whole.
    pub weight: u64,
    /// Different blocks; 0 until it is whole.
    pub blocks: usize,
    /// Never given up.
    pub is_pinned: bool,
    /// Taken back by its publisher: given up first.
    pub is_withdrawn: bool,
    /// The score it was taken for, from 0 to 1,000.
    pub score: u64,
    /// When it was last executed or served, in milliseconds since 1970.
    pub used_ms: u64,
    /// When its blocks were last checked.
    pub checked_ms: u64,
    /// The owner's own words about it.
    pub note: Vec<u8>,
}

/// How much there is, and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What may be used.
    pub quota: u64,
    /// Blocks of whole roots.
    pub held: u64,
    /// Reserved for roots that are not whole.
    pub reserved: u64,
    /// Left.
    pub free: u64,
}

/// What a check of a root found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Blocks that were looked at.
    pub blocks: usize,
    /// Those that were missing or damaged, and are gone now.
    pub bad: Vec<Cid>,
    /// Roots that are not whole any more.
    pub broken: Vec<Cid>,
}

/// What room is wanted for.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// Which root.
    pub root: Cid,
    /// Bytes of its files.
    pub size: u64,
    /// Blocks of it.
    pub blocks: u64,
    /// How much speaks for it, from 0 to 1,000; nothing worth more is given up for it.
    pub score: u64,
    /// The owner's own words about it.
    pub note: Vec<u8>,
}
