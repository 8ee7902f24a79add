//! What happens when: events in virtual time, in one order.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use girrona_chain::{Incoming, RequestId, Timer};

use crate::{plan::Millis, words::Packet};

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// A node starts, or starts again.
    Boot(usize),
    /// The plan's crash of this number is due.
    Crash(usize),
    /// Two nodes try to connect.
    LinkUp(usize, usize),
    /// Two nodes notice that nothing comes through any more, if that is still so.
    LinkDown(usize, usize),
    /// A node notices that the other end of a connection is gone.
    Lost { node: usize, peer: u64 },
    /// Something arrives.
    Deliver { to: usize, from: usize, link: u64, packet: Packet },
    /// A timer runs out, if it is still the one that was set.
    Timer { node: usize, timer: Timer, set: u64 },
    /// Nobody has answered.
    RequestTimeout { node: usize, life: u64, id: RequestId },
    /// Deploys that came in an answer were checked.
    Checked { node: usize, life: u64, deploys: Vec<Incoming> },
    /// Somebody sends a deploy.
    Load,
    /// The oracles look at everything.
    Inspect,
}

#[derive(Debug)]
struct Entry {
    at: Millis,
    number: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Events by time; those of one instant in the order in which they were planned.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    planned: u64,
}

impl Queue {
    pub(crate) fn at(&mut self, at: Millis, event: Event) {
        self.planned += 1;
        self.heap.push(Reverse(Entry { at, number: self.planned, event }));
    }

    pub(crate) fn next(&mut self) -> Option<(Millis, Event)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}
