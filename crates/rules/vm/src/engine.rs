//! The seam between prepared code and whatever runs it.
//!
//! Gas and stack limits are in the instrumented bytes, and the guest's calls go through
//! [`crate::abi::Guest`]; so an engine can change neither the outcome of a run nor its price. A
//! home may bring a compiling engine of its own and keep what it compiled in a cache.

use std::fmt;

use casper_types::CLValue;

use crate::gas::GasParts;
use crate::host::Host;
use crate::instrument::Instrumented;
use crate::prepare::{PrepareError, Prepared};
use crate::trap::Trap;

/// How a run ended and what it cost.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the module returned: the value it passed to `casper_ret`, unit when it just ended.
    pub result: Result<CLValue, Trap>,
    /// Gas used, at most the limit. It is charged whatever the result.
    pub gas_used: u64,
    /// What of it was not for instructions.
    pub gas_parts: GasParts,
}

/// Turns instrumented bytes into code.
pub trait Engine: fmt::Debug {
    /// Compiles one module.
    ///
    /// # Errors
    /// [`PrepareError`] when the engine finds what the validator did not.
    fn compile(&self, module: Instrumented) -> Result<Prepared, PrepareError>;
}

/// One compiled module, ready to run any number of times, on any thread.
pub trait Code: Send + Sync + fmt::Debug {
    /// Runs the exported function `entry_point`, which takes nothing. Each run starts from fresh
    /// memory and globals.
    fn run(&self, entry_point: &str, host: &mut dyn Host, gas_limit: u64) -> Outcome;
}

/// Runs `code` from `entry_point` with at most `gas_limit` gas: [`Code::run`] as a function.
pub fn run(code: &Prepared, entry_point: &str, host: &mut dyn Host, gas_limit: u64) -> Outcome {
    code.run(entry_point, host, gas_limit)
}
