//! What seeds came to, for people to read.

use std::{collections::BTreeMap, fmt};

use crate::{disk::Write, oracles::Violation, plan::Millis, spoil::Ill};

/// How one seed went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// The first thing that an oracle found.
    pub violation: Option<Violation>,
    /// What happened.
    pub totals: Totals,
    /// A hash over everything that every node did; the same on every replay.
    pub trace: u64,
}

/// What happened in one seed, or in many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Seeds played.
    pub seeds: u64,
    /// Seeds in which an oracle fired, with what it found.
    pub failed: Vec<(u64, Violation)>,
    /// Blocks decided, each counted once.
    pub blocks: u64,
    /// Blocks that nodes got by catching up.
    pub synced: u64,
    /// Blocks decided after the first round.
    pub late_rounds: u64,
    /// The highest round in which a block was decided.
    pub round_max: u64,
    /// Deploys that people sent, each counted once per node it was sent to.
    pub sent: u64,
    /// Of those, refused at once.
    pub refused: u64,
    /// Deploys that nodes accepted, each counted once per node.
    pub accepted: u64,
    /// Deploys executed with success, each counted once.
    pub executed: u64,
    /// Deploys executed without, each counted once.
    pub failed_deploys: u64,
    /// As above, for adding up.
    pub(crate) failed: u64,
    /// How they failed.
    pub failures: BTreeMap<String, u64>,
    /// Deploys that expired, each counted once per node.
    pub expired: u64,
    /// Deaths in the middle of a durable write, by kind of write.
    pub deaths: BTreeMap<Write, u64>,
    /// Deaths between two inputs.
    pub power_offs: u64,
    /// Starts after the first.
    pub restarts: u64,
    /// Nodes that joined late with an empty disk.
    pub late_joins: u64,
    /// Partitions.
    pub partitions: u64,
    /// Connections made.
    pub connections: u64,
    /// Contradictions that liars signed.
    pub equivocations: u64,
    /// Evidence in blocks.
    pub evidence: u64,
    /// Proposals that must not be decided, by fault.
    pub ills: BTreeMap<Ill, u64>,
    /// Messages sent.
    pub messages: u64,
    /// Of those, lost.
    pub lost: u64,
    /// Inputs that nodes handled.
    pub inputs: u64,
    /// Times that an oracle looked at a block, a state or a network.
    pub checks: u64,
    /// Virtual time that passed.
    pub virtual_millis: Millis,
    /// The longest time without a new block once faults were over.
    pub stall_max: Millis,
    /// The longest time that a node was behind once faults were over.
    pub lag_max: Millis,
    /// The most requests that a node had under way.
    pub requests_max: u64,
    /// The most deploys that waited on a node.
    pub waiting_max: u64,
}
