//! What a seed stands for: who takes part, under which law, what goes wrong and when.
//!
//! Everything here is decided before the first event, except what liars and people do, which
//! depends on what they see.

use std::sync::Arc;

use casper_types::{TimeDiff, U512};
use girrona_types::{
    Chainspec, Height,
    chainspec::{FeeHandling, GenesisAccount, GenesisValidator, MOTES_PER_GIRRO},
};

use crate::{
    disk::{Death, WRITES},
    people,
    rng::Rng,
    scheme,
    spoil::Ill,
};

/// Milliseconds of virtual time.
pub type Millis = u64;

/// What every seed has to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The least height that every living node reaches.
    pub blocks: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { blocks: 30 }
    }
}

/// A deliberate mistake of the simulator. Each one has an oracle that must notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing is sabotaged.
    None,
    /// The liar proposes two things and forges certificates for both: quorums mean nothing.
    ForgeFork,
    /// The liar forges a certificate for a proposal with this fault, as if judges let it pass.
    Forge(Ill),
    /// Disks lose votes that were durable.
    LoseVotes,
    /// One node's disk goes back to an earlier state at a restart.
    RollBack,
    /// One node executes one block to another state than the others.
    SkewExecution,
    /// One mote appears from nowhere, on every node alike.
    MintFromNothing,
    /// Disks forget that a deploy was executed.
    ForgetExecuted,
    /// Disks forget pending deploys at a restart.
    LosePending,
    /// The network never becomes whole again.
    NeverHeal,
    /// One node stays cut off.
    NeverHealOne,
    /// No request is ever answered, not even with "no".
    NeverAnswer,
    /// One validator does not sign the blocks that it executes.
    MuteFinality,
    /// One node looks after expired deploys too rarely.
    LateTicks,
    /// Nodes keep the deploys that they accept to themselves.
    KeepDeploys,
    /// The liar's bad proposals are not on the oracles' list, and it forges accusations.
    Slander,
    /// The auction forgets a bidder, on every node alike.
    BlindAuction,
}

impl Sabotage {
    /// Whether the liar signs for everybody.
    pub(crate) const fn forges(self) -> bool {
        matches!(self, Self::ForgeFork | Self::Forge(_) | Self::Slander)
    }
}

/// Who a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Votes from genesis on.
    Validator,
    /// Has a validator's key and no stake yet.
    Candidate,
    /// Has no key.
    Observer,
}

/// What the liar does, beside what an honest validator does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lies {
    pub(crate) node: usize,
    /// Signs contradictions.
    pub(crate) equivocates: bool,
    /// Proposes what must not be in a block.
    pub(crate) spoils: bool,
    /// Gives wrong answers and sends rubbish.
    pub(crate) babbles: bool,
}

/// Some nodes cannot hear some others for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partition {
    pub(crate) from: Millis,
    pub(crate) to: Millis,
    /// One bit for each node: which side it is on.
    pub(crate) sides: u64,
    /// Whether only one direction is cut.
    pub(crate) one_way: bool,
}

/// How a node dies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub(crate) at: Millis,
    pub(crate) node: usize,
    /// In a write that is to come; at once if `None`.
    pub(crate) death: Option<Death>,
    /// How long it stays down.
    pub(crate) down: Millis,
}

/// Everything a seed decides beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) sabotage: Sabotage,
    pub(crate) law: Arc<Chainspec>,
    pub(crate) roles: Vec<Role>,
    /// Nodes whose owners do not stake: the liar and whoever dies for good.
    pub(crate) idle: Vec<usize>,
    /// Whether people stake at all.
    pub(crate) stakes: bool,
    /// When each node starts for the first time.
    pub(crate) starts: Vec<Millis>,
    /// By how much each node's clock is wrong.
    pub(crate) skews: Vec<i64>,
    pub(crate) lies: Option<Lies>,
    /// From now on the network is timely and nobody crashes.
    pub(crate) calm_from: Millis,
    /// The last deploy is sent before this.
    pub(crate) load_until: Millis,
    /// The longest time to live of a deploy.
    pub(crate) ttl_max: Millis,
    /// Between two deploys, on average.
    pub(crate) load_pause: Millis,
    pub(crate) latency_max: Millis,
    pub(crate) loss_percent: u64,
    /// Gossiped deploys get lost more often than the rest, so that proposals come before them.
    pub(crate) deploy_loss_percent: u64,
    pub(crate) duplicate_percent: u64,
    pub(crate) request_timeout: Millis,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) crashes: Vec<Crash>,
    /// The node to which sabotage happens, where it happens to one.
    pub(crate) victim: usize,
    /// The height at which sabotage happens, where it happens at one.
    pub(crate) victim_height: Height,
}

impl Plan {
    pub(crate) fn new(seed: u64, settings: &Settings, sabotage: Sabotage) -> (Self, Rng) {
        let mut rng = Rng::new(seed ^ 0x6769_7272_6f6e_6121);
        // One seed in sixteen is the network of one validator.
        let alone = seed % 16 == 15 && sabotage == Sabotage::None;
        let validators = if alone { 1 } else { rng.range(4, 7) as usize };
        let observers = if alone { 1 } else { rng.range(0, 3) as usize };
        let count = validators + observers;
        let mut roles = vec![Role::Validator; validators];
        for _ in 0..observers {
            roles.push(if rng.chance(70) { Role::Candidate } else { Role::Observer });
        }
        let mut weights: Vec<u64> = (0..validators).map(|_| rng.range(10, 100)).collect();
        let total: u64 = weights.iter().sum();

        let forges = sabotage.forges();
        let lies = (!alone && (forges || rng.chance(60))).then(|| {
            let node = rng.index(validators);
            // Less than a third, with room for one that is dead beside it.
            weights[node] = weights[node].min(total / 6).max(1);
            let kinds = rng.range(1, 8);
            Lies {
                node,
                equivocates: kinds & 1 != 0 && !forges,
                spoils: kinds & 2 != 0 || forges,
                babbles: kinds & 4 != 0 && !forges,
            }
        });
        let liar = lies.map(|lies| lies.node);
        let total: u64 = weights.iter().sum();
        let lying: u64 = liar.map_or(0, |node| weights[node]);
        let dead = (!alone && rng.chance(25))
            .then(|| rng.index(validators))
            .filter(|node| Some(*node) != liar && 3 * (weights[*node] + lying) < total);

        let calm_from = rng.range(8_000, 25_000);
        let mut starts: Vec<Millis> = (0..count).map(|_| rng.range(0, 1_500)).collect();
        if observers > 0 && rng.chance(60) {
            starts[count - 1] = rng.range(5_000, calm_from + 10_000);
        }
        let skews = (0..count).map(|_| rng.range(0, 1_500) as i64 - 750).collect();
        let partitions = partitions(&mut rng, count, calm_from);
        let mut crashes = crashes(&mut rng, count, calm_from);
        if let Some(node) = dead {
            let at = rng.range(2_000, calm_from);
            crashes.retain(|crash| crash.node != node);
            crashes.push(Crash { at, node, death: None, down: Millis::MAX });
        }

        let honest: Vec<usize> =
            (0..validators).filter(|node| Some(*node) != liar && Some(*node) != dead).collect();
        let victim = *rng.pick(&honest).unwrap_or(&0);
        let mut plan = Self {
            settings: settings.clone(),
            sabotage,
            law: Arc::new(law(&mut rng, &weights, &roles, forges)),
            idle: liar.into_iter().chain(dead).collect(),
            stakes: sabotage == Sabotage::None || sabotage == Sabotage::BlindAuction,
            roles,
            starts,
            skews,
            lies,
            calm_from,
            load_until: calm_from + 6_000,
            ttl_max: 9_000,
            load_pause: rng.range(200, 700),
            latency_max: rng.range(5, 250),
            loss_percent: rng.range(0, 15),
            deploy_loss_percent: *rng.pick(&[0, 0, 30, 70]).unwrap_or(&0),
            duplicate_percent: rng.range(0, 6),
            request_timeout: rng.range(2_000, 10_000),
            partitions,
            crashes,
            victim,
            victim_height: Height(rng.range(3, 9)),
        };
        plan.sabotage(&mut rng);
        (plan, rng)
    }

    /// Makes sure that the sabotage has something to act on.
    fn sabotage(&mut self, rng: &mut Rng) {
        let crash = |rng: &mut Rng, node, from, to, down| Crash {
            at: rng.range(from, to),
            node,
            death: None,
            down,
        };
        let (victim, calm_from) = (self.victim, self.calm_from);
        if matches!(self.sabotage, Sabotage::NeverHeal | Sabotage::NeverHealOne) {
            // Nothing is left to gossip, so that only progress is missing.
            self.load_until = calm_from;
        }
        match self.sabotage {
            Sabotage::NeverHeal => self.partitions.push(Partition {
                from: calm_from / 2,
                to: Millis::MAX,
                sides: 0b0101_0101,
                one_way: false,
            }),
            Sabotage::NeverHealOne => self.partitions.push(Partition {
                from: calm_from / 2,
                to: Millis::MAX,
                sides: 1 << victim,
                one_way: false,
            }),
            // Just after votes were sent, and back before their round is over.
            Sabotage::LoseVotes => {
                for _ in 0..12 {
                    self.crashes.push(crash(rng, victim, 1_000, calm_from, 40));
                }
            }
            Sabotage::RollBack | Sabotage::LosePending => {
                for _ in 0..3 {
                    self.crashes.push(crash(rng, victim, calm_from / 2, calm_from, 200));
                }
            }
            _ => {}
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.roles.len()
    }

    pub(crate) fn validators(&self) -> usize {
        self.roles.iter().filter(|role| **role == Role::Validator).count()
    }

    pub(crate) fn is_liar(&self, node: usize) -> bool {
        self.lies.is_some_and(|lies| lies.node == node)
    }

    /// Whether nothing that `from` says reaches `to` now.
    pub(crate) fn is_cut(&self, from: usize, to: usize, now: Millis) -> bool {
        let side = |sides: u64, node: usize| (sides >> node) & 1;
        self.partitions.iter().any(|cut| {
            let (a, b) = (side(cut.sides, from), side(cut.sides, to));
            (cut.from..cut.to).contains(&now) && a != b && (!cut.one_way || a == 1)
        })
    }
}

fn partitions(rng: &mut Rng, count: usize, calm_from: Millis) -> Vec<Partition> {
    (0..rng.range(0, 5))
        .map(|_| {
            let from = rng.range(500, calm_from);
            let to = (from + rng.range(200, 7_000)).min(calm_from);
            // One node alone as often as any two halves.
            let sides = if rng.chance(50) { 1 << rng.index(count) } else { rng.next() };
            Partition { from, to, sides, one_way: rng.chance(20) }
        })
        .collect()
}

fn crashes(rng: &mut Rng, count: usize, calm_from: Millis) -> Vec<Crash> {
    (0..rng.range(0, 10))
        .map(|_| {
            let death = rng.chance(75).then(|| Death {
                at: *rng.pick(&WRITES).unwrap_or(&WRITES[0]),
                after: rng.range(0, 6),
                write_survives: rng.chance(50),
            });
            let down = if rng.chance(50) { rng.range(20, 500) } else { rng.range(500, 5_000) };
            Crash { at: rng.range(300, calm_from), node: rng.index(count), death, down }
        })
        .collect()
}

/// The law of a seed: small limits, short eras, so that all of them are met.
fn law(rng: &mut Rng, weights: &[u64], roles: &[Role], forges: bool) -> Chainspec {
    let mut law = Chainspec::default();
    law.network.name = "girrona-sim".to_owned();
    let block_time = *rng.pick(&[500, 1_000, 1_000]).unwrap_or(&1_000);
    law.core.minimum_block_time = TimeDiff::from_millis(block_time);
    // Who forges signs for the validators of genesis, so these have to stay.
    let era_blocks = if forges { 10_000 } else { rng.range(3, 13) };
    law.core.era_duration = TimeDiff::from_millis(block_time * era_blocks);
    law.core.minimum_era_height = 3;
    law.core.validator_slots = rng.range(roles.len().max(4) as u64 - 1, 9) as u32;
    law.core.validator_slots = law.core.validator_slots.max(weights.len() as u32);
    law.core.auction_delay = *rng.pick(&[0, 1, 1, 2]).unwrap_or(&1);
    law.core.unbonding_delay = rng.range(0, 3);
    law.core.round_seigniorage_rate = *rng.pick(&[[0, 1], [1, 1_000_000]]).unwrap_or(&[0, 1]);
    law.core.minimum_bid_amount = 2 * MOTES_PER_GIRRO;
    law.core.minimum_delegation_amount = 2 * MOTES_PER_GIRRO;
    law.core.max_delegators_per_validator = 3;
    if rng.chance(30) {
        law.core.fee_handling = FeeHandling::Burn;
    }
    law.consensus.propose_timeout = TimeDiff::from_millis(rng.range(600, 1_100));
    law.consensus.vote_timeout = TimeDiff::from_millis(rng.range(300, 600));
    law.consensus.timeout_delta = TimeDiff::from_millis(rng.range(100, 300));
    let limits = &mut law.deploys;
    limits.max_ttl = TimeDiff::from_seconds(60);
    limits.block_max_transfer_count = *rng.pick(&[3, 6, 4_000]).unwrap_or(&4_000);
    limits.block_max_deploy_count = *rng.pick(&[2, 4, 500]).unwrap_or(&500);
    limits.block_max_approval_count = *rng.pick(&[5, 20, 10_000]).unwrap_or(&10_000);

    let account = |public_key, motes: u64| GenesisAccount {
        public_key,
        balance: U512::from(motes),
        validator: None,
    };
    for (index, role) in roles.iter().enumerate() {
        let validator = weights.get(index).map(|girro| GenesisValidator {
            bonded_amount: U512::from(*girro) * U512::from(MOTES_PER_GIRRO),
            delegation_rate: 10,
        });
        if *role != Role::Observer {
            let owner = account(scheme::validator(index), 300 * MOTES_PER_GIRRO);
            law.accounts.push(GenesisAccount { validator, ..owner });
        }
    }
    for person in people::rich() {
        let motes = rng.range(50, 5_000) * MOTES_PER_GIRRO;
        law.accounts.push(account(person.public.clone(), motes));
    }
    for person in people::poor() {
        // Exactly MAX_PAYMENT_COST, or a little more.
        let motes = 2_500_000_000 + rng.range(0, 3) * rng.range(0, 3 * MOTES_PER_GIRRO);
        law.accounts.push(account(person.public.clone(), motes));
    }
    law.accounts.push(account(people::pauper().public.clone(), MOTES_PER_GIRRO));
    law
}
