//! `casper-client` 2.0.0: every verb that asks a node or prepares what another one sends.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use anyhow::{Context, Result, ensure};
use casper_types::{AsymmetricType, DeployHash, Digest};
use girrona_api::{BlockIdentifier, METHODS, PurseIdentifier};
use girrona_testkit::{Net, SECOND, program};
use girrona_types::{Chainspec, config};
use serde_json::Value;

use super::{AMOUNT, contract, json, run};

const MESSAGE: &str = "it's a \"message\"";

/// Verbs that neither ask a node nor make anything for one.
const NOT_DRIVEN: [&str; 2] = ["generate-completion", "help"];
/// Verbs that its help does not show.
const HIDDEN: [&str; 2] = ["get-balance", "get-era-info"];

/// `casper-client` with one node.
struct Cli<'a> {
    program: PathBuf,
    net: &'a Net,
    /// The verbs that were used.
    driven: Mutex<BTreeSet<String>>,
}

impl Cli<'_> {
    /// A call that asks nobody.
    fn command(&self, arguments: &[&str]) -> Command {
        if let (Some(verb), Ok(mut driven)) = (arguments.first(), self.driven.lock()) {
            driven.insert((*verb).to_owned());
        }
        let mut command = Command::new(&self.program);
        command.args(arguments);
        command
    }

    async fn ask(&self, arguments: &[&str]) -> Result<Value> {
        self.ask_at(&self.net.node(1).rpc_url(), arguments).await
    }

    async fn ask_at(&self, url: &str, arguments: &[&str]) -> Result<Value> {
        let mut command = self.command(arguments);
        command.args(["--node-address", url]);
        let answer = json(command).await.with_context(|| arguments.join(" "))?;
        // `list-deploys` prints its result without the envelope.
        Ok(if answer["result"].is_object() { answer["result"].clone() } else { answer })
    }

    fn key_of(&self, user: &str) -> Result<String> {
        let user = self.net.layout().user(user).context("there is such a user")?;
        Ok(user.keys.secret_key_path().display().to_string())
    }

    /// Sends a deploy of ana's and waits until every node has executed it.
    async fn send(&self, arguments: &[&str]) -> Result<DeployHash> {
        let key = self.key_of("ana")?;
        let chain = &self.net.law().network.name;
        let common = ["--chain-name", chain, "--secret-key", &key];
        let answer = self.ask(&[arguments, &common].concat()).await?;
        self.executed(&answer).await
    }

    /// Waits until every node has executed the deploy of an answer.
    async fn executed(&self, answer: &Value) -> Result<DeployHash> {
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
    let cli = Cli { program, net: &net, driven: Mutex::default() };
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

    reads_chain_and_validators(&cli, &block).await?;
    tries_deploys_out(&cli).await?;
    makes_signs_and_sends(&cli).await?;
    drove_every_verb(&cli).await?;
    net.end().await
}

/// Eras, validators, rules, methods, and what a block moved.
async fn reads_chain_and_validators(cli: &Cli<'_>, block: &str) -> Result<()> {
    let law = cli.net.law();
    let moved = cli.ask(&["get-block-transfers", "--block-identifier", block]).await?;
    assert_eq!(moved["transfers"][0]["amount"], AMOUNT.to_string());
    let root = cli.ask(&["get-state-root-hash", "--block-identifier", "1"]).await?;
    let root = root["state_root_hash"].as_str().context("a root")?.to_owned();
    let ana = cli.net.public_key("ana")?.to_hex();
    let account = cli.ask(&["get-account", "--public-key", &ana]).await?;
    let purse = account["account"]["main_purse"].as_str().context("a purse")?.to_owned();
    let balance =
        cli.ask(&["get-balance", "--state-root-hash", &root, "--purse-uref", &purse]).await?;
    assert!(balance["balance_value"].as_str().is_some_and(|motes| motes.len() > 9), "{balance}");

    // Genesis ends an era; the block after it does not.
    let ended = cli.ask(&["get-era-info", "--block-identifier", "0"]).await?;
    assert_eq!(ended["era_summary"]["era_id"], 0);
    let none = cli.ask(&["get-era-info", "--block-identifier", "1"]).await?;
    assert_eq!(none["era_summary"], Value::Null);
    let summary = cli.ask(&["get-era-summary", "--block-identifier", block]).await?;
    assert_eq!(summary["era_summary"]["block_hash"], block);
    let info = &summary["era_summary"]["stored_value"]["EraInfo"];
    assert!(info["seigniorage_allocations"].is_array(), "{summary}");

    let auction = cli.ask(&["get-auction-info"]).await?["auction_state"].take();
    let bids = auction["bids"].as_array().context("bids")?;
    assert_eq!(bids.len(), 4, "{auction}");
    for (key, stake) in law.genesis_validators() {
        let key = Value::from(key.to_hex());
        let bid = bids.iter().find(|bid| bid["public_key"] == key).context("its bid")?;
        assert_eq!(bid["bid"]["staked_amount"], stake.to_string());
        let weights = auction["era_validators"][0]["validator_weights"].as_array();
        let weight = weights.context("weights")?.iter().find(|weight| weight["public_key"] == key);
        assert_eq!(weight.context("its weight")?["weight"], stake.to_string());
    }
    let changes = cli.ask(&["get-validator-changes"]).await?;
    assert_eq!(changes["changes"], Value::Array(Vec::new()), "the same validate as at genesis");

    let rpcs = cli.ask(&["list-rpcs"]).await?;
    let methods = rpcs["schema"]["methods"].as_array().context("methods")?;
    let names: Vec<_> = methods.iter().filter_map(|method| method["name"].as_str()).collect();
    assert_eq!(names, METHODS);

    let chainspec = cli.ask(&["get-chainspec"]).await?;
    assert!(chainspec["chainspec_bytes"]["chainspec_bytes"].is_string(), "{chainspec}");
    let mut whole = cli.command(&["get-chainspec", "-vv"]);
    whole.args(["--node-address", &cli.net.node(1).rpc_url()]);
    let printed = run(whole).await?;
    // The files follow the last line of the JSON that it prints first.
    let (_, toml) = printed.rsplit_once("\n}\n").context("JSON, then TOML")?;
    let printed: Chainspec = config::parse(toml).map_err(anyhow::Error::msg)?;
    assert_eq!(printed.network_id(), law.network_id());
    Ok(())
}

/// On the port of its own and on the main one, now and after a past block.
async fn tries_deploys_out(cli: &Cli<'_>) -> Result<()> {
    let node = cli.net.node(1);
    let (chain, key) = (&cli.net.law().network.name, cli.key_of("ana")?);
    let target = cli.net.public_key("bo")?.to_hex();
    let before = cli.ask(&["query-balance", "--purse-identifier", &target]).await?;
    let (amount, common) = (AMOUNT.to_string(), ["--chain-name", chain, "--secret-key", &key]);
    let transfer = [
        "transfer",
        "--amount",
        &amount,
        "--transfer-id",
        "9",
        "--payment-amount",
        "100000000",
        "--target-account",
        &target,
    ];
    for url in [node.speculative_url(), node.rpc_url()] {
        for after in ["--speculative-exec=", "--speculative-exec=0"] {
            let told = cli.ask_at(&url, &[&transfer[..], &[after], &common].concat()).await?;
            let result = &told["execution_result"]["Success"];
            assert_eq!(result["cost"], "100000000", "{told}");
            assert_eq!(result["transfers"].as_array().map(Vec::len), Some(1), "{told}");
        }
    }
    let after = cli.ask(&["query-balance", "--purse-identifier", &target]).await?;
    assert_eq!(after["balance"], before["balance"], "nothing moved");

    // Code: one that ends well, one that never ends by itself.
    let (hello, spin) = (contract("hello.wasm"), contract("spin.wasm"));
    let session = |wasm: &Path| {
        ["put-deploy", "--speculative-exec=", "--payment-amount", "5000000000", "--session-path"]
            .map(str::to_owned)
            .into_iter()
            .chain([wasm.display().to_string(), "--session-arg".to_owned()])
            .chain(["message:string='x'".to_owned()])
            .collect::<Vec<_>>()
    };
    let url = node.speculative_url();
    let ask = async |wasm: &Path| {
        let arguments = session(wasm);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        cli.ask_at(&url, &[&arguments[..], &common].concat()).await
    };
    let told = ask(&hello).await?;
    assert!(told["execution_result"]["Success"].is_object(), "{told}");
    let told = ask(&spin).await?;
    assert_eq!(told["execution_result"]["Failure"]["error_message"], "Out of gas error", "{told}");
    Ok(())
}

/// A transfer that is made, tried out unsigned, signed and sent; and code that is made and sent.
async fn makes_signs_and_sends(cli: &Cli<'_>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (chain, key) = (&cli.net.law().network.name, cli.key_of("ana")?);
    let bo = cli.net.public_key("bo")?.to_hex();
    let amount = AMOUNT.to_string();
    let (made, transfer, signed) = (file("made.json"), file("bare.json"), file("signed.json"));
    let make = cli.command(&[
        "make-transfer",
        "--amount",
        &amount,
        "--transfer-id",
        "10",
        "--payment-amount",
        "100000000",
        "--target-account",
        &bo,
        "--chain-name",
        chain,
        "--secret-key",
        &key,
        "--output",
        &made,
    ]);
    run(make).await?;
    // It makes none without a key, so its signature is taken off.
    let mut unsigned: Value = serde_json::from_str(&std::fs::read_to_string(&made)?)?;
    unsigned["approvals"] = Value::Array(Vec::new());
    std::fs::write(&transfer, unsigned.to_string())?;
    let url = cli.net.node(1).speculative_url();
    let told =
        cli.ask_at(&url, &["send-deploy", "--speculative-exec=", "--input", &transfer]).await?;
    assert!(told["execution_result"]["Success"].is_object(), "{told}");
    let refused = cli.ask(&["send-deploy", "--input", &transfer]).await;
    assert!(format!("{:#}", refused.unwrap_err()).contains("has no approvals"));

    let sign = ["sign-deploy", "--input", &transfer, "--secret-key", &key, "--output", &signed];
    run(cli.command(&sign)).await?;
    let sent = cli.executed(&cli.ask(&["send-deploy", "--input", &signed]).await?).await?;
    cli.deploy_succeeded(sent).await?;

    let (code, wasm) = (file("code.json"), contract("hello.wasm").display().to_string());
    let make = cli.command(&[
        "make-deploy",
        "--payment-amount",
        "5000000000",
        "--session-path",
        &wasm,
        "--session-arg",
        "message:string='made'",
        "--chain-name",
        chain,
        "--secret-key",
        &key,
        "--output",
        &code,
    ]);
    run(make).await?;
    let sent = cli.executed(&cli.ask(&["send-deploy", "--input", &code]).await?).await?;
    cli.deploy_succeeded(sent).await?;

    // Its keys are keys for us.
    let keys = file("keys");
    run(cli.command(&["keygen", &keys])).await?;
    let made = girrona_devnet::KeyFolder::open(&keys).public_key()?;
    let address = run(cli.command(&["account-address", "--public-key", &made.to_hex()])).await?;
    assert_eq!(address.trim(), made.to_account_hash().to_formatted_string());
    Ok(())
}

/// Its own help says which verbs there are.
async fn drove_every_verb(cli: &Cli<'_>) -> Result<()> {
    let mut help = Command::new(&cli.program);
    help.arg("--help");
    let help = run(help).await?;
    let (_, commands) = help.split_once("Commands:\n").context("a list of commands")?;
    let (commands, _) = commands.split_once("\n\n").context("the list's end")?;
    let verbs = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|verb| !verb.is_empty() && !NOT_DRIVEN.contains(verb));
    let verbs: BTreeSet<String> = verbs.chain(HIDDEN).map(str::to_owned).collect();
    ensure!(verbs.len() > 20, "{help}");
    let driven = cli.driven.lock().map_or_else(|_| BTreeSet::new(), |driven| driven.clone());
    assert_eq!(driven, verbs);
    Ok(())
}
