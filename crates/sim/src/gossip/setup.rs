//! What is played: how many nodes, how they are connected, what goes wrong.
//!
//! Knows: the bounds within which a simulation makes sense. Does not know: how it runs.

use std::time::Duration;

use girrona_types::gossip::{GossipSettings, TARGET_PEERS};

use super::graph::SLOTS;

/// The most nodes: a node takes about 350 bytes.
pub const NODES_MAX: u32 = 4_000_000;

/// The most connections that a node may aim for. Others dial it too, and a set of neighbours has to
/// fit into one machine word.
const CONNECTIONS_MAX: u32 = 40;

/// One network and what is published on it. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// Nodes.
    pub nodes: u32,
    /// Connections of a node on average: it dials one half, the other half dials it.
    pub connections: u32,
    /// The numbers of GossipSub.
    pub gossip: GossipSettings,
    /// From a message's arrival to its being passed on.
    pub validation: Duration,
    /// Length of a message, in bytes.
    pub size: u32,
    /// What a node can send, in bits a second; copies leave one after the other.
    pub uplink: u64,
    /// Share of copies that are lost on the way; control messages are small and get through.
    pub loss: f64,
    /// Share of nodes that receive and never pass on.
    pub silent: f64,
    /// Share of nodes that leave every mesh at the moment of publication, pass nothing on, claim at
    /// once to have the message, and never serve it.
    pub malicious: f64,
    /// Share of nodes that come or go, half of them each, within the first three heartbeats.
    pub churn: f64,
    /// Messages, one after the other.
    pub messages: u32,
    /// When a message that has not arrived counts as lost.
    pub patience: Duration,
    /// Decides everything that is random.
    pub seed: u64,
}

impl Default for Setup {
    /// A thousand nodes with the swarm's own numbers, 1 KiB messages, 2 ms of validation, 100
    /// Mbit/s, and nothing wrong.
    fn default() -> Self {
        Self {
            nodes: 1_000,
            connections: TARGET_PEERS as u32,
            gossip: GossipSettings::default(),
            validation: Duration::from_millis(2),
            size: 1_024,
            uplink: 100_000_000,
            loss: 0.0,
            silent: 0.0,
            malicious: 0.0,
            churn: 0.0,
            messages: 3,
            patience: Duration::from_secs(30),
            seed: 0,
        }
    }
}

/// Why a setup makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SetupError {
    /// Nobody to send to, or more nodes than fit.
    #[error("{0} nodes: a network has from 2 to {NODES_MAX} nodes")]
    Nodes(u32),
    /// The mesh would be a line, or nothing.
    #[error("degree {0}: a mesh needs at least 2 neighbours per node, or no message goes far")]
    DegreeLow(usize),
    /// The mesh does not fit into the connections.
    #[error("degree {degree} needs more than {connections} connections per node")]
    DegreeHigh {
        /// The degree.
        degree: usize,
        /// The connections.
        connections: u32,
    },
    /// More neighbours than a set of them holds.
    #[error("{0} connections: a node has from 2 to {CONNECTIONS_MAX} on average")]
    Connections(u32),
    /// A share that is none.
    #[error("{what}: {share} is not a share from 0 % to less than 100 %")]
    Share {
        /// Of what.
        what: &'static str,
        /// In per cent.
        share: f64,
    },
    /// Nobody is left to receive.
    #[error("malicious and churning nodes together are {0} %: fewer than half of all must be left")]
    Crowd(f64),
    /// Nothing to send, or nothing to send it with.
    #[error("{0} must be more than zero")]
    Zero(&'static str),
    /// A time beyond what the clock of the simulation shows.
    #[error("{what} of {} s: at most {} s", .time.as_secs_f64(), .most.as_secs())]
    Long {
        /// Which.
        what: &'static str,
        /// How long.
        time: Duration,
        /// How long it may be.
        most: Duration,
    },
}

impl Setup {
    /// Time that one copy takes on the uplink.
    pub fn transmission(&self) -> Duration {
        let bits = u128::from(self.size) * 8;
        let nanos = (bits * 1_000_000_000).checked_div(u128::from(self.uplink)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check(&self) -> Result<(), SetupError> {
        if !(2..=NODES_MAX).contains(&self.nodes) {
            return Err(SetupError::Nodes(self.nodes));
        }
        if !(2..=CONNECTIONS_MAX).contains(&self.connections) {
            return Err(SetupError::Connections(self.connections));
        }
        let degree = self.gossip.degree;
        if degree < 2 {
            return Err(SetupError::DegreeLow(degree));
        }
        if degree > self.connections as usize || degree > SLOTS {
            return Err(SetupError::DegreeHigh { degree, connections: self.connections });
        }
        let shares = [
            ("loss", self.loss),
            ("silent nodes", self.silent),
            ("malicious nodes", self.malicious),
            ("churn", self.churn),
        ];
        for (what, share) in shares {
            if !(0.0..1.0).contains(&share) {
                return Err(SetupError::Share { what, share: share * 100.0 });
            }
        }
        let crowd = self.malicious + self.churn;
        if crowd > 0.5 {
            return Err(SetupError::Crowd(crowd * 100.0));
        }
        for (what, number) in [
            ("the number of messages", u64::from(self.messages)),
            ("the size of a message", u64::from(self.size)),
            ("the uplink", self.uplink),
            ("the heartbeat", self.gossip.heartbeat.as_micros() as u64),
        ] {
            if number == 0 {
                return Err(SetupError::Zero(what));
            }
        }
        let (second, ten_minutes) = (Duration::from_secs(60), Duration::from_secs(600));
        for (what, time, most) in [
            ("the validation", self.validation, second),
            ("the heartbeat", self.gossip.heartbeat, second),
            ("the time that a copy is on the uplink", self.transmission(), second),
            ("the patience", self.patience, ten_minutes),
        ] {
            if time > most {
                return Err(SetupError::Long { what, time, most });
            }
        }
        Ok(())
    }
}
