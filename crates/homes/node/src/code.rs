//! Prepared Wasm, kept beside the rules: the same module is validated and instrumented once.

use std::collections::{BTreeMap, VecDeque};

use casper_types::Digest;
use girrona_exec::{CodeSource, Uncached};
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{PrepareError, Prepared};

/// Modules that are kept; the oldest goes first.
const MODULES_MAX: usize = 256;
/// Bytes of original modules that are kept; prepared code takes a few times as much.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// A bounded cache of prepared modules. Never visible in results.
#[derive(Default)]
pub struct Cache {
    prepared: BTreeMap<Digest, (Prepared, usize)>,
    order: VecDeque<Digest>,
    bytes: usize,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("modules", &self.prepared.len()).finish()
    }
}

impl CodeSource for Cache {
    fn code(&mut self, module: &[u8], wasm: &WasmConfig) -> Result<Prepared, PrepareError> {
        let hash = Digest::hash(module);
        if let Some((code, _)) = self.prepared.get(&hash) {
            return Ok(code.clone());
        }
        let code = Uncached.code(module, wasm)?;
        self.prepared.insert(hash, (code.clone(), module.len()));
        self.order.push_back(hash);
        self.bytes += module.len();
        while self.order.len() > MODULES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some((_, size)) = self.prepared.remove(&oldest) {
                self.bytes -= size;
            }
        }
        Ok(code)
    }
}
