//! Counts calls and keeps scores in a dictionary.
//!
//! Arguments `player`, a string, and `points`, a `u64`. The named key `counter` holds how often the
//! account has called; the dictionary `scores` holds the sum of points of each player. Both are made
//! by the first call.

#![no_std]

extern crate alloc;

use alloc::string::String;

use casper_contract::contract_api::{runtime, storage};
use casper_contract::unwrap_or_revert::UnwrapOrRevert;
use casper_types::{ApiError, URef};
use guest as _;

const COUNTER: &str = "counter";
const SCORES: &str = "scores";

/// The sum of a player's points does not fit 64 bits.
const TOO_MANY_POINTS: u16 = 1;

/// The entry point of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let player: String = runtime::get_named_arg("player");
    let points: u64 = runtime::get_named_arg("points");

    match named_uref(COUNTER) {
        Some(counter) => storage::add(counter, 1_u64),
        None => runtime::put_key(COUNTER, storage::new_uref(1_u64).into()),
    }

    let scores =
        named_uref(SCORES).unwrap_or_else(|| storage::new_dictionary(SCORES).unwrap_or_revert());
    let before: u64 =
        storage::dictionary_get(scores, &player).unwrap_or_revert().unwrap_or_default();
    let after = before.checked_add(points);
    storage::dictionary_put(
        scores,
        &player,
        after.unwrap_or_revert_with(ApiError::User(TOO_MANY_POINTS)),
    );
}

/// The URef that the account has under `name`.
fn named_uref(name: &str) -> Option<URef> {
    runtime::get_key(name)
        .map(|key| key.into_uref().unwrap_or_revert_with(ApiError::UnexpectedKeyVariant))
}
