//! Runs one Wasm module with gas, and owns the guest's side of Casper 1.5's contract interface:
//! pointers, sizes, encodings, the host buffer, prices.
//!
//! Two steps. [`prepare()`] checks a module, puts gas and stack metering into its code and has an
//! [`Engine`] compile it; the result can be cached. [`run`] executes it against a [`Host`], which
//! is where all meaning comes from: what an account, a purse or a block is, nobody here knows.
//!
//! ```
//! # use girrona_types::wasm_costs::WasmConfig;
//! # use girrona_vm::{Host, Interpreter, PrepareError, prepare, run};
//! # fn session(wasm: &[u8], host: &mut dyn Host) -> Result<(), PrepareError> {
//! let code = prepare(wasm, &WasmConfig::default(), &Interpreter)?;
//! let outcome = run(&code, "call", host, 10_000_000_000);
//! println!("{:?} for {} gas", outcome.result, outcome.gas_used);
//! # Ok(())
//! # }
//! ```
//!
//! Gas is part of the network's law, so it is metered by the module itself, in code that this
//! crate writes; an engine cannot change it. Does not know: state, deploys, files, clocks, threads.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::float_arithmetic
    )
)]

pub mod abi;
mod body;
mod engine;
mod gas;
mod height;
mod host;
mod instrument;
pub mod limits;
mod prepare;
mod price;
mod prune;
mod regions;
mod trap;
mod wasmi_engine;

pub use engine::{Code, Engine, Outcome, run};
pub use gas::{Gas, GasParts};
pub use host::{Answer, Host};
pub use instrument::{GAS_EXPORT, Instrumented, MEMORY_EXPORT, instrument};
pub use prepare::{PrepareError, Prepared, Refusal, prepare};
pub use prune::prune;
pub use trap::{Fault, Trap};
pub use wasmi_engine::Interpreter;
