//! Content by its hashes: what a node gives away, what it fetches, and what the owner learns of it.
//!
//! Knows: the shapes of the calls. Does not know: disks (the owner brings [`Blocks`]), Bitswap
//! (`bitswap.rs`), or what content is for.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use girrona_assembly::{
    Cid,
    content::Limits,
    fetch::{Failure, Offence, session},
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{Notify, oneshot, watch};

/// Where blocks are kept. Called on blocking threads only, never on the swarm's, by several at
/// once.
///
/// What [`Blocks::get`], [`Blocks::has`] and [`Blocks::size`] show is what strangers are given:
/// a store that holds private blocks hides them here.
pub trait Blocks: Send + Sync + 'static {
    /// A block's bytes, whole and checked; `None` if it is not here.
    ///
    /// # Errors
    /// The disk failed; whoever asked is told that the block is not here.
    fn get(&self, cid: &Cid) -> io::Result<Option<Bytes>>;

    /// Whether a block is here.
    fn has(&self, cid: &Cid) -> bool;

    /// How long a block is, in bytes; `None` if it is not here.
    fn size(&self, cid: &Cid) -> Option<u32>;

    /// Keeps a block; its hash has been checked. What is here already is no error.
    ///
    /// # Errors
    /// There is no room, or the disk failed; the fetch that wanted it ends with that.
    fn put(&self, cid: &Cid, block: Bytes) -> Result<(), PutError>;
}

impl fmt::Debug for dyn Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocks")
    }
}

/// Why a block is not kept.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The quota is used up.
    #[error("there is no room for the block")]
    Full,
    /// The disk failed.
    #[error("store a block")]
    Io(#[from] io::Error),
}

/// A store that has nothing and takes nothing: for a swarm without content.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBlocks;

impl Blocks for NoBlocks {
    fn get(&self, _: &Cid) -> io::Result<Option<Bytes>> {
        Ok(None)
    }

    fn has(&self, _: &Cid) -> bool {
        false
    }

    fn size(&self, _: &Cid) -> Option<u32> {
        None
    }

    fn put(&self, _: &Cid, _: Bytes) -> Result<(), PutError> {
        Err(PutError::Full)
    }
}

/// What a node gives and takes as content, and how much of its link it spends on that.
#[derive(Clone, Debug)]
pub struct Content {
    /// Where blocks are kept.
    pub blocks: Arc<dyn Blocks>,
    /// Bytes a second that leave as content, to all peers together; `None` for as many as there
    /// is room for. Whatever it is, content slows down when echoes from a peer do.
    pub upload: Option<u64>,
    /// The same for content that comes in.
    pub download: Option<u64>,
    /// Bytes of answers in memory, of all peers together. When full, wants wait in the ledger.
    pub serving_max: usize,
    /// Bytes of messages that are being read or wait for the store, of all peers together. When
    /// full, senders wait.
    pub reading_max: usize,
    /// A message has to move on by 64 KiB within this time, in either direction, or its stream is
    /// given up and the peer is at fault.
    pub patience: Duration,
    /// Numbers of a fetch; depth, width and bytes come with each [`Fetch`].
    pub session: session::Config,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            blocks: Arc::new(NoBlocks),
            upload: None,
            download: None,
            serving_max: 64 << 20,
            reading_max: 64 << 20,
            patience: Duration::from_secs(10),
            session: session::Config::default(),
        }
    }
}

/// Somebody who has content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// By name; it has to be connected, or known to the swarm.
    Peer(PeerId),
    /// By address, with `/p2p/<id>`; it is dialled if it is not connected.
    Address(Multiaddr),
}

impl From<PeerId> for Provider {
    fn from(peer: PeerId) -> Self {
        Self::Peer(peer)
    }
}

impl From<Multiaddr> for Provider {
    fn from(address: Multiaddr) -> Self {
        Self::Address(address)
    }
}

/// A DAG to be fetched. Blocks that the store has are not fetched again, so what was interrupted
/// goes on where it was.
#[derive(Debug)]
pub struct Fetch {
    /// Its root.
    pub root: Cid,
    /// How deep, wide and large it may be.
    pub limits: Limits,
    /// Who has it, as far as known. Connected peers and the DHT are asked when these do not do.
    pub providers: Vec<Provider>,
    /// Where progress is shown; it may be watched or not.
    pub progress: watch::Sender<Progress>,
    /// How long nobody may have what is missing before it is given up.
    pub patience: Duration,
}

impl Fetch {
    /// Of this content, from these, with the default limits.
    pub fn new(root: Cid, providers: impl IntoIterator<Item = impl Into<Provider>>) -> Self {
        Self {
            root,
            limits: Limits::default(),
            providers: providers.into_iter().map(Into::into).collect(),
            progress: watch::Sender::default(),
            patience: Duration::from_secs(30),
        }
    }
}

/// How far a fetch is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Blocks that are here, those of the store included.
    pub blocks: usize,
    /// Blocks that are known to belong to it; grows while nodes are read.
    pub found: usize,
    /// Bytes of new blocks that came.
    pub bytes: u64,
    /// Bytes of blocks that came again.
    pub duplicate_bytes: u64,
    /// Bytes of new blocks, by who sent them.
    pub by_peer: BTreeMap<PeerId, u64>,
    /// Who was at fault, and what it did; they have been scored.
    pub offenders: Vec<(PeerId, Offence)>,
}

/// A fetch that ended well: every block is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What was fetched, and from whom.
    pub progress: Progress,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why a fetch did not end well. What came is in the store all the same.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The content is not what an assembly may be.
    #[error(transparent)]
    Content(#[from] Failure),
    /// The store did not take a block.
    #[error("keep what was fetched")]
    Store(#[source] PutError),
    /// Nobody who can be reached has what is missing.
    #[error("nobody has it: {missing} blocks are missing after {} s without a provider", waited.as_secs())]
    NoProviders {
        /// Blocks that are known to be missing.
        missing: usize,
        /// How long nobody had them.
        waited: Duration,
    },
    /// Too many fetches are under way.
    #[error("too many fetches are under way")]
    Busy,
    /// This node is shutting down.
    #[error("the network is stopped")]
    Stopped,
}

/// A fetch under way: await it. Dropping it ends the fetch.
#[derive(Debug)]
pub struct Fetching {
    pub(crate) end: oneshot::Receiver<Result<Fetched, FetchError>>,
    /// Tells the client to look who is still waiting.
    pub(crate) dropped: Arc<Notify>,
}

impl Future for Fetching {
    type Output = Result<Fetched, FetchError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.end).poll(cx).map(|end| end.unwrap_or(Err(FetchError::Stopped)))
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.end.close();
        self.dropped.notify_one();
    }
}
