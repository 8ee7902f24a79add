//! The runner: compiles, queues, executes.
//!
//! Executions have threads of their own, in a tokio runtime of their own: what a guest does must not
//! hold up the node's. Guests run on fibers and give way every [`TICK`], so that one thread can
//! look after a guest that computes and one that waits, and stop either.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll, ready},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use girrona_assembly::run::Stopped;
use tokio::{runtime, sync::oneshot};
use tokio_util::sync::CancellationToken;
use wasmtime::Engine;

use crate::{
    artefact::{Artefact, Code, Hash, Kind, Linkers},
    compile::{CompileError, Compiler, Workshop},
    config::{Config, StartError},
    execute::{Outside, execute, never},
    host::lock,
    job::{Caller, Finished, Job},
    law,
    metrics::{Load, Metrics},
    queue::{Queue, Refused},
    store::Store,
};

/// How often a guest gives way.
const TICK: Duration = Duration::from_millis(10);
/// Bytes of compiled code that stay in memory although nobody uses them.
const KEPT_BYTES: u64 = 256 << 20;

/// Compiles and executes. Cheap to clone; when the last one goes, what runs is stopped.
#[derive(Clone)]
pub struct Runner(Arc<Inner>);

struct Inner {
    config: Config,
    workshop: Arc<Workshop>,
    compiler: Compiler,
    loaded: Mutex<Loaded>,
    shared: Arc<Shared>,
    outside: Outside,
    /// Taken when it ends.
    runtime: Option<runtime::Runtime>,
    stop: CancellationToken,
}

/// What running jobs need of the runner.
struct Shared {
    queue: Mutex<Queue>,
    metrics: Metrics,
}

/// Programs in memory.
#[derive(Default)]
struct Loaded {
    all: BTreeMap<Hash, Weak<Code>>,
    /// The last used at the end.
    kept: VecDeque<Artefact>,
}

impl Loaded {
    fn get(&mut self, hash: &Hash) -> Option<Artefact> {
        let artefact = Artefact(self.all.get(hash)?.upgrade()?);
        self.keep(artefact.clone());
        Some(artefact)
    }

    fn keep(&mut self, artefact: Artefact) {
        self.kept.retain(|other| other.0.hash != artefact.0.hash);
        self.all.retain(|_, code| code.strong_count() > 0);
        self.all.insert(artefact.0.hash, Arc::downgrade(&artefact.0));
        self.kept.push_back(artefact);
        let mut bytes: u64 = self.kept.iter().map(Artefact::size).sum();
        while bytes > KEPT_BYTES
            && let Some(oldest) = self.kept.pop_front()
        {
            bytes -= oldest.size();
        }
    }
}

impl Runner {
    /// A runner with its threads.
    ///
    /// # Errors
    /// [`StartError`] says what is missing.
    pub fn new(config: Config) -> Result<Self, StartError> {
        let workers = config.workers.max(1);
        let engine = |error: wasmtime::Error| StartError::Engine(format!("{error:#}"));
        let wasm = law::engine(workers).map_err(engine)?;
        let linkers = Linkers::new(&wasm).map_err(engine)?;
        let store = Store::open(&config.cache, &wasm, config.cache_bytes);
        let store =
            store.map_err(|source| StartError::Cache { path: config.cache.clone(), source })?;
        let metrics = Metrics::default();
        let workshop = Arc::new(Workshop {
            engine: wasm.clone(),
            linkers,
            store,
            metrics: metrics.clone(),
            time_max: config.compile_time,
            memory_max: config.compile_memory,
        });
        let compiler = Compiler::start(Arc::clone(&workshop)).map_err(StartError::Threads)?;
        tick(&wasm).map_err(StartError::Threads)?;
        let runtime = runtime::Builder::new_multi_thread()
            // One more than run, so that somebody is there for who waits.
            .worker_threads(workers + 1)
            .thread_name("assembly")
            .enable_all()
            // A guest computes for a whole tick; timers cannot wait for sixty of them.
            .event_interval(1)
            .build()
            .map_err(StartError::Threads)?;
        let queue = Queue::new(workers, config.memory_total, config.queue, config.queue_per_caller);
        let outside = Outside {
            resolver: Arc::clone(&config.resolver),
            opened: Arc::new(config.opened.clone()),
        };
        Ok(Self(Arc::new(Inner {
            config,
            workshop,
            compiler,
            loaded: Mutex::default(),
            shared: Arc::new(Shared { queue: Mutex::new(queue), metrics }),
            outside,
            runtime: Some(runtime),
            stop: CancellationToken::new(),
        })))
    }

    /// Compiles a module or component, or finds what was compiled before. May be awaited in any
    /// runtime.
    ///
    /// # Errors
    /// [`CompileError`], which but for `Busy` and `Failed` will be the same the next time.
    pub async fn compile(&self, wasm: impl Into<Bytes>) -> Result<Artefact, CompileError> {
        let wasm = wasm.into();
        let max = self.0.config.wasm_bytes;
        if wasm.len() > max {
            return Err(CompileError::Long { bytes: wasm.len(), max });
        }
        let kind = Kind::of(&wasm).ok_or(CompileError::NotWasm)?;
        let workshop = Arc::clone(&self.0.workshop);
        let failed = || CompileError::Failed("the runner stops".to_owned());
        let runtime = self.0.runtime.as_ref().ok_or_else(failed)?;
        // Hashing and reading take a while for large ones.
        let bytes = wasm.clone();
        let hash = runtime.spawn_blocking(move || *blake3::hash(&bytes).as_bytes()).await;
        let hash = hash.map_err(|_| failed())?;
        if let Some(artefact) = lock(&self.0.loaded).get(&hash) {
            self.0.shared.metrics.found("memory");
            return Ok(artefact);
        }
        let loaded = runtime.spawn_blocking(move || workshop.load(&hash, kind)).await;
        let artefact = match loaded.map_err(|_| failed())? {
            Some(artefact) => {
                self.0.shared.metrics.found("disk");
                artefact
            }
            None => self.0.compiler.compile(wasm, hash, kind).await?,
        };
        lock(&self.0.loaded).keep(artefact.clone());
        Ok(artefact)
    }

    /// Forgets what was compiled of the Wasm with this BLAKE3 hash, in memory and on disk.
    pub fn forget(&self, hash: &[u8; 32]) {
        self.unload(hash);
        self.0.workshop.store.remove(hash);
    }

    /// Forgets it in memory only, unless somebody holds it.
    pub fn unload(&self, hash: &[u8; 32]) {
        let mut loaded = lock(&self.0.loaded);
        loaded.kept.retain(|artefact| artefact.0.hash != *hash);
        loaded.all.remove(hash);
    }

    /// Lets a job wait for its turn and executes it.
    ///
    /// # Errors
    /// [`Refused`] if it must not even wait.
    pub fn execute(&self, job: Job) -> Result<Running, Refused> {
        let runtime = self.0.runtime.as_ref().ok_or(Refused::Closed)?;
        let limits = &job.limits;
        let outputs = limits.output.saturating_mul(2);
        let memory = limits.memory.saturating_add(limits.files).saturating_add(outputs);
        let shared = Arc::clone(&self.0.shared);
        let pushed = lock(&shared.queue).push(job.caller, memory);
        let (id, turn) = pushed.inspect_err(|_| {
            shared.metrics.refused.inc();
        })?;
        let place = Place { shared: Arc::clone(&shared), caller: job.caller, id, memory };
        let cancelled = self.0.stop.child_token();
        let (done, result) = oneshot::channel();
        let (outside, token) = (self.0.outside.clone(), cancelled.clone());
        runtime.spawn(async move {
            let finished = wait_and_execute(job, place, turn, &outside, &token).await;
            shared.metrics.finished(&finished);
            // Nobody may wait for it any more.
            let _ = done.send(finished);
        });
        self.0.shared.advance();
        Ok(Running { result, cancelled })
    }

    /// How much is free.
    pub fn load(&self) -> Load {
        let queue = lock(&self.0.shared.queue);
        Load {
            running: queue.slots - queue.slots_free,
            workers: queue.slots,
            waiting: queue.len(),
            memory_free: queue.memory_free,
            memory_total: queue.memory,
        }
    }

    /// Its metrics, to register.
    pub fn metrics(&self) -> &Metrics {
        &self.0.shared.metrics
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("load", &self.load()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        lock(&self.shared.queue).close();
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            // The last one may go inside another runtime, which must not be blocked.
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn advance(&self) {
        let mut queue = lock(&self.queue);
        queue.advance();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.waiting.set(number(queue.len()));
        self.metrics.running.set(number(queue.slots - queue.slots_free));
        let reserved = queue.memory - queue.memory_free;
        self.metrics.reserved.set(i64::try_from(reserved).unwrap_or(i64::MAX));
    }
}

/// A place among those that wait, given up when it goes.
struct Place {
    shared: Arc<Shared>,
    caller: Caller,
    id: u64,
    memory: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.shared.queue).remove(self.caller, self.id);
        self.shared.advance();
    }
}

/// A turn, over when it goes.
struct Turn {
    shared: Arc<Shared>,
    caller: Caller,
    memory: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.shared.queue).release(self.caller, self.memory);
        self.shared.advance();
    }
}

async fn wait_and_execute(
    job: Job,
    place: Place,
    mut turn: oneshot::Receiver<()>,
    outside: &Outside,
    cancelled: &CancellationToken,
) -> Finished {
    let came = Instant::now();
    let deadline = async {
        match job.deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
            None => std::future::pending().await,
        }
    };
    let stopped = tokio::select! {
        biased;
        () = cancelled.cancelled() => Some(Stopped::Cancelled),
        () = deadline => Some(Stopped::Time),
        told = &mut turn => told.err().map(|_| Stopped::Node),
    };
    if let Some(stopped) = stopped {
        // It may have become its turn in this very moment.
        turn.close();
        let _turn = turn.try_recv().ok().map(|()| place.turn());
        return Finished { waited: came.elapsed(), ..never(stopped) };
    }
    let _turn = place.turn();
    drop(place);
    let waited = came.elapsed();
    let until = Instant::now() + Duration::from_millis(job.limits.time_ms.min(TIME_MAX_MS));
    let until = job.deadline.map_or(until, |deadline| deadline.min(until));
    let finished = execute(&job, outside, until, cancelled).await;
    Finished { waited, ..finished }
}

/// The longest that anything runs.
const TIME_MAX_MS: u64 = 86_400_000;

impl Place {
    /// The turn that it waited for. It waits no longer then, so that both can go.
    fn turn(&self) -> Turn {
        Turn { shared: Arc::clone(&self.shared), caller: self.caller, memory: self.memory }
    }
}

/// A job that waits or runs; await it for what it [`Finished`] with. Dropping it cancels.
#[derive(Debug)]
pub struct Running {
    result: oneshot::Receiver<Finished>,
    cancelled: CancellationToken,
}

impl Running {
    /// Stops it. It finishes soon, with [`Stopped::Cancelled`] unless it was done before.
    pub fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Something that stops it, for somebody else.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.cancelled.clone())
    }
}

impl Future for Running {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Finished> {
        let finished = ready!(Pin::new(&mut self.result).poll(context));
        // The runner is gone, and its threads.
        Poll::Ready(finished.unwrap_or_else(|_| never(Stopped::Node)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancelled.cancel();
    }
}

/// Stops a job. Dropping it does nothing.
#[derive(Clone, Debug)]
pub struct Canceller(CancellationToken);

impl Canceller {
    /// As [`Running::cancel`].
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// Moves the engine's epoch on for as long as there is an engine.
fn tick(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("assembly-tick".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    })?;
    Ok(())
}
