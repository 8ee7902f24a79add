//! `girrona.toml`: what one operator may choose. What all nodes must agree on is the chainspec.

mod assembly;

use std::path::{Path, PathBuf};

use girrona_types::config::Config;
use serde::{Deserialize, Serialize};

pub use assembly::AssemblyConfig;

/// One node's own settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// The law of the network, a file relative to this one.
    pub chainspec: PathBuf,
    /// Folder for everything the node keeps, relative to this file.
    pub data: PathBuf,
    /// Keys.
    pub keys: Keys,
    /// The network of nodes.
    pub swarm: Swarm,
    /// JSON-RPC.
    pub rpc: Rpc,
    /// Trying deploys out.
    pub speculative: Speculative,
    /// REST and metrics.
    pub rest: Rest,
    /// The event stream.
    pub events: Events,
    /// How contracts run.
    pub contracts: Contracts,
    /// What this node does for assemblies.
    pub assembly: AssemblyConfig,
}

/// `[keys]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// PEM file of the validator's Casper key; empty for a node that only follows.
    pub validator: PathBuf,
    /// PEM file of the account that signs what this node says about assemblies; empty: the
    /// validator's key, and without one a key that is made in the data folder.
    pub account: PathBuf,
    /// The swarm identity; made on the first start.
    pub swarm: PathBuf,
}

/// `[swarm]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Swarm {
    /// Multiaddresses to listen on; port 0 picks a free one.
    pub listen: Vec<String>,
    /// Multiaddresses of known nodes.
    pub peers: Vec<String>,
    /// Whether to look for more nodes than the known ones.
    pub discovery: bool,
    /// Connections that others may open.
    pub inbound_max: u32,
    /// Connections that we open.
    pub outbound_max: u32,
}

/// `[rpc]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rpc {
    /// Where JSON-RPC listens.
    pub address: String,
    /// Origin that browsers may call from: empty for none, `*` for all.
    pub cors_origin: String,
    /// Requests a second, over all callers; 0 for no limit.
    pub qps_limit: u32,
}

/// `[speculative]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Speculative {
    /// Where `speculative_exec` alone listens; `[rpc]` answers it too.
    pub address: String,
    /// Requests a second on that address, over all callers; 0 for no limit.
    pub qps_limit: u32,
    /// Deploys that are tried out at the same time, whichever address they came to.
    pub running_max: u32,
}

/// `[rest]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rest {
    /// Where `/status`, `/metrics`, `/rpc-schema`, `/validator-changes` and `/chainspec` listen.
    pub address: String,
}

/// `[events]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Where the event stream listens.
    pub address: String,
    /// Listeners at the same time.
    pub subscribers_max: u32,
}

/// `[contracts]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contracts {
    /// Whether contracts that are called often are compiled to machine code. Results are the same
    /// either way; `false` trades speed for less code between a contract and this machine.
    pub compile: bool,
}

impl Default for Contracts {
    fn default() -> Self {
        Self { compile: true }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            chainspec: "chainspec.toml".into(),
            data: "data".into(),
            keys: Keys::default(),
            swarm: Swarm::default(),
            rpc: Rpc::default(),
            speculative: Speculative::default(),
            rest: Rest::default(),
            events: Events::default(),
            contracts: Contracts::default(),
            assembly: AssemblyConfig::default(),
        }
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self { validator: PathBuf::new(), account: PathBuf::new(), swarm: "swarm.key".into() }
    }
}

impl Default for Swarm {
    fn default() -> Self {
        Self {
            listen: vec![
                "/ip4/0.0.0.0/tcp/34553".to_owned(),
                "/ip4/0.0.0.0/udp/34553/quic-v1".to_owned(),
            ],
            peers: Vec::new(),
            discovery: true,
            inbound_max: 160,
            outbound_max: 96,
        }
    }
}

impl Default for Rpc {
    fn default() -> Self {
        Self { address: "127.0.0.1:7777".to_owned(), cors_origin: String::new(), qps_limit: 5_000 }
    }
}

impl Default for Speculative {
    fn default() -> Self {
        // One may take seconds of a processor, which the chain needs too.
        Self { address: "127.0.0.1:7778".to_owned(), qps_limit: 10, running_max: 2 }
    }
}

impl Default for Rest {
    fn default() -> Self {
        Self { address: "127.0.0.1:8888".to_owned() }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { address: "127.0.0.1:9999".to_owned(), subscribers_max: 100 }
    }
}

impl Config for NodeConfig {
    fn example() -> Self {
        let mut example = Self::default();
        example.swarm.peers.push("/ip4/127.0.0.1/tcp/34553".to_owned());
        example
    }

    fn problems(&self) -> Vec<String> {
        let mut list = Vec::new();
        for (key, address) in [
            ("rpc.address", &self.rpc.address),
            ("speculative.address", &self.speculative.address),
            ("rest.address", &self.rest.address),
            ("events.address", &self.events.address),
        ] {
            if address.parse::<std::net::SocketAddr>().is_err() {
                list.push(format!("`{key}` is `{address}`, it should be like 127.0.0.1:7777"));
            }
        }
        for (key, addresses) in
            [("swarm.listen", &self.swarm.listen), ("swarm.peers", &self.swarm.peers)]
        {
            for address in addresses {
                if let Err(error) = address.parse::<girrona_net::Multiaddr>() {
                    list.push(format!(
                        "`{key}` has `{address}`: {error}; it should be like /ip4/127.0.0.1/tcp/34553"
                    ));
                }
            }
        }
        if self.swarm.listen.is_empty() {
            list.push("`swarm.listen` is empty; nobody could reach this node".to_owned());
        }
        if self.speculative.running_max == 0 {
            list.push("`speculative.running_max` is 0; no deploy could be tried out".to_owned());
        }
        self.assembly.problems(&mut list);
        if self.events.subscribers_max == 0 {
            list.push("`events.subscribers_max` is 0; nobody could listen".to_owned());
        }
        list
    }
}

impl NodeConfig {
    /// Makes relative paths relative to the folder of the configuration file.
    #[must_use]
    pub fn rooted_at(mut self, folder: &Path) -> Self {
        for path in [
            &mut self.chainspec,
            &mut self.data,
            &mut self.keys.swarm,
            &mut self.keys.validator,
            &mut self.keys.account,
        ] {
            if !path.as_os_str().is_empty() && path.is_relative() {
                *path = folder.join(&path);
            }
        }
        self
    }

    /// Whether the node has a validator's key.
    pub fn is_validator(&self) -> bool {
        !self.keys.validator.as_os_str().is_empty()
    }
}
