//! A chain inside a test, for whoever writes contracts.
//!
//! It runs the engine that validators run, in memory, one block for each Deploy: what succeeds or
//! fails here does so on a network with the same law, costs the same to the mote, and says the same
//! words. `girrona contract new` makes a project that uses it.
//!
//! ```no_run
//! use girrona_contract_test::{Chain, build, casper_types::runtime_args};
//!
//! let wasm = build(env!("CARGO_MANIFEST_DIR"), "my-contract")?;
//! let mut chain = Chain::new();
//! let ana = chain.user("ana");
//! chain.run(&ana, &wasm, runtime_args! {}).succeeded();
//! chain.call(&ana, "my_contract", "greet", runtime_args! { "name" => "eva" }).succeeded();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Knows: accounts with funds, Deploys, blocks, what is stored. Does not know: nodes, peers, votes.
//!
//! It speaks as tests do: what was expected and is not there ends the test with a sentence.

#![forbid(unsafe_code)]

mod build;
mod chain;
mod outcome;
mod target;

pub use build::{BuildError, build};
pub use casper_types;
pub use chain::{Chain, GIRRO, User};
pub use girrona_types::Chainspec;
pub use outcome::Outcome;
pub use target::Target;
