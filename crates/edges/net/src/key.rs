//! The key that names this node in the swarm, and the file it lives in.
//!
//! Knows: an ed25519 seed, a text file of mode 0600.
//! Does not know: validator or account keys; those are other keys, kept elsewhere.

use std::{
    fmt,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use libp2p::{PeerId, identity};

/// The node's swarm identity. Never printed: `Debug` shows the public peer id only.
#[derive(Clone)]
pub struct Identity(identity::Keypair);

/// Why a key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("swarm key file {path}")]
    Io {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is there and is not a key.
    #[error(
        "swarm key file {path} must hold 64 hex digits, an ed25519 seed; move it away to get a new identity"
    )]
    Malformed {
        /// The key file.
        path: PathBuf,
    },
    /// Other users of the machine can read the key.
    #[error("swarm key file {path} can be read by others (mode {mode:o}); run: chmod 600 {path}")]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Identity {
    /// A new random identity that is not stored anywhere.
    pub fn generate() -> Self {
        Self(identity::Keypair::generate_ed25519())
    }

    /// The identity of an ed25519 seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(identity::Keypair::ed25519_from_bytes(seed).expect("any 32 bytes are an ed25519 seed"))
    }

    /// Reads the key file, or makes one (64 hex digits, mode 0600) if there is none.
    ///
    /// # Errors
    /// The file cannot be read or written, is not a key, or is readable by other users.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(source) => Err(KeyError::Io { path: path.into(), source }),
        }
    }

    /// The public name of this identity.
    pub fn peer_id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(crate) fn keypair(&self) -> identity::Keypair {
        self.0.clone()
    }

    fn parse(path: &Path, text: &str) -> Result<Self, KeyError> {
        refuse_exposed(path)?;
        let mut seed = [0; 32];
        hex::decode_to_slice(text.trim(), &mut seed)
            .map_err(|_| KeyError::Malformed { path: path.into() })?;
        Ok(Self::from_seed(seed))
    }

    // Written beside and linked into place: a crash leaves no half key, and of two processes that
    // start at once the second takes the first one's key instead of overwriting it.
    fn create(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Io { path: path.into(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let secret = identity::ed25519::SecretKey::generate();
        let text = format!("{}\n", hex::encode(secret.as_ref()));
        let beside = path.with_extension(format!("new-{}", std::process::id()));
        let written = write_private(&beside, text.as_bytes())
            .and_then(|()| std::fs::hard_link(&beside, path));
        let _ = std::fs::remove_file(&beside);
        match written {
            Ok(()) => Ok(Self(identity::ed25519::Keypair::from(secret).into())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = std::fs::read_to_string(path).map_err(failed)?;
                Self::parse(path, &text)
            }
            Err(source) => Err(failed(source)),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.peer_id())
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn refuse_exposed(path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta =
        std::fs::metadata(path).map_err(|source| KeyError::Io { path: path.into(), source })?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(KeyError::Exposed { path: path.into(), mode }) }
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path) -> Result<(), KeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_private_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/swarm.key");
        let made = Identity::load_or_create(&path).unwrap();
        let read = Identity::load_or_create(&path).unwrap();
        assert_eq!(made.peer_id(), read.peer_id());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            let error = Identity::load_or_create(&path).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("swarm.key");
        write_private(&path, b"not a key").unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"not a key");
    }

    #[test]
    fn the_same_seed_is_the_same_peer_and_debug_hides_it() {
        let identity = Identity::from_seed([7; 32]);
        assert_eq!(identity.peer_id(), Identity::from_seed([7; 32]).peer_id());
        assert!(!format!("{identity:?}").contains("0707"));
    }
}
