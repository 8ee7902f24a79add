//! Metering put into one function body.
//!
//! Indices of functions and types stay as they are, so all instructions but five are copied as bytes.
//! A body becomes two blocks in its function, the inner one with the body's own result:
//!
//! ```text
//! block                    ;; left only to stop
//!   leave unless the frame fits
//!   count the frame
//!   block (result ...)     ;; the body's own outermost label
//!     ...
//!   end
//!   take the frame away again
//!   return
//! end
//! stop
//! ```
//!
//! - At the start of each region its price is taken from the gas counter. The first region of a
//!   function and of a loop leaves the outer block when the counter is below zero. Branches cost an
//!   engine far less to translate than a stop at each place.
//! - Before `memory.grow`, `memory.copy`, `memory.fill`: the price of what they are asked for.
//! - Before `select`: what keeps the interpreter from a mistake (`keep_condition`).
//! - `return` becomes a branch to the end of the body, so that one place takes the frame away. A
//!   function that calls no other needs only the check, and keeps its `return`.

use girrona_types::wasm_costs::{OpcodeCosts, WasmConfig};
use wasm_encoder::{BlockType, Encode, InstructionSink, ValType};
use wasmparser::{
    BinaryReader, FuncValidator, FunctionBody, Operator, OperatorsReader, ValidatorResources,
    WasmFeatures,
};

use crate::height::{Heights, Signature};
use crate::limits;
use crate::prepare::Refusal;
use crate::price::{self, Plain};
use crate::regions::{Place, Region, Regions};

/// What a body needs to know of its module.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) config: &'a WasmConfig,
    pub(crate) copied: &'a Copied,
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

    fn signature(&self, function: u32) -> Signature {
        let none = Signature { params: 0, only_i32: true, result: None };
        self.type_of_function(function).unwrap_or(none)
    }
}

/// What a body is metered by.
#[derive(Debug)]
pub(crate) struct Read {
    regions: Vec<Region>,
    /// In order.
    changes: Vec<Change>,
    /// The highest operand stack, the price of a region included.
    height: u32,
    /// Calls no other function of the module.
    leaf: bool,
}

/// An instruction that is not only copied.
#[derive(Debug)]
struct Change {
    offset: usize,
    /// Where the instruction after it stands.
    next: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// With the number of blocks that are open.
    Return(u32),
    GrowMemory,
    /// Copies or fills memory.
    Bulk,
    Select,
}

impl Kind {
    /// What is changed at an instruction without control flow.
    fn of(op: &Operator<'_>) -> Option<Self> {
        match op {
            Operator::MemoryGrow { .. } => Some(Self::GrowMemory),
            Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } => Some(Self::Bulk),
            Operator::Select => Some(Self::Select),
            _ => None,
        }
    }
}

/// The instructions without control flow that are only copied, by their first byte. Most are, and
/// need not be built as an [`Operator`].
#[derive(Debug)]
pub(crate) struct Copied([Option<Plain>; 256]);

impl Copied {
    pub(crate) fn new(costs: &OpcodeCosts, features: WasmFeatures) -> Self {
        let plain = |byte: u8| {
            // Long enough for any instruction of one byte.
            let bytes = [byte, 0, 0, 0, 0];
            let reader = BinaryReader::new_features(&bytes, 0, features);
            let op = OperatorsReader::new(reader).read().ok()?;
            price::plain(&op, costs).filter(|_| Kind::of(&op).is_none())
        };
        let mut byte = 0_u8;
        Self([(); 256].map(|()| {
            let found = plain(byte);
            byte = byte.wrapping_add(1);
            found
        }))
    }

    fn at(&self, bytes: &[u8], offset: usize, origin: usize) -> Option<Plain> {
        let byte = bytes.get(offset.checked_sub(origin)?)?;
        *self.0.get(usize::from(*byte))?
    }
}

/// Reads and validates a body, and refuses what has no price or passes a limit.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn read(
    body: &FunctionBody<'_>,
    validator: &mut FuncValidator<ValidatorResources>,
    features: WasmFeatures,
    around: &Surroundings<'_>,
) -> Result<Read, Refusal> {
    let bytes = body.range().len();
    if bytes > limits::BODY_BYTES_MAX {
        return Err(limit("bytes of a function", bytes, limits::BODY_BYTES_MAX));
    }
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    reader.set_features(features);

    let costs = &around.config.opcode_costs;
    let mut heights = Heights::new(around.signature(validator.index()));
    let mut regions = Regions::new(Place {
        offset: reader.original_position(),
        nesting: 0,
        height: heights.here(),
    });
    let mut read = Read { regions: Vec::new(), changes: Vec::new(), height: 0, leaf: true };
    let mut nesting = 0_u32;
    while !reader.eof() {
        let offset = reader.original_position();
        if let Some(plain) = around.copied.at(body.as_bytes(), offset, body.range().start) {
            reader.visit_operator(&mut validator.visitor(offset))??;
            heights.plain(plain);
            regions.add(plain.gas)?;
            continue;
        }
        let op = reader.peek_operator(&validator.visitor(offset))?;
        let plain = price::plain(&op, costs);
        let gas = plain
            .map(|plain| plain.gas)
            .or_else(|| price::flow(&op, costs))
            .ok_or_else(|| Refusal::OperationForbidden(price::name(&op)))?;
        let mut callee = None;
        let mut change = None;
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
            Operator::Call { function_index } => {
                read.leaf &= *function_index < around.imports;
                callee = around.type_of_function(*function_index);
            }
            Operator::CallIndirect { type_index, .. } => {
                read.leaf = false;
                callee = around.type_of(*type_index);
            }
            Operator::Return => change = Some(Kind::Return(nesting)),
            op => change = Kind::of(op),
        }
        reader.visit_operator(&mut validator.visitor(offset))??;
        let next = reader.original_position();
        read.changes.extend(change.map(|kind| Change { offset, next, kind }));
        match plain {
            Some(plain) => heights.plain(plain),
            None => heights.flow(&op, callee),
        }
        regions.take(&op, gas, Place { offset: next, nesting, height: heights.here() })?;
    }
    reader.finish_expression(&validator.visitor(reader.original_position()))?;
    read.regions = regions.finish();
    let metered = read.regions.iter().filter(|region| region.gas > 0);
    let metered = metered.filter_map(|region| region.start.height);
    let metered = metered.max().map_or(0, |height| height.saturating_add(1));
    read.height = heights.max().max(metered);
    Ok(read)
}

/// The first instruction of a body that has no price, which says more to a person than the type
/// error that it leads to.
pub(crate) fn forbidden(body: &FunctionBody<'_>, config: &WasmConfig) -> Option<Refusal> {
    let costs = &config.opcode_costs;
    for op in body.get_operators_reader().ok()? {
        let op = op.ok()?;
        if price::plain(&op, costs).is_none() && price::flow(&op, costs).is_none() {
            return Some(Refusal::OperationForbidden(price::name(&op)));
        }
    }
    None
}

/// Writes the metered body of a function that has been read to `bytes`. Says what its frame counts
/// of the stack height.
pub(crate) fn instrument(
    body: &FunctionBody<'_>,
    function: u32,
    read: &Read,
    around: &Surroundings<'_>,
    bytes: &mut Vec<u8>,
) -> Result<u32, Refusal> {
    let signature = around.signature(function);
    let mut locals = Vec::new();
    let mut local_count = 0_u32;
    let mut reader = body.get_locals_reader()?;
    for _ in 0..reader.get_count() {
        let (count, ty) = reader.read()?;
        local_count = local_count.saturating_add(count);
        locals.push((count, value_type(ty)?));
    }
    if local_count > limits::LOCALS_MAX {
        return Err(limit("locals of a function", local_count, limits::LOCALS_MAX));
    }
    let scratch = signature.params.saturating_add(local_count);
    locals.extend([(1, ValType::I64), (2, ValType::I32)]);
    locals.len().encode(bytes);
    for (count, ty) in locals {
        count.encode(bytes);
        ty.encode(bytes);
    }

    let frame = frame(local_count, read);
    let mut writer = Writer {
        bytes,
        around,
        spare_i64: scratch,
        spare_i32: scratch.saturating_add(1),
        height_before: scratch.saturating_add(2),
    };
    let counted = frame.filter(|frame| !frame.leaf);
    writer.sink().block(BlockType::Empty);
    if let Some(frame) = frame {
        writer.enter(frame);
    }
    writer.sink().block(signature.result.map_or(BlockType::Empty, BlockType::Result));

    let source = body.as_bytes();
    let (origin, end) = (body.range().start, body.range().end);
    // Instructions from here on are still to be copied; whatever is added comes after a copy.
    let mut left = reader.original_position();
    let mut copy = |writer: &mut Writer<'_>, to: usize, next: usize| {
        let slice = left.checked_sub(origin).zip(to.checked_sub(origin));
        if let Some(raw) = slice.and_then(|(from, to)| source.get(from..to)) {
            writer.bytes.extend_from_slice(raw);
        }
        left = next;
    };
    let mut regions = read.regions.iter().peekable();
    for change in &read.changes {
        let here = change.offset;
        while let Some(region) = regions.next_if(|region| region.start.offset <= here) {
            copy(&mut writer, region.start.offset, region.start.offset);
            writer.charge(region);
        }
        match change.kind {
            Kind::Return(depth) if counted.is_some() => {
                copy(&mut writer, here, change.next);
                writer.sink().br(depth);
            }
            Kind::Return(_) => {}
            Kind::GrowMemory => {
                copy(&mut writer, here, here);
                writer.charge_pages(frame.filter(|frame| frame.leaf).map_or(0, |f| f.cost));
            }
            Kind::Bulk => {
                copy(&mut writer, here, here);
                writer.charge_bytes();
            }
            Kind::Select => {
                copy(&mut writer, here, here);
                writer.keep_condition();
            }
        }
    }
    for region in regions {
        copy(&mut writer, region.start.offset, region.start.offset);
        writer.charge(region);
    }
    copy(&mut writer, end, end);
    if counted.is_some() {
        writer.uncount();
    }
    writer.sink().return_().end().unreachable().end();
    Ok(frame.map_or(0, |frame| frame.cost))
}

/// What a function takes of the stack limit.
#[derive(Clone, Copy, Debug)]
struct Frame {
    cost: u32,
    /// Calls no other function of the module.
    leaf: bool,
}

/// Locals and the highest operand stack, as Casper's limiter counts; `None` when that is nothing.
fn frame(locals: u32, read: &Read) -> Option<Frame> {
    let leaf = read.leaf;
    // Under a price list with zeros a frame could be free and a recursion endless; not for us.
    let cost = read.height.saturating_add(locals).max(u32::from(!leaf));
    (cost > 0).then_some(Frame { cost, leaf })
}

/// Writes the added instructions.
struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    around: &'a Surroundings<'a>,
    spare_i64: u32,
    spare_i32: u32,
    /// A local for the stack height without this frame.
    height_before: u32,
}

impl Writer<'_> {
    fn sink(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(self.bytes)
    }

    /// Leaves unless the frame fits, and counts it if the function can call others.
    fn enter(&mut self, frame: Frame) {
        let (height, before) = (self.around.height_global, self.height_before);
        let Some(room) = self.around.config.max_stack_height.checked_sub(frame.cost) else {
            self.sink().unreachable();
            return;
        };
        let mut sink = InstructionSink::new(self.bytes);
        sink.global_get(height);
        if !frame.leaf {
            sink.local_tee(before);
        }
        sink.i32_const(room.cast_signed()).i32_gt_u().br_if(0);
        if !frame.leaf {
            let cost = frame.cost.cast_signed();
            sink.local_get(before).i32_const(cost).i32_add().global_set(height);
        }
    }

    /// Takes the frame away again.
    fn uncount(&mut self) {
        let (height, before) = (self.around.height_global, self.height_before);
        self.sink().local_get(before).global_set(height);
    }

    /// Stops unless as many values fit on the stack.
    fn stop_unless_room_for(&mut self, values: u32) {
        let height = self.around.height_global;
        let mut sink = InstructionSink::new(self.bytes);
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

    /// Takes the price of a region from the counter.
    fn charge(&mut self, region: &Region) {
        let (counter, spare, gas) = (self.around.gas_global, self.spare_i64, i64::from(region.gas));
        let mut sink = InstructionSink::new(self.bytes);
        sink.global_get(counter).i64_const(gas).i64_sub();
        if !region.checked {
            sink.global_set(counter);
            return;
        }
        // Around the blocks that are open there is the body's own.
        let outer = region.start.nesting.saturating_add(1);
        sink.local_tee(spare).global_set(counter);
        sink.local_get(spare).i64_const(0).i64_lt_s().br_if(outer);
    }

    /// Subtracts the top of the stack from the counter under it and stops below zero.
    fn take(&mut self) {
        let (counter, spare) = (self.around.gas_global, self.spare_i64);
        let mut sink = InstructionSink::new(self.bytes);
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
        // Up to 2^30 the product of any length fits below a counter that is below zero already.
        let per_byte = i64::from(self.around.config.opcode_costs.bulk_memory_per_byte).min(1 << 30);
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
