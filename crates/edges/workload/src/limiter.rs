//! What an execution may have of memory and tables, and how an error ends it.

use girrona_assembly::run::{End, Stopped, Trap};
use thiserror::Error;
use wasmtime::{PoolConcurrencyLimitError, ResourceLimiter};
use wasmtime_wasi::I32Exit;

use crate::law::{INSTANCES_MAX, MEMORIES_MAX, MEMORY_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};

/// An end that the host decides on, on its way through compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Halt {
    #[error("it ended with {0}")]
    Exit(i32),
    #[error("{0}")]
    Trap(Trap),
    #[error("the node has no more memory to give")]
    Node,
}

/// Counts memory.
#[derive(Debug)]
pub(crate) struct Limiter {
    max: u64,
    now: u64,
    /// The most that there was.
    pub(crate) peak: u64,
}

impl Limiter {
    pub(crate) fn new(max: u64) -> Self {
        Self { max, now: 0, peak: 0 }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Its own limit: the guest is told so. Without one, the most that there is stands here.
        if maximum.is_some_and(|maximum| maximum < MEMORY_MAX && desired > maximum) {
            return Ok(false);
        }
        let grown = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        let total = self.now.saturating_add(grown);
        if total > self.max {
            return Err(Halt::Trap(Trap::Growth).into());
        }
        self.now = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // More than a memory of 32 bits can have is refused before anybody asks above; there is no
        // other sign of it.
        let is_too_much = error.to_string() == "memory growth exceeds memory type's limits";
        Err(if is_too_much { Halt::Trap(Trap::Growth) } else { Halt::Node }.into())
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            return Err(Halt::Trap(Trap::Growth).into());
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Halt::Node.into())
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

/// What an error means. `started` is whether the guest's own code was reached.
pub(crate) fn end(error: &wasmtime::Error, started: bool) -> End {
    use wasmtime::Trap as Code;
    if let Some(halt) = error.downcast_ref::<Halt>() {
        return match *halt {
            Halt::Exit(code) => End::Exit(code),
            Halt::Trap(trap) => End::Trap(trap),
            Halt::Node => End::Stopped(Stopped::Node),
        };
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return End::Exit(exit.0);
    }
    if error.is::<PoolConcurrencyLimitError>() || error.is::<std::io::Error>() {
        return End::Stopped(Stopped::Node);
    }
    let Some(code) = error.downcast_ref::<Code>() else {
        // What a program is was looked at when it was compiled and linked. If it does not even
        // begin, the machine had no room for it.
        return if started { End::Trap(Trap::Other) } else { End::Stopped(Stopped::Node) };
    };
    End::Trap(match code {
        Code::StackOverflow => Trap::Stack,
        Code::MemoryOutOfBounds | Code::HeapMisaligned => Trap::Memory,
        Code::TableOutOfBounds => Trap::Table,
        Code::IndirectCallToNull | Code::BadSignature => Trap::IndirectCall,
        Code::IntegerOverflow => Trap::Overflow,
        Code::IntegerDivisionByZero => Trap::Division,
        Code::BadConversionToInteger => Trap::Conversion,
        Code::UnreachableCodeReached => Trap::Unreachable,
        Code::OutOfFuel => Trap::Fuel,
        Code::Interrupt => return End::Stopped(Stopped::Time),
        _ => Trap::Other,
    })
}
