//! What a simulated node's disk answers to peers: the rules of the real node's answers.

use casper_types::{DeployHash, Digest};
use girrona_chain::{
    Disk, MemoryDisk,
    disk::DiskResult,
    message::{self, ANSWER_BYTES_MAX, BLOCKS_MAX, DecidedBlock, HASHES_MAX, Request, Response},
};
use girrona_types::Height;

/// The answer; `None` when there is none.
pub(crate) fn answer(disk: &MemoryDisk, request: &Request) -> Option<Response> {
    try_answer(disk, request).ok().flatten()
}

fn try_answer(disk: &MemoryDisk, request: &Request) -> DiskResult<Option<Response>> {
    Ok(Some(match request {
        Request::Status => {
            let tip = disk.tip()?;
            Response::Status(tip.map_or(Height::GENESIS, |tip| Height(tip.block.height())))
        }
        Request::Pending => {
            let pending = disk.pending()?;
            let hashes = pending.iter().take(HASHES_MAX);
            Response::Pending(hashes.map(|(deploy, _)| message::raw(deploy.hash())).collect())
        }
        Request::Deploys(hashes) if hashes.len() > HASHES_MAX => return Ok(None),
        Request::Deploys(hashes) => Response::Deploys(deploys(disk, hashes)?),
        Request::Proposal(hash) => {
            let proposal = disk.proposal(hash)?;
            Response::Proposal(proposal.map(|proposal| Box::new(proposal.as_ref().clone())))
        }
        Request::Blocks { from, count } => Response::Blocks(blocks(disk, *from, *count)?),
        Request::Finality { from, count } => {
            let mut signatures = Vec::new();
            for height in from.0..from.0.saturating_add((*count).min(BLOCKS_MAX)) {
                let Some(stored) = disk.block(Height(height))? else { break };
                signatures.extend(disk.finality_signatures(stored.block.hash())?);
            }
            Response::Finality(signatures)
        }
    }))
}

/// As many of the deploys as fit.
fn deploys(disk: &MemoryDisk, hashes: &[[u8; 32]]) -> DiskResult<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut size = 0;
    for hash in hashes {
        let hash = DeployHash::new(Digest::from(*hash));
        let Some(deploy) = disk.deploy(&hash)? else { continue };
        let Ok(bytes) = message::encode_deploy(&deploy) else { continue };
        size += bytes.len();
        found.push(bytes);
        if size > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(found)
}

/// As many decided blocks as fit.
fn blocks(disk: &MemoryDisk, from: Height, count: u64) -> DiskResult<Vec<DecidedBlock>> {
    let mut found = Vec::new();
    let mut size = 0;
    for height in from.0..from.0.saturating_add(count.min(BLOCKS_MAX)) {
        let Some(stored) = disk.block(Height(height))? else { break };
        let (Some(proposal), Some(certificate)) = (&stored.proposal, &stored.certificate) else {
            break;
        };
        let mut deploys = Vec::new();
        for signed in proposal.all_deploys() {
            let Some(deploy) = disk.deploy(&signed.hash)? else { return Ok(found) };
            let Ok(bytes) = message::encode_deploy(&deploy) else { return Ok(found) };
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
