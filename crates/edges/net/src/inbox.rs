//! Events on their way to the owner: bounded, with votes and blocks before deploys, requests and
//! everything about assemblies.
//!
//! Knows: events, their bytes, two classes. Does not know: who reads them, or how fast.

use std::collections::VecDeque;

use crate::{Event, Topic};

const MAX_EVENTS: usize = 8_192;
const MAX_BYTES: usize = 64 << 20;

/// Three queues. Changes of the peers come first and are never refused: a peer that came and went
/// unseen leaves no trace, so there are at most two per peer. Then what consensus waits for (direct
/// frames, all gossip but deploys), then the rest (deploys, requests, assemblies): when the owner
/// cannot keep up, that is what it can do without.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    changes: VecDeque<Event>,
    urgent: VecDeque<Event>,
    rest: VecDeque<Event>,
    bytes: usize,
}

impl Inbox {
    pub(crate) fn has_room(&self) -> bool {
        self.urgent.len() + self.rest.len() < MAX_EVENTS && self.bytes < MAX_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.urgent.is_empty() && self.rest.is_empty()
    }

    /// Takes an event; the caller has asked [`Inbox::has_room`] (changes need none).
    pub(crate) fn push(&mut self, event: Event) {
        match &event {
            Event::Connected { .. } => self.changes.push_back(event),
            Event::Disconnected { peer } => {
                let arrived = self
                    .changes
                    .iter()
                    .rposition(|known| matches!(known, Event::Connected { peer: p } if p == peer));
                match arrived {
                    Some(place) => drop(self.changes.remove(place)),
                    None => self.changes.push_back(event),
                }
            }
            _ => {
                self.bytes += weight(&event);
                if is_urgent(&event) {
                    self.urgent.push_back(event);
                } else {
                    self.rest.push_back(event);
                }
            }
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        let next = self.changes.pop_front();
        let next = next.or_else(|| self.urgent.pop_front()).or_else(|| self.rest.pop_front())?;
        self.bytes = self.bytes.saturating_sub(weight(&next));
        Some(next)
    }
}

fn is_urgent(event: &Event) -> bool {
    match event {
        Event::Direct { .. } => true,
        Event::Gossip { topic, .. } => *topic != Topic::Deploys && !topic.is_assembly(),
        _ => false,
    }
}

fn weight(event: &Event) -> usize {
    match event {
        Event::Gossip { items, .. } => items.iter().map(|item| item.len()).sum(),
        Event::Direct { bytes, .. } | Event::Request { bytes, .. } | Event::Asked { bytes, .. } => {
            bytes.len()
        }
        Event::Connected { .. } | Event::Disconnected { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use libp2p::{PeerId, gossipsub::MessageId};

    use super::*;
    use crate::{MessageToken, Route, spread::Arrival};

    fn direct(len: usize) -> Event {
        Event::Direct { from: PeerId::random(), bytes: Bytes::from(vec![0; len]) }
    }

    fn gossip(topic: Topic) -> Event {
        let from = PeerId::random();
        let arrival = Arrival::new(Route::Mesh, 0);
        let token = MessageToken { id: MessageId::new(b"id"), from, topic, author: None, arrival };
        Event::Gossip { topic, from, token, items: vec![], route: Route::Mesh }
    }

    #[test]
    fn consensus_goes_before_deploys_and_changes_before_both() {
        let mut inbox = Inbox::default();
        inbox.push(gossip(Topic::Announcements));
        inbox.push(gossip(Topic::Deploys));
        inbox.push(direct(1));
        inbox.push(gossip(Topic::Consensus));
        inbox.push(Event::Connected { peer: PeerId::random() });
        assert!(matches!(inbox.pop(), Some(Event::Connected { .. })));
        assert!(matches!(inbox.pop(), Some(Event::Direct { .. })));
        assert!(matches!(inbox.pop(), Some(Event::Gossip { topic: Topic::Consensus, .. })));
        assert!(matches!(inbox.pop(), Some(Event::Gossip { topic: Topic::Announcements, .. })));
        assert!(matches!(inbox.pop(), Some(Event::Gossip { topic: Topic::Deploys, .. })));
        assert!(inbox.is_empty());
    }

    #[test]
    fn it_is_full_by_count_and_by_bytes() {
        let mut inbox = Inbox::default();
        while inbox.has_room() {
            inbox.push(direct(4 << 20));
        }
        assert_eq!(inbox.urgent.len(), 16);
        let mut inbox = Inbox::default();
        while inbox.has_room() {
            inbox.push(direct(1));
        }
        assert_eq!(inbox.urgent.len(), MAX_EVENTS);
        inbox.pop();
        assert!(inbox.has_room());
    }

    #[test]
    fn a_peer_that_flaps_unseen_leaves_no_trace() {
        let peer = PeerId::random();
        let mut inbox = Inbox::default();
        for _ in 0..1_000 {
            inbox.push(Event::Connected { peer });
            inbox.push(Event::Disconnected { peer });
        }
        assert!(inbox.is_empty());
        for _ in 0..1_000 {
            inbox.push(Event::Disconnected { peer });
            inbox.push(Event::Connected { peer });
            inbox.push(Event::Disconnected { peer });
            inbox.push(Event::Connected { peer });
            assert!(matches!(inbox.pop(), Some(Event::Disconnected { .. })));
            inbox.changes.clear();
        }
    }
}
