//! Clients that others wrote, unmodified, against a network of ours: every call that they have.
//!
//! Not driven yet, because it needs what is not there:
//! - deploys that call stored contracts and packages, `get-dictionary-item --contract-hash`,
//!   `getDictionaryItemByName`, `get_dictionary_item` (pycspr can only name an item of a contract:
//!   the other three forms that it offers fail inside it or name the account by a contract's
//!   prefix): no contract of ours stores itself yet;
//! - delegations and bids (`create_validator_delegation` and its kind): there is no auction yet;
//! - `query_global_state` of pycspr: it sends the key as an object, which no Casper node reads; its
//!   `get_account_named_key`: it cannot read a URef, and there is no name for anything else yet;
//! - what asks no node: `generate-completion`, keys and wallets of the SDKs.

#[path = "clients/cli.rs"]
mod cli;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use casper_types::{AsymmetricType, TimeDiff};
use girrona_testkit::{Net, program};
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
    let node = net.node(2);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/transfer.py");
    let user = net.layout().user("faucet").context("there is a faucet")?;
    let mut command = Command::new(python);
    command
        .arg(script)
        .args([port(&node.rpc_url()), port(&node.rest_url()), port(&node.events_url())])
        .arg(&net.law().network.name)
        .arg(user.keys.secret_key_path())
        .args([net.public_key("bo")?.to_hex(), AMOUNT.to_string()])
        .arg(contract("hello.wasm"));
    let report = json(command).await?;
    check_report(&report, &net);
    check_calls(&report, 24);
    assert_eq!(report["peers"], 3, "{report}");
    assert!(report["metrics"].as_u64().is_some_and(|count| count > 0), "{report}");
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn casper_js_sdk_sends_deploys_and_asks_everything_it_can_ask() -> Result<()> {
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
        .args([net.public_key("bo")?.to_hex(), AMOUNT.to_string()])
        .arg(format!("{}/rpc", node.speculative_url()))
        .arg(contract("counter.wasm"));
    let report = json(command).await?;
    check_report(&report, &net);
    check_calls(&report, 29);
    assert_eq!(report["in_block"], true, "{report}");
    net.end().await
}
