//! One fetch: a DAG from its root to its last leaf, from whoever has it.
//!
//! Each peer has a window of bytes that it may be asked for at once; whoever delivers gets more
//! to do, so fast peers take the work of slow ones. Every block is asked of one peer; only when
//! that one is late it is taken away and asked of another. Who is late follows from how long
//! blocks take. Peers that send wrong bytes or nothing at all are named.
//!
//! The owner brings what happens and the time, and does what comes out, in order. Blocks that the
//! store has are not asked for, so a fetch goes on where it was interrupted.

mod assign;
mod find;
mod queue;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use self::queue::Queue;
use super::{
    WantKind,
    peer::{Peer, Standing},
};
use crate::content::{BLOCK_MAX, Cid, Limits, node::NodeError};

/// What a node is expected to be as long as nothing says how long it is.
const NODE_SIZE: u64 = 64 * 1024;
/// A leaf counts as no shorter and no longer than this, whatever a link says.
const LEAF_MIN: u64 = 1_024;
const LEAF_MAX: u64 = BLOCK_MAX as u64;
/// How long a peer's word that it has not a block counts; it may be fetching too.
const LACKS_MS: u64 = 1_000;

/// The numbers of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How deep and wide the DAG may be.
    pub limits: Limits,
    /// Bytes of different blocks that are taken altogether.
    pub bytes_max: u64,
    /// Bytes that a peer may be asked for at once if it is a js-libp2p node, or may be one: it
    /// sends a whole window in one frame, and ours takes 1 MiB.
    pub window_small: u64,
    /// The same for others, at first.
    pub window_start: u64,
    /// The same for others, at most.
    pub window_max: u64,
    /// How long blocks may queue up on their way before a peer is asked for less at once.
    pub queue_ms: u64,
    /// How long a peer may deliver nothing, at least.
    pub late_min_ms: u64,
    /// The same before anything is known.
    pub late_start_ms: u64,
    /// The same at most.
    pub late_max_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        let limits = Limits::default();
        Self {
            limits,
            bytes_max: limits.bytes_max.saturating_add(64 * MIB),
            window_small: 512 * 1024,
            window_start: 4 * MIB,
            window_max: 32 * MIB,
            queue_ms: 100,
            late_min_ms: 150,
            late_start_ms: 1_000,
            late_max_ms: 10_000,
        }
    }
}

/// What the store has; the only thing that a fetch asks of outside.
pub trait Blocks {
    /// Whether a block is there, whole and checked.
    fn has(&self, cid: &Cid) -> bool;
    /// Its bytes.
    fn bytes(&self, cid: &Cid) -> Option<Vec<u8>>;
}

/// What a peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Offence {
    /// It sent bytes that nobody asked for in place of those that were.
    #[error("it sent wrong bytes")]
    WrongBytes,
    /// It sent blocks again and again that nobody asked it for.
    #[error("it sent blocks that it was not asked for")]
    Unasked,
    /// It was late again and again.
    #[error("it does not deliver")]
    Stalled,
}

/// Why a fetch will never end well.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// A block is nothing that assemblies use.
    #[error("block {cid}: {reason}")]
    Node {
        /// Which.
        cid: Cid,
        /// Why.
        reason: NodeError,
    },
    /// Deeper than allowed.
    #[error("more than {0} blocks lie on the way to a leaf")]
    Depth(u32),
    /// More blocks than allowed.
    #[error("there are more than {0} blocks")]
    Blocks(u64),
    /// More bytes than allowed.
    #[error("the blocks have more than {0} bytes")]
    Bytes(u64),
}

/// What the owner does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<P> {
    /// Ask a peer; always with the wish to be told what it has not.
    Want {
        /// Whom.
        peer: P,
        /// For what.
        wants: Vec<(Cid, WantKind)>,
    },
    /// Take back what a peer was asked for.
    Cancel {
        /// Whom.
        peer: P,
        /// What.
        cids: Vec<Cid>,
    },
    /// A peer is at fault, and is asked for nothing more where others can be.
    Blame {
        /// Who.
        peer: P,
        /// What it did.
        offence: Offence,
    },
    /// Nobody who is connected has what is missing: find somebody.
    Starved,
    /// Everything is there.
    Done,
    /// It is given up.
    Failed(Failure),
}

/// What to do with a block that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// Store it.
    New,
    /// It is here already.
    Duplicate,
    /// Nobody wants it.
    Unwanted,
}

/// A block that is missing.
#[derive(Clone, Copy, Debug)]
struct Missing {
    /// Its place in the order in which blocks were found, which is the order of the content.
    order: u64,
    depth: u32,
    size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Going,
    Starved,
    Over,
}

/// A fetch under way; `P` is a peer.
#[derive(Debug)]
pub struct Session<P> {
    root: Cid,
    config: Config,
    state: State,
    peers: BTreeMap<P, Peer>,
    /// Peers that sent wrong bytes: nothing more is taken from them.
    banned: BTreeSet<P>,
    missing: BTreeMap<Cid, Missing>,
    /// Missing and asked of nobody.
    queue: Queue,
    /// Everything that was found, missing or not.
    found: BTreeSet<Cid>,
    bytes: u64,
    duplicate_bytes: u64,
    /// What everything that was missing is expected to have.
    expected: u64,
    /// Of that, what was asked of another while it may have been on its way already.
    stolen: u64,
    relearn_ms: u64,
}

impl<P: Ord + Clone> Session<P> {
    /// Begins; what the store has of it is looked through at once.
    pub fn new(
        root: Cid,
        config: Config,
        store: &dyn Blocks,
        now_ms: u64,
    ) -> (Self, Vec<Output<P>>) {
        let mut session = Self {
            root,
            config,
            state: State::Going,
            peers: BTreeMap::new(),
            banned: BTreeSet::new(),
            missing: BTreeMap::new(),
            queue: Queue::default(),
            found: BTreeSet::new(),
            bytes: 0,
            duplicate_bytes: 0,
            expected: 0,
            stolen: 0,
            relearn_ms: now_ms.saturating_add(LACKS_MS),
        };
        let mut out = Vec::new();
        let first = Missing { order: 0, depth: 1, size: NODE_SIZE };
        let result = session.find(vec![(root, first)], store);
        session.conclude(result, now_ms, &mut out);
        (session, out)
    }

    /// A peer is there. `is_holder` if it said that it has the content: others are asked first.
    /// `is_large` once it is known not to be a js-libp2p node.
    pub fn connected(
        &mut self,
        peer: &P,
        is_holder: bool,
        is_large: bool,
        now_ms: u64,
    ) -> Vec<Output<P>> {
        let mut out = Vec::new();
        if self.state == State::Over || self.banned.contains(peer) {
            return out;
        }
        if let Some(known) = self.peers.get_mut(peer) {
            if is_large {
                known.widen(&self.config);
            }
            if is_holder {
                known.standing = Standing::Holder;
            }
        } else {
            let standing = if is_holder { Standing::Holder } else { Standing::Probed };
            let new = Peer::new(standing, is_large, &self.config, now_ms);
            self.peers.insert(peer.clone(), new);
            if !is_holder {
                let wants = vec![(self.root, WantKind::Have)];
                out.push(Output::Want { peer: peer.clone(), wants });
            }
        }
        self.assign(now_ms, &mut out);
        out
    }

    /// A peer is gone.
    pub fn gone(&mut self, peer: &P, now_ms: u64) -> Vec<Output<P>> {
        let mut out = Vec::new();
        if let Some(gone) = self.peers.remove(peer) {
            self.requeue(gone.flight.keys());
        }
        self.assign(now_ms, &mut out);
        out
    }

    /// A peer has a block.
    pub fn has(&mut self, peer: &P, cid: &Cid, now_ms: u64) -> Vec<Output<P>> {
        let mut out = Vec::new();
        if let Some(known) = self.peers.get_mut(peer)
            && self.found.contains(cid)
        {
            known.standing = Standing::Holder;
            known.lacks.remove(cid);
        }
        self.assign(now_ms, &mut out);
        out
    }

    /// A peer has not a block.
    pub fn lacks(&mut self, peer: &P, cid: &Cid, now_ms: u64) -> Vec<Output<P>> {
        let mut out = Vec::new();
        let Some(known) = self.peers.get_mut(peer) else { return out };
        if known.standing == Standing::Probed && *cid == self.root {
            known.standing = Standing::Without;
        }
        if known.release(cid).is_some() {
            known.answered(now_ms);
            known.released.remove(cid);
            known.lacks.insert(*cid);
            self.requeue([cid]);
        }
        self.assign(now_ms, &mut out);
        out
    }

    /// Whether a block is part of what is fetched. With several fetches under way, a block goes
    /// to those that know it; one that nobody knows goes to any that expects something.
    pub fn knows(&self, cid: &Cid) -> bool {
        self.found.contains(cid)
    }

    /// Whether a block from this peer is worth its hash: who owes nothing sends nothing of use.
    pub fn expects(&self, peer: &P) -> bool {
        let owes = |peer: &Peer| !peer.flight.is_empty() || !peer.released.is_empty();
        self.state != State::Over && self.peers.get(peer).is_some_and(owes)
    }

    /// A block came; `cid` is what its bytes hash to. Store it before the outputs are done, if it
    /// is new.
    pub fn block(
        &mut self,
        peer: &P,
        cid: &Cid,
        bytes: &[u8],
        store: &dyn Blocks,
        now_ms: u64,
    ) -> (Took, Vec<Output<P>>) {
        let mut out = Vec::new();
        let Some(sender) = self.peers.get_mut(peer) else { return (Took::Unwanted, out) };
        let owed = sender.flight.contains_key(cid);
        let was_owed = sender.released.remove(cid);
        if !self.found.contains(cid) && store.has(cid) {
            // Late, and for another fetch that is over.
            return (Took::Duplicate, out);
        }
        if !self.found.contains(cid) {
            // Not from this content: it stands in for something that was asked, or for nothing.
            let offence =
                if sender.flight.is_empty() { Offence::Unasked } else { Offence::WrongBytes };
            self.offend(peer, offence, now_ms, &mut out);
            return (Took::Unwanted, out);
        }
        let Some(missing) = self.missing.get(cid).copied() else {
            self.duplicate_bytes = self.duplicate_bytes.saturating_add(bytes.len() as u64);
            sender.deliver(cid, &self.config, now_ms);
            if !owed && !was_owed {
                self.offend(peer, Offence::Unasked, now_ms, &mut out);
            }
            self.assign(now_ms, &mut out);
            return (Took::Duplicate, out);
        };
        sender.deliver(cid, &self.config, now_ms);
        sender.standing = Standing::Holder;
        self.missing.remove(cid);
        self.queue.remove(cid, &missing);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        // Somebody else was asked in the meantime.
        for (other, known) in &mut self.peers {
            if known.release(cid).is_some() {
                out.push(Output::Cancel { peer: other.clone(), cids: vec![*cid] });
            }
        }
        let result = self.open(*cid, missing, bytes, store);
        self.conclude(result, now_ms, &mut out);
        (Took::New, out)
    }

    /// Time passed. Call it at [`Session::next_ms`].
    pub fn tick(&mut self, now_ms: u64) -> Vec<Output<P>> {
        let mut out = Vec::new();
        if self.state == State::Over {
            return out;
        }
        if self.relearn_ms <= now_ms {
            self.relearn_ms = now_ms.saturating_add(LACKS_MS);
            self.relearn(&mut out);
        }
        let (best, is_tail) = (self.best_ms(), self.queue.is_empty());
        let config = self.config;
        let mut late = Vec::new();
        for (peer, known) in &self.peers {
            let patience = known.patience_ms(best, is_tail, &config);
            if known.late_at_ms(patience).is_some_and(|at| at <= now_ms) {
                late.push(peer.clone());
            }
        }
        for peer in late {
            self.take_away(&peer, now_ms, &mut out);
        }
        self.name_dead(now_ms, &mut out);
        self.assign(now_ms, &mut out);
        out
    }

    /// When [`Session::tick`] has something to do; `None` when it never will.
    pub fn next_ms(&self) -> Option<u64> {
        if self.state == State::Over {
            return None;
        }
        let (best, is_tail) = (self.best_ms(), self.queue.is_empty());
        let late = self
            .peers
            .values()
            .filter_map(|peer| peer.late_at_ms(peer.patience_ms(best, is_tail, &self.config)));
        let dead = self.peers.values().filter_map(Peer::dead_at_ms).filter(|_| best.is_some());
        let quiet = self.quiet_at_ms();
        late.chain(dead).chain(quiet).chain([self.relearn_ms]).min()
    }

    /// It is given up: what was asked for is taken back, and nothing more happens.
    pub fn stop(&mut self) -> Vec<Output<P>> {
        let mut out = Vec::new();
        self.end(&mut out);
        out
    }

    /// Peers that were late last time and have not been named: whoever wants to know whether they
    /// are dead or just slow asks them something.
    pub fn suspects(&self) -> impl Iterator<Item = &P> {
        let is_late = |known: &Peer| known.strikes > 0 || known.is_relieved;
        let late = self.peers.iter().filter(move |(_, known)| is_late(known) && !known.is_named);
        late.map(|(peer, _)| peer)
    }

    /// Bytes of different blocks that came.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of blocks that came and were here already.
    pub const fn duplicate_bytes(&self) -> u64 {
        self.duplicate_bytes
    }

    /// Blocks that are here, and blocks that were found so far.
    pub fn progress(&self) -> (usize, usize) {
        (self.found.len().saturating_sub(self.missing.len()), self.found.len())
    }

    /// The shortest mean time for a block of any peer.
    fn best_ms(&self) -> Option<u64> {
        self.peers.values().filter_map(Peer::mean_ms).min()
    }

    /// After something changed: the end, or more work.
    fn conclude(&mut self, result: Result<(), Failure>, now_ms: u64, out: &mut Vec<Output<P>>) {
        if self.state == State::Over {
            return;
        }
        match result {
            Err(failure) => {
                self.end(out);
                out.push(Output::Failed(failure));
            }
            Ok(()) if self.missing.is_empty() => {
                self.end(out);
                out.push(Output::Done);
            }
            Ok(()) => self.assign(now_ms, out),
        }
    }

    /// Takes back everything that was asked.
    fn end(&mut self, out: &mut Vec<Output<P>>) {
        self.state = State::Over;
        for (peer, known) in &mut self.peers {
            let cids: Vec<Cid> = std::mem::take(&mut known.flight).into_keys().collect();
            if !cids.is_empty() {
                out.push(Output::Cancel { peer: peer.clone(), cids });
            }
        }
    }
}
