//! Peers: their coming and going, what they say of themselves, their conduct and its price.
//!
//! Knows: connections, identify, scores, bans. Does not know: why the owner found fault.

use std::{
    collections::VecDeque,
    sync::PoisonError,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, core::ConnectedPoint, identify, swarm::ConnectionId};
use tokio::task::AbortHandle;

use super::{Task, unix_seconds};
use crate::{
    Event, Limits, PeerInfo,
    address::{self, Reach, reach},
    book::MAX_ADDRESSES,
    limits::TokenBucket,
    swarm::{GRAYLIST, kad_protocol, protocol_version},
};

/// Streams per second that a peer may open anew, burst twice that.
const STREAMS: f64 = 5.0;
/// The same for content: js-libp2p opens one for each message.
const CONTENT_STREAMS: f64 = 500.0;
/// One flood is one offence per second, however many messages it has.
const FLOOD_PAUSE: Duration = Duration::from_secs(1);
const MAX_AGENT: usize = 64;
/// Pings of a peer that are remembered: those of the last minute.
const PINGS: usize = 12;

/// A connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    address: Multiaddr,
    inbound: bool,
    loopback: bool,
    agent: String,
    member: bool,
    messages: TokenBucket,
    bytes: TokenBucket,
    requests: TokenBucket,
    streams: TokenBucket,
    content_streams: TokenBucket,
    flooded: Option<Instant>,
    reader: Option<AbortHandle>,
    echo: Option<AbortHandle>,
    pings: VecDeque<Duration>,
}

impl Peer {
    fn new(endpoint: &ConnectedPoint, limits: &Limits, now: Instant) -> Self {
        let address = endpoint.get_remote_address().clone();
        Self {
            loopback: address::is_loopback(&address),
            address,
            inbound: endpoint.is_listener(),
            agent: String::new(),
            member: false,
            messages: TokenBucket::new(limits.gossip_messages, now),
            bytes: TokenBucket::new(limits.gossip_bytes, now),
            requests: TokenBucket::new(limits.requests, now),
            streams: TokenBucket::new(STREAMS, now),
            content_streams: TokenBucket::new(CONTENT_STREAMS, now),
            flooded: None,
            reader: None,
            echo: None,
            pings: VecDeque::new(),
        }
    }

    pub(super) const fn is_member(&self) -> bool {
        self.member
    }

    /// It answered a ping.
    pub(super) fn ponged(&mut self, rtt: Duration) {
        if self.pings.len() >= PINGS {
            self.pings.pop_front();
        }
        self.pings.push_back(rtt);
    }

    /// Its last round trips.
    pub(super) fn pings(&self) -> impl Iterator<Item = Duration> {
        self.pings.iter().copied()
    }

    pub(super) fn may_gossip(&mut self, bytes: usize, now: Instant) -> bool {
        self.loopback || (self.messages.take(1.0, now) && self.bytes.take(bytes as f64, now))
    }

    pub(super) fn may_ask(&mut self, now: Instant) -> bool {
        self.loopback || self.requests.take(1.0, now)
    }

    pub(super) fn may_open(&mut self, now: Instant) -> bool {
        self.streams.take(1.0, now)
    }

    pub(super) fn may_open_content(&mut self, now: Instant) -> bool {
        self.content_streams.take(1.0, now)
    }

    pub(super) fn reach(&self) -> Reach {
        reach(&self.address)
    }

    pub(super) fn frame_bucket(&self, rate: f64, now: Instant) -> Option<TokenBucket> {
        (!self.loopback).then(|| TokenBucket::new(rate, now))
    }

    pub(super) fn read_with(&mut self, reader: AbortHandle) {
        self.stop_reading();
        self.reader = Some(reader);
    }

    /// Who answers its echoes; ends with the stream.
    pub(super) fn echo_with(&mut self, echo: AbortHandle) {
        if let Some(before) = self.echo.replace(echo) {
            before.abort();
        }
    }

    pub(super) fn stop_reading(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
    }
}

impl Task {
    pub(super) fn on_connected(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
        now: Instant,
    ) {
        let dialed = endpoint
            .is_dialer()
            .then(|| address::split_peer(endpoint.get_remote_address().clone()).0)
            .filter(address::is_dialable);
        tracing::debug!(peer = %peer, address = %endpoint.get_remote_address(), "connected");
        if let Some(address) = &dialed {
            self.metrics.dialed("connected");
            if self.discovery {
                self.dialer.discovered(peer, vec![address.clone()], now);
            }
        }
        self.dialer.established(connection, peer, dialed, unix_seconds(), now);
        let first = !self.peers.contains_key(&peer);
        if first {
            self.peers.insert(peer, Peer::new(endpoint, &self.limits, now));
            self.shared.lanes.connected(peer);
            let is_far = !address::is_loopback(endpoint.get_remote_address());
            self.shared.bitswap.connected(peer, is_far);
            let score = self.conduct.score(&peer, now);
            self.swarm.behaviour_mut().gossip.set_application_score(&peer, score);
        }
        self.show_peers();
    }

    pub(super) fn on_disconnected(&mut self, peer: PeerId, now: Instant) {
        self.dialer.lost(&peer, now);
        self.shared.lanes.lost(&peer, now);
        self.shared.bitswap.lost(&peer);
        // Its reader is left alone: it ends by itself, after the frames that did arrive.
        if self.peers.remove(&peer).is_some_and(|known| known.member) {
            self.inbox.push(Event::Disconnected { peer });
        }
        self.show_peers();
    }

    pub(super) fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        let now = Instant::now();
        let Some(known) = self.peers.get_mut(&peer) else { return };
        known.agent = info.agent_version.chars().take(MAX_AGENT).collect();
        let ours = info.protocol_version == protocol_version(&self.network);
        if !ours {
            if info.protocol_version.starts_with("/girrona/") {
                let theirs = info.protocol_version;
                tracing::warn!(peer = %peer, theirs, "a peer of another network is sent away");
                self.send_away(peer, "another network", now);
            }
            return;
        }
        let reached_from = reach(&known.address);
        let arrived = !std::mem::replace(&mut known.member, true);
        if arrived {
            self.shared.bitswap.is_member(peer);
            self.inbox.push(Event::Connected { peer });
        }
        if self.discovery {
            let mut addresses: Vec<_> = info
                .listen_addrs
                .into_iter()
                .map(|address| address::split_peer(address).0)
                .filter(|address| address::is_dialable(address) && reach(address) >= reached_from)
                .collect();
            addresses.truncate(MAX_ADDRESSES);
            let kad = kad_protocol(&self.network);
            if info.protocols.iter().any(|protocol| protocol.as_ref() == kad)
                && let Some(kad) = self.swarm.behaviour_mut().kad.as_mut()
            {
                for address in &addresses {
                    kad.add_address(&peer, address.clone());
                }
            }
            self.dialer.discovered(peer, addresses, now);
        }
        self.show_peers();
    }

    pub(super) fn protect(&mut self, peer: PeerId, on: bool) {
        if peer == self.shared.local {
            return;
        }
        let behaviour = self.swarm.behaviour_mut();
        if on {
            behaviour.gate.protect(peer);
            behaviour.limits.bypass_peer_id(&peer);
            behaviour.gossip.add_explicit_peer(&peer);
            self.conduct.pardon(&peer);
        } else {
            behaviour.gate.unprotect(&peer);
            behaviour.limits.remove_peer_id(&peer);
            behaviour.gossip.remove_explicit_peer(&peer);
        }
        self.show_peers();
    }

    /// More than its rate allows: an offence, once per second.
    pub(super) fn flooded(&mut self, peer: PeerId, reason: &'static str, now: Instant) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let fresh = known.flooded.is_none_or(|at| now.saturating_duration_since(at) >= FLOOD_PAUSE);
        if fresh {
            known.flooded = Some(now);
            self.penalise(peer, reason);
        }
    }

    pub(super) fn penalise(&mut self, peer: PeerId, reason: &'static str) {
        let now = Instant::now();
        self.metrics.offence(reason);
        tracing::debug!(peer = %peer, reason, "an offence");
        let enough = self.conduct.offence(peer, now);
        let score = self.conduct.score(&peer, now);
        self.swarm.behaviour_mut().gossip.set_application_score(&peer, score);
        if enough && !self.swarm.behaviour().gate.is_protected(&peer) {
            self.send_away(peer, reason, now);
        } else {
            self.watch(peer, now);
        }
    }

    /// Bans a peer whose gossip score has fallen too low. gossipsub would ignore it, but only after
    /// reading its messages and checking their signatures; a closed connection costs nothing.
    pub(super) fn watch(&mut self, peer: PeerId, now: Instant) {
        let behaviour = self.swarm.behaviour();
        let score = behaviour.gossip.peer_score(&peer).unwrap_or(0.0);
        if score < GRAYLIST && self.peers.contains_key(&peer) && !behaviour.gate.is_protected(&peer)
        {
            tracing::debug!(peer = %peer, score, "a score that is too low");
            self.send_away(peer, "score", now);
        }
    }

    pub(super) fn watch_all(&mut self, now: Instant) {
        for peer in self.conduct.sweep(now) {
            let score = self.conduct.score(&peer, now);
            self.swarm.behaviour_mut().gossip.set_application_score(&peer, score);
        }
        for peer in self.swarm.behaviour_mut().gate.lift(now) {
            self.conduct.pardon(&peer);
            self.swarm.behaviour_mut().gossip.set_application_score(&peer, 0.0);
        }
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for peer in peers {
            self.watch(peer, now);
        }
        self.show_peers();
    }

    fn send_away(&mut self, peer: PeerId, reason: &'static str, now: Instant) {
        // What it sent before it was gone is still judged; that is no other ban.
        if self.swarm.behaviour().gate.is_banned(&peer) {
            return;
        }
        tracing::warn!(peer = %peer, reason, "a peer is banned");
        let until = now + self.limits.ban;
        self.metrics.banned(reason);
        self.swarm.behaviour_mut().gate.ban(peer, until);
        self.dialer.postpone(&peer, until);
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    fn show_peers(&self) {
        let behaviour = self.swarm.behaviour();
        let shown = self.peers.iter().map(|(peer, known)| {
            let info = PeerInfo {
                peer: *peer,
                addr: known.address.clone(),
                inbound: known.inbound,
                score: behaviour.gossip.peer_score(peer).unwrap_or(0.0),
                agent: known.agent.clone(),
                member: known.member,
                protected: behaviour.gate.is_protected(peer),
            };
            (*peer, info)
        });
        *self.shared.peers.write().unwrap_or_else(PoisonError::into_inner) = shown.collect();
        let inbound = self.peers.values().filter(|peer| peer.inbound).count() as i64;
        self.metrics.peers(inbound, self.peers.len() as i64 - inbound);
    }
}
