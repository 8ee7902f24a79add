//! Agreement: how validators settle on one proposal per height, although up to a third of their
//! weight may lie and the network may lose, delay and reorder everything.
//!
//! Knows: proposal hashes, validators and their weights, leaders, votes, certificates, the
//! write-ahead log and the guard against signing twice. It is Tendermint on Malachite's core, and
//! the only crate that sees a Malachite type.
//!
//! Does not know: deploys, blocks, execution, disks, sockets, clocks.
//!
//! Start at [`Consensus`]: inputs go in, outputs come out, and the owner carries the outputs out
//! strictly in order. [`Bft`] is the real thing, [`Solo`] is the network of one validator. The
//! byte formats are written down in `docs/spec/consensus.md`.

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

mod bft;
mod certificate;
mod check;
mod consensus;
mod context;
mod evidence;
mod guard;
mod inbox;
mod leaders;
mod message;
mod scheme;
mod solo;
mod timeouts;
mod validators;
mod wal;

pub use bft::{Bft, BftConfig};
pub use certificate::{CertificateError, verify_certificate};
pub use check::{MessageError, MessageInfo, MessageKind, check_message, inspect};
pub use consensus::{Consensus, Fault, Input, Output, Record, SendClass, SyncRefusal};
pub use evidence::{EvidenceError, verify_equivocation};
pub use guard::{GuardError, Step};
pub use leaders::Leaders;
pub use message::{HEIGHTS_AHEAD, MESSAGE_MAX, Message, Propose, Signed, Vote, VoteKind};
pub use message::{Polka, RoundChange, RoundChangeKind, RoundVote};
pub use scheme::{CasperKeys, Scheme, SystemKey};
pub use solo::Solo;
pub use timeouts::{Timeouts, TimerId, TimerKind};
pub use validators::{VALIDATORS_MAX, Validators, ValidatorsError};
pub use wal::{WalError, record_height};
