//! One message: published, pushed, validated, asked for, until everybody has it or nothing moves.
//!
//! Knows: what a node does when something arrives. Does not know: how the network came about.

use girrona_types::gossip::GossipSettings;

use super::{
    Graph, Links, Setup, Watch,
    graph::any_of,
    latency::mix,
    outcome::Sums,
    queue::{Event, Kind, Queue},
};
use crate::rng::Rng;

/// Not yet.
const NEVER: u32 = u32::MAX;
/// An uplink is planned this far ahead at a time, in microseconds: copies of small messages leave
/// in one go, and a node with large ones hears before each copy whether it is still wanted.
const SEND_AHEAD: u32 = 1_000;
/// Events between two looks at the watch.
const STRIDE: u64 = 1 << 16;

/// Passes nothing on.
const SILENT: u8 = 1;
/// See [`Setup::malicious`].
const MALICIOUS: u8 = 2;
/// Comes or goes.
const RESTLESS: u8 = 4;
/// Is here.
const HERE: u8 = 8;
/// Has passed the message on, or never will.
const DONE: u8 = 16;

/// A node's part in one message; all that an event touches lies together.
#[derive(Clone, Copy, Debug)]
struct Node {
    mesh: u64,
    /// Neighbours that have the message, as far as this node knows.
    has: u64,
    /// Neighbours that wait for a copy.
    waiting: u64,
    /// When the message arrived.
    seen: u32,
    /// When the uplink is free.
    uplink: u32,
    /// Until when somebody who was asked may answer.
    asked: u32,
    hops: u8,
    is: u8,
}

#[derive(Debug)]
pub(super) struct Play<'a> {
    setup: &'a Setup,
    gossip: &'a GossipSettings,
    graph: &'a Graph,
    links: &'a Links,
    queue: Queue,
    nodes: Vec<Node>,
    rng: Rng,
    now: u32,
    heartbeat: u32,
    validation: u32,
    transmission: u32,
    patience: u32,
    author: u32,
    /// Nodes that could take the message and have not got it.
    without: u64,
}

fn micros(time: std::time::Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

fn bit(slot: usize) -> u64 {
    1 << slot
}

impl<'a> Play<'a> {
    pub(super) fn new(setup: &'a Setup, graph: &'a Graph, links: &'a Links) -> Self {
        Self {
            setup,
            gossip: &setup.gossip,
            graph,
            links,
            queue: Queue::new(),
            nodes: Vec::with_capacity(setup.nodes as usize),
            rng: Rng::new(0),
            now: 0,
            heartbeat: micros(setup.gossip.heartbeat),
            validation: micros(setup.validation),
            transmission: (setup.transmission().as_nanos() as f64 / 1_000.0).round() as u32,
            patience: micros(setup.patience),
            author: 0,
            without: 0,
        }
    }

    /// Plays one message and adds what it came to. `None`: stopped by `watch`.
    pub(super) fn message(
        &mut self,
        rng: Rng,
        sums: &mut Sums,
        watch: &mut Watch<'_>,
    ) -> Option<()> {
        self.rng = rng;
        self.queue.reset();
        self.now = 0;
        self.cast();
        let everybody = self.without.max(1) as f64;
        self.publish();
        let mut events = 0_u64;
        while let Some((now, event)) = self.queue.next() {
            if now > self.patience {
                break;
            }
            self.now = now;
            self.on(event, sums);
            events += 1;
            if events.is_multiple_of(STRIDE) && !watch(1.0 - self.without as f64 / everybody) {
                return None;
            }
        }
        self.count(sums);
        Some(())
    }

    /// Gives every node its part.
    fn cast(&mut self) {
        let Setup { silent, malicious, churn, .. } = *self.setup;
        let window = self.heartbeat.saturating_mul(3);
        self.nodes.clear();
        for node in 0..self.graph.nodes() {
            let lot = self.rng.unit();
            let mut is = HERE;
            if lot < malicious {
                is |= MALICIOUS | DONE;
            } else if lot < malicious + churn {
                is |= RESTLESS;
                let at = self.rng.range(0, u64::from(window)) as u32;
                let kind = if self.rng.chance(50) { Kind::Leave } else { Kind::Arrive };
                if kind == Kind::Arrive {
                    is &= !HERE;
                }
                self.queue.at(at, Event { kind, count: 0, node, from: node });
            }
            if is & MALICIOUS == 0 && self.rng.unit() < silent {
                is |= SILENT | DONE;
            }
            let mesh = self.graph.mesh[node as usize];
            self.nodes.push(Node {
                mesh,
                has: 0,
                waiting: 0,
                seen: NEVER,
                uplink: 0,
                asked: 0,
                hops: 0,
                is,
            });
        }
        self.author = self.choose_author();
        self.nodes[self.author as usize].is = HERE;
        for node in 0..self.graph.nodes() {
            let is = self.nodes[node as usize].is;
            if is & MALICIOUS != 0 {
                for other in self.leave_meshes(node) {
                    self.plan_mend(other);
                }
                let event = Event { kind: Kind::Heartbeat, count: 0, node, from: node };
                self.queue.at(0, event);
            } else if is & HERE == 0 {
                // It was not there when the meshes settled.
                for other in self.leave_meshes(node) {
                    self.mend(other);
                }
            }
        }
        let takes = |node: &&Node| node.is & MALICIOUS == 0;
        self.without = self.nodes.iter().filter(takes).count() as u64;
    }

    /// Somebody who is honest and stays; anybody, should there be nobody like that.
    fn choose_author(&mut self) -> u32 {
        let mut author = 0;
        for _ in 0..1_000 {
            author = self.rng.index(self.nodes.len()) as u32;
            if self.nodes[author as usize].is == HERE {
                break;
            }
        }
        author
    }

    fn publish(&mut self) {
        let author = self.author;
        self.nodes[author as usize].seen = 0;
        self.without -= 1;
        let event = Event { kind: Kind::Forward, count: 0, node: author, from: author };
        self.queue.at(0, event);
    }

    fn on(&mut self, event: Event, sums: &mut Sums) {
        let Event { kind, count, node, from } = event;
        match kind {
            Kind::Leave => {
                let own = &mut self.nodes[node as usize];
                own.is &= !HERE;
                self.without -= u64::from(own.seen == NEVER);
                for other in self.leave_meshes(node) {
                    self.plan_mend(other);
                }
            }
            Kind::Arrive => {
                self.nodes[node as usize].is |= HERE;
                self.mend(node);
            }
            _ if self.nodes[node as usize].is & HERE == 0 => {}
            Kind::Copy => self.receive(node, from, count, false, sums),
            Kind::Answer => self.receive(node, from, count, true, sums),
            Kind::Forward => self.forward(node),
            Kind::Send => self.send(node, sums),
            Kind::Heartbeat => self.advertise(node, count, sums),
            Kind::Ihave => self.consider(node, from),
            Kind::Iwant => self.answer(node, from),
            Kind::Mend => self.mend(node),
        }
    }

    fn receive(&mut self, node: u32, from: u32, hops: u8, asked: bool, sums: &mut Sums) {
        let own = &mut self.nodes[node as usize];
        if own.seen != NEVER {
            sums.duplicates += 1;
            if own.is & DONE == 0 {
                own.has |= self.graph.slot_of(node, from).map_or(0, bit);
            }
            return;
        }
        own.seen = self.now;
        own.hops = hops;
        if own.is & MALICIOUS != 0 {
            return;
        }
        self.without -= 1;
        if asked {
            sums.outside_mesh += 1;
        } else {
            sums.through_mesh += 1;
        }
        sums.hops += u64::from(hops);
        sums.hops_max = sums.hops_max.max(hops);
        if own.is & SILENT != 0 {
            return;
        }
        for (slot, other) in self.graph.neighbours(node).iter().enumerate() {
            if *other == from || *other == self.author {
                own.has |= bit(slot);
            }
        }
        let event = Event { kind: Kind::Forward, count: 0, node, from };
        self.queue.at(self.now.saturating_add(self.validation), event);
    }

    /// Validated: push it into the mesh, and advertise it at the coming heartbeats.
    fn forward(&mut self, node: u32) {
        let all = self.graph.all(node);
        let own = &mut self.nodes[node as usize];
        own.is |= DONE;
        let mut targets = own.mesh & !own.has;
        if node == self.author {
            if self.gossip.flood_publish {
                targets = all;
            }
            // An author tops a small mesh up.
            let mut others = all & !targets;
            while (targets.count_ones() as usize) < self.gossip.degree && others != 0 {
                let slot = any_of(others, &mut self.rng);
                targets |= bit(slot);
                others &= !bit(slot);
            }
        }
        own.waiting = targets;
        if self.gossip.history_gossip > 0 {
            let event = Event { kind: Kind::Heartbeat, count: 1, node, from: node };
            self.queue.at(self.next_heartbeat(node), event);
        }
        let event = Event { kind: Kind::Send, count: 0, node, from: node };
        self.queue.at(self.now, event);
    }

    /// The next copies leave, one after the other.
    fn send(&mut self, node: u32, sums: &mut Sums) {
        let Node { hops, uplink, .. } = self.nodes[node as usize];
        let mut start = uplink.max(self.now);
        let until = self.now.saturating_add(SEND_AHEAD);
        let tells = self.setup.size as usize >= self.gossip.idontwant_bytes;
        loop {
            let waiting = self.nodes[node as usize].waiting;
            if waiting == 0 {
                break;
            }
            if start > until {
                let event = Event { kind: Kind::Send, count: 0, node, from: node };
                self.queue.at(start, event);
                break;
            }
            let slot = any_of(waiting, &mut self.rng);
            self.nodes[node as usize].waiting &= !bit(slot);
            let other = self.graph.neighbour(node, slot);
            let Node { seen, is, mesh, .. } = self.nodes[other as usize];
            if is & HERE == 0 {
                continue;
            }
            let way = self.links.one_way(node, other);
            if tells && seen != NEVER && is & MALICIOUS == 0 && seen.saturating_add(way) <= start {
                // It has told its mesh before this copy leaves.
                let back = self.graph.slot_of(other, node);
                if back.is_some_and(|back| mesh & bit(back) != 0) {
                    sums.spared += 1;
                    continue;
                }
            }
            start = start.saturating_add(self.transmission);
            if seen != NEVER && is & DONE != 0 {
                // Nothing will come of it: spare the queue.
                sums.duplicates += 1;
            } else if !self.lost() {
                let count = hops.saturating_add(1);
                let event = Event { kind: Kind::Copy, count, node: other, from: node };
                self.queue.at(start.saturating_add(way), event);
            }
        }
        self.nodes[node as usize].uplink = start;
    }

    fn lost(&mut self) -> bool {
        self.setup.loss > 0.0 && self.rng.unit() < self.setup.loss
    }

    /// A heartbeat at which the message is advertised; `round` counts them.
    fn advertise(&mut self, node: u32, round: u8, sums: &mut Sums) {
        if self.without == 0 {
            return;
        }
        let Node { mesh, is, .. } = self.nodes[node as usize];
        let malicious = is & MALICIOUS != 0;
        let mut others = 0;
        for (slot, other) in self.graph.neighbours(node).iter().enumerate() {
            if mesh & bit(slot) == 0 && self.nodes[*other as usize].is & HERE != 0 {
                others |= bit(slot);
            }
        }
        let share = (self.gossip.lazy_share * f64::from(others.count_ones())) as usize;
        let mut left = if malicious { usize::MAX } else { self.gossip.lazy.max(share) };
        while left > 0 && others != 0 {
            let slot = any_of(others, &mut self.rng);
            others &= !bit(slot);
            left -= 1;
            let other = self.graph.neighbour(node, slot);
            sums.advertisements += 1;
            if self.nodes[other as usize].seen == NEVER {
                let event = Event { kind: Kind::Ihave, count: 0, node: other, from: node };
                self.plan_to(other, node, event);
            }
        }
        if malicious || usize::from(round) < self.gossip.history_gossip {
            let event =
                Event { kind: Kind::Heartbeat, count: round.saturating_add(1), node, from: node };
            self.queue.at(self.next_heartbeat(node), event);
        }
    }

    /// Somebody says that it has the message.
    fn consider(&mut self, node: u32, from: u32) {
        let patience = micros(self.gossip.iwant_patience);
        let own = &self.nodes[node as usize];
        if own.is & MALICIOUS != 0 || own.seen != NEVER || own.asked > self.now {
            return;
        }
        // That nobody answered is noticed at the first heartbeat after the patience has ended.
        let asked = self.heartbeat_after(node, self.now.saturating_add(patience));
        self.nodes[node as usize].asked = asked;
        let event = Event { kind: Kind::Iwant, count: 0, node: from, from: node };
        self.plan_to(from, node, event);
    }

    /// Somebody asks for the message.
    fn answer(&mut self, node: u32, from: u32) {
        let own = &self.nodes[node as usize];
        let window = self.heartbeat.saturating_mul(self.gossip.history as u32);
        let kept = own.seen != NEVER && self.now - own.seen <= window;
        if own.is & (MALICIOUS | SILENT) != 0 || !kept {
            return;
        }
        let sent = own.uplink.max(self.now).saturating_add(self.transmission);
        let count = own.hops.saturating_add(1);
        self.nodes[node as usize].uplink = sent;
        if !self.lost() {
            let event = Event { kind: Kind::Answer, count, node: from, from: node };
            self.queue.at(sent.saturating_add(self.links.one_way(node, from)), event);
        }
    }

    /// Plans what a control message does at its receiver; it does not wait for the uplink.
    fn plan_to(&mut self, to: u32, from: u32, event: Event) {
        self.queue.at(self.now.saturating_add(self.links.one_way(from, to)), event);
    }

    fn next_heartbeat(&self, node: u32) -> u32 {
        self.heartbeat_after(node, self.now)
    }

    /// The first heartbeat of a node that is later than a time.
    fn heartbeat_after(&self, node: u32, time: u32) -> u32 {
        let heartbeat = u64::from(self.heartbeat);
        let phase = mix(self.setup.seed ^ (u64::from(node) << 20)) % heartbeat;
        let time = u64::from(time);
        let behind = (time + heartbeat - phase) % heartbeat;
        u32::try_from(time + heartbeat - behind).unwrap_or(NEVER)
    }

    /// Takes a node out of all meshes; answers who has lost a mesh peer.
    fn leave_meshes(&mut self, node: u32) -> Vec<u32> {
        let mesh = std::mem::take(&mut self.nodes[node as usize].mesh);
        let mut left = Vec::new();
        for (slot, other) in self.graph.neighbours(node).iter().enumerate() {
            if mesh & bit(slot) != 0
                && let Some(back) = self.graph.slot_of(*other, node)
            {
                self.nodes[*other as usize].mesh &= !bit(back);
                left.push(*other);
            }
        }
        left
    }

    fn plan_mend(&mut self, node: u32) {
        let event = Event { kind: Kind::Mend, count: 0, node, from: node };
        self.queue.at(self.next_heartbeat(node), event);
    }

    /// Grafts others if the mesh is too small; malicious nodes have pruned and are left alone.
    fn mend(&mut self, node: u32) {
        let own = &self.nodes[node as usize];
        let here = own.is & HERE != 0 && own.is & MALICIOUS == 0;
        if !here || own.mesh.count_ones() as usize >= self.gossip.degree_low {
            return;
        }
        let mut others = self.graph.all(node) & !own.mesh;
        while others != 0 {
            let slot = any_of(others, &mut self.rng);
            others &= !bit(slot);
            let other = self.graph.neighbour(node, slot);
            let their = &self.nodes[other as usize];
            let takes = their.is & HERE != 0
                && their.is & MALICIOUS == 0
                && (their.mesh.count_ones() as usize) < self.gossip.degree_high;
            if let Some(back) = self.graph.slot_of(other, node).filter(|_| takes) {
                self.nodes[other as usize].mesh |= bit(back);
                self.nodes[node as usize].mesh |= bit(slot);
                if self.nodes[node as usize].mesh.count_ones() as usize >= self.gossip.degree {
                    return;
                }
            }
        }
    }

    /// Sums up where the message is.
    fn count(&self, sums: &mut Sums) {
        for (place, node) in self.nodes.iter().enumerate() {
            let Node { seen, is, .. } = *node;
            if is & MALICIOUS != 0 || place == self.author as usize {
                continue;
            }
            let arrived = seen != NEVER;
            if is & RESTLESS == 0 {
                sums.expected += 1;
                if arrived {
                    sums.times.push(seen);
                }
            } else if is & HERE != 0 {
                sums.arrived_late += 1;
                sums.delivered_late += u64::from(arrived);
            }
        }
    }
}
