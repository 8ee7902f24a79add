//! One piece of work on the records: what it read and wrote, what it tells the world, which motes
//! cross the market's border. Nothing reaches the store before the work has succeeded.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use girrona_types::{
    Height, NetworkId,
    keys::derived_address,
    market::{AccountId, MarketEvent, MarketLaw, Motes},
};

use crate::{
    call::{Call, ExecutionFacts},
    refusal::Refusal,
    store::{Key, Store},
};

/// Who asks, when, and under which law.
#[derive(Clone, Copy, Debug)]
pub struct Who<'w> {
    /// The network; part of what TLS keys sign.
    pub network: NetworkId,
    /// The account that signed the deploy, or the contract's caller.
    pub caller: AccountId,
    /// The deploy, and the number of this call within it: ids are made of both.
    pub deploy: [u8; 32],
    /// See `deploy`.
    pub index: u64,
    /// The block's height.
    pub height: Height,
    /// The block's time, in milliseconds since 1970.
    pub time_ms: u64,
    /// The chainspec's `[market]`.
    pub law: &'w MarketLaw,
}

impl Who<'_> {
    /// An id that nobody else can make.
    pub(crate) fn id(&self, domain: &str) -> [u8; 32] {
        derived_address(domain, &self.deploy, self.index)
    }
}

/// Motes that cross the market's border. Those that come in have to be there when the call is done:
/// a caller that cannot carry one out undoes the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// From an account's main purse into the market's purse, out of the deploy's spending limit.
    In(AccountId, Motes),
    /// From the market's purse into an account's main purse.
    Out(AccountId, Motes),
    /// Out of the market's purse and out of the world.
    Burn(Motes),
}

/// What came of a call or a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What happened, in order.
    pub events: Vec<MarketEvent>,
    /// Motes to move, in order.
    pub movements: Vec<Movement>,
    /// The id of what the call made, if it made something with one.
    pub made: Option<[u8; 32]>,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt<E> {
    /// The caller gets this; the store is as it was.
    Refused(Refusal),
    /// The state could not be reached.
    Store(E),
    /// A record makes no sense, or an invariant does not hold: a node that meets it must stop.
    Broken(&'static str),
}

impl<E> From<Refusal> for Halt<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub(crate) type Done<T, S> = Result<T, Halt<<S as Store>::Error>>;

/// Does one call. A refusal leaves the store as it was.
///
/// # Errors
/// [`Halt::Refused`] is for the caller; the others are for the node.
pub fn apply<S: Store>(store: &mut S, who: &Who<'_>, call: Call) -> Done<Outcome, S> {
    let mut session = Session::new(store, who.law, who.height, who.time_ms);
    session.call(who, call)?;
    session.finish()
}

/// Pays for executions out of the escrow of who asked for them, and takes the bonds of proven liars.
///
/// Not a [`Call`], because no account's word is enough: the chain reads these facts from certificates
/// and proofs that it has verified. A refusal leaves the store as it was.
///
/// # Errors
/// As [`apply`].
pub fn pay_executions<S: Store>(
    store: &mut S,
    who: &Who<'_>,
    bills: Vec<ExecutionFacts>,
) -> Done<Outcome, S> {
    let mut session = Session::new(store, who.law, who.height, who.time_ms);
    session.pay_executions(bills)?;
    session.finish()
}

/// Work in progress.
pub(crate) struct Session<'s, S: Store> {
    store: &'s mut S,
    fresh: BTreeMap<Key, Option<Vec<u8>>>,
    pub(crate) law: &'s MarketLaw,
    pub(crate) height: Height,
    pub(crate) time_ms: u64,
    /// The earliest height that a queue entry may have.
    pub(crate) queue_from: Height,
    pub(crate) outcome: Outcome,
}

impl<'s, S: Store> Session<'s, S> {
    pub(crate) fn new(store: &'s mut S, law: &'s MarketLaw, height: Height, time_ms: u64) -> Self {
        Self {
            store,
            fresh: BTreeMap::new(),
            law,
            height,
            time_ms,
            queue_from: height,
            outcome: Outcome::default(),
        }
    }

    /// Hands everything over.
    pub(crate) fn finish(self) -> Done<Outcome, S> {
        for (key, bytes) in self.fresh {
            match bytes {
                Some(bytes) => self.store.put(&key, bytes),
                None => self.store.remove(&key),
            }
            .map_err(Halt::Store)?;
        }
        Ok(self.outcome)
    }

    pub(crate) fn get<T: BorshDeserialize>(&mut self, key: &Key) -> Done<Option<T>, S> {
        if let Some(bytes) = self.fresh.get(key) {
            let bytes = bytes.as_deref();
            return bytes.map(decode).transpose();
        }
        let bytes = self.store.get(key).map_err(Halt::Store)?;
        bytes.as_deref().map(decode).transpose()
    }

    pub(crate) fn put<T: BorshSerialize>(&mut self, key: Key, value: &T) -> Done<(), S> {
        let bytes = borsh::to_vec(value).map_err(|_| Halt::Broken("a record has no byte form"))?;
        self.fresh.insert(key, Some(bytes));
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.fresh.insert(key, None);
    }

    pub(crate) fn tell(&mut self, event: MarketEvent) {
        self.outcome.events.push(event);
    }

    pub(crate) fn moves(&mut self, movement: Movement) {
        let motes = match movement {
            Movement::In(_, motes) | Movement::Out(_, motes) | Movement::Burn(motes) => motes,
        };
        if !motes.is_zero() {
            self.outcome.movements.push(movement);
        }
    }
}

fn decode<T: BorshDeserialize, E>(bytes: &[u8]) -> Result<T, Halt<E>> {
    borsh::from_slice(bytes).map_err(|_| Halt::Broken("a record's bytes make no sense"))
}

/// A height some blocks later.
pub(crate) fn after(height: Height, blocks: u64) -> Height {
    Height(height.0.saturating_add(blocks))
}
