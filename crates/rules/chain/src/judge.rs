//! Whether another leader's proposal may become the next block.
//!
//! Everything is looked at before a vote: hash, parent, certificate, deploys with their
//! approvals, times, duplicates, limits, funds and code. A proposal from the near future is not
//! judged but waited for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use casper_types::{AsymmetricType, Deploy, DeployHash, Signature, Timestamp, bytesrepr::ToBytes};
use girrona_consensus::{verify_certificate, verify_equivocation};
use girrona_exec::Signed;
use girrona_state::BlockState;
use girrona_types::{Equivocation, Height, Proposal, ProposalHash, SignedDeploy, deploy};
use thiserror::Error;

use crate::{
    buffer::Room,
    chain::{Chain, Fatal, Output, Peer, Timer, Verdict},
    disk::{Disk, Fate, Phase},
    funds::Funds,
    message::{Request, SignedProposal},
    propose::EVIDENCE_MAX,
};

/// Proposals of one leader that are kept for one height, unless consensus asks for more.
const HELD_PER_PROPOSER: usize = 3;
/// Proposals of later heights that are kept; when full, the oldest goes (it can be asked for).
const EARLY_MAX: usize = 8;
/// How far ahead of the tip a kept proposal may be.
const EARLY_HEIGHTS: u64 = 3;
/// Deploys asked for in one request.
pub(crate) const DEPLOYS_PER_REQUEST: usize = 1_000;

/// A proposal of the height after the tip.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) proposal: Arc<Proposal>,
    /// The proposer's signature, unless the proposal was fetched by its hash.
    pub(crate) signature: Option<Signature>,
    /// Deploys that are not here yet.
    pub(crate) missing: BTreeSet<DeployHash>,
    /// Deploys that came for this proposal alone.
    pub(crate) bodies: BTreeMap<DeployHash, Arc<Deploy>>,
    /// What was found when it was judged.
    pub(crate) verdict: Option<bool>,
}

impl Held {
    /// A proposal of our own, which is valid.
    pub(crate) fn own(proposal: Proposal) -> Self {
        Self {
            proposal: Arc::new(proposal),
            signature: None,
            missing: BTreeSet::new(),
            bodies: BTreeMap::new(),
            verdict: Some(true),
        }
    }
}

/// Why a proposal may not become a block.
#[derive(Debug, Error)]
pub enum Invalid {
    /// It is for another place in the chain.
    #[error("it does not follow the tip: {0}")]
    Place(&'static str),
    /// Its certificate of the height before does not hold.
    #[error("its last commit: {0}")]
    LastCommit(String),
    /// The leader's seed signature does not hold.
    #[error("its seed signature is not its proposer's")]
    Seed,
    /// Its evidence does not hold.
    #[error("its evidence: {0}")]
    Evidence(String),
    /// It holds more than a block may.
    #[error("deploy {0} is over the block's limits")]
    Limits(DeployHash),
    /// A deploy is there twice, or was executed before.
    #[error("deploy {0} is a duplicate")]
    Duplicate(DeployHash),
    /// An approval of a deploy is there twice.
    #[error("deploy {0} has an approval twice")]
    Approvals(DeployHash),
    /// A deploy is in the wrong list.
    #[error("deploy {0} is in the wrong list")]
    List(DeployHash),
    /// A deploy is faulty in itself.
    #[error("deploy {0}: {1}")]
    Deploy(DeployHash, deploy::Fault),
    /// A deploy's time is not now.
    #[error("deploy {0} is not alive at the proposal's time")]
    Time(DeployHash),
    /// A deploy waits for others.
    #[error("deploy {0} waits for another that was not executed")]
    Dependency(DeployHash),
    /// A deploy's account or code will not do.
    #[error("deploy {0}: {1}")]
    State(DeployHash, String),
}

/// What came of judging.
enum Judgement {
    Valid,
    Invalid(Invalid),
    /// Its time comes after this much.
    Early(Duration),
}

impl<D: Disk> Chain<D> {
    /// A proposal came from a peer.
    pub(crate) fn on_proposal(
        &mut self,
        from: Peer,
        signed: SignedProposal,
        ticket: Option<u64>,
        now: Timestamp,
    ) -> Result<(), Fatal> {
        let verdict = self.weigh_proposal(&signed)?;
        if let Some(ticket) = ticket {
            self.outputs.push(Output::Judged { ticket, verdict });
        } else if verdict == Verdict::Reject {
            self.outputs.push(Output::Blame { peer: from, reason: "bad proposal" });
        }
        if verdict != Verdict::Accept {
            return Ok(());
        }
        let next = self.tip.height.next();
        let height = signed.proposal.height;
        if height > next || self.step.is_some() {
            self.sync.saw(from, height.previous().unwrap_or_default());
            if self.early.len() >= EARLY_MAX {
                self.early.pop_front();
            }
            self.early.push_back((from, signed));
            return Ok(());
        }
        let hash = signed.proposal.hash();
        let theirs = |held: &&Held| held.proposal.proposer == signed.proposal.proposer;
        let wanted = self.wanted.contains_key(&hash);
        if !wanted && self.held.values().filter(theirs).count() >= HELD_PER_PROPOSER {
            return Ok(());
        }
        self.hold(hash, signed.proposal, Some(signed.signature), Some(from), now)
    }

    /// Whether a proposal is worth passing on: of this network and time, and its proposer's.
    fn weigh_proposal(&mut self, signed: &SignedProposal) -> Result<Verdict, Fatal> {
        let proposal = &signed.proposal;
        if proposal.network != self.network
            || proposal.evidence.len() > EVIDENCE_MAX
            || !self.fits_a_block(proposal)
        {
            return Ok(Verdict::Reject);
        }
        let next = self.tip.height.next();
        if proposal.height < next || proposal.height.0 > next.0.saturating_add(EARLY_HEIGHTS) {
            return Ok(Verdict::Ignore);
        }
        // Who votes in an era that is not settled here is nobody's fault.
        let Some(validators) = self.validators_at(proposal.height)? else {
            return Ok(Verdict::Ignore);
        };
        let message = SignedProposal::message(&self.network, &proposal.hash());
        let good = validators.weight(&proposal.proposer).is_some()
            && self.scheme.verify(&message, &signed.signature, &proposal.proposer);
        Ok(if good { Verdict::Accept } else { Verdict::Reject })
    }

    /// Whether a proposal lists no more deploys than a block may hold; for one that lists more,
    /// nothing is remembered and nothing is asked for.
    pub(crate) fn fits_a_block(&self, proposal: &Proposal) -> bool {
        let limits = &self.law.deploys;
        proposal.deploys.len() <= limits.block_max_deploy_count as usize
            && proposal.transfers.len() <= limits.block_max_transfer_count as usize
    }

    /// Keeps a proposal of the height after the tip and asks for what it lacks.
    pub(crate) fn hold(
        &mut self,
        hash: ProposalHash,
        proposal: Proposal,
        signature: Option<Signature>,
        from: Option<Peer>,
        now: Timestamp,
    ) -> Result<(), Fatal> {
        if let Some(held) = self.held.get_mut(&hash) {
            held.signature = held.signature.or(signature);
            return Ok(());
        }
        let mut missing = BTreeSet::new();
        let mut hashes = Vec::new();
        for deploy in proposal.all_deploys() {
            hashes.push(deploy.hash);
            if self.find_deploy(&deploy.hash)?.is_none() {
                missing.insert(deploy.hash);
            }
        }
        self.note_all(hashes.clone(), Phase::Proposed, now);
        self.note_all(hashes, Phase::BlockGossiped, now);
        let held = Held {
            proposal: Arc::new(proposal),
            signature,
            missing,
            bodies: BTreeMap::new(),
            verdict: None,
        };
        // A block that was fetched brings its bodies itself.
        if from.is_some() {
            self.ask_for_bodies(from, held.missing.iter().copied().collect());
        }
        self.held.insert(hash, held);
        self.judge_wanted(now)?;
        self.apply_decided(now)
    }

    /// Asks a peer, or any, for deploys.
    pub(crate) fn ask_for_bodies(&mut self, from: Option<Peer>, missing: Vec<DeployHash>) {
        for part in missing.chunks(DEPLOYS_PER_REQUEST) {
            let hashes = part.iter().map(crate::message::raw).collect();
            self.request_from(from, Request::Deploys(hashes));
        }
    }

    /// Deploys came that a held proposal may lack.
    pub(crate) fn on_bodies(
        &mut self,
        deploys: Vec<Arc<Deploy>>,
        now: Timestamp,
    ) -> Result<(), Fatal> {
        for deploy in deploys {
            let hash = *deploy.hash();
            for held in self.held.values_mut() {
                if held.missing.remove(&hash) {
                    held.bodies.insert(hash, Arc::clone(&deploy));
                }
            }
        }
        self.judge_wanted(now)?;
        self.apply_decided(now)
    }

    /// Takes up proposals that came before their height began.
    pub(crate) fn adopt_early(&mut self, now: Timestamp) -> Result<(), Fatal> {
        for (from, signed) in std::mem::take(&mut self.early) {
            self.on_proposal(from, signed, None, now)?;
        }
        Ok(())
    }

    /// Consensus wants a proposal judged: the verdict if it can be given now.
    pub(crate) fn want(
        &mut self,
        hash: ProposalHash,
        now: Timestamp,
    ) -> Result<Option<bool>, Fatal> {
        if !self.held.contains_key(&hash)
            && let Some(proposal) = self.disk.proposal(&hash)?
        {
            // It was judged before a restart; what it needs is on disk.
            self.held.insert(hash, Held { verdict: None, ..Held::own(proposal.as_ref().clone()) });
        }
        let verdict = self.verdict(&hash, now)?;
        if verdict.is_none() {
            self.wanted.entry(hash).or_insert(now);
        }
        Ok(verdict)
    }

    /// Gives consensus the verdicts that it waits for and that can be given now.
    pub(crate) fn judge_wanted(&mut self, now: Timestamp) -> Result<(), Fatal> {
        let hashes: Vec<_> = self.wanted.keys().copied().collect();
        for proposal in hashes {
            if let Some(valid) = self.verdict(&proposal, now)? {
                self.wanted.remove(&proposal);
                let height = self.tip.height.next();
                self.drive(girrona_consensus::Input::Judged { height, proposal, valid }, now)?;
            }
        }
        Ok(())
    }

    /// Judges a held proposal once all of it is here.
    fn verdict(&mut self, hash: &ProposalHash, now: Timestamp) -> Result<Option<bool>, Fatal> {
        let Some(held) = self.held.get(hash) else { return Ok(None) };
        if held.verdict.is_some() {
            return Ok(held.verdict);
        }
        if !held.missing.is_empty() {
            return Ok(None);
        }
        let proposal = Arc::clone(&held.proposal);
        let bodies = held.bodies.clone();
        let valid = match self.judge(&proposal, &bodies, now)? {
            Judgement::Early(wait) => {
                self.outputs.push(Output::SetTimer(Timer::Ripe, wait));
                return Ok(None);
            }
            Judgement::Valid => {
                for deploy in bodies.values() {
                    self.disk.keep_body(deploy)?;
                }
                self.disk.put_proposal(hash, &proposal)?;
                self.dirty = true;
                true
            }
            Judgement::Invalid(reason) => {
                tracing::warn!(
                    height = %proposal.height, proposer = proposal.proposer.to_hex(), %hash, %reason,
                    "proposal refused"
                );
                false
            }
        };
        if let Some(held) = self.held.get_mut(hash) {
            held.verdict = Some(valid);
        }
        Ok(Some(valid))
    }

    /// All the rules, cheap before expensive.
    fn judge(
        &mut self,
        proposal: &Proposal,
        bodies: &BTreeMap<DeployHash, Arc<Deploy>>,
        now: Timestamp,
    ) -> Result<Judgement, Fatal> {
        if let Err(invalid) = self.judge_frame(proposal) {
            return Ok(Judgement::Invalid(invalid));
        }
        let latest = now.saturating_add(self.law.consensus.max_clock_skew);
        if proposal.timestamp > latest {
            let wait = proposal.timestamp.millis().saturating_sub(latest.millis());
            return Ok(Judgement::Early(Duration::from_millis(wait)));
        }
        match self.judge_deploys(proposal, bodies)? {
            Ok(()) => Ok(Judgement::Valid),
            Err(invalid) => Ok(Judgement::Invalid(invalid)),
        }
    }

    /// What surrounds the deploys.
    fn judge_frame(&self, proposal: &Proposal) -> Result<(), Invalid> {
        let place = |holds: bool, what| if holds { Ok(()) } else { Err(Invalid::Place(what)) };
        place(proposal.network == self.network, "another network")?;
        place(proposal.height == self.tip.height.next(), "another height")?;
        place(proposal.era == self.next_era(), "another era")?;
        place(proposal.parent == self.tip.block, "another parent")?;
        let earliest = self.tip.timestamp.saturating_add(self.law.core.minimum_block_time);
        place(proposal.timestamp >= earliest, "too soon after its parent")?;
        place(self.validators.weight(&proposal.proposer).is_some(), "its proposer has no stake")?;
        self.judge_last_commit(proposal)?;
        let seed = Proposal::seed_message(&self.network, proposal.height, &self.tip.seed);
        if !self.scheme.verify(&seed, &proposal.seed_signature, &proposal.proposer) {
            return Err(Invalid::Seed);
        }
        if proposal.evidence.len() > EVIDENCE_MAX {
            return Err(Invalid::Evidence("too much of it".to_owned()));
        }
        let mut seen = BTreeSet::new();
        for evidence in &proposal.evidence {
            if !seen.insert(&evidence.offender) {
                return Err(Invalid::Evidence("two against one offender".to_owned()));
            }
            if !self.is_news(evidence) {
                let reason = "of another era, or against somebody who was caught before";
                return Err(Invalid::Evidence(reason.to_owned()));
            }
            verify_equivocation(&self.network, evidence, &self.validators, self.scheme.as_ref())
                .map_err(|error| Invalid::Evidence(error.to_string()))?;
        }
        Ok(())
    }

    /// Whether evidence still counts in the next block: it is about this era, whose blocks have
    /// not convicted its offender yet.
    pub(crate) fn is_news(&self, evidence: &Equivocation) -> bool {
        let height = girrona_consensus::inspect(&evidence.first).map(|info| info.height);
        height.is_some_and(|height| self.law.era_of(height) == self.next_era())
            && !self.attendance.caught().contains(&evidence.offender)
    }

    /// The certificate of the height before: any that holds will do.
    fn judge_last_commit(&self, proposal: &Proposal) -> Result<(), Invalid> {
        let wrong = |text: &str| Err(Invalid::LastCommit(text.to_owned()));
        match (&proposal.last_commit, &self.tip.certificate) {
            (None, None) => Ok(()),
            (None, Some(_)) => wrong("missing"),
            (Some(_), None) => wrong("genesis was not voted on"),
            (Some(given), Some(ours)) => {
                if given.height != ours.height || given.proposal != ours.proposal {
                    return wrong("of another decision");
                }
                if given == ours {
                    return Ok(());
                }
                let era = self.law.era_of(self.tip.height);
                let Some(voted) = self.eras.get(era) else { return wrong("nobody voted on it") };
                verify_certificate(&self.network, given, voted, self.scheme.as_ref())
                    .map_err(|error| Invalid::LastCommit(error.to_string()))
            }
        }
    }

    /// The deploys themselves.
    fn judge_deploys(
        &mut self,
        proposal: &Proposal,
        bodies: &BTreeMap<DeployHash, Arc<Deploy>>,
    ) -> Result<Result<(), Invalid>, Fatal> {
        let law = Arc::clone(&self.law);
        let mut room = Room::of(&law.deploys);
        let mut seen = BTreeSet::new();
        let mut code = Vec::new();
        let mut funds = Funds::default();
        let state = BlockState::new(&self.disk);
        let listed = proposal.deploys.iter().map(|deploy| (false, deploy));
        let listed = listed.chain(proposal.transfers.iter().map(|deploy| (true, deploy)));
        for (as_transfer, signed) in listed {
            let hash = signed.hash;
            if !seen.insert(hash) || matches!(self.disk.fate(&hash)?, Some(Fate::Executed(_))) {
                return Ok(Err(Invalid::Duplicate(hash)));
            }
            let known = match bodies.get(&hash) {
                Some(deploy) => Arc::clone(deploy),
                None => self.find_deploy(&hash)?.ok_or_else(|| {
                    Fatal::Broken(format!("deploy {hash} vanished while its proposal was judged"))
                })?,
            };
            // What waits here was checked when it came.
            let checked = self.buffer.get(&hash).is_some();
            let deploy = match with_approvals(&known, signed, checked) {
                Ok(deploy) => deploy,
                Err(fault) => return Ok(Err(Invalid::Deploy(hash, fault))),
            };
            // It would count once, but who leads could make a block as large as it likes with it.
            if deploy.approvals().len() != signed.approvals.len() {
                return Ok(Err(Invalid::Approvals(hash)));
            }
            if deploy.session().is_transfer() != as_transfer {
                return Ok(Err(Invalid::List(hash)));
            }
            let header = deploy.header();
            if header.timestamp() > proposal.timestamp
                || deploy::expires_at(&deploy) < proposal.timestamp
            {
                return Ok(Err(Invalid::Time(hash)));
            }
            if let Err(fault) = deploy::check_form(&deploy, &law, proposal.timestamp) {
                return Ok(Err(Invalid::Deploy(hash, fault)));
            }
            if !self.dependencies_are_met(header.dependencies())? {
                return Ok(Err(Invalid::Dependency(hash)));
            }
            if !room.take(&deploy, deploy.approvals().len(), deploy.serialized_length()) {
                return Ok(Err(Invalid::Limits(hash)));
            }
            let height = self.tip.height;
            if let Err(refusal) = funds
                .take(&Signed::new(&deploy, deploy.approvals()), &state, &law)
                .map_err(|source| Fatal::Admission { height, source })?
            {
                return Ok(Err(Invalid::State(hash, refusal.to_string())));
            }
            // What was good when it came may have lost its code or its rights since.
            if !as_transfer {
                code.push(deploy);
            }
        }
        drop(state);
        for deploy in code {
            if let Err(refusal) = self.admit(&Signed::new(&deploy, deploy.approvals()))? {
                return Ok(Err(Invalid::State(*deploy.hash(), refusal.to_string())));
            }
        }
        Ok(Ok(()))
    }

    /// Whether a deploy is in a proposal of the height in work.
    pub(crate) fn is_in_work(&self, hash: &DeployHash) -> bool {
        self.held
            .values()
            .any(|held| held.proposal.all_deploys().any(|deploy| deploy.hash == *hash))
    }

    /// Asks again for proposals and deploys that consensus waits for.
    pub(crate) fn fetch_missing(&mut self, now: Timestamp) {
        const PATIENCE_MILLIS: u64 = 150;
        let height = self.tip.height.next();
        let mut proposals: Vec<ProposalHash> = Vec::new();
        for (hash, since) in &mut self.wanted {
            if now.millis().saturating_sub(since.millis()) >= PATIENCE_MILLIS {
                *since = now;
                proposals.push(*hash);
            }
        }
        if let Some(decided) = self.decided.as_ref().filter(|decided| decided.height == height)
            && !proposals.contains(&decided.proposal)
        {
            proposals.push(decided.proposal);
        }
        for hash in proposals {
            match self.held.get(&hash) {
                None => self.request_from(None, Request::Proposal(hash)),
                Some(held) => {
                    let missing = held.missing.iter().copied().collect();
                    self.ask_for_bodies(None, missing);
                }
            }
        }
    }

    /// Forgets what belonged to a height that is decided.
    pub(crate) fn clear_height(&mut self, height: Height) {
        for held in std::mem::take(&mut self.held).into_values() {
            for deploy in held.proposal.all_deploys() {
                // What waits here lives on; the rest nobody may ever hear of again.
                if self.buffer.get(&deploy.hash).is_none() {
                    self.phases.remove(&deploy.hash);
                }
            }
        }
        self.wanted.clear();
        self.decided = None;
        self.early.retain(|(_, signed)| signed.proposal.height > height);
    }
}

/// A deploy with the approvals that a proposal gives it; checks signatures only where needed.
pub(crate) fn with_approvals(
    known: &Arc<Deploy>,
    signed: &SignedDeploy,
    checked: bool,
) -> Result<Arc<Deploy>, deploy::Fault> {
    let same = known.approvals().iter().eq(signed.approvals.iter());
    if same && checked {
        return Ok(Arc::clone(known));
    }
    let mut deploy = known.as_ref().clone();
    if !same {
        deploy = deploy.with_approvals(signed.approvals.iter().cloned().collect());
    }
    deploy::check_crypto(&deploy)?;
    Ok(Arc::new(deploy))
}

#[cfg(test)]
mod tests;
