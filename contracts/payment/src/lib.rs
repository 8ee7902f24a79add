//! Payment code: moves `amount` motes from the main purse into the payment purse.
//!
//! As payment code of a deploy, `call` pays. As session code it stores the same thing: afterwards
//! the account's name `payment` leads to a contract and `payment_package` to its package, whose
//! entry point `pay` any deploy of the account may name as its payment. The optional argument
//! `refund`, a purse, is where unused payment goes.

#![no_std]

extern crate alloc;

use alloc::{borrow::ToOwned, vec};

use casper_contract::contract_api::{account, runtime, storage, system};
use casper_contract::unwrap_or_revert::UnwrapOrRevert;
use casper_types::{
    CLType, EntryPoint, EntryPointAccess, EntryPointType, EntryPoints, Parameter, Phase,
    RuntimeArgs, U512, URef, runtime_args,
};
use guest as _;

/// The entry point of payment code and of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    if runtime::get_phase() == Phase::Payment { pay() } else { install() }
}

/// Pays.
#[unsafe(no_mangle)]
pub extern "C" fn pay() {
    let amount: U512 = runtime::get_named_arg("amount");
    let handle_payment = system::get_handle_payment();
    let purse: URef =
        runtime::call_contract(handle_payment, "get_payment_purse", RuntimeArgs::new());
    if let Some(refund) = refund() {
        let args = runtime_args! { "purse" => refund };
        runtime::call_contract::<()>(handle_payment, "set_refund_purse", args);
    }
    system::transfer_from_purse_to_purse(account::get_main_purse(), purse, amount, None)
        .unwrap_or_revert();
}

/// The purse for the refund: the account's key of that name, when the deploy asks for it.
fn refund() -> Option<URef> {
    runtime::get_key("refund").and_then(casper_types::Key::into_uref)
}

fn install() {
    let mut entry_points = EntryPoints::new();
    entry_points.add_entry_point(EntryPoint::new(
        "pay",
        vec![Parameter::new("amount", CLType::U512)],
        CLType::Unit,
        EntryPointAccess::Public,
        // It has to reach the main purse, so it runs as the account.
        EntryPointType::Session,
    ));
    let package = Some("payment_package".to_owned());
    let (contract, _) = storage::new_contract(entry_points, None, package, None);
    runtime::put_key("payment", contract.into());
}
