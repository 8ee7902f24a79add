//! Measures whether votes and blocks keep their pace while a large assembly spreads on the same
//! swarm: four validators and a publisher, each in a network namespace of its own behind a link of
//! 200 Mbit/s in each direction, with a light load of transfers.
//!
//! `cargo run --release -p girrona-testkit --example spread -- [MIB] [IDLE_SECONDS] [MBIT]` with
//! `GIRRONA_BIN` naming the program to measure. Needs root, `ip` and `tc`; without them it says so
//! and is done. Prints lines for `docs/benchmarks.md`.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use casper_types::{
    Deploy, DeployHash, ExecutableDeployItem, PublicKey, SecretKey, TimeDiff, Timestamp, U512,
    runtime_args,
};
use futures::future::join_all;
use girrona_api::{
    Client,
    identifiers::BlockIdentifier,
    methods::{
        assembly::{AssemblyShow, AssemblyState, RootParams},
        girrona::DeployPhase,
    },
};
use girrona_devnet::{Layout, Ports, Process, Spec};
use girrona_testkit::program;
use girrona_types::Draft;
use serde_json::Value;

/// The publisher is the last.
const VALIDATORS: usize = 4;
const NODES: usize = VALIDATORS + 1;
const PEOPLE: usize = 64;
/// Between two transfers.
const PAUSE: Duration = Duration::from_millis(200);
/// How long content may take to be everywhere.
const PATIENCE: Duration = Duration::from_secs(900);
const NET: &str = "10.99.77";

/// Says hello.
const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 100) "hello\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 100))
        (i32.store (i32.const 4) (i32.const 6))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))"#;

/// Runs a system's program.
fn run(line: &str) -> Result<()> {
    let mut words = line.split_whitespace();
    let mut command = std::process::Command::new(words.next().context("a program")?);
    let output = command.args(words).output().with_context(|| line.to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}", said.trim());
    Ok(())
}

/// A bridge, and a namespace behind a link of its own for each node. Dropping it removes all.
struct Links;

impl Links {
    fn lay(mbit: u32) -> Result<Self> {
        let links = Self;
        links.remove();
        run("ip link add girrona-br type bridge")?;
        run(&format!("ip addr add {NET}.254/24 dev girrona-br"))?;
        run("ip link set girrona-br up")?;
        for node in 0..NODES {
            let (space, inner, outer) = names(node);
            run(&format!("ip netns add {space}"))?;
            run(&format!("ip link add {outer} type veth peer name {inner}"))?;
            run(&format!("ip link set {inner} netns {space}"))?;
            run(&format!("ip link set {outer} master girrona-br up"))?;
            let inside = |line: &str| run(&format!("ip netns exec {space} {line}"));
            inside(&format!("ip addr add {}/24 dev {inner}", address(node)))?;
            inside(&format!("ip link set {inner} up"))?;
            inside("ip link set lo up")?;
            // What does not fit within 100 ms of queue is dropped, in both directions.
            let shape = format!("root tbf rate {mbit}mbit burst 64kb latency 100ms");
            inside(&format!("tc qdisc add dev {inner} {shape}"))?;
            run(&format!("tc qdisc add dev {outer} {shape}"))?;
        }
        Ok(links)
    }

    fn remove(&self) {
        for node in 0..NODES {
            let (space, _, outer) = names(node);
            // They may not be there.
            let _ = run(&format!("ip link del {outer}"));
            let _ = run(&format!("ip netns del {space}"));
        }
        let _ = run("ip link del girrona-br");
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A node's namespace, and its link's ends in it and outside.
fn names(node: usize) -> (String, String, String) {
    (format!("girrona-{node}"), format!("gir{node}in"), format!("gir{node}out"))
}

fn address(node: usize) -> String {
    format!("{NET}.{}", node + 1)
}

/// Moves the nodes of a layout into their namespaces.
fn move_in(layout: &Layout) -> Result<()> {
    let mut swarms = BTreeMap::new();
    for (node, place) in layout.nodes.iter().enumerate() {
        for listen in place.config()?.swarm.listen {
            swarms.insert(listen.clone(), listen.replace("127.0.0.1", &address(node)));
        }
    }
    for (node, place) in layout.nodes.iter().enumerate() {
        let here = address(node);
        place.change_config(|config| {
            for address in [
                &mut config.rpc.address,
                &mut config.speculative.address,
                &mut config.rest.address,
                &mut config.events.address,
            ] {
                *address = address.replace("127.0.0.1", &here);
            }
            for address in config.swarm.listen.iter_mut().chain(&mut config.swarm.peers) {
                if let Some(moved) = swarms.get(address) {
                    address.clone_from(moved);
                }
            }
            config.assembly.policy.size_max = 4 << 30;
        })?;
    }
    Ok(())
}

/// A program that is the node's in its namespace.
fn doorway(folder: &Path, node: usize, program: &Path) -> Result<PathBuf> {
    let (space, ..) = names(node);
    let path = folder.join(format!("girrona-{node}"));
    let text = format!("#!/bin/sh\nexec ip netns exec {space} {} \"$@\"\n", program.display());
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// The transfers of a phase, sent while it lasts.
struct Load {
    clients: Vec<Client>,
    keys: Vec<SecretKey>,
    chain: String,
    number: u64,
}

impl Load {
    async fn send(&mut self) -> Result<DeployHash> {
        self.number += 1;
        let place = usize::try_from(self.number)?;
        let from = &self.keys[place % self.keys.len()];
        let to = PublicKey::from(&self.keys[(place * 7 + 1) % self.keys.len()]);
        let deploy = transfer(&self.chain, from, &to, self.number)?;
        let hash = *deploy.hash();
        self.clients[place % VALIDATORS].put_deploy(deploy).await?;
        tokio::time::sleep(PAUSE).await;
        Ok(hash)
    }

    async fn lasting(&mut self, time: Duration) -> Result<Vec<DeployHash>> {
        let began = Instant::now();
        let mut sent = Vec::new();
        while began.elapsed() < time {
            sent.push(self.send().await?);
        }
        Ok(sent)
    }
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

/// What every validator saw of the blocks of a phase, in milliseconds.
#[derive(Default)]
struct Pace {
    /// From a proposal's arrival to its decision: two rounds of votes.
    votes: Vec<u64>,
    /// From a block's time to its being executed.
    blocks: Vec<u64>,
}

impl Pace {
    /// One deploy of each block stands for it.
    async fn of(clients: &[Client], sent: &[DeployHash]) -> Result<Self> {
        let mut chosen = BTreeMap::new();
        for hash in sent {
            let deadline = Instant::now() + Duration::from_secs(30);
            let height = loop {
                if let Some(height) = clients[0].deploy_status(*hash).await?.block_height {
                    break height;
                }
                ensure!(Instant::now() < deadline, "a transfer is in no block");
                tokio::time::sleep(Duration::from_millis(200)).await;
            };
            chosen.entry(height).or_insert(*hash);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut pace = Self::default();
        for (height, hash) in chosen {
            let block = clients[0].block(Some(BlockIdentifier::Height(height))).await?.block;
            let proposed = block.context("a block")?.header.timestamp();
            for client in clients {
                let status = client.deploy_status(hash).await?;
                let at = |phase| {
                    let found = status.phases.iter().find(|time| time.phase == phase);
                    found.map(|time| time.at.millis())
                };
                let came = at(DeployPhase::BlockGossiped).or_else(|| at(DeployPhase::Proposed));
                let (decided, done) =
                    (at(DeployPhase::ConsensusReached), at(DeployPhase::Executed));
                if let (Some(came), Some(decided), Some(done)) = (came, decided, done) {
                    pace.votes.push(decided.saturating_sub(came));
                    pace.blocks.push(done.saturating_sub(proposed.millis()));
                }
            }
        }
        pace.votes.sort_unstable();
        pace.blocks.sort_unstable();
        Ok(pace)
    }
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// A folder with a small program and so many MiB that look like noise.
fn assembly(folder: &Path, mib: usize) -> Result<PathBuf> {
    let folder = folder.join("assembly");
    fs::create_dir(&folder)?;
    fs::write(folder.join("hello.wasm"), wat::parse_str(HELLO)?)?;
    let manifest = serde_json::json!({
        "name": "bulk", "version": "1.0.0", "runtime": "wasi-module",
        "entries": [{ "name": "main", "file": "hello.wasm" }],
    });
    fs::write(folder.join("manifest.json"), manifest.to_string())?;
    let mut file = fs::File::create(folder.join("bulk"))?;
    let (mut seed, mut piece) = (0x9e37_79b9_7f4a_7c15_u64, vec![0; 1 << 20]);
    for _ in 0..mib {
        for word in piece.chunks_mut(8) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            word.copy_from_slice(&seed.to_le_bytes());
        }
        file.write_all(&piece)?;
    }
    Ok(folder)
}

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<usize> = env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let number = |place: usize, default| words.get(place).copied().unwrap_or(default);
    let (mib, idle, mbit) = (number(0, 1_024), number(1, 60), number(2, 200));
    let _links = match Links::lay(u32::try_from(mbit)?) {
        Ok(links) => links,
        Err(reason) => {
            println!("skipped: {reason:#}");
            return Ok(());
        }
    };
    let folder = tempfile::tempdir()?;
    let bulk = assembly(folder.path(), mib)?;
    let spec = Spec {
        ports: Ports::Free,
        observers: 1,
        users: (0..PEOPLE).map(|n| (format!("u{n}"), 1_000_000)).collect(),
        ..Spec::default()
    };
    let layout = Layout::create(folder.path().join("net"), &spec)?;
    move_in(&layout)?;
    let program = program::girrona()?;
    let mut processes = Vec::new();
    for (node, place) in layout.nodes.iter().enumerate() {
        processes.push(Process::spawn(&doorway(folder.path(), node, &program)?, place)?);
    }
    let (mut clients, mut senders) = (Vec::new(), Vec::new());
    for process in &mut processes {
        let url = process.ready().await?.rpc;
        clients.push(Client::new(&url)?);
        senders.push(Client::new(&url)?);
    }
    let secret = |user: &girrona_devnet::User| Ok(user.keys.secret_key()?);
    let keys = layout.users.iter().map(secret).collect::<Result<Vec<_>>>()?;
    let chain = layout.law.network.name.clone();
    let mut load = Load { clients: senders, keys, chain, number: 0 };
    let validators = &clients[..VALIDATORS];

    load.lasting(Duration::from_secs(8)).await?;
    let quiet = load.lasting(Duration::from_secs(u64::try_from(idle)?)).await?;

    let (space, ..) = names(VALIDATORS);
    let key = layout.users[0].keys.secret_key_path();
    let mut publish = tokio::process::Command::new("ip");
    publish.args(["netns", "exec", &space]).arg(&program).args(["assembly", "publish"]);
    publish.arg(&bulk).arg("--key").arg(key).args(["--replication", "5", "--json", "--node"]);
    let url = clients[VALIDATORS].url().to_owned();
    let publishing = publish.arg(url).stderr(Stdio::inherit()).output();
    let published = publishing.await?;
    ensure!(published.status.success(), "not published");
    let published: Value = serde_json::from_slice(&published.stdout)?;
    let root = published["root"].as_str().context("a root")?.to_owned();
    let began = Instant::now();
    let params = RootParams { root };
    let mut busy = Vec::new();
    let spread = loop {
        busy.push(load.send().await?);
        if busy.len().is_multiple_of(5) {
            let shown =
                join_all(validators.iter().map(|one| one.call::<AssemblyShow>(&params))).await;
            let here = |one: &Result<_, _>| {
                one.as_ref().is_ok_and(
                    |one: &girrona_api::methods::assembly::AssemblyShowResult| {
                        one.assembly.state == AssemblyState::Ready
                    },
                )
            };
            if env::var_os("VERBOSE").is_some() && busy.len().is_multiple_of(25) {
                for one in shown.iter().flatten() {
                    eprintln!("{:?} {:?}", one.assembly.state, one.progress);
                }
            }
            if shown.iter().all(here) {
                break began.elapsed();
            }
            ensure!(began.elapsed() < PATIENCE, "not everywhere after {PATIENCE:?}: {shown:?}");
        }
    };

    let before = Pace::of(validators, &quiet).await?;
    let during = Pace::of(validators, &busy).await?;
    for process in &mut processes {
        process.stop().await;
    }
    let seconds = spread.as_secs_f64();
    println!(
        "{mib} MiB to {VALIDATORS} validators over links of {mbit} Mbit/s in {seconds:.0} s, \
         {:.1} MiB a second each",
        mib as f64 / seconds
    );
    for (what, before, during) in
        [("votes", &before.votes, &during.votes), ("blocks", &before.blocks, &during.blocks)]
    {
        let (calm, loaded) = (percentile(before, 99), percentile(during, 99));
        println!(
            "{what:<6} idle: median {} ms, p99 {calm} ms of {}; spreading: median {} ms, p99 \
             {loaded} ms of {}; {:.2} times",
            percentile(before, 50),
            before.len(),
            percentile(during, 50),
            during.len(),
            loaded as f64 / calm.max(1) as f64
        );
    }
    Ok(())
}
