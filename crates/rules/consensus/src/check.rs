//! First looks at messages: what a gossip layer can tell before consensus sees them.

use casper_types::PublicKey;
use girrona_types::{Height, NetworkId, Round};

use crate::{
    certificate::{CertificateError, verify_polka, verify_round_change},
    message::{MESSAGE_MAX, Message, VoteKind},
    scheme::Scheme,
    validators::Validators,
};

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageKind {
    /// A leader's proposal.
    Propose,
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
    /// A certificate of prevotes.
    Polka,
    /// A certificate that a round began or ended.
    RoundChange,
}

/// What a message says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageInfo {
    /// The height it belongs to.
    pub height: Height,
    /// The round it belongs to.
    pub round: Round,
    /// Its only signer; `None` for a certificate, which has many.
    pub signer: Option<PublicKey>,
    /// What kind it is.
    pub kind: MessageKind,
}

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than any message.
    #[error("a message of {0} bytes, at most {MESSAGE_MAX} are possible")]
    TooLong(usize),
    /// Not a message.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// The signer is not a validator of this height, or not known to be one.
    #[error("{0} is not a validator")]
    UnknownSigner(Box<PublicKey>),
    /// Proposed by somebody who does not lead that round.
    #[error("{signer} proposed in round {round}, which {leader} leads")]
    NotLeader {
        /// Who signed.
        signer: Box<PublicKey>,
        /// The round.
        round: Round,
        /// Who leads it.
        leader: Box<PublicKey>,
    },
    /// The signature is not the signer's, or was made for another network.
    #[error("the signature of {0} is not valid")]
    BadSignature(Box<PublicKey>),
    /// A certificate that proves nothing.
    #[error("bad certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The engine could not use it.
    #[error("the engine could not use it: {0}")]
    Engine(String),
}

impl MessageError {
    /// Whether the sender is to blame. A signer whom we do not know may be a validator of an era
    /// that we have not reached.
    pub const fn is_senders_fault(&self) -> bool {
        !matches!(
            self,
            Self::UnknownSigner(_)
                | Self::Engine(_)
                | Self::Certificate(
                    CertificateError::UnknownSigner(_) | CertificateError::NoQuorum { .. }
                )
        )
    }
}

/// What the bytes say they are, without checking any signature; `None` for what is no message.
pub fn inspect(bytes: &[u8]) -> Option<MessageInfo> {
    Message::decode(bytes).ok().map(|message| info(&message))
}

/// Whether a message may be forwarded: well formed, from `validators`, with good signatures.
/// It says nothing about who leads, or whether the message is of use now.
///
/// # Errors
/// [`MessageError`]; ask [`MessageError::is_senders_fault`] before blaming the sender.
pub fn check_message(
    network: &NetworkId,
    bytes: &[u8],
    validators: &Validators,
    scheme: &dyn Scheme,
) -> Result<MessageInfo, MessageError> {
    let message = Message::decode(bytes)?;
    if let Some(signer) = message.signer()
        && validators.weight(signer).is_none()
    {
        return Err(MessageError::UnknownSigner(Box::new(signer.clone())));
    }
    match &message {
        Message::Polka(polka) => verify_polka(network, polka, validators, scheme)?,
        Message::RoundChange(change) => verify_round_change(network, change, validators, scheme)?,
        Message::Propose(_) | Message::Vote(_) => check_signature(network, &message, scheme)?,
    }
    Ok(info(&message))
}

/// Whether the one signer of a vote or proposal signed it, validator or not.
pub(crate) fn check_signature(
    network: &NetworkId,
    message: &Message,
    scheme: &dyn Scheme,
) -> Result<(), MessageError> {
    let (signed, signer) = match message {
        Message::Propose(propose) => (propose.is_signed(network, scheme), &propose.body.signer),
        Message::Vote(vote) => (vote.is_signed(network, scheme), &vote.body.signer),
        Message::Polka(_) | Message::RoundChange(_) => return Ok(()),
    };
    if signed { Ok(()) } else { Err(MessageError::BadSignature(Box::new(signer.clone()))) }
}

fn info(message: &Message) -> MessageInfo {
    let kind = match message {
        Message::Propose(_) => MessageKind::Propose,
        Message::Vote(vote) => match vote.body.kind {
            VoteKind::Prevote => MessageKind::Prevote,
            VoteKind::Precommit => MessageKind::Precommit,
        },
        Message::Polka(_) => MessageKind::Polka,
        Message::RoundChange(_) => MessageKind::RoundChange,
    };
    MessageInfo {
        height: message.height(),
        round: message.round(),
        signer: message.signer().cloned(),
        kind,
    }
}

#[cfg(test)]
mod tests {
    use casper_types::SecretKey;
    use girrona_types::ProposalHash;

    use super::*;
    use crate::{
        message::{Polka, Vote},
        scheme::CasperKeys,
    };

    const NETWORK: NetworkId = NetworkId([7; 32]);

    fn keys(seed: u8) -> CasperKeys {
        CasperKeys::signer(SecretKey::ed25519_from_bytes([seed; 32]).unwrap()).unwrap()
    }

    fn prevote(seed: u8) -> (PublicKey, crate::message::Signed<Vote>) {
        let keys = keys(seed);
        let signer = keys.public_key().unwrap().clone();
        let vote = Vote {
            kind: VoteKind::Prevote,
            height: Height(5),
            round: Round(2),
            value: Some(ProposalHash([9; 32])),
            signer: signer.clone(),
        };
        (signer, vote.sign(&NETWORK, &keys).unwrap())
    }

    fn validators() -> Validators {
        let of = |seed| (keys(seed).public_key().unwrap().clone(), 1);
        Validators::new((1..=3).map(of).collect()).unwrap()
    }

    fn check(network: &NetworkId, message: &Message) -> Result<MessageInfo, MessageError> {
        check_message(network, &message.encode(), &validators(), &CasperKeys::observer())
    }

    #[test]
    fn a_validators_vote_is_forwarded_and_says_what_it_is() {
        let (signer, vote) = prevote(1);
        let message = Message::Vote(vote);
        let info = check(&NETWORK, &message).unwrap();
        assert_eq!(inspect(&message.encode()), Some(info.clone()));
        let expected = MessageInfo {
            height: Height(5),
            round: Round(2),
            signer: Some(signer),
            kind: MessageKind::Prevote,
        };
        assert_eq!(info, expected);
        assert_eq!(inspect(b"not a message"), None);
    }

    #[test]
    fn a_stranger_is_not_blamed_but_a_forger_is() {
        let (stranger, vote) = prevote(9);
        let refusal = check(&NETWORK, &Message::Vote(vote)).unwrap_err();
        assert_eq!(refusal, MessageError::UnknownSigner(Box::new(stranger)));
        assert!(!refusal.is_senders_fault());
        let (signer, mut vote) = prevote(1);
        vote.body.round = Round(3);
        let refusal = check(&NETWORK, &Message::Vote(vote)).unwrap_err();
        assert_eq!(refusal, MessageError::BadSignature(Box::new(signer)));
        assert!(refusal.is_senders_fault());
    }

    #[test]
    fn another_networks_vote_is_refused() {
        let (signer, vote) = prevote(1);
        let refusal = check(&NetworkId([8; 32]), &Message::Vote(vote)).unwrap_err();
        assert_eq!(refusal, MessageError::BadSignature(Box::new(signer)));
    }

    #[test]
    fn a_polka_needs_two_thirds() {
        let polka = |seeds: &[u8]| {
            let mut signatures: Vec<_> = seeds
                .iter()
                .map(|seed| prevote(*seed))
                .map(|(key, v)| (key, v.signature))
                .collect();
            signatures.sort();
            let proposal = ProposalHash([9; 32]);
            Message::Polka(Polka { height: Height(5), round: Round(2), proposal, signatures })
        };
        assert!(check(&NETWORK, &polka(&[1, 2, 3])).is_ok());
        assert_eq!(
            check(&NETWORK, &polka(&[1, 2])),
            Err(CertificateError::NoQuorum { signed: 2, total: 3 }.into())
        );
    }
}
