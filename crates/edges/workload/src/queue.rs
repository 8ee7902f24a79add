//! Whose turn it is.
//!
//! Callers take turns: the next is the one of whom the fewest run, and among those the one who had
//! no turn for the longest. So a flood of one caller makes that caller wait, and another at most for
//! an execution to end. A job that needs more memory than is free holds the others up rather than
//! being passed by for ever; those that run end in time.

use std::collections::{BTreeMap, VecDeque};

use thiserror::Error;
use tokio::sync::oneshot;

use crate::job::Caller;

/// Why a job does not even wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Too many wait.
    #[error("{0} executions wait already")]
    Full(usize),
    /// Too many of this caller wait.
    #[error("{0} executions of this caller wait already")]
    CallerFull(usize),
    /// It may use more than the node ever gives.
    #[error("it may use {needed} bytes of memory, files and output; the node has {total}")]
    Memory {
        /// How much it may use.
        needed: u64,
        /// How much there is.
        total: u64,
    },
    /// The node stops.
    #[error("the node stops")]
    Closed,
}

/// A job that waits.
#[derive(Debug)]
struct Waiting {
    id: u64,
    memory: u64,
    turn: oneshot::Sender<()>,
}

/// Jobs that wait and what is free.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) slots: usize,
    pub(crate) slots_free: usize,
    pub(crate) memory: u64,
    pub(crate) memory_free: u64,
    max: usize,
    max_per_caller: usize,
    count: usize,
    next: u64,
    /// In the order of their last turns; with nothing in it once a caller has nothing.
    waiting: VecDeque<(Caller, VecDeque<Waiting>)>,
    running: BTreeMap<Caller, usize>,
    is_closed: bool,
}

impl Queue {
    pub(crate) fn new(slots: usize, memory: u64, max: usize, max_per_caller: usize) -> Self {
        Self {
            slots,
            slots_free: slots,
            memory,
            memory_free: memory,
            max,
            max_per_caller,
            count: 0,
            next: 0,
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
            is_closed: false,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Lets a job wait; its number, and what tells it that it is its turn.
    ///
    /// # Errors
    /// When it must not wait.
    pub(crate) fn push(
        &mut self,
        caller: Caller,
        memory: u64,
    ) -> Result<(u64, oneshot::Receiver<()>), Refused> {
        if self.is_closed {
            return Err(Refused::Closed);
        }
        if memory > self.memory {
            return Err(Refused::Memory { needed: memory, total: self.memory });
        }
        if self.count >= self.max {
            return Err(Refused::Full(self.count));
        }
        let at = self.waiting.iter().position(|(other, _)| *other == caller);
        let of_caller = at.and_then(|at| self.waiting.get(at)).map_or(0, |(_, jobs)| jobs.len());
        if of_caller >= self.max_per_caller {
            return Err(Refused::CallerFull(of_caller));
        }
        let (turn, told) = oneshot::channel();
        let id = self.next;
        self.next += 1;
        self.count += 1;
        let job = Waiting { id, memory, turn };
        match at.and_then(|at| self.waiting.get_mut(at)) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.waiting.push_back((caller, VecDeque::from([job]))),
        }
        Ok((id, told))
    }

    /// A job waits no longer.
    pub(crate) fn remove(&mut self, caller: Caller, id: u64) {
        let Some(at) = self.waiting.iter().position(|(other, _)| *other == caller) else { return };
        let Some((_, jobs)) = self.waiting.get_mut(at) else { return };
        let before = jobs.len();
        jobs.retain(|job| job.id != id);
        self.count -= before - jobs.len();
        if jobs.is_empty() {
            self.waiting.remove(at);
        }
    }

    /// Tells everybody whose turn it is.
    pub(crate) fn advance(&mut self) {
        while self.slots_free > 0 {
            let runs = |caller: &Caller| self.running.get(caller).copied().unwrap_or(0);
            let next = (0..).zip(&self.waiting).min_by_key(|(at, (caller, _))| (runs(caller), *at));
            let Some((at, _)) = next else { return };
            let Some((caller, jobs)) = self.waiting.get_mut(at) else { return };
            let caller = *caller;
            if jobs.front().is_some_and(|job| job.memory > self.memory_free) {
                return;
            }
            let job = jobs.pop_front();
            // It goes to the end, if it has more.
            if let Some((caller, jobs)) = self.waiting.remove(at)
                && !jobs.is_empty()
            {
                self.waiting.push_back((caller, jobs));
            }
            let Some(job) = job else { continue };
            self.count -= 1;
            // Who left in this very moment has no turn.
            if job.turn.send(()).is_ok() {
                self.slots_free -= 1;
                self.memory_free = self.memory_free.saturating_sub(job.memory);
                *self.running.entry(caller).or_insert(0) += 1;
            }
        }
    }

    /// A turn is over.
    pub(crate) fn release(&mut self, caller: Caller, memory: u64) {
        self.slots_free = (self.slots_free + 1).min(self.slots);
        self.memory_free = self.memory_free.saturating_add(memory).min(self.memory);
        if let Some(count) = self.running.get_mut(&caller) {
            *count -= 1;
            if *count == 0 {
                self.running.remove(&caller);
            }
        }
    }

    /// Nobody waits any more, and nobody may.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        self.waiting.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Caller = Caller([1; 32]);
    const B: Caller = Caller([2; 32]);
    const C: Caller = Caller([3; 32]);

    fn turns(told: &mut [(char, oneshot::Receiver<()>)]) -> String {
        let told = told.iter_mut();
        told.filter_map(|(name, turn)| turn.try_recv().is_ok().then_some(*name)).collect()
    }

    #[test]
    fn a_flood_of_one_caller_does_not_starve_another() {
        let mut queue = Queue::new(2, 100, 100, 50);
        let mut told = Vec::new();
        for _ in 0..50 {
            told.push(('a', queue.push(A, 1).unwrap().1));
        }
        assert_eq!(queue.push(A, 1).err(), Some(Refused::CallerFull(50)));
        queue.advance();
        assert_eq!(turns(&mut told), "aa");
        told.push(('b', queue.push(B, 1).unwrap().1));
        told.push(('c', queue.push(C, 1).unwrap().1));
        told.push(('c', queue.push(C, 1).unwrap().1));
        let mut order = String::new();
        for caller in [A, A, B, C, A] {
            queue.release(caller, 1);
            queue.advance();
            order.push_str(&turns(&mut told));
        }
        assert_eq!(order[..3], *"bac");
        assert_eq!(order.matches('c').count(), 2, "{order}");
    }

    #[test]
    fn a_large_job_is_not_passed_by_for_ever() {
        let mut queue = Queue::new(4, 100, 100, 50);
        let mut told = vec![('a', queue.push(A, 60).unwrap().1)];
        queue.advance();
        told.push(('b', queue.push(B, 100).unwrap().1));
        told.push(('c', queue.push(C, 1).unwrap().1));
        queue.advance();
        assert_eq!(turns(&mut told), "a");
        queue.release(A, 60);
        queue.advance();
        assert_eq!(turns(&mut told), "b");
        queue.release(B, 100);
        queue.advance();
        assert_eq!(turns(&mut told), "c");
        queue.release(C, 1);
        assert_eq!((queue.slots_free, queue.memory_free, queue.len()), (4, 100, 0));
    }

    #[test]
    fn who_cannot_wait_is_told_why() {
        let mut queue = Queue::new(1, 100, 2, 2);
        assert_eq!(queue.push(A, 101).err(), Some(Refused::Memory { needed: 101, total: 100 }));
        let (first, _told) = queue.push(A, 1).unwrap();
        let _second = queue.push(B, 1).unwrap();
        assert_eq!(queue.push(C, 1).err(), Some(Refused::Full(2)));
        queue.remove(A, first);
        assert!(queue.push(C, 1).is_ok());
        queue.close();
        assert_eq!(queue.push(C, 1).err(), Some(Refused::Closed));
    }

    #[test]
    fn who_left_keeps_no_place() {
        let mut queue = Queue::new(1, 100, 10, 10);
        drop(queue.push(A, 1).unwrap());
        let (_, mut told) = queue.push(B, 1).unwrap();
        queue.advance();
        assert!(told.try_recv().is_ok());
        assert_eq!((queue.slots_free, queue.memory_free), (0, 99));
    }
}
