//! Who waits for which verdict of the brain.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use girrona_chain::{Accepted, Refusal, Verdict};
use girrona_net::{MessageToken, Net};
use tokio::sync::oneshot;

/// What became of one deploy.
pub type Outcome = Result<Accepted, Refusal>;

/// Who waits.
enum Waiter {
    /// A client.
    Client(oneshot::Sender<Outcome>),
    /// A gossiped message with several deploys.
    Batch(Arc<Batch>),
    /// A gossiped message with one thing in it.
    Message(MessageToken),
}

/// A gossiped batch of deploys; its verdict falls when the last deploy is judged.
///
/// It is passed on when any deploy in it was new and good, dropped without blame when none was,
/// and counts against its sender when one had a fault that any node can see.
pub struct Batch {
    net: Net,
    state: Mutex<BatchState>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

struct BatchState {
    token: Option<MessageToken>,
    left: usize,
    accepted: bool,
    reject: Option<&'static str>,
}

impl Batch {
    /// A batch whose verdict waits for `count` deploys.
    pub fn new(net: Net, token: MessageToken, count: usize) -> Arc<Self> {
        let state = BatchState { token: Some(token), left: count, accepted: false, reject: None };
        Arc::new(Self { net, state: Mutex::new(state) })
    }

    /// One of its deploys was judged.
    pub fn judged(&self, outcome: &Outcome) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(Accepted::New) => state.accepted = true,
            Ok(Accepted::Known) => {}
            Err(refusal) if refusal.is_senders_fault() => state.reject = Some("invalid deploy"),
            Err(_) => {}
        }
        Self::finish(&self.net, &mut state, 1);
    }

    /// This many of its items were no deploys at all.
    pub fn malformed(&self, count: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reject = Some("malformed deploy");
        Self::finish(&self.net, &mut state, count);
    }

    fn finish(net: &Net, state: &mut BatchState, count: usize) {
        state.left = state.left.saturating_sub(count);
        if state.left > 0 {
            return;
        }
        let Some(token) = state.token.take() else { return };
        let verdict = match (state.reject, state.accepted) {
            (Some(reason), _) => girrona_net::Verdict::Reject(reason),
            (None, true) => girrona_net::Verdict::Accept,
            (None, false) => girrona_net::Verdict::Ignore,
        };
        net.judge(token, verdict);
    }
}

/// All who wait. As many as the mailboxes hold, because each letter in them has one ticket.
#[derive(Default)]
pub struct Tickets {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<u64, Waiter>>,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Tickets {
    fn issue(&self, waiter: Waiter) -> u64 {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket, waiter);
        ticket
    }

    fn take(&self, ticket: u64) -> Option<Waiter> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket)
    }

    /// A ticket for a client.
    pub fn client(&self) -> (u64, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        (self.issue(Waiter::Client(sender)), receiver)
    }

    /// A ticket for one deploy of a batch.
    pub fn batch(&self, batch: Arc<Batch>) -> u64 {
        self.issue(Waiter::Batch(batch))
    }

    /// A ticket for a gossiped message.
    pub fn message(&self, token: MessageToken) -> u64 {
        self.issue(Waiter::Message(token))
    }

    /// A deploy was judged.
    pub fn settle(&self, ticket: u64, outcome: Outcome) {
        match self.take(ticket) {
            Some(Waiter::Client(sender)) => {
                // A client that hung up does not wait any more.
                let _ = sender.send(outcome);
            }
            Some(Waiter::Batch(batch)) => batch.judged(&outcome),
            Some(Waiter::Message(_)) | None => {}
        }
    }

    /// A gossiped message was judged.
    pub fn judge(&self, net: &Net, ticket: u64, verdict: Verdict) {
        if let Some(Waiter::Message(token)) = self.take(ticket) {
            let verdict = match verdict {
                Verdict::Accept => girrona_net::Verdict::Accept,
                Verdict::Ignore => girrona_net::Verdict::Ignore,
                Verdict::Reject => girrona_net::Verdict::Reject("broke a rule of the chain"),
            };
            net.judge(token, verdict);
        }
    }

    /// The mailbox was full: nobody will judge it.
    pub fn drop_ticket(&self, net: &Net, ticket: u64) {
        match self.take(ticket) {
            Some(Waiter::Client(sender)) => {
                let _ = sender.send(Err(Refusal::Busy));
            }
            Some(Waiter::Batch(batch)) => batch.judged(&Err(Refusal::Busy)),
            Some(Waiter::Message(token)) => net.judge(token, girrona_net::Verdict::Ignore),
            None => {}
        }
    }
}
