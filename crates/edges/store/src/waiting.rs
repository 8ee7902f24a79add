//! Deploys that are here and in no block.
//!
//! What is known of each is in the table `fates`. Which ones wait is written group by group, as they
//! came, because a deploy that leaves would cost a write of its own otherwise: a group's row goes
//! when nothing in it waits any more.

use std::collections::{BTreeMap, HashMap};

use casper_types::DeployHash;
use fjall::OwnedWriteBatch;
use girrona_chain::disk::DiskResult;
use girrona_types::Height;

use crate::tables::{Doing as _, Known, Tables, caspers, height_in, our_bytes, ours};

/// Why a deploy is here that is in no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was accepted at this time, in milliseconds since 1970, and is pending.
    Accepted(u64),
    /// It came with a proposal when the tip was at this height.
    Kept(Height),
}

impl From<Why> for Known {
    fn from(why: Why) -> Self {
        match why {
            Why::Accepted(at) => Self::Pending(at),
            Why::Kept(tip) => Self::Kept(tip),
        }
    }
}

/// The deploys that wait, and the groups that they came in.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    deploys: HashMap<DeployHash, (Why, u64)>,
    /// How many of a group still wait.
    groups: BTreeMap<u64, usize>,
}

impl Waiting {
    /// Reads what waits.
    pub(crate) fn load(tables: &Tables) -> DiskResult<Self> {
        let doing = || "read which deploys wait";
        let mut waiting = Self::default();
        for entry in tables.waiting.iter() {
            let (group, hashes) = entry.into_inner().doing(doing)?;
            let group = height_in(&group)?.0;
            for hash in ours::<Vec<[u8; 32]>>("group of deploys", &hashes)? {
                let Some(known) = tables.fates.get(hash).doing(doing)? else { continue };
                let why = match ours("fate", &known)? {
                    Known::Pending(at) => Why::Accepted(at),
                    Known::Kept(tip) => Why::Kept(tip),
                    Known::Expired(_) | Known::Executed(_) => continue,
                };
                waiting.put(caspers("deploy hash", &hash)?, why, group);
            }
        }
        Ok(waiting)
    }

    pub(crate) fn get(&self, hash: &DeployHash) -> Option<Why> {
        self.deploys.get(hash).map(|(why, _)| *why)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&DeployHash, Why)> {
        self.deploys.iter().map(|(hash, (why, _))| (hash, *why))
    }

    /// Puts a group that comes in into a batch; [`Self::joined`] follows when that is written.
    pub(crate) fn join(
        &self,
        tables: &Tables,
        batch: &mut OwnedWriteBatch,
        hashes: &[DeployHash],
        why: Why,
    ) -> DiskResult<()> {
        let known = our_bytes("a fate", &Known::from(why))?;
        for hash in hashes {
            batch.insert(&tables.fates, hash.as_ref(), known.as_slice());
        }
        self.leave(tables, batch, hashes);
        let hashes: Vec<_> = hashes.iter().map(|hash| hash.inner().value()).collect();
        let row = our_bytes("a group of deploys", &hashes)?;
        batch.insert(&tables.waiting, self.next_group().to_be_bytes(), row);
        Ok(())
    }

    /// The group of [`Self::join`] is written.
    pub(crate) fn joined(&mut self, hashes: &[DeployHash], why: Why) {
        let group = self.next_group();
        for hash in hashes {
            self.put(*hash, why, group);
        }
    }

    /// Removes in a batch the rows of groups of which these are the last; [`Self::left`] follows
    /// when that is written. What became of the deploys is for the caller to write.
    pub(crate) fn leave<'a>(
        &self,
        tables: &Tables,
        batch: &mut OwnedWriteBatch,
        hashes: impl IntoIterator<Item = &'a DeployHash>,
    ) {
        let mut leaving = BTreeMap::<u64, usize>::new();
        for (_, group) in hashes.into_iter().filter_map(|hash| self.deploys.get(hash)) {
            *leaving.entry(*group).or_default() += 1;
        }
        for (group, count) in leaving {
            if self.groups.get(&group).is_none_or(|all| *all <= count) {
                batch.remove(&tables.waiting, group.to_be_bytes());
            }
        }
    }

    /// These wait no longer.
    pub(crate) fn left<'a>(&mut self, hashes: impl IntoIterator<Item = &'a DeployHash>) {
        for hash in hashes {
            if let Some((_, group)) = self.deploys.remove(hash) {
                self.count_out(group);
            }
        }
    }

    fn put(&mut self, hash: DeployHash, why: Why, group: u64) {
        *self.groups.entry(group).or_default() += 1;
        if let Some((_, old)) = self.deploys.insert(hash, (why, group)) {
            self.count_out(old);
        }
    }

    fn count_out(&mut self, group: u64) {
        if let Some(count) = self.groups.get_mut(&group) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.groups.remove(&group);
            }
        }
    }

    fn next_group(&self) -> u64 {
        self.groups.last_key_value().map_or(0, |(last, _)| last.saturating_add(1))
    }
}
