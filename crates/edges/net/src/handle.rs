//! What the owner holds: the handle to the swarm, and the events that come out of it.
//!
//! Knows: the queue of commands and its bounds. Does not know: libp2p's swarm; that is `task.rs`.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use girrona_assembly::Cid;
use libp2p::{
    Multiaddr, PeerId,
    gossipsub::MessageId,
    request_response::{InboundRequestId, ResponseChannel},
};
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Config, Error, Fetch, Fetching, Reply, RequestError, Route, Spread, Topic, batch,
    bitswap::Bitswap, direct::Lanes, metrics::Metrics, spread::Arrival, sync::Line, task,
};

/// Commands waiting for the swarm. When full the owner is told "no".
pub(crate) const MAX_COMMANDS: usize = 8_192;
/// Bytes in those commands.
const MAX_COMMAND_BYTES: usize = 64 << 20;

/// Something came in.
#[derive(Debug)]
pub enum Event {
    /// A gossip message. It is not forwarded until it is judged "accept", and can only be forwarded
    /// for about four seconds: judge first, do the heavy work after.
    Gossip {
        /// Where it belongs.
        topic: Topic,
        /// Who gave it to us; not always who wrote it.
        from: PeerId,
        /// For [`Net::judge`].
        token: MessageToken,
        /// The items of a batch of deploys; one item on the other topics.
        items: Vec<Bytes>,
        /// How it came.
        route: Route,
    },
    /// A frame on a peer's direct stream.
    Direct {
        /// The sender.
        from: PeerId,
        /// What it sent.
        bytes: Bytes,
    },
    /// A peer asks.
    Request {
        /// Who asks.
        from: PeerId,
        /// What.
        bytes: Bytes,
        /// The way to answer.
        reply: Reply,
    },
    /// A peer says something about assemblies to this node alone.
    Asked {
        /// Who.
        peer: PeerId,
        /// What.
        bytes: Bytes,
        /// The way to answer.
        answer: Reply,
    },
    /// A peer of our network is here and has said what it speaks. Frames and gossip of its first
    /// milliseconds may come before this.
    Connected {
        /// Who.
        peer: PeerId,
    },
    /// The last connection to a peer that was [`Event::Connected`] is gone.
    Disconnected {
        /// Who.
        peer: PeerId,
    },
}

/// What the owner thinks of a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is good; it is forwarded.
    Accept,
    /// It is bad, and whoever passed it on could have known: it costs score, and five of these in
    /// a few minutes a ban. The reason is for the log.
    Reject(&'static str),
    /// It is not forwarded, and nobody is to blame.
    Ignore,
}

impl Verdict {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject(_) => "reject",
            Self::Ignore => "ignore",
        }
    }
}

/// Names one gossip message that waits for its verdict. Dropping it is "ignore" without saying so.
#[derive(Debug)]
pub struct MessageToken {
    pub(crate) id: MessageId,
    pub(crate) from: PeerId,
    pub(crate) topic: Topic,
    pub(crate) author: Option<PeerId>,
    pub(crate) arrival: Arrival,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerInfo {
    /// Its name.
    pub peer: PeerId,
    /// Where it is; for an inbound connection the port is of no use to others.
    pub addr: Multiaddr,
    /// It dialled us.
    pub inbound: bool,
    /// Its gossip score; at -400 it is banned.
    pub score: f64,
    /// What it calls itself.
    pub agent: String,
    /// It speaks our network's protocols, as far as it has said.
    pub member: bool,
    /// See [`Net::protect`].
    pub protected: bool,
}

/// What the handle asks of the task.
#[derive(Debug)]
pub(crate) enum Command {
    Publish {
        topic: Topic,
        bytes: Bytes,
    },
    Judge {
        token: MessageToken,
        verdict: Verdict,
    },
    Request {
        line: Line,
        peer: PeerId,
        bytes: Bytes,
        reply: oneshot::Sender<Result<Bytes, RequestError>>,
    },
    Respond {
        line: Line,
        id: InboundRequestId,
        channel: ResponseChannel<Bytes>,
        bytes: Bytes,
    },
    Penalise {
        peer: PeerId,
        reason: &'static str,
    },
    Provide {
        root: Cid,
        on: bool,
    },
    FindProviders {
        root: Cid,
        reply: oneshot::Sender<Vec<PeerId>>,
    },
    Dial {
        peer: Option<PeerId>,
        address: Option<Multiaddr>,
    },
    Protect {
        peer: PeerId,
        on: bool,
    },
    Stop {
        done: oneshot::Sender<()>,
    },
}

impl Command {
    fn weight(&self) -> usize {
        match self {
            Self::Publish { bytes, .. }
            | Self::Request { bytes, .. }
            | Self::Respond { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }
}

/// The bounded way to the task.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    sender: mpsc::Sender<Command>,
    queued: Arc<AtomicUsize>,
    metrics: Metrics,
}

impl Commands {
    pub(crate) fn new(sender: mpsc::Sender<Command>, metrics: Metrics) -> Self {
        Self { sender, queued: Arc::default(), metrics }
    }

    pub(crate) fn submit(&self, command: Command) -> bool {
        let weight = command.weight();
        let before = self.queued.fetch_add(weight, Ordering::Relaxed);
        let fits = before == 0 || before + weight <= MAX_COMMAND_BYTES;
        if fits && self.sender.try_send(command).is_ok() {
            return true;
        }
        self.queued.fetch_sub(weight, Ordering::Relaxed);
        self.metrics.dropped("commands", 1);
        false
    }

    /// The task has taken a command out.
    pub(crate) fn taken(&self, command: &Command) {
        self.queued.fetch_sub(command.weight(), Ordering::Relaxed);
    }
}

/// What the task shows to the handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) local: PeerId,
    pub(crate) listen: RwLock<Vec<Multiaddr>>,
    pub(crate) peers: RwLock<BTreeMap<PeerId, PeerInfo>>,
    pub(crate) spread: RwLock<Vec<Spread>>,
    pub(crate) lanes: Lanes,
    pub(crate) bitswap: Bitswap,
    pub(crate) metrics: Metrics,
}

/// The handle to a running swarm; clones are cheap. The swarm runs until [`Net::stop`], or until
/// the receiver of its events is dropped.
#[derive(Clone, Debug)]
pub struct Net {
    shared: Arc<Shared>,
    commands: Commands,
}

impl Net {
    /// Starts a swarm on the current tokio runtime and waits until it listens.
    ///
    /// # Errors
    /// The configuration makes no sense, an address is taken, or the peer book cannot be read.
    pub async fn start(
        config: Config,
        registry: &mut Registry,
    ) -> Result<(Self, mpsc::Receiver<Event>), Error> {
        let (shared, commands, events) = Box::pin(task::start(config, registry)).await?;
        Ok((Self { shared, commands }, events))
    }

    /// Our own name.
    pub fn local_peer(&self) -> PeerId {
        self.shared.local
    }

    /// Where we listen, with the ports that the system chose.
    pub fn listen_addrs(&self) -> Vec<Multiaddr> {
        self.shared.listen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who is connected; scores are at most a second old.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let peers = self.shared.peers.read().unwrap_or_else(PoisonError::into_inner);
        peers.values().cloned().collect()
    }

    /// How each topic spreads, measured beside the model; at most a second old. Empty in the first
    /// second.
    pub fn spread(&self) -> Vec<Spread> {
        self.shared.spread.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gossips a message. On [`Topic::Deploys`] one deploy, which travels in a batch with others
    /// (64 KiB or 20 ms); on the other topics a message by itself. Without a subscribed peer it
    /// waits up to ten seconds for one. What was published before in the last two minutes is not
    /// sent again, except on [`Topic::Consensus`].
    ///
    /// `false`: it is empty or too long for its topic, or the queue is full.
    pub fn publish(&self, topic: Topic, bytes: Bytes) -> bool {
        let overhead = if topic == Topic::Deploys { batch::PREFIX } else { 0 };
        if bytes.is_empty() || bytes.len() + overhead > topic.max_size() {
            tracing::warn!(topic = topic.label(), len = bytes.len(), "not a size to gossip");
            return false;
        }
        self.commands.submit(Command::Publish { topic, bytes })
    }

    /// Sends a frame on the direct stream to a connected peer; see [`crate::MAX_FRAME`]. Frames
    /// arrive in order; around a lost connection some may be missing or come twice.
    ///
    /// `false`: the peer is not connected (nor was in the last five seconds), its queue is full, or
    /// the frame is too long.
    pub fn send(&self, peer: PeerId, bytes: Bytes) -> bool {
        let len = bytes.len();
        let queued = self.shared.lanes.send(&peer, bytes);
        if queued {
            self.shared.metrics.sent(crate::metrics::DIRECT, len);
        } else {
            self.shared.metrics.dropped("direct", 1);
        }
        queued
    }

    /// Asks a connected peer and waits for its answer.
    ///
    /// # Errors
    /// See [`RequestError`]; after [`crate::Limits::request_timeout`] at the latest.
    pub fn request(
        &self,
        peer: PeerId,
        bytes: Bytes,
    ) -> impl Future<Output = Result<Bytes, RequestError>> + Send + use<> {
        self.ask_on(Line::Chain, peer, bytes)
    }

    /// Says something about assemblies to a connected peer, up to [`crate::MAX_ASK`] bytes, and
    /// waits for its answer, up to [`crate::MAX_ANSWER`] bytes.
    ///
    /// # Errors
    /// As [`Net::request`].
    pub fn ask(
        &self,
        peer: PeerId,
        bytes: Bytes,
    ) -> impl Future<Output = Result<Bytes, RequestError>> + Send + use<> {
        self.ask_on(Line::Assembly, peer, bytes)
    }

    fn ask_on(
        &self,
        line: Line,
        peer: PeerId,
        bytes: Bytes,
    ) -> impl Future<Output = Result<Bytes, RequestError>> + Send + use<> {
        let (len, max) = (bytes.len(), line.request_max());
        let (reply, answer) = oneshot::channel();
        let closed = self.commands.sender.is_closed();
        let asked =
            len <= max && self.commands.submit(Command::Request { line, peer, bytes, reply });
        async move {
            match asked {
                true => answer.await.unwrap_or(Err(RequestError::Stopped)),
                false if len > max => Err(RequestError::TooLarge { len, max }),
                false if closed => Err(RequestError::Stopped),
                false => Err(RequestError::Busy),
            }
        }
    }

    /// Fetches a DAG, block by block, into [`crate::Content::blocks`]: from the providers named,
    /// from connected peers that have it, and from whom the DHT names when those do not do.
    /// Several fetches may run at once. Dropping the answer ends the fetch.
    pub fn fetch(&self, fetch: Fetch) -> Fetching {
        self.shared.bitswap.fetch(fetch)
    }

    /// Tells the DHT that this node has a DAG, and keeps telling it. Nothing happens without
    /// discovery.
    pub fn provide(&self, root: Cid) {
        self.commands.submit(Command::Provide { root, on: true });
    }

    /// No longer tells the DHT; records that others hold run out within a day.
    pub fn unprovide(&self, root: Cid) {
        self.commands.submit(Command::Provide { root, on: false });
    }

    /// Asks the DHT who has a DAG. Those it names are dialled as long as this node wants more
    /// peers or a fetch needs them. Nobody without discovery.
    pub async fn find_providers(&self, root: Cid) -> Vec<PeerId> {
        let (reply, answer) = oneshot::channel();
        if self.commands.submit(Command::FindProviders { root, reply }) {
            answer.await.unwrap_or_default()
        } else {
            Vec::new()
        }
    }

    /// Says what to do with a gossip message.
    pub fn judge(&self, token: MessageToken, verdict: Verdict) {
        self.commands.submit(Command::Judge { token, verdict });
    }

    /// Notes a fault of a peer. Each costs 100 points of score and is forgotten by half in a
    /// minute; the fifth within a short time is a ban (600 s by default).
    pub fn penalise(&self, peer: PeerId, reason: &'static str) {
        self.commands.submit(Command::Penalise { peer, reason });
    }

    /// Takes a peer (a validator) out of connection limits and bans, and sends it every gossip
    /// message directly. Its faults still cost score. Both sides have to protect each other:
    /// protected peers are not part of the gossip mesh, and a one-sided protection would starve
    /// the other side.
    pub fn protect(&self, peer: PeerId) {
        self.commands.submit(Command::Protect { peer, on: true });
    }

    /// The peer is like any other again.
    pub fn unprotect(&self, peer: PeerId) {
        self.commands.submit(Command::Protect { peer, on: false });
    }

    /// Sends what waits, remembers the peers, says goodbye and ends the task.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.sender.send(Command::Stop { done }).await.is_ok() {
            let _ = stopped.await;
        }
    }
}
