//! Trying a deploy out.

use casper_types::{BlockHash, ProtocolVersion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method;
use crate::{
    identifiers::BlockIdentifier,
    json_compat_15::{Deploy15, ExecutionResult15},
};

method! {
    /// Executes a deploy on the state after a block without changing anything, and tells what came
    /// of it. A deploy that nobody signed is executed as if all keys of its account had.
    SpeculativeExec = "speculative_exec", Required, SpeculativeExecParams => SpeculativeExecResult
}

/// Parameters of [`SpeculativeExec`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpeculativeExecParams {
    /// The block after which to execute; the newest if none is named.
    #[serde(default)]
    pub block_identifier: Option<BlockIdentifier>,
    /// The deploy.
    pub deploy: Deploy15,
}

/// Result of [`SpeculativeExec`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpeculativeExecResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The block after which it was executed.
    pub block_hash: BlockHash,
    /// What came of it.
    pub execution_result: ExecutionResult15,
}
