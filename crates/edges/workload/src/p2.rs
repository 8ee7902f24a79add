//! WASI preview 2, for components.
//!
//! Streams, polling, the command line and TCP are wasmtime's own; files, clocks, randomness and
//! names are ours, as a result must not depend on a node (`crate::host`).
//!
//! A resource is a number to a guest, and the number of ours lies in the same table as wasmtime's.
//! Its interfaces name their own types for files and lookups; the number is all that is taken of
//! those.

mod files;
mod sockets;
mod streams;
mod times;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::{
    WasiCtx, WasiCtxView, WasiView,
    p2::bindings::{clocks, filesystem, random, sockets as socket_bindings},
    sockets::SocketAddrUse,
};

use crate::{host::Host, law::FDS_MAX, limiter::Limiter, network::Network};

/// What a store holds while its component runs.
pub(crate) struct State {
    pub(crate) limiter: Limiter,
    pub(crate) host: Host,
    wasi: WasiCtx,
    table: ResourceTable,
    network: Network,
    /// Sockets made so far.
    sockets: u32,
}

impl State {
    pub(crate) fn new(host: Host, limiter: Limiter, network: Network) -> Self {
        let mut wasi = WasiCtx::builder();
        wasi.args(&host.args)
            .envs(&host.env)
            .stdin(host.stdin.clone())
            .stdout(host.stdout.clone())
            .stderr(host.stderr.clone())
            .allow_tcp(network.is_open())
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let allowed = network.clone();
        wasi.socket_addr_check(move |address, purpose| {
            let is_allowed = match purpose {
                SocketAddrUse::TcpConnect => allowed.may_connect(address),
                // What a connection does first: any address of our own, any port.
                SocketAddrUse::TcpBind => {
                    allowed.is_open() && address.ip().is_unspecified() && address.port() == 0
                }
                _ => false,
            };
            Box::pin(async move { is_allowed })
        });
        let wasi = wasi.build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(FDS_MAX);
        Self { limiter, host, wasi, table, network, sockets: 0 }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Lets components import all of it.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    macro_rules! ours {
        ($($interface:path),* $(,)?) => {{
            $({
                use $interface as interface;
                interface::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
            })*
        }};
    }
    ours!(
        filesystem::types,
        filesystem::preopens,
        clocks::wall_clock,
        clocks::monotonic_clock,
        random::random,
        random::insecure,
        random::insecure_seed,
        socket_bindings::ip_name_lookup,
        socket_bindings::tcp_create_socket,
        socket_bindings::udp_create_socket,
    );
    linker.allow_shadowing(false);
    Ok(())
}

/// The same number as a resource of another type.
fn cast<From: 'static, To: 'static>(resource: &Resource<From>) -> Resource<To> {
    if resource.owned() {
        Resource::new_own(resource.rep())
    } else {
        Resource::new_borrow(resource.rep())
    }
}
