//! Session code: takes back what the account staked itself.

#![no_std]
#![no_main]

/// The entry point of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    stake::withdraw_bid();
}
