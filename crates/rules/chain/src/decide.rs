//! From a decision to a block: execute, commit, tell, sign, go on.
//!
//! Three steps, so that whoever owns the clock can tell when consensus was reached from when the
//! deploys were executed. Nothing else is done between them.

use std::{collections::BTreeMap, sync::Arc};

use casper_types::{
    BlockHash, BlockV1, Deploy, DeployHash, Digest, EraEndV1, PublicKey, Timestamp,
    bytesrepr::ToBytes, execution::execution_result_v1::ExecutionEffect,
};
use girrona_exec::{BlockContext, BlockOutcome, EraOutcome, EraReport, Signed};
use girrona_types::{Chainspec, CommitCertificate, Event, Height, Proposal, event::STEP_BYTES_MAX};

use crate::{
    chain::{Chain, Fatal, Output, Tip},
    disk::{Commit, Disk, ExecutedDeploy, Phase},
};

/// What is left to do for a decided height.
#[derive(Debug)]
pub(crate) enum Step {
    /// Execute what was decided.
    Execute(Decided),
    /// Make the executed block the tip.
    Commit(Box<Executed>),
}

/// A decided proposal with its deploys.
#[derive(Debug)]
pub(crate) struct Decided {
    proposal: Arc<Proposal>,
    certificate: CommitCertificate,
    deploys: Vec<Arc<Deploy>>,
}

/// An executed block that is not committed yet.
#[derive(Debug)]
pub(crate) struct Executed {
    decided: Decided,
    /// Present for the last block of an era.
    report: Option<EraReport>,
    outcome: BlockOutcome,
}

impl<D: Disk> Chain<D> {
    /// Consensus decided the height after the tip.
    pub(crate) fn on_decided(
        &mut self,
        certificate: CommitCertificate,
        now: Timestamp,
    ) -> Result<(), Fatal> {
        let hash = certificate.proposal;
        let (proposal, bodies) = match self.held.remove(&hash) {
            Some(held) => (held.proposal, held.bodies),
            None => match self.disk.proposal(&hash)? {
                Some(proposal) => (proposal, BTreeMap::new()),
                None => {
                    return Err(Fatal::Broken(format!("decided proposal {hash} is not here")));
                }
            },
        };
        self.check_parent(&proposal, &certificate)?;
        let mut deploys = Vec::new();
        for signed in proposal.all_deploys() {
            let known = match bodies.get(&signed.hash) {
                Some(deploy) => Arc::clone(deploy),
                None => self.find_deploy(&signed.hash)?.ok_or_else(|| {
                    Fatal::Broken(format!("deploy {} of a decided proposal is gone", signed.hash))
                })?,
            };
            deploys.push(known);
        }
        let hashes = proposal.all_deploys().map(|deploy| deploy.hash).collect();
        self.note_all(hashes, Phase::ConsensusReached, now);
        self.plan_echo(&certificate, now);
        self.step = Some(Step::Execute(Decided { proposal, certificate, deploys }));
        Ok(())
    }

    /// A decided proposal names the block that two thirds executed; ours must be the same.
    pub(crate) fn check_parent(
        &self,
        proposal: &Proposal,
        certificate: &CommitCertificate,
    ) -> Result<(), Fatal> {
        if proposal.height == self.tip.height.next() && proposal.parent != self.tip.block {
            return Err(Fatal::Diverged {
                height: self.tip.height,
                ours: self.tip.block,
                theirs: proposal.parent,
                proposal: certificate.proposal,
            });
        }
        Ok(())
    }

    /// Does the next piece of work that waits for nothing.
    pub(crate) fn carry_on(&mut self, now: Timestamp) -> Result<(), Fatal> {
        match self.step.take() {
            Some(Step::Execute(decided)) => self.execute(decided),
            Some(Step::Commit(executed)) => self.commit(*executed, now),
            None => self.apply_synced(now),
        }
    }

    fn execute(&mut self, decided: Decided) -> Result<(), Fatal> {
        let proposal = Arc::clone(&decided.proposal);
        let report = self.law.is_switch_block(proposal.height).then(|| self.era_report(&proposal));
        let context = BlockContext {
            law: &self.law,
            height: proposal.height,
            time: proposal.timestamp,
            parent: self.tip.block,
            state_root: self.tip.root,
            proposer: &proposal.proposer,
            era_end: report.as_ref(),
        };
        let outcome = girrona_exec::execute_block(
            &context,
            // Two thirds of the validators vouch for the approvals.
            decided
                .deploys
                .iter()
                .zip(proposal.all_deploys())
                .map(|(deploy, signed)| Signed::new(deploy, &signed.approvals)),
            &self.disk,
            self.code.as_mut(),
        )
        .map_err(|source| Fatal::Execute { height: proposal.height, source })?;
        self.step = Some(Step::Commit(Box::new(Executed { decided, report, outcome })));
        Ok(())
    }

    /// What the blocks of the tip's era and this last one of it say about its validators.
    fn era_report(&self, last: &Proposal) -> EraReport {
        let mut attendance = self.attendance.clone();
        attendance.note(last);
        EraReport {
            equivocators: attendance.caught().iter().cloned().collect(),
            inactive: attendance.inactive().cloned().collect(),
        }
    }

    fn commit(&mut self, executed: Executed, now: Timestamp) -> Result<(), Fatal> {
        let Executed { decided, report, outcome } = executed;
        let Decided { proposal, certificate, .. } = decided;
        let height = proposal.height;
        let root = self.disk.root_after(&outcome.changes)?;
        let ended = report.zip(outcome.era.as_ref());
        let end = ended.map(|(report, era)| self.era_end(report, era)).transpose()?;
        let block = self.make_block(&proposal, root, end);
        let block_hash = *block.hash();
        let hashes: Vec<DeployHash> = proposal.all_deploys().map(|deploy| deploy.hash).collect();
        // What came only with its block is accepted with it: every node tells of every deploy.
        let mut unseen = Vec::new();
        for hash in &hashes {
            if self.disk.fate(hash)?.is_none() {
                unseen.push(*hash);
            }
        }
        let mut events: Vec<Event> =
            unseen.iter().map(|hash| Event::DeployAccepted(*hash)).collect();
        self.note_all(unseen, Phase::Received, now);
        self.note_all(hashes.clone(), Phase::Executed, now);
        events.push(Event::BlockAdded(block_hash));
        events.extend(hashes.iter().map(|hash| Event::DeployProcessed(*hash)));
        events.extend(proposal.evidence.iter().map(|evidence| Event::Fault {
            era: proposal.era,
            offender: evidence.offender.clone(),
            timestamp: proposal.timestamp,
        }));
        events.extend(outcome.era.as_ref().map(step));
        let mut deploys = Vec::with_capacity(hashes.len());
        for (signed, (hash, result)) in proposal.all_deploys().zip(outcome.results) {
            if signed.hash != hash {
                return Err(Fatal::Broken(format!("result of {hash} is out of order")));
            }
            let phases = self.phases.remove(&hash).unwrap_or_default();
            let approvals = signed.approvals.clone();
            deploys.push(ExecutedDeploy { hash, approvals, result, phases });
        }
        let ids = self.disk.commit(Commit {
            block: block.clone(),
            proposal: Some(proposal.as_ref().clone()),
            certificate: Some(certificate.clone()),
            deploys,
            changes: outcome.changes,
            records: outcome.records,
            events: events.clone(),
        })?;
        self.dirty = false;
        for (id, event) in ids.into_iter().zip(events) {
            self.outputs.push(Output::Announce(id, event));
        }
        for hash in &hashes {
            self.buffer.remove(hash);
        }
        self.tip = Tip {
            height,
            block: block_hash,
            root,
            timestamp: proposal.timestamp,
            seed: *block.accumulated_seed(),
            certificate: Some(certificate),
        };
        self.sign_block(block_hash, proposal.era)?;
        self.place_signatures(block_hash)?;
        if let Some(era) = &outcome.era {
            self.begin_era(&era.validators)?;
        }
        let led_by = Arc::clone(&self.leaders);
        self.leaders = self.attendance.after(
            &self.law,
            &self.validators,
            height,
            Some(proposal.as_ref()),
            Some(led_by),
            self.tip.seed,
        );
        let mut evidence = std::mem::take(&mut self.evidence);
        evidence.retain(|_, found| self.is_news(found));
        self.evidence = evidence;
        self.begun = false;
        self.clear_height(height);
        self.sync.advanced(height);
        self.outputs.push(Output::Tip(height));
        if self.has_next_synced() {
            self.begin(now)
        } else {
            self.schedule_begin(now);
            Ok(())
        }
    }

    /// What the block that ends an era says of it.
    fn era_end(&self, report: EraReport, era: &EraOutcome) -> Result<EraEndV1, Fatal> {
        let EraReport { equivocators, inactive } = report;
        let next = self.next_era().successor();
        let weights = era.validators.get(&next).cloned();
        let weights = weights
            .ok_or_else(|| Fatal::Broken(format!("the auction names nobody for era {next}")))?;
        let rewards = era.rewards.clone();
        Ok(EraEndV1::new(casper_types::EraReport::new(equivocators, rewards, inactive), weights))
    }

    /// The block that a decided proposal became.
    fn make_block(&self, proposal: &Proposal, root: Digest, era_end: Option<EraEndV1>) -> BlockV1 {
        BlockV1::new(
            proposal.parent,
            self.tip.seed,
            root,
            proposal.random_bit(),
            era_end,
            proposal.timestamp,
            proposal.era,
            proposal.height.0,
            self.law.protocol.version,
            proposal.proposer.clone(),
            proposal.deploys.iter().map(|deploy| deploy.hash).collect(),
            proposal.transfers.iter().map(|deploy| deploy.hash).collect(),
        )
    }
}

/// What the world hears of the end of an era.
fn step(ended: &EraOutcome) -> Event {
    let effect = match ended.effects.serialized_length() {
        0..=STEP_BYTES_MAX => ended.effects.clone(),
        _ => ExecutionEffect::default(),
    };
    Event::Step { era: ended.era, effect }
}

/// The end of era 0, which is genesis alone: its validators are those of the chainspec.
fn genesis_end(law: &Chainspec) -> EraEndV1 {
    let report = casper_types::EraReport::new(Vec::new(), BTreeMap::new(), Vec::new());
    let validators = law.genesis_validators();
    EraEndV1::new(report, validators.map(|(key, motes)| (key.clone(), motes)).collect())
}

/// Makes the genesis block the tip of an empty disk.
pub(crate) fn commit_genesis<D: Disk>(law: &Chainspec, disk: &mut D) -> Result<(), Fatal> {
    let genesis = girrona_exec::genesis(law).map_err(Fatal::Genesis)?;
    let root = disk.root_after(&genesis.changes)?;
    let block = BlockV1::new(
        BlockHash::default(),
        Digest::default(),
        root,
        false,
        Some(genesis_end(law)),
        law.protocol.activation_point,
        law.era_of(Height::GENESIS),
        Height::GENESIS.0,
        law.protocol.version,
        PublicKey::System,
        Vec::new(),
        Vec::new(),
    );
    let events = vec![Event::BlockAdded(*block.hash())];
    disk.commit(Commit {
        block,
        proposal: None,
        certificate: None,
        deploys: Vec::new(),
        changes: genesis.changes,
        records: BTreeMap::new(),
        events,
    })?;
    Ok(())
}
