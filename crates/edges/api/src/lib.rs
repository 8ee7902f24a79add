//! The contract of the door: which methods a node answers, with which parameters, results, error
//! codes and event frames; and a client that speaks it.
//!
//! Knows: the names and JSON shapes of casper-node 1.5.8, and our own `girrona_` methods beside
//! them. [`METHODS`] lists them all; each group has a file under [`methods`].
//!
//! Does not know: sockets of the server, the chain, state, disk.

#![forbid(unsafe_code)]

pub mod block;
pub mod client;
pub mod error;
pub mod frames;
pub mod identifiers;
pub mod json_compat_15;
pub mod methods;
pub mod params;

pub use block::{JsonBlock, JsonProof};
pub use client::{Client, ClientError, EventStreamPath, events};
pub use error::{BlockRange, ErrorCode, RpcError};
pub use frames::Frame;
pub use identifiers::{
    AccountIdentifier, BlockIdentifier, DictionaryIdentifier, GlobalStateIdentifier,
    PurseIdentifier,
};
pub use json_compat_15::{Deploy15, ExecutionResult15, StoredValue15};
pub use methods::{METHODS, Method, ParamsRule};

/// Port of JSON-RPC, unless configured otherwise.
pub const RPC_PORT: u16 = 7777;
/// Port on which deploys are tried out, unless configured otherwise.
pub const SPECULATIVE_PORT: u16 = 7778;
/// Port of REST and metrics, unless configured otherwise.
pub const REST_PORT: u16 = 8888;
/// Port of the event streams, unless configured otherwise.
pub const EVENTS_PORT: u16 = 9999;
/// Path of JSON-RPC.
pub const RPC_PATH: &str = "/rpc";
