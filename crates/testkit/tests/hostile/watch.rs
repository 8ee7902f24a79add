//! A look at the nodes while somebody attacks them, and after.

use std::{collections::BTreeMap, future::Future, pin::pin, time::Duration};

use anyhow::{Context, Result, ensure};
use casper_types::{PublicKey, U512};
use girrona_api::PurseIdentifier;
use girrona_testkit::{Net, Node, SECOND};

/// How long an honest client waits at most, on a slow machine and in the middle of a flood.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a flood lasts.
pub(crate) const FLOOD: Duration = Duration::from_secs(5);
/// What a node may hold, in bytes.
const MEMORY_MAX: u64 = 1 << 30;
const MOTES: u64 = 2_500_000_000;

/// Does something, and meanwhile makes sure that every node lives and stays small.
pub(crate) async fn watched<T>(net: &Net, work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut work = pin!(work);
    let mut most = 0;
    loop {
        tokio::select! {
            result = &mut work => {
                println!("no node held more than {} MiB", most >> 20);
                return result;
            }
            () = tokio::time::sleep(Duration::from_millis(50)) => {
                for node in net.nodes() {
                    most = most.max(memory_of(node).await?);
                }
            }
        }
    }
}

/// What a living node holds.
async fn memory_of(node: &Node) -> Result<u64> {
    let ended = node.exit_status().await;
    ensure!(ended.is_none(), "{} has ended: {ended:?}", node.name());
    let memory = node.resident_memory()?;
    ensure!(memory < MEMORY_MAX, "{} holds {} MiB", node.name(), memory >> 20);
    Ok(memory)
}

/// An honest client's transfer, through one node, executed by all.
pub(crate) async fn serves(net: &Net, node: &Node) -> Result<()> {
    let bo = net.public_key("bo")?;
    let before = balance(node, &bo).await?;
    let deploy = net.transfer("ana", "bo", MOTES)?;
    let hash = node.put(deploy).await?;
    net.wait_executed(hash, PATIENCE).await?;
    ensure!(balance(node, &bo).await? >= before + MOTES, "the transfer did not arrive");
    Ok(())
}

/// All nodes live, are small, agree, make blocks and serve.
pub(crate) async fn unharmed(net: &Net) -> Result<()> {
    for node in net.nodes() {
        memory_of(node).await?;
    }
    let height = net.node(0).height().await?;
    serves(net, net.node(0)).await?;
    net.wait_height(height + 2, PATIENCE).await?;
    net.all_agree().await?;
    Ok(())
}

pub(crate) async fn balance(node: &Node, account: &PublicKey) -> Result<U512> {
    let purse = PurseIdentifier::MainPurseUnderPublicKey(account.clone());
    node.rpc().query_balance(None, purse).await.with_context(|| node.name().to_owned())
}

/// How often each thing happened.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<String, usize>);

impl Tally {
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    pub(crate) fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }

    pub(crate) fn only(&self, expected: &[&str]) -> Result<()> {
        let odd: Vec<_> = self.0.keys().filter(|what| !expected.contains(&what.as_str())).collect();
        ensure!(odd.is_empty(), "not expected: {odd:?} in {self:?}");
        Ok(())
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let deadline = tokio::time::Instant::now() + 30 * SECOND;
    while !so().await? {
        ensure!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
