//! What a node keeps, and the order in which it becomes durable.
//!
//! The brain calls these methods directly: when one returns, what it wrote survives the death of
//! the process. A failed write stops the node, because nothing that was promised on top of it
//! would be true.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::{
    Approval, BlockHash, BlockV1, Deploy, DeployHash, Digest, Key, StoredValue, Timestamp,
    execution::ExecutionResultV1,
};
use girrona_state::Reader;
use girrona_types::{
    CommitCertificate, Event, EventId, FinalitySignature, Height, Proposal, ProposalHash,
};
use thiserror::Error;

/// The disk did not do what it was asked to do.
#[derive(Debug, Error)]
#[error("{doing}")]
pub struct DiskError {
    /// What we were doing, for the operator.
    pub doing: String,
    /// Why it failed.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Result of touching the disk.
pub type DiskResult<T> = Result<T, DiskError>;

/// How far a deploy has come on this node, with times of this node's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Phases {
    /// Milliseconds since 1970 at which each phase was first seen, ordered by phase.
    pub at: BTreeMap<Phase, u64>,
}

/// A step in a deploy's life; the seeds name the first six.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Phase {
    /// A client or a peer gave it to this node and it was accepted.
    Received,
    /// It was passed on to peers, or came from one.
    Gossiped,
    /// It is in a proposal that this node made or holds.
    Proposed,
    /// That proposal was passed on to peers, or came from one.
    BlockGossiped,
    /// Validators decided the proposal.
    ConsensusReached,
    /// It was executed.
    Executed,
    /// Its time to live ended first.
    Expired,
}

/// What became of a deploy that this node has heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fate {
    /// Stored, waiting for a block.
    Pending,
    /// In the block of this height.
    Executed(Height),
    /// Its time to live ended first; this node noticed at that time, in milliseconds since 1970.
    Expired(u64),
}

/// One deploy of a block, executed.
#[derive(Clone, Debug)]
pub struct ExecutedDeploy {
    /// Which.
    pub hash: DeployHash,
    /// The approvals it was executed with.
    pub approvals: Vec<Approval>,
    /// What came of it, in Casper 1.5's form.
    pub result: ExecutionResultV1,
    /// When it passed which phase on this node.
    pub phases: Phases,
}

/// Everything that one block changes. Becomes durable as a whole or not at all.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The executed block.
    pub block: BlockV1,
    /// What was decided; `None` for genesis.
    pub proposal: Option<Proposal>,
    /// That it was decided; `None` for genesis.
    pub certificate: Option<CommitCertificate>,
    /// Its deploys in execution order.
    pub deploys: Vec<ExecutedDeploy>,
    /// New values of state; `None` removes the key.
    pub changes: BTreeMap<Key, Option<StoredValue>>,
    /// `Key::Transfer` and `Key::DeployInfo` records, which are not part of the state tree.
    pub records: BTreeMap<Key, StoredValue>,
    /// Events in order.
    pub events: Vec<Event>,
}

/// A block with what proves it.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    /// The executed block.
    pub block: BlockV1,
    /// What was decided; `None` for genesis.
    pub proposal: Option<Proposal>,
    /// That it was decided; `None` for genesis.
    pub certificate: Option<CommitCertificate>,
}

/// The disk of one node.
///
/// Votes and proposals may be written without waiting (`*_append`, `put_proposal`); they are
/// durable once [`Disk::flush`] has returned. Everything else is durable when its method returns.
pub trait Disk: Reader + Send {
    /// The last committed block; `None` before genesis was committed.
    fn tip(&self) -> DiskResult<Option<Arc<StoredBlock>>>;
    /// The block of a height.
    fn block(&self, height: Height) -> DiskResult<Option<Arc<StoredBlock>>>;
    /// The height of a block.
    fn height_of(&self, block: &BlockHash) -> DiskResult<Option<Height>>;

    /// A deploy that was accepted or executed here.
    fn deploy(&self, hash: &DeployHash) -> DiskResult<Option<Arc<Deploy>>>;
    /// What became of a deploy.
    fn fate(&self, hash: &DeployHash) -> DiskResult<Option<Fate>>;
    /// Every pending deploy with the time it was accepted, for the start.
    fn pending(&self) -> DiskResult<Vec<(Arc<Deploy>, Timestamp)>>;
    /// Stores new pending deploys; returns the ids of their `DeployAccepted` events, in order.
    fn accept(&mut self, deploys: &[Arc<Deploy>], now: Timestamp) -> DiskResult<Vec<EventId>>;
    /// Keeps the body of a deploy that is in a proposal but was not accepted here, so that the
    /// proposal can be executed. It is not pending and causes no event.
    fn keep_body(&mut self, deploy: &Arc<Deploy>) -> DiskResult<()>;
    /// Marks pending deploys as expired at `now`; returns the ids of their `DeployExpired` events.
    fn expire(&mut self, hashes: &[DeployHash], now: Timestamp) -> DiskResult<Vec<EventId>>;

    /// Keeps a proposal of the height in work.
    fn put_proposal(&mut self, hash: &ProposalHash, proposal: &Proposal) -> DiskResult<()>;
    /// A proposal of the height in work or of a committed block.
    fn proposal(&self, hash: &ProposalHash) -> DiskResult<Option<Arc<Proposal>>>;

    /// Adds a record to the log of votes of the height in work.
    fn wal_append(&mut self, height: Height, record: &[u8]) -> DiskResult<()>;
    /// The log of a height.
    fn wal(&self, height: Height) -> DiskResult<Vec<Vec<u8>>>;
    /// Replaces the second guard against double-signing.
    fn put_guard(&mut self, record: &[u8]) -> DiskResult<()>;
    /// That guard.
    fn guard(&self) -> DiskResult<Option<Vec<u8>>>;
    /// Makes all earlier writes durable.
    fn flush(&mut self) -> DiskResult<()>;

    /// The state root that `changes` on top of the tip would give. Does not change anything.
    fn root_after(&mut self, changes: &BTreeMap<Key, Option<StoredValue>>) -> DiskResult<Digest>;
    /// Makes a block the tip, drops the vote log and the undecided proposals of its height;
    /// returns the ids of its events.
    fn commit(&mut self, commit: Commit) -> DiskResult<Vec<EventId>>;

    /// Stores a finality signature and returns the id of its event; `None` if it is known.
    fn put_finality_signature(
        &mut self,
        signature: &FinalitySignature,
    ) -> DiskResult<Option<EventId>>;
    /// Whether a validator's signature of a block is stored.
    fn has_finality_signature(
        &self,
        block: &BlockHash,
        signer: &casper_types::PublicKey,
    ) -> DiskResult<bool>;
    /// Finality signatures of a block.
    fn finality_signatures(&self, block: &BlockHash) -> DiskResult<Vec<FinalitySignature>>;
}
