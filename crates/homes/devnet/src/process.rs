//! One node as a child process.
//!
//! The child's standard input is a pipe that nobody writes to. When it closes, the child stops by
//! itself (`--exit-with-parent`): that is how we ask it politely, and why no node outlives us even
//! when we are killed.

use std::{
    fs::OpenOptions,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use girrona_api::Client;
use girrona_node::Endpoints;
use tokio::process::{Child, Command};

use crate::{error::Error, layout::NodePlace};

/// How long a node may take from being started to answering.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long it may take to stop after it was asked; then it is killed.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);
/// How often we look.
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// How much of a log an error shows.
const TAIL_BYTES: u64 = 3_000;

/// A running node.
#[derive(Debug)]
pub struct Process {
    place: NodePlace,
    data: PathBuf,
    child: Child,
}

impl Process {
    /// Starts a node; it is ready when [`Self::ready`] says so.
    ///
    /// # Errors
    /// When the program or the log file cannot be opened, or the configuration is wrong.
    pub fn spawn(program: &Path, place: &NodePlace) -> Result<Self, Error> {
        let data = place.config()?.data;
        // What an earlier process left behind would say where nobody listens any more.
        Endpoints::remove(&data);
        let path = place.log_path();
        let open = || OpenOptions::new().create(true).append(true).open(&path);
        let log = open().map_err(Error::file("open", &path))?;
        let errors = log.try_clone().map_err(Error::file("open", &path))?;
        let child = Command::new(program)
            .args(["node", "run", "--exit-with-parent", "--config"])
            .arg(place.config_path())
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C goes to us; we stop the nodes in our own order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::Start { program: program.to_owned(), source })?;
        Ok(Self { place: place.clone(), data, child })
    }

    /// Waits until the node says where it listens and answers there.
    ///
    /// # Errors
    /// When it ends instead, or stays silent; the error has the end of its log.
    pub async fn ready(&mut self) -> Result<Endpoints, Error> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.try_exit() {
                return Err(self.ended(status));
            }
            if let Some(endpoints) = self.endpoints()
                && answers(&endpoints.rpc).await
            {
                return Ok(endpoints);
            }
            if started.elapsed() > READY_WITHIN {
                return Err(Error::Silent {
                    node: self.place.name.clone(),
                    waited: READY_WITHIN,
                    log: self.place.log_path(),
                    tail: tail(&self.place.log_path()),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Where the node listens, once it has said so.
    pub fn endpoints(&self) -> Option<Endpoints> {
        let endpoints = Endpoints::read(&self.data).ok()?;
        (Some(endpoints.pid) == self.child.id()).then_some(endpoints)
    }

    /// The node's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Which node this is.
    pub fn place(&self) -> &NodePlace {
        &self.place
    }

    /// How the process ended, if it did.
    pub fn try_exit(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until the process ends by itself.
    pub async fn exit(&mut self) -> Option<ExitStatus> {
        // `wait` would close the pipe, and so ask the node to stop.
        loop {
            if let Some(status) = self.try_exit() {
                return Some(status);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the process at once, as `kill -9` does; nothing is saved.
    pub async fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill().await;
    }

    /// Asks the node to stop and waits; kills it if it takes too long.
    ///
    /// `None` when it had to be killed.
    pub async fn stop(&mut self) -> Option<ExitStatus> {
        drop(self.child.stdin.take());
        match tokio::time::timeout(STOPPED_WITHIN, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => {
                self.kill().await;
                None
            }
        }
    }

    /// The error about a node that ended unasked.
    pub fn ended(&self, status: ExitStatus) -> Error {
        Error::Ended {
            node: self.place.name.clone(),
            status: status.to_string(),
            log: self.place.log_path(),
            tail: tail(&self.place.log_path()),
        }
    }
}

/// Whether a node answers JSON-RPC.
async fn answers(url: &str) -> bool {
    match Client::new(url) {
        Ok(client) => client.status().await.is_ok(),
        Err(_) => false,
    }
}

/// The end of a file as text; says so if there is none.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    match read() {
        Ok(text) if text.is_empty() => "(it is empty)".to_owned(),
        Ok(text) => text,
        Err(error) => format!("(it cannot be read: {error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, Ports, Spec};

    fn layout(folder: &Path) -> Layout {
        let spec = Spec { validators: 1, ports: Ports::Free, ..Spec::default() };
        Layout::create(folder, &spec).unwrap()
    }

    /// A program with this text. Copied by another process: one that this process had open for
    /// writing could not be started while a neighbouring test starts something.
    fn script(folder: &Path, text: &str) -> PathBuf {
        let (draft, program) = (folder.join("draft"), folder.join("program"));
        std::fs::write(&draft, format!("#!/bin/sh\n{text}")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&draft, mode).unwrap();
        let copied = std::process::Command::new("cp").arg(&draft).arg(&program).status().unwrap();
        assert!(copied.success());
        program
    }

    #[tokio::test]
    async fn a_node_that_ends_at_once_is_reported_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        // A program that prints its arguments and ends.
        let mut process = Process::spawn(Path::new("echo"), &layout.nodes[0]).unwrap();
        let text = process.ready().await.unwrap_err().to_string();
        assert!(text.starts_with("node-0 ended with exit status: 0"), "{text}");
        assert!(text.contains("node run --exit-with-parent --config"), "{text}");
    }

    #[tokio::test]
    async fn closing_its_input_is_how_a_child_is_asked_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        let program = script(folder.path(), "cat\nexit 7\n");
        let mut process = Process::spawn(&program, &layout.nodes[0]).unwrap();
        assert!(process.try_exit().is_none());
        assert_eq!(process.stop().await.and_then(|status| status.code()), Some(7));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        let error = Process::spawn(Path::new("/no/such/girrona"), &layout.nodes[0]).unwrap_err();
        assert_eq!(error.to_string(), "start /no/such/girrona");
    }
}
