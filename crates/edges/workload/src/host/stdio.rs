//! Standard input, which is all there from the start, and outputs with an end.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use girrona_assembly::run::Trap;

use super::lock;
use crate::limiter::Halt;

/// What is left to read. Clones read on from each other.
#[derive(Clone, Debug)]
pub(crate) struct Stdin(Arc<Mutex<Bytes>>);

impl Stdin {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(Arc::new(Mutex::new(bytes)))
    }

    /// At most `max` bytes; none at its end.
    pub(crate) fn take(&self, max: usize) -> Bytes {
        let mut left = lock(&self.0);
        let count = max.min(left.len());
        left.split_to(count)
    }

    pub(crate) fn left(&self) -> usize {
        lock(&self.0).len()
    }
}

/// What was written so far. Clones write to the same.
#[derive(Clone, Debug)]
pub(crate) struct Sink(Arc<Mutex<Written>>);

#[derive(Debug)]
struct Written {
    bytes: Vec<u8>,
    max: usize,
}

impl Sink {
    pub(crate) fn new(max: u64) -> Self {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Self(Arc::new(Mutex::new(Written { bytes: Vec::new(), max })))
    }

    /// Takes all of it, or what still fits and then ends the guest.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Halt> {
        let mut written = lock(&self.0);
        let room = written.max - written.bytes.len();
        let fitting = bytes.get(..room).unwrap_or(bytes);
        written.bytes.extend_from_slice(fitting);
        if fitting.len() == bytes.len() { Ok(()) } else { Err(Halt::Trap(Trap::Output)) }
    }

    /// What was written; nothing is left.
    pub(crate) fn take(&self) -> Bytes {
        std::mem::take(&mut lock(&self.0).bytes).into()
    }
}
