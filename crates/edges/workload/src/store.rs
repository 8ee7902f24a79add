//! Compiled code on disk.
//!
//! Loading it means to execute it, so only what this node wrote is loaded: every file carries a MAC
//! over its name and its bytes, with a key that lies beside the files and that nobody but the node's
//! user can read. The very bytes that were checked are what is loaded. Who can read the key can
//! write the node's own program too.
//!
//! The name has the hash of the Wasm in it, and what the machine code depends on: the version of
//! wasmtime, its settings, the processor. What was compiled otherwise is not found, and compiled
//! again.

use std::{
    fs,
    hash::Hash as _,
    hash::Hasher as _,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use rand::RngCore as _;
use tracing::warn;
use wasmtime::{Engine, Module, component::Component};

use crate::artefact::{Hash, Kind, Linkers, Program};

const MAGIC: &[u8; 16] = b"girrona-code/1\n\0";
const HEAD: usize = MAGIC.len() + 32;
const EXTENSION: &str = "code";
/// The largest file that is read back.
const BYTES_MAX: u64 = 2 << 30;

/// The folder.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    key: [u8; 32],
    /// What machine code depends on beside the Wasm.
    flavour: String,
    bytes_max: u64,
}

impl Store {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// When it cannot be made, or be the node's alone.
    pub(crate) fn open(folder: &Path, engine: &Engine, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let flavour = format!("{:016x}", hasher.finish());
        let store = Self { folder: folder.to_owned(), key: key(folder)?, flavour, bytes_max };
        store.make_room(0)?;
        Ok(store)
    }

    fn name(&self, hash: &Hash, kind: Kind) -> String {
        let kind = match kind {
            Kind::Module => 'm',
            Kind::Component => 'c',
        };
        format!("{}-{kind}-{}.{EXTENSION}", hex::encode(hash), self.flavour)
    }

    fn mac(&self, name: &str, bytes: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        let len = u64::try_from(name.len()).unwrap_or(u64::MAX);
        hasher.update(&len.to_le_bytes()).update(name.as_bytes()).update(bytes);
        hasher.finalize()
    }

    /// The code for this Wasm, if it was compiled before and nobody touched it since.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        linkers: &Linkers,
        hash: &Hash,
        kind: Kind,
    ) -> Option<(Program, u64)> {
        let name = self.name(hash, kind);
        let path = self.folder.join(&name);
        let about = fs::metadata(&path).ok()?;
        if about.len() > BYTES_MAX {
            return None;
        }
        let file = fs::read(&path).ok()?;
        let size = u64::try_from(file.len()).unwrap_or(u64::MAX);
        let code = match self.check(&name, &file) {
            Some(code) => link(engine, linkers, code, kind),
            None => {
                warn!(file = %path.display(), "compiled code was altered; it is compiled again");
                None
            }
        };
        if code.is_none() {
            let _ = fs::remove_file(&path);
        } else {
            // The longest unused goes first.
            let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        }
        code.map(|program| (program, size))
    }

    /// The code of a file, if this node wrote it under this name.
    fn check<'a>(&self, name: &str, file: &'a [u8]) -> Option<Ours<'a>> {
        let (head, code) = file.split_at_checked(HEAD)?;
        let (magic, mac) = head.split_at_checked(MAGIC.len())?;
        let mac: [u8; 32] = mac.try_into().ok()?;
        // Comparing hashes takes the same time wherever they differ.
        (magic == MAGIC && self.mac(name, code) == mac).then_some(Ours(code))
    }

    /// Keeps code that was compiled just now, and links it.
    pub(crate) fn keep(
        &self,
        engine: &Engine,
        linkers: &Linkers,
        hash: &Hash,
        kind: Kind,
        code: &[u8],
    ) -> Option<Program> {
        let name = self.name(hash, kind);
        if let Err(error) = self.write(&name, code) {
            // It runs all the same; after a restart it is compiled again.
            warn!(%error, folder = %self.folder.display(), "compiled code was not kept");
        }
        link(engine, linkers, Ours(code), kind)
    }

    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let size = code.len().saturating_add(HEAD);
        self.make_room(u64::try_from(size).unwrap_or(u64::MAX))?;
        let temporary = self.folder.join(format!("{name}.new"));
        let mut file = fs::File::create(&temporary)?;
        file.write_all(MAGIC)?;
        file.write_all(self.mac(name, code).as_bytes())?;
        file.write_all(code)?;
        fs::rename(&temporary, self.folder.join(name))
    }

    /// Forgets code, if it is there.
    pub(crate) fn remove(&self, hash: &Hash) {
        for kind in [Kind::Module, Kind::Component] {
            let _ = fs::remove_file(self.folder.join(self.name(hash, kind)));
        }
    }

    /// Removes what was unused the longest until `more` bytes have room.
    fn make_room(&self, more: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".new") {
                // From a process that died.
                let _ = fs::remove_file(&path);
            } else if name.ends_with(EXTENSION) {
                let about = entry.metadata()?;
                files.push((about.modified()?, about.len(), path));
            }
        }
        files.sort_unstable();
        let mut bytes: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in files {
            if bytes.saturating_add(more) <= self.bytes_max {
                break;
            }
            fs::remove_file(&path)?;
            bytes -= len;
        }
        Ok(())
    }
}

/// Bytes that this node compiled: just now, or before and unchanged.
struct Ours<'a>(&'a [u8]);

/// The only place where bytes become code.
#[allow(unsafe_code, reason = "wasmtime cannot check compiled code; its origin is checked here")]
fn link(engine: &Engine, linkers: &Linkers, code: Ours<'_>, kind: Kind) -> Option<Program> {
    // SAFETY: these bytes are what `Engine::precompile_*` of this process gave back, or bear the
    // node's own MAC over exactly them, which nobody makes without the node's key. wasmtime itself
    // compares its version, its settings and the processor with those that it wrote into them.
    let program = unsafe {
        match kind {
            Kind::Module => Module::deserialize(engine, code.0).map(|it| linkers.module(&it)),
            Kind::Component => {
                Component::deserialize(engine, code.0).map(|it| linkers.component(&it))
            }
        }
    };
    program.inspect_err(|error| warn!(%error, "compiled code does not load")).ok()
}

/// The node's key for MACs; made once.
fn key(folder: &Path) -> io::Result<[u8; 32]> {
    let path = folder.join("key");
    match fs::read(&path) {
        Ok(bytes) if let Ok(key) = bytes.as_slice().try_into() => return Ok(key),
        // Half written, or by somebody else. What it signed is of no use then.
        Ok(_) => fs::remove_file(&path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut key = [0; 32];
    rand::rngs::OsRng.fill_bytes(&mut key);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(&key)?;
    file.sync_all()?;
    Ok(key)
}
