//! Looking things up while the node writes.

use std::{
    collections::BTreeSet,
    fs::File,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use casper_types::{
    BlockHash, BlockV1, Deploy, DeployHash, Digest, Key, StoredValue, Timestamp, TransferAddr,
    execution::ExecutionResultV1,
};
use fjall::{Readable as _, Snapshot};
use girrona_chain::disk::{DiskResult, Fate, Phases, StoredBlock};
use girrona_types::{Event, EventId, FinalitySignature, Height, Proposal, ProposalHash};

use crate::{
    history::StateAt,
    recent::Recent,
    tables::{
        Decision, Doing as _, Executed, Known, Place, Tables, by_block, by_proposal, by_root,
        caspers, fault, height_in, height_key, ours, record_key,
    },
    tree::Tree,
};

/// Blocks kept decoded: this many to twice as many. A full block takes about a megabyte.
const RECENT_BLOCKS: usize = 8;

/// What the writer and all readers of a store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tables: Tables,
    pub(crate) tree: Arc<Tree>,
    /// What may be seen: a block is published when both databases have it.
    pub(crate) published: RwLock<Published>,
    /// The lowest height whose state can be read.
    pub(crate) history_from: AtomicU64,
    pub(crate) blocks: Mutex<Recent<Height, Arc<StoredBlock>>>,
    /// Last: released when both databases are closed.
    pub(crate) _lock: File,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    pub(crate) tip: Option<Arc<StoredBlock>>,
    pub(crate) next_event: EventId,
}

/// A handle for looking things up, from any thread. Keeps the store open.
#[derive(Clone, Debug)]
pub struct StoreReader {
    pub(crate) shared: Arc<Shared>,
}

/// A deploy and what became of it.
#[derive(Clone, Debug)]
pub struct StoredDeploy {
    /// The deploy; once it is executed, with the approvals it was executed with.
    pub deploy: Deploy,
    /// What became of it; `None` for one that only came along with a proposal.
    pub fate: Option<Fate>,
    /// When this node accepted it, while it is pending.
    pub accepted_at: Option<Timestamp>,
    /// Its execution.
    pub execution: Option<Execution>,
}

/// How a deploy was executed.
#[derive(Clone, Debug)]
pub struct Execution {
    /// In which block.
    pub block: BlockHash,
    /// The height of that block.
    pub height: Height,
    /// With what result.
    pub result: ExecutionResultV1,
    /// When it passed which phase on this node.
    pub phases: Phases,
}

impl Shared {
    pub(crate) fn published(&self) -> Published {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn block(&self, height: Height) -> DiskResult<Option<Arc<StoredBlock>>> {
        let recent = || self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = recent().get(&height) {
            return Ok(Some(block));
        }
        let doing = || format!("read block {height}");
        let Some(bytes) = self.tables.blocks.get(height_key(height)).doing(doing)? else {
            return Ok(None);
        };
        let block: BlockV1 = caspers("block", &bytes)?;
        let decision = self.tables.decisions.get(height_key(height)).doing(doing)?;
        let decision = decision.ok_or_else(|| fault(doing(), "its decision is missing"))?;
        let Decision { proposal, certificate } = ours("decision", &decision)?;
        let block = Arc::new(StoredBlock { block, proposal, certificate });
        recent().insert(height, Arc::clone(&block));
        Ok(Some(block))
    }

    pub(crate) fn height(&self, name: &[u8]) -> DiskResult<Option<Height>> {
        let height = self.tables.heights.get(name).doing(|| "look up a height")?;
        height.map(|bytes| height_in(&bytes)).transpose()
    }

    pub(crate) fn body(&self, hash: &DeployHash) -> DiskResult<Option<Deploy>> {
        let bytes =
            self.tables.deploys.get(hash.as_ref()).doing(|| format!("read deploy {hash}"))?;
        bytes.map(|bytes| caspers("deploy", &bytes)).transpose()
    }

    pub(crate) fn fate(&self, hash: &DeployHash) -> DiskResult<Option<Fate>> {
        Ok(self.known(hash)?.and_then(Known::fate))
    }

    fn known(&self, hash: &DeployHash) -> DiskResult<Option<Known>> {
        let bytes = self
            .tables
            .fates
            .get(hash.as_ref())
            .doing(|| format!("read the fate of deploy {hash}"))?;
        bytes.map(|bytes| ours("fate", &bytes)).transpose()
    }

    pub(crate) fn proposal(&self, hash: &ProposalHash) -> DiskResult<Option<Arc<Proposal>>> {
        let undecided =
            self.tables.proposals.get(hash.as_bytes()).doing(|| format!("read proposal {hash}"))?;
        if let Some(bytes) = undecided {
            return Ok(Some(Arc::new(ours("proposal", &bytes)?)));
        }
        let Some(height) = self.height(&by_proposal(hash))? else { return Ok(None) };
        let block = self.block(height)?;
        Ok(block.and_then(|block| block.proposal.clone()).map(Arc::new))
    }

    pub(crate) fn finality_signatures(
        &self,
        block: &BlockHash,
    ) -> DiskResult<Vec<FinalitySignature>> {
        self.tables
            .signatures
            .prefix(block.as_ref())
            .map(|entry| {
                let bytes = entry.value().doing(|| "read finality signatures")?;
                ours("finality signature", &bytes)
            })
            .collect()
    }
}

impl StoreReader {
    /// The last committed block; `None` before genesis was committed.
    pub fn tip(&self) -> Option<Arc<StoredBlock>> {
        self.shared.published().tip
    }

    /// The block of a height.
    ///
    /// # Errors
    /// When the disk fails or the record is damaged; so do all methods here.
    pub fn block(&self, height: Height) -> DiskResult<Option<Arc<StoredBlock>>> {
        if self.is_published(height) { self.shared.block(height) } else { Ok(None) }
    }

    /// The height of a block.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn height_of(&self, block: &BlockHash) -> DiskResult<Option<Height>> {
        let height = self.shared.height(&by_block(block))?;
        Ok(height.filter(|height| self.is_published(*height)))
    }

    /// The block with a hash.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn block_by_hash(&self, block: &BlockHash) -> DiskResult<Option<Arc<StoredBlock>>> {
        match self.height_of(block)? {
            Some(height) => self.shared.block(height),
            None => Ok(None),
        }
    }

    /// The blocks from a height on, as many as fit into a number of bytes on disk, at least one if
    /// there is one.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn blocks(&self, from: Height, bytes_max: usize) -> DiskResult<Vec<Arc<StoredBlock>>> {
        let mut blocks = Vec::new();
        let mut left = bytes_max;
        let mut height = from;
        while self.is_published(height) {
            let mut size = 0_usize;
            for table in [&self.shared.tables.blocks, &self.shared.tables.decisions] {
                let part = table.size_of(height_key(height)).doing(|| "measure a block")?;
                size = size.saturating_add(part.unwrap_or_default() as usize);
            }
            if size > left && !blocks.is_empty() {
                break;
            }
            let Some(block) = self.shared.block(height)? else { break };
            blocks.push(block);
            left = left.saturating_sub(size);
            height = height.next();
        }
        Ok(blocks)
    }

    /// A proposal of the height in work or of a committed block.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn proposal(&self, hash: &ProposalHash) -> DiskResult<Option<Arc<Proposal>>> {
        self.shared.proposal(hash)
    }

    /// The body of a deploy, as it was accepted.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn body(&self, hash: &DeployHash) -> DiskResult<Option<Deploy>> {
        self.shared.body(hash)
    }

    /// What became of a deploy.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn fate(&self, hash: &DeployHash) -> DiskResult<Option<Fate>> {
        self.shared.fate(hash)
    }

    /// A deploy and what became of it.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn deploy(&self, hash: &DeployHash) -> DiskResult<Option<StoredDeploy>> {
        let doing = || format!("read deploy {hash}");
        let snapshot = self.shared.tables.snapshot();
        let tables = &self.shared.tables;
        let get = |table| snapshot.get(table, hash.as_ref());
        let Some(body) = get(&tables.deploys).doing(doing)? else { return Ok(None) };
        let mut deploy: Deploy = caspers("deploy", &body)?;
        let known = get(&tables.fates).doing(doing)?;
        let known: Option<Known> = known.map(|bytes| ours("fate", &bytes)).transpose()?;
        let mut fate = known.and_then(Known::fate);
        let accepted_at = match known {
            Some(Known::Pending(at)) => Some(Timestamp::from(at)),
            _ => None,
        };
        let mut execution = None;
        if let Some(Known::Executed(place)) = known {
            if self.is_published(place.height) {
                let record = executed(&snapshot, tables, place)?;
                let approvals: BTreeSet<_> =
                    caspers::<Vec<_>>("approvals", &record.approvals)?.into_iter().collect();
                deploy = deploy.with_approvals(approvals);
                let block = self.shared.block(place.height)?;
                let block = block.ok_or_else(|| fault(doing(), "its block is missing"))?;
                execution = Some(Execution {
                    block: *block.block.hash(),
                    height: place.height,
                    result: caspers("result", &record.result)?,
                    phases: record.phases,
                });
            } else {
                fate = Some(Fate::Pending);
            }
        }
        Ok(Some(StoredDeploy { deploy, fate, accepted_at, execution }))
    }

    /// Hashes of pending deploys, at most this many: those that have waited longest, ordered by hash.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn pending(&self, limit: usize) -> DiskResult<Vec<DeployHash>> {
        let doing = || "list the pending deploys";
        let snapshot = self.shared.tables.snapshot();
        let mut pending = BTreeSet::new();
        for entry in snapshot.iter(&self.shared.tables.waiting) {
            for hash in ours::<Vec<[u8; 32]>>("group of deploys", &entry.value().doing(doing)?)? {
                if pending.len() >= limit {
                    return Ok(pending.into_iter().collect());
                }
                let known = snapshot.get(&self.shared.tables.fates, hash).doing(doing)?;
                let known = known.map(|bytes| ours("fate", &bytes)).transpose()?;
                if let Some(Known::Pending(_)) = known {
                    pending.insert(caspers("deploy hash", &hash)?);
                }
            }
        }
        Ok(pending.into_iter().collect())
    }

    /// Addresses of the transfers of a block, in order of execution; see [`StoreReader::record`].
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn transfers(&self, height: Height) -> DiskResult<Vec<TransferAddr>> {
        let bytes = self
            .shared
            .tables
            .transfers
            .get(height_key(height))
            .doing(|| format!("read the transfers of block {height}"))?;
        bytes.map_or_else(|| Ok(Vec::new()), |bytes| caspers("transfers", &bytes))
    }

    /// A `Key::Transfer` or `Key::DeployInfo` record.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn record(&self, key: &Key) -> DiskResult<Option<StoredValue>> {
        let doing = || format!("read the record {}", key.to_formatted_string());
        let tables = &self.shared.tables;
        if let Key::DeployInfo(hash) = key {
            let Some(Known::Executed(place)) = self.shared.known(hash)? else { return Ok(None) };
            let record = executed(&tables.snapshot(), tables, place)?;
            if record.info.is_empty() {
                return Ok(None);
            }
            return caspers("record", &record.info).map(Some);
        }
        let bytes = tables.records.get(record_key(key)?).doing(doing)?;
        bytes.map(|bytes| caspers("record", &bytes)).transpose()
    }

    /// Finality signatures of a block.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn finality_signatures(&self, block: &BlockHash) -> DiskResult<Vec<FinalitySignature>> {
        self.shared.finality_signatures(block)
    }

    /// Events with this id and the ones after it, at most `limit`, in order. What they name can be
    /// looked up. Ids start at 0 and leave no gaps.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn events(&self, from: EventId, limit: usize) -> DiskResult<Vec<(EventId, Event)>> {
        let end = self.next_event();
        let doing = || "read events";
        let table = &self.shared.tables.events;
        let snapshot = self.shared.tables.snapshot();
        let mut events = Vec::new();
        if from >= end {
            return Ok(events);
        }
        // The group in which the first one is may start before it.
        let start = snapshot.range(table, ..=from.to_be_bytes()).next_back();
        let start = match start {
            Some(entry) => height_in(&entry.key().doing(doing)?)?.0,
            None => from,
        };
        for entry in snapshot.range(table, start.to_be_bytes()..end.to_be_bytes()) {
            let (first, group) = entry.into_inner().doing(doing)?;
            let first = height_in(&first)?.0;
            for (id, event) in (first..).zip(ours::<Vec<Event>>("events", &group)?) {
                if events.len() >= limit {
                    return Ok(events);
                }
                if (from..end).contains(&id) {
                    events.push((id, event));
                }
            }
        }
        Ok(events)
    }

    /// The id that the next event will get.
    pub fn next_event(&self) -> EventId {
        self.shared.published().next_event
    }

    /// The heights whose states can be read; `None` before genesis was committed.
    pub fn state_heights(&self) -> Option<RangeInclusive<Height>> {
        let lowest = Height(self.shared.history_from.load(Ordering::Acquire));
        Some(lowest..=self.tip_height()?)
    }

    /// A height after which the state had this root: the last one, as empty blocks keep it.
    ///
    /// # Errors
    /// As [`StoreReader::block`].
    pub fn height_of_root(&self, root: &Digest) -> DiskResult<Option<Height>> {
        let height = self.shared.height(&by_root(root))?;
        match (height, self.tip_height()) {
            // The root of a block that is being committed may also be the one before it.
            (Some(height), Some(tip)) if height > tip => {
                let tip_root = self.tip().map(|tip| *tip.block.state_root_hash());
                Ok((tip_root == Some(*root)).then_some(tip))
            }
            (height, tip) => Ok(height.filter(|_| tip.is_some())),
        }
    }

    /// The state after the block of a height; `None` if there is no such block yet or its state is
    /// no longer kept.
    pub fn state_at(&self, height: Height) -> Option<StateAt> {
        self.state_heights()?
            .contains(&height)
            .then(|| StateAt { shared: Arc::clone(&self.shared), height })
    }

    fn tip_height(&self) -> Option<Height> {
        self.tip().map(|tip| Height(tip.block.height()))
    }

    fn is_published(&self, height: Height) -> bool {
        self.tip_height().is_some_and(|tip| height <= tip)
    }
}

impl Shared {
    pub(crate) fn new(tables: Tables, tree: Arc<Tree>, lock: File) -> Self {
        Self {
            tables,
            tree,
            published: RwLock::default(),
            history_from: AtomicU64::new(0),
            blocks: Mutex::new(Recent::new(RECENT_BLOCKS)),
            _lock: lock,
        }
    }
}

/// What is stored of a deploy of a block.
fn executed(snapshot: &Snapshot, tables: &Tables, place: Place) -> DiskResult<Executed> {
    let doing = || format!("read deploy {} of block {}", place.index, place.height);
    let (key, number) = place.in_table();
    let together = snapshot.get(&tables.executed, key).doing(doing)?;
    let together = together.ok_or_else(|| fault(doing(), "its result is missing"))?;
    let mut together: Vec<Executed> = ours("executions", &together)?;
    if number >= together.len() {
        return Err(fault(doing(), "its result is missing"));
    }
    Ok(together.swap_remove(number))
}
