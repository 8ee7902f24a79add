//! `girrona assembly`: announce programs, have them executed by the nodes that hold them, check
//! what they agreed on.
//!
//! What is signed is signed here, with the key of whoever types; a node only carries it.

pub(crate) mod args;
mod look;
pub(crate) mod publish;
pub(crate) mod run;
mod verify;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, bail};
use casper_types::{PublicKey, SecretKey};
use girrona_api::{
    Client,
    methods::{
        NoParams,
        assembly::{AssemblyList, AssemblyNode, AssemblyNodeResult},
    },
};
use girrona_assembly::{
    Cid,
    message::{Payload, envelope},
};
use girrona_types::NetworkId;

pub(crate) use args::AssemblyCommand;

use crate::ask::{client, explained};

/// Carries out one of the commands.
pub(crate) async fn run(command: AssemblyCommand) -> Result<ExitCode> {
    match command {
        AssemblyCommand::Publish(arguments) => publish::publish(arguments).await,
        AssemblyCommand::Withdraw(arguments) => publish::withdraw(arguments).await,
        AssemblyCommand::Import(arguments) => publish::import(arguments).await,
        AssemblyCommand::Export(arguments) => publish::export(arguments).await,
        AssemblyCommand::Ls(arguments) => look::list(arguments).await,
        AssemblyCommand::Show(arguments) => look::show(arguments).await,
        AssemblyCommand::Pin(arguments) => look::pin(arguments).await,
        AssemblyCommand::Tags(arguments) => look::tags(arguments).await,
        AssemblyCommand::Check(arguments) => look::check(arguments).await,
        AssemblyCommand::Run(arguments) => run::run(*arguments).await,
        AssemblyCommand::Logs(arguments) => run::logs(arguments).await,
        AssemblyCommand::Cancel(arguments) => run::cancel(arguments).await,
        AssemblyCommand::Verify(arguments) => verify::verify(&arguments),
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A node and what it says of itself.
pub(crate) struct Node {
    pub(crate) client: Client,
    said: AssemblyNodeResult,
    network: NetworkId,
}

impl Node {
    pub(crate) async fn ask(url: &str) -> Result<Self> {
        let client = client(url)?;
        let said = client.call::<AssemblyNode>(&NoParams {}).await.map_err(explained)?;
        let bytes = hex::decode(&said.network).ok().and_then(|bytes| bytes.try_into().ok());
        let network = bytes.map(NetworkId).context("the node names no network")?;
        Ok(Self { client, said, network })
    }

    /// Signs something for this node's network, in hex.
    fn sign(&self, key: &SecretKey, payload: Payload, lifetime_ms: u64) -> Result<String> {
        let now = now_ms();
        payload.check(now).map_err(|invalid| anyhow!("{invalid}"))?;
        let lifetime_ms = lifetime_ms.min(payload.kind().lifetime_max_ms());
        let body = envelope::Body {
            version: envelope::VERSION,
            network: self.network,
            author: PublicKey::from(key),
            nonce: now,
            created_ms: now,
            expires_ms: now.saturating_add(lifetime_ms),
            payload,
        };
        Ok(hex::encode(body.sign(key).to_bytes()))
    }

    /// The root that somebody means: a CID, or the name of an assembly that this node knows.
    async fn root(&self, text: &str) -> Result<Cid> {
        if let Ok(root) = text.parse() {
            return Ok(root);
        }
        let all = self.client.call::<AssemblyList>(&NoParams {}).await.map_err(explained)?;
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let named: Vec<_> = all
            .assemblies
            .iter()
            .filter(|one| one.name == name && version.is_none_or(|v| one.version == v))
            .collect();
        match named.as_slice() {
            [one] => one.root.parse().context("the node names a root that is none"),
            [] => bail!("`{text}` is no root, and the node knows no assembly of that name"),
            several => {
                let all: Vec<String> = several
                    .iter()
                    .map(|one| format!("{}@{} {}", one.name, one.version, one.root))
                    .collect();
                bail!("`{text}` may be any of these, name one by its root:\n{}", all.join("\n"))
            }
        }
    }
}

/// The token of a node: given as itself, or in a file, or in the node's data folder.
fn token(given: Option<&str>) -> Result<String> {
    let Some(given) = given else {
        bail!(
            "this spends the node's resources and takes its token: --token TOKEN, or --token with \
             the path of the node's data folder, where it is in the file `token`"
        );
    };
    let path = Path::new(given);
    let file: Option<PathBuf> = match (path.is_dir(), path.is_file()) {
        (true, _) => Some(path.join("token")),
        (_, true) => Some(path.to_owned()),
        _ => None,
    };
    match file {
        Some(file) => {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("read the token in {}", file.display()))?;
            Ok(text.trim().to_owned())
        }
        None => Ok(given.to_owned()),
    }
}
