//! The listeners on ports that the system chooses.

use std::{net::SocketAddr, sync::Arc};

use girrona_http::{
    EventsConfig, RestConfig, RpcConfig, serve_events, serve_rest, serve_rpc, serve_speculative,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::memory::Memory;

/// One running listener; it ends when this is dropped or told to.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) backend: Arc<Memory>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it as a node does, and waits until it has ended.
    pub(crate) async fn stop(mut self) {
        self.stop.take();
        (&mut self.task).await.unwrap().unwrap();
    }
}

macro_rules! start {
    ($name:ident, $config:ty, $serve:path) => {
        pub(crate) async fn $name(backend: Memory, config: $config) -> Running {
            let backend = Arc::new(backend);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopped) = oneshot::channel::<()>();
            let shutdown = async {
                let _ = stopped.await;
            };
            let task = tokio::spawn($serve(listener, backend.clone(), config, shutdown));
            Running { address, backend, stop: Some(stop), task }
        }
    };
}

start!(rpc, RpcConfig, serve_rpc);
start!(speculative, RpcConfig, serve_speculative);
start!(rest, RestConfig, serve_rest);
start!(events, EventsConfig, serve_events);
