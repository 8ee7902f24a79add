//! Writes to peers: one stream for each, questions before answers, given up when it is silent.
//!
//! Knows: queues, steps, when to open a stream again. Does not know: what a message says.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{AsyncWriteExt as _, io::AsyncReadExt as _};
use libp2p::{PeerId, Stream};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

use super::{
    Shared,
    client::Input,
    courtesy, echo,
    pace::{Pace, STEP},
    roll::Guest,
};
use crate::{direct::Open, metrics::CONTENT};

/// Questions that wait for one peer.
const ASKS_MAX: usize = 1_024;
const ASKS_BYTES_MAX: usize = 4 << 20;
/// Answers that wait for one peer. The ledger keeps to less; answers without a block add up here.
const ANSWERS_MAX: usize = 256;
const ANSWERS_BYTES_MAX: usize = 8 << 20;
/// Others give up a stream that was silent for ten seconds, so we do so before.
const SILENCE: Duration = Duration::from_secs(5);
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A stream that the peer gave up is opened anew so many times for one message.
const ATTEMPTS: u32 = 3;

/// A message on its way out.
#[derive(Debug)]
pub(super) enum Letter {
    /// We want something.
    Ask(Vec<u8>),
    /// Somebody wanted something; so many bytes of blocks are in it.
    Answer(Vec<u8>, u64),
}

#[derive(Debug, Default)]
struct Queue {
    asks: VecDeque<Vec<u8>>,
    asks_bytes: usize,
    answers: VecDeque<(Vec<u8>, u64)>,
    answers_bytes: usize,
    /// Nobody writes here any more.
    closed: bool,
}

impl Queue {
    fn push(&mut self, letter: Letter) -> bool {
        match letter {
            Letter::Ask(bytes) => {
                let room = self.asks.len() < ASKS_MAX
                    && self.asks_bytes.saturating_add(bytes.len()) <= ASKS_BYTES_MAX;
                if room {
                    self.asks_bytes += bytes.len();
                    self.asks.push_back(bytes);
                }
                room
            }
            Letter::Answer(bytes, weight) => {
                let room = self.answers.len() < ANSWERS_MAX
                    && (self.answers.is_empty()
                        || self.answers_bytes.saturating_add(bytes.len()) <= ANSWERS_BYTES_MAX);
                if room {
                    self.answers_bytes += bytes.len();
                    self.answers.push_back((bytes, weight));
                }
                room
            }
        }
    }

    fn pop(&mut self) -> Option<Letter> {
        if let Some(bytes) = self.asks.pop_front() {
            self.asks_bytes -= bytes.len();
            return Some(Letter::Ask(bytes));
        }
        let (bytes, weight) = self.answers.pop_front()?;
        self.answers_bytes -= bytes.len();
        Some(Letter::Answer(bytes, weight))
    }
}

#[derive(Debug, Default)]
struct Desk {
    queue: Mutex<Queue>,
    wake: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    desks: Mutex<HashMap<PeerId, Arc<Desk>>>,
    opens: mpsc::Sender<Open>,
    echoes: mpsc::Sender<Open>,
    upload: Pace,
}

/// All writers; clones are cheap.
#[derive(Clone, Debug)]
pub(super) struct Writers(Arc<Inner>);

impl Writers {
    pub(super) fn new(
        shared: Arc<Shared>,
        opens: mpsc::Sender<Open>,
        echoes: mpsc::Sender<Open>,
        upload: Pace,
    ) -> Self {
        Self(Arc::new(Inner { shared, desks: Mutex::default(), opens, echoes, upload }))
    }

    /// Queues a message; `false` if there is no room, or the peer is gone.
    pub(super) fn send(&self, peer: PeerId, letter: Letter) -> bool {
        if !self.0.shared.roll.has(&peer) {
            return false;
        }
        let mut desks = lock(&self.0.desks);
        let desk = match desks.get(&peer) {
            Some(desk) => desk.clone(),
            None => {
                let desk = Arc::new(Desk::default());
                desks.insert(peer, desk.clone());
                tokio::spawn(write_letters(self.0.clone(), peer, desk.clone()));
                desk
            }
        };
        let pushed = lock(&desk.queue).push(letter);
        drop(desks);
        if pushed {
            desk.wake.notify_one();
        } else {
            self.0.shared.metrics.dropped("content", 1);
        }
        pushed
    }
}

impl Inner {
    /// Ends a desk, if there is nothing more to do at it, or whatever there is.
    fn close(&self, peer: &PeerId, desk: &Arc<Desk>, even_if_busy: bool) -> Option<Queue> {
        let mut desks = lock(&self.desks);
        let mut queue = lock(&desk.queue);
        let is_idle = queue.asks.is_empty() && queue.answers.is_empty();
        if !is_idle && !even_if_busy {
            return None;
        }
        queue.closed = true;
        if desks.get(peer).is_some_and(|known| Arc::ptr_eq(known, desk)) {
            desks.remove(peer);
        }
        Some(std::mem::take(&mut *queue))
    }

    /// Has it measured how a peer takes content, while it is sent some.
    fn measure(&self, peer: PeerId, guest: &Arc<Guest>) {
        if guest.is_sent() {
            let (guest, echoes) = (guest.clone(), self.echoes.clone());
            tokio::spawn(async move {
                if echo::measure(&guest, peer, echoes).await {
                    guest.unmeasured();
                } else {
                    guest.courtesy.give_up();
                }
            });
        }
    }

    fn written(&self, peer: PeerId, weight: u64) {
        if weight > 0 {
            self.shared.notes.add(peer, |note| note.sent += weight);
        }
    }
}

async fn write_letters(inner: Arc<Inner>, peer: PeerId, desk: Arc<Desk>) {
    let mut stream = None;
    loop {
        let next = lock(&desk.queue).pop();
        let Some(letter) = next else {
            if timeout(SILENCE, desk.wake.notified()).await.is_err() {
                if let Some(stream) = stream.take() {
                    tokio::spawn(close(stream));
                }
                if inner.close(&peer, &desk, false).is_some() {
                    return;
                }
            }
            continue;
        };
        let (bytes, weight) = match letter {
            Letter::Ask(bytes) => (bytes, 0),
            Letter::Answer(bytes, weight) => (bytes, weight),
        };
        let outcome = write_letter(&inner, peer, &mut stream, &bytes).await;
        inner.written(peer, weight);
        if let Err(failure) = outcome {
            give_up(&inner, peer, &desk, failure).await;
            return;
        }
        inner.shared.metrics.sent(CONTENT, bytes.len());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// It takes nothing.
    Slow,
    /// It does not speak Bitswap, or is gone.
    Deaf,
}

async fn give_up(inner: &Inner, peer: PeerId, desk: &Arc<Desk>, failure: Failure) {
    if failure == Failure::Slow {
        inner.shared.penalise(peer, "slow reader of content");
    }
    let left = inner.close(&peer, desk, true).unwrap_or_default();
    inner.written(peer, left.answers.iter().map(|(_, weight)| weight).sum());
    inner.shared.notes.add(peer, |note| note.is_gone = true);
    let _ = inner.shared.inputs.send(Input::Deaf(peer)).await;
}

async fn write_letter(
    inner: &Inner,
    peer: PeerId,
    stream: &mut Option<Stream>,
    bytes: &[u8],
) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        if stream.is_none() {
            *stream = Some(open(inner, peer).await.ok_or(Failure::Deaf)?);
        }
        let Some(open) = stream.as_mut() else { break };
        let guest = inner.shared.roll.guest(&peer);
        match write_steps(inner, (peer, guest), open, bytes).await {
            Ok(()) => return Ok(()),
            Err(Some(failure)) => return Err(failure),
            // Broken before, or while it was written: what half arrived is forgotten there.
            Err(None) => *stream = None,
        }
    }
    Err(Failure::Deaf)
}

async fn write_steps(
    inner: &Inner,
    (peer, guest): (PeerId, Option<Arc<Guest>>),
    stream: &mut Stream,
    bytes: &[u8],
) -> Result<(), Option<Failure>> {
    let patience = inner.shared.content.patience;
    let (mut prefix, mut rest, mut len) = ([0_u8; 10], bytes.len(), 0);
    for byte in &mut prefix {
        *byte = (rest & 0x7f) as u8;
        rest >>= 7;
        len += 1;
        if rest == 0 {
            break;
        }
        *byte |= 0x80;
    }
    let (prefix, _) = prefix.split_at(len);
    // What is short is no content.
    let guest = guest.filter(|guest| guest.courtesy.is_needed() && bytes.len() > courtesy::STEP);
    let size = if guest.is_some() { courtesy::STEP } else { STEP };
    for step in std::iter::once(prefix).chain(bytes.chunks(size)) {
        inner.upload.spend(step.len()).await;
        if let Some(guest) = &guest {
            inner.measure(peer, guest);
            guest.courtesy.spend(step.len()).await;
        }
        let written = timeout(patience, stream.write_all(step)).await;
        written.map_err(|_| Some(Failure::Slow))?.map_err(|_| None)?;
    }
    let flushed = timeout(patience, stream.flush()).await;
    flushed.map_err(|_| Some(Failure::Slow))?.map_err(|_| None)
}

async fn open(inner: &Inner, peer: PeerId) -> Option<Stream> {
    let (answer, stream) = oneshot::channel();
    inner.opens.send(Open { peer, answer }).await.ok()?;
    timeout(OPEN_TIMEOUT, stream).await.ok()?.ok()
}

/// Says goodbye; the peer has a moment to do so too.
async fn close(mut stream: Stream) {
    let goodbye = async {
        let _ = stream.close().await;
        let _ = stream.read(&mut [0]).await;
    };
    let _ = timeout(Duration::from_secs(1), goodbye).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_go_before_answers_and_both_are_bounded() {
        let mut queue = Queue::default();
        assert!(queue.push(Letter::Answer(vec![0; 6 << 20], 5)));
        assert!(!queue.push(Letter::Answer(vec![0; 3 << 20], 5)), "too many bytes");
        assert!(queue.push(Letter::Ask(vec![1])));
        assert!(matches!(queue.pop(), Some(Letter::Ask(_))));
        assert!(matches!(queue.pop(), Some(Letter::Answer(_, 5))));
        assert!(queue.pop().is_none());
        let asks = (0..2_000).filter(|_| queue.push(Letter::Ask(vec![0]))).count();
        let answers = (0..2_000).filter(|_| queue.push(Letter::Answer(vec![0], 0))).count();
        assert_eq!((asks, answers), (ASKS_MAX, ANSWERS_MAX));
        while queue.pop().is_some() {}
        assert_eq!((queue.asks_bytes, queue.answers_bytes), (0, 0));
    }
}
