//! What a block links to: looked at, counted, and queued where it is missing.

use super::{Blocks, Failure, LEAF_MAX, LEAF_MIN, Missing, NODE_SIZE, Session};
use crate::content::{
    Cid, Codec,
    node::{Node, read},
};

impl<P: Ord + Clone> Session<P> {
    /// Looks at a block's links.
    pub(super) fn open(
        &mut self,
        cid: Cid,
        missing: Missing,
        bytes: &[u8],
        store: &dyn Blocks,
    ) -> Result<(), Failure> {
        if self.bytes > self.config.bytes_max {
            return Err(Failure::Bytes(self.config.bytes_max));
        }
        let children = self.children(cid, missing, bytes)?;
        self.find(children, store)
    }

    fn children(
        &self,
        cid: Cid,
        missing: Missing,
        bytes: &[u8],
    ) -> Result<Vec<(Cid, Missing)>, Failure> {
        let node = read(cid.codec, bytes, &self.config.limits);
        let node = node.map_err(|reason| Failure::Node { cid, reason })?;
        let depth = missing.depth.saturating_add(1);
        let child = |cid: Cid, size: u64| {
            let known = matches!(cid.codec, Codec::Raw).then_some(size);
            // Whoever wrote the link may lie about it, but not to fill a window with thousands.
            let size = known.unwrap_or(NODE_SIZE).clamp(LEAF_MIN, LEAF_MAX);
            (cid, Missing { order: 0, depth, size })
        };
        Ok(match node {
            // A small block may stand for a file of any size; nothing of it is fetched then.
            Node::File { size, .. } if size > self.config.bytes_max => {
                return Err(Failure::Bytes(self.config.bytes_max));
            }
            Node::File { parts, .. } => {
                parts.iter().map(|part| child(part.cid, part.size)).collect()
            }
            Node::Directory(entries) => {
                entries.iter().map(|entry| child(entry.cid, entry.weight)).collect()
            }
        })
    }

    /// Takes up blocks that were linked to. What the store has is opened in turn.
    pub(super) fn find(
        &mut self,
        mut open: Vec<(Cid, Missing)>,
        store: &dyn Blocks,
    ) -> Result<(), Failure> {
        open.reverse();
        while let Some((cid, mut missing)) = open.pop() {
            if missing.depth > self.config.limits.depth_max {
                return Err(Failure::Depth(self.config.limits.depth_max));
            }
            if !self.found.insert(cid) {
                continue;
            }
            let count = self.found.len() as u64;
            if count > self.config.limits.blocks_max {
                return Err(Failure::Blocks(self.config.limits.blocks_max));
            }
            missing.order = count;
            let is_here = match cid.codec {
                Codec::Raw => store.has(&cid),
                Codec::DagPb => match store.bytes(&cid) {
                    Some(bytes) => {
                        let mut children = self.children(cid, missing, &bytes)?;
                        children.reverse();
                        open.append(&mut children);
                        true
                    }
                    None => false,
                },
            };
            if !is_here {
                self.missing.insert(cid, missing);
                self.queue.insert(cid, &missing);
                self.expected = self.expected.saturating_add(missing.size);
            }
        }
        Ok(())
    }
}
