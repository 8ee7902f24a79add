//! What this node missed: peers compare which messages are alive, and pull what they lack. On
//! connecting, so after a cut and after a restart; and now and then with somebody, because gossip
//! remembers only seconds. A node that was away while its requests were executed asks for what was
//! said about them.

use std::sync::Arc;

use bytes::Bytes;
use girrona_assembly::{
    RequestId,
    message::{DeclineReason, Envelope, Payload, inbox::Source},
    run::Ending,
};
use girrona_net::PeerId;
use tracing::debug;

use super::{
    intake::gossip_channel,
    service::{Input, Service, Trail},
    talk::{self, Reply, Say, decode, encode},
};

/// How often a node compares with somebody although nothing happened, in milliseconds.
const COMPARE_EVERY_MS: u64 = 20_000;
/// Holdings are not said again to newcomers more often than this, in milliseconds.
const NEWCOMER_MS: u64 = 300;
/// Pieces of receipts and output after which one question is answered; a piece has up to 64 KiB, and
/// as many questions of ours as twice that may be open with a peer.
const AGAIN_TOLD_MAX: usize = 32;
/// What was said about a request is not said again more often than this, in milliseconds.
const AGAIN_PAUSE_MS: u64 = 2_000;
/// How long after a question about a request answers that came before are passed on once more, in
/// milliseconds.
const AGAIN_MS: u64 = 10_000;

impl Service {
    /// A peer is here.
    pub(super) fn connected(&mut self, peer: PeerId, now: u64) {
        self.peers.insert(peer);
        self.say(peer, &Say::Digest);
        let open = self.runs.iter().filter(|(_, run)| run.is_open());
        let open: Vec<RequestId> = open.map(|(request, _)| *request).collect();
        for requests in open.chunks(talk::AGAIN_MAX) {
            self.say(peer, &Say::Again(requests.to_vec()));
        }
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

    /// Asks every neighbour what became of requests.
    pub(super) fn ask_again(&self, requests: &[RequestId]) {
        for requests in requests.chunks(talk::AGAIN_MAX) {
            let say = Say::Again(requests.to_vec());
            for peer in &self.peers {
                self.say(*peer, &say);
            }
        }
    }

    /// Somebody who was away asks what became of requests. Only from whom a request came is told,
    /// and asks those behind this node; where that is forgotten, whoever asks. A few at a time: who
    /// lacks the others asks again.
    pub(super) fn asked_again(&mut self, requests: &[RequestId], from: PeerId, now: u64) -> Reply {
        let (mut further, mut told) = (Vec::new(), 0_usize);
        for request in requests.iter().take(talk::AGAIN_MAX) {
            if told >= AGAIN_TOLD_MAX {
                break;
            }
            if self.runs.contains_key(request) {
                continue;
            }
            let Some(trail) = self.trails.get_mut(request) else { continue };
            let is_theirs = trail.up.is_none_or(|up| up == from);
            if !is_theirs || now < trail.again_ms.saturating_add(AGAIN_PAUSE_MS) {
                continue;
            }
            trail.again_ms = now;
            if trail.up.is_some() {
                further.push(*request);
            }
            for say in self.answers_of(request) {
                self.say(from, &say);
                told = told.saturating_add(1);
            }
        }
        if !further.is_empty() {
            let say = Say::Again(further);
            for peer in self.peers.iter().filter(|peer| **peer != from) {
                self.say(*peer, &say);
            }
        }
        Reply::Taken
    }

    /// What this node has to say about a request.
    fn answers_of(&self, request: &RequestId) -> Vec<Say> {
        match self.register.get(request) {
            Some(Some(Ending::Receipt(_))) => self.own_says(request),
            // Also what a restart of this node interrupted.
            Some(Some(Ending::Declined)) => vec![self.own_decline(*request, DeclineReason::Busy)],
            Some(Some(Ending::Cancelled) | None) => Vec::new(),
            None if self.executing.contains_key(request) => {
                vec![Say::Offer(self.own_offer(*request))]
            }
            None => Vec::new(),
        }
    }

    /// A receipt or a decline that came before; whoever asked again has not had it.
    pub(super) fn came_again(&mut self, bytes: &[u8], from: PeerId, now: u64) {
        let Ok(envelope) = Envelope::from_bytes(bytes) else { return };
        let request = match &envelope.body.payload {
            Payload::Receipt(receipt) => receipt.request,
            Payload::Decline(decline) => decline.request,
            _ => return,
        };
        let is_asked = |trail: &Trail| trail.again_ms.saturating_add(AGAIN_MS) > now;
        if self.trails.get(&request).is_some_and(is_asked) {
            self.answer_came(&envelope, bytes, Some(from), now);
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
