//! Prepared code, kept: interpreted at first, compiled when it is called often.
//!
//! Every module is first prepared for the interpreter, which alone decides what is refused. After
//! [`HOT_USES`] uses a thread compiles it, if its runs are long enough to gain by that, and when that
//! is done its code takes the interpreter's place. Which of them ran is visible in metrics and nowhere
//! else.
//!
//! The chain has the [`Tiers`]; whoever tries code out beside it has an [`Onlooker`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use casper_types::{ContractWasm, Digest, HashAddr};
use girrona_exec::CodeSource;
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Code, Host, Interpreter, Outcome, PrepareError, Prepared, prepare};
use prometheus_client::metrics::counter::Counter;
use tracing::warn;
use wasmparser::{Parser, Payload};

use crate::metrics::Metrics;
use crate::worker::{Job, Worker};

/// Uses after which a module is compiled: a compile costs about as much as eight interpreted runs
/// of a small contract.
const HOT_USES: u32 = 8;
/// Gas for a run's own instructions, on average, from which machine code is faster: to enter it costs
/// about 2.6 microseconds more than to enter the interpreter, which takes those for a thousand
/// instructions.
const HOT_GAS: u64 = 600_000;
/// The interpreter clears a guest's memory for each run; what a page of it takes, as gas.
const PAGE_GAS: u64 = 150_000;
/// Bytes of kept code, as far as we know them; the longest unused goes first.
const BYTES_MAX: usize = 256 << 20;
/// What interpreted code takes for each byte of its module, about.
const BYTES_PER_BYTE: usize = 8;
/// What any kept module takes beside its code.
const BYTES_PER_MODULE: usize = 16 << 10;

/// The name of a module: of what it is known by, and what it is called there. The two differ for the
/// same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// By the hash of its bytes.
    Bytes([u8; 32]),
    /// By the address where it is stored.
    Stored(HashAddr),
}

/// Where a module is on its way to machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Used so many times.
    Interpreted(u32),
    /// With the compiler.
    Waiting,
    /// As fast as it gets.
    Settled,
}

#[derive(Debug)]
struct Kept {
    code: Prepared,
    work: Arc<Work>,
    /// Of memory, when it starts.
    pages: u64,
    bytes: usize,
    stage: Stage,
    used: u64,
}

/// What is kept, and by when it was last used.
#[derive(Debug, Default)]
struct Shelf {
    law: Option<Arc<WasmConfig>>,
    kept: BTreeMap<Key, Kept>,
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
}

/// A bounded cache of prepared modules in two tiers.
#[derive(Debug)]
pub struct Tiers {
    shelf: Arc<Mutex<Shelf>>,
    bytes_max: usize,
    worker: Option<Worker>,
    metrics: Metrics,
    interpreted: Counter,
}

impl Tiers {
    /// Interprets and, where `compile` says so and the machine can, compiles.
    pub fn new(compile: bool, metrics: Metrics) -> Self {
        let started = compile.then(|| Worker::start(&metrics));
        let worker = started.and_then(|started| match started {
            Ok(worker) => Some(worker),
            Err(error) => {
                warn!(%error, "contracts are interpreted only");
                None
            }
        });
        Self {
            shelf: Arc::default(),
            bytes_max: BYTES_MAX,
            worker,
            interpreted: metrics.runs("interpreter"),
            metrics,
        }
    }

    /// With another bound on the bytes of kept code.
    #[must_use]
    pub fn with_bytes_max(mut self, bytes_max: usize) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// One who uses what is kept here without changing it.
    pub fn onlooker(&self) -> Onlooker {
        Onlooker { shelf: Arc::clone(&self.shelf), interpreted: self.interpreted.clone() }
    }

    /// Bytes of kept code, as far as we know them.
    pub fn bytes(&self) -> usize {
        locked(&self.shelf).bytes
    }

    /// Modules that are kept.
    pub fn modules(&self) -> usize {
        locked(&self.shelf).kept.len()
    }

    fn get(
        &mut self,
        key: Key,
        wasm: &WasmConfig,
        module: impl Fn() -> Vec<u8>,
    ) -> Result<Prepared, PrepareError> {
        let law = self.law(wasm);
        self.take_done();
        if let Some(code) = self.find(key, &law, &module) {
            return Ok(code);
        }
        let module = module();
        let work = Arc::new(Work::default());
        let code = prepare(&module, &law, &Interpreter)?;
        let code = counted(code, &self.interpreted, &work);
        self.metrics.prepared.inc();
        let new = Kept {
            code: Arc::clone(&code),
            work,
            pages: memory_pages(&module),
            bytes: module.len().saturating_mul(BYTES_PER_BYTE).saturating_add(BYTES_PER_MODULE),
            stage: Stage::Interpreted(1),
            used: 0,
        };
        let kept = locked(&self.shelf).keep(key, new, self.bytes_max);
        self.metrics.bytes.set(i64::try_from(kept).unwrap_or(i64::MAX));
        Ok(code)
    }

    /// Limits and prices as of now. Code made under others is of no use.
    fn law(&mut self, wasm: &WasmConfig) -> Arc<WasmConfig> {
        let mut shelf = locked(&self.shelf);
        if let Some(law) = shelf.law.as_ref().filter(|law| ***law == *wasm) {
            return Arc::clone(law);
        }
        // What is being compiled is under the old ones: its thread goes with it.
        if shelf.law.is_some() && self.worker.is_some() {
            self.worker = Worker::start(&self.metrics).ok();
        }
        let law = Arc::new(wasm.clone());
        *shelf = Shelf { law: Some(Arc::clone(&law)), ..Shelf::default() };
        law
    }

    /// Kept code; hands it to the compiler if it is used often.
    fn find(
        &self,
        key: Key,
        law: &Arc<WasmConfig>,
        module: impl Fn() -> Vec<u8>,
    ) -> Option<Prepared> {
        let mut shelf = locked(&self.shelf);
        let kept = shelf.touch(key)?;
        let code = Arc::clone(&kept.code);
        if let (Stage::Interpreted(uses), Some(worker)) = (kept.stage, &self.worker) {
            kept.stage = Stage::Interpreted(uses.saturating_add(1));
            if uses >= HOT_USES && kept.work.gains_by_compiling(kept.pages) && worker.has_room() {
                let (law, reference) = (Arc::clone(law), Arc::clone(&code));
                if worker.submit(Job { key, module: module(), law, reference }) {
                    kept.stage = Stage::Waiting;
                }
            }
        }
        Some(code)
    }

    /// Puts compiled code where interpreted code was.
    fn take_done(&self) {
        while let Some(done) = self.worker.as_ref().and_then(Worker::take) {
            let mut shelf = locked(&self.shelf);
            let Some(kept) = shelf.kept.get_mut(&done.key) else { continue };
            kept.stage = Stage::Settled;
            if let Some((code, bytes)) = done.code {
                kept.code = code;
                kept.bytes += bytes;
                shelf.bytes += bytes;
                shelf.evict(self.bytes_max);
                self.metrics.bytes.set(i64::try_from(shelf.bytes).unwrap_or(i64::MAX));
            }
        }
    }
}

impl CodeSource for Tiers {
    fn code(&mut self, module: &[u8], wasm: &WasmConfig) -> Result<Prepared, PrepareError> {
        self.get(Key::Bytes(Digest::hash(module).value()), wasm, || module.to_vec())
    }

    fn stored(
        &mut self,
        hash: HashAddr,
        module: &ContractWasm,
        wasm: &WasmConfig,
    ) -> Result<Prepared, PrepareError> {
        self.get(Key::Stored(hash), wasm, || module.clone().take_bytes())
    }
}

/// Uses what a [`Tiers`] keeps and leaves no trace there: what it brings itself it prepares anew each
/// time, so that nobody can push the chain's code out, or have anything compiled, by trying out.
#[derive(Clone, Debug)]
pub struct Onlooker {
    shelf: Arc<Mutex<Shelf>>,
    interpreted: Counter,
}

impl Onlooker {
    fn get(
        &self,
        key: Key,
        wasm: &WasmConfig,
        prepare: impl FnOnce() -> Result<Prepared, PrepareError>,
    ) -> Result<Prepared, PrepareError> {
        let found = locked(&self.shelf).see(key, wasm);
        let new = || Ok(counted(prepare()?, &self.interpreted, &Arc::default()));
        found.map_or_else(new, Ok)
    }
}

impl CodeSource for Onlooker {
    fn code(&mut self, module: &[u8], wasm: &WasmConfig) -> Result<Prepared, PrepareError> {
        let key = Key::Bytes(Digest::hash(module).value());
        self.get(key, wasm, || prepare(module, wasm, &Interpreter))
    }

    fn stored(
        &mut self,
        hash: HashAddr,
        module: &ContractWasm,
        wasm: &WasmConfig,
    ) -> Result<Prepared, PrepareError> {
        let bytes = || module.clone().take_bytes();
        self.get(Key::Stored(hash), wasm, || prepare(&bytes(), wasm, &Interpreter))
    }
}

impl Shelf {
    fn see(&self, key: Key, wasm: &WasmConfig) -> Option<Prepared> {
        self.law.as_ref().filter(|law| ***law == *wasm)?;
        self.kept.get(&key).map(|kept| Arc::clone(&kept.code))
    }

    /// What is kept under `key`, now the last to go.
    fn touch(&mut self, key: Key) -> Option<&mut Kept> {
        self.clock += 1;
        let kept = self.kept.get_mut(&key)?;
        self.order.remove(&std::mem::replace(&mut kept.used, self.clock));
        self.order.insert(self.clock, key);
        Some(kept)
    }

    /// Keeps code and drops what no longer fits; the bytes that are kept now.
    fn keep(&mut self, key: Key, mut new: Kept, bytes_max: usize) -> usize {
        new.used = self.clock;
        self.order.insert(new.used, key);
        self.bytes += new.bytes;
        self.kept.insert(key, new);
        self.evict(bytes_max);
        self.bytes
    }

    fn evict(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max
            && let Some((_, oldest)) = self.order.pop_first()
        {
            if let Some(kept) = self.kept.remove(&oldest) {
                self.bytes -= kept.bytes;
            }
        }
    }
}

/// Nothing that holds the lock runs what a stranger sent, so it is never poisoned in the middle of
/// a change.
fn locked(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pages of memory that a module starts with; it has been prepared, so it has one.
fn memory_pages(module: &[u8]) -> u64 {
    let memory = Parser::new(0).parse_all(module).find_map(|payload| match payload {
        Ok(Payload::MemorySection(memories)) => memories.into_iter().next()?.ok(),
        _ => None,
    });
    memory.map_or(0, |memory| memory.initial)
}

/// What a module's interpreted runs took.
#[derive(Debug, Default)]
struct Work {
    runs: AtomicU64,
    /// For its own instructions.
    gas: AtomicU64,
}

impl Work {
    fn add(&self, run: &Outcome) {
        let others = run.gas_parts.host.saturating_add(run.gas_parts.storage);
        self.runs.fetch_add(1, Relaxed);
        self.gas.fetch_add(run.gas_used.saturating_sub(others), Relaxed);
    }

    fn gains_by_compiling(&self, pages: u64) -> bool {
        let mean = self.gas.load(Relaxed) / self.runs.load(Relaxed).max(1);
        mean.saturating_add(pages.saturating_mul(PAGE_GAS)) >= HOT_GAS
    }
}

/// Interpreted code that is counted.
#[derive(Debug)]
struct Counted {
    code: Prepared,
    runs: Counter,
    work: Arc<Work>,
}

fn counted(code: Prepared, runs: &Counter, work: &Arc<Work>) -> Prepared {
    Arc::new(Counted { code, runs: runs.clone(), work: Arc::clone(work) })
}

impl Code for Counted {
    fn run(&self, entry_point: &str, host: &mut dyn Host, gas_limit: u64) -> Outcome {
        self.runs.inc();
        let outcome = self.code.run(entry_point, host, gas_limit);
        self.work.add(&outcome);
        outcome
    }
}
