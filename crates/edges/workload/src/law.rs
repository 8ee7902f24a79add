//! What every node has to do alike, because results depend on it; and the engine that does it.
//!
//! A change here, or of wasmtime's version, is a change of what assemblies mean: see
//! `docs/spec/assembly.md`.

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    RegallocAlgorithm, Strategy, WasmFeatures,
};

/// Core instances of one execution: a component may have many.
pub(crate) const INSTANCES_MAX: usize = 64;
/// Memories of one execution.
pub(crate) const MEMORIES_MAX: usize = 8;
/// Bytes of one memory: what addresses of 32 bits reach.
pub(crate) const MEMORY_MAX: usize = 4 << 30;
/// Tables of one execution.
pub(crate) const TABLES_MAX: usize = 32;
/// Elements of one table.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Bytes of stack for compiled code.
const STACK_BYTES: usize = 1 << 20;
/// Bytes of stack for compiled code and the host functions that it calls.
const FIBER_BYTES: usize = 3 << 20;
/// Open files and folders of a module; resources of a component.
pub(crate) const FDS_MAX: usize = 1_024;
/// Files and folders that an execution may have under `/out`.
pub(crate) const FILES_MAX: usize = 4_096;
/// Fuel for a call of WASI preview 1, beside what its bytes take.
pub(crate) const FUEL_PER_CALL: u64 = 100;
/// Bytes that such a call moves for a unit of fuel.
pub(crate) const BYTES_PER_FUEL: u64 = 8;
/// How far the clock moves when it is read, in nanoseconds.
pub(crate) const CLOCK_STEP_NS: u64 = 1_000;
/// Random bytes that may be asked for at a time.
pub(crate) const RANDOM_MAX: u64 = 1 << 20;
/// Bytes of arguments to host functions of a component, strings and lists, for one call.
pub(crate) const HOSTCALL_BYTES: usize = 8 << 20;

/// An engine with room for `workers` executions at the same time.
pub(crate) fn engine(workers: usize) -> wasmtime::Result<Engine> {
    let times = |count: usize| u32::try_from(workers.saturating_mul(count)).unwrap_or(u32::MAX);
    let per = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(times(1))
        .total_core_instances(times(INSTANCES_MAX))
        .total_memories(times(MEMORIES_MAX))
        .total_tables(times(TABLES_MAX))
        .total_stacks(times(1))
        .max_core_instances_per_component(per(INSTANCES_MAX))
        .max_memories_per_component(per(MEMORIES_MAX))
        .max_tables_per_component(per(TABLES_MAX))
        .max_memories_per_module(per(MEMORIES_MAX))
        .max_tables_per_module(per(TABLES_MAX))
        .table_elements(TABLE_ELEMENTS_MAX)
        // The limiter says how much of it; address space costs nothing.
        .max_memory_size(MEMORY_MAX)
        .max_unused_warm_slots(times(1))
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10);
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(FIBER_BYTES)
        .generate_address_map(false)
        .wasm_backtrace_max_frames(None)
        .memory_init_cow(true)
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(features(), true);
    Engine::new(&config)
}

/// What a module may be made of: WebAssembly 2.0 with relaxed vectors, tail calls, several memories
/// and wider constants. No threads, no garbage collection, no memories of 64 bits.
fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::BULK_MEMORY_OPT
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::CALL_INDIRECT_OVERLONG
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::FLOATS
        | WasmFeatures::SIMD
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::COMPONENT_MODEL
}
