//! Metered regions: which instructions are paid for together, and where.
//!
//! A region is code of which, traps aside, either everything runs or nothing; its whole price is
//! charged before its first instruction. The borders are those of Casper 1.5's meter, because
//! they decide what a program that traps half-way has paid:
//!
//! - a branch, `else`, and the start of an `if` or `loop` end a region;
//! - a `block` goes on with the region around it, up to its first branch;
//! - after an `end`, the region around the block goes on too, unless code in the block may have
//!   branched further out than to this `end`.

use wasmparser::Operator;

use crate::prepare::Refusal;

/// Instructions from `start` on are paid with `gas` there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: Place,
    pub(crate) gas: u32,
}

/// Between two instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where the next one stands in the module.
    pub(crate) offset: usize,
    /// Blocks that are open.
    pub(crate) nesting: u32,
    /// Operands on the stack; `None` where code cannot be reached.
    pub(crate) height: Option<u32>,
}

/// An open function body, block, loop or if.
#[derive(Debug)]
struct Open {
    /// The region that the next instruction belongs to.
    region: Region,
    /// A branch to a loop goes backwards.
    is_loop: bool,
    /// The outermost construct that a forward branch from in here may leave to, by its place in
    /// the stack; its own place when there is none.
    reaches: usize,
}

/// Finds the regions of one function body.
#[derive(Debug)]
pub(crate) struct Regions {
    open: Vec<Open>,
    done: Vec<Region>,
}

impl Regions {
    pub(crate) fn new(start: Place) -> Self {
        let body = Open { region: Region { start, gas: 0 }, is_loop: false, reaches: 0 };
        Self { open: vec![body], done: Vec::new() }
    }

    /// Takes an instruction with its price and the place behind it. Call it for each in order.
    ///
    /// # Errors
    /// When the price of a region passes 32 bits.
    pub(crate) fn take(&mut self, op: &Operator<'_>, gas: u32, next: Place) -> Result<(), Refusal> {
        match op {
            Operator::Block { .. } => {
                self.add(gas)?;
                let start = self.open.last().map_or(next, |open| open.region.start);
                self.enter(start, false);
            }
            Operator::If { .. } => {
                self.add(gas)?;
                self.enter(next, false);
            }
            Operator::Loop { .. } => {
                self.add(gas)?;
                self.enter(next, true);
            }
            Operator::Else => self.close_region(next)?,
            Operator::End => {
                self.close_region(next)?;
                let Some(closed) = self.open.pop() else { return Ok(()) };
                let place = self.open.len();
                if let Some(outer) = self.open.last_mut() {
                    outer.reaches = outer.reaches.min(closed.reaches);
                    if closed.reaches < place {
                        self.close_region(next)?;
                    }
                }
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.add(gas)?;
                self.close_region(next)?;
                self.branch(*relative_depth);
            }
            Operator::BrTable { targets } => {
                self.add(gas)?;
                self.close_region(next)?;
                self.branch(targets.default());
                for target in targets.targets() {
                    self.branch(target?);
                }
            }
            Operator::Return => {
                self.add(gas)?;
                self.close_region(next)?;
                if let Some(open) = self.open.last_mut() {
                    open.reaches = 0;
                }
            }
            _ => self.add(gas)?,
        }
        Ok(())
    }

    /// The regions that cost something, in order of their start.
    pub(crate) fn finish(mut self) -> Vec<Region> {
        self.done.sort_unstable_by_key(|region| region.start.offset);
        self.done
    }

    /// Takes an instruction without control flow.
    ///
    /// # Errors
    /// When the price of a region passes 32 bits.
    pub(crate) fn add(&mut self, gas: u32) -> Result<(), Refusal> {
        if let Some(open) = self.open.last_mut() {
            open.region.gas = open.region.gas.checked_add(gas).ok_or_else(too_dear)?;
        }
        Ok(())
    }

    fn enter(&mut self, start: Place, is_loop: bool) {
        let reaches = self.open.len();
        self.open.push(Open { region: Region { start, gas: 0 }, is_loop, reaches });
    }

    /// Ends the current region and begins one at `next`. A region that began together with the
    /// one around it is part of that.
    fn close_region(&mut self, next: Place) -> Result<(), Refusal> {
        let mut innermost = self.open.iter_mut().rev();
        let Some(open) = innermost.next() else { return Ok(()) };
        let closed = std::mem::replace(&mut open.region, Region { start: next, gas: 0 });
        match innermost.next() {
            Some(outer) if outer.region.start.offset == closed.start.offset => {
                outer.region.gas = outer.region.gas.checked_add(closed.gas).ok_or_else(too_dear)?;
            }
            _ if closed.gas > 0 => self.done.push(closed),
            _ => {}
        }
        Ok(())
    }

    fn branch(&mut self, depth: u32) {
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        let Some(target) = self.open.len().checked_sub(1).and_then(|top| top.checked_sub(depth))
        else {
            return;
        };
        let backwards = self.open.get(target).is_some_and(|open| open.is_loop);
        if let Some(open) = self.open.last_mut().filter(|_| !backwards) {
            open.reaches = open.reaches.min(target);
        }
    }
}

fn too_dear() -> Refusal {
    Refusal::OperationForbidden("a straight run of code costs more than 2^32 gas".to_owned())
}
