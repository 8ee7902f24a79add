//! Eras: who votes, who was elected, what was minted. Counted from the records of the state, not
//! from the lists that the auction keeps for itself.

use std::{cmp::Reverse, collections::BTreeMap};

use casper_types::{EraId, Key, PublicKey, StoredValue, U512};
use girrona_chain::{MemoryDisk, disk::StoredBlock};
use girrona_state::Reader;
use girrona_types::{CommitCertificate, Height, chainspec::MOTES_PER_GIRRO};

use super::{Oracles, Violation};
use crate::totals::Totals;

type Weights = BTreeMap<PublicKey, U512>;

impl Oracles {
    /// Takes note of the validators that a block names for the next era.
    pub(super) fn named(&mut self, stored: &StoredBlock, totals: &mut Totals) {
        let Some(end) = stored.block.era_end() else { return };
        let weights = end.next_era_validator_weights();
        let era = stored.block.era_id();
        let keys = |weights: &Weights| weights.keys().cloned().collect::<Vec<_>>();
        if let Some(before) = self.eras.get(&era) {
            totals.eras += 1;
            totals.elections += u64::from(keys(before) != keys(weights));
            totals.reweighted += u64::from(before != weights);
        }
        let report = end.era_report();
        totals.evicted += (report.equivocators().len() + report.inactive_validators().len()) as u64;
        self.eras.insert(era.successor(), weights.clone());
    }

    /// Validators of the block's era signed for it, with more than two thirds of its votes.
    pub(super) fn signed_by_voters(
        &self,
        height: Height,
        certificate: &CommitCertificate,
    ) -> Result<(), Violation> {
        let era = self.law.era_of(height);
        let bad = |what: String| Err(Violation::Era { height, what });
        let Some(voters) = self.eras.get(&era) else {
            return bad(format!("no block named the validators of era {era}"));
        };
        let votes = |motes: &U512| (*motes / U512::from(MOTES_PER_GIRRO)).as_u64();
        let mut signed = 0;
        for (signer, _) in &certificate.signatures {
            match voters.get(signer) {
                Some(motes) => signed += votes(motes),
                None => return bad(format!("{signer} signed and has no vote")),
            }
        }
        let total: u64 = voters.values().map(votes).sum();
        if signed * 3 <= total * 2 {
            return bad(format!("{signed} of {total} votes decided it"));
        }
        Ok(())
    }

    /// What the end of an era minted, never more than its blocks' share of the supply.
    pub(super) fn minted_in(
        &self,
        height: Height,
        supply: U512,
        disk: &MemoryDisk,
    ) -> Result<U512, Violation> {
        if !self.law.is_switch_block(height) {
            return Ok(U512::zero());
        }
        let bad = |what: String| Err(Violation::Era { height, what });
        let Ok(Some(summary)) = disk.read(&Key::EraSummary) else {
            return bad("the era has no summary".to_owned());
        };
        let StoredValue::EraInfo(info) = summary.as_ref() else {
            return bad("the summary of the era is something else".to_owned());
        };
        let allocations = info.seigniorage_allocations().iter();
        let minted = allocations.fold(U512::zero(), |sum, one| sum + *one.amount());
        let [numerator, denominator] = self.law.core.round_seigniorage_rate.map(U512::from);
        // Fees that this block burnt may be in `supply` still.
        let most = (supply * numerator / denominator) * U512::from(self.law.era_blocks());
        if minted > most {
            return bad(format!("{minted} motes were minted, {most} are the most"));
        }
        Ok(minted)
    }

    /// The state after the last block of an era: it names whom the block names, and the newest
    /// validators are the largest stakes of all bids that there are.
    pub(super) fn era_ended(
        &self,
        height: Height,
        stored: &StoredBlock,
        disk: &MemoryDisk,
        totals: &mut Totals,
    ) -> Result<(), Violation> {
        totals.checks += 1;
        let bad = |what: String| Err(Violation::Era { height, what });
        let settled = match girrona_exec::auction::era_validators(disk) {
            Ok(settled) => settled,
            Err(error) => return bad(format!("the state names no validators: {error}")),
        };
        let next = stored.block.era_id().successor();
        let named = stored.block.era_end().map(|end| end.next_era_validator_weights());
        if settled.get(&next) != named {
            return bad("the block names others than the state".to_owned());
        }
        let newest = EraId::new(next.value() + self.law.core.auction_delay);
        let largest = self.largest_stakes(disk);
        if !largest.is_empty() && settled.get(&newest) != Some(&largest) {
            return bad(format!("{newest} has others than the largest stakes, {largest:?}"));
        }
        Ok(())
    }

    fn largest_stakes(&self, disk: &MemoryDisk) -> Weights {
        let mut stakes: Vec<(PublicKey, U512)> = disk
            .state()
            .iter()
            .filter_map(|(_, value)| match value {
                StoredValue::Bid(bid) if !bid.inactive() => {
                    Some((bid.validator_public_key().clone(), bid.total_staked_amount().ok()?))
                }
                _ => None,
            })
            .filter(|(_, motes)| *motes >= U512::from(MOTES_PER_GIRRO))
            .collect();
        stakes.sort_by_key(|(key, motes)| (Reverse(*motes), key.clone()));
        stakes.truncate(self.law.core.validator_slots as usize);
        stakes.into_iter().collect()
    }
}
