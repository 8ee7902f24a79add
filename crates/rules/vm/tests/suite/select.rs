//! `select` gives the value that its condition names, wherever condition and values come from.
//!
//! A table against the meaning of the instruction: wasmi 2.0.0 alone gets some of these wrong.

use crate::{PLENTY, run_text};

/// Whether a condition holds for `x`.
type Holds = fn(i32) -> bool;

/// Comparisons, and what they say of `x`.
const CONDITIONS: [(&str, Holds); 10] = [
    ("(i32.eqz (X))", |x| x == 0),
    ("(i32.eq (X) (i32.const 0))", |x| x == 0),
    ("(i32.eq (i32.const 0) (X))", |x| x == 0),
    ("(i32.ne (X) (i32.const 0))", |x| x != 0),
    ("(i32.eqz (i32.eqz (X)))", |x| x != 0),
    ("(i32.eq (X) (i32.const 5))", |x| x == 5),
    ("(i32.lt_u (X) (i32.const 1))", |x| x == 0),
    ("(i32.gt_s (X) (i32.const 0))", |x| x > 0),
    ("(i64.eqz (i64.extend_i32_u (X)))", |x| x == 0),
    ("(X)", |x| x != 0),
];

/// Where `x` comes from: a local, a global, memory, a sum that was just made.
const SOURCES: [&str; 4] = [
    "local.get $x",
    "global.get $g",
    "i32.load (i32.const 16)",
    "i32.add (local.get $x) (local.get $zero)",
];

#[test]
fn a_select_gives_what_its_condition_names() {
    for (condition, holds) in CONDITIONS {
        for source in SOURCES {
            let condition = condition.replace('X', source);
            for x in [0, 1, 5, -1] {
                for values in [
                    "(i32.const 111) (i32.const 222)",
                    "(local.get $one) (local.get $two)",
                    "(i32.const 111) (local.get $two)",
                    "(local.get $one) (i32.const 222)",
                    "(i32.add (local.get $one) (local.get $zero)) (i32.const 222)",
                    "(i32.const 111) (i32.add (local.get $two) (local.get $zero))",
                ] {
                    for spoilt in [0, 77] {
                        let ending = run_text(
                            &format!(
                                r#"(module (import "env" "casper_revert" (func $revert (param i32)))
                                (memory 1) (global $g (mut i32) (i32.const {x}))
                                (func $pick (param $x i32) (param $spoilt i32) (result i32)
                                  (local $zero i32) (local $one i32) (local $two i32)
                                  (local.set $one (i32.const 111))
                                  (local.set $two (i32.const 222))
                                  (i32.store (i32.const 16) (local.get $x))
                                  (if (i32.eqz (local.get $x)) (then (global.set $g (local.get $x))))
                                  (i32.store (i32.const 24)
                                    (i32.mul (local.get $spoilt) (i32.const 3)))
                                  (select {values} {condition}))
                                (func (export "call") (call $revert (i32.add (i32.const 65536)
                                  (call $pick (i32.const {x}) (i32.const {spoilt}))))))"#
                            ),
                            PLENTY,
                        );
                        let expected = if holds(x) { 111 } else { 222 };
                        assert_eq!(
                            ending.result.unwrap_err().to_string(),
                            format!("User error: {expected}"),
                            "select {values} {condition} where x = {x}, {spoilt}"
                        );
                    }
                }
            }
        }
    }
}
