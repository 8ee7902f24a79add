//! A guest book: whoever calls leaves a line, and the book counts the lines of each account.
//!
//! `call` is what runs when the contract is installed. The account that installs it has the named
//! keys `NAME`, the contract, and `NAME_package`, its package, afterwards. The contract has
//! `guests`, a dictionary: how many lines an account has left, by its hash in hex; and `last`, the
//! last line.

#![no_std]
#![no_main]

extern crate alloc;

mod guest;

use alloc::{
    borrow::ToOwned,
    collections::BTreeMap,
    string::{String, ToString},
    vec,
};

use casper_contract::{
    contract_api::{runtime, storage},
    unwrap_or_revert::UnwrapOrRevert,
};
use casper_types::{
    ApiError, CLType, EntityEntryPoint, EntryPointAccess, EntryPointPayment, EntryPointType,
    EntryPoints, Key, Parameter, URef, contracts::NamedKeys,
};

const GUESTS: &str = "guests";
const LAST: &str = "last";

/// Nobody wrote anything. Clients see `User error: 1`.
const EMPTY_LINE: u16 = 1;

/// Installs the contract.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let mut entry_points = EntryPoints::new();
    entry_points.add_entry_point(EntityEntryPoint::new(
        "sign",
        vec![Parameter::new("line", CLType::String)],
        CLType::Unit,
        EntryPointAccess::Public,
        EntryPointType::Called,
        EntryPointPayment::Caller,
    ));

    let mut names = NamedKeys::new();
    let guests = storage::new_dictionary(GUESTS).unwrap_or_revert();
    // The dictionary is the contract's, not the account's.
    runtime::remove_key(GUESTS);
    names.insert(GUESTS.to_owned(), guests.into());
    names.insert(LAST.to_owned(), storage::new_uref(String::new()).into());

    let package = Some("NAME_package".to_owned());
    let access = Some("NAME_access".to_owned());
    let (contract, _) =
        storage::new_contract(entry_points, Some(names), package, access, Some(BTreeMap::new()));
    runtime::put_key("NAME", Key::Hash(contract.value()));
}

/// Leaves a `line` in the book.
#[unsafe(no_mangle)]
pub extern "C" fn sign() {
    let line: String = runtime::get_named_arg("line");
    if line.is_empty() {
        runtime::revert(ApiError::User(EMPTY_LINE));
    }
    let guest = runtime::get_caller().to_string();
    let guests = named(GUESTS);
    let lines: Option<u64> = storage::dictionary_get(guests, &guest).unwrap_or_revert();
    storage::dictionary_put(guests, &guest, lines.unwrap_or_default() + 1);
    storage::write(named(LAST), line);
}

/// The URef that the contract has under `name`.
fn named(name: &str) -> URef {
    let key = runtime::get_key(name).and_then(Key::into_uref);
    key.unwrap_or_revert_with(ApiError::MissingKey)
}
