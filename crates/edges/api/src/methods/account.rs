//! Sending a deploy.

use casper_types::{DeployHash, ProtocolVersion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method;
use crate::json_compat_15::Deploy15;

method! {
    /// Hands a signed deploy to the node. Sending the same again is no fault: same answer.
    PutDeploy = "account_put_deploy", Required, PutDeployParams => PutDeployResult
}

/// Parameters of [`PutDeploy`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutDeployParams {
    /// The deploy.
    pub deploy: Deploy15,
}

/// Result of [`PutDeploy`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutDeployResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The deploy's hash.
    pub deploy_hash: DeployHash,
}
