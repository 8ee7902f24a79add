//! Executors that lie, as test programs on a real network: outvoted and named, or a split that is
//! called one.

use std::{collections::BTreeMap, process::Output, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use casper_types::{AsymmetricType, PublicKey, SecretKey};
use girrona_api::methods::assembly::{AssemblyShow, RootParams};
use girrona_assembly::{
    Cid,
    message::{Envelope, Holdings, Payload, Receipt, envelope},
    run::{End, Outcome},
};
use girrona_net::{Config, Event, Identity, Net as Swarm, PeerId, Topic, Verdict};
use girrona_testkit::{Net, Node, SECOND, program};
use girrona_types::NetworkId;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::mpsc;

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

fn now_ms() -> u64 {
    casper_types::Timestamp::now().millis()
}

/// Somebody who answers every request without executing anything.
struct Liar {
    swarm: Swarm,
    key: SecretKey,
    network: NetworkId,
    nonce: u64,
}

impl Liar {
    async fn join(net: &Net, node: &Node, seed: u8) -> Result<(PublicKey, Self)> {
        let config = net.layout().nodes[node.index()].config()?;
        let address = config.swarm.listen.first().context("an address")?.parse()?;
        let network = net.law().network_id();
        let config = Config {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
            peers: vec![address],
            discovery: false,
            ..Config::new(Identity::generate(), network.short())
        };
        let (swarm, events) = Swarm::start(config, &mut Registry::default()).await?;
        let key = SecretKey::ed25519_from_bytes([seed; 32])?;
        let public = PublicKey::from(&key);
        let liar = Self { swarm, key, network, nonce: now_ms() };
        let mut other = Self {
            swarm: liar.swarm.clone(),
            key: SecretKey::ed25519_from_bytes([seed; 32])?,
            network,
            nonce: now_ms() + 1_000,
        };
        tokio::spawn(async move { other.lie(events).await });
        Ok((public, liar))
    }

    fn sign(&mut self, payload: Payload) -> Vec<u8> {
        self.nonce += 1;
        let now = now_ms();
        let body = envelope::Body {
            version: envelope::VERSION,
            network: self.network,
            author: PublicKey::from(&self.key),
            nonce: self.nonce,
            created_ms: now,
            expires_ms: now + 60_000,
            payload,
        };
        body.sign(&self.key).to_bytes()
    }

    /// Says that it holds something.
    fn claim(&mut self, root: Cid) {
        let me = self.swarm.local_peer();
        let address = format!("{}/p2p/{me}", self.swarm.listen_addrs()[0]);
        let holdings = Holdings { have: vec![root], evicted: vec![], addresses: vec![address] };
        let bytes = self.sign(Payload::Holdings(holdings));
        self.swarm.publish(Topic::Holdings, Bytes::from(bytes));
    }

    async fn lie(&mut self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Gossip { topic: Topic::Executions, from, token, items, .. } => {
                    self.swarm.judge(token, Verdict::Accept);
                    if let Some(bytes) = items.first() {
                        self.answer(from, bytes).await;
                    }
                }
                Event::Gossip { token, .. } => self.swarm.judge(token, Verdict::Accept),
                // Nothing is alive, proofs are guesses, everything else is taken.
                Event::Asked { bytes, answer, .. } => {
                    let said = match bytes.first() {
                        Some(4) => vec![2, 0, 0, 0, 0],
                        Some(6) => [vec![4, 1], vec![0; 32]].concat(),
                        _ => vec![0],
                    };
                    answer.send(Bytes::from(said));
                }
                _ => {}
            }
        }
    }

    async fn answer(&mut self, from: PeerId, bytes: &[u8]) {
        let Ok(request) = Envelope::from_bytes(bytes) else { return };
        let Some(request) = request.request() else { return };
        // What all liars agree on.
        let outcome = Outcome { end: End::Exit(0), stdout: [7; 32], output: None };
        let (stderr, fuel, wall_ms, memory) = ([0; 32], 1, 1, 1);
        let receipt = Receipt { request, outcome, stderr, fuel, wall_ms, memory };
        let envelope = self.sign(Payload::Receipt(receipt));
        // `Say::Envelope` of the specification.
        let mut say = vec![0];
        say.extend(u32::try_from(envelope.len()).unwrap().to_le_bytes());
        say.extend(envelope);
        self.swarm.ask(from, Bytes::from(say)).await.unwrap();
    }
}

async fn girrona(arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(program::girrona()?);
    let output = command.arg("assembly").args(arguments).output();
    Ok(tokio::time::timeout(60 * SECOND, output).await??)
}

/// Who is said to hold it, waited for.
async fn holders(
    node: &Node,
    root: &str,
    count: usize,
    within: Duration,
) -> Result<Vec<PublicKey>> {
    let deadline = tokio::time::Instant::now() + within;
    let params = RootParams { root: root.to_owned() };
    loop {
        let shown = node.rpc().call::<AssemblyShow>(&params).await;
        let holders = shown.map(|shown| shown.holders).unwrap_or_default();
        if holders.len() == count {
            return Ok(holders.into_iter().map(|holder| holder.account).collect());
        }
        ensure!(tokio::time::Instant::now() < deadline, "{} holders, not {count}", holders.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Scene {
    net: Net,
    root: String,
    folder: tempfile::TempDir,
}

/// Honest nodes that all hold an assembly.
async fn scene(honest: usize) -> Result<Scene> {
    let net = Net::builder().validators(1).observers(honest - 1).start().await?;
    let folder = tempfile::tempdir()?;
    let wasm = folder.path().join("hello.wasm");
    std::fs::write(&wasm, wat::parse_str(HELLO)?)?;
    let ana = net.layout().user("ana").context("ana")?.keys.path().display().to_string();
    let url = net.node(0).rpc().url().to_owned();
    let wasm = wasm.display().to_string();
    let arguments = ["publish", &wasm, "--key", &ana, "--json", "--node", &url];
    let published = girrona(&arguments).await?;
    ensure!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    let published: Value = serde_json::from_slice(&published.stdout)?;
    let root = published["root"].as_str().context("a root")?.to_owned();
    holders(net.node(0), &root, honest, 20 * SECOND).await?;
    Ok(Scene { net, root, folder })
}

async fn run(scene: &Scene, k: &str, timeout: &str) -> Result<(bool, Value)> {
    let bo = scene.net.layout().user("bo").context("bo")?.keys.path().display().to_string();
    let url = scene.net.node(0).rpc().url().to_owned();
    let arguments =
        ["run", &scene.root, "--key", &bo, "-k", k, "--timeout", timeout, "--json", "--node", &url];
    let output = girrona(&arguments).await?;
    let said = serde_json::from_slice(&output.stdout);
    Ok((
        output.status.success(),
        said.context(String::from_utf8_lossy(&output.stderr).into_owned())?,
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_liar_among_four_is_outvoted_and_named_by_evidence() -> Result<()> {
    let scene = scene(3).await?;
    let (liar, _swarm) = Liar::join(&scene.net, scene.net.node(1), 9).await?;
    tokio::time::sleep(2 * SECOND).await;
    let (is_success, said) = run(&scene, "3", "15s").await?;
    assert!(is_success && said["state"] == "agreed", "{said}");
    assert_eq!(said["result"]["stdout"], hex::encode("hello\n"));
    // The lie may come after the certificate.
    let url = scene.net.node(0).rpc().url().to_owned();
    let request = said["request"].as_str().context("an id")?;
    let deadline = tokio::time::Instant::now() + 10 * SECOND;
    let proof = loop {
        let logs = girrona(&["logs", request, "--json", "--node", &url]).await?;
        let said: Value = serde_json::from_slice(&logs.stdout)?;
        if let Some(proof) = said["evidence"].as_array().and_then(|all| all.first()) {
            assert_eq!(proof["offender"], liar.to_hex());
            let equal = said["receipts"].as_array().context("receipts")?;
            let equal = equal.iter().filter(|receipt| receipt["agrees"] == true).count();
            assert_eq!(equal, 3, "{said}");
            break proof["proof"].as_str().context("a proof")?.to_owned();
        }
        ensure!(tokio::time::Instant::now() < deadline, "no evidence: {said}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let file = scene.folder.path().join("evidence");
    std::fs::write(&file, proof)?;
    let (file, law) = (file.display().to_string(), scene.net.layout().chainspec_path());
    let law = law.display().to_string();
    let verified = girrona(&["verify", &file, "--chainspec", &law, "--json"]).await?;
    ensure!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let verified: Value = serde_json::from_slice(&verified.stdout)?;
    assert_eq!(verified["offender"], liar.to_hex());
    scene.net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_against_two_is_an_explicit_failure() -> Result<()> {
    let scene = scene(2).await?;
    let mut liars = BTreeMap::new();
    for seed in [9, 10] {
        let (key, liar) = Liar::join(&scene.net, scene.net.node(1), seed).await?;
        liars.insert(key, liar);
    }
    tokio::time::sleep(2 * SECOND).await;
    let (is_success, said) = run(&scene, "3", "5s").await?;
    assert!(!is_success && said["state"] == "split", "{said}");
    assert_eq!(said["reason"], "receipts differ: 2 to 2");
    assert!(said["result"].is_null() && said["certificate"].is_null(), "{said}");
    for group in said["split"].as_array().context("groups")? {
        assert_eq!(group["executors"].as_array().map(Vec::len), Some(2), "{said}");
    }
    scene.net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_claims_what_it_does_not_hold_is_found_out_by_a_challenge() -> Result<()> {
    let scene = scene(2).await?;
    let root: Cid = scene.root.parse()?;
    let (liar, mut swarm) = Liar::join(&scene.net, scene.net.node(1), 9).await?;
    tokio::time::sleep(2 * SECOND).await;
    swarm.claim(root);
    // Who only hears of it believes it; who is connected asks for the hash of a block.
    let held = holders(scene.net.node(0), &scene.root, 3, 5 * SECOND).await?;
    assert!(held.contains(&liar));
    let held = holders(scene.net.node(1), &scene.root, 2, 5 * SECOND).await?;
    assert!(!held.contains(&liar));
    scene.net.end().await
}
