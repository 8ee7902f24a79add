//! Runs contracts in machine code, beside the interpreter and never different from it.
//!
//! Knows: wasmtime and its compiler Cranelift, threads with room for compiled code, which modules are
//! called often. Does not know: what a module may be, what anything costs, what a host function
//! does; all of that is in the instrumented bytes and in [`girrona_vm::abi::Guest`].
//!
//! Start at [`Tiers`], which a node gives to its chain; [`Native`] is the compiler for who wants
//! that alone. Compiled code needs a thread from [`spawn`]; elsewhere everything is interpreted.

#![deny(unsafe_code)]

mod lend;
mod metrics;
mod native;
mod run;
mod shape;
mod stack;
mod tiers;
mod worker;

pub use metrics::Metrics;
pub use native::{Native, NotCompiled};
pub use stack::spawn;
pub use tiers::{Onlooker, Tiers};
