//! The end of an era: rewards, payments of what was withdrawn, evictions, the next validators.
//!
//! What an era mints: each of its validators gets its share of the blocks by weight, times what the
//! mint gives for a block (`round_seigniorage_rate` of the supply, rounded down). A validator that
//! was absent or caught gets nothing, and its share is not minted. Delegators get theirs by stake,
//! less the validator's rate, rounded down; the validator gets the rest of the reward.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use casper_types::{
    CLValue, EraId, Key, Phase, PublicKey, StoredValue, Timestamp, U512, URef,
    account::AccountHash,
    execution::execution_result_v1::ExecutionEffect,
    system::auction::{
        BLOCK_REWARD, DELEGATION_RATE_DENOMINATOR, EraInfo, SeigniorageAllocation,
        SeigniorageRecipientV1, SeigniorageRecipientsV1, UnbondingPurse,
    },
};
use girrona_state::{Changes, Reader, View};
use girrona_types::{Chainspec, chainspec::MOTES_PER_GIRRO, keys::derived_address};

use super::{Weights, bids, index, records};
use crate::{address::Addresses, error::Error, ledger::Ledger, ledger::number, system::SYSTEM};

/// What the chain has seen of the validators of an era that ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EraReport {
    /// Who was caught signing contradictions.
    pub equivocators: Vec<PublicKey>,
    /// Who was absent.
    pub inactive: Vec<PublicKey>,
}

impl EraReport {
    fn blames(&self, validator: &PublicKey) -> bool {
        self.equivocators.contains(validator) || self.inactive.contains(validator)
    }
}

/// What the end of an era did.
#[derive(Clone, Debug)]
pub struct EraOutcome {
    /// The era that ended.
    pub era: EraId,
    /// Each validator's share of the era's blocks, in units of 10^-12 of a block's reward.
    pub rewards: BTreeMap<PublicKey, u64>,
    /// The validators of the eras that are settled, the next one first.
    pub validators: BTreeMap<EraId, Weights>,
    /// Motes that are new; the total supply has grown by them.
    pub minted: U512,
    /// What clients see of it.
    pub effects: ExecutionEffect,
}

/// Ends the era that `state` is in, after the last of its deploys.
pub(crate) fn end(
    law: &Chainspec,
    time: Timestamp,
    report: &EraReport,
    state: &dyn Reader,
) -> Result<(EraOutcome, Changes), Error> {
    let mut ledger = Ledger::new(View::new(state));
    let era = records::era_id(&mut ledger)?;
    let mut step = Step {
        law,
        era,
        ledger,
        addresses: Addresses::new(
            derived_address("girrona/era", &[0; 32], era.value()),
            Phase::System,
        ),
        minted: U512::zero(),
    };
    let rewards = step.reward(report)?;
    step.pay_unbonds()?;
    step.evict(report)?;
    let locked = step.release(time)?;
    let validators = step.next_era(time, &locked)?;
    let Step { ledger, minted, .. } = step;
    let effects = ledger.view.effects();
    let outcome = EraOutcome { era, rewards, validators, minted, effects };
    Ok((outcome, ledger.view.into_changes()))
}

struct Step<'s> {
    law: &'s Chainspec,
    era: EraId,
    ledger: Ledger<'s>,
    /// Of purses for stakes that change their validator.
    addresses: Addresses,
    minted: U512,
}

/// One validator's reward, before it is rounded.
struct Reward {
    /// Motes times [`BLOCK_REWARD`].
    motes: U512,
    /// The stake that earned it.
    stake: U512,
}

impl Reward {
    /// All of it, rounded down.
    fn total(&self) -> Option<U512> {
        self.motes.checked_div(U512::from(BLOCK_REWARD))
    }

    /// What a delegator of `stake` gets of it.
    fn of_delegator(&self, stake: U512, rate: u8) -> Option<U512> {
        let kept = u64::from(DELEGATION_RATE_DENOMINATOR.checked_sub(rate)?);
        let whole = U512::from(BLOCK_REWARD)
            .checked_mul(self.stake)?
            .checked_mul(U512::from(DELEGATION_RATE_DENOMINATOR))?;
        let part = self.motes.checked_mul(stake)?.checked_mul(U512::from(kept))?;
        part.checked_div(whole)
    }
}

impl Step<'_> {
    /// Mints and hands out the rewards of the era; gives everybody's share of its blocks.
    fn reward(&mut self, report: &EraReport) -> Result<BTreeMap<PublicKey, u64>, Error> {
        let mut snapshot = records::snapshot(&mut self.ledger)?;
        let recipients = snapshot.remove(&self.era).unwrap_or_default();
        let base = self.ledger.base_round_reward()?;
        let blocks = U512::from(self.law.era_blocks());
        let mut total = U512::zero();
        for recipient in recipients.values() {
            let stake = recipient.total_stake().ok_or(Error::Supply)?;
            total = total.checked_add(stake).ok_or(Error::Supply)?;
        }
        let units = blocks.checked_mul(U512::from(BLOCK_REWARD)).ok_or(Error::Supply)?;
        let mut factors = BTreeMap::new();
        let mut info = EraInfo::new();
        for (validator, recipient) in recipients {
            let stake = recipient.total_stake().ok_or(Error::Supply)?;
            let factor = units.checked_mul(stake).ok_or(Error::Supply)?;
            let factor = factor.checked_div(total).unwrap_or_default();
            let blamed = report.blames(&validator);
            let factor = if blamed { U512::zero() } else { factor };
            factors.insert(validator.clone(), u64::try_from(factor).unwrap_or(u64::MAX));
            let motes = factor.checked_mul(base).ok_or(Error::Supply)?;
            let reward = Reward { motes, stake };
            let allocations = info.seigniorage_allocations_mut();
            self.reward_one(&validator, &recipient, &reward, allocations)?;
        }
        self.ledger.view.write(Key::EraSummary, StoredValue::EraInfo(info));
        self.grow_supply()?;
        Ok(factors)
    }

    /// Adds a reward to the stakes that earned it.
    fn reward_one(
        &mut self,
        validator: &PublicKey,
        recipient: &SeigniorageRecipientV1,
        reward: &Reward,
        allocations: &mut Vec<SeigniorageAllocation>,
    ) -> Result<(), Error> {
        let total = reward.total().ok_or(Error::Supply)?;
        let bid = bids::bid(&mut self.ledger, &validator.to_account_hash())?;
        let (false, Some(mut bid)) = (total.is_zero(), bid) else {
            let nothing = SeigniorageAllocation::validator(validator.clone(), U512::zero());
            allocations.push(nothing);
            return Ok(());
        };
        let mut rest = total;
        for (delegator, stake) in recipient.delegator_stake() {
            // Who left since the era was settled leaves the reward to the validator.
            let Some(known) = bid.delegators_mut().get_mut(delegator) else { continue };
            let motes = reward.of_delegator(*stake, *recipient.delegation_rate());
            let motes = motes.ok_or(Error::Supply)?;
            rest = rest.checked_sub(motes).ok_or(Error::Supply)?;
            known.increase_stake(motes).map_err(|_| Error::Supply)?;
            let purse = *known.bonding_purse();
            self.mint(purse, motes)?;
            let delegator = delegator.clone();
            allocations.push(SeigniorageAllocation::delegator(delegator, validator.clone(), motes));
        }
        bid.increase_stake(rest).map_err(|_| Error::Supply)?;
        self.mint(*bid.bonding_purse(), rest)?;
        allocations.push(SeigniorageAllocation::validator(validator.clone(), rest));
        bids::put_bid(&mut self.ledger, bid)
    }

    fn mint(&mut self, purse: URef, motes: U512) -> Result<(), Error> {
        self.minted = self.minted.checked_add(motes).ok_or(Error::Supply)?;
        if motes.is_zero() { Ok(()) } else { self.ledger.credit(purse.addr(), motes) }
    }

    /// Puts what was minted on the mint's record.
    fn grow_supply(&mut self) -> Result<(), Error> {
        if self.minted.is_zero() {
            return Ok(());
        }
        let key = SYSTEM.total_supply_key();
        let supply = self.ledger.view.read(&key)?.ok_or_else(|| Error::missing(key))?;
        let supply = number(&key, &supply)?.checked_add(self.minted).ok_or(Error::Supply)?;
        self.ledger.view.write(key, StoredValue::CLValue(CLValue::from_t(supply)?));
        Ok(())
    }

    /// Pays what was withdrawn long enough ago.
    fn pay_unbonds(&mut self) -> Result<(), Error> {
        let began = self.era.value().checked_sub(self.law.core.unbonding_delay);
        let Some(began) = began.map(EraId::new) else { return Ok(()) };
        for validator in index::take_unbonds(&mut self.ledger, began)? {
            let list = bids::unbonds(&mut self.ledger, &validator)?;
            let (due, rest): (Vec<_>, Vec<_>) =
                list.into_iter().partition(|unbond| unbond.era_of_creation() <= began);
            bids::put_unbonds(&mut self.ledger, validator, rest);
            for unbond in due {
                self.pay_unbond(&unbond)?;
            }
        }
        Ok(())
    }

    fn pay_unbond(&mut self, unbond: &UnbondingPurse) -> Result<(), Error> {
        if let Some(new) = unbond.new_validator()
            && self.delegate_again(unbond, new)?
        {
            return Ok(());
        }
        let owner = Key::Account(unbond.unbonder_public_key().to_account_hash());
        let purse = match self.ledger.view.read(&owner)?.as_deref() {
            Some(StoredValue::Account(account)) => account.main_purse(),
            Some(other) => return Err(Error::corrupt(&owner, other, "account")),
            None => return Err(Error::missing(owner)),
        };
        self.shift(*unbond.bonding_purse(), purse, *unbond.amount())
    }

    /// Delegates what was withdrawn to another validator; says whether that was possible.
    fn delegate_again(&mut self, unbond: &UnbondingPurse, new: &PublicKey) -> Result<bool, Error> {
        let Some(mut bid) = bids::bid(&mut self.ledger, &new.to_account_hash())? else {
            return Ok(false);
        };
        let room = self.law.core.max_delegators_per_validator as usize;
        if bid.staked_amount().is_zero() || bid.delegators().len() >= room {
            return Ok(false);
        }
        let delegator = unbond.unbonder_public_key();
        let purse = match bids::purse_of(&bid, delegator) {
            Some(purse) => purse,
            None => self.ledger.create_purse(self.addresses.next())?,
        };
        self.shift(*unbond.bonding_purse(), purse, *unbond.amount())?;
        bids::credit_delegator(&mut bid, delegator, purse, *unbond.amount())
            .map_err(|_| Error::Supply)?;
        bids::put_bid(&mut self.ledger, bid)?;
        Ok(true)
    }

    /// Moves motes that are there for certain.
    fn shift(&mut self, from: URef, to: URef, motes: U512) -> Result<(), Error> {
        let key = Key::Balance(from.addr());
        let balance = self.ledger.balance(from.addr())?.ok_or_else(|| Error::missing(key))?;
        let rest = balance.checked_sub(motes).ok_or(Error::Supply)?;
        self.ledger.set_balance(from.addr(), rest)?;
        self.ledger.credit(to.addr(), motes)
    }

    /// Takes those who were caught or absent out of the auction, until they ask to be in it again.
    fn evict(&mut self, report: &EraReport) -> Result<(), Error> {
        let blamed: BTreeSet<AccountHash> = report
            .equivocators
            .iter()
            .chain(&report.inactive)
            .map(PublicKey::to_account_hash)
            .collect();
        for validator in blamed {
            if let Some(mut bid) = bids::bid(&mut self.ledger, &validator)? {
                bid.deactivate();
                bids::put_bid(&mut self.ledger, bid)?;
            }
        }
        Ok(())
    }

    /// Unlocks the stakes of genesis whose time has come; gives whose are locked still.
    fn release(&mut self, time: Timestamp) -> Result<BTreeSet<PublicKey>, Error> {
        let mut locked = BTreeSet::new();
        if self.law.core.locked_funds_period.millis() == 0 {
            return Ok(locked);
        }
        for (validator, _) in self.law.genesis_validators() {
            let Some(mut bid) = bids::bid(&mut self.ledger, &validator.to_account_hash())? else {
                continue;
            };
            // All at once: there is no period of release after the one that locks.
            if bid.process_with_vesting_schedule(time.millis(), 0) {
                bids::put_bid(&mut self.ledger, bid)?;
            } else if bid.is_locked_with_vesting_schedule(time.millis(), 0) {
                locked.insert(validator.clone());
            }
        }
        Ok(locked)
    }

    /// Holds the auction and begins the next era.
    fn next_era(
        &mut self,
        time: Timestamp,
        locked: &BTreeSet<PublicKey>,
    ) -> Result<BTreeMap<EraId, Weights>, Error> {
        let mut snapshot = records::snapshot(&mut self.ledger)?;
        let next = self.era.successor();
        let delay = self.law.core.auction_delay;
        let settled = next.value().checked_add(delay).map(EraId::new).ok_or(Error::Supply)?;
        let mut winners = self.winners(locked)?;
        if winners.is_empty() {
            // A chain without validators would be over: those whom it has go on.
            winners = snapshot.values().next_back().cloned().unwrap_or_default();
        }
        snapshot.insert(settled, winners);
        snapshot.retain(|era, _| *era >= next);
        let weights = records::weights(&snapshot)?;
        records::begin_era(&mut self.ledger, next, time.millis(), snapshot)?;
        Ok(weights)
    }

    /// Those with the largest stakes, as many as there are slots. Stakes that are locked win
    /// first; equal ones go to the lower key. Below 1 GIRRO nobody has a vote.
    fn winners(&mut self, locked: &BTreeSet<PublicKey>) -> Result<SeigniorageRecipientsV1, Error> {
        let mut active: Vec<(PublicKey, U512)> = index::bidders(&mut self.ledger)?
            .into_iter()
            .filter(|(_, (stake, inactive))| !inactive && *stake >= U512::from(MOTES_PER_GIRRO))
            .map(|(bidder, (stake, _))| (bidder, stake))
            .collect();
        active.sort_by_key(|(bidder, stake)| (!locked.contains(bidder), Reverse(*stake)));
        active.truncate(self.law.core.validator_slots as usize);
        let mut winners = SeigniorageRecipientsV1::new();
        for (bidder, _) in active {
            let key = Key::Bid(bidder.to_account_hash());
            let bid = bids::bid(&mut self.ledger, &bidder.to_account_hash())?;
            let bid = bid.ok_or_else(|| Error::missing(key))?;
            winners.insert(bidder, SeigniorageRecipientV1::from(&bid));
        }
        Ok(winners)
    }
}
