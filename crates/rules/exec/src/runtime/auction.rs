//! The auction's methods, as guests and deploys call them.
//!
//! Only session code that a deploy brings, and a deploy that names the auction itself, may stake
//! or withdraw, and only for the account that the deploy is of.

use casper_types::{
    CLValue, PublicKey, RuntimeArgs, U512, URef,
    system::{
        CallStackElement,
        auction::{self, Bid, DELEGATION_RATE_DENOMINATOR, Error as Refusal},
    },
};
use girrona_types::chainspec::CoreConfig;
use girrona_vm::{Gas, Trap};

use super::{
    Runtime,
    native::{arg, value},
};
use crate::{
    auction::{
        Answer, Halt,
        bids::{self, Unbond},
        records,
    },
    error::Error,
    system::SYSTEM,
};

/// What Casper 1.5 calls the argument of `activate_bid`.
const ARG_VALIDATOR_PUBLIC_KEY: &str = "validator_public_key";

/// A delegator's wish.
struct Delegation {
    delegator: PublicKey,
    validator: PublicKey,
    amount: U512,
}

impl Delegation {
    fn read(args: &RuntimeArgs) -> Result<Self, Trap> {
        Ok(Self {
            delegator: arg(args, auction::ARG_DELEGATOR)?,
            validator: arg(args, auction::ARG_VALIDATOR)?,
            amount: arg(args, auction::ARG_AMOUNT)?,
        })
    }
}

impl Runtime<'_, '_> {
    pub(super) fn call_auction(
        &mut self,
        method: &str,
        args: &RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        let costs = &self.job.law().system_costs.auction_costs;
        match method {
            auction::METHOD_GET_ERA_VALIDATORS => {
                gas.charge(costs.get_era_validators.into())?;
                let eras = records::snapshot(self.ledger).and_then(|all| records::weights(&all));
                value(eras.map_err(|error| self.fault(error))?)
            }
            auction::METHOD_READ_ERA_ID => {
                gas.charge(costs.read_era_id.into())?;
                let era = records::era_id(self.ledger);
                value(era.map_err(|error| self.fault(error))?)
            }
            auction::METHOD_ADD_BID => {
                gas.charge(costs.add_bid)?;
                let public_key = arg(args, auction::ARG_PUBLIC_KEY)?;
                let rate = arg(args, auction::ARG_DELEGATION_RATE)?;
                let amount = arg(args, auction::ARG_AMOUNT)?;
                let staked = self.add_bid(&public_key, rate, amount);
                value(self.answer(staked)?)
            }
            auction::METHOD_WITHDRAW_BID => {
                gas.charge(costs.withdraw_bid.into())?;
                let public_key = arg(args, auction::ARG_PUBLIC_KEY)?;
                let amount = arg(args, auction::ARG_AMOUNT)?;
                let staked = self.withdraw_bid(&public_key, amount);
                value(self.answer(staked)?)
            }
            auction::METHOD_DELEGATE => {
                gas.charge(costs.delegate.into())?;
                let staked = self.delegate(&Delegation::read(args)?);
                value(self.answer(staked)?)
            }
            auction::METHOD_UNDELEGATE => {
                gas.charge(costs.undelegate.into())?;
                let staked = self.undelegate(&Delegation::read(args)?, None);
                value(self.answer(staked)?)
            }
            auction::METHOD_REDELEGATE => {
                gas.charge(costs.redelegate.into())?;
                let wish = Delegation::read(args)?;
                let new: PublicKey = arg(args, auction::ARG_NEW_VALIDATOR)?;
                let staked = self.undelegate(&wish, Some(&new));
                value(self.answer(staked)?)
            }
            auction::METHOD_ACTIVATE_BID => {
                gas.charge(costs.activate_bid.into())?;
                let validator = arg(args, ARG_VALIDATOR_PUBLIC_KEY)?;
                let done = self.activate_bid(&validator);
                value(self.answer(done)?)
            }
            // Only the system does this, and it does not come this way.
            auction::METHOD_RUN_AUCTION => self.system_only(costs.run_auction, gas),
            auction::METHOD_SLASH => self.system_only(costs.slash, gas),
            auction::METHOD_DISTRIBUTE => self.system_only(costs.distribute, gas),
            other => Err(Trap::NoSuchMethod(other.to_owned())),
        }
    }

    fn system_only(&self, cost: u32, gas: &mut Gas) -> Result<CLValue, Trap> {
        gas.charge(cost.into())?;
        Err(Trap::Revert(Refusal::InvalidCaller.into()))
    }

    /// A refusal ends the phase.
    fn answer<T>(&mut self, answer: Answer<T>) -> Result<T, Trap> {
        answer.map_err(|halt| match halt {
            Halt::Refused(error) => Trap::Revert(error),
            Halt::Node(error) => self.fault(error),
        })
    }

    fn core(&self) -> &CoreConfig {
        &self.job.law().core
    }

    /// Whether session code of this key's own account calls.
    fn check_caller(&self, key: &PublicKey) -> Result<(), Halt> {
        // The last of the stack is the auction.
        let caller = self.stack.len().checked_sub(2).and_then(|index| self.stack.get(index));
        match caller {
            Some(CallStackElement::Session { account_hash })
                if *account_hash == key.to_account_hash() =>
            {
                Ok(())
            }
            _ => Err(Refusal::InvalidContext.into()),
        }
    }

    fn check_open(&self) -> Result<(), Halt> {
        if self.core().allow_auction_bids {
            Ok(())
        } else {
            Err(Refusal::AuctionBidsDisabled.into())
        }
    }

    fn bid_of(&mut self, validator: &PublicKey) -> Answer<Bid> {
        let bid = bids::bid(self.ledger, &validator.to_account_hash())?;
        bid.ok_or_else(|| Refusal::ValidatorNotFound.into())
    }

    /// Moves motes from the account's main purse into a bonding purse, within the spending limit.
    fn stake(&mut self, purse: URef, amount: U512) -> Answer<()> {
        let moved = self.pay(Some(SYSTEM.account), self.main_purse, purse, amount, None);
        match moved {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refusal)) => Err(refusal.into()),
            Err(_) => Err(Halt::Node(self.fault.take().unwrap_or(Error::Supply))),
        }
    }

    /// A purse to which no running code gets any right.
    fn bonding_purse(&mut self) -> Answer<URef> {
        Ok(self.ledger.create_purse(self.addresses.next())?)
    }

    fn add_bid(&mut self, public_key: &PublicKey, rate: u8, amount: U512) -> Answer<U512> {
        self.check_open()?;
        if amount < U512::from(self.core().minimum_bid_amount) {
            return Err(Refusal::BondTooSmall.into());
        }
        if rate > DELEGATION_RATE_DENOMINATOR {
            return Err(Refusal::DelegationRateTooLarge.into());
        }
        self.check_caller(public_key)?;
        let (bid, staked) = match bids::bid(self.ledger, &public_key.to_account_hash())? {
            Some(mut bid) => {
                bid.activate();
                self.stake(*bid.bonding_purse(), amount)?;
                let staked = bid.with_delegation_rate(rate).increase_stake(amount)?;
                (bid, staked)
            }
            None => {
                let purse = self.bonding_purse()?;
                self.stake(purse, amount)?;
                (Bid::unlocked(public_key.clone(), purse, amount, rate), amount)
            }
        };
        bids::put_bid(self.ledger, bid)?;
        Ok(staked)
    }

    fn withdraw_bid(&mut self, public_key: &PublicKey, amount: U512) -> Answer<U512> {
        self.check_caller(public_key)?;
        let mut bid = self.bid_of(public_key)?;
        let era_end = records::era_end_millis(self.ledger)?;
        let left = bid.decrease_stake(amount, era_end)?;
        let own = Unbond {
            purse: *bid.bonding_purse(),
            validator: public_key,
            unbonder: public_key,
            amount,
            new_validator: None,
        };
        bids::queue_unbond(self.ledger, &own)?;
        if left.is_zero() {
            // Nobody can delegate to a validator who has nothing at stake.
            for (unbonder, delegator) in std::mem::take(bid.delegators_mut()) {
                let theirs = Unbond {
                    purse: *delegator.bonding_purse(),
                    unbonder: &unbonder,
                    amount: delegator.staked_amount(),
                    ..own
                };
                bids::queue_unbond(self.ledger, &theirs)?;
            }
            bid.deactivate();
        }
        bids::put_bid(self.ledger, bid)?;
        Ok(left)
    }

    fn delegate(&mut self, wish: &Delegation) -> Answer<U512> {
        self.check_open()?;
        if wish.amount.is_zero() {
            return Err(Refusal::BondTooSmall.into());
        }
        self.check_caller(&wish.delegator)?;
        let mut bid = self.bid_of(&wish.validator)?;
        let known = bids::purse_of(&bid, &wish.delegator);
        let most = self.core().max_delegators_per_validator as usize;
        if known.is_none() && bid.delegators().len() >= most {
            return Err(Refusal::ExceededDelegatorSizeLimit.into());
        }
        if wish.amount < U512::from(self.core().minimum_delegation_amount) {
            return Err(Refusal::DelegationAmountTooSmall.into());
        }
        let purse = match known {
            Some(purse) => purse,
            None => self.bonding_purse()?,
        };
        self.stake(purse, wish.amount)?;
        let staked = bids::credit_delegator(&mut bid, &wish.delegator, purse, wish.amount)?;
        bids::put_bid(self.ledger, bid)?;
        Ok(staked)
    }

    /// Takes motes out of a delegation, for another validator if one is named.
    fn undelegate(&mut self, wish: &Delegation, new: Option<&PublicKey>) -> Answer<U512> {
        self.check_caller(&wish.delegator)?;
        if new.is_some() && wish.amount < U512::from(self.core().minimum_delegation_amount) {
            return Err(Refusal::DelegationAmountTooSmall.into());
        }
        let mut bid = self.bid_of(&wish.validator)?;
        let era_end = records::era_end_millis(self.ledger)?;
        let delegator = bid.delegators_mut().get_mut(&wish.delegator);
        let delegator = delegator.ok_or(Refusal::DelegatorNotFound)?;
        let unbond = Unbond {
            purse: *delegator.bonding_purse(),
            validator: &wish.validator,
            unbonder: &wish.delegator,
            amount: wish.amount,
            new_validator: new,
        };
        // In Casper's order, so that the refusals are the same. Any of them undoes all of it.
        bids::queue_unbond(self.ledger, &unbond)?;
        let left = delegator.decrease_stake(wish.amount, era_end)?;
        if left.is_zero() {
            bid.delegators_mut().remove(&wish.delegator);
        }
        bids::put_bid(self.ledger, bid)?;
        Ok(left)
    }

    /// Puts a bid that was evicted into the auction again.
    fn activate_bid(&mut self, validator: &PublicKey) -> Answer<()> {
        self.check_caller(validator)?;
        let mut bid = self.bid_of(validator)?;
        bid.activate();
        bids::put_bid(self.ledger, bid)?;
        Ok(())
    }
}
