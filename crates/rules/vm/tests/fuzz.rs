//! Arbitrary bytes as modules, arbitrary instructions as bodies, arbitrary arguments for every host
//! function: no panic, no endless run, no memory beyond what the law allows.
//!
//! Short under `cargo test`; `cargo xtask fuzz SECONDS` goes on for as long as you like.

#[path = "suite/host.rs"]
mod host;
#[path = "suite/programs.rs"]
mod programs;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use bolero::{TypeGenerator, check};
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::abi::Function;
use girrona_vm::{GAS_EXPORT, Interpreter, MEMORY_EXPORT, Trap, prepare, run};
use host::World;
use wasm_encoder::{
    CodeSection, DataSection, ElementSection, Elements, EntityType, ExportKind, ExportSection,
    FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection, MemoryType, Module,
    RefType, TableSection, TableType, TypeSection, ValType,
};

/// Some thousands of turns of a loop: endless ones are many.
const GAS: u64 = 300_000_000;

/// How many modules were refused, and how the others ended.
#[derive(Debug, Default)]
struct Ends {
    refused: AtomicU32,
    well: AtomicU32,
    dry: AtomicU32,
    trapped: AtomicU32,
}

impl Ends {
    /// A fuzz test that never gets inside tests nothing.
    fn have_been_met(&self, well: u32, trapped: u32) {
        let enough = self.well.load(Relaxed) >= well && self.trapped.load(Relaxed) >= trapped;
        assert!(enough, "{self:?}");
    }
}

/// Runs what can be run and checks what must hold of any run.
fn try_module(wasm: &[u8], gas_limit: u64, ends: &Ends) {
    let config = WasmConfig::default();
    let Ok(code) = prepare(wasm, &config, &Interpreter) else {
        ends.refused.fetch_add(1, Relaxed);
        return;
    };
    // An argument without a name can be found by a size of zero.
    let world = World::new().arg("", 7_u64).arg("player", "ana".to_owned()).arg("points", 5_u64);
    let outcome = run(&code, "call", &mut world.clone(), gas_limit);
    assert!(outcome.gas_used <= gas_limit);
    match &outcome.result {
        Err(Trap::OutOfGas) => {
            ends.dry.fetch_add(1, Relaxed);
            assert_eq!(outcome.gas_used, gas_limit);
        }
        Err(trap) => {
            ends.trapped.fetch_add(1, Relaxed);
            let text = trap.to_string();
            assert!(!text.contains("StackOverflow"), "the engine's stack was met before ours");
            assert!(!text.contains("metering is missing"), "{text}");
        }
        Ok(_) => {
            ends.well.fetch_add(1, Relaxed);
        }
    }
    let mut world = world;
    let again = run(&code, "call", &mut world, gas_limit);
    assert_eq!(outcome.gas_used, again.gas_used, "the same code, another price");
}

#[test]
fn arbitrary_bytes_are_refused_or_run() {
    check!().with_max_len(4_096).with_iterations(2_000).for_each(|bytes: &[u8]| {
        try_module(bytes, 100_000_000, &Ends::default());
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend_from_slice(bytes);
        try_module(&module, 100_000_000, &Ends::default());
    });
}

#[test]
fn a_contract_with_some_bytes_changed_is_refused_or_run() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../contracts/wasm/counter.wasm");
    let contract = std::fs::read(path).unwrap();
    let ends = Ends::default();
    check!().with_type::<Vec<(u16, u8)>>().with_iterations(300).for_each(|changes| {
        let mut wasm = contract.clone();
        for (at, byte) in changes.iter().take(1) {
            let at = usize::from(*at) % wasm.len();
            wasm[at] = *byte;
        }
        try_module(&wasm, 10_000_000_000, &ends);
    });
    ends.have_been_met(10, 1);
}

#[test]
fn arbitrary_instructions_are_refused_or_run() {
    let ends = Ends::default();
    // Statements that are whole most of the time, and now and then a byte that is anything.
    check!().with_type::<Vec<(u8, u8)>>().with_iterations(3_000).for_each(|ops| {
        let mut body = Vec::new();
        let mut open = 0_u8;
        for (op, argument) in ops.iter().take(200) {
            let number = [0x41, argument & 0x3f];
            match op {
                0 => body.push(*argument),
                1..32 => {
                    body.extend([0x02 + argument % 2, 0x40]);
                    open += 1;
                }
                32..48 => {
                    body.extend([number[0], number[1], 0x04, 0x40]);
                    open += 1;
                }
                48..96 if open > 0 => {
                    body.push(0x0b);
                    open -= 1;
                }
                96..112 => body.extend([0x0c, argument % (open + 1)]),
                112..136 => body.extend([0x20, 0, 0x0d, argument % (open + 1)]),
                136..144 => body.extend([0x10, 1]),
                144..150 => body.extend([number[0], number[1], 0x11, 1, 0]),
                150..170 => body.extend([number[0], number[1], 0x28, 0, *argument & 0x7f, 0x1a]),
                170..190 => body.extend([number[0], number[1], 0x20, 0, 0x36, 0, 4]),
                190..230 => {
                    body.extend([0x20, 0, number[0], number[1], 0x6a + argument % 15, 0x21, 0]);
                }
                230..234 => body.extend([number[0], 1, 0x40, 0, 0x1a]),
                234..236 => body.push(0x0f),
                236..238 => body.push(0x00),
                _ => body.push(0x01),
            }
        }
        body.extend(vec![0x0b; usize::from(open)]);
        body.push(0x0b);
        try_module(&module_with(&body, &[], Function::Revert), GAS, &ends);
    });
    ends.have_been_met(100, 100);
}

#[test]
fn random_programs_end_within_their_gas() {
    let ends = Ends::default();
    check!().with_type::<(u64, u32)>().with_iterations(500).for_each(|(seed, gas_limit)| {
        let wasm = wat::parse_str(programs::program(*seed)).unwrap();
        try_module(&wasm, u64::from(*gas_limit), &ends);
    });
    assert_eq!(ends.refused.load(Relaxed), 0);
    ends.have_been_met(50, 50);
}

/// One argument for a host function.
#[derive(Clone, Copy, Debug, TypeGenerator)]
enum Argument {
    /// Into the prepared bytes.
    Pointer(u8),
    /// A size that fits there.
    Size(u8),
    /// Near the end of the memory.
    Edge(u8),
    /// Anything.
    Any(u32),
}

impl Argument {
    fn value(self) -> u32 {
        match self {
            Self::Pointer(at) => u32::from(at) * 4,
            Self::Size(size) => u32::from(size % 80),
            Self::Edge(at) => 0x1_0000 - 128 + u32::from(at),
            Self::Any(value) => value,
        }
    }
}

#[test]
fn arbitrary_calls_of_every_host_function_end_well_or_stop_the_guest() {
    let functions: Vec<Function> = Function::all().collect();
    let ends = Ends::default();
    check!().with_type::<(Vec<u8>, Vec<(u8, [Argument; 11])>)>().with_iterations(1_500).for_each(
        |(data, calls)| {
            // One import per module; several calls of it, so that state builds up.
            let Some((first, _)) = calls.first() else { return };
            let function = functions[usize::from(*first) % functions.len()];
            let mut body = Vec::new();
            for (_, arguments) in calls.iter().take(8) {
                for argument in arguments.iter().take(function.params() as usize) {
                    wasm_encoder::Instruction::I32Const(argument.value().cast_signed())
                        .encode_into(&mut body);
                }
                body.extend([0x10, 0x00]);
                if function.returns() {
                    body.push(0x1a);
                }
            }
            body.push(0x0b);
            let data = &data[..data.len().min(1_024)];
            try_module(&module_with(&body, data, function), 1_000_000_000_000, &ends);
        },
    );
}

trait EncodeInto {
    fn encode_into(&self, sink: &mut Vec<u8>);
}

impl EncodeInto for wasm_encoder::Instruction<'_> {
    fn encode_into(&self, sink: &mut Vec<u8>) {
        wasm_encoder::Encode::encode(self, sink);
    }
}

/// A module whose `call` has `body`: two parameters' worth of locals, one import (function 0),
/// itself (function 1), a table and a page of memory that begins with `data`.
fn module_with(body: &[u8], data: &[u8], import: Function) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function(
        vec![ValType::I32; import.params() as usize],
        import.returns().then_some(ValType::I32),
    );
    types.ty().function([], []);
    module.section(&types);
    let mut imports = ImportSection::new();
    imports.import("env", import.name(), EntityType::Function(0));
    module.section(&imports);
    let mut functions = FunctionSection::new();
    functions.function(1);
    module.section(&functions);
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        minimum: 2,
        maximum: Some(2),
        table64: false,
        shared: false,
    });
    module.section(&tables);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    let mut globals = GlobalSection::new();
    globals.global(
        GlobalType { val_type: ValType::I32, mutable: true, shared: false },
        &wasm_encoder::ConstExpr::i32_const(0),
    );
    module.section(&globals);
    let mut exports = ExportSection::new();
    exports.export("call", ExportKind::Func, 1);
    module.section(&exports);
    let mut elements = ElementSection::new();
    elements.active(
        None,
        &wasm_encoder::ConstExpr::i32_const(0),
        Elements::Functions(vec![0, 1].into()),
    );
    module.section(&elements);
    let mut code = CodeSection::new();
    let mut function = wasm_encoder::Function::new([(3, ValType::I32)]);
    function.raw(body.iter().copied());
    code.function(&function);
    module.section(&code);
    let mut segments = DataSection::new();
    segments.active(0, &wasm_encoder::ConstExpr::i32_const(0), data.iter().copied());
    module.section(&segments);
    module.finish()
}

#[test]
fn the_frame_of_these_tests_is_itself_a_good_module() {
    let wasm = module_with(&[0x01, 0x0b], b"data", Function::Revert);
    let code = prepare(&wasm, &WasmConfig::default(), &Interpreter).unwrap();
    let outcome = run(&code, "call", &mut World::new(), GAS);
    assert!(outcome.result.is_ok());
    assert_eq!(outcome.gas_used, 200);
    assert!(GAS_EXPORT.starts_with("girrona:") && MEMORY_EXPORT.starts_with("girrona:"));
}
