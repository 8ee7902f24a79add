//! A network under test.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use casper_types::{
    BlockHash, Deploy, DeployHash, Digest, ExecutableDeployItem, PublicKey, SecretKey, TimeDiff,
    Timestamp,
};
use futures::future::try_join_all;
use girrona_api::{BlockIdentifier, methods::info::JsonExecutionResult};
use girrona_devnet::{Layout, Ports, Spec};
use girrona_node::NodeConfig;
use girrona_types::{Chainspec, draft::Draft};
use tempfile::TempDir;

use crate::{links::Links, node::Node, program, turn::Turn};

/// What a native transfer pays.
const TRANSFER_PAYMENT: u64 = 100_000_000;
/// How long deploys of the kit may wait.
const TTL: TimeDiff = TimeDiff::from_seconds(30 * 60);

/// What network a test wants.
#[derive(Debug)]
pub struct Builder {
    spec: Spec,
    held_back: Vec<usize>,
    configs: Vec<fn(usize, &mut NodeConfig)>,
    problems: Vec<String>,
}

impl Builder {
    /// Nodes that vote; 4 unless said otherwise.
    #[must_use]
    pub fn validators(mut self, count: usize) -> Self {
        self.spec.validators = count;
        self
    }

    /// Nodes that only follow; none unless said otherwise.
    #[must_use]
    pub fn observers(mut self, count: usize) -> Self {
        self.spec.observers = count;
        self
    }

    /// Time between blocks in words, such as `500ms`; `1s` unless said otherwise.
    #[must_use]
    pub fn block_time(mut self, words: &str) -> Self {
        match words.parse() {
            Ok(block_time) => self.spec = self.spec.with_block_time(block_time),
            Err(_) => self.problems.push(format!("`{words}` is no time between blocks")),
        }
        self
    }

    /// Stakes of the validators in GIRRO.
    #[must_use]
    pub fn stakes(mut self, girro: &[u64]) -> Self {
        self.spec.stakes = girro.to_vec();
        self
    }

    /// One more funded account.
    #[must_use]
    pub fn user(mut self, name: &str, girro: u64) -> Self {
        self.spec.users.push((name.to_owned(), girro));
        self
    }

    /// Changes the rules of the network.
    #[must_use]
    pub fn law(mut self, change: impl FnOnce(&mut Chainspec)) -> Self {
        change(&mut self.spec.law);
        self
    }

    /// Changes the configuration of each node.
    #[must_use]
    pub fn config(mut self, change: fn(usize, &mut NodeConfig)) -> Self {
        self.configs.push(change);
        self
    }

    /// Does not start this node; [`Net::restart`] does.
    #[must_use]
    pub fn hold_back(mut self, index: usize) -> Self {
        self.held_back.push(index);
        self
    }

    /// Lays the network out and starts it.
    ///
    /// # Errors
    /// When a node does not start; its folder is kept.
    pub async fn start(self) -> Result<Net> {
        if !self.problems.is_empty() {
            bail!(self.problems.join("; "));
        }
        let program = program::girrona()?;
        let turn = Turn::take().await?;
        let folder = tempfile::Builder::new().prefix("girrona-test-").tempdir()?;
        let layout = Layout::create(folder.path().join("net"), &self.spec)?;
        let mut swarm_ports = Vec::new();
        for place in &layout.nodes {
            swarm_ports.push(tcp_port(&place.config()?)?);
        }
        let links = Links::lay(&swarm_ports).await?;
        let mut nodes = Vec::new();
        for (index, place) in layout.nodes.iter().enumerate() {
            place.change_config(|config| {
                // Only what goes through the wires can be cut.
                config.swarm.listen.retain(|address| address.contains("/tcp/"));
                config.swarm.discovery = false;
                config.swarm.peers = (0..swarm_ports.len())
                    .filter(|other| *other != index)
                    .map(|other| format!("/ip4/127.0.0.1/tcp/{}", links.port(index, other)))
                    .collect();
                for change in &self.configs {
                    change(index, config);
                }
            })?;
            nodes.push(Node::new(index, place.clone(), program.clone())?);
        }
        let mut keys = BTreeMap::new();
        for user in &layout.users {
            keys.insert(user.name.clone(), user.keys.secret_key()?);
        }
        let net =
            Net { nodes, keys, links, layout, folder: Some(folder), ended: false, _turn: turn };
        let first = net.nodes.iter().filter(|node| !self.held_back.contains(&node.index()));
        try_join_all(first.map(Node::start)).await?;
        Ok(net)
    }
}

/// A network of real processes. Drop it without [`Net::end`] and its folder is kept, for whoever
/// wants to know why.
#[derive(Debug)]
pub struct Net {
    nodes: Vec<Node>,
    keys: BTreeMap<String, SecretKey>,
    links: Links,
    layout: Layout,
    folder: Option<TempDir>,
    ended: bool,
    // The next network waits for this.
    _turn: Turn,
}

impl Drop for Net {
    fn drop(&mut self) {
        if !self.ended
            && let Some(folder) = self.folder.take()
        {
            eprintln!("the network's files are kept in {}", folder.keep().display());
        }
    }
}

impl Net {
    /// A network of four validators with a block a second, to be changed.
    pub fn builder() -> Builder {
        let spec = Spec { ports: Ports::Free, discovery: false, ..Spec::default() };
        Builder { spec, held_back: Vec::new(), configs: Vec::new(), problems: Vec::new() }
    }

    /// A node by number; validators come first.
    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes that run.
    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    /// The network's rules.
    pub fn law(&self) -> &Chainspec {
        &self.layout.law
    }

    /// What lies on disk.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Ends a node as `kill -9` does.
    ///
    /// # Errors
    /// When it does not run, or ended by itself before.
    pub async fn kill9(&self, index: usize) -> Result<()> {
        self.nodes[index].kill9().await
    }

    /// Asks a node to stop and waits.
    ///
    /// # Errors
    /// When it ends in another way.
    pub async fn stop(&self, index: usize) -> Result<()> {
        self.nodes[index].stop().await
    }

    /// Starts a node that does not run, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn restart(&self, index: usize) -> Result<()> {
        self.nodes[index].start().await
    }

    /// Cuts a node off from all others; clients still reach it.
    pub fn cut(&self, index: usize) {
        self.links.set_cut(index, true);
    }

    /// Ends a cut.
    pub fn heal(&self, index: usize) {
        self.links.set_cut(index, false);
    }

    /// The secret key of a funded account.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn key(&self, user: &str) -> Result<&SecretKey> {
        self.keys.get(user).with_context(|| format!("the network has no user {user}"))
    }

    /// The public key of a funded account.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn public_key(&self, user: &str) -> Result<PublicKey> {
        Ok(PublicKey::from(self.key(user)?))
    }

    /// A system contract's hash in hex, as a client learns it from the registry.
    ///
    /// # Errors
    /// When the first running node does not answer, or there is no contract of that name.
    pub async fn system_contract(&self, name: &str) -> Result<String> {
        let node = self.running().next().context("no node runs")?;
        let registry = format!("system-contract-registry-{}", "0".repeat(64));
        let found = node.rpc().query_global_state(None, registry, Vec::new()).await?;
        let found = serde_json::to_value(&found)?;
        let pairs = found["stored_value"]["CLValue"]["parsed"].as_array().context("a registry")?;
        let pair = pairs.iter().find(|pair| pair["key"] == name);
        let text = pair.and_then(|pair| pair["value"].as_str());
        let text = text.with_context(|| format!("{name} is not in the registry"))?;
        Ok(text.rsplit_once('-').map_or(text, |(_, hash)| hash).to_owned())
    }

    /// A deploy for this network, made now.
    pub fn draft(&self, session: ExecutableDeployItem, payment: u64) -> Draft {
        Draft {
            timestamp: Timestamp::now(),
            ttl: TTL,
            gas_price: 1,
            dependencies: Vec::new(),
            chain_name: self.law().network.name.clone(),
            payment: ExecutableDeployItem::new_standard_payment(payment),
            session,
        }
    }

    /// A signed native transfer between two users; no two are the same.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn transfer(&self, from: &str, to: &str, motes: u64) -> Result<Deploy> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let target = self.public_key(to)?;
        let session = ExecutableDeployItem::new_transfer(motes, None, target, Some(id));
        Ok(self.draft(session, TRANSFER_PAYMENT).sign(self.key(from)?)?)
    }

    /// Waits until every running node has executed a deploy; all must tell the same.
    ///
    /// # Errors
    /// When one has not in time, or tells another result.
    pub async fn wait_executed(
        &self,
        hash: DeployHash,
        within: Duration,
    ) -> Result<JsonExecutionResult> {
        let waits = self.running().map(|node| node.wait_executed(hash, within));
        let results = try_join_all(waits).await?;
        let first = results.first().context("no node runs")?;
        if results.iter().any(|result| result != first) {
            bail!("nodes tell different results of {hash}: {results:?}");
        }
        Ok(first.clone())
    }

    /// Waits until every running node has the block at a height.
    ///
    /// # Errors
    /// When one has not in time.
    pub async fn wait_height(&self, height: u64, within: Duration) -> Result<()> {
        try_join_all(self.running().map(|node| node.wait_height(height, within))).await?;
        Ok(())
    }

    /// Checks that all running nodes have the same block with the same state root at every height
    /// that all of them have; returns the highest.
    ///
    /// # Errors
    /// When two differ; says where.
    pub async fn all_agree(&self) -> Result<u64> {
        let nodes: Vec<&Node> = self.running().collect();
        let heights = try_join_all(nodes.iter().map(|node| node.height())).await?;
        let common = heights.iter().min().copied().context("no node runs")?;
        for height in 0..=common {
            let blocks = try_join_all(nodes.iter().map(|node| block_id(node, height))).await?;
            if blocks.iter().any(|block| *block != blocks[0]) {
                let told: Vec<_> = nodes.iter().map(|node| node.name()).zip(&blocks).collect();
                bail!("nodes differ at height {height}: {told:?}");
            }
        }
        Ok(common)
    }

    /// Stops every node and deletes the network's folder.
    ///
    /// # Errors
    /// When a node ended by itself before, or did not stop cleanly; the folder is kept.
    pub async fn end(mut self) -> Result<()> {
        for node in &self.nodes {
            node.stop().await?;
        }
        self.ended = true;
        Ok(())
    }
}

/// A node's block at a height: hash and state root.
async fn block_id(node: &Node, height: u64) -> Result<(BlockHash, Digest)> {
    let answer = node.rpc().block(Some(BlockIdentifier::Height(height))).await;
    let block = answer.with_context(|| node.name().to_owned())?.block;
    let block = block.with_context(|| format!("{} has no block {height}", node.name()))?;
    Ok((block.hash, *block.header.state_root_hash()))
}

/// The port on which a node's swarm listens by TCP.
fn tcp_port(config: &NodeConfig) -> Result<u16> {
    let address = config.swarm.listen.iter().find_map(|address| address.split_once("/tcp/"));
    let (_, port) = address.context("the layout gives every node a TCP address")?;
    Ok(port.parse()?)
}
