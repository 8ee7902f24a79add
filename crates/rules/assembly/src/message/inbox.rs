//! What a node remembers between messages: who sent how much, and what came before.
//!
//! In order: [`super::open`] (form and time), [`Inbox::admit`] (seen before, the peer's rate),
//! [`super::Opened::verify`] (signature, on any thread), [`Inbox::record`] (the author's rate,
//! funds and nonces). Memory of an author is changed only by what the author really signed, so
//! nobody can use up another's rate or nonces.

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::PublicKey;
use thiserror::Error;

use super::{
    bucket::{Buckets, Rate},
    envelope::{Kind, Opened, Verified},
    payload::casper_key::Key,
    refusal::Refusal,
    replay::{Expiries, Nonce, Window, Windows},
};
use crate::ids::{MessageId, canonical};

/// How much an [`Inbox`] takes and remembers.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Messages of one peer.
    pub peer: Rate,
    /// Messages of one author.
    pub author: Rate,
    /// Peers that are remembered.
    pub peers_max: usize,
    /// Authors that are remembered.
    pub authors_max: usize,
    /// Messages that are remembered.
    pub messages_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            peer: Rate { burst: 2_000, per_second: 500 },
            author: Rate { burst: 200, per_second: 50 },
            peers_max: 1_024,
            authors_max: 16_384,
            messages_max: 65_536,
        }
    }
}

/// How a message came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// By gossip or from its author, when it was new.
    Fresh,
    /// Pulled after an absence: the author may have said a lot since, so that its nonce is long
    /// past. What it says is ordered by nonce all the same.
    Pulled,
}

/// Whether the author's account has what the network asks of everybody who sends something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Funds {
    /// It has.
    Enough,
    /// It has not, or nothing is known of it here.
    TooLittle,
}

/// Messages about one thing have one row of nonces, so that many requests do not push out an
/// announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
enum Class {
    Announcements,
    Holdings,
    Requests,
    Answers,
}

const fn class(kind: Kind) -> Class {
    match kind {
        Kind::Announce | Kind::Withdraw => Class::Announcements,
        Kind::Holdings => Class::Holdings,
        Kind::Execute | Kind::Cancel => Class::Requests,
        Kind::Decline | Kind::Receipt => Class::Answers,
    }
}

/// The bytes are no snapshot of an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bytes are no snapshot of nonces")]
pub struct NoSnapshot;

/// A window on disk.
#[derive(BorshSerialize, BorshDeserialize)]
struct Kept {
    author: Key,
    class: Class,
    window: Window,
}

/// Rates and memory; `P` is a peer.
#[derive(Debug)]
pub struct Inbox<P> {
    seen: Expiries<MessageId>,
    nonces: Windows<(PublicKey, Class)>,
    peers: Buckets<P>,
    authors: Buckets<PublicKey>,
}

impl<P: Ord + Clone> Inbox<P> {
    /// Remembers nothing.
    pub const fn new(config: Config) -> Self {
        Self {
            seen: Expiries::new(config.messages_max),
            nonces: Windows::new(config.authors_max),
            peers: Buckets::new(config.peer, config.peers_max),
            authors: Buckets::new(config.author, config.authors_max),
        }
    }

    /// Whether a peer may send another message; for what does not even open, too.
    ///
    /// # Errors
    /// [`Refusal::PeerRate`].
    pub fn spend(&mut self, peer: &P, now_ms: u64) -> Result<(), Refusal> {
        if self.peers.take(peer, now_ms) { Ok(()) } else { Err(Refusal::PeerRate) }
    }

    /// Whether a message is worth the check of its signature.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn admit(&self, opened: &Opened, source: Source) -> Result<(), Refusal> {
        if self.seen.contains(&opened.id) {
            return Err(Refusal::Duplicate);
        }
        let body = &opened.envelope.body;
        let who = (body.author.clone(), class(body.payload.kind()));
        if source == Source::Fresh && self.nonces.look(&who, body.nonce) == Nonce::Used {
            return Err(Refusal::Nonce(body.nonce));
        }
        Ok(())
    }

    /// Remembers a message whose signature is right. What it returns without a refusal is new and
    /// may be passed on.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn record(
        &mut self,
        verified: &Verified,
        source: Source,
        funds: Funds,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let opened = &verified.0;
        // Another copy may have come in while this one's signature was checked.
        self.admit(opened, source)?;
        let body = &opened.envelope.body;
        if !self.authors.take(&body.author, now_ms) {
            return Err(Refusal::AuthorRate);
        }
        if funds == Funds::TooLittle {
            return Err(Refusal::Unfunded);
        }
        let who = (body.author.clone(), class(body.payload.kind()));
        match self.nonces.take(&who, body.nonce, body.expires_ms, now_ms) {
            Nonce::New => {}
            Nonce::Used if source == Source::Pulled => {}
            Nonce::Used => return Err(Refusal::Nonce(body.nonce)),
            Nonce::Full => return Err(Refusal::Full),
        }
        self.seen.insert(opened.id, body.expires_ms, now_ms);
        Ok(())
    }

    /// The nonces of all authors as bytes, to be kept over a restart: what was heard before it
    /// is not new after it.
    pub fn snapshot(&self) -> Vec<u8> {
        let windows = self.nonces.snapshot();
        let windows = windows.into_iter().map(|((author, class), window)| Kept {
            author: Key(author),
            class,
            window,
        });
        canonical(&windows.collect::<Vec<_>>())
    }

    /// Takes up what [`Inbox::snapshot`] gave.
    ///
    /// # Errors
    /// When the bytes are no snapshot; nothing is taken up then.
    pub fn restore(&mut self, snapshot: &[u8], now_ms: u64) -> Result<(), NoSnapshot> {
        let kept: Vec<Kept> = borsh::from_slice(snapshot).map_err(|_| NoSnapshot)?;
        let windows = kept.into_iter().map(|kept| ((kept.author.0, kept.class), kept.window));
        self.nonces.restore(windows.collect(), now_ms);
        Ok(())
    }

    /// A peer is gone.
    pub fn forget_peer(&mut self, peer: &P) {
        self.peers.forget(peer);
    }
}
