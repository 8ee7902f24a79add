//! The network of one validator: whatever it proposes is decided.
//!
//! Certificates, log and guard are those of [`crate::Bft`], and its messages let observers that
//! run [`crate::Bft`] follow.

use std::{fmt, sync::Arc};

use casper_types::PublicKey;
use girrona_types::{CommitCertificate, Height, NetworkId, ProposalHash, Round};

use crate::{
    certificate::verify_certificate,
    consensus::{Consensus, Fault, Input, Output, Record, SendClass, SyncRefusal},
    guard::{Guard, GuardError, Slot, Step},
    leaders::Leaders,
    message::{Message, Propose, Vote, VoteKind},
    scheme::Scheme,
    wal::{self, Entry, WalError},
};

/// Agreement with oneself. Every height is decided in round 0.
pub struct Solo {
    network: NetworkId,
    scheme: Box<dyn Scheme + Send>,
    guard: Guard,
    height: Height,
    leaders: Option<Arc<Leaders>>,
    stopped: bool,
}

impl fmt::Debug for Solo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solo").field("height", &self.height).finish_non_exhaustive()
    }
}

impl Solo {
    /// `guard` is the last [`Record::Guard`] that was made durable, if any.
    ///
    /// # Errors
    /// [`GuardError::Unreadable`]: better not to start than to sign without the guard.
    pub fn new(
        network: NetworkId,
        scheme: Box<dyn Scheme + Send>,
        guard: Option<&[u8]>,
    ) -> Result<Self, GuardError> {
        let guard = Guard::load(guard)?;
        Ok(Self { network, scheme, guard, height: Height::GENESIS, leaders: None, stopped: false })
    }

    fn start(
        &mut self,
        height: Height,
        leaders: Arc<Leaders>,
        log: &[Vec<u8>],
    ) -> Result<Vec<Output>, Fault> {
        if height <= self.height {
            return Err(Fault::HeightWentBack { at: self.height, asked: height });
        }
        self.height = height;
        let leader = leaders.leader(height, Round(0)).clone();
        self.leaders = Some(leaders);
        let mut outputs =
            vec![Output::CancelAllTimers, Output::RoundStarted { height, round: Round(0), leader }];
        match precommitted(height, log)? {
            // The crash came between the vote and the end of the height.
            Some(proposal) => outputs.extend(self.decide(proposal, true)?),
            None => outputs.push(Output::Build { height, round: Round(0) }),
        }
        Ok(outputs)
    }

    fn decide(&mut self, proposal: ProposalHash, logged: bool) -> Result<Vec<Output>, Fault> {
        let (height, round) = (self.height, Round(0));
        let signer = self.scheme.public_key().cloned().ok_or(Fault::KeyRefused)?;
        let propose = Propose { height, round, proposal, polka_round: None, signer };
        let signer = propose.signer.clone();
        let (kind, value) = (VoteKind::Precommit, Some(proposal));
        let vote = Vote { kind, height, round, value, signer };
        self.permit(Step::Propose, &propose.signing_bytes(&self.network), logged)?;
        self.permit(Step::Precommit, &vote.signing_bytes(&self.network), logged)?;
        let propose = propose.sign(&self.network, &*self.scheme).ok_or(Fault::KeyRefused)?;
        let vote = vote.sign(&self.network, &*self.scheme).ok_or(Fault::KeyRefused)?;
        let signatures = vec![(vote.body.signer.clone(), vote.signature)];
        let certificate = CommitCertificate { height, round, proposal, signatures };
        let propose = Message::Propose(propose).encode();
        let vote = Message::Vote(vote).encode();
        let mut outputs = vec![];
        if !logged {
            let entry = Entry::Message(vote.clone());
            outputs.push(Output::Persist(Record::Wal(wal::encode(height, &entry))));
        }
        if let Some(record) = self.guard.unsaved_record() {
            outputs.push(Output::Persist(Record::Guard(record)));
        }
        outputs.push(Output::Send { bytes: propose, class: SendClass::Proposal });
        outputs.push(Output::Send { bytes: vote, class: SendClass::Vote });
        outputs.extend(self.finish(certificate));
        Ok(outputs)
    }

    fn permit(&mut self, step: Step, bytes: &[u8], again: bool) -> Result<(), Fault> {
        let slot = Slot { height: self.height, round: Round(0), step };
        if again {
            self.guard.permit_again(slot, bytes)?;
        } else {
            self.guard.permit(slot, bytes)?;
        }
        Ok(())
    }

    fn synced(&mut self, certificate: CommitCertificate, valid: bool) -> Vec<Output> {
        let Some(leaders) = &self.leaders else { return vec![] };
        let (height, proposal) = (certificate.height, certificate.proposal);
        if height != self.height {
            return vec![];
        }
        let validators = leaders.validators();
        let reason =
            match verify_certificate(&self.network, &certificate, validators, &*self.scheme) {
                Err(error) => SyncRefusal::Certificate(error),
                Ok(()) if !valid => SyncRefusal::JudgedInvalid(proposal),
                Ok(()) => return self.finish(certificate).into_iter().collect(),
            };
        vec![Output::BadSync { height, reason }]
    }

    /// Ends the height: without leaders there is nothing to decide until the next start.
    fn finish(&mut self, certificate: CommitCertificate) -> Option<Output> {
        self.leaders = None;
        Some(Output::Decided { certificate, evidence: vec![] })
    }

    /// Whether this node is the one validator.
    fn leads(&self) -> bool {
        let key: Option<&PublicKey> = self.scheme.public_key();
        self.leaders.as_ref().is_some_and(|leaders| {
            let validators = leaders.validators();
            validators.count() == 1 && key.is_some_and(|key| validators.weight(key).is_some())
        })
    }
}

/// What the log says was precommitted at this height.
fn precommitted(height: Height, log: &[Vec<u8>]) -> Result<Option<ProposalHash>, Fault> {
    let read = |record: &[u8]| match wal::decode(height, record)? {
        Entry::Message(bytes) => match wal::decode_message(height, &bytes)? {
            Message::Vote(vote) if vote.body.kind == VoteKind::Precommit => Ok(vote.body.value),
            _ => Err(WalError::Malformed("not a precommit".to_owned())),
        },
        _ => Err(WalError::Malformed("not a vote".to_owned())),
    };
    let mut found = None;
    for (index, record) in log.iter().enumerate() {
        found = read(record).map_err(|error| Fault::Wal { height, index, error })?;
    }
    Ok(found)
}

impl Consensus for Solo {
    fn step(&mut self, input: Input) -> Vec<Output> {
        if self.stopped {
            return vec![];
        }
        self.guard.begin_step();
        let result = match input {
            Input::Start { height, leaders, wal } => self.start(height, leaders, &wal),
            Input::Built { height, round: Round(0), proposal }
                if height == self.height && proposal != ProposalHash::default() && self.leads() =>
            {
                self.decide(proposal, false)
            }
            Input::Synced { certificate, valid } => Ok(self.synced(certificate, valid)),
            Input::Built { .. } | Input::Message(_) | Input::Timer(_) | Input::Judged { .. } => {
                Ok(vec![])
            }
        };
        result.unwrap_or_else(|fault| {
            self.stopped = true;
            vec![Output::Fault(fault)]
        })
    }

    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        Round(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use casper_types::{Digest, SecretKey};

    use super::*;
    use crate::{scheme::CasperKeys, validators::Validators};

    const NETWORK: NetworkId = NetworkId([7; 32]);
    const A: ProposalHash = ProposalHash([1; 32]);
    const B: ProposalHash = ProposalHash([2; 32]);

    fn keys() -> CasperKeys {
        CasperKeys::signer(SecretKey::ed25519_from_bytes([1; 32]).unwrap()).unwrap()
    }

    fn validators() -> Validators {
        Validators::new([(keys().public_key().unwrap().clone(), 5)].into()).unwrap()
    }

    fn solo(guard: Option<&[u8]>) -> Solo {
        Solo::new(NETWORK, Box::new(keys()), guard).unwrap()
    }

    fn start(solo: &mut Solo, height: u64, wal: Vec<Vec<u8>>) -> Vec<Output> {
        let leaders = Leaders::new(validators(), Digest::hash("seed"), BTreeSet::new());
        solo.step(Input::Start { height: Height(height), leaders: Arc::new(leaders), wal })
    }

    fn build(solo: &mut Solo, height: u64, proposal: ProposalHash) -> Vec<Output> {
        solo.step(Input::Built { height: Height(height), round: Round(0), proposal })
    }

    fn decided(outputs: &[Output]) -> Option<&CommitCertificate> {
        match outputs.last() {
            Some(Output::Decided { certificate, .. }) => Some(certificate),
            _ => None,
        }
    }

    fn records(outputs: &[Output]) -> Vec<Record> {
        let of = |output: &Output| match output {
            Output::Persist(record) => Some(record.clone()),
            _ => None,
        };
        outputs.iter().filter_map(of).collect()
    }

    #[test]
    fn what_is_built_is_decided_with_a_certificate_that_verifies() {
        let mut solo = solo(None);
        let outputs = start(&mut solo, 1, vec![]);
        let build_1 = Output::Build { height: Height(1), round: Round(0) };
        assert_eq!(outputs.last(), Some(&build_1));
        for height in 1..=3 {
            let outputs = build(&mut solo, height, A);
            let certificate = decided(&outputs).unwrap();
            assert_eq!((certificate.height, certificate.proposal), (Height(height), A));
            let scheme = CasperKeys::observer();
            assert_eq!(verify_certificate(&NETWORK, certificate, &validators(), &scheme), Ok(()));
            let [Record::Wal(_), Record::Guard(_)] = &records(&outputs)[..] else {
                panic!("log first, then guard: {outputs:?}")
            };
            assert_eq!(build(&mut solo, height, B), vec![], "decided once");
            start(&mut solo, height + 1, vec![]);
        }
    }

    #[test]
    fn after_a_crash_the_log_decides_the_same_again() {
        let mut before = solo(None);
        start(&mut before, 1, vec![]);
        let outputs = build(&mut before, 1, A);
        let [Record::Wal(log), Record::Guard(guard)] = &records(&outputs)[..] else { panic!() };
        for guard in [None, Some(guard.as_slice())] {
            let mut after = solo(guard);
            let again = start(&mut after, 1, vec![log.clone()]);
            assert_eq!(decided(&again), decided(&outputs));
        }
    }

    #[test]
    fn without_the_log_the_guard_still_forbids_another_decision() {
        let mut before = solo(None);
        start(&mut before, 1, vec![]);
        let outputs = build(&mut before, 1, A);
        let [_, Record::Guard(guard)] = &records(&outputs)[..] else { panic!() };
        let mut after = solo(Some(guard));
        start(&mut after, 1, vec![]);
        let outputs = build(&mut after, 1, B);
        assert!(matches!(outputs[..], [Output::Fault(Fault::Guard(_))]), "{outputs:?}");
        assert_eq!(start(&mut after, 2, vec![]), vec![], "a stopped node stays stopped");
    }

    #[test]
    fn a_broken_log_stops_it() {
        let foreign = wal::encode(Height(2), &Entry::Message(vec![]));
        for record in [vec![], vec![1, 2, 3], foreign] {
            let outputs = start(&mut solo(None), 1, vec![record]);
            assert!(matches!(outputs[..], [Output::Fault(Fault::Wal { index: 0, .. })]));
        }
    }

    #[test]
    fn heights_only_go_up() {
        let mut solo = solo(None);
        start(&mut solo, 2, vec![]);
        let outputs = start(&mut solo, 2, vec![]);
        assert!(matches!(outputs[..], [Output::Fault(Fault::HeightWentBack { .. })]));
    }

    #[test]
    fn a_certificate_from_a_peer_decides_too() {
        let mut first = solo(None);
        start(&mut first, 1, vec![]);
        let outputs = build(&mut first, 1, A);
        let certificate = decided(&outputs).unwrap().clone();
        let mut second = Solo::new(NETWORK, Box::new(CasperKeys::observer()), None).unwrap();
        start(&mut second, 1, vec![]);
        assert_eq!(build(&mut second, 1, B), vec![], "an observer decides nothing itself");
        let mut forged = certificate.clone();
        forged.proposal = B;
        let outputs = second.step(Input::Synced { certificate: forged, valid: true });
        assert!(matches!(outputs[..], [Output::BadSync { .. }]), "{outputs:?}");
        let outputs = second.step(Input::Synced { certificate: certificate.clone(), valid: true });
        assert_eq!(decided(&outputs), Some(&certificate));
    }
}
