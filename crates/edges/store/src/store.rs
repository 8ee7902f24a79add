//! The one writer of a store: opening, recovering, and the state of the tip.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use casper_types::{Deploy, DeployHash, Digest, Key, StoredValue};
use fjall::OwnedWriteBatch;
use girrona_chain::disk::{DiskResult, StoredBlock};
use girrona_state::{Commitment, Leaves, Reader, Unreadable, commitment, is_record};
use girrona_types::{Event, EventId, Height, Proposal, ProposalHash, keys, keys::normalised};
use tracing::info;

use crate::{
    OpenError, Options, StoreReader,
    faults::{Faults, Moment, Write},
    folder::{Folder, part_error},
    reader::Shared,
    recent::Recent,
    tables::{
        Doing as _, Redo, Tip, casper_bytes, caspers, fault, height_in, meta, our_bytes, ours,
    },
    tree::TreeWriter,
    waiting::Waiting,
};

/// Values of the tip's state kept decoded: this many to twice as many.
const RECENT_VALUES: usize = 50_000;
/// Larger values are read from the tree each time.
pub(crate) const RECENT_VALUE_BYTES: usize = 4_096;
/// Deploys kept decoded: this many to twice as many.
const RECENT_DEPLOYS: usize = 5_000;

/// A value of the tip's state as it was last read or written; `None` if there is none.
pub(crate) type RecentValues = Mutex<Recent<Key, Option<Arc<StoredValue>>>>;

/// The disk of one node.
///
/// Who reads and who writes are different: this is the writer, [`Store::reader`] makes handles for
/// the others.
#[derive(Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    pub(crate) options: Options,
    pub(crate) tree: TreeWriter,
    /// The changes whose root was computed last.
    pub(crate) prepared: Option<Prepared>,
    pub(crate) values: RecentValues,
    pub(crate) bodies: Mutex<Recent<DeployHash, Arc<Deploy>>>,
    /// Deploys that are here and in no block.
    pub(crate) waiting: Waiting,
    /// Stored proposals of heights that are not decided.
    pub(crate) undecided: BTreeMap<Height, BTreeSet<ProposalHash>>,
    /// How many votes are logged, by height.
    pub(crate) votes: BTreeMap<Height, u64>,
    pub(crate) next_event: EventId,
    /// Something was written since the last fsync.
    pub(crate) dirty: bool,
    /// A write failed, so nothing can be promised any more.
    pub(crate) broken: bool,
    /// Journal files when they were looked at last.
    pub(crate) journals: usize,
    pub(crate) faults: Faults,
}

/// Changes on top of the tip in the form the tree takes, and their root.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) root: Digest,
    /// How many changes there were, with those that change nothing.
    pub(crate) count: usize,
    /// What really changes.
    pub(crate) leaves: Leaves,
    /// What was there before, of the same paths.
    pub(crate) old: Leaves,
    /// Whose paths these are.
    pub(crate) keys: BTreeMap<keys::Path, Key>,
}

impl Store {
    /// Opens the store in a folder, or creates it. After a crash it holds the last block that was
    /// committed, whole.
    ///
    /// # Errors
    /// [`OpenError`], whose texts say what the operator can do.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        Self::open_with(dir, options, Faults::none())
    }

    /// [`Store::open`] with faults, for tests of the recovery.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(dir: &Path, options: &Options, faults: Faults) -> Result<Self, OpenError> {
        let folder = Folder::open(dir, options)?;
        let tables = folder.tables(options)?;
        let tree = Arc::new(folder.tree(options)?);
        let shared = Arc::new(Shared::new(tables, Arc::clone(&tree), folder.lock));
        let mut store = Self {
            shared,
            options: options.clone(),
            tree: TreeWriter::new(tree),
            prepared: None,
            values: Mutex::new(Recent::new(RECENT_VALUES)),
            bodies: Mutex::new(Recent::new(RECENT_DEPLOYS)),
            waiting: Waiting::default(),
            undecided: BTreeMap::new(),
            votes: BTreeMap::new(),
            next_event: 0,
            dirty: false,
            broken: false,
            journals: 1,
            faults,
        };
        store.recover(&folder.dir)?;
        Ok(store)
    }

    /// A handle for looking things up.
    pub fn reader(&self) -> StoreReader {
        StoreReader { shared: Arc::clone(&self.shared) }
    }

    fn recover(&mut self, dir: &Path) -> Result<(), OpenError> {
        let damaged = |what| {
            let dir = dir.to_owned();
            move |error| part_error(&dir, what)(Box::new(error))
        };
        let tip = self.load().map_err(damaged("the blocks"))?;
        self.recover_tree(tip, dir)?;
        let block = match tip {
            None => None,
            Some(tip) => {
                let block = self.shared.block(tip.height).map_err(damaged("the last block"))?;
                let missing = || fault("read the last block", "it is missing");
                Some(block.ok_or_else(missing).map_err(damaged("the last block"))?)
            }
        };
        self.publish(block);
        Ok(())
    }

    /// Brings the tree to the state of the last block.
    fn recover_tree(&mut self, tip: Option<Tip>, dir: &Path) -> Result<(), OpenError> {
        let part = |what| part_error(dir, what);
        let found = self.tree.root().map_err(|error| part("the state tree")(error.into()))?;
        let (height, before, after) = match tip {
            None => (0, commitment::EMPTY_ROOT, commitment::EMPTY_ROOT),
            Some(tip) => (tip.height.0, tip.root_before, tip.root),
        };
        if found.value() == after {
            return Ok(());
        }
        let diverged = |found: Digest| match tip {
            Some(_) => OpenError::Diverged {
                dir: dir.to_owned(),
                height,
                found: hex::encode(found),
                after: hex::encode(after),
                before: hex::encode(before),
            },
            None => part("the blocks")("there are none, but the state tree is not empty".into()),
        };
        if found.value() != before {
            return Err(diverged(found));
        }
        let redo = self.redo(Height(height)).map_err(|error| part("the blocks")(error.into()))?;
        let root = self.tree.commit(&redo).map_err(|error| part("the state tree")(error.into()))?;
        if root.value() != after {
            return Err(diverged(root));
        }
        info!(height, "the state tree lacked the last block and has it now");
        Ok(())
    }

    /// Reads what the writer keeps in memory.
    fn load(&mut self) -> DiskResult<Option<Tip>> {
        let tables = &self.shared.tables;
        let doing = || "read what was stored last";
        let tip = tables.meta.get(meta::TIP).doing(doing)?;
        let tip: Option<Tip> = tip.map(|bytes| ours("tip", &bytes)).transpose()?;
        if let Some(from) = tables.meta.get(meta::HISTORY_FROM).doing(doing)? {
            self.shared.history_from.store(height_in(&from)?.0, Ordering::Release);
        }
        if let Some(last) = tables.events.last_key_value() {
            let (first, group) = last.into_inner().doing(doing)?;
            let group: Vec<Event> = ours("events", &group)?;
            self.next_event = height_in(&first)?.0.saturating_add(group.len() as u64);
        }
        self.waiting = Waiting::load(tables)?;
        for entry in tables.proposals.iter() {
            let (hash, proposal) = entry.into_inner().doing(doing)?;
            let hash =
                ProposalHash(hash.as_ref().try_into().doing(|| "understand a proposal's hash")?);
            let proposal: Proposal = ours("proposal", &proposal)?;
            self.undecided.entry(proposal.height).or_default().insert(hash);
        }
        for entry in tables.votes.iter() {
            let height = height_in(&entry.key().doing(doing)?)?;
            let count = self.votes.entry(height).or_default();
            *count = count.saturating_add(1);
        }
        Ok(tip)
    }

    fn redo(&self, height: Height) -> DiskResult<Leaves> {
        let bytes = self.shared.tables.meta.get(meta::REDO).doing(|| "read the redo")?;
        let bytes = bytes.ok_or_else(|| fault("read the redo", "it is missing"))?;
        let redo: Redo = ours("redo", &bytes)?;
        if redo.height != height {
            return Err(fault("read the redo", format!("it is for block {}", redo.height)));
        }
        Ok(redo.leaves.into_iter().collect())
    }

    /// Shows readers a new tip and everything up to it.
    pub(crate) fn publish(&self, tip: Option<Arc<StoredBlock>>) {
        let mut published = self.shared.published.write().unwrap_or_else(PoisonError::into_inner);
        published.next_event = self.next_event;
        if let Some(tip) = tip {
            let height = Height(tip.block.height());
            let mut blocks = self.shared.blocks.lock().unwrap_or_else(PoisonError::into_inner);
            blocks.insert(height, Arc::clone(&tip));
            published.tip = Some(tip);
        }
    }

    /// Does a write that reaches the operating system before this returns.
    pub(crate) fn write(
        &mut self,
        write: Write,
        batch: OwnedWriteBatch,
        doing: impl Fn() -> String,
    ) -> DiskResult<()> {
        self.intact(&doing)?;
        self.broken = true;
        self.faults.ask(Moment::Before(write))?;
        batch.commit().doing(doing)?;
        self.dirty = true;
        self.faults.ask(Moment::After(write))?;
        self.broken = false;
        Ok(())
    }

    /// Refuses to write on top of a write that failed.
    pub(crate) fn intact(&self, doing: impl FnOnce() -> String) -> DiskResult<()> {
        if self.broken {
            return Err(fault(doing(), "an earlier write failed; the store must be opened anew"));
        }
        Ok(())
    }

    /// Adds events to a batch and returns their ids. They count once the batch is written; see
    /// [`Store::told`].
    pub(crate) fn tell(
        &self,
        batch: &mut OwnedWriteBatch,
        events: &[Event],
    ) -> DiskResult<Vec<EventId>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let group = our_bytes("events", &events)?;
        batch.insert(&self.shared.tables.events, self.next_event.to_be_bytes(), group);
        Ok((self.next_event..).take(events.len()).collect())
    }

    /// Counts events that were written.
    pub(crate) fn told(&mut self, ids: &[EventId]) {
        if let Some(last) = ids.last() {
            self.next_event = last.saturating_add(1);
            self.publish(None);
        }
    }

    /// The changes in the form the tree takes, with their root.
    pub(crate) fn prepare(
        &mut self,
        changes: &BTreeMap<Key, Option<StoredValue>>,
    ) -> DiskResult<Prepared> {
        let doing = || "compute the state root";
        let mut leaves = commitment::leaves(changes).doing(doing)?;
        let mut old = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for key in changes.keys() {
            let path = commitment::path(key).doing(doing)?;
            let before = self.value_before(&path, key)?;
            // NOMT fails on changes of which none changes anything, as the removal of a key that
            // is not there.
            if leaves.get(&path) == Some(&before) {
                leaves.remove(&path);
            } else {
                old.insert(path, before);
                keys.insert(path, *key);
            }
        }
        let root = if leaves.is_empty() {
            self.tree.root().doing(doing)?
        } else {
            self.tree.root_after(&leaves).doing(doing)?
        };
        Ok(Prepared { root, count: changes.len(), leaves, old, keys })
    }

    /// What a key holds at the tip, from memory if it was used lately.
    fn value_before(&self, path: &keys::Path, key: &Key) -> DiskResult<Option<Vec<u8>>> {
        match self.recent_values().get(&normalised(key)) {
            Some(None) => Ok(None),
            Some(Some(value)) => Ok(Some(casper_bytes("a value", &*value)?)),
            None => self.shared.tree.read(*path).doing(|| "read the state tree"),
        }
    }

    pub(crate) fn recent_values(
        &self,
    ) -> std::sync::MutexGuard<'_, Recent<Key, Option<Arc<StoredValue>>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of journal files: their number is what a restart takes.
    pub(crate) fn write_out(&mut self) -> DiskResult<()> {
        let journals = self.shared.tables.db.journal_count();
        if journals > self.journals {
            self.shared.tables.write_out().doing(|| "write out the tables")?;
        }
        self.journals = journals;
        Ok(())
    }
}

impl Reader for Store {
    /// The value of a key after the tip.
    fn read(&self, key: &Key) -> Result<Option<Arc<StoredValue>>, Unreadable> {
        if is_record(key) {
            return Ok(None);
        }
        let key = normalised(key);
        if let Some(value) = self.recent_values().get(&key) {
            return Ok(value);
        }
        let bytes = self.shared.tree.read(commitment::path(&key)?).map_err(Unreadable)?;
        let size = bytes.as_ref().map_or(0, Vec::len);
        let value = bytes
            .map(|bytes| caspers::<StoredValue>("value", &bytes).map(Arc::new))
            .transpose()
            .map_err(|error| Unreadable(error.into()))?;
        if size <= RECENT_VALUE_BYTES {
            self.recent_values().insert(key, value.clone());
        }
        Ok(value)
    }
}
