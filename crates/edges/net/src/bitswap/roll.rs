//! Who is connected, and what each peer owes us: what may be read from it follows.
//!
//! Knows: peers, counts, permits. Does not know: blocks, sessions.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use libp2p::PeerId;
use tokio::sync::{Notify, Semaphore};

use super::{UNIT, courtesy::Courtesy};

/// Streams of one peer that are read at once.
const STREAMS_MAX: usize = 32;
/// Bytes of messages of one peer that owes us blocks, and of one that does not.
const READING_MAX: usize = 8 << 20;
const READING_SMALL_MAX: usize = 512 << 10;
/// Absent peers whose debts are remembered.
const GONE_MAX: usize = 256;

/// One connected peer.
#[derive(Debug)]
pub(super) struct Guest {
    streams: AtomicUsize,
    /// Blocks that it was asked for and has not sent.
    owed: AtomicUsize,
    /// What else it was asked, and blocks again: it may say of each that it has it or has it not.
    asked: AtomicUsize,
    pub(super) reading: Arc<Semaphore>,
    pub(super) reading_small: Arc<Semaphore>,
    /// How fast it is sent content.
    pub(super) courtesy: Courtesy,
    /// When it was last sent content, and whether somebody measures how it takes it.
    sent: Mutex<(Instant, bool)>,
}

impl Guest {
    fn new(is_far: bool) -> Self {
        let now = Instant::now();
        Self {
            courtesy: Courtesy::new(is_far, now),
            sent: Mutex::new((now, false)),
            streams: AtomicUsize::new(0),
            owed: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            reading: Arc::new(Semaphore::new(READING_MAX / UNIT)),
            reading_small: Arc::new(Semaphore::new(READING_SMALL_MAX / UNIT)),
        }
    }
}

impl Default for Guest {
    fn default() -> Self {
        Self::new(false)
    }
}

/// Takes up to `wanted` of a count; answers how many there were.
fn take(count: &AtomicUsize, wanted: usize) -> usize {
    let before = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |known| {
        Some(known.saturating_sub(wanted))
    });
    before.unwrap_or(0).min(wanted)
}

impl Guest {
    /// A place for one more stream; `None` when it has too many.
    pub(super) fn enter(self: Arc<Self>) -> Option<Seat> {
        let before = self.streams.fetch_add(1, Ordering::Relaxed);
        let seat = Seat { guest: self };
        (before < STREAMS_MAX).then_some(seat)
    }

    /// It is being sent content; `true` if nobody measures how it takes that.
    pub(super) fn is_sent(&self) -> bool {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.0 = Instant::now();
        !std::mem::replace(&mut sent.1, true)
    }

    /// Nobody measures any more.
    pub(super) fn unmeasured(&self) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).1 = false;
    }

    /// When it was last sent content.
    pub(super) fn idle_since(&self) -> Instant {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// It was asked for so many blocks, and about so many others.
    pub(super) fn ask(&self, blocks: usize, haves: usize) {
        self.owed.fetch_add(blocks, Ordering::Relaxed);
        self.asked.fetch_add(blocks + haves, Ordering::Relaxed);
    }

    /// Whether a block from it may be what was asked for.
    pub(super) fn owes(&self) -> bool {
        self.owed.load(Ordering::Relaxed) > 0
    }

    /// Of so many blocks that came, how many it may have been asked for.
    pub(super) fn deliver(&self, blocks: usize) -> usize {
        take(&self.owed, blocks)
    }

    /// The same for answers that are no blocks.
    pub(super) fn answer(&self, answers: usize) -> usize {
        take(&self.asked, answers)
    }
}

/// A stream of a peer that is being read.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) guest: Arc<Guest>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.guest.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is known of a connected peer.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Counts connections of all peers: another number is another connection.
    pub(super) epoch: u64,
    /// It is of our network.
    pub(super) is_member: bool,
    pub(super) guest: Arc<Guest>,
}

#[derive(Debug, Default)]
struct Entries {
    epoch: u64,
    here: BTreeMap<PeerId, Entry>,
    /// Those who left owing something: what they were asked for may still come when they are back.
    gone: BTreeMap<PeerId, Arc<Guest>>,
}

/// All connected peers: written by the swarm's task, compared by the client with what it knows.
#[derive(Debug, Default)]
pub(super) struct Roll {
    entries: Mutex<Entries>,
    /// Somebody came or went, or a fetch was dropped; for the client.
    pub(super) changed: Arc<Notify>,
}

impl Roll {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn connected(&self, peer: PeerId, is_far: bool) {
        let mut entries = self.lock();
        entries.epoch += 1;
        let back = entries.gone.remove(&peer);
        if let Some(guest) = &back {
            guest.courtesy.restart();
            guest.unmeasured();
        }
        let guest = back.unwrap_or_else(|| Arc::new(Guest::new(is_far)));
        let entry = Entry { epoch: entries.epoch, is_member: false, guest };
        entries.here.insert(peer, entry);
        self.changed.notify_one();
    }

    pub(super) fn is_member(&self, peer: PeerId) {
        if let Some(entry) = self.lock().here.get_mut(&peer) {
            entry.is_member = true;
            self.changed.notify_one();
        }
    }

    pub(super) fn lost(&self, peer: &PeerId) {
        let mut entries = self.lock();
        if let Some(entry) = entries.here.remove(peer).filter(|entry| entry.guest.owes()) {
            if entries.gone.len() >= GONE_MAX {
                entries.gone.pop_first();
            }
            entries.gone.insert(*peer, entry.guest);
        }
        drop(entries);
        self.changed.notify_one();
    }

    pub(super) fn guest(&self, peer: &PeerId) -> Option<Arc<Guest>> {
        self.lock().here.get(peer).map(|entry| entry.guest.clone())
    }

    pub(super) fn has(&self, peer: &PeerId) -> bool {
        self.lock().here.contains_key(peer)
    }

    pub(super) fn all(&self) -> BTreeMap<PeerId, Entry> {
        self.lock().here.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_listened_to_as_far_as_it_was_asked() {
        let guest = Guest::default();
        assert!(!guest.owes());
        assert_eq!((guest.deliver(3), guest.answer(3)), (0, 0));
        guest.ask(4, 2);
        assert!(guest.owes());
        assert_eq!(guest.deliver(3), 3);
        assert_eq!(guest.deliver(3), 1);
        assert_eq!(guest.answer(100), 6);
    }

    #[test]
    fn streams_of_a_peer_are_counted_while_they_are_read() {
        let guest = Arc::new(Guest::default());
        let mut seats: Vec<_> = (0..STREAMS_MAX).map(|_| guest.clone().enter()).collect();
        assert!(seats.iter().all(Option::is_some));
        assert!(guest.clone().enter().is_none());
        seats.pop();
        assert!(guest.enter().is_some());
    }

    #[test]
    fn a_peer_that_came_back_is_another_connection() {
        let (roll, peer) = (Roll::default(), PeerId::random());
        roll.connected(peer, false);
        roll.is_member(peer);
        let first = roll.all().remove(&peer).unwrap();
        first.guest.ask(1, 0);
        roll.lost(&peer);
        assert!(!roll.has(&peer));
        roll.connected(peer, false);
        let second = roll.all().remove(&peer).unwrap();
        assert!(first.is_member && !second.is_member && first.epoch < second.epoch);
        assert!(second.guest.owes(), "what it was asked for may still come");
    }
}
