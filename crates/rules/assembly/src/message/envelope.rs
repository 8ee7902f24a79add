//! The envelope: who says something, on which network, when, and their signature.

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::{PublicKey, SecretKey, Signature, crypto};
use girrona_types::{NetworkId, bytes::casper};

use super::{
    payload::{Execution, Payload, casper_key::one_form},
    refusal::Refusal,
};
use crate::ids::{MessageId, RequestId, canonical, hash};

/// The version that is spoken.
pub const VERSION: u8 = 1;
/// How far ahead of our clock a message's time may be, in milliseconds.
pub const AHEAD_MAX_MS: u64 = 2_000;
/// Goes before the bytes that an author signs.
const SIGN_DOMAIN: &[u8] = b"girrona/assembly/envelope/1";
/// Goes before an envelope's bytes when they are hashed.
const ID_DOMAIN: &[u8] = b"girrona/assembly/message/1";
/// Goes before what makes a request.
const REQUEST_DOMAIN: &[u8] = b"girrona/assembly/request/1";

const MINUTE_MS: u64 = 60_000;
const KIB: usize = 1024;

/// What an envelope carries, without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// D_msg, its update.
    Announce,
    /// Takes a D_msg back.
    Withdraw,
    /// Who holds what.
    Holdings,
    /// E_msg.
    Execute,
    /// Takes an E_msg back.
    Cancel,
    /// A holder does not execute.
    Decline,
    /// A holder did.
    Receipt,
}

impl Kind {
    /// The longest that such a message may be valid, in milliseconds.
    pub const fn lifetime_max_ms(self) -> u64 {
        match self {
            Self::Announce | Self::Withdraw => 24 * 60 * MINUTE_MS,
            // A receipt is evidence: it is read long after it was sent.
            Self::Receipt | Self::Execute => 10 * MINUTE_MS,
            Self::Holdings | Self::Cancel | Self::Decline => 10 * MINUTE_MS,
        }
    }
}

/// Where a message came from: what may be said there, and how long it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Gossip about assemblies: D_msg, update, withdrawal.
    Announcements,
    /// Gossip about who holds what.
    Holdings,
    /// Gossip about executions: E_msg, cancellation.
    Executions,
    /// Between two nodes: execution, cancellation, decline, receipt.
    Direct,
}

impl Channel {
    /// The longest message, in bytes.
    pub const fn size_max(self) -> usize {
        match self {
            Self::Announcements => 16 * KIB,
            Self::Holdings => 8 * KIB,
            Self::Executions => 64 * KIB,
            // Standard input, arguments and environment at their longest, and what is around.
            Self::Direct => 1024 * KIB + 192 * KIB,
        }
    }

    /// Whether this is said here.
    pub const fn takes(self, kind: Kind) -> bool {
        match self {
            Self::Announcements => matches!(kind, Kind::Announce | Kind::Withdraw),
            Self::Holdings => matches!(kind, Kind::Holdings),
            Self::Executions => matches!(kind, Kind::Execute | Kind::Cancel),
            Self::Direct => {
                matches!(kind, Kind::Execute | Kind::Cancel | Kind::Decline | Kind::Receipt)
            }
        }
    }
}

impl Payload {
    /// Which kind it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Announce(_) | Self::Update(_) => Kind::Announce,
            Self::Withdraw(_) => Kind::Withdraw,
            Self::Holdings(_) => Kind::Holdings,
            Self::Execute(_) => Kind::Execute,
            Self::Cancel(_) => Kind::Cancel,
            Self::Decline(_) => Kind::Decline,
            Self::Receipt(_) => Kind::Receipt,
        }
    }
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Body {
    /// How to read the rest.
    pub version: u8,
    /// The network it is meant for.
    pub network: NetworkId,
    /// Whose word it is: an account's key.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "one_form")]
    pub author: PublicKey,
    /// Never used twice by an author; larger than those before. The time in milliseconds serves.
    pub nonce: u64,
    /// When it was said, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it stops to mean anything new, in milliseconds since 1970.
    pub expires_ms: u64,
    /// What is said.
    pub payload: Payload,
}

/// A signed message.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Envelope {
    /// What is signed.
    pub body: Body,
    /// The author's signature.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signature: Signature,
}

impl Body {
    /// The bytes that the author signs.
    pub fn signing_bytes(&self) -> Vec<u8> {
        [SIGN_DOMAIN, &canonical(self)].concat()
    }

    /// Signs it. The author has to be the key's.
    pub fn sign(self, key: &SecretKey) -> Envelope {
        let signature = crypto::sign(self.signing_bytes(), key, &self.author);
        Envelope { body: self, signature }
    }
}

impl Execution {
    /// The name of the request if this author makes it.
    pub fn request(&self, network: &NetworkId, author: &PublicKey) -> RequestId {
        let author = canonical(&super::payload::casper_key::Key(author.clone()));
        RequestId(hash(REQUEST_DOMAIN, &[network.as_bytes(), &author, &canonical(self)]))
    }
}

impl Envelope {
    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Whether the author signed it.
    pub fn is_signed(&self) -> bool {
        let Self { body, signature } = self;
        // The system has no key, and nothing is said in its name.
        !body.author.is_system()
            && crypto::verify(body.signing_bytes(), signature, &body.author).is_ok()
    }

    /// Reads an envelope that takes all the bytes. Nothing it says is checked.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        let envelope: Self = borsh::from_slice(bytes).map_err(|error| {
            let text = error.to_string();
            Refusal::Malformed(text.chars().take(120).collect())
        })?;
        // Some keys can be written in more than one way; one message has one form.
        if envelope.to_bytes() == bytes {
            Ok(envelope)
        } else {
            Err(Refusal::Malformed("not in canonical form".to_owned()))
        }
    }

    /// The request it makes, if it makes one.
    pub fn request(&self) -> Option<RequestId> {
        match &self.body.payload {
            Payload::Execute(execution) => {
                Some(execution.request(&self.body.network, &self.body.author))
            }
            _ => None,
        }
    }
}

/// The id of an envelope with these bytes.
pub fn message_id(bytes: &[u8]) -> MessageId {
    MessageId(hash(ID_DOMAIN, &[bytes]))
}

/// An envelope that is well formed and in time; its signature is not checked.
#[derive(Clone, Debug)]
pub struct Opened {
    pub(super) envelope: Envelope,
    pub(super) id: MessageId,
}

impl Opened {
    /// Its id.
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// Checks the signature; takes about a tenth of a millisecond, on any thread.
    ///
    /// # Errors
    /// [`Refusal::Signature`].
    pub fn verify(self) -> Result<Verified, Refusal> {
        if self.envelope.is_signed() { Ok(Verified(self)) } else { Err(Refusal::Signature) }
    }
}

/// An envelope whose author really signed it.
#[derive(Clone, Debug)]
pub struct Verified(pub(super) Opened);

impl Verified {
    /// The envelope.
    pub const fn envelope(&self) -> &Envelope {
        &self.0.envelope
    }

    /// Its id.
    pub const fn id(&self) -> MessageId {
        self.0.id
    }
}

/// Checks everything about a message that needs no memory and no signature: its length, its form,
/// its network, that it is said in the right place, what it says, and its time.
///
/// # Errors
/// [`Refusal`], whose verdict says whether the sender is at fault.
pub fn open(
    bytes: &[u8],
    channel: Channel,
    network: &NetworkId,
    now_ms: u64,
) -> Result<Opened, Refusal> {
    let max = channel.size_max();
    if bytes.len() > max {
        return Err(Refusal::Long { size: bytes.len(), max });
    }
    // Other versions have other bytes after the first.
    match bytes.first() {
        Some(&VERSION) => {}
        Some(other) => return Err(Refusal::Version(*other)),
        None => return Err(Refusal::Malformed("no bytes".to_owned())),
    }
    let envelope = Envelope::from_bytes(bytes)?;
    let body = &envelope.body;
    if body.network != *network {
        return Err(Refusal::Network(body.network));
    }
    let kind = body.payload.kind();
    if !channel.takes(kind) {
        return Err(Refusal::Channel(kind));
    }
    let lifetime = body.expires_ms.saturating_sub(body.created_ms);
    if lifetime == 0 || lifetime > kind.lifetime_max_ms() {
        return Err(Refusal::Lifetime(lifetime));
    }
    body.payload.check(body.created_ms)?;
    let latest = now_ms.saturating_add(AHEAD_MAX_MS);
    if body.created_ms > latest {
        return Err(Refusal::Future(body.created_ms.saturating_sub(latest)));
    }
    if body.expires_ms <= now_ms {
        return Err(Refusal::Expired(now_ms.saturating_sub(body.expires_ms)));
    }
    Ok(Opened { id: message_id(bytes), envelope })
}
