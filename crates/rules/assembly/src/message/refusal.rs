//! Why a message is not taken, and whose fault that is.

use girrona_types::NetworkId;
use thiserror::Error;

use super::{envelope::Kind, payload::Invalid};

/// What gossip is told about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Accept,
    /// Do not pass it on; nobody is at fault.
    Ignore,
    /// Do not pass it on; whoever sent it should have known.
    Reject,
}

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Longer than messages of its kind or its channel may be.
    #[error("{size} bytes are too many, {max} are allowed")]
    Long {
        /// Its length.
        size: usize,
        /// What is allowed.
        max: usize,
    },
    /// Not the bytes of an envelope.
    #[error("not an envelope: {0}")]
    Malformed(String),
    /// A version that is not spoken here.
    #[error("version {0} is not known")]
    Version(u8),
    /// Meant for another network.
    #[error("it is meant for network {0}")]
    Network(NetworkId),
    /// Something that is not said there.
    #[error("{0:?} is not said here")]
    Channel(Kind),
    /// It says something it cannot.
    #[error(transparent)]
    Payload(#[from] Invalid),
    /// It lives longer than messages of its kind may, or not at all.
    #[error("it is valid for {0} ms, which is too long or nothing")]
    Lifetime(u64),
    /// Its time is over.
    #[error("it expired {0} ms ago")]
    Expired(u64),
    /// Its time has not come.
    #[error("it is from {0} ms in the future")]
    Future(u64),
    /// The author did not sign this.
    #[error("the signature is not its author's")]
    Signature,
    /// These bytes came before.
    #[error("it came before")]
    Duplicate,
    /// The author used this nonce before, or many later ones.
    #[error("nonce {0} was used or is long past")]
    Nonce(u64),
    /// A peer sends more than it may.
    #[error("the peer sends too much")]
    PeerRate,
    /// An author says more than it may.
    #[error("the author says too much")]
    AuthorRate,
    /// The author's account cannot pay for anything, as far as is known here.
    #[error(
        "the author's account is not on the chain or has less than the chainspec's \
         core.penalty_payment: transfer something to it first"
    )]
    Unfunded,
    /// No memory is left for authors.
    #[error("too many authors at once")]
    Full,
}

/// Clocks differ and messages wait in queues: what is out of its time by less than this is
/// nobody's fault.
pub const GRACE_MS: u64 = 120_000;

impl Refusal {
    /// Reject only what its sender could see as well as anybody; everything that depends on this
    /// node's state, clock or memory is ignored, else a node with a fault of its own cuts itself
    /// off from its peers.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Long { .. }
            | Self::Malformed(_)
            | Self::Version(_)
            | Self::Network(_)
            | Self::Channel(_)
            | Self::Payload(_)
            | Self::Lifetime(_)
            | Self::Signature => Verdict::Reject,
            Self::Expired(by) | Self::Future(by) if *by > GRACE_MS => Verdict::Reject,
            Self::Expired(_)
            | Self::Future(_)
            | Self::Duplicate
            | Self::Nonce(_)
            | Self::PeerRate
            | Self::AuthorRate
            | Self::Unfunded
            | Self::Full => Verdict::Ignore,
        }
    }
}
