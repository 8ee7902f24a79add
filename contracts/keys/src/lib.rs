//! Changes whose signatures an account needs.
//!
//! Arguments `key`, an account hash, and `weight`, a u8: what the key's signature weighs from now
//! on, 0 to take the key away. Then the thresholds `deployment` and `key_management`, both u8: the
//! weight that a deploy, and that a change of keys, needs; 0 leaves one as it is.

#![no_std]

use guest as _;
use sdk::{
    UnwrapOrRevert, account,
    casper_types::{
        ApiError,
        account::{AccountHash, ActionType, AddKeyFailure, Weight},
    },
    runtime,
};

/// The entry point of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let key: AccountHash = runtime::get_named_arg("key");
    let weight: u8 = runtime::get_named_arg("weight");
    weigh(key, weight).unwrap_or_revert();
    for (action, name) in
        [(ActionType::KeyManagement, "key_management"), (ActionType::Deployment, "deployment")]
    {
        let threshold: u8 = runtime::get_named_arg(name);
        if threshold > 0 {
            account::set_action_threshold(action, Weight::new(threshold)).unwrap_or_revert();
        }
    }
}

fn weigh(key: AccountHash, weight: u8) -> Result<(), ApiError> {
    if weight == 0 {
        return account::remove_associated_key(key).map_err(ApiError::from);
    }
    match account::add_associated_key(key, Weight::new(weight)) {
        Err(AddKeyFailure::DuplicateKey) => {
            account::update_associated_key(key, Weight::new(weight)).map_err(ApiError::from)
        }
        other => other.map_err(ApiError::from),
    }
}
