//! What both engines play, and what each says of it. `peers/engine` writes and reads the same.

use serde::{Deserialize, Serialize};

use crate::clock::Span;

/// What each account has at genesis, in motes.
pub(crate) const BALANCE: u64 = 1_000_000_000_000_000;
/// What the first account has staked, in motes; it proposes every block.
pub(crate) const STAKE: u64 = 1_000_000_000_000;
/// What each transfer moves, in motes: the least that Casper accepts.
pub(crate) const AMOUNT: u64 = 2_500_000_000;
/// Milliseconds between blocks.
pub(crate) const BLOCK_TIME: u64 = 1_000;

/// Accounts, and blocks of transfers between them. The first block only warms an engine up.
#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The seed of each account's ed25519 key.
    pub(crate) seeds: Vec<[u8; 32]>,
    /// What is in each block.
    pub(crate) blocks: Vec<Vec<Transfer>>,
}

/// One native transfer.
#[derive(Serialize, Deserialize)]
pub(crate) struct Transfer {
    /// Whose; a place in the list of accounts.
    pub(crate) from: usize,
    /// To whom; a place in the list of accounts.
    pub(crate) to: usize,
    /// The number that the sender gave it.
    pub(crate) id: u64,
    /// The deploy's hash.
    pub(crate) deploy: [u8; 32],
}

/// What an engine took, and where it ended.
#[derive(Serialize, Deserialize)]
pub(crate) struct Played {
    /// Its steps by name, without the first block.
    pub(crate) steps: Vec<(String, Span)>,
    /// What each account has in the end, in motes.
    pub(crate) balances: Vec<String>,
}
