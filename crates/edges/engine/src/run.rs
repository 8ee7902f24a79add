//! One run of compiled code.
//!
//! What a guest does wrong ends as in the interpreter. What the engine does wrong (a panic in it,
//! its own stack limit, memory that the system does not give) never becomes an outcome: before the
//! guest's first call the interpreter runs instead, later the node stops its work on the block.

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use girrona_vm::abi::{Function, Guest, Prices, Stopped};
use girrona_vm::{Code, Fault, Host, Outcome, Prepared, Trap};
use prometheus_client::metrics::counter::Counter;
use tracing::error;
use wasmtime::{
    AsContextMut, Caller, Global, InstancePre, Linker, Memory, ModuleExport,
    PoolConcurrencyLimitError, ResourceLimiter, Store, Val,
};

use crate::lend::{Lent, lend};
use crate::stack::Room;

/// A module in machine code.
pub(crate) struct Compiled {
    pub(crate) module: InstancePre<Running>,
    pub(crate) gas: ModuleExport,
    pub(crate) memory: ModuleExport,
    pub(crate) prices: Arc<Prices>,
    /// The same module, interpreted.
    pub(crate) reference: Prepared,
    /// The engine failed here once.
    pub(crate) broken: AtomicBool,
    pub(crate) runs: Counter,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("broken", &self.broken).finish_non_exhaustive()
    }
}

/// What a store holds while its module runs.
pub(crate) struct Running {
    guest: Lent,
    inside: Option<Inside>,
    /// The guest has made a call.
    has_called: bool,
    /// A call is being answered: a panic now is the host's.
    in_host: bool,
    growth: Growth,
}

/// Handles into the instance.
#[derive(Clone, Copy)]
struct Inside {
    gas: Global,
    memory: Memory,
}

/// Why a module stopped early.
enum Halt {
    /// The guest's own doing.
    Guest(Trap),
    /// The engine's.
    Engine(String),
    /// Too many runs at the same time.
    Full,
}

/// How compiled code ended.
enum Ended {
    /// With an outcome: what the engine says and what the gas counter shows.
    Guest(Result<(), Trap>, i64),
    /// The engine failed before or after the guest's first call.
    Engine { why: String, has_called: bool },
    /// Every place for an instance is taken; nothing ran.
    Full,
    /// The host panicked, which is not ours to hide.
    HostPanic(Box<dyn Any + Send>),
}

impl Code for Compiled {
    fn run(&self, entry_point: &str, host: &mut dyn Host, gas_limit: u64) -> Outcome {
        let room = if self.broken.load(Relaxed) { None } else { Room::take() };
        let Some(_room) = room else {
            return self.reference.run(entry_point, host, gas_limit);
        };
        let mut guest = Guest::new(&mut *host, Arc::clone(&self.prices), gas_limit);
        let remaining = guest.remaining();
        match lend(&mut guest, |lent| self.execute(lent, entry_point, remaining)) {
            Ended::Guest(ended, left) => {
                self.runs.inc();
                guest.finish(ended, left)
            }
            Ended::HostPanic(panic) => panic::resume_unwind(panic),
            Ended::Full => {
                drop(guest);
                self.reference.run(entry_point, host, gas_limit)
            }
            Ended::Engine { why, has_called } => {
                error!(why, has_called, "compiled code failed; its module is interpreted now");
                self.broken.store(true, Relaxed);
                if has_called {
                    let trap = Trap::Storage(format!("compiled code failed: {why}"));
                    return guest.finish(Err(trap), remaining);
                }
                drop(guest);
                self.reference.run(entry_point, host, gas_limit)
            }
        }
    }
}

impl Compiled {
    fn execute(&self, guest: Lent, entry_point: &str, gas: i64) -> Ended {
        let running =
            Running { guest, inside: None, has_called: false, in_host: false, growth: Growth };
        let mut store = Store::new(self.module.module().engine(), running);
        store.limiter(|running| &mut running.growth);
        let entered =
            panic::catch_unwind(AssertUnwindSafe(|| self.enter(&mut store, entry_point, gas)));
        let has_called = store.data().has_called;
        match entered {
            Ok(Err(Halt::Engine(why))) => Ended::Engine { why, has_called },
            Ok(Err(Halt::Full)) => Ended::Full,
            Err(panic) if store.data().in_host => Ended::HostPanic(panic),
            Err(panic) => Ended::Engine { why: format!("panic: {}", text_of(&*panic)), has_called },
            Ok(Err(Halt::Guest(trap))) => Ended::Guest(Err(trap), left(&mut store, gas)),
            Ok(Ok(())) => Ended::Guest(Ok(()), left(&mut store, gas)),
        }
    }

    fn enter(&self, store: &mut Store<Running>, entry_point: &str, gas: i64) -> Result<(), Halt> {
        let instance = self.module.instantiate(&mut *store).map_err(not_started)?;
        let counter = instance.get_module_export(&mut *store, &self.gas);
        let memory = instance.get_module_export(&mut *store, &self.memory);
        let (Some(gas_global), Some(memory)) =
            (counter.and_then(|e| e.into_global()), memory.and_then(|e| e.into_memory()))
        else {
            return Err(Halt::Engine("metering is missing".to_owned()));
        };
        gas_global.set(&mut *store, Val::I64(gas)).map_err(halt)?;
        store.data_mut().inside = Some(Inside { gas: gas_global, memory });
        let Some(function) = instance.get_func(&mut *store, entry_point) else {
            return Err(Halt::Guest(Trap::no_export(entry_point)));
        };
        if let Ok(plain) = function.typed::<(), ()>(&*store) {
            return plain.call(&mut *store, ()).map_err(halt);
        }
        let ty = function.ty(&*store);
        if ty.params().len() > 0 {
            return Err(Halt::Guest(Fault::UnexpectedSignature.into()));
        }
        let mut results = vec![Val::I32(0); ty.results().len()];
        function.call(&mut *store, &[], &mut results).map_err(halt)
    }
}

/// Tells a module's limits, which answer -1, from the system's poverty, which must not.
#[derive(Debug)]
struct Growth;

impl ResourceLimiter for Growth {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // More than 4 GiB is refused before anybody asks above; there is no other sign of it.
        let is_too_much = error.to_string() == "memory growth exceeds memory type's limits";
        if is_too_much { Ok(()) } else { Err(error) }
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// What the gas counter shows; all of it when the module never began.
fn left(store: &mut Store<Running>, all: i64) -> i64 {
    store.data().inside.map_or(all, |inside| gas_counter(inside.gas, store))
}

fn gas_counter(counter: Global, store: impl AsContextMut) -> i64 {
    match counter.get(store) {
        Val::I64(value) => value,
        _ => 0,
    }
}

/// Why there is no instance.
fn not_started(error: wasmtime::Error) -> Halt {
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::MemoryOutOfBounds) => Halt::Guest(Trap::data_does_not_fit()),
        Some(wasmtime::Trap::TableOutOfBounds) => Halt::Guest(Trap::elements_do_not_fit()),
        _ => halt(error),
    }
}

/// Sorts what wasmtime says into the guest's doing and the engine's.
fn halt(error: wasmtime::Error) -> Halt {
    use wasmtime::Trap as Code;
    if error.is::<PoolConcurrencyLimitError>() {
        return Halt::Full;
    }
    if error.is::<Stopped>() {
        // `Guest::finish` knows better.
        return Halt::Guest(Fault::Unreachable.into());
    }
    let fault = match error.downcast_ref::<Code>() {
        Some(Code::UnreachableCodeReached) => Fault::Unreachable,
        Some(Code::MemoryOutOfBounds) => Fault::MemoryAccessOutOfBounds,
        Some(Code::TableOutOfBounds) => Fault::TableAccessOutOfBounds,
        Some(Code::IndirectCallToNull) => Fault::ElemUninitialized,
        Some(Code::IntegerDivisionByZero) => Fault::DivisionByZero,
        Some(Code::IntegerOverflow) => Fault::IntegerOverflow,
        Some(Code::BadSignature) => Fault::UnexpectedSignature,
        // The stack limit among them: metering has to be met first.
        _ => return Halt::Engine(format!("{error:#}")),
    };
    Halt::Guest(fault.into())
}

/// Lets modules import `function`.
pub(crate) fn link(linker: &mut Linker<Running>, function: Function) -> wasmtime::Result<()> {
    macro_rules! wrap {
        ($($argument:ident)*) => {
            if function.returns() {
                linker.func_wrap(
                    "env",
                    function.name(),
                    move |caller: Caller<'_, Running>, $($argument: u32),*| {
                        call(caller, function, &[$($argument),*])
                    },
                )
            } else {
                linker.func_wrap(
                    "env",
                    function.name(),
                    move |caller: Caller<'_, Running>, $($argument: u32),*| {
                        call(caller, function, &[$($argument),*]).map(|_| ())
                    },
                )
            }
        };
    }
    let linked = match function.params() {
        1 => wrap!(a),
        2 => wrap!(a b),
        3 => wrap!(a b c),
        4 => wrap!(a b c d),
        5 => wrap!(a b c d e),
        6 => wrap!(a b c d e f),
        7 => wrap!(a b c d e f g),
        8 => wrap!(a b c d e f g h),
        9 => wrap!(a b c d e f g h i),
        10 => wrap!(a b c d e f g h i j),
        11 => wrap!(a b c d e f g h i j k),
        // A module that imports it is interpreted.
        _ => return Ok(()),
    };
    linked.map(|_| ())
}

fn call(
    mut caller: Caller<'_, Running>,
    function: Function,
    arguments: &[u32],
) -> wasmtime::Result<i32> {
    let Some(inside) = caller.data().inside else { return Err(Stopped.into()) };
    let remaining = gas_counter(inside.gas, &mut caller);
    let (memory, running) = inside.memory.data_and_store_mut(&mut caller);
    running.has_called = true;
    running.in_host = true;
    let reply = running.guest.with(|guest| guest.call(function, arguments, memory, remaining));
    running.in_host = false;
    let reply = reply.ok_or(Stopped)??;
    inside.gas.set(&mut caller, Val::I64(reply.remaining))?;
    Ok(reply.result)
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}
