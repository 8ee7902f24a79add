//! What a module asks of a compiler, measured before it compiles.
//!
//! Cranelift follows every local along every branch, and a function of 64 KiB can be written so that
//! it takes a minute. A compile cannot be stopped half-way, so what might take long is not begun.
//! Frames are bounded here too, because compiled code puts them on the stack of the thread.

use girrona_vm::Instrumented;
use wasmparser::{BinaryReaderError, FunctionBody, Operator, Parser, Payload, TypeRef};

use crate::stack::RUN_BYTES;

/// Bytes of an instrumented module that Cranelift may see. Real contracts have 10 to 400 KB.
const BYTES_MAX: usize = 1 << 20;
/// Loops inside each other in one function.
const LOOPS_MAX: u32 = 24;
/// What Cranelift carries in one function: ways of control, each times the locals that may have to
/// be carried along it, each as often again as there are loops around each other, up to
/// [`LOOPS_COUNTED`]. Measured at up to 1.3 microseconds each.
const CARRIED_FUNCTION_MAX: u64 = 512 << 10;
/// The same, over all functions of a module.
const CARRIED_MAX: u64 = 2 << 20;
/// More loops around each other than these did not make it slower.
const LOOPS_COUNTED: u32 = 8;
/// Bytes of stack that an instruction may need at most: a few spilled values.
const BYTES_PER_OP: u64 = 32;
/// Bytes of stack for a local: its own slot and a copy to pass on.
const BYTES_PER_LOCAL: u64 = 16;
/// Bytes of stack for the frame itself.
const BYTES_PER_FRAME: u64 = 512;

/// What a module asks of a compiler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    bytes: usize,
    loops: u32,
    carried_function: u64,
    carried: u64,
    stack: Stack,
}

/// Bytes of native stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stack {
    /// The most for one unit of stack height.
    per_height: u64,
    /// The most for one frame.
    frame: u64,
}

impl Stack {
    /// Takes up a frame that counts `height`.
    fn add(&mut self, frame: u64, height: u64) {
        self.frame = self.frame.max(frame);
        self.per_height = self.per_height.max(frame / height.max(1));
    }

    /// Whether no chain of calls within `height` can pass the stack that a run has.
    fn fits(self, height: u32) -> bool {
        let chain = self.per_height.saturating_mul(u64::from(height));
        // Metering need not count the innermost function.
        let most = chain.saturating_add(self.frame);
        usize::try_from(most).is_ok_and(|most| most <= RUN_BYTES / 4 * 3)
    }
}

impl Shape {
    /// Looks at an instrumented module.
    ///
    /// # Errors
    /// When it is not one.
    pub(crate) fn of(module: &Instrumented) -> Result<Self, BinaryReaderError> {
        let wasm = &module.wasm;
        let mut shape = Self { bytes: wasm.len(), ..Self::default() };
        let mut params = Vec::new();
        let mut functions = Vec::new();
        let mut bodies = 0_usize;
        let mut frames = module.frames.iter();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(types) => {
                    for group in types {
                        for ty in group?.into_types() {
                            let function = ty.composite_type.inner;
                            params.push(match function {
                                wasmparser::CompositeInnerType::Func(ty) => ty.params().len(),
                                _ => 0,
                            });
                        }
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        if let TypeRef::Func(ty) = import?.ty {
                            functions.push(ty);
                            bodies += 1;
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        functions.push(ty?);
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let ty = functions.get(bodies).and_then(|ty| usize::try_from(*ty).ok());
                    let params = ty.and_then(|ty| params.get(ty)).copied().unwrap_or(0);
                    let height = frames.next().copied().map_or(0, u64::from);
                    shape.add(&body, u64::try_from(params).unwrap_or(u64::MAX), height)?;
                    bodies += 1;
                }
                _ => {}
            }
        }
        Ok(shape)
    }

    fn add(
        &mut self,
        body: &FunctionBody<'_>,
        params: u64,
        height: u64,
    ) -> Result<(), BinaryReaderError> {
        let mut locals = params;
        for group in body.get_locals_reader()? {
            locals += u64::from(group?.0);
        }
        let (mut ops, mut ways) = (0_u64, 0_u64);
        let (mut open, mut loops, mut deepest) = (Vec::new(), 0_u32, 0_u32);
        for op in body.get_operators_reader()? {
            ops += 1;
            match op? {
                Operator::Loop { .. } => {
                    open.push(true);
                    loops += 1;
                    deepest = deepest.max(loops);
                    ways += 1;
                }
                Operator::Block { .. } => open.push(false),
                Operator::If { .. } => {
                    open.push(false);
                    ways += 1;
                }
                Operator::End => {
                    ways += 1;
                    loops -= u32::from(open.pop() == Some(true));
                }
                Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } => ways += 1,
                Operator::BrTable { targets } => ways += u64::from(targets.len()) + 1,
                _ => {}
            }
        }
        self.loops = self.loops.max(deepest);
        let carried = ways * locals * u64::from(1 + deepest.min(LOOPS_COUNTED));
        self.carried_function = self.carried_function.max(carried);
        self.carried += carried;
        // The compiler may keep any value.
        let plain = (locals + height) * BYTES_PER_LOCAL + BYTES_PER_FRAME;
        self.stack.add(plain + ops * BYTES_PER_OP, height);
        Ok(())
    }

    /// Whether it may be compiled, under a law with that stack height.
    pub(crate) fn is_for_compiling(&self, height_max: u32) -> bool {
        self.bytes <= BYTES_MAX
            && self.loops <= LOOPS_MAX
            && self.carried_function <= CARRIED_FUNCTION_MAX
            && self.carried <= CARRIED_MAX
            && self.stack.fits(height_max)
    }
}
