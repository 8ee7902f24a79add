//! A share of the link: how many bytes of content pass in a second, in small steps.
//!
//! Knows: a rate and sleeping. Does not know: which way the bytes go.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use crate::limits::TokenBucket;

/// Bytes that pass at once: what goes through a reader or writer in one step.
pub(super) const STEP: usize = 64 << 10;
/// What may pass in a burst, in seconds: no more than a vote may wait for.
const BURST: f64 = 0.02;

#[derive(Debug)]
pub(super) struct Pace(Option<Mutex<TokenBucket>>);

impl Pace {
    pub(super) fn new(rate: Option<u64>) -> Self {
        let bucket = |rate: u64| {
            let rate = rate as f64;
            let burst = (rate * BURST).max(STEP as f64);
            Mutex::new(TokenBucket::with_burst(rate, burst, Instant::now()))
        };
        Self(rate.map(bucket))
    }

    /// Waits until so many bytes may pass.
    pub(super) async fn spend(&self, bytes: usize) {
        let Some(bucket) = &self.0 else { return };
        let wait = {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.borrow(bytes as f64, Instant::now())
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn bytes_pass_at_the_rate_however_many_ask() {
        let pace = std::sync::Arc::new(Pace::new(Some(20 << 20)));
        let begin = Instant::now();
        let askers = (0..8).map(|_| {
            let pace = pace.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    pace.spend(STEP).await;
                }
            })
        });
        futures::future::join_all(askers).await;
        // 10 MiB less the burst.
        assert!(begin.elapsed() > Duration::from_millis(450), "{:?}", begin.elapsed());
        Pace::new(None).spend(usize::MAX).await;
    }
}
