//! What consensus decides: the proposal, and the certificate that it was decided.
//!
//! The byte formats are fixed in `docs/spec/proposal.md`.

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::{
    Approval, BlockHash, Deploy, DeployHash, Digest, EraId, PublicKey, Signature, Timestamp,
};

use crate::{
    bytes::casper,
    units::{Height, NetworkId, ProposalHash, Round},
};

/// Goes before the bytes of a proposal when they are hashed.
const PROPOSAL_DOMAIN: &[u8] = b"girrona/proposal/1";
/// Goes before the bytes that a leader signs to seed a block's randomness.
const SEED_DOMAIN: &[u8] = b"girrona/seed/1";

/// A deploy's place in a proposal: its hash and the approvals it is executed with.
///
/// Approvals are not part of a deploy's hash, so the proposal has to fix them.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedDeploy {
    /// Which deploy.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub hash: DeployHash,
    /// Who signed it, ordered.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub approvals: Vec<Approval>,
}

impl From<&Deploy> for SignedDeploy {
    fn from(deploy: &Deploy) -> Self {
        Self { hash: *deploy.hash(), approvals: deploy.approvals().iter().cloned().collect() }
    }
}

/// A block before execution: what a leader proposes and validators vote on by its hash.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// The network it is meant for.
    pub network: NetworkId,
    /// The height it fills.
    pub height: Height,
    /// The era of that height.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub era: EraId,
    /// The executed block before it; a node whose own block differs was outvoted.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub parent: BlockHash,
    /// When the leader made it, in milliseconds since 1970.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub timestamp: Timestamp,
    /// The leader who made it.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub proposer: PublicKey,
    /// The leader's deterministic signature of [`Proposal::seed_message`]; its hash gives the
    /// block's random bit.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub seed_signature: Signature,
    /// The certificate of the height before; `None` only at height 1. It makes missed slots and
    /// cast votes part of what was agreed on.
    pub last_commit: Option<CommitCertificate>,
    /// Deploys that run code, in execution order.
    pub deploys: Vec<SignedDeploy>,
    /// Native transfers, executed after the deploys.
    pub transfers: Vec<SignedDeploy>,
    /// Validators caught signing two different things for the same slot.
    pub evidence: Vec<Equivocation>,
}

impl Proposal {
    /// The hash that is voted on.
    pub fn hash(&self) -> ProposalHash {
        ProposalHash(hash_of(PROPOSAL_DOMAIN, self))
    }

    /// What the leader of `height` signs to get [`Proposal::seed_signature`].
    pub fn seed_message(network: &NetworkId, height: Height, parent_seed: &Digest) -> Vec<u8> {
        let mut message = SEED_DOMAIN.to_vec();
        message.extend_from_slice(network.as_bytes());
        message.extend_from_slice(&height.0.to_le_bytes());
        message.extend_from_slice(parent_seed.as_ref());
        message
    }

    /// The bit that goes into the block's header, from [`Proposal::seed_signature`].
    pub fn random_bit(&self) -> bool {
        let bytes: Vec<u8> = self.seed_signature.into();
        Digest::hash(bytes).value().first().is_some_and(|byte| byte & 1 == 1)
    }

    /// Every deploy of the proposal, in execution order.
    pub fn all_deploys(&self) -> impl Iterator<Item = &SignedDeploy> {
        self.deploys.iter().chain(&self.transfers)
    }
}

/// Proof that validators with more than two thirds of the weight precommitted to a proposal.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CommitCertificate {
    /// The decided height.
    pub height: Height,
    /// The round in which it was decided.
    pub round: Round,
    /// What was decided.
    pub proposal: ProposalHash,
    /// The precommit signatures, ordered by signer.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signatures: Vec<(PublicKey, Signature)>,
}

/// Two signed consensus messages of one validator for the same slot that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Equivocation {
    /// Who signed both.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub offender: PublicKey,
    /// The first signed message, as it went over the wire.
    pub first: Vec<u8>,
    /// The second signed message.
    pub second: Vec<u8>,
}

/// blake2b-256 over a domain prefix and a value's borsh bytes.
fn hash_of<T: BorshSerialize>(domain: &[u8], value: &T) -> [u8; 32] {
    let mut bytes = domain.to_vec();
    borsh::to_writer(&mut bytes, value).expect("a vector takes every byte");
    Digest::hash(bytes).value()
}
