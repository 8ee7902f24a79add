//! What peers may ask, answered from disk beside the brain.

use std::collections::BTreeSet;

use bytes::Bytes;
use casper_types::{DeployHash, Digest};
use girrona_chain::{
    disk::{DiskError, Fate},
    message::{
        self, ANSWER_BYTES_MAX, BLOCKS_MAX, DecidedBlock, DecodeError, HASHES_MAX, Request,
        Response,
    },
};
use girrona_store::StoreReader;
use girrona_types::Height;
use thiserror::Error;

/// Why a peer gets no answer.
#[derive(Debug, Error)]
pub enum Unanswered {
    /// It did not ask anything.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It asked for too much at once.
    #[error("a request for {0} deploys; {HASHES_MAX} are the most")]
    TooMuch(usize),
    /// This node cannot read its disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Unanswered {
    /// Whether the peer is to blame.
    pub const fn is_senders(&self) -> bool {
        matches!(self, Self::Malformed(_) | Self::TooMuch(_))
    }
}

/// Answers peers.
#[derive(Debug)]
pub struct Answers {
    store: StoreReader,
}

impl Answers {
    /// Answers from this store.
    pub const fn new(store: StoreReader) -> Self {
        Self { store }
    }

    /// Whether a deploy is stored here, waiting or executed.
    pub fn knows(&self, hash: &DeployHash) -> bool {
        let fate = self.store.fate(hash);
        matches!(fate, Ok(Some(Fate::Pending | Fate::Executed(_))))
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub fn answer(&self, bytes: &[u8]) -> Result<Bytes, Unanswered> {
        let response = match message::decode::<Request>("request", bytes)? {
            Request::Status => Response::Status(self.tip()),
            Request::Pending => {
                let hashes = self.store.pending(HASHES_MAX)?;
                Response::Pending(hashes.iter().map(message::raw).collect())
            }
            Request::Deploys(hashes) => {
                if hashes.len() > HASHES_MAX {
                    return Err(Unanswered::TooMuch(hashes.len()));
                }
                Response::Deploys(self.deploys(&hashes)?)
            }
            Request::Proposal(hash) => {
                let proposal = self.store.proposal(&hash)?;
                Response::Proposal(proposal.map(|proposal| Box::new(proposal.as_ref().clone())))
            }
            Request::Blocks { from, count } => Response::Blocks(self.blocks(from, count)?),
            Request::Finality { from, count } => {
                let mut signatures = Vec::new();
                for height in from.0..from.0.saturating_add(count.min(BLOCKS_MAX)) {
                    let Some(stored) = self.store.block(Height(height))? else { break };
                    signatures.extend(self.store.finality_signatures(stored.block.hash())?);
                }
                Response::Finality(signatures)
            }
        };
        Ok(Bytes::from(message::encode(&response)))
    }

    fn tip(&self) -> Height {
        self.store.tip().map_or(Height::GENESIS, |tip| Height(tip.block.height()))
    }

    /// As many of the deploys as fit.
    fn deploys(&self, hashes: &[[u8; 32]]) -> Result<Vec<Vec<u8>>, Unanswered> {
        let mut found = Vec::new();
        let mut size = 0;
        // Who names one twice gets it once.
        for hash in hashes.iter().collect::<BTreeSet<_>>() {
            let hash = DeployHash::new(Digest::from(*hash));
            let Some(deploy) = self.store.body(&hash)? else { continue };
            let bytes = message::encode_deploy(&deploy)?;
            size += bytes.len();
            found.push(bytes);
            if size > ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok(found)
    }

    /// As many decided blocks as fit.
    fn blocks(&self, from: Height, count: u64) -> Result<Vec<DecidedBlock>, Unanswered> {
        let mut found = Vec::new();
        let mut size = 0;
        for height in from.0..from.0.saturating_add(count.min(BLOCKS_MAX)) {
            let Some(stored) = self.store.block(Height(height))? else { break };
            let (Some(proposal), Some(certificate)) = (&stored.proposal, &stored.certificate)
            else {
                break;
            };
            let mut deploys = Vec::new();
            for signed in proposal.all_deploys() {
                let Some(deploy) = self.store.body(&signed.hash)? else { return Ok(found) };
                let bytes = message::encode_deploy(&deploy)?;
                size += bytes.len() + 256;
                deploys.push(bytes);
            }
            let (proposal, certificate) = (proposal.clone(), certificate.clone());
            found.push(DecidedBlock { proposal, certificate, deploys });
            if size > ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok(found)
    }
}
