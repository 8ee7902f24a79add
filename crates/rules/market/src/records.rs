//! What is stored: one type for each kind of record. Bytes are borsh's; `docs/spec/market.md` says
//! what the fields mean to whoever reads them from outside.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use girrona_types::{
    Height,
    market::{
        Access, AccountId, CloseReason, Counters, Decline, DeploymentId, Filter, Hash32,
        LeaseFailure, LeaseId, Motes, OrderEnd, OrderId, Points, ProviderStatus,
    },
};

use crate::call::OrderTerms;

/// An account's money in the market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Escrow {
    /// Free: may be withdrawn, bonded, staked or ordered with.
    pub unlocked: Motes,
    /// Held for orders that look for a provider.
    pub locked: Motes,
}

/// What a provider has, or an order needs. Gigabytes are not rounded: memory and storage in MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub cpu_milli: u32,
    /// MiB of memory.
    pub memory_mib: u32,
    /// MiB of disk.
    pub storage_mib: u32,
    /// Accelerators.
    pub gpus: u32,
    /// Megabits a second, each way.
    pub bandwidth_mbps: u32,
}

impl Resources {
    /// Each dimension with its name.
    pub const fn parts(&self) -> [(&'static str, u32); 5] {
        [
            ("cpu_milli", self.cpu_milli),
            ("memory_mib", self.memory_mib),
            ("storage_mib", self.storage_mib),
            ("gpus", self.gpus),
            ("bandwidth_mbps", self.bandwidth_mbps),
        ]
    }

    fn zip(&self, other: &Self, f: impl Fn(u32, u32) -> Option<u32>) -> Option<Self> {
        Some(Self {
            cpu_milli: f(self.cpu_milli, other.cpu_milli)?,
            memory_mib: f(self.memory_mib, other.memory_mib)?,
            storage_mib: f(self.storage_mib, other.storage_mib)?,
            gpus: f(self.gpus, other.gpus)?,
            bandwidth_mbps: f(self.bandwidth_mbps, other.bandwidth_mbps)?,
        })
    }

    /// Both together, if that is a number.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        self.zip(other, u32::checked_add)
    }

    /// The larger of each.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        self.zip(other, |a, b| Some(a.max(b))).unwrap_or(*self)
    }

    /// What is left, if there is enough.
    pub fn minus(&self, other: &Self) -> Option<Self> {
        self.zip(other, u32::checked_sub)
    }
}

/// What is remembered of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Standing {
    /// Heartbeats that came in time.
    pub up_ok: u64,
    /// Times that it was not heard of.
    pub up_fail: u64,
    /// Leases that ended well.
    pub good: u64,
    /// Leases that it failed.
    pub bad: u64,
    /// Slashes and lost disputes that still count.
    pub slashes: u32,
    /// The last of them.
    pub slashed_at: Height,
    /// Disputes that it conceded.
    pub disputes_lost: u32,
}

/// Who runs things for others.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Provider {
    /// Its account.
    pub account: AccountId,
    /// Who stands behind it: bids of one operator are one.
    pub operator: AccountId,
    /// Whom it named as its operator, until that account agrees.
    pub named_operator: Option<AccountId>,
    /// Where tenants reach it.
    pub gateway: String,
    /// Where it is: `eu-west`.
    pub region: String,
    /// What it says of itself.
    pub attributes: BTreeMap<String, String>,
    /// What it runs: `wasm`, `container`.
    pub runtimes: Vec<String>,
    /// Its server's TLS key.
    pub server_key: Option<Hash32>,
    /// How many blocks before it closes a lease it gives notice.
    pub reclaim_window: u64,
    /// All it has.
    pub capacity: Resources,
    /// What leases take of it.
    pub reserved: Resources,
    /// Whether it takes part.
    pub status: ProviderStatus,
    /// When a jailed one is free.
    pub jailed_until: Option<Height>,
    /// Its stake.
    pub stake: Motes,
    /// Stake on its way out.
    pub leaving: Motes,
    /// When that is paid.
    pub leaves_at: Option<Height>,
    /// What is remembered.
    pub standing: Standing,
    /// Where it waits in the queue.
    pub queued: Option<Height>,
}

/// What a provider earned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Earnings {
    /// Can be withdrawn.
    pub earned: Motes,
    /// The period of rewards that the rest is about.
    pub period: u64,
    /// Fees of its leases in that period.
    pub fees: Motes,
    /// The same times the tier's multiplier.
    pub weight: u128,
}

/// A period of rewards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Period {
    /// The weights of all fees in it.
    pub weight: u128,
    /// What is shared out; set when the period ends.
    pub pool: Motes,
    /// What is left of it.
    pub left: Motes,
}

/// Attributes of a provider that an auditor found to be true.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attestation {
    /// Name and value.
    pub attributes: BTreeMap<String, String>,
}

/// A TLS key of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Certificate {
    /// Whose.
    pub account: AccountId,
    /// Whether for a provider's server, or for a tenant's client.
    pub server: bool,
    /// SHA-256 of the certificate.
    pub cert_sha256: Hash32,
    /// When it ends, in milliseconds since 1970.
    pub not_after_ms: u64,
    /// Since when it is known.
    pub since: Height,
    /// Since when it is not good any more.
    pub revoked: Option<Height>,
}

impl Certificate {
    /// Whether it is good at a time.
    pub const fn is_valid(&self, time_ms: u64) -> bool {
        self.revoked.is_none() && time_ms < self.not_after_ms
    }
}

/// Where a deployment is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Place {
    /// An order looks for a provider.
    Order(OrderId),
    /// A lease serves it.
    Lease(LeaseId),
    /// It is over.
    Ended,
}

/// What a tenant wants to run.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// Whose it is.
    pub tenant: AccountId,
    /// What was ordered, with the newest revision's manifest, resources and price.
    pub terms: OrderTerms,
    /// The newest revision that ran.
    pub revision: u32,
    /// Where it is.
    pub place: Place,
    /// Orders it had.
    pub attempt: u32,
    /// Windows in a row that led to no confirmed lease.
    pub lookups: u32,
    /// Providers that failed it, the newest last.
    pub failed: Vec<AccountId>,
}

/// What an order is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum OrderState {
    /// Its window opens later.
    Waiting {
        /// When.
        opens_at: Height,
    },
    /// PROVIDER_LOOKUP: bids are taken, or shown.
    Lookup,
    /// It became this lease.
    Matched(LeaseId),
    /// Nobody suited; this order has the next window.
    Reopened(OrderId),
    /// It is over.
    Ended(OrderEnd),
}

impl OrderState {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Lookup => "looking for a provider",
            Self::Matched(_) => "matched",
            Self::Reopened(_) => "reopened",
            Self::Ended(_) => "ended",
        }
    }
}

/// One bidding window.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// For what.
    pub deployment: DeploymentId,
    /// For whom.
    pub tenant: AccountId,
    /// Which order of the deployment, from 1.
    pub attempt: u32,
    /// Bids are taken after this height.
    pub opened: Height,
    /// The last height that takes bids.
    pub closes_at: Height,
    /// The height at whose end it is matched.
    pub matches_at: Height,
    /// What it is doing.
    pub state: OrderState,
    /// The tenant's motes that are locked for it.
    pub hold: Motes,
    /// Who bid, in order of arrival.
    pub bidders: Vec<AccountId>,
    /// Who declined.
    pub declined: Vec<(AccountId, Decline)>,
    /// Where it waits in the queue.
    pub queued: Option<Height>,
}

/// A bid.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Bid {
    /// Motes a block; absent until a commitment is shown.
    pub price: Option<Motes>,
    /// The commitment.
    pub commit: Option<Hash32>,
    /// What it stands to lose.
    pub bond: Motes,
    /// When it was made.
    pub at: Height,
}

/// A bid that took part in a match.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Row {
    /// Who.
    pub provider: AccountId,
    /// Motes a block.
    pub price: Motes,
    /// What it got for price, uptime, reputation, locality, tier, stake and capacity.
    pub points: Points,
    /// The weighted sum.
    pub score: u32,
}

/// Why an order was matched as it was; all of it can be computed again.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Explanation {
    /// Which order.
    pub order: OrderId,
    /// At which height.
    pub height: Height,
    /// The block's seed.
    pub seed: Hash32,
    /// What the order weighed the components with.
    pub weights: Points,
    /// How close to the best a score has to be for the seed to decide.
    pub epsilon: u16,
    /// The order's maximum.
    pub max_price: Motes,
    /// Who took part, best first: the first won, the next three are runners-up.
    pub rows: Vec<Row>,
    /// Who did not, and why.
    pub rejected: Vec<(AccountId, Filter)>,
    /// Who did not want to, and why.
    pub declined: Vec<(AccountId, Decline)>,
}

/// Who takes over if the winner fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RunnerUp {
    /// Who.
    pub provider: AccountId,
    /// At which price.
    pub price: Motes,
    /// The bid's bond.
    pub bond: Motes,
}

/// A lease's money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Purse {
    /// For blocks.
    pub base: Motes,
    /// For what is metered.
    pub meter: Motes,
    /// For keeping data while the lease is suspended.
    pub retention: Motes,
    /// The reservation fee.
    pub reservation: Motes,
    /// For an update that is under way.
    pub update: Motes,
    /// Receipts that wait to be paid.
    pub pending: Motes,
}

impl Purse {
    /// Each part.
    pub const fn parts(&self) -> [Motes; 6] {
        [self.base, self.meter, self.retention, self.reservation, self.update, self.pending]
    }
}

/// What a provider is asked to change.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Update {
    /// The revision it makes.
    pub revision: u32,
    /// Its manifest.
    pub manifest_hash: Hash32,
    /// What it needs.
    pub resources: Resources,
    /// Services that have to be reachable.
    pub services: Vec<String>,
    /// The most that it may cost a block.
    pub max_price: Motes,
    /// What it costs, when that is agreed.
    pub price: Option<Motes>,
    /// Until when the next step has to be done.
    pub by: Height,
}

/// What a lease is doing.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum LeaseState {
    /// CREATE_LEASE: the provider reserves.
    Reserving {
        /// Until when.
        by: Height,
    },
    /// LEASE_READY: the tenant sends the manifest.
    Ready {
        /// Until when.
        by: Height,
    },
    /// LEASE_READY with the manifest: the provider starts the server.
    Starting {
        /// Until when.
        by: Height,
    },
    /// DEPLOYMENT_CONFIRMED: it runs.
    Confirmed,
    /// It runs, and another revision is under way.
    Updating(Update),
    /// It is not heard of.
    Degraded {
        /// Since when.
        since: Height,
        /// When it counts as lost.
        lost_at: Height,
        /// Whether reports made it so, rather than silence.
        by_probes: bool,
    },
    /// Stopped for want of money; data is kept.
    Suspended {
        /// Since when.
        since: Height,
        /// Until when it is kept.
        until: Height,
        /// Money came; the provider has to resume until then.
        resume_by: Option<Height>,
    },
    /// CLOSE_LEASE: billing stopped, the provider's final word is waited for.
    Closing {
        /// Why.
        reason: CloseReason,
        /// Until when.
        ack_by: Height,
        /// Whether the word came, once that is settled.
        heard: Option<bool>,
    },
    /// LEASE_CLOSED.
    Closed(CloseReason),
    /// It never ran.
    Failed(LeaseFailure),
}

impl LeaseState {
    /// Its name, for people.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reserving { .. } => "being reserved",
            Self::Ready { .. } => "ready for its manifest",
            Self::Starting { .. } => "starting",
            Self::Confirmed => "confirmed",
            Self::Updating(_) => "updating",
            Self::Degraded { .. } => "degraded",
            Self::Suspended { .. } => "suspended",
            Self::Closing { .. } => "closing",
            Self::Closed(_) => "closed",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether nothing can happen any more.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Failed(_))
    }

    /// Whether the server is to run.
    pub const fn runs(&self) -> bool {
        matches!(self, Self::Confirmed | Self::Updating(_) | Self::Degraded { .. })
    }
}

/// A receipt that waits to be paid.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Pending {
    /// Its number.
    pub seq: u64,
    /// What it is worth.
    pub amount: Motes,
    /// What it added to the counters.
    pub grew: Counters,
    /// Of `amount`, what the tenant disputes.
    pub frozen: Motes,
    /// When the undisputed part is paid, or the dispute ends.
    pub due: Height,
    /// Whether it is disputed.
    pub disputed: bool,
}

/// What was metered.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Usage {
    /// The last receipt's number.
    pub seq: u64,
    /// Its counters.
    pub counters: Counters,
    /// The block time when it came, in milliseconds.
    pub time_ms: u64,
    /// Its log's root.
    pub log_root: Hash32,
    /// Those that wait.
    pub pending: Vec<Pending>,
}

/// What somebody found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Probe {
    /// Who.
    pub by: AccountId,
    /// When.
    pub at: Height,
    /// Whether the server answered.
    pub alive: bool,
}

/// One provider's obligation.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// For what.
    pub deployment: DeploymentId,
    /// From which order.
    pub order: OrderId,
    /// How many of the order's leases came before it.
    pub promoted: u32,
    /// Who pays.
    pub tenant: AccountId,
    /// Who runs it.
    pub provider: AccountId,
    /// Motes a block.
    pub price: Motes,
    /// What it is doing.
    pub state: LeaseState,
    /// When it was made.
    pub created: Height,
    /// The revision that runs.
    pub revision: u32,
    /// That revision's manifest.
    pub manifest_hash: Hash32,
    /// What it takes.
    pub resources: Resources,
    /// Services that have to be reachable.
    pub services: Vec<String>,
    /// Who takes over before it is confirmed, the next one first.
    pub runner_ups: Vec<RunnerUp>,
    /// Who else may report on it.
    pub watchers: Vec<AccountId>,
    /// The provider's bond.
    pub bond: Motes,
    /// The tenant's money.
    pub purse: Purse,
    /// Paid up to here.
    pub settled_at: Height,
    /// The provider was last heard of here.
    pub last_beat: Height,
    /// Nothing is billed from here on.
    pub stopped: Option<Height>,
    /// When its duration ends.
    pub ends_at: Option<Height>,
    /// Where the tenant sends the manifest.
    pub gateway: String,
    /// The server's TLS key there.
    pub server_key: Hash32,
    /// Where it can be reached.
    pub access: Vec<Access>,
    /// What was metered.
    pub usage: Usage,
    /// Notice to close: when it has run.
    pub reclaim: Option<Height>,
    /// Paused, unpaid, until then.
    pub paused: Option<Height>,
    /// When the pause began.
    pub paused_at: Height,
    /// Blocks that it was paused.
    pub paused_blocks: u64,
    /// What was reported since the last heartbeat interval, one for each reporter.
    pub probes: Vec<Probe>,
    /// Blocks that were paid for when money last came.
    pub funded_blocks: u64,
    /// ESCROW_LOW was told down to this many blocks.
    pub low_told: u64,
    /// What the provider was paid, fees included.
    pub paid: Motes,
    /// What went back to the tenant.
    pub refunded: Motes,
    /// Blocks that data was kept for, to be paid with the provider's final word.
    pub kept: u64,
    /// Where it waits in the queue.
    pub queued: Option<Height>,
}

/// What it costs to execute an assembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AssemblyTerms {
    /// Who may change this.
    pub publisher: AccountId,
    /// For each executor, each time.
    pub per_execution: Motes,
    /// For each executor, for each million units of fuel begun.
    pub per_mfuel: Motes,
    /// The most that one execution may cost altogether.
    pub cap: Motes,
}

/// Who executes assemblies for money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Executor {
    /// What a lie costs it.
    pub bond: Motes,
    /// Bond on its way out; a lie costs that too.
    pub leaving: Motes,
    /// When that is paid.
    pub leaves_at: Option<Height>,
    /// Proven lies.
    pub lies: u32,
    /// Where it waits in the queue.
    pub queued: Option<Height>,
}
