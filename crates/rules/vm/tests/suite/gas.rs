//! What instructions cost, by hand.

use girrona_vm::Trap;

use crate::{PLENTY, run_text};

const CONST: u64 = 110;
const DROP: u64 = 440;
const LOCAL: u64 = 390;

/// A module whose `call` has `body`, with something of everything around it.
fn module(body: &str) -> String {
    format!(
        "(module (memory 1) (table 2 funcref) (elem (i32.const 0) $nop)
           (global $g (mut i32) (i32.const 0)) (type $void (func))
           (func $nop nop)
           (func (export \"call\") (local $a i32) (local $b i64) {body}))"
    )
}

/// The gas of a body that ends well.
fn gas(body: &str) -> u64 {
    let outcome = run_text(&module(body), PLENTY);
    assert!(outcome.result.is_ok(), "{body}: {:?}", outcome.result);
    outcome.gas_used
}

#[test]
fn nothing_costs_nothing() {
    assert_eq!(gas(""), 0);
}

#[test]
fn each_operation_on_two_numbers_has_the_price_of_its_group() {
    let groups: &[(u64, &[&str])] = &[
        (210, &["add", "sub"]),
        (240, &["mul"]),
        (320, &["div_s", "div_u", "rem_s", "rem_u"]),
        (300, &["and", "or", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr"]),
        (250, &["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"]),
    ];
    for (price, names) in groups {
        for name in *names {
            for ty in ["i32", "i64"] {
                let body = format!("{ty}.const 7 {ty}.const 2 {ty}.{name} drop");
                assert_eq!(gas(&body), 2 * CONST + price + DROP, "{body}");
            }
        }
    }
}

#[test]
fn each_operation_on_one_number_has_the_price_of_its_group() {
    let groups: &[(u64, &[&str])] = &[
        (300, &["i32.clz", "i32.ctz", "i32.popcnt", "i64.clz", "i64.ctz", "i64.popcnt"]),
        (250, &["i32.eqz", "i64.eqz"]),
        (420, &["i32.wrap_i64", "i64.extend_i32_s", "i64.extend_i32_u"]),
        (
            420,
            &[
                "i32.extend8_s",
                "i32.extend16_s",
                "i64.extend8_s",
                "i64.extend16_s",
                "i64.extend32_s",
            ],
        ),
    ];
    for (price, names) in groups {
        for name in *names {
            let takes_i64 =
                name.ends_with("wrap_i64") || (name.starts_with("i64") && !name.contains("_i32_"));
            let ty = if takes_i64 { "i64" } else { "i32" };
            let body = format!("{ty}.const 7 {name} drop");
            assert_eq!(gas(&body), CONST + price + DROP, "{body}");
        }
    }
}

#[test]
fn each_access_to_memory_locals_and_globals_has_its_price() {
    for load in [
        "i32.load",
        "i32.load8_s",
        "i32.load8_u",
        "i32.load16_s",
        "i32.load16_u",
        "i64.load",
        "i64.load8_s",
        "i64.load8_u",
        "i64.load16_s",
        "i64.load16_u",
        "i64.load32_s",
        "i64.load32_u",
    ] {
        assert_eq!(gas(&format!("i32.const 0 {load} drop")), CONST + 2_500 + DROP, "{load}");
    }
    for store in [
        "i32.store",
        "i32.store8",
        "i32.store16",
        "i64.store",
        "i64.store8",
        "i64.store16",
        "i64.store32",
    ] {
        let ty = &store[..3];
        let body = format!("i32.const 0 {ty}.const 1 {store}");
        assert_eq!(gas(&body), 2 * CONST + 4_700, "{store}");
    }
    assert_eq!(gas("local.get $a drop"), LOCAL + DROP);
    assert_eq!(gas("i32.const 1 local.set $a"), CONST + LOCAL);
    assert_eq!(gas("i32.const 1 local.tee $a drop"), CONST + LOCAL + DROP);
    assert_eq!(gas("global.get $g drop"), 390 + DROP);
    assert_eq!(gas("i32.const 1 global.set $g"), CONST + 390);
    assert_eq!(gas("i32.const 1 i32.const 2 i32.const 0 select drop"), 3 * CONST + 440 + DROP);
    assert_eq!(gas("nop nop"), 400);
}

#[test]
fn memory_costs_for_what_is_asked_of_it() {
    assert_eq!(gas("memory.size drop"), 290 + DROP);
    for pages in [0, 1, 5, 63] {
        let body = format!("i32.const {pages} memory.grow drop");
        assert_eq!(gas(&body), CONST + 240_000 + 240_000 * pages + DROP, "{body}");
    }
    // Asking for more than there can be costs the same for each page and fails.
    assert_eq!(gas("i32.const 1000 memory.grow drop"), CONST + 240_000 * 1_001 + DROP);
    // Casper multiplies in 32 bits.
    let wrapped = u64::from(65_536_u32.wrapping_mul(240_000));
    assert_eq!(gas("i32.const 65536 memory.grow drop"), CONST + 240_000 + wrapped + DROP);
    for bytes in [0, 1, 10, 4_096] {
        for op in ["memory.copy", "memory.fill"] {
            let body = format!("i32.const 0 i32.const 8 i32.const {bytes} {op}");
            assert_eq!(gas(&body), 3 * CONST + 7_200 + 900 * bytes, "{body}");
        }
    }
}

#[test]
fn four_gibibytes_of_bulk_memory_are_charged_before_the_trap() {
    let body = module("i32.const 0 i32.const 0 i32.const -1 memory.fill");
    let asked = 3 * CONST + 7_200 + 900 * u64::from(u32::MAX);
    let poor = run_text(&body, asked - 1);
    assert!(matches!(poor.result, Err(Trap::OutOfGas)));
    assert_eq!(poor.gas_used, asked - 1);
    let rich = run_text(&body, asked);
    assert_eq!(
        rich.result.unwrap_err().to_string(),
        "Interpreter error: trap: Code(MemoryAccessOutOfBounds)"
    );
    assert_eq!(rich.gas_used, asked);
}

#[test]
fn control_flow_pays_for_what_runs() {
    assert_eq!(gas("block end"), 440);
    assert_eq!(gas("loop end"), 440);
    assert_eq!(gas("i32.const 1 if nop end"), CONST + 440 + 200);
    assert_eq!(gas("i32.const 0 if nop end"), CONST + 440);
    assert_eq!(gas("i32.const 1 if nop else nop nop end nop"), CONST + 440 + 200 + 200);
    assert_eq!(gas("i32.const 0 if nop else nop nop end nop"), CONST + 440 + 400 + 200);
    assert_eq!(gas("block br 0 nop end nop"), 440 + 35_000 + 200);
    assert_eq!(gas("block i32.const 1 br_if 0 nop end nop"), 440 + CONST + 35_000 + 200);
    assert_eq!(gas("block i32.const 0 br_if 0 nop end nop"), 440 + CONST + 35_000 + 400);
    assert_eq!(gas("block i32.const 1 br_table 0 0 0 nop end"), 440 + CONST + 35_000 + 2 * 100);
    assert_eq!(gas("return nop"), 440);
    assert_eq!(gas("call $nop"), 68_000 + 200);
    assert_eq!(gas("i32.const 0 call_indirect (type $void)"), CONST + 68_000 + 200);
}

#[test]
fn a_loop_pays_for_each_turn() {
    let turn = LOCAL + CONST + 210 + LOCAL + CONST + 250 + 35_000;
    let body = "loop local.get $a i32.const 1 i32.add local.tee $a
                i32.const 10 i32.lt_u br_if 0 end";
    assert_eq!(gas(body), 440 + 10 * turn);
}

#[test]
fn a_trap_pays_for_its_whole_region() {
    let outcome = run_text(&module("i32.const 1 i32.const 0 i32.div_u drop nop"), PLENTY);
    assert_eq!(
        outcome.result.unwrap_err().to_string(),
        "Interpreter error: trap: Code(DivisionByZero)"
    );
    assert_eq!(outcome.gas_used, 2 * CONST + 320 + DROP + 200);

    let outcome = run_text(&module("nop unreachable nop nop"), PLENTY);
    assert_eq!(
        outcome.result.unwrap_err().to_string(),
        "Interpreter error: trap: Code(Unreachable)"
    );
    assert_eq!(outcome.gas_used, 200 + 270 + 400);
}

#[test]
fn the_limit_is_exact() {
    let body = module("block i32.const 1 br_if 0 nop end call $nop i32.const 2 memory.grow drop");
    let whole = run_text(&body, PLENTY).gas_used;
    assert_eq!(whole, 440 + 110 + 35_000 + 68_000 + 200 + 110 + 3 * 240_000 + 440);
    let exact = run_text(&body, whole);
    assert!(exact.result.is_ok());
    assert_eq!(exact.gas_used, whole);
    for limit in [0, 1, 439, 35_549, 35_550, 103_549, 343_000, whole - 1] {
        let short = run_text(&body, limit);
        assert!(matches!(short.result, Err(Trap::OutOfGas)), "{limit}: {:?}", short.result);
        assert_eq!(short.gas_used, limit, "out of gas costs the limit");
    }
}

#[test]
fn a_limit_beyond_the_counter_is_as_good_as_none() {
    for limit in [i64::MAX.unsigned_abs(), u64::MAX] {
        let outcome = run_text(&module("nop"), limit);
        assert!(outcome.result.is_ok());
        assert_eq!(outcome.gas_used, 200);
    }
}

#[test]
fn a_host_function_costs_its_price_weighted_by_its_arguments() {
    let module = "(module (import \"env\" \"casper_blake2b\"
                     (func $blake2b (param i32 i32 i32 i32) (result i32)))
        (memory 1)
        (func (export \"call\")
          (drop (call $blake2b (i32.const 0) (i32.const 100) (i32.const 200) (i32.const 32)))))";
    let outcome = run_text(module, PLENTY);
    assert!(outcome.result.is_ok());
    let host = 1_200_000 + 100 * 120_000;
    assert_eq!(outcome.gas_used, 4 * CONST + 68_000 + DROP + host);

    let short = run_text(module, outcome.gas_used - 1);
    assert!(matches!(short.result, Err(Trap::OutOfGas)));
    assert_eq!(short.gas_used, outcome.gas_used - 1);
}
