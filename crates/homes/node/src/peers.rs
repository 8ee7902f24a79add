//! Who is who among the peers: swarm identities, the chain's numbers for them, and which of them
//! proved to hold a validator's key.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use casper_types::PublicKey;
use girrona_chain::Peer;
use girrona_net::PeerId;

#[derive(Debug, Default)]
struct Table {
    next: Peer,
    numbers: BTreeMap<PeerId, Peer>,
    ids: BTreeMap<Peer, PeerId>,
    validators: BTreeMap<PublicKey, PeerId>,
}

/// The connected peers.
#[derive(Debug, Default)]
pub struct Peers {
    table: Mutex<Table>,
}

impl Peers {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a peer; a new one if it has none.
    pub fn number(&self, id: PeerId) -> Peer {
        let mut table = self.lock();
        if let Some(number) = table.numbers.get(&id) {
            return *number;
        }
        let number = table.next;
        table.next += 1;
        table.numbers.insert(id, number);
        table.ids.insert(number, id);
        number
    }

    /// The peer of a number.
    pub fn id(&self, number: Peer) -> Option<PeerId> {
        self.lock().ids.get(&number).copied()
    }

    /// A peer is gone; gives its number.
    pub fn remove(&self, id: PeerId) -> Option<Peer> {
        let mut table = self.lock();
        let number = table.numbers.remove(&id)?;
        table.ids.remove(&number);
        table.validators.retain(|_, other| *other != id);
        Some(number)
    }

    /// A connected peer proved that it holds this key. A peer has one key: its last word counts.
    pub fn introduced(&self, id: PeerId, key: PublicKey) {
        let mut table = self.lock();
        table.validators.retain(|_, other| *other != id);
        if table.numbers.contains_key(&id) {
            table.validators.insert(key, id);
        }
    }

    /// Peers and the validator keys that they proved to hold, whether or not these vote now.
    pub fn validators(&self) -> Vec<(PublicKey, PeerId)> {
        self.lock().validators.iter().map(|(key, id)| (key.clone(), *id)).collect()
    }
}
