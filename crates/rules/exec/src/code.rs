//! Where code that can run comes from.

use casper_types::{ContractWasm, HashAddr};
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Interpreter, PrepareError, Prepared, prepare};

/// Turns modules into code that can run.
///
/// Preparing costs much more than running, so whoever owns execution keeps what was prepared. A
/// cache must not change the outcome: the same module and prices give the same code or the same
/// refusal.
pub trait CodeSource {
    /// Prepares a module under the limits and prices of `wasm`.
    ///
    /// # Errors
    /// The rule that the module breaks.
    fn code(&mut self, module: &[u8], wasm: &WasmConfig) -> Result<Prepared, PrepareError>;

    /// As [`CodeSource::code`], for a stored module. Its address follows from its bytes, so there is
    /// no other module at `hash`, and what was prepared once may be kept under it.
    ///
    /// # Errors
    /// The rule that the module breaks.
    fn stored(
        &mut self,
        hash: HashAddr,
        module: &ContractWasm,
        wasm: &WasmConfig,
    ) -> Result<Prepared, PrepareError> {
        let _ = hash;
        self.code(&module.clone().take_bytes(), wasm)
    }
}

/// Prepares every module anew, for the reference interpreter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncached;

impl CodeSource for Uncached {
    fn code(&mut self, module: &[u8], wasm: &WasmConfig) -> Result<Prepared, PrepareError> {
        prepare(module, wasm, &Interpreter)
    }
}
