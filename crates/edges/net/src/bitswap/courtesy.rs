//! Content gives way: how fast one peer is sent content, by how long echoes take.
//!
//! While content goes to a peer, a small echo goes there and back every 25 ms, in the same
//! connection. What it takes beyond the shortest time of the last minutes it spent in queues: ours,
//! the link's, the peer's. Votes would spend the same, so content slows down until echoes are quick
//! again, and speeds up while they are: doubling at first, then carefully where it was too fast
//! before. Whoever shares the way, other content included, sees the same and does the same.
//!
//! Knows: rates, round trips. Time arrives as an argument, but for sleeping.
//! Does not know: streams; `echo.rs` measures, `writer.rs` sends.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::limits::TokenBucket;

/// Bytes a second at first and at least.
const RATE_FIRST: f64 = 4_194_304.0;
const RATE_MIN: f64 = 262_144.0;
/// Bytes a second beyond which there is nothing to be paced.
const RATE_MAX: f64 = 4e9;
/// Bytes that are sent at once: more would be a queue of its own.
pub(super) const STEP: usize = 16 << 10;
/// What may be sent in a burst, in seconds.
const BURST: f64 = 0.002;
/// How long echoes may wait in queues: half of what they take anyway, within these bounds.
const QUEUE_MIN: Duration = Duration::from_millis(4);
const QUEUE_MAX: Duration = Duration::from_millis(25);
/// The shortest time is of this time and the one before.
const BASE: Duration = Duration::from_secs(300);
/// The quickest of so many echoes counts: one may be late for a busy processor.
const ECHOES: usize = 2;
/// Growth with an echo: before queues were ever seen, well below where they were seen, near that.
const GROWTH_FIRST: f64 = 2.0;
const GROWTH_FAR: f64 = 1.03;
const GROWTH_NEAR: f64 = 1.005;
/// What is left of the rate when queues are seen: at least, at most, and at least after doubling,
/// when it may be four times too high.
const CUT_MOST: f64 = 0.5;
const CUT_LEAST: f64 = 0.8;
const CUT_FIRST: f64 = 0.25;

#[derive(Debug)]
struct State {
    bucket: TokenBucket,
    rate: f64,
    /// Where queues were last seen.
    full: Option<f64>,
    /// The shortest round trips of this time and the one before.
    base: Option<Duration>,
    base_before: Option<Duration>,
    base_since: Instant,
    echoes: VecDeque<Duration>,
    /// Bytes that were sent since the last echo.
    sent: f64,
    since: Instant,
    /// What was cut shows later only.
    calm_from: Instant,
}

/// How one peer is sent content.
#[derive(Debug)]
pub(super) struct Courtesy(Option<Mutex<State>>);

fn bucket(rate: f64, now: Instant) -> TokenBucket {
    TokenBucket::with_burst(rate, (rate * BURST).max(STEP as f64), now)
}

impl State {
    fn new(now: Instant) -> Self {
        Self {
            bucket: bucket(RATE_FIRST, now),
            rate: RATE_FIRST,
            full: None,
            base: None,
            base_before: None,
            base_since: now,
            echoes: VecDeque::new(),
            sent: 0.0,
            since: now,
            calm_from: now,
        }
    }

    fn heard(&mut self, rtt: Duration, now: Instant) {
        if now.saturating_duration_since(self.base_since) >= BASE {
            self.base_before = self.base.take();
            self.base_since = now;
        }
        self.base = Some(self.base.map_or(rtt, |base| base.min(rtt)));
    }

    /// The shortest round trip, and how long others may wait in queues on top of it.
    fn bounds(&self) -> Option<(Duration, Duration)> {
        let base = self.base.into_iter().chain(self.base_before).min()?;
        Some((base, (base / 2).clamp(QUEUE_MIN, QUEUE_MAX)))
    }

    fn echoed(&mut self, rtt: Duration, now: Instant) {
        self.heard(rtt, now);
        self.echoes.push_back(rtt);
        if self.echoes.len() > ECHOES {
            self.echoes.pop_front();
        }
        let passed = now.saturating_duration_since(self.since).as_secs_f64().max(0.001);
        let speed = self.sent / passed;
        (self.sent, self.since) = (0.0, now);
        let Some((base, bearable)) = self.bounds() else { return };
        let quickest = self.echoes.iter().min().copied().unwrap_or(rtt);
        let waited = quickest.saturating_sub(base);
        if waited > bearable {
            if now >= self.calm_from && self.echoes.len() >= ECHOES {
                let excess = bearable.as_secs_f64() / waited.as_secs_f64();
                let fast = self.rate.min(speed.max(RATE_MIN));
                let (most, full) = match self.full {
                    None => (CUT_FIRST, fast * CUT_MOST),
                    Some(_) => (CUT_MOST, fast),
                };
                self.full = Some(full);
                self.set((fast * excess.clamp(most, CUT_LEAST)).max(RATE_MIN), now);
                self.calm_from = now + rtt * 3 / 2;
                self.echoes.clear();
            }
        } else if speed * 1.5 >= self.rate {
            // Nobody gets faster by not sending.
            let growth = match self.full {
                None => GROWTH_FIRST,
                Some(full) if self.rate > full * 0.8 && self.rate < full * 1.2 => GROWTH_NEAR,
                Some(_) => GROWTH_FAR,
            };
            self.set((self.rate * growth).min(RATE_MAX), now);
        }
    }

    fn set(&mut self, rate: f64, now: Instant) {
        self.rate = rate;
        self.bucket = bucket(rate, now);
    }
}

impl Courtesy {
    /// Towards a peer on another machine; none is needed towards one on ours.
    pub(super) fn new(is_far: bool, now: Instant) -> Self {
        Self(is_far.then(|| Mutex::new(State::new(now))))
    }

    /// The connection is another one.
    pub(super) fn restart(&self) {
        if let Some(mut state) = self.lock() {
            *state = State::new(Instant::now());
        }
    }

    /// The peer knows no echoes: it is sent what it takes.
    pub(super) fn give_up(&self) {
        if let Some(mut state) = self.lock() {
            state.set(RATE_MAX, Instant::now());
        }
    }

    pub(super) const fn is_needed(&self) -> bool {
        self.0.is_some()
    }

    fn lock(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.0.as_ref()?;
        Some(state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A round trip of something else: it may be the shortest.
    pub(super) fn heard(&self, rtt: Duration) {
        if let Some(mut state) = self.lock() {
            state.heard(rtt, Instant::now());
        }
    }

    /// An echo came back, or has not for so long.
    pub(super) fn echoed(&self, rtt: Duration) {
        if let Some(mut state) = self.lock() {
            state.echoed(rtt, Instant::now());
        }
    }

    /// Waits until so many bytes may be sent.
    pub(super) async fn spend(&self, bytes: usize) {
        let wait = match self.lock() {
            Some(mut state) => {
                state.sent += bytes as f64;
                state.bucket.borrow(bytes as f64, Instant::now())
            }
            None => return,
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(number: f64) -> Duration {
        Duration::from_secs_f64(number / 1_000.0)
    }

    /// A link with a queue, in steps of 25 ms, and flows that have at most a megabyte in it;
    /// answers how much of the link is used, and the longest wait after the first second.
    fn link(rate: f64, base_ms: f64, flows: usize, seconds: usize) -> (f64, f64) {
        let begin = Instant::now();
        let mut all: Vec<Courtesy> = (0..flows).map(|_| Courtesy::new(true, begin)).collect();
        for one in &mut all {
            one.0.as_mut().unwrap().get_mut().unwrap().heard(ms(base_ms), begin);
        }
        let (mut queue, mut carried, mut longest) = (0.0_f64, 0.0_f64, 0.0_f64);
        for step in 1..=seconds * 40 {
            let now = begin + ms(25.0 * step as f64);
            for one in &mut all {
                let state = one.0.as_mut().unwrap().get_mut().unwrap();
                let room = (1e6 - queue / flows as f64).max(0.0);
                state.sent = (state.rate * 0.025).min(room);
                queue += state.sent;
            }
            let out = queue.min(rate * 0.025);
            queue -= out;
            let wait_ms = queue / rate * 1_000.0;
            for one in &mut all {
                one.0.as_mut().unwrap().get_mut().unwrap().echoed(ms(base_ms + wait_ms), now);
            }
            if step > 40 {
                carried += out;
                longest = longest.max(wait_ms);
            }
        }
        (carried / rate / (seconds as f64 - 1.0), longest)
    }

    #[test]
    fn a_link_is_used_well_and_its_queue_stays_short() {
        for (rate, base_ms, flows, bearable_ms) in [
            (25e6, 0.3, 1, 10.0),
            (25e6, 0.3, 4, 10.0),
            (25e6, 20.0, 1, 20.0),
            (25e6, 20.0, 4, 20.0),
            (2e6, 40.0, 1, 40.0),
        ] {
            let (used, longest) = link(rate, base_ms, flows, 20);
            let what = format!("{rate} {base_ms} {flows}: {used} {longest}");
            assert!(used > 0.85, "{what}");
            assert!(longest < bearable_ms, "{what}");
        }
    }

    #[test]
    fn a_quick_way_is_soon_unpaced_and_a_silent_peer_is_sent_little() {
        let begin = Instant::now();
        let mut one = Courtesy::new(true, begin);
        let state = one.0.as_mut().unwrap().get_mut().unwrap();
        for step in 1..=10 {
            state.sent = state.rate * 0.025;
            state.echoed(ms(1.0), begin + ms(25.0 * f64::from(step)));
        }
        assert!(state.rate > 1e9, "{}", state.rate);
        for step in 1..=30 {
            state.sent = state.rate;
            state.echoed(ms(1_000.0), begin + ms(3_000.0 * f64::from(step)));
        }
        assert!((state.rate - RATE_MIN).abs() < 1.0, "{}", state.rate);
        assert!(!Courtesy::new(false, begin).is_needed());
    }
}
