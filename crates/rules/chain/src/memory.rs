//! A disk in memory that forgets, at a crash, exactly what was not durable. For the simulator and
//! for tests.

use std::{collections::BTreeMap, sync::Arc};

use casper_types::{BlockHash, Deploy, DeployHash, Digest, Key, PublicKey, StoredValue, Timestamp};
use girrona_state::{MemoryState, Reader, Unreadable};
use girrona_types::{Event, EventId, FinalitySignature, Height, Proposal, ProposalHash};

use crate::disk::{Commit, Disk, DiskError, DiskResult, ExecutedDeploy, Fate, StoredBlock};

/// Everything a node keeps, in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: MemoryState,
    blocks: BTreeMap<Height, Arc<StoredBlock>>,
    heights: BTreeMap<BlockHash, Height>,
    deploys: BTreeMap<DeployHash, Arc<Deploy>>,
    fates: BTreeMap<DeployHash, Fate>,
    accepted_at: BTreeMap<DeployHash, Timestamp>,
    executed: BTreeMap<DeployHash, ExecutedDeploy>,
    records: BTreeMap<Key, StoredValue>,
    events: Vec<Event>,
    signatures: BTreeMap<(BlockHash, PublicKey), FinalitySignature>,
    durable: Votes,
    /// As `durable`, with what was not flushed yet.
    current: Votes,
    writes: u64,
    crash: Option<Crash>,
}

/// What is durable only after a flush.
#[derive(Clone, Debug, Default)]
struct Votes {
    wal: BTreeMap<Height, Vec<Vec<u8>>>,
    guard: Option<Vec<u8>>,
    proposals: BTreeMap<ProposalHash, Arc<Proposal>>,
}

/// When the disk dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The durable write at which it dies, counted from the disk's first.
    pub at_write: u64,
    /// Whether that write is still done.
    pub write_survives: bool,
}

/// The disk died because it was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk crashed as planned")]
pub struct Crashed;

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Durable writes so far.
    pub const fn writes(&self) -> u64 {
        self.writes
    }

    /// Plans the disk's death, or calls it off.
    pub const fn plan_crash(&mut self, crash: Option<Crash>) {
        self.crash = crash;
    }

    /// What is left of the disk after the power went off.
    #[must_use]
    pub fn after_crash(mut self) -> Self {
        self.current = self.durable.clone();
        self.crash = None;
        self
    }

    /// Loses the votes although they were durable: what a disk that lies would do. Only a test of
    /// the test wants this.
    #[must_use]
    pub fn without_votes(mut self) -> Self {
        self.durable.wal.clear();
        self.durable.guard = None;
        self.after_crash()
    }

    /// The state of the tip.
    pub const fn state(&self) -> &MemoryState {
        &self.state
    }

    /// Every event so far; its place is its id.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Every deploy that this node has heard of, and what became of it.
    pub fn fates(&self) -> impl Iterator<Item = (&DeployHash, &Fate)> {
        self.fates.iter()
    }

    /// What execution made of a deploy.
    pub fn executed(&self, hash: &DeployHash) -> Option<&ExecutedDeploy> {
        self.executed.get(hash)
    }

    /// Every block, from genesis on.
    pub fn blocks(&self) -> impl Iterator<Item = &Arc<StoredBlock>> {
        self.blocks.values()
    }

    /// Does a durable write, unless the disk dies first.
    fn durably<T>(&mut self, write: impl FnOnce(&mut Self) -> DiskResult<T>) -> DiskResult<T> {
        let number = self.writes;
        self.writes = number.saturating_add(1);
        let died = || DiskError { doing: "write".to_owned(), source: Box::new(Crashed) };
        match self.crash {
            Some(crash) if number > crash.at_write => Err(died()),
            Some(crash) if number == crash.at_write => {
                if crash.write_survives {
                    write(self)?;
                }
                Err(died())
            }
            _ => write(self),
        }
    }

    fn publish(&mut self, event: Event) -> EventId {
        let id = self.events.len() as EventId;
        self.events.push(event);
        id
    }

    fn write_commit(&mut self, commit: Commit) -> DiskResult<Vec<EventId>> {
        let Commit { block, proposal, certificate, deploys, changes, records, events } = commit;
        let root = self.state.apply(&changes).map_err(|source| DiskError {
            doing: "change the state".to_owned(),
            source: Box::new(source),
        })?;
        if root != *block.state_root_hash() {
            return Err(DiskError {
                doing: format!("commit block {} with root {root}", block.height()),
                source: "its header names another root".into(),
            });
        }
        let height = Height(block.height());
        self.heights.insert(*block.hash(), height);
        for deploy in deploys {
            self.fates.insert(deploy.hash, Fate::Executed(height));
            self.accepted_at.remove(&deploy.hash);
            self.executed.insert(deploy.hash, deploy);
        }
        self.records.extend(records);
        let stored = StoredBlock { block, proposal, certificate };
        self.blocks.insert(height, Arc::new(stored));
        for votes in [&mut self.durable, &mut self.current] {
            votes.wal.retain(|other, _| *other > height);
            votes.proposals.retain(|_, proposal| proposal.height > height);
        }
        Ok(events.into_iter().map(|event| self.publish(event)).collect())
    }
}

impl Reader for MemoryDisk {
    fn read(&self, key: &Key) -> Result<Option<Arc<StoredValue>>, Unreadable> {
        self.state.read(key)
    }
}

impl Disk for MemoryDisk {
    fn tip(&self) -> DiskResult<Option<Arc<StoredBlock>>> {
        Ok(self.blocks.values().next_back().cloned())
    }

    fn block(&self, height: Height) -> DiskResult<Option<Arc<StoredBlock>>> {
        Ok(self.blocks.get(&height).cloned())
    }

    fn height_of(&self, block: &BlockHash) -> DiskResult<Option<Height>> {
        Ok(self.heights.get(block).copied())
    }

    fn deploy(&self, hash: &DeployHash) -> DiskResult<Option<Arc<Deploy>>> {
        Ok(self.deploys.get(hash).cloned())
    }

    fn fate(&self, hash: &DeployHash) -> DiskResult<Option<Fate>> {
        Ok(self.fates.get(hash).copied())
    }

    fn pending(&self) -> DiskResult<Vec<(Arc<Deploy>, Timestamp)>> {
        let pending = self.accepted_at.iter().filter_map(|(hash, at)| {
            self.deploys.get(hash).map(|deploy| (Arc::clone(deploy), *at))
        });
        let mut pending: Vec<_> = pending.collect();
        pending.sort_by_key(|(deploy, at)| (*at, *deploy.hash()));
        Ok(pending)
    }

    fn accept(&mut self, deploys: &[Arc<Deploy>], now: Timestamp) -> DiskResult<Vec<EventId>> {
        self.durably(|disk| {
            let mut ids = Vec::with_capacity(deploys.len());
            for deploy in deploys {
                let hash = *deploy.hash();
                disk.deploys.insert(hash, Arc::clone(deploy));
                disk.fates.insert(hash, Fate::Pending);
                disk.accepted_at.insert(hash, now);
                ids.push(disk.publish(Event::DeployAccepted(hash)));
            }
            Ok(ids)
        })
    }

    fn keep_body(&mut self, deploy: &Arc<Deploy>) -> DiskResult<()> {
        self.durably(|disk| {
            disk.deploys.entry(*deploy.hash()).or_insert_with(|| Arc::clone(deploy));
            Ok(())
        })
    }

    fn expire(&mut self, hashes: &[DeployHash], now: Timestamp) -> DiskResult<Vec<EventId>> {
        self.durably(|disk| {
            let mut ids = Vec::with_capacity(hashes.len());
            for hash in hashes {
                disk.accepted_at.remove(hash);
                disk.fates.insert(*hash, Fate::Expired(now.millis()));
                ids.push(disk.publish(Event::DeployExpired(*hash)));
            }
            Ok(ids)
        })
    }

    fn put_proposal(&mut self, hash: &ProposalHash, proposal: &Proposal) -> DiskResult<()> {
        self.current.proposals.insert(*hash, Arc::new(proposal.clone()));
        Ok(())
    }

    fn proposal(&self, hash: &ProposalHash) -> DiskResult<Option<Arc<Proposal>>> {
        let committed = || {
            self.blocks.values().find_map(|stored| {
                let decided = stored.certificate.as_ref()?.proposal;
                let proposal = stored.proposal.as_ref()?;
                (decided == *hash).then(|| Arc::new(proposal.clone()))
            })
        };
        Ok(self.current.proposals.get(hash).cloned().or_else(committed))
    }

    fn wal_append(&mut self, height: Height, record: &[u8]) -> DiskResult<()> {
        self.current.wal.entry(height).or_default().push(record.to_vec());
        Ok(())
    }

    fn wal(&self, height: Height) -> DiskResult<Vec<Vec<u8>>> {
        Ok(self.current.wal.get(&height).cloned().unwrap_or_default())
    }

    fn put_guard(&mut self, record: &[u8]) -> DiskResult<()> {
        self.current.guard = Some(record.to_vec());
        Ok(())
    }

    fn guard(&self) -> DiskResult<Option<Vec<u8>>> {
        Ok(self.current.guard.clone())
    }

    fn flush(&mut self) -> DiskResult<()> {
        self.durably(|disk| {
            disk.durable = disk.current.clone();
            Ok(())
        })
    }

    fn root_after(&mut self, changes: &BTreeMap<Key, Option<StoredValue>>) -> DiskResult<Digest> {
        self.state.root_after(changes).map_err(|source| DiskError {
            doing: "compute the state root".to_owned(),
            source: Box::new(source),
        })
    }

    fn commit(&mut self, commit: Commit) -> DiskResult<Vec<EventId>> {
        self.durably(|disk| disk.write_commit(commit))
    }

    fn put_finality_signature(
        &mut self,
        signature: &FinalitySignature,
    ) -> DiskResult<Option<EventId>> {
        let name = (signature.block, signature.public_key.clone());
        if self.signatures.contains_key(&name) {
            return Ok(None);
        }
        self.durably(|disk| {
            disk.signatures.insert(name, signature.clone());
            Ok(Some(disk.publish(Event::FinalitySignature(signature.clone()))))
        })
    }

    fn has_finality_signature(&self, block: &BlockHash, signer: &PublicKey) -> DiskResult<bool> {
        Ok(self.signatures.contains_key(&(*block, signer.clone())))
    }

    fn finality_signatures(&self, block: &BlockHash) -> DiskResult<Vec<FinalitySignature>> {
        let of_block = self.signatures.iter().filter(|((other, _), _)| other == block);
        Ok(of_block.map(|(_, signature)| signature.clone()).collect())
    }
}
