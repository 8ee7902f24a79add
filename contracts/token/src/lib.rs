//! A fungible token.
//!
//! `call` makes it: arguments `name`, `symbol`, `decimals` (u8) and `supply` (U256), which the
//! account that makes it gets. The account's names afterwards: `token`, the contract,
//! `token_package`, and `token_minter`, which lets its holder call `mint`.
//!
//! Holders are accounts and contracts alike: who calls is who pays.

#![no_std]

extern crate alloc;

use alloc::{borrow::ToOwned, collections::BTreeSet, string::String, vec, vec::Vec};

use casper_contract::contract_api::{runtime, storage};
use casper_contract::unwrap_or_revert::UnwrapOrRevert;
use casper_types::{
    ApiError, CLType, CLTyped, CLValue, EntryPoint, EntryPointAccess, EntryPointType, EntryPoints,
    Group, Key, Parameter, U256, URef,
    bytesrepr::{FromBytes, ToBytes},
    contracts::NamedKeys,
    system::CallStackElement,
};
use guest as _;

const BALANCES: &str = "balances";
const ALLOWANCES: &str = "allowances";
const TOTAL_SUPPLY: &str = "total_supply";
const MINTERS: &str = "minters";

/// The payer has less than that.
const INSUFFICIENT_BALANCE: u16 = 1;
/// The payer was allowed less than that.
const INSUFFICIENT_ALLOWANCE: u16 = 2;
/// More tokens than a number holds.
const OVERFLOW: u16 = 3;
/// A name of the token does not lead where it should, or nobody calls.
const BROKEN: u16 = 4;

/// Makes the token.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let name: String = runtime::get_named_arg("name");
    let symbol: String = runtime::get_named_arg("symbol");
    let decimals: u8 = runtime::get_named_arg("decimals");
    let supply: U256 = runtime::get_named_arg("supply");

    let (package, _) = storage::create_contract_package_at_hash();
    let minters = storage::create_contract_user_group(package, MINTERS, 1, BTreeSet::new())
        .unwrap_or_revert();
    let minter = minters.first().copied().unwrap_or_revert_with(ApiError::User(BROKEN));
    let balances = storage::new_dictionary(BALANCES).unwrap_or_revert();
    let allowances = storage::new_dictionary(ALLOWANCES).unwrap_or_revert();
    let owner = Key::Account(runtime::get_caller());
    storage::dictionary_put(balances, &item(&[owner]), supply);

    let mut names = NamedKeys::new();
    names.insert("name".to_owned(), storage::new_uref(name).into());
    names.insert("symbol".to_owned(), storage::new_uref(symbol).into());
    names.insert("decimals".to_owned(), storage::new_uref(decimals).into());
    names.insert(TOTAL_SUPPLY.to_owned(), storage::new_uref(supply).into());
    names.insert(BALANCES.to_owned(), balances.into());
    names.insert(ALLOWANCES.to_owned(), allowances.into());
    // They belong to the token now.
    runtime::remove_key(BALANCES);
    runtime::remove_key(ALLOWANCES);

    let (contract, _) = storage::add_contract_version(package, methods(), names);
    runtime::put_key("token", contract.into());
    runtime::put_key("token_package", package.into());
    runtime::put_key("token_minter", minter.into());
}

fn methods() -> EntryPoints {
    let key = |name: &str| Parameter::new(name, CLType::Key);
    let amount = || Parameter::new("amount", CLType::U256);
    let rows = vec![
        ("transfer", vec![key("recipient"), amount()], CLType::Unit),
        ("approve", vec![key("spender"), amount()], CLType::Unit),
        ("transfer_from", vec![key("owner"), key("recipient"), amount()], CLType::Unit),
        ("balance_of", vec![key("owner")], CLType::U256),
        ("allowance", vec![key("owner"), key("spender")], CLType::U256),
        (TOTAL_SUPPLY, vec![], CLType::U256),
    ];
    let kind = EntryPointType::Contract;
    let mut methods = EntryPoints::new();
    for (name, parameters, returns) in rows {
        let access = EntryPointAccess::Public;
        methods.add_entry_point(EntryPoint::new(name, parameters, returns, access, kind));
    }
    let access = EntryPointAccess::Groups(vec![Group::new(MINTERS)]);
    let parameters = vec![key("recipient"), amount()];
    methods.add_entry_point(EntryPoint::new("mint", parameters, CLType::Unit, access, kind));
    methods
}

/// Moves `amount` of the caller's tokens to `recipient`.
#[unsafe(no_mangle)]
pub extern "C" fn transfer() {
    shift(caller(), runtime::get_named_arg("recipient"), runtime::get_named_arg("amount"));
}

/// Lets `spender` take up to `amount` of the caller's tokens.
#[unsafe(no_mangle)]
pub extern "C" fn approve() {
    let spender: Key = runtime::get_named_arg("spender");
    let amount: U256 = runtime::get_named_arg("amount");
    storage::dictionary_put(named(ALLOWANCES), &item(&[caller(), spender]), amount);
}

/// Moves `amount` of the `owner`'s tokens to `recipient`, as far as the caller was allowed to.
#[unsafe(no_mangle)]
pub extern "C" fn transfer_from() {
    let owner: Key = runtime::get_named_arg("owner");
    let amount: U256 = runtime::get_named_arg("amount");
    let spender = item(&[owner, caller()]);
    let allowed = get(ALLOWANCES, &spender);
    let left = allowed.checked_sub(amount);
    let left = left.unwrap_or_revert_with(ApiError::User(INSUFFICIENT_ALLOWANCE));
    storage::dictionary_put(named(ALLOWANCES), &spender, left);
    shift(owner, runtime::get_named_arg("recipient"), amount);
}

/// Returns how many tokens `owner` has.
#[unsafe(no_mangle)]
pub extern "C" fn balance_of() {
    answer(get(BALANCES, &item(&[runtime::get_named_arg("owner")])));
}

/// Returns how many of `owner`'s tokens `spender` may take.
#[unsafe(no_mangle)]
pub extern "C" fn allowance() {
    let pair = [runtime::get_named_arg("owner"), runtime::get_named_arg("spender")];
    answer(get(ALLOWANCES, &item(&pair)));
}

/// Returns how many tokens there are.
#[unsafe(no_mangle)]
pub extern "C" fn total_supply() {
    answer(storage::read_or_revert::<U256>(named(TOTAL_SUPPLY)));
}

/// Makes `amount` new tokens for `recipient`.
#[unsafe(no_mangle)]
pub extern "C" fn mint() {
    let recipient: Key = runtime::get_named_arg("recipient");
    let amount: U256 = runtime::get_named_arg("amount");
    let supply: U256 = storage::read_or_revert(named(TOTAL_SUPPLY));
    let supply = supply.checked_add(amount).unwrap_or_revert_with(ApiError::User(OVERFLOW));
    storage::write(named(TOTAL_SUPPLY), supply);
    // No balance is more than the supply.
    let balance = get(BALANCES, &item(&[recipient])).saturating_add(amount);
    storage::dictionary_put(named(BALANCES), &item(&[recipient]), balance);
}

fn shift(from: Key, to: Key, amount: U256) {
    if from == to || amount.is_zero() {
        return;
    }
    let rest = get(BALANCES, &item(&[from])).checked_sub(amount);
    let rest = rest.unwrap_or_revert_with(ApiError::User(INSUFFICIENT_BALANCE));
    storage::dictionary_put(named(BALANCES), &item(&[from]), rest);
    let sum = get(BALANCES, &item(&[to])).saturating_add(amount);
    storage::dictionary_put(named(BALANCES), &item(&[to]), sum);
}

/// Who called: the account, or the contract that stands right above in the call stack.
fn caller() -> Key {
    let stack = runtime::get_call_stack();
    let above = stack.iter().rev().nth(1);
    match above.unwrap_or_revert_with(ApiError::User(BROKEN)) {
        CallStackElement::Session { account_hash }
        | CallStackElement::StoredSession { account_hash, .. } => Key::Account(*account_hash),
        CallStackElement::StoredContract { contract_package_hash, .. } => {
            (*contract_package_hash).into()
        }
    }
}

/// The key of a dictionary item for holders: a hash, because two keys are longer than an item's.
fn item(holders: &[Key]) -> String {
    let mut bytes = Vec::new();
    for holder in holders {
        bytes.extend(holder.to_bytes().unwrap_or_revert());
    }
    hex(&runtime::blake2b(bytes))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    text
}

fn get(dictionary: &str, item: &str) -> U256 {
    storage::dictionary_get(named(dictionary), item).unwrap_or_revert().unwrap_or_default()
}

fn named(name: &str) -> URef {
    let key = runtime::get_key(name).and_then(Key::into_uref);
    key.unwrap_or_revert_with(ApiError::User(BROKEN))
}

fn answer<T: CLTyped + ToBytes + FromBytes>(value: T) {
    runtime::ret(CLValue::from_t(value).unwrap_or_revert());
}
