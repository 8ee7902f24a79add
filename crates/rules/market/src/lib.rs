//! The market of Girrona: how an order finds a provider, becomes a lease, is paid, and ends.
//!
//! Knows: accounts, prices, block heights, the law's `[market]` section. Start at [`apply`], which
//! does one [`Call`] of one account, and [`step()`], which does what is due at a block's end.
//!
//! Does not know: Wasm, how the state is stored, sockets, clocks. Records are bytes behind
//! [`Store`]; motes that enter or leave are [`Movement`]s that the caller carries out. What is
//! allowed when is written for people in `docs/spec/market.md`.

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

mod bid;
mod call;
mod certificate;
mod check;
mod execution;
mod lease;
mod matching;
mod memory;
mod money;
mod order;
mod provider;
mod queue;
mod records;
mod refusal;
mod reward;
pub mod score;
mod session;
mod step;
mod store;

pub use call::{
    BidOffer, Call, CertProof, ExecutionFacts, FundSource, OrderTerms, ProviderProfile, Receipt,
    UpdateRequest,
};
pub use certificate::proof_message;
pub use memory::{Holdings, MemoryStore};
pub use records::*;
pub use refusal::Refusal;
pub use session::{Halt, Movement, Outcome, Who, apply, pay_executions};
pub use step::{Block, step};
pub use store::{Key, Store};
