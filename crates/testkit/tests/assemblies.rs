//! Assemblies as real processes: announced, cached by exactly those who want them, executed by
//! those who hold them, agreed on, proven without a node.

use std::{
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use girrona_api::methods::{
    NoParams,
    assembly::{
        AssemblyList, AssemblyNode, AssemblyShow, AssemblyShowResult, AssemblyState, RootParams,
    },
};
use girrona_testkit::{Net, Node, SECOND, program};
use serde_json::Value;

/// A program that says hello and what it was given.
const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read"
        (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 100) "hello, ")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 200))
        (i32.store (i32.const 4) (i32.const 1000))
        (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
        (i32.store (i32.const 0) (i32.const 100))
        (i32.store (i32.const 4) (i32.const 7))
        (i32.store (i32.const 8) (i32.const 200))
        (i32.store (i32.const 12) (i32.load (i32.const 16)))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 20)))))"#;

/// Bytes beside the program, so that there is something to fetch.
const ASSET: usize = 3 << 20;

/// A folder with an assembly.
fn assembly(folder: &Path, name: &str, asset: usize) -> Result<PathBuf> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("main.wasm"), wat::parse_str(HELLO)?)?;
    let bytes: Vec<u8> = (0..asset).map(|i| (i.wrapping_mul(31) >> 7) as u8).collect();
    std::fs::write(folder.join("asset"), bytes)?;
    let manifest = serde_json::json!({
        "name": name, "version": "1.0.0", "runtime": "wasi-module",
        "entries": [{ "name": "main", "file": "main.wasm" }],
    });
    std::fs::write(folder.join("manifest.json"), manifest.to_string())?;
    Ok(folder)
}

/// What somebody types.
async fn girrona(arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(program::girrona()?);
    let output = command.arg("assembly").args(arguments).output();
    Ok(tokio::time::timeout(60 * SECOND, output).await??)
}

/// The same, which has to succeed and print JSON.
async fn json(arguments: &[&str]) -> Result<Value> {
    let output = girrona(arguments).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).context("no JSON")
}

async fn show(node: &Node, root: &str) -> Result<AssemblyShowResult> {
    let params = RootParams { root: root.to_owned() };
    Ok(node.rpc().call::<AssemblyShow>(&params).await?)
}

/// Waits until a node says of an assembly what it should.
async fn wait_until(
    node: &Node,
    root: &str,
    within: Duration,
    what: impl Fn(&AssemblyShowResult) -> bool,
) -> Result<AssemblyShowResult> {
    let deadline = tokio::time::Instant::now() + within;
    loop {
        let now = show(node, root).await;
        match now {
            Ok(now) if what(&now) => return Ok(now),
            now if tokio::time::Instant::now() > deadline => {
                anyhow::bail!("{} within {within:?}: {now:?}", node.name());
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

fn is_ready(shown: &AssemblyShowResult) -> bool {
    shown.assembly.state == AssemblyState::Ready
}

async fn account(node: &Node) -> Result<String> {
    let said = node.rpc().call::<AssemblyNode>(&NoParams {}).await?;
    Ok(casper_types::AsymmetricType::to_hex(&said.account))
}

/// How many executions of a node came to a result.
async fn executions(node: &Node) -> Result<u64> {
    let text = node.get("/metrics").await?;
    let line = text
        .lines()
        .find(|line| line.starts_with("assemblies_executions_total{outcome=\"result\"}"));
    Ok(line.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0))
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

const RELAY: usize = 0;
const PUBLISHER: usize = 1;
const WILLING: usize = 2;
const SMALL: usize = 3;
const OTHER_TAGS: usize = 4;
const LATE: usize = 5;
const REQUESTER: usize = 6;

/// Who wants what, and that the requester knows nobody but the relay.
fn roles(index: usize, config: &mut girrona_node::NodeConfig) {
    let assembly = &mut config.assembly;
    match index {
        RELAY | REQUESTER => assembly.policy.tags = vec!["nothing".to_owned()],
        SMALL => assembly.quota_mib = 2,
        OTHER_TAGS => assembly.policy.tags = vec!["chess".to_owned()],
        _ => {}
    }
    let peers = &mut config.swarm.peers;
    match index {
        REQUESTER => peers.truncate(1),
        RELAY => {}
        // The last address is the requester's.
        _ => drop(peers.pop()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assembly_is_cached_by_whom_it_suits_executed_by_whom_holds_it_and_proven_offline()
-> Result<()> {
    let net =
        Net::builder().validators(1).observers(6).config(roles).hold_back(LATE).start().await?;
    let folder = tempfile::tempdir()?;
    let source = text_of(&assembly(folder.path(), "hello", ASSET)?);
    let key = |user: &str| text_of(net.layout().user(user).expect("a user").keys.path());
    let (ana, bo) = (key("ana"), key("bo"));
    let url = |index: usize| net.node(index).rpc().url().to_owned();

    // Stage one.
    let at = url(PUBLISHER);
    let published = json(&[
        "publish",
        &source,
        "--key",
        &ana,
        "--tag",
        "math",
        "--replication",
        "5",
        "--json",
        "--node",
        &at,
    ])
    .await?;
    let root = published["root"].as_str().context("a root")?.to_owned();
    wait_until(net.node(WILLING), &root, 20 * SECOND, is_ready).await?;
    let is_decided = |shown: &AssemblyShowResult| !shown.decision.is_null();
    for (index, reason) in [
        (SMALL, "there is room for"),
        (OTHER_TAGS, "none of its tags is of interest here"),
        (RELAY, "none of its tags is of interest here"),
        (REQUESTER, "none of its tags is of interest here"),
    ] {
        let shown = wait_until(net.node(index), &root, 10 * SECOND, is_decided).await?;
        assert_eq!(shown.assembly.state, AssemblyState::Refused, "{shown:?}");
        assert!(shown.assembly.reason.contains(reason), "{}", shown.assembly.reason);
        let said = net.node(index).rpc().call::<AssemblyNode>(&NoParams {}).await?;
        assert_eq!(said.room.held + said.room.reserved, 0, "{said:?}");
    }

    // Other tags, and it fetches.
    let data = text_of(&net.layout().nodes[OTHER_TAGS].config()?.data);
    let (at, wrong) = (url(OTHER_TAGS), "--token=guess");
    assert!(!girrona(&["tags", "math", wrong, "--node", &at]).await?.status.success());
    json(&["tags", "math", "--token", &data, "--json", "--node", &at]).await?;
    wait_until(net.node(OTHER_TAGS), &root, 20 * SECOND, is_ready).await?;

    // Stage two, asked for by somebody who is connected to no executor.
    let three = |shown: &AssemblyShowResult| shown.holders.len() == 3;
    wait_until(net.node(REQUESTER), &root, 20 * SECOND, three).await?;
    let peers = net.node(REQUESTER).rpc().peers().await?.peers;
    assert_eq!(peers.len(), 1, "{peers:?}");
    let stdin = folder.path().join("stdin");
    std::fs::write(&stdin, "world\n")?;
    let certificate = folder.path().join("certificate");
    let at = url(REQUESTER);
    let run = json(&[
        "run",
        &root,
        "--key",
        &bo,
        "--stdin",
        &text_of(&stdin),
        "-k",
        "3",
        "--certificate",
        &text_of(&certificate),
        "--json",
        "--node",
        &at,
    ])
    .await?;
    assert_eq!(run["state"], "agreed", "{run}");
    assert_eq!(run["result"]["stdout"], hex::encode("hello, world\n"));
    let mut holders = Vec::new();
    for index in [PUBLISHER, WILLING, OTHER_TAGS] {
        holders.push(account(net.node(index)).await?);
        assert_eq!(executions(net.node(index)).await?, 1, "node {index}");
    }
    for index in [RELAY, SMALL, REQUESTER] {
        assert_eq!(executions(net.node(index)).await?, 0, "node {index}");
    }
    let receipts = run["receipts"].as_array().context("receipts")?;
    let mut executors: Vec<_> =
        receipts.iter().filter_map(|r| Some(r["executor"].as_str()?.to_owned())).collect();
    assert!(receipts.iter().all(|receipt| receipt["agrees"] == true), "{run}");
    executors.sort();
    holders.sort();
    assert_eq!(executors, holders);

    // The proof stands by itself.
    let chainspec = text_of(&net.layout().chainspec_path());
    let proof = text_of(&certificate);
    let verified = json(&["verify", &proof, "--chainspec", &chainspec, "--json"]).await?;
    assert_eq!(verified["proves"], "result");
    assert_eq!(verified["request"], run["request"]);
    assert_eq!(verified["executors"].as_array().context("executors")?.len(), 3);
    let mut bytes = std::fs::read(&certificate)?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let forged = folder.path().join("forged");
    std::fs::write(&forged, bytes)?;
    let forged = text_of(&forged);
    assert!(!girrona(&["verify", &forged, "--chainspec", &chainspec]).await?.status.success());
    let other = std::fs::read_to_string(&chainspec)?.replacen("minimum_block_time", "#", 0);
    let other = other.replacen("2500000000", "2500000001", 1);
    let path = folder.path().join("other.toml");
    std::fs::write(&path, other)?;
    let path = text_of(&path);
    assert!(!girrona(&["verify", &proof, "--chainspec", &path]).await?.status.success());

    // Later, with the publisher shut down.
    net.stop(PUBLISHER).await?;
    net.restart(LATE).await?;
    wait_until(net.node(LATE), &root, 30 * SECOND, is_ready).await?;

    // Results are still there after a restart, and the same request is not executed again.
    net.kill9(REQUESTER).await?;
    net.restart(REQUESTER).await?;
    let request = run["request"].as_str().context("an id")?;
    let again = json(&["logs", request, "--json", "--node", &at]).await?;
    assert_eq!(again["result"], run["result"]);
    assert_eq!(again["certificate"], run["certificate"]);
    net.restart(PUBLISHER).await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_for_a_minute_holds_every_live_announcement_soon_after()
-> Result<()> {
    let net = Net::builder()
        .validators(1)
        .observers(2)
        .config(|_, config| config.assembly.policy.tags = vec!["nothing".to_owned()])
        .start()
        .await?;
    let folder = tempfile::tempdir()?;
    let ana = text_of(net.layout().user("ana").expect("a user").keys.path());
    net.cut(2);
    let cut_at = tokio::time::Instant::now();
    let mut roots = Vec::new();
    for number in 0..12 {
        let source = text_of(&assembly(folder.path(), &format!("a-{number}"), 10 + number)?);
        let at = net.node(number % 2).rpc().url().to_owned();
        let published =
            json(&["publish", &source, "--key", &ana, "--tag", "x", "--json", "--node", &at])
                .await?;
        roots.push(published["root"].as_str().context("a root")?.to_owned());
    }
    tokio::time::sleep_until(cut_at + 60 * SECOND).await;
    let before = net.node(2).rpc().call::<AssemblyList>(&NoParams {}).await?;
    assert_eq!(before.assemblies, []);
    net.heal(2);
    let healed = tokio::time::Instant::now();
    loop {
        let list = net.node(2).rpc().call::<AssemblyList>(&NoParams {}).await?.assemblies;
        if roots.iter().all(|root| list.iter().any(|one| one.root == *root)) {
            break;
        }
        let waited = healed.elapsed();
        ensure!(waited < 5 * SECOND, "{} of {} after {waited:?}", list.len(), roots.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("healed after {:?}", healed.elapsed());
    net.end().await
}

/// Never ends by itself.
const SPIN: &str = r#"(module (memory (export "memory") 1)
    (func (export "_start") (loop $again (br $again))))"#;

/// Publishes one file and waits until so many nodes can execute it.
async fn publish(net: &Net, folder: &Path, name: &str, program: &str) -> Result<String> {
    let file = folder.join(format!("{name}.wasm"));
    std::fs::write(&file, wat::parse_str(program)?)?;
    let ana = text_of(net.layout().user("ana").context("ana")?.keys.path());
    let at = net.node(0).rpc().url().to_owned();
    let published =
        json(&["publish", &text_of(&file), "--key", &ana, "--json", "--node", &at]).await?;
    let root = published["root"].as_str().context("a root")?.to_owned();
    for node in net.nodes() {
        wait_until(node, &root, 20 * SECOND, is_ready).await?;
    }
    let all = net.nodes().len();
    wait_until(net.node(0), &root, 20 * SECOND, |shown| shown.holders.len() == all).await?;
    Ok(root)
}

async fn running(node: &Node) -> Result<u32> {
    Ok(node.rpc().call::<AssemblyNode>(&NoParams {}).await?.running)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_narrows_it_who_declines_is_followed_and_what_is_taken_back_stops() -> Result<()> {
    const UNWILLING: usize = 1;
    let net = Net::builder()
        .validators(1)
        .observers(2)
        .config(|index, config| {
            if index == UNWILLING {
                config.assembly.limits.fuel = 1;
            }
        })
        .start()
        .await?;
    let folder = tempfile::tempdir()?;
    let bo = text_of(net.layout().user("bo").context("bo")?.keys.path());
    let ana = text_of(net.layout().user("ana").context("ana")?.keys.path());
    let at = net.node(0).rpc().url().to_owned();
    let unwilling = account(net.node(UNWILLING)).await?;

    // One of three, chosen by a hash that is another for each request.
    let root = publish(&net, folder.path(), "hello", HELLO).await?;
    let (mut declined, mut executors) = (false, std::collections::BTreeSet::new());
    for _ in 0..60 {
        let run = json(&["run", &root, "--key", &bo, "-n", "1", "--json", "--node", &at]).await?;
        let receipts = run["receipts"].as_array().context("receipts")?;
        assert_eq!(receipts.len(), 1, "{run}");
        executors.insert(receipts[0]["executor"].as_str().context("a key")?.to_owned());
        for decline in run["declines"].as_array().context("declines")? {
            assert_eq!(decline["executor"], unwilling, "{run}");
            assert_eq!(decline["reason"], "it lacks the resources");
            declined = true;
        }
        if declined && executors.len() == 2 {
            break;
        }
    }
    assert!(declined && executors.len() == 2 && !executors.contains(&unwilling), "{executors:?}");

    // Nobody but the requester takes it back.
    let root = publish(&net, folder.path(), "spin", SPIN).await?;
    let run = json(&[
        "run",
        &root,
        "--key",
        &bo,
        "-k",
        "2",
        "--timeout",
        "50s",
        "--fuel",
        "900000000000",
        "--detach",
        "--json",
        "--node",
        &at,
    ])
    .await?;
    let request = run["request"].as_str().context("an id")?.to_owned();
    let deadline = tokio::time::Instant::now() + 10 * SECOND;
    while running(net.node(0)).await? + running(net.node(2)).await? < 2 {
        ensure!(tokio::time::Instant::now() < deadline, "not executed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    json(&["cancel", &request, "--key", &ana, "--json", "--node", &at]).await?;
    tokio::time::sleep(SECOND).await;
    assert_eq!(running(net.node(2)).await?, 1);
    json(&["cancel", &request, "--key", &bo, "--json", "--node", &at]).await?;
    let deadline = tokio::time::Instant::now() + 3 * SECOND;
    while running(net.node(0)).await? + running(net.node(2)).await? > 0 {
        ensure!(tokio::time::Instant::now() < deadline, "still executed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let logs = girrona(&["logs", &request, "--json", "--node", &at]).await?;
    let said: Value = serde_json::from_slice(&logs.stdout)?;
    assert_eq!(said["state"], "cancelled", "{said}");

    // Taken back, it goes everywhere.
    json(&["withdraw", &root, "--key", &ana, "--json", "--node", &at]).await?;
    for node in net.nodes() {
        let deadline = tokio::time::Instant::now() + 15 * SECOND;
        loop {
            let list = node.rpc().call::<AssemblyList>(&NoParams {}).await?.assemblies;
            if list.iter().all(|one| one.root != root) {
                break;
            }
            ensure!(tokio::time::Instant::now() < deadline, "{}: {list:?}", node.name());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    net.end().await
}
