//! Purses of one deploy: who has what, and how motes move.
//!
//! The payment purse is local to the deploy: its balance is kept here, starts at zero and ends at
//! zero, and the state never hears of it, so deploys do not meet in it. The effects show it as
//! Casper does.

use std::sync::Arc;

use casper_types::{
    AccessRights, CLType, CLValue, Key, StoredValue, U512, URef, URefAddr,
    bytesrepr::{self, FromBytes},
    system::mint,
};
use girrona_state::{Delta, Mark, Operation, View};

use crate::{
    error::{Error, MintResult},
    system::SYSTEM,
};

/// The state as a deploy sees it, with its purses.
#[derive(Debug)]
pub(crate) struct Ledger<'a> {
    /// Everything but the payment purse.
    pub(crate) view: View<'a>,
    /// What is in the payment purse.
    pub(crate) paid: U512,
    /// What the deploy destroyed.
    pub(crate) burnt: U512,
    /// Where payment code wants the refund; the main purse when it does not say.
    pub(crate) refund: Option<URef>,
}

/// How much the running code may take out of the account's main purse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// The purse that it is about.
    pub(crate) main_purse: URefAddr,
    /// What is left, in motes.
    pub(crate) left: U512,
}

/// A moment in a ledger's history, to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    mark: Mark,
    paid: U512,
    burnt: U512,
    refund: Option<URef>,
}

impl<'a> Ledger<'a> {
    /// A ledger on which nothing happened yet.
    pub(crate) const fn new(view: View<'a>) -> Self {
        Self { view, paid: U512::zero(), burnt: U512::zero(), refund: None }
    }

    /// This moment.
    pub(crate) const fn moment(&self) -> Moment {
        Moment {
            mark: self.view.checkpoint(),
            paid: self.paid,
            burnt: self.burnt,
            refund: self.refund,
        }
    }

    /// Undoes everything since a moment.
    pub(crate) fn rollback(&mut self, moment: Moment) {
        self.view.rollback(moment.mark);
        self.paid = moment.paid;
        self.burnt = moment.burnt;
        self.refund = moment.refund;
    }

    /// What is in a purse; `None` when there is no such purse.
    pub(crate) fn balance(&mut self, purse: URefAddr) -> Result<Option<U512>, Error> {
        if purse == SYSTEM.payment_purse {
            return Ok(Some(self.paid));
        }
        let key = Key::Balance(purse);
        match self.view.read(&key)? {
            Some(value) => Ok(Some(number(&key, &value)?)),
            None => Ok(None),
        }
    }

    /// Sets what is in a purse.
    pub(crate) fn set_balance(&mut self, purse: URefAddr, motes: U512) -> Result<(), Error> {
        let value = StoredValue::CLValue(CLValue::from_t(motes)?);
        if purse == SYSTEM.payment_purse {
            self.paid = motes;
            self.view.note(SYSTEM.payment_balance(), Operation::Write(Arc::new(value)));
        } else {
            self.view.write(Key::Balance(purse), value);
        }
        Ok(())
    }

    /// Puts motes into a purse that exists, without looking at it.
    pub(crate) fn credit(&mut self, purse: URefAddr, motes: U512) -> Result<(), Error> {
        if purse == SYSTEM.payment_purse {
            self.paid = self.paid.checked_add(motes).ok_or(Error::Supply)?;
            self.view.note(SYSTEM.payment_balance(), Operation::Add(Delta::U512(motes)));
            return Ok(());
        }
        Ok(self.view.add(Key::Balance(purse), Delta::U512(motes))?)
    }

    /// Destroys motes that were taken out of a purse before.
    pub(crate) fn burn(&mut self, motes: U512) -> Result<(), Error> {
        self.burnt = self.burnt.checked_add(motes).ok_or(Error::Supply)?;
        Ok(())
    }

    /// What one round of an era would mint: the round's share of the supply, rounded down.
    pub(crate) fn base_round_reward(&mut self) -> Result<U512, Error> {
        let key = SYSTEM.total_supply_key();
        let supply = self.view.read(&key)?.ok_or_else(|| Error::missing(key))?;
        let supply = number(&key, &supply)?;
        let key = SYSTEM.round_seigniorage_key();
        let rate = self.view.read(&key)?.ok_or_else(|| Error::missing(key))?;
        let StoredValue::CLValue(rate) = rate.as_ref() else {
            return Err(Error::corrupt(&key, &rate, "Ratio<U512>"));
        };
        let (numerator, denominator): (U512, U512) = rate.to_t()?;
        let product = supply.checked_mul(numerator).ok_or(Error::Supply)?;
        Ok(product.checked_div(denominator).unwrap_or_default())
    }

    /// A new empty purse at an address that was never used.
    pub(crate) fn create_purse(&mut self, address: URefAddr) -> Result<URef, Error> {
        let purse = URef::new(address, AccessRights::READ_ADD_WRITE);
        self.view.write(Key::URef(purse), StoredValue::CLValue(CLValue::unit()));
        self.set_balance(address, U512::zero())?;
        Ok(purse)
    }

    /// Moves motes from purse to purse by the mint's rules.
    pub(crate) fn transfer(
        &mut self,
        allowance: &mut Allowance,
        source: URef,
        target: URef,
        motes: U512,
    ) -> MintResult<()> {
        if !source.is_readable() || !source.is_writeable() || !target.is_addable() {
            return Ok(Err(mint::Error::InvalidAccessRights));
        }
        let Some(balance) = self.balance(source.addr())? else {
            return Ok(Err(mint::Error::SourceNotFound));
        };
        let Some(rest) = balance.checked_sub(motes) else {
            return Ok(Err(mint::Error::InsufficientFunds));
        };
        if self.balance(target.addr())?.is_none() {
            return Ok(Err(mint::Error::DestNotFound));
        }
        if source.addr() == allowance.main_purse {
            match allowance.left.checked_sub(motes) {
                Some(left) => allowance.left = left,
                None => return Ok(Err(mint::Error::UnapprovedSpendingAmount)),
            }
        }
        self.set_balance(source.addr(), rest)?;
        self.credit(target.addr(), motes)?;
        Ok(Ok(()))
    }
}

/// The `U512` that is stored under a key.
pub(crate) fn number(key: &Key, value: &StoredValue) -> Result<U512, Error> {
    let value = match value {
        StoredValue::CLValue(value) if *value.cl_type() == CLType::U512 => value,
        other => return Err(Error::corrupt(key, other, "U512")),
    };
    match U512::from_bytes(value.inner_bytes()) {
        Ok((number, [])) => Ok(number),
        Ok(_) => Err(Error::decode(key, bytesrepr::Error::LeftOverBytes)),
        Err(source) => Err(Error::decode(key, source)),
    }
}
