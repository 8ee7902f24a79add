//! The numbers of gossip, in one place: the swarm uses them, the simulator plays them.
//!
//! Knows: GossipSub's terms. Does not know: who uses the numbers, topics, messages.

use std::time::Duration;

/// Connections that a node tries to have.
pub const TARGET_PEERS: usize = 32;

/// How one topic is gossiped. The default is what Girrona's swarm uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GossipSettings {
    /// D: mesh peers that a node aims for.
    pub degree: usize,
    /// With fewer than these in its mesh a node grafts others until it has `degree`.
    pub degree_low: usize,
    /// With these or more in its mesh a node prunes down to `degree`.
    pub degree_high: usize,
    /// Mesh peers that a node has dialled itself, so that nobody can surround it.
    pub outbound_min: usize,
    /// Peers outside the mesh that are told at each heartbeat what there is (IHAVE), at least.
    pub lazy: usize,
    /// The same as a share of all peers outside the mesh; the larger of the two counts.
    pub lazy_share: f64,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// Heartbeats for which a message can be asked for (IWANT).
    pub history: usize,
    /// Heartbeats at which a message is advertised (IHAVE).
    pub history_gossip: usize,
    /// How long a node waits for what it asked for before it asks somebody else.
    pub iwant_patience: Duration,
    /// From this size on, in bytes, mesh peers are told "I have this one" (IDONTWANT).
    pub idontwant_bytes: usize,
    /// An author sends to every peer, not only to its mesh.
    pub flood_publish: bool,
}

impl Default for GossipSettings {
    fn default() -> Self {
        Self {
            degree: 8,
            degree_low: 6,
            degree_high: 12,
            outbound_min: 3,
            lazy: 6,
            lazy_share: 0.25,
            heartbeat: Duration::from_millis(700),
            history: 6,
            history_gossip: 3,
            // Shorter than `history_gossip` heartbeats: while somebody still advertises a message
            // there is somebody else to ask.
            iwant_patience: Duration::from_secs(1),
            idontwant_bytes: 1_024,
            // One setting for all topics, and a block to every peer at once would cost us dear.
            // Small networks lose nothing: a publisher tops its mesh up to `degree` peers anyway.
            flood_publish: false,
        }
    }
}

impl GossipSettings {
    /// These settings for another degree; the bounds around it keep their proportion to it.
    #[must_use]
    pub fn with_degree(self, degree: usize) -> Self {
        let default = Self::default();
        let scaled = |bound: usize| (bound * degree).div_ceil(default.degree);
        Self {
            degree,
            degree_low: scaled(default.degree_low).min(degree),
            degree_high: scaled(default.degree_high).max(degree + 1),
            outbound_min: (default.outbound_min * degree / default.degree).min(degree / 2),
            ..self
        }
    }

    /// These settings without gossip outside the mesh: what the mesh loses is lost.
    #[must_use]
    pub fn mesh_only(self) -> Self {
        Self { lazy: 0, lazy_share: 0.0, history_gossip: 0, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_degree_keeps_the_proportions_and_the_default_is_itself() {
        let default = GossipSettings::default();
        assert_eq!(default.with_degree(8), default);
        for degree in 2..=24 {
            let GossipSettings { degree_low, degree_high, outbound_min, .. } =
                default.with_degree(degree);
            assert!(outbound_min <= degree_low && degree_low <= degree && degree < degree_high);
            assert!(outbound_min * 2 <= degree);
        }
    }
}
