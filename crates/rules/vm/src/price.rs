//! What an instruction costs and what it does to the height of the operand stack.
//!
//! The list is complete on purpose: an instruction that is not named here has no price, and a
//! module that has it is refused. That is how floats, SIMD, threads, reference types and tail
//! calls stay outside.

use girrona_types::wasm_costs::OpcodeCosts;
use wasmparser::Operator;

/// An instruction without control flow: its price, the operands it takes, the operands it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) gas: u32,
    pub(crate) pops: u32,
    pub(crate) pushes: u32,
}

/// The price and effect of an instruction without control flow; `None` for all others.
#[rustfmt::skip]
pub(crate) fn plain(op: &Operator<'_>, costs: &OpcodeCosts) -> Option<Plain> {
    use Operator as O;
    let (gas, pops, pushes) = match op {
        O::Nop => (costs.nop, 0, 0),
        O::Drop => (costs.control_flow.drop, 1, 0),
        O::Select => (costs.control_flow.select, 3, 1),
        O::LocalGet { .. } => (costs.local, 0, 1),
        O::LocalSet { .. } => (costs.local, 1, 0),
        O::LocalTee { .. } => (costs.local, 1, 1),
        O::GlobalGet { .. } => (costs.global, 0, 1),
        O::GlobalSet { .. } => (costs.global, 1, 0),
        O::I32Load { .. } | O::I32Load8S { .. } | O::I32Load8U { .. } | O::I32Load16S { .. }
        | O::I32Load16U { .. } | O::I64Load { .. } | O::I64Load8S { .. } | O::I64Load8U { .. }
        | O::I64Load16S { .. } | O::I64Load16U { .. } | O::I64Load32S { .. }
        | O::I64Load32U { .. } => (costs.load, 1, 1),
        O::I32Store { .. } | O::I32Store8 { .. } | O::I32Store16 { .. } | O::I64Store { .. }
        | O::I64Store8 { .. } | O::I64Store16 { .. } | O::I64Store32 { .. } => {
            (costs.store, 2, 0)
        }
        O::MemorySize { .. } => (costs.current_memory, 0, 1),
        O::MemoryGrow { .. } => (costs.grow_memory, 1, 1),
        O::MemoryCopy { .. } | O::MemoryFill { .. } => (costs.bulk_memory, 3, 0),
        O::I32Const { .. } | O::I64Const { .. } => (costs.op_const, 0, 1),
        O::I32Eqz | O::I64Eqz => (costs.integer_comparison, 1, 1),
        O::I32Eq | O::I32Ne | O::I32LtS | O::I32LtU | O::I32GtS | O::I32GtU | O::I32LeS
        | O::I32LeU | O::I32GeS | O::I32GeU | O::I64Eq | O::I64Ne | O::I64LtS | O::I64LtU
        | O::I64GtS | O::I64GtU | O::I64LeS | O::I64LeU | O::I64GeS | O::I64GeU => {
            (costs.integer_comparison, 2, 1)
        }
        O::I32Clz | O::I32Ctz | O::I32Popcnt | O::I64Clz | O::I64Ctz | O::I64Popcnt => {
            (costs.bit, 1, 1)
        }
        O::I32Add | O::I32Sub | O::I64Add | O::I64Sub => (costs.add, 2, 1),
        O::I32Mul | O::I64Mul => (costs.mul, 2, 1),
        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU | O::I64DivS | O::I64DivU | O::I64RemS
        | O::I64RemU => (costs.div, 2, 1),
        O::I32And | O::I32Or | O::I32Xor | O::I32Shl | O::I32ShrS | O::I32ShrU | O::I32Rotl
        | O::I32Rotr | O::I64And | O::I64Or | O::I64Xor | O::I64Shl | O::I64ShrS | O::I64ShrU
        | O::I64Rotl | O::I64Rotr => (costs.bit, 2, 1),
        O::I32WrapI64 | O::I64ExtendI32S | O::I64ExtendI32U => (costs.conversion, 1, 1),
        O::I32Extend8S | O::I32Extend16S | O::I64Extend8S | O::I64Extend16S | O::I64Extend32S => {
            (costs.sign_extend, 1, 1)
        }
        _ => return None,
    };
    Some(Plain { gas, pops, pushes })
}

/// The price of an instruction with control flow; `None` for all others. `end` and `else` have a price
/// in the table that Casper's meter never charges, so neither do we.
pub(crate) fn flow(op: &Operator<'_>, costs: &OpcodeCosts) -> Option<u32> {
    use Operator as O;
    let flow = &costs.control_flow;
    match op {
        O::Unreachable => Some(costs.unreachable),
        O::Block { .. } => Some(flow.block),
        O::Loop { .. } => Some(flow.op_loop),
        O::If { .. } => Some(flow.op_if),
        O::Else | O::End => Some(0),
        O::Br { .. } => Some(flow.br),
        O::BrIf { .. } => Some(flow.br_if),
        O::BrTable { targets } => flow
            .br_table
            .size_multiplier
            .checked_mul(targets.len())?
            .checked_add(flow.br_table.cost),
        O::Return => Some(flow.op_return),
        O::Call { .. } => Some(flow.call),
        O::CallIndirect { .. } => Some(flow.call_indirect),
        _ => None,
    }
}

/// The name of an instruction, for the person whose module is refused.
pub(crate) fn name(op: &Operator<'_>) -> String {
    let mut text = format!("{op:?}");
    text.truncate(text.find([' ', '{', '(']).unwrap_or(text.len()));
    text
}
