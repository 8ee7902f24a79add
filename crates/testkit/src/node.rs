//! One node of a network under test.

use std::{path::PathBuf, sync::Mutex, time::Duration};

use anyhow::{Context, Result, bail};
use casper_types::{Deploy, DeployHash};
use girrona_api::{Client, EventStreamPath, methods::info::JsonExecutionResult};
use girrona_devnet::{NodePlace, Process};
use girrona_node::NodeConfig;
use girrona_types::EventId;

use crate::{frames::Frames, metrics::Metrics};

/// How often we look.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One node, running or not.
#[derive(Debug)]
pub struct Node {
    index: usize,
    place: NodePlace,
    program: PathBuf,
    client: Client,
    http: reqwest::Client,
    config: NodeConfig,
    process: tokio::sync::Mutex<Option<Process>>,
    pid: Mutex<Option<u32>>,
}

impl Node {
    /// A node that does not run yet.
    pub(crate) fn new(index: usize, place: NodePlace, program: PathBuf) -> Result<Self> {
        let config = place.config()?;
        let client = Client::new(&format!("http://{}", config.rpc.address))?;
        let http = reqwest::Client::new();
        let process = tokio::sync::Mutex::new(None);
        Ok(Self { index, place, program, client, http, config, process, pid: Mutex::new(None) })
    }

    /// Its number; validators come first.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its name, such as `node-0`.
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// Its folder's files.
    pub fn place(&self) -> &NodePlace {
        &self.place
    }

    /// Asks it by JSON-RPC.
    pub fn rpc(&self) -> &Client {
        &self.client
    }

    /// Its JSON-RPC address for other people's clients, such as `http://127.0.0.1:7777`.
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.config.rpc.address)
    }

    /// Its JSON-RPC address for trying deploys out, such as `http://127.0.0.1:7778`.
    pub fn speculative_url(&self) -> String {
        format!("http://{}", self.config.speculative.address)
    }

    /// Its event stream's address.
    pub fn events_url(&self) -> String {
        format!("http://{}", self.config.events.address)
    }

    /// Its REST address.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.config.rest.address)
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.pid.lock().ok().and_then(|pid| *pid)
    }

    /// Whether we started it and did not stop or kill it.
    pub fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(&self) -> Result<()> {
        let mut process = self.process.lock().await;
        if process.is_some() {
            bail!("{} runs already", self.name());
        }
        let mut started = Process::spawn(&self.program, &self.place)?;
        started.ready().await?;
        self.note(started.pid());
        *process = Some(started);
        Ok(())
    }

    /// Ends it as `kill -9` does.
    pub(crate) async fn kill9(&self) -> Result<()> {
        let mut process = self.process.lock().await;
        let mut running =
            process.take().with_context(|| format!("{} does not run", self.name()))?;
        self.note(None);
        if let Some(status) = running.try_exit() {
            return Err(running.ended(status).into());
        }
        running.kill().await;
        Ok(())
    }

    /// Asks it to stop and waits.
    pub(crate) async fn stop(&self) -> Result<()> {
        let mut process = self.process.lock().await;
        let Some(mut running) = process.take() else { return Ok(()) };
        self.note(None);
        if let Some(status) = running.try_exit() {
            return Err(running.ended(status).into());
        }
        match running.stop().await {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(running.ended(status).into()),
            None => bail!("{} did not stop when asked and had to be killed", self.name()),
        }
    }

    /// How it ended, if it did by itself.
    pub async fn exit_status(&self) -> Option<std::process::ExitStatus> {
        self.process.lock().await.as_mut().and_then(Process::try_exit)
    }

    fn note(&self, pid: Option<u32>) {
        if let Ok(mut noted) = self.pid.lock() {
            *noted = pid;
        }
    }

    /// Everything it has logged.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let path = self.place.log_path();
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// Listens to its events from now on.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn events(&self, path: EventStreamPath) -> Result<Frames> {
        Frames::listen(&self.events_url(), path, None).await
    }

    /// Listens to its events from an id on.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn events_from(&self, path: EventStreamPath, start: EventId) -> Result<Frames> {
        Frames::listen(&self.events_url(), path, Some(start)).await
    }

    /// Sends it a deploy.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn put(&self, deploy: Deploy) -> Result<DeployHash> {
        self.client.put_deploy(deploy).await.with_context(|| self.name().to_owned())
    }

    /// The height of its newest block.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn height(&self) -> Result<u64> {
        let status = self.client.status().await.with_context(|| self.name().to_owned())?;
        Ok(status.last_added_block_info.map_or(0, |block| block.height))
    }

    /// Waits until it has the block at a height.
    ///
    /// # Errors
    /// When it has not in time.
    pub async fn wait_height(&self, height: u64, within: Duration) -> Result<()> {
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let now = self.height().await;
            if now.as_ref().is_ok_and(|now| *now >= height) {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                bail!(
                    "{} has not reached height {height} within {within:?}, but {now:?}",
                    self.name()
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until it has executed a deploy.
    ///
    /// # Errors
    /// When it has not in time; says how far the deploy came.
    pub async fn wait_executed(
        &self,
        hash: DeployHash,
        within: Duration,
    ) -> Result<JsonExecutionResult> {
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let found = self.client.get_deploy(hash).await;
            if let Ok(found) = &found
                && let Some(result) = found.execution_results.first()
            {
                return Ok(result.clone());
            }
            if tokio::time::Instant::now() > deadline {
                let told = self.client.deploy_status(hash).await;
                bail!("{} has not executed {hash} within {within:?}: {told:?}", self.name());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Its figures.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::parse(&self.get("/metrics").await?))
    }

    /// What it answers to a GET on its REST address.
    ///
    /// # Errors
    /// When it does not answer, or not with success.
    pub async fn get(&self, path: &str) -> Result<String> {
        let url = format!("{}{path}", self.rest_url());
        let response = self.http.get(&url).send().await.with_context(|| url.clone())?;
        Ok(response.error_for_status()?.text().await?)
    }

    /// Memory that it holds now, in bytes.
    ///
    /// # Errors
    /// When it does not run, or the system does not tell.
    pub fn resident_memory(&self) -> Result<u64> {
        let pid = self.pid().with_context(|| format!("{} does not run", self.name()))?;
        let text = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .context("ask the system for a process's memory")?;
        resident_kib(&text).map(|kib| kib * 1_024).context("the system tells no VmRSS")
    }
}

/// The resident memory in a process's status, in KiB.
fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_the_system() {
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t  5120 kB\n"), Some(5_120));
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(resident_kib(&own).unwrap() > 100);
    }
}
