//! What others say: judged, remembered, acted on.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use girrona_assembly::{
    message::{
        Channel, Envelope, Funds, Kind, Payload, Refusal, Verdict, Verified, board::Change,
        envelope::message_id, inbox::Source, open,
    },
    run::{Challenge, possession::Proof},
};
use girrona_net::{MessageToken, PeerId, Topic};
use serde_json::json;
use tracing::{debug, warn};

use super::{
    caching::Phase,
    metrics::Metrics,
    service::{Input, Service},
    talk::{self, Reply, Say, decode, encode},
};

/// Blocks that a holder is asked about after it said what it holds, in milliseconds between two.
const CHALLENGE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

const fn channel_of(topic: Topic) -> Option<Channel> {
    match topic {
        Topic::Announcements => Some(Channel::Announcements),
        Topic::Holdings => Some(Channel::Holdings),
        Topic::Executions => Some(Channel::Executions),
        _ => None,
    }
}

/// Where a message of this kind is said to everybody.
pub(super) const fn gossip_channel(kind: Kind) -> Option<(Channel, Topic)> {
    match kind {
        Kind::Announce | Kind::Withdraw => Some((Channel::Announcements, Topic::Announcements)),
        Kind::Holdings => Some((Channel::Holdings, Topic::Holdings)),
        Kind::Execute | Kind::Cancel => Some((Channel::Executions, Topic::Executions)),
        Kind::Decline | Kind::Receipt => None,
    }
}

const fn name_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Long { .. } => "long",
        Refusal::Malformed(_) => "malformed",
        Refusal::Version(_) => "version",
        Refusal::Network(_) => "network",
        Refusal::Channel(_) => "channel",
        Refusal::Payload(_) => "payload",
        Refusal::Lifetime(_) => "lifetime",
        Refusal::Expired(_) => "expired",
        Refusal::Future(_) => "future",
        Refusal::Signature => "signature",
        Refusal::Duplicate => "duplicate",
        Refusal::Nonce(_) => "nonce",
        Refusal::PeerRate => "peer rate",
        Refusal::AuthorRate => "author rate",
        Refusal::Unfunded => "unfunded",
        Refusal::Full => "full",
    }
}

impl Service {
    /// A message of the assemblies' topics.
    pub(super) fn gossip(
        &mut self,
        topic: Topic,
        from: PeerId,
        token: MessageToken,
        bytes: &Bytes,
        now: u64,
    ) {
        let net = self.shared.net.clone();
        let Some(channel) = channel_of(topic) else {
            net.judge(token, girrona_net::Verdict::Ignore);
            return;
        };
        let taken = match self.inbox.spend(&from, now) {
            Ok(()) => self.take(bytes, channel, Source::Fresh, now),
            Err(refusal) => Err(refusal),
        };
        match taken {
            Ok(verified) => {
                // It may be passed on while we do our part.
                net.judge(token, girrona_net::Verdict::Accept);
                self.apply(&verified, bytes, Some(from), now);
            }
            Err(refusal) => {
                debug!(%from, ?topic, %refusal, "not taken");
                net.judge(
                    token,
                    match refusal.verdict() {
                        Verdict::Accept | Verdict::Ignore => girrona_net::Verdict::Ignore,
                        Verdict::Reject => girrona_net::Verdict::Reject(name_of(&refusal)),
                    },
                );
            }
        }
    }

    /// Everything that is checked about a message before it means anything.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        channel: Channel,
        source: Source,
        now: u64,
    ) -> Result<Verified, Refusal> {
        let taken = self.take_uncounted(bytes, channel, source, now);
        if let Err(refusal) = &taken {
            Metrics::count(&self.shared.metrics.refusals, name_of(refusal));
        }
        taken
    }

    fn take_uncounted(
        &mut self,
        bytes: &[u8],
        channel: Channel,
        source: Source,
        now: u64,
    ) -> Result<Verified, Refusal> {
        let opened = open(bytes, channel, &self.shared.network, now)?;
        self.inbox.admit(&opened, source)?;
        let verified = opened.verify()?;
        let body = &verified.envelope().body;
        // Nodes speak of what they hold and did without owing anything; whoever wants something
        // of others has to have an account.
        let funds = match body.payload.kind() {
            Kind::Announce | Kind::Withdraw | Kind::Execute | Kind::Cancel => {
                self.shared.funds(&body.author)
            }
            Kind::Holdings | Kind::Decline | Kind::Receipt => Funds::Enough,
        };
        self.inbox.record(&verified, source, funds, now)?;
        Ok(verified)
    }

    /// Acts on a message that was taken. `from` is who brought it; nobody, if it was brought to
    /// this node's door.
    pub(super) fn apply(
        &mut self,
        verified: &Verified,
        bytes: &[u8],
        from: Option<PeerId>,
        now: u64,
    ) {
        let envelope = verified.envelope();
        match &envelope.body.payload {
            Payload::Announce(_) | Payload::Update(_) | Payload::Withdraw(_) => {
                self.keep_alive(envelope, bytes, now, true);
                let change = self.board.apply(envelope, verified.id(), now);
                self.changed(change, now);
            }
            Payload::Holdings(_) => self.hear_holdings(envelope, bytes, from, now),
            Payload::Execute(execution) => {
                let alive = execution.deadline_ms.min(envelope.body.expires_ms);
                if bytes.len() <= Channel::Executions.size_max() {
                    self.shelf.put(verified.id(), bytes.to_vec(), alive, now);
                }
                self.requested(envelope, bytes, from, now);
            }
            Payload::Cancel(cancellation) => {
                self.shelf.put(verified.id(), bytes.to_vec(), envelope.body.expires_ms, now);
                self.cancelled(cancellation.request, &envelope.body.author, now);
            }
            Payload::Decline(_) | Payload::Receipt(_) => {
                self.answer_came(envelope, bytes, from, now)
            }
        }
    }

    /// Keeps a message for those who missed it, and over a restart.
    fn keep_alive(&mut self, envelope: &Envelope, bytes: &[u8], now: u64, is_new: bool) {
        let (id, expires) = (message_id(bytes), envelope.body.expires_ms);
        self.shelf.put(id, bytes.to_vec(), expires, now);
        if is_new && let Err(error) = self.shared.keep.message(&id, expires, bytes) {
            warn!(%error, "an announcement is not kept over a restart");
        }
    }

    /// A message from disk; it was judged when it came.
    pub(super) fn recall(&mut self, bytes: &[u8], now: u64) {
        let Ok(envelope) = Envelope::from_bytes(bytes) else { return };
        self.keep_alive(&envelope, bytes, now, false);
        // What to do about it is decided when everything is known.
        let _ = self.board.apply(&envelope, message_id(bytes), now);
    }

    fn changed(&mut self, change: Change, now: u64) {
        let drop = |service: &mut Self, stale: Vec<girrona_assembly::MessageId>| {
            for id in stale {
                service.shelf.remove(&id);
                if let Err(error) = service.shared.keep.drop_message(&id) {
                    warn!(%error, "an old announcement stays on disk");
                }
            }
        };
        match change {
            Change::Announced { root, replaces, stale } => {
                drop(self, stale);
                // Whoever was wrong about it before may be right now.
                if let Some(here) = self.here.get_mut(&root)
                    && matches!(here.phase, Phase::Unfit(_))
                {
                    here.phase = Phase::Absent;
                }
                if let Some(post) = self.board.posts(&root).next() {
                    let said = &post.announcement;
                    self.shared.tell(&json!({ "AssemblyAnnounced": {
                        "root": root, "name": said.name, "version": said.version,
                        "author": post.author, "replaces": replaces,
                    }}));
                }
                // The old version serves until the new one can.
                match replaces {
                    Some(old) if self.ready(&root).is_some() => self.taken_back(&old, now),
                    Some(old) => {
                        self.replaces.insert(root, old);
                    }
                    None => {}
                }
                self.consider(&root, now);
            }
            Change::Withdrawn { author, root, stale } => {
                drop(self, stale);
                self.shared
                    .tell(&json!({ "AssemblyWithdrawn": { "root": root, "author": author } }));
                self.taken_back(&root, now);
            }
            Change::Nothing => {}
            Change::Full => debug!("the board is full; an announcement is not taken"),
        }
    }

    fn hear_holdings(&mut self, envelope: &Envelope, bytes: &[u8], from: Option<PeerId>, now: u64) {
        let author = envelope.body.author.clone();
        let Payload::Holdings(holdings) = &envelope.body.payload else { return };
        // When it was said counts, not when it came: what is pulled later may be old.
        if !self.census.hear(&author, holdings, envelope.body.created_ms.min(now)) {
            debug!(%author, "there is no room for all that a node holds");
        }
        self.places.insert(author.clone(), holdings.addresses.clone());
        let id = message_id(bytes);
        self.shelf.put(id, bytes.to_vec(), envelope.body.expires_ms, now);
        if let Some(before) = self.words.insert(author.clone(), id).filter(|before| *before != id) {
            self.shelf.remove(&before);
        }
        if from.is_some() && author != self.shared.account {
            self.challenge(&author, &holdings.have);
        }
    }

    /// Asks a holder for the hash of a random block of something that is held here too, as far as
    /// it is connected.
    fn challenge(&self, holder: &casper_types::PublicKey, roots: &[girrona_assembly::Cid]) {
        let Some(peer) = self.connected_holder(holder) else { return };
        let held: Vec<_> =
            roots.iter().filter(|root| self.shared.content.holds(root)).copied().collect();
        let nonce: [u8; 32] = rand::random();
        let index = usize::from(u16::from_le_bytes([nonce[0], nonce[1]]));
        let Some(root) = index.checked_rem(held.len()).and_then(|index| held.get(index)).copied()
        else {
            return;
        };
        let Some(blocks) = self.shared.content.blocks(&root) else { return };
        let Some(challenge) = Challenge::pick(nonce, &blocks) else { return };
        let (shared, holder) = (Arc::clone(&self.shared), holder.clone());
        self.shared.runtime.spawn(async move {
            let asked = shared.net.ask(peer, Bytes::from(encode(&Say::Prove(challenge))));
            let Ok(Ok(bytes)) = tokio::time::timeout(CHALLENGE_TIMEOUT, asked).await else {
                // Silence proves nothing.
                return;
            };
            let proof: Option<Proof> = match decode::<Reply>(&bytes) {
                Some(Reply::Proof(proof)) => proof,
                _ => None,
            };
            let (network, content) = (shared.network, shared.content.clone());
            let prover = prover_id(&holder);
            let check =
                move || {
                    let block = content.get(&challenge.block).ok().flatten()?;
                    // Our own copy may be gone by now; then nothing is proven.
                    Some(proof.is_some_and(|proof| {
                        challenge.is_proven(&network, &prover, &block, &proof)
                    }))
                };
            if let Ok(Some(is_right)) = tokio::task::spawn_blocking(check).await {
                shared.report(Input::Proven { holder, root, is_right }).await;
            }
        });
    }

    /// A connected peer that is this holder, by the addresses that it says.
    pub(super) fn connected_holder(&self, holder: &casper_types::PublicKey) -> Option<PeerId> {
        let places = self.places.get(holder)?;
        places.iter().filter_map(|place| peer_of(place)).find(|peer| self.peers.contains(peer))
    }

    /// Something that a peer says to this node alone.
    pub(super) fn asked(
        &mut self,
        peer: PeerId,
        bytes: &Bytes,
        answer: girrona_net::Reply,
        now: u64,
    ) {
        if self.inbox.spend(&peer, now).is_err() {
            answer.send(Bytes::from(encode(&Reply::Refused)));
            return;
        }
        let Some(say) = decode::<Say>(bytes) else {
            self.shared.net.penalise(peer, "malformed word about assemblies");
            return;
        };
        let reply = match say {
            Say::Digest => {
                self.shelf.expire(now);
                let mut ids = self.shelf.ids();
                ids.truncate(talk::IDS_MAX);
                Reply::Ids(ids)
            }
            Say::Pull(ids) => self.pulled(&ids),
            Say::Prove(challenge) => {
                let shared = Arc::clone(&self.shared);
                // Off this thread: it reads a block.
                self.shared.runtime.spawn_blocking(move || {
                    let block = shared.content.get(&challenge.block).ok().flatten();
                    let prover = prover_id(&shared.account);
                    let proof =
                        block.map(|block| challenge.answer(&shared.network, &prover, &block));
                    answer.send(Bytes::from(encode(&Reply::Proof(proof))));
                });
                return;
            }
            Say::Envelope(inner) => match self.take(&inner, Channel::Direct, Source::Fresh, now) {
                Ok(verified) => {
                    self.apply(&verified, &inner, Some(peer), now);
                    Reply::Taken
                }
                Err(Refusal::Duplicate) => {
                    self.came_again(&inner, peer, now);
                    Reply::Taken
                }
                Err(refusal) => {
                    debug!(%peer, %refusal, "not taken");
                    if refusal.verdict() == Verdict::Reject {
                        self.shared.net.penalise(peer, name_of(&refusal));
                    }
                    Reply::Refused
                }
            },
            Say::Output(part) => self.output_came(part, bytes, peer),
            Say::Offer(offer) => self.offer_came(offer, bytes, peer, now),
            Say::Order(order) => self.order_came(&order, bytes, now),
            Say::Again(requests) => self.asked_again(&requests, peer, now),
        };
        answer.send(Bytes::from(encode(&reply)));
    }

    fn pulled(&self, ids: &[girrona_assembly::MessageId]) -> Reply {
        let (mut found, mut size) = (Vec::new(), 0_usize);
        for id in ids.iter().take(talk::PULL_MAX) {
            let Some(bytes) = self.shelf.get(id) else { continue };
            size = size.saturating_add(bytes.len());
            if size > talk::PULL_BYTES_MAX {
                break;
            }
            found.push(bytes.to_vec());
        }
        Reply::Messages(found)
    }
}

/// Who proves possession, as bytes.
fn prover_id(account: &casper_types::PublicKey) -> Vec<u8> {
    use casper_types::bytesrepr::ToBytes as _;
    // A key has bytes.
    account.to_bytes().unwrap_or_default()
}

/// The peer that a multiaddress names.
pub(super) fn peer_of(address: &str) -> Option<PeerId> {
    let (_, peer) = address.rsplit_once("/p2p/")?;
    peer.parse().ok()
}

/// Addresses by the name in them, those of ours left out.
pub(super) fn providers(
    addresses: impl Iterator<Item = String>,
    me: PeerId,
) -> Vec<girrona_net::Provider> {
    let mut found: BTreeMap<PeerId, girrona_net::Multiaddr> = BTreeMap::new();
    for address in addresses {
        let Some(peer) = peer_of(&address).filter(|peer| *peer != me) else { continue };
        if let Ok(address) = address.parse() {
            found.entry(peer).or_insert(address);
        }
    }
    found.into_values().map(girrona_net::Provider::Address).collect()
}
