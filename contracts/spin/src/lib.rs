//! Never ends by itself: out of gas is the only way.

#![no_std]

use core::hint::black_box;

use guest as _;

/// The entry point of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let mut turns = 0_u32;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}
