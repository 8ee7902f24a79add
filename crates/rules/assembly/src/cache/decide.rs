//! Whether a node caches an assembly that was announced, with a reason that can be asked for.
//!
//! First what forbids it: its groups, its size, what it needs, room. Then a score of four
//! factors, each from 0 to 1,000, weighted by the node's policy: relevance, room, need for copies
//! and nearness. A factor with weight 0 plays no part.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::message::payload::{Announcement, Needs};

/// The largest value of a factor.
pub const FULL: u64 = 1_000;

/// What a node's owner wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Subjects that matter to it. Empty: all do.
    pub tags: Vec<String>,
    /// Subjects that it does not want.
    pub refuse_tags: Vec<String>,
    /// Groups that it belongs to.
    pub groups: Vec<String>,
    /// The longest content that it takes, in bytes.
    pub size_max: u64,
    /// Weight of relevance.
    pub weight_relevance: u32,
    /// Weight of room: how little of what is free the assembly takes.
    pub weight_room: u32,
    /// Weight of need: how many copies are missing.
    pub weight_need: u32,
    /// Weight of nearness: how close the node's id is to the content's.
    pub weight_nearness: u32,
    /// The weighted mean that it takes to be cached, from 0 to 1,000.
    pub threshold: u32,
}

impl Default for Policy {
    /// Takes what is of interest or missing copies, up to 1 GiB.
    fn default() -> Self {
        Self {
            tags: Vec::new(),
            refuse_tags: Vec::new(),
            groups: Vec::new(),
            size_max: 1024 * 1024 * 1024,
            weight_relevance: 4,
            weight_room: 1,
            weight_need: 4,
            weight_nearness: 1,
            threshold: 400,
        }
    }
}

/// What a node has and knows at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Bytes that content may still take, with what may be evicted for it.
    pub room: u64,
    /// Thousandths of cores that assemblies may use.
    pub cpu_milli: u32,
    /// Bytes of memory that assemblies may use.
    pub memory: u64,
    /// Graphics processors.
    pub gpus: u32,
    /// Copies that others hold, as far as is known.
    pub copies: u32,
    /// Whether somebody ordered or paid for it here.
    pub is_ordered: bool,
    /// How far the node's id is from the content's; [`super::distance`].
    pub distance: u64,
}

/// What spoke for or against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Factor {
    /// Relevance: ordered here or every tag in common is 1,000, no tag in common 0.
    pub relevance: u64,
    /// Room: an assembly that takes nothing of it is 1,000, one that takes all of it 0.
    pub room: u64,
    /// Need: no copy is 1,000, as many as wished for or more is 0.
    pub need: u64,
    /// Nearness: the same id is 1,000, the opposite one 0.
    pub nearness: u64,
}

/// Why a node does not cache something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Error)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Refused {
    /// It is meant for groups that this node is not in.
    #[error("it is meant for other groups")]
    Groups,
    /// It has a tag that this node does not want.
    #[error("its tag `{tag}` is refused here")]
    Tag {
        /// Which.
        tag: String,
    },
    /// None of its tags is one of this node's.
    #[error("none of its tags is of interest here")]
    Tags,
    /// It is longer than this node takes.
    #[error("it has {size} bytes, {max} are the most here")]
    Size {
        /// Its size.
        size: u64,
        /// The policy's.
        max: u64,
    },
    /// There is no room.
    #[error("it has {size} bytes, there is room for {room}")]
    Room {
        /// Its size.
        size: u64,
        /// What is free or may be evicted.
        room: u64,
    },
    /// The node lacks what it needs to run.
    #[error("it needs more {what} than there is")]
    Needs {
        /// Which resource.
        what: &'static str,
    },
    /// Nothing forbids it, but not enough speaks for it.
    #[error("its score is {score}, it takes {threshold}")]
    Score {
        /// The weighted mean.
        score: u64,
        /// What the policy asks for.
        threshold: u64,
        /// What it is made of.
        factors: Factor,
    },
}

/// What a node does about an assembly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub enum Decision {
    /// It is cached.
    Cache {
        /// The weighted mean, from 0 to 1,000.
        score: u64,
        /// What it is made of.
        factors: Factor,
    },
    /// It is not.
    Refuse(Refused),
}

/// Decides about an announcement.
pub fn decide(announcement: &Announcement, policy: &Policy, local: &Local) -> Decision {
    match forbidden(announcement, policy, local) {
        Some(refused) => Decision::Refuse(refused),
        None => weigh(announcement, policy, local),
    }
}

fn forbidden(announcement: &Announcement, policy: &Policy, local: &Local) -> Option<Refused> {
    let Announcement { tags, groups, content, needs, .. } = announcement;
    if !groups.is_empty() && !groups.iter().any(|group| policy.groups.contains(group)) {
        return Some(Refused::Groups);
    }
    if let Some(tag) = tags.iter().find(|tag| policy.refuse_tags.contains(tag)) {
        return Some(Refused::Tag { tag: tag.clone() });
    }
    let of_interest = policy.tags.is_empty() || tags.iter().any(|tag| policy.tags.contains(tag));
    if !of_interest && !local.is_ordered {
        return Some(Refused::Tags);
    }
    if content.size > policy.size_max {
        return Some(Refused::Size { size: content.size, max: policy.size_max });
    }
    if let Some(what) = lacking(needs, local) {
        return Some(Refused::Needs { what });
    }
    (content.size > local.room).then_some(Refused::Room { size: content.size, room: local.room })
}

fn lacking(needs: &Needs, local: &Local) -> Option<&'static str> {
    if needs.cpu_milli > local.cpu_milli {
        Some("processor time")
    } else if needs.memory > local.memory {
        Some("memory")
    } else if needs.gpus > local.gpus {
        Some("graphics processors")
    } else {
        None
    }
}

fn weigh(announcement: &Announcement, policy: &Policy, local: &Local) -> Decision {
    let factors = Factor {
        relevance: relevance(&announcement.tags, policy, local.is_ordered),
        room: room(announcement.content.size, local.room),
        need: need(announcement.replication, local.copies),
        nearness: nearness(local.distance),
    };
    let parts = [
        (policy.weight_relevance, factors.relevance),
        (policy.weight_room, factors.room),
        (policy.weight_need, factors.need),
        (policy.weight_nearness, factors.nearness),
    ];
    let (mut sum, mut weights) = (0_u64, 0_u64);
    for (weight, factor) in parts {
        let weight = u64::from(weight);
        sum = sum.saturating_add(weight.saturating_mul(factor));
        weights = weights.saturating_add(weight);
    }
    // A policy without weights takes whatever is not forbidden.
    let score = sum.checked_div(weights).unwrap_or(FULL);
    let threshold = u64::from(policy.threshold);
    if score >= threshold {
        Decision::Cache { score, factors }
    } else {
        Decision::Refuse(Refused::Score { score, threshold, factors })
    }
}

/// How much of an assembly's subjects are the node's.
pub fn relevance(tags: &[String], policy: &Policy, is_ordered: bool) -> u64 {
    if is_ordered {
        return FULL;
    }
    // A node without wishes finds everything half as good as what somebody wishes for.
    if policy.tags.is_empty() {
        return FULL / 2;
    }
    let common = tags.iter().filter(|tag| policy.tags.contains(tag)).count() as u64;
    share(common, tags.len() as u64)
}

/// How little of the room it takes.
pub fn room(size: u64, room: u64) -> u64 {
    share(room.saturating_sub(size), room)
}

/// How much of the wished for copies is missing.
pub fn need(target: u32, copies: u32) -> u64 {
    share(u64::from(target.saturating_sub(copies)), u64::from(target))
}

/// How near the node's id is to the content's.
pub fn nearness(distance: u64) -> u64 {
    share(u64::MAX.saturating_sub(distance), u64::MAX)
}

/// `part` of `whole` in thousandths; 0 of nothing.
fn share(part: u64, whole: u64) -> u64 {
    let scaled = u128::from(part.min(whole)).saturating_mul(u128::from(FULL));
    let share = scaled.checked_div(u128::from(whole)).unwrap_or_default();
    u64::try_from(share).unwrap_or(FULL)
}
