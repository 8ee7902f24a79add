//! Validators' signatures of executed blocks: made, checked, stored.

use std::collections::VecDeque;

use casper_types::{BlockHash, EraId};
use girrona_types::{Event, FinalitySignature, Height};

use crate::{
    chain::{Chain, Fatal, Output, Verdict},
    disk::Disk,
    message::Gossip,
};

/// Signatures of one validator that are kept although their block is not here yet; when full, its
/// oldest goes. Nobody can crowd out the signatures of others with blocks that never come.
const UNPLACED_PER_SIGNER: usize = 4;

impl<D: Disk> Chain<D> {
    /// Signs a block that this node executed, if it is a validator, and tells everybody.
    pub(crate) fn sign_block(&mut self, block: BlockHash, era: EraId) -> Result<(), Fatal> {
        let Some(key) = self.scheme.public_key().cloned() else { return Ok(()) };
        if self.validators.weight(&key).is_none() {
            return Ok(());
        }
        let message = FinalitySignature::message(&block, era);
        let Some(signature) = self.scheme.sign(&message) else { return Ok(()) };
        let signature = FinalitySignature { block, era, public_key: key, signature };
        self.store_signature(&signature)?;
        self.outputs.push(Output::Gossip(Gossip::Finality(signature)));
        Ok(())
    }

    /// After a restart: says again what may not have been heard.
    pub(crate) fn resign_tip(&mut self) -> Result<(), Fatal> {
        if self.tip.height == Height::GENESIS {
            return Ok(());
        }
        self.sign_block(self.tip.block, self.law.era_of(self.tip.height))
    }

    /// A finality signature came.
    pub(crate) fn on_finality(
        &mut self,
        signature: FinalitySignature,
        ticket: Option<u64>,
    ) -> Result<(), Fatal> {
        let verdict = self.weigh_signature(&signature)?;
        if let Some(ticket) = ticket {
            self.outputs.push(Output::Judged { ticket, verdict });
        }
        if verdict != Verdict::Accept {
            return Ok(());
        }
        match self.disk.height_of(&signature.block)? {
            Some(_) => self.store_signature(&signature),
            None => {
                self.keep_unplaced(signature);
                Ok(())
            }
        }
    }

    /// Keeps a signature until its block is here.
    fn keep_unplaced(&mut self, signature: FinalitySignature) {
        if self.unplaced.contains(&signature) {
            return;
        }
        let theirs = |other: &FinalitySignature| other.public_key == signature.public_key;
        if self.unplaced.iter().filter(|other| theirs(other)).count() >= UNPLACED_PER_SIGNER
            && let Some(oldest) = self.unplaced.iter().position(theirs)
        {
            self.unplaced.remove(oldest);
        }
        self.unplaced.push_back(signature);
    }

    /// Good signatures of validators are passed on, also of blocks that are not here yet.
    fn weigh_signature(&self, signature: &FinalitySignature) -> Result<Verdict, Fatal> {
        if self.validators.weight(&signature.public_key).is_none() {
            return Ok(Verdict::Reject);
        }
        if self.disk.has_finality_signature(&signature.block, &signature.public_key)? {
            return Ok(Verdict::Ignore);
        }
        if let Some(height) = self.disk.height_of(&signature.block)?
            && self.law.era_of(height) != signature.era
        {
            return Ok(Verdict::Reject);
        }
        let message = FinalitySignature::message(&signature.block, signature.era);
        let good = self.scheme.verify(&message, &signature.signature, &signature.public_key);
        Ok(if good { Verdict::Accept } else { Verdict::Reject })
    }

    /// Stores the signatures that came before their block did.
    pub(crate) fn place_signatures(&mut self, block: BlockHash) -> Result<(), Fatal> {
        let era = self.law.era_of(self.tip.height);
        let all = std::mem::take(&mut self.unplaced);
        let (placed, unplaced) = all.into_iter().partition(|other| other.block == block);
        self.unplaced = unplaced;
        let placed: VecDeque<FinalitySignature> = placed;
        for signature in placed {
            if signature.era == era {
                self.store_signature(&signature)?;
            }
        }
        Ok(())
    }

    fn store_signature(&mut self, signature: &FinalitySignature) -> Result<(), Fatal> {
        if let Some(id) = self.disk.put_finality_signature(signature)? {
            let event = Event::FinalitySignature(signature.clone());
            self.outputs.push(Output::Announce(id, event));
        }
        Ok(())
    }
}
