//! Networks take turns: one at a time on a machine, over all test programs.

use std::fs::File;

use anyhow::{Context, Result};

/// The right to run a network, until dropped.
#[derive(Debug)]
pub struct Turn {
    // Locked; the system unlocks it when we are gone, however that happens.
    _lock: File,
}

impl Turn {
    /// Waits until no other test runs a network on this machine.
    ///
    /// # Errors
    /// When the lock file cannot be used.
    pub async fn take() -> Result<Self> {
        tokio::task::spawn_blocking(|| {
            let path = std::env::temp_dir().join("girrona-testkit.lock");
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .with_context(|| format!("open {}", path.display()))?;
            file.lock().with_context(|| format!("lock {}", path.display()))?;
            Ok(Self { _lock: file })
        })
        .await?
    }
}
