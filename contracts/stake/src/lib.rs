//! Session code that calls the auction with the arguments that a deploy brings.
//!
//! A deploy can name the auction and its entry point itself. Casper's SDKs have calls of their own
//! for staking, which want a Wasm file for each entry point: these are those files. The names of
//! the arguments are the auction's.

#![no_std]

use casper_contract::contract_api::{runtime, system};
use casper_types::{PublicKey, RuntimeArgs, U512, runtime_args};
use guest as _;

/// Calls the auction; it answers with the stake that is left.
fn auction(entry_point: &str, args: RuntimeArgs) {
    let _: U512 = runtime::call_contract(system::get_auction(), entry_point, args);
}

/// `add_bid`: the account's own stake becomes, or grows by, `amount`.
pub fn add_bid() {
    auction(
        "add_bid",
        runtime_args! {
            "public_key" => runtime::get_named_arg::<PublicKey>("public_key"),
            "delegation_rate" => runtime::get_named_arg::<u8>("delegation_rate"),
            "amount" => runtime::get_named_arg::<U512>("amount"),
        },
    );
}

/// `withdraw_bid`: `amount` of the account's own stake comes back to its main purse.
pub fn withdraw_bid() {
    auction(
        "withdraw_bid",
        runtime_args! {
            "public_key" => runtime::get_named_arg::<PublicKey>("public_key"),
            "amount" => runtime::get_named_arg::<U512>("amount"),
        },
    );
}

/// `delegate` or `undelegate`: the two take the same arguments.
pub fn delegation(entry_point: &str) {
    auction(
        entry_point,
        runtime_args! {
            "delegator" => runtime::get_named_arg::<PublicKey>("delegator"),
            "validator" => runtime::get_named_arg::<PublicKey>("validator"),
            "amount" => runtime::get_named_arg::<U512>("amount"),
        },
    );
}
