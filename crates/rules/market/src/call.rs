//! What an account can ask of the market. A caller outside decodes its arguments into a [`Call`];
//! everything else about it is checked here.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use girrona_types::{
    Height,
    market::{
        Access, AccountId, Auction, Counters, Decline, DeploymentId, Hash32, LeaseId, Motes,
        OrderId, Points, ProviderStatus,
    },
};

use crate::{
    records::Resources,
    session::{Done, Session, Who},
    store::Store,
};

/// What a provider says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProviderProfile {
    /// Who stands behind it; that account has to agree. Absent: itself.
    pub operator: Option<AccountId>,
    /// Where tenants reach it.
    pub gateway: String,
    /// Where it is: `eu-west`.
    pub region: String,
    /// Name and value.
    pub attributes: BTreeMap<String, String>,
    /// What it runs: `wasm`, `container`.
    pub runtimes: Vec<String>,
    /// Its server's TLS key, registered before.
    pub server_key: Option<Hash32>,
    /// Blocks of notice that it gives before it closes a lease.
    pub reclaim_window: u64,
    /// All it has.
    pub capacity: Resources,
}

/// What a tenant orders.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OrderTerms {
    /// SHA-256 of the manifest that will be sent.
    pub manifest_hash: Hash32,
    /// The most it may cost a block.
    pub max_price: Motes,
    /// Blocks from confirmation to the end; absent: as long as there is money.
    pub duration: Option<u64>,
    /// Blocks that take bids, 1 or 2; 0: the law's.
    pub bid_window: u64,
    /// Whether prices show at once.
    pub auction: Auction,
    /// What a score is made of, in basis points that sum to 10,000.
    pub weights: Points,
    /// How close to the best a score has to be for the seed to decide, 0 to 500.
    pub epsilon: u16,
    /// What it needs, all replicas together.
    pub resources: Resources,
    /// What runs it: `wasm`, `container`.
    pub runtime: String,
    /// Services that have to be reachable from outside.
    pub services: Vec<String>,
    /// Attributes that a provider has to have.
    pub attributes: BTreeMap<String, String>,
    /// Auditors, of whom one has to attest those attributes; none: nobody has to.
    pub signed_by: Vec<AccountId>,
    /// Regions that are liked; none: all alike.
    pub regions: Vec<String>,
    /// Regions that are out of the question.
    pub regions_excluded: Vec<String>,
    /// Only these providers; none: all.
    pub desired: Vec<AccountId>,
    /// Not these.
    pub excluded: Vec<AccountId>,
    /// The worst tier, 1 to 7.
    pub tier_max: u8,
    /// The least stake, beside the law's.
    pub min_stake: Motes,
    /// Whether a lost provider is replaced.
    pub failover: bool,
    /// Whether an exhausted lease takes more from the escrow by itself.
    pub auto_top_up: bool,
    /// Blocks that data is kept for after the money ended.
    pub retention_blocks: u64,
    /// Blocks of notice that the provider has to give.
    pub reclaim_window: u64,
    /// What each unit of each counter costs.
    pub meter_prices: [u64; 6],
    /// The most that is paid for a receipt.
    pub meter_cap: Motes,
    /// Money for what is metered.
    pub meter_budget: Motes,
}

/// The weights of an order that does not say: price 4,000, uptime 2,000, reputation 1,500, locality
/// 1,000, tier, stake and capacity 500 each.
pub(crate) const WEIGHTS: Points = [4_000, 2_000, 1_500, 1_000, 500, 500, 500];

impl Default for OrderTerms {
    fn default() -> Self {
        Self {
            manifest_hash: Hash32::default(),
            max_price: Motes::ZERO,
            duration: None,
            bid_window: 0,
            auction: Auction::Sealed,
            weights: WEIGHTS,
            epsilon: 100,
            resources: Resources::default(),
            runtime: "wasm".to_owned(),
            services: Vec::new(),
            attributes: BTreeMap::new(),
            signed_by: Vec::new(),
            regions: Vec::new(),
            regions_excluded: Vec::new(),
            desired: Vec::new(),
            excluded: Vec::new(),
            tier_max: 7,
            min_stake: Motes::ZERO,
            failover: true,
            auto_top_up: false,
            retention_blocks: 0,
            reclaim_window: 0,
            meter_prices: [0; 6],
            meter_cap: Motes::ZERO,
            meter_budget: Motes::ZERO,
        }
    }
}

/// A bid as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum BidOffer {
    /// In an open auction.
    Price(Motes),
    /// In a sealed one: see [`crate::score::commitment`].
    Commit(Hash32),
}

/// Where money for a lease comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum FundSource {
    /// The caller's escrow.
    Escrow,
    /// The caller's main purse.
    MainPurse,
}

/// Another revision. What is absent stays.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UpdateRequest {
    /// Its manifest.
    pub manifest_hash: Option<Hash32>,
    /// What it needs, replicas included.
    pub resources: Option<Resources>,
    /// Services that have to be reachable.
    pub services: Option<Vec<String>>,
    /// The most that it may cost a block; absent: the present price.
    pub max_price: Option<Motes>,
}

/// What a provider metered.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// For which lease.
    pub lease: LeaseId,
    /// One more than the last receipt's.
    pub seq: u64,
    /// Since the deployment was confirmed.
    pub counters: Counters,
    /// The root of its log.
    pub log_root: Hash32,
}

/// That whoever registers a TLS key has it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CertProof {
    /// The key's SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// SHA-256 of the certificate.
    pub cert_sha256: Hash32,
    /// When it ends, in milliseconds since 1970.
    pub not_after_ms: u64,
    /// For a provider's server.
    pub server: bool,
    /// The key's signature over [`crate::proof_message`].
    pub signature: Vec<u8>,
}

/// What a caller that checked a certificate of an execution says about it. The market believes it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ExecutionFacts {
    /// The request.
    pub request: Hash32,
    /// What was executed.
    pub assembly: Hash32,
    /// Who asked for it and signed to pay.
    pub payer: AccountId,
    /// The most that the payer allowed.
    pub limit: Motes,
    /// The last height at which it can be paid.
    pub expires: Height,
    /// The least fuel among equal results.
    pub fuel: u64,
    /// Who gave equal results.
    pub executors: Vec<AccountId>,
    /// Who signed contradictions.
    pub liars: Vec<AccountId>,
}

/// What an account can ask for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[expect(
    missing_docs,
    reason = "docs/spec/market.md has a table of them; fields are named plainly"
)]
pub enum Call {
    Deposit { amount: Motes },
    Withdraw { amount: Motes },

    RegisterProvider { profile: ProviderProfile, stake: Motes },
    UpdateProvider { profile: ProviderProfile },
    SetProviderStatus { status: ProviderStatus },
    Stake { amount: Motes },
    Unstake { amount: Motes },
    AgreeToOperate { provider: AccountId },
    Attest { provider: AccountId, attributes: BTreeMap<String, String> },
    WithdrawEarnings,
    ClaimReward { period: u64 },

    RegisterCert { proof: CertProof },
    RevokeCert { spki: Hash32 },

    CreateOrder { terms: OrderTerms },
    CancelOrder { deployment: DeploymentId },
    CreateBid { order: OrderId, offer: BidOffer },
    RevealBid { order: OrderId, price: Motes, salt: [u8; 32] },
    DeclineBid { order: OrderId, reason: Decline },

    SignalReady { lease: LeaseId, gateway: String, server_key: Hash32 },
    RejectLease { lease: LeaseId },
    AckManifest { lease: LeaseId, manifest_hash: Hash32 },
    ConfirmDeployment { lease: LeaseId, manifest_hash: Hash32, access: Vec<Access> },
    TopUp { lease: LeaseId, amount: Motes, source: FundSource },
    ExtendDuration { lease: LeaseId, blocks: u64 },
    UpdateLease { lease: LeaseId, request: UpdateRequest },
    AcceptUpdate { lease: LeaseId, price: Motes },
    RejectUpdate { lease: LeaseId, reason: Decline },
    LeaseUpdated { lease: LeaseId, revision: u32, manifest_hash: Hash32, access: Vec<Access> },
    UsageReceipts { receipts: Vec<Receipt> },
    AcceptReceipt { lease: LeaseId, seq: u64 },
    DisputeReceipt { lease: LeaseId, seq: u64, counters: Counters },
    ConcedeDispute { lease: LeaseId, seq: u64 },
    Probe { lease: LeaseId, alive: bool },
    PauseLease { lease: LeaseId, blocks: u64 },
    UnpauseLease { lease: LeaseId },
    ResumeLease { lease: LeaseId },
    StartReclaim { lease: LeaseId, reason: Decline },
    CloseLease { lease: LeaseId },
    ProviderClose { lease: LeaseId },
    AckClosed { lease: LeaseId, log_root: Hash32 },

    PriceAssembly { assembly: Hash32, per_execution: Motes, per_mfuel: Motes, cap: Motes },
    BondExecutor { amount: Motes },
    UnbondExecutor,
}

impl<S: Store> Session<'_, S> {
    /// Every call is one arm.
    pub(crate) fn call(&mut self, who: &Who<'_>, call: Call) -> Done<(), S> {
        match call {
            Call::Deposit { amount } => self.deposit(who.caller, amount),
            Call::Withdraw { amount } => self.withdraw(who.caller, amount),

            Call::RegisterProvider { profile, stake } => {
                self.register_provider(who.caller, profile, stake)
            }
            Call::UpdateProvider { profile } => self.update_provider(who.caller, profile),
            Call::SetProviderStatus { status } => self.set_provider_status(who.caller, status),
            Call::Stake { amount } => self.add_stake(who.caller, amount),
            Call::Unstake { amount } => self.unstake(who.caller, amount),
            Call::AgreeToOperate { provider } => self.agree_to_operate(who.caller, provider),
            Call::Attest { provider, attributes } => self.attest(who.caller, provider, attributes),
            Call::WithdrawEarnings => self.withdraw_earnings(who.caller),
            Call::ClaimReward { period } => self.claim_reward(who.caller, period),

            Call::RegisterCert { proof } => self.register_cert(who, &proof),
            Call::RevokeCert { spki } => self.revoke_cert(who.caller, spki),

            Call::CreateOrder { terms } => self.create_order(who, terms),
            Call::CancelOrder { deployment } => self.cancel_order(who.caller, deployment),
            Call::CreateBid { order, offer } => self.create_bid(who.caller, order, offer),
            Call::RevealBid { order, price, salt } => {
                self.reveal_bid(who.caller, order, price, &salt)
            }
            Call::DeclineBid { order, reason } => self.decline_bid(who.caller, order, reason),

            Call::SignalReady { lease, gateway, server_key } => {
                self.signal_ready(who.caller, lease, gateway, server_key)
            }
            Call::RejectLease { lease } => self.reject_lease(who.caller, lease),
            Call::AckManifest { lease, manifest_hash } => {
                self.ack_manifest(who.caller, lease, manifest_hash)
            }
            Call::ConfirmDeployment { lease, manifest_hash, access } => {
                self.confirm_deployment(who.caller, lease, manifest_hash, access)
            }
            Call::TopUp { lease, amount, source } => self.top_up(who.caller, lease, amount, source),
            Call::ExtendDuration { lease, blocks } => {
                self.extend_duration(who.caller, lease, blocks)
            }
            Call::UpdateLease { lease, request } => self.update_lease(who.caller, lease, request),
            Call::AcceptUpdate { lease, price } => self.accept_update(who.caller, lease, price),
            Call::RejectUpdate { lease, reason } => self.reject_update(who.caller, lease, reason),
            Call::LeaseUpdated { lease, revision, manifest_hash, access } => {
                self.lease_updated(who.caller, lease, revision, manifest_hash, access)
            }
            Call::UsageReceipts { receipts } => self.usage_receipts(who.caller, receipts),
            Call::AcceptReceipt { lease, seq } => self.accept_receipt(who.caller, lease, seq),
            Call::DisputeReceipt { lease, seq, counters } => {
                self.dispute_receipt(who.caller, lease, seq, &counters)
            }
            Call::ConcedeDispute { lease, seq } => self.concede_dispute(who.caller, lease, seq),
            Call::Probe { lease, alive } => self.probe(who.caller, lease, alive),
            Call::PauseLease { lease, blocks } => self.pause_lease(who.caller, lease, blocks),
            Call::UnpauseLease { lease } => self.unpause_lease(who.caller, lease),
            Call::ResumeLease { lease } => self.resume_lease(who.caller, lease),
            Call::StartReclaim { lease, reason } => self.start_reclaim(who.caller, lease, reason),
            Call::CloseLease { lease } => self.close_lease(who.caller, lease),
            Call::ProviderClose { lease } => self.provider_close(who.caller, lease),
            Call::AckClosed { lease, log_root } => self.ack_closed(who.caller, lease, log_root),

            Call::PriceAssembly { assembly, per_execution, per_mfuel, cap } => {
                self.price_assembly(who.caller, assembly, per_execution, per_mfuel, cap)
            }
            Call::BondExecutor { amount } => self.bond_executor(who.caller, amount),
            Call::UnbondExecutor => self.unbond_executor(who.caller),
        }
    }
}
