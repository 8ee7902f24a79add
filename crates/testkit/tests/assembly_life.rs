//! What happens to assemblies in the life of a network, on real processes: a requester's node that
//! is away while others execute, requests too long for gossip, versions, pins, files, and the
//! incumbent's function service as its own clients use it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use casper_types::ExecutableDeployItem;
use girrona_api::methods::{
    NoParams,
    assembly::{
        AssemblyList, AssemblyNode, AssemblyShow, AssemblyShowResult, AssemblyState, RootParams,
    },
};
use girrona_testkit::{Net, Node, SECOND, program};
use serde_json::{Value, json};

/// Says who it is, and ends.
fn says(text: &str) -> Result<Vec<u8>> {
    Ok(wat::parse_str(format!(
        r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 100) "{text}\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 100))
        (i32.store (i32.const 4) (i32.const {}))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))"#,
        text.len() + 1
    ))?)
}

/// Says something, and then uses up its fuel.
const LONG: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 100) "long\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 100))
        (i32.store (i32.const 4) (i32.const 5))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))
        (loop $again (br $again))))"#;

/// What somebody types after `girrona assembly`.
async fn girrona(arguments: &[&str]) -> Result<(bool, String, Value)> {
    let mut command = tokio::process::Command::new(program::girrona()?);
    let output = command.arg("assembly").args(arguments).output();
    let output = tokio::time::timeout(90 * SECOND, output).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok((output.status.success(), said, json))
}

/// The same, which has to succeed and print JSON.
async fn done(arguments: &[&str]) -> Result<Value> {
    let (is_done, said, json) = girrona(arguments).await?;
    ensure!(is_done && !json.is_null(), "{arguments:?}: {said}");
    Ok(json)
}

fn url(node: &Node) -> String {
    node.rpc().url().to_owned()
}

fn key(net: &Net, name: &str) -> Result<String> {
    Ok(net.layout().user(name).context("a user")?.keys.path().display().to_string())
}

/// A node's data folder, where its token is.
fn data(net: &Net, index: usize) -> Result<String> {
    Ok(net.layout().nodes[index].config()?.data.display().to_string())
}

async fn show(node: &Node, root: &str) -> Result<AssemblyShowResult> {
    let params = RootParams { root: root.to_owned() };
    Ok(node.rpc().call::<AssemblyShow>(&params).await?)
}

async fn until(what: &str, within: Duration, so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let deadline = tokio::time::Instant::now() + within;
    while !so().await? {
        ensure!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}

async fn is_ready(node: &Node, root: &str) -> Result<bool> {
    let shown = show(node, root).await;
    Ok(shown.is_ok_and(|shown| shown.assembly.state == AssemblyState::Ready))
}

async fn is_listed(node: &Node, root: &str) -> Result<bool> {
    let list = node.rpc().call::<AssemblyList>(&NoParams {}).await?.assemblies;
    Ok(list.iter().any(|one| one.root == root))
}

async fn running(node: &Node) -> Result<u32> {
    Ok(node.rpc().call::<AssemblyNode>(&NoParams {}).await?.running)
}

/// Publishes at the first node; these hold it when this returns, and everybody knows.
async fn publish(net: &Net, path: &Path, more: &[&str], holders: &[usize]) -> Result<String> {
    let (path, ana, at) = (path.display().to_string(), key(net, "ana")?, url(net.node(0)));
    let mut words = vec!["publish", &path, "--key", &ana, "--json", "--node", &at];
    words.extend(more);
    let said = done(&words).await?;
    let root = said["root"].as_str().context("a root")?.to_owned();
    for index in holders {
        let node = net.node(*index);
        let what = format!("{} holds {root}", node.name());
        until(&what, 30 * SECOND, async || is_ready(node, &root).await).await?;
    }
    for node in net.nodes() {
        let what = format!("{} knows who holds {root}", node.name());
        until(&what, 30 * SECOND, async || {
            let shown = show(node, &root).await;
            Ok(shown.is_ok_and(|shown| shown.holders.len() == holders.len()))
        })
        .await?;
    }
    Ok(root)
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, bytes)?;
    Ok(path)
}

/// The last node requests: it holds nothing, and knows nobody but the first.
fn last_is_requester(index: usize, config: &mut girrona_node::NodeConfig) {
    const REQUESTER: usize = 3;
    let peers = &mut config.swarm.peers;
    match index {
        REQUESTER => {
            config.assembly.policy.tags = vec!["nothing".to_owned()];
            peers.truncate(1);
        }
        0 => {}
        _ => drop(peers.pop()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_the_requesters_node_was_down_is_asked_for_when_it_is_back()
-> Result<()> {
    const REQUESTER: usize = 3;
    let net = Net::builder().validators(1).observers(3).config(last_is_requester).start().await?;
    let folder = tempfile::tempdir()?;
    let wasm = file(folder.path(), "long.wasm", &wat::parse_str(LONG)?)?;
    let root = publish(&net, &wasm, &["--tag", "x"], &[0, 1, 2]).await?;
    let (bo, at) = (key(&net, "bo")?, url(net.node(REQUESTER)));
    let mut words = vec!["run", &root, "--key", &bo, "-k", "3", "--timeout", "180s", "--detach"];
    words.extend(["--json", "--fuel", "2000000000", "--node", &at]);
    let request = done(&words).await?["request"].as_str().context("an id")?.to_owned();
    // What runs now, and what has ended.
    let executions = async || -> Result<(u32, f64)> {
        let (mut now, mut ended) = (0, 0.0);
        for node in &net.nodes()[..REQUESTER] {
            now += running(node).await?;
            ended += node.metrics().await?.sum("assemblies_executions_total").unwrap_or(0.0);
        }
        Ok((now, ended))
    };
    until("all are at it", 60 * SECOND, async || {
        let (now, ended) = executions().await?;
        Ok(f64::from(now) + ended >= 3.0)
    })
    .await?;
    net.kill9(REQUESTER).await?;
    until("the executions have ended", 120 * SECOND, async || Ok(executions().await? == (0, 3.0)))
        .await?;
    // Nobody tries any more to bring what nobody took.
    tokio::time::sleep(SECOND).await;
    net.restart(REQUESTER).await?;
    let logs = ["logs", &request, "--json", "--node", &at];
    until("the request has its result", 20 * SECOND, async || {
        let (_, _, said) = girrona(&logs).await?;
        Ok(said["state"] == "agreed" && said["result"]["is_here"] == true)
    })
    .await?;
    let (_, _, said) = girrona(&logs).await?;
    assert_eq!(said["result"]["stdout"], hex::encode("long\n"), "{said}");
    assert_eq!(said["result"]["end"], "trap: out of fuel");
    assert_eq!(executions().await?, (0, 3.0), "somebody executed again");
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_dies_in_the_middle_does_not_begin_again() -> Result<()> {
    let net = Net::builder().validators(1).observers(2).start().await?;
    let folder = tempfile::tempdir()?;
    let wasm = file(folder.path(), "long.wasm", &wat::parse_str(LONG)?)?;
    let root = publish(&net, &wasm, &[], &[0, 1, 2]).await?;
    let (bo, at) = (key(&net, "bo")?, url(net.node(0)));
    // Time enough for one, but not for one that waits for ever.
    let mut words = vec!["run", &root, "--key", &bo, "-n", "1", "--timeout", "60s", "--detach"];
    words.extend(["--json", "--fuel", "3000000000", "--node", &at]);
    let mut asked = Vec::new();
    // Until it is not the first that was chosen, which has to count.
    let (request, victim) = loop {
        ensure!(asked.len() < 20, "it is always the first");
        let request = done(&words).await?["request"].as_str().context("an id")?.to_owned();
        asked.push(request.clone());
        let mut found = None;
        until("somebody executes", 20 * SECOND, async || {
            for node in net.nodes() {
                if running(node).await? > 0 {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await?;
        for index in [1, 2] {
            if running(net.node(index)).await? > 0 {
                found = Some(index);
            }
        }
        match found {
            Some(index) => break (request, index),
            None => {
                until("the first is done", 60 * SECOND, async || {
                    Ok(running(net.node(0)).await? == 0)
                })
                .await?;
            }
        }
    };
    net.kill9(victim).await?;
    net.restart(victim).await?;
    let node = net.node(victim);
    until("it holds it again", 20 * SECOND, async || is_ready(node, &root).await).await?;
    // It was started there before, so it is not started again, though the request is alive.
    for _ in 0..20 {
        assert_eq!(running(node).await?, 0, "it began again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let executed = node.metrics().await?.sum("assemblies_executions_total").unwrap_or(0.0);
    assert_eq!(executed, 0.0);
    let (_, _, said) = girrona(&["logs", &request, "--json", "--node", &at]).await?;
    ensure!(said["state"] != "split", "{said}");
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn long_requests_versions_pins_and_files() -> Result<()> {
    const PICKY: usize = 3;
    let net = Net::builder().validators(1).observers(3).config(last_is_requester).start().await?;
    let folder = tempfile::tempdir()?;
    let (ana, bo) = (key(&net, "ana")?, key(&net, "bo")?);
    let (first, last) = (url(net.node(0)), url(net.node(PICKY)));

    // More input than gossip carries, from a node behind another one.
    let trial = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assemblies/wasm/trial.wasm");
    let root = publish(&net, &trial, &["--tag", "x"], &[0, 1, 2]).await?;
    let text: String = (0..300_000_u32).map(|i| char::from(b'a' + (i % 23) as u8)).collect();
    let stdin = file(folder.path(), "stdin", text.as_bytes())?.display().to_string();
    for more in [&["-k", "3"][..], &["-n", "2", "-k", "2"]] {
        let mut words = vec!["run", &root, "--key", &bo, "--stdin", &stdin, "--json"];
        words.extend(["--timeout", "60s", "--node", &last]);
        words.extend(more);
        words.extend(["--", "echo"]);
        let said = done(&words).await?;
        assert_eq!(said["state"], "agreed", "{}", said["reason"]);
        let stdout = hex::decode(said["result"]["stdout"].as_str().context("output")?)?;
        ensure!(String::from_utf8(stdout)?.contains(&format!("stdin {text:?}")), "not its input");
    }

    // A new version takes the old one's place, on every node.
    let folder_of = |name: &str| folder.path().join(name);
    for (name, version) in [("one", "1.0.0"), ("two", "2.0.0")] {
        std::fs::create_dir_all(folder_of(name))?;
        file(&folder_of(name), "main.wasm", &says(version)?)?;
        let manifest = json!({
            "name": "greet", "version": version, "runtime": "wasi-module",
            "entries": [{ "name": "main", "file": "main.wasm" }],
        });
        file(&folder_of(name), "manifest.json", manifest.to_string().as_bytes())?;
    }
    let one = publish(&net, &folder_of("one"), &["--tag", "x"], &[0, 1, 2]).await?;
    let replaces = ["--tag", "x", "--replaces", &one];
    let two = publish(&net, &folder_of("two"), &replaces, &[0, 1, 2]).await?;
    for node in net.nodes() {
        let what = format!("{} has forgotten the old version", node.name());
        until(&what, 30 * SECOND, async || Ok(!is_listed(node, &one).await?)).await?;
    }
    let said = done(&["run", "greet", "--key", &bo, "-k", "3", "--json", "--node", &last]).await?;
    assert_eq!(said["result"]["stdout"], hex::encode("2.0.0\n"));

    // Its owner wants it, whatever the policy says; and no longer.
    let (token, picky) = (data(&net, PICKY)?, net.node(PICKY));
    assert!(!is_ready(picky, &two).await?);
    assert!(!girrona(&["pin", &two, "--token", "guess", "--node", &last]).await?.0);
    done(&["pin", &two, "--token", &token, "--json", "--node", &last]).await?;
    until("it is pinned", 20 * SECOND, async || is_ready(picky, &two).await).await?;
    // Out and in again.
    let car = folder.path().join("two.car").display().to_string();
    done(&["export", &two, &car, "--json", "--node", &first]).await?;
    done(&["withdraw", &two, "--key", &ana, "--json", "--node", &first]).await?;
    until("the others let it go", 20 * SECOND, async || {
        Ok(!is_listed(net.node(0), &two).await? && !is_listed(net.node(1), &two).await?)
    })
    .await?;
    assert!(is_ready(picky, &two).await?, "what is pinned stays");
    let checked = done(&["check", &two, "--token", &token, "--json", "--node", &last]).await?;
    assert_eq!(checked["bad"], json!([]), "{checked}");
    done(&["pin", &two, "--remove", "--token", &token, "--json", "--node", &last]).await?;
    until("it goes", 30 * SECOND, async || Ok(!is_listed(picky, &two).await?)).await?;
    assert!(!girrona(&["import", &car, "--token", "guess", "--node", &first]).await?.0);
    done(&["import", &car, "--token", &data(&net, 0)?, "--json", "--node", &first]).await?;
    until("it can be executed", 20 * SECOND, async || is_ready(net.node(0), &two).await).await?;
    let again = folder.path().join("again.car").display().to_string();
    done(&["export", &two, &again, "--json", "--node", &first]).await?;
    assert_eq!(std::fs::read(&car)?, std::fs::read(&again)?);
    let said = done(&["run", &two, "--key", &bo, "-k", "1", "--json", "--node", &first]).await?;
    assert_eq!(said["result"]["stdout"], hex::encode("2.0.0\n"));
    // A file with one wrong byte is no file.
    let mut bytes = std::fs::read(&car)?;
    let last_byte = bytes.len() - 1;
    bytes[last_byte] ^= 1;
    std::fs::write(&car, bytes)?;
    let second = url(net.node(1));
    let (is_done, said, _) =
        girrona(&["import", &car, "--token", &data(&net, 1)?, "--node", &second]).await?;
    ensure!(!is_done, "{said}");
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_ahead_is_executed_without_a_byte_of_content_on_the_wire() -> Result<()> {
    const ASSET: usize = 3 << 20;
    let net = Net::builder().validators(1).observers(2).start().await?;
    let folder = tempfile::tempdir()?;
    let content = async || -> Result<[f64; 2]> {
        let mut sum = [0.0; 2];
        for node in net.nodes() {
            let metrics = node.metrics().await?;
            for (sum, direction) in sum.iter_mut().zip(["in", "out"]) {
                let name =
                    format!("net_bytes_total{{channel=\"content\",direction=\"{direction}\"}}");
                *sum += metrics.sum(&name).unwrap_or(0.0);
            }
        }
        Ok(sum)
    };
    let path = folder.path().join("large");
    std::fs::create_dir_all(&path)?;
    file(&path, "main.wasm", &says("here")?)?;
    // No two blocks are the same.
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let asset: Vec<u8> = (0..ASSET).map(|_| next()).collect();
    file(&path, "asset", &asset)?;
    let manifest = json!({
        "name": "large", "version": "1.0.0", "runtime": "wasi-module",
        "entries": [{ "name": "main", "file": "main.wasm" }],
    });
    file(&path, "manifest.json", manifest.to_string().as_bytes())?;
    let root = publish(&net, &path, &[], &[0, 1, 2]).await?;
    // What it took to hold it: each of two had all of it from somebody.
    let ahead = content().await?;
    ensure!(ahead[0] >= 2.0 * ASSET as f64, "{ahead:?}");
    until("nobody owes anybody anything any more", 60 * SECOND, async || {
        let before = content().await?;
        tokio::time::sleep(3 * SECOND).await;
        Ok(content().await? == before)
    })
    .await?;
    let before = content().await?;
    let (bo, at) = (key(&net, "bo")?, url(net.node(0)));
    for more in [&["-k", "3"][..], &["-k", "2"], &["-n", "1"], &["-n", "2", "-k", "2"]] {
        let mut words = vec!["run", &root, "--key", &bo, "--json", "--node", &at];
        words.extend(more);
        let said = done(&words).await?;
        assert_eq!(said["result"]["stdout"], hex::encode("here\n"), "{said}");
    }
    assert_eq!(content().await?, before, "content moved");
    net.end().await
}

/// A client of the incumbent's.
struct Incumbent {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

impl Incumbent {
    async fn post(&self, path: &str, body: Value) -> Result<(u16, Value)> {
        let mut asked = self.http.post(format!("{}/api/v1/{path}", self.url)).json(&body);
        if let Some(token) = &self.token {
            asked = asked.bearer_auth(token);
        }
        let answer = asked.send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_incumbents_functions_are_installed_executed_and_remembered() -> Result<()> {
    const HEAD: usize = 3;
    let net = Net::builder().validators(1).observers(3).config(last_is_requester).start().await?;
    let folder = tempfile::tempdir()?;
    // Its manifest, as its own tools write it.
    let function = folder.path().join("function");
    std::fs::create_dir_all(&function)?;
    file(&function, "hello.wasm", &says("hello from a function")?)?;
    let manifest = json!({
        "id": "", "name": "hello", "hooks": [], "description": "says hello", "fs_root_path": "./",
        "limited_fuel": 200_000_000, "limited_memory": 30, "entry": "hello.wasm",
        "resultAggregation": { "enable": false, "type": "none", "value": "" },
        "deployment": {
            "cid": "", "checksum": "", "uri": "hello.tar.gz", "nodes": [],
            "permission": "public", "aggregation": "none",
            "methods": [{
                "name": "hello", "entry": "hello.wasm", "result_type": "string",
                "arguments": [], "envvars": [],
            }],
        },
        "runtime": { "checksum": "", "url": "" },
        "contentType": "json", "permissions": [],
    });
    file(&function, "manifest.json", manifest.to_string().as_bytes())?;
    let root = publish(&net, &function, &["--tag", "x"], &[0, 1, 2]).await?;

    let head = net.node(HEAD);
    let token = std::fs::read_to_string(Path::new(&data(&net, HEAD)?).join("token"))?;
    let token = Some(token.trim().to_owned());
    let client = Incumbent { http: reqwest::Client::new(), url: head.rest_url(), token };
    let stranger = Incumbent { token: None, http: client.http.clone(), url: client.url.clone() };
    let health: Value = serde_json::from_str(&head.get("/api/v1/health").await?)?;
    assert_eq!(health["code"], "200");

    // What a node asks for in its own name, it asks for as an account that has something.
    let ask =
        |config: Value| json!({ "function_id": root, "method": "hello.wasm", "config": config });
    let all = ask(json!({ "number_of_nodes": -1, "timeout": 20, "threshold": 1.0 }));
    let (status, said) = client.post("functions/execute", all.clone()).await?;
    ensure!(status == 400 && said["message"].to_string().contains("transfer"), "{status} {said}");
    let account = head.rpc().call::<AssemblyNode>(&NoParams {}).await?.account;
    let session = ExecutableDeployItem::new_transfer(10_000_000_000_u64, None, account, Some(1));
    let deploy = net.draft(session, 100_000_000).sign(net.key("ana")?)?;
    net.wait_executed(head.put(deploy).await?, 30 * SECOND).await?;

    // Executed by nodes that the head is not even connected to.
    let (status, said) = client.post("functions/execute", all.clone()).await?;
    ensure!(status == 200 && said["code"] == "200", "{status} {said}");
    let result = &said["results"][0];
    assert_eq!(result["result"]["stdout"], "hello from a function\n", "{said}");
    assert_eq!(result["result"]["exit_code"], 0);
    assert_eq!(
        (result["peers"].as_array().map(Vec::len), &result["frequency"]),
        (Some(3), &json!(100.0))
    );
    ensure!(said["certificate"].is_string(), "{said}");
    let (status, one) =
        client.post("functions/execute", ask(json!({ "number_of_nodes": 1 }))).await?;
    ensure!(
        status == 200 && one["results"][0]["peers"].as_array().map(Vec::len) == Some(1),
        "{one}"
    );

    // The result is there for whoever knows its id, also after a restart.
    let id = said["request_id"].as_str().context("an id")?;
    let (status, known) = stranger.post("functions/requests/result", json!({ "id": id })).await?;
    ensure!(status == 200 && known["results"] == said["results"], "{status} {known}");
    net.kill9(HEAD).await?;
    net.restart(HEAD).await?;
    let (status, known) = stranger.post("functions/requests/result", json!({ "id": id })).await?;
    ensure!(status == 200 && known["results"] == said["results"], "{status} {known}");

    // Installed where it would not be cached.
    assert!(!is_ready(head, &root).await?);
    until("the head hears of it", 20 * SECOND, async || is_listed(head, &root).await).await?;
    let (status, said) = client.post("functions/install", json!({ "cid": root })).await?;
    ensure!(status == 200 && said["code"] == "200", "{status} {said}");
    until("it is installed", 20 * SECOND, async || is_ready(head, &root).await).await?;

    // What is refused, and how.
    let unknown = "bafybeie7omffrc6p6rcdqpiehib2cli4ift7oynl3zkap6lcrhi57ti3bu";
    for (path, body, expected) in [
        ("functions/execute", ask(json!({ "number_of_nodes": 9 })), 400),
        ("functions/execute", ask(json!({ "consensus_algorithm": "luck" })), 400),
        ("functions/execute", json!({ "function_id": "nonsense", "method": "x" }), 400),
        ("functions/execute", json!({ "function_id": unknown, "method": "x" }), 404),
        ("functions/execute", json!({ "function_id": root, "method": "other.wasm" }), 400),
        (
            "functions/execute",
            json!({ "function_id": root, "method": "hello.wasm", "topic": "news" }),
            400,
        ),
        ("functions/install", json!({ "uri": "https://a.org/f.tar.gz" }), 400),
        ("functions/install", json!({ "cid": unknown }), 404),
        ("functions/requests/result", json!({ "id": "00".repeat(32) }), 404),
        ("functions/requests/result", json!({}), 400),
    ] {
        let (status, said) = client.post(path, body.clone()).await?;
        ensure!(status == expected, "{path} {body}: {status} {said}");
        assert_eq!(said["code"], expected.to_string(), "{path} {body}: {said}");
    }
    for path in ["functions/execute", "functions/install"] {
        let (status, said) = stranger.post(path, all.clone()).await?;
        ensure!(status == 401, "{path} without a token: {status} {said}");
    }
    net.end().await
}
