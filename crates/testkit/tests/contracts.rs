//! Stored contracts on a network of processes: installed, called in every way by an unmodified
//! `casper-client`, read back from every node, closed to those who may not.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use casper_types::{
    DeployHash, Digest, ExecutableDeployItem, Key, RuntimeArgs, U256, U512,
    contracts::{ContractHash, ContractPackageHash},
    runtime_args,
};
use girrona_api::AccountIdentifier;
use girrona_testkit::{Net, SECOND, program};
use serde_json::Value;

const GIRRO: u64 = 1_000_000_000;

fn wasm(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/wasm").join(name)
}

/// One made with the next generation of Casper's library.
fn wasm_of_5(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/v5/wasm").join(name)
}

fn module(name: &str, args: RuntimeArgs) -> Result<ExecutableDeployItem> {
    let bytes = std::fs::read(wasm(name))?;
    Ok(ExecutableDeployItem::new_module_bytes(bytes.into(), args))
}

/// Sends a deploy of ana's and waits until all nodes tell the same result; the error, if any.
async fn run(
    net: &Net,
    payment: Option<ExecutableDeployItem>,
    session: ExecutableDeployItem,
) -> Result<Option<String>> {
    let mut draft = net.draft(session, 300 * GIRRO);
    draft.payment = payment.unwrap_or(draft.payment);
    let hash = net.node(0).put(draft.sign(net.key("ana")?)?).await?;
    error_of(net, hash).await
}

async fn error_of(net: &Net, hash: DeployHash) -> Result<Option<String>> {
    let executed = serde_json::to_value(net.wait_executed(hash, 20 * SECOND).await?)?;
    let failure = &executed["result"]["Failure"]["error_message"];
    Ok(failure.as_str().map(str::to_owned))
}

/// A named key of ana's account, as its 32 bytes.
async fn named(net: &Net, name: &str) -> Result<[u8; 32]> {
    let ana = net.public_key("ana")?;
    let account = net.node(2).rpc().account(AccountIdentifier::PublicKey(ana), None).await?;
    let account = serde_json::to_value(&account)?;
    let names = account["account"]["named_keys"].as_array().context("named keys")?;
    let found = names.iter().find(|pair| pair["name"] == name);
    let text = found.and_then(|pair| pair["key"].as_str()).with_context(|| format!("no {name}"))?;
    match Key::from_formatted_str(text) {
        Ok(Key::Hash(hash)) => Ok(hash),
        other => bail!("{name} leads to {other:?}"),
    }
}

fn give(to: Key, amount: u64) -> RuntimeArgs {
    runtime_args! { "recipient" => to, "amount" => U256::from(amount) }
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_are_installed_called_in_every_way_and_closed_to_strangers() -> Result<()> {
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    let bo = Key::Account(net.public_key("bo")?.to_account_hash());
    let token = runtime_args! {
        "name" => "Town", "symbol" => "TWN", "decimals" => 2_u8, "supply" => U256::from(1_000),
    };
    assert_eq!(run(&net, None, module("token.wasm", token)?).await?, None);
    assert_eq!(run(&net, None, module("payment.wasm", runtime_args! {})?).await?, None);
    let token = ContractHash::new(named(&net, "token").await?);
    let package = ContractPackageHash::new(named(&net, "token_package").await?);
    let payment = ContractHash::new(named(&net, "payment").await?);
    let call = |entry_point: &str, args: RuntimeArgs| {
        ExecutableDeployItem::new_stored_contract_by_hash(token, entry_point.to_owned(), args)
    };

    // The seed's own example: stored payment code by hash, session code as a module.
    let pay = ExecutableDeployItem::new_stored_contract_by_hash(
        payment,
        "pay".to_owned(),
        runtime_args! { "amount" => U512::from(20 * GIRRO) },
    );
    let hello = module("hello.wasm", runtime_args! { "message" => "hi" })?;
    assert_eq!(run(&net, Some(pay), hello).await?, None);

    assert_eq!(run(&net, None, call("transfer", give(bo, 7))).await?, None);
    let versioned = ExecutableDeployItem::new_stored_versioned_contract_by_hash(
        package,
        None,
        "transfer".to_owned(),
        give(bo, 5),
    );
    assert_eq!(run(&net, None, versioned).await?, None);
    let too_much = run(&net, None, call("transfer", give(bo, 5_000))).await?;
    assert_eq!(too_much.as_deref(), Some("User error: 1"));

    // Every node tells the same bill of a failure, and what to do.
    let revert = module("revert.wasm", runtime_args! { "code" => 7_u32 })?;
    let failing = net.draft(revert, 5 * GIRRO).sign(net.key("ana")?)?;
    let failing = net.node(2).put(failing).await?;
    assert_eq!(error_of(&net, failing).await?.as_deref(), Some("User error: 7"));
    let bill = net.node(0).rpc().explain_deploy(failing).await?;
    for node in net.nodes() {
        assert_eq!(node.rpc().explain_deploy(failing).await?, bill, "{}", node.name());
    }
    assert_eq!(bill.error_message.as_deref(), Some("User error: 7"));
    assert!(bill.advice.is_some_and(|advice| advice.contains("code 7")));
    let bill = bill.bill;
    assert_eq!(bill.fee, net.law().core.penalty_payment, "it used less");
    assert_eq!((bill.used + bill.penalty, bill.fee + bill.refund), (bill.fee, bill.offered));
    let session = bill.session;
    assert_eq!(session.instructions + session.host_functions + session.storage, session.used);

    // A stranger may not mint; what does not exist is refused before anything runs.
    let mint = net.draft(call("mint", give(bo, 1)), 20 * GIRRO).sign(net.key("bo")?)?;
    let mint = net.node(1).put(mint).await?;
    assert_eq!(error_of(&net, mint).await?.as_deref(), Some("Invalid context"));
    let burn = net.draft(call("burn", give(bo, 1)), 20 * GIRRO).sign(net.key("ana")?)?;
    let refusal = format!("{:#}", net.node(1).put(burn).await.unwrap_err());
    assert!(refusal.contains("contract does not have burn"), "{refusal}");

    // Every node has the same contract in its state, and the same balance in its dictionary.
    let item = hex::encode(Digest::hash(casper_types::bytesrepr::ToBytes::to_bytes(&bo)?).value());
    for node in net.nodes() {
        let key = Key::Hash(token.value()).to_formatted_string();
        let stored = node.rpc().query_global_state(None, key.clone(), Vec::new()).await?;
        let stored = serde_json::to_value(&stored)?;
        let points = &stored["stored_value"]["Contract"]["entry_points"];
        assert_eq!(points.as_array().map(Vec::len), Some(7), "{stored}");
        let root = node.rpc().state_root_hash(None).await?.context("there is a root")?;
        let dictionary = serde_json::from_value(serde_json::json!({
            "ContractNamedKey": {
                "key": key, "dictionary_name": "balances", "dictionary_item_key": item,
            }
        }))?;
        let found = serde_json::to_value(node.rpc().dictionary_item(root, dictionary).await?)?;
        assert_eq!(found["stored_value"]["CLValue"]["parsed"], "12", "{found}");
    }
    net.all_agree().await?;
    net.end().await
}

/// `casper-client put-deploy` with these session options; the error of the executed deploy.
async fn cli(net: &Net, client: &Path, session: &[&str]) -> Result<Option<String>> {
    let user = net.layout().user("ana").context("there is ana")?;
    let mut command = Command::new(client);
    command.args(["put-deploy", "--node-address", &net.node(3).rpc_url()]);
    command.args(["--chain-name", &net.law().network.name, "--payment-amount", "300000000000"]);
    command.arg("--secret-key").arg(user.keys.secret_key_path()).args(session);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{session:?}: {}\n{out}\n{err}", output.status);
    }
    let answer: Value = serde_json::from_str(&out)?;
    let hash = answer["result"]["deploy_hash"].as_str().context("a deploy hash")?;
    error_of(net, DeployHash::new(Digest::from_hex(hash)?)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn casper_client_installs_and_calls_a_contract() -> Result<()> {
    let Some(client) = program::requires("casper-client", program::casper_client()) else {
        return Ok(());
    };
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    let path = wasm("token.wasm").display().to_string();
    let install = [
        "--session-path",
        &path,
        "--session-arg",
        "name:string='Town'",
        "--session-arg",
        "symbol:string='TWN'",
        "--session-arg",
        "decimals:u8='2'",
        "--session-arg",
        "supply:u256='1000'",
    ];
    assert_eq!(cli(&net, &client, &install).await?, None);
    let token = format!("hash-{}", hex::encode(named(&net, "token").await?));
    let package = format!("hash-{}", hex::encode(named(&net, "token_package").await?));
    let bo = Key::Account(net.public_key("bo")?.to_account_hash()).to_formatted_string();
    let recipient = format!("recipient:key='{bo}'");
    let args = |found: &[&str]| -> Vec<String> {
        let fixed = ["--session-entry-point", "transfer", "--session-arg", &recipient];
        let amount = ["--session-arg", "amount:u256='5'"];
        found.iter().chain(&fixed).chain(&amount).map(|word| (*word).to_owned()).collect()
    };
    for found in [
        &["--session-hash", &token][..],
        &["--session-name", "token"],
        &["--session-package-hash", &package],
        &["--session-package-name", "token_package", "--session-version", "1"],
    ] {
        let words = args(found);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(cli(&net, &client, &words).await?, None, "{found:?}");
    }
    net.all_agree().await?;
    net.end().await
}

/// The item of a dictionary of a contract, as every node tells it.
async fn item(net: &Net, contract: [u8; 32], dictionary: &str, item: &str) -> Result<Value> {
    let mut told = Vec::new();
    for node in net.nodes() {
        let root = node.rpc().state_root_hash(None).await?.context("there is a root")?;
        let identifier = serde_json::from_value(serde_json::json!({
            "ContractNamedKey": {
                "key": Key::Hash(contract).to_formatted_string(),
                "dictionary_name": dictionary,
                "dictionary_item_key": item,
            }
        }))?;
        let found = serde_json::to_value(node.rpc().dictionary_item(root, identifier).await?)?;
        told.push(found["stored_value"]["CLValue"]["parsed"].clone());
    }
    let first = told.first().context("there are nodes")?.clone();
    if told.iter().any(|value| *value != first) {
        bail!("nodes disagree about {item}: {told:?}");
    }
    Ok(first)
}

#[tokio::test(flavor = "multi_thread")]
async fn casper_client_takes_a_contract_of_casper_2_through_its_life() -> Result<()> {
    let Some(client) = program::requires("casper-client", program::casper_client()) else {
        return Ok(());
    };
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    let path = wasm_of_5("scores.wasm").display().to_string();
    let step = |step: &str, version: u32| -> Vec<String> {
        let (step, version) = (format!("step:string='{step}'"), format!("version:u32='{version}'"));
        ["--session-path", &path, "--session-arg", &step, "--session-arg", &version]
            .map(str::to_owned)
            .into()
    };
    let run = async |words: Vec<String>| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        cli(&net, &client, &words).await
    };
    assert_eq!(run(step("install", 0)).await?, None);
    let first = named(&net, "scores_1").await?;
    let package = format!("hash-{}", hex::encode(named(&net, "scores_package").await?));
    let hash = format!("hash-{}", hex::encode(first));
    let call = |found: &[&str], entry_point: &str| -> Vec<String> {
        let entry_point = ["--session-entry-point", entry_point];
        let args = ["--session-arg", "player:string='eva'", "--session-arg", "points:u64='1'"];
        found.iter().chain(&entry_point).chain(&args).map(|word| (*word).to_owned()).collect()
    };
    let ways = [
        &["--session-hash", &hash][..],
        &["--session-name", "scores_1"],
        &["--session-package-hash", &package, "--session-version", "1"],
        &["--session-package-name", "scores_package", "--session-version", "1"],
        &["--session-package-name", "scores_package"],
    ];
    for found in ways {
        assert_eq!(run(call(found, "add")).await?, None, "{found:?}");
    }
    net.all_agree().await?;
    assert_eq!(item(&net, first, "scores", "eva").await?, 5);

    assert_eq!(run(step("upgrade", 0)).await?, None);
    let newest = ["--session-package-name", "scores_package"];
    assert_eq!(run(call(&newest, "add_double")).await?, None);
    assert_eq!(run(step("disable", 1)).await?, None);
    let disabled = run(call(&["--session-name", "scores_1"], "add")).await;
    let told = match disabled {
        Ok(error) => error.unwrap_or_default(),
        Err(refusal) => format!("{refusal:#}"),
    };
    assert!(told.contains("disabled"), "{told}");
    let second = named(&net, "scores_2").await?;
    net.all_agree().await?;
    assert_eq!(item(&net, second, "scores", "eva").await?, 7);

    // A message of a contract is there for clients that have never heard of messages.
    let herald = wasm_of_5("herald.wasm").display().to_string();
    assert_eq!(cli(&net, &client, &["--session-path", &herald]).await?, None);
    let tell = [
        "--session-name",
        "herald",
        "--session-entry-point",
        "tell",
        "--session-arg",
        "topic:string='news'",
        "--session-arg",
        "text:string='hear ye'",
    ];
    assert_eq!(cli(&net, &client, &tell).await?, None);
    let herald = named(&net, "herald").await?;
    net.all_agree().await?;
    assert_eq!(item(&net, herald, "messages:news", "0").await?, "hear ye");
    net.end().await
}
