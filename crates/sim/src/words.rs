//! What goes over links, and the names under which gossip knows it.

use std::sync::Arc;

use casper_types::Deploy;
use girrona_chain::{
    RequestId,
    message::{self, Direct, Gossip, Request, Response, SignedProposal},
};
use girrona_types::{CommitCertificate, FinalitySignature};

/// One thing on one link. Shared, because every link carries the same.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Gossip(u64, Word),
    Direct(Arc<Direct>),
    Request(RequestId, Arc<Request>),
    Answer(RequestId, Option<Arc<Response>>),
}

/// Something that is passed on from node to node.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    Deploy(Arc<Deploy>),
    Proposal(Arc<SignedProposal>),
    Commit(Arc<CommitCertificate>),
    Finality(Arc<FinalitySignature>),
    /// A vote for a validator who is not connected; named by source and number.
    Vote(Arc<Vec<u8>>),
}

impl Word {
    /// The words of one [`Gossip`], each with its name.
    pub(crate) fn of(gossip: Gossip) -> Vec<(u64, Self)> {
        let word = match gossip {
            Gossip::Deploys(deploys) => {
                return deploys
                    .into_iter()
                    .map(|deploy| (name(b"deploy", deploy.hash().inner().as_ref()), deploy))
                    .map(|(name, deploy)| (name, Self::Deploy(deploy)))
                    .collect();
            }
            Gossip::Proposal(signed) => Self::Proposal(signed),
            Gossip::Commit(certificate) => Self::Commit(Arc::new(certificate)),
            Gossip::Finality(signature) => Self::Finality(Arc::new(signature)),
        };
        vec![(word.name(), word)]
    }

    /// A name that follows from the content.
    pub(crate) fn name(&self) -> u64 {
        match self {
            Self::Deploy(deploy) => name(b"deploy", deploy.hash().inner().as_ref()),
            Self::Proposal(signed) => {
                let hash = signed.proposal.hash();
                let signature: Vec<u8> = signed.signature.into();
                name(b"proposal", &[hash.as_bytes(), &signature[..]].concat())
            }
            Self::Commit(certificate) => name(b"commit", &message::encode(certificate.as_ref())),
            Self::Finality(signature) => name(b"finality", &message::encode(signature.as_ref())),
            Self::Vote(bytes) => name(b"vote", bytes),
        }
    }
}

/// FNV-1a over kind and content.
fn name(kind: &[u8], content: &[u8]) -> u64 {
    fold(fold(0xcbf2_9ce4_8422_2325, kind), content)
}

/// One step of FNV-1a for each byte.
pub(crate) fn fold(hash: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
