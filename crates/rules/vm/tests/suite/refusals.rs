//! Which modules are refused, and in which words.

use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Interpreter, PrepareError, limits, prepare, run};
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, MemorySection, MemoryType,
    Module, TypeSection, ValType,
};

use crate::host::World;
use crate::{PLENTY, prepared, run_text};

/// Why a module is refused.
fn refusal(text: &str) -> String {
    match prepared(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}

/// Refused before anything else, as Casper does: the text that wallets know begins like this.
fn preprocessing(text: &str) -> String {
    let refusal = refusal(text);
    refusal
        .strip_prefix("Wasm preprocessing error: ")
        .unwrap_or_else(|| panic!("{refusal}"))
        .to_owned()
}

#[test]
fn bytes_that_are_no_module_are_refused() {
    for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0", b"\0asm\x02\0\0\0", b"(module)", &[0; 64]] {
        let error = prepare(bytes, &WasmConfig::default(), &Interpreter).unwrap_err();
        assert!(error.to_string().starts_with("Wasm preprocessing error: "), "{bytes:?}: {error}");
    }
}

#[test]
fn a_component_is_no_module() {
    let component = b"\0asm\x0d\0\x01\0";
    assert!(prepare(component, &WasmConfig::default(), &Interpreter).is_err());
}

#[test]
fn a_module_without_a_memory_of_its_own_is_refused() {
    assert_eq!(preprocessing("(module)"), "Memory section should exist");
    assert_eq!(preprocessing("(module (func (export \"call\")))"), "Memory section should exist");
    assert_eq!(
        preprocessing("(module (import \"env\" \"memory\" (memory 1)))"),
        "Memory section should exist"
    );
}

#[test]
fn memory_is_limited_to_what_the_law_allows() {
    assert!(prepared("(module (memory 64 64))").is_ok());
    assert!(prepared("(module (memory 64))").is_ok());
    for (memory, text) in [
        ("(memory 65)", "maximum limit 64 is less than minimum 65"),
        ("(memory 65536)", "maximum limit 64 is less than minimum 65536"),
        ("(memory 1 65)", "Module requested too much memory"),
    ] {
        let refusal = refusal(&format!("(module {memory})"));
        assert_eq!(refusal, format!("Interpreter error: {text}"));
    }
}

#[test]
fn memory_grows_to_its_own_maximum_and_never_past_the_laws() {
    let grown = |memory: &str, pages: u32| {
        let text = format!(
            "(module (memory {memory}) (func (export \"call\")
               (if (i32.ne (memory.grow (i32.const {pages})) (i32.const 1))
                 (then (unreachable)))))"
        );
        run_text(&text, PLENTY).result.is_ok()
    };
    assert!(grown("1", 63));
    assert!(!grown("1", 64));
    assert!(grown("1 4", 3));
    assert!(!grown("1 4", 4));
    assert!(!grown("1", 65_535));
}

#[test]
fn tables_are_limited() {
    let max = limits::TABLE_SIZE_MAX;
    assert!(prepared(&format!("(module (memory 1) (table {max} funcref))")).is_ok());
    assert!(prepared(&format!("(module (memory 1) (table 0 {max} funcref))")).is_ok());
    assert_eq!(
        preprocessing("(module (memory 1) (table 4097 funcref))"),
        "Wasm validation error: initial table size of 4097 exceeds allowed limit of 4096"
    );
    assert_eq!(
        preprocessing("(module (memory 1) (table 0 4097 funcref))"),
        "Wasm validation error: maximum table size of 4097 exceeds allowed limit of 4096"
    );
    preprocessing("(module (memory 1) (table 1 funcref) (table 1 funcref))");
}

#[test]
fn br_tables_are_limited() {
    let with = |targets: usize| {
        format!(
            "(module (memory 1) (func (export \"call\") (br_table {} 0 (i32.const 0))))",
            "0 ".repeat(targets)
        )
    };
    assert!(prepared(&with(256)).is_ok());
    assert_eq!(
        preprocessing(&with(257)),
        "Wasm validation error: maximum br_table size of 257 exceeds allowed limit of 256"
    );
}

#[test]
fn globals_are_limited() {
    let with = |count: usize| {
        format!("(module (memory 1) {})", "(global i32 (i32.const 0))".repeat(count))
    };
    assert!(prepared(&with(256)).is_ok());
    assert_eq!(
        preprocessing(&with(257)),
        "Wasm validation error: declared number of globals (257) exceeds allowed limit of 256"
    );
}

#[test]
fn parameters_are_limited() {
    let with = |count: usize| {
        format!("(module (memory 1) (type (func (param {}))))", "i32 ".repeat(count))
    };
    assert!(prepared(&with(256)).is_ok());
    assert_eq!(
        preprocessing(&with(257)),
        "Wasm validation error: use of a function type with too many parameters (limit of 256 but \
         function declares 257)"
    );
}

#[test]
fn locals_bodies_and_nesting_are_limited() {
    let locals =
        |count: usize| format!("(module (memory 1) (func (local {})))", "i64 ".repeat(count));
    assert!(prepared(&locals(500)).is_ok());
    assert!(preprocessing(&locals(501)).contains("locals of a function (501)"));

    let body = |nops: usize| format!("(module (memory 1) (func {}))", "nop ".repeat(nops));
    assert!(prepared(&body(limits::BODY_BYTES_MAX - 2)).is_ok());
    assert!(preprocessing(&body(limits::BODY_BYTES_MAX)).contains("bytes of a function"));

    let nested = |depth: usize| {
        format!("(module (memory 1) (func {} {}))", "block ".repeat(depth), "end ".repeat(depth))
    };
    assert!(prepared(&nested(512)).is_ok());
    assert!(preprocessing(&nested(513)).contains("nested blocks (513)"));
}

#[test]
fn a_swarm_of_tiny_functions_is_refused() {
    let with = |count: usize, body: &str| {
        let function = format!("(func {body})");
        format!("(module (memory 1) {})", function.repeat(count))
    };
    assert!(prepared(&with(300, "")).is_ok(), "few bytes in all");
    assert!(preprocessing(&with(2_000, "")).contains("40 bytes on average"));
    assert!(preprocessing(&with(10_001, "")).contains("number of functions (10001)"));
    assert!(prepared(&with(2_000, &"nop ".repeat(40))).is_ok());
}

#[test]
fn a_huge_locals_declaration_costs_nothing() {
    // Four billion locals in ten bytes.
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let mut functions = FunctionSection::new();
    functions.function(0);
    module.section(&functions);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    let mut code = CodeSection::new();
    let mut function = Function::new([(u32::MAX, ValType::I64)]);
    function.instructions().end();
    code.function(&function);
    module.section(&code);
    assert!(prepare(&module.finish(), &WasmConfig::default(), &Interpreter).is_err());
}

#[test]
fn a_module_of_more_than_the_limit_is_not_even_read() {
    let bytes = vec![0; limits::MODULE_BYTES_MAX + 1];
    let error = prepare(&bytes, &WasmConfig::default(), &Interpreter).unwrap_err();
    assert!(error.to_string().contains("bytes of a module"), "{error}");
}

#[test]
fn a_start_function_is_refused() {
    let text = "(module (memory 1) (func $f) (start $f))";
    assert_eq!(prepared(text).unwrap_err(), PrepareError::UnsupportedStart);
    assert_eq!(refusal(text), "Unsupported WASM start");
}

#[test]
fn floats_are_refused_in_every_place() {
    for (body, name) in [
        ("f32.const 1 drop", "F32Const"),
        ("f64.const 1 drop", "F64Const"),
        ("i32.const 0 f32.load drop", "F32Load"),
        ("i32.const 0 f64.load drop", "F64Load"),
        ("i32.const 0 i32.const 0 f32.load f32.store", "F32Load"),
        ("f64.const 1 i32.trunc_f64_s drop", "F64Const"),
        ("f64.const 1 i32.trunc_sat_f64_s drop", "F64Const"),
        ("i32.const 1 f32.convert_i32_s drop", "F32ConvertI32S"),
        ("i64.const 1 f64.reinterpret_i64 drop", "F64ReinterpretI64"),
    ] {
        let text = format!("(module (memory 1) (func {body}))");
        assert_eq!(
            preprocessing(&text),
            "Encountered operation forbidden by gas rules. Consult instruction -> metering config \
             map"
        );
        assert!(prepared(&text).unwrap_err().detail().ends_with(&format!(": {name}")), "{name}");
    }
    preprocessing("(module (memory 1) (func (param f32)))");
    preprocessing("(module (memory 1) (func (result f64) unreachable))");
    preprocessing("(module (memory 1) (func (local f64)))");
    preprocessing("(module (memory 1) (global f32 (f32.const 0)))");
    preprocessing("(module (memory 1) (func (block (result f32) unreachable) drop))");
}

#[test]
fn what_came_after_the_first_wasm_is_refused_but_for_the_named_few() {
    for text in [
        // Multi-value.
        "(module (memory 1) (func (result i32 i32) i32.const 1 i32.const 2))",
        "(module (memory 1) (func (block (param) (result i32 i32) unreachable) drop drop))",
        // SIMD.
        "(module (memory 1) (func (param v128)))",
        "(module (memory 1) (func (v128.const i64x2 0 0) drop))",
        // Threads.
        "(module (memory 1 1 shared))",
        "(module (memory 1) (func i32.const 0 i32.atomic.load drop))",
        // Reference types.
        "(module (memory 1) (table 1 externref))",
        "(module (memory 1) (func (param funcref)))",
        "(module (memory 1) (func ref.null func drop))",
        "(module (memory 1) (table 1 funcref) (func (drop (table.size 0))))",
        "(module (memory 1) (func (result i32)
            i32.const 1 i32.const 2 i32.const 0 select (result i32)))",
        // Tail calls.
        "(module (memory 1) (func $f return_call $f))",
        // Memory: more than one, 64 bits, other pages.
        "(module (memory 1) (memory 1))",
        "(module (memory i64 1))",
        "(module (memory 1 (pagesize 1)))",
        // The rest of bulk memory.
        "(module (memory 1) (data $d \"x\")
            (func i32.const 0 i32.const 0 i32.const 0 memory.init $d))",
        "(module (memory 1) (data $d \"x\") (func data.drop $d))",
        "(module (memory 1) (table 1 funcref)
            (func i32.const 0 i32.const 0 i32.const 0 table.copy))",
        // Exceptions, garbage collection, typed references, wide arithmetic.
        "(module (memory 1) (tag))",
        "(module (memory 1) (type (struct)))",
        "(module (memory 1) (type (array i32)))",
        "(module (memory 1) (func i64.const 0 i64.const 0 i64.mul_wide_u drop drop))",
        "(module (memory 1) (global i32 (i32.add (i32.const 1) (i32.const 2))))",
    ] {
        preprocessing(text);
    }
}

#[test]
fn what_todays_compilers_emit_is_accepted() {
    let text = "(module (memory 1) (global (export \"g\") (mut i32) (i32.const 1))
        (func (export \"call\")
          (drop (i32.extend8_s (i32.const 200)))
          (memory.copy (i32.const 0) (i32.const 8) (i32.const 8))
          (memory.fill (i32.const 0) (i32.const 8) (i32.const 8))))";
    assert!(run_text(text, PLENTY).result.is_ok());
}

#[test]
fn a_table_index_written_with_five_bytes_is_accepted() {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let mut functions = FunctionSection::new();
    functions.function(0).function(0);
    module.section(&functions);
    let mut tables = wasm_encoder::TableSection::new();
    tables.table(wasm_encoder::TableType {
        element_type: wasm_encoder::RefType::FUNCREF,
        minimum: 1,
        maximum: Some(1),
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
    let mut exports = ExportSection::new();
    exports.export("call", ExportKind::Func, 1);
    module.section(&exports);
    let mut elements = wasm_encoder::ElementSection::new();
    let members = wasm_encoder::Elements::Functions(vec![0].into());
    elements.active(None, &wasm_encoder::ConstExpr::i32_const(0), members);
    module.section(&elements);
    let mut code = CodeSection::new();
    let mut callee = Function::new([]);
    callee.instructions().nop().end();
    code.function(&callee);
    let mut caller = Function::new([]);
    caller.instructions().i32_const(0);
    caller.raw([0x11, 0x00, 0x80, 0x80, 0x80, 0x80, 0x00]);
    caller.instructions().end();
    code.function(&caller);
    module.section(&code);

    let code = prepare(&module.finish(), &WasmConfig::default(), &Interpreter).unwrap();
    let outcome = run(&code, "call", &mut World::new(), PLENTY);
    assert!(outcome.result.is_ok());
    assert_eq!(outcome.gas_used, 110 + 68_000 + 200);
}

#[test]
fn only_known_functions_of_the_host_can_be_imported() {
    let import = |what: &str| refusal(&format!("(module (import {what}) (memory 1))"));
    assert_eq!(
        import("\"env\" \"casper_nothing\" (func)"),
        "Interpreter error: host module doesn't export function with name casper_nothing"
    );
    assert_eq!(
        import("\"env\" \"gas\" (func (param i32))"),
        "Wasm preprocessing error: Wasm validation error: module imports a non-existent function"
    );
    assert_eq!(
        import("\"env\" \"casper_print\" (func (param i32 i32))"),
        "Interpreter error: host module doesn't export function with name casper_print"
    );
    assert_eq!(
        import("\"wasi\" \"casper_ret\" (func (param i32 i32))"),
        "Interpreter error: Module wasi not found"
    );
    assert_eq!(import("\"env\" \"g\" (global i32)"), "Interpreter error: Export g not found");
    assert_eq!(import("\"env\" \"t\" (table 1 funcref)"), "Interpreter error: Export t not found");
    for (wrong, params, result) in [
        ("(func (param i32 i32) (result i32))", "I32, I32", "Some(I32)"),
        ("(func (param i32))", "I32", "None"),
        ("(func (param i32 i64))", "I32, I64", "None"),
        ("(func)", "", "None"),
    ] {
        assert_eq!(
            import(&format!("\"env\" \"casper_ret\" {wrong}")),
            format!(
                "Interpreter error: Expected function with type Signature {{ params: [{params}], \
                 return_type: {result} }}, but actual type is Signature {{ params: [I32, I32], \
                 return_type: None }} for entry casper_ret"
            )
        );
    }
}

#[test]
fn our_own_names_cannot_be_taken() {
    for name in [girrona_vm::GAS_EXPORT, girrona_vm::MEMORY_EXPORT, "girrona:anything"] {
        assert_eq!(
            preprocessing(&format!("(module (memory 1) (func (export \"{name}\")))")),
            format!("Wasm validation error: the export name {name} is reserved")
        );
    }
}

#[test]
fn a_guest_cannot_reach_the_counters_of_metering() {
    // The next globals after the guest's own are ours; the guest's code may not name them.
    for index in [0, 1] {
        let wasm = format!("(module (memory 1) (func (drop (global.get {index}))))");
        let wasm = wat::parse_str(&wasm);
        if let Ok(wasm) = wasm {
            assert!(prepare(&wasm, &WasmConfig::default(), &Interpreter).is_err());
        }
    }
    let counters = "(module (memory 1) (global i32 (i32.const 0))
        (func i64.const 99 global.set 1))";
    preprocessing(counters);
}

#[test]
fn a_module_without_the_entry_point_fails_when_it_is_run() {
    let outcome = run_text("(module (memory 1))", PLENTY);
    assert_eq!(
        outcome.result.unwrap_err().to_string(),
        "Interpreter error: Module doesn't have export call"
    );
    assert_eq!(outcome.gas_used, 0);
    let outcome = run_text("(module (memory 1) (func (export \"call\") (param i32)))", PLENTY);
    assert!(outcome.result.is_err());
    let outcome =
        run_text("(module (memory 1) (func (export \"call\") (result i32) i32.const 3))", PLENTY);
    assert!(outcome.result.is_ok());
    let outcome = run_text("(module (memory 1) (global (export \"call\") i32 (i32.const 0)))", 9);
    assert!(outcome.result.is_err());
}

#[test]
fn segments_that_do_not_fit_fail_when_the_module_is_run() {
    for text in [
        "(module (memory 1) (data (i32.const 65536) \"x\") (func (export \"call\")))",
        "(module (memory 1) (table 1 funcref) (elem (i32.const 1) $f) (func $f (export \"call\")))",
    ] {
        let outcome = run_text(text, PLENTY);
        let error = outcome.result.unwrap_err().to_string();
        assert!(error.starts_with("Interpreter error: "), "{error}");
        assert_eq!(outcome.gas_used, 0);
    }
}

#[test]
fn segments_that_do_not_fit_are_told_in_the_same_words_every_time() {
    let table = "(module (memory 1) (table 1 funcref) (elem (i32.const 1) $f)
        (func $f) (func (export \"call\")))";
    let memory = "(module (memory 1) (data (i32.const 65535) \"ab\") (func (export \"call\")))";
    for (text, words) in [
        (table, "Interpreter error: elements segment does not fit"),
        (memory, "Interpreter error: out of bounds memory access"),
    ] {
        // The second time the engine has counted on.
        for _ in 0..2 {
            assert_eq!(run_text(text, PLENTY).result.unwrap_err().to_string(), words);
        }
    }
}
