//! Each way to end, with the interpreter's words and gas.

use girrona_engine::NotCompiled;
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Engine, Interpreter, instrument};

use super::{NATIVE, everywhere, everywhere_under};

const GAS: u64 = 1_000_000_000;

fn code(name: &str) -> String {
    format!("Interpreter error: trap: Code({name})")
}

fn body(text: &str) -> String {
    let module = format!(
        "(module (memory 1 2) (table 4 funcref) (elem (i32.const 0) $call $takes)
           (type $none (func)) (func $takes (param i32))
           (func $call (export \"call\") {text}))"
    );
    everywhere(&module, GAS).0
}

#[test]
fn every_trap_has_the_same_name() {
    assert_eq!(body("unreachable"), code("Unreachable"));
    assert_eq!(body("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), code("DivisionByZero"));
    assert_eq!(body("(drop (i64.rem_s (i64.const 1) (i64.const 0)))"), code("DivisionByZero"));
    let overflow = "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))";
    assert_eq!(body(overflow), code("IntegerOverflow"));
    let outside = code("MemoryAccessOutOfBounds");
    assert_eq!(body("(drop (i32.load (i32.const 65533)))"), outside);
    assert_eq!(body("(drop (i64.load offset=0xffffffff (i32.const -1)))"), outside);
    assert_eq!(body("(i32.store8 (i32.const 65536) (i32.const 1))"), outside);
    let copy = "(memory.copy (i32.const 0) (i32.const 65535) (i32.const 2))";
    assert_eq!(body(copy), outside);
    assert_eq!(body("(memory.fill (i32.const 65536) (i32.const 0) (i32.const 1))"), outside);
    assert_eq!(body("(call_indirect (type $none) (i32.const 4))"), code("TableAccessOutOfBounds"));
    assert_eq!(body("(call_indirect (type $none) (i32.const 3))"), code("ElemUninitialized"));
    assert_eq!(body("(call_indirect (type $none) (i32.const 1))"), code("UnexpectedSignature"));
}

#[test]
fn a_module_that_cannot_be_started_fails_alike_and_for_free() {
    let elements = "Interpreter error: elements segment does not fit";
    for (text, words) in [
        (
            r#"(module (memory 1) (data (i32.const 65530) "0123456789") (func (export "call")))"#,
            "Interpreter error: out of bounds memory access",
        ),
        (
            r#"(module (memory 1) (table 2 funcref) (elem (i32.const 1) $a $a)
               (func $a (export "call")))"#,
            elements,
        ),
        (
            r#"(module (memory 1) (table 2 funcref) (elem (i32.const 1) $a $a)
               (data (i32.const 65536) "0") (func $a (export "call")))"#,
            elements,
        ),
    ] {
        assert_eq!(everywhere(text, GAS), (words.to_owned(), 0));
    }
}

#[test]
fn entry_points_that_are_not_there_or_not_callable_are_refused_alike() {
    let law = WasmConfig::default();
    let wasm = wat::parse_str(
        r#"(module (memory (export "memory") 1) (func (export "takes") (param i32))
           (func (export "gives") (result i64) (i64.const 3)))"#,
    )
    .unwrap();
    let run = |name| everywhere_under(&law, &wasm, name, GAS);
    assert_eq!(run("call").0, "Interpreter error: Module doesn't have export call");
    assert_eq!(run("memory").0, "Interpreter error: Module doesn't have export memory");
    assert_eq!(run("takes").0, code("UnexpectedSignature"));
    assert!(run("gives").0.starts_with("CLValue"));
}

/// What was done before a guest ends in a call stays done, and is paid, whatever the way it ends.
#[test]
fn each_way_to_end_in_a_call_has_the_same_words_gas_and_effects() {
    // A key of a URef that nobody knows, one that is known, and a value.
    let text = |then: &str| {
        format!(
            r#"(module
            (import "env" "casper_new_uref" (func $new (param i32 i32 i32)))
            (import "env" "casper_write" (func $write (param i32 i32 i32 i32)))
            (import "env" "casper_read_value" (func $read (param i32 i32 i32) (result i32)))
            (import "env" "casper_ret" (func $ret (param i32 i32)))
            (import "env" "casper_revert" (func $revert (param i32)))
            (import "env" "casper_record_era_info" (func $era (param i32 i32 i32 i32) (result i32)))
            (memory 1)
            (data (i32.const 0) "\02{unknown}\07")
            (data (i32.const 100) "\08\00\00\00\05\00\00\00\00\00\00\00\05")
            (func (export "call")
              (call $new (i32.const 200) (i32.const 100) (i32.const 13))
              {then}))"#,
            unknown = "\\99".repeat(32)
        )
    };
    for (then, ending) in [
        ("", "CLValue"),
        ("(call $write (i32.const 0) (i32.const 34) (i32.const 100) (i32.const 13))", "Forged"),
        (
            "(call $write (i32.const 0) (i32.const 3) (i32.const 100) (i32.const 13))",
            "Deserialization",
        ),
        ("(drop (call $read (i32.const 65530) (i32.const 34) (i32.const 0)))", "Interpreter error"),
        ("(drop (call $read (i32.const -1) (i32.const -1) (i32.const 0)))", "Out of gas"),
        ("(call $ret (i32.const 100) (i32.const 13))", "CLValue"),
        ("(call $ret (i32.const 100) (i32.const 12))", "Expected return value"),
        ("(call $revert (i32.const 65543))", "User error: 7"),
        ("(drop (call $era (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))", "Invalid"),
        ("(unreachable)", "Interpreter error: trap: Code(Unreachable)"),
        ("(drop (i32.rem_u (i32.const 1) (i32.const 0)))", "Interpreter error: trap: Code(Div"),
        ("(loop $again (br $again))", "Out of gas"),
    ] {
        // Every amount of gas at which it could break off.
        for gas in [GAS, 60_000, 30_000, 21_000, 20_999, 10_000, 1_000, 0] {
            let (text, used) = everywhere(&text(then), gas);
            assert!(used <= gas);
            if gas == GAS {
                assert!(text.contains(ending), "{then}: {text}");
            }
        }
    }
}

#[test]
fn an_endless_loop_runs_dry_at_the_same_turn() {
    for gas in [0, 1, 35_000, 1_234_567, 50_000_000] {
        let seen = everywhere(
            r#"(module (memory 1) (global $n (mut i32) (i32.const 0))
               (func (export "call") (loop $again
                 (global.set $n (i32.add (global.get $n) (i32.const 1))) (br $again))))"#,
            gas,
        );
        assert_eq!(seen, ("Out of gas error".to_owned(), gas));
    }
}

#[test]
fn memory_grows_up_to_the_module_s_limit_and_then_says_no() {
    // Reverts with what was answered, so that the answer is seen.
    let grow = |declared: &str, pages: &str| {
        everywhere(
            &format!(
                r#"(module (import "env" "casper_revert" (func $revert (param i32)))
                   (memory {declared}) (func (export "call")
                     (call $revert (i32.add (i32.const 65536)
                       (i32.and (memory.grow (i32.const {pages})) (i32.const 255))))))"#
            ),
            u64::MAX,
        )
        .0
    };
    assert_eq!(grow("1", "63"), "User error: 1");
    for (declared, pages) in [("1", "64"), ("1 2", "2"), ("3", "-1"), ("64", "1")] {
        let refused = grow(declared, pages);
        assert_eq!(refused, "User error: 255");
    }
}

#[test]
fn recursion_meets_the_module_s_own_limit_with_frames_of_any_kind() {
    let many: String = (0..120).map(|n| format!("(local.set {n} (i32.const {n}))")).collect();
    let sum: String = (0..120).map(|n| format!("(local.get {n}) i32.add ")).collect();
    let params = "i32 ".repeat(120);
    let arguments = "(i32.const 7)".repeat(120);
    for text in [
        // Frames that count almost nothing.
        "(func $f (export \"call\") (call $f))".to_owned(),
        // Locals that live across the call.
        format!(
            "(func $f (result i32) (local {}) {many} (call $f) {sum})
             (func (export \"call\") (drop (call $f)))",
            "i32 ".repeat(120)
        ),
        // Arguments that lie on the stack.
        format!(
            "(func $f (param {params}) (call $f {arguments}))
             (func (export \"call\") (call $f {arguments}))"
        ),
    ] {
        let (text, _) = everywhere(&format!("(module (memory 1) {text})"), GAS * 100);
        assert_eq!(text, code("Unreachable"));
    }
}

#[test]
fn a_function_with_many_values_and_a_cheap_frame_stays_within_the_stack() {
    // Products that a compiler may want to keep across the call: they are needed again after it.
    let products: String =
        (3..240).map(|n| format!("(i32.mul (local.get 0) (i32.const {n})) i32.xor ")).collect();
    let text = format!(
        "(module (memory 1) (func $f (param i32) (result i32)
           (i32.const 0) {products}
           (call $f (i32.add (local.get 0) (i32.const 1))) i32.add {products})
         (func (export \"call\") (drop (call $f (i32.const 5)))))"
    );
    assert_eq!(everywhere(&text, GAS * 100).0, code("Unreachable"));
}

#[test]
fn a_frame_that_could_be_too_large_for_its_price_is_not_compiled() {
    let sums = "(local.get 0) i32.xor ".repeat(8_000);
    let text = format!(
        "(module (memory 1) (func $f (param i32) (result i32) (i32.const 0) {sums}
           (call $f (local.get 0)) i32.add)
         (func (export \"call\") (drop (call $f (i32.const 5)))))"
    );
    let module = instrument(&wat::parse_str(text).unwrap(), &WasmConfig::default()).unwrap();
    let reference = Interpreter.compile(module.clone()).unwrap();
    let refused = NATIVE.0.compile_beside(&module, &reference).unwrap_err();
    assert!(matches!(refused, NotCompiled::Shape), "{refused}");
}
