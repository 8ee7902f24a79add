//! Names and sockets: only what [`Network`](crate::network::Network) lets through. No UDP.

use std::{future::Future as _, net::IpAddr, pin::Pin, task::Poll, vec};

use futures::{FutureExt as _, future::BoxFuture, task::noop_waker_ref};
use wasmtime::component::Resource;
use wasmtime_wasi::{
    async_trait,
    p2::{
        DynPollable, Network, Pollable, SocketError, SocketResult, TcpSocket, UdpSocket,
        bindings::sockets::{
            ip_name_lookup::{self, ResolveAddressStream},
            network::{self, ErrorCode, IpAddress, IpAddressFamily},
            tcp_create_socket, udp_create_socket,
        },
        subscribe,
    },
    sockets::WasiSocketsView as _,
};

use super::{State, cast};
use crate::network::{NoAddress, SOCKETS_MAX};

/// The longest name that there is.
const NAME_MAX: usize = 253;

type Answer = Result<Vec<IpAddr>, NoAddress>;

/// Addresses on their way.
enum Lookup {
    Asked(BoxFuture<'static, Answer>),
    Found(vec::IntoIter<IpAddr>),
    Failed(NoAddress),
}

impl Lookup {
    fn poll(&mut self, context: &mut std::task::Context<'_>) -> Poll<()> {
        let Self::Asked(future) = self else { return Poll::Ready(()) };
        let Poll::Ready(answer) = Pin::new(future).poll(context) else { return Poll::Pending };
        *self = match answer {
            Ok(addresses) => Self::Found(addresses.into_iter()),
            Err(reason) => Self::Failed(reason),
        };
        Poll::Ready(())
    }
}

#[async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        std::future::poll_fn(|context| self.poll(context)).await;
    }
}

impl ip_name_lookup::Host for State {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        self.table.get(&network)?;
        if !self.network.is_open() {
            return Err(ErrorCode::AccessDenied.into());
        }
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let asked = self.network.clone().resolve(name.to_ascii_lowercase()).boxed();
        let lookup = self.table.push(Lookup::Asked(asked))?;
        Ok(cast(&lookup))
    }
}

impl ip_name_lookup::HostResolveAddressStream for State {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        let lookup: &mut Lookup = self.table.get_mut(&cast(&stream))?;
        let _ = lookup.poll(&mut std::task::Context::from_waker(noop_waker_ref()));
        match lookup {
            Lookup::Asked(_) => Err(ErrorCode::WouldBlock.into()),
            Lookup::Found(addresses) => Ok(addresses.next().map(IpAddress::from)),
            Lookup::Failed(NoAddress::Denied) => Err(ErrorCode::AccessDenied.into()),
            Lookup::Failed(NoAddress::Unknown) => Err(ErrorCode::NameUnresolvable.into()),
        }
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.table, cast::<_, Lookup>(&stream))
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.table.delete(cast::<_, Lookup>(&stream))?;
        Ok(())
    }
}

impl tcp_create_socket::Host for State {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        if !self.network.is_open() {
            return Err(ErrorCode::AccessDenied.into());
        }
        // Each is one of the node's.
        if self.sockets >= SOCKETS_MAX {
            return Err(ErrorCode::NewSocketLimit.into());
        }
        self.sockets += 1;
        tcp_create_socket::Host::create_tcp_socket(&mut self.sockets(), family)
    }
}

impl udp_create_socket::Host for State {
    async fn create_udp_socket(
        &mut self,
        _family: IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        Err(ErrorCode::AccessDenied.into())
    }
}

/// What the interfaces of sockets tell each other; nothing of ours.
impl network::Host for State {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        network::Host::convert_error_code(&mut self.sockets(), error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.sockets(), error)
    }
}

impl network::HostNetwork for State {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}
