//! What clients ask of the auction: bids and validators from the state after a block, what an era
//! paid from its record, changes of validators from the blocks that end eras.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use casper_types::{
    BlockHeaderV1, EraEndV1, EraId, Key, PublicKey, StoredValue, U512,
    system::auction::{Bid, EraInfo},
};
use girrona_api::methods::{
    auction::EraValidators,
    info::{ValidatorChange, ValidatorChanges, ValidatorStatusChange},
};
use girrona_http::Fault;
use girrona_state::Reader;
use girrona_store::StoreReader;
use girrona_types::{Chainspec, Height};

use crate::backend::fault;

/// Ends of eras that are looked at for changes of validators.
const ERAS_MAX: usize = 64;

/// The auction as the door sees it.
#[derive(Debug)]
pub(crate) struct Auction {
    law: Arc<Chainspec>,
    store: StoreReader,
    /// The changes up to an era's last block: they are the same until the next one.
    changes: Mutex<Option<(Height, Vec<ValidatorChanges>)>>,
}

type Weights = BTreeMap<PublicKey, U512>;

impl Auction {
    pub(crate) fn new(law: Arc<Chainspec>, store: StoreReader) -> Self {
        Self { law, store, changes: Mutex::default() }
    }

    /// What an era paid. Nobody is paid before there is an auction, and then nothing is written.
    pub(crate) fn era_info(&self, block: &BlockHeaderV1) -> Result<Option<EraInfo>, Fault> {
        let Some(state) = self.store.state_at(Height(block.height())) else { return Ok(None) };
        for key in [Key::EraSummary, Key::EraInfo(block.era_id())] {
            if let Some(value) = state.read(&key).map_err(fault)? {
                return match value.as_ref() {
                    StoredValue::EraInfo(info) => Ok(Some(info.clone())),
                    other => Err(Fault(format!("{key} holds a {}", other.type_name()))),
                };
            }
        }
        Ok(Some(EraInfo::new()))
    }

    /// Every bid, in the state after a block.
    pub(crate) fn bids(&self, block: &BlockHeaderV1) -> Result<Option<Vec<Bid>>, Fault> {
        let Some(state) = self.store.state_at(Height(block.height())) else { return Ok(None) };
        girrona_exec::auction::bids(&state).map(Some).map_err(fault)
    }

    /// The validators of the era that the state after a block is in, and of those that are settled
    /// already.
    pub(crate) fn era_validators(
        &self,
        block: &BlockHeaderV1,
    ) -> Result<Vec<EraValidators>, Fault> {
        let Some(state) = self.store.state_at(Height(block.height())) else {
            return Ok(Vec::new());
        };
        let eras = girrona_exec::auction::era_validators(&state).map_err(fault)?;
        Ok(eras.iter().map(|(era, weights)| EraValidators::new(*era, weights)).collect())
    }

    /// When validators came, went or misbehaved, in the last [`ERAS_MAX`] eras that ended.
    pub(crate) fn validator_changes(&self) -> Result<Vec<ValidatorChanges>, Fault> {
        let Some(tip) = self.store.tip() else { return Ok(Vec::new()) };
        let last = self.last_switch(Height(tip.block.height()));
        let known = self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((height, changes)) = known
            && height == last
        {
            return Ok(changes);
        }
        let mut ends = Vec::new();
        let mut height = Some(last);
        while let Some(at) = height.filter(|_| ends.len() < ERAS_MAX) {
            ends.push(self.end_at(at)?);
            height = at.previous().map(|before| self.last_switch(before));
        }
        ends.reverse();
        let first = match ends.first() {
            Some((era, _)) if era.is_genesis() => self.genesis_weights(),
            Some((_, end)) => end.next_era_validator_weights().clone(),
            None => Weights::new(),
        };
        let changes = changes_in(first, &ends);
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((last, changes.clone()));
        Ok(changes)
    }

    fn genesis_weights(&self) -> Weights {
        self.law.genesis_validators().map(|(key, stake)| (key.clone(), stake)).collect()
    }

    /// The last height at or below `height` that ends an era.
    fn last_switch(&self, height: Height) -> Height {
        Height(height.0 - height.0 % self.law.era_blocks())
    }

    fn end_at(&self, switch: Height) -> Result<(EraId, EraEndV1), Fault> {
        let stored = self.store.block(switch).map_err(fault)?;
        let end = stored.as_ref().and_then(|stored| {
            let end = stored.block.era_end()?.clone();
            Some((stored.block.era_id(), end))
        });
        end.ok_or_else(|| Fault(format!("block {switch} does not end an era, but should")))
    }
}

/// What differs from era to era. `validators` are those of the first era that ended.
fn changes_in(mut validators: Weights, ends: &[(EraId, EraEndV1)]) -> Vec<ValidatorChanges> {
    let mut changes: BTreeMap<PublicKey, Vec<ValidatorStatusChange>> = BTreeMap::new();
    let mut note = |key: &PublicKey, era_id, validator_change| {
        let change = ValidatorStatusChange { era_id, validator_change };
        changes.entry(key.clone()).or_default().push(change);
    };
    for (era, end) in ends {
        for key in end.equivocators() {
            note(key, *era, ValidatorChange::SeenAsFaulty);
        }
        let next = end.next_era_validator_weights();
        for key in next.keys().filter(|key| !validators.contains_key(key)) {
            note(key, era.successor(), ValidatorChange::Added);
        }
        for key in validators.keys().filter(|key| !next.contains_key(key)) {
            note(key, era.successor(), ValidatorChange::Removed);
        }
        validators.clone_from(next);
    }
    changes
        .into_iter()
        .map(|(public_key, status_changes)| ValidatorChanges { public_key, status_changes })
        .collect()
}

#[cfg(test)]
mod tests {
    use casper_types::{EraReport, SecretKey};

    use super::*;

    fn key(seed: u8) -> PublicKey {
        PublicKey::from(&SecretKey::ed25519_from_bytes([seed; 32]).unwrap())
    }

    fn weights(seeds: &[u8]) -> Weights {
        seeds.iter().map(|seed| (key(*seed), U512::from(1_u64))).collect()
    }

    fn end(era: u64, equivocators: &[u8], next: &[u8]) -> (EraId, EraEndV1) {
        let equivocators = equivocators.iter().map(|seed| key(*seed)).collect();
        let report = EraReport::new(equivocators, BTreeMap::new(), vec![key(3)]);
        (EraId::new(era), EraEndV1::new(report, weights(next)))
    }

    #[test]
    fn nothing_changes_while_the_same_validate() {
        let ends = [end(0, &[], &[1, 2]), end(1, &[], &[1, 2])];
        assert_eq!(changes_in(weights(&[1, 2]), &ends), []);
    }

    #[test]
    fn who_comes_goes_or_is_caught_is_named_with_the_era() {
        let ends = [end(4, &[], &[1, 2, 3]), end(5, &[2], &[1, 3]), end(6, &[], &[1, 2, 3])];
        let changes = changes_in(weights(&[1, 2]), &ends);
        let of = |seed| {
            let found = changes.iter().find(|changes| changes.public_key == key(seed));
            found.map(|changes| {
                let each = changes.status_changes.iter();
                each.map(|change| (change.era_id.value(), change.validator_change)).collect()
            })
        };
        assert_eq!(of(1), None::<Vec<_>>);
        let expected = vec![
            (5, ValidatorChange::SeenAsFaulty),
            (6, ValidatorChange::Removed),
            (7, ValidatorChange::Added),
        ];
        assert_eq!(of(2), Some(expected));
        assert_eq!(of(3), Some(vec![(5, ValidatorChange::Added)]));
    }
}
