//! Timers of the chain's thread: few, named, replaced when set again.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use girrona_chain::Timer;

/// Running timers.
#[derive(Debug, Default)]
pub struct Timers {
    running: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Starts a timer, or starts it anew.
    pub fn set(&mut self, timer: Timer, after: Duration) {
        self.running.insert(timer, Instant::now() + after);
    }

    /// Forgets a timer.
    pub fn cancel(&mut self, timer: Timer) {
        self.running.remove(&timer);
    }

    /// Forgets the timers of consensus.
    pub fn cancel_consensus(&mut self) {
        self.running.retain(|timer, _| !matches!(timer, Timer::Consensus(_)));
    }

    /// When the next one runs out.
    pub fn next(&self) -> Option<Instant> {
        self.running.values().min().copied()
    }

    /// Takes out one that has run out, the oldest first.
    pub fn due(&mut self) -> Option<Timer> {
        let now = Instant::now();
        let (timer, _) = self
            .running
            .iter()
            .filter(|(_, at)| **at <= now)
            .min_by_key(|(_, at)| **at)
            .map(|(timer, at)| (*timer, *at))?;
        self.running.remove(&timer);
        Some(timer)
    }
}
