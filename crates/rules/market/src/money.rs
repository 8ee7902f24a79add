//! Motes: checked arithmetic, escrows, and paying a provider.

use casper_types::U512;
use girrona_types::market::{AccountId, MarketEvent, Motes};

use crate::{
    check,
    records::{Earnings, Escrow, Period},
    refusal::Refusal,
    session::{Done, Halt, Movement, Session},
    store::{Key, Store},
};

/// All, in basis points.
pub(crate) const ALL_BP: u64 = 10_000;

/// The law and the supply keep every sum far below 2^128; if one is not, the node must stop.
const TOO_LARGE: &str = "an amount of motes is out of all bounds";

pub(crate) fn sum<E>(a: Motes, b: Motes) -> Result<Motes, Halt<E>> {
    a.0.checked_add(b.0).map(Motes).ok_or(Halt::Broken(TOO_LARGE))
}

pub(crate) fn less<E>(a: Motes, b: Motes) -> Result<Motes, Halt<E>> {
    a.0.checked_sub(b.0).map(Motes).ok_or(Halt::Broken("more motes would go than there are"))
}

pub(crate) fn times<E>(price: Motes, blocks: u64) -> Result<Motes, Halt<E>> {
    price.0.checked_mul(u128::from(blocks)).map(Motes).ok_or(Halt::Broken(TOO_LARGE))
}

/// A share in basis points, rounded down.
pub(crate) fn share<E>(motes: Motes, bp: u64) -> Result<Motes, Halt<E>> {
    let product = motes.0.checked_mul(u128::from(bp)).ok_or(Halt::Broken(TOO_LARGE))?;
    Ok(Motes(product.checked_div(u128::from(ALL_BP)).unwrap_or_default()))
}

/// `a * b / c`, rounded down, without losing bits between; 0 when `c` is 0.
pub(crate) fn ratio(a: u128, b: u128, c: u128) -> u128 {
    let product = U512::from(a).checked_mul(U512::from(b)).unwrap_or(U512::MAX);
    let quotient = product.checked_div(U512::from(c)).unwrap_or_default();
    u128::try_from(quotient).unwrap_or(u128::MAX)
}

impl<S: Store> Session<'_, S> {
    pub(crate) fn escrow(&mut self, account: AccountId) -> Done<Escrow, S> {
        Ok(self.get(&Key::Escrow(account))?.unwrap_or_default())
    }

    pub(crate) fn put_escrow(&mut self, account: AccountId, escrow: &Escrow) -> Done<(), S> {
        let key = Key::Escrow(account);
        if *escrow == Escrow::default() {
            self.remove(key);
            return Ok(());
        }
        self.put(key, escrow)
    }

    /// Puts motes into an account's escrow.
    pub(crate) fn give(&mut self, account: AccountId, motes: Motes) -> Done<(), S> {
        if motes.is_zero() {
            return Ok(());
        }
        let mut escrow = self.escrow(account)?;
        escrow.unlocked = sum(escrow.unlocked, motes)?;
        self.put_escrow(account, &escrow)
    }

    /// Takes motes out of an account's escrow.
    pub(crate) fn take(&mut self, account: AccountId, motes: Motes) -> Done<(), S> {
        let mut escrow = self.escrow(account)?;
        let (has, needs) = (escrow.unlocked, motes);
        let left = has.0.checked_sub(needs.0).ok_or(Refusal::EscrowShort { has, needs })?;
        escrow.unlocked = Motes(left);
        self.put_escrow(account, &escrow)
    }

    /// Locks motes of an escrow for an order.
    pub(crate) fn lock(&mut self, account: AccountId, motes: Motes) -> Done<(), S> {
        self.take(account, motes)?;
        let mut escrow = self.escrow(account)?;
        escrow.locked = sum(escrow.locked, motes)?;
        self.put_escrow(account, &escrow)
    }

    /// Takes an order's motes out of what is locked.
    pub(crate) fn take_locked(&mut self, account: AccountId, motes: Motes) -> Done<(), S> {
        let mut escrow = self.escrow(account)?;
        escrow.locked = less(escrow.locked, motes)?;
        self.put_escrow(account, &escrow)
    }

    pub(crate) fn burn(&mut self, motes: Motes) {
        self.moves(Movement::Burn(motes));
    }

    pub(crate) fn deposit(&mut self, account: AccountId, amount: Motes) -> Done<(), S> {
        if amount.is_zero() {
            return Err(Refusal::NothingToMove.into());
        }
        check::motes("amount", amount)?;
        self.moves(Movement::In(account, amount));
        self.give(account, amount)?;
        self.tell(MarketEvent::EscrowDeposited { account, amount });
        Ok(())
    }

    pub(crate) fn withdraw(&mut self, account: AccountId, amount: Motes) -> Done<(), S> {
        if amount.is_zero() {
            return Err(Refusal::NothingToMove.into());
        }
        self.take(account, amount)?;
        self.moves(Movement::Out(account, amount));
        self.tell(MarketEvent::EscrowWithdrawn { account, amount });
        Ok(())
    }

    /// Pays a provider for a lease: the market keeps its fee, which counts for rewards.
    pub(crate) fn pay_provider(&mut self, provider: AccountId, amount: Motes) -> Done<(), S> {
        if amount.is_zero() {
            return Ok(());
        }
        let fee = share(amount, self.law.protocol_fee_bp)?;
        let mut earnings = self.earnings(provider)?;
        earnings.earned = sum(earnings.earned, less(amount, fee)?)?;
        if !fee.is_zero() {
            let multiplier = self.multiplier(provider)?;
            let weight = fee.0.checked_mul(u128::from(multiplier));
            let weight = weight.ok_or(Halt::Broken(TOO_LARGE))?;
            earnings.fees = sum(earnings.fees, fee)?;
            earnings.weight = earnings.weight.checked_add(weight).ok_or(Halt::Broken(TOO_LARGE))?;
            let key = Key::Period(earnings.period);
            let mut period: Period = self.get(&key)?.unwrap_or_default();
            period.weight = period.weight.checked_add(weight).ok_or(Halt::Broken(TOO_LARGE))?;
            self.put(key, &period)?;
            let pool: Motes = self.get(&Key::Pool)?.unwrap_or_default();
            self.put(Key::Pool, &sum(pool, fee)?)?;
        }
        self.put(Key::Earnings(provider), &earnings)
    }

    pub(crate) fn withdraw_earnings(&mut self, provider: AccountId) -> Done<(), S> {
        let mut earnings: Earnings = self.earnings(provider)?;
        let amount = std::mem::take(&mut earnings.earned);
        if amount.is_zero() {
            return Err(Refusal::NothingEarned.into());
        }
        self.put(Key::Earnings(provider), &earnings)?;
        self.moves(Movement::Out(provider, amount));
        self.tell(MarketEvent::PaymentWithdrawn { provider, amount });
        Ok(())
    }
}
