//! Why a node did not start, or stopped.

use std::io;

use girrona_types::config::Problems;
use thiserror::Error;

/// Why a node did not start, or stopped.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{doing} {path}")]
    File {
        /// What we were doing.
        doing: &'static str,
        /// Which file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A configuration file has problems.
    #[error("{path} has problems:\n{problems}")]
    Config {
        /// Which file.
        path: String,
        /// All of them.
        problems: Problems,
    },
    /// A key file holds no key.
    #[error("{path} holds no secret key that can sign: {reason}")]
    Key {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The data folder belongs to another network.
    #[error(
        "{path} holds the data of network {found}, but the chainspec makes network {expected}; \
         choose another `data` folder, or the chainspec that belongs to it"
    )]
    OtherNetwork {
        /// The data folder.
        path: String,
        /// Whose data it is.
        found: String,
        /// What the chainspec says.
        expected: String,
    },
    /// The store did not open.
    #[error("open the store")]
    Store(#[from] girrona_store::OpenError),
    /// The chain stopped.
    #[error("the chain stopped")]
    Chain(#[from] girrona_chain::Fatal),
    /// The swarm did not start.
    #[error("start the swarm")]
    Net(#[from] girrona_net::Error),
    /// The swarm key is no key.
    #[error("load the swarm key")]
    SwarmKey(#[from] girrona_net::KeyError),
    /// An address could not be listened on.
    #[error("listen on {address} for {what}")]
    Listen {
        /// What for.
        what: &'static str,
        /// Where.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Several things keep the node from starting.
    #[error("{} things are wrong:\n{}", .0.len(), listed(.0))]
    Several(Vec<Self>),
    /// A part of the node ended by itself.
    #[error("{0} ended although the node was not told to stop")]
    Ended(&'static str),
}

/// Each error with its causes, one below the other.
fn listed(errors: &[Error]) -> String {
    let whole = |error: &Error| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    };
    errors.iter().map(whole).collect::<Vec<_>>().join("\n")
}
