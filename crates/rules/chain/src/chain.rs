//! One node's brain: inputs go in, outputs come out in the order in which they must be done.
//!
//! Start at [`Chain::handle`]. Each kind of work has its own file: [`crate::accept`],
//! `propose`, `judge`, `decide`, `finality`, `sync`; all of them work on the one [`Chain`].

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use casper_types::{BlockHash, Deploy, DeployHash, Digest, EraId, PublicKey, Timestamp};
use girrona_consensus::{
    Bft, BftConfig, Consensus, Leaders, Scheme, Solo, Timeouts, TimerId, Validators,
};
use girrona_exec::CodeSource;
use girrona_types::{
    Chainspec, CommitCertificate, Equivocation, Event, EventId, FinalitySignature, Height,
    NetworkId, ProposalHash,
};
use thiserror::Error;

use crate::{
    accept::{Accepted, Incoming, Refusal},
    attendance::Attendance,
    buffer::Buffer,
    decide::Step,
    disk::{Disk, DiskError, Phase, Phases},
    eras::{Eras, is_alone},
    finality::Unsigned,
    judge::Held,
    message::{Direct, Gossip, Request, Response, SignedProposal},
    sync::Sync,
};

/// Another node, by a number that its owner gave it for the time of one connection.
pub type Peer = u64;

/// How often slow things are looked at.
const TICK: Duration = Duration::from_millis(200);

/// Signs for this node and verifies everybody, from any thread.
pub type SharedScheme = Arc<dyn Scheme + Send + std::marker::Sync>;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The node starts. First input, once.
    Start,
    /// Deploys that passed [`crate::accept::check`].
    Deploys(Vec<Incoming>),
    /// A proposal came, from gossip or directly.
    Proposal {
        /// From whom.
        from: Peer,
        /// What.
        signed: Box<SignedProposal>,
        /// Comes back with a [`Output::Judged`] when it was gossip.
        ticket: Option<u64>,
    },
    /// A consensus message came.
    Vote {
        /// From whom.
        from: Peer,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Somebody says that a height was decided.
    Commit {
        /// From whom.
        from: Peer,
        /// The proof.
        certificate: CommitCertificate,
        /// As above.
        ticket: Option<u64>,
    },
    /// A finality signature came.
    Finality {
        /// The signature.
        signature: FinalitySignature,
        /// As above.
        ticket: Option<u64>,
    },
    /// A connection stands.
    Connected(Peer),
    /// It is gone.
    Disconnected(Peer),
    /// The answer to a [`Output::Request`]; `None` when there will be none.
    Answer {
        /// As asked.
        id: RequestId,
        /// What came.
        response: Option<Response>,
    },
    /// A timer ran out.
    Timer(Timer),
    /// There is work left: see [`Chain::has_work`].
    Continue,
}

/// What the owner has to do, in order.
#[derive(Debug)]
pub enum Output {
    /// Tell every node.
    Gossip(Gossip),
    /// Tell every validator, directly where there is a connection.
    Validators(Direct),
    /// Ask a peer; answer with [`Input::Answer`] in any case.
    Request {
        /// Comes back with the answer.
        id: RequestId,
        /// Whom.
        peer: Peer,
        /// What.
        request: Request,
    },
    /// Check these deploys of a peer and bring the good ones as [`Input::Deploys`].
    Check {
        /// Who sent them.
        peer: Peer,
        /// Their bytes.
        deploys: Vec<Vec<u8>>,
    },
    /// Give [`Input::Timer`] after this time; replaces a running timer of the same name.
    SetTimer(Timer, Duration),
    /// Forget this timer.
    CancelTimer(Timer),
    /// Forget all timers of consensus.
    CancelConsensusTimers,
    /// A stored event, for whoever listens.
    Announce(EventId, Event),
    /// Deploys reached a phase.
    Reached(Phase, Timestamp, Vec<DeployHash>),
    /// The verdict on an [`Incoming`] deploy.
    Verdict {
        /// As given.
        ticket: u64,
        /// What became of it.
        verdict: Result<Accepted, Refusal>,
    },
    /// The verdict on something gossiped.
    Judged {
        /// As given.
        ticket: u64,
        /// Whether to pass it on, and whether its sender is to blame.
        verdict: Verdict,
    },
    /// A peer broke the rules.
    Blame {
        /// Who.
        peer: Peer,
        /// How.
        reason: &'static str,
    },
    /// A new block is the tip.
    Tip(Height),
    /// An era begins: these validators vote from the next height on.
    Electorate(Validators),
}

/// What becomes of a gossiped message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Accept,
    /// Drop it; nobody is to blame.
    Ignore,
    /// Drop it; the sender is to blame.
    Reject,
}

/// Names a request.
pub type RequestId = u64;

/// Names a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The next height may begin.
    Begin,
    /// One of consensus.
    Consensus(TimerId),
    /// A proposal from the near future has come of age.
    Ripe,
    /// Slow things.
    Tick,
}

/// Why a node has to stop.
#[derive(Debug, Error)]
pub enum Fatal {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A deploy could not be judged.
    #[error("judge a deploy on the state of block {height}")]
    Admission {
        /// Which block's state.
        height: Height,
        /// Why not.
        #[source]
        source: girrona_exec::Error,
    },
    /// Execution could not be carried out.
    #[error("execute block {height}")]
    Execute {
        /// Which block.
        height: Height,
        /// Why.
        #[source]
        source: girrona_exec::Error,
    },
    /// The chainspec makes no genesis.
    #[error("make the genesis block")]
    Genesis(#[source] girrona_exec::Error),
    /// The state does not say who votes.
    #[error("read from the state who votes")]
    Electorate(#[source] girrona_exec::Error),
    /// The validators of an era cannot agree on anything.
    #[error("the validators of an era: {0}")]
    Validators(String),
    /// Two thirds of the validators executed the last block with another result.
    #[error(
        "this node executed block {height} as {ours}, but validators decided proposal {proposal} \
         on top of {theirs}; its state is not to be trusted: stop, keep the data folder as \
         evidence, and sync a fresh one"
    )]
    Diverged {
        /// The height whose block differs.
        height: Height,
        /// This node's block.
        ours: BlockHash,
        /// What two thirds built on.
        theirs: BlockHash,
        /// The decided proposal.
        proposal: ProposalHash,
    },
    /// Consensus must not go on.
    #[error("consensus stopped")]
    Consensus(#[source] girrona_consensus::Fault),
    /// Something that the rules exclude.
    #[error("{0}")]
    Broken(String),
}

/// What identifies the last block and seeds the next.
#[derive(Clone, Debug)]
pub(crate) struct Tip {
    pub(crate) height: Height,
    pub(crate) block: BlockHash,
    pub(crate) root: Digest,
    pub(crate) timestamp: Timestamp,
    pub(crate) seed: Digest,
    pub(crate) certificate: Option<CommitCertificate>,
}

/// Everything a node knows and does about the chain.
pub struct Chain<D> {
    pub(crate) law: Arc<Chainspec>,
    pub(crate) network: NetworkId,
    pub(crate) scheme: SharedScheme,
    pub(crate) code: Box<dyn CodeSource + Send>,
    pub(crate) disk: D,

    /// Who votes on the height after the tip.
    pub(crate) validators: Validators,
    pub(crate) eras: Eras,
    pub(crate) consensus: Box<dyn Consensus>,
    /// Whether `consensus` is that of the only validator.
    pub(crate) alone: bool,
    pub(crate) attendance: Attendance,
    pub(crate) leaders: Arc<Leaders>,
    /// Whether the height after the tip has begun.
    pub(crate) begun: bool,
    /// Whether votes or proposals were written that are not yet durable.
    pub(crate) dirty: bool,
    pub(crate) tip: Tip,
    /// What is left to do at once.
    pub(crate) step: Option<Step>,

    pub(crate) buffer: Buffer,
    pub(crate) phases: BTreeMap<DeployHash, Phases>,
    /// Proposals of the height after the tip.
    pub(crate) held: BTreeMap<ProposalHash, Held>,
    /// Proposals of the heights after that.
    pub(crate) early: VecDeque<(Peer, SignedProposal)>,
    /// Proposals that consensus asked for and that are not here.
    pub(crate) wanted: BTreeMap<ProposalHash, Timestamp>,
    /// The certificate of the height after the tip, when the proposal is still missing.
    pub(crate) decided: Option<CommitCertificate>,
    /// Evidence that no block has yet: one piece for each validator is enough.
    pub(crate) evidence: BTreeMap<PublicKey, Equivocation>,
    /// Signatures of blocks that are not here yet, oldest first.
    pub(crate) unplaced: VecDeque<FinalitySignature>,
    pub(crate) unsigned: Unsigned,
    /// When to tell the world about the last decision if nobody else does.
    pub(crate) echo: Option<(Timestamp, CommitCertificate)>,
    pub(crate) sync: Sync,
    /// Who is to blame if consensus refuses what it is given now.
    pub(crate) blame: Option<Peer>,

    pub(crate) outputs: Vec<Output>,
}

impl<D: fmt::Debug> fmt::Debug for Chain<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("tip", &self.tip)
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}

/// What makes a chain.
pub struct Parts<D> {
    /// The law.
    pub law: Arc<Chainspec>,
    /// The node's key, or an observer's scheme.
    pub scheme: SharedScheme,
    /// Where prepared code is kept.
    pub code: Box<dyn CodeSource + Send>,
    /// The disk.
    pub disk: D,
}

impl<D> fmt::Debug for Parts<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// A scheme that several owners share.
struct Shared(SharedScheme);

impl Scheme for Shared {
    fn sign(&self, message: &[u8]) -> Option<casper_types::Signature> {
        self.0.sign(message)
    }
    fn public_key(&self) -> Option<&PublicKey> {
        self.0.public_key()
    }
    fn verify(&self, message: &[u8], signature: &casper_types::Signature, key: &PublicKey) -> bool {
        self.0.verify(message, signature, key)
    }
}

impl<D: Disk> Chain<D> {
    /// Opens the chain on what the disk holds; on an empty disk, makes genesis.
    ///
    /// # Errors
    /// When the disk cannot be read or the law makes no chain.
    pub fn open(parts: Parts<D>) -> Result<Self, Fatal> {
        let Parts { law, scheme, code, mut disk } = parts;
        let network = law.network_id();
        if disk.tip()?.is_none() {
            crate::decide::commit_genesis(&law, &mut disk)?;
        }
        let stored = disk.tip()?.ok_or_else(|| Fatal::Broken("genesis vanished".to_owned()))?;
        let tip = Tip::of(&stored);
        let eras = crate::eras::open(&law, &disk, tip.height)?;
        let era = law.era_of(tip.height.next());
        let validators = eras.get(era).cloned();
        let validators = validators
            .ok_or_else(|| Fatal::Broken(format!("no block names the validators of era {era}")))?;
        let (attendance, leaders) = replay_attendance(&law, &validators, &disk, tip.height)?;
        let alone = is_alone(&validators, &scheme);
        let consensus = make_consensus(&law, network, &scheme, alone, disk.guard()?)?;
        let mut buffer = Buffer::default();
        for (deploy, _) in disk.pending()? {
            let size = casper_types::bytesrepr::ToBytes::serialized_length(deploy.as_ref());
            buffer.insert(deploy, size);
        }
        Ok(Self {
            law,
            network,
            scheme,
            code,
            disk,
            validators,
            eras,
            consensus,
            alone,
            attendance,
            leaders,
            begun: false,
            dirty: false,
            tip,
            step: None,
            buffer,
            phases: BTreeMap::new(),
            held: BTreeMap::new(),
            early: VecDeque::new(),
            wanted: BTreeMap::new(),
            decided: None,
            evidence: BTreeMap::new(),
            unplaced: VecDeque::new(),
            unsigned: Unsigned::default(),
            echo: None,
            sync: Sync::default(),
            blame: None,
            outputs: Vec::new(),
        })
    }

    /// Takes one input and gives what is to be done, in order.
    ///
    /// # Errors
    /// When the node has to stop. What was written before is kept; outputs of this call are lost.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Result<Vec<Output>, Fatal> {
        match input {
            Input::Start => self.start(now)?,
            Input::Deploys(incoming) => self.accept(incoming, now)?,
            Input::Proposal { from, signed, ticket } => {
                self.on_proposal(from, *signed, ticket, now)?;
            }
            Input::Vote { from, bytes } => self.on_vote(from, bytes, now)?,
            Input::Commit { from, certificate, ticket } => {
                self.on_commit(from, certificate, ticket, now)?;
            }
            Input::Finality { signature, ticket } => self.on_finality(signature, ticket)?,
            Input::Connected(peer) => self.on_connected(peer),
            Input::Disconnected(peer) => self.on_disconnected(peer),
            Input::Answer { id, response } => self.on_answer(id, response, now)?,
            Input::Timer(Timer::Begin) => self.begin(now)?,
            Input::Timer(Timer::Consensus(id)) => {
                self.drive(girrona_consensus::Input::Timer(id), now)?;
            }
            Input::Timer(Timer::Ripe) => self.judge_wanted(now)?,
            Input::Timer(Timer::Tick) => self.tick(now)?,
            Input::Continue => self.carry_on(now)?,
        }
        Ok(std::mem::take(&mut self.outputs))
    }

    /// Whether there is work that does not wait for anything: give [`Input::Continue`] next.
    pub fn has_work(&self) -> bool {
        self.step.is_some() || self.can_apply_synced()
    }

    /// The height of the last block.
    pub fn height(&self) -> Height {
        self.tip.height
    }

    /// The hash and the state root of the last block.
    pub fn tip_hashes(&self) -> (BlockHash, Digest) {
        (self.tip.block, self.tip.root)
    }

    /// The disk.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// Gives the disk back, as at a crash.
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// Who votes on the height after the tip.
    pub fn validators(&self) -> &Validators {
        &self.validators
    }

    /// Deploys that wait here.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Whether other nodes are known to be ahead.
    pub fn is_behind(&self) -> bool {
        self.sync.target > self.tip.height.next()
    }

    /// The round that the height in work is in.
    pub fn round(&self) -> u32 {
        self.consensus.round().0
    }

    fn start(&mut self, now: Timestamp) -> Result<(), Fatal> {
        self.outputs.push(Output::SetTimer(Timer::Tick, TICK));
        self.outputs.push(Output::Electorate(self.validators.clone()));
        self.expire(now)?;
        self.resign_tip()?;
        self.schedule_begin(now);
        Ok(())
    }

    /// Begins the next height when its time has come.
    pub(crate) fn schedule_begin(&mut self, now: Timestamp) {
        let at = self.tip.timestamp.saturating_add(self.law.core.minimum_block_time);
        let wait = at.millis().saturating_sub(now.millis());
        self.outputs.push(Output::SetTimer(Timer::Begin, Duration::from_millis(wait)));
    }

    /// Begins the height after the tip, unless it has begun.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Result<(), Fatal> {
        if self.begun || self.step.is_some() {
            return Ok(());
        }
        self.begun = true;
        let height = self.tip.height.next();
        let wal = self.disk.wal(height)?;
        let leaders = Arc::clone(&self.leaders);
        self.drive(girrona_consensus::Input::Start { height, leaders, wal }, now)?;
        self.adopt_early(now)?;
        self.apply_decided(now)
    }

    fn tick(&mut self, now: Timestamp) -> Result<(), Fatal> {
        self.outputs.push(Output::SetTimer(Timer::Tick, TICK));
        self.expire(now)?;
        self.echo_commit(now);
        self.fetch_missing(now);
        self.pump_sync(now);
        self.pump_finality(now)
    }

    fn on_vote(&mut self, from: Peer, bytes: Vec<u8>, now: Timestamp) -> Result<(), Fatal> {
        if let Some(info) = girrona_consensus::inspect(&bytes)
            && info.height > self.tip.height.next()
        {
            // Somebody works on a later height, so the one before it is decided.
            self.sync.saw(from, info.height.previous().unwrap_or_default());
        }
        self.blame = Some(from);
        let result = self.drive(girrona_consensus::Input::Message(bytes), now);
        self.blame = None;
        result
    }

    /// Gives consensus an input and carries out what it says.
    pub(crate) fn drive(
        &mut self,
        input: girrona_consensus::Input,
        now: Timestamp,
    ) -> Result<(), Fatal> {
        use girrona_consensus::{Input as In, Output as Out, Record};
        let mut queue = VecDeque::from([input]);
        while let Some(input) = queue.pop_front() {
            for output in self.consensus.step(input) {
                match output {
                    Out::Persist(Record::Wal(record)) => {
                        self.disk.wal_append(self.consensus.height(), &record)?;
                        self.dirty = true;
                    }
                    Out::Persist(Record::Guard(record)) => {
                        self.disk.put_guard(&record)?;
                        self.dirty = true;
                    }
                    Out::Send { bytes, .. } => {
                        self.flush()?;
                        self.outputs.push(Output::Validators(Direct::Vote(bytes)));
                    }
                    Out::SetTimer { id, after } => {
                        self.outputs.push(Output::SetTimer(Timer::Consensus(id), after));
                    }
                    Out::CancelTimer(id) => {
                        self.outputs.push(Output::CancelTimer(Timer::Consensus(id)));
                    }
                    Out::CancelAllTimers => self.outputs.push(Output::CancelConsensusTimers),
                    Out::Build { height, round } => {
                        if let Some(proposal) = self.build(height, now)? {
                            queue.push_back(In::Built { height, round, proposal });
                        }
                    }
                    Out::Wanted { height, proposal, .. } => {
                        if let Some(valid) = self.want(proposal, now)? {
                            queue.push_back(In::Judged { height, proposal, valid });
                        }
                    }
                    Out::Resend { proposal, .. } => self.send_proposal(&proposal)?,
                    Out::RoundStarted { .. } => {}
                    Out::Decided { certificate, evidence } => {
                        for found in evidence {
                            self.evidence.entry(found.offender.clone()).or_insert(found);
                        }
                        self.on_decided(certificate, now)?;
                    }
                    Out::BadSync { .. } => self.decided = None,
                    Out::Refused(error) => {
                        if let Some(peer) = self.blame.filter(|_| error.is_senders_fault()) {
                            let reason = "malformed consensus message";
                            self.outputs.push(Output::Blame { peer, reason });
                        }
                    }
                    Out::Fault(fault) => return Err(Fatal::Consensus(fault)),
                }
            }
        }
        Ok(())
    }

    /// Makes what was written durable.
    pub(crate) fn flush(&mut self) -> Result<(), Fatal> {
        if self.dirty {
            self.disk.flush()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Notes the first time a deploy reached a phase.
    pub(crate) fn note(&mut self, hash: DeployHash, phase: Phase, now: Timestamp) {
        self.note_all(vec![hash], phase, now);
    }

    /// Notes the first time that deploys reached a phase.
    pub(crate) fn note_all(&mut self, hashes: Vec<DeployHash>, phase: Phase, now: Timestamp) {
        let at = now.millis();
        for hash in &hashes {
            self.phases.entry(*hash).or_default().at.entry(phase).or_insert(at);
        }
        self.outputs.push(Output::Reached(phase, now, hashes));
    }

    /// The era of the height after the tip.
    pub(crate) fn next_era(&self) -> EraId {
        self.law.era_of(self.tip.height.next())
    }

    /// A deploy that waits here or is on disk.
    pub(crate) fn find_deploy(&self, hash: &DeployHash) -> Result<Option<Arc<Deploy>>, Fatal> {
        match self.buffer.get(hash) {
            Some(waiting) => Ok(Some(Arc::clone(&waiting.deploy))),
            None => Ok(self.disk.deploy(hash)?),
        }
    }
}

impl Tip {
    /// The tip that a stored block makes.
    pub(crate) fn of(stored: &crate::disk::StoredBlock) -> Self {
        let block = &stored.block;
        Self {
            height: Height(block.height()),
            block: *block.hash(),
            root: *block.state_root_hash(),
            timestamp: block.timestamp(),
            seed: *block.accumulated_seed(),
            certificate: stored.certificate.clone(),
        }
    }

    pub(crate) fn judged_at(&self) -> crate::accept::JudgedAt {
        crate::accept::JudgedAt { root: self.root, block: self.block, height: self.height }
    }
}

/// Who was absent in the tip's era, and who leads the next height, from the committed proposals.
fn replay_attendance<D: Disk>(
    law: &Chainspec,
    validators: &Validators,
    disk: &D,
    tip: Height,
) -> Result<(Attendance, Arc<Leaders>), Fatal> {
    let mut first = tip;
    while first != Height::GENESIS && !law.is_switch_block(first) {
        first = first.previous().unwrap_or_default();
    }
    let mut attendance = Attendance::default();
    let mut leaders = None;
    for height in first.0..=tip.0 {
        let stored = disk
            .block(Height(height))?
            .ok_or_else(|| Fatal::Broken(format!("block {height} is missing below the tip")))?;
        let seed = *stored.block.accumulated_seed();
        leaders = Some(attendance.after(
            law,
            validators,
            Height(height),
            stored.proposal.as_ref(),
            leaders.take(),
            seed,
        ));
    }
    leaders
        .map(|leaders| (attendance, leaders))
        .ok_or_else(|| Fatal::Broken("no block below the tip".to_owned()))
}

/// Consensus for this node: alone where it is the only validator, else with the others.
pub(crate) fn make_consensus(
    law: &Chainspec,
    network: NetworkId,
    scheme: &SharedScheme,
    alone: bool,
    guard: Option<Vec<u8>>,
) -> Result<Box<dyn Consensus>, Fatal> {
    let scheme = Box::new(Shared(Arc::clone(scheme)));
    let made: Result<Box<dyn Consensus>, _> = if alone {
        let solo = Solo::new(network, scheme, guard.as_deref());
        solo.map(|solo| Box::new(solo) as Box<dyn Consensus>)
    } else {
        let timeouts = Timeouts::new(
            Duration::from_millis(law.consensus.propose_timeout.millis()),
            Duration::from_millis(law.consensus.vote_timeout.millis()),
            Duration::from_millis(law.consensus.timeout_delta.millis()),
        );
        let bft = Bft::new(BftConfig { network, scheme, timeouts, guard });
        bft.map(|bft| Box::new(bft) as Box<dyn Consensus>)
    };
    made.map_err(|error| Fatal::Broken(error.to_string()))
}
