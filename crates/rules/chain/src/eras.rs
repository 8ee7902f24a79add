//! Who votes when: the validators of each era.
//!
//! The block that ends an era names the validators of the next one; the state names those of the
//! eras after it that are settled. Both are committed, so a restart finds the same sets.

use std::collections::BTreeMap;

use casper_types::{BlockV1, EraId};
use girrona_consensus::Validators;
use girrona_exec::auction::{Weights, era_validators};
use girrona_types::{Chainspec, Height, chainspec::MOTES_PER_GIRRO};

use crate::{
    chain::{Chain, Fatal, Output, make_consensus},
    disk::Disk,
};

/// Eras whose validators are kept in memory; those of older ones are read again when needed.
const KEPT: usize = 128;

/// The validators of the eras around the tip.
#[derive(Clone, Debug, Default)]
pub(crate) struct Eras {
    known: BTreeMap<EraId, Validators>,
}

impl Eras {
    /// The validators of an era, if they are at hand. Those of the tip's era and of the next
    /// height's always are, except for genesis, which nobody voted on.
    pub(crate) fn get(&self, era: EraId) -> Option<&Validators> {
        self.known.get(&era)
    }

    fn learn(&mut self, era: EraId, validators: Validators) {
        self.known.insert(era, validators);
    }

    /// Makes room: the lowest eras go.
    fn forget(&mut self) {
        while self.known.len() > KEPT {
            self.known.pop_first();
        }
    }
}

/// Voting power is stake in whole GIRRO.
pub(crate) fn electorate(weights: &Weights) -> Result<Validators, Fatal> {
    let mut votes = BTreeMap::new();
    for (key, motes) in weights {
        let girro = motes.checked_div(MOTES_PER_GIRRO.into()).unwrap_or_default();
        let girro = u64::try_from(girro).unwrap_or(u64::MAX);
        if girro > 0 {
            votes.insert(key.clone(), girro);
        }
    }
    Validators::new(votes).map_err(|error| Fatal::Validators(error.to_string()))
}

/// The validators that a block names for the era after its own.
fn named_by(block: &BlockV1) -> Result<Option<Validators>, Fatal> {
    let end = block.era_end();
    end.map(|end| electorate(end.next_era_validator_weights())).transpose()
}

/// The validators of an era that began at or below the height after the tip.
fn read<D: Disk>(law: &Chainspec, disk: &D, era: EraId) -> Result<Option<Validators>, Fatal> {
    let Some(before) = law.switch_height_before(era) else { return Ok(None) };
    match disk.block(before)? {
        Some(stored) => named_by(&stored.block),
        None => Ok(None),
    }
}

/// What the disk says of the eras around its tip.
pub(crate) fn open<D: Disk>(law: &Chainspec, disk: &D, tip: Height) -> Result<Eras, Fatal> {
    let mut eras = Eras::default();
    let settled = era_validators(disk).map_err(Fatal::Electorate)?;
    for (era, weights) in settled {
        eras.learn(era, electorate(&weights)?);
    }
    for height in [tip, tip.next()] {
        let era = law.era_of(height);
        if let Some(validators) = read(law, disk, era)? {
            eras.learn(era, validators);
        }
    }
    Ok(eras)
}

impl<D: Disk> Chain<D> {
    /// The validators of any era; `None` for genesis and for those that are not settled yet.
    pub(crate) fn validators_of(&mut self, era: EraId) -> Result<Option<Validators>, Fatal> {
        if let Some(known) = self.eras.get(era) {
            return Ok(Some(known.clone()));
        }
        let found = read(&self.law, &self.disk, era)?;
        if let Some(validators) = &found {
            // An old era must not push out a later one.
            self.eras.learn(era, validators.clone());
            self.eras.forget();
        }
        Ok(found)
    }

    /// [`Self::validators_of`] the era of a height.
    pub(crate) fn validators_at(&mut self, height: Height) -> Result<Option<Validators>, Fatal> {
        self.validators_of(self.law.era_of(height))
    }

    /// The tip ended an era: whoever votes from now on is in `settled`.
    pub(crate) fn begin_era(&mut self, settled: &BTreeMap<EraId, Weights>) -> Result<(), Fatal> {
        for (era, weights) in settled {
            self.eras.learn(*era, electorate(weights)?);
        }
        self.eras.forget();
        let era = self.next_era();
        let validators = self.eras.get(era).cloned();
        self.validators =
            validators.ok_or_else(|| Fatal::Broken(format!("nobody is elected for era {era}")))?;
        self.outputs.push(Output::Electorate(self.validators.clone()));
        if self.is_alone() != self.alone {
            // Log and guard are the same for both, and heights only go up.
            self.alone = !self.alone;
            let guard = self.disk.guard()?;
            self.consensus =
                make_consensus(&self.law, self.network, &self.scheme, self.alone, guard)?;
            self.outputs.push(Output::CancelConsensusTimers);
        }
        Ok(())
    }

    /// Whether this node is the only validator.
    fn is_alone(&self) -> bool {
        is_alone(&self.validators, &self.scheme)
    }
}

/// Whether the key of `scheme` is the only one that votes.
pub(crate) fn is_alone(validators: &Validators, scheme: &crate::chain::SharedScheme) -> bool {
    let key = scheme.public_key();
    validators.count() == 1 && key.is_some_and(|key| validators.weight(key).is_some())
}

#[cfg(test)]
mod tests;
