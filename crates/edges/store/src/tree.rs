//! The state tree: NOMT behind [`Commitment`].
//!
//! A tree has readers in several threads and one writer. A commit keeps readers waiting until it
//! is done, so they see the state before or after a block, never between.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use casper_types::Digest;
use girrona_state::{Commitment, Leaves, Unreadable};
use girrona_types::keys;
use nomt::{
    FinishedSession, IoUringPermission, KeyReadWrite, Nomt, SessionParams, hasher::Blake3Hasher,
};
use tracing::info;

use crate::options::Options;

type BoxError = Box<dyn Error + Send + Sync>;

/// The tree, shared by its readers and its writer.
pub(crate) struct Tree {
    /// `None` after it could not be opened again; nothing can be read then.
    nomt: RwLock<Option<Nomt<Blake3Hasher>>>,
    dir: PathBuf,
    options: Options,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Why the tree cannot work here, or `None` if it can. It reads and writes through io_uring.
pub(crate) fn missing_permission() -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    match nomt::check_iou_permissions() {
        IoUringPermission::Allowed => None,
        IoUringPermission::Denied => Some(
            "this process may not use io_uring. In a container allow the system calls \
             io_uring_setup, io_uring_enter and io_uring_register (Docker and Podman: \
             --security-opt seccomp=unconfined, or a profile with these three); on the host \
             set the sysctl kernel.io_uring_disabled to 0",
        ),
        IoUringPermission::NotSupported => {
            Some("this kernel's io_uring is too old: Linux 6.0 or newer is needed")
        }
    }
}

impl Tree {
    /// Opens the tree in a folder, or creates it where there is none.
    pub(crate) fn open(dir: &Path, options: &Options) -> Result<Self, BoxError> {
        let nomt = open(dir, options)?;
        Ok(Self { nomt: RwLock::new(Some(nomt)), dir: dir.to_owned(), options: options.clone() })
    }

    pub(crate) fn root(&self) -> Result<Digest, BoxError> {
        self.with(|nomt| Ok(Digest::from(nomt.root().into_inner())))
    }

    /// The bytes at a path.
    pub(crate) fn read(&self, path: keys::Path) -> Result<Option<Vec<u8>>, BoxError> {
        self.with(|nomt| Ok(nomt.read(path)?))
    }

    /// Makes sure that a number of changes will find room.
    ///
    /// NOMT does not end when its table is full, so it never gets fuller than half, even if every
    /// change needed a bucket of its own. Growing takes as long as copying the used buckets, and
    /// readers wait.
    fn make_room(&self, changes: usize) -> Result<(), BoxError> {
        let (wanted, have) = self.with(|nomt| {
            let table = nomt.hash_table_utilization();
            let used = table.occupied.saturating_add(changes);
            Ok((used.saturating_mul(2), table.capacity))
        })?;
        if wanted <= have {
            return Ok(());
        }
        let buckets = u32::try_from(wanted.next_power_of_two())?;
        info!(buckets, "the state tree's table grows, this may take a moment");
        let mut held = self.nomt.write().unwrap_or_else(PoisonError::into_inner);
        drop(held.take());
        guarded(|| Ok(nomt::grow_hashtable(&settings(&self.dir, &self.options, buckets))?))?;
        *held = Some(open(&self.dir, &self.options)?);
        Ok(())
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Nomt<Blake3Hasher>) -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        let held = self.nomt.read().unwrap_or_else(PoisonError::into_inner);
        let Some(nomt) = held.as_ref() else { return Err(closed()) };
        guarded(|| work(nomt))
    }
}

fn open(dir: &Path, options: &Options) -> Result<Nomt<Blake3Hasher>, BoxError> {
    guarded(|| Ok(Nomt::open(settings(dir, options, options.state_buckets))?))
}

fn settings(dir: &Path, options: &Options, buckets: u32) -> nomt::Options {
    let mut settings = nomt::Options::new();
    settings.path(dir);
    settings.hashtable_buckets(buckets.max(64));
    // Space is taken when it is used: a network on one laptop has many trees.
    settings.preallocate_ht(false);
    settings.commit_concurrency(options.root_workers.max(1));
    settings.io_workers(1);
    settings.page_cache_size(options.state_cache_mib / 2);
    settings.leaf_cache_size(options.state_cache_mib / 2);
    settings
}

/// NOMT panics where it meets damaged files; the operator gets an error instead.
fn guarded<T>(work: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("the state tree gave up: {}", text.unwrap_or_default()).into())
    })
}

fn closed() -> BoxError {
    "the state tree was closed after an error".into()
}

/// The one writer of a tree.
pub(crate) struct TreeWriter {
    tree: Arc<Tree>,
    /// The root of these leaves was computed and they were not committed yet.
    prepared: Option<([u8; 32], FinishedSession)>,
}

impl fmt::Debug for TreeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeWriter").field("tree", &self.tree).finish_non_exhaustive()
    }
}

impl TreeWriter {
    pub(crate) const fn new(tree: Arc<Tree>) -> Self {
        Self { tree, prepared: None }
    }

    fn prepare(&mut self, leaves: &Leaves) -> Result<Digest, BoxError> {
        let name = fingerprint(leaves);
        if let Some((prepared, finished)) = &self.prepared
            && *prepared == name
        {
            return Ok(Digest::from(finished.root().into_inner()));
        }
        self.prepared = None;
        self.tree.make_room(leaves.len())?;
        let finished = self.tree.with(|nomt| {
            let session = nomt.begin_session(SessionParams::default());
            let writes = leaves
                .iter()
                .map(|(path, bytes)| (*path, KeyReadWrite::Write(bytes.clone())))
                .collect();
            Ok(session.finish(writes)?)
        })?;
        let root = Digest::from(finished.root().into_inner());
        self.prepared = Some((name, finished));
        Ok(root)
    }
}

impl Commitment for TreeWriter {
    fn root(&self) -> Result<Digest, Unreadable> {
        self.tree.root().map_err(Unreadable)
    }

    fn root_after(&mut self, leaves: &Leaves) -> Result<Digest, Unreadable> {
        self.prepare(leaves).map_err(Unreadable)
    }

    fn commit(&mut self, leaves: &Leaves) -> Result<Digest, Unreadable> {
        let root = self.prepare(leaves).map_err(Unreadable)?;
        if let Some((_, finished)) = self.prepared.take() {
            self.tree.with(|nomt| Ok(finished.commit(nomt)?)).map_err(Unreadable)?;
        }
        Ok(root)
    }
}

/// Tells sets of leaves apart.
fn fingerprint(leaves: &Leaves) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for (path, bytes) in leaves {
        hasher.update(path);
        match bytes {
            Some(bytes) => {
                hasher.update(&(bytes.len() as u64).saturating_add(1).to_le_bytes());
                hasher.update(bytes);
            }
            None => {
                hasher.update(&[0; 8]);
            }
        }
    }
    *hasher.finalize().as_bytes()
}
