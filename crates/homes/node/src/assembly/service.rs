//! The service: one loop, on a thread of its own beside the chain's, so that nothing about
//! assemblies waits for a block and no block waits for them.
//!
//! Local work first: it takes an input, asks the rules, and hands whatever takes long (fetching,
//! compiling, executing, reading large files) to a job, whose end is another input.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use casper_types::PublicKey;
use girrona_assembly::{
    Cid, MessageId, RequestId,
    cache::{Census, Policy},
    message::{Board, Envelope, Inbox, bucket::Rate, inbox, shelf::Shelf},
    run::Register,
};
use girrona_net::{MessageToken, PeerId, Topic};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{
    caching::{FetchEnd, Here},
    door::Command,
    executing::Executing,
    run::Run,
    sandbox::{SharedReady, Unfit},
    shared::{Shared, now_ms},
    starting::{Ended, Starting},
    talk::Reply,
};

/// Inputs that wait. When full: gossip is ignored (peers compare what they have, so it comes
/// again), what peers say directly is dropped and they ask again, the door says "busy", jobs wait.
pub(crate) const QUEUE: usize = 8_192;
/// Executions that begin after one write to disk.
const BATCH: usize = 64;
/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Live messages that are kept for others, and their bytes.
const SHELF_MESSAGES: usize = 16_384;
const SHELF_BYTES: usize = 64 << 20;
/// A node that says nothing for so long holds nothing any more: it was to be heard three times.
const SILENCE_MS: u64 = 100_000;
/// Nodes whose holdings are remembered.
const NODES_MAX: usize = 16_384;
/// Requests that are remembered until their deadlines.
pub(super) const REQUESTS_MAX: usize = 16_384;

/// Something for the service.
#[derive(Debug)]
pub(crate) enum Input {
    Gossip {
        topic: Topic,
        from: PeerId,
        token: MessageToken,
        bytes: Bytes,
    },
    Asked {
        peer: PeerId,
        bytes: Bytes,
        answer: girrona_net::Reply,
    },
    Connected(PeerId),
    Disconnected(PeerId),
    /// A peer answered.
    Answered {
        peer: PeerId,
        reply: Reply,
    },
    /// A peer did not take what belongs to a request.
    Unsent {
        request: RequestId,
        bytes: Bytes,
        tried: BTreeSet<PeerId>,
    },
    /// A peer answered a challenge, or did not.
    Proven {
        holder: PublicKey,
        root: Cid,
        is_right: bool,
    },
    Fetched {
        root: Cid,
        end: FetchEnd,
    },
    Prepared {
        root: Cid,
        end: Result<SharedReady, Unfit>,
    },
    Executed {
        request: RequestId,
        ended: Box<Ended>,
    },
    /// Content lost blocks.
    Broken(Vec<Cid>),
    Door(Command),
    Stop,
}

/// The way that a request came, for what belongs to it.
#[derive(Debug)]
pub(super) struct Trail {
    /// From whom it came first; `None` when it was brought to this node.
    pub(super) up: Option<PeerId>,
    /// Where executors are, for whom it is to be passed on to them.
    pub(super) down: BTreeMap<PublicKey, PeerId>,
    pub(super) until_ms: u64,
    /// When it was last asked about again.
    pub(super) again_ms: u64,
}

impl Trail {
    pub(super) const fn new(up: Option<PeerId>, deadline_ms: u64) -> Self {
        let until_ms = deadline_ms.saturating_add(60_000);
        Self { up, down: BTreeMap::new(), until_ms, again_ms: 0 }
    }
}

/// All that the service knows.
#[derive(Debug)]
pub(crate) struct Service {
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: Inbox<PeerId>,
    pub(super) board: Board,
    pub(super) shelf: Shelf,
    pub(super) census: Census<PublicKey>,
    /// Where holders serve.
    pub(super) places: BTreeMap<PublicKey, Vec<String>>,
    /// The last word of each holder, which replaces those before it.
    pub(super) words: BTreeMap<PublicKey, MessageId>,
    pub(super) policy: Policy,
    pub(super) here: BTreeMap<Cid, Here>,
    /// The version that goes when the new one is ready.
    pub(super) replaces: BTreeMap<Cid, Cid>,
    /// Ordered here, whatever the policy says.
    pub(super) ordered: BTreeSet<Cid>,
    /// Signed announcements that wait for their content.
    pub(super) pending: BTreeMap<Cid, Pending>,
    pub(super) register: Register,
    pub(super) executing: BTreeMap<RequestId, Executing>,
    /// Executions that begin when it is on disk that they do.
    pub(super) starting: Vec<Starting>,
    pub(super) trails: BTreeMap<RequestId, Trail>,
    pub(super) runs: BTreeMap<RequestId, Run>,
    pub(super) peers: BTreeSet<PeerId>,
    /// When this node's holdings are to be said next.
    pub(super) say_holdings_ms: u64,
    pub(super) evicted: BTreeSet<Cid>,
    pub(super) compare_ms: u64,
    pub(super) maintain_ms: u64,
}

/// An announcement that waits for its content.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
    pub(super) until_ms: u64,
}

impl Service {
    /// Takes up what is on disk.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let numbers = inbox::Config {
            peer: Rate { burst: 5_000, per_second: 2_000 },
            // An executor of many small requests signs one receipt for each.
            author: Rate { burst: 2_000, per_second: 1_000 },
            ..inbox::Config::default()
        };
        let policy = shared.config.policy.clone();
        let now = now_ms();
        let mut service = Self {
            shared,
            inbox: Inbox::new(numbers),
            board: Board::new(),
            shelf: Shelf::new(SHELF_MESSAGES, SHELF_BYTES),
            census: Census::new(SILENCE_MS, NODES_MAX),
            places: BTreeMap::new(),
            words: BTreeMap::new(),
            policy,
            here: BTreeMap::new(),
            replaces: BTreeMap::new(),
            ordered: BTreeSet::new(),
            pending: BTreeMap::new(),
            register: Register::new(REQUESTS_MAX),
            executing: BTreeMap::new(),
            starting: Vec::new(),
            trails: BTreeMap::new(),
            runs: BTreeMap::new(),
            peers: BTreeSet::new(),
            say_holdings_ms: now,
            evicted: BTreeSet::new(),
            compare_ms: now,
            maintain_ms: now,
        };
        if let Err(error) = service.restore(now) {
            warn!(%error, "what was known about assemblies cannot be read; it comes again");
        }
        service
    }

    fn restore(&mut self, now: u64) -> Result<(), girrona_store::content::RecordsError> {
        let shared = Arc::clone(&self.shared);
        if let Some(json) = shared.keep.interests()?
            && let Ok(interests) = serde_json::from_slice(&json)
        {
            self.set_interests(interests);
        }
        for info in shared.content.roots() {
            if info.is_pinned {
                self.ordered.insert(info.root);
            }
        }
        for bytes in shared.keep.messages(now)? {
            self.recall(&bytes, now);
        }
        if let Some(snapshot) = shared.keep.nonces()?
            && self.inbox.restore(&snapshot, now).is_err()
        {
            warn!("the nonces on disk cannot be read; messages may be taken twice");
        }
        for (request, started) in shared.keep.requests(now)? {
            let ending = started.ending;
            self.register.restore(request, &started.author.0, started.deadline_ms, ending);
            // Nobody knows any more from whom it came; whoever asks again is told.
            self.trails.insert(request, Trail::new(None, started.deadline_ms));
        }
        for (request, result) in shared.keep.results(now)? {
            self.recall_run(request, result, now);
        }
        for info in shared.content.roots() {
            if info.is_whole {
                self.prepare(info.root);
            } else {
                self.here.entry(info.root).or_default();
            }
        }
        let roots: BTreeSet<Cid> =
            self.board.all().map(|post| post.announcement.content.root).collect();
        let known = self.here.keys().copied().collect();
        for root in roots.union(&known) {
            self.consider(root, now);
        }
        info!(
            announced = roots.len(), held = self.here.len(), account = %self.shared.account,
            "assemblies are served"
        );
        Ok(())
    }

    /// Works until it is told to stop.
    pub(crate) async fn work(mut self, mut inputs: mpsc::Receiver<Input>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => self.tick(now_ms()),
                input = inputs.recv() => match input {
                    None | Some(Input::Stop) => break,
                    Some(input) => self.handle(input, now_ms()),
                },
            }
            // What else waits goes into the same write to disk.
            if !self.starting.is_empty() && (inputs.is_empty() || self.starting.len() >= BATCH) {
                self.start_what_is_kept(now_ms());
            }
        }
        if let Err(error) = self.shared.keep.put_nonces(&self.inbox.snapshot()) {
            warn!(%error, "nonces are not kept");
        }
    }

    fn handle(&mut self, input: Input, now: u64) {
        match input {
            Input::Gossip { topic, from, token, bytes } => {
                self.gossip(topic, from, token, &bytes, now);
            }
            Input::Asked { peer, bytes, answer } => self.asked(peer, &bytes, answer, now),
            Input::Connected(peer) => self.connected(peer, now),
            Input::Disconnected(peer) => {
                self.peers.remove(&peer);
                self.inbox.forget_peer(&peer);
            }
            Input::Answered { peer, reply } => self.answered(peer, reply, now),
            Input::Unsent { request, bytes, tried } => self.unsent(&request, &bytes, tried),
            Input::Proven { holder, root, is_right } => {
                if !is_right {
                    info!(%holder, %root, "a node does not hold what it says it holds");
                    self.census.contradict(&holder, &root);
                }
            }
            Input::Fetched { root, end } => self.fetched(root, end, now),
            Input::Prepared { root, end } => self.prepared(root, end, now),
            Input::Executed { request, ended } => self.executed(request, *ended, now),
            Input::Broken(roots) => self.broken(&roots, now),
            Input::Door(command) => self.command(command, now),
            Input::Stop => {}
        }
    }

    fn tick(&mut self, now: u64) {
        self.start_due_fetches(now);
        self.look_after_runs(now);
        if now >= self.say_holdings_ms {
            self.say_holdings(now);
        }
        if now >= self.compare_ms {
            self.compare_with_somebody(now);
        }
        if now >= self.maintain_ms {
            self.maintain(now);
        }
    }

    /// Once in ten seconds: forgets what is over, keeps what must outlive a crash.
    fn maintain(&mut self, now: u64) {
        self.maintain_ms = now.saturating_add(10_000);
        self.board.expire(now);
        self.shelf.expire(now);
        self.census.forget_silent(now);
        let census = &self.census;
        self.places.retain(|key, _| census.knows(key));
        self.words.retain(|key, _| census.knows(key));
        self.pending.retain(|_, pending| pending.until_ms > now);
        self.trails.retain(|_, trail| trail.until_ms > now);
        if let Err(error) = self.shared.keep.put_nonces(&self.inbox.snapshot()) {
            warn!(%error, "nonces are not kept");
        }
        let broken = self.shared.content.take_broken();
        if !broken.is_empty() {
            self.broken(&broken, now);
        }
        self.notice_gone(now);
        self.look_again(now);
        self.check_oldest(now);
        let usage = self.shared.content.usage();
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let metrics = &self.shared.metrics;
        metrics.announced.set(gauge(self.board.all().count() as u64));
        metrics.ready.set(gauge(self.ready_roots().count() as u64));
        metrics.nodes.set(gauge(self.census.nodes() as u64));
        metrics.content_bytes.set(gauge(usage.held));
        metrics.content_free.set(gauge(usage.free));
    }
}
