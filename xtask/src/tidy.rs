//! What the compiler cannot see: that the folders are layers, that rules stay pure, that files say
//! what they are, and that nothing from one person's machine gets into the repository.

mod files;
mod graph;
mod layers;

use std::path::Path;

use anyhow::{Result, bail};

use crate::repo;

/// Checks the repository.
///
/// # Errors
/// Lists everything that is not tidy.
pub(crate) fn run(root: &Path) -> Result<()> {
    let files = repo::files(root)?;
    let graph = graph::Graph::read(&repo::metadata(root, &[])?);
    let mut faults = layers::check(&graph);
    faults.extend(files::check(&files));
    faults.sort_unstable();
    faults.dedup();
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    match faults.len() {
        0 => Ok(()),
        1 => bail!("1 thing is not tidy"),
        count => bail!("{count} things are not tidy"),
    }
}
