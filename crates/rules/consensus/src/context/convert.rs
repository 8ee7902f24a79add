//! Our messages as Malachite's inputs.

use girrona_types::{ProposalHash, Round};
use malachitebft_core_consensus::Input as CoreInput;
use malachitebft_core_types::{self as core, NilOrVal};

use super::{Address, CoreHeight, CorePropose, CoreValue, CoreVote, Girrona};
use crate::message::{Message, RoundChangeKind, Signed, Vote, VoteKind};

/// A message as the engine's input.
pub(crate) fn to_core(message: Message) -> CoreInput<Girrona> {
    match message {
        Message::Propose(Signed { body, signature }) => {
            let propose = CorePropose {
                height: CoreHeight(body.height.0),
                round: core::Round::new(body.round.0),
                value: CoreValue(body.proposal),
                polka_round: body.polka_round.map_or(core::Round::Nil, |r| core::Round::new(r.0)),
                address: Address::of(&body.signer),
            };
            CoreInput::Proposal(core::SignedMessage::new(propose, signature))
        }
        Message::Vote(vote) => CoreInput::Vote(vote_to_core(vote)),
        Message::Polka(polka) => CoreInput::PolkaCertificate(core::PolkaCertificate {
            height: CoreHeight(polka.height.0),
            round: core::Round::new(polka.round.0),
            value_id: polka.proposal,
            polka_signatures: polka
                .signatures
                .iter()
                .map(|(key, signature)| core::PolkaSignature::new(Address::of(key), *signature))
                .collect(),
        }),
        Message::RoundChange(change) => CoreInput::RoundCertificate(core::RoundCertificate {
            height: CoreHeight(change.height.0),
            round: core::Round::new(change.round.0),
            cert_type: match change.kind {
                RoundChangeKind::Skip => core::RoundCertificateType::Skip,
                RoundChangeKind::Precommit => core::RoundCertificateType::Precommit,
            },
            round_signatures: change
                .votes
                .into_iter()
                .map(|vote| {
                    core::RoundSignature::new(
                        core_kind(vote.kind),
                        vote.value.map_or(NilOrVal::Nil, NilOrVal::Val),
                        Address::of(&vote.signer),
                        vote.signature,
                    )
                })
                .collect(),
        }),
    }
}

pub(crate) fn vote_to_core(vote: Signed<Vote>) -> core::SignedVote<Girrona> {
    let Signed { body, signature } = vote;
    let vote = CoreVote {
        kind: core_kind(body.kind),
        height: CoreHeight(body.height.0),
        round: core::Round::new(body.round.0),
        value: body.value.map_or(NilOrVal::Nil, NilOrVal::Val),
        address: Address::of(&body.signer),
    };
    core::SignedMessage::new(vote, signature)
}

fn core_kind(kind: VoteKind) -> core::VoteType {
    match kind {
        VoteKind::Prevote => core::VoteType::Prevote,
        VoteKind::Precommit => core::VoteType::Precommit,
    }
}

pub(super) fn vote_kind(kind: core::VoteType) -> VoteKind {
    match kind {
        core::VoteType::Prevote => VoteKind::Prevote,
        core::VoteType::Precommit => VoteKind::Precommit,
    }
}

pub(crate) fn round(round: core::Round) -> Option<Round> {
    round.as_u32().map(Round)
}

pub(super) fn value(value: &NilOrVal<ProposalHash>) -> Option<ProposalHash> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(hash) => Some(*hash),
    }
}
