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
use girrona_assembly::content::{Block, Codec, FileBuilder, Limits, Shape, TreeBuilder};
use girrona_net::{
    Blocks, Cid, Config, Content, Event, Fetch, Identity, Net, PeerId, PutError, Topic, Verdict,
};
use girrona_testkit::{Net as Network, program};
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
    let is_stored = {
        let (stored, whole) = (shelf.0.lock().unwrap(), whole.0.lock().unwrap());
        whole.iter().all(|(cid, bytes)| stored.get(cid) == Some(bytes))
    };
    assert!(is_stored);
    // One block of the greatest length: more than a frame of its connection carries.
    let block: Cid = report["block"].as_str().context("a block")?.parse()?;
    assert_eq!(block, Cid::of(Codec::Raw, &content(2 * MIB)));
    let fetched =
        timeout(PATIENCE, net.fetch(Fetch::new(block, [peer]))).await.context("in time")??;
    assert_eq!((fetched.progress.bytes, fetched.progress.offenders), (2 * MIB as u64, vec![]));
    assert_eq!(shelf.get(&block)?.map(|bytes| bytes.len()), Some(2 * MIB));
    let known = net.peers().into_iter().find(|known| known.peer == peer).context("still here")?;
    assert!(known.score >= 0.0 && known.agent.contains("helia"), "{known:?}");
    drop(helia.stdin.take());
    Ok(())
}

/// What somebody types after `girrona assembly`, which has to succeed.
async fn girrona(arguments: &[&str]) -> Result<Value> {
    let mut command = Command::new(program::girrona()?);
    let output = command.arg("assembly").args(arguments).arg("--json").output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).context("no JSON")
}

/// A program that says what it is called, and a file of more than one chunk.
fn assembly(folder: &Path, name: &str) -> Result<String> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    let program = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write"
                (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 100) "{name}")
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 100))
                (i32.store (i32.const 4) (i32.const {}))
                (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))"#,
        name.len()
    );
    std::fs::write(folder.join("main.wasm"), wat::parse_str(program)?)?;
    std::fs::write(folder.join("asset"), content(3 * MIB + name.len()))?;
    let manifest = serde_json::json!({
        "name": name, "version": "1.0.0", "runtime": "wasi-module",
        "entries": [{ "name": "main", "file": "main.wasm" }],
    });
    std::fs::write(folder.join("manifest.json"), manifest.to_string())?;
    Ok(folder.display().to_string())
}

fn no_block(_: Block) {}

fn built(size: usize) -> girrona_assembly::content::Built {
    let mut builder = FileBuilder::new(Shape::HELIA);
    builder.push(&content(size), &mut no_block);
    builder.finish(&mut no_block)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helia_names_files_and_folders_as_we_do_and_car_files_go_both_ways() -> Result<()> {
    let Some((node, packages)) = program::node_with_helia() else { return Ok(()) };
    let net = Network::builder().validators(1).start().await?;
    let folder = tempfile::tempdir()?;
    let user =
        |name: &str| net.layout().user(name).expect("a user").keys.path().display().to_string();
    let (ana, bo, at) = (user("ana"), user("bo"), net.node(0).rpc().url().to_owned());
    let from_us = assembly(folder.path(), "from girrona")?;
    let said = girrona(&["publish", &from_us, "--key", &ana, "--node", &at]).await?;
    let root = said["root"].as_str().context("a root")?.to_owned();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (ours, theirs) = (path("ours.car"), path("theirs.car"));
    girrona(&["export", &root, &ours, "--node", &at]).await?;

    let from_helia = assembly(folder.path(), "from helia")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/helia-car.mjs");
    let mut command = Command::new(node);
    command.arg(script).arg(packages).args([&ours, &root, &from_helia, &theirs]);
    let output = timeout(PATIENCE, command.kill_on_drop(true).output()).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout)?;

    for (size, theirs) in report["cids"].as_object().context("CIDs")? {
        assert_eq!(*theirs, built(size.parse()?).cid.to_string(), "{size} bytes");
    }
    // A leaf more than a node has links.
    let mut long = FileBuilder::new(Shape::HELIA);
    let chunk = content(MIB);
    for _ in 0..1_024 {
        long.push(&chunk, &mut no_block);
    }
    long.push(&content(1), &mut no_block);
    let long = long.finish(&mut no_block);
    assert_eq!((long.size, long.blocks), ((1 << 30) + 1, 1_025 + 3));
    assert_eq!(report["twoLevels"], long.cid.to_string());
    let tree = |files: &[(&str, usize)]| -> Result<String> {
        let mut tree = TreeBuilder::new(Limits::default());
        for (path, size) in files {
            tree.add(path, built(*size))?;
        }
        Ok(tree.finish(&mut no_block)?.cid.to_string())
    };
    assert_eq!(report["empty"], tree(&[])?);
    let files = [("a", 1), ("b/c", MIB + 1), ("b/d/e", 0), ("z", 3 * MIB + 5)];
    assert_eq!(report["directory"], tree(&files)?);

    // It reads ours, file by file.
    let read = report["read"].as_object().context("files")?;
    assert_eq!(read.len(), 3, "{read:?}");
    for (name, theirs) in read {
        let bytes = std::fs::read(Path::new(&from_us).join(name))?;
        assert_eq!(*theirs, hex::encode(Cid::of(Codec::Raw, &bytes).digest), "{name}");
    }
    // A node takes what it wrote, under the name that it gave, and executes it.
    let data = net.layout().nodes[0].config()?.data.display().to_string();
    let said = girrona(&["import", &theirs, "--token", &data, "--node", &at]).await?;
    assert_eq!(said["root"], report["built"]);
    let said = girrona(&["publish", &from_helia, "--key", &ana, "--node", &at]).await?;
    assert_eq!(said["root"], report["built"]);
    let built = report["built"].as_str().context("a root")?;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let shown = girrona(&["show", built, "--node", &at]).await?;
        if shown["holders"].as_array().is_some_and(|holders| holders.len() == 1) {
            break;
        }
        ensure!(Instant::now() < deadline, "{shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let said = girrona(&["run", built, "--key", &bo, "-k", "1", "--node", &at]).await?;
    assert_eq!(said["result"]["stdout"], hex::encode("from helia"), "{said}");
    net.end().await
}
