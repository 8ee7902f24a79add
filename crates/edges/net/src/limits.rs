//! How much one peer, and all of them together, may cost us.
//!
//! Knows: counts, rates, bytes. Time arrives as an argument.
//! Does not know: who the peers are, nor what the bytes mean.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use girrona_types::gossip::TARGET_PEERS;

/// The limits of a node's swarm. The defaults suit a public node on a small server.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Established inbound connections.
    pub inbound: u32,
    /// Established outbound connections.
    pub outbound: u32,
    /// Connections with one peer (two dials that cross make two).
    pub per_peer: u32,
    /// Connections in their handshake, each direction.
    pub pending: u32,
    /// Inbound connections from one address (one /64 of IPv6); loopback is exempt.
    pub per_address: u32,
    /// Remembered and discovered peers are dialled while fewer than this are connected;
    /// configured peers always.
    pub target_peers: usize,
    /// Resident memory of the process above which new connections are refused, in bytes.
    pub memory: usize,
    /// From the first byte of a request to the last byte of its response.
    pub request_timeout: Duration,
    /// Gossip messages per second from one peer, burst twice that; loopback is exempt.
    pub gossip_messages: f64,
    /// Gossip bytes per second from one peer, burst twice that; loopback is exempt.
    pub gossip_bytes: f64,
    /// Direct frames per second from one peer, burst twice that; loopback is exempt.
    pub direct_frames: f64,
    /// Requests per second from one peer, burst twice that; loopback is exempt.
    pub requests: f64,
    /// How long a banned peer stays away.
    pub ban: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbound: 160,
            outbound: 96,
            per_peer: 2,
            pending: 64,
            per_address: 16,
            target_peers: TARGET_PEERS,
            memory: 2 << 30,
            request_timeout: Duration::from_secs(10),
            gossip_messages: 2_000.0,
            gossip_bytes: 16.0 * 1_048_576.0,
            direct_frames: 1_000.0,
            requests: 100.0,
            ban: Duration::from_secs(600),
        }
    }
}

/// A rate with a burst, of two seconds' worth if nothing else is said.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: f64,
    burst: f64,
    level: f64,
    at: Instant,
}

impl TokenBucket {
    pub(crate) fn new(rate: f64, now: Instant) -> Self {
        Self::with_burst(rate, rate * 2.0, now)
    }

    pub(crate) fn with_burst(rate: f64, burst: f64, now: Instant) -> Self {
        Self { rate, burst, level: burst, at: now }
    }

    /// Takes `amount` tokens, or none and says `false`.
    pub(crate) fn take(&mut self, amount: f64, now: Instant) -> bool {
        self.refill(now);
        let enough = self.level >= amount;
        if enough {
            self.level -= amount;
        }
        enough
    }

    /// Takes `amount` tokens on credit and says how long to wait until they are paid.
    pub(crate) fn borrow(&mut self, amount: f64, now: Instant) -> Duration {
        self.refill(now);
        self.level -= amount;
        if self.level >= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64((-self.level / self.rate.max(0.001)).min(60.0))
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.rate).min(self.burst);
        self.at = now;
    }
}

/// Bytes that half-read messages of all peers may hold together.
#[derive(Clone, Debug)]
pub struct Budget {
    used: Arc<AtomicUsize>,
    limit: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    pub(crate) fn charge(&self) -> Charge {
        Charge { budget: self.clone(), held: 0 }
    }
}

/// What one half-read message holds of a [`Budget`]; dropping it gives everything back.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Budget,
    held: usize,
}

impl Charge {
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        self.held += bytes;
        before + bytes <= self.budget.limit
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10.0, start);
        let burst = (0..100).filter(|_| bucket.take(1.0, start)).count();
        assert_eq!(burst, 20);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| bucket.take(1.0, later)).count(), 10);
    }

    #[test]
    fn what_is_borrowed_from_a_bucket_has_to_be_waited_for() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10.0, start);
        assert_eq!(bucket.borrow(20.0, start), Duration::ZERO);
        assert_eq!(bucket.borrow(5.0, start), Duration::from_millis(500));
    }

    #[test]
    fn a_budget_is_shared_and_given_back() {
        let budget = Budget::new(100);
        let (mut one, mut two) = (budget.charge(), budget.charge());
        assert!(one.grow(80));
        assert!(!two.grow(40));
        drop(one);
        drop(two);
        assert!(budget.charge().grow(100));
    }
}
