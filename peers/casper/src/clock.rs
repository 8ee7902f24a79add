//! Wall time and CPU time of pieces of work.

use std::{
    ops::AddAssign,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What a piece of work took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Span {
    /// By the clock on the wall.
    pub(crate) wall: Duration,
    /// CPU time of the thread that did it.
    pub(crate) thread: Duration,
    /// CPU time of all threads of the process, user and kernel.
    pub(crate) process: Duration,
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.thread += other.thread;
        self.process += other.process;
    }
}

/// Runs something and says what it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Span) {
    let (thread, process) = (cpu(ClockId::ThreadCPUTime), cpu(ClockId::ProcessCPUTime));
    let wall = Instant::now();
    let result = work();
    let span = Span {
        wall: wall.elapsed(),
        thread: cpu(ClockId::ThreadCPUTime).saturating_sub(thread),
        process: cpu(ClockId::ProcessCPUTime).saturating_sub(process),
    };
    (result, span)
}

fn cpu(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}
