//! Messages that are still valid, as they came, so that a node that missed them can pull them.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::MessageId;

#[derive(Clone, Debug)]
struct Kept {
    bytes: Vec<u8>,
    expires_ms: u64,
}

/// Live messages, bounded by count and by bytes.
#[derive(Clone, Debug)]
pub struct Shelf {
    kept: BTreeMap<MessageId, Kept>,
    ends: BTreeSet<(u64, MessageId)>,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
}

impl Shelf {
    /// Keeps so much at most.
    pub const fn new(count_max: usize, bytes_max: usize) -> Self {
        Self { kept: BTreeMap::new(), ends: BTreeSet::new(), bytes: 0, count_max, bytes_max }
    }

    /// Keeps a message until it expires. When there is no room, what expires first goes.
    pub fn put(&mut self, id: MessageId, bytes: Vec<u8>, expires_ms: u64, now_ms: u64) {
        self.expire(now_ms);
        if bytes.len() > self.bytes_max || self.kept.contains_key(&id) || expires_ms <= now_ms {
            return;
        }
        while self.kept.len() >= self.count_max.max(1)
            || self.bytes.saturating_add(bytes.len()) > self.bytes_max
        {
            let Some((_, first)) = self.ends.first().copied() else { break };
            self.remove(&first);
        }
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.ends.insert((expires_ms, id));
        self.kept.insert(id, Kept { bytes, expires_ms });
    }

    /// Takes a message away: it was withdrawn or replaced.
    pub fn remove(&mut self, id: &MessageId) {
        if let Some(kept) = self.kept.remove(id) {
            self.bytes = self.bytes.saturating_sub(kept.bytes.len());
            self.ends.remove(&(kept.expires_ms, *id));
        }
    }

    /// Takes away what has expired.
    pub fn expire(&mut self, now_ms: u64) {
        while let Some((until, id)) = self.ends.first().copied()
            && until <= now_ms
        {
            self.remove(&id);
        }
    }

    /// A message's bytes.
    pub fn get(&self, id: &MessageId) -> Option<&[u8]> {
        self.kept.get(id).map(|kept| kept.bytes.as_slice())
    }

    /// The ids of everything, in order: what peers compare.
    pub fn ids(&self) -> Vec<MessageId> {
        self.kept.keys().copied().collect()
    }

    /// Which of a peer's messages are not here.
    pub fn missing(&self, theirs: &[MessageId]) -> Vec<MessageId> {
        theirs.iter().filter(|id| !self.kept.contains_key(id)).copied().collect()
    }

    /// Bytes that are kept.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expires_first_makes_room() {
        let id = |n| MessageId([n; 32]);
        let mut shelf = Shelf::new(3, 100);
        for n in 1..=4 {
            shelf.put(id(n), vec![0; 30], 1_000 - u64::from(n), 0);
        }
        assert_eq!(shelf.ids(), [id(1), id(2), id(4)]);
        shelf.put(id(5), vec![0; 60], 2_000, 0);
        assert_eq!(shelf.ids(), [id(1), id(5)]);
        assert_eq!(shelf.bytes(), 90);
        assert_eq!(shelf.missing(&[id(1), id(7)]), [id(7)]);
        shelf.put(id(6), vec![0; 101], 9_000, 0);
        shelf.expire(999);
        assert_eq!(shelf.ids(), [id(5)]);
        shelf.remove(&id(5));
        assert_eq!(shelf.bytes(), 0);
    }
}
