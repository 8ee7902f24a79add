//! What the service, its jobs and the door have in common.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use casper_types::{Key, PublicKey, SecretKey, StoredValue, U512};
use girrona_assembly::{
    MessageId,
    message::{Envelope, Funds, Payload, envelope},
};
use girrona_http::AssemblyEvent;
use girrona_net::Net;
use girrona_state::Reader as _;
use girrona_store::{StoreReader, content::ContentStore};
use girrona_types::{Chainspec, Height, NetworkId};
use girrona_workload::Runner;
use serde_json::Value;
use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc},
};
use tracing::debug;

use super::{keep::Keep, metrics::Metrics, service::Input};
use crate::config::AssemblyConfig;

/// Everything that does not change while the node runs.
pub(crate) struct Shared {
    pub(crate) law: Arc<Chainspec>,
    pub(crate) network: NetworkId,
    key: SecretKey,
    /// Whose receipts and holdings they are.
    pub(crate) account: PublicKey,
    pub(crate) token: String,
    pub(crate) config: AssemblyConfig,
    pub(crate) net: Net,
    pub(crate) content: ContentStore,
    pub(crate) keep: Keep,
    pub(crate) runner: Runner,
    pub(crate) metrics: Metrics,
    chain: StoreReader,
    pub(crate) runtime: Handle,
    /// Into the service's queue.
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) events: broadcast::Sender<AssemblyEvent>,
    next_event: AtomicU64,
    last_nonce: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("account", &self.account).finish_non_exhaustive()
    }
}

/// What a [`Shared`] is made of.
pub(crate) struct Parts {
    pub(crate) law: Arc<Chainspec>,
    pub(crate) key: SecretKey,
    pub(crate) token: String,
    pub(crate) config: AssemblyConfig,
    pub(crate) net: Net,
    pub(crate) content: ContentStore,
    pub(crate) keep: Keep,
    pub(crate) runner: Runner,
    pub(crate) metrics: Metrics,
    pub(crate) chain: StoreReader,
    pub(crate) inputs: mpsc::Sender<Input>,
}

/// Milliseconds since 1970 by this node's clock.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Something of our own that is signed.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) envelope: Envelope,
    pub(crate) bytes: Vec<u8>,
    pub(crate) id: MessageId,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let (events, _) = broadcast::channel(1_024);
        Self {
            network: parts.law.network_id(),
            account: PublicKey::from(&parts.key),
            law: parts.law,
            key: parts.key,
            token: parts.token,
            config: parts.config,
            net: parts.net,
            content: parts.content,
            keep: parts.keep,
            runner: parts.runner,
            metrics: parts.metrics,
            chain: parts.chain,
            runtime: Handle::current(),
            inputs: parts.inputs,
            events,
            next_event: AtomicU64::new(0),
            last_nonce: AtomicU64::new(0),
        }
    }

    /// Says something in this node's name.
    pub(crate) fn sign(&self, payload: Payload) -> Signed {
        let now = now_ms();
        let last = self.last_nonce.fetch_max(now, Ordering::Relaxed);
        // Two in one millisecond.
        let nonce =
            if last < now { now } else { self.last_nonce.fetch_add(1, Ordering::Relaxed) + 1 };
        let body = envelope::Body {
            version: envelope::VERSION,
            network: self.network,
            author: self.account.clone(),
            nonce,
            created_ms: now,
            expires_ms: now.saturating_add(payload.kind().lifetime_max_ms()),
            payload,
        };
        let envelope = body.sign(&self.key);
        let bytes = envelope.to_bytes();
        let id = envelope::message_id(&bytes);
        Signed { envelope, bytes, id }
    }

    /// Whether an account has what the network asks of everybody who sends something.
    pub(crate) fn funds(&self, author: &PublicKey) -> Funds {
        match self.balance(author) {
            Some(balance) if balance >= self.law.core.penalty_payment => Funds::Enough,
            _ => Funds::TooLittle,
        }
    }

    fn balance(&self, author: &PublicKey) -> Option<U512> {
        let tip = self.chain.tip()?;
        let state = self.chain.state_at(Height(tip.block.height()))?;
        let read = |key: Key| match state.read(&key) {
            Ok(value) => value,
            Err(error) => {
                debug!(%error, %author, "an account cannot be read");
                None
            }
        };
        let account = read(Key::Account(author.to_account_hash()))?;
        let StoredValue::Account(account) = account.as_ref() else { return None };
        let balance = read(Key::Balance(account.main_purse().addr()))?;
        match balance.as_ref() {
            StoredValue::CLValue(value) => value.to_t::<U512>().ok(),
            _ => None,
        }
    }

    /// Tells listeners. Nobody listening is fine.
    pub(crate) fn tell(&self, event: &Value) {
        let id = self.next_event.fetch_add(1, Ordering::Relaxed);
        let _ = self.events.send(AssemblyEvent { id, json: Bytes::from(event.to_string()) });
    }

    /// Where this node serves content: its addresses with its name.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let me = self.net.local_peer();
        let listen = self.net.listen_addrs();
        let all = listen.iter().map(ToString::to_string);
        // An address that means every address is none that others could dial.
        let own = all.filter(|address| !address.contains("/0.0.0.0/") && !address.contains("/::/"));
        own.map(|address| format!("{address}/p2p/{me}")).take(8).collect()
    }

    /// Puts something into the service's queue, from a job that may wait.
    pub(crate) async fn report(&self, input: Input) {
        // A service that is gone needs no reports.
        let _ = self.inputs.send(input).await;
    }
}
