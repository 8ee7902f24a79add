//! What of a module a stored contract needs: its entry points and all they can reach.
//!
//! The code that installs a contract carries the contract in the same module; it is not stored
//! with it. Functions that no entry point, table or call can reach go, with the imports that only
//! they used; types, globals, memory and data stay.

use std::collections::{BTreeSet, VecDeque};

use wasm_encoder::reencode::{Error as Reencoded, Reencode};
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, FunctionSection, ImportSection, Module, RawSection,
};
use wasmparser::{ElementItems, ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef};

use crate::prepare::Refusal;
use crate::trap::Trap;

/// The part of `wasm` that the exported functions `entry_points` need, which are all it exports.
/// `wasm` is a module that [`crate::prepare()`] accepts.
///
/// # Errors
/// [`Trap::FunctionNotFound`] names the first entry point that the module does not export.
pub fn prune<'n>(
    wasm: &[u8],
    entry_points: impl IntoIterator<Item = &'n str>,
) -> Result<Vec<u8>, Trap> {
    let broken = |error: Refusal| Trap::Host(format!("Wasm preprocessing error: {error}"));
    let parsed = Parsed::read(wasm).map_err(broken)?;
    let mut roots = parsed.in_tables.clone();
    let mut exported = Vec::new();
    for name in entry_points {
        let found = parsed.exports.iter().find(|(export, _)| *export == name);
        let Some((_, index)) = found else {
            return Err(Trap::FunctionNotFound(name.to_owned()));
        };
        roots.insert(*index);
        exported.push((name, *index));
    }
    let kept = parsed.reach(roots).map_err(broken)?;
    parsed.write(wasm, &kept, &exported).map_err(broken)
}

/// What pruning has to know about a module.
#[derive(Default)]
struct Parsed<'a> {
    /// Functions in the order of their index: imports, then bodies.
    imports: u32,
    bodies: Vec<FunctionBody<'a>>,
    exports: Vec<(&'a str, u32)>,
    in_tables: BTreeSet<u32>,
}

impl<'a> Parsed<'a> {
    fn read(wasm: &'a [u8]) -> Result<Self, Refusal> {
        let mut parsed = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let is_function = matches!(import?.ty, TypeRef::Func(_));
                        parsed.imports = parsed.imports.saturating_add(u32::from(is_function));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            parsed.exports.push((export.name, export.index));
                        }
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        if let ElementItems::Functions(functions) = element?.items {
                            for function in functions {
                                parsed.in_tables.insert(function?);
                            }
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => parsed.bodies.push(body),
                _ => {}
            }
        }
        Ok(parsed)
    }

    fn body(&self, function: u32) -> Option<&FunctionBody<'a>> {
        let index = usize::try_from(function.checked_sub(self.imports)?).ok()?;
        self.bodies.get(index)
    }

    /// Everything that can be called from `roots`; each body is read at most once.
    fn reach(&self, roots: BTreeSet<u32>) -> Result<BTreeSet<u32>, Refusal> {
        let mut queue: VecDeque<u32> = roots.iter().copied().collect();
        let mut reached = roots;
        while let Some(function) = queue.pop_front() {
            let Some(body) = self.body(function) else { continue };
            for operator in body.get_operators_reader()? {
                if let Operator::Call { function_index } = operator?
                    && reached.insert(function_index)
                {
                    queue.push_back(function_index);
                }
            }
        }
        Ok(reached)
    }

    fn write(
        &self,
        wasm: &[u8],
        kept: &BTreeSet<u32>,
        exported: &[(&str, u32)],
    ) -> Result<Vec<u8>, Refusal> {
        let mut renumber = Renumber { kept: kept.iter().copied().collect() };
        let mut module = Module::new();
        let mut code = CodeSection::new();
        let mut index = self.imports;
        let last = self.imports.saturating_add(u32::try_from(self.bodies.len()).unwrap_or(0));
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    let mut imports = ImportSection::new();
                    for (number, import) in (0..).zip(section.into_imports()) {
                        let import = import?;
                        // Only functions are imported, so numbers are function indices.
                        if kept.contains(&number) {
                            renumber.parse_import(&mut imports, import).map_err(refusal)?;
                        }
                    }
                    if !imports.is_empty() {
                        module.section(&imports);
                    }
                }
                Payload::FunctionSection(section) => {
                    let mut functions = FunctionSection::new();
                    for (number, ty) in (self.imports..).zip(section) {
                        if kept.contains(&number) {
                            functions.function(ty?);
                        }
                    }
                    module.section(&functions);
                }
                Payload::ExportSection(_) => {
                    let mut exports = ExportSection::new();
                    for (name, function) in exported {
                        let function = renumber.function_index(*function).map_err(refusal)?;
                        exports.export(name, ExportKind::Func, function);
                    }
                    module.section(&exports);
                }
                Payload::ElementSection(section) => {
                    let mut elements = wasm_encoder::ElementSection::new();
                    renumber.parse_element_section(&mut elements, section).map_err(refusal)?;
                    module.section(&elements);
                }
                Payload::CodeSectionEntry(body) => {
                    if kept.contains(&index) {
                        renumber.parse_function_body(&mut code, body).map_err(refusal)?;
                    }
                    index = index.saturating_add(1);
                    if index == last {
                        module.section(&code);
                    }
                }
                Payload::CodeSectionStart { .. } | Payload::CustomSection(_) => {}
                payload => {
                    if let Some((id, range)) = payload.as_section() {
                        let data = wasm.get(range).unwrap_or_default();
                        module.section(&RawSection { id, data });
                    }
                }
            }
        }
        Ok(module.finish())
    }
}

/// Gives functions the numbers they have when the others are gone.
struct Renumber {
    kept: Vec<u32>,
}

impl Reencode for Renumber {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Reencoded<Self::Error>> {
        let number = self.kept.binary_search(&function).ok();
        number.and_then(|number| u32::try_from(number).ok()).ok_or(Reencoded::InvalidConstExpr)
    }
}

fn refusal(error: Reencoded) -> Refusal {
    Refusal::Deserialize(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = r#"
        (module
            (type $unit (func))
            (import "env" "casper_revert" (func $revert (param i32)))
            (import "env" "casper_get_blocktime" (func $time (param i32)))
            (memory 1)
            (table 1 funcref)
            (global $g (mut i32) (i32.const 0))
            (func $install (call $time (i32.const 0)))
            (func $leaf (global.set $g (i32.const 1)))
            (func $tabled (call $leaf))
            (func $first (call_indirect (type $unit) (i32.const 0)))
            (func $second (call $revert (i32.const 7)))
            (export "call" (func $install))
            (export "first" (func $first))
            (export "second" (func $second))
            (export "memory" (memory 0))
            (elem (i32.const 0) $tabled)
            (data (i32.const 16) "data"))
    "#;

    fn pruned(entry_points: &[&str]) -> Result<Vec<u8>, Trap> {
        prune(&wat::parse_str(MODULE).unwrap(), entry_points.iter().copied())
    }

    fn shape(wasm: &[u8]) -> (u32, usize, Vec<String>) {
        wasmparser::Validator::new().validate_all(wasm).unwrap();
        let parsed = Parsed::read(wasm).unwrap();
        let exports = parsed.exports.iter().map(|(name, _)| (*name).to_owned()).collect();
        (parsed.imports, parsed.bodies.len(), exports)
    }

    #[test]
    fn what_no_entry_point_reaches_is_gone() {
        // `first` reaches the table, and what is in it.
        assert_eq!(shape(&pruned(&["first"]).unwrap()), (0, 3, vec!["first".to_owned()]));
        // The table stays, whoever may call through it.
        assert_eq!(shape(&pruned(&["second"]).unwrap()), (1, 3, vec!["second".to_owned()]));
        let all = pruned(&["call", "first", "second"]).unwrap();
        assert_eq!(shape(&all).0, 2);
        assert_eq!(shape(&all).1, 5);
    }

    #[test]
    fn pruning_again_changes_nothing() {
        let once = pruned(&["first", "second"]).unwrap();
        assert_eq!(prune(&once, ["first", "second"]).unwrap(), once);
    }

    #[test]
    fn a_missing_entry_point_is_named() {
        let error = pruned(&["first", "third"]).unwrap_err();
        assert_eq!(error.to_string(), "Function not found: third");
    }
}
