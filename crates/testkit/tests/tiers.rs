//! Validators that compile contracts and validators that only interpret them, on one network: they
//! agree about every block, and nothing but a metric tells them apart.

use std::path::Path;

use anyhow::{Context, Result, bail};
use casper_types::{
    ExecutableDeployItem, Key, RuntimeArgs, U256, contracts::ContractHash, runtime_args,
};
use girrona_api::AccountIdentifier;
use girrona_testkit::{Net, Node, SECOND};

const GIRRO: u64 = 1_000_000_000;

fn token() -> Result<ExecutableDeployItem> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/wasm/token.wasm");
    let args = runtime_args! {
        "name" => "Town", "symbol" => "TWN", "decimals" => 2_u8, "supply" => U256::from(1_000),
    };
    Ok(ExecutableDeployItem::new_module_bytes(std::fs::read(path)?.into(), args))
}

/// Sends deploys of ana's and waits until all nodes tell the same result of each.
async fn run(net: &Net, sessions: Vec<ExecutableDeployItem>) -> Result<()> {
    let mut sent = Vec::new();
    for session in sessions {
        let deploy = net.draft(session, 300 * GIRRO).sign(net.key("ana")?)?;
        sent.push(net.node(0).put(deploy).await?);
    }
    for hash in sent {
        let executed = serde_json::to_value(net.wait_executed(hash, 30 * SECOND).await?)?;
        if let Some(error) = executed["result"]["Failure"]["error_message"].as_str() {
            bail!("{error}");
        }
    }
    Ok(())
}

async fn token_of_ana(net: &Net) -> Result<ContractHash> {
    let ana = net.public_key("ana")?;
    let account = net.node(0).rpc().account(AccountIdentifier::PublicKey(ana), None).await?;
    let account = serde_json::to_value(&account)?;
    let names = account["account"]["named_keys"].as_array().context("named keys")?;
    let found = names.iter().find(|pair| pair["name"] == "token").context("no token")?;
    match Key::from_formatted_str(found["key"].as_str().context("no key")?) {
        Ok(Key::Hash(hash)) => Ok(ContractHash::new(hash)),
        other => bail!("it leads to {other:?}"),
    }
}

/// How often a node ran compiled code.
async fn compiled_runs(node: &Node) -> Result<u64> {
    let text = node.get("/metrics").await?;
    let line = text
        .lines()
        .find(|line| line.contains("contracts_runs_total") && line.contains("cranelift"));
    line.and_then(|line| line.rsplit(' ').next()).map_or(Ok(0), |n| Ok(n.parse()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn validators_that_compile_contracts_agree_with_those_that_do_not() -> Result<()> {
    let net = Net::builder()
        .validators(4)
        .block_time("500ms")
        .config(|index, config| config.contracts.compile = index % 2 == 0)
        .start()
        .await?;
    run(&net, vec![token()?]).await?;
    let token = token_of_ana(&net).await?;
    let bo = Key::Account(net.public_key("bo")?.to_account_hash());
    let mut given = 0;
    let give = |amount: u64| -> ExecutableDeployItem {
        let args: RuntimeArgs = runtime_args! { "recipient" => bo, "amount" => U256::from(amount) };
        ExecutableDeployItem::new_stored_contract_by_hash(token, "transfer".to_owned(), args)
    };
    // Until both that may compile have done so, and some more.
    while compiled_runs(net.node(0)).await? < 10 || compiled_runs(net.node(2)).await? < 10 {
        assert!(given < 40, "it was never compiled");
        run(&net, (0..5).map(|more| give(1 + more)).collect()).await?;
        given += 1;
    }
    for index in [1, 3] {
        assert_eq!(compiled_runs(net.node(index)).await?, 0, "node {index} compiles");
    }
    net.all_agree().await?;
    net.end().await
}
