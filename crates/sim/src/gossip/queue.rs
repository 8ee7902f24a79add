//! Events by time, for tens of millions of them: a ring with a list for each microsecond.
//!
//! Knows: microseconds, order. Events of one microsecond come in the order in which they were
//! planned. Does not know: what an event means.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Microseconds that the ring covers; what is later waits in a heap.
const RING: usize = 1 << 20;
/// The end of a list.
const NONE: u32 = u32::MAX;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The message arrives by eager push.
    Copy,
    /// The message arrives because it was asked for.
    Answer,
    /// Validation is done: pass it on.
    Forward,
    /// The uplink has room for the next copies.
    Send,
    /// Advertise.
    Heartbeat,
    /// An advertisement arrives.
    Ihave,
    /// A request for the message arrives.
    Iwant,
    /// A node goes away.
    Leave,
    /// A node comes.
    Arrive,
    /// A node that lost mesh peers looks at its mesh.
    Mend,
}

/// Something that happens to `node`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    pub(super) kind: Kind,
    /// Hops of a copy, number of a heartbeat.
    pub(super) count: u8,
    pub(super) node: u32,
    /// Who sent it, if somebody did.
    pub(super) from: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    event: Event,
    next: u32,
}

#[derive(Debug)]
pub(super) struct Queue {
    heads: Vec<u32>,
    tails: Vec<u32>,
    links: Vec<Link>,
    free: u32,
    in_ring: usize,
    now: u32,
    far: BinaryHeap<Reverse<(u32, u64, Event)>>,
    planned: u64,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            heads: vec![NONE; RING],
            tails: vec![NONE; RING],
            links: Vec::new(),
            free: NONE,
            in_ring: 0,
            now: 0,
            far: BinaryHeap::new(),
            planned: 0,
        }
    }

    /// Empty, at time zero, with the memory it has.
    pub(super) fn reset(&mut self) {
        self.heads.fill(NONE);
        self.links.clear();
        self.free = NONE;
        self.in_ring = 0;
        self.now = 0;
        self.far.clear();
        self.planned = 0;
    }

    /// Plans an event; a time that has passed means now.
    pub(super) fn at(&mut self, at: u32, event: Event) {
        let at = at.max(self.now);
        if (at - self.now) as usize >= RING {
            self.planned += 1;
            self.far.push(Reverse((at, self.planned, event)));
        } else {
            self.put(at, event);
        }
    }

    fn put(&mut self, at: u32, event: Event) {
        let link = Link { event, next: NONE };
        let place = if self.free == NONE {
            self.links.push(link);
            (self.links.len() - 1) as u32
        } else {
            let place = self.free;
            self.free = self.links[place as usize].next;
            self.links[place as usize] = link;
            place
        };
        let bucket = at as usize % RING;
        if self.heads[bucket] == NONE {
            self.heads[bucket] = place;
        } else {
            let tail = self.tails[bucket] as usize;
            self.links[tail].next = place;
        }
        self.tails[bucket] = place;
        self.in_ring += 1;
    }

    /// The next event and its time.
    pub(super) fn next(&mut self) -> Option<(u32, Event)> {
        loop {
            if self.in_ring == 0 {
                // Nothing within reach: go to where the heap begins.
                self.now = self.far.peek()?.0.0;
            }
            while let Some(Reverse((at, _, event))) = self.far.peek().copied()
                && ((at - self.now) as usize) < RING
            {
                self.far.pop();
                self.put(at, event);
            }
            // Up to where the heap's first event would come into reach.
            let stop = self.far.peek().map_or(u32::MAX, |first| first.0.0 - RING as u32 + 1);
            while self.now < stop {
                let bucket = self.now as usize % RING;
                let place = self.heads[bucket];
                if place != NONE {
                    let link = self.links[place as usize];
                    self.heads[bucket] = link.next;
                    self.links[place as usize].next = self.free;
                    self.free = place;
                    self.in_ring -= 1;
                    return Some((self.now, link.event));
                }
                if self.in_ring == 0 {
                    break;
                }
                self.now += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn event(node: u32) -> Event {
        Event { kind: Kind::Copy, count: 0, node, from: 0 }
    }

    #[test]
    fn events_come_by_time_and_those_of_one_instant_as_planned() {
        let mut queue = Queue::new();
        let mut rng = Rng::new(7);
        let mut planned = Vec::new();
        for node in 0..5_000 {
            let at = rng.range(0, 5_000_000) as u32 / 1_000 * 1_000;
            planned.push((at, node));
            queue.at(at, event(node));
        }
        planned.sort_by_key(|(at, _)| *at);
        let come: Vec<(u32, u32)> =
            std::iter::from_fn(|| queue.next()).map(|(at, event)| (at, event.node)).collect();
        let times = |list: &[(u32, u32)]| list.iter().map(|(at, _)| *at).collect::<Vec<_>>();
        assert_eq!(times(&come), times(&planned));
        let near = |list: &[(u32, u32)]| {
            list.iter().copied().filter(|(at, _)| (*at as usize) < RING).collect::<Vec<_>>()
        };
        assert_eq!(near(&come), near(&planned));
    }

    #[test]
    fn what_is_planned_on_the_way_finds_its_place() {
        let mut queue = Queue::new();
        queue.at(10, event(1));
        queue.at(3_000_000, event(3));
        assert_eq!(queue.next(), Some((10, event(1))));
        queue.at(5, event(2));
        queue.at(2_000_000, event(4));
        assert_eq!(queue.next(), Some((10, event(2))));
        assert_eq!(queue.next(), Some((2_000_000, event(4))));
        assert_eq!(queue.next(), Some((3_000_000, event(3))));
        assert_eq!(queue.next(), None);
        queue.reset();
        queue.at(1, event(9));
        assert_eq!(queue.next(), Some((1, event(9))));
    }
}
