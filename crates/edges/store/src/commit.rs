//! Making a block the tip.
//!
//! One batch holds everything that the block changes and its new state values, and is durable
//! before the state tree is touched. So a crash leaves the tip before, or the tip after with a tree
//! that opening completes.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use casper_types::{Key, StoredValue, TransferAddr, execution::ExecutionResultV1};
use fjall::{OwnedWriteBatch, PersistMode};
use girrona_chain::disk::{Commit, DiskResult, ExecutedDeploy, StoredBlock};
use girrona_state::Commitment as _;
use girrona_types::{EventId, Height};

use crate::{
    faults::{Moment, Write},
    history,
    store::{Prepared, RECENT_VALUE_BYTES, Store},
    tables::{
        Decision, Doing as _, EXECUTED_TOGETHER, Known, NewlyExecuted, Place, Redo, Tip, by_block,
        by_proposal, by_root, casper_bytes, fault, height_key, meta, our_bytes, record_key,
        rewrite, vote_key,
    },
    waiting::Why,
};

/// A body that came with a proposal is kept for so many blocks, in case it gets into one of them.
const KEPT_BLOCKS: u64 = 50;

impl Store {
    pub(crate) fn commit_block(&mut self, commit: Commit) -> DiskResult<Vec<EventId>> {
        let Commit { block, proposal, certificate, deploys, changes, records, events } = commit;
        let height = Height(block.height());
        let doing = || format!("commit block {height}");
        let tip = self.shared.published().tip;
        let expected =
            tip.as_ref().map_or(Height::GENESIS, |tip| Height(tip.block.height()).next());
        if height != expected {
            return Err(fault(doing(), format!("the next block is {expected}")));
        }
        let root = *block.state_root_hash();
        let prepared = match self.prepared.take() {
            Some(prepared) if prepared.root == root && prepared.count == changes.len() => prepared,
            _ => self.prepare(&changes)?,
        };
        if prepared.root != root {
            return Err(fault(
                doing(),
                format!("its header names state root {root}, its changes give {}", prepared.root),
            ));
        }

        let mut batch = self.shared.tables.db.batch().durability(Some(PersistMode::SyncAll));
        let root_before = self.tree.root().doing(doing)?.value();
        self.put_state(&mut batch, height, &prepared)?;
        let forgotten = history::forget(
            &self.shared.tables,
            &mut batch,
            Height(self.shared.history_from.load(Ordering::Acquire)),
            height,
            self.options.state_history_blocks,
        )?;
        self.put_deploys(&mut batch, height, &deploys, &records)?;
        self.drop_undecided(&mut batch, height)?;
        let dropped = self.drop_bodies(&mut batch, height, &deploys);
        let leaving = deploys.iter().map(|deploy| &deploy.hash).chain(&dropped);
        self.waiting.leave(&self.shared.tables, &mut batch, leaving);

        let tables = &self.shared.tables;
        batch.insert(&tables.blocks, height_key(height), casper_bytes("a block", &block)?);
        batch.insert(&tables.heights, by_block(block.hash()), height_key(height));
        batch.insert(&tables.heights, by_root(&root), height_key(height));
        let decided = match (&certificate, &proposal) {
            (Some(certificate), _) => Some(certificate.proposal),
            (None, Some(proposal)) => Some(proposal.hash()),
            (None, None) => None,
        };
        if let Some(hash) = decided {
            batch.insert(&tables.heights, by_proposal(&hash), height_key(height));
        }
        let decision = Decision { proposal, certificate };
        batch.insert(&tables.decisions, height_key(height), our_bytes("a decision", &decision)?);
        let new_tip = Tip { height, root_before, root: root.value() };
        batch.insert(&tables.meta, meta::TIP, our_bytes("the tip", &new_tip)?);
        // Last, so that whoever sees an event finds what it names.
        let ids = self.tell(&mut batch, &events)?;

        // Before the batch removes what states below this need.
        self.shared.history_from.store(forgotten.0, Ordering::Release);
        self.write(Write::Block, batch, || format!("commit block {height}"))?;
        self.dirty = false;
        self.broken = true;
        self.faults.ask(Moment::Before(Write::Tree))?;
        if !prepared.leaves.is_empty() {
            self.tree.commit(&prepared.leaves).doing(doing)?;
        }
        self.faults.ask(Moment::After(Write::Tree))?;
        self.broken = false;

        self.learn(changes, &prepared);
        self.waiting.left(deploys.iter().map(|deploy| &deploy.hash).chain(&dropped));
        self.undecided = self.undecided.split_off(&height.next());
        self.votes = self.votes.split_off(&height.next());
        let Decision { proposal, certificate } = decision;
        self.next_event = self.next_event.saturating_add(ids.len() as u64);
        self.publish(Some(Arc::new(StoredBlock { block, proposal, certificate })));
        self.write_out()?;
        Ok(ids)
    }

    /// The old values for readers of past states, and the new ones for the tree.
    fn put_state(
        &self,
        batch: &mut OwnedWriteBatch,
        height: Height,
        prepared: &Prepared,
    ) -> DiskResult<()> {
        // Nobody asks for the state before genesis.
        if height > Height::GENESIS {
            history::remember(&self.shared.tables, batch, height, &prepared.old);
        }
        let leaves = prepared.leaves.iter().map(|(path, bytes)| (*path, bytes.clone())).collect();
        let redo = our_bytes("the redo", &Redo { height, leaves })?;
        batch.insert(&self.shared.tables.meta, meta::REDO, redo);
        Ok(())
    }

    fn put_deploys(
        &self,
        batch: &mut OwnedWriteBatch,
        height: Height,
        deploys: &[ExecutedDeploy],
        records: &BTreeMap<Key, StoredValue>,
    ) -> DiskResult<()> {
        let tables = &self.shared.tables;
        let doing = || "make bytes of an execution";
        let mut transfers: Vec<TransferAddr> = Vec::new();
        // There are thousands in a block, so they share their buffers.
        let (mut approvals, mut result, mut info) = (Vec::new(), Vec::new(), Vec::new());
        let (mut known, mut bytes) = (Vec::new(), Vec::new());
        let mut place = Place { height, index: 0 };
        for together in deploys.chunks(EXECUTED_TOGETHER) {
            let (key, _) = place.in_table();
            bytes.clear();
            let count = u32::try_from(together.len()).doing(doing)?;
            borsh::to_writer(&mut bytes, &count).doing(doing)?;
            for deploy in together {
                rewrite(&mut approvals, "approvals", &deploy.approvals)?;
                rewrite(&mut result, "a result", &deploy.result)?;
                info.clear();
                if let Some(record) = records.get(&Key::DeployInfo(deploy.hash)) {
                    rewrite(&mut info, "a record", record)?;
                }
                let executed = NewlyExecuted {
                    approvals: &approvals,
                    result: &result,
                    info: &info,
                    phases: &deploy.phases,
                };
                borsh::to_writer(&mut bytes, &executed).doing(doing)?;
                known.clear();
                borsh::to_writer(&mut known, &Known::Executed(place)).doing(doing)?;
                batch.insert(&tables.fates, deploy.hash.as_ref(), known.as_slice());
                place.index = place.index.saturating_add(1);
                // A failed deploy lists transfers that were undone; those have no record.
                let (ExecutionResultV1::Success { transfers: made, .. }
                | ExecutionResultV1::Failure { transfers: made, .. }) = &deploy.result;
                transfers.extend(
                    made.iter().filter(|made| records.contains_key(&Key::Transfer(**made))),
                );
            }
            batch.insert(&tables.executed, key, bytes.as_slice());
        }
        if !transfers.is_empty() {
            let bytes = casper_bytes("transfers", &transfers)?;
            batch.insert(&tables.transfers, height_key(height), bytes);
        }
        for (key, record) in records {
            if !matches!(key, Key::DeployInfo(_)) {
                rewrite(&mut bytes, "a record", record)?;
                batch.insert(&tables.records, record_key(key)?, bytes.as_slice());
            }
        }
        Ok(())
    }

    /// The votes and the undecided proposals of this height and of those before it.
    fn drop_undecided(&self, batch: &mut OwnedWriteBatch, height: Height) -> DiskResult<()> {
        let tables = &self.shared.tables;
        for (height, count) in self.votes.range(..=height) {
            for number in 0..*count {
                batch.remove(&tables.votes, vote_key(*height, number));
            }
        }
        for hash in self.undecided.range(..=height).flat_map(|(_, hashes)| hashes) {
            batch.remove(&tables.proposals, hash.as_bytes().as_slice());
        }
        Ok(())
    }

    /// Bodies that came with proposals and got into no block.
    fn drop_bodies(
        &self,
        batch: &mut OwnedWriteBatch,
        height: Height,
        deploys: &[ExecutedDeploy],
    ) -> Vec<casper_types::DeployHash> {
        let executed: std::collections::BTreeSet<_> =
            deploys.iter().map(|deploy| deploy.hash).collect();
        let is_over = |why: Why| match why {
            Why::Kept(tip) => tip.0.saturating_add(KEPT_BLOCKS) < height.0,
            Why::Accepted(_) => false,
        };
        let over: Vec<_> = self
            .waiting
            .iter()
            .filter(|(hash, why)| is_over(*why) && !executed.contains(*hash))
            .map(|(hash, _)| *hash)
            .collect();
        for hash in &over {
            batch.remove(&self.shared.tables.fates, hash.as_ref());
            batch.remove(&self.shared.tables.deploys, hash.as_ref());
        }
        over
    }

    /// Keeps the new values at hand: the next block is likely to use them.
    fn learn(&self, mut changes: BTreeMap<Key, Option<StoredValue>>, prepared: &Prepared) {
        let mut recent = self.recent_values();
        for (path, key) in &prepared.keys {
            let Some(value) = changes.remove(key) else { continue };
            let size = prepared.leaves.get(path).and_then(Option::as_ref).map_or(0, Vec::len);
            let key = girrona_types::keys::normalised(key);
            if size > RECENT_VALUE_BYTES {
                recent.remove(&key);
            } else {
                recent.insert(key, value.map(Arc::new));
            }
        }
    }
}
