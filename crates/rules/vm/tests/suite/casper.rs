//! Casper's own preparation of a module, as the other side of comparisons: its gas meter and its
//! stack limiter from the crates that Casper 1.5.8 uses, and our answers to host calls.

use std::sync::Arc;

use casper_wasm::elements::{self, Instruction};
use casper_wasm_utils::rules::{MemoryGrowCost, Rules};
use girrona_types::wasm_costs::{OpcodeCosts, WasmConfig};
use girrona_vm::abi::{Function, Guest, Prices};
use girrona_vm::{Host, Outcome, Trap};
use wasmi::{
    AsContext, Caller, Config, Engine, Extern, Func, FuncType, Memory, MemoryType, Module, Store,
    TrapCode, Val, ValType,
};

/// Casper's names for the instructions of our price list.
struct Casper(OpcodeCosts);

impl Rules for Casper {
    fn instruction_cost(&self, instruction: &Instruction) -> Option<u32> {
        use Instruction as I;
        let (costs, flow) = (&self.0, &self.0.control_flow);
        Some(match instruction {
            I::Unreachable => costs.unreachable,
            I::Nop => costs.nop,
            I::Block(_) => flow.block,
            I::Loop(_) => flow.op_loop,
            I::If(_) => flow.op_if,
            I::Else => flow.op_else,
            I::End => flow.end,
            I::Br(_) => flow.br,
            I::BrIf(_) => flow.br_if,
            I::BrTable(table) => {
                let targets = u32::try_from(table.table.len()).ok()?;
                targets * flow.br_table.size_multiplier + flow.br_table.cost
            }
            I::Return => flow.op_return,
            I::Call(_) => flow.call,
            I::CallIndirect(..) => flow.call_indirect,
            I::Drop => flow.drop,
            I::Select => flow.select,
            I::CurrentMemory(_) => costs.current_memory,
            I::GrowMemory(_) => costs.grow_memory,
            other => {
                let text = format!("{other:?}");
                match text.split('(').next()? {
                    "GetLocal" | "SetLocal" | "TeeLocal" => costs.local,
                    "GetGlobal" | "SetGlobal" => costs.global,
                    "I32Const" | "I64Const" => costs.op_const,
                    "I32WrapI64" | "I64ExtendSI32" | "I64ExtendUI32" => costs.conversion,
                    float if float.contains("F32") || float.contains("F64") => return None,
                    load if load.contains("Load") => costs.load,
                    store if store.contains("Store") => costs.store,
                    int => match &int[3..] {
                        "Add" | "Sub" => costs.add,
                        "Mul" => costs.mul,
                        "DivS" | "DivU" | "RemS" | "RemU" => costs.div,
                        "Clz" | "Ctz" | "Popcnt" | "And" | "Or" | "Xor" | "Shl" | "ShrS"
                        | "ShrU" | "Rotl" | "Rotr" => costs.bit,
                        _ => costs.integer_comparison,
                    },
                }
            }
        })
    }

    fn memory_grow_cost(&self) -> Option<MemoryGrowCost> {
        std::num::NonZeroU32::new(self.0.grow_memory).map(MemoryGrowCost::Linear)
    }
}

/// Prepares a module as Casper does; `None` where it refuses.
fn prepare(wasm: &[u8], config: &WasmConfig) -> Option<Vec<u8>> {
    let module: elements::Module = casper_wasm::deserialize_buffer(wasm).ok()?;
    let module = casper_wasm_utils::externalize_mem(module, None, config.max_memory);
    let rules = Casper(config.opcode_costs);
    let module = casper_wasm_utils::inject_gas_counter(module, &rules, "env").ok()?;
    let module =
        casper_wasm_utils::stack_height::inject_limiter(module, config.max_stack_height).ok()?;
    elements::serialize(module).ok()
}

struct Running<'h> {
    guest: Guest<'h>,
    remaining: i64,
    memory: Memory,
}

/// Runs a module as Casper would; `None` where Casper refuses it.
pub(crate) fn run(
    wasm: &[u8],
    entry_point: &str,
    host: &mut dyn Host,
    gas_limit: u64,
) -> Option<Outcome> {
    let config = WasmConfig::default();
    let wasm = prepare(wasm, &config)?;
    let mut engine_config = Config::default();
    engine_config.set_max_recursion_depth(2_000);
    let engine = Engine::new(&engine_config);
    let module = Module::new(&engine, &wasm).unwrap();

    let prices = Arc::new(Prices::new(&config.host_function_costs));
    let guest = Guest::new(host, prices, gas_limit);
    let remaining = guest.remaining();
    let ty = module.imports().find_map(|import| import.ty().memory().copied()).unwrap();
    let memory = {
        let mut outside = Store::new(&engine, ());
        Memory::new(&mut outside, MemoryType::new(0, Some(0))).unwrap()
    };
    let mut store = Store::new(&engine, Running { guest, remaining, memory });
    store.data_mut().memory = Memory::new(&mut store, ty).unwrap();
    let imports: Vec<Extern> = module
        .imports()
        .map(|import| match import.name() {
            "memory" => store.data().memory.into(),
            "gas" => gas(&mut store),
            name => host_function(&mut store, Function::named(name).unwrap()),
        })
        .collect();
    let ended = wasmi::Instance::new(&mut store, &module, &imports).and_then(|instance| {
        let function = instance.get_func(&store, entry_point).unwrap();
        function.call(&mut store, &[], &mut [])
    });
    let ended = ended.map_err(|error| {
        let name = match error.as_trap_code() {
            Some(TrapCode::UnreachableCodeReached) => "Unreachable",
            Some(TrapCode::MemoryOutOfBounds) => "MemoryAccessOutOfBounds",
            Some(TrapCode::IntegerDivisionByZero) => "DivisionByZero",
            Some(TrapCode::IntegerOverflow) => "IntegerOverflow",
            _ => return Trap::Host(error.to_string()),
        };
        Trap::Interpreter(format!("trap: Code({name})"))
    });
    let running = store.into_data();
    Some(running.guest.finish(ended, running.remaining))
}

/// `env.gas`, which Casper's meter calls at the start of each region.
fn gas(store: &mut Store<Running<'_>>) -> Extern {
    let ty = FuncType::new([ValType::I32], []);
    Func::new(store, ty, |mut caller: Caller<'_, Running<'_>>, params: &[Val], _: &mut [Val]| {
        let Val::I32(amount) = params[0] else { unreachable!() };
        let running = caller.data_mut();
        running.remaining -= i64::from(amount.cast_unsigned());
        match running.remaining {
            0.. => Ok(()),
            _ => Err(wasmi::Error::new("dry")),
        }
    })
    .into()
}

fn host_function(store: &mut Store<Running<'_>>, function: Function) -> Extern {
    let params = vec![ValType::I32; function.params() as usize];
    let results = function.returns().then_some(ValType::I32);
    let call = move |mut caller: Caller<'_, Running<'_>>, params: &[Val], results: &mut [Val]| {
        let arguments: Vec<u32> = params
            .iter()
            .map(|param| match param {
                Val::I32(value) => value.cast_unsigned(),
                _ => unreachable!(),
            })
            .collect();
        let memory = caller.as_context().data().memory;
        let (bytes, running) = memory.data_and_store_mut(&mut caller);
        let reply = running
            .guest
            .call(function, &arguments, bytes, running.remaining)
            .map_err(|stopped| wasmi::Error::new(stopped.to_string()))?;
        running.remaining = reply.remaining;
        if let Some(result) = results.first_mut() {
            *result = Val::I32(reply.result);
        }
        Ok(())
    };
    Func::new(store, FuncType::new(params, results), call).into()
}
