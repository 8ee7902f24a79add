//! Each request is executed at most once here.
//!
//! A request's id follows from its author and all it asks for, so the same request in another
//! envelope is known again. It is remembered until its deadline; afterwards it is too late anyway.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::PublicKey;

use crate::{
    ids::{MessageId, RequestId},
    message::{payload::DEADLINE_MAX_MS, replay::Expiries},
};

/// How a request ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Ending {
    /// Executed; its receipt is this message.
    Receipt(MessageId),
    /// Declined.
    Declined,
    /// Cancelled by its author.
    Cancelled,
}

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Execute it; nobody else is told so.
    Run,
    /// It is being executed.
    Running,
    /// It ended before.
    Ended(Ending),
    /// Its deadline is over.
    Late,
    /// There are too many requests to remember another.
    Full,
}

#[derive(Clone, Debug)]
struct Entry {
    author: PublicKey,
    deadline_ms: u64,
    ending: Option<Ending>,
}

/// Requests until their deadlines.
#[derive(Clone, Debug)]
pub struct Register {
    entries: BTreeMap<RequestId, Entry>,
    deadlines: BTreeSet<(u64, RequestId)>,
    /// Cancellations that came before their requests, with who sent them.
    early: Expiries<(RequestId, PublicKey)>,
    max: usize,
}

impl Register {
    /// Remembers so many requests at most.
    pub const fn new(max: usize) -> Self {
        let early = Expiries::new(max);
        Self { entries: BTreeMap::new(), deadlines: BTreeSet::new(), early, max }
    }

    /// A request is here.
    pub fn start(
        &mut self,
        request: RequestId,
        author: &PublicKey,
        deadline_ms: u64,
        now_ms: u64,
    ) -> Start {
        self.forget(now_ms);
        if let Some(entry) = self.entries.get(&request) {
            return entry.ending.map_or(Start::Running, Start::Ended);
        }
        if deadline_ms <= now_ms {
            return Start::Late;
        }
        if self.entries.len() >= self.max {
            return Start::Full;
        }
        let is_cancelled = self.early.contains(&(request, author.clone()));
        let ending = is_cancelled.then_some(Ending::Cancelled);
        self.entries.insert(request, Entry { author: author.clone(), deadline_ms, ending });
        self.deadlines.insert((deadline_ms, request));
        ending.map_or(Start::Run, Start::Ended)
    }

    /// Takes up a request that was started before a restart, as it is on disk; one that was not
    /// ended then is declined now, since nobody knows what of it was done.
    pub fn restore(
        &mut self,
        request: RequestId,
        author: &PublicKey,
        deadline_ms: u64,
        ending: Option<Ending>,
    ) {
        let ending = Some(ending.unwrap_or(Ending::Declined));
        self.deadlines.insert((deadline_ms, request));
        self.entries.insert(request, Entry { author: author.clone(), deadline_ms, ending });
    }

    /// A request that was started ended. The first ending stays.
    pub fn end(&mut self, request: &RequestId, ending: Ending) {
        if let Some(entry) = self.entries.get_mut(request) {
            entry.ending.get_or_insert(ending);
        }
    }

    /// The author takes a request back; `true` if it is running and has to be stopped. Others
    /// cannot take it back.
    pub fn cancel(&mut self, request: RequestId, author: &PublicKey, now_ms: u64) -> bool {
        match self.entries.get_mut(&request) {
            Some(entry) if entry.author == *author && entry.ending.is_none() => {
                entry.ending = Some(Ending::Cancelled);
                true
            }
            Some(_) => false,
            None => {
                let until_ms = now_ms.saturating_add(DEADLINE_MAX_MS);
                self.early.insert((request, author.clone()), until_ms, now_ms);
                false
            }
        }
    }

    /// What is known of a request: `Some(None)` while it runs.
    pub fn get(&self, request: &RequestId) -> Option<Option<Ending>> {
        self.entries.get(request).map(|entry| entry.ending)
    }

    /// Requests that are running, with their deadlines: what a restart has to end.
    pub fn running(&self) -> impl Iterator<Item = (RequestId, u64)> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.ending.is_none())
            .map(|(request, entry)| (*request, entry.deadline_ms))
    }

    fn forget(&mut self, now_ms: u64) {
        while let Some((deadline, request)) = self.deadlines.first().copied()
            && deadline <= now_ms
        {
            self.deadlines.pop_first();
            self.entries.remove(&request);
        }
    }
}

#[cfg(test)]
mod tests {
    use casper_types::SecretKey;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        PublicKey::from(&SecretKey::ed25519_from_bytes([seed; 32]).unwrap())
    }

    #[test]
    fn a_request_is_executed_once_however_often_it_comes() {
        let (mut register, ana) = (Register::new(10), key(1));
        let request = RequestId([1; 32]);
        assert_eq!(register.start(request, &ana, 100, 0), Start::Run);
        assert_eq!(register.start(request, &ana, 100, 1), Start::Running);
        assert_eq!(register.running().count(), 1);
        let receipt = Ending::Receipt(MessageId([2; 32]));
        register.end(&request, receipt);
        register.end(&request, Ending::Declined);
        assert_eq!(register.start(request, &ana, 100, 99), Start::Ended(receipt));
        assert_eq!(register.start(request, &ana, 100, 100), Start::Late);
        assert_eq!(register.get(&request), None);
    }

    #[test]
    fn after_a_restart_it_is_still_once() {
        let (mut register, ana) = (Register::new(10), key(1));
        let receipt = Ending::Receipt(MessageId([2; 32]));
        register.restore(RequestId([1; 32]), &ana, 100, Some(receipt));
        register.restore(RequestId([2; 32]), &ana, 100, None);
        assert_eq!(register.start(RequestId([1; 32]), &ana, 100, 5), Start::Ended(receipt));
        let declined = Start::Ended(Ending::Declined);
        assert_eq!(register.start(RequestId([2; 32]), &ana, 100, 5), declined);
    }

    #[test]
    fn only_its_author_cancels_a_request_even_before_it_arrives() {
        let (mut register, ana, bo) = (Register::new(10), key(1), key(2));
        let [first, second] = [RequestId([1; 32]), RequestId([2; 32])];
        assert_eq!(register.start(first, &ana, 100, 0), Start::Run);
        assert!(!register.cancel(first, &bo, 1));
        assert!(register.cancel(first, &ana, 1));
        assert!(!register.cancel(first, &ana, 2));
        assert!(!register.cancel(second, &bo, 3));
        assert_eq!(register.start(second, &ana, 100, 4), Start::Run);
        let third = RequestId([3; 32]);
        assert!(!register.cancel(third, &ana, 5));
        assert_eq!(register.start(third, &ana, 100, 6), Start::Ended(Ending::Cancelled));
    }

    #[test]
    fn it_is_bounded_and_forgets_nothing_before_its_time() {
        let (mut register, ana) = (Register::new(2), key(1));
        assert_eq!(register.start(RequestId([1; 32]), &ana, 50, 0), Start::Run);
        assert_eq!(register.start(RequestId([2; 32]), &ana, 60, 0), Start::Run);
        assert_eq!(register.start(RequestId([3; 32]), &ana, 60, 49), Start::Full);
        assert_eq!(register.start(RequestId([3; 32]), &ana, 60, 50), Start::Run);
    }
}
