//! Session code: stakes for a validator.

#![no_std]
#![no_main]

/// The entry point of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    stake::delegation("delegate");
}
