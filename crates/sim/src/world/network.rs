//! What goes over links: who is connected, what is lost, late, doubled or passed on.

use std::sync::Arc;

use girrona_chain::{
    Disk, Incoming, Input, Peer, RequestId, Source, accept,
    disk::Fate,
    message::{Direct, Request},
};

use super::World;
use crate::{
    answers,
    oracles::Violation,
    plan::{Millis, Sabotage},
    queue::Event,
    scheme::{self, Mac},
    words::{Packet, Word},
};

/// Nodes that a seed may have; makes room for the node in a peer's number.
const NODES: u64 = 64;

/// The number of the other end of a connection, which means nothing on another one.
const fn peer(link: u64, other: usize) -> Peer {
    link * NODES + other as u64
}

/// The other end, and the connection.
const fn of_peer(peer: Peer) -> (usize, u64) {
    ((peer % NODES) as usize, peer / NODES)
}

const fn pair(a: usize, b: usize) -> (usize, usize) {
    if a < b { (a, b) } else { (b, a) }
}

impl World {
    /// Two nodes try to connect; they try again until they are, or one is down.
    pub(super) fn link_up(&mut self, a: usize, b: usize) {
        if !self.nodes[a].is_up() || !self.nodes[b].is_up() || self.links.contains_key(&(a, b)) {
            return;
        }
        if self.plan.is_cut(a, b, self.now) || self.plan.is_cut(b, a, self.now) {
            self.queue.at(self.now + self.rng.range(300, 1_500), Event::LinkUp(a, b));
            return;
        }
        self.links_made += 1;
        self.totals.connections += 1;
        let link = self.links_made;
        self.links.insert((a, b), link);
        self.later.push_back((a, Input::Connected(peer(link, b))));
        self.later.push_back((b, Input::Connected(peer(link, a))));
    }

    /// Two nodes that are cut off from each other notice it.
    pub(super) fn link_down(&mut self, a: usize, b: usize) {
        if !self.plan.is_cut(a, b, self.now) && !self.plan.is_cut(b, a, self.now) {
            return;
        }
        if let Some(link) = self.links.remove(&(a, b)) {
            for (node, other) in [(a, b), (b, a)] {
                self.forsake(node, link);
                self.later.push_back((node, Input::Disconnected(peer(link, other))));
            }
            self.queue.at(self.now + self.rng.range(300, 1_500), Event::LinkUp(a, b));
        }
    }

    /// A node is gone; the others notice.
    pub(super) fn drop_links(&mut self, index: usize) {
        for other in 0..self.plan.count() {
            if let Some(link) = self.links.remove(&pair(index, other)) {
                self.forsake(other, link);
                let at = self.now + self.rng.range(10, 100);
                self.queue.at(at, Event::Lost { node: other, peer: peer(link, index) });
            }
        }
    }

    /// What was asked over a connection that is gone gets no answer.
    fn forsake(&mut self, node: usize, link: u64) {
        if self.plan.sabotage == Sabotage::NeverAnswer {
            return;
        }
        let requests = &self.nodes[node].requests;
        let gone: Vec<RequestId> =
            requests.iter().filter(|(_, at)| **at == link).map(|(id, _)| *id).collect();
        for id in gone {
            self.nodes[node].requests.remove(&id);
            self.later.push_back((node, Input::Answer { id, response: None }));
        }
    }

    fn link(&self, a: usize, b: usize) -> Option<u64> {
        self.links.get(&pair(a, b)).copied()
    }

    /// Puts something on a link, if there is one.
    fn send(&mut self, from: usize, to: usize, packet: Packet) {
        let Some(link) = self.link(from, to) else { return };
        self.totals.messages += 1;
        let faulty = self.now < self.plan.calm_from;
        let percent = match packet {
            Packet::Gossip(_, Word::Deploy(_)) => self.plan.deploy_loss_percent,
            _ => self.plan.loss_percent,
        };
        let lost = faulty && self.rng.chance(percent);
        if lost || self.plan.is_cut(from, to, self.now) {
            self.totals.lost += 1;
            return;
        }
        let twice = faulty && self.rng.chance(self.plan.duplicate_percent);
        if twice {
            let at = self.now + self.latency(faulty);
            self.queue.at(at, Event::Deliver { to, from, link, packet: packet.clone() });
        }
        let at = self.now + self.latency(faulty);
        self.queue.at(at, Event::Deliver { to, from, link, packet });
    }

    fn latency(&mut self, faulty: bool) -> Millis {
        if faulty && self.rng.chance(3) {
            return self.rng.range(1, 2_000);
        }
        self.rng.range(1, self.plan.latency_max + 1)
    }

    /// Gossips to every neighbour, unless it was heard or said before.
    pub(super) fn publish(&mut self, index: usize, name: u64, word: &Word) {
        if !self.nodes[index].heard.insert(name) {
            return;
        }
        self.pass_on(index, None, name, word);
    }

    /// A liar gossips to some.
    pub(super) fn spread(&mut self, index: usize, to: u64, word: Word) {
        let name = word.name();
        self.nodes[index].heard.insert(name);
        for other in 0..self.plan.count() {
            if other != index && (to >> other) & 1 == 1 {
                self.send(index, other, Packet::Gossip(name, word.clone()));
            }
        }
    }

    fn pass_on(&mut self, index: usize, source: Option<usize>, name: u64, word: &Word) {
        for other in 0..self.plan.count() {
            if other != index && Some(other) != source {
                self.send(index, other, Packet::Gossip(name, word.clone()));
            }
        }
    }

    /// Something gossiped was judged: what is good is passed on.
    pub(super) fn judged(&mut self, index: usize, ticket: u64, good: bool) {
        let Some(ticket) = self.nodes[index].tickets.remove(&ticket) else { return };
        match (ticket.from, &ticket.word) {
            (Some(from), word) if good => self.pass_on(index, Some(from), ticket.name, word),
            (_, Word::Deploy(deploy)) if !good => self.oracles.refused(index, *deploy.hash()),
            _ => {}
        }
    }

    /// Tells every validator directly; votes also by gossip if one is not connected.
    pub(super) fn tell_validators(&mut self, index: usize, direct: Direct) {
        let direct = Arc::new(direct);
        self.tell(index, u64::MAX, &direct);
        let reached = self
            .voters(index)
            .into_iter()
            .all(|other| other == index || self.link(index, other).is_some());
        if !reached && let Direct::Vote(bytes) = direct.as_ref() {
            // Named by source and number: the same vote may have to be said again.
            self.count += 1;
            let name = u64::MAX - self.count;
            self.publish(index, name, &Word::Vote(Arc::new(bytes.clone())));
        }
    }

    /// The nodes that vote, as one of them sees it.
    fn voters(&self, index: usize) -> Vec<usize> {
        let Some(chain) = &self.nodes[index].chain else { return Vec::new() };
        let votes = |other: &usize| chain.validators().weight(&scheme::validator(*other)).is_some();
        (0..self.plan.count()).filter(votes).collect()
    }

    /// Tells some validators directly.
    pub(super) fn tell(&mut self, index: usize, to: u64, direct: &Arc<Direct>) {
        for other in self.voters(index) {
            if other != index && (to >> other) & 1 == 1 {
                self.send(index, other, Packet::Direct(Arc::clone(direct)));
            }
        }
    }

    /// Asks a peer. In any case there will be an answer, or the word that there is none.
    pub(super) fn ask(&mut self, index: usize, id: RequestId, to: Peer, request: Request) {
        let (other, link) = of_peer(to);
        self.nodes[index].requests.insert(id, link);
        if self.plan.sabotage == Sabotage::NeverAnswer {
            return;
        }
        let life = self.nodes[index].life;
        let connected = self.link(index, other) == Some(link);
        let wait = if connected { self.plan.request_timeout } else { 1 };
        self.queue.at(self.now + wait, Event::RequestTimeout { node: index, life, id });
        if connected {
            self.send(index, other, Packet::Request(id, Arc::new(request)));
        }
    }

    /// Something came over a link.
    pub(super) fn arrives(
        &mut self,
        to: usize,
        from: usize,
        link: u64,
        packet: Packet,
    ) -> Result<(), Violation> {
        // What was under way on a connection that is gone is gone as well.
        if self.link(from, to) != Some(link) || !self.nodes[to].is_up() {
            self.totals.lost += 1;
            return Ok(());
        }
        let number = peer(link, from);
        match packet {
            Packet::Gossip(name, word) => self.overhears(to, from, number, name, word),
            Packet::Direct(direct) => {
                if self.plan.is_liar(to)
                    && let Some(liar) = &mut self.liar
                {
                    liar.hears(&direct);
                }
                match direct.as_ref() {
                    Direct::Introduction(_) => Ok(()),
                    Direct::Vote(bytes) => {
                        self.feed(to, Input::Vote { from: number, bytes: bytes.clone() })
                    }
                    Direct::Proposal(signed) => {
                        let signed = signed.clone();
                        self.feed(to, Input::Proposal { from: number, signed, ticket: None })
                    }
                }
            }
            Packet::Request(id, request) => {
                let Some(chain) = &self.nodes[to].chain else { return Ok(()) };
                let mut answer = answers::answer(&chain.disk().memory, &request);
                if self.plan.is_liar(to)
                    && let Some(liar) = &mut self.liar
                {
                    answer = liar.answer(&request, answer);
                }
                self.send(to, from, Packet::Answer(id, answer.map(Arc::new)));
                Ok(())
            }
            Packet::Answer(id, response) => {
                if self.nodes[to].requests.remove(&id).is_none() {
                    return Ok(());
                }
                let response = response.map(Arc::unwrap_or_clone);
                if let Some(girrona_chain::message::Response::Blocks(blocks)) = &response {
                    self.totals.synced += blocks.len() as u64;
                }
                self.feed(to, Input::Answer { id, response })
            }
        }
    }

    /// Something gossiped came, perhaps not for the first time.
    fn overhears(
        &mut self,
        to: usize,
        from: usize,
        number: Peer,
        name: u64,
        word: Word,
    ) -> Result<(), Violation> {
        if !self.nodes[to].heard.insert(name) {
            return Ok(());
        }
        let input = match &word {
            Word::Vote(bytes) => {
                let bytes = bytes.as_ref().clone();
                let Some(chain) = &self.nodes[to].chain else { return Ok(()) };
                let network = self.plan.law.network_id();
                let good = girrona_consensus::check_message(
                    &network,
                    &bytes,
                    chain.validators(),
                    &Mac::of(scheme::validator(0)),
                );
                if good.is_ok() {
                    self.pass_on(to, Some(from), name, &word);
                    return self.feed(to, Input::Vote { from: number, bytes });
                }
                return Ok(());
            }
            Word::Deploy(deploy) => {
                let Some(chain) = &self.nodes[to].chain else { return Ok(()) };
                let fate = chain.disk().memory.fate(deploy.hash()).ok().flatten();
                if matches!(fate, Some(Fate::Pending | Fate::Executed(_))) {
                    self.pass_on(to, Some(from), name, &word);
                    return Ok(());
                }
                if accept::check(deploy, &self.plan.law, self.clock(to)).is_err() {
                    return Ok(());
                }
                let deploy = Arc::clone(deploy);
                let size = casper_types::bytesrepr::ToBytes::serialized_length(deploy.as_ref());
                let source = Source::Peer(number);
                let ticket = self.nodes[to].ticket(Some(from), name, word);
                Input::Deploys(vec![Incoming { deploy, size, source, ticket }])
            }
            Word::Proposal(signed) => {
                let signed = Box::new(signed.as_ref().clone());
                let ticket = Some(self.nodes[to].ticket(Some(from), name, word));
                Input::Proposal { from: number, signed, ticket }
            }
            Word::Commit(certificate) => {
                let certificate = certificate.as_ref().clone();
                let ticket = Some(self.nodes[to].ticket(Some(from), name, word));
                Input::Commit { from: number, certificate, ticket }
            }
            Word::Finality(signature) => {
                let signature = signature.as_ref().clone();
                let ticket = Some(self.nodes[to].ticket(Some(from), name, word));
                Input::Finality { signature, ticket }
            }
        };
        self.feed(to, input)
    }
}
