//! A peer with none of our manners: libp2p alone, for what our own swarm refuses to send.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::{AsyncWriteExt, StreamExt};
use girrona_net::{Multiaddr, PeerId, Topic};
use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, gossipsub, identify, noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use tokio::{sync::mpsc, time::timeout};

use crate::watch::PATIENCE;

#[derive(NetworkBehaviour)]
struct Manners {
    stream: libp2p_stream::Behaviour,
    gossip: gossipsub::Behaviour,
    identify: identify::Behaviour,
}

/// Words for a topic.
type Say = (Topic, Vec<u8>);

/// A stranger who was let in.
pub(crate) struct Stranger {
    victim: PeerId,
    network: String,
    control: libp2p_stream::Control,
    say: mpsc::Sender<Say>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stranger {
    /// Connects to a node of a network.
    pub(crate) async fn join(network: &str, node: Multiaddr) -> Result<Self> {
        let mut swarm = build()?;
        for topic in Topic::ALL {
            let topic = gossipsub::IdentTopic::new(topic.name(network));
            swarm.behaviour_mut().gossip.subscribe(&topic)?;
        }
        swarm.dial(node)?;
        let victim = timeout(PATIENCE, async {
            loop {
                let event = swarm.select_next_some().await;
                if let SwarmEvent::ConnectionEstablished { peer_id, .. } = event {
                    return peer_id;
                }
            }
        });
        let victim = victim.await.context("a stranger is let in")?;
        let control = swarm.behaviour().stream.new_control();
        let (say, said) = mpsc::channel(16);
        let task = tokio::spawn(speak(swarm, network.to_owned(), said));
        Ok(Self { victim, network: network.to_owned(), control, say, task })
    }

    /// Whether the node closed the connection.
    pub(crate) fn is_away(&self) -> bool {
        self.task.is_finished()
    }

    /// Gossips, whatever the size.
    pub(crate) async fn gossip(&self, topic: Topic, bytes: Vec<u8>) {
        // Away by now, perhaps; the caller looks.
        let _ = self.say.send((topic, bytes)).await;
    }

    /// Opens a stream of one of the network's own protocols and writes.
    pub(crate) async fn write(&self, protocol: &str, bytes: &[u8]) -> Result<()> {
        let name = format!("/girrona/{}/{protocol}", self.network);
        self.write_on(StreamProtocol::try_from_owned(name)?, bytes).await;
        Ok(())
    }

    /// Opens a stream for content and writes.
    pub(crate) async fn content(&self, bytes: &[u8]) {
        self.write_on(StreamProtocol::new("/ipfs/bitswap/1.2.0"), bytes).await;
    }

    async fn write_on(&self, protocol: StreamProtocol, bytes: &[u8]) {
        let mut control = self.control.clone();
        let open = control.open_stream(self.victim, protocol);
        if let Ok(Ok(mut stream)) = timeout(Duration::from_secs(2), open).await {
            // The node may close at any byte, or read no further.
            let write = async {
                let _ = stream.write_all(bytes).await;
                let _ = stream.flush().await;
            };
            let _ = timeout(Duration::from_secs(10), write).await;
            // What is dropped at once may never be read.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn build() -> Result<Swarm<Manners>> {
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key| {
            let config = gossipsub::ConfigBuilder::default()
                .max_transmit_size(64 << 20)
                .heartbeat_initial_delay(Duration::from_millis(100))
                .build()?;
            let signed = gossipsub::MessageAuthenticity::Signed(key.clone());
            let identify = identify::Config::new("/ipfs/0.1.0".into(), key.public());
            Ok(Manners {
                stream: libp2p_stream::Behaviour::new(),
                gossip: gossipsub::Behaviour::new(signed, config)?,
                identify: identify::Behaviour::new(identify),
            })
        })?
        .build();
    Ok(swarm)
}

/// After the time of publication, which every message begins with.
fn stamped(bytes: &[u8]) -> Vec<u8> {
    [&1_800_000_000_000_000_u64.to_be_bytes()[..], bytes].concat()
}

/// Speaks until the connection is closed.
async fn speak(mut swarm: Swarm<Manners>, network: String, mut said: mpsc::Receiver<Say>) {
    loop {
        tokio::select! {
            Some((topic, bytes)) = said.recv() => {
                let topic = gossipsub::IdentTopic::new(topic.name(&network));
                // Nobody may have subscribed yet; it is said again.
                let _ = swarm.behaviour_mut().gossip.publish(topic, stamped(&bytes));
            }
            event = swarm.select_next_some() => {
                if matches!(event, SwarmEvent::ConnectionClosed { .. }) {
                    return;
                }
            }
        }
    }
}
