//! The validators of one height, and the way back from Malachite's words to ours.

use std::sync::Arc;

use casper_types::PublicKey;
use girrona_types::{CommitCertificate, Height, Round};
use malachitebft_core_types as core;

use super::{
    Address, CorePropose, CoreVote, Girrona, Member,
    convert::{round, value, vote_kind},
};
use crate::{
    leaders::Leaders,
    message::{Polka, Propose, RoundChange, RoundChangeKind, RoundVote, Signed, Vote},
};

/// The validators of one height, with the order in which they lead its rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Electorate(Arc<Members>);

#[derive(Debug, PartialEq, Eq)]
struct Members {
    leaders: Arc<Leaders>,
    /// Ordered by address.
    members: Vec<Member>,
    /// Who leads round 0, 1 and so on.
    order: Vec<Member>,
    /// Leads when there is nobody else, which cannot be.
    first: Member,
}

impl Electorate {
    pub(crate) fn new(leaders: Arc<Leaders>, height: Height) -> Self {
        let member = |key: &PublicKey| Member {
            address: Address::of(key),
            key: key.clone(),
            weight: leaders.validators().weight(key).unwrap_or_default(),
        };
        let order: Vec<_> = leaders.order(height).into_iter().map(member).collect();
        let mut members = order.clone();
        members.sort_by_key(|member| member.address);
        let first = member(leaders.validators().first());
        Self(Arc::new(Members { leaders, members, order, first }))
    }

    pub(crate) fn leaders(&self) -> &Leaders {
        &self.0.leaders
    }

    fn member(&self, address: &Address) -> Option<&Member> {
        let at = self.0.members.binary_search_by(|member| member.address.cmp(address)).ok()?;
        self.0.members.get(at)
    }

    pub(crate) fn key(&self, address: &Address) -> Option<&PublicKey> {
        self.member(address).map(|member| &member.key)
    }

    pub(super) fn leading(&self, round: u32) -> &Member {
        let count = u32::try_from(self.0.order.len()).unwrap_or(u32::MAX);
        let turn = round.checked_rem(count).unwrap_or(0);
        usize::try_from(turn).ok().and_then(|turn| self.0.order.get(turn)).unwrap_or(&self.0.first)
    }

    pub(crate) fn leader(&self, round: Round) -> &PublicKey {
        &self.leading(round.0).key
    }

    pub(crate) fn leader_address(&self, round: Round) -> Address {
        self.leading(round.0).address
    }

    /// Malachite's vote in our form; `None` when its signer is no validator.
    pub(crate) fn vote(&self, vote: &CoreVote) -> Option<Vote> {
        Some(Vote {
            kind: vote_kind(vote.kind),
            height: Height(vote.height.0),
            round: round(vote.round)?,
            value: value(&vote.value),
            signer: self.key(&vote.address)?.clone(),
        })
    }

    pub(crate) fn signed_vote(&self, vote: &core::SignedVote<Girrona>) -> Option<Signed<Vote>> {
        Some(Signed { body: self.vote(&vote.message)?, signature: vote.signature })
    }

    pub(crate) fn propose(&self, propose: &CorePropose) -> Option<Propose> {
        Some(Propose {
            height: Height(propose.height.0),
            round: round(propose.round)?,
            proposal: propose.value.0,
            polka_round: round(propose.polka_round),
            signer: self.key(&propose.address)?.clone(),
        })
    }

    pub(crate) fn signed_propose(
        &self,
        propose: &core::SignedProposal<Girrona>,
    ) -> Option<Signed<Propose>> {
        Some(Signed { body: self.propose(&propose.message)?, signature: propose.signature })
    }

    pub(crate) fn polka(&self, polka: &core::PolkaCertificate<Girrona>) -> Option<Polka> {
        let signed = |one: &core::PolkaSignature<Girrona>| {
            Some((self.key(&one.address)?.clone(), one.signature))
        };
        let mut signatures: Vec<_> =
            polka.polka_signatures.iter().map(signed).collect::<Option<_>>()?;
        signatures.sort_by(|(a, _), (b, _)| a.cmp(b));
        Some(Polka {
            height: Height(polka.height.0),
            round: round(polka.round)?,
            proposal: polka.value_id,
            signatures,
        })
    }

    pub(crate) fn round_change(
        &self,
        change: &core::RoundCertificate<Girrona>,
    ) -> Option<RoundChange> {
        let signed = |one: &core::RoundSignature<Girrona>| {
            Some(RoundVote {
                kind: vote_kind(one.vote_type),
                value: value(&one.value_id),
                signer: self.key(&one.address)?.clone(),
                signature: one.signature,
            })
        };
        let mut votes: Vec<_> =
            change.round_signatures.iter().map(signed).collect::<Option<_>>()?;
        votes.sort_by(|a, b| a.signer.cmp(&b.signer));
        Some(RoundChange {
            height: Height(change.height.0),
            round: round(change.round)?,
            kind: match change.cert_type {
                core::RoundCertificateType::Skip => RoundChangeKind::Skip,
                core::RoundCertificateType::Precommit => RoundChangeKind::Precommit,
            },
            votes,
        })
    }

    pub(crate) fn commit(
        &self,
        certificate: &core::CommitCertificate<Girrona>,
    ) -> Option<CommitCertificate> {
        let signed = |one: &core::CommitSignature<Girrona>| {
            Some((self.key(&one.address)?.clone(), one.signature))
        };
        let mut signatures: Vec<_> =
            certificate.commit_signatures.iter().map(signed).collect::<Option<_>>()?;
        signatures.sort_by(|(a, _), (b, _)| a.cmp(b));
        Some(CommitCertificate {
            height: Height(certificate.height.0),
            round: round(certificate.round)?,
            proposal: certificate.value_id,
            signatures,
        })
    }
}

impl core::ValidatorSet<Girrona> for Electorate {
    fn count(&self) -> usize {
        self.0.members.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.0.leaders.validators().total()
    }

    fn get_by_address(&self, address: &Address) -> Option<&Member> {
        self.member(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Member> {
        self.0.members.get(index)
    }
}
