//! When to stop: Ctrl-C, a request of the system, or the end of the parent.

use std::io::Read;

use anyhow::{Context, Result};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// The signals that ask a program to end.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Takes them over from now on.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) fn listen() -> Result<Self> {
        let take = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ends when standard input closes, which the system does for us when the parent is gone.
pub(crate) async fn input_closed() {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0_u8; 64];
        let mut input = std::io::stdin().lock();
        // What the parent writes means nothing; that it can write does.
        while !matches!(input.read(&mut buffer), Ok(0) | Err(_)) {}
        // Nobody waits any more: the process ends anyway.
        let _ = sender.send(());
    });
    // A sender that is gone means the same.
    let _ = receiver.await;
}
