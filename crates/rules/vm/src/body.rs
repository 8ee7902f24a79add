//! Metering put into one function body.
//!
//! Indices of functions, types and labels stay as they are, so all instructions but five are
//! copied as bytes. What is added:
//!
//! - at the start of each region: its price is taken from the gas counter, and the code stops when
//!   the counter falls below zero;
//! - before `memory.grow`, `memory.copy`, `memory.fill`: the price of what they are asked for;
//! - before `select`: what keeps the interpreter from a mistake (`keep_condition`);
//! - at the entry of the function: its frame is added to the stack height, and the code stops when
//!   that passes the limit. The body becomes a block, so that one place takes the frame away again
//!   on every way out; `return` becomes a branch to its end. A function that calls no other needs
//!   only the check.

use girrona_types::wasm_costs::WasmConfig;
use wasm_encoder::{BlockType, Function, InstructionSink, ValType};
use wasmparser::{FunctionBody, Operator};

use crate::height::{Heights, Signature};
use crate::limits;
use crate::prepare::Refusal;
use crate::price;
use crate::regions::{Region, Regions};

/// What a body needs to know of its module.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) config: &'a WasmConfig,
    pub(crate) types: &'a [Signature],
    /// Type of each function, imports first.
    pub(crate) functions: &'a [u32],
    /// How many of the functions are imports.
    pub(crate) imports: u32,
    /// Index of the gas counter, an `i64`.
    pub(crate) gas_global: u32,
    /// Index of the stack height, an `i32`.
    pub(crate) height_global: u32,
}

impl Surroundings<'_> {
    fn type_of(&self, index: u32) -> Option<Signature> {
        self.types.get(usize::try_from(index).ok()?).copied()
    }

    fn type_of_function(&self, index: u32) -> Option<Signature> {
        self.type_of(*self.functions.get(usize::try_from(index).ok()?)?)
    }
}

/// The instructions of a body, each with the place of its first byte.
type Ops<'a> = Vec<(Operator<'a>, usize)>;

/// Reads a body and refuses what has no price or passes a limit.
pub(crate) fn read<'a>(
    body: &FunctionBody<'a>,
    config: &WasmConfig,
) -> Result<(Ops<'a>, Vec<Region>), Refusal> {
    let bytes = body.range().len();
    if bytes > limits::BODY_BYTES_MAX {
        return Err(limit("bytes of a function", bytes, limits::BODY_BYTES_MAX));
    }
    let mut ops = Ops::new();
    let mut regions = Regions::new();
    let mut nesting = 0_usize;
    for item in body.get_operators_reader()?.into_iter_with_offsets() {
        let (op, offset) = item?;
        match &op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                nesting = nesting.saturating_add(1);
                if nesting > limits::NESTING_MAX {
                    return Err(limit("nested blocks", nesting, limits::NESTING_MAX));
                }
            }
            Operator::End => nesting = nesting.saturating_sub(1),
            Operator::BrTable { targets } if targets.len() > limits::BR_TABLE_TARGETS_MAX => {
                return Err(Refusal::Limit(format!(
                    "maximum br_table size of {} exceeds allowed limit of {}",
                    targets.len(),
                    limits::BR_TABLE_TARGETS_MAX
                )));
            }
            _ => {}
        }
        let gas = price::price(&op, &config.opcode_costs)
            .ok_or_else(|| Refusal::OperationForbidden(price::name(&op)))?;
        regions.take(ops.len(), &op, gas)?;
        ops.push((op, offset));
    }
    Ok((ops, regions.finish()))
}

/// Builds the metered body of a function that has been read and validated.
pub(crate) fn instrument(
    body: &FunctionBody<'_>,
    function: u32,
    (ops, regions): &(Ops<'_>, Vec<Region>),
    around: &Surroundings<'_>,
) -> Result<Function, Refusal> {
    let signature = around.type_of_function(function).unwrap_or(Signature {
        params: 0,
        only_i32: true,
        result: None,
    });
    let mut locals = Vec::new();
    let mut local_count = 0_u32;
    for group in body.get_locals_reader()? {
        let (count, ty) = group?;
        local_count = local_count.saturating_add(count);
        locals.push((count, value_type(ty)?));
    }
    if local_count > limits::LOCALS_MAX {
        return Err(limit("locals of a function", local_count, limits::LOCALS_MAX));
    }
    let scratch = signature.params.saturating_add(local_count);
    locals.push((1, ValType::I64));
    locals.push((1, ValType::I32));

    let frame = frame(signature, local_count, ops, regions, around);
    let mut writer = Writer {
        function: Function::new(locals),
        around,
        spare_i64: scratch,
        spare_i32: scratch.saturating_add(1),
    };
    let wrapped = frame.is_some_and(|frame| !frame.leaf);
    if let Some(frame) = frame {
        writer.enter(frame);
        if wrapped {
            let block = signature.result.map_or(BlockType::Empty, BlockType::Result);
            writer.sink().block(block);
        }
    }

    let bytes = body.as_bytes();
    let (origin, end) = (body.range().start, body.range().end);
    // Instructions from here on are still to be copied; whatever is added comes after a copy.
    let mut left = ops.first().map_or(end, |(_, offset)| *offset);
    let mut copy = |writer: &mut Writer<'_>, to: usize, next: usize| {
        let slice = left.checked_sub(origin).zip(to.checked_sub(origin));
        if let Some(raw) = slice.and_then(|(from, to)| bytes.get(from..to)) {
            writer.function.raw(raw.iter().copied());
        }
        left = next;
    };
    let mut region = regions.iter().peekable();
    let mut depth = 0_u32;
    for (at, (op, offset)) in ops.iter().enumerate() {
        if let Some(region) = region.next_if(|region| region.start == at) {
            copy(&mut writer, *offset, *offset);
            writer.charge(region.gas);
        }
        match op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                depth = depth.saturating_add(1);
            }
            Operator::End => depth = depth.saturating_sub(1),
            Operator::Return if wrapped => {
                let next = ops.get(at.saturating_add(1)).map_or(end, |(_, next)| *next);
                copy(&mut writer, *offset, next);
                writer.sink().br(depth);
            }
            Operator::MemoryGrow { .. } => {
                copy(&mut writer, *offset, *offset);
                writer.charge_pages(frame.filter(|frame| frame.leaf).map_or(0, |f| f.cost));
            }
            Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } => {
                copy(&mut writer, *offset, *offset);
                writer.charge_bytes();
            }
            Operator::Select => {
                copy(&mut writer, *offset, *offset);
                writer.keep_condition();
            }
            _ => {}
        }
    }
    copy(&mut writer, end, end);
    if let Some(frame) = frame.filter(|_| wrapped) {
        writer.leave(frame);
    }
    Ok(writer.function)
}

/// What a function takes of the stack limit.
#[derive(Clone, Copy, Debug)]
struct Frame {
    cost: u32,
    /// Calls no other function of the module.
    leaf: bool,
}

/// Locals and the highest operand stack, as Casper's limiter counts; `None` when that is nothing.
fn frame(
    signature: Signature,
    locals: u32,
    ops: &Ops<'_>,
    regions: &[Region],
    around: &Surroundings<'_>,
) -> Option<Frame> {
    let costs = &around.config.opcode_costs;
    let mut heights = Heights::new(signature);
    let mut region = regions.iter().peekable();
    let mut leaf = true;
    for (at, (op, _)) in ops.iter().enumerate() {
        let metered = region.next_if(|region| region.start == at).is_some();
        let callee = match op {
            Operator::Call { function_index } => {
                leaf &= *function_index < around.imports;
                around.type_of_function(*function_index)
            }
            Operator::CallIndirect { type_index, .. } => {
                leaf = false;
                around.type_of(*type_index)
            }
            _ => None,
        };
        heights.take(op, costs, metered, callee);
    }
    // Under a price list with zeros a frame could be free and a recursion endless; not for us.
    let cost = heights.max().saturating_add(locals).max(u32::from(!leaf));
    (cost > 0).then_some(Frame { cost, leaf })
}

/// Writes the added instructions.
struct Writer<'a> {
    function: Function,
    around: &'a Surroundings<'a>,
    spare_i64: u32,
    spare_i32: u32,
}

impl Writer<'_> {
    fn sink(&mut self) -> InstructionSink<'_> {
        self.function.instructions()
    }

    /// Stops when the frame does not fit, else counts it.
    fn enter(&mut self, frame: Frame) {
        self.stop_unless_room_for(frame.cost);
        if !frame.leaf {
            let (height, cost) = (self.around.height_global, frame.cost.cast_signed());
            self.sink().global_get(height).i32_const(cost).i32_add().global_set(height);
        }
    }

    /// Ends the block around the body, which the body's own last `end` has closed.
    fn leave(&mut self, frame: Frame) {
        let (height, cost) = (self.around.height_global, frame.cost.cast_signed());
        self.sink().global_get(height).i32_const(cost).i32_sub().global_set(height).end();
    }

    fn stop_unless_room_for(&mut self, values: u32) {
        let height = self.around.height_global;
        let mut sink = self.function.instructions();
        match self.around.config.max_stack_height.checked_sub(values) {
            Some(room) => {
                sink.global_get(height).i32_const(room.cast_signed()).i32_gt_u();
                sink.if_(BlockType::Empty).unreachable().end();
            }
            None => {
                sink.unreachable();
            }
        }
    }

    /// Takes `gas` from the counter.
    fn charge(&mut self, gas: u32) {
        let counter = self.around.gas_global;
        self.sink().global_get(counter).i64_const(i64::from(gas));
        self.take();
    }

    /// Subtracts the top of the stack from the counter under it and stops below zero.
    fn take(&mut self) {
        let (counter, spare) = (self.around.gas_global, self.spare_i64);
        let mut sink = self.function.instructions();
        sink.i64_sub().local_tee(spare).global_set(counter);
        sink.local_get(spare).i64_const(0).i64_lt_s();
        sink.if_(BlockType::Empty).unreachable().end();
    }

    /// Charges for the pages on top of the stack. Casper's meter does this in a function of its
    /// own, with a frame of three values, and multiplies in 32 bits; both can be seen, so both are
    /// kept. `frame` is what this function has not added to the stack height.
    fn charge_pages(&mut self, frame: u32) {
        const GROW_FRAME: u32 = 3;
        let per_page = self.around.config.opcode_costs.grow_memory;
        if per_page == 0 {
            return;
        }
        let (counter, pages) = (self.around.gas_global, self.spare_i32);
        self.sink().local_set(pages);
        self.stop_unless_room_for(frame.saturating_add(GROW_FRAME));
        self.sink()
            .global_get(counter)
            .local_get(pages)
            .i32_const(per_page.cast_signed())
            .i32_mul()
            .i64_extend_i32_u();
        self.take();
        self.sink().local_get(pages);
    }

    /// Keeps the condition on top of the stack in a local, where it is not read again. wasmi 2.0.0
    /// drops `local.get x; i32.eqz` before a `select`, and `x != 0` likewise, and then looks at
    /// another register than that of `x`; it does not after a `local.tee`.
    fn keep_condition(&mut self) {
        let spare = self.spare_i32;
        self.sink().local_tee(spare);
    }

    /// Charges for the bytes on top of the stack.
    fn charge_bytes(&mut self) {
        // Below 2^31 the product of any length fits the counter.
        let per_byte = i64::from(self.around.config.opcode_costs.bulk_memory_per_byte)
            .min(i64::from(i32::MAX));
        let (counter, bytes) = (self.around.gas_global, self.spare_i32);
        self.sink()
            .local_set(bytes)
            .global_get(counter)
            .local_get(bytes)
            .i64_extend_i32_u()
            .i64_const(per_byte)
            .i64_mul();
        self.take();
        self.sink().local_get(bytes);
    }
}

/// The types of values that are left without floats, vectors and references.
pub(crate) fn value_type(ty: wasmparser::ValType) -> Result<ValType, Refusal> {
    match ty {
        wasmparser::ValType::I32 => Ok(ValType::I32),
        wasmparser::ValType::I64 => Ok(ValType::I64),
        other => Err(Refusal::Deserialize(format!("values of type {other} are not accepted"))),
    }
}

/// A limit passed, in Casper's manner of saying it.
fn limit(what: &str, actual: impl std::fmt::Display, max: impl std::fmt::Display) -> Refusal {
    Refusal::Limit(format!("number of {what} ({actual}) exceeds allowed limit of {max}"))
}
