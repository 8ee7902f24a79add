//! Compiled code, ready to run.

use std::{fmt, sync::Arc};

use wasmtime::{
    Engine, Linker, Module, ModuleExport,
    component::{self, Component},
};

use crate::{p1, p2};

/// A program that was compiled and linked. Cheap to clone.
#[derive(Clone)]
pub struct Artefact(pub(crate) Arc<Code>);

/// What an artefact was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A core module that imports WASI preview 1.
    Module,
    /// A component that imports WASI preview 2.
    Component,
}

impl Kind {
    /// What bytes begin as, if they begin as either.
    pub fn of(wasm: &[u8]) -> Option<Self> {
        match wasm.get(..8)? {
            [0, b'a', b's', b'm', 1, 0, 0, 0] => Some(Self::Module),
            [0, b'a', b's', b'm', _, 0, 1, 0] => Some(Self::Component),
            _ => None,
        }
    }
}

/// Bytes whose name they are.
pub(crate) type Hash = [u8; 32];

/// What is behind an artefact.
pub(crate) struct Code {
    pub(crate) hash: Hash,
    pub(crate) program: Program,
    /// Bytes of machine code.
    pub(crate) size: u64,
}

/// A program and where its parts are.
pub(crate) enum Program {
    Module {
        pre: wasmtime::InstancePre<p1::State>,
        memory: Option<ModuleExport>,
    },
    Component(component::InstancePre<p2::State>),
    /// It imports what is not there: whoever runs it is told so.
    Unlinked(Kind, String),
}

/// What programs are linked with.
pub(crate) struct Linkers {
    module: Linker<p1::State>,
    component: component::Linker<p2::State>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut module = Linker::new(engine);
        p1::link(&mut module)?;
        let mut component = component::Linker::new(engine);
        p2::link(&mut component)?;
        Ok(Self { module, component })
    }

    pub(crate) fn module(&self, module: &Module) -> Program {
        match self.module.instantiate_pre(module) {
            Ok(pre) => Program::Module { pre, memory: module.get_export_index("memory") },
            Err(error) => Program::Unlinked(Kind::Module, format!("{error:#}")),
        }
    }

    pub(crate) fn component(&self, component: &Component) -> Program {
        match self.component.instantiate_pre(component) {
            Ok(pre) => Program::Component(pre),
            Err(error) => Program::Unlinked(Kind::Component, format!("{error:#}")),
        }
    }
}

impl Artefact {
    /// Whether it is a module or a component.
    pub fn kind(&self) -> Kind {
        match &self.0.program {
            Program::Module { .. } => Kind::Module,
            Program::Component(_) => Kind::Component,
            Program::Unlinked(kind, _) => *kind,
        }
    }

    /// BLAKE3 of the Wasm that it was made of.
    pub fn hash(&self) -> [u8; 32] {
        self.0.hash
    }

    /// Bytes of machine code, and what goes with it.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// What it imports that is not there, if anything. Executing it ends in a trap of that kind.
    pub fn missing(&self) -> Option<&str> {
        match &self.0.program {
            Program::Unlinked(_, reason) => Some(reason),
            _ => None,
        }
    }
}

impl fmt::Debug for Artefact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artefact")
            .field("kind", &self.kind())
            .field("hash", &hex::encode(self.0.hash))
            .field("size", &self.0.size)
            .finish()
    }
}
