//! Deploys that wait for a block.
//!
//! Knows: what a deploy needs of a block, when it expires, what it waits for. Builds the fullest
//! block: every eligible deploy that fits is taken, first come, first served.
//!
//! Leaves to others: whether a deploy is valid, and where it is kept on disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casper_types::{Deploy, DeployHash, Timestamp, U512};
use girrona_types::{chainspec::DeployConfig, deploy};

/// Most deploys that wait. When full, gossip is dropped (it comes again with the digests) and
/// clients are told that the node is busy.
pub const DEPLOYS_MAX: usize = 50_000;
/// Most bytes of deploys that wait. Full: as above.
pub const BYTES_MAX: usize = 256 * 1024 * 1024;

/// One waiting deploy.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The deploy.
    pub deploy: Arc<Deploy>,
    /// Its bytes.
    pub size: usize,
    /// After this instant it can no longer be in a block.
    pub expires: Timestamp,
    /// Order of arrival.
    arrival: u64,
}

/// What a block may still take.
#[derive(Clone, Debug)]
pub struct Room {
    deploys: u64,
    transfers: u64,
    approvals: u64,
    bytes: u64,
    gas: U512,
}

impl Room {
    /// An empty block's room.
    pub fn of(limits: &DeployConfig) -> Self {
        Self {
            deploys: u64::from(limits.block_max_deploy_count),
            transfers: u64::from(limits.block_max_transfer_count),
            approvals: u64::from(limits.block_max_approval_count),
            bytes: u64::from(limits.max_block_size),
            gas: U512::from(limits.block_gas_limit),
        }
    }

    /// Takes a deploy of this many approvals and bytes if it fits; says whether it did.
    pub fn take(&mut self, deploy: &Deploy, approvals: usize, size: usize) -> bool {
        let is_transfer = deploy.session().is_transfer();
        let count = if is_transfer { self.transfers } else { self.deploys };
        let gas = deploy::gas_asked(deploy);
        let (Some(count), Some(approvals), Some(bytes), Some(gas)) = (
            count.checked_sub(1),
            self.approvals.checked_sub(approvals as u64),
            self.bytes.checked_sub(size as u64),
            self.gas.checked_sub(gas),
        ) else {
            return false;
        };
        if is_transfer {
            self.transfers = count;
        } else {
            self.deploys = count;
        }
        self.approvals = approvals;
        self.bytes = bytes;
        self.gas = gas;
        true
    }
}

/// All waiting deploys.
#[derive(Debug, Default)]
pub struct Buffer {
    by_hash: BTreeMap<DeployHash, Waiting>,
    by_arrival: BTreeMap<u64, DeployHash>,
    by_expiry: BTreeSet<(Timestamp, DeployHash)>,
    arrivals: u64,
    bytes: usize,
}

impl Buffer {
    /// Takes in a deploy; `false` when there is no room or it is already here.
    pub fn insert(&mut self, deploy: Arc<Deploy>, size: usize) -> bool {
        let hash = *deploy.hash();
        if !self.has_room_for(size) || self.by_hash.contains_key(&hash) {
            return false;
        }
        let arrival = self.arrivals;
        let expires = deploy::expires_at(&deploy);
        self.arrivals = self.arrivals.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
        self.by_arrival.insert(arrival, hash);
        self.by_expiry.insert((expires, hash));
        self.by_hash.insert(hash, Waiting { deploy, size, expires, arrival });
        true
    }

    /// Whether a deploy of this size can still be taken in.
    pub fn has_room_for(&self, size: usize) -> bool {
        self.by_hash.len() < DEPLOYS_MAX && self.bytes.saturating_add(size) <= BYTES_MAX
    }

    /// Forgets a deploy.
    pub fn remove(&mut self, hash: &DeployHash) -> Option<Waiting> {
        let waiting = self.by_hash.remove(hash)?;
        self.by_arrival.remove(&waiting.arrival);
        self.by_expiry.remove(&(waiting.expires, *hash));
        self.bytes = self.bytes.saturating_sub(waiting.size);
        Some(waiting)
    }

    /// A waiting deploy.
    pub fn get(&self, hash: &DeployHash) -> Option<&Waiting> {
        self.by_hash.get(hash)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// Waiting deploys in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.by_arrival.values().filter_map(|hash| self.by_hash.get(hash))
    }

    /// The instant at which the next deploy expires.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.by_expiry.first().map(|(expires, _)| *expires)
    }

    /// Hashes whose time ended before `now`, oldest first.
    pub fn expired(&self, now: Timestamp) -> Vec<DeployHash> {
        self.by_expiry
            .iter()
            .take_while(|(expires, _)| *expires < now)
            .map(|(_, hash)| *hash)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Person, transfer};

    #[test]
    fn deploys_leave_in_the_order_in_which_they_came_and_expire_in_the_order_of_their_ttl() {
        let ana = Person::new(1);
        let mut buffer = Buffer::default();
        let long = Arc::new(transfer(&ana, &Person::new(2), 5, Timestamp::from(1_000), 90));
        let short = Arc::new(transfer(&ana, &Person::new(2), 6, Timestamp::from(1_000), 10));
        assert!(buffer.insert(Arc::clone(&long), 100));
        assert!(buffer.insert(Arc::clone(&short), 100));
        assert!(!buffer.insert(Arc::clone(&short), 100), "the same one is taken once");
        let order: Vec<_> = buffer.iter().map(|w| *w.deploy.hash()).collect();
        assert_eq!(order, [*long.hash(), *short.hash()]);
        assert_eq!(buffer.next_expiry(), Some(Timestamp::from(11_000)));
        assert!(buffer.expired(Timestamp::from(11_000)).is_empty(), "its last instant counts");
        assert_eq!(buffer.expired(Timestamp::from(11_001)), [*short.hash()]);
        buffer.remove(short.hash());
        assert_eq!(buffer.len(), 1);
        assert_eq!(buffer.next_expiry(), Some(Timestamp::from(91_000)));
    }

    #[test]
    fn a_block_takes_what_fits_and_refuses_what_does_not() {
        let limits = DeployConfig { block_max_transfer_count: 1, ..DeployConfig::default() };
        let ana = Person::new(1);
        let deploy = transfer(&ana, &Person::new(2), 5, Timestamp::from(1_000), 90);
        let mut room = Room::of(&limits);
        assert!(room.take(&deploy, 1, 100));
        assert!(!room.take(&deploy, 1, 100), "the one place for transfers is taken");
        let mut room = Room::of(&DeployConfig { max_block_size: 150, ..DeployConfig::default() });
        assert!(room.take(&deploy, 1, 100));
        assert!(!room.take(&deploy, 1, 51));
        assert!(room.take(&deploy, 1, 50));
        let mut room =
            Room::of(&DeployConfig { block_max_approval_count: 2, ..DeployConfig::default() });
        assert!(!room.take(&deploy, 3, 1));
        assert!(room.take(&deploy, 2, 1));
    }
}
