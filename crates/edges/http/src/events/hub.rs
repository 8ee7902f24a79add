//! The recent events in memory, and the way to the older ones.
//!
//! One task takes events from the node, makes their text if anybody listens for their kind, and
//! says that there is news. Text is made once and shared. Bounds: [`RING_MAX`] events and
//! [`TEXT_MAX`] bytes of text; when full, the oldest go, they are on disk.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use girrona_api::Frame;
use girrona_types::{Event, EventId};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    task::JoinHandle,
};
use tracing::warn;

use super::render::{self, Topics};
use crate::{Backend, Fault};

/// Recent events in memory.
const RING_MAX: usize = 8_192;
/// Bytes of their text: 32 MiB.
const TEXT_MAX: usize = 32 * 1024 * 1024;
/// Events that a reader takes at a time.
const BATCH_EVENTS: usize = 256;
/// Bytes of text made at a time for one reader; one frame may exceed it.
const BATCH_BYTES: usize = 256 * 1024;

pub(super) struct Hub {
    backend: Arc<dyn Backend>,
    ring: Mutex<Ring>,
    news: watch::Sender<()>,
    /// Readers of each kind of events.
    listeners: [AtomicUsize; 3],
}

/// The newest events, without a gap between them.
struct Ring {
    entries: VecDeque<Arc<Entry>>,
    /// The id after the newest event.
    next: EventId,
    text_bytes: usize,
}

struct Entry {
    id: EventId,
    event: Event,
    text: Option<Bytes>,
}

/// What a reader gets next.
pub(super) struct Batch {
    /// The frames of its kinds, in order; there may be none.
    pub(super) frames: Vec<Bytes>,
    /// Where to go on.
    pub(super) next: EventId,
}

impl Hub {
    /// Starts to follow the node's events.
    pub(super) async fn start(
        backend: Arc<dyn Backend>,
    ) -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        // In this order: what is published in between is in both, and comes only once.
        let events = backend.subscribe();
        let asked = Arc::clone(&backend);
        let last = tokio::task::spawn_blocking(move || asked.last_event_id()).await?;
        let last = last.map_err(io::Error::other)?;
        let next = last.map_or(0, |last| last.saturating_add(1));
        let hub = Arc::new(Self {
            backend,
            ring: Mutex::new(Ring { entries: VecDeque::new(), next, text_bytes: 0 }),
            news: watch::Sender::new(()),
            listeners: Default::default(),
        });
        let feed = tokio::spawn(Arc::clone(&hub).follow(events));
        Ok((hub, feed))
    }

    /// Wakes whenever there may be more to read.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// The id after the newest event.
    pub(super) fn next(&self) -> EventId {
        self.ring().next
    }

    /// The node's assemblies, if it has any.
    pub(super) fn assemblies(&self) -> Option<Arc<dyn crate::Assemblies>> {
        self.backend.assemblies()
    }

    pub(super) fn api_version(&self) -> Frame {
        Frame::ApiVersion(self.backend.api_version())
    }

    /// Somebody wants these kinds from now on.
    pub(super) fn listen(&self, topics: Topics) {
        self.each_listener(topics, |count| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// And no longer.
    pub(super) fn leave(&self, topics: Topics) {
        self.each_listener(topics, |count| {
            count.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn each_listener(&self, topics: Topics, mut f: impl FnMut(&AtomicUsize)) {
        for (count, topic) in self.listeners.iter().zip(Topics::EACH) {
            if topic.meets(topics) {
                f(count);
            }
        }
    }

    fn is_wanted(&self, event: &Event) -> bool {
        let mut wanted = false;
        self.each_listener(Topics::of(event), |count| wanted |= count.load(Ordering::Relaxed) > 0);
        wanted
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow(self: Arc<Self>, mut events: broadcast::Receiver<(EventId, Event)>) {
        loop {
            let first = match events.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(missed)) => {
                    warn!(missed, "events came too fast for memory; readers get them from disk");
                    continue;
                }
                Err(RecvError::Closed) => return,
            };
            let mut batch = vec![first];
            while batch.len() < BATCH_EVENTS
                && let Ok(event) = events.try_recv()
            {
                batch.push(event);
            }
            let hub = Arc::clone(&self);
            let wanted = batch.iter().any(|(_, event)| self.is_wanted(event));
            let entries = if wanted {
                let made = tokio::task::spawn_blocking(move || hub.make(batch)).await;
                made.unwrap_or_else(|failure| {
                    warn!(%failure, "events were not made into text; readers get them from disk");
                    Vec::new()
                })
            } else {
                batch.into_iter().map(|(id, event)| Entry { id, event, text: None }).collect()
            };
            let mut ring = self.ring();
            for entry in entries {
                ring.push(entry);
            }
            drop(ring);
            self.news.send_replace(());
        }
    }

    /// Makes the text of those that somebody wants.
    fn make(&self, batch: Vec<(EventId, Event)>) -> Vec<Entry> {
        let make = |(id, event): (EventId, Event)| {
            let text = if self.is_wanted(&event) {
                // A fault is reported to the readers, who meet it again.
                render::event(&*self.backend, id, &event).unwrap_or_default()
            } else {
                None
            };
            Entry { id, event, text }
        };
        batch.into_iter().map(make).collect()
    }

    /// What comes at and after `next` for a reader of `topics`; `None` when nothing does yet.
    pub(super) async fn batch(
        self: &Arc<Self>,
        next: EventId,
        topics: Topics,
    ) -> Result<Option<Batch>, Fault> {
        let recent = {
            let ring = self.ring();
            if next >= ring.next {
                return Ok(None);
            }
            ring.from(next)
        };
        let Some(recent) = recent else {
            return self.blocking(move |hub| hub.stored(next, topics)).await.map(Some);
        };
        let frames: Option<Vec<Bytes>> = recent
            .iter()
            .filter(|e| topics.meets(Topics::of(&e.event)))
            .map(|e| e.text.clone())
            .collect();
        if let (Some(frames), Some(last)) = (frames, recent.last()) {
            return Ok(Some(Batch { frames, next: last.id.saturating_add(1) }));
        }
        self.blocking(move |hub| {
            let events = recent.iter().map(|e| (e.id, &e.event, e.text.clone()));
            hub.show(next, events, topics)
        })
        .await
        .map(Some)
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let hub = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&hub)).await;
        done.map_err(|failure| Fault(format!("reading events failed: {failure}")))?
    }

    /// Events from disk.
    fn stored(&self, next: EventId, topics: Topics) -> Result<Batch, Fault> {
        let mut events = self.backend.events_from(next, BATCH_EVENTS)?;
        events.retain(|(id, _)| *id >= next);
        if events.is_empty() {
            // Not stored any more: go on with what is in memory.
            let ring = self.ring();
            let next = ring.entries.front().map_or(ring.next, |entry| entry.id.max(next));
            return Ok(Batch { frames: Vec::new(), next });
        }
        self.show(next, events.iter().map(|(id, event)| (*id, event, None)), topics)
    }

    fn show<'a>(
        &self,
        mut next: EventId,
        events: impl Iterator<Item = (EventId, &'a Event, Option<Bytes>)>,
        topics: Topics,
    ) -> Result<Batch, Fault> {
        let mut frames = Vec::new();
        let mut bytes: usize = 0;
        for (id, event, text) in events {
            if bytes >= BATCH_BYTES {
                break;
            }
            next = next.max(id.saturating_add(1));
            if !topics.meets(Topics::of(event)) {
                continue;
            }
            let text = match text {
                Some(text) => Some(text),
                None => render::event(&*self.backend, id, event)?,
            };
            match text {
                Some(text) => {
                    bytes = bytes.saturating_add(text.len());
                    frames.push(text);
                }
                None => warn!(id, ?event, "an event names what is not stored; it is left out"),
            }
        }
        Ok(Batch { frames, next })
    }
}

impl Ring {
    fn push(&mut self, entry: Entry) {
        // Published before we asked for the newest one, or twice.
        if entry.id < self.next {
            return;
        }
        if entry.id > self.next {
            // Some are missing: what is in memory must be without a gap.
            self.entries.clear();
            self.text_bytes = 0;
        }
        self.next = entry.id.saturating_add(1);
        self.text_bytes = self.text_bytes.saturating_add(entry.text_len());
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > RING_MAX || self.text_bytes > TEXT_MAX {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.text_bytes = self.text_bytes.saturating_sub(oldest.text_len());
        }
    }

    /// Entries from `next` on, if that one is in memory.
    fn from(&self, next: EventId) -> Option<Vec<Arc<Entry>>> {
        let first = self.entries.front()?.id;
        let skip = usize::try_from(next.checked_sub(first)?).ok()?;
        Some(self.entries.iter().skip(skip).take(BATCH_EVENTS).cloned().collect())
    }
}

impl Entry {
    fn text_len(&self) -> usize {
        self.text.as_ref().map_or(0, Bytes::len)
    }
}

#[cfg(test)]
mod tests {
    use casper_types::{DeployHash, Digest};

    use super::*;

    fn entry(id: EventId, text: usize) -> Entry {
        let event = Event::DeployExpired(DeployHash::new(Digest::hash(id.to_le_bytes())));
        Entry { id, event, text: Some(Bytes::from(vec![0; text])) }
    }

    fn ids(ring: &Ring, next: EventId) -> Option<Vec<EventId>> {
        ring.from(next).map(|entries| entries.iter().map(|e| e.id).collect())
    }

    #[test]
    fn memory_has_no_gaps_no_doubles_and_a_bound() {
        let mut ring = Ring { entries: VecDeque::new(), next: 5, text_bytes: 0 };
        assert_eq!(ids(&ring, 4), None);
        for id in [4, 5, 6, 6, 7] {
            ring.push(entry(id, 1));
        }
        assert_eq!(ids(&ring, 5), Some(vec![5, 6, 7]));
        assert_eq!(ids(&ring, 7), Some(vec![7]));
        assert_eq!(ids(&ring, 4), None, "older than memory");
        ring.push(entry(9, 1));
        assert_eq!((ids(&ring, 7), ids(&ring, 9)), (None, Some(vec![9])));
        for id in 10..(10 + RING_MAX as u64 + 5) {
            ring.push(entry(id, 0));
        }
        assert_eq!(ring.entries.len(), RING_MAX);
        ring.push(entry(ring.next, TEXT_MAX));
        ring.push(entry(ring.next, 2));
        assert_eq!((ring.entries.len(), ring.text_bytes), (1, 2));
    }
}
