//! WASI preview 1, for modules: `wasi_snapshot_preview1`.
//!
//! Nothing here waits for anything: input is all there, output is memory, time is simulated. So every
//! function answers at once, and answers the same on every node. Sockets are not there; components
//! have them (`p2`).

mod basics;
mod descriptors;
mod errno;
mod memory;
mod paths;
mod poll;

use wasmtime::{Caller, Linker, Memory};

pub(crate) use self::descriptors::Descriptors;
use self::{
    errno::{Errno, Refusal},
    memory::Bytes,
};
use crate::{
    host::Host,
    law::{BYTES_PER_FUEL, FUEL_PER_CALL},
    limiter::{Halt, Limiter},
};
use girrona_assembly::run::Trap;

/// What a store holds while its module runs.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) limiter: Limiter,
    pub(crate) host: Host,
    pub(crate) descriptors: Descriptors,
    /// The module's memory, once there is an instance.
    pub(crate) memory: Option<Memory>,
}

impl State {
    pub(crate) fn new(host: Host, limiter: Limiter) -> Self {
        let descriptors = Descriptors::new(&host);
        Self { limiter, host, descriptors, memory: None }
    }
}

/// One call: the guest's memory and what is behind it.
struct Call<'a> {
    memory: Bytes<'a>,
    host: &'a mut Host,
    fds: &'a mut Descriptors,
}

type Answer = Result<(), Refusal>;

/// The result of a function: 0 or an error number.
fn answer(
    caller: &mut Caller<'_, State>,
    work: impl FnOnce(&mut Call<'_>) -> Answer,
) -> wasmtime::Result<i32> {
    let memory = match caller.data().memory {
        Some(memory) => Some(memory),
        // It calls from its start function.
        None => caller.get_export("memory").and_then(wasmtime::Extern::into_memory),
    };
    let (bytes, state) = match memory {
        Some(memory) => memory.data_and_store_mut(&mut *caller),
        None => (&mut [][..], caller.data_mut()),
    };
    let State { host, descriptors, .. } = state;
    let mut call = Call { memory: Bytes::new(bytes), host, fds: descriptors };
    let result = work(&mut call);
    let moved = call.memory.moved();
    let price = FUEL_PER_CALL.saturating_add(moved / BYTES_PER_FUEL);
    let left = caller.get_fuel()?;
    caller.set_fuel(left.saturating_sub(price))?;
    if left < price {
        return Err(Halt::Trap(Trap::Fuel).into());
    }
    match result {
        Ok(()) => Ok(0),
        Err(Refusal::Errno(errno)) => Ok(errno.number()),
        Err(Refusal::Halt(halt)) => Err(halt.into()),
    }
}

const MODULE: &str = "wasi_snapshot_preview1";

/// Lets modules import all of it.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    macro_rules! link {
        ($($name:ident($($arg:ident: $ty:ty),*);)*) => {$(
            linker.func_wrap(
                MODULE,
                stringify!($name),
                |mut caller: Caller<'_, State>, $($arg: $ty),*| {
                    answer(&mut caller, |call| call.$name($($arg),*))
                },
            )?;
        )*};
    }
    link! {
        args_get(argv: u32, buffer: u32);
        args_sizes_get(count: u32, size: u32);
        environ_get(environ: u32, buffer: u32);
        environ_sizes_get(count: u32, size: u32);
        clock_res_get(id: u32, result: u32);
        clock_time_get(id: u32, precision: u64, result: u32);
        random_get(buffer: u32, len: u32);
        sched_yield();
        proc_raise(signal: u32);
        poll_oneoff(subscriptions: u32, events: u32, count: u32, result: u32);
        fd_advise(fd: u32, offset: u64, len: u64, advice: u32);
        fd_allocate(fd: u32, offset: u64, len: u64);
        fd_close(fd: u32);
        fd_datasync(fd: u32);
        fd_fdstat_get(fd: u32, result: u32);
        fd_fdstat_set_flags(fd: u32, flags: u32);
        fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
        fd_filestat_get(fd: u32, result: u32);
        fd_filestat_set_size(fd: u32, size: u64);
        fd_filestat_set_times(fd: u32, access: u64, modification: u64, flags: u32);
        fd_pread(fd: u32, buffers: u32, count: u32, offset: u64, result: u32);
        fd_prestat_get(fd: u32, result: u32);
        fd_prestat_dir_name(fd: u32, path: u32, len: u32);
        fd_pwrite(fd: u32, buffers: u32, count: u32, offset: u64, result: u32);
        fd_read(fd: u32, buffers: u32, count: u32, result: u32);
        fd_readdir(fd: u32, buffer: u32, len: u32, cookie: u64, result: u32);
        fd_renumber(from: u32, to: u32);
        fd_seek(fd: u32, offset: i64, whence: u32, result: u32);
        fd_sync(fd: u32);
        fd_tell(fd: u32, result: u32);
        fd_write(fd: u32, buffers: u32, count: u32, result: u32);
        path_create_directory(fd: u32, path: u32, len: u32);
        path_filestat_get(fd: u32, flags: u32, path: u32, len: u32, result: u32);
        path_filestat_set_times(fd: u32, flags: u32, path: u32, len: u32, access: u64, modification: u64, times: u32);
        path_link(fd: u32, flags: u32, path: u32, len: u32, new_fd: u32, new_path: u32, new_len: u32);
        path_open(fd: u32, lookup: u32, path: u32, len: u32, flags: u32, base: u64, inheriting: u64, fdflags: u32, result: u32);
        path_readlink(fd: u32, path: u32, len: u32, buffer: u32, buffer_len: u32, result: u32);
        path_remove_directory(fd: u32, path: u32, len: u32);
        path_rename(fd: u32, path: u32, len: u32, new_fd: u32, new_path: u32, new_len: u32);
        path_symlink(old_path: u32, old_len: u32, fd: u32, new_path: u32, new_len: u32);
        path_unlink_file(fd: u32, path: u32, len: u32);
        sock_accept(fd: u32, flags: u32, result: u32);
        sock_recv(fd: u32, buffers: u32, count: u32, flags: u32, result: u32, result_flags: u32);
        sock_send(fd: u32, buffers: u32, count: u32, flags: u32, result: u32);
        sock_shutdown(fd: u32, how: u32);
    }
    linker.func_wrap(MODULE, "proc_exit", |code: i32| -> wasmtime::Result<()> {
        Err(Halt::Exit(code).into())
    })?;
    Ok(())
}

/// What there is none of here.
fn unsupported() -> Answer {
    Err(Errno::Unsupported.into())
}
