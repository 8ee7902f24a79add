//! Measures assemblies on a network of real processes on this machine: what caching ahead of time
//! saves, and how many executions a node does.
//!
//! `cargo run --release -p girrona-testkit --example assemblies -- [ahead|rate]` with `GIRRONA_BIN`
//! naming the program to measure. Prints lines for `docs/benchmarks.md`.

use std::{
    env, fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use casper_types::{PublicKey, SecretKey};
use futures::{StreamExt as _, stream};
use girrona_api::methods::assembly::{
    AssemblyPin, AssemblyPinParams, AssemblyRun, AssemblyRunParams, AssemblyShow, AssemblyState,
    RootParams, RunInfo, RunState,
};
use girrona_assembly::{
    Cid, Permissions,
    message::{Execution, Limits, Payload, envelope},
};
use girrona_testkit::{Net, Node, SECOND, program};
use girrona_types::NetworkId;
use serde_json::{Value, json};

/// Bytes beside the program.
const ASSET: usize = 64 << 20;
/// Requests of each kind whose times are looked at.
const ROUNDS: usize = 30;
/// Requests that are counted by the second, and how many are under way.
const REQUESTS: u64 = 4_000;
const UNDER_WAY: usize = 64;
/// Users who ask, so that nobody asks for more than one may.
const PEOPLE: usize = 16;

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    if is_wanted("ahead") {
        ahead().await?;
    }
    if is_wanted("rate") {
        rate().await?;
    }
    Ok(())
}

/// Somebody who asks.
struct Requester {
    key: SecretKey,
    network: NetworkId,
    nonce: AtomicU64,
}

fn now_ms() -> u64 {
    casper_types::Timestamp::now().millis()
}

impl Requester {
    fn new(net: &Net, name: &str) -> Result<Self> {
        let key = net.layout().user(name).context("a user")?.keys.secret_key()?;
        Ok(Self { key, network: net.law().network_id(), nonce: AtomicU64::new(now_ms()) })
    }

    /// Asks one node, and waits for the result and its output.
    async fn run(&self, node: &Node, root: Cid, n: Option<u16>, k: u16) -> Result<RunInfo> {
        let nonce = self.nonce.fetch_add(1, Ordering::Relaxed);
        let mut salt = [0; 32];
        salt[..8].copy_from_slice(&nonce.to_le_bytes());
        let now = now_ms();
        let execution = Execution {
            salt,
            root,
            entry: "main".to_owned(),
            args: vec!["you".to_owned()],
            stdin: Vec::new(),
            env: Vec::new(),
            n,
            k,
            executors: Vec::new(),
            limits: Limits::default(),
            permissions: Permissions::default(),
            deadline_ms: now + 30_000,
            reply: Vec::new(),
        };
        let body = envelope::Body {
            version: envelope::VERSION,
            network: self.network,
            author: PublicKey::from(&self.key),
            nonce,
            created_ms: now,
            expires_ms: now + 60_000,
            payload: Payload::Execute(execution),
        };
        let envelope = hex::encode(body.sign(&self.key).to_bytes());
        let params = AssemblyRunParams { envelope, wait_ms: 20_000 };
        let run = node.rpc().call::<AssemblyRun>(&params).await?.run;
        ensure!(run.state == RunState::Agreed, "{:?}: {}", run.state, run.reason);
        Ok(run)
    }
}

/// Announces a folder at the first node.
async fn publish(net: &Net, folder: &Path) -> Result<Cid> {
    let ana = net.layout().user("ana").context("ana")?.keys.path();
    let mut command = tokio::process::Command::new(program::girrona()?);
    command.args(["assembly", "publish"]).arg(folder).arg("--key").arg(ana);
    let output = command.args(["--json", "--node", net.node(0).rpc().url()]).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout)?;
    Ok(said["root"].as_str().context("a root")?.parse()?)
}

/// The example program, and something beside it.
fn assembly(folder: &Path, asset: usize, tag: &str) -> Result<()> {
    let wasm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assemblies/wasm/hello.wasm");
    fs::create_dir_all(folder)?;
    fs::copy(wasm, folder.join("hello.wasm"))?;
    // No two blocks are the same, nor are those of two assemblies.
    let mut state = tag.bytes().map(u64::from).sum::<u64>();
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let bytes: Vec<u8> = (0..asset).map(|_| next()).collect();
    fs::write(folder.join("asset"), bytes)?;
    let manifest = json!({
        "name": tag, "version": "1.0.0", "runtime": "wasi-module", "tags": [tag],
        "entries": [{ "name": "main", "file": "hello.wasm" }],
    });
    Ok(fs::write(folder.join("manifest.json"), manifest.to_string())?)
}

/// Waits until so many hold it, as this node knows.
async fn held(node: &Node, root: Cid, count: usize) -> Result<()> {
    let params = RootParams { root: root.to_string() };
    let began = Instant::now();
    loop {
        let shown = node.rpc().call::<AssemblyShow>(&params).await;
        if shown.is_ok_and(|shown| shown.holders.len() == count) {
            return Ok(());
        }
        ensure!(began.elapsed() < 120 * SECOND, "not held by {count}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn ready(node: &Node, root: Cid) -> Result<()> {
    let params = RootParams { root: root.to_string() };
    loop {
        let shown = node.rpc().call::<AssemblyShow>(&params).await;
        if shown.is_ok_and(|shown| shown.assembly.state == AssemblyState::Ready) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Bytes of content, and of all else about assemblies, that all nodes have sent.
async fn sent(net: &Net) -> Result<(f64, f64)> {
    let mut sum = (0.0, 0.0);
    for node in net.nodes() {
        let metrics = node.metrics().await?;
        let channel = |name: &str| {
            let name = format!("net_bytes_total{{channel=\"{name}\",direction=\"out\"}}");
            metrics.sum(&name).unwrap_or(0.0)
        };
        sum.0 += channel("content");
        sum.1 += ["announcement", "holding", "execution", "ask", "answer"]
            .map(channel)
            .iter()
            .sum::<f64>();
    }
    Ok(sum)
}

fn middle(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    (at(50), at(90))
}

/// Four nodes, of which the first publishes and the others execute: a request where they hold it,
/// and where they have to be told to fetch it first.
async fn ahead() -> Result<()> {
    let net = Net::builder()
        .validators(1)
        .observers(3)
        .config(|index, config| {
            if index > 0 {
                config.assembly.policy.tags = vec!["ahead".to_owned()];
            }
        })
        .start()
        .await?;
    let folder = tempfile::tempdir()?;
    let bo = Requester::new(&net, "bo")?;
    for (tag, is_ahead) in [("ahead", true), ("later", false)] {
        assembly(&folder.path().join(tag), ASSET, tag)?;
        let began = Instant::now();
        let root = publish(&net, &folder.path().join(tag)).await?;
        if is_ahead {
            held(net.node(0), root, 4).await?;
            println!("| announced until four nodes hold 64 MiB | {:?} |", began.elapsed());
            tokio::time::sleep(SECOND).await;
            let before = sent(&net).await?;
            let mut times = Vec::new();
            for _ in 0..ROUNDS {
                let began = Instant::now();
                bo.run(net.node(0), root, None, 3).await?;
                times.push(began.elapsed());
            }
            let (after, (half, most)) = (sent(&net).await?, middle(times));
            println!(
                "| held ahead: from the request to three equal receipts | {half:?}, 90 % {most:?}; \
                 {} bytes of content, {:.0} bytes of everything else about assemblies a request |",
                after.0 - before.0,
                (after.1 - before.1) / ROUNDS as f64,
            );
            continue;
        }
        held(net.node(0), root, 1).await?;
        tokio::time::sleep(SECOND).await;
        let before = sent(&net).await?;
        let began = Instant::now();
        let fetch = net.nodes().iter().skip(1).map(async |node| {
            let data = net.layout().nodes[node.index()].config()?.data;
            let token = fs::read_to_string(data.join("token"))?.trim().to_owned();
            let params = AssemblyPinParams { root: root.to_string(), is_pinned: true, token };
            node.rpc().call::<AssemblyPin>(&params).await?;
            ready(node, root).await
        });
        futures::future::try_join_all(fetch).await?;
        bo.run(net.node(0), root, None, 3).await?;
        let (after, took) = (sent(&net).await?, began.elapsed());
        println!(
            "| the same, where three have to fetch it first | {took:?}; {:.0} bytes of content |",
            after.0 - before.0,
        );
    }
    net.end().await
}

/// Executions a second of one node, from requests at its door to results at its door.
async fn rate() -> Result<()> {
    let mut builder = Net::builder().validators(1);
    for person in 0..PEOPLE {
        builder = builder.user(&format!("p{person}"), 1_000);
    }
    let net = builder.start().await?;
    let folder = tempfile::tempdir()?;
    assembly(&folder.path().join("hello"), 1_000, "hello")?;
    let root = publish(&net, &folder.path().join("hello")).await?;
    held(net.node(0), root, 1).await?;
    let people = (0..PEOPLE).map(|person| Requester::new(&net, &format!("p{person}")));
    let people = people.collect::<Result<Vec<_>>>()?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        people[0].run(net.node(0), root, None, 1).await?;
        times.push(began.elapsed());
    }
    let (half, most) = middle(times);
    println!("| one node, one request at a time | {half:?}, 90 % {most:?} |");
    let began = Instant::now();
    let requests = (0..REQUESTS).map(|index| {
        let person = &people[index as usize % PEOPLE];
        person.run(net.node(0), root, None, 1)
    });
    let mut requests = stream::iter(requests).buffer_unordered(UNDER_WAY);
    while let Some(run) = requests.next().await {
        run?;
    }
    drop(requests);
    let a_second = REQUESTS as f64 / began.elapsed().as_secs_f64();
    println!(
        "| one node, {UNDER_WAY} requests under way, until each has its certificate | {a_second:.0} a second |"
    );
    net.end().await
}
