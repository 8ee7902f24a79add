//! `[market]` of the chainspec: every number of the market on which all nodes have to agree.

use serde::{Deserialize, Serialize};

use crate::chainspec::MOTES_PER_GIRRO;

/// `[market]`. Shares are in basis points (10,000 is all), times in blocks, money in motes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarketLaw {
    /// Blocks in which bids are taken when an order does not say: 1 or 2.
    pub bid_window: u64,
    /// Bids that an order takes at most.
    pub max_bids: u32,
    /// Eligible bids without which nothing is matched.
    pub min_bids: u32,
    /// Windows that a deployment gets in a row, the first one included.
    pub relookup_max: u32,
    /// From CREATE_LEASE to the provider's readiness.
    pub reserve_deadline: u64,
    /// From LEASE_READY to the manifest's arrival.
    pub manifest_deadline: u64,
    /// From the manifest's arrival to DEPLOYMENT_CONFIRMED; also to resume after a top-up.
    pub confirm_deadline: u64,
    /// From UPDATE_LEASE to the provider's answer.
    pub update_accept_deadline: u64,
    /// From the provider's answer to LEASE_UPDATED.
    pub update_apply_deadline: u64,
    /// From CLOSE_LEASE to the provider's final word.
    pub close_ack_deadline: u64,
    /// How often a provider is to be heard of for each lease.
    pub heartbeat_interval: u64,
    /// Intervals without a sign after which a provider is lost; after two it is degraded.
    pub heartbeat_grace: u64,
    /// How long a tenant may dispute a receipt, and how long a dispute may be settled.
    pub dispute_blocks: u64,
    /// Blocks that the money of a lease without a duration has to last at first.
    pub min_escrow_blocks: u64,
    /// ESCROW_LOW when this share of the funded blocks is left.
    pub low_funds_bp: u64,
    /// ESCROW_LOW when this many blocks are left.
    pub low_funds_blocks: [u64; 2],
    /// The bond of a bid, in blocks of its price.
    pub bid_bond_blocks: u64,
    /// The bond of a lease, in blocks of its price.
    pub lease_bond_blocks: u64,
    /// The least bond of a lease.
    pub lease_bond_min: u64,
    /// What a provider gets for a reservation that the tenant does not use, in blocks of its price.
    pub reservation_fee_blocks: u64,
    /// What the market keeps of every payment.
    pub protocol_fee_bp: u64,
    /// Of the price, paid while data is kept for a suspended lease.
    pub retention_bp: u64,
    /// Of the lease's bond, to the tenant, when the provider does not reserve.
    pub slash_no_reserve_bp: u64,
    /// Of the lease's bond, when the provider does not confirm.
    pub slash_no_confirm_bp: u64,
    /// Of the lease's bond, when the provider is lost.
    pub slash_dead_bp: u64,
    /// Of the lease's bond, when the provider closes without the notice that was agreed on.
    pub slash_no_notice_bp: u64,
    /// Of the lease's bond, when the provider does not give its final word.
    pub slash_no_ack_bp: u64,
    /// Of a sealed bid's bond, when it is never shown.
    pub forfeit_bp: u64,
    /// Slashes and lost disputes within `slash_memory_blocks` that jail a provider.
    pub jail_after: u32,
    /// How long a provider stays jailed.
    pub jail_blocks: u64,
    /// How long a slash counts.
    pub slash_memory_blocks: u64,
    /// The stake without which a provider may not bid.
    pub min_stake: u64,
    /// The stake beyond which more does not help a score.
    pub stake_cap: u64,
    /// From the wish to take stake or an executor's bond out to getting it.
    pub unstake_blocks: u64,
    /// Blocks that a provider may pause one lease altogether.
    pub pause_max_blocks: u64,
    /// The highest price per block.
    pub max_price: u64,
    /// The longest duration, retention and notice.
    pub max_duration_blocks: u64,
    /// Whether access records may name addresses that only some machines can reach.
    pub private_addresses: bool,
    /// Records that the step at a block's end handles at most; the next block begins with the rest.
    pub max_step_ops: u32,
    /// Blocks in a period of rewards.
    pub reward_blocks: u64,
    /// Periods for which a reward can be claimed.
    pub reward_claim_periods: u64,
    /// A reward is at most this share of the fees that earned it. Under 10,000, so that nobody
    /// profits from paying himself.
    pub reward_cap_bp: u64,
    /// What a fee counts for when rewards are shared, by the provider's tier.
    pub tier_multiplier_bp: [u64; 7],
    /// The uptime that each tier but the last needs.
    pub tier_uptime_bp: [u64; 6],
    /// The observations that each tier but the last needs.
    pub tier_observations: [u64; 6],
    /// Receipts, and bills of executions, in one deploy.
    pub max_batch: u32,
    /// Requests that a CPU can be billed for, per second.
    pub requests_per_cpu_second: u64,
    /// Million units of fuel that a CPU can be billed for, per second.
    pub mfuel_per_cpu_second: u64,
    /// The bond without which an executor is not paid.
    pub executor_bond: u64,
}

impl Default for MarketLaw {
    fn default() -> Self {
        Self {
            bid_window: 2,
            max_bids: 64,
            min_bids: 1,
            relookup_max: 3,
            reserve_deadline: 10,
            manifest_deadline: 60,
            confirm_deadline: 120,
            update_accept_deadline: 20,
            update_apply_deadline: 120,
            close_ack_deadline: 30,
            heartbeat_interval: 20,
            heartbeat_grace: 3,
            dispute_blocks: 40,
            min_escrow_blocks: 50,
            low_funds_bp: 2_000,
            low_funds_blocks: [100, 20],
            bid_bond_blocks: 10,
            lease_bond_blocks: 20,
            lease_bond_min: 1_000,
            reservation_fee_blocks: 10,
            protocol_fee_bp: 500,
            retention_bp: 1_000,
            slash_no_reserve_bp: 2_500,
            slash_no_confirm_bp: 5_000,
            slash_dead_bp: 10_000,
            slash_no_notice_bp: 2_500,
            slash_no_ack_bp: 500,
            forfeit_bp: 1_000,
            jail_after: 5,
            jail_blocks: 3_600,
            slash_memory_blocks: 86_400,
            min_stake: 10 * MOTES_PER_GIRRO,
            stake_cap: 1_000_000 * MOTES_PER_GIRRO,
            unstake_blocks: 3_600,
            pause_max_blocks: 600,
            max_price: 1_000 * MOTES_PER_GIRRO,
            max_duration_blocks: 31_557_600,
            private_addresses: false,
            max_step_ops: 10_000,
            reward_blocks: 60,
            reward_claim_periods: 1_440,
            reward_cap_bp: 9_000,
            tier_multiplier_bp: [20_000, 17_000, 15_000, 12_000, 11_000, 10_000, 5_000],
            tier_uptime_bp: [9_900, 9_800, 9_700, 9_500, 9_000, 8_500],
            tier_observations: [3_000, 2_300, 1_700, 1_100, 500, 300],
            max_batch: 64,
            requests_per_cpu_second: 100_000,
            mfuel_per_cpu_second: 10_000,
            executor_bond: MOTES_PER_GIRRO,
        }
    }
}

impl MarketLaw {
    /// Everything that is wrong with the values.
    pub(crate) fn problems(&self, list: &mut Vec<String>) {
        let mut rule = |holds: bool, text: &str| {
            if !holds {
                list.push(text.to_owned());
            }
        };
        rule(matches!(self.bid_window, 1 | 2), "`market.bid_window` must be 1 or 2");
        rule(
            (1..=256).contains(&self.max_bids),
            "`market.max_bids` must be between 1 and 256; an order's bids are judged in one step",
        );
        rule(
            self.min_bids >= 1 && self.min_bids <= self.max_bids,
            "`market.min_bids` must be between 1 and `market.max_bids`",
        );
        rule((1..=16).contains(&self.relookup_max), "`market.relookup_max` must be 1 to 16");
        rule(self.heartbeat_grace >= 3, "`market.heartbeat_grace` must be 3 or more");
        rule(self.heartbeat_interval >= 1, "`market.heartbeat_interval` must be 1 or more");
        rule(
            (1..=1_000_000).contains(&self.max_step_ops),
            "`market.max_step_ops` must be between 1 and 1000000",
        );
        rule((1..=256).contains(&self.max_batch), "`market.max_batch` must be between 1 and 256");
        rule(self.reward_blocks >= 1, "`market.reward_blocks` must be 1 or more");
        rule(
            self.reward_cap_bp < 10_000,
            "`market.reward_cap_bp` must be under 10000; else paying oneself earns money",
        );
        rule(self.stake_cap >= 1, "`market.stake_cap` must be 1 or more");
        rule(
            self.max_duration_blocks <= u64::from(u32::MAX),
            "`market.max_duration_blocks` is over 2^32-1",
        );
        let shares = [
            ("low_funds_bp", self.low_funds_bp),
            ("protocol_fee_bp", self.protocol_fee_bp),
            ("retention_bp", self.retention_bp),
            ("slash_no_reserve_bp", self.slash_no_reserve_bp),
            ("slash_no_confirm_bp", self.slash_no_confirm_bp),
            ("slash_dead_bp", self.slash_dead_bp),
            ("slash_no_notice_bp", self.slash_no_notice_bp),
            ("slash_no_ack_bp", self.slash_no_ack_bp),
            ("forfeit_bp", self.forfeit_bp),
        ];
        let waits = [
            ("reserve_deadline", self.reserve_deadline),
            ("manifest_deadline", self.manifest_deadline),
            ("confirm_deadline", self.confirm_deadline),
            ("update_accept_deadline", self.update_accept_deadline),
            ("update_apply_deadline", self.update_apply_deadline),
            ("close_ack_deadline", self.close_ack_deadline),
            ("dispute_blocks", self.dispute_blocks),
            ("min_escrow_blocks", self.min_escrow_blocks),
            ("unstake_blocks", self.unstake_blocks),
            ("jail_blocks", self.jail_blocks),
            ("max_duration_blocks", self.max_duration_blocks),
        ];
        let amounts = [
            ("lease_bond_min", self.lease_bond_min),
            ("min_stake", self.min_stake),
            ("stake_cap", self.stake_cap),
            ("max_price", self.max_price),
            ("executor_bond", self.executor_bond),
        ];
        for (name, share) in shares {
            if share > 10_000 {
                list.push(format!("`market.{name}` is over 10000 basis points"));
            }
        }
        for (name, blocks) in waits {
            if !(1..=u64::from(u32::MAX)).contains(&blocks) {
                list.push(format!("`market.{name}` must be between 1 and 2^32-1 blocks"));
            }
        }
        for (name, blocks) in [
            ("bid_bond_blocks", self.bid_bond_blocks),
            ("lease_bond_blocks", self.lease_bond_blocks),
            ("reservation_fee_blocks", self.reservation_fee_blocks),
            ("heartbeat_interval", self.heartbeat_interval),
            ("heartbeat_grace", self.heartbeat_grace),
            ("pause_max_blocks", self.pause_max_blocks),
            ("reward_blocks", self.reward_blocks),
            ("slash_memory_blocks", self.slash_memory_blocks),
        ] {
            if blocks > u64::from(u32::MAX) {
                list.push(format!("`market.{name}` is over 2^32-1 blocks"));
            }
        }
        for (name, motes) in amounts {
            if i64::try_from(motes).is_err() {
                list.push(format!("`market.{name}` is over 2^63-1 motes"));
            }
        }
    }
}
