//! The guest's clock.
//!
//! Where a result has to be the same on every node the clock is simulated: it starts where the job
//! says, moves a step whenever it is read, and jumps to the next alarm when everybody waits. So a
//! guest that sleeps for a year is done at once, and never learns how fast the node is.

use std::{
    collections::BTreeMap,
    future,
    sync::{Arc, Mutex},
    task::Poll,
    time::{Duration, Instant, SystemTime},
};

use super::lock;
use crate::law::CLOCK_STEP_NS;

/// A clock. Clones show the same time.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    Simulated(Arc<Mutex<Simulated>>),
    Real(Instant),
}

#[derive(Debug)]
pub(crate) struct Simulated {
    /// Nanoseconds since 1970 at the start.
    start: u64,
    /// Nanoseconds since the start.
    now: u64,
    /// When somebody wants to be woken, and how many.
    alarms: BTreeMap<u64, u32>,
}

impl Clock {
    pub(crate) fn simulated(start_ms: u64) -> Self {
        let start = start_ms.saturating_mul(1_000_000);
        Self::Simulated(Arc::new(Mutex::new(Simulated { start, now: 0, alarms: BTreeMap::new() })))
    }

    pub(crate) fn real() -> Self {
        Self::Real(Instant::now())
    }

    /// Nanoseconds since the start.
    pub(crate) fn monotonic(&self) -> u64 {
        match self {
            Self::Simulated(clock) => lock(clock).read(),
            Self::Real(start) => u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Nanoseconds since 1970.
    pub(crate) fn wall(&self) -> u64 {
        match self {
            Self::Simulated(clock) => {
                let mut clock = lock(clock);
                let now = clock.read();
                clock.start.saturating_add(now)
            }
            Self::Real(_) => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
            }
        }
    }

    /// Lets the time come at least to `when` nanoseconds after the start, if it is simulated.
    pub(crate) fn skip_to(&self, when: u64) {
        if let Self::Simulated(clock) = self {
            let mut clock = lock(clock);
            clock.now = clock.now.max(when);
        }
    }

    /// Waits until `when` nanoseconds after the start.
    ///
    /// Simulated, whoever waits beside this one is asked first; only if nobody has anything to do,
    /// time goes on, to the first alarm. This holds as long as everything else that can be waited
    /// for is in memory.
    pub(crate) async fn wait(&self, when: u64) {
        match self {
            Self::Simulated(clock) => {
                let _alarm = Alarm::set(clock, when);
                let mut is_first = true;
                future::poll_fn(|context| {
                    let mut clock = lock(clock);
                    if clock.now >= when {
                        return Poll::Ready(());
                    }
                    if is_first {
                        is_first = false;
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    if let Some((&next, _)) = clock.alarms.first_key_value() {
                        clock.now = clock.now.max(next);
                    }
                    if clock.now >= when { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
            Self::Real(start) => match start.checked_add(Duration::from_nanos(when)) {
                // Always gives the way to others once: a guest may ask in a loop.
                Some(when) => {
                    tokio::task::yield_now().await;
                    tokio::time::sleep_until(when.into()).await;
                }
                None => future::pending().await,
            },
        }
    }
}

impl Simulated {
    fn read(&mut self) -> u64 {
        self.now = self.now.saturating_add(CLOCK_STEP_NS);
        self.now
    }
}

/// Somebody waits.
struct Alarm<'a> {
    clock: &'a Mutex<Simulated>,
    when: u64,
}

impl<'a> Alarm<'a> {
    fn set(clock: &'a Mutex<Simulated>, when: u64) -> Self {
        *lock(clock).alarms.entry(when).or_insert(0) += 1;
        Self { clock, when }
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        let mut clock = lock(self.clock);
        if let Some(count) = clock.alarms.get_mut(&self.when) {
            *count -= 1;
            if *count == 0 {
                clock.alarms.remove(&self.when);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, executor::block_on, select_biased};

    use super::*;

    #[test]
    fn the_first_alarm_wins_in_whatever_order_they_are_waited_for() {
        for swapped in [false, true] {
            let clock = Clock::simulated(0);
            let (a, b) = if swapped { (5_000, 10_000) } else { (10_000, 5_000) };
            let winner = block_on(async {
                select_biased! {
                    () = clock.wait(a).fuse() => a,
                    () = clock.wait(b).fuse() => b,
                }
            });
            assert_eq!(winner, 5_000);
            assert_eq!(clock.monotonic(), 6_000);
        }
    }

    #[test]
    fn who_has_something_to_do_comes_before_time_goes_on() {
        let clock = Clock::simulated(1);
        block_on(async {
            select_biased! {
                () = clock.wait(u64::MAX).fuse() => panic!("time went on"),
                () = future::ready(()).fuse() => {}
            }
        });
        assert_eq!(clock.wall(), 1_001_000);
    }

    #[test]
    fn a_sleep_of_a_century_is_over_at_once() {
        let clock = Clock::simulated(0);
        let century = 100 * 365 * 86_400 * 1_000_000_000;
        block_on(clock.wait(century));
        assert_eq!(clock.monotonic(), century + CLOCK_STEP_NS);
    }
}
