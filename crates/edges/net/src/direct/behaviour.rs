//! The libp2p side of streams between two peers, direct frames and Bitswap alike: opens them when asked, hands over those of others.
//!
//! The crate libp2p-stream does the same but keeps a little memory for every connection that ever
//! was, drops inbound streams while its acceptor is busy, and dials by itself; hence this one.
//!
//! Knows: connections and one protocol name. Does not know: frames.

use std::{
    collections::{HashMap, VecDeque},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, handler::ConnectionEvent,
    },
};
use tokio::sync::oneshot;

type Answer = oneshot::Sender<Stream>;

/// A peer has opened its stream to us.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) peer: PeerId,
    pub(crate) stream: Stream,
}

#[derive(Debug)]
pub(crate) struct Behaviour {
    protocol: StreamProtocol,
    /// Streams of one connection that wait for the swarm. When full the new one is dropped.
    waiting_max: usize,
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    events: VecDeque<ToSwarm<Inbound, Answer>>,
}

impl Behaviour {
    pub(crate) fn new(protocol: StreamProtocol, waiting_max: usize) -> Self {
        Self { protocol, waiting_max, connections: HashMap::new(), events: VecDeque::new() }
    }

    /// Opens a stream to a connected peer; `answer` is dropped if that fails.
    pub(crate) fn open(&mut self, peer_id: PeerId, answer: Answer) {
        let newest = self.connections.get(&peer_id).and_then(|known| known.last());
        if let Some(connection) = newest {
            let handler = NotifyHandler::One(*connection);
            self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler, event: answer });
        }
    }

    fn handler(&self) -> Handler {
        Handler {
            protocol: self.protocol.clone(),
            waiting_max: self.waiting_max,
            wanted: VecDeque::new(),
            opening: VecDeque::new(),
            inbound: VecDeque::new(),
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Inbound;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.connections.entry(event.peer_id).or_default().push(event.connection_id);
            }
            FromSwarm::ConnectionClosed(event) => {
                if let Some(known) = self.connections.get_mut(&event.peer_id) {
                    known.retain(|connection| *connection != event.connection_id);
                    if known.is_empty() {
                        self.connections.remove(&event.peer_id);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        _: ConnectionId,
        stream: THandlerOutEvent<Self>,
    ) {
        self.events.push_back(ToSwarm::GenerateEvent(Inbound { peer, stream }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

#[derive(Debug)]
pub(crate) struct Handler {
    protocol: StreamProtocol,
    waiting_max: usize,
    wanted: VecDeque<Answer>,
    opening: VecDeque<Answer>,
    inbound: VecDeque<Stream>,
}

impl Handler {
    fn upgrade(&self) -> SubstreamProtocol<ReadyUpgrade<StreamProtocol>> {
        SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ())
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Answer;
    type ToBehaviour = Stream;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        self.upgrade()
    }

    fn on_behaviour_event(&mut self, answer: Answer) {
        self.wanted.push_back(answer);
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if let Some(stream) = self.inbound.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(stream));
        }
        if let Some(answer) = self.wanted.pop_front() {
            self.opening.push_back(answer);
            let protocol = self.upgrade();
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    // Streams are all alike, so it does not matter which of several askers gets which.
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(event)
                if self.inbound.len() < self.waiting_max =>
            {
                self.inbound.push_back(event.protocol);
            }
            ConnectionEvent::FullyNegotiatedOutbound(event) => {
                if let Some(answer) = self.opening.pop_front() {
                    let _ = answer.send(event.protocol);
                }
            }
            ConnectionEvent::DialUpgradeError(_) => {
                self.opening.pop_front();
            }
            _ => {}
        }
    }
}
