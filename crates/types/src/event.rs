//! What a node tells the world: the entries of its event stream.
//!
//! An entry names things by hash; whoever serves it looks them up. So an event costs a few dozen
//! bytes on disk, and its text is made only when somebody listens. Only the end of an era is told
//! as a whole.

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::{
    BlockHash, DeployHash, EraId, PublicKey, Timestamp,
    execution::execution_result_v1::ExecutionEffect,
};

use crate::{bytes::casper, finality::FinalitySignature};

/// One entry of the event stream. The names are Casper 1.5's and the seeds'.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Event {
    /// A deploy was stored here for the first time, from a client or a peer.
    DeployAccepted(
        #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
        DeployHash,
    ),
    /// A deploy that was held here passed its time to live without being executed.
    DeployExpired(
        #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
        DeployHash,
    ),
    /// A block was decided and executed.
    BlockAdded(
        #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
        BlockHash,
    ),
    /// A deploy was executed, successfully or not.
    DeployProcessed(
        #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
        DeployHash,
    ),
    /// A validator signed an executed block.
    FinalitySignature(FinalitySignature),
    /// A validator was caught signing two different things.
    Fault {
        /// The era it happened in.
        #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
        era: EraId,
        /// Who.
        #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
        offender: PublicKey,
        /// When it became part of the chain.
        #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
        timestamp: Timestamp,
    },
    /// An era ended.
    Step {
        /// Which.
        #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
        era: EraId,
        /// What its end changed in state. Nothing is named that could be looked up, so it is here;
        /// empty when it is longer than [`STEP_BYTES_MAX`].
        #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
        effect: ExecutionEffect,
    },
}

/// The longest effects of an era's end that an event holds, in bytes.
pub const STEP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Number of an event in one node's stream. One counter serves every path of the stream.
pub type EventId = u64;
