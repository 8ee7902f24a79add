//! What can be typed after `girrona assembly`.

use std::path::PathBuf;

use casper_types::TimeDiff;
use clap::{Args, Subcommand};

use crate::cli::DEFAULT_NODE;

/// Announce programs, have them executed, check what executors agreed on
#[derive(Debug, Subcommand)]
pub(crate) enum AssemblyCommand {
    /// Announce a folder with a manifest.json, or one Wasm file
    Publish(PublishArgs),
    /// What is announced or held, and how far it is on a node
    Ls(LookArgs),
    /// One assembly: why a node caches it or not, and who holds it
    Show(ShowArgs),
    /// Have an assembly executed and wait for the result
    Run(Box<RunArgs>),
    /// What an execution wrote, and who says so
    Logs(LogsArgs),
    /// Take a request for execution back
    Cancel(CancelArgs),
    /// Take an announcement back
    Withdraw(WithdrawArgs),
    /// Never give content up, or let it go; fetches it if it is announced
    Pin(PinArgs),
    /// Change what a node caches while it runs
    Tags(TagsArgs),
    /// Read content again and compare it with its hashes
    Check(CheckArgs),
    /// Write content as a CAR file
    Export(ExportArgs),
    /// Bring a CAR file to a node
    Import(ImportArgs),
    /// Check a certificate or evidence, with nothing but the chainspec
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The node to ask
    #[arg(long, value_name = "URL", default_value = DEFAULT_NODE)]
    pub(crate) node: String,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// A folder with a manifest.json, or a Wasm file
    pub(crate) path: PathBuf,
    /// The publisher's key: a PEM file or the folder that has it
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,
    /// What to call a Wasm file that has no manifest [default: its name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Which version of it, without a manifest
    #[arg(long, default_value = "0.1.0")]
    pub(crate) version_name: String,
    /// A subject, beside those of the manifest; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// A group of nodes that it is meant for; may be repeated [default: all]
    #[arg(long = "group", value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    /// How many copies there should be
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) replication: u32,
    /// The root of the version that this one replaces
    #[arg(long, value_name = "ROOT")]
    pub(crate) replaces: Option<String>,
    /// How long the announcement lives; what is cached stays
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(crate) ttl: TimeDiff,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Its root, or its name
    pub(crate) root: String,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Its root, or its name
    pub(crate) root: String,
    /// Which of its entry points
    #[arg(long, default_value = "main")]
    pub(crate) entry: String,
    /// Arguments for the program
    #[arg(last = true)]
    pub(crate) args: Vec<String>,
    /// The requester's key: a PEM file or the folder that has it
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,
    /// A file with standard input; - for ours
    #[arg(long, value_name = "FILE")]
    pub(crate) stdin: Option<PathBuf>,
    /// A variable of its environment, NAME=VALUE; may be repeated
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// How many nodes execute it [default: every holder]
    #[arg(short = 'n', long = "nodes", value_name = "N")]
    pub(crate) n: Option<u16>,
    /// How many equal receipts are a result [default: more than half]
    #[arg(short = 'k', long = "equal", value_name = "K")]
    pub(crate) k: Option<u16>,
    /// Until when a result is of use
    #[arg(long, value_name = "TIME", default_value = "20s")]
    pub(crate) timeout: TimeDiff,
    /// The most fuel it may use
    #[arg(long)]
    pub(crate) fuel: Option<u64>,
    /// The most memory it may use, in MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u64>,
    /// A web address that it may reach, if the publisher and the nodes allow it; may be repeated
    #[arg(long = "allow-net", value_name = "ORIGIN")]
    pub(crate) network: Vec<String>,
    /// Where to write the certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// Do not wait for the result
    #[arg(long)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The request's id
    pub(crate) request: String,
    /// Where to write the certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The request's id
    pub(crate) request: String,
    /// The requester's key
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct WithdrawArgs {
    /// Its root, or its name
    pub(crate) root: String,
    /// The publisher's key
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,
    /// Why, for people
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct PinArgs {
    /// Its root, or its name
    pub(crate) root: String,
    /// Let it go instead
    #[arg(long)]
    pub(crate) remove: bool,
    /// The node's token, or its data folder
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct TagsArgs {
    /// Subjects that matter; none: all do
    pub(crate) tags: Vec<String>,
    /// A subject that is refused; may be repeated
    #[arg(long = "refuse", value_name = "TAG")]
    pub(crate) refuse: Vec<String>,
    /// A group that the node belongs to; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    /// The node's token, or its data folder
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Its root, or its name
    pub(crate) root: String,
    /// The node's token, or its data folder
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Its root, or its name
    pub(crate) root: String,
    /// The file to write
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The CAR file
    pub(crate) file: PathBuf,
    /// The node's token, or its data folder
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A file with a certificate or evidence
    pub(crate) proof: PathBuf,
    /// The network's chainspec
    #[arg(long, value_name = "FILE", default_value = "chainspec.toml")]
    pub(crate) chainspec: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
