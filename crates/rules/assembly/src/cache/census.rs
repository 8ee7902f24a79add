//! Who holds what, as nodes say of themselves: how many copies there are, and how many are
//! missing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{content::Cid, message::payload::Holdings};

/// Roots that one node may claim to hold.
pub const ROOTS_PER_NODE_MAX: usize = 4_096;

/// Copies of one assembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Copies {
    /// How many nodes hold it.
    pub held: u32,
    /// How many are wished for.
    pub target: u32,
    /// How many are missing.
    pub missing: u32,
    /// How many there are beyond what is wished for.
    pub surplus: u32,
}

impl Copies {
    /// Compares what is with what should be.
    pub const fn of(held: u32, target: u32) -> Self {
        let (missing, surplus) = (target.saturating_sub(held), held.saturating_sub(target));
        Self { held, target, missing, surplus }
    }
}

#[derive(Clone, Debug, Default)]
struct Node {
    roots: BTreeSet<Cid>,
    heard_ms: u64,
}

/// Holders by root; `N` is a node. What a node said counts until it is silent for too long.
#[derive(Clone, Debug)]
pub struct Census<N> {
    nodes: BTreeMap<N, Node>,
    holders: BTreeMap<Cid, BTreeSet<N>>,
    silence_ms: u64,
    nodes_max: usize,
}

impl<N: Ord + Clone> Census<N> {
    /// Knows of nobody. A node that says nothing for `silence_ms` holds nothing any more.
    pub const fn new(silence_ms: u64, nodes_max: usize) -> Self {
        Self { nodes: BTreeMap::new(), holders: BTreeMap::new(), silence_ms, nodes_max }
    }

    /// A node says, or said then, what it holds and what it evicted. `false` if there is no room for another
    /// node, or for more of this one's roots.
    pub fn hear(&mut self, node: &N, holdings: &Holdings, now_ms: u64) -> bool {
        if !self.nodes.contains_key(node) && self.nodes.len() >= self.nodes_max {
            self.forget_silent(now_ms);
            if self.nodes.len() >= self.nodes_max {
                return false;
            }
        }
        let entry = self.nodes.entry(node.clone()).or_default();
        entry.heard_ms = entry.heard_ms.max(now_ms);
        let mut all = true;
        for root in &holdings.evicted {
            if entry.roots.remove(root) {
                remove_holder(&mut self.holders, root, node);
            }
        }
        for root in &holdings.have {
            if entry.roots.len() >= ROOTS_PER_NODE_MAX && !entry.roots.contains(root) {
                all = false;
                continue;
            }
            entry.roots.insert(*root);
            self.holders.entry(*root).or_default().insert(node.clone());
        }
        all
    }

    /// A node is gone.
    pub fn forget(&mut self, node: &N) {
        if let Some(gone) = self.nodes.remove(node) {
            for root in &gone.roots {
                remove_holder(&mut self.holders, root, node);
            }
        }
    }

    /// A node does not hold what it said: it failed a challenge.
    pub fn contradict(&mut self, node: &N, root: &Cid) {
        if let Some(entry) = self.nodes.get_mut(node)
            && entry.roots.remove(root)
        {
            remove_holder(&mut self.holders, root, node);
        }
    }

    /// Forgets nodes that are silent for too long; to be called now and then.
    pub fn forget_silent(&mut self, now_ms: u64) {
        let silence_ms = self.silence_ms;
        let silent: Vec<N> = self
            .nodes
            .iter()
            .filter(|(_, node)| now_ms.saturating_sub(node.heard_ms) >= silence_ms)
            .map(|(key, _)| key.clone())
            .collect();
        for node in silent {
            self.forget(&node);
        }
    }

    /// Who holds an assembly.
    pub fn holders(&self, root: &Cid) -> impl Iterator<Item = &N> {
        self.holders.get(root).into_iter().flatten()
    }

    /// How many copies there are beside what is wished for.
    pub fn copies(&self, root: &Cid, target: u32) -> Copies {
        let held = self.holders.get(root).map_or(0, BTreeSet::len);
        Copies::of(u32::try_from(held).unwrap_or(u32::MAX), target)
    }

    /// Whether a node said something that still counts.
    pub fn knows(&self, node: &N) -> bool {
        self.nodes.contains_key(node)
    }

    /// How many nodes said something.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }
}

fn remove_holder<N: Ord>(holders: &mut BTreeMap<Cid, BTreeSet<N>>, root: &Cid, node: &N) {
    if let Some(nodes) = holders.get_mut(root) {
        nodes.remove(node);
        if nodes.is_empty() {
            holders.remove(root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Codec;

    fn root(byte: u8) -> Cid {
        Cid::of(Codec::DagPb, &[byte])
    }

    fn have(roots: &[u8]) -> Holdings {
        Holdings { have: roots.iter().map(|byte| root(*byte)).collect(), ..Holdings::default() }
    }

    #[test]
    fn copies_follow_what_nodes_say_until_they_are_silent() {
        let mut census = Census::new(100, 10);
        assert!(census.hear(&"ana", &have(&[1, 2]), 0));
        assert!(census.hear(&"bo", &have(&[1]), 50));
        assert_eq!(
            census.copies(&root(1), 3),
            Copies { held: 2, target: 3, missing: 1, surplus: 0 }
        );
        assert_eq!(census.copies(&root(1), 1).surplus, 1);
        let evicted = Holdings { evicted: vec![root(1)], ..Holdings::default() };
        assert!(census.hear(&"bo", &evicted, 60));
        assert_eq!(census.holders(&root(1)).collect::<Vec<_>>(), [&"ana"]);
        census.contradict(&"ana", &root(2));
        assert_eq!(census.copies(&root(2), 1).held, 0);
        census.forget_silent(100);
        assert_eq!(census.copies(&root(1), 3).missing, 3);
        assert_eq!(census.nodes(), 1);
    }

    #[test]
    fn what_was_said_long_ago_brings_nobody_back() {
        let mut census = Census::new(100, 10);
        assert!(census.hear(&"ana", &have(&[1]), 0));
        census.forget_silent(100);
        assert_eq!(census.copies(&root(1), 3).held, 0);
        // Somebody else still has her last word, and passes it on.
        assert!(census.hear(&"ana", &have(&[1]), 0));
        census.forget_silent(101);
        assert_eq!(census.copies(&root(1), 3).held, 0);
    }

    #[test]
    fn nodes_and_their_claims_are_bounded() {
        let mut census = Census::new(100, 2);
        assert!(census.hear(&1, &have(&[1]), 0));
        assert!(census.hear(&2, &have(&[1]), 0));
        assert!(!census.hear(&3, &have(&[1]), 99));
        assert!(census.hear(&3, &have(&[1]), 100));
        assert_eq!(census.copies(&root(1), 0).held, 1);
        let many = Holdings {
            have: (0..=ROOTS_PER_NODE_MAX)
                .map(|n| Cid::of(Codec::DagPb, &n.to_le_bytes()))
                .collect(),
            ..Holdings::default()
        };
        assert!(!census.hear(&3, &many, 101));
    }
}
