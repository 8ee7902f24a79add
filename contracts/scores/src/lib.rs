//! Keeps scores in a dictionary, as a stored contract that changes over time.
//!
//! `call` is what its owner does; the argument `step`, a string, says what. `install` makes it: the
//! account's names afterwards are `scores_package`, `scores_access`, `scores_keeper`, which lets its
//! holder call `clear`, and `scores_1`, the first version. `upgrade` adds the next, whose `add`
//! counts double. `disable` and `enable` say whether the one of the argument `version`, a u32, may
//! be called.

#![no_std]

extern crate alloc;

use alloc::{borrow::ToOwned, collections::BTreeSet, format, string::String};

use guest as _;
use sdk::{
    Methods, UnwrapOrRevert, add_version,
    casper_types::{
        ApiError, CLType, Key, URef,
        contracts::{ContractHash, ContractPackageHash, NamedKeys},
    },
    runtime, storage,
};

const SCORES: &str = "scores";
const KEEPERS: &str = "keepers";

/// The sum of a player's points does not fit 64 bits.
const TOO_MANY_POINTS: u16 = 1;
/// A name does not lead where it should, or there is no such step.
const BROKEN: u16 = 2;

/// Makes the contract, or changes its versions.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let step: String = runtime::get_named_arg("step");
    match step.as_str() {
        "install" => install(),
        "upgrade" => upgrade(),
        "disable" => storage::disable_contract_version(package(), version()).unwrap_or_revert(),
        "enable" => storage::enable_contract_version(package(), version()).unwrap_or_revert(),
        _ => runtime::revert(ApiError::User(BROKEN)),
    }
}

fn install() {
    let (package, access) = storage::create_contract_package_at_hash();
    let keepers = storage::create_contract_user_group(package, KEEPERS, 1, BTreeSet::new());
    let keeper = keepers.unwrap_or_revert().first().copied();
    let keeper = keeper.unwrap_or_revert_with(ApiError::User(BROKEN));
    let scores = storage::new_dictionary(SCORES).unwrap_or_revert();
    let mut names = NamedKeys::new();
    names.insert(SCORES.to_owned(), scores.into());
    // It belongs to the contract now.
    runtime::remove_key(SCORES);
    let first = add_version(package, methods("add"), names);
    runtime::put_key("scores_package", Key::Hash(package.value()));
    runtime::put_key("scores_access", access.into());
    runtime::put_key("scores_keeper", keeper.into());
    runtime::put_key("scores_1", Key::Hash(first.value()));
}

fn upgrade() {
    let mut next = 2_u32;
    while runtime::has_key(&name(next)) {
        next += 1;
    }
    let version = add_version(package(), methods("add_double"), NamedKeys::new());
    runtime::put_key(&name(next), Key::Hash(version.value()));
}

fn methods(add: &str) -> Methods {
    let player = || ("player", CLType::String);
    let points = ("points", CLType::U64);
    let methods = Methods::new().public(add, &[player(), points], CLType::Unit);
    methods.of_group(KEEPERS, "clear", &[player()], CLType::Unit)
}

/// Adds `points` to what `player` has.
#[unsafe(no_mangle)]
pub extern "C" fn add() {
    count(runtime::get_named_arg("points"));
}

/// As `add`, twice.
#[unsafe(no_mangle)]
pub extern "C" fn add_double() {
    let points: u64 = runtime::get_named_arg("points");
    count(points.checked_mul(2).unwrap_or_revert_with(ApiError::User(TOO_MANY_POINTS)));
}

/// Takes all points from `player`.
#[unsafe(no_mangle)]
pub extern "C" fn clear() {
    let player: String = runtime::get_named_arg("player");
    storage::dictionary_put(scores(), &player, 0_u64);
}

fn count(points: u64) {
    let player: String = runtime::get_named_arg("player");
    let before: Option<u64> = storage::dictionary_get(scores(), &player).unwrap_or_revert();
    let after = before.unwrap_or_default().checked_add(points);
    let after = after.unwrap_or_revert_with(ApiError::User(TOO_MANY_POINTS));
    storage::dictionary_put(scores(), &player, after);
}

fn scores() -> URef {
    let key = runtime::get_key(SCORES).and_then(Key::into_uref);
    key.unwrap_or_revert_with(ApiError::User(BROKEN))
}

fn package() -> ContractPackageHash {
    ContractPackageHash::new(hash("scores_package"))
}

fn version() -> ContractHash {
    ContractHash::new(hash(&name(runtime::get_named_arg("version"))))
}

fn name(version: u32) -> String {
    format!("scores_{version}")
}

fn hash(name: &str) -> [u8; 32] {
    match runtime::get_key(name) {
        Some(Key::Hash(hash)) => hash,
        _ => runtime::revert(ApiError::User(BROKEN)),
    }
}
