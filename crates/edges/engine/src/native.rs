//! The compiler: wasmtime with Cranelift, set up so that nothing but speed differs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use girrona_vm::abi::Function;
use girrona_vm::{GAS_EXPORT, Instrumented, MEMORY_EXPORT, Prepared};
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;
use wasmtime::{
    Config, Enabled, ExternType, InstanceAllocationStrategy, Linker, Module, OptLevel,
    PoolingAllocationConfig, Strategy, WasmFeatures,
};

use crate::run::{Compiled, Running, link};
use crate::shape::Shape;
use crate::stack::RUN_BYTES;

/// Pages of memory that one instance may have; a law that allows more is left to the interpreter
/// where a module makes use of it.
const PAGES_MAX: u64 = 64;
/// Instances at the same time: the deepest chain of calls on the chain's thread, and some beside it.
/// When all are taken, the interpreter runs.
const INSTANCES_MAX: u32 = 64;

/// Why a module stays with the interpreter. Nobody but the node's log is told.
#[derive(Debug, Error)]
pub enum NotCompiled {
    /// Its shape could make the compiler slow, or its frames large.
    #[error("it could take the compiler too long, or too much stack")]
    Shape,
    /// It may have more memory than an instance has here.
    #[error("it may have {0} pages of memory, instances have {PAGES_MAX}")]
    Memory(u64),
    /// A compile took longer than it may; there are no more of them.
    #[error("compiling took too long")]
    TooSlow,
    /// The compiler refused or broke down.
    #[error("the compiler said: {0}")]
    Compiler(String),
}

/// A compiling engine.
#[derive(Clone)]
pub struct Native {
    linker: Arc<Linker<Running>>,
    runs: Counter,
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").finish_non_exhaustive()
    }
}

impl Native {
    /// A compiler that counts in `runs` how often its code ran.
    ///
    /// # Errors
    /// When the machine has no support for it, or no address space.
    pub fn new(runs: Counter) -> Result<Self, NotCompiled> {
        let engine = wasmtime::Engine::new(&config()).map_err(refused)?;
        let mut linker = Linker::new(&engine);
        for function in Function::all() {
            link(&mut linker, function).map_err(refused)?;
        }
        Ok(Self { linker: Arc::new(linker), runs })
    }

    /// Compiles `module`, of which `reference` is the interpreter's form. Says how many bytes the
    /// machine code takes.
    ///
    /// # Errors
    /// Why there is none; `reference` then is all there is.
    pub fn compile_beside(
        &self,
        module: &Instrumented,
        reference: &Prepared,
    ) -> Result<(Prepared, usize), NotCompiled> {
        let height = module.max_stack_height;
        let shape = Shape::of(module);
        let shape = shape.map_err(|error| NotCompiled::Compiler(error.to_string()))?;
        if !shape.is_for_compiling(height) {
            return Err(NotCompiled::Shape);
        }
        let compiled = Module::new(self.linker.engine(), &module.wasm).map_err(refused)?;
        for export in compiled.exports() {
            if let ExternType::Memory(memory) = export.ty() {
                let pages = memory.maximum().unwrap_or(u64::MAX).max(memory.minimum());
                if pages > PAGES_MAX {
                    return Err(NotCompiled::Memory(pages));
                }
            }
        }
        let export = |name: &str| {
            compiled
                .get_export_index(name)
                .ok_or_else(|| NotCompiled::Compiler(format!("no export {name}")))
        };
        let (gas, memory) = (export(GAS_EXPORT)?, export(MEMORY_EXPORT)?);
        let image = compiled.image_range();
        let bytes = (image.end.addr()).saturating_sub(image.start.addr());
        let code = Compiled {
            module: self.linker.instantiate_pre(&compiled).map_err(refused)?,
            gas,
            memory,
            prices: Arc::clone(&module.prices),
            reference: Arc::clone(reference),
            broken: AtomicBool::new(false),
            runs: self.runs.clone(),
        };
        Ok((Arc::new(code), bytes))
    }
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(INSTANCES_MAX)
        .total_memories(INSTANCES_MAX)
        .total_tables(INSTANCES_MAX)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(4_096)
        .max_memory_size(usize::try_from(PAGES_MAX).unwrap_or(usize::MAX) << 16)
        .max_unused_warm_slots(INSTANCES_MAX)
        // Cheaper to clear by hand than to give back: what a small contract touches. The system
        // tells which pages those are, where it can.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(32 << 10);
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        // Gas is metered by the module itself.
        .consume_fuel(false)
        .max_wasm_stack(RUN_BYTES)
        .async_stack_size(RUN_BYTES)
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(None)
        .memory_init_cow(true)
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(
            WasmFeatures::MUTABLE_GLOBAL
                | WasmFeatures::SIGN_EXTENSION
                | WasmFeatures::BULK_MEMORY
                | WasmFeatures::BULK_MEMORY_OPT
                | WasmFeatures::CALL_INDIRECT_OVERLONG,
            true,
        );
    config
}

fn refused(error: wasmtime::Error) -> NotCompiled {
    NotCompiled::Compiler(format!("{error:#}"))
}
