//! How high the operand stack of a function gets.
//!
//! Counted as Casper 1.5's stack limiter counts, which looks at the code after metering has been
//! put in: the price of a region is an operand too. In two places Casper counts fewer values than
//! can be there (an `else` whose `if` left early, and operands popped in dead code); there we count
//! what can be there, so that the limit always holds.

use girrona_types::wasm_costs::OpcodeCosts;
use wasm_encoder::ValType;
use wasmparser::{BlockType, Operator};

use crate::price::plain;

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
    open: Vec<Open>,
    height: u32,
    max: u32,
}

impl Heights {
    pub(crate) fn new(function: Signature) -> Self {
        let results = function.results();
        let body = Open { branch_arity: results, end_arity: results, floor: 0, dead: false };
        Self { open: vec![body], height: 0, max: 0 }
    }

    /// The height that was needed.
    pub(crate) fn max(&self) -> u32 {
        self.max
    }

    /// Takes the next instruction. `metered` says that a region begins with it; `callee` is the
    /// type of the function that it calls, if it calls one.
    pub(crate) fn take(
        &mut self,
        op: &Operator<'_>,
        costs: &OpcodeCosts,
        metered: bool,
        callee: Option<Signature>,
    ) {
        let needed = self.height.saturating_add(u32::from(metered));
        if needed > self.max && self.open.last().is_some_and(|open| !open.dead) {
            self.max = needed;
        }
        match op {
            Operator::Block { blockty } => self.enter(results(*blockty), results(*blockty)),
            Operator::Loop { blockty } => self.enter(0, results(*blockty)),
            Operator::If { blockty } => {
                self.pop(1);
                self.enter(results(*blockty), results(*blockty));
            }
            Operator::Else => {
                if let Some(open) = self.open.last_mut().filter(|open| open.dead) {
                    open.dead = false;
                    self.height = self.height.max(open.floor);
                }
            }
            Operator::End => {
                if let Some(open) = self.open.pop() {
                    self.height = open.floor;
                    self.push(open.end_arity);
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
                self.pop(self.open.first().map_or(0, |body| body.end_arity));
                self.die();
            }
            Operator::Call { .. } => self.call(callee),
            Operator::CallIndirect { .. } => {
                self.pop(1);
                self.call(callee);
            }
            _ => {
                if let Some(plain) = plain(op, costs) {
                    self.pop(plain.pops);
                    self.push(plain.pushes);
                }
            }
        }
    }

    fn call(&mut self, callee: Option<Signature>) {
        if let Some(callee) = callee {
            self.pop(callee.params);
            self.push(callee.results());
        }
    }

    fn enter(&mut self, branch_arity: u32, end_arity: u32) {
        self.open.push(Open { branch_arity, end_arity, floor: self.height, dead: false });
    }

    fn push(&mut self, values: u32) {
        self.height = self.height.saturating_add(values);
    }

    /// Dead code may pop what was never pushed; the block around it is not touched by that.
    fn pop(&mut self, values: u32) {
        let floor = self.open.last().map_or(0, |open| open.floor);
        self.height = self.height.saturating_sub(values).max(floor.min(self.height));
    }

    fn die(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.dead = true;
        }
    }

    fn branch_arity(&self, depth: u32) -> u32 {
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        self.open.iter().rev().nth(depth).map_or(0, |open| open.branch_arity)
    }
}

/// Without multi-value a block leaves one value or none.
fn results(block: BlockType) -> u32 {
    u32::from(block != BlockType::Empty)
}
