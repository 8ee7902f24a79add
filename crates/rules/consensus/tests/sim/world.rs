//! The world that nodes live in: virtual time, links that lose and delay, crashes, and the oracles
//! that watch.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    fmt::Debug,
};

use casper_types::{Digest, PublicKey};
use girrona_consensus::{
    Input, Message, Output, Signed, TimerId, inspect, verify_certificate, verify_equivocation,
};
use girrona_types::{CommitCertificate, Equivocation, Height, ProposalHash, Round};

use crate::{
    node::{Body, NETWORK, Net, Node},
    plan::{Cast, Plan, Rng, Sabotage, Time},
    scheme::Mac,
};

#[derive(Debug)]
enum Event {
    Deliver(usize, Net),
    Timer { life: u64, id: TimerId, token: u64 },
    Tick { life: u64 },
    Built { life: u64, height: Height, round: Round, proposal: ProposalHash },
    Executed { life: u64, height: Height },
    Crash,
    Restart,
}

/// What a seed came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    /// A hash of everything that happened, in order.
    pub(crate) trace: Digest,
    pub(crate) blocks: u64,
    pub(crate) crashes: u64,
    pub(crate) synced: u64,
    pub(crate) evidence: u64,
    pub(crate) round_max: u32,
    /// Nodes that stopped by themselves.
    pub(crate) faults: u64,
}

/// What an oracle saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    Fork(Height),
    DoubleSign { node: usize },
    NoProgress { heights: Vec<u64> },
    BadCertificate(String),
    BadEvidence(String),
    DecidedInvalid(Height),
    Fault { node: usize, text: String },
    Refused { node: usize, text: String },
}

pub(crate) struct World {
    plan: Plan,
    rng: Rng,
    now: Time,
    events: BTreeMap<u64, Event>,
    queue: BinaryHeap<Reverse<(Time, u64, usize)>>,
    nodes: Vec<Node>,
    serial: u64,
    decided: BTreeMap<Height, ProposalHash>,
    signed: BTreeMap<(PublicKey, Height, Round, u8), Vec<u8>>,
    story: Story,
    violation: Option<Violation>,
}

/// Plays a seed to its end.
pub(crate) fn play(seed: u64, cast: Cast) -> Result<Story, Violation> {
    let (plan, rng) = Plan::new(seed, cast);
    let count = plan.schemes.len();
    let mut world = World {
        plan,
        rng,
        now: 0,
        events: BTreeMap::new(),
        queue: BinaryHeap::new(),
        nodes: (0..count).map(|_| Node::new()).collect(),
        serial: 0,
        decided: BTreeMap::new(),
        signed: BTreeMap::new(),
        story: Story::default(),
        violation: None,
    };
    world.run()
}

impl World {
    fn run(&mut self) -> Result<Story, Violation> {
        for (time, node) in self.plan.crashes.clone() {
            self.schedule(time, node, Event::Crash);
        }
        for node in 0..self.nodes.len() {
            self.schedule(0, node, Event::Restart);
        }
        loop {
            if let Some(violation) = self.violation.take() {
                return Err(violation);
            }
            if self.is_finished() {
                return Ok(self.story.clone());
            }
            let next = self.queue.pop();
            let Some(Reverse((time, serial, node))) =
                next.filter(|Reverse((time, ..))| *time < self.plan.calm_from + 60_000_000)
            else {
                let heights = self.nodes.iter().map(|node| node.disk.tip().0).collect();
                return Err(Violation::NoProgress { heights });
            };
            self.now = time;
            let event = self.events.remove(&serial).unwrap();
            self.happen(node, event);
        }
    }

    fn is_finished(&self) -> bool {
        (0..self.nodes.len()).all(|node| {
            self.plan.is_equivocator(node)
                || self.nodes[node].faulted
                || self.nodes[node].disk.tip().0 >= self.plan.cast.target
        })
    }

    fn schedule(&mut self, time: Time, node: usize, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse((time, self.serial, node)));
        self.events.insert(self.serial, event);
    }

    fn note(&mut self, what: impl Debug) {
        let line = format!("{:?} {} {what:?}", self.story.trace, self.now);
        self.story.trace = Digest::hash(line);
    }

    fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    fn happen(&mut self, node: usize, event: Event) {
        let life = self.nodes[node].life;
        let up = self.nodes[node].engine.is_some();
        match event {
            // It crashes in the middle of carrying out a later step's outputs.
            Event::Crash if up => self.nodes[node].crash_in = Some(self.rng.range(0, 12)),
            Event::Restart if !up && !self.nodes[node].faulted => {
                let input = self.nodes[node].boot(&self.plan, node, self.now);
                self.schedule(self.now + 50_000, node, Event::Tick { life: life + 1 });
                self.feed(node, input);
            }
            Event::Deliver(from, net) if up => self.deliver(node, from, net),
            Event::Timer { life: then, id, token }
                if up && then == life && self.nodes[node].timers.get(&id) == Some(&token) =>
            {
                self.nodes[node].timers.remove(&id);
                self.feed(node, Input::Timer(id));
            }
            Event::Tick { life: then } if up && then == life => {
                self.broadcast(node, &Net::Status(self.nodes[node].disk.tip()));
                for hash in self.nodes[node].wanted.keys().copied().collect::<Vec<_>>() {
                    self.broadcast(node, &Net::WantBody(hash));
                }
                self.schedule(self.now + 300_000, node, Event::Tick { life });
            }
            Event::Built { life: then, height, round, proposal } if up && then == life => {
                self.feed(node, Input::Built { height, round, proposal });
            }
            Event::Executed { life: then, height } if up && then == life => {
                let leaders = self.plan.leaders(height, node);
                self.feed(node, Input::Start { height, leaders, wal: vec![] });
                self.sync(node);
            }
            _ => {}
        }
    }

    fn deliver(&mut self, node: usize, from: usize, net: Net) {
        match net {
            Net::Wire(bytes) => self.feed(node, Input::Message(bytes)),
            Net::Body(body) => {
                let hash = body.hash();
                self.nodes[node].disk.bodies.insert(hash, body);
                if let Some(height) = self.nodes[node].wanted.remove(&hash) {
                    self.judge(node, height, hash);
                }
            }
            Net::WantBody(hash) => {
                if let Some(body) = self.nodes[node].disk.bodies.get(&hash).cloned() {
                    self.send(node, from, Net::Body(body));
                }
            }
            Net::Status(tip) => {
                let me = &self.nodes[node];
                let height = me.disk.tip().next();
                if tip >= height && self.now > me.moved_at + 400_000 {
                    self.send(node, from, Net::AskSync(height));
                }
            }
            Net::AskSync(from_height) => {
                let decided = self.nodes[node].disk.decided.range(from_height..).take(10);
                let found: Vec<_> = decided.map(|(_, found)| found.clone()).collect();
                if !found.is_empty() {
                    self.send(node, from, Net::GiveSync(found));
                }
            }
            Net::GiveSync(found) => {
                let synced = found.into_iter().map(|(cert, body)| (cert.height, (cert, body)));
                self.nodes[node].synced.extend(synced);
                self.sync(node);
            }
        }
    }

    /// Uses what a peer gave for the height that is being decided.
    fn sync(&mut self, node: usize) {
        let me = &mut self.nodes[node];
        let height = me.height();
        me.synced = me.synced.split_off(&height);
        if let Some((certificate, body)) = me.synced.remove(&height)
            && me.disk.tip() < height
        {
            let valid = body.valid && body.hash() == certificate.proposal;
            me.disk.bodies.insert(body.hash(), body);
            self.story.synced += 1;
            self.feed(node, Input::Synced { certificate, valid });
        }
    }

    fn judge(&mut self, node: usize, height: Height, proposal: ProposalHash) {
        let body = &self.nodes[node].disk.bodies[&proposal];
        let blind = self.plan.cast.sabotage == Sabotage::JudgeBlindly;
        let valid = blind || (body.valid && body.height == height);
        self.feed(node, Input::Judged { height, proposal, valid });
    }

    /// Lets a node take an input and carries out what it says, in order.
    fn feed(&mut self, node: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.note((node, &input));
            let Some(engine) = &mut self.nodes[node].engine else { return };
            for output in engine.step(input) {
                if self.crashes_now(node) {
                    return;
                }
                if let Some(answer) = self.carry_out(node, output) {
                    inputs.push_back(answer);
                }
            }
        }
    }

    fn crashes_now(&mut self, node: usize) -> bool {
        let Some(left) = self.nodes[node].crash_in else { return false };
        if left > 0 {
            self.nodes[node].crash_in = Some(left - 1);
            return false;
        }
        let unsaved = self.nodes[node].disk.unsaved.len() as u64;
        let kept = self.rng.range(0, unsaved + 1) as usize;
        self.nodes[node].crash(kept);
        self.story.crashes += 1;
        let back = self.now + self.rng.range(10_000, 3_000_000);
        self.schedule(back, node, Event::Restart);
        true
    }

    fn carry_out(&mut self, node: usize, output: Output) -> Option<Input> {
        let life = self.nodes[node].life;
        match output {
            Output::Persist(record) => self.nodes[node].disk.unsaved.push(record),
            Output::Send { bytes, .. } => {
                self.nodes[node].disk.flush(usize::MAX);
                self.watch_signature(node, &bytes);
                self.broadcast(node, &Net::Wire(bytes));
            }
            Output::SetTimer { id, after } => {
                self.serial += 1;
                let token = self.serial;
                self.nodes[node].timers.insert(id, token);
                let time = self.now + after.as_micros() as u64;
                self.schedule(time, node, Event::Timer { life, id, token });
            }
            Output::CancelTimer(id) => {
                self.nodes[node].timers.remove(&id);
            }
            Output::CancelAllTimers => self.nodes[node].timers.clear(),
            Output::Build { height, round } => {
                let valid = !self.plan.is_equivocator(node) || self.rng.chance(70);
                let body = Body { height, nonce: self.rng.next(), valid };
                let proposal = body.hash();
                self.nodes[node].disk.bodies.insert(proposal, body.clone());
                self.broadcast(node, &Net::Body(body));
                let time = self.now + self.rng.range(0, 40_000) * self.rng.range(1, 12);
                self.schedule(time, node, Event::Built { life, height, round, proposal });
            }
            Output::Wanted { height, proposal, .. } => {
                if self.nodes[node].disk.bodies.contains_key(&proposal) {
                    let blind = self.plan.cast.sabotage == Sabotage::JudgeBlindly;
                    let body = &self.nodes[node].disk.bodies[&proposal];
                    let valid = blind || (body.valid && body.height == height);
                    return Some(Input::Judged { height, proposal, valid });
                }
                self.nodes[node].wanted.insert(proposal, height);
                self.broadcast(node, &Net::WantBody(proposal));
            }
            Output::Resend { proposal, .. } => {
                let body = self.nodes[node].disk.bodies[&proposal].clone();
                self.broadcast(node, &Net::Body(body));
            }
            Output::RoundStarted { round, .. } => {
                self.story.round_max = self.story.round_max.max(round.0);
            }
            Output::Decided { certificate, evidence } => self.decide(node, certificate, &evidence),
            Output::BadSync { reason, .. } => {
                if self.plan.cast.sabotage != Sabotage::SplitQuorum {
                    let text = format!("honest sync: {reason}");
                    self.violate(Violation::BadCertificate(text));
                }
            }
            Output::Refused(refusal) => {
                if !self.plan.cast.equivocator && self.plan.cast.sabotage == Sabotage::None {
                    self.violate(Violation::Refused { node, text: refusal.to_string() });
                }
            }
            Output::Fault(fault) => {
                self.story.faults += 1;
                self.nodes[node].faulted = true;
                self.nodes[node].crash(0);
                if self.plan.cast.sabotage != Sabotage::ForgetLog {
                    self.violate(Violation::Fault { node, text: fault.to_string() });
                }
            }
        }
        None
    }

    fn decide(&mut self, node: usize, certificate: CommitCertificate, evidence: &[Equivocation]) {
        let (height, proposal) = (certificate.height, certificate.proposal);
        self.note((node, height, proposal));
        let before = *self.decided.entry(height).or_insert(proposal);
        if before != proposal {
            self.violate(Violation::Fork(height));
        }
        let watcher = Mac(None);
        let believed = self.plan.leaders(height, node);
        let validators = believed.validators();
        if let Err(error) = verify_certificate(&NETWORK, &certificate, validators, &watcher) {
            self.violate(Violation::BadCertificate(error.to_string()));
        }
        for item in evidence {
            self.story.evidence += 1;
            let heard = inspect(&item.first).map(|info| info.height);
            let proof = verify_equivocation(&NETWORK, item, validators, &watcher);
            let guilty = self.plan.cast.equivocator && Some(&item.offender) == self.plan.key(0);
            if proof.is_err() || !guilty || heard != Some(height) {
                self.violate(Violation::BadEvidence(format!("{proof:?} {guilty} {heard:?}")));
            }
        }
        let body = self.nodes[node].disk.bodies[&proposal].clone();
        if !body.valid {
            self.violate(Violation::DecidedInvalid(height));
        }
        let first = self.decided.len() as u64;
        self.story.blocks = first;
        let me = &mut self.nodes[node];
        me.disk.flush(usize::MAX);
        me.disk.decided.insert(height, (certificate, body));
        me.disk.log.clear();
        me.wanted.clear();
        me.moved_at = self.now;
        let life = me.life;
        // The next height begins when this one is executed.
        let time = self.now + self.rng.range(100, 60_000);
        self.schedule(time, node, Event::Executed { life, height: height.next() });
    }

    /// No honest node may ever sign two things for one slot, before or after a crash.
    fn watch_signature(&mut self, node: usize, bytes: &[u8]) {
        let Ok(message) = Message::decode(bytes) else {
            return self.violate(Violation::Refused { node, text: "sent garbage".to_owned() });
        };
        let (signer, step, body) = match &message {
            Message::Propose(Signed { body, .. }) => (&body.signer, 0, format!("{body:?}")),
            Message::Vote(Signed { body, .. }) => {
                (&body.signer, 1 + body.kind as u8, format!("{body:?}"))
            }
            Message::Polka(_) | Message::RoundChange(_) => return,
        };
        if self.plan.is_equivocator(node) || Some(signer) != self.plan.key(node) {
            return;
        }
        let slot = (signer.clone(), message.height(), message.round(), step);
        let before = self.signed.entry(slot).or_insert_with(|| body.clone().into_bytes());
        if *before != body.into_bytes() {
            self.violate(Violation::DoubleSign { node });
        }
    }

    fn broadcast(&mut self, from: usize, net: &Net) {
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            let twisted = match net {
                Net::Wire(bytes) if self.plan.is_equivocator(from) && self.rng.chance(40) => {
                    self.twist(from, bytes)
                }
                _ => None,
            };
            let Some((message, body)) = twisted else {
                self.send(from, to, net.clone());
                continue;
            };
            if let Some(body) = body {
                self.send(from, to, Net::Body(body));
            }
            self.send(from, to, Net::Wire(message));
            // Now and then both, so that contradictions meet.
            if self.rng.chance(50) {
                self.send(from, to, net.clone());
            }
        }
    }

    /// The same message with other content, properly signed; a proposal brings another body.
    fn twist(&mut self, from: usize, bytes: &[u8]) -> Option<(Vec<u8>, Option<Body>)> {
        let height = inspect(bytes)?.height;
        let body = Body { height, nonce: self.rng.next(), valid: self.rng.chance(70) };
        let scheme = &self.plan.schemes[from];
        match Message::decode(bytes).ok()? {
            Message::Vote(Signed { body: mut vote, .. }) => {
                vote.value = vote.value.is_none().then(|| body.hash());
                Some((Message::Vote(vote.sign(&NETWORK, scheme)?).encode(), None))
            }
            Message::Propose(Signed { body: mut propose, .. }) => {
                propose.proposal = body.hash();
                let message = Message::Propose(propose.sign(&NETWORK, scheme)?);
                Some((message.encode(), Some(body)))
            }
            Message::Polka(_) | Message::RoundChange(_) => None,
        }
    }

    fn send(&mut self, from: usize, to: usize, net: Net) {
        let stormy = self.now < self.plan.calm_from;
        let silenced =
            self.plan.cast.sabotage == Sabotage::Silence && self.now > self.plan.calm_from / 4;
        let lost = self.rng.chance(self.plan.loss_percent);
        let cut = self.plan.partitions.iter().any(|(start, end, sides)| {
            (*start..*end).contains(&self.now) && (sides >> from) & 1 != (sides >> to) & 1
        });
        let slow = if stormy { 3 } else { 1 };
        let latency = self.rng.range(500, self.plan.latency_max * slow);
        if silenced || (stormy && (lost || cut)) {
            return;
        }
        self.schedule(self.now + latency, to, Event::Deliver(from, net));
    }
}
