//! Who leads which round: a weighted shuffle of the validators, another one for each height.
//!
//! Knows: weights, a seed that nobody chose alone, who was missing lately.
//! Leaves to others: where the seed comes from and what counts as missing.

use std::collections::BTreeSet;

use casper_types::{Digest, PublicKey};
use girrona_types::{Height, Round};

use crate::validators::Validators;

/// Goes before the bytes that are hashed for a draw.
const LEADER_DOMAIN: &[u8] = b"girrona/leader/1";

/// The order of leaders of a height.
///
/// Round 0 goes to a validator drawn by weight, each later round to another one, until all had a
/// turn and the order repeats. Validators who were absent come after all others, so that a dead
/// one costs a round only when everybody else failed, yet nobody is ever excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaders {
    validators: Validators,
    seed: Digest,
    absent: BTreeSet<PublicKey>,
}

impl Leaders {
    /// `seed` must be the same on every node, and `absent` too: both are committed data.
    pub fn new(validators: Validators, seed: Digest, absent: BTreeSet<PublicKey>) -> Self {
        Self { validators, seed, absent }
    }

    /// The validators who vote and lead.
    pub fn validators(&self) -> &Validators {
        &self.validators
    }

    /// Who leads this round of this height.
    pub fn leader(&self, height: Height, round: Round) -> &PublicKey {
        let count = u64::try_from(self.validators.count()).unwrap_or(u64::MAX);
        let turn = u64::from(round.0).checked_rem(count).unwrap_or(0);
        let turns = usize::try_from(turn).unwrap_or(0).saturating_add(1);
        self.ranked(height, turns).last().copied().unwrap_or_else(|| self.validators.first())
    }

    /// Everybody, in the order in which they lead the rounds of `height`.
    pub fn order(&self, height: Height) -> Vec<&PublicKey> {
        self.ranked(height, self.validators.count())
    }

    /// The leaders of the first `turns` rounds: weighted draws without putting back.
    fn ranked(&self, height: Height, turns: usize) -> Vec<&PublicKey> {
        let (absent, present): (Vec<_>, Vec<_>) =
            self.validators.iter().partition(|(key, _)| self.absent.contains(*key));
        let mut ranked = Vec::with_capacity(turns);
        for mut pool in [present, absent] {
            let mut total = pool.iter().fold(0_u64, |sum, (_, w)| sum.saturating_add(*w));
            while !pool.is_empty() && ranked.len() < turns {
                let mut left = self.draw(height, ranked.len(), total);
                let picked = pool.iter().position(|(_, weight)| {
                    let hit = left < *weight;
                    left = left.saturating_sub(*weight);
                    hit
                });
                let (key, weight) = pool.remove(picked.unwrap_or(0));
                total = total.saturating_sub(weight);
                ranked.push(key);
            }
        }
        ranked
    }

    /// A number below `total` that everybody computes alike.
    fn draw(&self, height: Height, turn: usize, total: u64) -> u64 {
        let mut bytes = LEADER_DOMAIN.to_vec();
        bytes.extend_from_slice(self.seed.as_ref());
        bytes.extend_from_slice(&height.0.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(turn).unwrap_or(u32::MAX).to_le_bytes());
        let hash = Digest::hash(bytes).value();
        // 128 bits: what the division favours is smaller than 2^-64.
        let number = hash
            .first_chunk::<16>()
            .map_or(0, |head| u128::from_le_bytes(*head))
            .checked_rem(u128::from(total));
        number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use casper_types::SecretKey;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        PublicKey::from(&SecretKey::ed25519_from_bytes([seed; 32]).unwrap())
    }

    fn leaders(weights: &[u64], absent: &[u8]) -> Leaders {
        let weights: BTreeMap<_, _> =
            weights.iter().zip(1..).map(|(weight, seed)| (key(seed), *weight)).collect();
        Leaders::new(
            Validators::new(weights).unwrap(),
            Digest::hash("seed"),
            absent.iter().map(|seed| key(*seed)).collect(),
        )
    }

    #[test]
    fn first_leaders_are_drawn_by_weight() {
        let leaders = leaders(&[10, 20, 30, 40], &[]);
        let mut led = BTreeMap::<PublicKey, u32>::new();
        for height in 1..=10_000 {
            *led.entry(leaders.leader(Height(height), Round(0)).clone()).or_default() += 1;
        }
        // The standard deviation is at most 50; six of them leave no room for luck.
        for (seed, expected) in (1..).zip([1_000_u32, 2_000, 3_000, 4_000]) {
            let times = led[&key(seed)];
            assert!(times.abs_diff(expected) < 300, "validator {seed} led {times} times");
        }
    }

    #[test]
    fn second_leaders_are_drawn_by_weight_from_the_rest() {
        let leaders = leaders(&[1, 1, 98], &[]);
        let heavy = key(3);
        let second = (1..=2_000)
            .filter(|height| *leaders.leader(Height(*height), Round(1)) == heavy)
            .count();
        // The heavy one is second only when a light one came first: about 2 times in 100.
        assert!((5..120).contains(&second), "{second}");
    }

    #[test]
    fn every_round_has_another_leader_until_all_had_a_turn() {
        let leaders = leaders(&[1, 5, 1_000, 7, 7, 7, 2], &[]);
        for height in 1..200 {
            let height = Height(height);
            let order: Vec<_> = (0..7).map(|r| leaders.leader(height, Round(r))).collect();
            assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 7);
            assert_eq!(order, leaders.order(height));
            assert_eq!(leaders.leader(height, Round(7)), order[0]);
            assert_eq!(leaders.leader(height, Round(u32::MAX)), order[(u32::MAX % 7) as usize]);
        }
    }

    #[test]
    fn the_absent_lead_last_but_are_not_excluded() {
        let leaders = leaders(&[1, 1_000_000, 1, 1], &[2, 3]);
        for height in 1..200 {
            let order = leaders.order(Height(height));
            let late: BTreeSet<_> = order[2..].iter().map(|key| (*key).clone()).collect();
            assert_eq!(late, [key(2), key(3)].into());
        }
    }

    #[test]
    fn somebody_leads_even_when_all_were_absent_or_strangers_were() {
        let all = leaders(&[1, 1], &[1, 2]);
        assert_eq!(all.order(Height(1)).len(), 2);
        let strangers = leaders(&[1, 1], &[77]);
        assert_eq!(strangers.order(Height(1)), leaders(&[1, 1], &[]).order(Height(1)));
    }

    #[test]
    fn the_order_is_fixed_for_ever() {
        let leaders = leaders(&[10, 20, 30, 40], &[]);
        let seeds = |height| -> Vec<u8> {
            let of = |wanted: &PublicKey| (1..=4).find(|seed| key(*seed) == *wanted).unwrap();
            leaders.order(Height(height)).into_iter().map(of).collect()
        };
        let first: Vec<_> = (1..=6).map(seeds).collect();
        assert_eq!(first, GOLDEN);
    }

    const GOLDEN: [[u8; 4]; 6] =
        [[3, 4, 1, 2], [4, 3, 1, 2], [4, 1, 3, 2], [3, 4, 1, 2], [4, 1, 2, 3], [4, 2, 1, 3]];
}
