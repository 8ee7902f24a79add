//! What happens in the market, as everybody hears of it. Each change of a state is one event; their
//! names are those of the documents that describe the system.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::Digest;
use serde::{Deserialize, Serialize};

use super::{
    Access, AccountId, Auction, CloseReason, Decline, DeploymentId, Filter, Hash32, LeaseFailure,
    LeaseId, Motes, OrderEnd, OrderId, ProviderStatus,
};
use crate::units::Height;

/// One thing that happened. In JSON, `event` is its name in capitals and the rest lies beside it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "docs/spec/market.md has a table of them")]
pub enum MarketEvent {
    EscrowDeposited {
        account: AccountId,
        amount: Motes,
    },
    EscrowWithdrawn {
        account: AccountId,
        amount: Motes,
    },
    ProviderRegistered {
        provider: AccountId,
        status: ProviderStatus,
    },
    ProviderUpdated {
        provider: AccountId,
    },
    ProviderStatusChanged {
        provider: AccountId,
        status: ProviderStatus,
    },
    ProviderSlashed {
        provider: AccountId,
        lease: LeaseId,
        amount: Motes,
        burnt: Motes,
    },
    ProviderAttested {
        provider: AccountId,
        auditor: AccountId,
    },
    StakeChanged {
        provider: AccountId,
        stake: Motes,
    },
    CertRegistered {
        account: AccountId,
        spki: Hash32,
        server: bool,
    },
    CertRevoked {
        account: AccountId,
        spki: Hash32,
    },

    /// A window of bidding opens; bids are taken from the next block to `closes_at`.
    ProviderLookup {
        order: OrderId,
        deployment: DeploymentId,
        tenant: AccountId,
        attempt: u32,
        manifest_hash: Hash32,
        max_price: Motes,
        closes_at: Height,
        matches_at: Height,
        auction: Auction,
    },
    /// A bid: its price, or what it commits to.
    CreateBid {
        order: OrderId,
        provider: AccountId,
        price: Option<Motes>,
        commit: Option<Hash32>,
    },
    BidRevealed {
        order: OrderId,
        provider: AccountId,
        price: Motes,
    },
    BidForfeited {
        order: OrderId,
        provider: AccountId,
        burnt: Motes,
    },
    BidDeclined {
        order: OrderId,
        provider: AccountId,
        reason: Decline,
    },
    OrderMatched {
        order: OrderId,
        lease: LeaseId,
        winner: AccountId,
        price: Motes,
        score: u32,
        explanation: Hash32,
        seed: Hash32,
    },
    /// No eligible bid; the next window, if there is one, opens at `opens_at`.
    NoBids {
        order: OrderId,
        rejected: BTreeMap<Filter, u32>,
        declined: BTreeMap<Decline, u32>,
        next: Option<OrderId>,
        opens_at: Option<Height>,
    },
    OrderFailed {
        order: OrderId,
        reason: OrderEnd,
    },
    OrderClosed {
        order: OrderId,
        reason: OrderEnd,
    },

    /// The provider is to reserve what was ordered.
    CreateLease {
        lease: LeaseId,
        order: OrderId,
        deployment: DeploymentId,
        tenant: AccountId,
        provider: AccountId,
        price: Motes,
        reserve_by: Height,
        runner_ups: Vec<AccountId>,
    },
    LeaseReady {
        lease: LeaseId,
        gateway: String,
        server_key: Hash32,
        manifest_by: Height,
    },
    LeaseFailed {
        lease: LeaseId,
        reason: LeaseFailure,
        slashed: Motes,
        next: Option<LeaseId>,
    },
    ManifestAccepted {
        lease: LeaseId,
        manifest_hash: Hash32,
        confirm_by: Height,
    },
    /// The server runs and can be reached; billing starts.
    DeploymentConfirmed {
        lease: LeaseId,
        revision: u32,
        price: Motes,
        access: Vec<Access>,
        funded_until: Height,
    },
    UsageRecorded {
        lease: LeaseId,
        seq: u64,
        amount: Motes,
        payable_at: Height,
    },
    UsageRefused {
        lease: LeaseId,
        seq: u64,
        code: u16,
    },
    UsageDisputed {
        lease: LeaseId,
        seq: u64,
        frozen: Motes,
        settle_by: Height,
    },
    UsagePaid {
        lease: LeaseId,
        seq: u64,
        amount: Motes,
    },
    DisputeEnded {
        lease: LeaseId,
        seq: u64,
        to_provider: Motes,
        to_tenant: Motes,
        burnt: Motes,
    },
    PaymentWithdrawn {
        provider: AccountId,
        amount: Motes,
    },
    EscrowToppedUp {
        lease: LeaseId,
        by: AccountId,
        amount: Motes,
    },
    EscrowLow {
        lease: LeaseId,
        blocks_left: u64,
    },
    DurationExtended {
        lease: LeaseId,
        ends_at: Height,
    },
    /// The tenant wants another revision. `accept_by` is absent when no answer is needed.
    UpdateLease {
        lease: LeaseId,
        revision: u32,
        manifest_hash: Hash32,
        max_price: Motes,
        accept_by: Option<Height>,
        apply_by: Option<Height>,
    },
    UpdateAccepted {
        lease: LeaseId,
        revision: u32,
        price: Motes,
        apply_by: Height,
    },
    UpdateRejected {
        lease: LeaseId,
        revision: u32,
        reason: Decline,
    },
    UpdateExpired {
        lease: LeaseId,
        revision: u32,
    },
    /// The new revision runs, at its price.
    LeaseUpdated {
        lease: LeaseId,
        revision: u32,
        price: Motes,
        access: Vec<Access>,
    },
    /// The workload is to stop; billing stopped.
    CloseLease {
        lease: LeaseId,
        reason: CloseReason,
        ack_by: Height,
    },
    LeaseClosed {
        lease: LeaseId,
        reason: CloseReason,
        paid: Motes,
        refunded: Motes,
    },
    ReclaimStarted {
        lease: LeaseId,
        until: Height,
        reason: Decline,
    },
    LeasePaused {
        lease: LeaseId,
        until: Height,
    },
    LeaseUnpaused {
        lease: LeaseId,
    },
    LivenessReported {
        lease: LeaseId,
        by: AccountId,
        alive: bool,
    },
    LeaseDegraded {
        lease: LeaseId,
        by_probes: bool,
        lost_at: Height,
    },
    LeaseRecovered {
        lease: LeaseId,
    },
    EscrowExhausted {
        lease: LeaseId,
        at: Height,
    },
    LeaseSuspended {
        lease: LeaseId,
        until: Height,
    },
    LeaseResumed {
        lease: LeaseId,
        funded_until: Height,
    },

    RewardPaid {
        provider: AccountId,
        period: u64,
        amount: Motes,
    },
    RewardsOpened {
        period: u64,
        pool: Motes,
    },
    AssemblyPriced {
        assembly: Hash32,
        publisher: AccountId,
    },
    ExecutionPaid {
        request: Hash32,
        payer: AccountId,
        amount: Motes,
    },
    ExecutionRefused {
        request: Hash32,
        code: u16,
    },
    ExecutorBonded {
        executor: AccountId,
        bond: Motes,
    },
    ExecutorSlashed {
        executor: AccountId,
        burnt: Motes,
    },
}

impl MarketEvent {
    /// Its name in JSON.
    pub fn name(&self) -> String {
        let named = serde_json::to_value(self).ok();
        let name =
            named.as_ref().and_then(|value| value.get("event")).and_then(|name| name.as_str());
        name.unwrap_or_default().to_owned()
    }

    /// What the state commits to: blake2b-256 of `girrona/market/event/1` and the borsh bytes.
    pub fn hash(&self) -> Hash32 {
        let mut bytes = b"girrona/market/event/1".to_vec();
        // A vector takes every byte.
        let _ = self.serialize_into(&mut bytes);
        Hash32(Digest::hash(bytes).value())
    }

    fn serialize_into(&self, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        BorshSerialize::serialize(self, bytes)
    }

    /// The lease that it is about, if it is about one.
    pub fn lease(&self) -> Option<LeaseId> {
        match self {
            Self::ProviderSlashed { lease, .. }
            | Self::OrderMatched { lease, .. }
            | Self::CreateLease { lease, .. }
            | Self::LeaseReady { lease, .. }
            | Self::LeaseFailed { lease, .. }
            | Self::ManifestAccepted { lease, .. }
            | Self::DeploymentConfirmed { lease, .. }
            | Self::UsageRecorded { lease, .. }
            | Self::UsageRefused { lease, .. }
            | Self::UsageDisputed { lease, .. }
            | Self::UsagePaid { lease, .. }
            | Self::DisputeEnded { lease, .. }
            | Self::EscrowToppedUp { lease, .. }
            | Self::EscrowLow { lease, .. }
            | Self::DurationExtended { lease, .. }
            | Self::UpdateLease { lease, .. }
            | Self::UpdateAccepted { lease, .. }
            | Self::UpdateRejected { lease, .. }
            | Self::UpdateExpired { lease, .. }
            | Self::LeaseUpdated { lease, .. }
            | Self::CloseLease { lease, .. }
            | Self::LeaseClosed { lease, .. }
            | Self::ReclaimStarted { lease, .. }
            | Self::LeasePaused { lease, .. }
            | Self::LeaseUnpaused { lease }
            | Self::LivenessReported { lease, .. }
            | Self::LeaseDegraded { lease, .. }
            | Self::LeaseRecovered { lease }
            | Self::EscrowExhausted { lease, .. }
            | Self::LeaseSuspended { lease, .. }
            | Self::LeaseResumed { lease, .. } => Some(*lease),
            _ => None,
        }
    }

    /// The order that it is about, if it is about one.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            Self::ProviderLookup { order, .. }
            | Self::CreateBid { order, .. }
            | Self::BidRevealed { order, .. }
            | Self::BidForfeited { order, .. }
            | Self::BidDeclined { order, .. }
            | Self::OrderMatched { order, .. }
            | Self::NoBids { order, .. }
            | Self::OrderFailed { order, .. }
            | Self::OrderClosed { order, .. }
            | Self::CreateLease { order, .. } => Some(*order),
            _ => None,
        }
    }
}
