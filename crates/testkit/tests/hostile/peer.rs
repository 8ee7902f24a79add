//! A peer that speaks our protocols well and says whatever it likes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use girrona_chain::message::{self, Request, Response};
use girrona_net::{
    Blocks, Config, Content, Event, Identity, Multiaddr, Net, NoBlocks, PeerId, Topic, Verdict,
};
use girrona_testkit::{Net as Network, Node};
use girrona_types::Height;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use crate::watch::until;

/// Where a node's swarm listens.
pub(crate) fn address(node: &Node) -> Result<Multiaddr> {
    let config = node.place().config()?;
    let listen = config.swarm.listen.first().context("it listens")?;
    // A node may listen everywhere; we are on the same machine.
    Ok(listen.replace("/0.0.0.0/", "/127.0.0.1/").parse()?)
}

/// What it heard last, by topic.
type Heard = Arc<Mutex<BTreeMap<Topic, Bytes>>>;

/// A stranger in the swarm, connected to one node. It ends when dropped.
pub(crate) struct Hostile {
    pub(crate) net: Net,
    /// The node it is connected to.
    pub(crate) victim: PeerId,
    heard: Heard,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        // The swarm ends with the receiver of its events.
        self.task.abort();
    }
}

impl Hostile {
    /// Joins a network at one of its nodes.
    pub(crate) async fn join(network: &Network, node: &Node) -> Result<Self> {
        Self::join_with(network, node, Arc::new(NoBlocks)).await
    }

    /// Joins with content to serve.
    pub(crate) async fn join_with(
        network: &Network,
        node: &Node,
        blocks: Arc<dyn Blocks>,
    ) -> Result<Self> {
        let config = Config {
            content: Content { blocks, ..Content::default() },
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
            peers: vec![address(node)?],
            discovery: false,
            ..Config::new(Identity::generate(), network.law().network_id().short())
        };
        let (net, events) = Net::start(config, &mut Registry::default()).await?;
        let heard = Heard::default();
        let task = tokio::spawn(listen(net.clone(), events, Arc::clone(&heard)));
        let connected = || net.peers().into_iter().find(|peer| peer.member);
        until("a hostile peer is let in", async || Ok(connected().is_some())).await?;
        let victim = connected().context("it has just been there")?.peer;
        Ok(Self { net, victim, heard, task })
    }

    /// Whether the node closed the connection.
    pub(crate) fn is_away(&self) -> bool {
        self.net.peers().iter().all(|peer| !peer.member)
    }

    /// What it heard last on a topic.
    pub(crate) fn heard(&self, topic: Topic) -> Option<Bytes> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(&topic).cloned()
    }
}

/// Takes note of gossip, passes nothing on, and lies about its height.
async fn listen(net: Net, mut events: mpsc::Receiver<Event>, heard: Heard) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Gossip { topic, token, items, .. } => {
                net.judge(token, Verdict::Ignore);
                if let Some(item) = items.into_iter().next() {
                    heard.lock().unwrap_or_else(PoisonError::into_inner).insert(topic, item);
                }
            }
            Event::Request { bytes, reply, .. } => {
                let lie = match message::decode::<Request>("request", &bytes) {
                    Ok(Request::Status) => Response::Status(Height(u64::MAX)),
                    Ok(Request::Pending) => Response::Pending(vec![[7; 32]; 20_000]),
                    _ => continue,
                };
                reply.send(Bytes::from(message::encode(&lie)));
            }
            Event::Asked { .. }
            | Event::Direct { .. }
            | Event::Connected { .. }
            | Event::Disconnected { .. } => {}
        }
    }
}
