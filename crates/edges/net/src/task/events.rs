//! What the swarm reports, sorted by who deals with it.
//!
//! Knows: libp2p's events. Does not know: policies; those are in the files beside this one.

use std::{sync::PoisonError, time::Instant};

use libp2p::{
    gossipsub, identify,
    metrics::Recorder as _,
    swarm::{DialError, SwarmEvent},
};

use super::Task;
use crate::{swarm::BehaviourEvent, sync::Line};

impl Task {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        self.libp2p_metrics.record(&event);
        let now = Instant::now();
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.waiting.remove(&listener_id);
                let mut listen = self.shared.listen.write().unwrap_or_else(PoisonError::into_inner);
                if !listen.contains(&address) {
                    listen.push(address);
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                let mut listen = self.shared.listen.write().unwrap_or_else(PoisonError::into_inner);
                listen.retain(|known| *known != address);
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "a listener of the swarm has closed");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener of the swarm reports an error");
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint, now);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, left = num_established, "closed");
                if num_established == 0 {
                    self.on_disconnected(peer_id, now);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                tracing::debug!(peer = ?peer_id, %error, "a dial failed");
                self.metrics.dialed("failed");
                let own = matches!(error, DialError::LocalPeerId { .. });
                self.dialer.failed(connection_id, own, now);
            }
            SwarmEvent::IncomingConnectionError { peer_id, error, .. } => {
                tracing::debug!(peer = ?peer_id, %error, "an inbound connection failed");
            }
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(event) => {
                self.libp2p_metrics.record(&event);
                self.on_gossip_event(event);
            }
            BehaviourEvent::Identify(event) => {
                self.libp2p_metrics.record(&event);
                if let identify::Event::Received { peer_id, info, .. } = event {
                    self.on_identified(peer_id, info);
                }
            }
            BehaviourEvent::Ping(event) => {
                self.libp2p_metrics.record(&event);
                if let Ok(rtt) = &event.result {
                    self.on_ping(&event.peer, *rtt);
                }
                // A peer without ping is odd and alive; every other failure is a dead connection.
                if let Err(failure) = event.result
                    && !matches!(failure, libp2p::ping::Failure::Unsupported)
                {
                    tracing::debug!(peer = %event.peer, %failure, "ping failed");
                    self.swarm.close_connection(event.connection);
                }
            }
            BehaviourEvent::Kad(event) => {
                self.libp2p_metrics.record(&event);
                self.on_kad_event(event);
            }
            BehaviourEvent::Sync(event) => self.on_line_event(Line::Chain, event),
            BehaviourEvent::Assembly(event) => self.on_line_event(Line::Assembly, event),
            BehaviourEvent::Direct(inbound) => self.on_direct_stream(inbound),
            BehaviourEvent::Bitswap(inbound) => self.on_content_stream(inbound),
            BehaviourEvent::Echo(inbound) => self.on_echo_stream(inbound),
            BehaviourEvent::Gate(never) => match never {},
            BehaviourEvent::Limits(never) => match never {},
            BehaviourEvent::Memory(never) => match never {},
        }
    }

    fn on_gossip_event(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_gossip(propagation_source, message_id, message);
            }
            gossipsub::Event::Subscribed { topic, .. } => self.retry(&topic),
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                let lost = failed_messages.priority + failed_messages.non_priority;
                tracing::debug!(peer = %peer_id, lost, "a slow peer");
                self.metrics.dropped("gossipsub", lost);
            }
            _ => {}
        }
    }
}
