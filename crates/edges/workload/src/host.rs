//! What a guest sees of the world: nothing but what its job brings along.

pub(crate) mod clock;
pub(crate) mod files;
pub(crate) mod random;
pub(crate) mod stdio;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use self::{
    clock::Clock,
    files::{Fault, Files, Handle},
    random::Random,
    stdio::{Sink, Stdin},
};
use crate::{artefact::Kind, job::Job};

/// Everything that host functions answer from.
#[derive(Debug)]
pub(crate) struct Host {
    /// The entry's name first.
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stdin: Stdin,
    pub(crate) stdout: Sink,
    pub(crate) stderr: Sink,
    pub(crate) files: Arc<Mutex<Files>>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
}

impl Host {
    pub(crate) fn new(job: &Job) -> Self {
        let mut args = vec![job.entry.clone()];
        args.extend(job.args.iter().cloned());
        // Who asks others for something waits for them, and the time there is the real one. Modules
        // have nobody to ask.
        let is_alone = job.permissions.is_deterministic() || job.artefact.kind() == Kind::Module;
        let clock = if is_alone { Clock::simulated(job.time_ms) } else { Clock::real() };
        Self {
            args,
            env: job.env.clone(),
            stdin: Stdin::new(job.stdin.clone()),
            stdout: Sink::new(job.limits.output),
            stderr: Sink::new(job.limits.output),
            files: Arc::new(Mutex::new(Files::new(
                job.input.clone(),
                job.limits.files,
                job.time_ms,
            ))),
            clock,
            random: Random::new(&job.seed),
        }
    }
}

/// Nothing here panics while it holds a lock in a way that could leave half a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
