//! `girrona node`: one node.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use girrona_devnet::{Algorithm, KeyFolder, config_text};
use girrona_node::NodeConfig;
use girrona_types::{Chainspec, config};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing_subscriber::EnvFilter;

use crate::{
    cli::{NodeCheckArgs, NodeInitArgs, NodeRunArgs},
    show::{self, BOLD, DIM, GOOD, say, styled},
    stop::{self, StopSignals},
};

/// What is logged unless `RUST_LOG` says otherwise.
const LOG: &str = "info,libp2p=warn,quinn=warn,arc_malachitebft=warn";

/// `girrona node run`
pub(crate) async fn run(arguments: NodeRunArgs) -> Result<ExitCode> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(wanted) => EnvFilter::try_new(wanted).context("understand RUST_LOG")?,
        Err(_) => EnvFilter::new(LOG),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if arguments.log_json {
        log.json().init();
    } else {
        log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    }
    raise_open_files();
    let config = read::<NodeConfig>(&arguments.config)?.rooted_at(folder_of(&arguments.config));
    let mut signals = StopSignals::listen()?;
    let with_parent = arguments.exit_with_parent;
    let stop = async move {
        if with_parent {
            tokio::select! {
                () = stop::input_closed() => {}
                () = signals.asked() => {}
            }
        } else {
            signals.asked().await;
        }
    };
    girrona_node::run(config, stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// `girrona node init`
pub(crate) fn init(arguments: &NodeInitArgs) -> Result<ExitCode> {
    let path = &arguments.config;
    if path.exists() {
        bail!("{} is there already; name another file with --config", path.display());
    }
    read::<Chainspec>(&arguments.chainspec)?;
    let folder = folder_of(path);
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let beside = folder.join("chainspec.toml");
    let same = fs::canonicalize(&beside).ok() == fs::canonicalize(&arguments.chainspec).ok();
    if beside.exists() && !same {
        bail!("{} is there already and may be another network's", beside.display());
    }
    if !same {
        fs::copy(&arguments.chainspec, &beside)
            .with_context(|| format!("write {}", beside.display()))?;
    }
    let mut node = NodeConfig::default();
    node.swarm.peers = arguments.peer.clone();
    if arguments.validator {
        let keys = KeyFolder::generate(folder.join("keys"), Algorithm::Ed25519)?;
        node.keys.validator = Path::new("keys").join("secret_key.pem");
        say!("wrote {}", keys.secret_key_path().display());
    }
    let text = config_text::node_config(&node);
    config::parse::<NodeConfig>(&text)
        .map_err(|problems| anyhow::anyhow!("these options make no configuration:\n{problems}"))?;
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    say!("wrote {}", path.display());
    show::note(&format!("start it with `girrona node run --config {}`", path.display()));
    Ok(ExitCode::SUCCESS)
}

/// `girrona node check`
pub(crate) fn check(arguments: &NodeCheckArgs) -> Result<ExitCode> {
    let report = girrona_node::check(&arguments.config)?;
    let law = &report.law;
    let role = if report.validates {
        "votes from the first era on"
    } else if report.config.is_validator() {
        "has a validator key and votes when the auction elects it"
    } else {
        "follows the chain and does not vote"
    };
    say!("{}", styled(GOOD, "nothing is wrong"));
    say!("{} {} {}", styled(BOLD, "network"), law.network.name, styled(DIM, law.network_id()));
    say!("{} {role}", styled(BOLD, "node   "));
    say!("{} {}", styled(BOLD, "data   "), report.config.data.display());
    Ok(ExitCode::SUCCESS)
}

/// A node holds a thousand connections and more; many systems start programs with fewer open files
/// than they allow.
fn raise_open_files() {
    const ENOUGH: u64 = 4_096;
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let allowed = if raised.is_ok() { limit.maximum } else { limit.current };
    if let Some(allowed) = allowed.filter(|allowed| *allowed < ENOUGH) {
        tracing::warn!(
            "this system allows {allowed} open files; a busy node needs {ENOUGH}: raise the limit, \
             for example with `ulimit -n {ENOUGH}`"
        );
    }
}

/// Reads a configuration file.
fn read<T: config::Config>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| {
        format!("read {}; `girrona node init` writes a configuration", path.display())
    })?;
    config::parse(&text)
        .map_err(|problems| anyhow::anyhow!("{} cannot be used:\n{problems}", path.display()))
}

/// The folder a file lies in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
