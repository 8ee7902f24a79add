//! What nodes say to each other, and how it becomes bytes.
//!
//! Every decoder here faces the network: it allocates no more than what really arrived, and
//! whatever it does not like is an error.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::{
    Deploy, DeployHash, PublicKey, Signature,
    bytesrepr::{FromBytes, ToBytes},
};
use girrona_types::{
    CommitCertificate, FinalitySignature, Height, NetworkId, Proposal, ProposalHash, bytes::casper,
};
use thiserror::Error;

/// Goes before what a leader signs to send its proposal around.
const PROPOSAL_DOMAIN: &[u8] = b"girrona/proposal-message/1";

/// Hashes that one request may name or one answer may list.
pub const HASHES_MAX: usize = 20_000;
/// Blocks that one answer holds at most; it also ends at [`ANSWER_BYTES_MAX`].
pub const BLOCKS_MAX: u64 = 64;
/// Bytes after which an answer takes nothing more.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The bytes were no message.
#[derive(Debug, Error)]
#[error("not a {what}: {reason}")]
pub struct DecodeError {
    what: &'static str,
    reason: String,
}

/// A proposal as its leader sends it around.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedProposal {
    /// The proposal.
    pub proposal: Proposal,
    /// The proposer's signature of [`SignedProposal::message`].
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signature: Signature,
}

impl SignedProposal {
    /// The bytes that the proposer signs.
    pub fn message(network: &NetworkId, hash: &ProposalHash) -> Vec<u8> {
        [PROPOSAL_DOMAIN, network.as_bytes(), hash.as_bytes()].concat()
    }
}

/// Told to every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gossip {
    /// Deploys that were accepted here.
    Deploys(Vec<Arc<Deploy>>),
    /// A proposal of ours.
    Proposal(Arc<SignedProposal>),
    /// A height was decided.
    Commit(CommitCertificate),
    /// Our word on an executed block.
    Finality(FinalitySignature),
}

/// Asked of one node.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Request {
    /// Where are you?
    Status,
    /// Hashes of the deploys that wait at yours.
    Pending,
    /// These deploys.
    Deploys(Vec<[u8; 32]>),
    /// The proposal of this hash.
    Proposal(ProposalHash),
    /// Decided blocks from this height on, this many at most.
    Blocks {
        /// The first.
        from: Height,
        /// How many at most.
        count: u64,
    },
    /// Finality signatures of the blocks from this height on, this many blocks at most.
    Finality {
        /// The first.
        from: Height,
        /// How many at most.
        count: u64,
    },
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Response {
    /// The height of the tip.
    Status(Height),
    /// Hashes of waiting deploys.
    Pending(Vec<[u8; 32]>),
    /// Deploys, each in Casper's bytes; unknown ones are left out.
    Deploys(Vec<Vec<u8>>),
    /// The proposal, if known.
    Proposal(Option<Box<Proposal>>),
    /// Blocks in order.
    Blocks(Vec<DecidedBlock>),
    /// Finality signatures of any of the blocks that were asked for.
    Finality(Vec<FinalitySignature>),
}

/// A decided proposal with everything that is needed to execute it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DecidedBlock {
    /// What was decided.
    pub proposal: Proposal,
    /// That it was decided.
    pub certificate: CommitCertificate,
    /// Its deploys in Casper's bytes, in execution order.
    pub deploys: Vec<Vec<u8>>,
}

/// A deploy's bytes.
///
/// # Errors
/// When the deploy has no byte form.
pub fn encode_deploy(deploy: &Deploy) -> Result<Vec<u8>, DecodeError> {
    deploy.to_bytes().map_err(|e| DecodeError { what: "deploy", reason: e.to_string() })
}

/// Reads a deploy; every byte must be used.
///
/// # Errors
/// When the bytes are no deploy.
pub fn decode_deploy(bytes: &[u8]) -> Result<Deploy, DecodeError> {
    let (deploy, rest) = Deploy::from_bytes(bytes)
        .map_err(|e| DecodeError { what: "deploy", reason: e.to_string() })?;
    if rest.is_empty() {
        Ok(deploy)
    } else {
        Err(DecodeError { what: "deploy", reason: format!("{} bytes too many", rest.len()) })
    }
}

/// Reads one of our own messages; every byte must be used.
///
/// # Errors
/// When the bytes are no such message.
pub fn decode<T: BorshDeserialize>(what: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    T::try_from_slice(bytes).map_err(|e| DecodeError { what, reason: e.to_string() })
}

/// The bytes of one of our own messages.
pub fn encode<T: BorshSerialize>(message: &T) -> Vec<u8> {
    // Writing into a vector does not fail for any of our types.
    borsh::to_vec(message).unwrap_or_default()
}

/// What a deploy hash is on the wire.
#[must_use]
pub fn raw(hash: &DeployHash) -> [u8; 32] {
    hash.inner().value()
}

/// A validator says on a direct connection who it is.
///
/// It signs both ends of the connection, so the words mean nothing on another one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Introduction {
    /// The validator's key.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub key: PublicKey,
    /// Its signature of [`Introduction::message`].
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signature: Signature,
}

impl Introduction {
    /// The bytes that are signed: network, who speaks, who listens.
    pub fn message(network: &NetworkId, speaker: &[u8], listener: &[u8]) -> Vec<u8> {
        let mut message = b"girrona/introduction/1".to_vec();
        message.extend_from_slice(network.as_bytes());
        for peer in [speaker, listener] {
            let length = u32::try_from(peer.len()).unwrap_or(u32::MAX);
            message.extend_from_slice(&length.to_le_bytes());
            message.extend_from_slice(peer);
        }
        message
    }
}

/// Told to one validator on the direct connection.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Direct {
    /// Who speaks.
    Introduction(Introduction),
    /// A consensus message.
    Vote(Vec<u8>),
    /// A proposal, so that validators have it before gossip brings it.
    Proposal(Box<SignedProposal>),
}
