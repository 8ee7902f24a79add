//! What nodes say about assemblies: signed envelopes that mean something on one network, for a
//! while, once.
//!
//! Start at [`envelope::open`] for one message and at [`Inbox`] for what a node remembers between
//! messages.

pub mod board;
pub mod bucket;
pub mod envelope;
pub mod inbox;
pub mod payload;
pub mod refusal;
pub mod replay;
pub mod shelf;

pub use board::{Board, Change};
pub use envelope::{Body, Channel, Envelope, Kind, Opened, Verified, open};
pub use inbox::{Funds, Inbox, Source};
pub use payload::{
    Announcement, Cancellation, Content, Decline, DeclineReason, Execution, Holdings, Limits,
    Needs, Payload, Receipt, Runtime, Update, Withdrawal,
};
pub use refusal::{Refusal, Verdict};
