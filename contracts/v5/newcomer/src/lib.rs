//! A first contract, written without reading anything: plain Rust with the standard library, built
//! for `wasm32-unknown-unknown` as tutorials for other chains do.
//!
//! Argument `words`, a list of strings. The named key `longest` leads to the longest of them, and
//! `report` to a sentence about all. Without words it panics.

use std::collections::HashMap;

use casper_contract::contract_api::{runtime, storage};

/// The entry point of session code.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let words: Vec<String> = runtime::get_named_arg("words");
    let mut by_length: HashMap<usize, Vec<&str>> = HashMap::new();
    for word in &words {
        by_length.entry(word.len()).or_default().push(word);
    }
    let mut lengths: Vec<usize> = by_length.keys().copied().collect();
    lengths.sort_unstable();
    let last = lengths.last().expect("there are words");
    let longest = by_length[last][0].to_owned();
    let report = format!("{} words, the longest is {longest:?} with {last} letters", words.len());
    runtime::put_key("longest", storage::new_uref(longest).into());
    runtime::put_key("report", storage::new_uref(report).into());
}
