//! Token buckets: how much somebody may send in a burst and on average.

use std::collections::BTreeMap;

/// How much may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// Per second, after it.
    pub per_second: u32,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths of a token.
    tokens: u64,
    filled_ms: u64,
}

/// Buckets of many senders, bounded: who has not sent for so long that the bucket is full again
/// is forgotten.
#[derive(Clone, Debug)]
pub struct Buckets<K> {
    buckets: BTreeMap<K, Bucket>,
    rate: Rate,
    max: usize,
}

impl<K: Ord + Clone> Buckets<K> {
    /// Remembers so many senders at most.
    pub const fn new(rate: Rate, max: usize) -> Self {
        Self { buckets: BTreeMap::new(), rate, max }
    }

    /// Takes a token of a sender; `false` when there is none, or no memory for another sender.
    pub fn take(&mut self, who: &K, now_ms: u64) -> bool {
        let full = u64::from(self.rate.burst).saturating_mul(1_000);
        let per_ms = u64::from(self.rate.per_second);
        let level = |bucket: &Bucket| {
            // A clock that goes back fills nothing.
            let passed = now_ms.saturating_sub(bucket.filled_ms);
            bucket.tokens.saturating_add(passed.saturating_mul(per_ms)).min(full)
        };
        if let Some(bucket) = self.buckets.get_mut(who) {
            let tokens = level(bucket);
            let left = tokens.checked_sub(1_000);
            *bucket =
                Bucket { tokens: left.unwrap_or(tokens), filled_ms: now_ms.max(bucket.filled_ms) };
            return left.is_some();
        }
        if self.buckets.len() >= self.max {
            self.buckets.retain(|_, bucket| level(bucket) < full);
            if self.buckets.len() >= self.max {
                return false;
            }
        }
        let Some(left) = full.checked_sub(1_000) else { return false };
        self.buckets.insert(who.clone(), Bucket { tokens: left, filled_ms: now_ms });
        true
    }

    /// Forgets a sender.
    pub fn forget(&mut self, who: &K) {
        self.buckets.remove(who);
    }

    /// How many senders are remembered.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 5, per_second: 10 };

    #[test]
    fn a_burst_passes_and_then_the_average() {
        let mut buckets = Buckets::new(RATE, 10);
        let passed = (0..100).filter(|_| buckets.take(&"ana", 1_000)).count();
        assert_eq!(passed, 5);
        assert!(!buckets.take(&"ana", 1_099));
        assert!(buckets.take(&"ana", 1_100));
        assert!(!buckets.take(&"ana", 1_100));
        assert!(buckets.take(&"bo", 1_100));
        // Ten thousand in a second: no more than burst and a second's average.
        let passed = (0..10_000_u64).filter(|i| buckets.take(&"cy", 2_000 + i / 10)).count();
        assert!((14..=15).contains(&passed), "{passed}");
    }

    #[test]
    fn senders_are_bounded_and_the_quiet_are_forgotten() {
        let mut buckets = Buckets::new(RATE, 3);
        for who in 0..3 {
            assert!(buckets.take(&who, 0));
        }
        assert!(!buckets.take(&3, 0));
        assert!(buckets.take(&3, 100));
        assert_eq!(buckets.len(), 1);
    }
}
