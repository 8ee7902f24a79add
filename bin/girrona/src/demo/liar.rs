//! A stranger who joins the network and lies: it answers every request at once, with a receipt of
//! something that no program said, signed with its own key.
//!
//! It is this program that lies, not a node: no node can be told to. What it says goes over the
//! same swarm, and is counted by the same rules, as anybody's.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use casper_types::{PublicKey, SecretKey, Timestamp};
use girrona_assembly::{
    message::{Envelope, Payload, Receipt, envelope},
    run::{End, Outcome},
};
use girrona_net::{Config, Event, Identity, Multiaddr, Net, PeerId, Topic, Verdict};
use girrona_types::NetworkId;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

/// How long it may take until a node says that it is there.
const WELCOME: Duration = Duration::from_secs(10);
/// How long its subscriptions may take to be known.
const SETTLE: Duration = Duration::from_secs(3);
/// How long a receipt of it counts, in milliseconds.
const LIFETIME_MS: u64 = 60_000;

/// A stranger in the swarm. It lies until it is stopped.
#[derive(Debug)]
pub(super) struct Liar {
    swarm: Net,
    /// In whose name it signs.
    pub(super) account: PublicKey,
}

impl Liar {
    /// Joins through a node.
    ///
    /// # Errors
    /// When nobody lets it in.
    pub(super) async fn join(network: NetworkId, node: &str) -> Result<Self> {
        let address: Multiaddr = node.parse().with_context(|| format!("read {node}"))?;
        let config = Config {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().context("an address of this machine")?],
            peers: vec![address],
            discovery: false,
            ..Config::new(Identity::generate(), network.short())
        };
        let (swarm, mut events) = Net::start(config, &mut Registry::default()).await?;
        let met = tokio::time::timeout(WELCOME, async {
            while let Some(event) = events.recv().await {
                if matches!(event, Event::Connected { .. }) {
                    return;
                }
            }
        });
        if met.await.is_err() {
            bail!("no node let the stranger in within {} s", WELCOME.as_secs());
        }
        let key = SecretKey::generate_ed25519()
            .map_err(|error| anyhow::anyhow!("make a key: {error}"))?;
        let account = PublicKey::from(&key);
        let voice = Voice { swarm: swarm.clone(), key, network, nonce: Timestamp::now().millis() };
        tokio::spawn(voice.lie(events));
        tokio::time::sleep(SETTLE).await;
        Ok(Self { swarm, account })
    }

    /// Leaves the network.
    pub(super) async fn leave(self) {
        self.swarm.stop().await;
    }
}

struct Voice {
    swarm: Net,
    key: SecretKey,
    network: NetworkId,
    nonce: u64,
}

impl Voice {
    async fn lie(mut self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Gossip { topic, from, token, items, .. } => {
                    self.swarm.judge(token, Verdict::Accept);
                    if topic == Topic::Executions
                        && let Some(bytes) = items.first()
                    {
                        self.answer(from, bytes).await;
                    }
                }
                // It says "taken" to everything and does nothing.
                Event::Asked { answer, .. } => {
                    answer.send(vec![0].into());
                }
                _ => {}
            }
        }
    }

    /// A receipt for a request that it has not executed.
    async fn answer(&mut self, from: PeerId, bytes: &[u8]) {
        let Ok(asked) = Envelope::from_bytes(bytes) else { return };
        let Some(request) = asked.request() else { return };
        let outcome = Outcome { end: End::Exit(0), stdout: [7; 32], output: None };
        let receipt = Receipt { request, outcome, stderr: [0; 32], fuel: 1, wall_ms: 1, memory: 1 };
        self.nonce += 1;
        let now = Timestamp::now().millis();
        let body = envelope::Body {
            version: envelope::VERSION,
            network: self.network,
            author: PublicKey::from(&self.key),
            nonce: self.nonce,
            created_ms: now,
            expires_ms: now + LIFETIME_MS,
            payload: Payload::Receipt(receipt),
        };
        let envelope = body.sign(&self.key).to_bytes();
        let Ok(length) = u32::try_from(envelope.len()) else { return };
        // An envelope as peers say it to each other: docs/spec/assembly.md.
        let said = [&[0][..], &length.to_le_bytes(), &envelope].concat();
        // Whoever does not listen is not lied to.
        let _ = self.swarm.ask(from, said.into()).await;
    }
}
