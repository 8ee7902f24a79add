//! Stack for compiled code.
//!
//! Compiled functions put their frames on the stack of the thread that runs them, and a contract
//! may call others, a dozen deep. How much one run can take is bounded before a module is compiled
//! (`shape`); this file sees to it that a thread has that much, however runs nest. Other threads
//! have none, and there the interpreter runs, which needs no more than the host does.

use std::cell::Cell;
use std::{io, thread};

/// Bytes that one run may take. A module that could need more is never compiled.
pub(crate) const RUN_BYTES: usize = 16 << 20;
/// Bytes for the host between two runs.
const HOST_BYTES: usize = 1 << 20;
/// Runs inside each other that find room: Casper's deepest call is 12, and one to spare.
const RUNS: usize = 13;
/// Bytes of a thread's stack. Pages that were never touched take no memory.
const THREAD_BYTES: usize = RUNS * (RUN_BYTES + HOST_BYTES) + (16 << 20);

thread_local! {
    static ROOM: Cell<usize> = const { Cell::new(0) };
}

/// Starts a thread with room for compiled code; on any other thread contracts are interpreted.
///
/// # Errors
/// When the system has no such thread to give.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).stack_size(THREAD_BYTES).spawn(move || {
        ROOM.set(RUNS);
        work()
    })
}

/// Room for one run, given back when it goes.
#[derive(Debug)]
pub(crate) struct Room(());

impl Room {
    /// Room for one more run on this thread, if there is.
    pub(crate) fn take() -> Option<Self> {
        let left = ROOM.get().checked_sub(1)?;
        ROOM.set(left);
        Some(Self(()))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        ROOM.set(ROOM.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_thread_has_no_room_and_a_spawned_one_has_thirteen_times() {
        assert!(Room::take().is_none());
        let depth = spawn("room", || {
            let held: Vec<Room> = std::iter::from_fn(Room::take).collect();
            let depth = held.len();
            drop(held);
            assert!(Room::take().is_some());
            depth
        });
        assert_eq!(depth.unwrap().join().unwrap(), RUNS);
    }
}
