//! What an execution came to, and which part of it honest nodes agree on.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Serialize;
use thiserror::Error;

use crate::content::Cid;

/// Why a guest was trapped. Each but [`Trap::Stack`] follows from the program and its inputs alone.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Error,
)]
#[serde(rename_all = "snake_case")]
pub enum Trap {
    /// It used up its fuel.
    #[error("out of fuel")]
    Fuel,
    /// It called itself too deeply. How deep that is, is the machine's: no result, see
    /// [`Outcome::is_result`].
    #[error("stack overflow")]
    Stack,
    /// It reached outside its memory.
    #[error("memory access out of bounds")]
    Memory,
    /// It reached outside a table.
    #[error("table access out of bounds")]
    Table,
    /// It called through a table what is not there or has another type.
    #[error("bad indirect call")]
    IndirectCall,
    /// It divided by zero.
    #[error("division by zero")]
    Division,
    /// An integer got too large.
    #[error("integer overflow")]
    Overflow,
    /// It converted a number that is none.
    #[error("bad conversion to integer")]
    Conversion,
    /// It came where it said it would not.
    #[error("unreachable")]
    Unreachable,
    /// It wanted more memory, tables or instances than it may have.
    #[error("a limit of memory, tables or instances")]
    Growth,
    /// It wrote more output than it may.
    #[error("a limit of output")]
    Output,
    /// It wrote more to files than it may.
    #[error("a limit of files")]
    Files,
    /// It imports what is not there, or has no such entry point: it never started.
    #[error("it cannot be linked")]
    Link,
    /// Something else that the sandbox calls a trap.
    #[error("trapped")]
    Other,
}

/// Why there is no result. None of it says anything about the program.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Error,
)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// Wall time was over; a faster node may get a result.
    #[error("its time was over")]
    Time,
    /// The requester wanted it no longer.
    #[error("it was cancelled")]
    Cancelled,
    /// The node had a fault of its own.
    #[error("the node failed")]
    Node,
}

/// How an execution ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself, with this code.
    Exit(i32),
    /// By a trap.
    Trap(Trap),
    /// From outside.
    Stopped(Stopped),
}

/// What receipts are compared by: exit code or trap kind, output, and files written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// SHA-256 of standard output.
    pub stdout: [u8; 32],
    /// The root of the files that it left as output, if it left any.
    pub output: Option<Cid>,
}

impl Outcome {
    /// Whether it says something about the program: whoever executes it again gets the same.
    ///
    /// Frames of compiled code are as large as a processor's compiler makes them. A program can be
    /// written that just fits on one machine, and an honest node must not look like a liar for that.
    pub const fn is_result(&self) -> bool {
        !matches!(self.end, End::Stopped(_) | End::Trap(Trap::Stack))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_the_machine_is_no_result() {
        let is_result = |end| Outcome { end, stdout: [0; 32], output: None }.is_result();
        for end in [End::Exit(0), End::Exit(1), End::Trap(Trap::Fuel), End::Trap(Trap::Growth)] {
            assert!(is_result(end), "{end:?}");
        }
        let stopped = [Stopped::Time, Stopped::Cancelled, Stopped::Node].map(End::Stopped);
        for end in stopped.into_iter().chain([End::Trap(Trap::Stack)]) {
            assert!(!is_result(end), "{end:?}");
        }
    }
}
