//! What a deploy costs, who pays it and who gets it.
//!
//! In Casper's words: finalization and the penalty. The chainspec says what failure costs
//! (`failure_charge`), what happens to unused payment (`refund_handling`) and to fees
//! (`fee_handling`).

use casper_types::{U512, URefAddr};
use girrona_types::{
    Chainspec,
    chainspec::{FailureCharge, FeeHandling, RefundHandling},
};

use crate::{error::Error, ledger::Ledger, system::SYSTEM};

/// The rules about money of one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fees<'l> {
    pub(crate) law: &'l Chainspec,
    /// Main purse of the block's proposer.
    pub(crate) proposer_purse: URefAddr,
}

impl Fees<'_> {
    /// MAX_PAYMENT_COST: what an account must own to send a deploy, and what failure costs.
    pub(crate) const fn penalty(&self) -> U512 {
        self.law.core.penalty_payment
    }

    /// Whether failure always costs the penalty at least.
    pub(crate) const fn is_minimum_penalty(&self) -> bool {
        matches!(self.law.core.failure_charge, FailureCharge::MinimumPenalty)
    }

    /// What a failure costs that used up `used` motes.
    pub(crate) fn failure_charge(&self, used: U512) -> U512 {
        if self.is_minimum_penalty() { used.max(self.penalty()) } else { used }
    }

    /// Pays a fee that was taken out of a purse before.
    pub(crate) fn pay_fee(&self, ledger: &mut Ledger<'_>, fee: U512) -> Result<(), Error> {
        match self.law.core.fee_handling {
            _ if fee.is_zero() => Ok(()),
            FeeHandling::PayToProposer => ledger.credit(self.proposer_purse, fee),
            FeeHandling::Burn => ledger.burn(fee),
        }
    }

    /// Takes `charge` out of a main purse that holds `balance`, and pays it as a fee. The charge
    /// must not be more than the balance.
    pub(crate) fn take(
        &self,
        ledger: &mut Ledger<'_>,
        main_purse: URefAddr,
        balance: U512,
        charge: U512,
    ) -> Result<(), Error> {
        ledger.set_balance(main_purse, balance.checked_sub(charge).ok_or(Error::Supply)?)?;
        self.pay_fee(ledger, charge)
    }

    /// Empties the payment purse: `spent` motes and what of the rest is not refunded are the fee.
    /// Returns the fee and what went back.
    pub(crate) fn finalize(
        &self,
        ledger: &mut Ledger<'_>,
        main_purse: URefAddr,
        spent: U512,
    ) -> Result<(U512, U512), Error> {
        let paid = ledger.paid;
        let unused = paid.checked_sub(spent).ok_or(Error::Supply)?;
        let refund = share(unused, self.law.core.refund_handling.ratio());
        let fee = paid.checked_sub(refund).ok_or(Error::Supply)?;
        ledger.set_balance(SYSTEM.payment_purse, U512::zero())?;
        let mut returned = U512::zero();
        if !refund.is_zero() {
            match self.law.core.refund_handling {
                RefundHandling::Refund(_) => {
                    let purse = refund_purse(ledger)?.unwrap_or(main_purse);
                    ledger.credit(purse, refund)?;
                    returned = refund;
                }
                RefundHandling::Burn(_) => ledger.burn(refund)?,
            }
        }
        self.pay_fee(ledger, fee)?;
        Ok((fee, returned))
    }
}

/// The purse that payment code chose for the refund, if motes can be put into it: it exists, may be
/// added to, and is not the payment purse, which is empty when all is done.
fn refund_purse(ledger: &mut Ledger<'_>) -> Result<Option<URefAddr>, Error> {
    let Some(purse) = ledger.refund.take().filter(|purse| purse.is_addable()) else {
        return Ok(None);
    };
    let address = purse.addr();
    let exists = address != SYSTEM.payment_purse && ledger.balance(address)?.is_some();
    Ok(exists.then_some(address))
}

/// `numerator / denominator` of `motes`, rounded down; the dust stays with the fee.
fn share(motes: U512, [numerator, denominator]: [u64; 2]) -> U512 {
    if numerator >= denominator {
        return motes;
    }
    let product = motes.checked_mul(U512::from(numerator));
    // Nobody has so many motes that the product overflows.
    product.and_then(|product| product.checked_div(U512::from(denominator))).unwrap_or_default()
}

/// What so many motes buy. `None` at gas price 0, which would buy everything.
pub(crate) fn gas_for(motes: U512, price: u64) -> Option<U512> {
    motes.checked_div(U512::from(price))
}

/// What so much gas costs.
pub(crate) fn motes_for(gas: U512, price: u64) -> Option<U512> {
    gas.checked_mul(U512::from(price))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_down_and_never_more_than_everything() {
        assert_eq!(share(U512::from(101), [99, 100]), U512::from(99));
        assert_eq!(share(U512::from(101), [1, 1]), U512::from(101));
        assert_eq!(share(U512::from(101), [0, 1]), U512::zero());
        assert_eq!(share(U512::from(101), [3, 1]), U512::from(101));
        assert_eq!(share(U512::from(1), [99, 100]), U512::zero());
    }
}
