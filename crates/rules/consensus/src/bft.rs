//! The real thing: Malachite's engine, fed with nothing that could hurt it.
//!
//! Knows: which inputs the engine may see, what it must see again after a crash, and when to stop.
//! Leaves to others: the protocol (Malachite), the effects it asks for (`turn`), early messages
//! (`inbox`), the second guard (`guard`).

mod admit;
mod log;
mod turn;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use casper_types::PublicKey;
use girrona_types::{CommitCertificate, Equivocation, Height, NetworkId, ProposalHash, Round};
use malachitebft_core_consensus::{
    Error as CoreError, Input as CoreInput, LocallyProposedValue, Params, ProposedValue, State,
    process,
};
use malachitebft_core_types::{
    self as core, Timeout, TimeoutKind, Validity, ValueOrigin, ValuePayload, VoteExtensionPolicy,
};

use crate::{
    certificate::verify_certificate,
    check::{MessageError, check_signature},
    consensus::{Consensus, Fault, Input, Output, SyncRefusal},
    context::{self, Address, CoreHeight, CoreValue, Electorate, Girrona},
    evidence,
    guard::{Guard, GuardError, Step},
    inbox::Inbox,
    leaders::Leaders,
    message::{Message, Signed, Vote, VoteKind},
    scheme::Scheme,
    timeouts::{Timeouts, TimerId, TimerKind},
};
use admit::admit;
use turn::Turn;

/// What a [`Bft`] is made of.
pub struct BftConfig {
    /// Goes into everything that is signed.
    pub network: NetworkId,
    /// The validator key; without one the node observes: it follows votes and decides, silently.
    pub scheme: Box<dyn Scheme + Send>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// The last [`crate::Record::Guard`] that was made durable, if any.
    pub guard: Option<Vec<u8>>,
}

impl fmt::Debug for BftConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BftConfig")
            .field("network", &self.network)
            .field("key", &self.scheme.public_key())
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// Byzantine fault tolerant agreement among weighted validators.
pub struct Bft {
    me: Me,
    guard: Guard,
    inbox: Inbox,
    current: Option<Current>,
    /// Set by the first [`Output::Fault`]; nothing happens after it.
    stopped: bool,
}

/// Who this node is. It never changes.
struct Me {
    network: NetworkId,
    scheme: Box<dyn Scheme + Send>,
    timeouts: Timeouts,
    key: Option<PublicKey>,
}

/// The height that is being decided.
struct Current {
    height: Height,
    electorate: Electorate,
    state: State<Girrona>,
    /// What leaders named, and the first round they named it in.
    named: BTreeMap<ProposalHash, Round>,
    /// What was built or judged here.
    judged: BTreeMap<ProposalHash, bool>,
    /// The round for which a proposal was asked of us and not yet given.
    building: Option<Round>,
    /// Whether inputs come from the log.
    replaying: bool,
    /// The log's records while it is replayed: they are not written again. What the replay signs
    /// for the first time is.
    logged: BTreeSet<Vec<u8>>,
    decided: bool,
}

/// A height's end.
struct Decision {
    certificate: CommitCertificate,
    evidence: Vec<Equivocation>,
}

impl fmt::Debug for Bft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bft")
            .field("key", &self.me.key)
            .field("height", &self.height())
            .field("round", &self.round())
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

impl Bft {
    /// Nothing happens before the first [`Input::Start`].
    ///
    /// # Errors
    /// [`GuardError::Unreadable`]: better not to start than to sign without the guard.
    pub fn new(config: BftConfig) -> Result<Self, GuardError> {
        let BftConfig { network, scheme, timeouts, guard } = config;
        let key = scheme.public_key().cloned();
        Ok(Self {
            me: Me { network, scheme, timeouts, key },
            guard: Guard::load(guard.as_deref())?,
            inbox: Inbox::default(),
            current: None,
            stopped: false,
        })
    }

    fn start(
        &mut self,
        height: Height,
        leaders: Arc<Leaders>,
        records: &[Vec<u8>],
        step: &mut Stepped,
    ) {
        if let Some(Current { height: at, .. }) = self.current
            && height <= at
        {
            return step.stop(Fault::HeightWentBack { at, asked: height });
        }
        let electorate = Electorate::new(leaders, height);
        let log = match self.read_log(height, &electorate, records) {
            Ok(log) => log,
            Err(fault) => return step.stop(fault),
        };
        let state = match self.current.take() {
            Some(current) => current.state,
            None => State::new(
                Girrona,
                CoreHeight(height.0),
                electorate.clone(),
                Params {
                    address: self.me.key.as_ref().map_or(Address::NOBODY, Address::of),
                    threshold_params: core::ThresholdParams::default(),
                    value_payload: ValuePayload::ProposalAndParts,
                    enabled: self.me.key.is_some(),
                },
                // The engine's own queue for other heights stays empty: `inbox` is in front of it.
                1,
                1,
            ),
        };
        self.current = Some(Current {
            height,
            electorate: electorate.clone(),
            state,
            named: BTreeMap::new(),
            judged: BTreeMap::new(),
            building: None,
            replaying: !log.inputs.is_empty(),
            logged: records.iter().cloned().collect(),
            decided: false,
        });
        let no_extensions = VoteExtensionPolicy::Disabled;
        let start =
            CoreInput::StartHeight(CoreHeight(height.0), electorate, false, None, no_extensions);
        if log.inputs.is_empty() {
            self.feed(start, step);
        } else {
            self.guard.begin_replay(height, log.signed);
            self.feed(start, step);
            self.replay(log.inputs, step);
            self.guard.begin_step();
        }
        for message in self.inbox.take(height) {
            self.message(message, step);
        }
    }

    /// Shows the engine what it saw before the crash.
    fn replay(&mut self, log: Vec<CoreInput<Girrona>>, step: &mut Stepped) {
        if let Some(current) = &mut self.current {
            current.state.index_wal_entries(log.iter());
        }
        for input in log {
            if let (CoreInput::ProposedValue(value, _), Some(current)) = (&input, &mut self.current)
            {
                current.judged.insert(value.value.0, value.validity.is_valid());
            }
            self.feed(input, step);
        }
        let Some(current) = &mut self.current else { return };
        current.state.reset_entries_index();
        current.replaying = false;
        current.logged.clear();
        // What was asked for before the crash and never answered has to be asked again.
        let round = context::round(current.state.round());
        let open = current.state.driver.step_is_propose() && current.building == round;
        step.outputs.retain(|output| match output {
            Output::Build { round: asked, .. } => open && Some(*asked) == round,
            _ => true,
        });
        let open = current.named.iter().filter(|(hash, _)| !current.judged.contains_key(hash));
        step.outputs.extend(open.map(|(proposal, round)| Output::Wanted {
            height: current.height,
            proposal: *proposal,
            proposer: current.electorate.leader(*round).clone(),
            round: *round,
        }));
    }

    /// Bytes from anywhere.
    fn received(&mut self, bytes: &[u8], step: &mut Stepped) {
        let Some(current) = &self.current else { return };
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(refusal) => return step.refuse(refusal),
        };
        if message.height() == current.height {
            return self.message(message, step);
        }
        if !Inbox::is_near(current.height, message.height()) {
            return;
        }
        let Some(signer) = message.signer() else { return };
        let known = current.electorate.leaders().validators().weight(signer).is_some();
        if !self.inbox.has_room(&message, known) {
            return;
        }
        match check_signature(&self.me.network, &message, &*self.me.scheme) {
            Ok(()) => self.inbox.keep(message, known),
            Err(refusal) => step.refuse(refusal),
        }
    }

    /// A well-formed message of the current height. Its signatures are checked when the engine
    /// asks, which it does not for what it already has.
    fn message(&mut self, message: Message, step: &mut Stepped) {
        let Some(current) = &self.current else { return };
        if current.decided {
            return;
        }
        if let Err(refusal) = admit(&current.electorate, &message) {
            return step.refuse(refusal);
        }
        self.feed(context::to_core(message), step);
    }

    fn timer(&mut self, id: TimerId, step: &mut Stepped) {
        let Some(current) = &self.current else { return };
        if id.height != current.height {
            return;
        }
        // After the decision only others need help: our votes may be what they lack.
        if current.decided && id.kind != TimerKind::Rebroadcast {
            return;
        }
        let kind = match id.kind {
            TimerKind::Propose => TimeoutKind::Propose,
            TimerKind::Prevote => TimeoutKind::Prevote,
            TimerKind::Precommit => TimeoutKind::Precommit,
            TimerKind::Rebroadcast => TimeoutKind::Rebroadcast,
        };
        let timeout = Timeout::new(core::Round::new(id.round.0), kind);
        self.feed(CoreInput::TimeoutElapsed(timeout), step);
    }

    fn built(&mut self, height: Height, round: Round, proposal: ProposalHash, step: &mut Stepped) {
        let Some(current) = &mut self.current else { return };
        // Only an answer to the question we are still asking: what is built too late or twice is
        // not proposed, nor what is invalid or what another leader named first.
        let ours = match current.judged.get(&proposal) {
            Some(valid) => *valid,
            None => !current.named.contains_key(&proposal),
        };
        let asked = height == current.height
            && !current.decided
            && proposal != ProposalHash::default()
            && ours
            && current.state.driver.step_is_propose()
            && context::round(current.state.round()) == Some(round)
            && current.building == Some(round);
        if !asked {
            return;
        }
        current.building = None;
        current.judged.insert(proposal, true);
        let round = core::Round::new(round.0);
        let value = CoreValue(proposal);
        let value = LocallyProposedValue::new(CoreHeight(height.0), round, value);
        self.feed(CoreInput::Propose(value), step);
    }

    fn judged(&mut self, height: Height, proposal: ProposalHash, valid: bool, step: &mut Stepped) {
        let Some(current) = &mut self.current else { return };
        if height != current.height || current.decided {
            return;
        }
        // Unasked answers are ignored: without a leader's word the hash means nothing yet.
        let Some(round) = current.named.get(&proposal).copied() else { return };
        // The first verdict stands: a replay of the log must come to the same votes.
        if current.judged.contains_key(&proposal) {
            return;
        }
        current.judged.insert(proposal, valid);
        let value = judged_value(height, &current.electorate, round, proposal, valid);
        self.feed(CoreInput::ProposedValue(value, ValueOrigin::Consensus), step);
    }

    fn synced(&mut self, certificate: CommitCertificate, valid: bool, step: &mut Stepped) {
        let Some(current) = &mut self.current else { return };
        let (height, proposal) = (certificate.height, certificate.proposal);
        if height != current.height || current.decided {
            return;
        }
        let validators = current.electorate.leaders().validators();
        let checked =
            verify_certificate(&self.me.network, &certificate, validators, &*self.me.scheme);
        let refusal = match checked {
            Err(error) => Some(SyncRefusal::Certificate(error)),
            Ok(()) if !valid => Some(SyncRefusal::JudgedInvalid(proposal)),
            Ok(()) => None,
        };
        if let Some(reason) = refusal {
            return step.outputs.push(Output::BadSync { height, reason });
        }
        // Whoever signed this and something else is caught now, before the votes are forgotten.
        for (signer, signature) in &certificate.signatures {
            let vote = Vote {
                kind: VoteKind::Precommit,
                height,
                round: certificate.round,
                value: Some(proposal),
                signer: signer.clone(),
            };
            let vote = Signed { body: vote, signature: *signature };
            let _ = current.state.record_vote_evidence(context::vote_to_core(vote));
        }
        let votes = current.state.driver.take_vote_evidence();
        let proposals = current.state.driver.take_proposal_evidence();
        let evidence = collect_evidence(&current.electorate, votes, proposals);
        current.decided = true;
        step.decision = Some(Decision { certificate, evidence });
    }

    /// Lets the engine take one input and carries out what it asks for.
    fn feed(&mut self, input: CoreInput<Girrona>, step: &mut Stepped) {
        let Some(current) = &mut self.current else { return };
        if step.fault.is_some() || (current.decided && !is_rebroadcast(&input)) {
            return;
        }
        let Current {
            height,
            electorate,
            state,
            named,
            judged,
            building,
            replaying,
            logged,
            decided,
        } = current;
        let persist = state.is_active_validator();
        let mut turn = Turn {
            me: &self.me,
            guard: &mut self.guard,
            height: *height,
            electorate,
            named,
            judged,
            building,
            replaying: *replaying,
            logged,
            persist,
            step,
        };
        let result: Result<(), CoreError<Girrona>> = process!(
            input: input,
            state: state,
            metrics: &(),
            with: effect => Ok::<_, CoreError<Girrona>>(turn.handle(effect))
        );
        if let Err(error) = result {
            step.error(*height, error);
        }
        *decided |= step.decision.is_some();
    }
}

impl Consensus for Bft {
    fn step(&mut self, input: Input) -> Vec<Output> {
        if self.stopped {
            return vec![];
        }
        let mut step = Stepped::default();
        self.guard.begin_step();
        match input {
            Input::Start { height, leaders, wal } => self.start(height, leaders, &wal, &mut step),
            Input::Message(bytes) => self.received(&bytes, &mut step),
            Input::Timer(id) => self.timer(id, &mut step),
            Input::Built { height, round, proposal } => {
                self.built(height, round, proposal, &mut step);
            }
            Input::Judged { height, proposal, valid } => {
                self.judged(height, proposal, valid, &mut step);
            }
            Input::Synced { certificate, valid } => self.synced(certificate, valid, &mut step),
        }
        self.stopped = step.fault.is_some();
        step.finish()
    }

    fn height(&self) -> Height {
        self.current.as_ref().map_or(Height::GENESIS, |current| current.height)
    }

    fn round(&self) -> Round {
        self.current
            .as_ref()
            .and_then(|current| context::round(current.state.round()))
            .unwrap_or_default()
    }
}

/// What one step has come to so far.
#[derive(Default)]
struct Stepped {
    outputs: Vec<Output>,
    decision: Option<Decision>,
    fault: Option<Fault>,
}

impl Stepped {
    fn stop(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn refuse(&mut self, refusal: MessageError) {
        self.outputs.push(Output::Refused(refusal));
    }

    fn error(&mut self, height: Height, error: CoreError<Girrona>) {
        use malachitebft_core_consensus::RecordKind;
        match error {
            CoreError::ReplayDivergence(kind, _, round) => {
                let round = context::round(round).unwrap_or_default();
                let step = match kind {
                    RecordKind::Proposal => Step::Propose,
                    RecordKind::Prevote => Step::Prevote,
                    RecordKind::Precommit => Step::Precommit,
                };
                self.stop(Fault::ReplayDiverged { height, round, step });
            }
            CoreError::UnexpectedResume(..)
            | CoreError::DecisionNotFound(..)
            | CoreError::WalCorrupted(_) => {
                self.stop(Fault::Engine { height, text: error.to_string() });
            }
            // The rest concerns one input, which had no effect.
            other => self.refuse(MessageError::Engine(other.to_string())),
        }
    }

    /// The outputs in the order in which they are to be carried out.
    fn finish(mut self) -> Vec<Output> {
        if let Some(fault) = self.fault {
            self.outputs.push(Output::Fault(fault));
        } else if let Some(Decision { certificate, evidence }) = self.decision {
            // Votes leave before the owner turns to the decision, which takes a while; what was
            // asked for on the way is no longer needed.
            self.outputs
                .retain(|output| !matches!(output, Output::Build { .. } | Output::Wanted { .. }));
            self.outputs.push(Output::Decided { certificate, evidence });
        }
        self.outputs
    }
}

fn judged_value(
    height: Height,
    electorate: &Electorate,
    round: Round,
    proposal: ProposalHash,
    valid: bool,
) -> ProposedValue<Girrona> {
    ProposedValue {
        height: CoreHeight(height.0),
        round: core::Round::new(round.0),
        valid_round: core::Round::Nil,
        proposer: electorate.leader_address(round),
        value: CoreValue(proposal),
        validity: Validity::from_bool(valid),
    }
}

fn is_rebroadcast(input: &CoreInput<Girrona>) -> bool {
    matches!(input, CoreInput::TimeoutElapsed(Timeout { kind: TimeoutKind::Rebroadcast, .. }))
}

/// The engine's evidence as pairs of messages, ordered.
fn collect_evidence<V, P>(electorate: &Electorate, votes: V, proposals: P) -> Vec<Equivocation>
where
    V: IntoIterator<Item = (Address, Vec<core::DoubleVote<Girrona>>)>,
    P: IntoIterator<Item = (Address, Vec<core::DoubleProposal<Girrona>>)>,
{
    let votes = votes.into_iter().flat_map(|(_, pairs)| pairs).filter_map(|(a, b)| {
        Some(evidence::of_votes(electorate.signed_vote(&a)?, electorate.signed_vote(&b)?))
    });
    let proposals = proposals.into_iter().flat_map(|(_, pairs)| pairs).filter_map(|(a, b)| {
        let (a, b) = (electorate.signed_propose(&a)?, electorate.signed_propose(&b)?);
        Some(evidence::of_proposals(a, b))
    });
    let mut all: Vec<_> = votes.chain(proposals).collect();
    all.sort();
    all.dedup();
    all
}
