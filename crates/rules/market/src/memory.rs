//! A store in memory, for tests, the simulator and whoever tries something out; and a count of all
//! money in it, which the state itself cannot give because it cannot be scanned.

use std::{collections::BTreeMap, convert::Infallible};

use borsh::BorshDeserialize;
use girrona_types::market::Motes;

use crate::{
    records::{Bid, Earnings, Escrow, Executor, Lease, Order, Period, Provider},
    store::{Key, Store},
};

/// Records in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    /// Each record's bytes.
    pub records: BTreeMap<Key, Vec<u8>>,
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn get(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.records.get(key).cloned())
    }

    fn put(&mut self, key: &Key, bytes: Vec<u8>) -> Result<(), Infallible> {
        self.records.insert(*key, bytes);
        Ok(())
    }

    fn remove(&mut self, key: &Key) -> Result<(), Infallible> {
        self.records.remove(key);
        Ok(())
    }
}

/// All money in a store, by what it is there for. Its sum is what the market's purse holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Free, in escrows.
    pub unlocked: u128,
    /// Held for orders, in escrows.
    pub locked: u128,
    /// The holds of orders; part of `locked`, so not of the sum.
    pub holds: u128,
    /// In purses of leases.
    pub purses: u128,
    /// Bonds of bids, runners-up, leases and executors.
    pub bonds: u128,
    /// Stakes of providers.
    pub stakes: u128,
    /// Earned, not withdrawn.
    pub earned: u128,
    /// Fees and rewards.
    pub pools: u128,
}

impl Holdings {
    /// What the market's purse holds.
    pub fn total(&self) -> u128 {
        [self.unlocked, self.locked, self.purses, self.bonds, self.stakes, self.earned, self.pools]
            .iter()
            .fold(0, |sum: u128, part| sum.saturating_add(*part))
    }
}

impl MemoryStore {
    /// Reads a record; `None` when it is absent or no `T`.
    pub fn read<T: BorshDeserialize>(&self, key: &Key) -> Option<T> {
        borsh::from_slice(self.records.get(key)?).ok()
    }

    /// Counts all money.
    pub fn holdings(&self) -> Holdings {
        let mut found = Holdings::default();
        let add = |sum: &mut u128, motes: Motes| *sum = sum.saturating_add(motes.0);
        for key in self.records.keys() {
            match key {
                Key::Escrow(_) => {
                    let escrow: Escrow = self.read(key).unwrap_or_default();
                    add(&mut found.unlocked, escrow.unlocked);
                    add(&mut found.locked, escrow.locked);
                }
                Key::Order(_) => {
                    if let Some(order) = self.read::<Order>(key) {
                        add(&mut found.holds, order.hold);
                    }
                }
                Key::Bid(..) => {
                    if let Some(bid) = self.read::<Bid>(key) {
                        add(&mut found.bonds, bid.bond);
                    }
                }
                Key::Lease(_) => {
                    if let Some(lease) = self.read::<Lease>(key) {
                        for part in lease.purse.parts() {
                            add(&mut found.purses, part);
                        }
                        add(&mut found.bonds, lease.bond);
                        for runner_up in &lease.runner_ups {
                            add(&mut found.bonds, runner_up.bond);
                        }
                    }
                }
                Key::Executor(_) => {
                    if let Some(executor) = self.read::<Executor>(key) {
                        add(&mut found.bonds, executor.bond);
                        add(&mut found.bonds, executor.leaving);
                    }
                }
                Key::Provider(_) => {
                    if let Some(provider) = self.read::<Provider>(key) {
                        add(&mut found.stakes, provider.stake);
                        add(&mut found.stakes, provider.leaving);
                    }
                }
                Key::Earnings(_) => {
                    add(&mut found.earned, self.read::<Earnings>(key).unwrap_or_default().earned);
                }
                Key::Pool => add(&mut found.pools, self.read(key).unwrap_or_default()),
                Key::Period(_) => {
                    add(&mut found.pools, self.read::<Period>(key).unwrap_or_default().left);
                }
                _ => {}
            }
        }
        found
    }
}
