//! Where assemblies run, and what is made ready for that ahead of time.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use girrona_assembly::{Cid, Manifest, manifest, message::Announcement};
use girrona_store::content::{ContentError, ContentStore};
use girrona_workload::{Artefact, CompileError, Runner, Tree};
use thiserror::Error;
use tokio::runtime::Handle;

/// The longest file with Wasm in it, in bytes.
const WASM_MAX: u64 = 32 << 20;
/// Files of an assembly that are held in memory for its executions, in bytes; others are read from
/// disk.
const TREE_MEMORY_MAX: u64 = 8 << 20;

/// An assembly that can be executed at once.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) manifest: Manifest,
    /// Compiled code by entry point.
    pub(crate) entries: BTreeMap<String, Artefact>,
    /// Its files.
    pub(crate) tree: Tree,
}

/// Why an assembly cannot be executed although its content is here.
#[derive(Debug, Error)]
pub(crate) enum Unfit {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Manifest(#[from] manifest::ManifestError),
    #[error("its manifest is not what was announced")]
    OtherManifest,
    #[error("{file} does not compile: {reason}")]
    Compile { file: String, reason: String },
    #[error("{file}: {reason}")]
    Compiler { file: String, reason: String },
    #[error("its files: {0}")]
    Tree(String),
}

impl Unfit {
    /// Whether trying again may help.
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Compiler { .. }
                | Self::Content(ContentError::Missing(_) | ContentError::Disk { .. })
        )
    }
}

/// Reads the manifest of content that is here, compiles every entry point and opens the files. On a
/// thread that may block: large programs that were not compiled before take seconds.
pub(crate) fn prepare(
    runner: &Runner,
    runtime: &Handle,
    content: &ContentStore,
    root: &Cid,
    announced: &[Announcement],
) -> Result<Ready, Unfit> {
    let bytes = content.read_file(root, manifest::FILE, manifest::FILE_MAX as u64)?;
    let manifest = Manifest::read(&bytes)?;
    // One author who is right about it is enough.
    if !announced.is_empty() && !announced.iter().any(|said| manifest.is_announced_by(said)) {
        return Err(Unfit::OtherManifest);
    }
    let mut compiled: BTreeMap<String, Artefact> = BTreeMap::new();
    let mut entries = BTreeMap::new();
    for entry in &manifest.entries {
        let artefact = match compiled.get(&entry.file) {
            Some(artefact) => artefact.clone(),
            None => {
                let wasm = content.read_file(root, &entry.file, WASM_MAX)?;
                let file = || entry.file.clone();
                let artefact =
                    runtime.block_on(runner.compile(wasm)).map_err(|error| match error {
                        CompileError::Busy | CompileError::Failed(_) => {
                            Unfit::Compiler { file: file(), reason: error.to_string() }
                        }
                        other => Unfit::Compile { file: file(), reason: other.to_string() },
                    })?;
                compiled.insert(entry.file.clone(), artefact.clone());
                artefact
            }
        };
        entries.insert(entry.name.clone(), artefact);
    }
    let tree = tree(content, root)?;
    Ok(Ready { manifest, entries, tree })
}

/// The files of an assembly: short ones in memory, long ones open.
fn tree(content: &ContentStore, root: &Cid) -> Result<Tree, Unfit> {
    let mut tree = Tree::default();
    let mut held = 0_u64;
    for file in content.files(root)? {
        let failed = |error: &dyn std::fmt::Display| Unfit::Tree(error.to_string());
        if held.saturating_add(file.size) <= TREE_MEMORY_MAX {
            let bytes = content.read_file(root, &file.path, file.size)?;
            held = held.saturating_add(file.size);
            tree.add(&file.path, Bytes::from(bytes)).map_err(|e| failed(&e))?;
        } else {
            let open = content.open_file(root, &file.path)?;
            tree.add_file(&file.path, open, file.size).map_err(|e| failed(&e))?;
        }
    }
    Ok(tree)
}

/// Shared, because executions read it while the service goes on.
pub(crate) type SharedReady = Arc<Ready>;
