//! What can be typed.

use std::path::PathBuf;

use casper_types::{DeployHash, Digest, TimeDiff};
use clap::{Args, Parser, Subcommand, ValueEnum};
use girrona_api::AccountIdentifier;
use girrona_devnet::{Algorithm, Ports};

use crate::{assembly::AssemblyCommand, money::Girro, session_args::SessionArg, sim::GossipArgs};

/// Where a node of `girrona devnet` answers.
pub(crate) const DEFAULT_NODE: &str = "http://127.0.0.1:7777";

/// A network on which people rent computers from each other.
#[derive(Debug, Parser)]
#[command(name = "girrona", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a network of validators on this machine, with funded accounts
    Devnet(DevnetArgs),
    /// Watch Deploys live through their six phases on such a network
    Demo(DemoArgs),
    /// Run, prepare or check one node
    #[command(subcommand)]
    Node(NodeCommand),
    /// Make and look at keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Send GIRRO
    Transfer(Box<TransferArgs>),
    /// Send Deploys and see what becomes of them
    #[command(subcommand)]
    Deploy(DeployCommand),
    /// Look at accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Write contracts
    #[command(subcommand)]
    Contract(ContractCommand),
    /// Announce programs, have them executed by the nodes that hold them, check what they agreed on
    #[command(subcommand)]
    Assembly(AssemblyCommand),
    /// How nodes are doing
    Status(StatusArgs),
    /// Play the chain under seeds: faults, crashes and liars in virtual time
    Sim(SimArgs),
}

/// Which ports to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PortChoice {
    /// 7777, 8888, 9999 and 34553, plus 100 for each further node, if free; else free ones
    Auto,
    /// Those, or fail
    Default,
    /// Whatever is free
    Free,
}

impl From<PortChoice> for Ports {
    fn from(choice: PortChoice) -> Self {
        match choice {
            PortChoice::Auto => Self::Auto,
            PortChoice::Default => Self::Default,
            PortChoice::Free => Self::Free,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DevnetArgs {
    /// Nodes that vote [default: 4, or what the folder has]
    #[arg(long, value_name = "N")]
    pub(crate) validators: Option<usize>,
    /// Nodes that only follow [default: 0, or what the folder has]
    #[arg(long, value_name = "N")]
    pub(crate) observers: Option<usize>,
    /// Time between blocks, such as 1s or 500ms [default: 1s, or what the folder has]
    #[arg(long, value_name = "TIME")]
    pub(crate) block_time: Option<TimeDiff>,
    /// Folder for keys, configuration and data
    #[arg(long, value_name = "DIR", default_value = "girrona-data/devnet")]
    pub(crate) data: PathBuf,
    /// Delete what the folder has and start a new network
    #[arg(long)]
    pub(crate) clean: bool,
    /// Which ports a new network uses
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) ports: PortChoice,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Folder for the demonstration's network; an earlier one there is deleted
    #[arg(long, value_name = "DIR", default_value = "girrona-data/demo")]
    pub(crate) data: PathBuf,
    /// Stop the network when the story is told, also in a terminal
    #[arg(long)]
    pub(crate) exit: bool,
    /// Which ports the network uses
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) ports: PortChoice,
    /// Print one JSON object per line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Run a node until Ctrl-C
    Run(NodeRunArgs),
    /// Write a configuration file with a comment for every key
    Init(NodeInitArgs),
    /// Check a configuration and its chainspec; lists everything that is wrong
    Check(NodeCheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NodeRunArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "girrona.toml")]
    pub(crate) config: PathBuf,
    /// Log as JSON, one object per line
    #[arg(long)]
    pub(crate) log_json: bool,
    /// Stop when standard input closes
    #[arg(long, hide = true)]
    pub(crate) exit_with_parent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NodeInitArgs {
    /// The configuration file to write
    #[arg(long, value_name = "FILE", default_value = "girrona.toml")]
    pub(crate) config: PathBuf,
    /// The network's chainspec; it is copied beside the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) chainspec: PathBuf,
    /// A node to connect to, such as /ip4/127.0.0.1/tcp/34553; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) peer: Vec<String>,
    /// Make a validator key as well
    #[arg(long)]
    pub(crate) validator: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NodeCheckArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "girrona.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key: a folder with secret_key.pem, public_key.pem and public_key_hex
    Generate(KeyGenerateArgs),
    /// Show the public key and account of a key
    Show(KeyShowArgs),
}

/// Kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AlgorithmChoice {
    /// The default
    Ed25519,
    /// What Bitcoin and Ethereum use
    Secp256k1,
}

impl From<AlgorithmChoice> for Algorithm {
    fn from(choice: AlgorithmChoice) -> Self {
        match choice {
            AlgorithmChoice::Ed25519 => Self::Ed25519,
            AlgorithmChoice::Secp256k1 => Self::Secp256k1,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct KeyGenerateArgs {
    /// Folder to make
    pub(crate) folder: PathBuf,
    /// Kind of key
    #[arg(long, value_enum, default_value = "ed25519")]
    pub(crate) algorithm: AlgorithmChoice,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeyShowArgs {
    /// A key's folder, a secret key's PEM file, or a public key in hex
    pub(crate) key: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a deploy that we make is sent.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// Who pays: a secret key's PEM file, or the folder that has it
    #[arg(long, value_name = "KEY", visible_alias = "secret-key")]
    pub(crate) from: PathBuf,
    /// How long it may wait for a block
    #[arg(long, value_name = "TIME", default_value = "30min")]
    pub(crate) ttl: TimeDiff,
    /// A deploy that has to be executed before; may be repeated
    #[arg(long, value_name = "DEPLOY", value_parser = deploy_hash)]
    pub(crate) dependency: Vec<DeployHash>,
    /// The node to send to
    #[arg(long, value_name = "URL", default_value = DEFAULT_NODE)]
    pub(crate) node: String,
    /// Wait until it is executed or has expired
    #[arg(long)]
    pub(crate) wait: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    /// Who gets it: a public key in hex, or account-hash-...
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) to: AccountIdentifier,
    /// How much, such as 2.5
    #[arg(long, value_name = "GIRRO")]
    pub(crate) amount: Girro,
    /// A number of yours that goes with the transfer
    #[arg(long, value_name = "NUMBER")]
    pub(crate) id: Option<u64>,
    #[command(flatten)]
    pub(crate) send: SendArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeployCommand {
    /// Send a Deploy
    Put(Box<DeployPutArgs>),
    /// Show a Deploy and its result
    Get(DeployGetArgs),
    /// Follow a Deploy through its phases, as every given node sees it
    Watch(DeployWatchArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DeployPutArgs {
    #[command(flatten)]
    pub(crate) session: SessionArgs,
    /// An argument of the session code, such as "amount:u512='5'"; may be repeated
    #[arg(long = "session-arg", value_name = "NAME:TYPE='VALUE'")]
    pub(crate) arguments: Vec<SessionArg>,
    /// The most it may cost, in motes
    #[arg(long, value_name = "MOTES", default_value = "5000000000")]
    pub(crate) payment: u64,
    /// Motes for one gas
    #[arg(long, value_name = "MOTES", default_value = "1")]
    pub(crate) gas_price: u64,
    #[command(flatten)]
    pub(crate) send: SendArgs,
}

/// What a deploy runs: exactly one of the first five.
#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    /// A Wasm file
    #[arg(long, value_name = "FILE", group = "what", required_unless_present_any = ["session_hash", "session_name", "session_package_hash", "session_package_name"])]
    pub(crate) session_path: Option<PathBuf>,
    /// A stored contract, by hash
    #[arg(long, value_name = "HASH", group = "what", requires = "session_entry_point")]
    pub(crate) session_hash: Option<String>,
    /// A stored contract, by a named key of the account
    #[arg(long, value_name = "NAME", group = "what", requires = "session_entry_point")]
    pub(crate) session_name: Option<String>,
    /// A contract package, by hash
    #[arg(long, value_name = "HASH", group = "what", requires = "session_entry_point")]
    pub(crate) session_package_hash: Option<String>,
    /// A contract package, by a named key of the account
    #[arg(long, value_name = "NAME", group = "what", requires = "session_entry_point")]
    pub(crate) session_package_name: Option<String>,
    /// What of the contract to call
    #[arg(long, value_name = "NAME", conflicts_with = "session_path")]
    pub(crate) session_entry_point: Option<String>,
    /// Which version of a package; the newest if not given
    #[arg(long, value_name = "NUMBER")]
    pub(crate) session_version: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct DeployGetArgs {
    /// The deploy's hash
    #[arg(value_parser = deploy_hash)]
    pub(crate) hash: DeployHash,
    /// The node to ask
    #[arg(long, value_name = "URL", default_value = DEFAULT_NODE)]
    pub(crate) node: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeployWatchArgs {
    /// The deploy's hash
    #[arg(value_parser = deploy_hash)]
    pub(crate) hash: DeployHash,
    /// A node to ask; may be repeated
    #[arg(long, value_name = "URL", default_value = DEFAULT_NODE)]
    pub(crate) node: Vec<String>,
    /// Print one JSON object per phase and node
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContractCommand {
    /// Make a project: a contract, and tests that run it on this engine
    New(ContractNewArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ContractNewArgs {
    /// Its name, and that of the folder to make
    pub(crate) name: String,
    /// Where its tests get the engine: a checkout of this program's source, or a git URL
    /// [default: the source that this program was built from]
    #[arg(long, value_name = "PATH-OR-URL")]
    pub(crate) engine: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Show balance, keys and names of an account
    Show(AccountShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AccountShowArgs {
    /// A public key in hex, account-hash-..., or a key's folder or PEM file
    pub(crate) account: String,
    /// The node to ask
    #[arg(long, value_name = "URL", default_value = DEFAULT_NODE)]
    pub(crate) node: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SimArgs {
    #[command(subcommand)]
    pub(crate) what: Option<SimCommand>,
    /// How many seeds to play
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) seeds: u64,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) first: u64,
    /// How many seeds are played at the same time
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) jobs: usize,
    /// The least height that every node has to reach
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(crate) blocks: u64,
    /// Say what is watched
    #[arg(long)]
    pub(crate) oracles: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    /// Play how fast a message spreads through up to millions of nodes, beside the model
    Gossip(Box<GossipArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// A node to ask; may be repeated
    #[arg(long, value_name = "URL", default_value = DEFAULT_NODE)]
    pub(crate) node: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A deploy's hash in hex.
fn deploy_hash(text: &str) -> Result<DeployHash, String> {
    let text = text.strip_prefix("deploy-").unwrap_or(text);
    Digest::from_hex(text)
        .map(DeployHash::new)
        .map_err(|_| "a deploy's hash has 64 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    const HASH: &str = "13c2d7a68ecdd4b74bf4393c88915c836c863fc4bf11d7f2bd930a1bbccacdcb";

    fn parse(line: &str) -> Result<Command, String> {
        Cli::try_parse_from(line.split_whitespace())
            .map(|cli| cli.command)
            .map_err(|error| error.to_string())
    }

    fn parse_deploy(line: &str) -> Result<DeployCommand, String> {
        match parse(line)? {
            Command::Deploy(command) => Ok(command),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_devnet_needs_no_arguments_and_resumes_by_default() {
        let Ok(Command::Devnet(arguments)) = parse("girrona devnet") else { panic!() };
        assert_eq!(arguments.data, PathBuf::from("girrona-data/devnet"));
        assert_eq!(arguments.validators, None);
        assert!(!arguments.clean);
    }

    #[test]
    fn a_block_time_is_given_in_words() {
        let Ok(Command::Devnet(arguments)) = parse("girrona devnet --block-time 500ms") else {
            panic!()
        };
        assert_eq!(arguments.block_time, Some(TimeDiff::from_millis(500)));
        assert!(parse("girrona devnet --block-time soon").is_err());
    }

    #[test]
    fn a_transfer_names_payer_receiver_and_amount() {
        let to = "013b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";
        let line = format!("girrona transfer --from ana.pem --to {to} --amount 2.5 --wait");
        let Ok(Command::Transfer(arguments)) = parse(&line) else { panic!() };
        assert_eq!(arguments.amount.motes(), 2_500_000_000_u64.into());
        assert!(arguments.send.wait);
        assert_eq!(arguments.send.node, DEFAULT_NODE);
        let refusal = parse(&line.replace(to, "bob")).unwrap_err();
        assert!(refusal.contains("`bob` is neither a public key"), "{refusal}");
    }

    #[test]
    fn a_deploy_runs_exactly_one_thing() {
        let Ok(DeployCommand::Put(arguments)) = parse_deploy(
            "girrona deploy put --from k --session-path a.wasm --session-arg m:string='hi'",
        ) else {
            panic!()
        };
        assert_eq!(arguments.arguments.len(), 1);
        assert!(parse("girrona deploy put --from k").is_err());
        assert!(
            parse("girrona deploy put --from k --session-path a.wasm --session-name b").is_err()
        );
        assert!(parse("girrona deploy put --from k --session-name b").is_err());
        assert!(
            parse("girrona deploy put --from k --session-name b --session-entry-point go").is_ok()
        );
    }

    #[test]
    fn dependencies_and_hashes_are_checked_while_typing() {
        let line = format!(
            "girrona deploy put --from k --session-path a.wasm --dependency {HASH} --dependency {HASH}"
        );
        let Ok(DeployCommand::Put(arguments)) = parse_deploy(&line) else { panic!() };
        assert_eq!(arguments.send.dependency.len(), 2);
        let refusal = parse("girrona deploy get 12").unwrap_err();
        assert!(refusal.contains("64 hexadecimal digits"), "{refusal}");
    }

    #[test]
    fn the_simulator_plays_the_chain_or_how_messages_spread() {
        let Ok(Command::Sim(arguments)) = parse("girrona sim --seeds 3") else { panic!() };
        assert!(arguments.what.is_none() && arguments.seeds == 3);
        let line = "girrona sim gossip --nodes 10..1000 --degree 4,8 --latency const:50ms,geo";
        let Ok(Command::Sim(arguments)) = parse(line) else { panic!() };
        let Some(SimCommand::Gossip(arguments)) = arguments.what else { panic!() };
        assert_eq!((arguments.setups().len(), arguments.latency.len()), (6, 2));
        for (line, reason) in [
            ("girrona sim gossip --nodes 0", "from 2 to 4000000"),
            ("girrona sim gossip --degree 0", "at least 2 neighbours"),
            ("girrona sim gossip --latency moon", "const:TIME"),
            ("girrona sim --seeds 3 gossip", "cannot be used with"),
        ] {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.contains(reason), "{refusal}");
        }
    }

    #[test]
    fn several_nodes_can_be_watched() {
        let line = format!("girrona deploy watch {HASH} --node http://a --node http://b");
        let Ok(DeployCommand::Watch(arguments)) = parse_deploy(&line) else { panic!() };
        assert_eq!(arguments.node, ["http://a", "http://b"]);
    }
}
