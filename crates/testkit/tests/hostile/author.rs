//! Somebody who signs what is said about assemblies, truthfully or not, and the tools for it.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use casper_types::{PublicKey, SecretKey};
use girrona_api::methods::assembly::{AssemblyShow, AssemblyShowResult, RootParams};
use girrona_assembly::{
    Cid, ManifestDigest, Permissions,
    message::{
        Announcement, Body, Content, Execution, Limits, Needs, Payload, Runtime, envelope::VERSION,
    },
    talk::{self, Say},
};
use girrona_testkit::{Net, Node, SECOND, program};
use girrona_types::NetworkId;
use serde_json::Value;

pub(crate) const MINUTE_MS: u64 = 60_000;

pub(crate) fn now_ms() -> u64 {
    casper_types::Timestamp::now().millis()
}

/// Whose account it is, and which nonces were used.
pub(crate) struct Author {
    pub(crate) key: SecretKey,
    network: NetworkId,
    nonce: AtomicU64,
}

impl Author {
    /// Somebody with money.
    pub(crate) fn user(net: &Net, name: &str) -> Result<Self> {
        let place = net.layout().user(name).with_context(|| format!("no user {name}"))?;
        Ok(Self::new(net, place.keys.secret_key()?))
    }

    /// Somebody whom the chain does not know.
    pub(crate) fn nobody(net: &Net, seed: u64) -> Result<Self> {
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Ok(Self::new(net, SecretKey::ed25519_from_bytes(bytes)?))
    }

    fn new(net: &Net, key: SecretKey) -> Self {
        Self { key, network: net.law().network_id(), nonce: AtomicU64::new(now_ms()) }
    }

    /// What an honest program would say now.
    pub(crate) fn body(&self, payload: Payload) -> Body {
        let now = now_ms();
        Body {
            version: VERSION,
            network: self.network,
            author: PublicKey::from(&self.key),
            nonce: self.nonce.fetch_add(1, Ordering::Relaxed),
            created_ms: now,
            expires_ms: now + MINUTE_MS,
            payload,
        }
    }

    pub(crate) fn say(&self, payload: Payload) -> Vec<u8> {
        self.body(payload).sign(&self.key).to_bytes()
    }
}

/// An announcement that holds water as far as anybody can see.
pub(crate) fn announcement(content: Content, publishers: Vec<String>) -> Announcement {
    Announcement {
        name: "innocent".to_owned(),
        version: "1.0.0".to_owned(),
        runtime: Runtime::WasiModule,
        entries: vec!["main".to_owned()],
        permissions: Permissions::default(),
        manifest: ManifestDigest([1; 32]),
        content,
        needs: Needs::default(),
        tags: Vec::new(),
        groups: Vec::new(),
        replication: 3,
        publishers,
    }
}

/// A request.
pub(crate) fn execution(root: Cid, salt: u64) -> Execution {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&salt.to_le_bytes());
    Execution {
        salt: bytes,
        root,
        entry: "main".to_owned(),
        args: Vec::new(),
        stdin: Vec::new(),
        env: Vec::new(),
        n: None,
        k: 1,
        executors: Vec::new(),
        limits: Limits::default(),
        permissions: Permissions::default(),
        deadline_ms: now_ms() + 20_000,
        reply: Vec::new(),
    }
}

/// An envelope, as one node says it to another.
pub(crate) fn direct(envelope: &[u8]) -> Vec<u8> {
    talk::encode(&Say::Envelope(envelope.to_vec()))
}

/// What somebody types after `girrona assembly`; prints JSON, whether it succeeds or not.
pub(crate) async fn assembly(arguments: &[&str]) -> Result<(bool, Value)> {
    let mut command = tokio::process::Command::new(program::girrona()?);
    let output = command.arg("assembly").args(arguments).arg("--json").output();
    let output = tokio::time::timeout(60 * SECOND, output).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::String(said));
    Ok((output.status.success(), json))
}

/// The same, which has to succeed.
pub(crate) async fn done(arguments: &[&str]) -> Result<Value> {
    let (is_done, said) = assembly(arguments).await?;
    ensure!(is_done, "{arguments:?}: {said}");
    Ok(said)
}

/// The path of a user's key.
pub(crate) fn key_path(net: &Net, name: &str) -> Result<String> {
    Ok(net.layout().user(name).context("a user")?.keys.path().display().to_string())
}

pub(crate) async fn show(node: &Node, root: &str) -> Result<AssemblyShowResult> {
    let params = RootParams { root: root.to_owned() };
    Ok(node.rpc().call::<AssemblyShow>(&params).await?)
}

/// A figure of a node, added up over its labels.
pub(crate) async fn figure(node: &Node, name: &str) -> Result<f64> {
    Ok(node.metrics().await?.sum(name).unwrap_or(0.0))
}
