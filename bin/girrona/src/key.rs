//! `girrona key`: keys on disk.

use std::{path::Path, process::ExitCode};

use anyhow::Result;
use casper_types::{AsymmetricType, PublicKey};
use girrona_devnet::KeyFolder;
use serde::Serialize;

use crate::{
    cli::{KeyGenerateArgs, KeyShowArgs},
    show::{self, BOLD, say, styled},
    wallet,
};

/// A key as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    public_key: String,
    account_hash: String,
    algorithm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<String>,
}

impl Shown {
    fn new(key: &PublicKey, secret_key: Option<&Path>) -> Self {
        let algorithm = match key {
            PublicKey::Ed25519(_) => "ed25519",
            PublicKey::Secp256k1(_) => "secp256k1",
            _ => "system",
        };
        Self {
            public_key: key.to_hex(),
            account_hash: key.to_account_hash().to_formatted_string(),
            algorithm,
            secret_key: secret_key.map(|path| path.display().to_string()),
        }
    }

    fn print(&self, json: bool) -> Result<ExitCode> {
        if json {
            show::json(self)?;
        } else {
            say!("{} {}", styled(BOLD, "public key  "), self.public_key);
            say!("{} {}", styled(BOLD, "account hash"), self.account_hash);
            say!("{} {}", styled(BOLD, "algorithm   "), self.algorithm);
            if let Some(path) = &self.secret_key {
                say!("{} {path}", styled(BOLD, "secret key  "));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `girrona key generate`
pub(crate) fn generate(arguments: &KeyGenerateArgs) -> Result<ExitCode> {
    let keys = KeyFolder::generate(&arguments.folder, arguments.algorithm.into())?;
    Shown::new(&keys.public_key()?, Some(&keys.secret_key_path())).print(arguments.json)
}

/// `girrona key show`
pub(crate) fn show(arguments: &KeyShowArgs) -> Result<ExitCode> {
    let key = match PublicKey::from_hex(&arguments.key) {
        Ok(key) => key,
        Err(_) => PublicKey::from(&wallet::secret_key(Path::new(&arguments.key))?),
    };
    Shown::new(&key, None).print(arguments.json)
}
