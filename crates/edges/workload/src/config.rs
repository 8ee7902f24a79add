//! What an operator decides about executions. None of it changes a result.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, thread, time::Duration};

use thiserror::Error;

use crate::network::{Resolve, System};

/// How a [`crate::Runner`] is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where compiled code is kept. It has to be the node's alone: what lies there is executed.
    pub cache: PathBuf,
    /// Bytes of compiled code to keep there; the longest unused goes first.
    pub cache_bytes: u64,
    /// Executions at the same time.
    pub workers: usize,
    /// Bytes of memory for all of them together. Each takes its limits of memory, files and output
    /// for as long as it runs, and waits until they are free.
    pub memory_total: u64,
    /// Jobs that may wait. When full: a new one is refused.
    pub queue: usize,
    /// Jobs of one caller that may wait. When full: a new one is refused.
    pub queue_per_caller: usize,
    /// How long a compile is expected to take at most. What looks as if it took longer is refused.
    pub compile_time: Duration,
    /// How many bytes of memory a compile is expected to take at most. Only one runs at a time.
    pub compile_memory: u64,
    /// Bytes of a module or component.
    pub wasm_bytes: usize,
    /// Who finds the addresses of names, for guests that may reach them.
    pub resolver: Arc<dyn Resolve>,
    /// Addresses that guests may reach although they are not public, where they may reach their
    /// names: services beside the node. Empty by default.
    pub opened: Vec<SocketAddr>,
}

impl Config {
    /// Defaults for a laptop, with compiled code in `cache`.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            cache_bytes: 4 << 30,
            workers: thread::available_parallelism().map_or(2, usize::from),
            memory_total: 2 << 30,
            queue: 1_024,
            queue_per_caller: 64,
            compile_time: Duration::from_secs(60),
            compile_memory: 1 << 30,
            wasm_bytes: 32 << 20,
            resolver: Arc::new(System),
            opened: Vec::new(),
        }
    }
}

/// Why there is no runner.
#[derive(Debug, Error)]
pub enum StartError {
    /// The folder for compiled code.
    #[error("keep compiled code in {path}")]
    Cache {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The machine has no support for compiled code, or no address space.
    #[error("set up wasmtime: {0}")]
    Engine(String),
    /// No threads.
    #[error("start threads for executions")]
    Threads(#[source] io::Error),
}
