//! A limit on requests per second: a bucket that refills steadily.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// One bucket for all callers of a node. It holds one second's worth, so a burst of that many is
/// let through at once. When it is empty, the caller gets status 429 and is told to wait a second.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_second: u64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Requests that may pass now, in billionths: one per nanosecond and request per second.
    credit: u128,
    filled_at: Instant,
}

const ONE: u128 = 1_000_000_000;
const SECOND: Duration = Duration::from_secs(1);

impl RateLimit {
    /// No limit at all for 0.
    pub(crate) fn new(per_second: u64, now: Instant) -> Self {
        let credit = u128::from(per_second) * ONE;
        Self { per_second, bucket: Mutex::new(Bucket { credit, filled_at: now }) }
    }

    /// Takes one request out, if there is one.
    pub(crate) fn take(&self, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(bucket.filled_at).min(SECOND);
        let full = u128::from(self.per_second) * ONE;
        let refill = u128::from(self.per_second) * elapsed.as_nanos();
        bucket.credit = bucket.credit.saturating_add(refill).min(full);
        bucket.filled_at = now.max(bucket.filled_at);
        match bucket.credit.checked_sub(ONE) {
            Some(left) => {
                bucket.credit = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lets_as_many_through_as_the_limit_says() {
        let start = Instant::now();
        let limit = RateLimit::new(3, start);
        let passed = |now| (0..10).filter(|_| limit.take(now)).count();
        assert_eq!(passed(start), 3);
        assert_eq!(passed(start + Duration::from_millis(334)), 1);
        assert_eq!(passed(start + Duration::from_secs(60)), 3);
        assert_eq!(passed(start), 0, "a clock that runs backwards gives nothing away");
    }

    #[test]
    fn zero_means_no_limit() {
        let now = Instant::now();
        let limit = RateLimit::new(0, now);
        assert!((0..1_000).all(|_| limit.take(now)));
    }
}
