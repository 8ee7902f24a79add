//! One request that was brought here: who was asked, what came, where that leads.

use std::collections::{BTreeMap, BTreeSet};

use casper_types::PublicKey;
use girrona_assembly::{
    message::{Execution, Payload, Receipt},
    run::{Certificate, Outcome, Tally},
};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::{
    keep::{self, Standing},
    talk::Part,
};

/// Bytes of outputs that are held for one request.
const OUTPUTS_MAX: usize = 16 << 20;
/// How long offers are awaited where only some shall execute, in milliseconds; less, if all known
/// holders made one.
const OFFERS_MS: u64 = 300;

/// A request that was brought here.
#[derive(Debug)]
pub(crate) struct Run {
    pub(super) kept: keep::Result,
    pub(super) tally: Tally,
    pub(super) arrived_ms: u64,
    pub(super) deadline_ms: u64,
    pub(super) time_ms: u64,
    pub(super) n: Option<u16>,
    pub(super) k: u16,
    pub(super) named: usize,
    pub(super) offers: BTreeMap<PublicKey, u32>,
    /// Who was chosen, and when.
    pub(super) ordered: BTreeMap<PublicKey, u64>,
    pub(super) choose_ms: u64,
    /// Declined, or too slow.
    pub(super) out: BTreeSet<PublicKey>,
    pub(super) answered: BTreeSet<PublicKey>,
    pub(super) outputs: BTreeMap<PublicKey, Outputs>,
    outputs_bytes: usize,
    /// Grows with every change that somebody may wait for.
    pub(super) changed: watch::Sender<u64>,
    pub(super) is_over: bool,
    /// Standard error is not awaited any more.
    pub(super) is_late: bool,
    /// Different results that came; more than one is worth a look for evidence.
    pub(super) outcomes: BTreeSet<Outcome>,
}

/// What somebody's program wrote, by place: parts may overtake each other.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pub(super) stdout: BTreeMap<u64, Vec<u8>>,
    pub(super) stderr: BTreeMap<u64, Vec<u8>>,
}

/// Parts without a gap between them.
fn joined(parts: &BTreeMap<u64, Vec<u8>>) -> Vec<u8> {
    let mut whole = Vec::new();
    for (offset, bytes) in parts {
        if *offset == whole.len() as u64 {
            whole.extend_from_slice(bytes);
        }
    }
    whole
}

impl Run {
    pub(super) fn new(kept: keep::Result, tally: Tally, execution: &Execution, now: u64) -> Self {
        Self {
            kept,
            tally,
            arrived_ms: now,
            deadline_ms: execution.deadline_ms,
            time_ms: execution.limits.time_ms,
            n: execution.n,
            k: execution.k,
            named: execution.executors.len(),
            offers: BTreeMap::new(),
            ordered: BTreeMap::new(),
            choose_ms: now.saturating_add(OFFERS_MS),
            out: BTreeSet::new(),
            answered: BTreeSet::new(),
            outputs: BTreeMap::new(),
            outputs_bytes: 0,
            changed: watch::channel(0).0,
            is_over: false,
            is_late: false,
            outcomes: BTreeSet::new(),
        }
    }

    pub(super) fn root(&self) -> Option<girrona_assembly::Cid> {
        match &self.kept.request.body.payload {
            Payload::Execute(execution) => Some(execution.root),
            _ => None,
        }
    }

    /// How many receipts are expected in all.
    pub(super) fn expected(&self, holders: usize) -> usize {
        let out = self.out.len();
        let asked = match (self.named, self.n) {
            (0, None) => holders,
            (0, Some(n)) => usize::from(n).max(self.ordered.len()),
            (named, None) => named,
            (named, Some(n)) => named.min(usize::from(n).max(self.ordered.len())),
        };
        asked.saturating_sub(out).max(self.answered.len())
    }

    /// How many may still come.
    pub(super) fn outstanding(&self, holders: usize, now: u64) -> usize {
        if now >= self.deadline_ms {
            return 0;
        }
        self.expected(holders).saturating_sub(self.answered.len())
    }

    /// Whether everybody who could answer is known and has answered. Where fewer are known than
    /// have to agree, there must be others.
    pub(super) fn all_known(&self, holders: usize) -> bool {
        let known = match (self.named, self.n) {
            (0, None) => holders,
            (0, Some(_)) => self.offers.len(),
            (named, _) => named,
        };
        let enough = usize::from(self.k);
        let came = self.answered.len().saturating_add(self.out.len());
        let asked = self.n.is_some()
            && self.ordered.len() >= enough
            && self.ordered.keys().all(|key| self.answered.contains(key));
        asked || (known >= enough && came >= known)
    }

    pub(super) fn agreed(&mut self, certificate: &Certificate) {
        self.kept.standing = Standing::Agreed;
        self.kept.reason = format!("{} equal receipts", certificate.receipts.len());
        self.kept.certificate = Some(certificate.to_bytes());
    }

    /// What is not what its executor's receipt says is found when it is joined; until then it
    /// only takes a bounded place, and the real part takes it back.
    pub(super) fn take_part(&mut self, part: Part) -> bool {
        let length = part.bytes.len();
        if self.kept.stdout.is_some()
            || self.outputs_bytes.saturating_add(length) > OUTPUTS_MAX
            || self.outputs.len() >= 256
        {
            return false;
        }
        let outputs = self.outputs.entry(part.executor.0).or_default();
        let into = if part.is_stderr { &mut outputs.stderr } else { &mut outputs.stdout };
        let before = into.insert(part.offset, part.bytes).map_or(0, |before| before.len());
        self.outputs_bytes = self.outputs_bytes.saturating_add(length).saturating_sub(before);
        true
    }

    /// Takes the output of anybody who wrote what was agreed on. `true` if it was missing before.
    pub(super) fn find_output(&mut self) -> bool {
        if self.kept.standing != Standing::Agreed || self.kept.stdout.is_some() {
            return false;
        }
        let certificate =
            self.kept.certificate.as_deref().and_then(|bytes| Certificate::from_bytes(bytes).ok());
        let Some(certificate) = certificate else { return false };
        for envelope in &certificate.receipts {
            let Payload::Receipt(Receipt { outcome, stderr, .. }) = &envelope.body.payload else {
                continue;
            };
            let none = Outputs::default();
            let outputs = self.outputs.get(&envelope.body.author).unwrap_or(&none);
            let (out, err) = (joined(&outputs.stdout), joined(&outputs.stderr));
            if <[u8; 32]>::from(Sha256::digest(&out)) != outcome.stdout {
                continue;
            }
            // Nobody agrees on it, so it may come late or never; it is there for people.
            let is_whole = <[u8; 32]>::from(Sha256::digest(&err)) == *stderr;
            if !is_whole && !self.is_late {
                continue;
            }
            self.kept.stderr = if is_whole { err } else { Vec::new() };
            self.kept.stdout = Some(out);
            self.outputs = BTreeMap::new();
            return true;
        }
        false
    }
}
