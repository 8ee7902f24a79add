//! Runners and jobs for tests.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use girrona_assembly::{Permissions, message::payload::Limits};
use girrona_workload::{Artefact, Caller, Config, Finished, Job, Runner, Tree};
use tempfile::TempDir;

/// A runner with a folder of its own, and a runtime to wait in.
pub(crate) struct Bench {
    pub(crate) runner: Runner,
    pub(crate) runtime: Arc<tokio::runtime::Runtime>,
    _folder: TempDir,
}

pub(crate) fn bench() -> Bench {
    bench_with(|_| {})
}

pub(crate) fn bench_with(change: impl FnOnce(&mut Config)) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path().join("code"));
    config.workers = 2;
    change(&mut config);
    let runner = Runner::new(config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Bench { runner, runtime: Arc::new(runtime), _folder: folder }
}

/// A Wasm file of `assemblies/wasm`.
pub(crate) fn wasm(name: &str) -> Bytes {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../assemblies/wasm");
    fs::read(folder.join(name)).unwrap().into()
}

/// The program that tries things out, as a module and as a component.
pub(crate) const TRIALS: [&str; 2] = ["trial.wasm", "trial.component.wasm"];

impl Bench {
    pub(crate) fn compile(&self, wasm: impl Into<Bytes>) -> Artefact {
        self.runtime.block_on(self.runner.compile(wasm)).unwrap()
    }

    /// Text of WebAssembly, compiled.
    pub(crate) fn text(&self, text: &str) -> Artefact {
        self.compile(wat::parse_str(text).unwrap())
    }

    pub(crate) fn run(&self, job: Job) -> Finished {
        self.runtime.block_on(self.runner.execute(job).unwrap())
    }

    /// Runs a small program of text.
    pub(crate) fn run_text(&self, text: &str) -> Finished {
        self.run(job(&self.text(text), "main", &[]))
    }

    /// Runs one of [`TRIALS`].
    pub(crate) fn trial(&self, name: &str, args: &[&str]) -> Finished {
        self.run(job(&self.compile(wasm(name)), "trial", args))
    }

    /// Whether it still works, which it has to after whatever happened.
    pub(crate) fn is_usable(&self) -> bool {
        let finished = self.run(job(&self.compile(wasm("hello.wasm")), "hello", &["you"]));
        let load = self.runner.load();
        finished.stdout == "Hello, you!\n" && load.memory_free == load.memory_total
    }
}

pub(crate) fn job(artefact: &Artefact, entry: &str, args: &[&str]) -> Job {
    Job {
        artefact: artefact.clone(),
        entry: entry.to_owned(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        stdin: Bytes::new(),
        env: Vec::new(),
        input: Tree::default(),
        limits: Limits {
            fuel: 2_000_000_000,
            memory: 64 << 20,
            time_ms: 10_000,
            output: 64 << 10,
            files: 1 << 20,
        },
        permissions: Permissions::default(),
        seed: [7; 32],
        time_ms: 1_700_000_000_000,
        caller: Caller([1; 32]),
        deadline: None,
    }
}

/// The memory that this process has taken, in bytes.
pub(crate) fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// A moment for something else to happen.
pub(crate) fn moment() {
    std::thread::sleep(Duration::from_millis(30));
}
