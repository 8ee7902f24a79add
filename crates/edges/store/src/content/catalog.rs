//! What is known of roots, one small file for each.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use borsh::{BorshDeserialize, BorshSerialize};
use girrona_assembly::content::Cid;

use super::{ContentError, blocks::sync_folder};

const ROOTS: &str = "roots";
/// Ends the name of a list of blocks.
const LIST: &str = "blocks";
/// Ends the name of a file that is being written.
const NEW: &str = "new";
/// Goes before a record; changes with its form.
const VERSION: u8 = 1;

/// How far a root is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum State {
    /// Blocks are missing.
    Partial {
        /// Bytes of its files, as announced.
        size: u64,
        /// Bytes of disk that are kept free for it.
        reserved: u64,
    },
    /// All blocks are here.
    Whole {
        /// Bytes of its files.
        size: u64,
    },
}

impl State {
    /// What it is when a block is lost.
    pub(super) const fn broken(self) -> Self {
        match self {
            Self::Whole { size } => Self::Partial { size, reserved: size },
            partial @ Self::Partial { .. } => partial,
        }
    }
}

/// What is kept of a root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Record {
    pub(super) state: State,
    pub(super) is_pinned: bool,
    pub(super) is_withdrawn: bool,
    pub(super) score: u64,
    pub(super) added_ms: u64,
    pub(super) used_ms: u64,
    pub(super) checked_ms: u64,
    pub(super) note: Vec<u8>,
}

/// The folder of roots.
#[derive(Debug)]
pub(super) struct Catalog {
    folder: PathBuf,
}

impl Catalog {
    pub(super) fn open(folder: &Path) -> Result<Self, ContentError> {
        let folder = folder.join(ROOTS);
        fs::create_dir_all(&folder).map_err(ContentError::disk("create", &folder))?;
        Ok(Self { folder })
    }

    fn path(&self, root: &Cid) -> PathBuf {
        self.folder.join(root.to_string())
    }

    fn list_path(&self, root: &Cid) -> PathBuf {
        self.path(root).with_extension(LIST)
    }

    /// Every root with its record. A record that cannot be read is dropped with its list: its
    /// blocks are fetched again if anybody wants them.
    pub(super) fn list(&self) -> Result<Vec<(Cid, Record)>, ContentError> {
        let failed =
            |source| ContentError::Disk { doing: "list", path: self.folder.clone(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(LIST) {
                continue;
            }
            let record = match name.parse::<Cid>() {
                Ok(root) => {
                    let bytes = fs::read(&path).map_err(ContentError::disk("read", &path))?;
                    decode(&bytes).map(|record| (root, record))
                }
                Err(_) => None,
            };
            match record {
                Some(known) => found.push(known),
                None => fs::remove_file(&path).map_err(ContentError::disk("remove", &path))?,
            }
        }
        Ok(found)
    }

    /// Keeps a record.
    pub(super) fn write(&self, root: &Cid, record: &Record) -> Result<(), ContentError> {
        let mut bytes = vec![VERSION];
        // Writing to a vector does not fail.
        bytes.extend(borsh::to_vec(record).unwrap_or_default());
        self.replace(&self.path(root), &bytes)
    }

    /// Keeps the list of a root's blocks.
    pub(super) fn write_blocks(&self, root: &Cid, list: &[Cid]) -> Result<(), ContentError> {
        let bytes = borsh::to_vec(list).unwrap_or_default();
        self.replace(&self.list_path(root), &bytes)
    }

    /// The list of a root's blocks; `None` if there is none that can be read.
    pub(super) fn blocks(&self, root: &Cid) -> Result<Option<Vec<Cid>>, ContentError> {
        let path = self.list_path(root);
        match fs::read(&path) {
            Ok(bytes) => Ok(borsh::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ContentError::Disk { doing: "read", path, source }),
        }
    }

    /// Forgets a root.
    pub(super) fn remove(&self, root: &Cid) -> Result<(), ContentError> {
        for path in [self.path(root), self.list_path(root)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ContentError::Disk { doing: "remove", path, source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Replaces a file as a whole, for good.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), ContentError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(NEW);
        let beside = path.with_file_name(name);
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&beside, path)
        };
        write().map_err(ContentError::disk("write", path))?;
        sync_folder(&self.folder)
    }
}

fn decode(bytes: &[u8]) -> Option<Record> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => borsh::from_slice(rest).ok(),
        _ => None,
    }
}
