//! What the door needs to know of the node: a few plain questions.
//!
//! The door asks; it never looks into stores or queues itself. All questions but the async ones
//! are asked on threads that may block, so an implementation may read from disk. Rules that an implementation keeps, because answers depend on them:
//!
//! - What an event names can be looked up before the event is published.
//! - An event is on disk before it comes out of [`Backend::subscribe`], and ids there only grow.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use casper_types::{
    Approval, BlockHash, BlockHeaderV1, BlockSynchronizerStatus, BlockV1, ChainspecRawBytes,
    Deploy, DeployHash, Digest, Key, NextUpgrade, PeerEntry, ProtocolVersion, PublicKey, Signature,
    StoredValue, TimeDiff, Timestamp, TransferV1,
    execution::ExecutionResultV1,
    system::auction::{Bid, EraInfo},
};
use girrona_api::{
    BlockRange,
    methods::{
        auction::EraValidators,
        girrona::{DeployExplanation, DeployProgress},
        info::{MinimalBlockInfo, ReactorState, ValidatorChanges},
        spread::TopicPropagation,
    },
};
use girrona_types::{Event, EventId};
use thiserror::Error;
use tokio::sync::broadcast;

use crate::Assemblies;

/// The node could not answer although it should: a disk fault, a broken record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// Why a deploy was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PutError {
    /// It breaks a rule; the text is what the caller reads.
    #[error("{0}")]
    Invalid(String),
    /// The node has too many deploys to judge just now.
    #[error("the node is busy")]
    Busy,
    /// The node failed.
    #[error(transparent)]
    Internal(#[from] Fault),
}

/// Why a deploy was not tried out, or not explained.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpeculateError {
    /// It breaks a rule; the text is what the caller reads.
    #[error("{0}")]
    Invalid(String),
    /// The state after that block is not stored here, or not any more.
    #[error("the state after that block is not stored here")]
    NoState,
    /// As many are being tried out as the node has threads for.
    #[error("the node is busy: {0} deploys are being tried out already; try again in a second")]
    Busy(usize),
    /// It took longer than the node waits.
    #[error("the deploy did not end within {} seconds", .0.as_secs())]
    TooLong(Duration),
    /// The node failed.
    #[error(transparent)]
    Internal(#[from] Fault),
}

/// Which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// By hash.
    Hash(BlockHash),
    /// By height.
    Height(u64),
    /// The newest that is executed and stored.
    Latest,
}

/// Which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateId {
    /// The one with this root.
    Root(Digest),
    /// The one after the block at this height.
    Height(u64),
}

/// A block and the finality signatures collected so far.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    /// The block.
    pub block: BlockV1,
    /// Who signed it.
    pub proofs: Vec<(PublicKey, Signature)>,
}

/// A stored deploy.
#[derive(Clone, Debug)]
pub struct DeployRecord {
    /// As this node received it.
    pub deploy: Deploy,
    /// The signatures it was executed with, if it was and they are others.
    pub approvals: Option<BTreeSet<Approval>>,
    /// What came of it.
    pub execution: Option<Execution>,
}

/// What came of a deploy.
#[derive(Clone, Debug)]
pub struct Execution {
    /// In which block.
    pub block_hash: BlockHash,
    /// That block's height.
    pub block_height: u64,
    /// The result.
    pub result: ExecutionResultV1,
}

/// How the node is doing; `info_get_status` without version and peers.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Version of the program.
    pub build_version: String,
    /// Name of the network.
    pub chainspec_name: String,
    /// The root that the node started from.
    pub starting_state_root_hash: Digest,
    /// The newest block.
    pub last_added_block_info: Option<MinimalBlockInfo>,
    /// The validator key, if the node votes.
    pub our_public_signing_key: Option<PublicKey>,
    /// Time between blocks.
    pub round_length: Option<TimeDiff>,
    /// The next change of rules, if one is known.
    pub next_upgrade: Option<NextUpgrade>,
    /// Since the start of the program.
    pub uptime: TimeDiff,
    /// What the node is busy with.
    pub reactor_state: ReactorState,
    /// When it last came forward.
    pub last_progress: Timestamp,
    /// Which blocks it is fetching.
    pub block_sync: BlockSynchronizerStatus,
}

/// One past or present state.
pub trait StateView: Send {
    /// The value under a normalised key. Transfers and deploy infos are found here too.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn read(&self, key: &Key) -> Result<Option<StoredValue>, Fault>;
}

/// The node, as the door sees it.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Version of the network's rules, shown as `api_version`.
    fn api_version(&self) -> ProtocolVersion;

    /// Judges, stores and announces a deploy. One that is stored already is no fault.
    ///
    /// # Errors
    /// See [`PutError`].
    async fn put_deploy(&self, deploy: Deploy) -> Result<(), PutError>;

    /// Executes a deploy on the state after a stored block without changing anything. Without
    /// signatures it is executed as if all keys of its account had signed.
    ///
    /// # Errors
    /// See [`SpeculateError`].
    async fn speculate(
        &self,
        block: BlockHeaderV1,
        deploy: Deploy,
    ) -> Result<ExecutionResultV1, SpeculateError>;

    /// Executes a stored block again up to one of its deploys, and tells how its cost came about;
    /// `None` for a deploy that is not in a stored block.
    ///
    /// # Errors
    /// See [`SpeculateError`].
    async fn explain(&self, hash: &DeployHash)
    -> Result<Option<DeployExplanation>, SpeculateError>;

    /// A stored deploy.
    ///
    /// # Errors
    /// When it cannot be read.
    fn deploy(&self, hash: &DeployHash) -> Result<Option<DeployRecord>, Fault>;

    /// How far a deploy has come here.
    ///
    /// # Errors
    /// When it cannot be read.
    fn deploy_progress(&self, hash: &DeployHash) -> Result<Option<DeployProgress>, Fault>;

    /// A stored block.
    ///
    /// # Errors
    /// When it cannot be read.
    fn block(&self, id: BlockId) -> Result<Option<StoredBlock>, Fault>;

    /// A stored block's header. Worth overriding where a header is cheaper than its block.
    ///
    /// # Errors
    /// When it cannot be read.
    fn block_header(&self, id: BlockId) -> Result<Option<BlockHeaderV1>, Fault> {
        Ok(self.block(id)?.map(|stored| stored.block.take_header()))
    }

    /// Which blocks are whole here.
    fn available_blocks(&self) -> BlockRange;

    /// A stored block's transfers in the order of execution.
    ///
    /// # Errors
    /// When they cannot be read.
    fn transfers(&self, block: &BlockHash) -> Result<Vec<TransferV1>, Fault>;

    /// A state; `None` when it is not stored here, or not any more.
    ///
    /// # Errors
    /// When that cannot be told.
    fn state(&self, id: StateId) -> Result<Option<Box<dyn StateView + '_>>, Fault>;

    /// How the node is doing.
    fn status(&self) -> NodeStatus;

    /// Who it is connected to.
    fn peers(&self) -> Vec<PeerEntry>;

    /// How gossip spreads, by topic.
    fn propagation(&self) -> Vec<TopicPropagation>;

    /// The rules of the network as TOML, and the accounts it started with as another.
    fn chainspec(&self) -> ChainspecRawBytes;

    /// What an era paid, as the state after a stored block has it; `None` when that state is not
    /// stored here, or not any more.
    ///
    /// # Errors
    /// When it cannot be read.
    fn era_info(&self, block: &BlockHeaderV1) -> Result<Option<EraInfo>, Fault>;

    /// All bids in the state after a stored block, by key; `None` when that state is not stored
    /// here, or not any more.
    ///
    /// # Errors
    /// When they cannot be read.
    fn bids(&self, block: &BlockHeaderV1) -> Result<Option<Vec<Bid>>, Fault>;

    /// The validators of a stored block's era and of those after it that were known by then.
    ///
    /// # Errors
    /// When they cannot be read.
    fn era_validators(&self, block: &BlockHeaderV1) -> Result<Vec<EraValidators>, Fault>;

    /// When validators came, went or misbehaved.
    ///
    /// # Errors
    /// When it cannot be read.
    fn validator_changes(&self) -> Result<Vec<ValidatorChanges>, Fault>;

    /// Up to `limit` stored events with ids of at least `first`, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    fn events_from(&self, first: EventId, limit: usize) -> Result<Vec<(EventId, Event)>, Fault>;

    /// The id of the newest stored event.
    ///
    /// # Errors
    /// When it cannot be read.
    fn last_event_id(&self) -> Result<Option<EventId>, Fault>;

    /// Every event from now on. A reader that falls behind the channel reads from disk instead.
    fn subscribe(&self) -> broadcast::Receiver<(EventId, Event)>;

    /// The node's assemblies; `None` where they are turned off.
    fn assemblies(&self) -> Option<Arc<dyn Assemblies>> {
        None
    }

    /// All metrics in Prometheus's (OpenMetrics) text format.
    fn metrics_text(&self) -> String;
}
