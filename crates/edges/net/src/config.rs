//! What a swarm is started with, and why it may not start.
//!
//! Knows: addresses, names, limits. Does not know: chains; the network is a short string here.

use std::{io, path::PathBuf};

use girrona_types::GossipSettings;
use libp2p::Multiaddr;

use crate::{Content, Limits, key::Identity};

/// How to start a [`crate::Net`].
#[derive(Clone, Debug)]
pub struct Config {
    /// The key that names this node in the swarm.
    pub key: Identity,
    /// Where to listen; port 0 lets the system choose.
    pub listen: Vec<Multiaddr>,
    /// Addresses under which others reach this node when it cannot know them by itself (behind
    /// NAT, in a container).
    pub external: Vec<Multiaddr>,
    /// Known peers, with or without `/p2p/<id>`; dialled for ever.
    pub peers: Vec<Multiaddr>,
    /// The network's short name, part of every topic and protocol: 1 to 32 letters, digits, `-`
    /// or `_`.
    pub network: String,
    /// What we call ourselves to other peers, such as `girrona/0.1.0`.
    pub agent: String,
    /// `true`: find peers through other peers (private Kademlia and identify). `false`: talk to
    /// configured and remembered peers and to whoever dials us.
    pub discovery: bool,
    /// Where peers are remembered over a restart.
    pub peer_book: Option<PathBuf>,
    /// The numbers of gossip, the same on every topic.
    pub gossip: GossipSettings,
    /// What peers may cost us.
    pub limits: Limits,
    /// What is given and taken as content.
    pub content: Content,
}

impl Config {
    /// A public node of `network` on the default ports: 34553 for TCP and for QUIC.
    pub fn new(key: Identity, network: impl Into<String>) -> Self {
        let any = |rest: &str| format!("/ip4/0.0.0.0/{rest}").parse().expect("a fixed address");
        Self {
            key,
            listen: vec![any("tcp/34553"), any("udp/34553/quic-v1")],
            external: Vec::new(),
            peers: Vec::new(),
            network: network.into(),
            agent: concat!("girrona/", env!("CARGO_PKG_VERSION")).into(),
            discovery: true,
            peer_book: None,
            gossip: GossipSettings::default(),
            limits: Limits::default(),
            content: Content::default(),
        }
    }
}

/// Why a swarm did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name cannot be part of a topic or protocol.
    #[error("network name {name:?} must be 1 to 32 letters, digits, '-' or '_'")]
    Network {
        /// The name given.
        name: String,
    },
    /// A configured peer cannot be dialled.
    #[error(
        "peer address {address} must be host/tcp/port or host/udp/port/quic-v1, with or without /p2p/<id>"
    )]
    PeerAddress {
        /// The address given.
        address: Multiaddr,
    },
    /// An address to listen on is taken, not ours or of an unknown kind.
    #[error("listen on {address}")]
    Listen {
        /// The address given.
        address: Multiaddr,
        /// What the transport said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No address to listen on is configured.
    #[error("no address to listen on")]
    NoListener,
    /// The peer book cannot be read.
    #[error("read the peer book {path}")]
    PeerBook {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The swarm could not be put together.
    #[error("set up the swarm")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.network.is_empty() || self.network.len() > 32 || !self.network.chars().all(letters)
        {
            return Err(Error::Network { name: self.network.clone() });
        }
        if self.listen.is_empty() {
            return Err(Error::NoListener);
        }
        for address in &self.peers {
            let (plain, _) = crate::address::split_peer(address.clone());
            if !crate::address::is_dialable(&plain) {
                return Err(Error::PeerAddress { address: address.clone() });
            }
        }
        Ok(())
    }
}
