//! What is on disk, as it is known in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use girrona_assembly::{cache::evict::Held, content::Cid};

use super::{
    ContentError, RootInfo, Usage,
    catalog::{Record, State},
};

/// A root.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) record: Record,
    /// Once it is whole.
    pub(super) blocks: Option<Blocks>,
}

/// The blocks of a whole root.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) list: Arc<[Cid]>,
    /// Bytes of them.
    pub(super) weight: u64,
}

impl Root {
    pub(super) fn weight(&self) -> u64 {
        self.blocks.as_ref().map_or(0, |held| held.weight)
    }

    const fn reserved(&self) -> u64 {
        match self.record.state {
            State::Partial { reserved, .. } => reserved,
            State::Whole { .. } => 0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Block {
    length: u32,
    /// Whole roots that have it.
    roots: u32,
    /// It was compared with its hash since the store was opened.
    is_checked: bool,
}

/// Blocks and roots.
#[derive(Debug)]
pub(super) struct Index {
    blocks: HashMap<Cid, Block>,
    /// Blocks that are being written.
    coming: HashMap<Cid, u32>,
    pub(super) roots: BTreeMap<Cid, Root>,
    pub(super) quota: u64,
    held_bytes: u64,
    /// Blocks that no whole root has, those being written included.
    pub(super) loose_bytes: u64,
    /// Roots that lost a block since somebody asked.
    pub(super) broken: BTreeSet<Cid>,
}

impl Index {
    pub(super) fn new(quota: u64) -> Self {
        Self {
            blocks: HashMap::new(),
            coming: HashMap::new(),
            roots: BTreeMap::new(),
            quota,
            held_bytes: 0,
            loose_bytes: 0,
            broken: BTreeSet::new(),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let reserved = self.reserved();
        let used = self.held_bytes.saturating_add(reserved.max(self.loose_bytes));
        Usage {
            quota: self.quota,
            held: self.held_bytes,
            reserved,
            free: self.quota.saturating_sub(used),
        }
    }

    fn reserved(&self) -> u64 {
        self.roots.values().fold(0, |sum, root| sum.saturating_add(root.reserved()))
    }

    /// A block is on disk and belongs to nothing yet.
    pub(super) fn add_block(&mut self, cid: Cid, length: u32) {
        self.blocks.insert(cid, Block { length, roots: 0, is_checked: false });
        self.loose_bytes = self.loose_bytes.saturating_add(length.into());
    }

    pub(super) fn has(&self, cid: &Cid) -> bool {
        self.blocks.contains_key(cid)
    }

    pub(super) fn length(&self, cid: &Cid) -> Option<u32> {
        self.blocks.get(cid).map(|block| block.length)
    }

    pub(super) fn is_checked(&self, cid: &Cid) -> Option<bool> {
        self.blocks.get(cid).map(|block| block.is_checked)
    }

    pub(super) fn set_checked(&mut self, cid: &Cid) {
        if let Some(block) = self.blocks.get_mut(cid) {
            block.is_checked = true;
        }
    }

    /// A block is about to be written; `false` if it is here or being written already.
    pub(super) fn expect(&mut self, cid: &Cid, length: u32) -> Result<bool, ContentError> {
        if self.has(cid) || self.coming.contains_key(cid) {
            return Ok(false);
        }
        let loose = self.loose_bytes.saturating_add(length.into());
        if loose > self.reserved() {
            return Err(ContentError::Unreserved);
        }
        self.coming.insert(*cid, length);
        self.loose_bytes = loose;
        Ok(true)
    }

    /// A block that was expected is written, or is not.
    pub(super) fn arrived(&mut self, cid: &Cid, length: u32, is_written: bool) {
        if self.coming.remove(cid).is_none() {
            return;
        }
        if is_written {
            self.blocks.insert(*cid, Block { length, roots: 0, is_checked: true });
        } else {
            self.loose_bytes = self.loose_bytes.saturating_sub(length.into());
        }
    }

    /// A root is whole: its blocks are not loose any more.
    pub(super) fn hold(&mut self, cid: Cid, mut root: Root, list: Vec<Cid>) {
        let mut weight = 0_u64;
        for cid in &list {
            let Some(block) = self.blocks.get_mut(cid) else { continue };
            let length = u64::from(block.length);
            weight = weight.saturating_add(length);
            if block.roots == 0 {
                self.loose_bytes = self.loose_bytes.saturating_sub(length);
                self.held_bytes = self.held_bytes.saturating_add(length);
            }
            block.roots = block.roots.saturating_add(1);
        }
        root.blocks = Some(Blocks { list: list.into(), weight });
        self.roots.insert(cid, root);
    }

    /// A root is not whole any more: its blocks may become loose.
    fn release(&mut self, list: &[Cid]) {
        for cid in list {
            let Some(block) = self.blocks.get_mut(cid) else { continue };
            block.roots = block.roots.saturating_sub(1);
            if block.roots == 0 {
                let length = u64::from(block.length);
                self.held_bytes = self.held_bytes.saturating_sub(length);
                self.loose_bytes = self.loose_bytes.saturating_add(length);
            }
        }
    }

    /// Forgets a root; the blocks that only it had are taken out and returned.
    pub(super) fn forget(&mut self, root: &Cid) -> Vec<Cid> {
        let Some(Root { blocks: Some(held), .. }) = self.roots.remove(root) else {
            return Vec::new();
        };
        self.release(&held.list);
        let mut gone = Vec::new();
        for cid in held.list.iter() {
            if self.blocks.get(cid).is_some_and(|block| block.roots == 0) {
                self.take_out(cid);
                gone.push(*cid);
            }
        }
        gone
    }

    /// A block is lost; says which roots are broken by that.
    pub(super) fn lose(&mut self, cid: &Cid) -> Vec<Cid> {
        let broken: Vec<Cid> = self
            .roots
            .iter()
            .filter(|(_, root)| root.blocks.as_ref().is_some_and(|held| held.list.contains(cid)))
            .map(|(root, _)| *root)
            .collect();
        for root in &broken {
            let Some(known) = self.roots.get_mut(root) else { continue };
            let Some(held) = known.blocks.take() else { continue };
            known.record.state = match known.record.state.broken() {
                // What it had on disk is what it needs.
                State::Partial { size, .. } => State::Partial { size, reserved: held.weight },
                other @ State::Whole { .. } => other,
            };
            self.release(&held.list);
            self.broken.insert(*root);
        }
        self.take_out(cid);
        broken
    }

    fn take_out(&mut self, cid: &Cid) {
        if let Some(block) = self.blocks.remove(cid) {
            self.loose_bytes = self.loose_bytes.saturating_sub(block.length.into());
        }
    }

    /// Takes out the loose blocks that nobody wants.
    pub(super) fn take_loose(&mut self, wanted: &BTreeSet<Cid>) -> Vec<Cid> {
        let loose = self.blocks.iter().filter(|(cid, b)| b.roots == 0 && !wanted.contains(cid));
        let gone: Vec<Cid> = loose.map(|(cid, _)| *cid).collect();
        for cid in &gone {
            self.take_out(cid);
        }
        gone
    }

    /// Takes out those of these blocks that no whole root has.
    pub(super) fn take_loose_of(&mut self, these: &BTreeSet<Cid>) -> Vec<Cid> {
        let is_loose = |cid: &&Cid| self.blocks.get(cid).is_some_and(|block| block.roots == 0);
        let gone: Vec<Cid> = these.iter().filter(is_loose).copied().collect();
        for cid in &gone {
            self.take_out(cid);
        }
        gone
    }

    /// The blocks of a whole root.
    pub(super) fn list(&self, root: &Cid) -> Option<Arc<[Cid]>> {
        let held = self.roots.get(root)?.blocks.as_ref()?;
        Some(Arc::clone(&held.list))
    }

    /// Whole roots as eviction looks at them.
    pub(super) fn candidates(&self, busy: &BTreeSet<Cid>) -> Vec<Held> {
        self.roots
            .iter()
            .filter(|(_, root)| root.blocks.is_some())
            .map(|(cid, root)| Held {
                // Blocks that others have too are not freed.
                size: self.own_bytes(root),
                ..root.as_held(*cid, busy.contains(cid))
            })
            .collect()
    }

    fn own_bytes(&self, root: &Root) -> u64 {
        let list = root.blocks.iter().flat_map(|held| held.list.iter());
        let own = list.filter_map(|cid| self.blocks.get(cid)).filter(|block| block.roots == 1);
        own.fold(0, |sum, block| sum.saturating_add(block.length.into()))
    }

    /// More room for a root that is not whole. `false` if there is none.
    pub(super) fn grow(&mut self, root: &Cid, by: u64) -> bool {
        if self.usage().free < by {
            return false;
        }
        match self.roots.get_mut(root).map(|root| &mut root.record.state) {
            Some(State::Partial { size, reserved }) => {
                *reserved = reserved.saturating_add(by);
                *size = size.saturating_add(by);
                true
            }
            _ => false,
        }
    }
}

impl Root {
    pub(super) fn info(&self, root: Cid) -> RootInfo {
        let record = &self.record;
        let (size, weight) = match record.state {
            State::Whole { size } => (size, self.weight()),
            State::Partial { size, reserved } => (size, reserved),
        };
        RootInfo {
            root,
            is_whole: self.blocks.is_some(),
            size,
            weight,
            blocks: self.blocks.as_ref().map_or(0, |held| held.list.len()),
            is_pinned: record.is_pinned,
            is_withdrawn: record.is_withdrawn,
            score: record.score,
            used_ms: record.used_ms,
            checked_ms: record.checked_ms,
            note: record.note.clone(),
        }
    }

    fn as_held(&self, root: Cid, is_busy: bool) -> Held {
        Held {
            root,
            size: self.weight(),
            is_pinned: self.record.is_pinned,
            is_busy,
            is_withdrawn: self.record.is_withdrawn,
            score: self.record.score,
            used_ms: self.record.used_ms,
        }
    }
}
