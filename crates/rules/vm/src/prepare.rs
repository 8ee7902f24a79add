//! From the bytes that somebody sent to code that can be run.
//!
//! Everything that can be wrong with a module is found here, in time proportional to its size,
//! before anything of it runs: [`prepare`] validates, prices, instruments and compiles.

use std::sync::Arc;

use girrona_types::wasm_costs::WasmConfig;
use thiserror::Error;

use crate::engine::{Code, Engine};
use crate::instrument;

/// Code ready to run, shared by whoever caches it.
pub type Prepared = Arc<dyn Code>;

/// Why a module cannot be run. The texts begin as Casper 1.5's do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrepareError {
    /// The module breaks a rule of its form. Casper finds these before it runs anything.
    #[error("Wasm preprocessing error: {0}")]
    Preprocessing(#[from] Refusal),
    /// The module wants to run code when it is loaded.
    #[error("Unsupported WASM start")]
    UnsupportedStart,
    /// The module asks for what the host does not have: an unknown import, too much memory.
    #[error("Interpreter error: {0}")]
    Instantiation(String),
}

impl PrepareError {
    /// The text with what Casper's leaves out.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Preprocessing(Refusal::OperationForbidden(what)) => format!("{self}: {what}"),
            _ => self.to_string(),
        }
    }
}

/// A rule of form that a module breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Not a WebAssembly module of the accepted features.
    #[error("Deserialization error: {0}")]
    Deserialize(String),
    /// An instruction without a price; Casper does not say which.
    #[error(
        "Encountered operation forbidden by gas rules. Consult instruction -> metering config map"
    )]
    OperationForbidden(String),
    /// No memory of its own.
    #[error("Memory section should exist")]
    MissingMemorySection,
    /// A limit was passed.
    #[error("Wasm validation error: {0}")]
    Limit(String),
}

impl From<wasmparser::BinaryReaderError> for Refusal {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Deserialize(error.to_string())
    }
}

impl From<wasmparser::BinaryReaderError> for PrepareError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Preprocessing(error.into())
    }
}

/// Checks `wasm`, puts metering into it, and lets `engine` compile it.
///
/// The result depends on `wasm` and `config` alone; a cache keyed by both may keep it.
///
/// # Errors
/// [`PrepareError`] with the rule that the module breaks.
pub fn prepare(
    wasm: &[u8],
    config: &WasmConfig,
    engine: &dyn Engine,
) -> Result<Prepared, PrepareError> {
    engine.compile(instrument::instrument(wasm, config)?)
}
