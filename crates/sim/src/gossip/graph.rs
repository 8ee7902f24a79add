//! Who is connected with whom, and whose meshes contain whom once they have settled.
//!
//! Knows: dials, grafts, prunes and their bounds. A set of neighbours is one word: bit `s` stands
//! for the neighbour in slot `s` of a node's list. Does not know: messages.

use girrona_types::gossip::GossipSettings;

use super::{Watch, latency::Links};
use crate::rng::Rng;

/// Neighbours that fit into a set.
pub(super) const SLOTS: usize = 64;

/// After so many heartbeats without rest the meshes are taken as they are.
const ROUNDS: usize = 12;

/// Work between two looks at the watch, in nodes.
const STRIDE: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct Graph {
    /// Where each node's list of neighbours begins.
    first: Vec<u32>,
    /// How long it is.
    count: Vec<u8>,
    /// The lists, one after the other.
    neighbours: Vec<u32>,
    /// Whom a node has dialled itself.
    outbound: Vec<u64>,
    /// Whom a node has in its mesh; a link is in both meshes or in none.
    pub(super) mesh: Vec<u64>,
}

/// One of the set's members, each as likely as the others; the set is not empty.
pub(super) fn any_of(set: u64, rng: &mut Rng) -> usize {
    let mut left = set;
    for _ in 0..rng.index(set.count_ones() as usize) {
        left &= left - 1;
    }
    left.trailing_zeros() as usize
}

fn bit(slot: usize) -> u64 {
    1 << slot
}

impl Graph {
    /// Connects the nodes at random and settles their meshes.
    pub(super) fn build(
        nodes: u32,
        connections: u32,
        settings: &GossipSettings,
        rng: &mut Rng,
        watch: &mut Watch<'_>,
    ) -> Option<Self> {
        let mut graph = if nodes <= connections + 1 {
            Self::complete(nodes, rng)
        } else {
            Self::random(nodes as usize, connections as usize, rng, watch)?
        };
        graph.settle(settings, rng, watch)?;
        Some(graph)
    }

    /// Everybody is connected with everybody; chance says who dialled.
    fn complete(nodes: u32, rng: &mut Rng) -> Self {
        let count = nodes as usize;
        let mut outbound = vec![0; count];
        for a in 0..count {
            for b in a + 1..count {
                let (from, slot) = if rng.chance(50) { (a, b - 1) } else { (b, a) };
                outbound[from] |= bit(slot);
            }
        }
        Self {
            first: (0..nodes).map(|node| node * (nodes - 1)).collect(),
            count: vec![(nodes - 1) as u8; count],
            neighbours: (0..nodes)
                .flat_map(|node| (0..nodes).filter(move |other| *other != node))
                .collect(),
            outbound,
            mesh: vec![0; count],
        }
    }

    /// Everybody dials half as many others as it wants connections, at random.
    fn random(
        nodes: usize,
        connections: usize,
        rng: &mut Rng,
        watch: &mut Watch<'_>,
    ) -> Option<Self> {
        let half = connections.div_ceil(2);
        let mut dials: Vec<u32> = Vec::with_capacity(nodes * half);
        let mut count = vec![half as u8; nodes];
        for node in 0..nodes {
            if node.is_multiple_of(STRIDE) && !watch(0.0) {
                return None;
            }
            let begin = dials.len();
            while dials.len() < begin + half {
                // With twice as many slots as dials, one other in two has room at the worst.
                let other = rng.index(nodes);
                let known = dials[begin..].contains(&(other as u32));
                if other != node && !known && usize::from(count[other]) < SLOTS {
                    count[other] += 1;
                    dials.push(other as u32);
                }
            }
        }
        let mut first = Vec::with_capacity(nodes);
        let mut total = 0_u32;
        for size in &count {
            first.push(total);
            total += u32::from(*size);
        }
        let mut neighbours = vec![0; total as usize];
        for (node, own) in dials.chunks_exact(half).enumerate() {
            let begin = first[node] as usize;
            neighbours[begin..begin + half].copy_from_slice(own);
        }
        drop(dials);
        count.fill(half as u8);
        let mut graph = Self {
            first,
            count,
            neighbours,
            outbound: vec![u64::MAX >> (SLOTS - half); nodes],
            mesh: vec![0; nodes],
        };
        for node in 0..nodes {
            if node.is_multiple_of(STRIDE) && !watch(0.0) {
                return None;
            }
            for slot in 0..half {
                let other = graph.neighbour(node as u32, slot);
                // Two that dialled each other are connected once.
                if graph.slot_of(other, node as u32).is_none() {
                    let end = graph.first[other as usize] + u32::from(graph.count[other as usize]);
                    graph.neighbours[end as usize] = node as u32;
                    graph.count[other as usize] += 1;
                }
            }
        }
        Some(graph)
    }

    pub(super) fn nodes(&self) -> u32 {
        self.first.len() as u32
    }

    pub(super) fn neighbours(&self, node: u32) -> &[u32] {
        let begin = self.first[node as usize] as usize;
        &self.neighbours[begin..begin + usize::from(self.count[node as usize])]
    }

    pub(super) fn neighbour(&self, node: u32, slot: usize) -> u32 {
        self.neighbours[self.first[node as usize] as usize + slot]
    }

    /// In which slot of `node` this neighbour is.
    pub(super) fn slot_of(&self, node: u32, neighbour: u32) -> Option<usize> {
        self.neighbours(node).iter().position(|known| *known == neighbour)
    }

    /// The set of all neighbours.
    pub(super) fn all(&self, node: u32) -> u64 {
        match self.count[node as usize] {
            0 => 0,
            count => u64::MAX >> (SLOTS - usize::from(count)),
        }
    }

    fn join(&mut self, node: u32, slot: usize) {
        let other = self.neighbour(node, slot);
        if let Some(back) = self.slot_of(other, node) {
            self.mesh[node as usize] |= bit(slot);
            self.mesh[other as usize] |= bit(back);
        }
    }

    fn part(&mut self, node: u32, slot: usize) {
        let other = self.neighbour(node, slot);
        if let Some(back) = self.slot_of(other, node) {
            self.mesh[node as usize] &= !bit(slot);
            self.mesh[other as usize] &= !bit(back);
        }
    }

    fn size(&self, node: u32) -> usize {
        self.mesh[node as usize].count_ones() as usize
    }

    /// The network grows node by node. On a new connection whoever has fewer mesh peers than the low
    /// bound grafts the other; whoever has too many cuts down at its next heartbeat. Then heartbeats
    /// until nothing changes.
    fn settle(
        &mut self,
        settings: &GossipSettings,
        rng: &mut Rng,
        watch: &mut Watch<'_>,
    ) -> Option<()> {
        let nodes = self.nodes();
        let (low, high) = (settings.degree_low, settings.degree_high);
        let mut pruned = vec![0; nodes as usize];
        for node in 0..nodes {
            if (node as usize).is_multiple_of(STRIDE) && !watch(0.0) {
                return None;
            }
            let mut known = self.all(node);
            while known != 0 {
                let slot = any_of(known, rng);
                known &= !bit(slot);
                let other = self.neighbour(node, slot);
                if other > node {
                    continue;
                }
                let (here, there) = (self.size(node), self.size(other));
                if (here < low || there < low) && here < high && there < high {
                    self.join(node, slot);
                    if self.size(other) >= high {
                        self.heartbeat(other, settings, &mut pruned, rng);
                    }
                }
            }
        }
        for _ in 0..ROUNDS {
            let mut calm = true;
            for node in 0..nodes {
                if (node as usize).is_multiple_of(STRIDE) && !watch(0.0) {
                    return None;
                }
                calm &= self.heartbeat(node, settings, &mut pruned, rng);
            }
            if calm {
                break;
            }
        }
        Some(())
    }

    /// One node looks at its mesh. `true`: nothing had to change.
    fn heartbeat(
        &mut self,
        node: u32,
        settings: &GossipSettings,
        pruned: &mut [u64],
        rng: &mut Rng,
    ) -> bool {
        let own = node as usize;
        let before = self.mesh[own];
        if self.size(node) < settings.degree_low {
            let others = self.all(node) & !pruned[own];
            self.graft(node, others, settings.degree - self.size(node), settings, rng);
        }
        if self.size(node) >= settings.degree_high {
            let mut candidates = self.mesh[own];
            while self.size(node) > settings.degree && candidates != 0 {
                let slot = any_of(candidates, rng);
                candidates &= !bit(slot);
                let dialled = (self.mesh[own] & self.outbound[own]).count_ones() as usize;
                if self.outbound[own] & bit(slot) != 0 && dialled <= settings.outbound_min {
                    continue;
                }
                let other = self.neighbour(node, slot);
                if let Some(back) = self.slot_of(other, node) {
                    pruned[other as usize] |= bit(back);
                }
                pruned[own] |= bit(slot);
                self.part(node, slot);
            }
        }
        let dialled = (self.mesh[own] & self.outbound[own]).count_ones() as usize;
        if self.size(node) >= settings.degree_low && dialled < settings.outbound_min {
            let others = self.outbound[own] & !pruned[own];
            self.graft(node, others, settings.outbound_min - dialled, settings, rng);
        }
        self.mesh[own] == before
    }

    /// Grafts up to `wanted` of these neighbours; whoever is full says no.
    fn graft(
        &mut self,
        node: u32,
        among: u64,
        wanted: usize,
        settings: &GossipSettings,
        rng: &mut Rng,
    ) {
        let mut candidates = among & !self.mesh[node as usize];
        let mut wanted = wanted;
        while wanted > 0 && candidates != 0 {
            let slot = any_of(candidates, rng);
            candidates &= !bit(slot);
            if self.size(self.neighbour(node, slot)) < settings.degree_high {
                self.join(node, slot);
                wanted -= 1;
            }
        }
    }

    /// Mesh peers of a node, on average.
    pub(super) fn mean_mesh(&self) -> f64 {
        let sum: u64 = self.mesh.iter().map(|set| u64::from(set.count_ones())).sum();
        sum as f64 / self.mesh.len() as f64
    }

    /// What this share of the connections, or of a sample of them, is not slower than, one way, in
    /// microseconds.
    pub(super) fn link_percentile(&self, links: &Links, share: f64) -> u32 {
        let step = self.nodes().div_ceil(1 << 14) as usize;
        let mut times: Vec<u32> = (0..self.nodes())
            .step_by(step)
            .flat_map(|node| {
                self.neighbours(node).iter().map(move |other| links.one_way(node, *other))
            })
            .collect();
        times.sort_unstable();
        super::outcome::percentile(&times, share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gossip::Latency;

    fn built(nodes: u32, degree: usize) -> (Graph, GossipSettings) {
        let settings = GossipSettings::default().with_degree(degree);
        let graph = Graph::build(nodes, 32, &settings, &mut Rng::new(5), &mut |_| true).unwrap();
        (graph, settings)
    }

    #[test]
    fn connections_and_meshes_are_mutual_and_nobody_knows_itself_or_another_twice() {
        for nodes in [2, 3, 20, 33, 34, 60, 500, 5_000] {
            let (graph, _) = built(nodes, 8);
            for node in 0..nodes {
                let mut known = graph.neighbours(node).to_vec();
                for (slot, other) in known.iter().enumerate() {
                    let back = graph.slot_of(*other, node).unwrap();
                    let here = graph.mesh[node as usize] & bit(slot) != 0;
                    let there = graph.mesh[*other as usize] & bit(back) != 0;
                    assert_eq!(here, there);
                    let (ours, theirs) =
                        (graph.outbound[node as usize], graph.outbound[*other as usize]);
                    assert!(ours & bit(slot) != 0 || theirs & bit(back) != 0, "nobody dialled");
                }
                known.sort_unstable();
                known.dedup();
                assert_eq!(known.len(), graph.neighbours(node).len());
                assert!(!known.contains(&node));
            }
        }
    }

    #[test]
    fn meshes_settle_between_their_bounds() {
        for degree in [4, 6, 8, 12, 16] {
            let (graph, settings) = built(20_000, degree);
            let sizes: Vec<usize> = (0..20_000).map(|node| graph.size(node)).collect();
            let within = |size: &usize| (settings.degree_low..settings.degree_high).contains(size);
            let strays = sizes.iter().filter(|size| !within(size)).count();
            assert!(strays < 20, "degree {degree}: {strays} nodes out of bounds");
            let mean = graph.mean_mesh();
            let degree = degree as f64;
            assert!(mean >= degree * 0.8 && mean < degree * 1.5, "degree {degree}: {mean}");
        }
    }

    #[test]
    fn a_stopped_build_ends_and_the_share_of_fast_links_is_what_it_says() {
        let settings = GossipSettings::default();
        assert!(Graph::build(100, 32, &settings, &mut Rng::new(1), &mut |_| false).is_none());
        let (graph, _) = built(1_000, 8);
        let links = Links::new(Latency::Uniform(0.0, 100.0), 1);
        let p99 = graph.link_percentile(&links, 0.99);
        assert!((98_000..100_000).contains(&p99), "{p99}");
    }
}
