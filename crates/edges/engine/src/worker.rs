//! The thread that compiles what is called often, while the interpreter goes on.
//!
//! A compile cannot be stopped, so four things bound it: only shapes that Cranelift takes in linear
//! time are begun; few may wait; the thread rests as long as it worked, so that nobody's contracts
//! take more than half a core; and should one ever take longer than [`PATIENCE`], the result is
//! thrown away and nothing is compiled until the node starts anew.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Prepared, instrument};
use tracing::{debug, warn};

use crate::metrics::Metrics;
use crate::native::{Native, NotCompiled};
use crate::stack;
use crate::tiers::Key;

/// 16 modules, of at most 4 MiB each. When full: the module waits for its next call.
const JOBS_MAX: usize = 16;
/// A compile that takes longer was not foreseen: what is begun takes under four seconds of a core.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest rest after a compile.
const REST_MAX: Duration = Duration::from_secs(2);

/// A module to compile.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) key: Key,
    pub(crate) module: Vec<u8>,
    pub(crate) law: Arc<WasmConfig>,
    pub(crate) reference: Prepared,
}

/// Code and the bytes it takes.
type Made = (Prepared, usize);

/// What became of a module: code, or none for ever.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) key: Key,
    pub(crate) code: Option<Made>,
}

/// The other end of the thread. It ends when this goes.
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
    done: Receiver<Done>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the machine has no support for compiled code, or no thread to give.
    pub(crate) fn start(metrics: &Metrics) -> io::Result<Self> {
        let native = Native::new(metrics.runs("cranelift")).map_err(io::Error::other)?;
        Self::with_compiler(metrics, PATIENCE, move |job| {
            let module = instrument(&job.module, &job.law);
            let module = module.map_err(|error| NotCompiled::Compiler(error.to_string()))?;
            native.compile_beside(&module, &job.reference)
        })
    }

    fn with_compiler(
        metrics: &Metrics,
        patience: Duration,
        compile: impl Fn(&Job) -> Result<Made, NotCompiled> + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, todo) = sync_channel(JOBS_MAX);
        let (report, done) = sync_channel(JOBS_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (metrics, left) = (metrics.clone(), Arc::clone(&waiting));
        // Compilers recurse too, and this code is a stranger's.
        stack::spawn("compile", move || {
            let mut compiler = Some(compile);
            while let Ok(job) = todo.recv() {
                left.fetch_sub(1, Relaxed);
                let began = Instant::now();
                let made = compiler.as_ref().map_or(Err(NotCompiled::TooSlow), |compile| {
                    panic::catch_unwind(AssertUnwindSafe(|| compile(&job)))
                        .unwrap_or_else(|_| Err(NotCompiled::Compiler("it panicked".to_owned())))
                });
                let took = began.elapsed();
                let is_late = took > patience;
                if is_late {
                    warn!(
                        ?took,
                        wasm = job.module.len(),
                        "a compile took too long; it was the last"
                    );
                    compiler = None;
                }
                let made = if is_late { Err(NotCompiled::TooSlow) } else { made };
                let code = tell(&metrics, job.module.len(), took, made);
                if report.send(Done { key: job.key, code }).is_err() {
                    return;
                }
                thread::sleep(took.min(REST_MAX));
            }
        })?;
        Ok(Self { jobs, waiting, done })
    }

    /// Whether one more may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.load(Relaxed) < JOBS_MAX
    }

    /// Hands over a module; whether there was room for it.
    pub(crate) fn submit(&self, job: Job) -> bool {
        self.waiting.fetch_add(1, Relaxed);
        let sent = self.jobs.try_send(job).is_ok();
        if !sent {
            self.waiting.fetch_sub(1, Relaxed);
        }
        sent
    }

    /// The next module that is done.
    pub(crate) fn take(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}

/// Logs and counts what became of a module of `wasm` bytes.
fn tell(
    metrics: &Metrics,
    wasm: usize,
    took: Duration,
    made: Result<Made, NotCompiled>,
) -> Option<Made> {
    metrics.compile_seconds.inc_by(took.as_secs_f64());
    match made {
        Ok((code, bytes)) => {
            debug!(wasm, bytes, ?took, "contract compiled");
            metrics.compiled.inc();
            Some((code, bytes))
        }
        Err(reason) => {
            debug!(wasm, %reason, "contract not compiled");
            metrics.not_compiled.inc();
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use girrona_vm::{Engine, Interpreter};

    use super::*;

    fn job(number: u8) -> Job {
        let module = b"\0asm\x01\0\0\0\x05\x03\x01\0\0\x0a\x01\0".to_vec();
        let law = Arc::new(WasmConfig::default());
        let reference = Interpreter.compile(instrument(&module, &law).unwrap()).unwrap();
        Job { key: Key::Bytes([number; 32]), module, law, reference }
    }

    fn wait(worker: &Worker) -> Done {
        loop {
            if let Some(done) = worker.take() {
                return done;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_compiler_that_panics_loses_one_module_and_nothing_else() {
        let metrics = Metrics::default();
        let worker = Worker::with_compiler(&metrics, PATIENCE, |job| {
            assert_ne!(job.key, Key::Bytes([1; 32]), "a defect of the compiler");
            Ok((Arc::clone(&job.reference), 5))
        });
        let worker = worker.unwrap();
        assert!(worker.submit(job(1)) && worker.submit(job(2)));
        let (first, second) = (wait(&worker), wait(&worker));
        assert!(first.key == Key::Bytes([1; 32]) && first.code.is_none());
        assert!(second.key == Key::Bytes([2; 32]) && second.code.is_some());
        assert_eq!((metrics.compiled.get(), metrics.not_compiled.get()), (1, 1));
    }

    #[test]
    fn a_compile_that_takes_too_long_is_thrown_away_and_the_last() {
        let worker = Worker::with_compiler(&Metrics::default(), Duration::ZERO, |job| {
            assert_eq!(job.key, Key::Bytes([1; 32]), "one more was begun");
            thread::sleep(Duration::from_millis(2));
            Ok((Arc::clone(&job.reference), 5))
        });
        let worker = worker.unwrap();
        for number in 1..4 {
            assert!(worker.submit(job(number)));
            assert!(wait(&worker).code.is_none());
        }
    }

    #[test]
    fn a_few_may_wait_and_no_more() {
        let (begin, begun) = sync_channel::<()>(0);
        let begun = std::sync::Mutex::new(begun);
        let worker = Worker::with_compiler(&Metrics::default(), PATIENCE, move |job| {
            let _ = begun.lock().unwrap().recv();
            Ok((Arc::clone(&job.reference), 5))
        });
        let worker = worker.unwrap();
        let sent = (0..30).filter(|number| worker.submit(job(*number))).count();
        assert!((JOBS_MAX..=JOBS_MAX + 1).contains(&sent), "{sent}");
        drop(begin);
        (0..sent).for_each(|_| drop(wait(&worker)));
        assert!(worker.has_room());
    }
}
