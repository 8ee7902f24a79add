//! The limit on the height of the stack: Casper's count, and always ours before the engine's.

use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Interpreter, prepare, run};

use crate::host::World;
use crate::{PLENTY, casper, run_text};

const OVERFLOW: &str = "Interpreter error: trap: Code(Unreachable)";

fn recursion(depth: i32, locals: usize) -> String {
    let locals = "i32 ".repeat(locals);
    format!(
        "(module (memory 1)
           (func $down (param i32) (result i32) (local {locals})
             (if (result i32) (i32.eqz (local.get 0))
               (then (i32.const 7))
               (else (i32.add (i32.const 1)
                              (call $down (i32.sub (local.get 0) (i32.const 1)))))))
           (func (export \"call\") (drop (call $down (i32.const {depth})))))"
    )
}

#[test]
fn a_recursion_ends_where_caspers_limiter_ends_it() {
    let mut deepest = Vec::new();
    for locals in [0, 1, 7, 40] {
        let mut last = 0;
        for depth in 0..170 {
            let text = recursion(depth, locals);
            let wasm = wat::parse_str(&text).unwrap();
            let there = casper::run(&wasm, "call", &mut World::new(), PLENTY).unwrap();
            let here = run_text(&text, PLENTY);
            assert_eq!(here.gas_used, there.gas_used, "depth {depth}, {locals} locals");
            match here.result {
                Ok(_) => {
                    assert!(there.result.is_ok(), "depth {depth}, {locals} locals");
                    last = depth;
                }
                Err(trap) => {
                    assert_eq!(trap.to_string(), OVERFLOW);
                    assert_eq!(there.result.unwrap_err().to_string(), OVERFLOW);
                }
            }
        }
        deepest.push(last);
    }
    // Each limit was really met, and more locals mean fewer frames.
    assert!(deepest.is_sorted_by(|a, b| a > b) && deepest[0] < 169, "{deepest:?}");
}

#[test]
fn one_frame_may_have_as_many_values_as_the_limit_and_no_more() {
    // One local more is one value more; the price of the region is a value too.
    let with = |locals: usize| {
        let locals = "i64 ".repeat(locals);
        format!("(module (memory 1) (func (export \"call\") (local {locals}) nop))")
    };
    assert!(run_text(&with(499), PLENTY).result.is_ok());
    assert_eq!(run_text(&with(500), PLENTY).result.unwrap_err().to_string(), OVERFLOW);
}

#[test]
fn endless_recursion_of_any_shape_ends_at_the_logical_limit() {
    let wide = "i64 ".repeat(256);
    let args = "(i64.const 1) ".repeat(256);
    let deep = "(i32.const 1) ".repeat(300);
    let drops = "drop ".repeat(300);
    for function in [
        "(func $f (call $f))".to_owned(),
        "(func $f (block (block (call $f))))".to_owned(),
        "(func $f (call_indirect (i32.const 0)))".to_owned(),
        format!("(func $f (call $g {args})) (func $g (param {wide}) (call $f))"),
        format!("(func $f {deep} (call $f) {drops})"),
        "(func $f (return (call $f)))".to_owned(),
        "(func $f (if (i32.const 1) (then (call $f) (return)) (else nop)))".to_owned(),
    ] {
        let text = format!(
            "(module (memory 1) (table 1 funcref) (elem (i32.const 0) $f) {function}
               (func (export \"call\") (call $f)))"
        );
        let outcome = run_text(&text, PLENTY);
        assert_eq!(outcome.result.unwrap_err().to_string(), OVERFLOW, "{text}");
    }
}

#[test]
fn an_endless_recursion_that_costs_nothing_ends_too() {
    let mut config = WasmConfig::default();
    let free: girrona_types::wasm_costs::OpcodeCosts = {
        let mut costs = config.opcode_costs;
        costs.control_flow.call = 0;
        costs
    };
    config.opcode_costs = free;
    let wasm = wat::parse_str(
        "(module (memory 1) (func $f (call $f)) (func (export \"call\") (call $f)))",
    )
    .unwrap();
    let code = prepare(&wasm, &config, &Interpreter).unwrap();
    let outcome = run(&code, "call", &mut World::new(), PLENTY);
    assert_eq!(outcome.result.unwrap_err().to_string(), OVERFLOW);
}

#[test]
fn frames_are_given_back_on_every_way_out() {
    for way_out in [
        "nop",
        "return",
        "(br 0)",
        "(block (br 1))",
        "(loop (br_if 1 (i32.const 1)))",
        "(br_table 0 0 (i32.const 1))",
        "(block (block (return)))",
        "(if (i32.const 1) (then (return)) (else nop))",
    ] {
        // A leaf and a function that calls; a thousand calls, each with a frame of 100 values.
        let locals = "i32 ".repeat(99);
        let text = format!(
            "(module (memory 1)
               (func $leaf (local {locals}) {way_out})
               (func $caller (local {locals}) (call $leaf) {way_out})
               (func (export \"call\") (local $i i32)
                 (loop
                   (call $leaf) (call $caller)
                   (local.set $i (i32.add (local.get $i) (i32.const 1)))
                   (br_if 0 (i32.lt_u (local.get $i) (i32.const 1000))))))"
        );
        let outcome = run_text(&text, PLENTY);
        assert!(outcome.result.is_ok(), "{way_out}: {:?}", outcome.result);
    }
}

#[test]
fn growing_memory_needs_room_for_three_values_as_in_casper() {
    for locals in 490..=500 {
        let text = format!(
            "(module (memory 1) (func (export \"call\") (local {})
               (drop (memory.grow (i32.const 1)))))",
            "i32 ".repeat(locals)
        );
        let wasm = wat::parse_str(&text).unwrap();
        let there = casper::run(&wasm, "call", &mut World::new(), PLENTY).unwrap();
        let here = run_text(&text, PLENTY);
        assert_eq!(here.gas_used, there.gas_used, "{locals}");
        assert_eq!(here.result.is_ok(), there.result.is_ok(), "{locals}");
        assert_eq!(here.result.is_ok(), locals <= 496, "{locals}");
    }
}
