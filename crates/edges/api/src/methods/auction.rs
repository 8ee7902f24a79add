//! Reading who validates, with which stake, and what an era paid.

use std::collections::BTreeMap;

use casper_types::{
    BlockHash, Digest, EraId, ProtocolVersion, PublicKey, U512, URef, system::auction,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{chain::BlockParams, method};
use crate::json_compat_15::StoredValue15;

method! {
    /// What an era paid to its validators and delegators, by the era's last block. Null for any
    /// other block.
    GetEraInfo = "chain_get_era_info_by_switch_block", Optional, BlockParams => GetEraInfoResult
}
method! {
    /// What the era before a block's, or the block's own if it is the last of it, paid to
    /// validators and delegators.
    GetEraSummary = "chain_get_era_summary", Optional, BlockParams => GetEraSummaryResult
}
method! {
    /// Bids and validators as of a block.
    GetAuctionInfo = "state_get_auction_info", Optional, BlockParams => GetAuctionInfoResult
}

/// Result of [`GetEraInfo`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetEraInfoResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// Null if the block does not end an era.
    pub era_summary: Option<EraSummary>,
}

/// Result of [`GetEraSummary`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetEraSummaryResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The summary.
    pub era_summary: EraSummary,
}

/// What an era paid, and where that is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraSummary {
    /// The block that was asked for.
    pub block_hash: BlockHash,
    /// That block's era.
    pub era_id: EraId,
    /// An `EraInfo`.
    pub stored_value: StoredValue15,
    /// Root of the state after the block.
    pub state_root_hash: Digest,
    /// Empty.
    pub merkle_proof: String,
}

/// Result of [`GetAuctionInfo`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetAuctionInfoResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// Bids and validators.
    pub auction_state: AuctionState,
}

/// Bids and validators after a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuctionState {
    /// Root of the state after the block.
    pub state_root_hash: Digest,
    /// The block's height.
    pub block_height: u64,
    /// The validators of the block's era and of later ones, as far as they are known.
    pub era_validators: Vec<EraValidators>,
    /// All bids, by key.
    pub bids: Vec<BidderAndBid>,
}

/// Who validates in an era.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraValidators {
    /// The era.
    pub era_id: EraId,
    /// The validators, by key.
    pub validator_weights: Vec<ValidatorWeight>,
}

/// A validator's stake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidatorWeight {
    /// Who.
    pub public_key: PublicKey,
    /// Motes at stake.
    pub weight: U512,
}

impl EraValidators {
    /// The validators of an era as a block's end of era names them.
    pub fn new(era_id: EraId, weights: &BTreeMap<PublicKey, U512>) -> Self {
        let validator_weights = weights
            .iter()
            .map(|(key, weight)| ValidatorWeight { public_key: key.clone(), weight: *weight })
            .collect();
        Self { era_id, validator_weights }
    }
}

/// A validator and its bid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BidderAndBid {
    /// Who bids.
    pub public_key: PublicKey,
    /// The bid.
    pub bid: Bid,
}

/// What somebody stakes to validate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bid {
    /// Where the motes are.
    pub bonding_purse: URef,
    /// How many.
    pub staked_amount: U512,
    /// Share of a delegator's reward that the validator keeps, in per cent.
    pub delegation_rate: u8,
    /// Who stakes through this validator, by key.
    pub delegators: Vec<Delegator>,
    /// Whether it sits out.
    pub inactive: bool,
}

/// Somebody who stakes through a validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delegator {
    /// Who.
    pub public_key: PublicKey,
    /// Motes at stake.
    pub staked_amount: U512,
    /// Where they are.
    pub bonding_purse: URef,
    /// The validator.
    pub delegatee: PublicKey,
}

impl From<&auction::Bid> for BidderAndBid {
    fn from(stored: &auction::Bid) -> Self {
        let delegators = stored.delegators().values().map(|delegator| Delegator {
            public_key: delegator.delegator_public_key().clone(),
            staked_amount: delegator.staked_amount(),
            bonding_purse: *delegator.bonding_purse(),
            delegatee: delegator.validator_public_key().clone(),
        });
        let bid = Bid {
            bonding_purse: *stored.bonding_purse(),
            staked_amount: *stored.staked_amount(),
            delegation_rate: *stored.delegation_rate(),
            delegators: delegators.collect(),
            inactive: stored.inactive(),
        };
        Self { public_key: stored.validator_public_key().clone(), bid }
    }
}
