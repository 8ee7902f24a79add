//! Nodes for the tests: each keeps a log of its events and answers by simple rules.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use girrona_assembly::content::{Block, FileBuilder, Shape};
use girrona_net::{
    Blocks, Cid, Config, Content, Event, Identity, Multiaddr, Net, PeerId, PutError, Reply, Topic,
    Verdict,
};
use libp2p::multiaddr::Protocol;
use prometheus_client::{encoding::text::encode, registry::Registry};

pub(crate) const NETWORK: &str = "test";

/// What a node has seen.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) gossip: Vec<(Topic, PeerId, Bytes)>,
    /// How many items each gossip message had.
    pub(crate) batches: Vec<usize>,
    pub(crate) direct: Vec<(PeerId, Bytes)>,
    pub(crate) connected: Vec<PeerId>,
    pub(crate) disconnected: Vec<PeerId>,
    /// Requests that are never answered.
    pub(crate) silent: Vec<Reply>,
}

pub(crate) struct Node {
    pub(crate) net: Net,
    pub(crate) log: Arc<Mutex<Log>>,
    pub(crate) registry: Registry,
}

pub(crate) fn identity(seed: u8) -> Identity {
    Identity::from_seed([seed; 32])
}

pub(crate) fn config(seed: u8) -> Config {
    Config {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        discovery: false,
        ..Config::new(identity(seed), NETWORK)
    }
}

/// Blocks in memory.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) blocks: Mutex<BTreeMap<Cid, Bytes>>,
    /// It gives out other bytes than it has.
    pub(crate) lies: bool,
    /// It takes so many blocks.
    pub(crate) room: Option<usize>,
}

impl Blocks for Shelf {
    fn get(&self, cid: &Cid) -> io::Result<Option<Bytes>> {
        let block = self.blocks.lock().unwrap().get(cid).cloned();
        Ok(block.map(|bytes| {
            let mut bytes = bytes.to_vec();
            if self.lies
                && let Some(byte) = bytes.last_mut()
            {
                *byte ^= 1;
            }
            Bytes::from(bytes)
        }))
    }

    fn has(&self, cid: &Cid) -> bool {
        self.blocks.lock().unwrap().contains_key(cid)
    }

    fn size(&self, cid: &Cid) -> Option<u32> {
        self.blocks.lock().unwrap().get(cid).map(|bytes| bytes.len() as u32)
    }

    fn put(&self, cid: &Cid, block: Bytes) -> Result<(), PutError> {
        assert!(cid.names(&block), "a block that was not checked");
        let mut blocks = self.blocks.lock().unwrap();
        if self.room.is_some_and(|room| blocks.len() >= room) {
            return Err(PutError::Full);
        }
        blocks.insert(*cid, block);
        Ok(())
    }
}

impl Shelf {
    pub(crate) fn len(&self) -> usize {
        self.blocks.lock().unwrap().len()
    }

    /// A shelf with a file of so many bytes, all blocks different, and its root.
    pub(crate) fn with_file(len: usize, chunk: usize) -> (Cid, Self) {
        let shelf = Self::default();
        let mut keep = |Block { cid, bytes }: Block| {
            shelf.blocks.lock().unwrap().insert(cid, Bytes::from(bytes));
        };
        let mut builder = FileBuilder::new(Shape { chunk, ..Shape::HELIA });
        let mut left = len;
        let mut number = 0u64;
        while left > 0 {
            let mut piece = vec![0; left.min(chunk)];
            let mut seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            for word in piece.chunks_mut(8) {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                word.copy_from_slice(&seed.to_le_bytes()[..word.len()]);
            }
            builder.push(&piece, &mut keep);
            left -= piece.len();
            number += 1;
        }
        let root = builder.finish(&mut keep).cid;
        (root, shelf)
    }

    /// The same blocks on another shelf.
    pub(crate) fn copy(&self) -> Self {
        Self { blocks: Mutex::new(self.blocks.lock().unwrap().clone()), ..Self::default() }
    }
}

/// A node that keeps its blocks there.
pub(crate) fn keeping(shelf: &Arc<Shelf>, base: Config) -> Config {
    Config { content: Content { blocks: shelf.clone(), ..base.content }, ..base }
}

pub(crate) fn quic(seed: u8) -> Config {
    Config { listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()], ..config(seed) }
}

pub(crate) async fn start(config: Config) -> Node {
    let mut registry = Registry::default();
    let (net, mut events) = Net::start(config, &mut registry).await.unwrap();
    let log = Arc::new(Mutex::new(Log::default()));
    let (handle, seen) = (net.clone(), log.clone());
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            answer(&handle, &mut seen.lock().unwrap(), event);
        }
    });
    Node { net, log, registry }
}

// Gossip: "bad..." is rejected, "skip..." ignored, the rest accepted.
// Requests: "silent" is never answered, "refuse" dropped, "huge" answered with too much, "big" with
// 15 MiB, the rest with itself.
fn answer(net: &Net, log: &mut Log, event: Event) {
    match event {
        Event::Gossip { topic, from, token, items, .. } => {
            let starts = |what: &[u8]| items.iter().any(|item| item.starts_with(what));
            let verdict = match () {
                () if starts(b"bad") => Verdict::Reject("a bad item"),
                () if starts(b"skip") => Verdict::Ignore,
                () => Verdict::Accept,
            };
            net.judge(token, verdict);
            log.batches.push(items.len());
            log.gossip.extend(items.into_iter().map(|item| (topic, from, item)));
        }
        Event::Asked { bytes, answer, .. } => match bytes.as_ref() {
            b"refuse" => drop(answer),
            _ => assert!(answer.send(bytes)),
        },
        Event::Direct { from, bytes } => log.direct.push((from, bytes)),
        Event::Request { bytes, reply, .. } => match bytes.as_ref() {
            b"silent" => log.silent.push(reply),
            b"refuse" => drop(reply),
            b"huge" => assert!(!reply.send(Bytes::from(vec![7; (16 << 20) + 1]))),
            b"big" => assert!(reply.send(Bytes::from(vec![7; 15 << 20]))),
            _ => assert!(reply.send(bytes)),
        },
        Event::Connected { peer } => log.connected.push(peer),
        Event::Disconnected { peer } => log.disconnected.push(peer),
    }
}

impl Node {
    pub(crate) fn peer(&self) -> PeerId {
        self.net.local_peer()
    }

    /// Where to reach it, with its name.
    pub(crate) fn address(&self) -> Multiaddr {
        self.bare_address().with(Protocol::P2p(self.peer()))
    }

    pub(crate) fn bare_address(&self) -> Multiaddr {
        self.net.listen_addrs().first().unwrap().clone()
    }

    pub(crate) fn members(&self) -> usize {
        self.net.peers().iter().filter(|peer| peer.member).count()
    }

    pub(crate) fn is_with(&self, peer: PeerId) -> bool {
        self.net.peers().iter().any(|known| known.member && known.peer == peer)
    }

    pub(crate) fn score(&self, peer: PeerId) -> Option<f64> {
        self.net.peers().iter().find(|known| known.peer == peer).map(|known| known.score)
    }

    pub(crate) fn count(&self, topic: Topic, item: &[u8]) -> usize {
        let log = self.log.lock().unwrap();
        log.gossip.iter().filter(|(of, _, bytes)| *of == topic && bytes == item).count()
    }

    pub(crate) fn frames(&self, from: PeerId) -> Vec<Bytes> {
        let log = self.log.lock().unwrap();
        log.direct.iter().filter(|(of, _)| *of == from).map(|(_, bytes)| bytes.clone()).collect()
    }

    /// A line of the metrics page that starts like this and is not zero.
    pub(crate) fn has_metric(&self, start: &str) -> bool {
        let mut page = String::new();
        encode(&mut page, &self.registry).unwrap();
        page.lines().any(|line| line.starts_with(start) && !line.ends_with(" 0"))
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Nodes that all know each other, by turns over TCP and QUIC.
pub(crate) async fn mesh(seeds: std::ops::Range<u8>) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for seed in seeds {
        let peers = nodes.iter().map(Node::address).collect();
        let base = if seed % 2 == 0 { config(seed) } else { quic(seed) };
        nodes.push(start(Config { peers, ..base }).await);
    }
    let others = nodes.len() - 1;
    until("all are connected", || nodes.iter().all(|node| node.members() == others)).await;
    nodes
}

/// Gossip subscriptions travel after the connection; publish until it has come through.
pub(crate) async fn warm_up(nodes: &[Node]) {
    for (place, node) in nodes.iter().enumerate() {
        for topic in Topic::ALL {
            let hello = Bytes::from(format!("hello {topic:?} {place}"));
            assert!(node.net.publish(topic, hello.clone()));
            let all = || {
                let others = nodes.iter().enumerate().filter(|(other, _)| *other != place);
                others.map(|(_, node)| node.count(topic, &hello)).all(|count| count == 1)
            };
            until("a first message is everywhere", all).await;
        }
    }
}
