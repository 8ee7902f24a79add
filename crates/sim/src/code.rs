//! Prepared Wasm, shared by every node of every seed: preparing a module again gives the same.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use casper_types::Digest;
use girrona_exec::{CodeSource, Uncached};
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{PrepareError, Prepared};

/// Every seed uses the default prices, so the module alone names its code. There are a handful of
/// modules, so nothing is ever dropped.
static PREPARED: LazyLock<Mutex<BTreeMap<Digest, Result<Prepared, PrepareError>>>> =
    LazyLock::new(|| Mutex::new(BTreeMap::new()));

/// Where all nodes get their code.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SharedCode;

impl CodeSource for SharedCode {
    fn code(&mut self, module: &[u8], wasm: &WasmConfig) -> Result<Prepared, PrepareError> {
        let mut prepared = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = prepared.entry(Digest::hash(module));
        entry.or_insert_with(|| Uncached.code(module, wasm)).clone()
    }
}
