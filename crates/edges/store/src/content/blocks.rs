//! Blocks as files: written beside, renamed into place.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use girrona_assembly::content::{BLOCK_MAX, Cid};

use super::ContentError;

const BLOCKS: &str = "blocks";
const CREATING: &str = "creating";

/// The folders of blocks.
#[derive(Debug)]
pub(super) struct BlockFiles {
    blocks: PathBuf,
    creating: PathBuf,
    next: AtomicU64,
}

impl BlockFiles {
    /// Makes the folders and empties what was not finished.
    pub(super) fn open(folder: &Path) -> Result<Self, ContentError> {
        let (blocks, creating) = (folder.join(BLOCKS), folder.join(CREATING));
        if creating.exists() {
            fs::remove_dir_all(&creating).map_err(ContentError::disk("empty", &creating))?;
        }
        for path in [&blocks, &creating] {
            fs::create_dir_all(path).map_err(ContentError::disk("create", path))?;
        }
        for shard in 0..=u8::MAX {
            let path = blocks.join(format!("{shard:02x}"));
            if !path.exists() {
                fs::create_dir(&path).map_err(ContentError::disk("create", &path))?;
            }
        }
        Ok(Self { blocks, creating, next: AtomicU64::new(0) })
    }

    fn shard(&self, cid: &Cid) -> PathBuf {
        let [first, ..] = cid.digest;
        self.blocks.join(format!("{first:02x}"))
    }

    pub(super) fn path(&self, cid: &Cid) -> PathBuf {
        self.shard(cid).join(cid.to_string())
    }

    /// A name that nothing has, for a file that is gone after a restart.
    pub(super) fn beside(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.creating.join(number.to_string())
    }

    /// Writes a block; it is there whole or not at all.
    pub(super) fn write(&self, cid: &Cid, bytes: &[u8]) -> Result<(), ContentError> {
        let beside = self.beside();
        let write = || {
            File::create(&beside)?.write_all(bytes)?;
            fs::rename(&beside, self.path(cid))
        };
        write().map_err(|source| {
            // What could not be written only takes room.
            let _ = fs::remove_file(&beside);
            ContentError::Disk { doing: "write", path: self.path(cid), source }
        })
    }

    /// A block's bytes, unchecked. A file that is too long to be one is none.
    pub(super) fn read(&self, cid: &Cid) -> Result<Option<Vec<u8>>, ContentError> {
        let path = self.path(cid);
        match fs::metadata(&path) {
            Ok(data) if data.len() > BLOCK_MAX as u64 => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ContentError::Disk { doing: "read", path, source }),
        }
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ContentError::Disk { doing: "read", path, source }),
        }
    }

    /// Removes a block if it is there.
    pub(super) fn remove(&self, cid: &Cid) -> Result<(), ContentError> {
        let path = self.path(cid);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ContentError::Disk { doing: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// Waits until these blocks would survive the loss of power.
    pub(super) fn sync(&self, blocks: &[Cid]) -> Result<(), ContentError> {
        let mut shards = BTreeSet::new();
        for cid in blocks {
            let path = self.path(cid);
            File::open(&path)
                .and_then(|file| file.sync_data())
                .map_err(ContentError::disk("sync", &path))?;
            shards.insert(self.shard(cid));
        }
        for shard in shards {
            sync_folder(&shard)?;
        }
        Ok(())
    }

    /// Every block that is here, with its length. Files with other names are removed.
    pub(super) fn list(&self) -> Result<Vec<(Cid, u32)>, ContentError> {
        let mut found = Vec::new();
        for shard in 0..=u8::MAX {
            let folder = self.blocks.join(format!("{shard:02x}"));
            let failed =
                |source| ContentError::Disk { doing: "list", path: folder.clone(), source };
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let length = entry.metadata().map_err(failed)?.len();
                let name = entry.file_name();
                let cid = name.to_str().and_then(|name| name.parse::<Cid>().ok());
                match (cid, u32::try_from(length)) {
                    (Some(cid), Ok(length)) if length as usize <= BLOCK_MAX => {
                        found.push((cid, length));
                    }
                    _ => {
                        let path = entry.path();
                        fs::remove_file(&path).map_err(ContentError::disk("remove", &path))?;
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Makes names in a folder survive the loss of power.
pub(super) fn sync_folder(folder: &Path) -> Result<(), ContentError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(ContentError::disk("sync", folder))
}
