//! How a message spreads: GossipSub in virtual time, from two nodes to millions.
//!
//! Start at [`Network::build`], which connects the nodes and lets their meshes settle, and
//! [`Network::play`], which publishes messages and says when they were where. The same arguments
//! give the same [`Outcome`]. Each outcome stands beside the model that nodes use too
//! ([`girrona_assembly::propagation`]).
//!
//! Knows: GossipSub 1.1 and 1.2 as the swarm's library carries it out: meshes with low and high
//! bounds, eager push, IDONTWANT, IHAVE and IWANT at heartbeats; links, uplinks, validation.
//!
//! Leaves out: peer scores and opportunistic grafts (they act over minutes; a message is over in
//! seconds), several messages competing for an uplink, and what heals without gossip (digests).

mod graph;
mod latency;
mod outcome;
mod play;
mod queue;
mod setup;
pub mod svg;

pub use latency::{Latency, LatencyError};
pub use outcome::Outcome;
pub use setup::{NODES_MAX, Setup, SetupError};

use graph::Graph;
use latency::Links;
use play::Play;

use crate::rng::Rng;

/// Asked now and then with the share of the work that is done; `false` stops the work.
pub type Watch<'a> = dyn FnMut(f64) -> bool + 'a;

/// Nodes with their connections and settled meshes; messages are played on it.
#[derive(Debug)]
pub struct Network {
    setup: Setup,
    graph: Graph,
}

impl Network {
    /// Connects the nodes and lets the meshes settle. `None`: stopped by `watch`.
    ///
    /// # Errors
    /// The setup makes no sense; the error says why.
    pub fn build(setup: Setup, watch: &mut Watch<'_>) -> Result<Option<Self>, SetupError> {
        setup.check()?;
        let mut rng = Rng::new(setup.seed ^ u64::from(setup.nodes).rotate_left(32));
        let graph = Graph::build(setup.nodes, setup.connections, &setup.gossip, &mut rng, watch);
        Ok(graph.map(|graph| Self { setup, graph }))
    }

    /// Publishes the setup's messages, one after the other, each from a node of its own choice, and
    /// sums up when they were where. `None`: stopped by `watch`.
    ///
    /// The latency is an argument of its own because the same network is worth playing with
    /// several.
    pub fn play(&self, latency: Latency, watch: &mut Watch<'_>) -> Option<Outcome> {
        let links = Links::new(latency, self.setup.seed);
        let p99_one_way = self.graph.link_percentile(&links, 0.99);
        let mut sums = outcome::Sums::default();
        let mut play = Play::new(&self.setup, &self.graph, &links);
        let messages = self.setup.messages;
        for message in 0..messages {
            let part = |done: f64| (f64::from(message) + done) / f64::from(messages);
            let seed = self.setup.seed.wrapping_add(0x5eed).rotate_left(17) ^ u64::from(message);
            play.message(Rng::new(seed), &mut sums, &mut |done| watch(part(done)))?;
        }
        Some(sums.outcome(&self.setup, latency, self.graph.mean_mesh(), p99_one_way))
    }
}

#[cfg(test)]
mod tests;
