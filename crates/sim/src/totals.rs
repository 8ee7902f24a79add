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
    pub violations: Vec<(u64, Violation)>,
    /// Blocks decided, each counted once.
    pub blocks: u64,
    /// Eras that ended.
    pub eras: u64,
    /// Of those, the ones after which somebody else votes.
    pub elections: u64,
    /// Of those, the ones after which votes weigh otherwise.
    pub reweighted: u64,
    /// Validators that an era's end blames.
    pub evicted: u64,
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
    pub failed: u64,
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
    /// Peers that nodes found at fault.
    pub blames: u64,
}

impl Totals {
    /// Adds the report of one seed.
    pub fn add(&mut self, report: Report) {
        let Report { seed, violation, totals, .. } = report;
        self.violations.extend(violation.map(|violation| (seed, violation)));
        let Self {
            seeds,
            violations: _,
            blocks,
            eras,
            elections,
            reweighted,
            evicted,
            synced,
            late_rounds,
            round_max,
            sent,
            refused,
            accepted,
            executed,
            failed,
            failures,
            expired,
            deaths,
            power_offs,
            restarts,
            late_joins,
            partitions,
            connections,
            equivocations,
            evidence,
            ills,
            messages,
            lost,
            inputs,
            checks,
            virtual_millis,
            stall_max,
            lag_max,
            requests_max,
            waiting_max,
            blames,
        } = totals;
        for (sum, more) in [
            (&mut self.seeds, seeds),
            (&mut self.blocks, blocks),
            (&mut self.eras, eras),
            (&mut self.elections, elections),
            (&mut self.reweighted, reweighted),
            (&mut self.evicted, evicted),
            (&mut self.synced, synced),
            (&mut self.late_rounds, late_rounds),
            (&mut self.sent, sent),
            (&mut self.refused, refused),
            (&mut self.accepted, accepted),
            (&mut self.executed, executed),
            (&mut self.failed, failed),
            (&mut self.expired, expired),
            (&mut self.power_offs, power_offs),
            (&mut self.restarts, restarts),
            (&mut self.late_joins, late_joins),
            (&mut self.partitions, partitions),
            (&mut self.connections, connections),
            (&mut self.equivocations, equivocations),
            (&mut self.evidence, evidence),
            (&mut self.messages, messages),
            (&mut self.lost, lost),
            (&mut self.inputs, inputs),
            (&mut self.checks, checks),
            (&mut self.virtual_millis, virtual_millis),
            (&mut self.blames, blames),
        ] {
            *sum += more;
        }
        for (most, other) in [
            (&mut self.round_max, round_max),
            (&mut self.stall_max, stall_max),
            (&mut self.lag_max, lag_max),
            (&mut self.requests_max, requests_max),
            (&mut self.waiting_max, waiting_max),
        ] {
            *most = (*most).max(other);
        }
        add_all(&mut self.failures, failures);
        add_all(&mut self.deaths, deaths);
        add_all(&mut self.ills, ills);
    }
}

fn add_all<K: Ord>(sum: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (key, count) in more {
        *sum.entry(key).or_default() += count;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seeds          {} ({} failed)", self.seeds, self.violations.len())?;
        writeln!(
            f,
            "blocks         {} decided, {} after the first round (up to round {}), {} fetched by catching up",
            self.blocks, self.late_rounds, self.round_max, self.synced
        )?;
        writeln!(
            f,
            "eras           {} ended, {} elected others, {} weighed them otherwise, {} evictions",
            self.eras, self.elections, self.reweighted, self.evicted
        )?;
        writeln!(
            f,
            "deploys        {} sent, {} refused at once, {} executed, {} failed in {} ways, {} accepted and {} expired on single nodes",
            self.sent,
            self.refused,
            self.executed,
            self.failed,
            self.failures.len(),
            self.accepted,
            self.expired
        )?;
        write!(f, "crashes        {} between inputs", self.power_offs)?;
        for (write, count) in &self.deaths {
            write!(f, ", {count} at {write:?}")?;
        }
        writeln!(f, "; {} restarts, {} late joins", self.restarts, self.late_joins)?;
        writeln!(
            f,
            "network        {} messages, {} lost, {} partitions, {} connections",
            self.messages, self.lost, self.partitions, self.connections
        )?;
        writeln!(
            f,
            "liars          {} contradictions signed, {} pieces of evidence in blocks, {} bad proposals of {} kinds, {} peers blamed",
            self.equivocations,
            self.evidence,
            self.ills.values().sum::<u64>(),
            self.ills.len(),
            self.blames
        )?;
        writeln!(
            f,
            "recovery       at most {} ms without a block, {} ms behind; {} requests under way, {} deploys waiting",
            self.stall_max, self.lag_max, self.requests_max, self.waiting_max
        )?;
        write!(
            f,
            "work           {} inputs, {} checks by {} oracles, {} s of virtual time",
            self.inputs,
            self.checks,
            crate::ORACLES.len(),
            self.virtual_millis / 1_000
        )
    }
}
