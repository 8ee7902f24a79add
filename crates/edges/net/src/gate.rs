//! Who may connect: bans, a cap per address, and what to do with a second connection.
//!
//! A behaviour without a protocol of its own; it stands first in the swarm so that a connection it
//! refuses is never seen by the others.
//!
//! Knows: peers, addresses, connections. Does not know: why a peer was banned.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};

use crate::address::{self, Neighbour};

/// Banned peers that are remembered. When full, the ban that ends first is lifted.
const MAX_BANS: usize = 4_096;

/// Our dial and the peer's may cross, and one dial to several addresses may arrive twice: two
/// connections within moments. One that comes later means that the other side has lost the first
/// (it was killed and is back before we noticed).
const CROSSING: Duration = Duration::from_secs(1);
const TWICE: Duration = Duration::from_millis(300);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this peer is banned")]
    Banned,
    #[error("too many connections from this address")]
    Crowded,
    #[error("the peer has started again; its old connection is closed first")]
    Superseded,
    #[error("already connected to this peer")]
    Connected,
}

#[derive(Debug)]
struct Known {
    connection: ConnectionId,
    inbound: bool,
    since: Instant,
}

#[derive(Debug)]
pub(crate) struct Gate {
    per_address: usize,
    banned: HashMap<PeerId, Instant>,
    protected: HashSet<PeerId>,
    neighbours: HashMap<ConnectionId, Neighbour>,
    established: HashMap<PeerId, Vec<Known>>,
    closing: VecDeque<(PeerId, ConnectionId)>,
}

impl Gate {
    pub(crate) fn new(per_address: u32) -> Self {
        Self {
            per_address: per_address as usize,
            banned: HashMap::new(),
            protected: HashSet::new(),
            neighbours: HashMap::new(),
            established: HashMap::new(),
            closing: VecDeque::new(),
        }
    }

    pub(crate) fn ban(&mut self, peer: PeerId, until: Instant) {
        if self.banned.len() >= MAX_BANS && !self.banned.contains_key(&peer) {
            let first = self.banned.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(peer, _)| *peer) {
                self.banned.remove(&first);
            }
        }
        self.banned.insert(peer, until);
    }

    pub(crate) fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned.contains_key(peer)
    }

    pub(crate) fn protect(&mut self, peer: PeerId) {
        self.banned.remove(&peer);
        self.protected.insert(peer);
    }

    pub(crate) fn unprotect(&mut self, peer: &PeerId) {
        self.protected.remove(peer);
    }

    pub(crate) fn is_protected(&self, peer: &PeerId) -> bool {
        self.protected.contains(peer)
    }

    /// Ends the bans that have been served by now; a ban holds until this is called.
    pub(crate) fn lift(&mut self, now: Instant) -> Vec<PeerId> {
        self.banned.extract_if(|_, until| *until <= now).map(|(peer, _)| peer).collect()
    }

    fn check(&self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        if self.banned.contains_key(peer) {
            return Err(ConnectionDenied::new(Refusal::Banned));
        }
        Ok(())
    }

    // Whether another connection in this direction cannot be a twin of the known ones.
    fn is_late(&self, peer: &PeerId, inbound: bool, now: Instant) -> bool {
        self.established.get(peer).into_iter().flatten().any(|known| {
            let window = if known.inbound == inbound { TWICE } else { CROSSING };
            now.saturating_duration_since(known.since) > window
        })
    }

    fn admit_inbound(&mut self, peer: PeerId, now: Instant) -> Result<(), ConnectionDenied> {
        self.check(&peer)?;
        if self.is_late(&peer, true, now) {
            let old = self.established.get(&peer).into_iter().flatten();
            self.closing.extend(old.map(|known| (peer, known.connection)));
            return Err(ConnectionDenied::new(Refusal::Superseded));
        }
        Ok(())
    }

    fn admit_outbound(&self, peer: PeerId, now: Instant) -> Result<(), ConnectionDenied> {
        self.check(&peer)?;
        if self.is_late(&peer, false, now) {
            return Err(ConnectionDenied::new(Refusal::Connected));
        }
        Ok(())
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(neighbour) = address::neighbour(remote) else { return Ok(()) };
        if self.neighbours.values().filter(|known| **known == neighbour).count() >= self.per_address
        {
            return Err(ConnectionDenied::new(Refusal::Crowded));
        }
        self.neighbours.insert(connection, neighbour);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit_inbound(peer, Instant::now())?;
        if self.protected.contains(&peer) {
            self.neighbours.remove(&connection);
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(peer) = peer {
            self.check(&peer)?;
        }
        Ok(vec![])
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit_outbound(peer, Instant::now())?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.established.entry(event.peer_id).or_default().push(Known {
                    connection: event.connection_id,
                    inbound: event.endpoint.is_listener(),
                    since: Instant::now(),
                });
            }
            FromSwarm::ConnectionClosed(event) => {
                self.neighbours.remove(&event.connection_id);
                if let Some(connections) = self.established.get_mut(&event.peer_id) {
                    connections.retain(|known| known.connection != event.connection_id);
                    if connections.is_empty() {
                        self.established.remove(&event.peer_id);
                    }
                }
            }
            FromSwarm::ListenFailure(event) => {
                self.neighbours.remove(&event.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    // Whoever fills `closing` returns an error to the swarm, which then polls us again.
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.closing.pop_front() {
            Some((peer_id, connection)) => Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::One(connection),
            }),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(gate: &mut Gate, id: usize, remote: &str) -> bool {
        let local = "/ip4/10.0.0.9/tcp/9".parse().unwrap();
        let (id, remote) = (ConnectionId::new_unchecked(id), remote.parse().unwrap());
        gate.handle_pending_inbound_connection(id, &local, &remote).is_ok()
    }

    #[test]
    fn a_thousand_connections_from_one_address_are_capped_and_loopback_is_not() {
        let mut gate = Gate::new(16);
        let admitted = |gate: &mut Gate, host: &str| {
            (0..1_000).filter(|id| pending(gate, *id, &format!("/ip4/{host}/tcp/{id}"))).count()
        };
        assert_eq!(admitted(&mut gate, "203.0.113.7"), 16);
        assert_eq!(admitted(&mut gate, "127.0.0.1"), 1_000);
    }

    #[test]
    fn a_ban_holds_until_it_ends_and_protection_lifts_it() {
        let now = Instant::now();
        let (peer, validator) = (PeerId::random(), PeerId::random());
        let mut gate = Gate::new(16);
        gate.ban(peer, now + Duration::from_secs(600));
        gate.ban(validator, now + Duration::from_secs(600));
        gate.protect(validator);
        assert!(gate.admit_inbound(peer, now).is_err());
        assert!(gate.admit_outbound(peer, now).is_err());
        assert!(gate.admit_inbound(validator, now).is_ok());
        assert_eq!(gate.lift(now), vec![]);
        assert_eq!(gate.lift(now + Duration::from_secs(600)), vec![peer]);
        assert!(gate.admit_inbound(peer, now).is_ok());
    }

    #[test]
    fn crossing_dials_are_both_kept_and_a_late_second_one_replaces_the_first() {
        let start = Instant::now();
        let peer = PeerId::random();
        let mut gate = Gate::new(16);
        let connection = ConnectionId::new_unchecked(1);
        let ours = |inbound| vec![Known { connection, inbound, since: start }];
        let soon = start + Duration::from_millis(500);
        gate.established.insert(peer, ours(false));
        assert!(gate.admit_inbound(peer, soon).is_ok(), "dials that cross");
        gate.established.insert(peer, ours(true));
        assert!(gate.admit_inbound(peer, start + Duration::from_millis(50)).is_ok());
        assert!(gate.closing.is_empty());
        assert!(gate.admit_outbound(peer, start + Duration::from_secs(60)).is_err());
        assert!(gate.closing.is_empty());
        assert!(gate.admit_inbound(peer, soon).is_err(), "it does not dial whom it still has");
        assert_eq!(gate.closing, [(peer, connection)]);
    }

    #[test]
    fn bans_are_remembered_within_bounds() {
        let now = Instant::now();
        let mut gate = Gate::new(16);
        for i in 0..MAX_BANS as u64 + 10 {
            gate.ban(PeerId::random(), now + Duration::from_secs(i));
        }
        assert_eq!(gate.banned.len(), MAX_BANS);
    }
}
