//! Assemblies on this node: announced, decided about, cached, executed, agreed on.
//!
//! ```text
//!   swarm -> router --gossip, asks--> Service -> board, census, shelf, register, runs
//!   door  --commands-----------------/   |
//!   door  --content----> ContentStore <--+-- fetches (swarm), executions (sandbox)
//! ```
//!
//! Start at [`start`]; the loop is `service.rs`. `intake.rs` judges what comes, `caching.rs` is the
//! first stage of the two, `executing.rs` and `counting.rs` are the second as seen by a holder and
//! by the node that a request was brought to, `healing.rs` brings what was missed.

mod blocks;
mod caching;
mod counting;
mod door;
mod executing;
mod handle;
mod healing;
mod holding;
mod incumbent;
mod intake;
mod keep;
mod metrics;
mod run;
mod sandbox;
mod service;
mod shared;
mod starting;
mod view;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use casper_types::SecretKey;
use girrona_assembly::talk;
use girrona_http::Assemblies;
use girrona_net::{Blocks, Net};
use girrona_store::{
    StoreReader,
    content::{ContentStore, Records},
};
use girrona_types::Chainspec;
use girrona_workload::Runner;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use crate::{config::NodeConfig, error::Error};
use handle::Handle;
use keep::Keep;
use service::{QUEUE, Service};
use shared::{Parts, Shared};

pub(crate) use service::Input;

/// What has to be there before the swarm starts.
#[derive(Debug)]
pub(crate) struct Ground {
    content: ContentStore,
    records: Records,
    runner: Runner,
    key: SecretKey,
    token: String,
    inputs: (mpsc::Sender<Input>, mpsc::Receiver<Input>),
}

/// The way into a service that runs.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    inputs: mpsc::Sender<Input>,
    handle: Handle,
}

impl Door {
    /// Gives the service something, and gets it back if the service has too much to do.
    pub(crate) fn give(&self, input: Input) -> Option<Input> {
        match self.inputs.try_send(input) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(input))
            | Err(mpsc::error::TrySendError::Closed(input)) => Some(input),
        }
    }

    /// The service as the door sees it.
    pub(crate) fn assemblies(&self) -> Arc<dyn Assemblies> {
        Arc::new(self.handle.clone())
    }

    /// Lets the service come to its end.
    pub(crate) async fn stop(&self) {
        // One that is gone needs no stop.
        let _ = self.inputs.send(Input::Stop).await;
    }
}

impl Ground {
    /// Opens what is on disk, in the node's data folder.
    ///
    /// # Errors
    /// When something cannot be read or made.
    pub(crate) fn open(config: &NodeConfig) -> Result<Self, Error> {
        let folder = config.data.join("assembly");
        let failed = |doing: &'static str, path: PathBuf| {
            move |error: Box<dyn std::error::Error + Send + Sync>| Error::File {
                doing,
                path: path.display().to_string(),
                source: std::io::Error::other(error),
            }
        };
        fs::create_dir_all(&folder).map_err(|e| failed("make folder", folder.clone())(e.into()))?;
        let content = folder.join("content");
        let records = folder.join("records");
        let assembly = &config.assembly;
        let code = girrona_workload::Config {
            workers: assembly.workers(),
            memory_total: assembly.memory_bytes(),
            ..girrona_workload::Config::new(folder.join("code"))
        };
        Ok(Self {
            content: ContentStore::open(&content, assembly.quota_bytes())
                .map_err(|e| failed("open", content)(e.into()))?,
            records: Records::open(&records).map_err(|e| failed("open", records)(e.into()))?,
            runner: Runner::new(code).map_err(|e| failed("use", folder.join("code"))(e.into()))?,
            key: account_key(config)?,
            token: token(&config.data)?,
            inputs: mpsc::channel(QUEUE),
        })
    }

    /// What the swarm serves.
    pub(crate) fn blocks(&self) -> Arc<dyn Blocks> {
        Arc::new(blocks::Shown(self.content.clone()))
    }
}

/// Starts the service on a thread of its own; the receiver is told when it has ended.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(
    ground: Ground,
    config: &NodeConfig,
    law: Arc<Chainspec>,
    net: Net,
    chain: StoreReader,
    registry: &mut Registry,
) -> Result<(Door, oneshot::Receiver<()>), Error> {
    let (inputs, queue) = ground.inputs;
    ground.runner.metrics().register(registry);
    let shared = Arc::new(Shared::new(Parts {
        law,
        key: ground.key,
        token: ground.token,
        config: config.assembly.clone(),
        net,
        content: ground.content,
        keep: Keep(ground.records),
        runner: ground.runner,
        metrics: metrics::Metrics::new(registry),
        chain,
        inputs: inputs.clone(),
    }));
    let handle = Handle(Arc::clone(&shared));
    let (done, ended) = oneshot::channel();
    let runtime = shared.runtime.clone();
    std::thread::Builder::new()
        .name("assemblies".to_owned())
        .spawn(move || {
            let service = Service::new(shared);
            runtime.block_on(service.work(queue));
            // The node may have stopped waiting.
            let _ = done.send(());
        })
        .map_err(|source| Error::File {
            doing: "start",
            path: "a thread for assemblies".to_owned(),
            source,
        })?;
    Ok((Door { inputs, handle }, ended))
}

/// The account that signs for this node: the one that is configured, else the validator's, else one
/// that is made here.
fn account_key(config: &NodeConfig) -> Result<SecretKey, Error> {
    let made = config.data.join("account.pem");
    let path = match (&config.keys.account, &config.keys.validator) {
        (account, _) if !account.as_os_str().is_empty() => account,
        (_, validator) if !validator.as_os_str().is_empty() => validator,
        _ => &made,
    };
    let bad = |reason: String| Error::Key { path: path.display().to_string(), reason };
    if path == &made && !made.exists() {
        let key = SecretKey::generate_ed25519().map_err(|error| bad(error.to_string()))?;
        let pem = key.to_pem().map_err(|error| bad(error.to_string()))?;
        write_secret(&made, &pem)?;
    }
    let pem = fs::read_to_string(path).map_err(|source| Error::File {
        doing: "read",
        path: path.display().to_string(),
        source,
    })?;
    SecretKey::from_pem(pem).map_err(|error| bad(error.to_string()))
}

/// What lets its holder use this node's own resources: whoever can read its data folder.
fn token(data: &Path) -> Result<String, Error> {
    let path = data.join("token");
    if !path.exists() {
        write_secret(&path, &format!("{}\n", hex::encode(rand::random::<[u8; 32]>())))?;
    }
    let text = fs::read_to_string(&path).map_err(|source| Error::File {
        doing: "read",
        path: path.display().to_string(),
        source,
    })?;
    Ok(text.trim().to_owned())
}

/// Writes a file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> Result<(), Error> {
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| Error::File {
        doing: "write",
        path: path.display().to_string(),
        source,
    })
}
