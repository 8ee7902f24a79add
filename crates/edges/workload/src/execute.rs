//! One execution: a store, its limits, the call, and what came of it.

use std::{
    future::{self, Future as _},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Instant,
};

use bytes::Bytes;
use futures::FutureExt as _;
use girrona_assembly::run::{End, Stopped, Trap};
use tokio_util::sync::CancellationToken;
use tracing::error;
use wasmtime::{
    Store, Val,
    component::{self, types::ComponentItem},
};
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::{
    artefact::Program,
    host::{Files, Host, Sink, lock},
    job::{Finished, Job},
    law::HOSTCALL_BYTES,
    limiter::{Halt, Limiter, end},
    network::{Network, Resolve},
    p1, p2,
};

/// What a node lends to components that may use the network.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) opened: Arc<Vec<std::net::SocketAddr>>,
}

/// How a program ended, and what it used.
struct Ended {
    end: End,
    detail: Option<String>,
    fuel: u64,
    memory: u64,
}

impl Ended {
    /// It never began.
    fn before(end: End, detail: String) -> Self {
        Self { end, detail: Some(detail), fuel: 0, memory: 0 }
    }
}

/// What a program leaves behind, held apart from it: whatever happens to it, this stays.
struct Left {
    stdout: Sink,
    stderr: Sink,
    files: Arc<Mutex<Files>>,
}

/// Executes `job` until it ends, `until` comes or it is cancelled.
pub(crate) async fn execute(
    job: &Job,
    outside: &Outside,
    until: Instant,
    cancelled: &CancellationToken,
) -> Finished {
    let began = Instant::now();
    let host = Host::new(job);
    let left = Left {
        stdout: host.stdout.clone(),
        stderr: host.stderr.clone(),
        files: host.files.clone(),
    };
    let run = AssertUnwindSafe(run(job, host, outside)).catch_unwind();
    let ended = match stoppable(run, until, cancelled).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(panic)) => {
            let text = text_of(panic.as_ref());
            error!(text, "an execution panicked; that is a fault of the node");
            Ended::before(End::Stopped(Stopped::Node), format!("the node panicked: {text}"))
        }
        Err(stopped) => Ended::before(End::Stopped(stopped), stopped.to_string()),
    };
    let output = lock(&left.files).take_output();
    Finished {
        end: ended.end,
        stdout: left.stdout.take(),
        stderr: left.stderr.take(),
        output,
        fuel: ended.fuel,
        memory: ended.memory,
        elapsed: began.elapsed(),
        waited: std::time::Duration::ZERO,
        detail: ended.detail,
    }
}

/// Polls `work` until it is done or has to stop. A guest that computes gives way every tick of the
/// engine's epoch; one that waits is woken for the end. Dropping the work unwinds the guest.
async fn stoppable<T>(
    work: impl Future<Output = T>,
    until: Instant,
    cancelled: &CancellationToken,
) -> Result<T, Stopped> {
    let mut work = pin!(work);
    let mut over = pin!(tokio::time::sleep_until(until.into()));
    let mut cancel = pin!(cancelled.cancelled());
    future::poll_fn(|context| {
        if cancel.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(Stopped::Cancelled));
        }
        // A busy thread's timers may be late.
        if over.as_mut().poll(context).is_ready() || Instant::now() >= until {
            return Poll::Ready(Err(Stopped::Time));
        }
        work.as_mut().poll(context).map(Ok)
    })
    .await
}

async fn run(job: &Job, host: Host, outside: &Outside) -> Ended {
    let limiter = Limiter::new(job.limits.memory);
    match &job.artefact.0.program {
        Program::Unlinked(_, reason) => Ended::before(End::Trap(Trap::Link), reason.clone()),
        Program::Module { pre, memory } => {
            let engine = pre.module().engine();
            let mut store = match Store::try_new(engine, p1::State::new(host, limiter)) {
                Ok(store) => store,
                Err(error) => return no_store(&error),
            };
            store.limiter(|state| &mut state.limiter);
            let result = match prepare(&mut store, job) {
                Ok(()) => module(&mut store, pre, *memory, job).await,
                Err(error) => return no_store(&error),
            };
            let fuel = store.get_fuel().unwrap_or(0);
            ended(result, job, fuel, store.data().limiter.peak)
        }
        Program::Component(pre) => {
            let network = Network::new(
                job.permissions.clone(),
                Arc::clone(&outside.resolver),
                Arc::clone(&outside.opened),
            );
            let state = p2::State::new(host, limiter, network);
            let mut store = match Store::try_new(pre.engine(), state) {
                Ok(store) => store,
                Err(error) => return no_store(&error),
            };
            store.limiter(|state| &mut state.limiter);
            store.set_hostcall_fuel(HOSTCALL_BYTES);
            let result = match prepare(&mut store, job) {
                Ok(()) => component(&mut store, pre, job).await,
                Err(error) => return no_store(&error),
            };
            let fuel = store.get_fuel().unwrap_or(0);
            ended(result, job, fuel, store.data().limiter.peak)
        }
    }
}

fn no_store(error: &wasmtime::Error) -> Ended {
    Ended::before(End::Stopped(Stopped::Node), format!("{error:#}"))
}

fn prepare<T: Send>(store: &mut Store<T>, job: &Job) -> wasmtime::Result<()> {
    store.set_fuel(job.limits.fuel)?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    Ok(())
}

/// Why a program ended other than by returning, and whether its own code was reached.
struct Failed {
    error: wasmtime::Error,
    started: bool,
}

fn ended(result: Result<i32, Failed>, job: &Job, fuel_left: u64, memory: u64) -> Ended {
    let fuel = job.limits.fuel.saturating_sub(fuel_left);
    match result {
        Ok(code) => Ended { end: End::Exit(code), detail: None, fuel, memory },
        Err(Failed { error, started }) => {
            let end = end(&error, started);
            let detail = (!matches!(end, End::Exit(_))).then(|| format!("{error:#}"));
            Ended { end, detail, fuel, memory }
        }
    }
}

fn unstarted(error: wasmtime::Error) -> Failed {
    Failed { error, started: false }
}

fn started(error: wasmtime::Error) -> Failed {
    Failed { error, started: true }
}

/// No such entry point.
fn missing(entry: &str) -> Failed {
    let link = wasmtime::Error::from(Halt::Trap(Trap::Link));
    unstarted(link.context(format!(
        "it exports no function `{entry}` without parameters, and is no program either"
    )))
}

/// Calls a module: an export by the entry's name, or else `_start`.
async fn module(
    store: &mut Store<p1::State>,
    pre: &wasmtime::InstancePre<p1::State>,
    memory: Option<wasmtime::ModuleExport>,
    job: &Job,
) -> Result<i32, Failed> {
    let is_entry = |name: &str| {
        let export = pre.module().get_export(name);
        export.as_ref().and_then(wasmtime::ExternType::func).is_some_and(|ty| {
            let mut results = ty.results();
            let one = results.next();
            ty.params().len() == 0
                && results.next().is_none()
                && one.is_none_or(|ty| matches!(ty, wasmtime::ValType::I32))
        })
    };
    let (name, is_named) = match job.entry.as_str() {
        entry if entry != "_start" && is_entry(entry) => (entry, true),
        _ if is_entry("_start") => ("_start", false),
        entry => return Err(missing(entry)),
    };
    let instance = pre.instantiate_async(&mut *store).await.map_err(unstarted)?;
    let memory = memory.and_then(|memory| instance.get_module_export(&mut *store, &memory));
    store.data_mut().memory = memory.and_then(wasmtime::Extern::into_memory);
    // A library has something to do before anything in it is called.
    if is_named && let Some(begin) = instance.get_func(&mut *store, "_initialize") {
        begin.call_async(&mut *store, &[], &mut []).await.map_err(started)?;
    }
    let function = instance.get_func(&mut *store, name).ok_or_else(|| missing(name))?;
    let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
    function.call_async(&mut *store, &[], &mut results).await.map_err(started)?;
    Ok(match results.first() {
        Some(Val::I32(code)) => *code,
        _ => 0,
    })
}

/// Calls a component: an export by the entry's name, or else `wasi:cli/run`.
async fn component(
    store: &mut Store<p2::State>,
    pre: &component::InstancePre<p2::State>,
    job: &Job,
) -> Result<i32, Failed> {
    let named = pre.component().get_export(None, job.entry.as_str());
    let named = named.and_then(|(item, index)| match item {
        ComponentItem::ComponentFunc(ty) if ty.params().len() == 0 && ty.results().len() <= 1 => {
            Some((ty.results().len(), index))
        }
        _ => None,
    });
    if let Some((results, index)) = named {
        let instance = pre.instantiate_async(&mut *store).await.map_err(unstarted)?;
        let function = instance.get_func(&mut *store, index);
        let function = function.ok_or_else(|| missing(&job.entry))?;
        let mut results = vec![component::Val::Bool(false); results];
        function.call_async(&mut *store, &[], &mut results).await.map_err(started)?;
        return Ok(match results.first() {
            Some(component::Val::S32(code)) => *code,
            Some(component::Val::U32(code)) => code.cast_signed(),
            Some(component::Val::Result(Err(_))) => 1,
            _ => 0,
        });
    }
    let Ok(command) = CommandPre::new(pre.clone()) else { return Err(missing(&job.entry)) };
    let command = command.instantiate_async(&mut *store).await.map_err(unstarted)?;
    let result = command.wasi_cli_run().call_run(&mut *store).await.map_err(started)?;
    Ok(i32::from(result.is_err()))
}

/// What was never begun.
pub(crate) fn never(stopped: Stopped) -> Finished {
    Finished {
        end: End::Stopped(stopped),
        stdout: Bytes::new(),
        stderr: Bytes::new(),
        output: std::collections::BTreeMap::new(),
        fuel: 0,
        memory: 0,
        elapsed: std::time::Duration::ZERO,
        waited: std::time::Duration::ZERO,
        detail: Some(stopped.to_string()),
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}
