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
    pub(super) named: BTreeSet<PublicKey>,
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
    /// The node was started again since it was brought: what was said meanwhile is asked for.
    pub(super) is_recalled: bool,
    /// When that is to be asked for next.
    pub(super) again_ms: u64,
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
            named: execution.executors.iter().map(|key| key.0.clone()).collect(),
            offers: BTreeMap::new(),
            ordered: BTreeMap::new(),
            choose_ms: now.saturating_add(OFFERS_MS),
            out: BTreeSet::new(),
            answered: BTreeSet::new(),
            outputs: BTreeMap::new(),
            outputs_bytes: 0,
            changed: watch::channel(0).0,
            is_over: false,
            is_recalled: false,
            again_ms: 0,
            is_late: false,
            outcomes: BTreeSet::new(),
        }
    }

    /// Whether a result, or what belongs to it, may still come.
    pub(super) fn is_open(&self) -> bool {
        match self.kept.standing {
            Standing::Waiting => true,
            Standing::Agreed => self.kept.stdout.is_none(),
            Standing::Split | Standing::Failed | Standing::Cancelled => false,
        }
    }

    pub(super) fn root(&self) -> Option<girrona_assembly::Cid> {
        match &self.kept.request.body.payload {
            Payload::Execute(execution) => Some(execution.root),
            _ => None,
        }
    }

    /// Who is awaited: those who are named, or known to hold it, or were chosen. What strangers
    /// sign counts, but nobody waits for them.
    fn awaited<'a>(&'a self, holders: &'a BTreeSet<PublicKey>) -> Vec<&'a PublicKey> {
        let is_open = |key: &&PublicKey| !self.answered.contains(*key) && !self.out.contains(*key);
        match (self.is_direct(), self.named.is_empty()) {
            (true, true) => holders.iter().filter(is_open).collect(),
            (true, false) => self.named.iter().filter(is_open).collect(),
            (false, _) => self.ordered.keys().filter(is_open).collect(),
        }
    }

    /// Whether it is executed without being offered for.
    fn is_direct(&self) -> bool {
        let fits = |n: u16| !self.named.is_empty() && self.named.len() <= n.into();
        self.n.is_none_or(fits)
    }

    /// How many of those who were chosen are not out.
    fn chosen(&self) -> usize {
        self.ordered.keys().filter(|key| !self.out.contains(*key)).count()
    }

    /// How many more are to be chosen.
    pub(super) fn lacking(&self) -> u16 {
        let chosen = u16::try_from(self.chosen()).unwrap_or(u16::MAX);
        self.n.unwrap_or_default().saturating_sub(chosen)
    }

    /// How many receipts may still come.
    pub(super) fn outstanding(&self, holders: &BTreeSet<PublicKey>, now: u64) -> usize {
        if now >= self.deadline_ms {
            return 0;
        }
        let unchosen = match self.n {
            Some(n) if !self.is_direct() => usize::from(n).saturating_sub(self.chosen()),
            _ => 0,
        };
        self.awaited(holders).len().saturating_add(unchosen)
    }

    /// Whether everybody who could answer is known and has answered. Where fewer are known than
    /// have to agree, there must be others.
    pub(super) fn all_known(&self, holders: &BTreeSet<PublicKey>) -> bool {
        let known = match (self.is_direct(), self.named.is_empty()) {
            (true, true) => holders.len(),
            (true, false) => self.named.len(),
            (false, _) => self.ordered.len(),
        };
        let is_chosen = match self.n {
            Some(n) if !self.is_direct() => {
                let spare =
                    |key: &PublicKey| !self.ordered.contains_key(key) && !self.out.contains(key);
                self.chosen() >= usize::from(n) || !self.offers.keys().any(spare)
            }
            _ => true,
        };
        known >= usize::from(self.k) && is_chosen && self.awaited(holders).is_empty()
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

#[cfg(test)]
mod tests {
    use super::*;
    use casper_types::SecretKey;
    use girrona_assembly::{
        Cid, Permissions,
        content::Codec,
        message::{envelope, payload::Limits},
    };
    use girrona_types::NetworkId;

    fn key(seed: u8) -> SecretKey {
        SecretKey::ed25519_from_bytes([seed; 32]).unwrap()
    }

    fn public(seed: u8) -> PublicKey {
        PublicKey::from(&key(seed))
    }

    fn run(n: Option<u16>, k: u16) -> Run {
        let network = NetworkId([1; 32]);
        let execution = Execution {
            salt: [0; 32],
            root: Cid::of(Codec::Raw, b"x"),
            entry: "main".to_owned(),
            args: Vec::new(),
            stdin: Vec::new(),
            env: Vec::new(),
            n,
            k,
            executors: Vec::new(),
            limits: Limits::default(),
            permissions: Permissions::default(),
            deadline_ms: 2_000,
            reply: Vec::new(),
        };
        let body = envelope::Body {
            version: envelope::VERSION,
            network,
            author: public(99),
            nonce: 1,
            created_ms: 1_000,
            expires_ms: 3_000,
            payload: Payload::Execute(execution.clone()),
        };
        let request = body.sign(&key(99));
        let tally = Tally::new(request.clone(), network).unwrap();
        Run::new(keep::Result::new(request, true, String::new()), tally, &execution, 1_000)
    }

    #[test]
    fn a_stranger_who_answers_first_does_not_stand_in_for_a_holder() {
        let mut run = run(None, 3);
        let holders: BTreeSet<PublicKey> = (1..=3).map(public).collect();
        run.answered.extend([public(1), public(2), public(50)]);
        assert_eq!(run.outstanding(&holders, 1_500), 1);
        assert!(!run.all_known(&holders));
        run.answered.insert(public(3));
        assert_eq!(run.outstanding(&holders, 1_500), 0);
        assert!(run.all_known(&holders));
        // With fewer known than have to agree, others are waited for until the deadline.
        let two: BTreeSet<PublicKey> = (1..=2).map(public).collect();
        assert!(!run.all_known(&two));
        assert_eq!(run.outstanding(&two, 2_000), 0);
    }

    #[test]
    fn where_some_are_chosen_the_chosen_are_awaited_and_who_is_out_is_replaced() {
        let mut run = run(Some(2), 2);
        let holders: BTreeSet<PublicKey> = (1..=3).map(public).collect();
        assert_eq!(run.outstanding(&holders, 1_500), 2);
        run.offers.extend((1..=3).map(|seed| (public(seed), 500)));
        run.ordered.extend([(public(1), 1_100), (public(2), 1_100)]);
        run.answered.insert(public(1));
        assert_eq!(run.outstanding(&holders, 1_500), 1);
        run.out.insert(public(2));
        assert_eq!(run.outstanding(&holders, 1_500), 1);
        assert!(!run.all_known(&holders), "the third may still be chosen");
        run.ordered.insert(public(3), 1_200);
        assert!(!run.all_known(&holders));
        run.answered.insert(public(3));
        assert!(run.all_known(&holders));
    }
}
