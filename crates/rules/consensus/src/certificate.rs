//! Counting signatures: commit certificates, and the certificates that travel inside consensus.

use casper_types::{PublicKey, Signature};
use girrona_types::{CommitCertificate, Height, NetworkId, ProposalHash, Round};

use crate::{
    message::{Polka, RoundChange, RoundChangeKind, Vote, VoteKind},
    scheme::Scheme,
    validators::Validators,
};

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A signer is not a validator of that height.
    #[error("{0} is not a validator")]
    UnknownSigner(Box<PublicKey>),
    /// A signer comes twice or out of order.
    #[error("{0} is out of order")]
    OutOfOrder(Box<PublicKey>),
    /// A signature is not the signer's, or for another network, height, round or proposal.
    #[error("the signature of {0} is not valid")]
    BadSignature(Box<PublicKey>),
    /// Too few signed.
    #[error("weight {signed} of {total} signed, which is too little")]
    NoQuorum {
        /// The weight of those who signed.
        signed: u64,
        /// The weight of all.
        total: u64,
    },
}

/// Checks that more than two thirds of `validators` precommitted to what the certificate names.
/// `validators` must be those of the certificate's height.
///
/// # Errors
/// [`CertificateError`] names the first signer at fault, or the weight that is missing.
pub fn verify_certificate(
    network: &NetworkId,
    certificate: &CommitCertificate,
    validators: &Validators,
    scheme: &dyn Scheme,
) -> Result<(), CertificateError> {
    let CommitCertificate { height, round, proposal, signatures } = certificate;
    let votes = signatures.iter().map(|(signer, signature)| {
        (vote(VoteKind::Precommit, *height, *round, Some(*proposal), signer), signature)
    });
    let signed = count(network, votes, validators, scheme)?;
    enough(validators.is_quorum(signed), signed, validators)
}

/// Checks that more than two thirds prevoted.
pub(crate) fn verify_polka(
    network: &NetworkId,
    polka: &Polka,
    validators: &Validators,
    scheme: &dyn Scheme,
) -> Result<(), CertificateError> {
    let votes = polka.signatures.iter().map(|(signer, signature)| {
        let proposal = Some(polka.proposal);
        (vote(VoteKind::Prevote, polka.height, polka.round, proposal, signer), signature)
    });
    let signed = count(network, votes, validators, scheme)?;
    enough(validators.is_quorum(signed), signed, validators)
}

/// Checks that enough voted to enter or leave the round.
pub(crate) fn verify_round_change(
    network: &NetworkId,
    change: &RoundChange,
    validators: &Validators,
    scheme: &dyn Scheme,
) -> Result<(), CertificateError> {
    let votes = change.votes.iter().map(|one| {
        (vote(one.kind, change.height, change.round, one.value, &one.signer), &one.signature)
    });
    let signed = count(network, votes, validators, scheme)?;
    let met = match change.kind {
        RoundChangeKind::Skip => validators.is_honest(signed),
        RoundChangeKind::Precommit => validators.is_quorum(signed),
    };
    enough(met, signed, validators)
}

fn vote(
    kind: VoteKind,
    height: Height,
    round: Round,
    value: Option<ProposalHash>,
    signer: &PublicKey,
) -> Vote {
    Vote { kind, height, round, value, signer: signer.clone() }
}

/// The weight of the signers, each of whom must be a validator, come once, and really have signed.
fn count<'a>(
    network: &NetworkId,
    votes: impl Iterator<Item = (Vote, &'a Signature)>,
    validators: &Validators,
    scheme: &dyn Scheme,
) -> Result<u64, CertificateError> {
    let mut signed = 0_u64;
    let mut before: Option<PublicKey> = None;
    for (vote, signature) in votes {
        if before.is_some_and(|before| before >= vote.signer) {
            return Err(CertificateError::OutOfOrder(Box::new(vote.signer)));
        }
        let Some(weight) = validators.weight(&vote.signer) else {
            return Err(CertificateError::UnknownSigner(Box::new(vote.signer)));
        };
        if !scheme.verify(&vote.signing_bytes(network), signature, &vote.signer) {
            return Err(CertificateError::BadSignature(Box::new(vote.signer)));
        }
        signed = signed.saturating_add(weight);
        before = Some(vote.signer);
    }
    Ok(signed)
}

fn enough(met: bool, signed: u64, validators: &Validators) -> Result<(), CertificateError> {
    if met { Ok(()) } else { Err(CertificateError::NoQuorum { signed, total: validators.total() }) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use casper_types::SecretKey;

    use super::*;
    use crate::scheme::CasperKeys;

    const NETWORK: NetworkId = NetworkId([7; 32]);

    /// Keys 1 to 4, of both kinds, with weights 10, 20, 30 and 40.
    fn keys() -> Vec<CasperKeys> {
        let ed = |seed| SecretKey::ed25519_from_bytes([seed; 32]).unwrap();
        let secp = |seed| SecretKey::secp256k1_from_bytes([seed; 32]).unwrap();
        [ed(1), secp(2), ed(3), secp(4)].map(|key| CasperKeys::signer(key).unwrap()).into()
    }

    fn validators() -> Validators {
        let weights: BTreeMap<_, _> = keys()
            .iter()
            .zip([10, 20, 30, 40])
            .map(|(keys, weight)| (keys.public_key().unwrap().clone(), weight))
            .collect();
        Validators::new(weights).unwrap()
    }

    fn certificate(network: NetworkId, signers: &[usize]) -> CommitCertificate {
        certificate_of(VoteKind::Precommit, network, signers)
    }

    fn certificate_of(kind: VoteKind, network: NetworkId, signers: &[usize]) -> CommitCertificate {
        let (height, round, proposal) = (Height(3), Round(1), ProposalHash([9; 32]));
        let keys = keys();
        let sign = |signer: &usize| {
            let keys = &keys[*signer];
            let vote = vote(kind, height, round, Some(proposal), keys.public_key().unwrap());
            let signed = vote.sign(&network, keys).unwrap();
            (signed.body.signer, signed.signature)
        };
        let mut signatures: Vec<_> = signers.iter().map(sign).collect();
        signatures.sort();
        CommitCertificate { height, round, proposal, signatures }
    }

    fn verify(certificate: &CommitCertificate) -> Result<(), CertificateError> {
        verify_certificate(&NETWORK, certificate, &validators(), &CasperKeys::observer())
    }

    #[test]
    fn two_thirds_of_the_weight_decide_whoever_they_are() {
        assert_eq!(verify(&certificate(NETWORK, &[2, 3])), Ok(()));
        assert_eq!(verify(&certificate(NETWORK, &[0, 1, 2, 3])), Ok(()));
        let few = CertificateError::NoQuorum { signed: 60, total: 100 };
        assert_eq!(verify(&certificate(NETWORK, &[1, 3])), Err(few));
        let none = CertificateError::NoQuorum { signed: 0, total: 100 };
        assert_eq!(verify(&certificate(NETWORK, &[])), Err(none));
    }

    #[test]
    fn another_networks_certificate_proves_nothing() {
        let foreign = certificate(NetworkId([8; 32]), &[0, 1, 2, 3]);
        assert!(matches!(verify(&foreign), Err(CertificateError::BadSignature(_))));
    }

    #[test]
    fn a_stranger_among_the_signers_spoils_it() {
        let certificate = certificate(NETWORK, &[1, 2, 3]);
        let mut weights: BTreeMap<_, _> =
            validators().iter().map(|(key, weight)| (key.clone(), weight)).collect();
        let stranger = keys()[1].public_key().unwrap().clone();
        weights.remove(&stranger);
        let validators = Validators::new(weights).unwrap();
        assert_eq!(
            verify_certificate(&NETWORK, &certificate, &validators, &CasperKeys::observer()),
            Err(CertificateError::UnknownSigner(Box::new(stranger)))
        );
    }

    #[test]
    fn a_signer_counts_once_and_in_order() {
        let mut twice = certificate(NETWORK, &[3, 3]);
        let key = keys()[3].public_key().unwrap().clone();
        assert_eq!(verify(&twice), Err(CertificateError::OutOfOrder(Box::new(key))));
        twice = certificate(NETWORK, &[0, 1, 2, 3]);
        twice.signatures.reverse();
        assert!(matches!(verify(&twice), Err(CertificateError::OutOfOrder(_))));
    }

    #[test]
    fn a_certificate_holds_for_exactly_what_was_signed() {
        let good = certificate(NETWORK, &[0, 1, 2, 3]);
        let bad = |change: fn(&mut CommitCertificate)| {
            let mut changed = good.clone();
            change(&mut changed);
            assert!(matches!(verify(&changed), Err(CertificateError::BadSignature(_))));
        };
        bad(|c| c.height = Height(4));
        bad(|c| c.round = Round(2));
        bad(|c| c.proposal = ProposalHash([8; 32]));
        bad(|c| {
            let first = c.signatures[0].1;
            c.signatures[1].1 = first;
        });
    }

    #[test]
    fn prevotes_are_not_precommits() {
        let prevotes = certificate_of(VoteKind::Prevote, NETWORK, &[0, 1, 2, 3]);
        assert!(matches!(verify(&prevotes), Err(CertificateError::BadSignature(_))));
    }
}
