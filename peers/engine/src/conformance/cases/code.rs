//! Modules: what is refused, what traps, what an instruction costs.

use std::fmt::Write as _;

use super::{Book, G, named};
use crate::guest::imports;

fn called(body: &str) -> String {
    format!("(module (memory 1) (func (export \"call\") {body}))")
}

pub(super) fn cases(book: &mut Book) {
    refused(book);
    traps(book);
    prices(book);
    host_prices(book);
}

fn refused(book: &mut Book) {
    let mut deploys = Vec::new();
    let table =
        |size: &str| format!("(module (memory 1) (table {size} funcref) (func (export \"call\")))");
    let labels = |count: usize| {
        called(&format!("(block $b (br_table {} (i32.const 0)))", "$b ".repeat(count)))
    };
    let globals = |count: usize| {
        format!(
            "(module (memory 1) {} (func (export \"call\")))",
            "(global i32 (i32.const 0))".repeat(count)
        )
    };
    let params = |count: usize| {
        format!(
            "(module (memory 1) (func (param {})) (func (export \"call\")))",
            "i32 ".repeat(count)
        )
    };
    let locals = |count: usize| called(&format!("(local {})", "i64 ".repeat(count)));
    let modules: Vec<(&str, String)> = vec![
        ("no memory", "(module (func (export \"call\")))".to_owned()),
        ("a memory of 64 pages", "(module (memory 64) (func (export \"call\")))".to_owned()),
        ("a memory of 65 pages", "(module (memory 65) (func (export \"call\")))".to_owned()),
        ("a memory of at most 65", "(module (memory 1 65) (func (export \"call\")))".to_owned()),
        ("an imported memory", "(module (import \"env\" \"memory\" (memory 1)) (func (export \"call\")))".to_owned()),
        ("a start function", "(module (memory 1) (func $s) (start $s) (func (export \"call\")))".to_owned()),
        ("no call", "(module (memory 1) (func (export \"other\")))".to_owned()),
        ("a call that is memory", "(module (memory (export \"call\") 1))".to_owned()),
        ("a call with parameters", "(module (memory 1) (func (export \"call\") (param i32)))".to_owned()),
        ("a call with a result", "(module (memory 1) (func (export \"call\") (result i32) (i32.const 7)))".to_owned()),
        ("an unknown import", "(module (import \"env\" \"casper_nothing\" (func)) (memory 1) (func (export \"call\")))".to_owned()),
        ("another module's import", "(module (import \"wasi\" \"casper_revert\" (func (param i32))) (memory 1) (func (export \"call\")))".to_owned()),
        ("an import of another type", "(module (import \"env\" \"casper_revert\" (func (param i64))) (memory 1) (func (export \"call\")))".to_owned()),
        ("an import with a result", "(module (import \"env\" \"casper_revert\" (func (param i32) (result i32))) (memory 1) (func (export \"call\")))".to_owned()),
        ("an imported global", "(module (import \"env\" \"g\" (global i32)) (memory 1) (func (export \"call\")))".to_owned()),
        ("an imported table", "(module (import \"env\" \"t\" (table 1 funcref)) (memory 1) (func (export \"call\")))".to_owned()),
        ("an import of gas", "(module (import \"env\" \"gas\" (func (param i32))) (memory 1) (func (export \"call\")))".to_owned()),
        ("a table of 4096", table("4096")),
        ("a table of 4097", table("4097")),
        ("a table of at most 4097", table("1 4097")),
        ("256 labels", labels(256)),
        ("257 labels", labels(257)),
        ("258 labels", labels(258)),
        ("256 globals", globals(256)),
        ("257 globals", globals(257)),
        ("256 parameters", params(256)),
        ("257 parameters", params(257)),
        ("490 locals", locals(490)),
        ("510 locals", locals(510)),
        ("a float constant", called("(drop (f64.const 1))")),
        ("float arithmetic", called("(local f32) (drop (f32.add (local.get 0) (local.get 0)))")),
        ("float memory", called("(f64.store (i32.const 8) (f64.load (i32.const 16)))")),
        ("a float local", called("(local f64)")),
        ("a float parameter", "(module (memory 1) (func (param f32)) (func (export \"call\")))".to_owned()),
        ("a float global", "(module (memory 1) (global f32 (f32.const 0)) (func (export \"call\")))".to_owned()),
        ("a conversion to float", called("(local f32) (local.set 0 (f32.convert_i32_s (i32.const 1)))")),
        ("sign extension", called("(drop (i32.extend8_s (i32.const 200)))")),
        ("memory.fill", called("(memory.fill (i32.const 0) (i32.const 1) (i32.const 100))")),
        ("memory.copy", called("(memory.copy (i32.const 0) (i32.const 8) (i32.const 100))")),
        ("saturating conversion", called("(local f32) (drop (i32.trunc_sat_f32_s (local.get 0)))")),
        ("two results", "(module (memory 1) (func (result i32 i32) (i32.const 1) (i32.const 2)) (func (export \"call\")))".to_owned()),
        ("a vector", called("(drop (v128.const i64x2 1 2))")),
        ("a mutable global, exported", "(module (memory 1) (global (export \"g\") (mut i32) (i32.const 0)) (func (export \"call\")))".to_owned()),
        ("two memories", "(module (memory 1) (memory 1) (func (export \"call\")))".to_owned()),
        ("a tail call", "(module (memory 1) (func $f) (func (export \"call\") (return_call $f)))".to_owned()),
        ("data out of bounds", "(module (memory 1) (data (i32.const 65535) \"ab\") (func (export \"call\")))".to_owned()),
        ("elements out of bounds", "(module (memory 1) (table 1 funcref) (func $f) (elem (i32.const 1) $f) (func (export \"call\")))".to_owned()),
    ];
    for (name, text) in modules {
        deploys.push(book.text(name, &text));
    }
    for (name, bytes) in [
        ("no module", &b"no module"[..]),
        ("a header", b"\0asm\x01\0\0\0"),
        ("half a header", b"\0asm"),
        ("another version", b"\0asm\x02\0\0\0"),
        ("one byte", b"\0"),
    ] {
        let session = book.module(bytes.to_vec());
        deploys.push(super::play(name, session));
    }
    // Types that do not fit; the text form would not refuse them either.
    for (name, text) in [
        ("a result that is missing", "(func (result i32)) (func (export \"call\"))"),
        ("an operand that is missing", "(func (export \"call\") (drop))"),
        ("a type that does not fit", "(func (export \"call\") (drop (i32.add (i64.const 1))))"),
        ("an unknown local", "(func (export \"call\") (drop (local.get 3)))"),
        ("an unknown function", "(func (export \"call\") (call 9))"),
        ("an unknown global", "(func (export \"call\") (global.set 3 (i32.const 1)))"),
    ] {
        deploys.push(book.text(name, &format!("(module (memory 1) {text})")));
    }
    book.case("modules", deploys);
}

fn traps(book: &mut Book) {
    let mut deploys = Vec::new();
    for (name, body) in [
        ("unreachable", "(unreachable)"),
        ("division by zero", "(drop (i32.div_s (i32.const 1) (i32.const 0)))"),
        ("remainder by zero", "(drop (i64.rem_u (i64.const 1) (i64.const 0)))"),
        ("division overflows", "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"),
        ("remainder does not", "(drop (i32.rem_s (i32.const 0x80000000) (i32.const -1)))"),
        ("load out of bounds", "(drop (i32.load (i32.const 65533)))"),
        ("load far out of bounds", "(drop (i32.load offset=4294967295 (i32.const -1)))"),
        ("store out of bounds", "(i64.store (i32.const 65529) (i64.const 1))"),
        ("the last byte", "(i32.store8 (i32.const 65535) (i32.const 1))"),
        ("grow", "(drop (memory.grow (i32.const 10)))"),
        ("grow to the end", "(drop (memory.grow (i32.const 63)))"),
        (
            "grow beyond the end",
            "(if (i32.ne (memory.grow (i32.const 64)) (i32.const -1)) (then (unreachable)))",
        ),
        (
            "grow a lot",
            "(if (i32.ne (memory.grow (i32.const 30000)) (i32.const -1)) (then (unreachable)))",
        ),
        ("an early return", "(return) (unreachable)"),
        ("a shift by 33", "(drop (i32.shl (i32.const 1) (i32.const 33)))"),
    ] {
        deploys.push(book.text(name, &called(body)));
    }
    for (name, text) in [
        ("recursion", "(func $f (call $f)) (func (export \"call\") (call $f))"),
        (
            "recursion with locals",
            "(func $f (local i64 i64 i64 i64 i64 i64 i64 i64) (call $f)) (func (export \"call\") (call $f))",
        ),
        (
            "an indirect call",
            "(table 2 funcref) (elem (i32.const 0) $g) (func $g)
             (func (export \"call\") (call_indirect (i32.const 0)))",
        ),
        (
            "an indirect call of nothing",
            "(table 2 funcref) (func (export \"call\") (call_indirect (i32.const 1)))",
        ),
        (
            "an indirect call beyond the table",
            "(table 2 funcref) (func (export \"call\") (call_indirect (i32.const 2)))",
        ),
        (
            "an indirect call of another type",
            "(table 2 funcref) (elem (i32.const 0) $g) (func $g (param i32))
             (func (export \"call\") (call_indirect (i32.const 0)))",
        ),
    ] {
        deploys.push(book.text(name, &format!("(module (memory 1) {text})")));
    }
    for depth in [10, 60, 100, 120, 124, 150, 170, 200, 240, 248, 249, 300, 490, 510] {
        deploys.push(book.text(
            &format!("{depth} calls deep"),
            &format!(
                "(module (memory 1)
                 (func $f (param i32) (if (local.get 0)
                   (then (call $f (i32.sub (local.get 0) (i32.const 1))))))
                 (func (export \"call\") (call $f (i32.const {depth}))))"
            ),
        ));
    }
    for paid in [100_000_000, 3 * G] {
        let mut deep = book.text(
            &format!("recursion for {paid}"),
            "(module (memory 1) (func $f (call $f)) (func (export \"call\") (call $f)))",
        );
        deep = deep.paid(paid);
        deploys.push(deep);
    }
    deploys.push(super::play("spin.wasm", named("spin", super::args! {})).paid(4 * G));
    book.case("traps", deploys);
}

/// Every instruction on integers, each kind in a module of its own.
fn prices(book: &mut Book) {
    let mut deploys = Vec::new();
    for ty in ["i32", "i64"] {
        let mut body = String::new();
        for op in ["clz", "ctz", "popcnt", "eqz"] {
            let _ = writeln!(body, "(drop ({ty}.{op} ({ty}.const 77)))");
        }
        deploys.push(book.text(&format!("{ty}, one operand"), &called(&body)));
        for ops in [
            &["add", "sub"][..],
            &["mul"],
            &["div_s", "div_u", "rem_s", "rem_u"],
            &["and", "or", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr"],
            &["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"],
        ] {
            let mut body = String::new();
            for op in ops {
                let _ = writeln!(body, "(drop ({ty}.{op} ({ty}.const 77) ({ty}.const 5)))");
            }
            deploys.push(book.text(&format!("{ty}, {}", ops[0]), &called(&body)));
        }
        let mut body = String::new();
        for load in ["load", "load8_s", "load8_u", "load16_s", "load16_u"] {
            let _ = writeln!(body, "(drop ({ty}.{load} (i32.const 8)))");
        }
        for store in ["store", "store8", "store16"] {
            let _ = writeln!(body, "({ty}.{store} (i32.const 8) ({ty}.const 1))");
        }
        deploys.push(book.text(&format!("{ty}, memory"), &called(&body)));
    }
    for (name, body) in [
        ("wrap", "(drop (i32.wrap_i64 (i64.const 1)))"),
        (
            "extend",
            "(drop (i64.extend_i32_s (i32.const 1))) (drop (i64.extend_i32_u (i32.const 1)))",
        ),
        (
            "64 bits of 32",
            "(drop (i64.load32_s (i32.const 8))) (drop (i64.load32_u (i32.const 8))) (i64.store32 (i32.const 8) (i64.const 1))",
        ),
        ("select", "(drop (select (i32.const 1) (i32.const 2) (i32.const 0)))"),
        ("nop", "(nop) (nop)"),
        ("locals", "(local i32 i64) (local.set 0 (local.tee 0 (local.get 0)))"),
        ("size of memory", "(drop (memory.size))"),
        ("grow by none", "(drop (memory.grow (i32.const 0)))"),
        ("block", "(block (br 0))"),
        ("block of two", "(block (block (br 1)))"),
        ("block with a condition", "(block (br_if 0 (i32.const 0)) (nop))"),
        ("if", "(if (i32.const 1) (then (nop)) (else (nop) (nop)))"),
        ("else", "(if (i32.const 0) (then (nop)) (else (nop) (nop)))"),
        ("if without else", "(if (i32.const 0) (then (nop)))"),
        (
            "if with a value",
            "(drop (if (result i32) (i32.const 0) (then (i32.const 1)) (else (i32.const 2))))",
        ),
        ("return", "(return)"),
        ("code behind a branch", "(block (br 0) (drop (i32.const 1)) (drop (i32.const 1)))"),
        ("table, first", "(block (block (br_table 0 1 (i32.const 0))) (nop))"),
        ("table, default", "(block (block (br_table 0 1 (i32.const 9))) (nop))"),
        (
            "loop",
            "(local i32) (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 100))))",
        ),
        (
            "loop in a loop",
            "(local i32 i32) (loop (local.set 1 (i32.const 0)) (loop (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 10)))) (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 10))))",
        ),
        ("blocks behind each other", "(block (nop)) (block (nop)) (nop)"),
        ("block with a value", "(drop (block (result i32) (br 0 (i32.const 1))))"),
        (
            "condition with a value",
            "(drop (block (result i32) (drop (br_if 0 (i32.const 1) (i32.const 0))) (i32.const 2)))",
        ),
    ] {
        deploys.push(book.text(name, &called(body)));
    }
    for (name, text) in [
        (
            "globals",
            "(global $g (mut i64) (i64.const 1)) (func (export \"call\") (global.set $g (global.get $g)))",
        ),
        ("a call", "(func $f) (func (export \"call\") (call $f))"),
        (
            "a call with values",
            "(func $f (param i32 i64) (result i64) (local i32) (local.get 1)) (func (export \"call\") (drop (call $f (i32.const 1) (i64.const 2))))",
        ),
        (
            "calls in a loop",
            "(func $f (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))) (func (export \"call\") (local i32) (loop (br_if 0 (i32.lt_u (local.tee 0 (call $f (local.get 0))) (i32.const 100)))))",
        ),
        ("a return in a block", "(func $f (block (return))) (func (export \"call\") (call $f))"),
    ] {
        deploys.push(book.text(name, &format!("(module (memory 1) {text})")));
    }
    // Nothing but gas is compared, so nobody may be refunded by the least charge.
    book.case("prices of instructions", deploys);
}

/// A module for each host function that calls it with arguments of nothing, behind a branch that
/// is not taken: the import itself is accepted. And one that does call it.
fn host_prices(book: &mut Book) {
    let mut deploys = Vec::new();
    for name in imports() {
        let row = crate::guest::row(name);
        let params = "i32 ".repeat(row.0);
        let result = if row.1 { "(result i32)" } else { "" };
        let drop = if row.1 { "drop " } else { "" };
        for (kind, operand) in [("zeros", 0_u32), ("no memory", 70_000)] {
            let operands = format!("(i32.const {operand})").repeat(row.0);
            let call = format!("(call $f {operands})");
            let call = if drop.is_empty() { call } else { format!("(drop {call})") };
            deploys.push(book.text(
                &format!("{name} of {kind}"),
                &format!(
                    "(module (import \"env\" \"casper_{name}\" (func $f (param {params}) {result}))
                     (memory 1) (func (export \"call\") {call}))"
                ),
            ));
        }
    }
    book.case("host functions with nothing", deploys);
}
