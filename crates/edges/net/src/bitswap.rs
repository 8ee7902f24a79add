//! stub
use crate::{Content, Fetch, Fetching, direct::Open, handle::Commands};
use libp2p::{PeerId, Stream};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, oneshot};

#[derive(Clone, Debug)]
pub(crate) struct Bitswap {}

impl Bitswap {
    pub(crate) fn start(_: Content, _: Commands, _: mpsc::Sender<Open>) -> Self {
        Self {}
    }
    pub(crate) fn fetch(&self, _: Fetch) -> Fetching {
        Fetching { end: oneshot::channel().1, dropped: Arc::new(Notify::new()) }
    }
    pub(crate) fn accept(&self, _: PeerId, _: Stream) {}
    pub(crate) fn connected(&self, _: PeerId) {}
    pub(crate) fn is_member(&self, _: PeerId) {}
    pub(crate) fn lost(&self, _: &PeerId) {}
    pub(crate) fn stop(&self) {}
}
