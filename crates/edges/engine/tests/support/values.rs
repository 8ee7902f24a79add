//! Expressions of random programs.

use wasm_encoder::{BlockType, Instruction as I};

use crate::program::{CALLED, OWN, SIGNATURES, Ty, Writer};

impl Writer {
    fn constant(&mut self, ty: Ty) {
        let number = match self.dice.below(12) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => i64::from(i32::MIN),
            3 => i64::from(i32::MAX),
            4 => -1,
            5 => self.dice.any().cast_signed(),
            _ => self.dice.below(70) as i64,
        };
        self.put(match ty {
            Ty::A => I::I32Const(match number {
                i64::MIN => i32::MIN,
                i64::MAX => i32::MAX,
                other => other as i32,
            }),
            Ty::B => I::I64Const(number),
        });
    }

    /// Leaves one value.
    pub(crate) fn value(&mut self, ty: Ty, depth: u32) {
        let kinds = if depth == 0 || self.budget == 0 { 4 } else { 16 };
        self.budget = self.budget.saturating_sub(1);
        let next = depth.saturating_sub(1);
        match self.dice.below(kinds) {
            0 | 1 => {
                let fits: Vec<u32> = (0..self.locals.len() as u32)
                    .filter(|at| self.locals[*at as usize] == ty)
                    .collect();
                if fits.is_empty() {
                    self.constant(ty);
                } else {
                    let local = self.dice.of(&fits);
                    self.put(I::LocalGet(local));
                }
            }
            2 => self.constant(ty),
            3 => self.put(I::GlobalGet(if ty == Ty::A { 0 } else { 1 })),
            4..7 => {
                self.value(ty, next);
                self.value(ty, next);
                let op = self.dice.of(match ty {
                    Ty::A => BINARY_A,
                    Ty::B => BINARY_B,
                });
                if divides(&op) && !self.dice.one_in(20) {
                    // Not by zero, or few programs would come further than this.
                    let or = if ty == Ty::A { I::I32Or } else { I::I64Or };
                    self.put(if ty == Ty::A { I::I32Const(1) } else { I::I64Const(1) });
                    self.put(or);
                }
                self.put(op);
            }
            7 | 8 => {
                let (from, op) = self.dice.of(match ty {
                    Ty::A => UNARY_A,
                    Ty::B => UNARY_B,
                });
                self.value(from, next);
                self.put(op);
            }
            9 => {
                // Comparisons of the other type, too.
                if ty == Ty::A {
                    let of = self.ty();
                    self.value(of, next);
                    self.value(of, next);
                    let op = self.dice.of(if of == Ty::A { COMPARE_A } else { COMPARE_B });
                    self.put(op);
                } else {
                    self.constant(ty);
                }
            }
            10 | 11 => {
                self.address();
                let arg = self.arg();
                let op = match ty {
                    Ty::A => self.dice.of(&[
                        I::I32Load(arg),
                        I::I32Load8S(arg),
                        I::I32Load8U(arg),
                        I::I32Load16S(arg),
                        I::I32Load16U(arg),
                    ]),
                    Ty::B => self.dice.of(&[
                        I::I64Load(arg),
                        I::I64Load8S(arg),
                        I::I64Load8U(arg),
                        I::I64Load16S(arg),
                        I::I64Load16U(arg),
                        I::I64Load32S(arg),
                        I::I64Load32U(arg),
                    ]),
                };
                self.put(op);
            }
            12 => {
                self.value(ty, next);
                self.value(ty, next);
                self.value(Ty::A, next);
                self.put(I::Select);
            }
            13 => self.indirect(ty, next),
            14 => {
                self.put(I::Block(BlockType::Result(ty.val())));
                self.labels.push(Some(ty));
                if self.statements(next.min(2)) {
                    self.value(ty, next);
                }
                self.labels.pop();
                self.put(I::End);
            }
            _ if self.dice.one_in(4) && ty == Ty::A => {
                if self.dice.one_in(2) {
                    self.put(I::MemorySize(0));
                } else {
                    let pages = self.dice.of(&[0, 1, 1, 2, 70, -1]);
                    self.put(I::I32Const(pages));
                    self.put(I::MemoryGrow(0));
                }
            }
            _ => {
                let local = self.dice.below(self.locals.len() as u64) as u32;
                if self.locals[local as usize] == ty {
                    self.value(ty, next);
                    self.put(I::LocalTee(local));
                    return;
                }
                self.value(Ty::A, next);
                self.put(I::If(BlockType::Result(ty.val())));
                self.labels.push(Some(ty));
                self.value(ty, next);
                self.put(I::Else);
                self.value(ty, next);
                self.labels.pop();
                self.put(I::End);
            }
        }
    }

    /// A call through the table: mostly of the right type.
    fn indirect(&mut self, ty: Ty, depth: u32) {
        let wanted = if ty == Ty::A { 1 } else { 2 };
        let (params, _) = SIGNATURES[wanted];
        for param in params {
            self.value(*param, depth);
        }
        let right: Vec<i32> = (0..CALLED).filter(|at| OWN[*at as usize] == wanted as u32).collect();
        let Some(right) = self.callee(&right) else {
            for _ in params {
                self.put(I::Drop);
            }
            self.constant(ty);
            return;
        };
        if self.dice.one_in(60) {
            self.value(Ty::A, 1);
        } else if self.dice.one_in(60) {
            let at = self.dice.below(10) as i32;
            self.put(I::I32Const(at));
        } else {
            self.put(I::I32Const(right));
        }
        self.put(I::CallIndirect { type_index: wanted as u32, table_index: 0 });
    }
}

fn divides(op: &I<'_>) -> bool {
    matches!(
        op,
        I::I32DivS
            | I::I32DivU
            | I::I32RemS
            | I::I32RemU
            | I::I64DivS
            | I::I64DivU
            | I::I64RemS
            | I::I64RemU
    )
}

const BINARY_A: &[I<'static>] = &[
    I::I32Add,
    I::I32Sub,
    I::I32Mul,
    I::I32DivS,
    I::I32DivU,
    I::I32RemS,
    I::I32RemU,
    I::I32And,
    I::I32Or,
    I::I32Xor,
    I::I32Shl,
    I::I32ShrS,
    I::I32ShrU,
    I::I32Rotl,
    I::I32Rotr,
    I::I32Eq,
];
const BINARY_B: &[I<'static>] = &[
    I::I64Add,
    I::I64Sub,
    I::I64Mul,
    I::I64DivS,
    I::I64DivU,
    I::I64RemS,
    I::I64RemU,
    I::I64And,
    I::I64Or,
    I::I64Xor,
    I::I64Shl,
    I::I64ShrS,
    I::I64ShrU,
    I::I64Rotl,
    I::I64Rotr,
];
const COMPARE_A: &[I<'static>] = &[
    I::I32Eq,
    I::I32Ne,
    I::I32LtS,
    I::I32LtU,
    I::I32GtS,
    I::I32GtU,
    I::I32LeS,
    I::I32LeU,
    I::I32GeS,
    I::I32GeU,
];
const COMPARE_B: &[I<'static>] = &[
    I::I64Eq,
    I::I64Ne,
    I::I64LtS,
    I::I64LtU,
    I::I64GtS,
    I::I64GtU,
    I::I64LeS,
    I::I64LeU,
    I::I64GeS,
    I::I64GeU,
];
const UNARY_A: &[(Ty, I<'static>)] = &[
    (Ty::A, I::I32Eqz),
    (Ty::A, I::I32Clz),
    (Ty::A, I::I32Ctz),
    (Ty::A, I::I32Popcnt),
    (Ty::A, I::I32Extend8S),
    (Ty::A, I::I32Extend16S),
    (Ty::B, I::I32WrapI64),
    (Ty::B, I::I64Eqz),
];
const UNARY_B: &[(Ty, I<'static>)] = &[
    (Ty::B, I::I64Clz),
    (Ty::B, I::I64Ctz),
    (Ty::B, I::I64Popcnt),
    (Ty::B, I::I64Extend8S),
    (Ty::B, I::I64Extend16S),
    (Ty::B, I::I64Extend32S),
    (Ty::A, I::I64ExtendI32S),
    (Ty::A, I::I64ExtendI32U),
];
