//! Clients that others wrote, unmodified, against a network of ours.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use casper_types::{AsymmetricType, DeployHash, Digest};
use girrona_api::{BlockIdentifier, PurseIdentifier};
use girrona_testkit::{Net, SECOND, program};
use serde_json::Value;

const AMOUNT: u64 = 2_500_000_000;
const MESSAGE: &str = "it's a \"message\"";

/// A contract of ours, as it is in git.
fn contract(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/wasm").join(name)
}

/// Runs a program; what it printed as JSON.
async fn json(mut command: Command) -> Result<Value> {
    // The network lives in this process's runtime; it must not wait for a client.
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{}\n{out}\n{err}", output.status);
    }
    serde_json::from_str(&out).with_context(|| format!("no JSON:\n{out}\n{err}"))
}

/// `casper-client` with one node.
struct Cli<'a> {
    program: PathBuf,
    net: &'a Net,
}

impl Cli<'_> {
    async fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command.args(arguments).args(["--node-address", &self.net.node(1).rpc_url()]);
        let answer = json(command).await.with_context(|| arguments.join(" "))?;
        // `list-deploys` prints its result without the envelope.
        Ok(if answer["result"].is_object() { answer["result"].clone() } else { answer })
    }

    /// Sends a deploy of ana's and waits until every node has executed it.
    async fn send(&self, arguments: &[&str]) -> Result<DeployHash> {
        let user = self.net.layout().user("ana").context("there is ana")?;
        let key = user.keys.secret_key_path().display().to_string();
        let chain = self.net.law().network.name.clone();
        let common = ["--chain-name", &chain, "--secret-key", &key];
        let answer = self.ask(&[arguments, &common].concat()).await?;
        let hash = Digest::from_hex(answer["deploy_hash"].as_str().unwrap_or_default())?;
        let hash = DeployHash::new(hash);
        self.net.wait_executed(hash, 20 * SECOND).await?;
        Ok(hash)
    }

    async fn deploy_succeeded(&self, hash: DeployHash) -> Result<Value> {
        let found = self.ask(&["get-deploy", &hex::encode(hash.inner().value())]).await?;
        let result = &found["execution_results"][0]["result"];
        assert!(result["Success"].is_object(), "{result}");
        Ok(found)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn casper_client_sends_deploys_and_reads_everything_about_them() -> Result<()> {
    let Some(program) = program::casper_client() else { return Ok(()) };
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    let cli = Cli { program, net: &net };
    let node = net.node(1);
    let (ana, bo) = (net.public_key("ana")?, net.public_key("bo")?);
    let account_hash = ana.to_account_hash().to_formatted_string();

    // transfer, get-deploy
    let amount = AMOUNT.to_string();
    let target = bo.to_hex();
    let transfer = cli
        .send(&[
            "transfer",
            "--amount",
            &amount,
            "--transfer-id",
            "7",
            "--payment-amount",
            "100000000",
            "--target-account",
            &target,
        ])
        .await?;
    let found = cli.deploy_succeeded(transfer).await?;
    assert_eq!(found["deploy"]["header"]["account"], ana.to_hex());
    let block = found["execution_results"][0]["block_hash"].as_str().context("a block")?.to_owned();

    // get-block checks the hash itself; list-deploys names what is in it
    let shown = cli.ask(&["get-block", "--block-identifier", &block]).await?;
    assert_eq!(shown["block"]["hash"], block);
    assert!(!shown["block"]["proofs"].as_array().context("proofs")?.is_empty());
    let listed = cli.ask(&["list-deploys", "--block-identifier", &block]).await?;
    assert_eq!(listed["transfer_hashes"][0], hex::encode(transfer.inner().value()));
    let newest = cli.ask(&["get-block"]).await?;
    let height = newest["block"]["header"]["height"].as_u64().context("a height")?;
    let ours = node.rpc().block(Some(BlockIdentifier::Height(height))).await?.block;
    assert_eq!(newest["block"]["hash"], serde_json::to_value(ours.context("a block")?.hash)?);

    // put-deploy of Wasm that writes a named key
    let wasm = contract("hello.wasm").display().to_string();
    let argument = format!("message:string='{MESSAGE}'");
    let hello = cli
        .send(&[
            "put-deploy",
            "--payment-amount",
            "5000000000",
            "--session-path",
            &wasm,
            "--session-arg",
            &argument,
        ])
        .await?;
    cli.deploy_succeeded(hello).await?;

    // get-state-root-hash, query-global-state, get-account
    let root = cli.ask(&["get-state-root-hash"]).await?["state_root_hash"].clone();
    let root = root.as_str().context("a root")?;
    let query = ["query-global-state", "--state-root-hash", root, "--key", &account_hash];
    let value = cli.ask(&[&query[..], &["--query-path", "hello"]].concat()).await?;
    assert_eq!(value["stored_value"]["CLValue"]["parsed"], MESSAGE);
    let account = cli.ask(&["get-account", "--public-key", &ana.to_hex()]).await?;
    assert_eq!(account["account"]["account_hash"], account_hash);
    assert_eq!(account["account"]["named_keys"][0]["name"], "hello");

    // put-deploy of Wasm that writes a dictionary, get-dictionary-item
    let wasm = contract("counter.wasm").display().to_string();
    for _ in 0..2 {
        let counter = cli
            .send(&[
                "put-deploy",
                "--payment-amount",
                "5000000000",
                "--session-path",
                &wasm,
                "--session-arg",
                "player:string='ana'",
                "--session-arg",
                "points:u64='21'",
            ])
            .await?;
        cli.deploy_succeeded(counter).await?;
    }
    let root = cli.ask(&["get-state-root-hash"]).await?["state_root_hash"].clone();
    let item = cli
        .ask(&[
            "get-dictionary-item",
            "--state-root-hash",
            root.as_str().context("a root")?,
            "--account-hash",
            &account_hash,
            "--dictionary-name",
            "scores",
            "--dictionary-item-key",
            "ana",
        ])
        .await?;
    assert_eq!(item["stored_value"]["CLValue"]["parsed"], 42);

    // query-balance
    let balance = cli.ask(&["query-balance", "--purse-identifier", &bo.to_hex()]).await?;
    let purse = PurseIdentifier::MainPurseUnderPublicKey(bo);
    let ours = node.rpc().query_balance(None, purse).await?;
    assert_eq!(balance["balance"], ours.to_string());

    // get-node-status, get-peers
    let status = cli.ask(&["get-node-status"]).await?;
    assert_eq!(status["chainspec_name"], net.law().network.name);
    assert_eq!(status["peers"].as_array().context("peers")?.len(), 3);
    let peers = cli.ask(&["get-peers"]).await?;
    assert_eq!(peers["peers"].as_array().context("peers")?.len(), 3);

    // a refusal is told with its reason, and the client says that it failed
    let refused = cli
        .send(&[
            "transfer",
            "--amount",
            "1",
            "--transfer-id",
            "8",
            "--payment-amount",
            "100000000",
            "--target-account",
            &target,
        ])
        .await;
    let text = format!("{:#}", refused.unwrap_err());
    assert!(
        text.contains("insufficient transfer amount; minimum: 2500000000 attempted: 1"),
        "{text}"
    );
    net.end().await
}

/// What both SDKs report about their transfer.
fn check_report(report: &Value, net: &Net) {
    assert_eq!(report["succeeded"], true, "{report}");
    assert_eq!(report["heard"], true, "its event came: {report}");
    assert_eq!(report["gained"], AMOUNT, "{report}");
    let status = report.get("chain").or_else(|| report.get("status"));
    assert_eq!(status, Some(&Value::from(net.law().network.name.clone())), "{report}");
}

/// The port at the end of a URL.
fn port(url: &str) -> &str {
    url.rsplit(':').next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn pycspr_puts_a_transfer_and_waits_for_it() -> Result<()> {
    let Some(python) = program::python_with_pycspr() else { return Ok(()) };
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    let node = net.node(2);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/transfer.py");
    let user = net.layout().user("faucet").context("there is a faucet")?;
    let mut command = Command::new(python);
    command
        .arg(script)
        .args([port(&node.rpc_url()), port(&node.rest_url()), port(&node.events_url())])
        .arg(&net.law().network.name)
        .arg(user.keys.secret_key_path())
        .args([net.public_key("bo")?.to_hex(), AMOUNT.to_string()]);
    let report = json(command).await?;
    check_report(&report, &net);
    assert_eq!(report["peers"], 3, "{report}");
    assert!(report["metrics"].as_u64().is_some_and(|count| count > 0), "{report}");
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn casper_js_sdk_puts_a_transfer_and_waits_for_it() -> Result<()> {
    let Some((javascript, sdk)) = program::node_with_casper_js_sdk() else { return Ok(()) };
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    let node = net.node(3);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/transfer.js");
    let user = net.layout().user("faucet").context("there is a faucet")?;
    let mut command = Command::new(javascript);
    command
        .arg(script)
        .arg(sdk)
        .args([format!("{}/rpc", node.rpc_url()), node.events_url()])
        .arg(&net.law().network.name)
        .arg(user.keys.secret_key_path())
        .args([net.public_key("bo")?.to_hex(), AMOUNT.to_string()]);
    let report = json(command).await?;
    check_report(&report, &net);
    assert_eq!(report["in_block"], true, "{report}");
    net.end().await
}
