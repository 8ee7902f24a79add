//! Runs assemblies: WASI modules and components in a sandbox with limits.
//!
//! Knows: wasmtime, WASI, what a guest may see and use. Does not know: the swarm, who asked, what
//! it costs, which results agree.
//!
//! Start at [`Runner`]: it compiles Wasm to an [`Artefact`] ahead of time, and executes a [`Job`] to
//! what it [`Finished`] with. What a guest sees is in `host` (files, clock, randomness, output),
//! shown to modules by `p1` and to components by `p2`. The rules that results depend on are in
//! `docs/spec/assembly.md`.
//!
//! Files are in memory and WASI preview 1 is our own, because a result must not depend on a node:
//! a host's folders have an order, times and numbers of their own, and know no quota.

#![deny(unsafe_code)]

mod artefact;
mod compile;
mod config;
mod execute;
mod host;
mod job;
mod law;
mod limiter;
mod metrics;
mod network;
mod p1;
mod p2;
mod queue;
mod runner;
mod shape;
mod store;
mod tree;

pub use artefact::{Artefact, Kind};
pub use compile::CompileError;
pub use config::{Config, StartError};
pub use job::{Caller, Finished, Job};
pub use metrics::{Load, Metrics};
pub use network::{Resolve, System, is_public};
pub use queue::Refused;
pub use runner::{Canceller, Runner, Running};
pub use tree::{Tree, TreeError};
