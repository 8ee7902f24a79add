//! What a seed stands for: who takes part, what goes wrong and when, and what is sabotaged.

use std::{collections::BTreeSet, sync::Arc};

use casper_types::{Digest, PublicKey};
use girrona_consensus::{Leaders, Scheme, Validators};
use girrona_types::Height;

use crate::scheme::Mac;

/// Microseconds of virtual time.
pub(crate) type Time = u64;

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `from..to`.
    pub(crate) fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    /// True `percent` times in a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// A deliberate mistake of the harness that an oracle has to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    None,
    /// Two halves that each take themselves for all validators: the quorum is broken.
    SplitQuorum,
    /// A restarted node finds neither log nor guard.
    ForgetEverything,
    /// A restarted node finds its guard but no log.
    ForgetLog,
    /// From some time on nobody hears anybody.
    Silence,
    /// Everything is judged valid.
    JudgeBlindly,
}

/// What to play.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    /// How many have a validator key.
    pub(crate) validators: usize,
    /// How many only watch.
    pub(crate) observers: usize,
    /// Whether number 0 signs contradictions.
    pub(crate) equivocator: bool,
    /// Whether one validator sits out each era of five heights.
    pub(crate) eras: bool,
    /// Play until every honest node has decided this height.
    pub(crate) target: u64,
    pub(crate) sabotage: Sabotage,
}

impl Cast {
    pub(crate) fn honest(validators: usize) -> Self {
        let sabotage = Sabotage::None;
        Self { validators, observers: 0, equivocator: false, eras: false, target: 12, sabotage }
    }
}

/// Everything a seed decides beforehand.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) cast: Cast,
    pub(crate) schemes: Vec<Mac>,
    pub(crate) weights: Vec<u64>,
    /// After this the network is timely and nobody crashes.
    pub(crate) calm_from: Time,
    pub(crate) loss_percent: u64,
    pub(crate) latency_max: Time,
    /// From, to, and which side each node is on.
    pub(crate) partitions: Vec<(Time, Time, u64)>,
    /// When, and which node.
    pub(crate) crashes: Vec<(Time, usize)>,
    seed: Digest,
}

impl Plan {
    pub(crate) fn new(seed: u64, cast: Cast) -> (Self, Rng) {
        let mut rng = Rng(seed);
        let nodes = cast.validators + cast.observers;
        let schemes = (0..nodes)
            .map(|i| if i < cast.validators { Mac::number(i) } else { Mac(None) })
            .collect();
        let mut weights: Vec<u64> = (0..cast.validators).map(|_| rng.range(10, 20)).collect();
        if cast.equivocator {
            weights[0] = 10;
        }
        let calm_from = rng.range(2_000_000, 10_000_000);
        let partitions = (0..rng.range(0, 4))
            .map(|_| {
                let from = rng.range(0, calm_from);
                let to = (from + rng.range(100_000, 3_000_000)).min(calm_from);
                (from, to, rng.next())
            })
            .collect();
        let crashes = (0..rng.range(0, 7))
            .map(|_| (rng.range(0, calm_from), rng.range(0, nodes as u64) as usize))
            .filter(|(_, node)| !(cast.equivocator && *node == 0))
            .collect();
        let plan = Self {
            cast,
            schemes,
            weights,
            calm_from,
            loss_percent: rng.range(0, 25),
            latency_max: rng.range(5_000, 120_000),
            partitions,
            crashes,
            seed: Digest::hash(seed.to_le_bytes()),
        };
        (plan, rng)
    }

    pub(crate) fn key(&self, node: usize) -> Option<&PublicKey> {
        self.schemes[node].public_key()
    }

    pub(crate) fn is_equivocator(&self, node: usize) -> bool {
        self.cast.equivocator && node == 0
    }

    /// The validators of a height, as the law has it.
    pub(crate) fn validators(&self, height: Height) -> Validators {
        self.among(height, |_| true)
    }

    fn among(&self, height: Height, takes_part: impl Fn(usize) -> bool) -> Validators {
        let era = height.0 / 5;
        let out = self.cast.eras.then(|| 1 + (era as usize) % (self.cast.validators - 1));
        let weights = (0..self.cast.validators)
            .filter(|node| Some(*node) != out && takes_part(*node))
            .map(|node| (self.key(node).unwrap().clone(), self.weights[node] + era % 3))
            .collect();
        Validators::new(weights).unwrap()
    }

    /// Who votes and leads at a height, as `node` believes.
    pub(crate) fn leaders(&self, height: Height, node: usize) -> Arc<Leaders> {
        let half = self.cast.validators / 2;
        let validators = match self.cast.sabotage {
            Sabotage::SplitQuorum => self.among(height, |other| (other < half) == (node < half)),
            _ => self.validators(height),
        };
        let absent: BTreeSet<_> = (0..self.cast.validators)
            .filter(|node| height.0 % 4 == 3 && *node == (height.0 / 4) as usize % 3)
            .map(|node| self.key(node).unwrap().clone())
            .collect();
        Arc::new(Leaders::new(validators, self.seed, absent))
    }
}
