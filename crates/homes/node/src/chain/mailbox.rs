//! The way into the chain's thread.
//!
//! Two queues: consensus, peers and answers go first; deploys wait behind and come out in batches,
//! so that storing them costs one write for many.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use girrona_chain::{Incoming, Input};

/// Consensus messages, proposals, answers of peers. When full, the newest is refused: gossip is
/// then ignored, a vote is sent again by its sender, an answer counts as none.
pub const URGENT_MAX: usize = 8_192;
/// Deploys. When full, clients are told that the node is busy; gossip is dropped and comes again
/// with the peers' digests.
pub const DEPLOYS_MAX: usize = 8_192;
/// Deploys that are taken out at once.
const BATCH_MAX: usize = 512;

/// What the chain's thread finds.
#[derive(Debug)]
pub enum Letter {
    /// An input.
    Input(Input),
    /// Nothing came in time.
    Nothing,
    /// The node ends.
    Stop,
}

#[derive(Default)]
struct Queues {
    urgent: VecDeque<Input>,
    deploys: VecDeque<Incoming>,
    stopped: bool,
}

/// A bounded mailbox; clones share it.
#[derive(Clone, Default)]
pub struct Mailbox {
    shared: Arc<(Mutex<Queues>, Condvar)>,
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let queues = self.lock();
        f.debug_struct("Mailbox")
            .field("urgent", &queues.urgent.len())
            .field("deploys", &queues.deploys.len())
            .finish()
    }
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        // A panic while the lock is held cannot leave a queue half changed.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in an urgent input; `false` when there is no room.
    pub fn urgent(&self, input: Input) -> bool {
        let mut queues = self.lock();
        if queues.stopped || queues.urgent.len() >= URGENT_MAX {
            return false;
        }
        queues.urgent.push_back(input);
        self.shared.1.notify_one();
        true
    }

    /// Puts in deploys; gives back those for which there was no room.
    #[must_use]
    pub fn deploys(&self, incoming: Vec<Incoming>) -> Vec<Incoming> {
        let mut queues = self.lock();
        let room =
            if queues.stopped { 0 } else { DEPLOYS_MAX.saturating_sub(queues.deploys.len()) };
        let mut incoming = incoming;
        let rest = incoming.split_off(room.min(incoming.len()));
        queues.deploys.extend(incoming);
        self.shared.1.notify_one();
        rest
    }

    /// Ends the chain's thread after what it does now.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.shared.1.notify_all();
    }

    /// How many urgent inputs and deploys wait.
    pub fn depth(&self) -> (usize, usize) {
        let queues = self.lock();
        (queues.urgent.len(), queues.deploys.len())
    }

    /// Takes the next input, or waits for it until `deadline`.
    pub fn take(&self, deadline: Option<Instant>) -> Letter {
        let mut queues = self.lock();
        loop {
            if queues.stopped {
                return Letter::Stop;
            }
            if let Some(input) = queues.urgent.pop_front() {
                return Letter::Input(input);
            }
            if !queues.deploys.is_empty() {
                let count = queues.deploys.len().min(BATCH_MAX);
                return Letter::Input(Input::Deploys(queues.deploys.drain(..count).collect()));
            }
            let wait = match deadline {
                None => Duration::from_secs(1),
                Some(at) => match at.checked_duration_since(Instant::now()) {
                    Some(wait) if !wait.is_zero() => wait,
                    _ => return Letter::Nothing,
                },
            };
            (queues, _) =
                self.shared.1.wait_timeout(queues, wait).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgent_inputs_overtake_and_a_full_mailbox_says_no() {
        let mailbox = Mailbox::default();
        for _ in 0..URGENT_MAX {
            assert!(mailbox.urgent(Input::Continue));
        }
        assert!(!mailbox.urgent(Input::Continue));
        assert!(matches!(mailbox.take(None), Letter::Input(Input::Continue)));
        mailbox.stop();
        assert!(!mailbox.urgent(Input::Continue));
        assert!(matches!(mailbox.take(None), Letter::Stop));
    }

    #[test]
    fn an_empty_mailbox_waits_no_longer_than_asked() {
        let mailbox = Mailbox::default();
        assert!(matches!(mailbox.take(Some(Instant::now())), Letter::Nothing));
    }
}
