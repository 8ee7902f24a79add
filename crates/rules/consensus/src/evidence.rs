//! Equivocation: two signed messages of one validator for the same slot that contradict.

use girrona_types::{Equivocation, NetworkId};

use crate::{
    check::{MessageError, check_signature},
    message::{Message, Propose, Signed, Vote},
    scheme::Scheme,
    validators::Validators,
};

/// Why evidence proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// One of the two is no message, or its signature is not valid.
    #[error("evidence: {0}")]
    Message(#[from] MessageError),
    /// Certificates are not signed by one validator.
    #[error("evidence: neither two votes nor two proposals")]
    NotSigned,
    /// The messages are not the named offender's.
    #[error("evidence: not signed by the named offender")]
    NotTheOffenders,
    /// The offender was no validator of that height.
    #[error("evidence: the offender is no validator of that height")]
    NotAValidator,
    /// Different height, round or kind: no contradiction.
    #[error("evidence: the messages are for different slots")]
    OtherSlot,
    /// The same thing twice.
    #[error("evidence: both messages say the same")]
    SameContent,
    /// The pair has one order, so that it counts once.
    #[error("evidence: the messages are not in order")]
    OutOfOrder,
}

/// Checks that the offender really contradicted themselves. `validators` must be those of the
/// messages' height, which [`crate::inspect`] tells.
///
/// # Errors
/// [`EvidenceError`] says what is missing.
pub fn verify_equivocation(
    network: &NetworkId,
    evidence: &Equivocation,
    validators: &Validators,
    scheme: &dyn Scheme,
) -> Result<(), EvidenceError> {
    if evidence.first >= evidence.second {
        return Err(EvidenceError::OutOfOrder);
    }
    let first = Message::decode(&evidence.first)?;
    let second = Message::decode(&evidence.second)?;
    for message in [&first, &second] {
        match message.signer() {
            None => return Err(EvidenceError::NotSigned),
            Some(signer) if *signer != evidence.offender => {
                return Err(EvidenceError::NotTheOffenders);
            }
            Some(_) => {}
        }
    }
    if first.height() != second.height() || first.round() != second.round() {
        return Err(EvidenceError::OtherSlot);
    }
    let same = match (&first, &second) {
        (Message::Vote(a), Message::Vote(b)) if a.body.kind == b.body.kind => a.body == b.body,
        (Message::Propose(a), Message::Propose(b)) => a.body == b.body,
        _ => return Err(EvidenceError::OtherSlot),
    };
    if same {
        return Err(EvidenceError::SameContent);
    }
    if validators.weight(&evidence.offender).is_none() {
        return Err(EvidenceError::NotAValidator);
    }
    check_signature(network, &first, scheme)?;
    check_signature(network, &second, scheme)?;
    Ok(())
}

/// Evidence from two votes of one validator.
pub(crate) fn of_votes(a: Signed<Vote>, b: Signed<Vote>) -> Equivocation {
    let offender = a.body.signer.clone();
    pair(offender, &Message::Vote(a), &Message::Vote(b))
}

/// Evidence from two proposals of one leader.
pub(crate) fn of_proposals(a: Signed<Propose>, b: Signed<Propose>) -> Equivocation {
    let offender = a.body.signer.clone();
    pair(offender, &Message::Propose(a), &Message::Propose(b))
}

/// The lower bytes come first, so that everybody writes the same pair alike.
fn pair(offender: casper_types::PublicKey, a: &Message, b: &Message) -> Equivocation {
    let (a, b) = (a.encode(), b.encode());
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    Equivocation { offender, first, second }
}

#[cfg(test)]
mod tests {
    use casper_types::SecretKey;
    use girrona_types::{Height, ProposalHash, Round};

    use super::*;
    use crate::{message::VoteKind, scheme::CasperKeys};

    const NETWORK: NetworkId = NetworkId([7; 32]);

    fn keys(seed: u8) -> CasperKeys {
        CasperKeys::signer(SecretKey::ed25519_from_bytes([seed; 32]).unwrap()).unwrap()
    }

    fn vote(seed: u8, kind: VoteKind, round: u32, value: Option<u8>) -> Signed<Vote> {
        let keys = keys(seed);
        let signer = keys.public_key().unwrap().clone();
        let value = value.map(|byte| ProposalHash([byte; 32]));
        let vote = Vote { kind, height: Height(5), round: Round(round), value, signer };
        vote.sign(&NETWORK, &keys).unwrap()
    }

    fn propose(polka_round: Option<Round>) -> Signed<Propose> {
        let keys = keys(1);
        let signer = keys.public_key().unwrap().clone();
        let (height, round, proposal) = (Height(5), Round(2), ProposalHash([9; 32]));
        let body = Propose { height, round, proposal, polka_round, signer };
        body.sign(&NETWORK, &keys).unwrap()
    }

    fn verify(evidence: &Equivocation) -> Result<(), EvidenceError> {
        let of = |seed| (keys(seed).public_key().unwrap().clone(), 1);
        let validators = Validators::new((1..=2).map(of).collect()).unwrap();
        verify_equivocation(&NETWORK, evidence, &validators, &CasperKeys::observer())
    }

    const PREVOTE: VoteKind = VoteKind::Prevote;

    #[test]
    fn two_votes_for_one_slot_convict() {
        let (a, b) = (vote(1, PREVOTE, 2, Some(9)), vote(1, PREVOTE, 2, None));
        assert_eq!(of_votes(a.clone(), b.clone()), of_votes(b.clone(), a.clone()));
        assert_eq!(verify(&of_votes(a, b)), Ok(()));
        assert_eq!(verify(&of_proposals(propose(None), propose(Some(Round(1))))), Ok(()));
    }

    #[test]
    fn what_does_not_contradict_does_not_convict() {
        let a = || vote(1, PREVOTE, 2, Some(9));
        let other_round = of_votes(a(), vote(1, PREVOTE, 3, None));
        assert_eq!(verify(&other_round), Err(EvidenceError::OtherSlot));
        let other_kind = of_votes(a(), vote(1, VoteKind::Precommit, 2, None));
        assert_eq!(verify(&other_kind), Err(EvidenceError::OtherSlot));
        let key = keys(1).public_key().unwrap().clone();
        let mixed = pair(key, &Message::Vote(a()), &Message::Propose(propose(None)));
        assert_eq!(verify(&mixed), Err(EvidenceError::OtherSlot));
        assert_eq!(verify(&of_votes(a(), a())), Err(EvidenceError::OutOfOrder));
    }

    #[test]
    fn the_same_vote_signed_in_two_ways_is_no_contradiction() {
        let a = vote(1, PREVOTE, 2, Some(9));
        let mut b = a.clone();
        b.signature = vote(1, PREVOTE, 3, None).signature;
        assert_eq!(verify(&of_votes(a, b)), Err(EvidenceError::SameContent));
    }

    #[test]
    fn nobody_is_convicted_by_what_others_signed() {
        let a = || vote(1, PREVOTE, 2, Some(9));
        let theirs = of_votes(a(), vote(2, PREVOTE, 2, None));
        assert_eq!(verify(&theirs), Err(EvidenceError::NotTheOffenders));
        let mut forged = vote(1, PREVOTE, 2, None);
        forged.signature = a().signature;
        let forged = verify(&of_votes(a(), forged));
        assert!(matches!(forged, Err(EvidenceError::Message(MessageError::BadSignature(_)))));
        let stranger = of_votes(vote(3, PREVOTE, 2, None), vote(3, PREVOTE, 2, Some(9)));
        assert_eq!(verify(&stranger), Err(EvidenceError::NotAValidator));
    }

    #[test]
    fn swapped_or_broken_evidence_is_refused() {
        let good = of_votes(vote(1, PREVOTE, 2, Some(9)), vote(1, PREVOTE, 2, None));
        let mut swapped = good.clone();
        std::mem::swap(&mut swapped.first, &mut swapped.second);
        assert_eq!(verify(&swapped), Err(EvidenceError::OutOfOrder));
        let mut broken = good;
        broken.second.push(0);
        assert!(matches!(verify(&broken), Err(EvidenceError::Message(_))));
    }
}
