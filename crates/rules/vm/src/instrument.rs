//! The pass over a module: every rule of form checked, metering put in, the rest copied.
//!
//! Knows the sections of a module. Leaves to others: bodies (`body`), prices, what a host function
//! does. Reads the module once, in order; nothing here takes more than linear time.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use girrona_types::wasm_costs::WasmConfig;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, GlobalSection, GlobalType, MemorySection,
    MemoryType, Module, RawSection, SectionId, ValType,
};
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncToValidate, FuncValidatorAllocations, FunctionBody,
    Parser, Payload, TypeRef, TypeSectionReader, ValidPayload, Validator, ValidatorResources,
    WasmFeatures,
};

use crate::abi::{Function, Prices};
use crate::body::{self, Copied, Surroundings};
use crate::height::Signature;
use crate::limits;
use crate::prepare::{PrepareError, Refusal};

/// Export under which an engine finds the gas counter, a mutable `i64`: what is left. It is below
/// zero exactly when the module ran out of gas.
pub const GAS_EXPORT: &str = "girrona:gas";
/// Export under which an engine finds the memory.
pub const MEMORY_EXPORT: &str = "girrona:memory";
/// What guests may not export.
const RESERVED: &str = "girrona:";
/// The module that guests import from.
const HOST_MODULE: &str = "env";

/// A validated module with metering in it, for an engine to compile.
#[derive(Clone, Debug)]
pub struct Instrumented {
    /// The new module. It exports [`GAS_EXPORT`] and [`MEMORY_EXPORT`] beside its own names.
    pub wasm: Vec<u8>,
    /// The functions it imports, in order; it imports nothing else.
    pub imports: Vec<Function>,
    /// What the host functions cost.
    pub prices: Arc<Prices>,
    /// Values that a frame of each function counts, in the order of the bodies.
    pub frames: Vec<u32>,
    /// Values that all frames together may hold, enforced by the module itself.
    pub max_stack_height: u32,
}

/// WebAssembly 1.0 without floats, and what today's compilers emit: sign extension, the two bulk
/// instructions, and a table index written with more bytes than needed.
fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::BULK_MEMORY_OPT
        | WasmFeatures::CALL_INDIRECT_OVERLONG
}

/// Validates and instruments `wasm`.
///
/// # Errors
/// [`PrepareError`] with the first rule that the module breaks.
pub fn instrument(wasm: &[u8], config: &WasmConfig) -> Result<Instrumented, PrepareError> {
    within("bytes of a module", wasm.len(), limits::MODULE_BYTES_MAX)?;
    let mut pass = Pass::new(wasm, config);
    let mut validator = Validator::new_with_features(features());
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        // The validator says no too, in its own words.
        if let Payload::TableSection(tables) = &payload
            && tables.count() > 1
        {
            return refuse("the number of tables must be at most one".to_owned());
        }
        match validator.payload(&payload)? {
            ValidPayload::Func(function, body) => pass.body(function, &body)?,
            _ => pass.section(&payload)?,
        }
    }
    pass.finish()
}

/// What has been read and what has been written.
struct Pass<'a> {
    wasm: &'a [u8],
    config: &'a WasmConfig,
    copied: Copied,
    allocations: FuncValidatorAllocations,
    types: Vec<Signature>,
    /// The same, as they were read.
    type_section: Option<TypeSectionReader<'a>>,
    /// Type of each function, imports first.
    functions: Vec<u32>,
    imports: Vec<Function>,
    has_memory: bool,
    /// Index of the gas counter, once the globals are written. The stack height follows it.
    gas_global: Option<u32>,
    exported: bool,
    bodies_left: u32,
    frames: Vec<u32>,
    /// The body that was written last.
    metered: Vec<u8>,
    code: CodeSection,
    module: Module,
}

impl<'a> Pass<'a> {
    fn new(wasm: &'a [u8], config: &'a WasmConfig) -> Self {
        Self {
            wasm,
            config,
            copied: Copied::new(&config.opcode_costs, features()),
            allocations: FuncValidatorAllocations::default(),
            types: Vec::new(),
            type_section: None,
            functions: Vec::new(),
            imports: Vec::new(),
            has_memory: false,
            gas_global: None,
            exported: false,
            bodies_left: 0,
            frames: Vec::new(),
            metered: Vec::new(),
            code: CodeSection::new(),
            module: Module::new(),
        }
    }

    /// Checks one section that the validator has accepted and writes its successor.
    fn section(&mut self, payload: &Payload<'a>) -> Result<(), PrepareError> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section.clone() {
                    for ty in group?.into_types() {
                        self.types.push(signature(&ty.composite_type.inner)?);
                    }
                }
                self.copy(SectionId::Type, section.range());
                self.type_section = Some(section.clone());
            }
            Payload::ImportSection(section) => {
                within("imports", section.count(), limits::FUNCTIONS_MAX)?;
                for import in section.clone().into_imports() {
                    self.import(&import?)?;
                }
                self.copy(SectionId::Import, section.range());
            }
            Payload::FunctionSection(section) => {
                within("functions", section.count(), limits::FUNCTIONS_MAX)?;
                for ty in section.clone() {
                    self.functions.push(ty?);
                }
                self.copy(SectionId::Function, section.range());
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    let ty = table?.ty;
                    table_size("initial", ty.initial)?;
                    table_size("maximum", ty.maximum.unwrap_or(0))?;
                }
                self.copy(SectionId::Table, section.range());
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    let memory = memory?;
                    self.memory(memory.initial, memory.maximum)?;
                }
            }
            Payload::GlobalSection(section) => {
                let (actual, max) = (section.count(), limits::GLOBALS_MAX);
                if actual > max {
                    return refuse(format!(
                        "declared number of globals ({actual}) exceeds allowed limit of {max}"
                    ));
                }
                let mut globals = GlobalSection::new();
                RoundtripReencoder
                    .parse_global_section(&mut globals, section.clone())
                    .map_err(|error| Refusal::Deserialize(error.to_string()))?;
                self.globals(globals);
            }
            Payload::ExportSection(section) => {
                let mut exports = ExportSection::new();
                for export in section.clone() {
                    let export = export?;
                    if export.name.starts_with(RESERVED) {
                        return refuse(format!("the export name {} is reserved", export.name));
                    }
                    exports.export(export.name, export_kind(export.kind)?, export.index);
                }
                self.exports(exports)?;
            }
            Payload::StartSection { .. } => return Err(PrepareError::UnsupportedStart),
            Payload::ElementSection(section) => {
                self.preamble()?;
                self.copy(SectionId::Element, section.range());
            }
            Payload::CodeSectionStart { count, range, .. } => {
                self.preamble()?;
                average_body(*count, range.len())?;
                self.bodies_left = *count;
                if *count == 0 {
                    self.module.section(&self.code);
                }
            }
            Payload::DataSection(section) => {
                self.preamble()?;
                self.copy(SectionId::Data, section.range());
            }
            // Names and producers are of no use to a running module; the encoder writes version
            // and end.
            _ => {}
        }
        Ok(())
    }

    /// Checks one function body and writes it with metering.
    fn body(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<(), PrepareError> {
        let index = function.index;
        let gas_global = self.gas_global.unwrap_or(0);
        let around = Surroundings {
            config: self.config,
            copied: &self.copied,
            types: &self.types,
            functions: &self.functions,
            imports: u32::try_from(self.imports.len()).unwrap_or(u32::MAX),
            gas_global,
            height_global: gas_global.saturating_add(1),
        };
        let mut validator = function.into_validator(std::mem::take(&mut self.allocations));
        let read = match body::read(body, &mut validator, features(), &around) {
            Err(error @ Refusal::Deserialize(_)) => {
                return Err(body::forbidden(body, self.config).unwrap_or(error).into());
            }
            read => read?,
        };
        self.allocations = validator.into_allocations();
        self.metered.clear();
        self.frames.push(body::instrument(body, index, &read, &around, &mut self.metered)?);
        self.code.raw(&self.metered);
        self.bodies_left = self.bodies_left.saturating_sub(1);
        if self.bodies_left == 0 {
            self.module.section(&self.code);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Instrumented, PrepareError> {
        self.preamble()?;
        Ok(Instrumented {
            wasm: self.module.finish(),
            imports: self.imports,
            frames: self.frames,
            prices: Arc::new(Prices::new(&self.config.host_function_costs)),
            max_stack_height: self.config.max_stack_height,
        })
    }

    fn import(&mut self, import: &wasmparser::Import<'_>) -> Result<(), PrepareError> {
        let name = import.name;
        let missing = |text: String| Err(PrepareError::Instantiation(text));
        let ty = match import.ty {
            TypeRef::Func(ty) => ty,
            // A memory that comes from outside is not the module's own.
            TypeRef::Memory(_) => return Err(Refusal::MissingMemorySection.into()),
            _ => return missing(format!("Export {name} not found")),
        };
        if import.module != HOST_MODULE {
            return missing(format!("Module {} not found", import.module));
        }
        let Some(function) = Function::named(name) else {
            return match name {
                // Casper's meter is a function of this name; ours is not, and has none.
                "gas" => refuse("module imports a non-existent function".to_owned()),
                _ => missing(format!("host module doesn't export function with name {name}")),
            };
        };
        let expected = Signature {
            params: function.params(),
            only_i32: true,
            result: function.returns().then_some(ValType::I32),
        };
        let actual = usize::try_from(ty).ok().and_then(|ty| self.types.get(ty));
        if actual != Some(&expected) {
            let given: Vec<_> = (0..function.params()).map(|_| wasmparser::ValType::I32).collect();
            return missing(format!(
                "Expected function with type {}, but actual type is {} for entry {name}",
                self.type_in_words(ty)?,
                in_words(&given, given.first().filter(|_| function.returns())),
            ));
        }
        self.imports.push(function);
        self.functions.push(ty);
        Ok(())
    }

    /// A type of the module as Casper's interpreter prints it.
    fn type_in_words(&self, index: u32) -> Result<String, PrepareError> {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let mut types = Vec::new();
        for group in self.type_section.iter().cloned().flatten() {
            types.extend(group?.into_types().map(|ty| ty.composite_type.inner));
        }
        Ok(match types.get(index) {
            Some(CompositeInnerType::Func(ty)) => in_words(ty.params(), ty.results().first()),
            _ => String::new(),
        })
    }

    fn memory(&mut self, initial: u64, maximum: Option<u64>) -> Result<(), PrepareError> {
        let allowed = u64::from(self.config.max_memory);
        let maximum = maximum.unwrap_or(allowed);
        if initial > maximum {
            let text = format!("maximum limit {maximum} is less than minimum {initial}");
            return Err(PrepareError::Instantiation(text));
        }
        if maximum > allowed {
            let text = "Module requested too much memory".to_owned();
            return Err(PrepareError::Instantiation(text));
        }
        let mut section = MemorySection::new();
        section.memory(MemoryType {
            minimum: initial,
            maximum: Some(maximum),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        self.module.section(&section);
        self.has_memory = true;
        Ok(())
    }

    /// Writes the module's globals and the two of metering behind them.
    fn globals(&mut self, mut globals: GlobalSection) {
        self.gas_global = Some(globals.len());
        let ty = |val_type| GlobalType { val_type, mutable: true, shared: false };
        globals.global(ty(ValType::I64), &ConstExpr::i64_const(0));
        globals.global(ty(ValType::I32), &ConstExpr::i32_const(0));
        self.module.section(&globals);
    }

    /// Writes the module's exports and the two that engines need.
    fn exports(&mut self, mut exports: ExportSection) -> Result<(), PrepareError> {
        if !self.has_memory {
            return Err(Refusal::MissingMemorySection.into());
        }
        if self.gas_global.is_none() {
            self.globals(GlobalSection::new());
        }
        exports.export(GAS_EXPORT, ExportKind::Global, self.gas_global.unwrap_or(0));
        exports.export(MEMORY_EXPORT, ExportKind::Memory, 0);
        self.module.section(&exports);
        self.exported = true;
        Ok(())
    }

    /// Writes what has to stand before elements, code and data if the module did not have it.
    fn preamble(&mut self) -> Result<(), PrepareError> {
        if self.exported { Ok(()) } else { self.exports(ExportSection::new()) }
    }

    fn copy(&mut self, id: SectionId, range: Range<usize>) {
        let data = self.wasm.get(range).unwrap_or_default();
        self.module.section(&RawSection { id: id.into(), data });
    }
}

fn in_words(params: &[wasmparser::ValType], result: Option<&wasmparser::ValType>) -> String {
    let name = |ty: &wasmparser::ValType| match ty {
        wasmparser::ValType::I32 => "I32",
        wasmparser::ValType::I64 => "I64",
        _ => "another",
    };
    let params = params.iter().map(name).collect::<Vec<_>>().join(", ");
    let result = result.map_or_else(|| "None".to_owned(), |ty| format!("Some({})", name(ty)));
    format!("Signature {{ params: [{params}], return_type: {result} }}")
}

fn signature(ty: &CompositeInnerType) -> Result<Signature, PrepareError> {
    let CompositeInnerType::Func(ty) = ty else {
        let text = "only function types are accepted".to_owned();
        return Err(Refusal::Deserialize(text).into());
    };
    let params = ty.params();
    if params.len() > limits::PARAMETERS_MAX {
        return refuse(format!(
            "use of a function type with too many parameters (limit of {} but function declares {})",
            limits::PARAMETERS_MAX,
            params.len()
        ));
    }
    Ok(Signature {
        params: u32::try_from(params.len()).unwrap_or(u32::MAX),
        only_i32: params.iter().all(|ty| *ty == wasmparser::ValType::I32),
        result: ty.results().first().map(|ty| body::value_type(*ty)).transpose()?,
    })
}

fn export_kind(kind: ExternalKind) -> Result<ExportKind, PrepareError> {
    match kind {
        ExternalKind::Func => Ok(ExportKind::Func),
        ExternalKind::Table => Ok(ExportKind::Table),
        ExternalKind::Memory => Ok(ExportKind::Memory),
        ExternalKind::Global => Ok(ExportKind::Global),
        other => refuse(format!("an export of kind {other:?} is not accepted")),
    }
}

fn table_size(which: &str, actual: u64) -> Result<(), PrepareError> {
    let max = limits::TABLE_SIZE_MAX;
    if actual > max {
        return refuse(format!("{which} table size of {actual} exceeds allowed limit of {max}"));
    }
    Ok(())
}

fn average_body(count: u32, bytes: usize) -> Result<(), PrepareError> {
    let min = limits::BODY_BYTES_AVERAGE_MIN;
    let needed = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(min);
    if bytes >= limits::BODIES_BYTES_FREE && bytes < needed {
        return refuse(format!(
            "{count} functions in {bytes} bytes: they must have {min} bytes on average"
        ));
    }
    Ok(())
}

fn within<N: PartialOrd + fmt::Display>(what: &str, actual: N, max: N) -> Result<(), PrepareError> {
    if actual > max {
        return refuse(format!("number of {what} ({actual}) exceeds allowed limit of {max}"));
    }
    Ok(())
}

fn refuse<T>(text: String) -> Result<T, PrepareError> {
    Err(Refusal::Limit(text).into())
}
