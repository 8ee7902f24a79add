//! What validators say to each other, as bytes. The format is in `docs/spec/consensus.md`.
//!
//! Knows: which bytes are signed, which go over the wire, and which are well formed.
//! Leaves to others: whether a signer is a validator and the signature theirs (`check`).

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::{PublicKey, Signature};
use girrona_types::{Height, NetworkId, ProposalHash, Round, bytes::casper};

use crate::{check::MessageError, scheme::Scheme, validators::VALIDATORS_MAX};

/// The longest message, in bytes. 256 round-change votes take 36 KiB.
pub const MESSAGE_MAX: usize = 64 * 1024;
/// Messages of heights further ahead than this are dropped.
pub const HEIGHTS_AHEAD: u64 = 10;
/// No honest network gets here: at 30 s a round this is a year.
const ROUND_MAX: Round = Round(1_000_000);
/// The first byte of every message.
const VERSION: u8 = 1;
/// Goes before the bytes of a vote when they are signed.
const VOTE_DOMAIN: &[u8] = b"girrona/vote/1";
/// Goes before the bytes of a leader's proposal when they are signed.
const PROPOSE_DOMAIN: &[u8] = b"girrona/propose/1";

/// Which of a round's two votes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum VoteKind {
    /// "This proposal is valid", or nil: "I saw none in time".
    Prevote,
    /// "Two thirds prevoted this; I stand by it", or nil.
    Precommit,
}

/// A vote, without its signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// The height voted on.
    pub height: Height,
    /// The round voted in.
    pub round: Round,
    /// What is voted for; `None` is a vote for no proposal.
    pub value: Option<ProposalHash>,
    /// Who votes.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signer: PublicKey,
}

/// A leader's word that this hash is their proposal, without its signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Propose {
    /// The height it fills.
    pub height: Height,
    /// The round it is made in.
    pub round: Round,
    /// What is proposed.
    pub proposal: ProposalHash,
    /// The earlier round in which two thirds prevoted it, if it is proposed again.
    pub polka_round: Option<Round>,
    /// Who leads.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signer: PublicKey,
}

/// Something with its signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signed<T> {
    /// What is signed.
    pub body: T,
    /// By the signer that the body names.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signature: Signature,
}

/// Proof that two thirds prevoted a proposal.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Polka {
    /// The height.
    pub height: Height,
    /// The round of the prevotes.
    pub round: Round,
    /// What they are for.
    pub proposal: ProposalHash,
    /// The prevotes' signatures, ordered by signer.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signatures: Vec<(PublicKey, Signature)>,
}

/// What a [`RoundChange`] proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum RoundChangeKind {
    /// More than a third voted in this round, so it is time to enter it.
    Skip,
    /// Two thirds precommitted in this round, so it is time to leave it.
    Precommit,
}

/// One vote of a [`RoundChange`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RoundVote {
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// What it is for.
    pub value: Option<ProposalHash>,
    /// Who voted.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signer: PublicKey,
    /// Their signature of the vote.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signature: Signature,
}

/// Proof that a round was entered or left rightly.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RoundChange {
    /// The height.
    pub height: Height,
    /// The round of the votes.
    pub round: Round,
    /// What the votes prove.
    pub kind: RoundChangeKind,
    /// One vote per signer, ordered by signer.
    pub votes: Vec<RoundVote>,
}

/// A consensus message.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// A leader names a proposal.
    Propose(Signed<Propose>),
    /// A validator votes.
    Vote(Signed<Vote>),
    /// Two thirds prevoted.
    Polka(Polka),
    /// A round began or ended.
    RoundChange(RoundChange),
}

impl Vote {
    /// The bytes that are signed.
    pub fn signing_bytes(&self, network: &NetworkId) -> Vec<u8> {
        signing_bytes(VOTE_DOMAIN, network, self)
    }

    /// Signs the vote; `None` when the scheme does not sign.
    pub fn sign(self, network: &NetworkId, scheme: &dyn Scheme) -> Option<Signed<Self>> {
        let signature = scheme.sign(&self.signing_bytes(network))?;
        Some(Signed { body: self, signature })
    }
}

impl Propose {
    /// The bytes that are signed.
    pub fn signing_bytes(&self, network: &NetworkId) -> Vec<u8> {
        signing_bytes(PROPOSE_DOMAIN, network, self)
    }

    /// Signs it; `None` when the scheme does not sign.
    pub fn sign(self, network: &NetworkId, scheme: &dyn Scheme) -> Option<Signed<Self>> {
        let signature = scheme.sign(&self.signing_bytes(network))?;
        Some(Signed { body: self, signature })
    }
}

impl Signed<Vote> {
    /// Whether the signer that the vote names signed it.
    pub fn is_signed(&self, network: &NetworkId, scheme: &dyn Scheme) -> bool {
        scheme.verify(&self.body.signing_bytes(network), &self.signature, &self.body.signer)
    }
}

impl Signed<Propose> {
    /// Whether the signer that the proposal names signed it.
    pub fn is_signed(&self, network: &NetworkId, scheme: &dyn Scheme) -> bool {
        scheme.verify(&self.body.signing_bytes(network), &self.signature, &self.body.signer)
    }
}

impl Message {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        put(&mut bytes, self);
        bytes
    }

    /// Reads bytes that came from anywhere.
    ///
    /// # Errors
    /// When they are too long, are no message, or say something that can never be true.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MESSAGE_MAX {
            return Err(MessageError::TooLong(bytes.len()));
        }
        let Some((&VERSION, body)) = bytes.split_first() else {
            return Err(MessageError::Malformed("not a message of this version".to_owned()));
        };
        let message: Self =
            borsh::from_slice(body).map_err(|e| MessageError::Malformed(e.to_string()))?;
        message.well_formed()?;
        Ok(message)
    }

    /// The height it belongs to.
    pub fn height(&self) -> Height {
        match self {
            Self::Propose(propose) => propose.body.height,
            Self::Vote(vote) => vote.body.height,
            Self::Polka(polka) => polka.height,
            Self::RoundChange(change) => change.height,
        }
    }

    /// The round it belongs to.
    pub fn round(&self) -> Round {
        match self {
            Self::Propose(propose) => propose.body.round,
            Self::Vote(vote) => vote.body.round,
            Self::Polka(polka) => polka.round,
            Self::RoundChange(change) => change.round,
        }
    }

    /// Whom it names as its only signer; certificates have many.
    pub fn signer(&self) -> Option<&PublicKey> {
        match self {
            Self::Propose(propose) => Some(&propose.body.signer),
            Self::Vote(vote) => Some(&vote.body.signer),
            Self::Polka(_) | Self::RoundChange(_) => None,
        }
    }

    /// Refuses what no honest validator says, whoever the validators are.
    fn well_formed(&self) -> Result<(), MessageError> {
        let bad = |text: &str| Err(MessageError::Malformed(text.to_owned()));
        if self.round() > ROUND_MAX {
            return bad("the round is out of reach");
        }
        match self {
            Self::Propose(Signed { body, .. }) => {
                if body.polka_round.is_some_and(|polka| polka >= body.round) {
                    return bad("the polka is not from an earlier round");
                }
                nonzero(Some(body.proposal))
            }
            Self::Vote(vote) => nonzero(vote.body.value),
            Self::Polka(polka) => {
                ordered(polka.signatures.iter().map(|(key, _)| key))?;
                nonzero(Some(polka.proposal))
            }
            Self::RoundChange(change) => {
                ordered(change.votes.iter().map(|vote| &vote.signer))?;
                if change.kind == RoundChangeKind::Precommit
                    && change.votes.iter().any(|vote| vote.kind == VoteKind::Prevote)
                {
                    return bad("a prevote among precommits");
                }
                change.votes.iter().try_for_each(|vote| nonzero(vote.value))
            }
        }
    }
}

fn nonzero(value: Option<ProposalHash>) -> Result<(), MessageError> {
    if value == Some(ProposalHash::default()) {
        return Err(MessageError::Malformed("the proposal's hash is zero".to_owned()));
    }
    Ok(())
}

/// At least one signer, not too many, each one once, in order.
fn ordered<'a>(keys: impl Iterator<Item = &'a PublicKey>) -> Result<(), MessageError> {
    let mut count = 0_usize;
    let mut before: Option<&PublicKey> = None;
    for key in keys {
        count = count.saturating_add(1);
        if count > VALIDATORS_MAX {
            return Err(MessageError::Malformed("too many signatures".to_owned()));
        }
        if before.is_some_and(|before| before >= key) {
            return Err(MessageError::Malformed("signers out of order".to_owned()));
        }
        before = Some(key);
    }
    if count == 0 {
        return Err(MessageError::Malformed("no signatures".to_owned()));
    }
    Ok(())
}

fn signing_bytes<T: BorshSerialize>(domain: &[u8], network: &NetworkId, body: &T) -> Vec<u8> {
    let mut bytes = domain.to_vec();
    bytes.extend_from_slice(network.as_bytes());
    put(&mut bytes, body);
    bytes
}

/// Appends a value's borsh bytes.
pub(crate) fn put<T: BorshSerialize>(bytes: &mut Vec<u8>, value: &T) {
    // A vector takes every byte and our types always have a byte form, so there is no error.
    let _ = borsh::to_writer(bytes, value);
}

#[cfg(test)]
mod tests {
    use casper_types::SecretKey;

    use super::*;
    use crate::scheme::CasperKeys;

    const NETWORK: NetworkId = NetworkId([7; 32]);

    fn keys(seed: u8) -> CasperKeys {
        CasperKeys::signer(SecretKey::ed25519_from_bytes([seed; 32]).unwrap()).unwrap()
    }

    fn vote(seed: u8, kind: VoteKind, value: Option<u8>) -> Signed<Vote> {
        let keys = keys(seed);
        Vote {
            kind,
            height: Height(5),
            round: Round(2),
            value: value.map(|byte| ProposalHash([byte; 32])),
            signer: keys.public_key().unwrap().clone(),
        }
        .sign(&NETWORK, &keys)
        .unwrap()
    }

    fn propose(polka_round: Option<Round>, proposal: [u8; 32]) -> Message {
        let keys = keys(1);
        let body = Propose {
            height: Height(5),
            round: Round(2),
            proposal: ProposalHash(proposal),
            polka_round,
            signer: keys.public_key().unwrap().clone(),
        };
        Message::Propose(body.sign(&NETWORK, &keys).unwrap())
    }

    fn sorted(seeds: &[u8]) -> Vec<(PublicKey, Signature)> {
        let of = |seed: &u8| {
            let vote = vote(*seed, VoteKind::Prevote, Some(9));
            (vote.body.signer, vote.signature)
        };
        let mut all: Vec<_> = seeds.iter().map(of).collect();
        all.sort();
        all
    }

    fn polka(signatures: Vec<(PublicKey, Signature)>) -> Message {
        let proposal = ProposalHash([9; 32]);
        Message::Polka(Polka { height: Height(5), round: Round(2), proposal, signatures })
    }

    fn round_vote(seed: u8, kind: VoteKind) -> RoundVote {
        let Signed { body, signature } = vote(seed, kind, None);
        RoundVote { kind, value: body.value, signer: body.signer, signature }
    }

    fn change(kind: RoundChangeKind, mut votes: Vec<RoundVote>) -> Message {
        votes.sort_by(|a, b| a.signer.cmp(&b.signer));
        Message::RoundChange(RoundChange { height: Height(5), round: Round(2), kind, votes })
    }

    fn refusal(message: &Message) -> String {
        Message::decode(&message.encode()).unwrap_err().to_string()
    }

    #[test]
    fn every_message_survives_the_wire() {
        let precommits =
            vec![round_vote(1, VoteKind::Precommit), round_vote(2, VoteKind::Precommit)];
        for message in [
            propose(None, [9; 32]),
            propose(Some(Round(1)), [9; 32]),
            Message::Vote(vote(1, VoteKind::Prevote, None)),
            Message::Vote(vote(1, VoteKind::Precommit, Some(9))),
            polka(sorted(&[1, 2, 3])),
            change(RoundChangeKind::Precommit, precommits),
            change(RoundChangeKind::Skip, vec![round_vote(1, VoteKind::Prevote)]),
        ] {
            assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
    }

    #[test]
    fn the_bytes_of_a_vote_and_of_a_proposal_are_fixed() {
        let vote = vote(1, VoteKind::Precommit, Some(9));
        let signed = vote.body.signing_bytes(&NETWORK);
        assert_eq!(hex::encode(&signed), GOLDEN_VOTE_SIGNED);
        assert_eq!(hex::encode(Message::Vote(vote).encode()), GOLDEN_VOTE);
        let Message::Propose(propose) = propose(Some(Round(1)), [9; 32]) else { unreachable!() };
        assert_eq!(hex::encode(propose.body.signing_bytes(&NETWORK)), GOLDEN_PROPOSE_SIGNED);
        assert_eq!(hex::encode(Message::Propose(propose).encode()), GOLDEN_PROPOSE);
    }

    #[test]
    fn a_full_certificate_fits_a_message() {
        let seeds: Vec<u8> = (0..=255).collect();
        let votes = seeds.iter().map(|seed| round_vote(*seed, VoteKind::Precommit)).collect();
        let message = change(RoundChangeKind::Precommit, votes).encode();
        assert!(message.len() < MESSAGE_MAX, "{}", message.len());
        assert!(Message::decode(&message).is_ok());
    }

    #[test]
    fn what_can_never_be_true_is_refused_and_says_why() {
        assert!(refusal(&propose(Some(Round(2)), [9; 32])).contains("not from an earlier round"));
        assert!(refusal(&propose(None, [0; 32])).contains("hash is zero"));
        let zero = Message::Vote(vote(1, VoteKind::Prevote, Some(0)));
        assert!(refusal(&zero).contains("hash is zero"));
        assert!(refusal(&polka(vec![])).contains("no signatures"));
        let mut twice = sorted(&[1, 1]);
        assert!(refusal(&polka(twice.clone())).contains("out of order"));
        twice = sorted(&[1, 2]);
        twice.reverse();
        assert!(refusal(&polka(twice)).contains("out of order"));
        let mixed = vec![round_vote(1, VoteKind::Precommit), round_vote(2, VoteKind::Prevote)];
        let mixed = change(RoundChangeKind::Precommit, mixed);
        assert!(refusal(&mixed).contains("a prevote among precommits"));
        let mut far = vote(1, VoteKind::Prevote, None);
        far.body.round = Round(1_000_001);
        assert!(refusal(&Message::Vote(far)).contains("out of reach"));
    }

    #[test]
    fn a_long_a_short_and_a_foreign_message_are_refused() {
        let long = vec![1; MESSAGE_MAX + 1];
        assert_eq!(Message::decode(&long), Err(MessageError::TooLong(MESSAGE_MAX + 1)));
        let message = Message::Vote(vote(1, VoteKind::Prevote, None)).encode();
        for end in 0..message.len() {
            assert!(Message::decode(&message[..end]).is_err(), "cut at {end}");
        }
        let mut more = message.clone();
        more.push(0);
        assert!(Message::decode(&more).is_err());
        let mut other = message;
        other[0] = 2;
        assert!(Message::decode(&other).is_err());
    }

    #[test]
    fn an_announced_length_allocates_nothing_by_itself() {
        let Message::Polka(body) = polka(sorted(&[1])) else { unreachable!() };
        let start =
            [vec![VERSION, 2], borsh::to_vec(&(body.height, body.round, body.proposal)).unwrap()];
        let mut bytes = start.concat();
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        assert!(Message::decode(&bytes).is_err());
        let mut bytes = start.concat();
        // A believable length outside, an unbelievable count inside.
        bytes.extend_from_slice(&8_u32.to_le_bytes());
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        bytes.extend_from_slice(&[1; 4]);
        assert!(Message::decode(&bytes).is_err());
    }

    const GOLDEN_VOTE_SIGNED: &str = "\
        676972726f6e612f766f74652f310707070707070707070707070707070707070707070707070707\
        07070707070701050000000000000002000000010909090909090909090909090909090909090909\
        09090909090909090909090921000000018a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d9412\
        1bf3748801b40f6f5c";
    const GOLDEN_VOTE: &str = "\
        01010105000000000000000200000001090909090909090909090909090909090909090909090909\
        090909090909090921000000018a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf37488\
        01b40f6f5c4100000001a760d69d29f567cc0937fe52bf3272b40066fbd907e77587bd5a165f2cf0\
        fd31f66c50cad1adda90ce59861720a8f9ec49d7ed6c107286a39d7f50335331d901";
    const GOLDEN_PROPOSE_SIGNED: &str = "\
        676972726f6e612f70726f706f73652f310707070707070707070707070707070707070707070707\
        07070707070707070705000000000000000200000009090909090909090909090909090909090909\
        09090909090909090909090909010100000021000000018a88e3dd7409f195fd52db2d3cba5d72ca\
        6709bf1d94121bf3748801b40f6f5c";
    const GOLDEN_PROPOSE: &str = "\
        01000500000000000000020000000909090909090909090909090909090909090909090909090909\
        090909090909010100000021000000018a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121b\
        f3748801b40f6f5c41000000015af684cdfaf03f307cdedc96f6f17cae80ff8b6c12ef76f72ec50d\
        75e7b54fdbe8c516cb774ea925bad6ec4a0c99f4b76b6f8abb270b44b3d3ac2cc7d2167505";
}
