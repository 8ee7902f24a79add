//! What both engines play, and what each says of it. `peers/engine` writes and reads the same.

use serde::{Deserialize, Serialize};

use crate::clock::Span;

/// What each account has at genesis, in motes.
pub(crate) const BALANCE: u64 = 1_000_000_000_000_000;
/// What the first account has staked, in motes; it proposes every block and installs contracts.
pub(crate) const STAKE: u64 = 1_000_000_000_000;
/// What each transfer moves, in motes: the least that Casper accepts.
pub(crate) const AMOUNT: u64 = 2_500_000_000;
/// What each deploy that runs code pays, in motes; what it does not use is given back.
pub(crate) const PAYMENT: u64 = 1_000_000_000_000;
/// Milliseconds between blocks.
pub(crate) const BLOCK_TIME: u64 = 1_000;

/// Accounts, and blocks of deploys of theirs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The seed of each account's ed25519 key.
    pub(crate) seeds: Vec<[u8; 32]>,
    /// Wasm, in hex.
    pub(crate) modules: Vec<String>,
    /// What is in each block.
    pub(crate) blocks: Vec<Vec<Act>>,
    /// The first blocks, which install contracts and warm an engine up; they are not timed.
    pub(crate) untimed: usize,
    /// What is read in the end.
    pub(crate) looks: Vec<Look>,
}

/// One deploy.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Act {
    /// Whose; a place in the list of accounts.
    pub(crate) from: usize,
    /// No other deploy has this number.
    pub(crate) id: u64,
    /// What it does.
    pub(crate) what: What,
}

/// What a deploy does.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum What {
    /// A native transfer of `AMOUNT` to an account.
    Transfer {
        /// Its place in the list of accounts.
        to: usize,
    },
    /// A module, with a custom section behind it if it shall be one that nobody has seen.
    Module {
        /// Its place in the list of modules.
        module: usize,
        /// Bytes of the custom section; the deploy's number is in it.
        unseen: Option<usize>,
        /// Its arguments.
        args: Vec<(String, Value)>,
    },
    /// A contract that the first account has under a name, by its hash.
    Call {
        /// The name.
        name: String,
        /// The method.
        entry: String,
        /// Its arguments.
        args: Vec<(String, Value)>,
    },
}

/// The value of an argument.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Value {
    /// A text.
    Text(String),
    /// A byte.
    U8(u8),
    /// A number.
    U64(u64),
    /// A large number.
    U256(u64),
    /// A number of motes.
    U512(u64),
    /// The key of an account, by its place.
    Account(usize),
    /// The hash of an account, by its place.
    Hash(usize),
}

/// Something that both engines must have the same of.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Look {
    /// Motes in an account's main purse.
    Balance(usize),
    /// The `u64` under a name of the contract that the first account has under another name.
    Contract(String, String),
    /// The `u64` under a name of an account.
    Account(usize, String),
    /// Tokens of an account in the first account's `token`.
    Token(usize),
}

/// What an engine took, and where it ended.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Played {
    /// Its steps by name, without the untimed blocks.
    pub(crate) steps: Vec<(String, Span)>,
    /// The answers to the looks.
    pub(crate) ends: Vec<String>,
    /// Gas of the timed blocks.
    pub(crate) gas: u64,
}
