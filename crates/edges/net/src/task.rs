//! The loop that owns the swarm: commands of the handles in, events to the owner out.
//!
//! Knows: libp2p's swarm and everything beside it. Does not know: what bytes mean.
//! What arrives from the swarm is in `task/events.rs`, gossip in `task/gossip.rs`, requests and
//! direct streams in `task/exchange.rs`, content in `task/content.rs`, how gossip spreads in
//! `task/spread.rs`, peers' coming, going and conduct in `task/peers.rs`.

mod content;
mod events;
mod exchange;
mod gossip;
mod peers;
mod spread;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::ListenerId,
    gossipsub::TopicHash,
    kad,
    metrics::Metrics as Libp2pMetrics,
    request_response::{InboundRequestId, OutboundRequestId},
    swarm::dial_opts::DialOpts,
};
use prometheus_client::registry::Registry;
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep_until, timeout},
};

use crate::{
    Config, Error, Event, Limits, RequestError, Topic, address,
    batch::Batch,
    bitswap::Bitswap,
    book,
    conduct::Conduct,
    dialer::Dialer,
    direct::{Incoming, Lanes, Open},
    handle::{Command, Commands, MAX_COMMANDS, Shared},
    inbox::Inbox,
    limits::Budget,
    metrics::Metrics,
    outbox::Outbox,
    records::Records,
    spread::Meter,
    swarm::{self, Behaviour},
    sync::Line,
    task::{content::Lookup, peers::Peer},
};

/// Events in the owner's hand. The inbox before it is the real queue; this one only spares wakeups.
const EVENTS: usize = 64;
/// Frames between the readers and the inbox. When full the readers wait.
const FRAMES: usize = 64;
/// Writers that wait for a stream. When full the next writer waits.
const OPENS: usize = 256;
/// Direct frames of all unprotected peers together that are being read, in bytes.
const READING_FRAMES: usize = 32 << 20;
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(50);
const SECOND: Duration = Duration::from_secs(1);

type Asked = oneshot::Sender<Result<Bytes, RequestError>>;

pub(crate) struct Task {
    swarm: Swarm<Behaviour>,
    network: String,
    topics: [TopicHash; Topic::ALL.len()],
    discovery: bool,
    limits: Limits,
    book: Option<PathBuf>,
    shared: Arc<Shared>,
    commands: Commands,
    metrics: Metrics,
    libp2p_metrics: Libp2pMetrics,
    peers: HashMap<PeerId, Peer>,
    dialer: Dialer,
    conduct: Conduct,
    inbox: Inbox,
    outbox: Outbox,
    batch: Batch,
    asked: HashMap<(Line, OutboundRequestId), (PeerId, Asked)>,
    answering: HashMap<(Line, InboundRequestId), (PeerId, usize)>,
    lookups: HashMap<kad::QueryId, Lookup>,
    records: Records,
    meter: Meter,
    frames: mpsc::Sender<Incoming>,
    budget: Budget,
    waiting: HashMap<ListenerId, Multiaddr>,
    second: Instant,
}

/// The other ends of the task's channels.
struct Ends {
    commands: mpsc::Receiver<Command>,
    frames: mpsc::Receiver<Incoming>,
    opens: mpsc::Receiver<Open>,
    content_opens: mpsc::Receiver<Open>,
    echo_opens: mpsc::Receiver<Open>,
    events: mpsc::Sender<Event>,
}

type Started = (Arc<Shared>, Commands, mpsc::Receiver<Event>);

pub(crate) async fn start(config: Config, registry: &mut Registry) -> Result<Started, Error> {
    config.check()?;
    let book = match &config.peer_book {
        Some(path) => {
            book::load(path).map_err(|source| Error::PeerBook { path: path.clone(), source })?
        }
        None => Vec::new(),
    };
    let metrics = Metrics::new(registry);
    let libp2p_metrics = Libp2pMetrics::new(registry);
    let mut swarm = swarm::build(&config, registry)?;
    let mut waiting = HashMap::new();
    for address in &config.listen {
        address::check_free(address)
            .map_err(|source| Error::Listen { address: address.clone(), source: source.into() })?;
        let listener = swarm
            .listen_on(address.clone())
            .map_err(|source| Error::Listen { address: address.clone(), source: source.into() })?;
        waiting.insert(listener, address.clone());
    }
    for address in &config.external {
        swarm.add_external_address(address.clone());
    }
    let local = *swarm.local_peer_id();
    let (command_sender, commands) = mpsc::channel(MAX_COMMANDS);
    let (frame_sender, frames) = mpsc::channel(FRAMES);
    let (open_sender, opens) = mpsc::channel(OPENS);
    let (content_open_sender, content_opens) = mpsc::channel(OPENS);
    let (echo_open_sender, echo_opens) = mpsc::channel(OPENS);
    let (event_sender, events) = mpsc::channel(EVENTS);
    let command_queue = Commands::new(command_sender, metrics.clone());
    let shared = Arc::new(Shared {
        local,
        listen: Default::default(),
        peers: Default::default(),
        spread: Default::default(),
        lanes: Lanes::new(open_sender, tokio::runtime::Handle::current()),
        bitswap: Bitswap::start(
            config.content,
            command_queue.clone(),
            metrics.clone(),
            content_open_sender,
            echo_open_sender,
        ),
        metrics: metrics.clone(),
    });
    let mut task = Task {
        swarm,
        topics: Topic::ALL.map(|topic| topic.hash(&config.network)),
        network: config.network,
        discovery: config.discovery,
        limits: config.limits,
        book: config.peer_book,
        shared: shared.clone(),
        commands: command_queue.clone(),
        metrics,
        libp2p_metrics,
        peers: HashMap::new(),
        dialer: Dialer::new(local, &config.peers, book, Instant::now()),
        conduct: Conduct::default(),
        inbox: Inbox::default(),
        outbox: Outbox::default(),
        batch: Batch::default(),
        asked: HashMap::new(),
        answering: HashMap::new(),
        lookups: HashMap::new(),
        records: Records::default(),
        meter: Meter::default(),
        frames: frame_sender,
        budget: Budget::new(READING_FRAMES),
        waiting,
        second: Instant::now(),
    };
    task.listen().await?;
    let ends = Ends { commands, frames, opens, content_opens, echo_opens, events: event_sender };
    tokio::spawn(Box::pin(task.run(ends)));
    Ok((shared, command_queue, events))
}

impl Task {
    async fn listen(&mut self) -> Result<(), Error> {
        while let Some(address) = self.waiting.values().next().cloned() {
            let Ok(event) = timeout(LISTEN_TIMEOUT, self.swarm.select_next_some()).await else {
                return Err(Error::Listen { address, source: "no address came up".into() });
            };
            if let libp2p::swarm::SwarmEvent::ListenerClosed { listener_id, reason, .. } = &event
                && let Some(address) = self.waiting.get(listener_id)
            {
                let source = format!("the listener closed: {reason:?}").into();
                return Err(Error::Listen { address: address.clone(), source });
            }
            self.on_swarm_event(event);
        }
        Ok(())
    }

    async fn run(mut self, mut ends: Ends) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // `commands` is also held by `self` (for replies), so it never closes: the owner ends the
        // task with `stop`, or by dropping its receiver of events.
        let done = loop {
            let deadline = self.batch.deadline();
            tokio::select! {
                permit = ends.events.reserve(), if !self.inbox.is_empty() => {
                    let Ok(permit) = permit else { break None };
                    if let Some(event) = self.inbox.pop() {
                        permit.send(event);
                    }
                }
                () = ends.events.closed() => break None,
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(command) = ends.commands.recv() => {
                    self.commands.taken(&command);
                    match command {
                        Command::Stop { done } => break Some(done),
                        command => self.on_command(command),
                    }
                }
                Some(incoming) = ends.frames.recv(), if self.inbox.has_room() => {
                    self.on_incoming(incoming);
                }
                Some(open) = ends.opens.recv() => {
                    self.swarm.behaviour_mut().direct.open(open.peer, open.answer);
                }
                Some(open) = ends.content_opens.recv() => {
                    self.swarm.behaviour_mut().bitswap.open(open.peer, open.answer);
                }
                Some(open) = ends.echo_opens.recv() => {
                    self.swarm.behaviour_mut().echo.open(open.peer, open.answer);
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now).into()),
                    if deadline.is_some() => self.flush_batch(),
                _ = tick.tick() => self.on_tick(),
            }
        };
        Box::pin(self.finish()).await;
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish { topic, bytes } => self.publish(topic, bytes),
            Command::Judge { token, verdict } => self.judge(&token, verdict),
            Command::Request { line, peer, bytes, reply } => self.ask(line, peer, bytes, reply),
            Command::Respond { line, id, channel, bytes } => {
                self.respond(line, id, channel, bytes);
            }
            Command::Provide { root, on } => self.provide(root, on),
            Command::FindProviders { root, reply } => self.find_providers(root, reply),
            Command::Dial { peer, address } => self.dial_provider(peer, address),
            Command::Penalise { peer, reason } => self.penalise(peer, reason),
            Command::Protect { peer, on } => self.protect(peer, on),
            Command::Stop { .. } => {}
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        self.dial(now);
        if now.saturating_duration_since(self.second) >= SECOND {
            self.second = now;
            self.watch_all(now);
            let stale = self.outbox.sweep(now);
            self.metrics.dropped("outbox", stale);
            let stale = self.shared.lanes.sweep(now);
            self.metrics.dropped("direct", stale);
            self.sweep_records(now);
            self.show_spread(now);
            self.save_book();
        }
    }

    fn dial(&mut self, now: Instant) {
        let (swarm, target) = (&self.swarm, self.limits.target_peers);
        let dials = self.dialer.due(now, |peer| swarm.is_connected(peer), self.peers.len(), target);
        for dial in dials {
            // A port of our own for each dial: reusing the listening port makes dials that cross
            // collide, and a restarted node wait for the system to forget the old connection.
            let options = match dial.peer {
                Some(peer) => {
                    DialOpts::peer_id(peer).addresses(dial.addresses).allocate_new_port().build()
                }
                None => match dial.addresses.into_iter().next() {
                    Some(address) => {
                        DialOpts::unknown_peer_id().address(address).allocate_new_port().build()
                    }
                    None => continue,
                },
            };
            let connection = options.connection_id();
            let started = self.swarm.dial(options).is_ok();
            self.dialer.dialing(dial.index, started.then_some(connection), now);
        }
    }

    fn save_book(&mut self) {
        let Some(path) = self.book.clone() else { return };
        let Some(records) = self.dialer.records() else { return };
        tokio::task::spawn_blocking(move || write_book(&path, &records));
    }

    async fn finish(mut self) {
        if let Some(path) = self.book.take()
            && let Some(records) = self.dialer.records()
        {
            write_book(&path, &records);
        }
        self.flush_batch();
        // Gossip and direct frames that were handed over leave from the connections' own tasks.
        let grace = async {
            loop {
                self.swarm.select_next_some().await;
            }
        };
        let _ = timeout(TICK, grace).await;
        self.shared.lanes.close();
        self.shared.bitswap.stop();
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let goodbye = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = timeout(SECOND / 2, goodbye).await;
        for (_, reader) in self.peers.iter_mut() {
            reader.stop_reading();
        }
        tracing::debug!(peer = %self.shared.local, "the swarm has stopped");
    }
}

fn write_book(path: &std::path::Path, records: &[book::Record]) {
    if let Err(error) = book::save(path, records) {
        tracing::warn!(path = %path.display(), %error, "the peer book could not be written");
    }
}

/// Seconds since 1970.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
