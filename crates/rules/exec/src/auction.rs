//! The auction: who stakes what, whose stakes make them validators, who is paid for it.
//!
//! The rules and the records are Casper 1.5's. Methods that guests and deploys call are in
//! `runtime/auction.rs`; what happens at the end of an era is in `era`; what is stored and where is
//! in `records`; the lists that stand for what cannot be scanned are in `index`.
//!
//! A bonding purse always holds the stake and what was withdrawn from it and is not paid yet.

pub(crate) mod bids;
pub(crate) mod era;
pub(crate) mod index;
pub(crate) mod records;

use std::collections::BTreeMap;

use casper_types::{
    ApiError, EraId, Key, PublicKey, U512,
    system::{
        auction::{self, Bid},
        mint,
    },
};
use girrona_state::{Reader, View};

pub use era::{EraOutcome, EraReport};

use crate::{error::Error, ledger::Ledger};

/// Validators of an era with their total stakes in motes.
pub type Weights = BTreeMap<PublicKey, U512>;

/// Why a method of the auction did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The node cannot go on.
    Node(Error),
    /// The caller gets this.
    Refused(ApiError),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Node(error)
    }
}

impl From<auction::Error> for Halt {
    fn from(error: auction::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<mint::Error> for Halt {
    fn from(error: mint::Error) -> Self {
        Self::Refused(error.into())
    }
}

/// What a method of the auction gives.
pub(crate) type Answer<T> = Result<T, Halt>;

/// The validators of the era that `state` is in and of those that are settled already.
///
/// # Errors
/// When the state cannot be read.
pub fn era_validators(state: &dyn Reader) -> Result<BTreeMap<EraId, Weights>, Error> {
    let mut ledger = Ledger::new(View::new(state));
    records::weights(&records::snapshot(&mut ledger)?)
}

/// The key of the list that names a bidder, among others.
pub fn listed_at(bidder: &PublicKey) -> Key {
    girrona_types::keys::normalised(&index::bucket(&bidder.to_account_hash()))
}

/// Every bid with a stake, evicted ones too, ordered by key.
///
/// # Errors
/// When the state cannot be read.
pub fn bids(state: &dyn Reader) -> Result<Vec<Bid>, Error> {
    let mut ledger = Ledger::new(View::new(state));
    let bidders = index::bidders(&mut ledger)?;
    let mut found = Vec::with_capacity(bidders.len());
    for bidder in bidders.keys() {
        found.extend(bids::bid(&mut ledger, &bidder.to_account_hash())?);
    }
    Ok(found)
}
