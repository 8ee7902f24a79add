//! Bids and what is withdrawn from them: reading, writing, and the steps that several methods
//! share.

use casper_types::{
    Key, PublicKey, StoredValue, U512, URef,
    account::AccountHash,
    system::auction::{Bid, Delegator, Error as AuctionError, UnbondingPurse},
};

use super::{Answer, index, records};
use crate::{error::Error, ledger::Ledger};

/// A validator's bid.
pub(crate) fn bid(ledger: &mut Ledger<'_>, validator: &AccountHash) -> Result<Option<Bid>, Error> {
    let key = Key::Bid(*validator);
    match ledger.view.read(&key)?.as_deref() {
        None => Ok(None),
        Some(StoredValue::Bid(bid)) => Ok(Some(bid.as_ref().clone())),
        Some(other) => Err(Error::corrupt(&key, other, "Bid")),
    }
}

/// Writes a bid, and keeps the list of bidders true.
pub(crate) fn put_bid(ledger: &mut Ledger<'_>, bid: Bid) -> Result<(), Error> {
    index::note_bid(ledger, &bid)?;
    let key = Key::Bid(bid.validator_public_key().to_account_hash());
    ledger.view.write(key, StoredValue::Bid(Box::new(bid)));
    Ok(())
}

/// What is being withdrawn from a validator and its delegators.
pub(super) fn unbonds(
    ledger: &mut Ledger<'_>,
    validator: &AccountHash,
) -> Result<Vec<UnbondingPurse>, Error> {
    let key = Key::Unbond(*validator);
    match ledger.view.read(&key)?.as_deref() {
        None => Ok(Vec::new()),
        Some(StoredValue::Unbonding(list)) => Ok(list.clone()),
        Some(other) => Err(Error::corrupt(&key, other, "Unbonding")),
    }
}

/// Replaces what is being withdrawn; an empty list is no record.
pub(super) fn put_unbonds(
    ledger: &mut Ledger<'_>,
    validator: AccountHash,
    list: Vec<UnbondingPurse>,
) {
    let key = Key::Unbond(validator);
    if list.is_empty() {
        ledger.view.prune(key);
    } else {
        ledger.view.write(key, StoredValue::Unbonding(list));
    }
}

/// A wish to take motes out of a stake.
#[derive(Clone, Debug)]
pub(crate) struct Unbond<'u> {
    /// The purse that holds them.
    pub(crate) purse: URef,
    /// Whose bid it is about.
    pub(crate) validator: &'u PublicKey,
    /// Whose motes they are.
    pub(crate) unbonder: &'u PublicKey,
    /// Motes.
    pub(crate) amount: U512,
    /// Who gets them as a delegation when their time has come.
    pub(crate) new_validator: Option<&'u PublicKey>,
}

/// Queues a withdrawal. Casper lists each wish by itself; here those of one person, purse and era
/// are one, so that nobody makes the list long with wishes for single motes.
pub(crate) fn queue_unbond(ledger: &mut Ledger<'_>, wish: &Unbond<'_>) -> Answer<()> {
    if ledger.balance(wish.purse.addr())?.unwrap_or_default() < wish.amount {
        return Err(AuctionError::UnbondTooLarge.into());
    }
    if wish.amount.is_zero() {
        return Ok(());
    }
    let era = records::era_id(ledger)?;
    let validator = wish.validator.to_account_hash();
    let mut list = unbonds(ledger, &validator)?;
    let same = list.iter_mut().find(|other| {
        other.era_of_creation() == era
            && other.unbonder_public_key() == wish.unbonder
            && other.bonding_purse() == &wish.purse
            && other.new_validator().as_ref() == wish.new_validator
    });
    match same {
        Some(other) => {
            let sum = other.amount().checked_add(wish.amount);
            other.with_amount(sum.ok_or(AuctionError::InvalidAmount)?);
        }
        None => list.push(UnbondingPurse::new(
            wish.purse,
            wish.validator.clone(),
            wish.unbonder.clone(),
            era,
            wish.amount,
            wish.new_validator.cloned(),
        )),
    }
    put_unbonds(ledger, validator, list);
    index::note_unbond(ledger, era, validator)?;
    Ok(())
}

/// The purse that holds a delegator's stake with a validator.
pub(crate) fn purse_of(bid: &Bid, delegator: &PublicKey) -> Option<URef> {
    bid.delegators().get(delegator).map(|delegator| *delegator.bonding_purse())
}

/// Writes down motes that were put into `purse` for a delegator; gives its stake.
pub(crate) fn credit_delegator(
    bid: &mut Bid,
    delegator: &PublicKey,
    purse: URef,
    amount: U512,
) -> Result<U512, AuctionError> {
    let validator = bid.validator_public_key().clone();
    match bid.delegators_mut().get_mut(delegator) {
        Some(known) => known.increase_stake(amount),
        None => {
            let known = Delegator::unlocked(delegator.clone(), amount, purse, validator);
            bid.delegators_mut().insert(delegator.clone(), known);
            Ok(amount)
        }
    }
}
