//! What a guest may be, what it pays, and what it can do.

mod casper;
mod casper2;
mod contracts;
mod gas;
mod host;
mod host_answers;
mod host_functions;
mod programs;
mod refusals;
mod same_gas;
mod select;
mod stack;

use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Interpreter, Outcome, PrepareError, Prepared, prepare, run};
use host::World;

/// More gas than anything here needs.
pub(crate) const PLENTY: u64 = 1_000_000_000_000;

/// Prepares text under the default law.
pub(crate) fn prepared(text: &str) -> Result<Prepared, PrepareError> {
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    prepare(&wasm, &WasmConfig::default(), &Interpreter)
}

/// Runs `call` of a module in a fresh world.
pub(crate) fn run_text(text: &str, gas_limit: u64) -> Outcome {
    let code = prepared(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    run(&code, "call", &mut World::new(), gas_limit)
}
