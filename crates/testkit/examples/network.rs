//! Measures a network of real processes on this machine: how long a transfer takes, how many a
//! second go through, how fast a late node catches up, how soon a network answers.
//!
//! `cargo run --release -p girrona-testkit --example network -- [latency|throughput|catchup|start]`
//! with `GIRRONA_BIN` naming the program to measure. Prints lines for `docs/benchmarks.md`.

use std::{
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use casper_types::{
    Deploy, ExecutableDeployItem, PublicKey, SecretKey, TimeDiff, Timestamp, U512, runtime_args,
};
use futures::{StreamExt, future::try_join_all, stream::FuturesUnordered};
use girrona_api::{Client, identifiers::BlockIdentifier};
use girrona_devnet::{Layout, Network, Ports, Process, Spec, User};
use girrona_testkit::program;
use girrona_types::Draft;

/// Accounts that pay each other.
const PEOPLE: usize = 256;
/// Connections that send at the same time.
const SENDERS: usize = 64;

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = env::args().skip(1).collect();
    let all = wanted.is_empty();
    let is_wanted = |name: &str| all || wanted.iter().any(|word| word == name);
    if is_wanted("start") {
        start().await?;
    }
    if is_wanted("latency") {
        latency().await?;
    }
    if is_wanted("throughput") {
        let seconds = env::var("SECONDS_OF_LOAD").ok().and_then(|s| s.parse().ok()).unwrap_or(60);
        let rate = env::var("RATE").ok().and_then(|s| s.parse().ok()).unwrap_or(1_500);
        throughput(seconds, rate).await?;
    }
    if is_wanted("catchup") {
        catch_up().await?;
    }
    Ok(())
}

fn spec(block_time_ms: u64) -> Spec {
    let mut spec = Spec { ports: Ports::Free, ..Spec::default() };
    spec.law.core.minimum_block_time = TimeDiff::from_millis(block_time_ms);
    spec.users = (0..PEOPLE).map(|n| (format!("u{n}"), 1_000_000)).collect();
    spec
}

async fn network(folder: &Path, spec: &Spec) -> Result<(Network, Vec<SecretKey>)> {
    let layout = Layout::create(folder.join("net"), spec)?;
    let keys = layout.users.iter().map(secret).collect::<Result<Vec<_>>>()?;
    Ok((Network::start(layout, &program::girrona()?).await?, keys))
}

fn secret(user: &User) -> Result<SecretKey> {
    Ok(user.keys.secret_key()?)
}

fn transfer(chain: &str, from: &SecretKey, to: &PublicKey, id: u64) -> Result<Deploy> {
    let draft = Draft {
        timestamp: Timestamp::now(),
        ttl: TimeDiff::from_seconds(30 * 60),
        gas_price: 1,
        dependencies: Vec::new(),
        chain_name: chain.to_owned(),
        payment: ExecutableDeployItem::new_standard_payment(U512::from(100_000_000)),
        session: ExecutableDeployItem::Transfer {
            args: runtime_args! {
                "amount" => U512::from(2_500_000_000_u64),
                "target" => to.clone(),
                "id" => Some(id),
            },
        },
    };
    draft.sign(from).map_err(|error| anyhow::anyhow!("{error}"))
}

/// From nothing to the first block that a client can read, and from a stop to an answer.
async fn start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let (network, _) = network(folder.path(), &spec(1_000)).await?;
    let answered = began.elapsed();
    let client = Client::new(&network.endpoints()[0].rpc)?;
    while height(&client).await? == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let first = began.elapsed();
    network.stop().await;
    let layout = Layout::open(folder.path().join("net"))?;
    let began = Instant::now();
    let mut one = Process::spawn(&program::girrona()?, &layout.nodes[0])?;
    one.ready().await?;
    let again = began.elapsed();
    one.stop().await;
    println!(
        "| cold start | four nodes answer after {} ms (keys and genesis made), first block after {} ms; \
         a stopped node answers again after {} ms |",
        answered.as_millis(),
        first.as_millis(),
        again.as_millis()
    );
    Ok(())
}

/// One transfer at a time, at random moments of the block interval.
async fn latency() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (network, keys) = network(folder.path(), &spec(1_000)).await?;
    let endpoints = network.endpoints();
    let chain = network.layout().law.network.name.clone();
    let (sender, reader) = (Client::new(&endpoints[0].rpc)?, Client::new(&endpoints[3].rpc)?);
    let mut times = Vec::new();
    for round in 0..60_u64 {
        // A step that shares no factor with the block time visits all of it.
        tokio::time::sleep(Duration::from_millis(137 + round * 61 % 500)).await;
        let from = &keys[usize::try_from(round)? % keys.len()];
        let to = PublicKey::from(&keys[0]);
        let deploy = transfer(&chain, from, &to, round)?;
        let hash = *deploy.hash();
        let began = Instant::now();
        sender.put_deploy(deploy).await?;
        loop {
            let seen = reader.get_deploy(hash).await;
            if seen.is_ok_and(|seen| !seen.execution_results.is_empty()) {
                break;
            }
            ensure!(began.elapsed() < Duration::from_secs(30), "a transfer took over 30 s");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times.push(began.elapsed());
    }
    network.stop().await;
    times.sort();
    println!(
        "| sent to executed, 4 validators, 1 s blocks, 60 transfers | median {} ms, 90 % {} ms, worst {} ms |",
        times[times.len() / 2].as_millis(),
        times[times.len() * 9 / 10].as_millis(),
        times[times.len() - 1].as_millis()
    );
    Ok(())
}

/// Transfers at a steady rate through JSON-RPC of all four nodes; all have to be executed.
async fn throughput(seconds: u64, rate: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (network, keys) = network(folder.path(), &spec(1_000)).await?;
    let endpoints = network.endpoints();
    let chain = network.layout().law.network.name.clone();
    let people: Vec<PublicKey> = keys.iter().map(PublicKey::from).collect();
    let count = usize::try_from(seconds * rate)?;
    let mut bodies = Vec::with_capacity(count);
    for index in 0..count {
        let from = &keys[index % PEOPLE];
        let to = &people[(index * 7 + 1) % PEOPLE];
        let deploy = transfer(&chain, from, to, index as u64)?;
        let body = serde_json::json!({
            "jsonrpc": "2.0", "id": index, "method": "account_put_deploy",
            "params": { "deploy": deploy }
        });
        bodies.push(serde_json::to_vec(&body)?);
    }
    let bodies = Arc::new(bodies);
    let next = Arc::new(AtomicUsize::new(0));
    let reader = Client::new(&endpoints[0].rpc)?;
    let first_height = height(&reader).await?;
    let began = Instant::now();
    let senders = (0..SENDERS).map(|sender| {
        let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
        let url = endpoints[sender % endpoints.len()].rpc.clone();
        async move {
            let http = reqwest::Client::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(body) = bodies.get(index) else { return Ok::<_, anyhow::Error>(()) };
                // Not before its turn: the rate is steady, not as fast as it goes.
                let turn = Duration::from_micros(index as u64 * 1_000_000 / rate);
                if let Some(early) = turn.checked_sub(began.elapsed()) {
                    tokio::time::sleep(early).await;
                }
                loop {
                    let request = http
                        .post(&url)
                        .header("content-type", "application/json")
                        .body(body.clone());
                    let text = request.send().await?.text().await?;
                    if text.contains("deploy_hash") {
                        break;
                    }
                    ensure!(text.contains("busy"), "refused: {text}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    });
    try_join_all(senders).await?;
    let sent = began.elapsed();
    let mut executed = 0;
    let mut at = first_height;
    while executed < count {
        ensure!(began.elapsed() < Duration::from_secs(seconds * 3), "only {executed} of {count}");
        if height(&reader).await? == at {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        at += 1;
        let block = reader.block(Some(BlockIdentifier::Height(at))).await?.block;
        executed += block.context("a block below the tip is there")?.body.transfer_hashes().len();
    }
    let took = began.elapsed();
    network.stop().await;
    println!(
        "| sustained native transfers through JSON-RPC, 4 validators | {count} sent in {:.1} s, all \
         executed after {:.1} s: {:.0} a second |",
        sent.as_secs_f64(),
        took.as_secs_f64(),
        count as f64 / took.as_secs_f64()
    );
    Ok(())
}

/// A node that starts late, on a chain of short blocks with transfers in them.
async fn catch_up() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let spec = Spec { observers: 1, ..spec(50) };
    let layout = Layout::create(folder.path().join("net"), &spec)?;
    let program = program::girrona()?;
    let (late, early) = layout.nodes.split_last().context("a network has nodes")?;
    let mut processes = Vec::new();
    for place in early {
        processes.push(Process::spawn(&program, place)?);
    }
    let mut endpoints = Vec::new();
    for process in &mut processes {
        endpoints.push(process.ready().await?);
    }
    let client = Client::new(&endpoints[0].rpc)?;
    let key = secret(&layout.users[0])?;
    let to = PublicKey::from(&secret(&layout.users[1])?);
    let mut sending = FuturesUnordered::new();
    for index in 0..2_000 {
        let deploy = transfer(&layout.law.network.name, &key, &to, index)?;
        sending.push(client.put_deploy(deploy));
        if sending.len() >= 16 {
            sending.next().await.context("a request is under way")??;
        }
    }
    while sending.next().await.transpose()?.is_some() {}
    while height(&client).await? < 600 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let began = Instant::now();
    let mut process = Process::spawn(&program, late)?;
    let follower = Client::new(&process.ready().await?.rpc)?;
    let (reached, took) = loop {
        let (ours, theirs) = (height(&follower).await?, height(&client).await?);
        if ours + 2 >= theirs {
            break (ours, began.elapsed());
        }
        ensure!(began.elapsed() < Duration::from_secs(120), "at {ours} of {theirs} after 120 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    process.stop().await;
    for process in &mut processes {
        process.stop().await;
    }
    println!(
        "| catch-up of a new node | {reached} blocks with 2,000 transfers in {:.2} s: {:.0} blocks a second |",
        took.as_secs_f64(),
        reached as f64 / took.as_secs_f64()
    );
    Ok(())
}

async fn height(client: &Client) -> Result<u64> {
    let status = client.status().await?;
    Ok(status.last_added_block_info.map_or(0, |block| block.height))
}
