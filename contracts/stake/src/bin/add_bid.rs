//! Session code: stakes for the account itself.

#![no_std]
#![no_main]

/// The entry point of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    stake::add_bid();
}
