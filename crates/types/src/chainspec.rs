//! The law of a network: every rule on which all its nodes have to agree.
//!
//! Section and key names are Casper 1.5's where Casper has them. The network's identity is the
//! hash of the parsed content, so comments, order and spelling of durations do not matter; see
//! `docs/spec/chainspec.md`.

use std::collections::BTreeSet;

use casper_types::{Digest, EraId, ProtocolVersion, PublicKey, TimeDiff, Timestamp, U512};
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    market::MarketLaw,
    units::{Height, NetworkId},
    wasm_costs::WasmConfig,
};

/// One GIRRO in motes.
pub const MOTES_PER_GIRRO: u64 = 1_000_000_000;

/// The most validators of an era: certificates list them all, and have to fit into a message.
pub const VALIDATOR_SLOTS_MAX: u32 = 256;

/// The most that [`CoreConfig::auction_delay`] may be: the state holds the validators of all eras
/// that are settled.
const AUCTION_DELAY_MAX: u64 = 100;

/// Goes before the canonical text when it is hashed.
const DOMAIN: &[u8] = b"girrona/chainspec/1";

/// All rules of one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chainspec {
    /// Version and start.
    pub protocol: ProtocolConfig,
    /// Name.
    pub network: NetworkConfig,
    /// Blocks, eras and money.
    pub core: CoreConfig,
    /// How long validators wait for each other.
    pub consensus: ConsensusConfig,
    /// What a deploy and a block may contain.
    pub deploys: DeployConfig,
    /// Wasm's limits and prices.
    pub wasm: WasmConfig,
    /// Prices of what the system does itself.
    pub system_costs: SystemCosts,
    /// Orders, leases, escrow and what they cost.
    pub market: MarketLaw,
    /// Who has what when the chain starts.
    pub accounts: Vec<GenesisAccount>,
}

/// `[protocol]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProtocolConfig {
    /// Version of the rules; clients see it as `api_version`.
    pub version: ProtocolVersion,
    /// The genesis block's timestamp.
    pub activation_point: Timestamp,
}

impl Default for ProtocolConfig {
    fn default() -> Self {
        // 2026-01-01T00:00:00Z
        let activation_point = Timestamp::from(1_767_225_600_000);
        Self { version: ProtocolVersion::from_parts(1, 5, 8), activation_point }
    }
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// The `chain_name` that every deploy has to carry.
    pub name: String,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { name: "girrona-dev".to_owned() }
    }
}

/// What happens to the payment that execution did not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundHandling {
    /// This share (numerator, denominator) goes back to whoever paid, the rest to the fee.
    Refund([u64; 2]),
    /// This share is burnt, the rest goes to the fee.
    Burn([u64; 2]),
}

impl RefundHandling {
    /// The share as (numerator, denominator).
    pub const fn ratio(&self) -> [u64; 2] {
        match self {
            Self::Refund(ratio) | Self::Burn(ratio) => *ratio,
        }
    }
}

/// Who gets the fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeHandling {
    /// The leader who proposed the block.
    PayToProposer,
    /// Nobody: fees are destroyed.
    Burn,
}

/// What a deploy that fails in a block costs its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCharge {
    /// What it used, but at least the penalty payment: the rule of the network we were asked for.
    MinimumPenalty,
    /// Exactly what Casper 1.5 charges.
    #[serde(rename = "casper_1_5")]
    Casper15,
}

/// `[core]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoreConfig {
    /// The least time between two blocks.
    pub minimum_block_time: TimeDiff,
    /// An era lasts this long, counted in blocks of `minimum_block_time`, rounded up.
    pub era_duration: TimeDiff,
    /// An era has at least this many blocks.
    pub minimum_era_height: u64,
    /// Keys that may be associated with an account; also approvals that a deploy may carry.
    pub max_associated_keys: u32,
    /// How deep contracts may call each other.
    pub max_runtime_call_stack_height: u32,
    /// What happens to unused payment.
    pub refund_handling: RefundHandling,
    /// Who gets the fees.
    pub fee_handling: FeeHandling,
    /// What failure costs.
    pub failure_charge: FailureCharge,
    /// MAX_PAYMENT_COST, in motes: the balance an account must have to send a deploy, the most
    /// that payment code may burn, and the penalty for a deploy that fails.
    pub penalty_payment: U512,
    /// Accounts that may act for any account. Empty on public networks.
    pub administrators: Vec<PublicKey>,
    /// How many past states a node can answer from, in blocks.
    pub state_history_blocks: u64,
    /// Whether bids and delegations are taken. Without them the validators of genesis stay.
    pub allow_auction_bids: bool,
    /// The most validators of an era: those with the largest stakes.
    pub validator_slots: u32,
    /// Eras between the end of the one in which a stake changes and the one in which it counts.
    pub auction_delay: u64,
    /// How long after genesis the stakes of its validators cannot be withdrawn.
    pub locked_funds_period: TimeDiff,
    /// Eras between the one in which a stake is withdrawn and the one at whose end it is paid.
    pub unbonding_delay: u64,
    /// What a block mints for the validators of its era, as a share (numerator, denominator) of
    /// the total supply at the era's end. Casper's rounds are our blocks.
    pub round_seigniorage_rate: [u64; 2],
    /// The least that a bid may add to a validator's own stake, in motes.
    pub minimum_bid_amount: u64,
    /// The least that a delegation may add to a delegator's stake, in motes.
    pub minimum_delegation_amount: u64,
    /// How many may delegate to one validator.
    pub max_delegators_per_validator: u32,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self {
            minimum_block_time: TimeDiff::from_seconds(1),
            era_duration: TimeDiff::from_seconds(60),
            minimum_era_height: 5,
            max_associated_keys: 100,
            max_runtime_call_stack_height: 12,
            refund_handling: RefundHandling::Refund([1, 1]),
            fee_handling: FeeHandling::PayToProposer,
            failure_charge: FailureCharge::MinimumPenalty,
            penalty_payment: U512::from(2_500_000_000_u64),
            administrators: Vec::new(),
            state_history_blocks: 5_000,
            allow_auction_bids: true,
            validator_slots: 100,
            auction_delay: 1,
            locked_funds_period: TimeDiff::from_seconds(0),
            unbonding_delay: 7,
            // 8 % of the supply in a year (365.25 days) of blocks of one second.
            round_seigniorage_rate: [1, 394_470_000],
            minimum_bid_amount: 10_000 * MOTES_PER_GIRRO,
            minimum_delegation_amount: 500 * MOTES_PER_GIRRO,
            max_delegators_per_validator: 1_200,
        }
    }
}

/// `[consensus]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsensusConfig {
    /// How long validators wait for the first leader's proposal, beyond the block time.
    pub propose_timeout: TimeDiff,
    /// How long they wait for votes.
    pub vote_timeout: TimeDiff,
    /// By how much each further round waits longer.
    pub timeout_delta: TimeDiff,
    /// How far ahead of a judge's clock a proposal's timestamp may be.
    pub max_clock_skew: TimeDiff,
}

impl Default for ConsensusConfig {
    fn default() -> Self {
        Self {
            propose_timeout: TimeDiff::from_millis(1_000),
            vote_timeout: TimeDiff::from_millis(500),
            timeout_delta: TimeDiff::from_millis(250),
            max_clock_skew: TimeDiff::from_seconds(2),
        }
    }
}

/// `[deploys]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeployConfig {
    /// The longest time to live.
    pub max_ttl: TimeDiff,
    /// How many deploys one may wait for.
    pub max_dependencies: u8,
    /// All deploys of a block together, in bytes.
    pub max_block_size: u32,
    /// One deploy, in bytes.
    pub max_deploy_size: u32,
    /// Deploys that run code, per block.
    pub block_max_deploy_count: u32,
    /// Native transfers, per block.
    pub block_max_transfer_count: u32,
    /// Signatures, per block.
    pub block_max_approval_count: u32,
    /// Gas that the deploys of a block may ask for together.
    pub block_gas_limit: u64,
    /// Arguments of payment code, in bytes.
    pub payment_args_max_length: u32,
    /// Arguments of session code, in bytes.
    pub session_args_max_length: u32,
    /// The least that a native transfer may move, in motes.
    pub native_transfer_minimum_motes: u64,
    /// How far in the future a deploy's timestamp may be when a node takes it.
    pub timestamp_leeway: TimeDiff,
}

impl Default for DeployConfig {
    fn default() -> Self {
        Self {
            max_ttl: TimeDiff::from_seconds(2 * 60 * 60),
            max_dependencies: 10,
            max_block_size: 8_388_608,
            max_deploy_size: 1_048_576,
            block_max_deploy_count: 500,
            block_max_transfer_count: 4_000,
            block_max_approval_count: 10_000,
            block_gas_limit: 4_000_000_000_000,
            payment_args_max_length: 65_536,
            session_args_max_length: 65_536,
            native_transfer_minimum_motes: 2_500_000_000,
            timestamp_leeway: TimeDiff::from_seconds(2),
        }
    }
}

/// `[system_costs]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SystemCosts {
    /// A native transfer, in gas; one gas of it costs one mote at any gas price.
    pub wasmless_transfer_cost: u64,
    /// Calls of the mint.
    pub mint_costs: MintCosts,
    /// Calls of handle payment.
    pub handle_payment_costs: HandlePaymentCosts,
    /// Calls of standard payment by code, or by a deploy that names it.
    pub standard_payment_costs: StandardPaymentCosts,
    /// Calls of the auction.
    pub auction_costs: AuctionCosts,
}

impl Default for SystemCosts {
    fn default() -> Self {
        Self {
            wasmless_transfer_cost: 100_000_000,
            mint_costs: MintCosts::default(),
            handle_payment_costs: HandlePaymentCosts::default(),
            standard_payment_costs: StandardPaymentCosts::default(),
            auction_costs: AuctionCosts::default(),
        }
    }
}

/// `[system_costs.mint_costs]`, in gas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is named as the entry point is")]
pub struct MintCosts {
    pub mint: u32,
    pub reduce_total_supply: u32,
    pub create: u32,
    pub balance: u32,
    pub transfer: u32,
    pub read_base_round_reward: u32,
    pub mint_into_existing_purse: u32,
}

impl Default for MintCosts {
    fn default() -> Self {
        Self {
            mint: 2_500_000_000,
            reduce_total_supply: 10_000,
            create: 2_500_000_000,
            balance: 10_000,
            transfer: 10_000,
            read_base_round_reward: 10_000,
            mint_into_existing_purse: 2_500_000_000,
        }
    }
}

/// `[system_costs.handle_payment_costs]`, in gas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is named as the entry point is")]
pub struct HandlePaymentCosts {
    pub get_payment_purse: u32,
    pub set_refund_purse: u32,
    pub get_refund_purse: u32,
    pub finalize_payment: u32,
}

impl Default for HandlePaymentCosts {
    fn default() -> Self {
        Self {
            get_payment_purse: 10_000,
            set_refund_purse: 10_000,
            get_refund_purse: 10_000,
            finalize_payment: 10_000,
        }
    }
}

/// `[system_costs.standard_payment_costs]`, in gas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StandardPaymentCosts {
    /// The entry point `pay`. Payment without code costs no gas.
    pub pay: u32,
}

impl Default for StandardPaymentCosts {
    fn default() -> Self {
        Self { pay: 10_000 }
    }
}

/// `[system_costs.auction_costs]`, in gas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is named as the entry point is")]
pub struct AuctionCosts {
    pub get_era_validators: u32,
    pub read_seigniorage_recipients: u32,
    pub add_bid: u64,
    pub withdraw_bid: u32,
    pub delegate: u32,
    pub undelegate: u32,
    pub redelegate: u32,
    pub run_auction: u32,
    pub slash: u32,
    pub distribute: u32,
    pub withdraw_delegator_reward: u32,
    pub withdraw_validator_reward: u32,
    pub read_era_id: u32,
    pub activate_bid: u32,
}

impl Default for AuctionCosts {
    fn default() -> Self {
        Self {
            get_era_validators: 10_000,
            read_seigniorage_recipients: 10_000,
            add_bid: 2_500_000_000,
            withdraw_bid: 2_500_000_000,
            delegate: 2_500_000_000,
            undelegate: 2_500_000_000,
            redelegate: 2_500_000_000,
            run_auction: 10_000,
            slash: 10_000,
            distribute: 10_000,
            withdraw_delegator_reward: 10_000,
            withdraw_validator_reward: 10_000,
            read_era_id: 10_000,
            activate_bid: 10_000,
        }
    }
}

/// One of `[[accounts]]`: who starts with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Whose account.
    pub public_key: PublicKey,
    /// Motes in its main purse.
    pub balance: U512,
    /// Present for a validator of the first eras.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator: Option<GenesisValidator>,
}

/// The stake of a validator at genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// Motes at stake, beside the balance.
    pub bonded_amount: U512,
    /// Share of a delegator's reward that the validator keeps, in per cent.
    #[serde(default)]
    pub delegation_rate: u8,
}

impl Chainspec {
    /// Casper mainnet's numbers at 1.5.8, for whoever needs its exact behaviour.
    pub fn casper_1_5_8() -> Self {
        Self {
            core: CoreConfig {
                minimum_block_time: TimeDiff::from_millis(16_384),
                era_duration: TimeDiff::from_seconds(120 * 60),
                minimum_era_height: 20,
                refund_handling: RefundHandling::Refund([99, 100]),
                failure_charge: FailureCharge::Casper15,
                round_seigniorage_rate: [7, 175_070_816],
                ..CoreConfig::default()
            },
            deploys: DeployConfig {
                max_block_size: 5_242_880,
                block_max_deploy_count: 25,
                block_max_transfer_count: 650,
                block_max_approval_count: 2_600,
                payment_args_max_length: 1_024,
                session_args_max_length: 1_024,
                ..DeployConfig::default()
            },
            system_costs: SystemCosts {
                auction_costs: AuctionCosts {
                    add_bid: 5_000_000_000_000,
                    ..AuctionCosts::default()
                },
                ..SystemCosts::default()
            },
            ..Self::default()
        }
    }

    /// The identity of the network that these rules make.
    pub fn network_id(&self) -> NetworkId {
        let mut bytes = DOMAIN.to_vec();
        bytes.extend_from_slice(self.canonical_text().as_bytes());
        NetworkId(Digest::hash(bytes).value())
    }

    /// Every rule as a line `path = value`, ordered by bytes.
    pub fn canonical_text(&self) -> String {
        let table = toml::Table::try_from(self).expect("a chainspec always has a TOML form");
        let mut lines = Vec::new();
        flatten("", &toml::Value::Table(table), &mut lines);
        lines.sort_unstable();
        lines.concat()
    }

    /// Blocks in an era.
    pub fn era_blocks(&self) -> u64 {
        let block_time = self.core.minimum_block_time.millis().max(1);
        let by_time = self.core.era_duration.millis().div_ceil(block_time);
        by_time.max(self.core.minimum_era_height).max(1)
    }

    /// The era of a height: genesis is era 0 by itself, era 1 starts at height 1.
    pub fn era_of(&self, height: Height) -> EraId {
        match height.previous() {
            None => EraId::new(0),
            Some(before) => EraId::new((before.0 / self.era_blocks()).saturating_add(1)),
        }
    }

    /// The last height of the era before this one, whose block names this one's validators. `None`
    /// for era 0, which is genesis.
    pub fn switch_height_before(&self, era: EraId) -> Option<Height> {
        let eras = era.value().checked_sub(1)?;
        eras.checked_mul(self.era_blocks()).map(Height)
    }

    /// Whether a height is the last of its era.
    pub fn is_switch_block(&self, height: Height) -> bool {
        height.0.is_multiple_of(self.era_blocks())
    }

    /// What a deploy that runs code costs at least, in motes: as much as a native transfer, so
    /// that no module is prepared and run for nothing. Casper 1.5 has no such rule.
    pub fn least_charge(&self) -> u64 {
        match self.core.failure_charge {
            FailureCharge::MinimumPenalty => self.system_costs.wasmless_transfer_cost,
            FailureCharge::Casper15 => 0,
        }
    }

    /// How many blocks a duration lasts, rounded up.
    pub fn blocks_in(&self, duration: TimeDiff) -> u64 {
        duration.millis().div_ceil(self.core.minimum_block_time.millis().max(1))
    }

    /// Validators of the first eras with their stake in motes.
    pub fn genesis_validators(&self) -> impl Iterator<Item = (&PublicKey, U512)> {
        self.accounts.iter().filter_map(|account| {
            account.validator.as_ref().map(|v| (&account.public_key, v.bonded_amount))
        })
    }
}

/// One line for each leaf.
fn flatten(path: &str, value: &toml::Value, lines: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, lines);
            }
        }
        toml::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{index}]"), item, lines);
            }
        }
        leaf => lines.push(format!("{path} = {leaf}\n")),
    }
}

impl Config for Chainspec {
    fn example() -> Self {
        let key = PublicKey::System;
        let validator = Some(GenesisValidator { bonded_amount: U512::one(), delegation_rate: 10 });
        let account = GenesisAccount { public_key: key.clone(), balance: U512::one(), validator };
        let mut example = Self { accounts: vec![account], ..Self::default() };
        example.core.administrators.push(key);
        example
    }

    fn problems(&self) -> Vec<String> {
        let mut list = Vec::new();
        let mut rule = |holds: bool, text: &str| {
            if !holds {
                list.push(text.to_owned());
            }
        };
        let block_time = self.core.minimum_block_time.millis();
        rule(!self.network.name.is_empty(), "`network.name` is empty; give the network a name");
        rule(self.network.name.len() <= 64, "`network.name` is longer than 64 bytes");
        rule(block_time >= 50, "`core.minimum_block_time` is under 50ms");
        rule(block_time <= 3_600_000, "`core.minimum_block_time` is over 1h");
        rule(
            self.deploys.max_ttl.millis() >= block_time,
            "`deploys.max_ttl` is shorter than a block; no deploy could ever be included",
        );
        rule(
            self.deploys.max_ttl.millis() <= 24 * 60 * 60 * 1_000,
            "`deploys.max_ttl` is over 24h; nodes remember every deploy that long",
        );
        let [numerator, denominator] = self.core.refund_handling.ratio();
        rule(
            denominator > 0 && numerator <= denominator,
            "`core.refund_handling` must be a share [n, d] with n <= d and d > 0",
        );
        rule(
            self.core.penalty_payment.bits() <= 64 && !self.core.penalty_payment.is_zero(),
            "`core.penalty_payment` must be between 1 and 2^64-1 motes",
        );
        rule(
            (1..=VALIDATOR_SLOTS_MAX).contains(&self.core.validator_slots),
            "`core.validator_slots` must be between 1 and 256",
        );
        rule(
            self.genesis_validators().count() <= self.core.validator_slots as usize,
            "`accounts` has more validators than `core.validator_slots`",
        );
        rule(
            self.core.auction_delay <= AUCTION_DELAY_MAX,
            "`core.auction_delay` is over 100 eras; the state holds the validators of all of them",
        );
        let [numerator, denominator] = self.core.round_seigniorage_rate;
        rule(
            denominator > 0 && u128::from(numerator) * 1_000 <= u128::from(denominator),
            "`core.round_seigniorage_rate` must be a share [n, d] of a thousandth at most, d > 0",
        );
        rule(
            self.core.minimum_bid_amount >= MOTES_PER_GIRRO
                && self.core.minimum_delegation_amount >= MOTES_PER_GIRRO,
            "`core.minimum_bid_amount` and `core.minimum_delegation_amount` must be 1 GIRRO at least",
        );
        rule(
            self.core.max_delegators_per_validator <= 10_000,
            "`core.max_delegators_per_validator` is over 10000; each is part of one record",
        );
        rule(
            self.era_blocks() <= 1_000_000,
            "`core.era_duration` makes eras of over 1000000 blocks",
        );
        rule(
            self.accounts.iter().all(|account| {
                account.validator.as_ref().is_none_or(|validator| validator.delegation_rate <= 100)
            }),
            "a validator's `delegation_rate` is over 100 per cent",
        );
        rule(
            self.deploys.max_deploy_size <= self.deploys.max_block_size,
            "`deploys.max_deploy_size` is over `deploys.max_block_size`",
        );
        rule(
            self.deploys.max_block_size <= 16 * 1024 * 1024,
            "`deploys.max_block_size` is over 16 MiB; a block must fit into one answer to a peer",
        );
        rule(
            self.deploys.max_deploy_size <= 1_048_576,
            "`deploys.max_deploy_size` is over 1 MiB, the most that is gossiped in one piece",
        );
        rule(
            self.deploys.block_max_transfer_count <= 10_000
                && self.deploys.block_max_deploy_count <= 10_000,
            "`deploys.block_max_*_count` is over 10000",
        );
        rule(self.wasm.max_memory <= 1_024, "`wasm.max_memory` is over 1024 pages");
        for (name, duration) in [
            ("propose_timeout", self.consensus.propose_timeout),
            ("vote_timeout", self.consensus.vote_timeout),
        ] {
            if !(50..=600_000).contains(&duration.millis()) {
                list.push(format!("`consensus.{name}` must be between 50ms and 10min"));
            }
        }
        self.market.problems(&mut list);
        let mut seen = BTreeSet::new();
        for account in &self.accounts {
            if !seen.insert(account.public_key.clone()) {
                list.push(format!("`accounts` has {} twice", account.public_key));
            }
            if account.public_key == PublicKey::System {
                list.push("`accounts` has the system's key; it owns no account".to_owned());
            }
        }
        let weights: Vec<_> =
            self.genesis_validators().map(|(_, motes)| motes / MOTES_PER_GIRRO).collect();
        if weights.is_empty() {
            list.push("no account has a `validator` entry; nobody could make blocks".to_owned());
        }
        if weights.iter().any(U512::is_zero) {
            list.push("a validator's `bonded_amount` is under 1 GIRRO".to_owned());
        }
        let total = weights.iter().fold(U512::zero(), |sum, weight| sum.saturating_add(*weight));
        // Whoever holds motes may stake them, and motes are minted for ever.
        let total = self
            .accounts
            .iter()
            .fold(total, |sum, account| sum.saturating_add(account.balance / MOTES_PER_GIRRO));
        if total.bits() > 60 {
            list.push("accounts hold over 2^60 GIRRO together; votes could overflow".to_owned());
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const KEY: &str = "010000000000000000000000000000000000000000000000000000000000000000";

    fn with_validator(rest: &str) -> String {
        // A real point on the curve: the generator's usual encoding.
        let key = "015866666666666666666666666666666666666666666666666666666666666666";
        format!(
            "{rest}\n[[accounts]]\npublic_key = \"{key}\"\nbalance = \"10\"\n\
             validator = {{ bonded_amount = \"5000000000\", delegation_rate = 1 }}\n"
        )
    }

    #[test]
    fn spelling_does_not_change_the_identity_but_content_does() {
        let a: Chainspec = parse(&with_validator("[core]\nminimum_block_time = \"1s\"")).unwrap();
        let b: Chainspec =
            parse(&with_validator("# same\n[core]\nminimum_block_time = \"1000ms\"")).unwrap();
        let c: Chainspec = parse(&with_validator("[core]\nminimum_block_time = \"2s\"")).unwrap();
        assert_eq!(a.network_id(), b.network_id());
        assert_ne!(a.network_id(), c.network_id());
    }

    #[test]
    fn what_is_written_out_is_read_back() {
        let spec: Chainspec = parse(&with_validator("")).unwrap();
        let text = toml::to_string(&spec).unwrap();
        assert_eq!(parse::<Chainspec>(&text).unwrap(), spec);
    }

    #[test]
    fn all_problems_of_a_chainspec_are_listed() {
        let text = format!(
            "[network]\nname = \"\"\nnmae = 1\n[deploys]\nmax_ttl = \"10ms\"\n\
             [[accounts]]\npublic_key = \"{KEY}\"\nbalance = \"1\"\n"
        );
        let list = parse::<Chainspec>(&text).unwrap_err().list;
        assert!(list.iter().any(|p| p.contains("network.nmae")), "{list:?}");
        let list = parse::<Chainspec>("[network]\nname = \"\"\n[deploys]\nmax_ttl = \"10ms\"\n")
            .unwrap_err()
            .list;
        assert!(list.iter().any(|p| p.contains("`network.name` is empty")), "{list:?}");
        assert!(list.iter().any(|p| p.contains("`deploys.max_ttl`")), "{list:?}");
        assert!(list.iter().any(|p| p.contains("nobody could make blocks")), "{list:?}");
    }

    #[test]
    fn eras_follow_heights() {
        let spec = Chainspec::default();
        assert_eq!(spec.era_blocks(), 60);
        assert_eq!(spec.era_of(Height(0)), EraId::new(0));
        assert_eq!(spec.era_of(Height(1)), EraId::new(1));
        assert_eq!(spec.era_of(Height(60)), EraId::new(1));
        assert_eq!(spec.era_of(Height(61)), EraId::new(2));
        assert!(spec.is_switch_block(Height(0)));
        assert!(spec.is_switch_block(Height(60)));
        assert!(!spec.is_switch_block(Height(61)));
        assert_eq!(spec.switch_height_before(EraId::new(0)), None);
        assert_eq!(spec.switch_height_before(EraId::new(1)), Some(Height(0)));
        assert_eq!(spec.switch_height_before(EraId::new(3)), Some(Height(120)));
        assert_eq!(spec.switch_height_before(EraId::new(u64::MAX)), None);
    }

    #[test]
    fn the_auctions_numbers_are_checked() {
        for (line, word) in [
            ("validator_slots = 0", "validator_slots"),
            ("validator_slots = 257", "validator_slots"),
            ("auction_delay = 101", "auction_delay"),
            ("round_seigniorage_rate = [1, 0]", "round_seigniorage_rate"),
            ("round_seigniorage_rate = [1, 2]", "round_seigniorage_rate"),
            ("minimum_bid_amount = 1", "minimum_bid_amount"),
            ("minimum_delegation_amount = 1", "minimum_delegation_amount"),
            ("max_delegators_per_validator = 10001", "max_delegators_per_validator"),
            ("era_duration = \"1000days\"", "era_duration"),
        ] {
            let text = with_validator(&format!("[core]\n{line}"));
            let list = parse::<Chainspec>(&text).unwrap_err().list;
            assert!(list.iter().any(|p| p.contains(word)), "{line}: {list:?}");
        }
    }
}
