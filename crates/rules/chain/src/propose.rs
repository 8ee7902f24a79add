//! A leader's work: the fullest block that fits.

use std::sync::Arc;

use casper_types::{DeployHash, Timestamp};
use girrona_exec::Signed;
use girrona_state::BlockState;
use girrona_types::{Height, Proposal, ProposalHash, SignedDeploy};

use crate::{
    buffer::{Room, Waiting},
    chain::{Chain, Fatal, Output},
    disk::{Disk, Fate, Phase},
    funds::Funds,
    judge::Held,
    message::{Direct, Gossip, SignedProposal},
};

/// Evidence that one proposal carries at most.
pub(crate) const EVIDENCE_MAX: usize = 16;

impl<D: Disk> Chain<D> {
    /// Builds a proposal for the height in work, keeps it, and sends it around; `None` when this
    /// node has no key.
    pub(crate) fn build(
        &mut self,
        height: Height,
        now: Timestamp,
    ) -> Result<Option<ProposalHash>, Fatal> {
        let Some(proposer) = self.scheme.public_key().cloned() else { return Ok(None) };
        if height != self.tip.height.next() {
            return Ok(None);
        }
        let earliest = self.tip.timestamp.saturating_add(self.law.core.minimum_block_time);
        let timestamp = now.max(earliest);
        let (deploys, transfers) = self.select(timestamp)?;
        let seed = Proposal::seed_message(&self.network, height, &self.tip.seed);
        let Some(seed_signature) = self.scheme.sign(&seed) else { return Ok(None) };
        let proposal = Proposal {
            network: self.network,
            height,
            era: self.next_era(),
            parent: self.tip.block,
            timestamp,
            proposer,
            seed_signature,
            last_commit: self.tip.certificate.clone(),
            deploys,
            transfers,
            evidence: self.evidence.values().take(EVIDENCE_MAX).cloned().collect(),
        };
        let hash = proposal.hash();
        self.disk.put_proposal(&hash, &proposal)?;
        self.dirty = true;
        let hashes: Vec<_> = proposal.all_deploys().map(|deploy| deploy.hash).collect();
        self.held.insert(hash, Held::own(proposal));
        self.note_all(hashes, Phase::Proposed, now);
        self.send_proposal(&hash)?;
        Ok(Some(hash))
    }

    /// Sends a held proposal to validators directly and to everybody by gossip.
    pub(crate) fn send_proposal(&mut self, hash: &ProposalHash) -> Result<(), Fatal> {
        let Some(held) = self.held.get(hash) else { return Ok(()) };
        let proposal = Arc::clone(&held.proposal);
        let signature = match held.signature {
            Some(signature) => signature,
            None if self.scheme.public_key() == Some(&proposal.proposer) => {
                let message = SignedProposal::message(&self.network, hash);
                match self.scheme.sign(&message) {
                    Some(signature) => signature,
                    None => return Ok(()),
                }
            }
            // Fetched by its hash from somebody else; others can fetch it the same way.
            None => return Ok(()),
        };
        self.flush()?;
        let hashes: Vec<DeployHash> = proposal.all_deploys().map(|deploy| deploy.hash).collect();
        let signed = SignedProposal { proposal: proposal.as_ref().clone(), signature };
        self.outputs.push(Output::Validators(Direct::Proposal(Box::new(signed.clone()))));
        self.outputs.push(Output::Gossip(Gossip::Proposal(Arc::new(signed))));
        let now = proposal.timestamp;
        self.note_all(hashes, Phase::BlockGossiped, now);
        Ok(())
    }

    /// Every eligible deploy that fits, first come, first served; code before transfers.
    fn select(&self, at: Timestamp) -> Result<(Vec<SignedDeploy>, Vec<SignedDeploy>), Fatal> {
        let mut room = Room::of(&self.law.deploys);
        let mut funds = Funds::default();
        let mut chosen = (Vec::new(), Vec::new());
        let state = BlockState::new(&self.disk);
        for transfers in [false, true] {
            for waiting in self.buffer.iter() {
                let deploy = &waiting.deploy;
                if deploy.session().is_transfer() != transfers || !self.is_eligible(waiting, at)? {
                    continue;
                }
                let mut after = room.clone();
                if !after.take(deploy, deploy.approvals().len(), waiting.size) {
                    continue;
                }
                let signed = Signed::new(deploy, deploy.approvals());
                let funded = funds
                    .take(&signed, &state, &self.law)
                    .map_err(|source| Fatal::Admission { height: self.tip.height, source })?;
                if funded.is_err() {
                    continue;
                }
                room = after;
                let list = if transfers { &mut chosen.1 } else { &mut chosen.0 };
                list.push(SignedDeploy::from(deploy.as_ref()));
            }
        }
        Ok(chosen)
    }

    /// Whether a waiting deploy may be in a block of this time on top of the tip.
    fn is_eligible(&self, waiting: &Waiting, at: Timestamp) -> Result<bool, Fatal> {
        let header = waiting.deploy.header();
        Ok(header.timestamp() <= at
            && waiting.expires >= at
            && self.dependencies_are_met(header.dependencies())?)
    }

    /// Whether all of these deploys are executed.
    pub(crate) fn dependencies_are_met(&self, hashes: &[DeployHash]) -> Result<bool, Fatal> {
        for hash in hashes {
            if !matches!(self.disk.fate(hash)?, Some(Fate::Executed(_))) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
