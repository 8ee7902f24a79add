//! Clients that others wrote, unmodified, against a network of ours: every call that they have.
//!
//! Not driven:
//! - `query_global_state` of pycspr: it sends the key as an object, which no Casper node reads; three
//!   of the four forms of its `get_dictionary_item`: they fail inside it, or name the account by a
//!   contract's prefix; its sessions by name and by version: it spells or numbers them as no
//!   Casper node does;
//! - what asks no node: `generate-completion`, keys and wallets of the SDKs.

#[path = "clients/cli.rs"]
mod cli;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use casper_types::{
    AsymmetricType, Digest, ExecutableDeployItem, Key, TimeDiff, U256, bytesrepr::ToBytes,
    runtime_args,
};
use girrona_api::AccountIdentifier;
use girrona_testkit::{Net, SECOND, program};
use girrona_types::Chainspec;
use serde_json::Value;

const AMOUNT: u64 = 2_500_000_000;

/// A contract of ours, as it is in git.
fn contract(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/wasm").join(name)
}

/// Runs a program; what it printed.
async fn run(mut command: Command) -> Result<String> {
    // The network lives in this process's runtime; it must not wait for a client.
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{}\n{out}\n{err}", output.status);
    }
    Ok(out.into_owned())
}

/// Runs a program; what it printed as JSON.
async fn json(command: Command) -> Result<Value> {
    let out = run(command).await?;
    serde_json::from_str(&out).with_context(|| format!("no JSON:\n{out}"))
}

/// What an SDK reports of its reading calls: each has to be `true`.
fn check_calls(report: &Value, least: usize) {
    let calls = report["calls"].as_object().expect("calls are reported");
    let bad: Vec<_> = calls.iter().filter(|(_, told)| **told != Value::Bool(true)).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(calls.len() >= least, "{calls:#?}");
}

/// What both SDKs report about their transfer.
fn check_report(report: &Value, net: &Net) {
    assert_eq!(report["succeeded"], true, "{report}");
    assert_eq!(report["heard"], true, "its event came: {report}");
    assert_eq!(report["gained"], AMOUNT, "{report}");
    let status = report.get("chain").or_else(|| report.get("status"));
    assert_eq!(status, Some(&Value::from(net.law().network.name.clone())), "{report}");
}

/// What the SDKs are told of a token that the faucet has stored.
struct Stored {
    token: String,
    package: String,
    /// Bo's place in its dictionary `balances`.
    item: String,
}

/// Stores a token of the faucet's.
async fn store_token(net: &Net) -> Result<Stored> {
    let args = runtime_args! {
        "name" => "Town", "symbol" => "TWN", "decimals" => 2_u8, "supply" => U256::from(1_000),
    };
    let code = std::fs::read(contract("token.wasm"))?;
    let session = ExecutableDeployItem::new_module_bytes(code.into(), args);
    let deploy = net.draft(session, 300 * AMOUNT).sign(net.key("faucet")?)?;
    let hash = net.node(0).put(deploy).await?;
    let executed = serde_json::to_value(net.wait_executed(hash, 20 * SECOND).await?)?;
    ensure!(executed["result"]["Success"].is_object(), "{executed}");
    let faucet = AccountIdentifier::PublicKey(net.public_key("faucet")?);
    let account = serde_json::to_value(net.node(0).rpc().account(faucet, None).await?)?;
    let named = |name: &str| -> Result<String> {
        let keys = account["account"]["named_keys"].as_array().context("named keys")?;
        let found = keys.iter().find(|key| key["name"] == name).context("it has the name")?;
        let text = found["key"].as_str().and_then(|key| key.strip_prefix("hash-"));
        Ok(text.context("a hash")?.to_owned())
    };
    let bo = Key::Account(net.public_key("bo")?.to_account_hash());
    let item = hex::encode(Digest::hash(bo.to_bytes()?).value());
    Ok(Stored { token: named("token")?, package: named("token_package")?, item })
}

/// A validator's public key.
fn validator(net: &Net) -> Result<String> {
    let (key, _) = net.law().genesis_validators().next().context("there is a validator")?;
    Ok(key.to_hex())
}

/// The port at the end of a URL.
fn port(url: &str) -> &str {
    url.rsplit(':').next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn pycspr_sends_deploys_and_asks_everything_it_can_ask() -> Result<()> {
    let Some(python) = program::python_with_pycspr() else { return Ok(()) };
    // It waits for the end of an era by looking at the newest block once a second.
    let short_eras = |law: &mut Chainspec| law.core.era_duration = TimeDiff::from_millis(2_500);
    let net = Net::builder().validators(4).block_time("500ms").law(short_eras).start().await?;
    let (node, stored) = (net.node(2), store_token(&net).await?);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/transfer.py");
    let user = net.layout().user("faucet").context("there is a faucet")?;
    let mut command = Command::new(python);
    command
        .arg(script)
        .args([port(&node.rpc_url()), port(&node.rest_url()), port(&node.events_url())])
        .arg(&net.law().network.name)
        .arg(user.keys.secret_key_path())
        .args([net.public_key("bo")?.to_hex(), AMOUNT.to_string()])
        .arg(contract(""))
        .args([stored.token, stored.item, validator(&net)?]);
    let report = json(command).await?;
    check_report(&report, &net);
    check_calls(&report, 33);
    assert_eq!(report["peers"], 3, "{report}");
    assert!(report["metrics"].as_u64().is_some_and(|count| count > 0), "{report}");
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn casper_js_sdk_sends_deploys_and_asks_everything_it_can_ask() -> Result<()> {
    let Some((javascript, sdk)) = program::node_with_casper_js_sdk() else { return Ok(()) };
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    let (node, stored) = (net.node(3), store_token(&net).await?);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/transfer.js");
    let user = net.layout().user("faucet").context("there is a faucet")?;
    let mut command = Command::new(javascript);
    command
        .arg(script)
        .arg(sdk)
        .args([format!("{}/rpc", node.rpc_url()), node.events_url()])
        .arg(&net.law().network.name)
        .arg(user.keys.secret_key_path())
        .args([net.public_key("bo")?.to_hex(), AMOUNT.to_string()])
        .arg(format!("{}/rpc", node.speculative_url()))
        .arg(contract("counter.wasm"))
        .args([stored.token, stored.package, stored.item])
        .args([net.system_contract("auction").await?, validator(&net)?]);
    let report = json(command).await?;
    check_report(&report, &net);
    check_calls(&report, 37);
    assert_eq!(report["in_block"], true, "{report}");
    net.end().await
}
