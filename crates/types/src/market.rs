//! The words of the market: its law, its ids, its money, and what it tells the world.
//!
//! Knows: names, units and their bytes. Does not know: what is allowed when; that is
//! `girrona-market`.

mod event;
mod law;

use std::{fmt, net::IpAddr};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub use event::MarketEvent;
pub use law::MarketLaw;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
        )]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(self.0))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as Deserialize>::deserialize(deserializer)?;
                let digits = text.strip_prefix($prefix).ok_or_else(|| {
                    D::Error::custom(format!(concat!("`{}` does not begin with `", $prefix, "`"), text))
                })?;
                let mut bytes = [0; 32];
                hex::decode_to_slice(digits, &mut bytes).map_err(D::Error::custom)?;
                Ok(Self(bytes))
            }
        }
    };
}

id_type! {
    /// An account by its hash, written as Casper writes it.
    AccountId, "account-hash-"
}
id_type! {
    /// What a tenant wants to run. Stays the same through every order and lease that serves it.
    DeploymentId, ""
}
id_type! {
    /// One bidding window of a deployment.
    OrderId, ""
}
id_type! {
    /// One provider's obligation to run a deployment.
    LeaseId, ""
}
id_type! {
    /// A hash that somebody else gives meaning to: a manifest, a log, a key, a request.
    Hash32, ""
}

/// Money, in motes (10^-9 GIRRO). 128 bits: the law keeps the supply under 2^90 motes and prices
/// under 2^63, so a price times any number of blocks fits, and a record costs 16 bytes. Text is
/// decimal, as Casper writes its amounts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize,
)]
pub struct Motes(pub u128);

impl Motes {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Motes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Motes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Motes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?
            .parse()
            .map(Self)
            .map_err(D::Error::custom)
    }
}

/// Whether bids show their price at once.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Auction {
    /// Bids carry their price.
    Open,
    /// Bids carry the hash of their price; one block after the window is for showing it.
    Sealed,
}

/// Where a service of a confirmed deployment can be reached.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Access {
    /// The service's name in the manifest.
    pub service: String,
    /// How many copies run.
    pub replicas: u32,
    /// Addresses.
    pub ips: Vec<IpAddr>,
    /// Ports.
    pub ports: Vec<Port>,
    /// URLs.
    pub urls: Vec<String>,
}

/// A port of a service.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Port {
    /// Inside.
    pub container: u16,
    /// As seen from outside.
    pub external: u16,
    /// How it is spoken to.
    pub protocol: Protocol,
}

/// What a port speaks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Whether a provider takes part.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ProviderStatus {
    /// Known; has not enough stake to bid.
    Registered,
    /// May bid.
    Active,
    /// Runs its leases, takes no new ones.
    Maintenance,
    /// Was punished too often; may not bid for a while.
    Jailed,
    /// Left.
    Deactivated,
}

/// Why a bid does not take part in a match. Numbers are stable.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Filter {
    /// The provider is not active.
    ProviderInactive = 1,
    /// It is under maintenance.
    Maintenance = 2,
    /// It is jailed.
    Jailed = 3,
    /// It has no valid server certificate.
    NoCert = 4,
    /// The bid is over the order's maximum.
    PriceAboveMax = 5,
    /// An attribute that the order asks for is missing or different.
    AttrMismatch = 6,
    /// An attribute is not attested by an auditor that the order names.
    UnsignedAttr = 7,
    /// The order excludes its region.
    RegionExcluded = 8,
    /// The order names providers, and this is none of them.
    NotDesired = 9,
    /// Its tier is worse than the order allows.
    Tier = 10,
    /// Its stake is under the order's or the law's minimum.
    StakeLow = 11,
    /// It has not enough left of what the order needs.
    Capacity = 12,
    /// Another bid of the same operator is better, or the tenant is the operator.
    SameOperator = 13,
    /// It does not run what the order needs run.
    RuntimeUnsupported = 14,
    /// It cannot put up the lease's bond.
    Bond = 15,
    /// The order or an earlier failure excludes it.
    Excluded = 16,
    /// A sealed bid was never shown.
    Unrevealed = 17,
    /// Its notice before it closes is shorter than the order asks for.
    ReclaimWindow = 18,
}

/// Why a provider does not bid. Numbers are stable.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Decline {
    /// Not enough free.
    Capacity = 1,
    /// It would cost more than the order pays.
    Price = 2,
    /// It does not run this kind of workload.
    Runtime = 3,
    /// Lacks an attribute.
    Attributes = 4,
    /// Does not serve this tenant, image or content.
    Policy = 5,
    /// The artefact could not be fetched.
    Artefact = 6,
    /// Something else.
    Other = 7,
}

/// Why an order ended without a lease.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum OrderEnd {
    /// The tenant took it back.
    Cancelled,
    /// Nobody eligible bid in any of its windows.
    NoBids,
    /// The tenant's money does not cover another window.
    InsufficientFunds,
}

/// Why a lease failed before it was confirmed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LeaseFailure {
    /// The provider did not say in time that it reserved what was ordered.
    NoReserve,
    /// The provider gave the lease back.
    Rejected,
    /// The provider took the manifest and did not confirm in time.
    NoConfirm,
}

/// Why a lease was closed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The tenant closed it.
    Tenant,
    /// The provider closed it.
    Provider,
    /// The tenant never sent the manifest.
    ManifestTimeout,
    /// Its time ended.
    Expired,
    /// Its money ended, and nobody gave more in time.
    InsufficientFunds,
    /// The provider was not heard of.
    ProviderLost,
}

/// The components of a score, each in basis points, in the order of [`COMPONENTS`].
pub type Points = [u16; 7];

/// What a score is made of.
pub const COMPONENTS: [&str; 7] =
    ["price", "uptime", "reputation", "locality", "tier", "stake", "capacity"];

/// The counters of a usage receipt, cumulative since the deployment was confirmed.
pub type Counters = [u64; 6];

/// What is counted.
pub const COUNTERS: [&str; 6] =
    ["cpu_ms", "memory_mib_s", "egress_mib", "ingress_mib", "requests", "wasm_mfuel"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_motes_are_text_in_json() {
        let account = AccountId([1; 32]);
        let text = serde_json::to_string(&account).unwrap();
        assert_eq!(text, format!("\"account-hash-{}\"", "01".repeat(32)));
        assert_eq!(serde_json::from_str::<AccountId>(&text).unwrap(), account);
        assert!(serde_json::from_str::<AccountId>("\"0101\"").is_err());
        assert_eq!(serde_json::to_string(&Motes(u128::MAX)).unwrap(), format!("\"{}\"", u128::MAX));
        assert_eq!(serde_json::from_str::<Motes>("\"5\"").unwrap(), Motes(5));
    }

    #[test]
    fn events_carry_the_seeds_names() {
        let event = MarketEvent::LeaseClosed {
            lease: LeaseId([2; 32]),
            reason: CloseReason::Tenant,
            paid: Motes(3),
            refunded: Motes(4),
        };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["event"], "LEASE_CLOSED");
        assert_eq!(json["reason"], "tenant");
        assert_eq!(json["paid"], "3");
        assert_eq!(serde_json::from_value::<MarketEvent>(json).unwrap(), event);
        assert_eq!(event.name(), "LEASE_CLOSED");
    }
}
