//! Asking about deploys, the node and the validators.

use casper_types::{
    BlockHash, BlockSynchronizerStatus, ChainspecRawBytes, DeployHash, Digest, EraId, NextUpgrade,
    PeerEntry, ProtocolVersion, PublicKey, TimeDiff, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NoParams, method};
use crate::{
    error::BlockRange,
    json_compat_15::{Deploy15, ExecutionResult15},
};

method! {
    /// A deploy and, once it was executed, what came of it.
    GetDeploy = "info_get_deploy", Required, GetDeployParams => GetDeployResult
}
method! {
    /// Who this node is connected to.
    GetPeers = "info_get_peers", None, NoParams => GetPeersResult
}
method! {
    /// How this node is doing.
    GetStatus = "info_get_status", None, NoParams => GetStatusResult
}
method! {
    /// When validators came, went or misbehaved.
    GetValidatorChanges = "info_get_validator_changes", None, NoParams => GetValidatorChangesResult
}
method! {
    /// The rules of the network and the accounts it started with, as TOML files.
    GetChainspec = "info_get_chainspec", None, NoParams => GetChainspecResult
}

/// Parameters of [`GetDeploy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetDeployParams {
    /// The deploy.
    pub deploy_hash: DeployHash,
    /// Whether to show the signatures it was executed with instead of those this node received.
    #[serde(default)]
    pub finalized_approvals: bool,
}

/// Result of [`GetDeploy`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetDeployResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The deploy.
    pub deploy: Deploy15,
    /// Empty until executed, then one entry.
    pub execution_results: Vec<JsonExecutionResult>,
    /// The deploy's block, told only while the result is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_hash: Option<BlockHash>,
    /// That block's height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_height: Option<u64>,
}

/// What came of a deploy, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonExecutionResult {
    /// The block it was executed in.
    pub block_hash: BlockHash,
    /// The result.
    pub result: ExecutionResult15,
}

/// Result of [`GetPeers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetPeersResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// Id and address of each peer.
    pub peers: Vec<PeerEntry>,
}

/// What a node is busy with, in Casper's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReactorState {
    /// Starting.
    Initialize,
    /// Fetching blocks it missed.
    CatchUp,
    /// Moving to other rules.
    Upgrading,
    /// Following the chain.
    KeepUp,
    /// Following the chain and voting.
    Validate,
    /// Waiting to be started with other rules.
    ShutdownForUpgrade,
}

/// The newest block in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MinimalBlockInfo {
    /// Its hash.
    pub hash: BlockHash,
    /// When it was proposed.
    pub timestamp: Timestamp,
    /// Its era.
    pub era_id: EraId,
    /// Its height.
    pub height: u64,
    /// The root of the state after it.
    pub state_root_hash: Digest,
    /// Who proposed it.
    pub creator: PublicKey,
}

/// Result of [`GetStatus`], also served by REST. Peers come before the version here, as in Casper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetStatusResult {
    /// Id and address of each peer.
    pub peers: Vec<PeerEntry>,
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
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
    /// Which blocks it has whole.
    pub available_block_range: BlockRange,
    /// Which blocks it is fetching.
    pub block_sync: BlockSynchronizerStatus,
}

/// Result of [`GetValidatorChanges`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetValidatorChangesResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// Per validator.
    pub changes: Vec<ValidatorChanges>,
}

/// What changed about one validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidatorChanges {
    /// Who.
    pub public_key: PublicKey,
    /// What, by era.
    pub status_changes: Vec<ValidatorStatusChange>,
}

/// One change of a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidatorStatusChange {
    /// The first era it holds in.
    pub era_id: EraId,
    /// What changed.
    pub validator_change: ValidatorChange,
}

/// Kinds of change, in Casper's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ValidatorChange {
    /// Votes from now on.
    Added,
    /// Votes no longer.
    Removed,
    /// Banned for what it did.
    Banned,
    /// May vote but not propose.
    CannotPropose,
    /// Was caught signing two different things.
    SeenAsFaulty,
}

/// Result of [`GetChainspec`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetChainspecResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The files in hex. Both one after the other are the network's `chainspec.toml`.
    pub chainspec_bytes: ChainspecRawBytes,
}
