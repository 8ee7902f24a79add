//! `girrona devnet`: a network of real processes on this machine.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use casper_types::AsymmetricType;
use girrona_devnet::{Layout, Network, Spec};
use serde::Serialize;

use crate::{
    cli::DevnetArgs,
    money::Girro,
    show::{self, BOLD, DIM, GOOD, LINK, Spinner, say, styled},
    stop::StopSignals,
    wallet::TRANSFER_PAYMENT,
};

/// Votes by default.
const VALIDATORS: usize = 4;

/// Lays out or resumes a network, runs it and waits for Ctrl-C.
pub(crate) async fn run(arguments: DevnetArgs) -> Result<ExitCode> {
    // Taken over first, so that Ctrl-C during the start ends cleanly, too.
    let mut signals = StopSignals::listen()?;
    let resumed = Layout::exists(&arguments.data) && !arguments.clean;
    let layout = layout(&arguments)?;
    let mut network = tokio::select! {
        started = start(layout) => started?,
        () = signals.asked() => return Ok(ExitCode::SUCCESS),
    };
    let shown = Shown::new(&network)?;
    if arguments.json {
        show::json(&shown)?;
    } else {
        say!(
            "{} {} {}",
            styled(GOOD, if resumed { "resumed" } else { "started" }),
            styled(BOLD, &shown.network),
            styled(DIM, format!("({})", shown.network_id)),
        );
        shown.print();
        show::note("\nCtrl-C stops the network; `girrona devnet` resumes it.");
    }
    let ended = tokio::select! {
        error = network.first_to_end() => Some(error),
        () = signals.asked() => None,
    };
    stop(network).await;
    match ended {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The network in the folder, or a new one.
fn layout(arguments: &DevnetArgs) -> Result<Layout> {
    if arguments.clean {
        Layout::clean(&arguments.data)?;
    }
    if Layout::exists(&arguments.data) {
        let layout = Layout::open(&arguments.data)?;
        let validators = layout.validators()?;
        let observers = layout.nodes.len() - validators;
        let block_time = layout.law.core.minimum_block_time;
        let differs = arguments.validators.is_some_and(|asked| asked != validators)
            || arguments.observers.is_some_and(|asked| asked != observers)
            || arguments.block_time.is_some_and(|asked| asked != block_time);
        if differs {
            bail!(
                "{} has a network of {validators} validators and {observers} observers with a \
                 block every {block_time}; leave these options out to resume it, or add --clean \
                 to delete it and start a new one",
                arguments.data.display()
            );
        }
        return Ok(layout);
    }
    let mut spec = Spec {
        validators: arguments.validators.unwrap_or(VALIDATORS),
        observers: arguments.observers.unwrap_or(0),
        ports: arguments.ports.into(),
        ..Spec::default()
    };
    if let Some(block_time) = arguments.block_time {
        spec = spec.with_block_time(block_time);
    }
    Ok(Layout::create(&arguments.data, &spec)?)
}

/// Starts every node with this very program.
pub(crate) async fn start(layout: Layout) -> Result<Network> {
    let program = std::env::current_exe().context("find this program")?;
    let count = layout.nodes.len();
    let spinner = Spinner::start(format!("starting {count} nodes"));
    let network = Network::start(layout, &program).await?;
    drop(spinner);
    Ok(network)
}

/// Stops every node.
pub(crate) async fn stop(network: Network) {
    let spinner = Spinner::start("stopping the network");
    let killed = network.stop().await.iter().filter(|status| status.is_none()).count();
    drop(spinner);
    match killed {
        0 => show::note("the network has stopped"),
        _ => show::note(&format!("the network has stopped; {killed} nodes had to be killed")),
    }
}

/// A running network as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    network: String,
    network_id: String,
    folder: String,
    block_time: String,
    nodes: Vec<ShownNode>,
    users: Vec<ShownUser>,
    casper_client: String,
}

#[derive(Debug, Serialize)]
struct ShownNode {
    name: String,
    validator: bool,
    rpc: String,
    rest: String,
    events: String,
    swarm: Vec<String>,
    pid: u32,
    config: String,
    log: String,
}

#[derive(Debug, Serialize)]
struct ShownUser {
    name: String,
    public_key: String,
    account_hash: String,
    balance_at_genesis: String,
    secret_key: String,
}

impl Shown {
    /// Describes a network.
    ///
    /// # Errors
    /// When a node just ended, or a key cannot be read.
    pub(crate) fn new(network: &Network) -> Result<Self> {
        let layout = network.layout();
        let mut nodes = Vec::new();
        for process in network.processes() {
            let place = process.place();
            let ended =
                || format!("{} has just ended; see {}", place.name, place.log_path().display());
            let endpoints = process.endpoints().with_context(ended)?;
            nodes.push(ShownNode {
                name: place.name.clone(),
                validator: place.config()?.is_validator(),
                rpc: endpoints.rpc,
                rest: endpoints.rest,
                events: endpoints.events,
                swarm: endpoints.swarm,
                pid: endpoints.pid,
                config: text(&place.config_path()),
                log: text(&place.log_path()),
            });
        }
        let mut users = Vec::new();
        for user in &layout.users {
            let key = user.keys.public_key()?;
            let genesis = layout.law.accounts.iter().find(|account| account.public_key == key);
            users.push(ShownUser {
                name: user.name.clone(),
                public_key: key.to_hex(),
                account_hash: key.to_account_hash().to_formatted_string(),
                balance_at_genesis: genesis
                    .map(|account| Girro::from_motes(account.balance).to_string())
                    .unwrap_or_default(),
                secret_key: text(&user.keys.secret_key_path()),
            });
        }
        let casper_client = casper_client_line(&layout.law.network.name, &nodes, &users);
        Ok(Self {
            network: layout.law.network.name.clone(),
            network_id: layout.law.network_id().to_string(),
            folder: text(layout.path()),
            block_time: layout.law.core.minimum_block_time.to_string(),
            nodes,
            users,
            casper_client,
        })
    }

    /// Prints it for people.
    pub(crate) fn print(&self) {
        let title = |text: &str| say!("\n{}", styled(BOLD, text));
        title("nodes");
        for node in &self.nodes {
            let role = if node.validator { "validator" } else { "observer" };
            say!("  {:<8} {}", node.name, styled(DIM, format!("{role}, log {}", node.log)));
            say!("           JSON-RPC  {}", styled(LINK, &node.rpc));
            say!("           events    {}", styled(LINK, format!("{}/events/main", node.events)));
            say!("           status    {}", styled(LINK, format!("{}/status", node.rest)));
        }
        title("accounts");
        for user in &self.users {
            say!("  {:<8} {}", user.name, user.public_key);
            say!("           {} at genesis, key {}", user.balance_at_genesis, user.secret_key);
        }
        title("try");
        say!("  {}", self.casper_client);
    }
}

/// A line for a terminal: the faucet sends ana the least that can be sent.
fn casper_client_line(chain: &str, nodes: &[ShownNode], users: &[ShownUser]) -> String {
    let user = |name: &str| users.iter().find(|user| user.name == name);
    let (Some(node), Some(from), Some(to)) = (nodes.first(), user("faucet"), user("ana")) else {
        return String::new();
    };
    format!(
        "casper-client transfer --node-address {} --chain-name {chain} --secret-key {} \
         --target-account {} --amount 2500000000 --transfer-id 1 --payment-amount {TRANSFER_PAYMENT}",
        node.rpc.trim_end_matches("/rpc"),
        quoted(&from.secret_key),
        to.public_key,
    )
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A path as text.
fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_blanks_can_be_pasted() {
        assert_eq!(quoted("/a/b-1.pem"), "/a/b-1.pem");
        assert_eq!(quoted("/my keys/it's"), "'/my keys/it'\\''s'");
    }
}
