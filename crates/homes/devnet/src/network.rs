//! All nodes of a layout, running.

use std::{path::Path, process::ExitStatus, time::Duration};

use futures::future::join_all;
use girrona_node::Endpoints;

use crate::{error::Error, layout::Layout, process::Process};

/// A running network. Dropping it kills the nodes; [`Network::stop`] asks them first.
#[derive(Debug)]
pub struct Network {
    layout: Layout,
    processes: Vec<Process>,
}

impl Network {
    /// Starts every node and waits until all answer.
    ///
    /// # Errors
    /// When one does not; those that run are stopped.
    pub async fn start(layout: Layout, program: &Path) -> Result<Self, Error> {
        let mut processes = Vec::new();
        for place in &layout.nodes {
            processes.push(Process::spawn(program, place)?);
        }
        let mut network = Self { layout, processes };
        let ready = join_all(network.processes.iter_mut().map(Process::ready)).await;
        if let Some(error) = ready.into_iter().find_map(Result::err) {
            network.stop_all().await;
            return Err(error);
        }
        Ok(network)
    }

    /// What lies on disk.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The nodes, in order.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// Where each node listens, in order. A node that just ended is left out.
    pub fn endpoints(&self) -> Vec<Endpoints> {
        self.processes.iter().filter_map(Process::endpoints).collect()
    }

    /// Waits until a node ends by itself, and says which.
    pub async fn first_to_end(&mut self) -> Error {
        loop {
            for process in &mut self.processes {
                if let Some(status) = process.try_exit() {
                    return process.ended(status);
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Asks every node to stop and waits for all; returns how each ended, `None` for one that had
    /// to be killed.
    pub async fn stop(mut self) -> Vec<Option<ExitStatus>> {
        self.stop_all().await
    }

    async fn stop_all(&mut self) -> Vec<Option<ExitStatus>> {
        join_all(self.processes.iter_mut().map(Process::stop)).await
    }
}
