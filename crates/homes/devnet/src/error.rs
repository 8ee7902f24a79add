//! What can go wrong with a network on one machine, and what to do about it.

use std::{io, path::PathBuf, time::Duration};

use girrona_types::config::Problems;
use thiserror::Error;

/// Why a network could not be laid out or run.
#[derive(Debug, Error)]
pub enum Error {
    /// A file or folder.
    #[error("{doing} {}", path.display())]
    File {
        /// What we were doing, such as "write".
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A key file holds no key.
    #[error("{} is no PEM file of an ed25519 or secp256k1 secret key: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A configuration that cannot be used.
    #[error("{} cannot be used:\n{problems}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong with it.
        problems: Problems,
    },
    /// What was asked for makes no network.
    #[error("{0}")]
    Spec(String),
    /// There is a network already.
    #[error("{} already holds a network; start that, or ask for a clean one", .0.display())]
    Exists(PathBuf),
    /// There is none.
    #[error("{} holds no network", .0.display())]
    Missing(PathBuf),
    /// A folder that we did not make is not ours to delete.
    #[error(
        "{} has `{stranger}` in it, which no network leaves there; \
         name another folder, or delete it by hand", folder.display()
    )]
    NotOurs {
        /// The folder.
        folder: PathBuf,
        /// What lies in it.
        stranger: String,
    },
    /// Somebody runs this network already.
    #[error(
        "the network in {} is running already; stop it first, or name another folder with --data",
        .0.display()
    )]
    InUse(PathBuf),
    /// A port that we need is taken.
    #[error("port {port} is taken by another program; stop that, or use --ports free")]
    PortTaken {
        /// Which port.
        port: u16,
    },
    /// There is no such program.
    #[error("start {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A node ended although nobody asked it to.
    #[error("{node} ended with {status}; the end of {}:\n{tail}", log.display())]
    Ended {
        /// Which node.
        node: String,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A node does not answer.
    #[error("{node} does not answer after {} s; the end of {}:\n{tail}", waited.as_secs(), log.display())]
    Silent {
        /// Which node.
        node: String,
        /// How long we waited.
        waited: Duration,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
}

impl Error {
    /// An error about a file, for `map_err`.
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}
