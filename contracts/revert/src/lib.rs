//! Ends with the user error it is told.
//!
//! Argument `code`: a `u32`, because a `CLValue` has no 16 bits; what does not fit becomes 65,535.

#![no_std]

use casper_contract::contract_api::runtime;
use casper_types::ApiError;
use guest as _;

/// The entry point of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let code: u16 = u16::try_from(runtime::get_named_arg::<u32>("code")).unwrap_or(u16::MAX);
    runtime::revert(ApiError::User(code))
}
