//! `girrona devnet` as a person uses it: start, Ctrl-C, start again.

use std::{
    io::{BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use casper_types::{ExecutableDeployItem, PublicKey, Timestamp, U512};
use girrona_api::{AccountIdentifier, Client, PurseIdentifier};
use girrona_testkit::{SECOND, Turn, program};
use girrona_types::draft::Draft;
use serde_json::Value;

/// A running `girrona devnet`.
struct Devnet {
    child: Child,
    shown: Value,
}

impl Drop for Devnet {
    fn drop(&mut self) {
        // Gone already, where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Devnet {
    /// Starts it and waits until it shows its network.
    async fn start(data: &Path, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(program::girrona()?)
            .args(["devnet", "--json", "--ports", "free", "--data"])
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("it is piped")?;
        // One JSON object, line breaks and all; then it is silent.
        let shown = tokio::task::spawn_blocking(move || {
            let mut objects =
                serde_json::Deserializer::from_reader(BufReader::new(output)).into_iter::<Value>();
            objects.next()
        })
        .await?;
        let shown = shown.context("it ended without a word")??;
        Ok(Self { child, shown })
    }

    fn text(&self, pointer: &str) -> Result<String> {
        let value = self.shown.pointer(pointer).and_then(Value::as_str);
        Ok(value.with_context(|| format!("{pointer} in {}", self.shown))?.to_owned())
    }

    fn client(&self, node: usize) -> Result<Client> {
        Ok(Client::new(&self.text(&format!("/nodes/{node}/rpc"))?)?)
    }

    fn pids(&self) -> Vec<u64> {
        let nodes = self.shown["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().filter_map(|node| node["pid"].as_u64()).collect()
    }

    /// What Ctrl-C does.
    async fn interrupt(mut self) -> Result<ExitStatus> {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -INT \"$0\"", &pid]).status()?;
        assert!(sent.success());
        let deadline = Instant::now() + 40 * SECOND;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("it does not end on Ctrl-C");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Whether a process is there.
fn lives(pid: u64) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

/// Waits until none of the processes is there.
async fn wait_gone(pids: &[u64], within: Duration) -> Result<()> {
    let deadline = Instant::now() + within;
    while pids.iter().any(|pid| lives(*pid)) {
        if Instant::now() > deadline {
            bail!("processes live on: {pids:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// The key of a user, from the file that the network shows.
fn key_of(devnet: &Devnet, name: &str) -> Result<casper_types::SecretKey> {
    let users = devnet.shown["users"].as_array().cloned().unwrap_or_default();
    let user = users.iter().find(|user| user["name"] == name).context("there is such a user")?;
    let path = PathBuf::from(user["secret_key"].as_str().context("a path")?);
    let mut pem = String::new();
    std::fs::File::open(path)?.read_to_string(&mut pem)?;
    Ok(casper_types::SecretKey::from_pem(pem)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devnet_resumes_from_its_data_and_ends_cleanly_on_ctrl_c() -> Result<()> {
    let _turn = Turn::take().await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("net");
    let first = Devnet::start(&data, &["--validators", "3", "--block-time", "500ms"]).await?;
    assert_eq!(first.shown["nodes"].as_array().map(Vec::len), Some(3));
    assert!(first.text("/casper_client")?.starts_with("casper-client transfer --node-address"));

    let (ana, bo) = (key_of(&first, "ana")?, PublicKey::from(&key_of(&first, "bo")?));
    let client = first.client(0)?;
    let session = ExecutableDeployItem::new_transfer(5_000_000_000_u64, None, bo.clone(), None);
    let draft = Draft {
        timestamp: Timestamp::now(),
        ttl: "10min".parse()?,
        gas_price: 1,
        dependencies: Vec::new(),
        chain_name: first.text("/network")?,
        payment: ExecutableDeployItem::new_standard_payment(100_000_000_u64),
        session,
    };
    let hash = client.put_deploy(draft.sign(&ana)?).await?;
    let deadline = Instant::now() + 20 * SECOND;
    let block = loop {
        if let Some(result) = client.get_deploy(hash).await?.execution_results.first() {
            break result.block_hash;
        }
        assert!(Instant::now() < deadline, "the transfer is executed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let network = first.text("/network_id")?;
    let pids = first.pids();
    assert!(first.interrupt().await?.success(), "Ctrl-C is no failure");
    wait_gone(&pids, SECOND).await?;

    let refused = Devnet::start(&data, &["--validators", "4"]).await;
    assert!(refused.is_err(), "three validators do not become four by asking");

    let second = Devnet::start(&data, &[]).await?;
    assert_eq!(second.text("/network_id")?, network);
    let client = second.client(2)?;
    assert_eq!(client.get_deploy(hash).await?.execution_results[0].block_hash, block);
    let account = AccountIdentifier::PublicKey(bo.clone());
    client.account(account, None).await?;
    let purse = PurseIdentifier::MainPurseUnderPublicKey(bo);
    let balance = client.query_balance(None, purse).await?;
    assert_eq!(balance, U512::from(100_005_000_000_000_u64));
    let height = |status: girrona_api::methods::info::GetStatusResult| {
        status.last_added_block_info.map_or(0, |block| block.height)
    };
    let before = height(client.status().await?);
    let deadline = Instant::now() + 20 * SECOND;
    while height(client.status().await?) < before + 2 {
        assert!(Instant::now() < deadline, "the resumed network makes blocks");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(second.interrupt().await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_node_outlives_a_devnet_that_is_killed() -> Result<()> {
    let _turn = Turn::take().await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("net");
    let mut devnet = Devnet::start(&data, &["--validators", "2"]).await?;
    let pids = devnet.pids();
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| lives(*pid)));
    devnet.child.kill()?;
    devnet.child.wait()?;
    wait_gone(&pids, 20 * SECOND).await
}
