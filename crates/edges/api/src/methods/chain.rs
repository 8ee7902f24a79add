//! Reading blocks.

use casper_types::{BlockHash, Digest, ProtocolVersion, TransferV1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method;
use crate::{block::JsonBlock, identifiers::BlockIdentifier};

method! {
    /// A block with its finality signatures.
    GetBlock = "chain_get_block", Optional, BlockParams => GetBlockResult
}
method! {
    /// What a block moved between purses.
    GetBlockTransfers = "chain_get_block_transfers", Optional, BlockParams => GetBlockTransfersResult
}
method! {
    /// The root of the state after a block.
    GetStateRootHash = "chain_get_state_root_hash", Optional, BlockParams => GetStateRootHashResult
}

/// Which block; the newest if none is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockParams {
    /// The block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_identifier: Option<BlockIdentifier>,
}

/// Result of [`GetBlock`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetBlockResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The block.
    pub block: Option<JsonBlock>,
}

/// Result of [`GetBlockTransfers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetBlockTransfersResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The block.
    pub block_hash: Option<BlockHash>,
    /// Its transfers in the order of execution.
    pub transfers: Option<Vec<TransferV1>>,
}

/// Result of [`GetStateRootHash`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetStateRootHashResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The root.
    pub state_root_hash: Option<Digest>,
}
