//! What a wallet does: finds a key, makes a Deploy, signs and sends it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use casper_types::{
    Deploy, DeployHash, ExecutableDeployItem, SecretKey, TimeDiff, Timestamp, U512,
    account::AccountHash,
};
use girrona_api::{AccountIdentifier, Client};
use girrona_devnet::{KeyFolder, key_folder};
use girrona_types::draft::Draft;

use crate::ask::explained;

/// What a native transfer costs, in motes, unless the chainspec says otherwise.
pub(crate) const TRANSFER_PAYMENT: u64 = 100_000_000;

/// Reads a secret key from its PEM file or from the folder that has it.
pub(crate) fn secret_key(path: &Path) -> Result<SecretKey> {
    let key = if path.is_dir() {
        KeyFolder::open(path).secret_key()
    } else {
        key_folder::read_secret_key(path)
    };
    key.with_context(|| {
        format!("use the key in {}; `girrona key generate DIR` makes one", path.display())
    })
}

/// The account that somebody means: an account, or a key on disk.
pub(crate) fn account(text: &str) -> Result<AccountIdentifier> {
    let path = Path::new(text);
    if path.exists() {
        return Ok(AccountIdentifier::PublicKey((&secret_key(path)?).into()));
    }
    match text.parse() {
        Ok(account) => Ok(account),
        Err(error) => bail!("{error}; there is no such key file either"),
    }
}

/// A native transfer as session code.
pub(crate) fn transfer_to(
    to: &AccountIdentifier,
    motes: U512,
    id: Option<u64>,
) -> ExecutableDeployItem {
    match to {
        AccountIdentifier::PublicKey(key) => {
            ExecutableDeployItem::new_transfer(motes, None, key.clone(), id)
        }
        AccountIdentifier::AccountHash(hash) => {
            ExecutableDeployItem::new_transfer::<U512, AccountHash>(motes, None, *hash, id)
        }
    }
}

/// What goes into a Deploy beside its code.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// The network's name.
    pub(crate) chain_name: String,
    /// How long it may wait.
    pub(crate) ttl: TimeDiff,
    /// What has to be executed before.
    pub(crate) dependencies: Vec<DeployHash>,
    /// Motes for one gas.
    pub(crate) gas_price: u64,
    /// The most it may cost, in motes.
    pub(crate) payment: u64,
}

/// Makes a signed Deploy with standard payment.
pub(crate) fn sign(key: &SecretKey, session: ExecutableDeployItem, terms: Terms) -> Result<Deploy> {
    let draft = Draft {
        timestamp: Timestamp::now(),
        ttl: terms.ttl,
        gas_price: terms.gas_price,
        dependencies: terms.dependencies,
        chain_name: terms.chain_name,
        payment: ExecutableDeployItem::new_standard_payment(terms.payment),
        session,
    };
    draft.sign(key).context("write the deploy as bytes")
}

/// The name of the network a node belongs to.
pub(crate) async fn chain_name(client: &Client) -> Result<String> {
    Ok(client.status().await.map_err(explained)?.chainspec_name)
}
