//! Fetching content from many peers at once, and serving it to many.
//!
//! [`Session`] plans one fetch: which block is asked of whom, what is taken away from whom, who is
//! at fault. [`Ledger`] keeps the wants of others within bounds and serves the deserving first.
//! Both speak in Bitswap's terms; [`wire`] turns that into its bytes.

pub mod ledger;
mod peer;
pub mod session;
pub mod wire;

pub use ledger::{Ledger, Serve};
pub use session::{Blocks, Failure, Offence, Output, Session, Took};

use borsh::{BorshDeserialize, BorshSerialize};

/// What is wanted of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum WantKind {
    /// Its bytes.
    Block,
    /// Whether it is there.
    Have,
}
