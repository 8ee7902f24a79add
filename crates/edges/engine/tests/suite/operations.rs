//! Every operation on every pair of edge values, as constants and as locals: the result lies in
//! memory, and a hash of the memory is what the module returns.

use girrona_types::wasm_costs::WasmConfig;

use super::everywhere_under;

const EDGES: [i64; 13] =
    [0, 1, 2, 7, 31, 32, 33, 63, 64, -1, 0x7fff_ffff, i32::MIN as i64, 0x0123_4567_89ab_cdef];
const BINARY: [&str; 25] = [
    "add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor", "shl", "shr_s",
    "shr_u", "rotl", "rotr", "eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s",
    "ge_u",
];
const UNARY: [(&str, &str, bool); 13] = [
    ("i32", "i32.eqz", false),
    ("i32", "i32.clz", false),
    ("i32", "i32.ctz", false),
    ("i32", "i32.popcnt", false),
    ("i32", "i32.extend8_s", false),
    ("i32", "i32.extend16_s", false),
    ("i64", "i32.wrap_i64", false),
    ("i64", "i64.clz", true),
    ("i64", "i64.ctz", true),
    ("i64", "i64.popcnt", true),
    ("i64", "i64.extend8_s", true),
    ("i64", "i64.extend16_s", true),
    ("i64", "i64.extend32_s", true),
];

fn edges(ty: &str) -> Vec<i64> {
    let mut edges = EDGES.to_vec();
    edges.extend([i64::MIN, i64::MAX]);
    if ty == "i32" {
        edges.retain(|edge| i32::try_from(*edge).is_ok());
    }
    edges
}

/// Both ways to have a value: a constant, and a local that was set before.
fn forms(ty: &str, value: i64, local: &str) -> [(String, String); 2] {
    let constant = format!("({ty}.const {value})");
    let set = format!("(local.set ${local}_{ty} {constant})");
    [(String::new(), constant), (set, format!("(local.get ${local}_{ty})"))]
}

/// Runs statements that leave results in memory, on both engines; the hash is compared there.
fn compare(statements: &[String]) {
    let mut law = WasmConfig::default();
    law.host_function_costs.get_mut("blake2b").unwrap().arguments.clear();
    // Functions have a largest size.
    let functions: String = statements
        .chunks(200)
        .enumerate()
        .map(|(at, chunk)| {
            format!(
                "(func $part{at} (local $a_i32 i32) (local $b_i32 i32) (local $a_i64 i64)
                 (local $b_i64 i64) {})\n",
                chunk.concat()
            )
        })
        .collect();
    let calls: String =
        (0..statements.len().div_ceil(200)).map(|at| format!("(call $part{at})")).collect();
    let text = format!(
        r#"(module
        (import "env" "casper_blake2b" (func $hash (param i32 i32 i32 i32) (result i32)))
        (import "env" "casper_ret" (func $ret (param i32 i32)))
        (memory 4) {functions}
        (func (export "call") {calls}
          (i32.store (i32.const 0) (i32.const 32))
          (drop (call $hash (i32.const 64) (i32.const 0x30000) (i32.const 4) (i32.const 32)))
          (i32.store8 (i32.const 36) (i32.const 15))
          (i32.store (i32.const 37) (i32.const 32))
          (call $ret (i32.const 0) (i32.const 41))))"#
    );
    let wasm = wat::parse_str(text).unwrap();
    let (ending, _) = everywhere_under(&law, &wasm, "call", 1_000_000_000_000);
    assert!(ending.starts_with("CLValue"), "{ending}");
}

fn store(at: usize, is_i64: bool, value: &str) -> String {
    // An i32 is widened, so that all 64 bits of a register are seen.
    let value = if is_i64 { value.to_owned() } else { format!("(i64.extend_i32_u {value})") };
    format!("(i64.store (i32.const {}) {value})\n", 64 + at * 8)
}

#[test]
fn binary_operations_on_edge_values_give_the_same() {
    for op in BINARY {
        let mut statements = Vec::new();
        for ty in ["i32", "i64"] {
            for a in edges(ty) {
                for b in edges(ty) {
                    let least = if ty == "i32" { i64::from(i32::MIN) } else { i64::MIN };
                    let divides = op.starts_with("div") || op.starts_with("rem");
                    if divides && (b == 0 || (a == least && b == -1)) {
                        continue;
                    }
                    for (set_a, a) in forms(ty, a, "a") {
                        for (set_b, b) in forms(ty, b, "b") {
                            let value = format!("({ty}.{op} {a} {b})");
                            let is_i64 = ty == "i64" && BINARY[..15].contains(&op);
                            let store = store(statements.len(), is_i64, &value);
                            statements.push(format!("{set_a}{set_b}{store}"));
                        }
                    }
                }
            }
        }
        compare(&statements);
    }
}

#[test]
fn unary_operations_on_edge_values_give_the_same() {
    let mut statements = Vec::new();
    for (ty, op, is_i64) in UNARY {
        for a in edges(ty) {
            for (set, a) in forms(ty, a, "a") {
                let store = store(statements.len(), is_i64, &format!("({op} {a})"));
                statements.push(format!("{set}{store}"));
            }
        }
    }
    for a in edges("i64") {
        for (set, a) in forms("i64", a, "a") {
            for op in ["i64.extend_i32_s", "i64.extend_i32_u"] {
                let value = format!("({op} (i32.wrap_i64 {a}))");
                statements.push(format!("{set}{}", store(statements.len(), true, &value)));
            }
        }
    }
    compare(&statements);
}

#[test]
fn copies_and_fills_that_overlap_give_the_same() {
    let mut statements = Vec::new();
    for at in 0..4_000_u32 {
        let byte = at.wrapping_mul(2_654_435_761) >> 24;
        statements.push(format!("(i32.store8 (i32.const {}) (i32.const {byte}))\n", 4_096 + at));
    }
    for (to, from, length) in [
        (4_100, 4_096, 1_000),
        (4_096, 4_101, 1_000),
        (5_000, 4_999, 1),
        (5_000, 5_001, 700),
        (4_096, 4_096, 64),
        (6_001, 5_990, 17),
        (5_990, 6_001, 17),
        (7_000, 4_096, 0),
        (4_097, 4_096, 3_000),
        (70_000, 4_096, 3_999),
        (4_096, 70_001, 3_000),
    ] {
        for (set, length) in forms("i32", length, "a") {
            statements.push(format!(
                "{set}(memory.copy (i32.const {to}) (i32.const {from}) {length})
                 (memory.fill (i32.const {}) (i32.const {}) (i32.const 13))\n",
                to + 5,
                from % 511
            ));
        }
    }
    compare(&statements);
}
