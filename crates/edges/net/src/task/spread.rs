//! Asks the swarm what the model of propagation needs, and shows it beside what is measured.
//!
//! Knows: meshes, pings, the DHT's table. Does not know: the model; see `spread.rs`.

use std::{
    collections::HashSet,
    sync::PoisonError,
    time::{Duration, Instant},
};

use libp2p::PeerId;

use super::Task;
use crate::{MessageToken, Topic};

impl Task {
    /// A gossip message was accepted.
    pub(super) fn measure(&mut self, token: &MessageToken) {
        let (topic, arrival) = (token.topic, token.arrival);
        if let Some(author) = token.author {
            self.meter.heard(author, arrival.at);
        }
        self.metrics.arrived(topic, arrival.route, arrival.took);
        self.meter.accepted(topic, arrival, Instant::now());
    }

    pub(super) fn on_ping(&mut self, peer: &PeerId, rtt: Duration) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.ponged(rtt);
            self.shared.bitswap.pinged(peer, rtt);
        }
    }

    /// Once a second: how many this node pushes to, who is there, and what follows.
    pub(super) fn show_spread(&mut self, now: Instant) {
        for (topic, hash) in Topic::ALL.into_iter().zip(&self.topics) {
            let behaviour = self.swarm.behaviour();
            // Protected peers are sent everything, and are in no mesh.
            let protected = self.peers.keys().filter(|peer| behaviour.gate.is_protected(peer));
            let pushed: HashSet<_> = behaviour.gossip.mesh_peers(hash).chain(protected).collect();
            let degree = pushed.len();
            self.meter.degree(topic, degree);
        }
        let members = self.peers.iter().filter(|(_, known)| known.is_member());
        for peer in members.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.meter.heard(peer, now);
        }
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
            for bucket in kad.kbuckets() {
                for entry in bucket.iter() {
                    self.meter.heard(*entry.node.key.preimage(), now);
                }
            }
        }
        self.meter.sweep(now);
        let pings = self.peers.values().flat_map(|known| known.pings()).collect();
        let shown = self.meter.show(pings);
        self.metrics.spread(&shown);
        *self.shared.spread.write().unwrap_or_else(PoisonError::into_inner) = shown;
    }
}
