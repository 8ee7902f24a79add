//! The folder of a store: who may use it, what is in it, and whether it fits this program.
//!
//! ```text
//! lock         held by the process that uses the folder
//! data/format  what wrote the folder, and how
//! data/blocks  fjall
//! data/state   NOMT
//! creating/    a folder that was not finished; removed at the next start
//! ```
//!
//! `data` appears by one rename when all of it exists, so a crash while a store is created leaves
//! none.

use std::{
    error::Error,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    options::Options,
    tables::Tables,
    tree::{self, Tree},
};

/// Changes whenever a newer program can no longer read what an older one wrote, or the other way.
const FORMAT: &str = "girrona store 2\n";

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error(
        "{} is in use by another process; stop that one, or give this node another folder",
        dir.display()
    )]
    Locked {
        /// The store's folder.
        dir: PathBuf,
    },
    /// Another version of the program wrote it.
    #[error(
        "{} holds \"{}\" and this program reads \"{}\": use the version of girrona that wrote it, \
         or start in an empty folder and sync",
        dir.display(), found.trim_end(), FORMAT.trim_end()
    )]
    Format {
        /// The store's folder.
        dir: PathBuf,
        /// What its format file says.
        found: String,
    },
    /// The system lacks something.
    #[error("the state tree cannot work here: {reason}")]
    Unsupported {
        /// What is missing and what to do about it.
        reason: &'static str,
    },
    /// A part of it is damaged or cannot be reached.
    #[error("open {what} in {}", dir.display())]
    Part {
        /// Which part.
        what: &'static str,
        /// The store's folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The two databases do not belong together.
    #[error(
        "the state tree in {} has root {found}; block {height} needs {after}, or {before} from \
         before it. One of the two was damaged or replaced: restore both from one backup, or start \
         in an empty folder and sync",
        dir.display()
    )]
    Diverged {
        /// The store's folder.
        dir: PathBuf,
        /// The last block.
        height: u64,
        /// The tree's root.
        found: String,
        /// The root after that block.
        after: String,
        /// The root before it.
        before: String,
    },
}

/// The folder of a store, locked for this process.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) dir: PathBuf,
    /// Released when dropped.
    pub(crate) lock: File,
}

impl Folder {
    /// Takes the folder for this process, and creates what is missing.
    pub(crate) fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        let part = |what| move |source: io::Error| part_error(dir, what)(source.into());
        fs::create_dir_all(dir).map_err(part("the folder"))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("lock"))
            .map_err(part("the lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { dir: dir.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(part("the lock")(source)),
        }
        if let Some(reason) = tree::missing_permission() {
            return Err(OpenError::Unsupported { reason });
        }
        let folder = Self { dir: dir.to_owned(), lock };
        let creating = dir.join("creating");
        if creating.exists() {
            fs::remove_dir_all(&creating).map_err(part("an unfinished store"))?;
        }
        if !folder.data().exists() {
            create(&creating, options).map_err(part_error(dir, "a new store"))?;
            fs::rename(&creating, folder.data()).map_err(part("a new store"))?;
            sync_dir(dir).map_err(part("a new store"))?;
        }
        let found =
            fs::read_to_string(folder.data().join("format")).map_err(part("the format file"))?;
        if found != FORMAT {
            return Err(OpenError::Format { dir: dir.to_owned(), found });
        }
        Ok(folder)
    }

    pub(crate) fn tables(&self, options: &Options) -> Result<Tables, OpenError> {
        open_tables(&self.data().join("blocks"), options)
            .map_err(part_error(&self.dir, "the blocks"))
    }

    pub(crate) fn tree(&self, options: &Options) -> Result<Tree, OpenError> {
        // NOMT would make an empty tree where there is none.
        let dir = self.data().join("state");
        if !dir.join("meta").exists() {
            let missing = io::Error::new(io::ErrorKind::NotFound, "its files are missing");
            return Err(part_error(&self.dir, "the state tree")(missing.into()));
        }
        Tree::open(&dir, options).map_err(part_error(&self.dir, "the state tree"))
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }
}

/// Says which part of a folder an error is about.
pub(crate) fn part_error(
    dir: &Path,
    what: &'static str,
) -> impl FnOnce(BoxError) -> OpenError + use<> {
    let dir = dir.to_owned();
    move |source| OpenError::Part { what, dir, source }
}

fn create(dir: &Path, options: &Options) -> Result<(), BoxError> {
    fs::create_dir_all(dir)?;
    drop(open_tables(&dir.join("blocks"), options)?);
    drop(Tree::open(&dir.join("state"), options)?);
    let mut format = File::create(dir.join("format"))?;
    format.write_all(FORMAT.as_bytes())?;
    format.sync_all()?;
    sync_dir(dir)?;
    Ok(())
}

/// fjall panics where it meets some kinds of damage; the operator gets an error instead.
fn open_tables(dir: &Path, options: &Options) -> Result<Tables, BoxError> {
    match std::panic::catch_unwind(|| Tables::open(dir, options)) {
        Ok(tables) => Ok(tables?),
        Err(_) => Err("the files are damaged".into()),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
