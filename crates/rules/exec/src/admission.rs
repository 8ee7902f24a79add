//! What a node can know about a deploy from the state, without executing it.
//!
//! Acceptor, leader and judge ask the same questions here and get the same answers, cheap ones
//! first. What needs no state is in `girrona_types::deploy`.

use std::sync::Arc;

use casper_types::{
    Account, BlockHash, Digest, ExecutableDeployItem, Key, StoredValue, U512, URef,
    account::AccountHash,
    contracts::{ContractHash, ContractPackageHash, ContractVersion},
};
use girrona_state::Reader;
use girrona_types::{Chainspec, Height};
use girrona_vm::PrepareError;
use thiserror::Error;

use crate::{
    code::CodeSource,
    error::{Error, Failure},
    ledger::number,
    signed::Signed,
    target::{Target, Unresolved, resolve},
};

/// Why a deploy is refused in this state. It may be fine in another one. Texts are casper-node
/// 1.5.8's where it has the rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AdmissionError {
    /// There is no such account.
    #[error("account with hash {0} does not exist")]
    NoAccount(AccountHash),
    /// Nobody signed, or somebody who may not act for the account.
    #[error("account authorization invalid")]
    Unauthorized,
    /// The signers' weights do not reach the account's threshold for deploys.
    #[error("insufficient deploy signature weight")]
    Weight,
    /// The account's main purse cannot be found.
    #[error("unable to determine balance for account with hash {0}")]
    UnknownBalance(AccountHash),
    /// The main purse holds less than MAX_PAYMENT_COST.
    #[error("insufficient balance in account with hash {0}")]
    Balance(AccountHash),
    /// Nothing is stored at the hash, or no contract.
    #[error("contract at {0} does not exist")]
    NoContract(ContractHash),
    /// The contract has no such entry point.
    #[error("contract does not have {0}")]
    NoEntryPoint(String),
    /// Nothing is stored at the hash, or no package.
    #[error("contract package at {0} does not exist")]
    NoPackage(ContractPackageHash),
    /// The package has no such version, or it is disabled.
    #[error("invalid contract at version: {0}")]
    Version(ContractVersion),
    /// The package has no version that could be called.
    #[error("contract package at {0} has no active version")]
    NoVersion(ContractPackageHash),
    /// The account has no key of that name.
    #[error("account has no named key '{0}'")]
    NoName(String),
    /// The name leads to something that cannot be called.
    #[error("named key '{0}' is not a contract")]
    NameKind(String),
    /// A transfer cannot pay.
    #[error("transfer is not valid for payment code")]
    PaymentTransfer,
    /// The module breaks a rule of this network.
    #[error("{}", .0.detail())]
    Module(PrepareError),
}

impl AdmissionError {
    /// The complete text for a client: what is wrong, and in which state it was looked for.
    pub fn message(&self, root: &Digest, block: &BlockHash, height: Height) -> String {
        format!(
            "{self} at state root hash {root:?} of block {:?} at height {height}",
            block.inner()
        )
    }
}

/// An answer that a deploy gets; the outer error is the node's own and never the deploy's fault.
pub type Admission<T> = Result<Result<T, AdmissionError>, Error>;

/// An account that may send a deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Whose account.
    pub account: AccountHash,
    /// Its main purse.
    pub main_purse: URef,
    /// What is in it, in motes.
    pub balance: U512,
}

/// Whether the signers of a deploy may send it, and its account can pay for failure: the account
/// exists, the keys are associated with it and have the weight, the main purse holds at least
/// MAX_PAYMENT_COST (`core.penalty_payment`).
///
/// # Errors
/// The outer one when the state cannot be read.
pub fn check_account(
    signed: &Signed<'_>,
    state: &dyn Reader,
    law: &Chainspec,
) -> Admission<AccountView> {
    let Some(record) = account(signed, state)? else {
        return Ok(Err(AdmissionError::NoAccount(signed.account)));
    };
    let StoredValue::Account(account) = &*record else {
        return Ok(Err(AdmissionError::NoAccount(signed.account)));
    };
    match signed.authorize(account, &law.core.administrators) {
        Ok(()) => {}
        Err(Failure::DeploymentAuthorization) => return Ok(Err(AdmissionError::Weight)),
        Err(_) => return Ok(Err(AdmissionError::Unauthorized)),
    }
    let main_purse = account.main_purse();
    let key = Key::Balance(main_purse.addr());
    let Some(balance) = read(state, &key)? else {
        return Ok(Err(AdmissionError::UnknownBalance(signed.account)));
    };
    let balance = number(&key, &balance)?;
    if balance < law.core.penalty_payment {
        return Ok(Err(AdmissionError::Balance(signed.account)));
    }
    Ok(Ok(AccountView { account: signed.account, main_purse, balance }))
}

/// Whether what a deploy wants to call exists: contracts by hash, packages and versions, names in
/// the account.
///
/// # Errors
/// The outer one when the state cannot be read.
pub fn check_code(signed: &Signed<'_>, state: &dyn Reader, law: &Chainspec) -> Admission<()> {
    let deploy = signed.deploy;
    let payment = (!deploy.session().is_transfer()).then(|| deploy.payment());
    for item in payment.into_iter().chain(std::iter::once(deploy.session())) {
        // Modules and transfers name nothing; the account need not even be looked up.
        let is_payment = payment.is_some_and(|payment| std::ptr::eq(payment, item));
        match item {
            ExecutableDeployItem::ModuleBytes { .. } => continue,
            ExecutableDeployItem::Transfer { .. } if is_payment => {
                return Ok(Err(AdmissionError::PaymentTransfer));
            }
            ExecutableDeployItem::Transfer { .. } => continue,
            _ => {}
        }
        if let Err(refusal) = check_item(signed, item, state, law)? {
            return Ok(Err(refusal));
        }
    }
    Ok(Ok(()))
}

fn check_item(
    signed: &Signed<'_>,
    item: &ExecutableDeployItem,
    state: &dyn Reader,
    law: &Chainspec,
) -> Admission<()> {
    let record = account(signed, state)?;
    let account: Option<&Account> = record.as_deref().and_then(StoredValue::as_account);
    let Some(account) = account else {
        return Ok(Err(AdmissionError::NoAccount(signed.account)));
    };
    let major = law.protocol.version.value().major;
    let target = resolve(item, account, major, &mut |key: &Key| read(state, key))?;
    Ok(match target {
        Ok(Target::Module(_) | Target::Stored(..)) => Ok(()),
        Err(unresolved) => Err(unresolved.into()),
    })
}

/// Whether the modules that a deploy brings are ones that this network runs. Takes milliseconds
/// for a large module, so it comes last.
///
/// # Errors
/// The rule that a module breaks.
pub fn check_modules(
    signed: &Signed<'_>,
    law: &Chainspec,
    code: &mut dyn CodeSource,
) -> Result<(), AdmissionError> {
    let deploy = signed.deploy;
    if deploy.session().is_transfer() {
        return Ok(());
    }
    for item in [deploy.payment(), deploy.session()] {
        if let ExecutableDeployItem::ModuleBytes { module_bytes, .. } = item
            && !module_bytes.is_empty()
        {
            code.code(module_bytes, &law.wasm).map_err(AdmissionError::Module)?;
        }
    }
    Ok(())
}

impl From<Unresolved> for AdmissionError {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::Transfer => Self::PaymentTransfer,
            Unresolved::Name(name) => Self::NoName(name),
            Unresolved::NameKind(name) => Self::NameKind(name),
            Unresolved::Contract(hash) | Unresolved::ContractKind(hash, _) => {
                Self::NoContract(hash)
            }
            Unresolved::Package(hash) | Unresolved::PackageKind(hash, _) => Self::NoPackage(hash),
            Unresolved::Version(version) => Self::Version(version.contract_version()),
            Unresolved::NoVersion(hash) => Self::NoVersion(hash),
            Unresolved::EntryPoint(name) => Self::NoEntryPoint(name),
        }
    }
}

fn account(signed: &Signed<'_>, state: &dyn Reader) -> Result<Option<Arc<StoredValue>>, Error> {
    read(state, &Key::Account(signed.account))
}

fn read(state: &dyn Reader, key: &Key) -> Result<Option<Arc<StoredValue>>, Error> {
    Ok(state.read(key)?)
}
