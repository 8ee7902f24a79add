//! What Casper cannot be asked.

use casper_types::{BlockHash, DeployHash, ProtocolVersion, Timestamp, U512};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method;

method! {
    /// How far a deploy has come, as this node saw it.
    DeployStatus = "girrona_deployStatus", Required, DeployStatusParams => DeployStatusResult
}

/// Parameters of [`DeployStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployStatusParams {
    /// The deploy.
    pub deploy_hash: DeployHash,
}

/// The phases of a deploy's life, in order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DeployPhase {
    /// This node accepted and stored it.
    Received,
    /// This node passed it on, or got it from a peer.
    Gossiped,
    /// A leader proposed a block with it.
    Proposed,
    /// The proposal came to this node.
    BlockGossiped,
    /// The proposal was decided.
    ConsensusReached,
    /// It was executed; its result is final.
    Executed,
    /// Its time to live ended before a block had it.
    Expired,
}

/// When a phase was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseTime {
    /// The phase.
    pub phase: DeployPhase,
    /// By this node's clock, to the millisecond.
    pub at: Timestamp,
}

/// How far a deploy has come on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployProgress {
    /// The deploy.
    pub deploy_hash: DeployHash,
    /// The last phase it reached.
    pub phase: DeployPhase,
    /// Every phase it reached, in order of time.
    pub phases: Vec<PhaseTime>,
    /// Its block, once it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_hash: Option<BlockHash>,
    /// That block's height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_height: Option<u64>,
    /// Why its execution failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Gas it was charged for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<U512>,
    /// Why it is where it is: what it waits for, or why it expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which node says so.
    pub node: String,
}

/// Result of [`DeployStatus`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployStatusResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The deploy's progress, its fields beside the version.
    #[serde(flatten)]
    pub progress: DeployProgress,
}
