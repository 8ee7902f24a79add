//! Where a running node can be reached, for whoever started it: `endpoints.json` in its data
//! folder. It appears when the node answers, and says which ports the system picked.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Addresses of a running node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// JSON-RPC, for example `http://127.0.0.1:7777/rpc`.
    pub rpc: String,
    /// JSON-RPC for trying deploys out, for example `http://127.0.0.1:7778/rpc`.
    pub speculative: String,
    /// REST, for example `http://127.0.0.1:8888`.
    pub rest: String,
    /// Events, for example `http://127.0.0.1:9999`.
    pub events: String,
    /// Multiaddresses with peer id.
    pub swarm: Vec<String>,
    /// The process.
    pub pid: u32,
}

impl Endpoints {
    /// The file in a data folder.
    pub fn path(data: &Path) -> PathBuf {
        data.join("endpoints.json")
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When there is none or it is not whole.
    pub fn read(data: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(Self::path(data))?;
        serde_json::from_str(&text).map_err(io::Error::from)
    }

    /// Writes the file in one step, so that nobody reads half of it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let path = Self::path(data);
        let draft = path.with_extension("draft");
        std::fs::write(&draft, serde_json::to_vec_pretty(self).map_err(io::Error::from)?)?;
        std::fs::rename(draft, path)
    }

    /// Removes the file, so that nobody takes a dead node for a live one.
    pub fn remove(data: &Path) {
        // Absent is what we want.
        let _ = std::fs::remove_file(Self::path(data));
    }
}
