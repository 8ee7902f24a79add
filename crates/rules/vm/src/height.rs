//! How high the operand stack of a function gets.
//!
//! Counted as Casper 1.5's stack limiter counts, which looks at the code after metering has been
//! put in: the price of a region is an operand too. In two places Casper counts fewer values than
//! can be there (an `else` whose `if` left early, and operands popped in dead code); there we count
//! what can be there, so that the limit always holds.

use wasm_encoder::ValType;
use wasmparser::{BlockType, Operator};

use crate::price::Plain;

/// A function type, as far as metering needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// How many parameters.
    pub(crate) params: u32,
    /// All parameters are `i32`, as those of host functions must be.
    pub(crate) only_i32: bool,
    /// Without multi-value there is one result or none.
    pub(crate) result: Option<ValType>,
}

impl Signature {
    fn results(self) -> u32 {
        u32::from(self.result.is_some())
    }
}

/// An open function body, block, loop or if.
#[derive(Debug)]
struct Open {
    /// What a branch to it takes along.
    branch_arity: u32,
    /// What it leaves when it ends.
    end_arity: u32,
    /// The height at which it began.
    floor: u32,
    /// Code here cannot be reached.
    dead: bool,
}

/// Follows the height through one function body.
#[derive(Debug)]
pub(crate) struct Heights {
    /// The innermost, and what is around it.
    open: Open,
    around: Vec<Open>,
    height: u32,
    max: u32,
}

impl Heights {
    pub(crate) fn new(function: Signature) -> Self {
        let results = function.results();
        let body = Open { branch_arity: results, end_arity: results, floor: 0, dead: false };
        Self { open: body, around: Vec::new(), height: 0, max: 0 }
    }

    /// The greatest height so far.
    pub(crate) fn max(&self) -> u32 {
        self.max
    }

    /// The height here; `None` where code cannot be reached.
    pub(crate) fn here(&self) -> Option<u32> {
        (!self.open.dead).then_some(self.height)
    }

    /// Takes an instruction without control flow.
    pub(crate) fn plain(&mut self, plain: Plain) {
        self.pop(plain.pops);
        self.push(plain.pushes);
        self.reached();
    }

    fn reached(&mut self) {
        if !self.open.dead {
            self.max = self.max.max(self.height);
        }
    }

    /// Takes an instruction with control flow; `callee` is the type of the function that it calls,
    /// if it calls one.
    pub(crate) fn flow(&mut self, op: &Operator<'_>, callee: Option<Signature>) {
        match op {
            Operator::Block { blockty } => self.enter(results(*blockty), results(*blockty)),
            Operator::Loop { blockty } => self.enter(0, results(*blockty)),
            Operator::If { blockty } => {
                self.pop(1);
                self.enter(results(*blockty), results(*blockty));
            }
            Operator::Else if self.open.dead => {
                self.open.dead = false;
                self.height = self.height.max(self.open.floor);
            }
            Operator::End => {
                self.height = self.open.floor;
                self.push(self.open.end_arity);
                // At the end of the body nothing follows.
                if let Some(around) = self.around.pop() {
                    self.open = around;
                }
            }
            Operator::Unreachable => self.die(),
            Operator::Br { relative_depth } => {
                self.pop(self.branch_arity(*relative_depth));
                self.die();
            }
            Operator::BrIf { relative_depth } => {
                let arity = self.branch_arity(*relative_depth);
                self.pop(arity);
                self.pop(1);
                self.push(arity);
            }
            Operator::BrTable { targets } => {
                self.pop(self.branch_arity(targets.default()));
                self.die();
            }
            Operator::Return => {
                self.pop(self.around.first().unwrap_or(&self.open).end_arity);
                self.die();
            }
            Operator::Call { .. } => self.call(callee),
            Operator::CallIndirect { .. } => {
                self.pop(1);
                self.call(callee);
            }
            _ => {}
        }
        self.reached();
    }

    fn call(&mut self, callee: Option<Signature>) {
        if let Some(callee) = callee {
            self.pop(callee.params);
            self.push(callee.results());
        }
    }

    fn enter(&mut self, branch_arity: u32, end_arity: u32) {
        let open = Open { branch_arity, end_arity, floor: self.height, dead: false };
        self.around.push(std::mem::replace(&mut self.open, open));
    }

    fn push(&mut self, values: u32) {
        self.height = self.height.saturating_add(values);
    }

    /// Dead code may pop what was never pushed; the block around it is not touched by that.
    fn pop(&mut self, values: u32) {
        self.height = self.height.saturating_sub(values).max(self.open.floor.min(self.height));
    }

    fn die(&mut self) {
        self.open.dead = true;
    }

    fn branch_arity(&self, depth: u32) -> u32 {
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        let mut open = std::iter::once(&self.open).chain(self.around.iter().rev());
        open.nth(depth).map_or(0, |open| open.branch_arity)
    }
}

/// Without multi-value a block leaves one value or none.
fn results(block: BlockType) -> u32 {
    u32::from(block != BlockType::Empty)
}
