//! Random programs: valid, small, and full of control flow.

use std::fmt::Write;

/// A source of small numbers.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `sides`.
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
}

/// Writes one module.
struct Writer {
    dice: Dice,
    text: String,
    /// The labels around, innermost last: whether a branch there takes a value.
    labels: Vec<bool>,
    /// Instructions that may still be written.
    budget: u32,
}

/// A module with four functions, some of which call each other, and `call` to start them.
pub(crate) fn program(seed: u64) -> String {
    let mut writer =
        Writer { dice: Dice::new(seed), text: String::new(), labels: Vec::new(), budget: 0 };
    let mut text = "(module (memory 1) (table 4 funcref) (elem (i32.const 0) $f0 $f1 $f2 $f3)
        (global $g (mut i32) (i32.const 3)) (type $t (func (param i32) (result i32)))\n"
        .to_owned();
    for index in 0..4 {
        writer.text.clear();
        writer.labels = vec![true];
        writer.budget = 60;
        writer.statements(4);
        writer.value(3);
        let _ = writeln!(
            text,
            "(func $f{index} (param $x i32) (result i32) (local $y i32) (local $z i32)\n{})",
            writer.text
        );
    }
    text.push_str("(func (export \"call\") (drop (call $f0 (i32.const 5)))))");
    text
}

impl Writer {
    fn put(&mut self, words: &str) {
        self.text.push_str(words);
        self.text.push('\n');
    }

    fn one_of(&mut self, words: &[&str]) {
        let index = self.pick(words.len());
        self.put(words[index]);
    }

    /// Some statements; says whether the code after them can be reached.
    fn statements(&mut self, depth: u32) -> bool {
        let mut reached = true;
        for _ in 0..self.dice.below(5) {
            reached &= self.statement(depth);
        }
        reached
    }

    fn statement(&mut self, depth: u32) -> bool {
        self.budget = self.budget.saturating_sub(1);
        let kinds = if depth == 0 || self.budget == 0 { 9 } else { 15 };
        match self.dice.below(kinds) {
            0 | 1 => {
                self.value(2);
                self.one_of(&["local.set $y", "local.set $z", "local.set $x"]);
            }
            2 => {
                self.address();
                self.value(2);
                self.one_of(&["i32.store", "i32.store8"]);
            }
            3 => {
                self.value(1);
                self.put("global.set $g");
            }
            4 => {
                self.value(2);
                self.put("drop");
            }
            5 => self.put("nop"),
            6 => {
                let label = self.label();
                if self.takes_value(label) {
                    self.value(1);
                }
                self.value(1);
                self.put(&format!("br_if {label}"));
                if self.takes_value(label) {
                    self.put("drop");
                }
            }
            7 if self.dice.below(6) == 0 => {
                self.put("i32.const 1 memory.grow drop");
            }
            8 if self.dice.below(12) == 0 => {
                self.put("unreachable");
                return false;
            }
            7 | 8 => self.put("nop"),
            9 | 10 => self.block("block", depth),
            11 => self.block("loop", depth),
            12 => {
                self.value(2);
                self.put("if");
                self.labels.push(false);
                let reached = self.statements(depth - 1);
                // After a branch Casper counts an `else` too low; the limits differ there.
                if reached && self.dice.below(2) == 0 {
                    self.put("else");
                    self.statements(depth - 1);
                }
                self.labels.pop();
                self.put("end");
            }
            13 => {
                let label = self.label();
                if self.takes_value(label) {
                    self.value(1);
                }
                self.put(&format!("br {label}"));
                return false;
            }
            _ => {
                if self.dice.below(2) == 0 {
                    self.value(2);
                    self.put("return");
                } else {
                    let without: Vec<usize> =
                        (0..self.labels.len()).filter(|label| !self.takes_value(*label)).collect();
                    if without.is_empty() {
                        self.value(1);
                        self.value(1);
                        self.put("br_table 0 0");
                    } else {
                        let targets: Vec<String> =
                            (0..3).map(|_| without[self.pick(without.len())].to_string()).collect();
                        self.value(2);
                        self.put(&format!("br_table {}", targets.join(" ")));
                    }
                }
                return false;
            }
        }
        true
    }

    fn block(&mut self, kind: &str, depth: u32) {
        self.put(kind);
        self.labels.push(false);
        self.statements(depth - 1);
        self.labels.pop();
        self.put("end");
    }

    /// Leaves one `i32`.
    fn value(&mut self, depth: u32) {
        self.budget = self.budget.saturating_sub(1);
        let kinds = if depth == 0 || self.budget == 0 { 4 } else { 11 };
        match self.dice.below(kinds) {
            0 => {
                let number = self.dice.below(9);
                self.put(&format!("i32.const {number}"));
            }
            1 => self.one_of(&["local.get $x", "local.get $y", "local.get $z"]),
            2 => self.put("global.get $g"),
            3 => self.put("memory.size"),
            4 | 5 => {
                self.value(depth - 1);
                self.value(depth - 1);
                self.one_of(&[
                    "i32.add",
                    "i32.sub",
                    "i32.mul",
                    "i32.xor",
                    "i32.lt_u",
                    "i32.eq",
                    "i32.div_u",
                    "i32.shl",
                ]);
            }
            6 => {
                self.value(depth - 1);
                self.one_of(&["i32.eqz", "i32.clz", "i64.extend_i32_s i32.wrap_i64"]);
            }
            7 => {
                self.address();
                self.one_of(&["i32.load", "i32.load8_u"]);
            }
            8 => {
                self.value(depth - 1);
                if self.dice.below(3) == 0 {
                    let entry = self.dice.below(4);
                    self.put(&format!("i32.const {entry} call_indirect (type $t)"));
                } else {
                    let function = self.dice.below(4);
                    self.put(&format!("call $f{function}"));
                }
            }
            9 => {
                self.put("block (result i32)");
                self.labels.push(true);
                self.statements(depth - 1);
                self.value(depth - 1);
                self.labels.pop();
                self.put("end");
            }
            _ => {
                self.value(depth - 1);
                self.put("if (result i32)");
                self.labels.push(true);
                self.value(depth - 1);
                self.put("else");
                self.value(depth - 1);
                self.labels.pop();
                self.put("end");
            }
        }
    }

    fn address(&mut self) {
        self.value(1);
        self.put("i32.const 0xfff0 i32.and");
    }

    fn label(&mut self) -> usize {
        let count = self.labels.len();
        self.pick(count)
    }

    fn takes_value(&self, label: usize) -> bool {
        self.labels[self.labels.len() - 1 - label]
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.dice.below(u64::try_from(count).unwrap())).unwrap()
    }
}
