//! The interpreter: wasmi.
//!
//! Each module gets a wasmi engine of its own, because an engine keeps what it compiled for as long
//! as it lives, and modules come from strangers.

use std::fmt;
use std::sync::Arc;

use wasmi::errors::ErrorKind;
use wasmi::{
    Caller, CompilationMode, Config, Extern, Func, FuncType, Global, Instance, Memory, Module,
    Store, TrapCode, Val, ValType,
};

use crate::abi::{Function, Guest, PARAMS_MAX, Prices, Stopped};
use crate::engine::{Code, Engine, Outcome};
use crate::host::Host;
use crate::instrument::{GAS_EXPORT, Instrumented, MEMORY_EXPORT};
use crate::prepare::{PrepareError, Prepared, Refusal};
use crate::trap::{Fault, Trap};

impl wasmi::errors::HostError for Stopped {}

/// Translates modules to wasmi's own code, in time proportional to their size.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interpreter;

impl Engine for Interpreter {
    fn compile(&self, module: Instrumented) -> Result<Prepared, PrepareError> {
        let engine = wasmi::Engine::new(&config(module.max_stack_height));
        let compiled = Module::new(&engine, &module.wasm)
            .map_err(|error| Refusal::Deserialize(error.to_string()))?;
        Ok(Arc::new(Interpreted {
            engine,
            module: compiled,
            imports: module.imports.iter().map(|import| (*import, type_of(*import))).collect(),
            prices: module.prices,
        }))
    }
}

/// The module's own stack limit must be the one that is hit. It counts every local and operand of
/// every frame but no parameters, which their caller's operands pay for, and frames count at least
/// one when they can recurse; the three locals of metering and the engine's own words per
/// frame come on top.
fn config(max_stack_height: u32) -> Config {
    const BYTES_PER_VALUE: usize = 16;
    const VALUES_PER_FRAME: usize = 64;
    const BYTES_SPARE: usize = 1 << 20;
    let frames = usize::try_from(max_stack_height).unwrap_or(usize::MAX);
    let bytes = frames.saturating_mul(VALUES_PER_FRAME.saturating_mul(BYTES_PER_VALUE));
    let mut config = Config::default();
    config
        .set_max_recursion_depth(frames.saturating_add(16))
        .set_max_stack_height(bytes.saturating_add(BYTES_SPARE))
        // A function is checked again and translated when it is first called, because most of a
        // module never is. Neither refuses anything: the metering pass has validated every body
        // under fewer features than these, and 65,536 slots are enough for all that a body of
        // `limits::BODY_BYTES_MAX` can push.
        .compilation_mode(CompilationMode::Lazy)
        .consume_fuel(false)
        .ignore_custom_sections(true)
        .allow_start_fn(false)
        .floats(false)
        .wasm_mutable_global(true)
        .wasm_sign_extension(true)
        .wasm_bulk_memory(true)
        .wasm_reference_types(true)
        .wasm_saturating_float_to_int(false)
        .wasm_multi_value(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false);
    config
}

/// A module that wasmi has compiled.
struct Interpreted {
    engine: wasmi::Engine,
    module: Module,
    imports: Vec<(Function, FuncType)>,
    prices: Arc<Prices>,
}

impl fmt::Debug for Interpreted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpreted").field("imports", &self.imports.len()).finish_non_exhaustive()
    }
}

impl Code for Interpreted {
    fn run(&self, entry_point: &str, host: &mut dyn Host, gas_limit: u64) -> Outcome {
        let guest = Guest::new(host, Arc::clone(&self.prices), gas_limit);
        let remaining = guest.remaining();
        let mut store = Store::new(&self.engine, Running { guest, inside: None });
        let ended = self.enter(&mut store, entry_point, remaining);
        let left = match store.data().inside {
            Some(inside) => gas_counter(inside.gas, &store),
            None => remaining,
        };
        store.into_data().guest.finish(ended, left)
    }
}

impl Interpreted {
    fn enter(
        &self,
        store: &mut Store<Running<'_>>,
        entry_point: &str,
        gas: i64,
    ) -> Result<(), Trap> {
        let imports: Vec<Extern> =
            self.imports.iter().map(|(function, ty)| import(store, *function, ty)).collect();
        let instance = Instance::new(&mut *store, &self.module, &imports).map_err(not_started)?;
        let counter = instance.get_global(&*store, GAS_EXPORT);
        let memory = instance.get_memory(&*store, MEMORY_EXPORT);
        let (Some(counter), Some(memory)) = (counter, memory) else {
            return Err(Trap::Interpreter("metering is missing".to_owned()));
        };
        counter
            .set(&mut *store, Val::I64(gas))
            .map_err(|error| Trap::Interpreter(error.to_string()))?;
        store.data_mut().inside = Some(Inside { gas: counter, memory });
        let Some(function) = instance.get_func(&*store, entry_point) else {
            return Err(Trap::no_export(entry_point));
        };
        let ty = function.ty(&*store);
        if !ty.params().is_empty() {
            return Err(Fault::UnexpectedSignature.into());
        }
        let mut results: Vec<Val> =
            ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        function.call(&mut *store, &[], &mut results).map_err(trap)
    }
}

/// What a store holds while its module runs.
struct Running<'h> {
    guest: Guest<'h>,
    inside: Option<Inside>,
}

/// Handles into the instance.
#[derive(Clone, Copy)]
struct Inside {
    gas: Global,
    memory: Memory,
}

fn gas_counter(counter: Global, store: impl wasmi::AsContext) -> i64 {
    match counter.get(store) {
        Val::I64(value) => value,
        _ => 0,
    }
}

fn type_of(function: Function) -> FuncType {
    let params = vec![ValType::I32; usize::try_from(function.params()).unwrap_or(0)];
    let results: &[ValType] = if function.returns() { &[ValType::I32] } else { &[] };
    FuncType::new(params, results.iter().copied())
}

/// A host function as wasmi calls it.
fn import(store: &mut Store<Running<'_>>, function: Function, ty: &FuncType) -> Extern {
    let call = move |mut caller: Caller<'_, Running<'_>>, params: &[Val], results: &mut [Val]| {
        call(&mut caller, function, params, results)
    };
    Func::new(store, ty.clone(), call).into()
}

fn call(
    caller: &mut Caller<'_, Running<'_>>,
    function: Function,
    params: &[Val],
    results: &mut [Val],
) -> Result<(), wasmi::Error> {
    let Some(inside) = caller.data().inside else { return Err(wasmi::Error::host(Stopped)) };
    let mut arguments = [0_u32; PARAMS_MAX];
    for (argument, param) in arguments.iter_mut().zip(params) {
        if let Val::I32(value) = param {
            *argument = value.cast_unsigned();
        }
    }
    let arguments = arguments.get(..params.len()).unwrap_or_default();
    let remaining = gas_counter(inside.gas, &*caller);
    let (memory, running) = inside.memory.data_and_store_mut(&mut *caller);
    let reply =
        running.guest.call(function, arguments, memory, remaining).map_err(wasmi::Error::host)?;
    inside
        .gas
        .set(&mut *caller, Val::I64(reply.remaining))
        .map_err(|error| wasmi::Error::new(error.to_string()))?;
    if let Some(result) = results.first_mut() {
        *result = Val::I32(reply.result);
    }
    Ok(())
}

/// Why a module could not be started: its segments do not fit; everything else was looked at before.
/// What wasmi says of it names handles that are counted per process.
fn not_started(error: wasmi::Error) -> Trap {
    match error.kind() {
        ErrorKind::Memory(_) => Trap::data_does_not_fit(),
        ErrorKind::Table(_) | ErrorKind::Instantiation(_) => Trap::elements_do_not_fit(),
        _ => trap(error),
    }
}

/// The trap in the words of Casper's interpreter.
fn trap(error: wasmi::Error) -> Trap {
    let ErrorKind::TrapCode(code) = error.kind() else {
        return Trap::Interpreter(error.to_string());
    };
    let fault = match code {
        TrapCode::UnreachableCodeReached => Fault::Unreachable,
        TrapCode::MemoryOutOfBounds => Fault::MemoryAccessOutOfBounds,
        TrapCode::TableOutOfBounds => Fault::TableAccessOutOfBounds,
        TrapCode::IndirectCallToNull => Fault::ElemUninitialized,
        TrapCode::IntegerDivisionByZero => Fault::DivisionByZero,
        TrapCode::IntegerOverflow => Fault::IntegerOverflow,
        TrapCode::StackOverflow => Fault::StackOverflow,
        TrapCode::BadSignature => Fault::UnexpectedSignature,
        other => return Trap::Interpreter(format!("trap: Code({other:?})")),
    };
    fault.into()
}
