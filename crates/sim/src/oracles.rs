//! What must hold whatever happens. Each oracle is a function that names its violation.
//!
//! Oracles see only what nodes say and what is on their disks; they count for themselves and ask
//! no rule of the chain whether it was kept.

mod end;
mod eras;
mod violation;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casper_types::{
    BlockHash, Deploy, DeployHash, Digest, EraId, PublicKey, Timestamp, U512,
    execution::ExecutionResultV1,
};
use girrona_chain::{Disk, MemoryDisk, disk::StoredBlock};
use girrona_consensus::{Message, MessageKind};
use girrona_types::{Chainspec, Height, Proposal, ProposalHash, chainspec::FeeHandling, deploy};

use crate::{
    plan::{Millis, Plan},
    scheme,
    spoil::Ill,
    totals::Totals,
};

pub use violation::Violation;

/// How late a node may say that a deploy has expired: a tick, and the second of grace that a
/// deploy in a proposal gets.
pub(crate) const EXPIRY_SLACK: Millis = 2_000;
/// How long the whole network may stand still once faults are over.
pub(crate) const STALL_MAX: Millis = 40_000;
/// How long a node may be behind the others once faults are over.
pub(crate) const LAG_MAX: Millis = 30_000;
/// How long a deploy may take from one node to all others once faults are over.
pub(crate) const GOSSIP_MAX: Millis = 3_000;
/// Requests that one node may have under way.
pub(crate) const REQUESTS_MAX: usize = 512;
/// Steps of work that one input may cause.
pub(crate) const STEPS_MAX: usize = 10_000;

/// Every oracle, and what it watches.
pub const ORACLES: [(&str, &str); 16] = [
    ("one block per height", "no two nodes ever hold different blocks at one height"),
    (
        "no honest double-sign",
        "no honest validator signs two things for one slot, crashes included",
    ),
    ("equal roots", "the same proposal has the same state root on every node"),
    ("nothing final is lost", "no node has a lower tip after a crash than before"),
    ("supply", "all purses together hold genesis plus minted minus burnt, at every height"),
    (
        "eras",
        "an era's validators are the largest stakes in the state, and nobody else signs for blocks",
    ),
    ("executed once", "no deploy is executed twice"),
    ("executed in time", "no block holds a deploy after, or before, its time"),
    ("every deploy ends", "every accepted deploy is processed or expires, once, in that order"),
    ("expiry in time", "a node says that a deploy has expired after its time, and soon"),
    ("no bad proposal is decided", "nothing of what a hostile leader proposes becomes a block"),
    ("only liars are accused", "evidence in blocks names the equivocator and nobody else"),
    ("gossip reaches everybody", "once faults are over, what one node accepts all nodes hold"),
    ("finality", "every living validator's signature of a late block is on every living node"),
    ("progress", "once faults are over the chain grows and everybody catches up"),
    ("bounded", "no node asks, waits or works without end, and none stops by itself"),
];

/// One height as the first node that reached it has it.
#[derive(Debug)]
struct Final {
    proposal: ProposalHash,
    block: BlockHash,
    root: Digest,
    /// Motes burnt from genesis up to here.
    burnt: U512,
    /// Motes minted from genesis up to here.
    minted: U512,
}

/// What was seen so far.
#[derive(Debug)]
pub(crate) struct Oracles {
    law: Arc<Chainspec>,
    liar: Option<usize>,
    genesis: U512,
    finals: BTreeMap<Height, Final>,
    executed: BTreeMap<DeployHash, Height>,
    /// Who votes in each era, as blocks name them.
    eras: BTreeMap<EraId, BTreeMap<PublicKey, U512>>,
    /// Up to where each node's blocks were looked at.
    seen: Vec<Option<Height>>,
    signed: BTreeMap<(usize, Height, u32, MessageKind), Vec<u8>>,
    vouched: BTreeMap<(usize, Height), BlockHash>,
    pub(crate) ills: BTreeMap<ProposalHash, Ill>,
    /// Deploys that were accepted somewhere.
    accepted: BTreeSet<DeployHash>,
    /// Of those, the ones that everybody has to hear of, and since when.
    gossiped: BTreeMap<DeployHash, Millis>,
    /// What nodes heard of but could not take in their state.
    refused: BTreeSet<(usize, DeployHash)>,
    /// When the highest tip last grew, and when each node last grew or was level.
    grown: Millis,
    moved: Vec<Millis>,
}

impl Oracles {
    pub(crate) fn new(plan: &Plan) -> Self {
        let accounts = plan.law.accounts.iter();
        let genesis = accounts.fold(U512::zero(), |sum, account| {
            let stake = account.validator.as_ref().map(|validator| validator.bonded_amount);
            sum + account.balance + stake.unwrap_or_default()
        });
        Self {
            law: Arc::clone(&plan.law),
            liar: plan.lies.map(|lies| lies.node),
            genesis,
            finals: BTreeMap::new(),
            executed: BTreeMap::new(),
            eras: BTreeMap::new(),
            seen: vec![None; plan.count()],
            signed: BTreeMap::new(),
            vouched: BTreeMap::new(),
            ills: BTreeMap::new(),
            accepted: BTreeSet::new(),
            gossiped: BTreeMap::new(),
            refused: BTreeSet::new(),
            grown: 0,
            moved: vec![0; plan.count()],
        }
    }

    /// The highest block of all.
    pub(crate) fn height(&self) -> Height {
        self.finals.keys().next_back().copied().unwrap_or_default()
    }

    /// A node has new blocks, or none.
    pub(crate) fn look(
        &mut self,
        node: usize,
        disk: &MemoryDisk,
        now: Millis,
        totals: &mut Totals,
    ) -> Result<(), Violation> {
        let tip = disk.blocks().last().map(|stored| Height(stored.block.height()));
        let Some(tip) = tip else { return Ok(()) };
        if self.seen[node] == Some(tip) {
            return Ok(());
        }
        let from = self.seen[node].map_or(Height::GENESIS, Height::next);
        for height in from.0..=tip.0 {
            if let Ok(Some(stored)) = disk.block(Height(height)) {
                self.look_at(node, &stored, disk, now, totals)?;
                if height == tip.0 && self.law.is_switch_block(tip) {
                    self.era_ended(tip, &stored, disk, totals)?;
                }
            }
        }
        self.supply(tip, disk, totals)?;
        self.seen[node] = Some(tip);
        self.moved[node] = now;
        Ok(())
    }

    fn look_at(
        &mut self,
        node: usize,
        stored: &StoredBlock,
        disk: &MemoryDisk,
        now: Millis,
        totals: &mut Totals,
    ) -> Result<(), Violation> {
        let height = Height(stored.block.height());
        totals.checks += 1;
        let proposal = stored.proposal.as_ref().map(Proposal::hash).unwrap_or_default();
        if self.finals.contains_key(&height) {
            return self.agrees(node, height, proposal, stored);
        }
        let (mut burnt, mut minted) = self
            .finals
            .last_key_value()
            .map_or_else(Default::default, |(_, last)| (last.burnt, last.minted));
        if let (Some(content), Some(certificate)) = (&stored.proposal, &stored.certificate) {
            self.executed_once(height, content)?;
            self.executed_in_time(height, content, disk)?;
            self.not_ill(height, proposal)?;
            self.only_liars(height, content, totals)?;
            self.well_formed(height, content, disk)?;
            self.signed_by_voters(height, certificate)?;
            burnt += self.burnt_in(content, disk, totals);
            let supply = self.genesis + minted - burnt;
            minted += self.minted_in(height, supply, disk)?;
            totals.blocks += 1;
            totals.late_rounds += u64::from(certificate.round.0 > 0);
            totals.round_max = totals.round_max.max(u64::from(certificate.round.0));
        }
        let (block, root) = (*stored.block.hash(), *stored.block.state_root_hash());
        self.finals.insert(height, Final { proposal, block, root, burnt, minted });
        self.named(stored, totals);
        self.grown = now;
        Ok(())
    }

    /// One block per height, and one root per block.
    fn agrees(
        &self,
        node: usize,
        height: Height,
        theirs: ProposalHash,
        stored: &StoredBlock,
    ) -> Result<(), Violation> {
        let Some(ours) = self.finals.get(&height) else { return Ok(()) };
        if ours.proposal != theirs {
            return Err(Violation::Fork { node, height, ours: ours.proposal, theirs });
        }
        let root = *stored.block.state_root_hash();
        if ours.root != root {
            return Err(Violation::Roots { node, height, ours: ours.root, theirs: root });
        }
        if ours.block != *stored.block.hash() {
            let what = "the same proposal and root make another block".to_owned();
            return Err(Violation::BadBlock { height, what });
        }
        Ok(())
    }

    fn executed_once(&mut self, height: Height, proposal: &Proposal) -> Result<(), Violation> {
        for signed in proposal.all_deploys() {
            if let Some(first) = self.executed.insert(signed.hash, height) {
                let hash = signed.hash;
                return Err(Violation::ExecutedTwice { hash, first, again: height });
            }
        }
        Ok(())
    }

    fn executed_in_time(
        &self,
        height: Height,
        proposal: &Proposal,
        disk: &MemoryDisk,
    ) -> Result<(), Violation> {
        for signed in proposal.all_deploys() {
            let deploy = body(disk, &signed.hash, height)?;
            if deploy::expires_at(&deploy) < proposal.timestamp {
                return Err(Violation::ExecutedLate { hash: signed.hash, height });
            }
            if deploy.header().timestamp() > proposal.timestamp {
                let what = format!("deploy {} is from its future", signed.hash);
                return Err(Violation::BadBlock { height, what });
            }
        }
        Ok(())
    }

    fn not_ill(&self, height: Height, proposal: ProposalHash) -> Result<(), Violation> {
        match self.ills.get(&proposal) {
            Some(ill) => Err(Violation::DecidedIll { height, ill: *ill }),
            None => Ok(()),
        }
    }

    fn only_liars(
        &self,
        height: Height,
        proposal: &Proposal,
        totals: &mut Totals,
    ) -> Result<(), Violation> {
        for evidence in &proposal.evidence {
            totals.evidence += 1;
            if self.liar.map(scheme::validator) != Some(evidence.offender.clone()) {
                let offender = evidence.offender.to_string();
                return Err(Violation::FalseAccusation { height, offender });
            }
        }
        Ok(())
    }

    /// Signatures, lists, dependencies and limits.
    fn well_formed(
        &self,
        height: Height,
        proposal: &Proposal,
        disk: &MemoryDisk,
    ) -> Result<(), Violation> {
        let bad = |what: String| Err(Violation::BadBlock { height, what });
        let limits = &self.law.deploys;
        if proposal.transfers.len() > limits.block_max_transfer_count as usize
            || proposal.deploys.len() > limits.block_max_deploy_count as usize
        {
            return bad("it holds too many deploys".to_owned());
        }
        let lists = [(false, &proposal.deploys), (true, &proposal.transfers)];
        for (as_transfer, list) in lists {
            for signed in list {
                let hash = signed.hash;
                let deploy = body(disk, &hash, height)?;
                if deploy.session().is_transfer() != as_transfer {
                    return bad(format!("deploy {hash} is in the wrong list"));
                }
                let approvals = signed.approvals.iter().cloned().collect();
                let deploy = deploy.as_ref().clone().with_approvals(approvals);
                if let Err(fault) = deploy.is_valid() {
                    return bad(format!("deploy {hash}: {fault}"));
                }
                let early = |other: &DeployHash| {
                    self.executed.get(other).is_none_or(|executed| *executed >= height)
                };
                if deploy.header().dependencies().iter().any(early) {
                    return bad(format!("deploy {hash} did not wait for its dependency"));
                }
            }
        }
        Ok(())
    }

    /// What the deploys of a block destroyed: their fees, where fees are burnt.
    fn burnt_in(&self, proposal: &Proposal, disk: &MemoryDisk, totals: &mut Totals) -> U512 {
        let mut burnt = U512::zero();
        for signed in proposal.all_deploys() {
            let Some(executed) = disk.executed(&signed.hash) else { continue };
            let cost = match &executed.result {
                ExecutionResultV1::Success { cost, .. } => {
                    totals.executed += 1;
                    cost
                }
                ExecutionResultV1::Failure { cost, error_message, .. } => {
                    totals.failed += 1;
                    *totals.failures.entry(error_message.clone()).or_default() += 1;
                    cost
                }
            };
            // Gas has price 1 here. Unused payment is always refunded.
            if self.law.core.fee_handling == FeeHandling::Burn {
                burnt += *cost;
            }
        }
        burnt
    }

    /// Every mote is accounted for.
    fn supply(
        &self,
        height: Height,
        disk: &MemoryDisk,
        totals: &mut Totals,
    ) -> Result<(), Violation> {
        totals.checks += 1;
        let text = |error: girrona_exec::Error| Violation::BadBlock {
            height,
            what: format!("its supply cannot be counted: {error}"),
        };
        let held = girrona_exec::total_supply(disk.state().iter()).map_err(text)?;
        let (burnt, minted) = self
            .finals
            .get(&height)
            .map_or_else(Default::default, |last| (last.burnt, last.minted));
        let due = (self.genesis + minted).saturating_sub(burnt);
        if held != due {
            let (held, due) = (Box::new(held), Box::new(due));
            return Err(Violation::Supply { height, held, due });
        }
        let recorded = girrona_exec::recorded_supply(disk).map_err(text)?;
        if recorded != held {
            let (recorded, held) = (Box::new(recorded), Box::new(held));
            return Err(Violation::Recorded { height, recorded, held });
        }
        Ok(())
    }

    /// A node came back. Its blocks have to be there.
    pub(crate) fn came_back(&self, node: usize, disk: &MemoryDisk) -> Result<(), Violation> {
        let Some(had) = self.seen[node] else { return Ok(()) };
        let has = disk.blocks().last().map_or(Height::GENESIS, |last| Height(last.block.height()));
        if has < had { Err(Violation::FinalLost { node, had, has }) } else { Ok(()) }
    }

    /// An honest validator said this.
    pub(crate) fn said(&mut self, node: usize, bytes: &[u8]) -> Result<(), Violation> {
        let Some(info) = girrona_consensus::inspect(bytes) else { return Ok(()) };
        if info.signer != Some(scheme::validator(node)) {
            return Ok(());
        }
        // Without the signature: what is said counts.
        let content = match Message::decode(bytes) {
            Ok(Message::Vote(vote)) => borsh::to_vec(&vote.body).unwrap_or_default(),
            Ok(Message::Propose(propose)) => borsh::to_vec(&propose.body).unwrap_or_default(),
            _ => return Ok(()),
        };
        let (height, round, kind) = (info.height, info.round.0, info.kind);
        let before =
            self.signed.entry((node, height, round, kind)).or_insert_with(|| content.clone());
        if *before != content {
            return Err(Violation::DoubleSign { node, height, round, kind });
        }
        Ok(())
    }

    /// An honest validator vouches for a block that it executed.
    pub(crate) fn vouched(
        &mut self,
        node: usize,
        height: Height,
        block: BlockHash,
    ) -> Result<(), Violation> {
        if *self.vouched.entry((node, height)).or_insert(block) != block {
            return Err(Violation::DoubleFinality { node, height });
        }
        Ok(())
    }

    /// A node, up since `up`, says that a deploy has expired.
    pub(crate) fn expired(
        &self,
        node: usize,
        hash: DeployHash,
        disk: &MemoryDisk,
        said: Timestamp,
        up: Timestamp,
    ) -> Result<(), Violation> {
        let Ok(Some(deploy)) = disk.deploy(&hash) else { return Ok(()) };
        let due = deploy::expires_at(&deploy);
        let latest = due.max(up).millis() + EXPIRY_SLACK;
        if said <= due || said.millis() > latest {
            return Err(Violation::Expiry { node, hash, said, due });
        }
        Ok(())
    }

    /// A deploy was accepted somewhere. If it was for the first time, faults are over, and it
    /// suits everybody, then now everybody has to hear of it.
    pub(crate) fn accepted(&mut self, hash: DeployHash, now: Millis, by_all: bool) {
        if self.accepted.insert(hash) && by_all {
            self.gossiped.insert(hash, now);
        }
    }

    /// A node heard of a deploy that it could not take: its state differs from the sender's.
    pub(crate) fn refused(&mut self, node: usize, hash: DeployHash) {
        self.refused.insert((node, hash));
    }

    /// Whether a node, up since `up`, has heard of everything that was accepted a while ago.
    pub(crate) fn gossip_reaches(
        &self,
        node: usize,
        disk: &MemoryDisk,
        up: Millis,
        now: Millis,
    ) -> Result<(), Violation> {
        for (hash, at) in &self.gossiped {
            let waited = now.saturating_sub(*at);
            let heard = self.refused.contains(&(node, *hash))
                || disk.fate(hash).is_ok_and(|fate| fate.is_some());
            if waited > GOSSIP_MAX && up < *at && !heard {
                return Err(Violation::Unheard { node, hash: *hash, waited });
            }
        }
        Ok(())
    }

    /// What everybody has heard of needs no more looking after.
    pub(crate) fn forget_gossiped(&mut self, now: Millis) {
        self.gossiped.retain(|_, at| now.saturating_sub(*at) <= GOSSIP_MAX);
    }

    /// Once faults are over: is there progress, for everybody? `living` has the tips of nodes that
    /// are up, and since when they are.
    pub(crate) fn progress(
        &mut self,
        living: &[(usize, Height, Millis)],
        calm_from: Millis,
        now: Millis,
        totals: &mut Totals,
    ) -> Result<(), Violation> {
        totals.checks += 1;
        let best = self.height();
        let waited = now.saturating_sub(self.grown.max(calm_from));
        totals.stall_max = totals.stall_max.max(waited);
        if waited > STALL_MAX {
            let tips = living.iter().map(|(_, height, _)| height.0).collect();
            return Err(Violation::Stalled { waited, tips });
        }
        for (node, height, up) in living {
            // A block is on its way for a moment; two are not.
            if height.0 + 1 >= best.0 {
                self.moved[*node] = now;
                continue;
            }
            let waited = now.saturating_sub(self.moved[*node].max(calm_from).max(*up));
            totals.lag_max = totals.lag_max.max(waited);
            if waited > LAG_MAX {
                let (node, height) = (*node, *height);
                return Err(Violation::Laggard { node, height, others: best, waited });
            }
        }
        Ok(())
    }
}

fn body(disk: &MemoryDisk, hash: &DeployHash, height: Height) -> Result<Arc<Deploy>, Violation> {
    match disk.deploy(hash) {
        Ok(Some(deploy)) => Ok(deploy),
        _ => {
            let what = format!("the body of {hash} is not here");
            Err(Violation::BadBlock { height, what })
        }
    }
}
