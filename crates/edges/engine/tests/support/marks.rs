//! Which instructions and host functions programs reach: a program can be written with a mark before
//! each instruction, a call of the host that nothing else makes.

use std::collections::BTreeMap;

use girrona_vm::abi::Function as Host;
use wasm_encoder::Instruction as I;

use crate::host::{FIRST_MARK, World};

/// The names of all instructions that the law lets in.
pub(crate) fn accepted() -> Vec<&'static str> {
    let mut names = Vec::new();
    macro_rules! each {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
            $(
                let is_in = matches!(stringify!($proposal), "mvp" | "sign_extension");
                let name = stringify!($op);
                let is_bulk = matches!(name, "MemoryCopy" | "MemoryFill");
                if (is_in || is_bulk) && !name.contains("F32") && !name.contains("F64") {
                    names.push(name);
                }
            )*
        };
    }
    wasmparser::for_each_operator!(each);
    names
}

/// The name of an instruction, as the parser has it.
pub(crate) fn name(op: &I<'_>) -> String {
    let mut text = format!("{op:?}");
    text.truncate(text.find([' ', '{', '(']).unwrap_or(text.len()));
    text
}

/// Numbers for instructions and host functions.
#[derive(Debug)]
pub(crate) struct Marks {
    names: Vec<&'static str>,
}

impl Marks {
    pub(crate) fn new() -> Self {
        Self { names: accepted() }
    }

    /// What a program tells the host before it does `op`.
    pub(crate) fn of(&self, op: &I<'_>) -> u32 {
        let name = name(op);
        let at = self.names.iter().position(|known| *known == name);
        FIRST_MARK + at.unwrap_or_else(|| panic!("{name} is not accepted")) as u32
    }

    /// What a program tells the host before it calls `function`.
    pub(crate) fn of_host(&self, function: Host) -> u32 {
        FIRST_MARK + self.names.len() as u32 + function as u32
    }

    /// Adds up what a world was told, by name.
    pub(crate) fn read(&self, world: &World, hits: &mut Hits) {
        let functions: Vec<&'static str> = Host::all().map(Host::name).collect();
        for (mark, times) in &world.marks {
            let at = (*mark - FIRST_MARK) as usize;
            if let Some(name) = self.names.get(at) {
                *hits.instructions.get_mut(name).unwrap() += times;
            } else if let Some(name) = functions.get(at - self.names.len()) {
                *hits.functions.get_mut(name).unwrap() += times;
            }
        }
    }
}

/// How often each instruction and each host function was reached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hits {
    pub(crate) instructions: BTreeMap<&'static str, u64>,
    pub(crate) functions: BTreeMap<&'static str, u64>,
}

impl Hits {
    pub(crate) fn none() -> Self {
        Self {
            instructions: accepted().into_iter().map(|name| (name, 0)).collect(),
            functions: Host::all().map(|function| (function.name(), 0)).collect(),
        }
    }

    /// What nothing reached.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let all = self.instructions.iter().chain(&self.functions);
        all.filter(|(_, hits)| **hits == 0).map(|(name, _)| *name).collect()
    }
}
