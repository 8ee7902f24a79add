//! A key on disk, as `casper-client keygen` writes it: a folder with `secret_key.pem`,
//! `public_key.pem` and `public_key_hex`. Only the owner can read the secret.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use casper_types::{AsymmetricType, PublicKey, SecretKey};

use crate::error::Error;

const SECRET_KEY: &str = "secret_key.pem";
const PUBLIC_KEY: &str = "public_key.pem";
const PUBLIC_KEY_HEX: &str = "public_key_hex";

/// Which kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The default.
    Ed25519,
    /// What Bitcoin and Ethereum use.
    Secp256k1,
}

/// A folder with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFolder {
    folder: PathBuf,
}

impl KeyFolder {
    /// The key in a folder that is there.
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Makes a new key and writes it; an existing key is never overwritten.
    ///
    /// # Errors
    /// When the folder has a key already or cannot be written.
    pub fn generate(folder: impl Into<PathBuf>, algorithm: Algorithm) -> Result<Self, Error> {
        let this = Self::open(folder);
        let secret = match algorithm {
            Algorithm::Ed25519 => SecretKey::generate_ed25519(),
            Algorithm::Secp256k1 => SecretKey::generate_secp256k1(),
        };
        let bad = |reason: String| Error::Key { path: this.secret_key_path(), reason };
        let secret = secret.map_err(|error| bad(error.to_string()))?;
        let secret_pem = secret.to_pem().map_err(|error| bad(error.to_string()))?;
        let public = PublicKey::from(&secret);
        let public_pem = public.to_pem().map_err(|error| bad(error.to_string()))?;
        fs::create_dir_all(&this.folder).map_err(Error::file("create", &this.folder))?;
        write_new(&this.secret_key_path(), 0o600, &secret_pem)?;
        write_new(&this.folder.join(PUBLIC_KEY), 0o644, &public_pem)?;
        write_new(&this.folder.join(PUBLIC_KEY_HEX), 0o644, &public.to_hex())?;
        Ok(this)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The file with the secret key.
    pub fn secret_key_path(&self) -> PathBuf {
        self.folder.join(SECRET_KEY)
    }

    /// The secret key.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key.
    pub fn secret_key(&self) -> Result<SecretKey, Error> {
        read_secret_key(&self.secret_key_path())
    }

    /// The public key.
    ///
    /// # Errors
    /// When the secret key's file cannot be read or holds no key.
    pub fn public_key(&self) -> Result<PublicKey, Error> {
        Ok(PublicKey::from(&self.secret_key()?))
    }
}

/// Reads a secret key from a PEM file.
///
/// # Errors
/// When the file cannot be read or holds no key.
pub fn read_secret_key(path: &Path) -> Result<SecretKey, Error> {
    let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
    SecretKey::from_pem(text)
        .map_err(|error| Error::Key { path: path.to_owned(), reason: error.to_string() })
}

/// Writes a file that must not exist yet.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), Error> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(Error::file("create", path))?;
    file.write_all(text.as_bytes()).map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_generated_key_is_read_back_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        for (name, algorithm) in [("a", Algorithm::Ed25519), ("b", Algorithm::Secp256k1)] {
            let keys = KeyFolder::generate(folder.path().join(name), algorithm).unwrap();
            let hex = fs::read_to_string(keys.path().join("public_key_hex")).unwrap();
            assert_eq!(PublicKey::from_hex(hex).unwrap(), keys.public_key().unwrap());
            let pem = fs::read_to_string(keys.path().join("public_key.pem")).unwrap();
            assert_eq!(PublicKey::from_pem(pem).unwrap(), keys.public_key().unwrap());
            let mode = fs::metadata(keys.secret_key_path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn an_existing_key_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let first = KeyFolder::generate(folder.path(), Algorithm::Ed25519).unwrap();
        let key = first.public_key().unwrap();
        assert!(KeyFolder::generate(folder.path(), Algorithm::Ed25519).is_err());
        assert_eq!(first.public_key().unwrap(), key);
    }

    #[test]
    fn a_file_that_is_no_key_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret_key.pem");
        fs::write(&path, "no key").unwrap();
        let text = read_secret_key(&path).unwrap_err().to_string();
        assert!(text.contains("secret_key.pem is no PEM file"), "{text}");
    }
}
