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

method! {
    /// How a deploy's cost came about and, if it failed, what went wrong and what to do about it.
    /// The node executes its block again up to it, so it must still have the state before that
    /// block.
    ExplainDeploy = "girrona_explainDeploy", Required, ExplainDeployParams => ExplainDeployResult
}

/// Parameters of [`ExplainDeploy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainDeployParams {
    /// The deploy.
    pub deploy_hash: DeployHash,
}

/// What payment or session did with its gas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GasUse {
    /// Gas that it had.
    pub limit: U512,
    /// Gas that it used: the sum of what follows.
    pub used: U512,
    /// For instructions.
    pub instructions: U512,
    /// For host functions and methods of the system's contracts.
    pub host_functions: U512,
    /// For bytes that were written.
    pub storage: U512,
}

/// Where a deploy's motes went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployBill {
    /// Motes for one unit of gas.
    pub gas_price: u64,
    /// Motes that payment put in.
    pub offered: U512,
    /// Motes for the gas that payment and session used.
    pub used: U512,
    /// Motes beyond that, because it failed or did next to nothing.
    pub penalty: U512,
    /// Motes that were taken as the fee: what was used, the penalty, and what of the rest the
    /// network does not refund.
    pub fee: U512,
    /// Motes that were put in and came back.
    pub refund: U512,
    /// Motes that would have been enough, for a deploy that ran out of gas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<U512>,
    /// Payment code's gas; standard payment uses none.
    pub payment: GasUse,
    /// The session's gas.
    pub session: GasUse,
}

/// How a deploy's result came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployExplanation {
    /// The deploy.
    pub deploy_hash: DeployHash,
    /// The block that it was executed in.
    pub block_hash: BlockHash,
    /// That block's height.
    pub block_height: u64,
    /// Why it failed, as its result says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// What that means and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// What it cost, by part.
    pub bill: DeployBill,
}

/// Result of [`ExplainDeploy`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainDeployResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The explanation, its fields beside the version.
    #[serde(flatten)]
    pub explanation: DeployExplanation,
}
