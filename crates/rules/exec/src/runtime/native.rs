//! The system's contracts, called like any other: what Casper 1.5's mint and handle payment do for
//! guests. The auction is in `auction`.

use casper_types::{
    ApiError, CLTyped, CLValue, Phase, RuntimeArgs, U512, URef,
    account::AccountHash,
    bytesrepr::{FromBytes, ToBytes},
    system::{CallStackElement, handle_payment, mint, standard_payment},
};
use girrona_vm::{Answer, Gas, Trap};

use super::Runtime;
use crate::{
    methods,
    system::{Native, SYSTEM},
};

/// Handle payment's error for what only the system may ask (Casper 1.5).
const CALLED_BY_USER: u8 = 22;

/// What a system contract's method takes: an argument, or the way out.
pub(super) fn arg<T: FromBytes + CLTyped>(args: &RuntimeArgs, name: &str) -> Result<T, Trap> {
    let value = args.get(name).ok_or(Trap::Revert(ApiError::MissingArgument))?;
    value.to_t().map_err(|_| Trap::Revert(ApiError::InvalidArgument))
}

pub(super) fn value<T: CLTyped + ToBytes>(value: T) -> Result<CLValue, Trap> {
    Ok(CLValue::from_t(value)?)
}

impl Runtime<'_, '_> {
    pub(super) fn call_native(
        &mut self,
        native: Native,
        method: &str,
        args: &RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        match native {
            Native::Mint => self.call_mint(method, args, gas),
            Native::HandlePayment => self.call_handle_payment(method, args, gas),
            Native::Auction => self.call_auction(method, args, gas),
            Native::StandardPayment => self.call_standard_payment(method, args, gas),
        }
    }

    fn call_mint(
        &mut self,
        method: &str,
        args: &RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        let costs = &self.job.law().system_costs.mint_costs;
        match method {
            mint::METHOD_CREATE => {
                gas.charge(costs.create.into())?;
                let purse = self.purse_new()?;
                value(purse)
            }
            mint::METHOD_MINT => {
                gas.charge(costs.mint.into())?;
                let amount: U512 = arg(args, mint::ARG_AMOUNT)?;
                let made = if amount.is_zero() {
                    Ok(self.purse_new()?)
                } else {
                    // Only the system makes motes, and it does not come this way.
                    Err(mint::Error::InvalidNonEmptyPurseCreation)
                };
                value(made)
            }
            mint::METHOD_BALANCE => {
                gas.charge(costs.balance.into())?;
                let purse: URef = arg(args, mint::ARG_PURSE)?;
                let balance = self.purse_balance(purse)?;
                let balance = balance.ok_or(mint::Error::PurseNotFound).map_err(revert)?;
                value(Some(balance))
            }
            mint::METHOD_TRANSFER => {
                gas.charge(costs.transfer.into())?;
                let to: Option<AccountHash> = arg(args, mint::ARG_TO)?;
                let source: URef = arg(args, mint::ARG_SOURCE)?;
                let target: URef = arg(args, mint::ARG_TARGET)?;
                let amount: U512 = arg(args, mint::ARG_AMOUNT)?;
                let id: Option<u64> = arg(args, mint::ARG_ID)?;
                value(self.mint_transfer(to, source, target, amount, id)?)
            }
            mint::METHOD_REDUCE_TOTAL_SUPPLY => {
                gas.charge(costs.reduce_total_supply.into())?;
                let _: U512 = arg(args, mint::ARG_AMOUNT)?;
                let no: Result<(), _> = Err(mint::Error::InvalidTotalSupplyReductionAttempt);
                value(no)
            }
            mint::METHOD_MINT_INTO_EXISTING_PURSE => {
                gas.charge(costs.mint_into_existing_purse.into())?;
                let _: U512 = arg(args, mint::ARG_AMOUNT)?;
                let _: URef = arg(args, mint::ARG_PURSE)?;
                let no: Result<(), _> = Err(mint::Error::InvalidContext);
                value(no)
            }
            mint::METHOD_READ_BASE_ROUND_REWARD => {
                gas.charge(costs.read_base_round_reward.into())?;
                let reward = self.ledger.base_round_reward();
                value(reward.map_err(|error| self.fault(error))?)
            }
            other => Err(Trap::NoSuchMethod(other.to_owned())),
        }
    }

    /// The mint's own rules, then the purses'.
    pub(super) fn mint_transfer(
        &mut self,
        to: Option<AccountHash>,
        source: URef,
        target: URef,
        amount: U512,
        id: Option<u64>,
    ) -> Result<Result<(), mint::Error>, Trap> {
        // Stored code that runs as an account moves nothing in the session.
        let by_stored_session =
            matches!(self.stack.last(), Some(CallStackElement::StoredSession { .. }));
        if self.phase == Phase::Session && by_stored_session {
            return Ok(Err(mint::Error::InvalidContext));
        }
        self.pay(to, source, target, amount, id)
    }

    fn call_handle_payment(
        &mut self,
        method: &str,
        args: &RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        use handle_payment::Error;
        let costs = &self.job.law().system_costs.handle_payment_costs;
        match method {
            handle_payment::METHOD_GET_PAYMENT_PURSE => {
                gas.charge(costs.get_payment_purse.into())?;
                value(SYSTEM.payment_purse_for_guests())
            }
            handle_payment::METHOD_SET_REFUND_PURSE => {
                gas.charge(costs.set_refund_purse.into())?;
                let purse: URef = arg(args, handle_payment::ARG_PURSE)?;
                if self.phase != Phase::Payment {
                    return Err(revert(Error::SetRefundPurseCalledOutsidePayment));
                }
                self.ledger.refund = Some(purse);
                value(())
            }
            handle_payment::METHOD_GET_REFUND_PURSE => {
                gas.charge(costs.get_refund_purse.into())?;
                // Where it is, without any right to it.
                value(self.ledger.refund.map(URef::remove_access_rights))
            }
            methods::FINALIZE_PAYMENT | methods::DISTRIBUTE_ACCUMULATED_FEES => {
                gas.charge(costs.finalize_payment.into())?;
                Err(Trap::Revert(ApiError::HandlePayment(CALLED_BY_USER)))
            }
            other => Err(Trap::NoSuchMethod(other.to_owned())),
        }
    }
}

impl Runtime<'_, '_> {
    /// Only code that runs as the account gets here, so it is the account's main purse that pays.
    fn call_standard_payment(
        &mut self,
        method: &str,
        args: &RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        match method {
            standard_payment::METHOD_PAY => {
                gas.charge(self.job.law().system_costs.standard_payment_costs.pay.into())?;
                let amount: U512 = arg(args, standard_payment::ARG_AMOUNT)?;
                let target = SYSTEM.payment_purse_for_guests();
                let paid =
                    self.mint_transfer(Some(SYSTEM.account), self.main_purse, target, amount, None);
                paid?.map_err(revert)?;
                value(())
            }
            other => Err(Trap::NoSuchMethod(other.to_owned())),
        }
    }
}

/// A system contract's refusal ends the phase.
fn revert(error: impl Into<ApiError>) -> Trap {
    Trap::Revert(error.into())
}

/// An answer of the mint as a host function gives it.
pub(super) fn answer<T>(moved: Result<Result<T, mint::Error>, Trap>) -> Answer<T> {
    moved.map(|moved| moved.map_err(ApiError::from))
}
