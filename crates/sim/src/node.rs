//! One simulated node: the brain, its disk, and what its owner keeps in memory beside them.

use std::collections::{BTreeMap, BTreeSet};

use girrona_chain::{Chain, RequestId, SharedScheme, Timer};
use girrona_types::Height;

use crate::{
    disk::{Fateful, SimDisk},
    plan::Millis,
    words::Word,
};

/// Something from a peer that waits for a verdict.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Who gossiped it; `None` if it was asked for, and is not passed on.
    pub(crate) from: Option<usize>,
    pub(crate) name: u64,
    pub(crate) word: Word,
}

/// A node; `chain` is `None` while it is down, `disk` is `None` while it is up.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) scheme: SchemeOf,
    pub(crate) chain: Option<Chain<SimDisk>>,
    pub(crate) disk: Option<SimDisk>,
    pub(crate) death: Fateful,
    /// Counts starts, so that what was planned before a crash is ignored after it.
    pub(crate) life: u64,
    pub(crate) up_since: Millis,
    /// Running timers, each with the number of the event that is its end.
    pub(crate) timers: BTreeMap<Timer, u64>,
    /// Names of what was gossiped here in this life.
    pub(crate) heard: BTreeSet<u64>,
    /// Requests under way, each with its link.
    pub(crate) requests: BTreeMap<RequestId, u64>,
    pub(crate) tickets: BTreeMap<u64, Ticket>,
    pub(crate) tickets_given: u64,
    /// An older state of the disk, for sabotage.
    pub(crate) old: Option<SimDisk>,
    /// How long it stays down after the death that is planned.
    pub(crate) down: Millis,
}

/// A scheme, shown by its key.
pub(crate) struct SchemeOf(pub(crate) SharedScheme);

impl std::fmt::Debug for SchemeOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SchemeOf").field(&self.0.public_key()).finish()
    }
}

impl Node {
    pub(crate) fn new(scheme: SharedScheme, disk: SimDisk, death: Fateful) -> Self {
        Self {
            scheme: SchemeOf(scheme),
            chain: None,
            disk: Some(disk),
            death,
            life: 0,
            up_since: 0,
            timers: BTreeMap::new(),
            heard: BTreeSet::new(),
            requests: BTreeMap::new(),
            tickets: BTreeMap::new(),
            tickets_given: 0,
            old: None,
            down: 0,
        }
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.chain.is_some()
    }

    /// The tip of a node that is up.
    pub(crate) fn height(&self) -> Option<Height> {
        self.chain.as_ref().map(Chain::height)
    }

    /// Forgets what was only in memory, and gives the disk.
    pub(crate) fn fall(&mut self) -> Option<SimDisk> {
        self.timers.clear();
        self.heard.clear();
        self.requests.clear();
        self.tickets.clear();
        self.chain.take().map(Chain::into_disk)
    }

    /// A ticket for something that came from a peer.
    pub(crate) fn ticket(&mut self, from: Option<usize>, name: u64, word: Word) -> u64 {
        self.tickets_given += 1;
        self.tickets.insert(self.tickets_given, Ticket { from, name, word });
        self.tickets_given
    }
}
