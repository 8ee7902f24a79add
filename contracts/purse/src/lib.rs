//! Moves motes through a purse of its own.
//!
//! Arguments `target`, an account hash, and `amount`, a `U512` (also what the deploy may spend).
//! Half of `amount` goes into a new purse, found under the named key `purse`; the rest goes to
//! `target`, whose account is made if there is none.

#![no_std]

use casper_contract::contract_api::{account, runtime, system};
use casper_contract::unwrap_or_revert::UnwrapOrRevert;
use casper_types::account::AccountHash;
use casper_types::{ApiError, U512};
use guest as _;

/// The new purse does not hold what was put into it.
const WRONG_BALANCE: u16 = 1;

/// The entry point of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let target: AccountHash = runtime::get_named_arg("target");
    let amount: U512 = runtime::get_named_arg("amount");
    let saved = amount / 2;

    let purse = system::create_purse();
    system::transfer_from_purse_to_purse(account::get_main_purse(), purse, saved, None)
        .unwrap_or_revert();
    if system::get_purse_balance(purse) != Some(saved) {
        runtime::revert(ApiError::User(WRONG_BALANCE));
    }
    runtime::put_key("purse", purse.into());

    system::transfer_to_account(target, amount - saved, None).unwrap_or_revert();
}
