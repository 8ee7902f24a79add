//! Who executes a request: everybody who holds the assembly, or the `n` of them that a hash of
//! request and node ranks first.
//!
//! Rendezvous hashing: each node's rank follows from the request and the node alone, so everybody
//! who knows the same holders picks the same ones, and a node that comes or goes moves nobody
//! else. A node with twice the weight is picked about twice as often.

use std::collections::BTreeSet;

use casper_types::PublicKey;

use crate::{
    fixed::surprise,
    ids::{RequestId, canonical, hash},
    message::payload::casper_key::Key,
};

const DOMAIN: &[u8] = b"girrona/assembly/select/1";
/// The weight of a node with nothing to do.
pub const WEIGHT_MAX: u32 = 1_000;

/// A node that holds the assembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its account key.
    pub key: PublicKey,
    /// Thousandths of it that are free; 0 counts as 1.
    pub free_milli: u32,
}

/// A candidate's place: weight over surprise, larger is better. Kept as a fraction, so that no
/// node rounds differently.
#[derive(Clone, Copy, Debug)]
struct Rank {
    weight: u64,
    surprise: u64,
}

impl Rank {
    fn of(request: &RequestId, candidate: &Candidate) -> Self {
        let key = canonical(&Key(candidate.key.clone()));
        let digest = hash(DOMAIN, &[&request.0, &key]);
        let number = digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let weight = u64::from(candidate.free_milli.clamp(1, WEIGHT_MAX));
        Self { weight, surprise: surprise(number) }
    }

    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let cross =
            |a: &Self, b: &Self| u128::from(a.weight).saturating_mul(u128::from(b.surprise));
        cross(self, other).cmp(&cross(other, self))
    }
}

/// The candidates in the order in which they are asked, the first first. Each key counts once.
pub fn ranked(request: &RequestId, candidates: &[Candidate]) -> Vec<PublicKey> {
    let mut seen = BTreeSet::new();
    let mut ranks: Vec<(Rank, &PublicKey)> = candidates
        .iter()
        .filter(|candidate| seen.insert(&candidate.key))
        .map(|candidate| (Rank::of(request, candidate), &candidate.key))
        .collect();
    // Ties go to the lower key: everybody has to pick the same.
    ranks.sort_by(|(a, a_key), (b, b_key)| b.cmp(a).then_with(|| a_key.cmp(b_key)));
    ranks.into_iter().map(|(_, key)| key.clone()).collect()
}

/// Those who execute: all, or the `n` first.
pub fn selected(request: &RequestId, candidates: &[Candidate], n: Option<u16>) -> Vec<PublicKey> {
    let mut keys = ranked(request, candidates);
    if let Some(n) = n {
        keys.truncate(usize::from(n));
    }
    keys
}

/// More than half of those who execute: the usual `k`.
pub const fn default_k(n: u16) -> u16 {
    (n / 2).saturating_add(1)
}

/// Who was asked and who stands by, while answers come in.
#[derive(Clone, Debug)]
pub struct Selection {
    asked: BTreeSet<PublicKey>,
    /// The next last.
    waiting: Vec<PublicKey>,
}

impl Selection {
    /// Asks the first `n`; the others stand by. Without a number, all are asked.
    pub fn new(request: &RequestId, candidates: &[Candidate], n: Option<u16>) -> Self {
        let mut asked = ranked(request, candidates);
        let n = n.map_or(asked.len(), usize::from).min(asked.len());
        let mut waiting = asked.split_off(n);
        waiting.reverse();
        Self { asked: asked.into_iter().collect(), waiting }
    }

    /// Those who are asked and have not declined.
    pub fn asked(&self) -> impl Iterator<Item = &PublicKey> {
        self.asked.iter()
    }

    /// One does not execute, or is gone: who takes over, if anybody stands by. One who was not
    /// asked changes nothing.
    pub fn declined(&mut self, who: &PublicKey) -> Option<PublicKey> {
        if !self.asked.remove(who) {
            self.waiting.retain(|key| key != who);
            return None;
        }
        let next = self.waiting.pop()?;
        self.asked.insert(next.clone());
        Some(next)
    }

    /// Whether so many can still answer.
    pub fn can_reach(&self, k: u16) -> bool {
        self.asked.len().saturating_add(self.waiting.len()) >= usize::from(k)
    }
}

#[cfg(test)]
mod tests {
    use casper_types::SecretKey;

    use super::*;

    fn candidates(count: u8, free: impl Fn(u8) -> u32) -> Vec<Candidate> {
        let key = |n: u8| {
            let secret = SecretKey::ed25519_from_bytes([n.wrapping_add(1); 32]).unwrap();
            PublicKey::from(&secret)
        };
        (0..count).map(|n| Candidate { key: key(n), free_milli: free(n) }).collect()
    }

    fn requests(count: u32) -> impl Iterator<Item = RequestId> {
        (0..count).map(|n| RequestId(hash(b"test", &[&n.to_le_bytes()])))
    }

    #[test]
    fn everybody_picks_the_same_whatever_order_they_know() {
        let all = candidates(10, |n| 100 + u32::from(n));
        let mut shuffled = all.clone();
        shuffled.reverse();
        shuffled.push(all[3].clone());
        for request in requests(20) {
            let picked = selected(&request, &all, Some(3));
            assert_eq!(picked, selected(&request, &shuffled, Some(3)));
            assert_eq!(picked.len(), 3);
            assert_eq!(selected(&request, &all, None).len(), 10);
        }
    }

    #[test]
    fn a_node_that_leaves_moves_nobody_else() {
        let all = candidates(8, |_| 500);
        for request in requests(50) {
            let before = ranked(&request, &all);
            let without: Vec<_> = all.iter().filter(|c| c.key != before[0]).cloned().collect();
            assert_eq!(ranked(&request, &without), before[1..]);
        }
    }

    #[test]
    fn twice_the_weight_is_picked_twice_as_often() {
        let all = candidates(3, |n| if n == 0 { 1_000 } else { 500 });
        let first = requests(4_000)
            .filter(|request| selected(request, &all, Some(1))[0] == all[0].key)
            .count();
        // Half of 4,000 with a standard deviation of 32.
        assert!((1_870..2_130).contains(&first), "{first}");
    }

    #[test]
    fn whoever_declines_is_followed_by_the_next_until_nobody_is_left() {
        let all = candidates(4, |_| 500);
        let request = requests(1).next().unwrap();
        let order = ranked(&request, &all);
        let mut selection = Selection::new(&request, &all, Some(2));
        assert_eq!(selection.asked().count(), 2);
        assert_eq!(selection.declined(&order[0]), Some(order[2].clone()));
        assert_eq!(selection.declined(&order[0]), None);
        assert!(selection.can_reach(3));
        // One who stands by is gone.
        assert_eq!(selection.declined(&order[3]), None);
        assert!(!selection.can_reach(3));
        assert_eq!(selection.declined(&order[1]), None);
        assert!(selection.can_reach(1) && !selection.can_reach(2));
    }
}
