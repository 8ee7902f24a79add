//! What this node missed: peers compare which messages are alive, and pull what they lack. On
//! connecting, so after a cut and after a restart; and now and then with somebody, because gossip
//! remembers only seconds.

use std::sync::Arc;

use bytes::Bytes;
use girrona_assembly::message::{Envelope, inbox::Source};
use girrona_net::PeerId;
use tracing::debug;

use super::{
    intake::gossip_channel,
    service::{Input, Service},
    talk::{self, Reply, Say, decode, encode},
};

/// How often a node compares with somebody although nothing happened, in milliseconds.
const COMPARE_EVERY_MS: u64 = 20_000;
/// Holdings are not said again to newcomers more often than this, in milliseconds.
const NEWCOMER_MS: u64 = 300;

impl Service {
    /// A peer is here.
    pub(super) fn connected(&mut self, peer: PeerId, now: u64) {
        self.peers.insert(peer);
        self.say(peer, &Say::Digest);
        // It may be new, and whoever is behind it too.
        self.say_holdings_ms = self.say_holdings_ms.min(now.saturating_add(NEWCOMER_MS));
    }

    pub(super) fn compare_with_somebody(&mut self, now: u64) {
        self.compare_ms = now.saturating_add(COMPARE_EVERY_MS);
        let index = usize::from(rand::random::<u16>()).checked_rem(self.peers.len());
        if let Some(peer) = index.and_then(|index| self.peers.iter().nth(index)).copied() {
            self.say(peer, &Say::Digest);
        }
    }

    /// Says something to a connected peer; its answer is an input.
    pub(super) fn say(&self, peer: PeerId, say: &Say) {
        let (shared, bytes) = (Arc::clone(&self.shared), Bytes::from(encode(say)));
        self.shared.runtime.spawn(async move {
            match shared.net.ask(peer, bytes).await {
                Ok(bytes) => match decode::<Reply>(&bytes) {
                    Some(reply) => shared.report(Input::Answered { peer, reply }).await,
                    None => shared.net.penalise(peer, "malformed answer about assemblies"),
                },
                Err(error) => debug!(%peer, %error, "no answer"),
            }
        });
    }

    /// A peer answered.
    pub(super) fn answered(&mut self, peer: PeerId, reply: Reply, now: u64) {
        match reply {
            Reply::Ids(theirs) if theirs.len() <= talk::IDS_MAX => {
                let missing = self.shelf.missing(&theirs);
                for ids in missing.chunks(talk::PULL_MAX) {
                    self.say(peer, &Say::Pull(ids.to_vec()));
                }
            }
            Reply::Messages(messages) if messages.len() <= talk::PULL_MAX => {
                for bytes in messages {
                    self.pull_came(peer, &bytes, now);
                }
            }
            Reply::Ids(_) | Reply::Messages(_) => {
                self.shared.net.penalise(peer, "more than was asked for");
            }
            Reply::Taken | Reply::Refused | Reply::Proof(_) => {}
        }
    }

    fn pull_came(&mut self, peer: PeerId, bytes: &[u8], now: u64) {
        let kind = Envelope::from_bytes(bytes).map(|envelope| envelope.body.payload.kind());
        let Some((channel, _)) = kind.ok().and_then(gossip_channel) else {
            self.shared.net.penalise(peer, "malformed message in an answer");
            return;
        };
        match self.take(bytes, channel, Source::Pulled, now) {
            Ok(verified) => self.apply(&verified, bytes, Some(peer), now),
            Err(refusal) => debug!(%peer, %refusal, "a pulled message is not taken"),
        }
    }
}
