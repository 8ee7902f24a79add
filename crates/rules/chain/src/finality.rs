//! Validators' signatures of executed blocks: made, checked, stored, and asked for where gossip
//! did not bring them.

use std::collections::{BTreeMap, VecDeque};

use casper_types::{BlockHash, EraId, Timestamp};
use girrona_types::{Event, FinalitySignature, Height};

use crate::{
    chain::{Chain, Fatal, Output, Verdict},
    disk::Disk,
    message::{BLOCKS_MAX, Gossip, Request},
    sync::is_due,
};

/// Signatures of one validator that are kept although their block is not here yet; when full, its
/// oldest goes. Nobody can crowd out the signatures of others with blocks that never come.
const UNPLACED_PER_SIGNER: usize = 4;
/// How far below the tip signatures are asked for; nearer, gossip is still bringing them.
const SETTLED_BLOCKS: u64 = 3;
/// How often peers are asked for signatures of one block.
const ASKED_MAX: u8 = 3;
/// How often peers are asked for signatures.
const ASK_MILLIS: u64 = 1_000;
/// Blocks below the tip that are looked at after a start.
const LOOK_BACK_BLOCKS: u64 = 256;

/// Blocks that may lack signatures.
#[derive(Debug, Default)]
pub(crate) struct Unsigned {
    /// How often peers were asked for each.
    heights: BTreeMap<Height, u8>,
    asked: Option<Timestamp>,
}

impl<D: Disk> Chain<D> {
    /// Signs a block that this node executed, if it is a validator, and tells everybody.
    pub(crate) fn sign_block(&mut self, block: BlockHash, era: EraId) -> Result<(), Fatal> {
        let Some(key) = self.scheme.public_key().cloned() else { return Ok(()) };
        let validators = self.validators_of(era)?;
        if validators.is_none_or(|validators| validators.weight(&key).is_none()) {
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
        let tip = self.tip.height;
        for height in tip.0.saturating_sub(LOOK_BACK_BLOCKS).max(1)..=tip.0 {
            self.unsigned.heights.insert(Height(height), 0);
        }
        self.sign_block(self.tip.block, self.law.era_of(tip))
    }

    /// Asks a peer for signatures of blocks that lack a quorum of them: of those that came by
    /// catch-up, and of those whose gossip was lost.
    pub(crate) fn pump_finality(&mut self, now: Timestamp) -> Result<(), Fatal> {
        let settled = Height(self.tip.height.0.saturating_sub(SETTLED_BLOCKS));
        if self.is_asking_for_finality()
            || self.unsigned.heights.range(..=settled).next().is_none()
            || !is_due(&mut self.unsigned.asked, now, ASK_MILLIS)
        {
            return Ok(());
        }
        let mut first = None;
        while let Some((&height, _)) = self.unsigned.heights.range(..=settled).next() {
            if self.lacks_signatures(height)? {
                first = Some(height);
                break;
            }
            self.unsigned.heights.remove(&height);
        }
        let Some(from) = first else { return Ok(()) };
        let count = settled.0.saturating_sub(from.0).saturating_add(1).min(BLOCKS_MAX);
        self.request_from(None, Request::Finality { from, count });
        Ok(())
    }

    /// A peer gave what it has of the blocks it was asked for, or nothing.
    pub(crate) fn on_finality_answer(
        &mut self,
        from: Height,
        count: u64,
        signatures: Vec<FinalitySignature>,
    ) -> Result<Option<&'static str>, Fatal> {
        let asked = from..Height(from.0.saturating_add(count));
        let (mut fault, mut gained) = (None, false);
        for signature in signatures {
            let height = self.disk.height_of(&signature.block)?;
            let wanted = height.is_some_and(|height| asked.contains(&height));
            match self.weigh_signature(&signature)? {
                Verdict::Accept if wanted => {
                    gained = true;
                    self.store_signature(&signature)?;
                }
                Verdict::Ignore => {}
                Verdict::Accept | Verdict::Reject => fault = Some("false finality signature"),
            }
        }
        if gained {
            // It has something: go on at once.
            self.unsigned.asked = None;
        }
        for (_, times) in self.unsigned.heights.range_mut(asked) {
            *times = times.saturating_add(1);
        }
        self.unsigned.heights.retain(|_, times| *times < ASKED_MAX);
        Ok(fault)
    }

    /// Whether the stored signatures of a block weigh less than a quorum.
    fn lacks_signatures(&mut self, height: Height) -> Result<bool, Fatal> {
        let Some(stored) = self.disk.block(height)? else { return Ok(false) };
        let Some(validators) = self.validators_at(height)? else { return Ok(false) };
        let weight = self
            .disk
            .finality_signatures(stored.block.hash())?
            .iter()
            .filter_map(|signature| validators.weight(&signature.public_key))
            .fold(0_u64, u64::saturating_add);
        Ok(!validators.is_quorum(weight))
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
    fn weigh_signature(&mut self, signature: &FinalitySignature) -> Result<Verdict, Fatal> {
        // Who votes in an era that is not settled here is nobody's fault.
        let Some(validators) = self.validators_of(signature.era)? else {
            return Ok(Verdict::Ignore);
        };
        if validators.weight(&signature.public_key).is_none() {
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
        self.unsigned.heights.insert(self.tip.height, 0);
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
