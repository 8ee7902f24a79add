//! What the engine asks for while it takes one input, and our answers.

use std::collections::{BTreeMap, BTreeSet};

use casper_types::{PublicKey, Signature};
use girrona_types::{Height, NetworkId, ProposalHash, Round};
use malachitebft_core_consensus::{
    ConsensusMsg, Effect, Input as CoreInput, LivenessMsg, Resumable, Resume, SignedConsensusMsg,
};
use malachitebft_core_types::{
    self as core, CertificateError::VerificationError, SignedMessage, Timeout, TimeoutKind,
};

use super::{Decision, Me, Stepped, collect_evidence};
use crate::{
    certificate::{CertificateError, verify_certificate, verify_polka, verify_round_change},
    check::MessageError,
    consensus::{Fault, Output, Record, SendClass},
    context::{self, Electorate, Girrona},
    guard::{Guard, Slot, Step},
    message::{Message, Propose, Vote, VoteKind},
    timeouts::{TimerId, TimerKind},
    wal::{self, Entry, LoggedTimer},
};

pub(super) struct Turn<'a> {
    pub(super) me: &'a Me,
    pub(super) guard: &'a mut Guard,
    pub(super) height: Height,
    pub(super) electorate: &'a Electorate,
    pub(super) named: &'a mut BTreeMap<ProposalHash, Round>,
    pub(super) judged: &'a BTreeMap<ProposalHash, bool>,
    pub(super) building: &'a mut Option<Round>,
    pub(super) replaying: bool,
    /// Records that the log has already.
    pub(super) logged: &'a BTreeSet<Vec<u8>>,
    /// Whether the engine's log entries are to be written.
    pub(super) persist: bool,
    pub(super) step: &'a mut Stepped,
}

impl Turn<'_> {
    /// Carries out one effect. After a fault nothing leaves this node any more; the engine is
    /// only led to the end of its input.
    pub(super) fn handle(&mut self, effect: Effect<Girrona>) -> Resume<Girrona> {
        match effect {
            Effect::CancelAllTimeouts(r) => {
                self.push(Output::CancelAllTimers);
                r.resume_with(())
            }
            Effect::CancelTimeout(timeout, r) => {
                if let Some(id) = self.timer(timeout) {
                    self.push(Output::CancelTimer(id));
                }
                r.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, r) => {
                if let Some(id) = self.timer(timeout) {
                    let after = self.me.timeouts.wait(id.kind, id.round);
                    self.push(Output::SetTimer { id, after });
                }
                r.resume_with(())
            }
            Effect::StartRound(_, round, leader, _, r) => {
                if let (Some(round), Some(leader)) =
                    (context::round(round), self.electorate.key(&leader))
                {
                    let (height, leader) = (self.height, leader.clone());
                    self.push(Output::RoundStarted { height, round, leader });
                }
                r.resume_with(())
            }
            Effect::PublishConsensusMsg(message, r) => {
                let (message, class) = match &message {
                    SignedConsensusMsg::Vote(vote) => {
                        (self.electorate.signed_vote(vote).map(Message::Vote), SendClass::Vote)
                    }
                    SignedConsensusMsg::Proposal(propose) => (
                        self.electorate.signed_propose(propose).map(Message::Propose),
                        SendClass::Proposal,
                    ),
                };
                self.send(message, class);
                r.resume_with(())
            }
            Effect::PublishLivenessMsg(message, r) => {
                let message = match &message {
                    LivenessMsg::Vote(vote) => self.electorate.signed_vote(vote).map(Message::Vote),
                    LivenessMsg::PolkaCertificate(polka) => {
                        self.electorate.polka(polka).map(Message::Polka)
                    }
                    LivenessMsg::SkipRoundCertificate(change) => {
                        self.electorate.round_change(change).map(Message::RoundChange)
                    }
                };
                self.send(message, SendClass::Liveness);
                r.resume_with(())
            }
            Effect::RepublishVote(vote, r) => {
                let message = self.electorate.signed_vote(&vote).map(Message::Vote);
                self.send(message, SendClass::Liveness);
                r.resume_with(())
            }
            Effect::RepublishRoundCertificate(change, r) => {
                let message = self.electorate.round_change(&change).map(Message::RoundChange);
                self.send(message, SendClass::Liveness);
                r.resume_with(())
            }
            Effect::GetValue(_, round, _, r) => {
                if let Some(round) = context::round(round) {
                    *self.building = Some(round);
                    self.push(Output::Build { height: self.height, round });
                }
                r.resume_with(())
            }
            Effect::RestreamProposal(_, round, _, _, proposal, r) => {
                if let Some(round) = context::round(round) {
                    self.push(Output::Resend { height: self.height, round, proposal });
                }
                r.resume_with(())
            }
            // Synced certificates are judged before the engine, which never sees them.
            Effect::CertVerifiedSyncValue(_, _, r) | Effect::CertRejectedSyncValue(_, _, _, r) => {
                r.resume_with(())
            }
            // `Finalize` follows at once and says the same with the evidence.
            Effect::Decide(_, _, r) => r.resume_with(()),
            Effect::Finalize(certificate, _, evidence, r) => {
                if let Some(certificate) = self.electorate.commit(&certificate) {
                    let evidence =
                        collect_evidence(self.electorate, evidence.votes, evidence.proposals);
                    self.step.decision = Some(Decision { certificate, evidence });
                }
                r.resume_with(())
            }
            Effect::SignVote(vote, r) => {
                let signature = self.sign_vote(self.electorate.vote(&vote));
                r.resume_with(SignedMessage::new(vote, signature))
            }
            Effect::SignProposal(propose, r) => {
                let signature = self.sign_propose(self.electorate.propose(&propose));
                r.resume_with(SignedMessage::new(propose, signature))
            }
            Effect::VerifySignature(message, key, r) => {
                let bytes = match &message.message {
                    ConsensusMsg::Vote(vote) => {
                        self.electorate.vote(vote).map(|v| self.vote_bytes(&v))
                    }
                    ConsensusMsg::Proposal(propose) => {
                        self.electorate.propose(propose).map(|p| self.propose_bytes(&p))
                    }
                };
                let good = bytes
                    .is_some_and(|bytes| self.me.scheme.verify(&bytes, &message.signature, &key));
                if !good {
                    self.refuse(MessageError::BadSignature(Box::new(key)));
                }
                r.resume_with(good)
            }
            Effect::VerifyCommitCertificate(certificate, _, _, r) => {
                self.check_own_certificate(&certificate);
                // Never an error: the engine would panic. A fault stops us instead.
                r.resume_with(Ok(()))
            }
            Effect::VerifyExtendedCommitCertificate(_, _, _, _, r) => {
                r.resume_with(Err(VerificationError(None)))
            }
            Effect::VerifyPolkaCertificate(polka, _, _, r) => {
                let checked = self.electorate.polka(&polka).map(|polka| {
                    let validators = self.electorate.leaders().validators();
                    verify_polka(&self.me.network, &polka, validators, &*self.me.scheme)
                });
                let held = self.holds(checked);
                // The engine asks whether it holds, not why not.
                r.resume_with(if held { Ok(()) } else { Err(VerificationError(None)) })
            }
            Effect::VerifyRoundCertificate(change, _, _, r) => {
                let checked = self.electorate.round_change(&change).map(|change| {
                    let validators = self.electorate.leaders().validators();
                    verify_round_change(&self.me.network, &change, validators, &*self.me.scheme)
                });
                let held = self.holds(checked);
                // The engine asks whether it holds, not why not.
                r.resume_with(if held { Ok(()) } else { Err(VerificationError(None)) })
            }
            Effect::WalAppend(_, input, r) => {
                self.append(&input);
                r.resume_with(())
            }
            // Votes carry no extensions.
            Effect::ExtendVote(.., r) => r.resume_with(None),
            Effect::VerifyVoteExtension(.., r) => r.resume_with(Ok(())),
        }
    }

    fn push(&mut self, output: Output) {
        if self.step.fault.is_none() {
            self.step.outputs.push(output);
        }
    }

    fn refuse(&mut self, refusal: MessageError) {
        // After a fault our own messages carry no signature; that is nobody's fault.
        if self.step.fault.is_none() {
            self.step.refuse(refusal);
        }
    }

    fn timer(&self, timeout: Timeout) -> Option<TimerId> {
        let kind = match timeout.kind {
            TimeoutKind::Propose => TimerKind::Propose,
            TimeoutKind::Prevote => TimerKind::Prevote,
            TimeoutKind::Precommit => TimerKind::Precommit,
            TimeoutKind::Rebroadcast => TimerKind::Rebroadcast,
            // Only with a target time, which is never set.
            TimeoutKind::FinalizeHeight(_) => return None,
        };
        Some(TimerId { height: self.height, round: context::round(timeout.round)?, kind })
    }

    fn vote_bytes(&self, vote: &Vote) -> Vec<u8> {
        vote.signing_bytes(&self.me.network)
    }

    fn propose_bytes(&self, propose: &Propose) -> Vec<u8> {
        propose.signing_bytes(&self.me.network)
    }

    fn sign_vote(&mut self, vote: Option<Vote>) -> Signature {
        let Some(vote) = vote else { return self.unsigned(Fault::KeyRefused) };
        let bytes = self.vote_bytes(&vote);
        self.sign(vote_slot(&vote), &bytes)
    }

    fn sign_propose(&mut self, propose: Option<Propose>) -> Signature {
        let Some(propose) = propose else { return self.unsigned(Fault::KeyRefused) };
        let bytes = self.propose_bytes(&propose);
        self.sign(propose_slot(&propose), &bytes)
    }

    /// Signs what the guard permits; otherwise this node stops.
    fn sign(&mut self, slot: Slot, bytes: &[u8]) -> Signature {
        if self.step.fault.is_some() {
            return Signature::System;
        }
        if let Err(error) = self.guard.permit(slot, bytes) {
            return self.unsigned(Fault::Guard(error));
        }
        match self.me.scheme.sign(bytes) {
            Some(signature) => signature,
            None => self.unsigned(Fault::KeyRefused),
        }
    }

    /// The engine has to be given something: a signature that verifies nowhere and never leaves.
    fn unsigned(&mut self, fault: Fault) -> Signature {
        self.step.stop(fault);
        Signature::System
    }

    /// Sends a message, after making durable what guards it.
    fn send(&mut self, message: Option<Message>, class: SendClass) {
        let Some(message) = message else { return };
        if self.step.fault.is_some() {
            return;
        }
        if let Some((slot, bytes)) = signed_slot(&self.me.network, self.me.key.as_ref(), &message) {
            // What the log made us say again has to agree with the guard as well.
            if let Err(error) = self.guard.permit_again(slot, &bytes) {
                return self.step.stop(Fault::Guard(error));
            }
            // Here the log already has every vote that we signed. A guard that knew more than the
            // log would forbid this node to vote again after a crash.
            if let Some(record) = self.guard.unsaved_record() {
                self.push(Output::Persist(Record::Guard(record)));
            }
        }
        self.push(Output::Send { bytes: message.encode(), class });
    }

    /// The engine put this certificate together from votes that were checked one by one.
    fn check_own_certificate(&mut self, certificate: &core::CommitCertificate<Girrona>) {
        let validators = self.electorate.leaders().validators();
        let checked = self.electorate.commit(certificate).map(|certificate| {
            verify_certificate(&self.me.network, &certificate, validators, &*self.me.scheme)
        });
        let text = match checked {
            Some(Ok(())) => return,
            Some(Err(error)) => format!("its own certificate is not valid: {error}"),
            None => "its own certificate has a stranger's signature".to_owned(),
        };
        self.step.stop(Fault::Engine { height: self.height, text });
    }

    /// Whether a certificate holds, or tells what is wrong with it.
    fn holds(&mut self, checked: Option<Result<(), CertificateError>>) -> bool {
        match checked {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                self.refuse(MessageError::Certificate(error));
                false
            }
            None => false,
        }
    }

    /// Writes what the engine must see again after a crash, and notices what leaders name.
    fn append(&mut self, input: &CoreInput<Girrona>) {
        let message = |message: Message| Some(Entry::Message(message.encode()));
        let entry = match input {
            CoreInput::Vote(vote) => {
                self.electorate.signed_vote(vote).map(Message::Vote).and_then(message)
            }
            CoreInput::Proposal(propose) => {
                self.electorate.signed_propose(propose).map(Message::Propose).and_then(message)
            }
            CoreInput::PolkaCertificate(polka) => {
                self.electorate.polka(polka).map(Message::Polka).and_then(message)
            }
            CoreInput::TimeoutElapsed(timeout) => {
                let timer = match timeout.kind {
                    TimeoutKind::Propose => Some(LoggedTimer::Propose),
                    TimeoutKind::Prevote => Some(LoggedTimer::Prevote),
                    TimeoutKind::Precommit => Some(LoggedTimer::Precommit),
                    TimeoutKind::Rebroadcast | TimeoutKind::FinalizeHeight(_) => None,
                };
                timer.zip(context::round(timeout.round)).map(|(t, round)| Entry::Timer(t, round))
            }
            CoreInput::ProposedValue(value, _) => context::round(value.round).map(|round| {
                Entry::Judged { round, proposal: value.value.0, valid: value.validity.is_valid() }
            }),
            CoreInput::StartHeight(..)
            | CoreInput::RoundCertificate(_)
            | CoreInput::Propose(_)
            | CoreInput::SyncValueResponse(_) => None,
        };
        if let Some(entry) = entry
            && self.persist
        {
            let record = wal::encode(self.height, &entry);
            if !self.logged.contains(&record) {
                self.push(Output::Persist(Record::Wal(record)));
            }
        }
        if let CoreInput::Proposal(propose) = input
            && let Some(propose) = self.electorate.propose(&propose.message)
        {
            self.name(&propose);
        }
    }

    /// A leader's word was accepted: its body has to be judged once.
    fn name(&mut self, propose: &Propose) {
        let Propose { height, round, proposal, signer, .. } = propose;
        if self.named.contains_key(proposal) {
            return;
        }
        self.named.insert(*proposal, *round);
        // During a replay the verdict may follow in the log.
        if !self.replaying && !self.judged.contains_key(proposal) {
            let proposer = signer.clone();
            let (height, proposal, round) = (*height, *proposal, *round);
            self.push(Output::Wanted { height, proposal, proposer, round });
        }
    }
}

/// The slot and the signed bytes of a message that `key` itself signed.
pub(super) fn signed_slot(
    network: &NetworkId,
    key: Option<&PublicKey>,
    message: &Message,
) -> Option<(Slot, Vec<u8>)> {
    if message.signer()? != key? {
        return None;
    }
    match message {
        Message::Vote(vote) => Some((vote_slot(&vote.body), vote.body.signing_bytes(network))),
        Message::Propose(propose) => {
            Some((propose_slot(&propose.body), propose.body.signing_bytes(network)))
        }
        Message::Polka(_) | Message::RoundChange(_) => None,
    }
}

fn vote_slot(vote: &Vote) -> Slot {
    let step = match vote.kind {
        VoteKind::Prevote => Step::Prevote,
        VoteKind::Precommit => Step::Precommit,
    };
    Slot { height: vote.height, round: vote.round, step }
}

fn propose_slot(propose: &Propose) -> Slot {
    Slot { height: propose.height, round: propose.round, step: Step::Propose }
}
