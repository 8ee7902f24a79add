//! The frames of the event stream, as the text behind `data:`.

use casper_types::{
    BlockHash, DeployHash, EraId, ProtocolVersion, PublicKey, Signature, TimeDiff, Timestamp,
    execution::execution_result_v1::ExecutionEffect,
};
use girrona_types::FinalitySignature;
use serde::{Deserialize, Serialize};

use crate::{
    block::JsonBlock,
    json_compat_15::{Deploy15, ExecutionResult15},
};

/// One frame. Names and shapes are casper-node 1.5.8's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// The first frame of every stream, without an id.
    ApiVersion(ProtocolVersion),
    /// A block was decided and executed.
    BlockAdded {
        /// Its hash.
        block_hash: BlockHash,
        /// The block, without finality signatures: they come later.
        block: Box<JsonBlock>,
    },
    /// A deploy was stored here for the first time.
    DeployAccepted(Box<Deploy15>),
    /// A deploy was executed.
    DeployProcessed(Box<DeployProcessed>),
    /// A deploy held here passed its time to live.
    DeployExpired {
        /// Which.
        deploy_hash: DeployHash,
    },
    /// A validator signed a block.
    FinalitySignature(Box<JsonFinalitySignature>),
    /// A validator was caught signing two different things.
    Fault {
        /// In which era.
        era_id: EraId,
        /// Who.
        public_key: PublicKey,
        /// When it became known.
        timestamp: Timestamp,
    },
    /// What the end of an era changed in state.
    Step {
        /// Which era.
        era_id: EraId,
        /// What changed.
        execution_effect: ExecutionEffect,
    },
    /// The node goes down; the last frame, without an id.
    Shutdown,
}

/// What came of a deploy, with as much of the deploy as fits a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployProcessed {
    /// The deploy.
    pub deploy_hash: DeployHash,
    /// Its sender.
    pub account: PublicKey,
    /// When it was made.
    pub timestamp: Timestamp,
    /// How long it was good for.
    pub ttl: TimeDiff,
    /// What it waited for.
    pub dependencies: Vec<DeployHash>,
    /// Its block.
    pub block_hash: BlockHash,
    /// The result.
    pub execution_result: ExecutionResult15,
}

/// A finality signature with Casper's field names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonFinalitySignature {
    /// The block.
    pub block_hash: BlockHash,
    /// Its era.
    pub era_id: EraId,
    /// Over both.
    pub signature: Signature,
    /// Who signed.
    pub public_key: PublicKey,
}

impl From<FinalitySignature> for JsonFinalitySignature {
    fn from(signed: FinalitySignature) -> Self {
        let FinalitySignature { block, era, public_key, signature } = signed;
        Self { block_hash: block, era_id: era, signature, public_key }
    }
}

impl From<JsonFinalitySignature> for FinalitySignature {
    fn from(signed: JsonFinalitySignature) -> Self {
        let JsonFinalitySignature { block_hash, era_id, signature, public_key } = signed;
        Self { block: block_hash, era: era_id, public_key, signature }
    }
}
