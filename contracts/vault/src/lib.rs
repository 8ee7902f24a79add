//! Keeps motes that only several owners together can take out.
//!
//! The first `call` makes the vault: arguments `owners`, a list of account hashes, and `quorum`, how
//! many of them have to sign a deploy that takes motes out. The account's names afterwards: `vault`,
//! the contract, `vault_package`, and `vault_access`, whose holder may upgrade it. A later `call`
//! upgrades it to a version that has the entry point `close` too, and disables the version before.
//!
//! `balance` is for everybody, `deposit` too; `rename` is for the group `admins`, whose first URef
//! the account that made the vault holds under `vault_admin`.

#![no_std]

extern crate alloc;

use alloc::{borrow::ToOwned, collections::BTreeSet, string::String, vec::Vec};

use guest as _;
use sdk::{
    Methods, UnwrapOrRevert, add_version,
    casper_types::{
        ApiError, CLType, CLValue, Key, U512, URef,
        account::AccountHash,
        contracts::{ContractHash, ContractPackageHash, NamedKeys},
    },
    runtime, storage, system,
};

const PURSE: &str = "purse";
const OWNERS: &str = "owners";
const QUORUM: &str = "quorum";
const LABEL: &str = "label";
const ADMINS: &str = "admins";

/// Fewer owners signed than are needed.
const TOO_FEW_OWNERS: u16 = 1;
/// A name of the vault does not lead where it should.
const BROKEN: u16 = 2;

/// Makes the vault, or upgrades it.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    match hash("vault_package") {
        None => install(),
        Some(package) => upgrade(ContractPackageHash::new(package)),
    }
}

fn install() {
    let owners: Vec<AccountHash> = runtime::get_named_arg("owners");
    let quorum: u32 = runtime::get_named_arg("quorum");
    let (package, access) = storage::create_contract_package_at_hash();
    let admins =
        storage::create_contract_user_group(package, ADMINS, 1, BTreeSet::new()).unwrap_or_revert();
    let admin = admins.first().copied().unwrap_or_revert_with(ApiError::User(BROKEN));
    let mut names = NamedKeys::new();
    names.insert(PURSE.to_owned(), system::create_purse().into());
    names.insert(OWNERS.to_owned(), storage::new_uref(owners).into());
    names.insert(QUORUM.to_owned(), storage::new_uref(quorum).into());
    names.insert(LABEL.to_owned(), storage::new_uref("a vault").into());
    let contract = add_version(package, methods(false), names);
    runtime::put_key("vault_package", Key::Hash(package.value()));
    runtime::put_key("vault_access", access.into());
    runtime::put_key("vault_admin", admin.into());
    runtime::put_key("vault", Key::Hash(contract.value()));
}

fn upgrade(package: ContractPackageHash) {
    let before = hash("vault").unwrap_or_revert_with(ApiError::User(BROKEN));
    let before = ContractHash::new(before);
    // Names stay what they were: the purse is still the same.
    let contract = add_version(package, methods(true), NamedKeys::new());
    storage::disable_contract_version(package, before).unwrap_or_revert();
    runtime::put_key("vault", Key::Hash(contract.value()));
}

fn methods(with_close: bool) -> Methods {
    let target = || ("target", CLType::ByteArray(32));
    let methods = Methods::new()
        .public("balance", &[], CLType::U512)
        .public("deposit", &[("purse", CLType::URef)], CLType::Unit)
        .public("withdraw", &[target(), ("amount", CLType::U512)], CLType::Unit)
        .of_group(ADMINS, "rename", &[("label", CLType::String)], CLType::String);
    if with_close { methods.public("close", &[target()], CLType::U512) } else { methods }
}

fn hash(name: &str) -> Option<[u8; 32]> {
    match runtime::get_key(name) {
        Some(Key::Hash(hash)) => Some(hash),
        _ => None,
    }
}

/// Returns what is in the vault.
#[unsafe(no_mangle)]
pub extern "C" fn balance() {
    answer(held());
}

/// Takes in all that is in `purse`.
#[unsafe(no_mangle)]
pub extern "C" fn deposit() {
    let purse: URef = runtime::get_named_arg("purse");
    let amount = system::get_purse_balance(purse).unwrap_or_revert();
    system::transfer_from_purse_to_purse(purse, named(PURSE), amount, None).unwrap_or_revert();
}

/// Pays `amount` motes to the account `target`, if enough owners signed the deploy.
#[unsafe(no_mangle)]
pub extern "C" fn withdraw() {
    let amount: U512 = runtime::get_named_arg("amount");
    pay_out(amount);
}

/// Pays all there is to the account `target`, as `withdraw`; returns how much it was.
#[unsafe(no_mangle)]
pub extern "C" fn close() {
    let amount = held();
    pay_out(amount);
    answer(amount);
}

/// Gives the vault a `label`; returns the one before.
#[unsafe(no_mangle)]
pub extern "C" fn rename() {
    let label: String = runtime::get_named_arg("label");
    let before: String = storage::read_or_revert(named(LABEL));
    storage::write(named(LABEL), label);
    runtime::ret(CLValue::from_t(before).unwrap_or_revert());
}

fn pay_out(amount: U512) {
    let target: AccountHash = runtime::get_named_arg("target");
    let owners: Vec<AccountHash> = storage::read_or_revert(named(OWNERS));
    let quorum: u32 = storage::read_or_revert(named(QUORUM));
    let signers = runtime::list_authorization_keys();
    let signed = owners.iter().filter(|owner| signers.contains(owner)).count();
    if (signed as u64) < u64::from(quorum) {
        runtime::revert(ApiError::User(TOO_FEW_OWNERS));
    }
    system::transfer_from_purse_to_account(named(PURSE), target, amount, None).unwrap_or_revert();
}

fn held() -> U512 {
    system::get_purse_balance(named(PURSE)).unwrap_or_revert()
}

fn named(name: &str) -> URef {
    let key = runtime::get_key(name).and_then(Key::into_uref);
    key.unwrap_or_revert_with(ApiError::User(BROKEN))
}

fn answer(motes: U512) {
    runtime::ret(CLValue::from_t(motes).unwrap_or_revert());
}
