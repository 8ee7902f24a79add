//! Executes deploys over state: payment, session, finalization; accounts and keys; the native mint,
//! handle payment, standard payment and auction; the end of an era; genesis.
//!
//! Start at [`execute_block`]; [`genesis()`] makes the state that the first block sits on, and
//! [`admission`] answers what can be known about a deploy without executing it.
//!
//! Knows: accounts, purses, gas, fees, failure and its price, what running code may do.
//!
//! Does not know: how a state becomes a root or reaches a disk, how Wasm is run, what is signed,
//! who proposes.

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

mod address;
pub mod admission;
mod advice;
pub mod auction;
mod bill;
mod block;
mod code;
mod deploy;
mod error;
mod genesis;
mod ledger;
mod methods;
mod payment;
mod runtime;
mod signed;
pub mod supply;
pub mod system;
mod target;
mod transfer;
mod urefs;

pub use advice::advice;
pub use auction::{EraOutcome, EraReport};
pub use bill::{Bill, GasUse};
pub use block::{BlockContext, BlockOutcome, Explained, execute_block, execute_deploy, explain};
pub use code::{CodeSource, Uncached};
pub use deploy::DeployOutcome;
pub use error::{Error, Failure};
pub use genesis::{Genesis, genesis};
pub use signed::Signed;
pub use supply::{recorded_supply, total_supply};
