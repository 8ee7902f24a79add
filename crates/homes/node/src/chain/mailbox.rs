//! The way into the chain's thread.
//!
//! Two queues: consensus, peers and answers go first; deploys wait behind and come out in batches,
//! so that storing them costs one write for many.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use girrona_chain::{Incoming, Input, RequestId, message::Response};
use girrona_types::Proposal;

/// Consensus messages, proposals, answers of peers. When full, the newest is refused: gossip is
/// then ignored, a vote is sent again by its sender, an answer counts as none.
pub const URGENT_MAX: usize = 8_192;
/// Bytes of all of them together, roughly.
pub const URGENT_BYTES_MAX: usize = 128 << 20;
/// Deploys. When full, clients are told that the node is busy; gossip is dropped and comes again
/// with the peers' digests.
pub const DEPLOYS_MAX: usize = 8_192;
/// Bytes of all of them together.
pub const DEPLOYS_BYTES_MAX: usize = 64 << 20;
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
    urgent_bytes: usize,
    deploys: VecDeque<Incoming>,
    deploys_bytes: usize,
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
        let size = weight(&input);
        let mut queues = self.lock();
        let bytes = queues.urgent_bytes.saturating_add(size);
        if queues.stopped || queues.urgent.len() >= URGENT_MAX || bytes > URGENT_BYTES_MAX {
            return false;
        }
        queues.urgent_bytes = bytes;
        queues.urgent.push_back(input);
        self.shared.1.notify_one();
        true
    }

    /// Puts in the end of a request, which always finds room: the chain asked, so there are few.
    pub fn answer(&self, id: RequestId, response: Option<Response>) {
        if !self.urgent(Input::Answer { id, response }) {
            let mut queues = self.lock();
            queues.urgent.push_back(Input::Answer { id, response: None });
            queues.urgent_bytes = queues.urgent_bytes.saturating_add(SMALL);
            self.shared.1.notify_one();
        }
    }

    /// Puts in deploys; gives back those for which there was no room.
    #[must_use]
    pub fn deploys(&self, incoming: Vec<Incoming>) -> Vec<Incoming> {
        let mut queues = self.lock();
        let mut rest = Vec::new();
        for deploy in incoming {
            let bytes = queues.deploys_bytes.saturating_add(deploy.size);
            let full = queues.deploys.len() >= DEPLOYS_MAX || bytes > DEPLOYS_BYTES_MAX;
            if queues.stopped || full {
                rest.push(deploy);
            } else {
                queues.deploys_bytes = bytes;
                queues.deploys.push_back(deploy);
            }
        }
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
                queues.urgent_bytes = queues.urgent_bytes.saturating_sub(weight(&input));
                return Letter::Input(input);
            }
            if !queues.deploys.is_empty() {
                let count = queues.deploys.len().min(BATCH_MAX);
                let batch: Vec<_> = queues.deploys.drain(..count).collect();
                let bytes = batch.iter().map(|deploy| deploy.size).sum();
                queues.deploys_bytes = queues.deploys_bytes.saturating_sub(bytes);
                return Letter::Input(Input::Deploys(batch));
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

/// What anything takes at least.
const SMALL: usize = 256;

/// Roughly the memory that an input holds.
fn weight(input: &Input) -> usize {
    let held = match input {
        Input::Proposal { signed, .. } => of_proposal(&signed.proposal),
        Input::Vote { bytes, .. } => bytes.len(),
        Input::Commit { certificate, .. } => certificate.signatures.len() * SMALL,
        Input::Answer { response: Some(response), .. } => match response {
            Response::Status(_) => 0,
            Response::Pending(hashes) => hashes.len() * 32,
            Response::Deploys(deploys) => of_deploys(deploys),
            Response::Proposal(proposal) => proposal.as_deref().map_or(0, of_proposal),
            Response::Blocks(blocks) => blocks
                .iter()
                .map(|block| of_proposal(&block.proposal) + of_deploys(&block.deploys))
                .sum(),
            Response::Finality(signatures) => signatures.len() * SMALL,
        },
        _ => 0,
    };
    held.saturating_add(SMALL)
}

fn of_deploys(deploys: &[Vec<u8>]) -> usize {
    deploys.iter().map(|deploy| deploy.len() + 24).sum()
}

fn of_proposal(proposal: &Proposal) -> usize {
    let deploys: usize =
        proposal.all_deploys().map(|deploy| 64 + deploy.approvals.len() * SMALL).sum();
    let evidence: usize =
        proposal.evidence.iter().map(|pair| pair.first.len() + pair.second.len()).sum();
    let certificate =
        proposal.last_commit.as_ref().map_or(0, |commit| commit.signatures.len() * SMALL);
    deploys + evidence + certificate + SMALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_inputs_fill_the_mailbox_before_many_do_and_an_answer_always_arrives() {
        let mailbox = Mailbox::default();
        let large = || Input::Vote { from: 1, bytes: vec![0; 40 << 20] };
        assert!(mailbox.urgent(large()) && mailbox.urgent(large()) && mailbox.urgent(large()));
        assert!(!mailbox.urgent(large()));
        mailbox.answer(7, Some(Response::Deploys(vec![vec![0; 40 << 20]])));
        for _ in 0..3 {
            assert!(matches!(mailbox.take(None), Letter::Input(Input::Vote { .. })));
        }
        let last = mailbox.take(None);
        assert!(
            matches!(last, Letter::Input(Input::Answer { id: 7, response: None })),
            "it was too large, so there is none: {last:?}"
        );
        assert!(mailbox.urgent(large()), "what was taken out leaves its room");
    }

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
