//! What is played for conformance, as plain data, and what each engine says of it. `peers/engine`
//! writes the first and reads the second.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The account that proposes every block; it has a stake.
pub(crate) const PROPOSER: u8 = 0;
/// An account with plenty.
#[allow(dead_code, reason = "the peer plays what it is told")]
pub(crate) const ANA: u8 = 1;
/// Another one.
#[allow(dead_code, reason = "the peer plays what it is told")]
pub(crate) const BEN: u8 = 2;

/// Motes of the accounts at genesis; who has a higher number has no account.
pub(crate) const BALANCES: [u64; 6] = [
    1_000_000_000_000_000,
    1_000_000_000_000_000,
    1_000_000_000_000_000,
    // What a deploy needs at least, ...
    2_500_000_000,
    // ... one mote less, ...
    2_499_999_999,
    // ... and half of a native transfer.
    50_000_000,
];
/// Motes that the proposer has staked.
pub(crate) const STAKE: u64 = 500_000_000_000_000;
/// The seed of an account's ed25519 key is this number 32 times, plus the account's own number.
pub(crate) const SEED: u8 = 101;
/// Accounts that a test may mention.
pub(crate) const ACCOUNTS: u8 = 16;
/// The first deploy's block time in milliseconds since 1970; a second for each further one.
pub(crate) const TIME: u64 = 1_767_225_601_000;

/// Everything that is played.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Suite {
    /// Wasm by name, in hex.
    pub(crate) modules: BTreeMap<String, String>,
    /// Each begins with the state of genesis.
    pub(crate) cases: Vec<Case>,
}

/// Deploys one after the other, each in a block of its own.
#[derive(Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) deploys: Vec<Play>,
}

/// One deploy.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Play {
    /// Unique in its case.
    pub(crate) name: String,
    pub(crate) sender: u8,
    pub(crate) signers: Vec<u8>,
    pub(crate) gas_price: u64,
    pub(crate) payment: Item,
    pub(crate) session: Item,
}

/// Named arguments, in order.
pub(crate) type Args = Vec<(String, Value)>;

/// Payment or session.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Item {
    /// Wasm by its name in the suite; the name "" is no bytes, as in standard payment.
    Module {
        module: String,
        args: Args,
    },
    /// A contract by its hash, which is found at a [`Place`].
    Hash {
        at: Place,
        entry: String,
        args: Args,
    },
    Name {
        name: String,
        entry: String,
        args: Args,
    },
    PackageHash {
        at: Place,
        version: Option<u32>,
        entry: String,
        args: Args,
    },
    PackageName {
        name: String,
        version: Option<u32>,
        entry: String,
        args: Args,
    },
    Transfer {
        args: Args,
    },
}

/// Where an address is found when a deploy is made, because the engines give different ones: the
/// number of an account and names from there (`1/token/balances`), `1/@main` for its main purse,
/// `@mint` and so on for a system contract, and `@nothing` for an address of nothing.
pub(crate) type Place = String;

/// The value of an argument.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Value {
    Bool(bool),
    I32(i32),
    U8(u8),
    U32(u32),
    U64(u64),
    U128(String),
    U256(String),
    U512(String),
    Text(String),
    Unit,
    /// 32 bytes: the hash of an account.
    Account(u8),
    /// A list of account hashes.
    Accounts(Vec<u8>),
    /// A public key.
    Public(u8),
    /// A key that is an account.
    AccountKey(u8),
    /// A key that is found somewhere.
    Key(Place),
    /// 32 bytes: the address that is found somewhere.
    Address(Place),
    /// A URef with these access rights.
    URef {
        at: Place,
        rights: u8,
    },
    /// The number of a transfer.
    Id(Option<u64>),
    /// Arguments for another call, as bytes of type Any.
    Args(Args),
    /// Bytes of type Any.
    Any(Vec<u8>),
}

/// What an engine says of one deploy, a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) case: String,
    pub(crate) deploy: String,
    pub(crate) sender: u8,
    /// Why it failed; empty when it did not.
    pub(crate) error: String,
    /// Gas.
    pub(crate) cost: String,
    /// What moved, by whom to whom, when the deploy succeeded; how many otherwise.
    pub(crate) transfers: Vec<String>,
    /// How the balance of each account's main purse changed, in motes.
    pub(crate) changes: Vec<String>,
    /// After the last deploy of a case: accounts, names, values, contracts.
    pub(crate) state: Vec<String>,
}
