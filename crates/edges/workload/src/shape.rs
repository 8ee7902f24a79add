//! How long a compile will take and how much memory, estimated before it begins.
//!
//! A compile cannot be stopped half-way, and some modules are written to take for ever: what looks as
//! if it took more than an operator allows is not begun. Estimates are of the worst shapes that were
//! measured, on one core.

use std::time::Duration;

use wasmparser::{
    BinaryReader, BinaryReaderError, FunctionBody, Operator, Parser, Payload, TypeRef,
};

use crate::artefact::Kind;

/// Loops inside each other in one function. Time goes up with a power of them.
const LOOPS_MAX: u32 = 64;
/// More loops around each other than these did not make it slower.
const LOOPS_COUNTED: u64 = 8;
/// Components inside each other.
const NESTED_MAX: u32 = 64;
/// Sections of a component that have a module or a component in them.
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;
/// For a function, however small.
const NS_PER_FUNCTION: u64 = 150_000;
/// For a byte of code.
const NS_PER_BYTE: u64 = 1_000;
/// For a byte of code, once more for so many bytes in the same function.
const LONG_BYTES: u64 = 256 << 10;
/// For a way of control, times the locals that may have to be carried along it, times the loops
/// around each other.
const NS_PER_CARRIED: u64 = 1_300;
/// Memory for a function, however small, until all are compiled.
const MEMORY_PER_FUNCTION: u64 = 6 << 10;
/// Memory for a byte of code, until all is compiled.
const MEMORY_PER_BYTE: u64 = 20;
/// Memory for a byte of the function that is being compiled.
const MEMORY_PER_BYTE_AT_WORK: u64 = 400;

/// What a compile will take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    nanoseconds: u64,
    loops: u32,
    functions: u64,
    bytes: u64,
    longest: u64,
}

impl Shape {
    /// Looks at a module, or a component with all modules in it.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn of(wasm: &[u8], kind: Kind) -> Result<Self, BinaryReaderError> {
        let mut shape = Self::default();
        match kind {
            Kind::Module => shape.add_module(wasm)?,
            Kind::Component => shape.add_component(wasm, 0)?,
        }
        Ok(shape)
    }

    /// A component is a head of eight bytes and sections; those of interest have whole modules and
    /// components in them.
    fn add_component(&mut self, wasm: &[u8], depth: u32) -> Result<(), BinaryReaderError> {
        if depth > NESTED_MAX {
            self.loops = u32::MAX;
            return Ok(());
        }
        let mut reader = BinaryReader::new(wasm, 0);
        reader.read_bytes(8)?;
        while !reader.eof() {
            let id = reader.read_u8()?;
            let len = usize::try_from(reader.read_var_u32()?).unwrap_or(usize::MAX);
            let section = reader.read_bytes(len)?;
            match id {
                CORE_MODULE => self.add_module(section)?,
                COMPONENT => self.add_component(section, depth + 1)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn add_module(&mut self, wasm: &[u8]) -> Result<(), BinaryReaderError> {
        let mut params = Vec::new();
        let mut functions = Vec::new();
        let mut bodies = 0_usize;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(types) => {
                    for group in types {
                        for ty in group?.into_types() {
                            params.push(match ty.composite_type.inner {
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
                    bodies += 1;
                    self.add(&body, u64::try_from(params).unwrap_or(u64::MAX))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, body: &FunctionBody<'_>, params: u64) -> Result<(), BinaryReaderError> {
        let mut locals = params;
        for group in body.get_locals_reader()? {
            locals = locals.saturating_add(u64::from(group?.0));
        }
        let mut ways = 0_u64;
        let (mut open, mut loops, mut deepest) = (Vec::new(), 0_u32, 0_u32);
        for op in body.get_operators_reader()? {
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
        let bytes = u64::try_from(body.range().len()).unwrap_or(u64::MAX);
        let depth = 1 + u64::from(deepest).min(LOOPS_COUNTED);
        let carried = ways.saturating_mul(locals).saturating_mul(depth);
        let cost = NS_PER_FUNCTION
            .saturating_add(bytes.saturating_mul(NS_PER_BYTE))
            .saturating_add(bytes.saturating_mul(bytes / LONG_BYTES).saturating_mul(NS_PER_BYTE))
            .saturating_add(carried.saturating_mul(NS_PER_CARRIED));
        self.nanoseconds = self.nanoseconds.saturating_add(cost);
        self.functions += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.longest = self.longest.max(bytes);
        Ok(())
    }

    /// How long it will take at most, or `None` if nobody knows.
    pub(crate) fn time(self) -> Option<Duration> {
        (self.loops <= LOOPS_MAX).then(|| Duration::from_nanos(self.nanoseconds))
    }

    /// How many bytes of memory it will take at most.
    pub(crate) fn memory(self) -> u64 {
        let of_functions = self.functions.saturating_mul(MEMORY_PER_FUNCTION);
        let of_code = self.bytes.saturating_mul(MEMORY_PER_BYTE);
        let at_work = self.longest.saturating_mul(MEMORY_PER_BYTE_AT_WORK);
        of_functions.saturating_add(of_code).saturating_add(at_work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<f64> {
        let wasm = wat::parse_str(text).unwrap();
        let shape = Shape::of(&wasm, Kind::of(&wasm).unwrap());
        shape.unwrap().time().map(|time| time.as_secs_f64())
    }

    #[test]
    fn a_function_that_cranelift_takes_a_minute_for_is_seen_before() {
        let nested = |loops: usize| {
            let gets =
                "(local.set 0 (i32.add (local.get 1) (local.get 2))) (br_if 0 (local.get 3))";
            let inner = "(loop ".repeat(loops) + &gets.repeat(40) + &")".repeat(loops);
            format!("(module (func (local {}) {inner}))", "i32 ".repeat(200))
        };
        assert!(seconds(&nested(400)).is_none());
        assert!(seconds(&nested(1)).unwrap() < 0.5);
        let branchy = format!(
            "(module (func (local {}) {}))",
            "i32 ".repeat(1_000),
            "(block (br_if 0 (local.get 7)))".repeat(10_000)
        );
        assert!(seconds(&branchy).unwrap() > 10.0);
    }

    #[test]
    fn many_functions_with_nothing_in_them_take_time_and_memory() {
        // 12 seconds and 520 MiB, measured.
        let wasm = wat::parse_str(format!("(module {})", "(func)".repeat(100_000))).unwrap();
        let shape = Shape::of(&wasm, Kind::Module).unwrap();
        assert!(shape.time().unwrap() >= Duration::from_secs(12));
        assert!(shape.memory() >= 520 << 20);
    }

    #[test]
    fn modules_inside_a_component_count() {
        let body = "(block (br_if 0 (local.get 7)))".repeat(2_000);
        let module = format!("(func (local {}) {body})", "i32 ".repeat(500));
        let alone = seconds(&format!("(module {module})")).unwrap();
        let inside = seconds(&format!(
            "(component (core module {module}) (component (core module {module})))"
        ));
        assert!(inside.unwrap() > alone * 1.9, "{inside:?} {alone}");
    }
}
