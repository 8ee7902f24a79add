//! One simulated owner of a [`Bft`]: its disk, what it keeps in memory, and the words it uses
//! beside consensus.

use std::collections::BTreeMap;

use casper_types::Digest;
use girrona_consensus::{
    Bft, BftConfig, Consensus, Input, Record, Timeouts, TimerId, record_height,
};
use girrona_types::{CommitCertificate, Height, NetworkId, ProposalHash};
use std::time::Duration;

use crate::{
    plan::{Plan, Sabotage, Time},
    scheme::Mac,
};

pub(crate) const NETWORK: NetworkId = NetworkId([7; 32]);

/// What is proposed, in place of a block's worth of deploys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) height: Height,
    pub(crate) nonce: u64,
    pub(crate) valid: bool,
}

impl Body {
    pub(crate) fn hash(&self) -> ProposalHash {
        let bytes = [&self.height.0.to_le_bytes()[..], &self.nonce.to_le_bytes()].concat();
        ProposalHash(Digest::hash([&bytes[..], &[u8::from(self.valid)]].concat()).value())
    }
}

/// What nodes send each other.
#[derive(Clone, Debug)]
pub(crate) enum Net {
    Wire(Vec<u8>),
    Body(Body),
    WantBody(ProposalHash),
    Status(Height),
    AskSync(Height),
    GiveSync(Vec<(CommitCertificate, Body)>),
}

/// What survives a crash; `unsaved` survives in part.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) log: Vec<Vec<u8>>,
    pub(crate) guard: Option<Vec<u8>>,
    pub(crate) unsaved: Vec<Record>,
    pub(crate) bodies: BTreeMap<ProposalHash, Body>,
    pub(crate) decided: BTreeMap<Height, (CommitCertificate, Body)>,
}

impl Disk {
    pub(crate) fn tip(&self) -> Height {
        self.decided.keys().next_back().copied().unwrap_or_default()
    }

    /// Makes the first `count` unsaved records durable and forgets the rest.
    pub(crate) fn flush(&mut self, count: usize) {
        for record in self.unsaved.drain(..).take(count) {
            match record {
                Record::Wal(record) => self.log.push(record),
                Record::Guard(record) => self.guard = Some(record),
            }
        }
    }
}

/// A node; `engine` is `None` while it is down.
pub(crate) struct Node {
    pub(crate) engine: Option<Box<dyn Consensus>>,
    pub(crate) disk: Disk,
    /// Counts restarts, so that what was scheduled before a crash is ignored after it.
    pub(crate) life: u64,
    pub(crate) timers: BTreeMap<TimerId, u64>,
    pub(crate) wanted: BTreeMap<ProposalHash, Height>,
    pub(crate) synced: BTreeMap<Height, (CommitCertificate, Body)>,
    pub(crate) moved_at: Time,
    /// The node crashes when it has carried out this many more outputs.
    pub(crate) crash_in: Option<u64>,
    /// Whether it has stopped by itself.
    pub(crate) faulted: bool,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self {
            engine: None,
            disk: Disk::default(),
            life: 0,
            timers: BTreeMap::new(),
            wanted: BTreeMap::new(),
            synced: BTreeMap::new(),
            moved_at: 0,
            crash_in: None,
            faulted: false,
        }
    }

    pub(crate) fn height(&self) -> Height {
        self.engine.as_ref().map_or(Height(0), |engine| engine.height())
    }

    /// Forgets what was only in memory; of the unsaved records the first `kept` made it.
    pub(crate) fn crash(&mut self, kept: usize) {
        self.engine = None;
        self.timers.clear();
        self.wanted.clear();
        self.synced.clear();
        self.crash_in = None;
        self.disk.flush(kept);
    }

    /// Comes up with what is on the disk; the input begins the next height.
    pub(crate) fn boot(&mut self, plan: &Plan, index: usize, now: Time) -> Input {
        self.life += 1;
        self.moved_at = now;
        let scheme: Mac = plan.schemes[index].clone();
        let height = self.disk.tip().next();
        let mut wal: Vec<_> = self
            .disk
            .log
            .iter()
            .filter(|record| record_height(record).unwrap() == height)
            .cloned()
            .collect();
        if matches!(plan.cast.sabotage, Sabotage::ForgetEverything | Sabotage::ForgetLog) {
            wal.clear();
        }
        if plan.cast.sabotage == Sabotage::ForgetEverything {
            self.disk.guard = None;
        }
        let config = BftConfig {
            network: NETWORK,
            scheme: Box::new(scheme),
            timeouts: timeouts(),
            guard: self.disk.guard.clone(),
        };
        self.engine = Some(Box::new(Bft::new(config).unwrap()));
        Input::Start { height, leaders: plan.leaders(height, index), wal }
    }
}

fn timeouts() -> Timeouts {
    let ms = Duration::from_millis;
    Timeouts { max: Duration::from_secs(5), ..Timeouts::new(ms(300), ms(150), ms(100)) }
}
