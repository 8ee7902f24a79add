//! CAR files, in and out, a block at a time.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use girrona_assembly::content::{
    Block, Cid,
    car::{self, CarReader, Item},
};

use super::{ContentError, ContentStore, Reservation, RootInfo};

/// A CAR file that comes in. Dropped before [`CarImport::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct CarImport {
    store: ContentStore,
    reader: CarReader,
    wanted: Option<Cid>,
    root: Option<Cid>,
    /// It was here before, whole or not: then a broken file takes nothing away.
    was_known: bool,
    /// What this file brought.
    brought: BTreeSet<Cid>,
    bytes: u64,
    bytes_max: u64,
    blocks_max: u64,
    now_ms: u64,
    is_done: bool,
}

/// A CAR file that goes out: its bytes in pieces of a block.
#[derive(Debug)]
pub struct CarExport {
    store: ContentStore,
    root: Cid,
    next: VecDeque<Cid>,
    has_begun: bool,
}

impl ContentStore {
    /// Takes a CAR file in that has one root; `wanted` if it has to be that one. What is not part
    /// of the root is not kept.
    pub fn import(&self, wanted: Option<Cid>, bytes_max: u64, now_ms: u64) -> CarImport {
        CarImport {
            store: self.clone(),
            reader: CarReader::new(),
            wanted,
            root: None,
            was_known: false,
            brought: BTreeSet::new(),
            bytes: 0,
            bytes_max,
            blocks_max: self.inner.limits.blocks_max,
            now_ms,
            is_done: false,
        }
    }

    /// A whole root as a CAR file.
    ///
    /// # Errors
    /// [`ContentError::NotHeld`].
    pub fn export(&self, root: &Cid) -> Result<CarExport, ContentError> {
        let list: Arc<[Cid]> = self.blocks(root).ok_or(ContentError::NotHeld(*root))?;
        let next = list.iter().copied().collect();
        Ok(CarExport { store: self.clone(), root: *root, next, has_begun: false })
    }
}

impl CarImport {
    /// More of the file.
    ///
    /// # Errors
    /// The file is none, or is too long, or there is no room.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ContentError> {
        // In pieces, so that what is held stays a block and a piece.
        for piece in bytes.chunks(256 * 1024) {
            self.reader.push(piece);
            while let Some(item) = self.reader.read()? {
                match item {
                    Item::Roots(roots) => self.begin(&roots)?,
                    Item::Block(block) => self.take(&block)?,
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, roots: &[Cid]) -> Result<(), ContentError> {
        let root = match (roots, self.wanted) {
            ([root], None) => *root,
            ([root], Some(wanted)) if *root == wanted => wanted,
            (_, Some(wanted)) => return Err(ContentError::OtherRoot(wanted)),
            ([first, ..], None) => return Err(ContentError::OtherRoot(*first)),
            ([], None) => return Err(girrona_assembly::content::car::CarError::Header.into()),
        };
        self.was_known = self.store.root(&root).is_some();
        self.root = Some(root);
        let reservation = Reservation { root, size: 0, blocks: 0, score: 1_000, note: Vec::new() };
        self.store.reserve(reservation, &BTreeSet::new(), self.now_ms)?;
        Ok(())
    }

    fn take(&mut self, block: &Block) -> Result<(), ContentError> {
        let length = block.bytes.len() as u64;
        self.bytes = self.bytes.saturating_add(length);
        let count = self.brought.len() as u64;
        if self.bytes > self.bytes_max || count >= self.blocks_max {
            return Err(ContentError::Unreserved);
        }
        if self.store.has(&block.cid) {
            return Ok(());
        }
        let root = self.root.unwrap_or(block.cid);
        let is_first = self.brought.insert(block.cid);
        match self.store.put(&block.cid, &block.bytes) {
            Err(ContentError::Unreserved) if is_first => {
                self.store.make_room(&root, length, self.now_ms)?;
                self.store.put(&block.cid, &block.bytes)
            }
            other => other,
        }
    }

    /// The file is at its end: what is in it is checked as a whole.
    ///
    /// # Errors
    /// Something is missing, or what is there is no files and directories.
    pub fn finish(mut self) -> Result<RootInfo, ContentError> {
        self.reader.finish()?;
        let root = self.root.ok_or(girrona_assembly::content::car::CarError::Truncated)?;
        let info = self.store.complete(&root, self.now_ms)?;
        self.is_done = true;
        self.store.drop_loose(&self.brought);
        Ok(info)
    }
}

impl Drop for CarImport {
    fn drop(&mut self) {
        if let Some(root) = self.root.filter(|_| !self.is_done && !self.was_known) {
            // What stays costs room until the next start.
            let _ = self.store.remove(&root);
            self.store.drop_loose(&self.brought);
        }
    }
}

impl ContentStore {
    /// More room for what comes without an announced size.
    fn make_room(&self, root: &Cid, bytes: u64, now_ms: u64) -> Result<(), ContentError> {
        let mut index = self.index();
        let free = index.usage().free;
        // In steps, so that not every block looks for what to give up.
        let step = bytes.max((16 << 20).min(free));
        if index.grow(root, step) {
            return Ok(());
        }
        let held = index.candidates(&BTreeSet::from([*root]));
        for old in girrona_assembly::cache::evict(&held, bytes, free, 1_000, now_ms)? {
            self.forget(&mut index, &old)?;
        }
        if index.grow(root, bytes) { Ok(()) } else { Err(ContentError::Unreserved) }
    }

    /// Removes those of these blocks that no whole root has.
    fn drop_loose(&self, blocks: &BTreeSet<Cid>) {
        let gone = self.index().take_loose_of(blocks);
        for cid in gone {
            // It costs room only until the next start.
            let _ = self.inner.files.remove(&cid);
        }
    }
}

impl Iterator for CarExport {
    type Item = Result<Vec<u8>, ContentError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Some(Ok(car::header(&[self.root])));
        }
        let cid = self.next.pop_front()?;
        Some(match self.store.get(&cid) {
            Ok(Some(bytes)) => {
                let mut out = car::section(&cid, bytes.len());
                out.extend_from_slice(&bytes);
                Ok(out)
            }
            Ok(None) => Err(ContentError::Missing(cid)),
            Err(error) => Err(error),
        })
    }
}
