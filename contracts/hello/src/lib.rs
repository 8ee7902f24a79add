//! Stores a message.
//!
//! Argument `message`: a string. It is kept under a new URef that the account finds under the
//! named key `hello`.

#![no_std]

extern crate alloc;

use alloc::string::String;

use casper_contract::contract_api::{runtime, storage};
use guest as _;

/// The entry point of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let message: String = runtime::get_named_arg("message");
    let place = storage::new_uref(message);
    runtime::put_key("hello", place.into());
}
