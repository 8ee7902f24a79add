//! What is asked for, and what came of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use girrona_assembly::{
    Cid, Permissions,
    message::payload::Limits,
    run::{End, Outcome},
};
use sha2::{Digest, Sha256};

use crate::{artefact::Artefact, tree::Tree};

/// Whose turn it is: callers take turns, however much each of them asks for. The node chooses what
/// it is; the account hash of a requester, say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller(pub [u8; 32]);

/// One execution.
///
/// A result follows from everything here but `caller` and `deadline`: any node gets the same, unless
/// the network is allowed.
#[derive(Clone, Debug)]
pub struct Job {
    /// What [`crate::Runner::compile`] made of the entry point's file.
    pub artefact: Artefact,
    /// What to call: an exported function of this name that takes nothing, or else the program
    /// itself (`_start` of a module, `wasi:cli/run` of a component). Argument 0 too.
    pub entry: String,
    /// Arguments after the name.
    pub args: Vec<String>,
    /// Standard input.
    pub stdin: Bytes,
    /// The whole environment; nothing of the node's is in it.
    pub env: Vec<(String, String)>,
    /// Files that can be read under `/app`.
    pub input: Tree,
    /// What it may use. A node that wants to give less declines: another limit is another result.
    pub limits: Limits,
    /// What it may reach, after manifest, request and node have narrowed it.
    pub permissions: Permissions,
    /// Where randomness comes from.
    pub seed: [u8; 32],
    /// What the clock shows at the start, in milliseconds since 1970.
    pub time_ms: u64,
    /// Whose turn it takes.
    pub caller: Caller,
    /// When nobody wants the result any more, waiting included.
    pub deadline: Option<Instant>,
}

/// What an execution left behind.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// Standard output, up to the limit.
    pub stdout: Bytes,
    /// Standard error, up to the limit.
    pub stderr: Bytes,
    /// Files that it left under `/out`, by path from there, in order. Empty folders are not kept.
    pub output: BTreeMap<String, Bytes>,
    /// What it used of its fuel.
    pub fuel: u64,
    /// The most bytes that its memories had.
    pub memory: u64,
    /// From its turn to its end.
    pub elapsed: Duration,
    /// Until its turn.
    pub waited: Duration,
    /// What the sandbox says about a trap or a fault, for people. Never compared.
    pub detail: Option<String>,
}

impl Finished {
    /// What a receipt says of it, with the root that [`Finished::output`] has as a directory.
    pub fn outcome(&self, output: Option<Cid>) -> Outcome {
        Outcome { end: self.end, stdout: Sha256::digest(&self.stdout).into(), output }
    }
}
