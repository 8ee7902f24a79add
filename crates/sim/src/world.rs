//! One seed, played: events in virtual time, and what they do to nodes.
//!
//! Start at [`play`]. What nodes say goes out in [`World::carry_out`], what goes over links is in
//! `network`.

mod inspect;
mod network;

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    sync::Arc,
};

use casper_types::{Key, Timestamp};
use girrona_chain::{
    Chain, Disk, Fatal, Incoming, Input, Output, Parts, SharedScheme, Source, Timer, accept,
    disk::DiskError,
    memory::Crashed,
    message::{self, Direct, Gossip},
};
use girrona_types::{Event as ChainEvent, Height, deploy};

use crate::{
    code::SharedCode,
    disk::{Fateful, SimDisk, Tamper},
    liar::{Act, Liar, Scene},
    load::Load,
    node::Node,
    oracles::{Oracles, STEPS_MAX, Violation},
    plan::{Millis, Plan, Role, Sabotage, Settings},
    queue::{Event, Queue},
    rng::Rng,
    scheme::{self, Mac},
    totals::{Report, Totals},
    words::{Word, fold},
};

/// How often the oracles look at everything.
const INSPECTION: Millis = 500;
/// Blocks after everybody is level whose finality signatures are looked at.
const LAST_BLOCKS: u64 = 4;
/// After this long without faults everybody is connected to everybody.
const RECONNECTING: Millis = 3_000;
/// More than two clocks differ by, and gossip takes.
const CLOCKS_APART: Millis = 2_500;
/// Nothing that is not broken takes longer.
const VIRTUAL_MAX: Millis = 600_000;

/// The network of one seed.
#[derive(Debug)]
struct World {
    plan: Plan,
    now: Millis,
    rng: Rng,
    queue: Queue,
    nodes: Vec<Node>,
    /// Connections by pair, the lower node first; each has its own number.
    links: BTreeMap<(usize, usize), u64>,
    links_made: u64,
    /// Inputs that came of other inputs.
    later: VecDeque<(usize, Input)>,
    oracles: Oracles,
    liar: Option<Liar>,
    load: Load,
    totals: Totals,
    trace: u64,
    /// Timers set and things published so far, for names.
    count: u64,
    /// When everybody was level after the faults: the height then.
    level: Option<Height>,
}

/// Plays a seed to its end or to the first violation.
pub(crate) fn play(seed: u64, settings: &Settings, sabotage: Sabotage) -> Report {
    let mut world = World::new(seed, settings, sabotage);
    let violation = world.play().err();
    world.totals.seeds = 1;
    world.totals.virtual_millis = world.now;
    Report { seed, violation, totals: world.totals, trace: world.trace }
}

impl World {
    fn new(seed: u64, settings: &Settings, sabotage: Sabotage) -> Self {
        let (plan, mut rng) = Plan::new(seed, settings, sabotage);
        let nodes = (0..plan.count()).map(|index| node(&plan, index)).collect();
        let load = Load::new(&plan, rng.fork());
        let liar = plan.lies.map(|lies| Liar::new(&plan, lies, rng.fork()));
        let oracles = Oracles::new(&plan);
        let mut totals = Totals::default();
        let mut queue = Queue::default();
        for (index, start) in plan.starts.iter().enumerate() {
            totals.late_joins += u64::from(*start > 2_000);
            queue.at(*start, Event::Boot(index));
        }
        for (number, crash) in plan.crashes.iter().enumerate() {
            queue.at(crash.at, Event::Crash(number));
        }
        totals.partitions = plan.partitions.len() as u64;
        for cut in &plan.partitions {
            for a in 0..plan.count() {
                for b in a + 1..plan.count() {
                    if rng.chance(60) {
                        queue.at(cut.from + rng.range(300, 2_500), Event::LinkDown(a, b));
                    }
                }
            }
        }
        queue.at(1_500, Event::Load);
        queue.at(INSPECTION, Event::Inspect);
        Self {
            plan,
            now: 0,
            rng,
            queue,
            nodes,
            links: BTreeMap::new(),
            links_made: 0,
            later: VecDeque::new(),
            oracles,
            liar,
            load,
            totals,
            trace: 0xcbf2_9ce4_8422_2325,
            count: 0,
            level: None,
        }
    }

    fn play(&mut self) -> Result<(), Violation> {
        while let Some((at, event)) = self.queue.next() {
            self.now = at;
            if at > VIRTUAL_MAX {
                let tips = self.living().iter().map(|(_, height, _)| height.0).collect();
                return Err(Violation::Stalled { waited: at, tips });
            }
            if self.happens(event)? {
                return Ok(());
            }
            while let Some((node, input)) = self.later.pop_front() {
                self.feed(node, input)?;
            }
        }
        Ok(())
    }

    /// Whether the seed is over.
    fn happens(&mut self, event: Event) -> Result<bool, Violation> {
        match event {
            Event::Boot(node) => self.boot(node)?,
            Event::Crash(number) => self.crash(number),
            Event::LinkUp(a, b) => self.link_up(a, b),
            Event::LinkDown(a, b) => self.link_down(a, b),
            Event::Lost { node, peer } => self.feed(node, Input::Disconnected(peer))?,
            Event::Deliver { to, from, link, packet } => self.arrives(to, from, link, packet)?,
            Event::Timer { node, timer, set } => {
                if self.nodes[node].timers.get(&timer) == Some(&set) {
                    self.nodes[node].timers.remove(&timer);
                    self.feed(node, Input::Timer(timer))?;
                }
            }
            Event::RequestTimeout { node, life, id } => {
                if self.nodes[node].life == life && self.nodes[node].requests.remove(&id).is_some()
                {
                    self.feed(node, Input::Answer { id, response: None })?;
                }
            }
            Event::Checked { node, life, deploys } => {
                if self.nodes[node].life == life {
                    self.feed(node, Input::Deploys(deploys))?;
                }
            }
            Event::Load => self.send_deploy()?,
            Event::Inspect => return self.inspect(),
        }
        Ok(false)
    }

    /// A node's own clock.
    fn clock(&self, node: usize) -> Timestamp {
        let base = self.plan.law.protocol.activation_point.millis() + self.now;
        Timestamp::from(base.saturating_add_signed(self.plan.skews[node]))
    }

    fn boot(&mut self, index: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        let Some(disk) = node.disk.take() else { return Ok(()) };
        node.life += 1;
        node.up_since = self.now;
        if node.life > 1 {
            self.totals.restarts += 1;
        }
        self.oracles.came_back(index, &disk.memory)?;
        let parts = Parts {
            law: Arc::clone(&self.plan.law),
            scheme: Arc::clone(&node.scheme.0),
            code: Box::new(SharedCode),
            disk: disk.clone(),
        };
        match Chain::open(parts) {
            Ok(chain) => node.chain = Some(chain),
            Err(fatal) if is_planned(&fatal) => {
                // It died while it made genesis.
                node.disk = Some(disk.after_crash());
                self.queue.at(self.now + 100, Event::Boot(index));
                return Ok(());
            }
            Err(fatal) => return Err(stopped(index, &fatal)),
        }
        self.feed(index, Input::Start)?;
        for other in 0..self.plan.count() {
            if other != index {
                let at = self.now + self.rng.range(20, 800);
                self.queue.at(at, Event::LinkUp(index.min(other), index.max(other)));
            }
        }
        Ok(())
    }

    /// A planned crash is due: at once, or in a write that comes.
    fn crash(&mut self, number: usize) {
        let crash = self.plan.crashes[number];
        let node = &mut self.nodes[crash.node];
        if !node.is_up() {
            return;
        }
        node.down = crash.down;
        match crash.death {
            Some(death) => node.death.plan(Some(death)),
            None => {
                self.totals.power_offs += 1;
                self.fall(crash.node);
            }
        }
    }

    /// A node is gone; what was durable stays.
    fn fall(&mut self, index: usize) {
        let Some(disk) = self.nodes[index].fall() else { return };
        if let Some(write) = disk.died_of() {
            *self.totals.deaths.entry(write).or_default() += 1;
        }
        self.trace = fold(self.trace, &[0xff, index as u8]);
        let is_victim = index == self.plan.victim;
        let disk = match self.plan.sabotage {
            Sabotage::LoseVotes if is_victim => disk.without_votes(),
            Sabotage::RollBack if is_victim => {
                let now = disk.after_crash();
                self.nodes[index].old.replace(now.clone()).unwrap_or(now)
            }
            _ => disk.after_crash(),
        };
        self.nodes[index].disk = Some(disk);
        self.later.retain(|(node, _)| *node != index);
        self.drop_links(index);
        let down = self.nodes[index].down;
        if down != Millis::MAX {
            self.queue.at(self.now + down.max(1), Event::Boot(index));
        }
    }

    /// Gives a node an input, carries out what it says, and lets it work until it rests.
    fn feed(&mut self, index: usize, input: Input) -> Result<(), Violation> {
        let clock = self.clock(index);
        let mut input = input;
        for _ in 0..STEPS_MAX {
            let Some(chain) = self.nodes[index].chain.as_mut() else { return Ok(()) };
            self.totals.inputs += 1;
            match chain.handle(input, clock) {
                Ok(outputs) => {
                    let height = chain.height().0.to_le_bytes();
                    self.trace = fold(self.trace, &self.now.to_le_bytes());
                    self.trace = fold(self.trace, &[index as u8, outputs.len() as u8, height[0]]);
                    for output in outputs {
                        self.carry_out(index, output)?;
                    }
                }
                Err(fatal) if is_planned(&fatal) => {
                    self.fall(index);
                    return Ok(());
                }
                Err(fatal) => return Err(stopped(index, &fatal)),
            }
            let Some(chain) = self.nodes[index].chain.as_ref() else { return Ok(()) };
            self.oracles.look(index, &chain.disk().memory, self.now, &mut self.totals)?;
            if !chain.has_work() {
                return Ok(());
            }
            input = Input::Continue;
        }
        Err(Violation::Restless { node: index })
    }

    /// What a node says; a liar's words are changed first.
    fn carry_out(&mut self, index: usize, output: Output) -> Result<(), Violation> {
        if !self.plan.is_liar(index) {
            self.listen(index, &output)?;
            return self.do_it(index, output);
        }
        if let Output::Announce(_, ChainEvent::DeployAccepted(hash)) = &output {
            // A liar need not pass it on.
            self.oracles.accepted(*hash, self.now, false);
        }
        let (Some(liar), Some(chain)) = (&mut self.liar, &self.nodes[index].chain) else {
            return Ok(());
        };
        let mut scene = Scene {
            plan: &self.plan,
            chain,
            ills: &mut self.oracles.ills,
            totals: &mut self.totals,
        };
        for act in liar.twist(output, &mut scene) {
            match act {
                Act::Honest(output) => self.do_it(index, output)?,
                Act::Tell(to, direct) => self.tell(index, to, &Arc::new(direct)),
                Act::Spread(to, word) => self.spread(index, to, word),
            }
        }
        Ok(())
    }

    /// The oracles hear what an honest node says.
    fn listen(&mut self, index: usize, output: &Output) -> Result<(), Violation> {
        let Some(chain) = &self.nodes[index].chain else { return Ok(()) };
        let disk = &chain.disk().memory;
        match output {
            Output::Validators(Direct::Vote(bytes)) => {
                self.trace = fold(self.trace, bytes);
                self.oracles.said(index, bytes)
            }
            Output::Gossip(Gossip::Finality(signature)) => match disk.height_of(&signature.block) {
                Ok(Some(height)) => self.oracles.vouched(index, height, signature.block),
                _ => Ok(()),
            },
            Output::Announce(_, ChainEvent::DeployAccepted(hash)) => {
                // Clocks differ: what is too young or too old on another node is refused there.
                let true_time = self.plan.law.protocol.activation_point.millis() + self.now;
                let suits_all = disk.deploy(hash).ok().flatten().is_some_and(|deploy| {
                    deploy.header().timestamp().millis() <= true_time
                        && deploy::expires_at(&deploy).millis() > true_time + CLOCKS_APART
                });
                let calm = self.now > self.plan.calm_from + RECONNECTING;
                self.oracles.accepted(*hash, self.now, calm && suits_all);
                Ok(())
            }
            Output::Announce(_, ChainEvent::DeployExpired(hash)) => {
                let base = self.plan.law.protocol.activation_point.millis();
                let up = Timestamp::from(
                    (base + self.nodes[index].up_since)
                        .saturating_add_signed(self.plan.skews[index]),
                );
                self.oracles.expired(index, *hash, disk, self.clock(index), up)
            }
            _ => Ok(()),
        }
    }

    /// Does what a node asks for.
    fn do_it(&mut self, index: usize, output: Output) -> Result<(), Violation> {
        match output {
            Output::SetTimer(timer, after) => {
                let mut after = after.as_millis() as Millis;
                let late = self.plan.sabotage == Sabotage::LateTicks && index == self.plan.victim;
                if late && timer == Timer::Tick {
                    after *= 20;
                }
                self.count += 1;
                let set = self.count;
                self.nodes[index].timers.insert(timer, set);
                self.queue.at(self.now + after, Event::Timer { node: index, timer, set });
            }
            Output::CancelTimer(timer) => {
                self.nodes[index].timers.remove(&timer);
            }
            Output::CancelConsensusTimers => {
                self.nodes[index].timers.retain(|timer, _| !matches!(timer, Timer::Consensus(_)));
            }
            Output::Gossip(Gossip::Deploys(_)) if self.plan.sabotage == Sabotage::KeepDeploys => {}
            Output::Gossip(gossip) => {
                for (name, word) in Word::of(gossip) {
                    self.publish(index, name, &word);
                }
            }
            Output::Validators(direct) => self.tell_validators(index, direct),
            Output::Request { id, peer, request } => self.ask(index, id, peer, request),
            Output::Check { peer, deploys } => {
                let clock = self.clock(index);
                let mut incoming = Vec::new();
                for bytes in deploys {
                    let Ok(deploy) = message::decode_deploy(&bytes) else { continue };
                    if accept::check(&deploy, &self.plan.law, clock).is_ok() {
                        let (deploy, size) = (Arc::new(deploy), bytes.len());
                        let source = Source::Peer(peer);
                        let word = Word::Deploy(Arc::clone(&deploy));
                        let ticket = self.nodes[index].ticket(None, 0, word);
                        incoming.push(Incoming { deploy, size, source, ticket });
                    }
                }
                let (node, life, deploys) = (index, self.nodes[index].life, incoming);
                let at = self.now + self.rng.range(0, 40);
                self.queue.at(at, Event::Checked { node, life, deploys });
            }
            Output::Verdict { ticket, verdict } => self.judged(index, ticket, verdict.is_ok()),
            Output::Judged { ticket, verdict } => {
                self.judged(index, ticket, verdict == girrona_chain::Verdict::Accept);
            }
            Output::Blame { .. } => self.totals.blames += 1,
            Output::Electorate(_) | Output::Announce(..) | Output::Reached(..) | Output::Tip(_) => {
            }
        }
        Ok(())
    }

    /// Somebody sends a deploy to one node or more.
    fn send_deploy(&mut self) -> Result<(), Violation> {
        let at = self.now + self.rng.range(1, 2 * self.plan.load_pause);
        if at < self.plan.load_until {
            self.queue.at(at, Event::Load);
        }
        let base = self.plan.law.protocol.activation_point.millis();
        let seen = self.nodes.iter().find_map(|node| node.chain.as_ref());
        let Some(seen) = seen else { return Ok(()) };
        let now = Timestamp::from(base + self.now);
        let letter = self.load.next(now, &seen.disk().memory);
        for to in letter.to {
            if !self.nodes[to].is_up() {
                continue;
            }
            self.totals.sent += 1;
            if accept::check(&letter.deploy, &self.plan.law, self.clock(to)).is_err() {
                self.totals.refused += 1;
                continue;
            }
            let deploy = Arc::clone(&letter.deploy);
            let size = casper_types::bytesrepr::ToBytes::serialized_length(deploy.as_ref());
            let incoming = Incoming { deploy, size, source: Source::Client, ticket: 0 };
            self.feed(to, Input::Deploys(vec![incoming]))?;
        }
        Ok(())
    }
}

/// A node that has not started yet.
fn node(plan: &Plan, index: usize) -> Node {
    let is_victim = index == plan.victim;
    let scheme = match plan.roles[index] {
        Role::Validator | Role::Candidate => Mac::of(scheme::validator(index)),
        Role::Observer => Mac::observer(),
    };
    let scheme = match plan.sabotage {
        Sabotage::MuteFinality if is_victim => scheme.muted(),
        _ => scheme,
    };
    let tamper = match plan.sabotage {
        Sabotage::ForgetExecuted => Tamper::ForgetExecuted,
        Sabotage::LosePending => Tamper::LosePending,
        Sabotage::MintFromNothing => Tamper::Extra(plan.victim_height, purse(plan)),
        Sabotage::SkewExecution if is_victim => Tamper::Extra(plan.victim_height, purse(plan)),
        Sabotage::BlindAuction => Tamper::Forget(scheme::validator(plan.victim)),
        _ => Tamper::Nothing,
    };
    let death = Fateful::default();
    let scheme: SharedScheme = Arc::new(scheme);
    Node::new(scheme, SimDisk::new(tamper, death.clone()), death)
}

/// Where the balance of the pauper is.
fn purse(plan: &Plan) -> Key {
    let pauper = Key::Account(crate::people::pauper().public.to_account_hash());
    let genesis = girrona_exec::genesis(&plan.law).expect("the law of a plan makes a genesis");
    let account = genesis.changes.get(&pauper).and_then(Option::as_ref);
    let account = account.and_then(|value| value.as_account());
    Key::Balance(account.expect("the pauper has an account").main_purse().addr())
}

/// Whether a node stopped because its disk died as planned.
fn is_planned(fatal: &Fatal) -> bool {
    match fatal {
        Fatal::Disk(DiskError { source, .. }) => source.is::<Crashed>(),
        _ => false,
    }
}

fn stopped(node: usize, fatal: &Fatal) -> Violation {
    let mut text = fatal.to_string();
    let mut cause: Option<&dyn Error> = fatal.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    Violation::Stopped { node, text }
}
