//! Where records are: a key for each, and the three things that are done with them.

use casper_types::Digest;
use girrona_types::{
    Height,
    market::{AccountId, DeploymentId, Hash32, LeaseId, OrderId},
};

/// Whatever keeps the market's records. An error means that the state cannot be read, never that a
/// record is absent; it is passed through and the node stops.
pub trait Store {
    /// Why the state could not be reached.
    type Error;

    /// The bytes of a record.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn get(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Writes a record.
    ///
    /// # Errors
    /// When the state cannot be written.
    fn put(&mut self, key: &Key, bytes: Vec<u8>) -> Result<(), Self::Error>;

    /// Removes a record, if it is there.
    ///
    /// # Errors
    /// When the state cannot be written.
    fn remove(&mut self, key: &Key) -> Result<(), Self::Error>;
}

/// Which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// An account's money: [`crate::Escrow`].
    Escrow(AccountId),
    /// [`crate::Provider`].
    Provider(AccountId),
    /// What a provider earned: [`crate::Earnings`].
    Earnings(AccountId),
    /// What an auditor says of a provider: [`crate::Attestation`].
    Attestation(AccountId, AccountId),
    /// A TLS key: [`crate::Certificate`].
    Certificate(Hash32),
    /// [`crate::Deployment`].
    Deployment(DeploymentId),
    /// [`crate::Order`].
    Order(OrderId),
    /// [`crate::Bid`].
    Bid(OrderId, AccountId),
    /// Why an order was matched as it was: [`crate::Explanation`].
    Explanation(OrderId),
    /// [`crate::Lease`].
    Lease(LeaseId),
    /// How many entries a height's queue has.
    QueueLength(Height),
    /// A page of a height's queue.
    QueuePage(Height, u64),
    /// Where the step left off.
    Cursor,
    /// What the fees came to, and is not shared out yet.
    Pool,
    /// A period of rewards: [`crate::Period`].
    Period(u64),
    /// What executing an assembly costs: [`crate::AssemblyTerms`].
    Assembly(Hash32),
    /// [`crate::Executor`].
    Executor(AccountId),
    /// That a request was paid.
    Paid(Hash32),
}

impl Key {
    /// Where the record is in the state: blake2b-256 of `girrona/market/`, the kind's name, and the
    /// parts.
    pub fn address(&self) -> [u8; 32] {
        let mut bytes = b"girrona/market/".to_vec();
        let mut say = |name: &str, parts: &[&[u8]]| {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            for part in parts {
                bytes.extend_from_slice(part);
            }
        };
        match self {
            Self::Escrow(account) => say("escrow", &[&account.0]),
            Self::Provider(account) => say("provider", &[&account.0]),
            Self::Earnings(account) => say("earnings", &[&account.0]),
            Self::Attestation(provider, auditor) => {
                say("attestation", &[&provider.0, &auditor.0]);
            }
            Self::Certificate(spki) => say("certificate", &[&spki.0]),
            Self::Deployment(id) => say("deployment", &[&id.0]),
            Self::Order(id) => say("order", &[&id.0]),
            Self::Bid(order, provider) => say("bid", &[&order.0, &provider.0]),
            Self::Explanation(order) => say("explanation", &[&order.0]),
            Self::Lease(id) => say("lease", &[&id.0]),
            Self::QueueLength(height) => say("queue", &[&height.0.to_le_bytes()]),
            Self::QueuePage(height, page) => {
                say("queue/page", &[&height.0.to_le_bytes(), &page.to_le_bytes()]);
            }
            Self::Cursor => say("cursor", &[]),
            Self::Pool => say("pool", &[]),
            Self::Period(number) => say("period", &[&number.to_le_bytes()]),
            Self::Assembly(id) => say("assembly", &[&id.0]),
            Self::Executor(account) => say("executor", &[&account.0]),
            Self::Paid(request) => say("paid", &[&request.0]),
        }
        Digest::hash(bytes).value()
    }
}
