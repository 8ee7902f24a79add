//! A Helia node (IPFS in JavaScript), unmodified, beside a swarm of ours: gossip both ways, our
//! content there, its content here, and the same names for the same bytes.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use girrona_assembly::content::{Block, Codec, FileBuilder, Shape};
use girrona_net::{
    Blocks, Cid, Config, Content, Event, Fetch, Identity, Net, PeerId, PutError, Topic, Verdict,
};
use girrona_testkit::program;
use libp2p::multiaddr::Protocol;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Shelf(Mutex<BTreeMap<Cid, Bytes>>);

impl Blocks for Shelf {
    fn get(&self, cid: &Cid) -> io::Result<Option<Bytes>> {
        Ok(self.0.lock().unwrap().get(cid).cloned())
    }

    fn has(&self, cid: &Cid) -> bool {
        self.0.lock().unwrap().contains_key(cid)
    }

    fn size(&self, cid: &Cid) -> Option<u32> {
        self.0.lock().unwrap().get(cid).map(|bytes| bytes.len() as u32)
    }

    fn put(&self, cid: &Cid, block: Bytes) -> Result<(), PutError> {
        self.0.lock().unwrap().insert(*cid, block);
        Ok(())
    }
}

/// The same bytes as `content` in helia.mjs.
fn content(size: usize) -> Vec<u8> {
    let mut state = size as u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// A file as blocks.
fn file(bytes: &[u8]) -> (Cid, Shelf) {
    let shelf = Shelf::default();
    let mut keep = |Block { cid, bytes }: Block| {
        shelf.0.lock().unwrap().insert(cid, Bytes::from(bytes));
    };
    let mut builder = FileBuilder::new(Shape::HELIA);
    builder.push(bytes, &mut keep);
    let root = builder.finish(&mut keep).cid;
    (root, shelf)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helia_hears_our_gossip_fetches_our_content_and_serves_us_its_own() -> Result<()> {
    let Some((node, folder)) = program::node_with_helia() else { return Ok(()) };
    let ours = content(5 * MIB + 77);
    let (root, shelf) = file(&ours);
    let shelf = Arc::new(shelf);
    let config = Config {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
        discovery: false,
        content: Content { blocks: shelf.clone(), ..Content::default() },
        ..Config::new(Identity::generate(), "helia")
    };
    let mut registry = Registry::default();
    let (net, mut events) = Net::start(config, &mut registry).await?;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (handle, log) = (net.clone(), heard.clone());
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Gossip { topic, token, items, .. } = event {
                handle.judge(token, Verdict::Accept);
                log.lock().unwrap().extend(items.into_iter().map(|item| (topic, item)));
            }
        }
    });

    let address = net.listen_addrs().into_iter().next().context("it listens")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/helia.mjs");
    let mut helia = Command::new(node)
        .arg(script)
        .arg(folder)
        .arg(address.with(Protocol::P2p(net.local_peer())).to_string())
        .args([Topic::Announcements.name("helia"), root.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(helia.stdout.take().context("it prints")?).lines();

    // It subscribes when it is connected; what is published before waits for it.
    let message = format!("from girrona at {:?}", Instant::now());
    ensure!(net.publish(Topic::Announcements, Bytes::from(message.clone())));
    let line = timeout(PATIENCE, lines.next_line()).await.context("Helia is done in time")??;
    let report: Value = serde_json::from_str(&line.context("Helia did not fail")?)?;
    println!("{report}");

    assert_eq!(report["message"], message);
    let answer = format!("from helia, after {message}");
    let is_heard = || {
        let expected = (Topic::Announcements, Bytes::from(answer.clone()));
        heard.lock().unwrap().contains(&expected)
    };
    let begin = Instant::now();
    while !is_heard() {
        ensure!(begin.elapsed() < Duration::from_secs(10), "Helia's gossip is not heard");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // What it fetched is what we have: a raw CID is the hash of the bytes.
    let sha256 = hex::encode(Cid::of(Codec::Raw, &ours).digest);
    assert_eq!(
        (&report["fetched"]["sha256"], &report["fetched"]["size"]),
        (&Value::from(sha256), &Value::from(ours.len()))
    );
    for (size, theirs) in report["cids"].as_object().context("CIDs")? {
        let (ours, _) = file(&content(size.parse()?));
        assert_eq!(*theirs, ours.to_string(), "{size} bytes");
    }

    // 64 MiB from it, over TCP, with its default settings.
    let (own, whole) = file(&content(64 * MIB));
    assert_eq!(report["own"], own.to_string());
    let peer: PeerId = report["peer"].as_str().context("a peer")?.parse()?;
    // Another at the same time: what Helia may owe at once holds for both together.
    let (small, _) = file(&content(3 * MIB + 5));
    let both = [Fetch::new(own, [peer]), Fetch::new(small, [peer])].map(|fetch| net.fetch(fetch));
    let ends = timeout(PATIENCE, futures::future::join_all(both)).await.context("in time")?;
    let [fetched, other] = <[_; 2]>::try_from(ends).map_err(|_| anyhow!("two ends"))?;
    let (fetched, other) = (fetched?, other?);
    assert_eq!(other.progress.offenders, []);
    println!("from Helia: {:.1} MiB/s", 64.0 / fetched.elapsed.as_secs_f64());
    assert_eq!(fetched.progress.bytes, 64 * MIB as u64 + whole.size(&own).map_or(0, u64::from));
    assert_eq!((fetched.progress.duplicate_bytes, fetched.progress.offenders), (0, vec![]));
    let (stored, whole) = (shelf.0.lock().unwrap(), whole.0.lock().unwrap());
    assert!(whole.iter().all(|(cid, bytes)| stored.get(cid) == Some(bytes)));
    let known = net.peers().into_iter().find(|known| known.peer == peer).context("still here")?;
    assert!(known.score >= 0.0 && known.agent.contains("helia"), "{known:?}");
    drop(helia.stdin.take());
    Ok(())
}
