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
//!
//! Not every region has to look whether the counter still holds its price. What a guest does in its
//! own memory with gas that it does not have is seen by nobody: host functions look before they
//! answer, and a run that ends below zero ran out of gas, however it ended. So only the regions look
//! without which a guest could go on for long: at the start of a function and of a loop.

use wasmparser::Operator;

use crate::prepare::Refusal;

/// Instructions from `start` on are paid with `gas` there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: Place,
    pub(crate) gas: u32,
    /// Begins a function or a loop: here a guest stops that has run out of gas.
    pub(crate) checked: bool,
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
    /// The innermost, and what is around it.
    open: Open,
    around: Vec<Open>,
    done: Vec<Region>,
}

impl Regions {
    pub(crate) fn new(start: Place) -> Self {
        let region = Region { start, gas: 0, checked: true };
        let body = Open { region, is_loop: false, reaches: 0 };
        Self { open: body, around: Vec::new(), done: Vec::new() }
    }

    /// Takes an instruction with its price and the place behind it. Call it for each in order.
    ///
    /// # Errors
    /// When the price of a region passes 32 bits.
    pub(crate) fn take(&mut self, op: &Operator<'_>, gas: u32, next: Place) -> Result<(), Refusal> {
        match op {
            Operator::Block { .. } => {
                self.add(gas)?;
                self.enter(self.open.region.start, false);
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
                let place = self.around.len();
                // At the end of the body nothing follows.
                let Some(outer) = self.around.pop() else { return Ok(()) };
                let closed = std::mem::replace(&mut self.open, outer);
                self.open.reaches = self.open.reaches.min(closed.reaches);
                if closed.reaches < place {
                    self.close_region(next)?;
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
                self.open.reaches = 0;
            }
            _ => self.add(gas)?,
        }
        Ok(())
    }

    /// The regions that cost something or are checked, in order of their start.
    pub(crate) fn finish(mut self) -> Vec<Region> {
        self.done.sort_unstable_by_key(|region| region.start.offset);
        self.done
    }

    /// Takes an instruction without control flow.
    ///
    /// # Errors
    /// When the price of a region passes 32 bits.
    pub(crate) fn add(&mut self, gas: u32) -> Result<(), Refusal> {
        let region = &mut self.open.region;
        region.gas = region.gas.checked_add(gas).ok_or_else(too_dear)?;
        Ok(())
    }

    fn enter(&mut self, start: Place, is_loop: bool) {
        let reaches = self.around.len().saturating_add(1);
        let region = Region { start, gas: 0, checked: is_loop };
        let open = Open { region, is_loop, reaches };
        self.around.push(std::mem::replace(&mut self.open, open));
    }

    /// Ends the current region and begins one at `next`. A region that began together with the
    /// one around it is part of that.
    fn close_region(&mut self, next: Place) -> Result<(), Refusal> {
        let begins = Region { start: next, gas: 0, checked: false };
        let closed = std::mem::replace(&mut self.open.region, begins);
        match self.around.last_mut() {
            Some(outer) if outer.region.start.offset == closed.start.offset => {
                outer.region.gas = outer.region.gas.checked_add(closed.gas).ok_or_else(too_dear)?;
            }
            _ if closed.gas > 0 || closed.checked => self.done.push(closed),
            _ => {}
        }
        Ok(())
    }

    fn branch(&mut self, depth: u32) {
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        let Some(target) = self.around.len().checked_sub(depth) else { return };
        let backwards = self.around.get(target).unwrap_or(&self.open).is_loop;
        if !backwards {
            self.open.reaches = self.open.reaches.min(target);
        }
    }
}

fn too_dear() -> Refusal {
    Refusal::OperationForbidden("a straight run of code costs more than 2^32 gas".to_owned())
}
