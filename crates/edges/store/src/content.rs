//! Content on disk: blocks by their hashes, and the roots that they are kept for.
//!
//! ```text
//! blocks/5f/bafk…    one block, named by its CID, in one of 256 folders by its hash
//! roots/bafy…        what is known of a root; roots/bafy….blocks its blocks, once it is whole
//! creating/          files that are being written; emptied at the next start
//! ```
//!
//! A block appears by a rename, so it is there whole or not at all as long as the system runs; a
//! root becomes whole only after all its blocks are synced and its record is. After a crash of the
//! system a block of an unfinished root may be short: its hash tells, and it is fetched again.
//!
//! Room is reserved for a root before its blocks come; blocks beyond what is reserved are refused,
//! so nobody fills the disk. A root that is not whole keeps its reservation and its blocks over a
//! restart. A damaged block is found when it is read or by [`ContentStore::check`]: the root is
//! not whole any more, and only what is missing has to be fetched.
//!
//! Knows: files, room, which roots share a block. Does not know: clocks, who wants what.

mod blocks;
mod car;
mod catalog;
mod index;
mod pack;
mod records;
mod tree;
mod words;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use girrona_assembly::content::{
    Cid, Limits,
    walk::{Piece, Walk, WalkError},
};

use blocks::BlockFiles;
use catalog::{Catalog, Record, State};
use index::{Index, Root};

pub use car::{CarExport, CarImport};
pub use pack::{PackError, Packed, pack, write_car};
pub use records::{Pair, Records, RecordsError, Table};
pub use tree::PathInfo;
pub use words::{Checked, ContentError, Reservation, RootInfo, Usage};

/// Bytes beside its files that a block of a root may take: names and links.
const OVERHEAD_PER_BLOCK: u64 = 320;

/// The content of one node. Clones are the same store; every method may be called from any thread
/// and may block.
#[derive(Clone, Debug)]
pub struct ContentStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: BlockFiles,
    catalog: Catalog,
    limits: Limits,
    index: Mutex<Index>,
}

impl ContentStore {
    /// Opens the store in a folder and makes it if it is not there. Blocks that no root waits for
    /// are removed.
    ///
    /// # Errors
    /// [`ContentError::Disk`].
    pub fn open(folder: &Path, quota: u64) -> Result<Self, ContentError> {
        let files = BlockFiles::open(folder)?;
        let catalog = Catalog::open(folder)?;
        let mut index = Index::new(quota);
        for (cid, length) in files.list()? {
            index.add_block(cid, length);
        }
        for (root, record) in catalog.list()? {
            let blocks = match record.state {
                State::Whole { .. } => Some(catalog.blocks(&root)?),
                State::Partial { .. } => None,
            };
            // A list that is gone, or names what is gone, belongs to a root that is not whole.
            let is_whole = blocks.as_ref().is_some_and(|list| {
                list.as_ref().is_some_and(|list| list.iter().all(|cid| index.has(cid)))
            });
            let mut known = Root { record, blocks: None };
            match blocks.flatten().filter(|_| is_whole) {
                Some(list) => index.hold(root, known, list),
                None => {
                    known.record.state = known.record.state.broken();
                    catalog.write(&root, &known.record)?;
                    index.roots.insert(root, known);
                }
            }
        }
        let this = Self {
            inner: Arc::new(Inner {
                files,
                catalog,
                limits: Limits::default(),
                index: Mutex::new(index),
            }),
        };
        this.sweep(true);
        Ok(this)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.inner.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is used.
    pub fn usage(&self) -> Usage {
        self.index().usage()
    }

    /// Changes what may be used; nothing is given up because of it.
    pub fn set_quota(&self, quota: u64) {
        self.index().quota = quota;
    }

    /// Bytes that something with this score may take: what is free, and what would be given up.
    pub fn room(&self, score: u64, now_ms: u64, busy: &BTreeSet<Cid>) -> u64 {
        let index = self.index();
        let held = index.candidates(busy);
        let evictable = girrona_assembly::cache::evict::evictable(&held, score, now_ms);
        index.usage().free.saturating_add(evictable)
    }

    /// Everything that is held or on its way, in the order of CIDs.
    pub fn roots(&self) -> Vec<RootInfo> {
        let index = self.index();
        index.roots.iter().map(|(cid, root)| root.info(*cid)).collect()
    }

    /// What is known of a root.
    pub fn root(&self, root: &Cid) -> Option<RootInfo> {
        self.index().roots.get(root).map(|known| known.info(*root))
    }

    /// Whether a root is here whole.
    pub fn holds(&self, root: &Cid) -> bool {
        self.index().roots.get(root).is_some_and(|known| known.blocks.is_some())
    }

    /// Whether a block is here.
    pub fn has(&self, cid: &Cid) -> bool {
        self.index().has(cid)
    }

    /// How long a block is, if it is here.
    pub fn size(&self, cid: &Cid) -> Option<u32> {
        self.index().length(cid)
    }

    /// A block's bytes, checked once since the store was opened. A damaged one is removed, and so
    /// is not there.
    ///
    /// # Errors
    /// [`ContentError::Disk`].
    pub fn get(&self, cid: &Cid) -> Result<Option<Vec<u8>>, ContentError> {
        let Some(is_checked) = self.index().is_checked(cid) else { return Ok(None) };
        let bytes = self.inner.files.read(cid)?;
        match bytes {
            Some(bytes) if is_checked || cid.names(&bytes) => {
                if !is_checked {
                    self.index().set_checked(cid);
                }
                Ok(Some(bytes))
            }
            _ => {
                self.lose(cid)?;
                Ok(None)
            }
        }
    }

    /// Takes a block whose hash the caller checked.
    ///
    /// # Errors
    /// [`ContentError::Unreserved`], or the disk failed.
    pub fn put(&self, cid: &Cid, bytes: &[u8]) -> Result<(), ContentError> {
        let length = u32::try_from(bytes.len()).map_err(|_| ContentError::Unreserved)?;
        if !self.index().expect(cid, length)? {
            return Ok(());
        }
        let written = self.inner.files.write(cid, bytes);
        self.index().arrived(cid, length, written.is_ok());
        written
    }

    /// Reserves room for a root, giving up what is worth less; says what was given up. A root that
    /// is here keeps what it has.
    ///
    /// # Errors
    /// [`ContentError::NoRoom`]; nothing is given up then.
    pub fn reserve(
        &self,
        wanted: Reservation,
        busy: &BTreeSet<Cid>,
        now_ms: u64,
    ) -> Result<Vec<Cid>, ContentError> {
        let Reservation { root, size, blocks, score, note } = wanted;
        let weight = size.saturating_add(blocks.saturating_mul(OVERHEAD_PER_BLOCK));
        let mut index = self.index();
        if index.roots.contains_key(&root) {
            return Ok(Vec::new());
        }
        let free = index.usage().free;
        let held = index.candidates(busy);
        let gone = girrona_assembly::cache::evict(&held, weight, free, score, now_ms)?;
        for old in &gone {
            self.forget(&mut index, old)?;
        }
        let record = Record {
            state: State::Partial { size, reserved: weight },
            is_pinned: false,
            is_withdrawn: false,
            score,
            added_ms: now_ms,
            used_ms: now_ms,
            checked_ms: 0,
            note,
        };
        self.inner.catalog.write(&root, &record)?;
        index.roots.insert(root, Root { record, blocks: None });
        Ok(gone)
    }

    /// All blocks are said to be here: walks through them, checks each, syncs them, and calls the
    /// root whole.
    ///
    /// # Errors
    /// [`ContentError::Missing`] names the first block that is not here;
    /// [`ContentError::Walk`] says that it never will be right.
    pub fn complete(&self, root: &Cid, now_ms: u64) -> Result<RootInfo, ContentError> {
        let (size, list) = self.walk(root, |_| Ok(()))?;
        self.inner.files.sync(&list)?;
        let mut index = self.index();
        if let Some(missing) = list.iter().find(|cid| !index.has(cid)) {
            return Err(ContentError::Missing(*missing));
        }
        let Some(mut known) = index.roots.remove(root) else {
            return Err(ContentError::NotHeld(*root));
        };
        if known.blocks.is_some() {
            let info = known.info(*root);
            index.roots.insert(*root, known);
            return Ok(info);
        }
        known.record.state = State::Whole { size };
        known.record.checked_ms = now_ms;
        let written = self
            .inner
            .catalog
            .write_blocks(root, &list)
            .and_then(|()| self.inner.catalog.write(root, &known.record));
        if let Err(error) = written {
            known.record.state = known.record.state.broken();
            index.roots.insert(*root, known);
            return Err(error);
        }
        index.hold(*root, known, list);
        index.roots.get(root).map(|known| known.info(*root)).ok_or(ContentError::NotHeld(*root))
    }

    /// Gives a root up, and all blocks that no other root has.
    ///
    /// # Errors
    /// [`ContentError::Disk`].
    pub fn remove(&self, root: &Cid) -> Result<bool, ContentError> {
        let mut index = self.index();
        let is_known = index.roots.contains_key(root);
        self.forget(&mut index, root)?;
        drop(index);
        self.sweep(false);
        Ok(is_known)
    }

    /// Changes what is said of a root, and keeps it.
    fn change(
        &self,
        root: &Cid,
        change: impl FnOnce(&mut Record) -> bool,
    ) -> Result<bool, ContentError> {
        let mut index = self.index();
        let Some(known) = index.roots.get_mut(root) else { return Ok(false) };
        if change(&mut known.record) {
            self.inner.catalog.write(root, &known.record)?;
        }
        Ok(true)
    }

    /// Pins a root, or lets it go like any other. `false` if there is none.
    ///
    /// # Errors
    /// [`ContentError::Disk`].
    pub fn pin(&self, root: &Cid, is_pinned: bool) -> Result<bool, ContentError> {
        self.change(root, |record| std::mem::replace(&mut record.is_pinned, is_pinned) != is_pinned)
    }

    /// Its publisher took a root back, or announced it again. `false` if there is none.
    ///
    /// # Errors
    /// [`ContentError::Disk`].
    pub fn withdraw(&self, root: &Cid, is_withdrawn: bool) -> Result<bool, ContentError> {
        self.change(root, |record| {
            std::mem::replace(&mut record.is_withdrawn, is_withdrawn) != is_withdrawn
        })
    }

    /// Changes the owner's words about a root, and its score. `false` if there is none.
    ///
    /// # Errors
    /// [`ContentError::Disk`].
    pub fn note(&self, root: &Cid, note: Vec<u8>, score: u64) -> Result<bool, ContentError> {
        self.change(root, |record| {
            let is_new = record.note != note || record.score != score;
            (record.note, record.score) = (note, score);
            is_new
        })
    }

    /// A root was executed or served. Kept on disk once a minute at most.
    ///
    /// # Errors
    /// [`ContentError::Disk`].
    pub fn touch(&self, root: &Cid, now_ms: u64) -> Result<bool, ContentError> {
        self.change(root, |record| {
            let before = record.used_ms;
            record.used_ms = before.max(now_ms);
            now_ms.saturating_sub(before) > 60_000
        })
    }

    /// Reads all blocks of a root again and compares them with their hashes. Whatever is damaged
    /// is removed; roots with such a block are not whole any more.
    ///
    /// # Errors
    /// [`ContentError::NotHeld`], or the disk failed.
    pub fn check(&self, root: &Cid, now_ms: u64) -> Result<Checked, ContentError> {
        let list = self.index().list(root).ok_or(ContentError::NotHeld(*root))?;
        let mut checked = Checked { blocks: 0, bad: Vec::new(), broken: Vec::new() };
        for cid in list.iter() {
            checked.blocks = checked.blocks.saturating_add(1);
            let is_good = self.inner.files.read(cid)?.is_some_and(|bytes| cid.names(&bytes));
            // It may have been given up in the meantime.
            if !is_good && self.has(cid) {
                checked.broken.extend(self.lose(cid)?);
                checked.bad.push(*cid);
            }
        }
        checked.broken.sort_unstable();
        checked.broken.dedup();
        self.change(root, |record| {
            record.checked_ms = now_ms;
            true
        })?;
        Ok(checked)
    }

    /// Roots that are not whole any more since this was asked last.
    pub fn take_broken(&self) -> Vec<Cid> {
        std::mem::take(&mut self.index().broken).into_iter().collect()
    }

    /// The different blocks of a whole root, in the order of its content.
    pub fn blocks(&self, root: &Cid) -> Option<Arc<[Cid]>> {
        self.index().list(root)
    }

    /// Walks a DAG through the blocks that are here; every one is checked.
    fn walk(
        &self,
        root: &Cid,
        mut see: impl FnMut(Piece<'_>) -> Result<(), ContentError>,
    ) -> Result<(u64, Vec<Cid>), ContentError> {
        let mut walk = Walk::new(*root, self.inner.limits);
        let (mut list, mut seen) = (Vec::new(), BTreeSet::new());
        while let Some(cid) = walk.wanted() {
            let Some(bytes) = self.inner.files.read(&cid)? else {
                if self.has(&cid) {
                    self.lose(&cid)?;
                }
                return Err(ContentError::Missing(cid));
            };
            match walk.give(&bytes) {
                Ok(piece) => see(piece)?,
                Err(WalkError::Hash(cid)) => {
                    self.lose(&cid)?;
                    return Err(ContentError::Missing(cid));
                }
                Err(error) => return Err(error.into()),
            }
            if seen.insert(cid) {
                list.push(cid);
            }
        }
        Ok((walk.bytes(), list))
    }

    /// A block is damaged or gone: takes it out, and says which roots are broken by that.
    fn lose(&self, cid: &Cid) -> Result<Vec<Cid>, ContentError> {
        let mut index = self.index();
        let broken = index.lose(cid);
        for root in &broken {
            if let Some(known) = index.roots.get(root) {
                self.inner.catalog.write(root, &known.record)?;
            }
        }
        drop(index);
        self.inner.files.remove(cid)?;
        Ok(broken)
    }

    /// Takes a root out of the index and the catalog; its blocks become loose.
    fn forget(&self, index: &mut Index, root: &Cid) -> Result<(), ContentError> {
        self.inner.catalog.remove(root)?;
        for cid in index.forget(root) {
            self.inner.files.remove(&cid)?;
        }
        Ok(())
    }

    /// Removes blocks that no root has and none waits for. As long as something comes whose root
    /// is not here yet, nobody knows which those are; only at the start nothing comes.
    fn sweep(&self, is_start: bool) {
        let partial: Vec<Cid> = {
            let index = self.index();
            if index.loose_bytes == 0 {
                return;
            }
            index.roots.iter().filter(|(_, r)| r.blocks.is_none()).map(|(cid, _)| *cid).collect()
        };
        if !is_start && partial.iter().any(|root| !self.has(root)) {
            return;
        }
        let mut wanted = BTreeSet::new();
        for root in partial {
            wanted.extend(self.reachable(&root));
        }
        let gone = self.index().take_loose(&wanted);
        for cid in gone {
            // It costs room only until the next start.
            let _ = self.inner.files.remove(&cid);
        }
    }

    /// The blocks of a root that are here, as far as links lead to them.
    fn reachable(&self, root: &Cid) -> BTreeSet<Cid> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*root]);
        while let Some(cid) = open.pop() {
            if !self.has(&cid) || !seen.insert(cid) {
                continue;
            }
            if cid.codec == girrona_assembly::content::Codec::Raw {
                continue;
            }
            if let Ok(Some(bytes)) = self.inner.files.read(&cid)
                && let Ok(links) =
                    girrona_assembly::content::node::links(cid.codec, &bytes, &self.inner.limits)
            {
                open.extend(links);
            }
        }
        seen
    }
}
