//! The words that every part of Girrona shares.
//!
//! Knows: ids, units, the chainspec (the law of a network), proposals, certificates, events, and
//! how each becomes bytes; the words of the market; the numbers of gossip. Casper's own types come
//! from `casper_types` and keep its byte format.
//!
//! Does not know: clocks, files, sockets, JSON-RPC methods, Wasm.

#![forbid(unsafe_code)]

pub mod bytes;
pub mod chainspec;
pub mod config;
pub mod deploy;
pub mod draft;
pub mod event;
pub mod finality;
pub mod gossip;
pub mod keys;
pub mod market;
pub mod proposal;
pub mod units;
pub mod wasm_costs;

pub use chainspec::Chainspec;
pub use draft::Draft;
pub use event::{Event, EventId};
pub use finality::FinalitySignature;
pub use gossip::GossipSettings;
pub use market::{MarketEvent, MarketLaw};
pub use proposal::{CommitCertificate, Equivocation, Proposal, SignedDeploy};
pub use units::{Height, NetworkId, ProposalHash, Round};
