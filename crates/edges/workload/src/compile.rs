//! Compiling ahead of time, on a thread of its own.
//!
//! A compile cannot be stopped half-way, so four things bound it: the bytes of the Wasm; the time
//! and memory that its shape will take (`shape`); one at a time; and few that wait.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::oneshot;
use tracing::{info, warn};
use wasmtime::Engine;

use crate::{
    artefact::{Artefact, Code, Hash, Kind, Linkers},
    metrics::Metrics,
    shape::Shape,
    store::Store,
};

/// 16 programs that wait to be compiled. When full: the node is busy, and says so.
const JOBS_MAX: usize = 16;
/// Compilers recurse, and what they compile is a stranger's.
const STACK_BYTES: usize = 64 << 20;

/// Why there is no code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompileError {
    /// It begins neither as a module nor as a component.
    #[error("it is no WebAssembly")]
    NotWasm,
    /// More bytes than the node takes.
    #[error("it has {bytes} bytes, {max} are the most here")]
    Long {
        /// How many it has.
        bytes: usize,
        /// The most.
        max: usize,
    },
    /// It could take the compiler too long.
    #[error("compiling it could take {}, {max:?} is the most here", said(*.expected))]
    Slow {
        /// How long; nobody knows if none.
        expected: Option<Duration>,
        /// The most.
        max: Duration,
    },
    /// It could take the compiler too much memory.
    #[error("compiling it could take {expected} bytes of memory, {max} are the most here")]
    Large {
        /// How much.
        expected: u64,
        /// The most.
        max: u64,
    },
    /// It is malformed, or of a kind of WebAssembly that there is none of here.
    #[error("it does not compile: {0}")]
    Invalid(String),
    /// Others wait to be compiled.
    #[error("{JOBS_MAX} others wait to be compiled")]
    Busy,
    /// The compiler broke down, or the runner is gone.
    #[error("the compiler failed: {0}")]
    Failed(String),
}

fn said(expected: Option<Duration>) -> String {
    expected.map_or_else(|| "for ever".to_owned(), |time| format!("{time:.0?}"))
}

/// What compiling takes, and where it is kept.
pub(crate) struct Workshop {
    pub(crate) engine: Engine,
    pub(crate) linkers: Linkers,
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) time_max: Duration,
    pub(crate) memory_max: u64,
}

/// Something to compile, and who waits for it.
struct Job {
    wasm: Bytes,
    hash: Hash,
    kind: Kind,
    answer: oneshot::Sender<Result<Artefact, CompileError>>,
}

/// The other end of the thread. It ends when this goes.
#[derive(Debug)]
pub(crate) struct Compiler {
    jobs: SyncSender<Job>,
}

impl Compiler {
    pub(crate) fn start(workshop: Arc<Workshop>) -> std::io::Result<Self> {
        let (jobs, todo) = sync_channel(JOBS_MAX);
        thread::Builder::new()
            .name("assembly-compile".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || work(&workshop, &todo))?;
        Ok(Self { jobs })
    }

    /// Has it compiled, unless that was done in the meantime.
    pub(crate) async fn compile(
        &self,
        wasm: Bytes,
        hash: Hash,
        kind: Kind,
    ) -> Result<Artefact, CompileError> {
        let (answer, result) = oneshot::channel();
        self.jobs.try_send(Job { wasm, hash, kind, answer }).map_err(|error| match error {
            TrySendError::Full(_) => CompileError::Busy,
            TrySendError::Disconnected(_) => gone(),
        })?;
        result.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> CompileError {
    CompileError::Failed("its thread is gone".to_owned())
}

fn work(workshop: &Workshop, todo: &Receiver<Job>) {
    while let Ok(job) = todo.recv() {
        let Job { wasm, hash, kind, answer } = job;
        if answer.is_closed() {
            continue;
        }
        // Two may have asked for the same.
        let result = match workshop.load(&hash, kind) {
            Some(artefact) => Ok(artefact),
            None => panic::catch_unwind(AssertUnwindSafe(|| workshop.compile(&wasm, hash, kind)))
                .unwrap_or_else(|_| {
                    warn!(hash = hex::encode(hash), "the compiler panicked");
                    Err(CompileError::Failed("it panicked".to_owned()))
                }),
        };
        // Whoever asked may have left.
        let _ = answer.send(result);
    }
}

impl Workshop {
    /// What was compiled before.
    pub(crate) fn load(&self, hash: &Hash, kind: Kind) -> Option<Artefact> {
        let (program, size) = self.store.load(&self.engine, &self.linkers, hash, kind)?;
        Some(Artefact(Arc::new(Code { hash: *hash, program, size })))
    }

    fn compile(&self, wasm: &[u8], hash: Hash, kind: Kind) -> Result<Artefact, CompileError> {
        let invalid = |error: &dyn std::fmt::Display| CompileError::Invalid(error.to_string());
        let shape = Shape::of(wasm, kind).map_err(|error| invalid(&error))?;
        let expected = shape.memory();
        if expected > self.memory_max {
            return Err(CompileError::Large { expected, max: self.memory_max });
        }
        let expected = shape.time();
        if expected.is_none_or(|time| time > self.time_max) {
            return Err(CompileError::Slow { expected, max: self.time_max });
        }
        let began = Instant::now();
        let code = match kind {
            Kind::Module => self.engine.precompile_module(wasm),
            Kind::Component => self.engine.precompile_component(wasm),
        };
        let took = began.elapsed();
        let code = code.map_err(|error| CompileError::Invalid(format!("{error:#}")))?;
        info!(hash = hex::encode(hash), wasm = wasm.len(), code = code.len(), ?took, "compiled");
        self.metrics.compiled(took);
        let size = u64::try_from(code.len()).unwrap_or(u64::MAX);
        let program = self.store.keep(&self.engine, &self.linkers, &hash, kind, &code);
        let program = program.ok_or_else(|| {
            CompileError::Invalid(
                "it has more instances, memories or tables than it may".to_owned(),
            )
        })?;
        Ok(Artefact(Arc::new(Code { hash, program, size })))
    }
}
