//! The interface of every consensus: inputs in, outputs out.
//!
//! Leaves to others: time (timers are outputs), disks (records are outputs), the network
//! (messages are bytes), bodies of proposals and whether they are valid.

use std::{sync::Arc, time::Duration};

use casper_types::PublicKey;
use girrona_types::{CommitCertificate, Equivocation, Height, ProposalHash, Round};

use crate::{
    certificate::CertificateError,
    check::MessageError,
    guard::{GuardError, Step},
    leaders::Leaders,
    timeouts::TimerId,
    wal::WalError,
};

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Begin this height; the one before is executed. Heights only go up.
    Start {
        /// The height to decide.
        height: Height,
        /// Who votes and leads.
        leaders: Arc<Leaders>,
        /// The [`Record::Wal`] records of this height, in order, after a restart; else empty.
        wal: Vec<Vec<u8>>,
    },
    /// Bytes that another node sent, from anybody, in any order, any number of times.
    Message(Vec<u8>),
    /// A timer ran out.
    Timer(TimerId),
    /// The answer to [`Output::Build`]. The proposal's body must be durable.
    Built {
        /// As asked.
        height: Height,
        /// As asked.
        round: Round,
        /// The hash of what was built.
        proposal: ProposalHash,
    },
    /// The answer to [`Output::Wanted`]. If valid, the proposal's body must be durable. The first
    /// verdict on a hash stands for the height.
    Judged {
        /// As asked.
        height: Height,
        /// As asked.
        proposal: ProposalHash,
        /// Whether it may become the next block.
        valid: bool,
    },
    /// A peer says that this was decided; its body is here and was judged.
    Synced {
        /// The peer's proof.
        certificate: CommitCertificate,
        /// Whether the body may become the next block.
        valid: bool,
    },
}

/// What the owner has to do, strictly in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write this. It must be durable before the next `Send` or `Decided` is carried out, and a
    /// crash may lose only the last records, never one before a record that survives.
    Persist(Record),
    /// Send these bytes to every validator.
    Send {
        /// The message.
        bytes: Vec<u8>,
        /// How urgent it is.
        class: SendClass,
    },
    /// Give [`Input::Timer`] after this time; replaces a running timer of the same name.
    SetTimer {
        /// The timer's name.
        id: TimerId,
        /// How long it runs.
        after: Duration,
    },
    /// Forget this timer.
    CancelTimer(TimerId),
    /// Forget every timer.
    CancelAllTimers,
    /// We lead: build a proposal and give [`Input::Built`]. Late answers are ignored.
    Build {
        /// For this height.
        height: Height,
        /// For this round.
        round: Round,
    },
    /// A leader named this hash: judge its body when it is here and give [`Input::Judged`], which
    /// holds for all rounds. Said once per hash and height.
    Wanted {
        /// The height.
        height: Height,
        /// What was named.
        proposal: ProposalHash,
        /// By whom.
        proposer: PublicKey,
        /// In which round first.
        round: Round,
    },
    /// We propose this hash again: others may still need its body.
    Resend {
        /// The height.
        height: Height,
        /// The round in which it is proposed again.
        round: Round,
        /// Whose body to offer.
        proposal: ProposalHash,
    },
    /// A round began.
    RoundStarted {
        /// The height.
        height: Height,
        /// The round.
        round: Round,
        /// Who leads it.
        leader: PublicKey,
    },
    /// The height is decided. Always the last output of its step, once per height. Only timers
    /// matter from now on, until the next `Start`.
    Decided {
        /// The proof.
        certificate: CommitCertificate,
        /// Who was caught signing two things at this height.
        evidence: Vec<Equivocation>,
    },
    /// What [`Input::Synced`] brought was not accepted; try another peer.
    BadSync {
        /// The height it was for.
        height: Height,
        /// Why.
        reason: SyncRefusal,
    },
    /// An [`Input::Message`] was refused. Duplicates and messages of past or far heights are
    /// dropped without a word, because they are nobody's fault.
    Refused(MessageError),
    /// This node must not go on at this height: stop and tell the operator. Every later input is
    /// ignored and nothing is ever signed again.
    Fault(Fault),
}

/// Something that has to survive a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The next record of the height's write-ahead log. The log is emptied when the decision of
    /// its height is durable.
    Wal(Vec<u8>),
    /// Replaces the guard's one record. It outlives heights and is given to the constructor.
    Guard(Vec<u8>),
}

/// What kind of message leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SendClass {
    /// A leader's proposal.
    Proposal,
    /// A vote.
    Vote,
    /// A repeated vote or a certificate that helps others along.
    Liveness,
}

/// Why a synced certificate was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncRefusal {
    /// It proves nothing.
    #[error("the certificate is not valid: {0}")]
    Certificate(#[from] CertificateError),
    /// Two thirds of the validators decided what this node holds to be invalid.
    #[error("validators decided proposal {0}, which is invalid here")]
    JudgedInvalid(ProposalHash),
}

/// Why a node has to stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Signing would contradict what was signed before, or go back behind it.
    #[error("refused to sign: {0}")]
    Guard(#[from] GuardError),
    /// The write-ahead log cannot be read.
    #[error("record {index} of the write-ahead log of height {height}: {error}")]
    Wal {
        /// The height that was started.
        height: Height,
        /// Which record, from 0.
        index: usize,
        /// What is wrong with it.
        error: WalError,
    },
    /// Replaying the log led to another message than the one that was sent before the crash.
    #[error(
        "replaying the log of height {height} gave another {step} of round {round} than was signed"
    )]
    ReplayDiverged {
        /// The height.
        height: Height,
        /// The round.
        round: Round,
        /// Which message differs.
        step: Step,
    },
    /// The key did not sign.
    #[error("the validator key did not sign")]
    KeyRefused,
    /// `Start` named a height that is not above the current one.
    #[error("asked to start height {asked} at height {at}")]
    HeightWentBack {
        /// The current height.
        at: Height,
        /// The height of the `Start`.
        asked: Height,
    },
    /// The engine broke its own rules.
    #[error("consensus engine at height {height}: {text}")]
    Engine {
        /// The height.
        height: Height,
        /// Its words.
        text: String,
    },
}

/// Agrees on one proposal per height.
pub trait Consensus: Send {
    /// Takes one input; the outputs are to be carried out in order before the next input.
    fn step(&mut self, input: Input) -> Vec<Output>;
    /// The height last started; 0 before the first.
    fn height(&self) -> Height;
    /// The current round of that height.
    fn round(&self) -> Round;
}
