//! What came before: nonces of each author, ids of each message, both bounded.
//!
//! Ids catch the same bytes again. Nonces catch an author who signs the same thing twice, and
//! stay right when ids are forgotten; they are kept until every message they could refuse has
//! expired anyway.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use borsh::{BorshDeserialize, BorshSerialize};

/// How far behind the highest nonce one may lie.
pub const NONCES: u64 = 256;

/// The nonces that one author used: the highest, and which of the 256 up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Window {
    highest: u64,
    /// Bit 0 of the first word is the highest nonce, bit 1 the one before.
    bits: [u64; 4],
    /// When the last of its messages expires.
    until_ms: u64,
}

impl Window {
    const fn new(nonce: u64, until_ms: u64) -> Self {
        Self { highest: nonce, bits: [1, 0, 0, 0], until_ms }
    }

    /// Whether the nonce was not used and is not so old that nobody knows.
    fn is_new(&self, nonce: u64) -> bool {
        match self.highest.checked_sub(nonce) {
            None => true,
            Some(behind) => match place(behind) {
                Some((word, bit)) => self.bits.get(word).is_some_and(|bits| bits & bit == 0),
                None => false,
            },
        }
    }

    fn take(&mut self, nonce: u64, until_ms: u64) {
        self.until_ms = self.until_ms.max(until_ms);
        let behind = match nonce.checked_sub(self.highest) {
            Some(ahead) => {
                self.shift(ahead);
                self.highest = nonce;
                0
            }
            None => self.highest.saturating_sub(nonce),
        };
        if let Some((word, bit)) = place(behind)
            && let Some(bits) = self.bits.get_mut(word)
        {
            *bits |= bit;
        }
    }

    /// Makes room for higher nonces.
    fn shift(&mut self, by: u64) {
        if by >= NONCES {
            self.bits = [0; 4];
            return;
        }
        for _ in 0..by / 64 {
            let [a, b, c, _] = self.bits;
            self.bits = [0, a, b, c];
        }
        let by = u32::try_from(by % 64).unwrap_or_default();
        let mut carry = 0;
        for word in &mut self.bits {
            // With nothing to shift, nothing is carried.
            let next = if by == 0 { 0 } else { word.wrapping_shr(64_u32.saturating_sub(by)) };
            *word = word.wrapping_shl(by) | carry;
            carry = next;
        }
    }
}

/// Word and bit of a nonce so far behind the highest.
fn place(behind: u64) -> Option<(usize, u64)> {
    let word = usize::try_from(behind / 64).ok().filter(|word| *word < 4)?;
    let bit = u32::try_from(behind % 64).ok()?;
    Some((word, 1_u64.wrapping_shl(bit)))
}

/// Nonce windows of many authors. `K` is an author, or an author and what it is about.
#[derive(Clone, Debug)]
pub struct Windows<K> {
    windows: BTreeMap<K, Window>,
    /// The same by when they may be forgotten.
    ends: BTreeSet<(u64, K)>,
    max: usize,
}

/// What a nonce was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonce {
    /// Not used before.
    New,
    /// Used, or so old that nobody knows.
    Used,
    /// There is no memory for another author.
    Full,
}

impl<K: Ord + Clone> Windows<K> {
    /// Remembers so many authors at most.
    pub const fn new(max: usize) -> Self {
        Self { windows: BTreeMap::new(), ends: BTreeSet::new(), max }
    }

    /// Whether this nonce would be taken; changes nothing.
    pub fn look(&self, author: &K, nonce: u64) -> Nonce {
        match self.windows.get(author) {
            Some(window) if window.is_new(nonce) => Nonce::New,
            Some(_) => Nonce::Used,
            None => Nonce::New,
        }
    }

    /// Takes a nonce of a message that expires at `until_ms`.
    pub fn take(&mut self, author: &K, nonce: u64, until_ms: u64, now_ms: u64) -> Nonce {
        self.forget(now_ms);
        let count = self.windows.len();
        match self.windows.entry(author.clone()) {
            btree_map::Entry::Occupied(mut place) => {
                let window = place.get_mut();
                if !window.is_new(nonce) {
                    return Nonce::Used;
                }
                let before = window.until_ms;
                window.take(nonce, until_ms);
                if window.until_ms != before {
                    self.ends.remove(&(before, author.clone()));
                    self.ends.insert((window.until_ms, author.clone()));
                }
            }
            // Nobody is pushed out by a newcomer: whoever has many keys would push out everybody.
            btree_map::Entry::Vacant(_) if count >= self.max => return Nonce::Full,
            btree_map::Entry::Vacant(place) => {
                place.insert(Window::new(nonce, until_ms));
                self.ends.insert((until_ms, author.clone()));
            }
        }
        Nonce::New
    }

    /// All windows, to be kept over a restart.
    pub fn snapshot(&self) -> Vec<(K, Window)> {
        self.windows.iter().map(|(author, window)| (author.clone(), *window)).collect()
    }

    /// Takes up what [`Windows::snapshot`] gave, as far as it has not expired.
    pub fn restore(&mut self, windows: Vec<(K, Window)>, now_ms: u64) {
        for (author, window) in windows {
            let is_new = !self.windows.contains_key(&author);
            if is_new && self.windows.len() < self.max && window.until_ms > now_ms {
                self.ends.insert((window.until_ms, author.clone()));
                self.windows.insert(author, window);
            }
        }
    }

    /// Forgets authors whose messages have all expired.
    fn forget(&mut self, now_ms: u64) {
        while let Some((until, author)) = self.ends.first()
            && *until <= now_ms
        {
            self.windows.remove(author);
            self.ends.pop_first();
        }
    }

    /// How many authors are remembered.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }
}

/// Things that are remembered until they expire, or until there are too many: then what would
/// expire first goes first.
#[derive(Clone, Debug)]
pub struct Expiries<T> {
    until: BTreeMap<T, u64>,
    ends: BTreeSet<(u64, T)>,
    max: usize,
}

impl<T: Ord + Clone> Expiries<T> {
    /// Remembers so many at most.
    pub const fn new(max: usize) -> Self {
        Self { until: BTreeMap::new(), ends: BTreeSet::new(), max }
    }

    /// Whether it is remembered.
    pub fn contains(&self, what: &T) -> bool {
        self.until.contains_key(what)
    }

    /// Remembers it; `false` if it was remembered already.
    pub fn insert(&mut self, what: T, until_ms: u64, now_ms: u64) -> bool {
        while let Some((until, _)) = self.ends.first()
            && (*until <= now_ms || self.ends.len() >= self.max.max(1))
        {
            if let Some((_, old)) = self.ends.pop_first() {
                self.until.remove(&old);
            }
        }
        if self.until.contains_key(&what) {
            return false;
        }
        self.until.insert(what.clone(), until_ms);
        self.ends.insert((until_ms, what));
        true
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_nonce_is_taken_once_and_late_ones_up_to_256_behind() {
        let mut windows = Windows::new(10);
        let mut take = |nonce| windows.take(&"ana", nonce, 100, 0);
        assert_eq!(take(1_000), Nonce::New);
        assert_eq!(take(1_000), Nonce::Used);
        assert_eq!(take(1_000 - 255), Nonce::New);
        assert_eq!(take(1_000 - 255), Nonce::Used);
        assert_eq!(take(1_000 - 256), Nonce::Used);
        assert_eq!(take(1_001), Nonce::New);
        assert_eq!(take(1_001 - 255), Nonce::New);
        assert_eq!(take(u64::MAX), Nonce::New);
        assert_eq!(take(1_002), Nonce::Used);
        assert_eq!(take(0), Nonce::Used);
    }

    #[test]
    fn authors_are_forgotten_when_their_messages_have_expired_and_never_before() {
        let mut windows = Windows::new(2);
        assert_eq!(windows.take(&1, 5, 100, 0), Nonce::New);
        assert_eq!(windows.take(&2, 5, 200, 0), Nonce::New);
        assert_eq!(windows.take(&3, 5, 300, 50), Nonce::Full);
        assert_eq!(windows.take(&1, 6, 150, 50), Nonce::New);
        assert_eq!(windows.take(&3, 5, 300, 100), Nonce::Full);
        assert_eq!(windows.take(&3, 5, 300, 150), Nonce::New);
        assert_eq!(windows.len(), 2);
        assert_eq!(windows.take(&2, 5, 200, 199), Nonce::Used);
    }

    #[test]
    fn ids_are_bounded() {
        let mut ids = Expiries::new(3);
        for id in 0..1_000_u32 {
            assert!(ids.insert(id, 1_000 + u64::from(id), 0));
            assert!(ids.len() <= 3);
        }
        assert!(ids.contains(&999) && !ids.contains(&0));
        assert!(!ids.insert(999, 5_000, 0) || ids.len() <= 3);
        ids.insert(5, 9_000, 8_000);
        assert_eq!(ids.len(), 1);
    }

    proptest! {
        /// A window is a set of the last 256 nonces.
        #[test]
        fn a_window_knows_what_a_set_knows(
            nonces in prop::collection::vec(prop_oneof![0_u64..600, any::<u64>()], 1..200),
        ) {
            let mut windows = Windows::new(1);
            let (mut used, mut highest) = (BTreeSet::new(), 0);
            for nonce in nonces {
                let expected = if !used.contains(&nonce) && (used.is_empty() || nonce >= highest || highest - nonce < NONCES) {
                    Nonce::New
                } else {
                    Nonce::Used
                };
                prop_assert_eq!(windows.look(&(), nonce), expected);
                prop_assert_eq!(windows.take(&(), nonce, 1, 0), expected);
                if expected == Nonce::New {
                    used.insert(nonce);
                    highest = highest.max(nonce);
                }
            }
        }
    }
}
