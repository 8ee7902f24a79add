//! Why the market does not do what it was asked to. Codes are part of the protocol: they become
//! `ApiError::User(code)` of the deploy, so a number is never given to something else.

use girrona_types::{
    Height,
    market::{Filter, Motes},
};
use thiserror::Error;

/// A refusal. Whoever gets one finds the store as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum Refusal {
    #[error("the amount is 0; give at least 1 mote")]
    NothingToMove,
    #[error("the escrow has {has} motes unlocked, {needs} are needed; deposit more first")]
    EscrowShort { has: Motes, needs: Motes },
    #[error("`{field}` is {found}, the law allows {least} to {most}")]
    OutOfRange { field: &'static str, found: u64, least: u64, most: u64 },
    #[error("`{field}` has {found} entries or bytes, at most {most} are allowed")]
    TooLong { field: &'static str, found: u64, most: u64 },
    #[error("`{field}` is empty; it has to say something")]
    Empty { field: &'static str },
    #[error(
        "weights have to sum to 10000 with a price of 1000 at least; they sum to {sum}, price {price}"
    )]
    BadWeights { sum: u64, price: u64 },
    #[error("`{field}` names something twice")]
    Twice { field: &'static str },

    #[error("no provider is registered for this account; call register_provider first")]
    NoProvider,
    #[error("this account is a provider already; call update_provider")]
    AlreadyProvider,
    #[error("the provider cannot do this while it is {status}")]
    ProviderStatus { status: &'static str },
    #[error("the provider is jailed until height {until}")]
    Jailed { until: Height },
    #[error("the stake would be {left} motes, leases and status need {needs}")]
    StakeNeeded { left: Motes, needs: Motes },
    #[error("motes are on their way out already, until height {until}")]
    AlreadyLeaving { until: Height },
    #[error("the provider did not name this account as its operator")]
    NotNamedOperator,
    #[error("leases hold more of `{field}` than the new capacity has")]
    CapacityInUse { field: &'static str },
    #[error("nothing is earned; wait for a receipt to be paid")]
    NothingEarned,

    #[error("only Ed25519 keys in their 44-byte form are taken (got {length} bytes)")]
    KeyForm { length: u64 },
    #[error("the proof is no signature of the TLS key over this account; sign again with that key")]
    BadProof,
    #[error("this TLS key was registered before; make a new one")]
    KeyTaken,
    #[error("no such TLS key is registered for this account")]
    NoSuchKey,
    #[error("the TLS key is revoked, expired, or not for servers")]
    KeyNotValid,

    #[error("no such order")]
    NoSuchOrder,
    #[error("no such deployment")]
    NoSuchDeployment,
    #[error("only the tenant may do this")]
    NotTenant,
    #[error("the order takes no bids now; it is {state}")]
    OrderNotOpen { state: &'static str },
    #[error("bids are taken from the block after the order, from height {from}; it is now {now}")]
    BidTooEarly { from: Height, now: Height },
    #[error("bidding closed at height {closed_at}, it is now {now}")]
    BiddingClosed { closed_at: Height, now: Height },
    #[error("the order has all {most} bids that it takes")]
    TooManyBids { most: u64 },
    #[error("the bid does not suit the order: {reason:?}")]
    Unsuitable { reason: Filter },
    #[error("the order is sealed; bid with a commitment and reveal it after height {closes_at}")]
    NeedsCommitment { closes_at: Height },
    #[error("the order is open; bid with a price")]
    NeedsPrice,
    #[error("commitments are shown at height {at}, it is now {now}")]
    RevealOutOfTime { at: Height, now: Height },
    #[error("this provider has no commitment in the order, or showed it already")]
    NothingToReveal,
    #[error("price and salt do not make the commitment; give those it was made of")]
    WrongReveal,
    #[error("this provider declined or bid already")]
    AlreadyAnswered,
    #[error("the price is over the order's maximum of {most} motes a block")]
    PriceTooHigh { most: Motes },

    #[error("no such lease")]
    NoSuchLease,
    #[error("only the lease's provider may do this")]
    NotLeaseProvider,
    #[error("a lease that is {state} does not allow this")]
    WrongState { state: &'static str },
    #[error("the manifest's hash is not the ordered one")]
    ManifestDiffers,
    #[error("no access record for the service `{service}`; name every one that is public")]
    AccessMissing { service: String },
    #[error("`{address}` cannot be reached from everywhere; this network wants public addresses")]
    PrivateAddress { address: String },
    #[error("`{url}` is no URL with a scheme and a host")]
    BadUrl { url: String },
    #[error("the revision is {wanted}, {given} was given")]
    WrongRevision { wanted: u32, given: u32 },
    #[error("an update is under way; wait for it or let it expire")]
    UpdatePending,
    #[error("no update waits for this")]
    NoUpdate,
    #[error("the update changes nothing")]
    EmptyUpdate,
    #[error("the lease has no duration to extend; top it up")]
    NoDuration,
    #[error("a notice runs already, until height {until}")]
    ReclaimRunning { until: Height },
    #[error("the lease may be paused for {left} more blocks")]
    PauseTooLong { left: u64 },
    #[error("{funded} blocks would be paid for, {needs} are needed to resume; top up more")]
    ResumeShort { funded: u64, needs: u64 },
    #[error("only the tenant or a runner-up may report on a lease, once a heartbeat")]
    NotWatcher,

    #[error("the receipt's number is {given}, {wanted} is next")]
    ReceiptNumber { wanted: u64, given: u64 },
    #[error("the counter `{counter}` goes backwards")]
    CounterBackwards { counter: &'static str },
    #[error("`{counter}` grew by {grew}, the hardware can do {most} in that time")]
    AboveCapacity { counter: &'static str, grew: u64, most: u64 },
    #[error("the receipt costs {cost} motes, the tenant's cap for an interval is {cap}")]
    AboveCap { cost: Motes, cap: Motes },
    #[error("{most} receipts wait to be paid; wait for the first of them")]
    TooManyPending { most: u64 },
    #[error("no such receipt waits to be paid")]
    NoSuchReceipt,
    #[error("the receipt is disputed already")]
    AlreadyDisputed,
    #[error("the receipt is not disputed")]
    NotDisputed,
    #[error("the disputed counters are not lower than the receipt's")]
    NothingDisputed,

    #[error("the reward of period {period} cannot be claimed now, or there is none")]
    NoReward { period: u64 },
    #[error("the assembly has no price; its publisher has to set one")]
    NoPrice,
    #[error("only the publisher may change the price")]
    NotPublisher,
    #[error("the request was paid already")]
    AlreadyPaid,
    #[error("the request expired at height {at}")]
    RequestExpired { at: Height },
    #[error("the execution costs {cost} motes, {limit} were allowed")]
    AboveLimit { cost: Motes, limit: Motes },
    #[error("nobody who executed has the bond of {needs} motes")]
    NoBondedExecutor { needs: Motes },
    #[error("this account has no executor's bond")]
    NoExecutor,
}

impl Refusal {
    /// The stable number.
    pub const fn code(&self) -> u16 {
        match self {
            Self::NothingToMove => 1,
            Self::EscrowShort { .. } => 2,
            Self::OutOfRange { .. } => 3,
            Self::TooLong { .. } => 4,
            Self::Empty { .. } => 5,
            Self::BadWeights { .. } => 6,
            Self::Twice { .. } => 7,
            Self::NoProvider => 20,
            Self::AlreadyProvider => 21,
            Self::ProviderStatus { .. } => 22,
            Self::Jailed { .. } => 23,
            Self::StakeNeeded { .. } => 24,
            Self::AlreadyLeaving { .. } => 25,
            Self::NotNamedOperator => 26,
            Self::CapacityInUse { .. } => 27,
            Self::NothingEarned => 28,
            Self::KeyForm { .. } => 40,
            Self::BadProof => 41,
            Self::KeyTaken => 42,
            Self::NoSuchKey => 43,
            Self::KeyNotValid => 44,
            Self::NoSuchOrder => 60,
            Self::NoSuchDeployment => 61,
            Self::NotTenant => 62,
            Self::OrderNotOpen { .. } => 63,
            Self::BidTooEarly { .. } => 64,
            Self::BiddingClosed { .. } => 65,
            Self::TooManyBids { .. } => 66,
            Self::Unsuitable { .. } => 67,
            Self::NeedsCommitment { .. } => 68,
            Self::NeedsPrice => 69,
            Self::RevealOutOfTime { .. } => 70,
            Self::NothingToReveal => 71,
            Self::WrongReveal => 72,
            Self::AlreadyAnswered => 73,
            Self::PriceTooHigh { .. } => 74,
            Self::NoSuchLease => 80,
            Self::NotLeaseProvider => 81,
            Self::WrongState { .. } => 82,
            Self::ManifestDiffers => 83,
            Self::AccessMissing { .. } => 84,
            Self::PrivateAddress { .. } => 85,
            Self::BadUrl { .. } => 86,
            Self::WrongRevision { .. } => 87,
            Self::UpdatePending => 88,
            Self::NoUpdate => 89,
            Self::EmptyUpdate => 90,
            Self::NoDuration => 91,
            Self::ReclaimRunning { .. } => 92,
            Self::PauseTooLong { .. } => 93,
            Self::ResumeShort { .. } => 94,
            Self::NotWatcher => 95,
            Self::ReceiptNumber { .. } => 110,
            Self::CounterBackwards { .. } => 111,
            Self::AboveCapacity { .. } => 112,
            Self::AboveCap { .. } => 113,
            Self::TooManyPending { .. } => 114,
            Self::NoSuchReceipt => 115,
            Self::AlreadyDisputed => 116,
            Self::NotDisputed => 117,
            Self::NothingDisputed => 118,
            Self::NoReward { .. } => 130,
            Self::NoPrice => 131,
            Self::NotPublisher => 132,
            Self::AlreadyPaid => 133,
            Self::RequestExpired { .. } => 134,
            Self::AboveLimit { .. } => 135,
            Self::NoBondedExecutor { .. } => 136,
            Self::NoExecutor => 137,
        }
    }
}
