//! What a deploy wants to run: a module it brings, or a contract that is stored.

use std::sync::Arc;

use casper_types::{
    Account, ExecutableDeployItem, HashAddr, Key, StoredValue, StoredValueTypeMismatch, URef,
    contracts::{ContractHash, ContractPackageHash, ContractVersion, ContractVersionKey},
};
use girrona_vm::Trap;

use crate::{
    error::{Error, Failure},
    system::{SYSTEM, SystemContract},
};

/// Where values are looked up: a deploy's view, or a state as the acceptor sees it.
pub(crate) type Lookup<'l> = dyn FnMut(&Key) -> Result<Option<Arc<StoredValue>>, Error> + 'l;

/// What there is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'d> {
    /// A module, with its bytes. Empty bytes in payment mean the standard payment.
    Module(&'d [u8]),
    /// An entry point of a stored contract.
    Stored(ContractHash, &'d str),
}

/// Why there is nothing to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// A native transfer, which is no code.
    Transfer,
    /// The account has no such name.
    Name(String),
    /// The name leads to something that is no contract.
    NameKind(String),
    /// Nothing is stored there.
    Contract(ContractHash),
    /// What is stored there is no contract, but something of this name.
    ContractKind(ContractHash, String),
    /// Nothing is stored there.
    Package(ContractPackageHash),
    /// What is stored there is no package, but something of this name.
    PackageKind(ContractPackageHash, String),
    /// The package has no such version, or it is disabled.
    Version(ContractVersionKey),
    /// The package has no version that is enabled.
    NoVersion(ContractPackageHash),
    /// The contract has no such entry point.
    EntryPoint(String),
}

impl From<Unresolved> for Failure {
    fn from(unresolved: Unresolved) -> Self {
        let missing = |hash| Self::Trap(Trap::KeyNotFound(Key::Hash(hash)));
        match unresolved {
            Unresolved::Transfer => Self::UnsupportedItem("Transfer"),
            Unresolved::Name(name) => Self::Trap(Trap::NamedKeyNotFound(name)),
            Unresolved::NameKind(_) => Self::UnsupportedKeyType,
            Unresolved::Contract(hash) => missing(hash.value()),
            Unresolved::ContractKind(hash, found) => {
                Self::Trap(mismatch(&Key::Hash(hash.value()), "Contract", found))
            }
            Unresolved::Package(hash) => missing(hash.value()),
            Unresolved::PackageKind(_, found) => {
                let expected = "ContractPackage".to_owned();
                Self::Trap(StoredValueTypeMismatch::new(expected, found).into())
            }
            Unresolved::Version(version) => Self::Trap(Trap::InvalidVersion(version)),
            Unresolved::NoVersion(hash) => Self::Trap(Trap::NoActiveVersions(hash)),
            Unresolved::EntryPoint(name) => Self::Trap(Trap::NoSuchMethod(name)),
        }
    }
}

impl Unresolved {
    /// Whether Casper notices only when it is about to run: the phase has begun then, and fails
    /// without having used gas.
    pub(crate) const fn is_found_late(&self) -> bool {
        matches!(self, Self::Contract(_) | Self::ContractKind(..) | Self::EntryPoint(_))
    }
}

/// Finds what `item` of a deploy of `account` wants to run. `major` is the protocol's major
/// version, which numbers of contract versions belong to.
pub(crate) fn resolve<'d>(
    item: &'d ExecutableDeployItem,
    account: &Account,
    major: u32,
    lookup: &mut Lookup<'_>,
) -> Result<Result<Target<'d>, Unresolved>, Error> {
    let (hash, entry_point) = match item {
        ExecutableDeployItem::Transfer { .. } => return Ok(Err(Unresolved::Transfer)),
        ExecutableDeployItem::ModuleBytes { module_bytes, .. } => {
            return Ok(Ok(Target::Module(module_bytes.inner_bytes())));
        }
        ExecutableDeployItem::StoredContractByHash { hash, entry_point, .. } => {
            (Ok(*hash), entry_point)
        }
        ExecutableDeployItem::StoredContractByName { name, entry_point, .. } => {
            (named(account, name, |system| system.contract).map(ContractHash::new), entry_point)
        }
        ExecutableDeployItem::StoredVersionedContractByHash {
            hash, version, entry_point, ..
        } => (of_package(*hash, *version, major, lookup)?, entry_point),
        ExecutableDeployItem::StoredVersionedContractByName {
            name, version, entry_point, ..
        } => {
            let hash = match named(account, name, |system| system.package) {
                Ok(hash) => of_package(ContractPackageHash::new(hash), *version, major, lookup)?,
                Err(unresolved) => Err(unresolved),
            };
            (hash, entry_point)
        }
    };
    let hash = match hash {
        Ok(hash) => hash,
        Err(unresolved) => return Ok(Err(unresolved)),
    };
    let record = lookup(&Key::Hash(hash.value()))?;
    Ok(match record.as_deref() {
        Some(StoredValue::Contract(contract)) if contract.has_entry_point(entry_point) => {
            Ok(Target::Stored(hash, entry_point))
        }
        Some(StoredValue::Contract(_)) => Err(Unresolved::EntryPoint(entry_point.clone())),
        Some(other) => Err(Unresolved::ContractKind(hash, other.type_name())),
        None => Err(Unresolved::Contract(hash)),
    })
}

/// The hash under one of the account's names; the system's contracts answer to theirs where the
/// account has no such name.
fn named(
    account: &Account,
    name: &str,
    of_system: impl Fn(&SystemContract) -> HashAddr,
) -> Result<HashAddr, Unresolved> {
    match account.named_keys().get(name) {
        Some(Key::Hash(hash)) => Ok(*hash),
        Some(_) => Err(Unresolved::NameKind(name.to_owned())),
        None => SYSTEM
            .contracts()
            .into_iter()
            .find(|system| system.name == name)
            .map(of_system)
            .ok_or_else(|| Unresolved::Name(name.to_owned())),
    }
}

/// The contract of a version of a package; the newest enabled one when no version is asked for.
fn of_package(
    hash: ContractPackageHash,
    version: Option<ContractVersion>,
    major: u32,
    lookup: &mut Lookup<'_>,
) -> Result<Result<ContractHash, Unresolved>, Error> {
    let record = lookup(&Key::Hash(hash.value()))?;
    let package = match record.as_deref() {
        Some(StoredValue::ContractPackage(package)) => package,
        Some(other) => return Ok(Err(Unresolved::PackageKind(hash, other.type_name()))),
        None => return Ok(Err(Unresolved::Package(hash))),
    };
    let key = match version {
        Some(version) => ContractVersionKey::new(major, version),
        None => match package.current_contract_version() {
            Some(key) => key,
            None => return Ok(Err(Unresolved::NoVersion(hash))),
        },
    };
    let found = package.enabled_versions().get(&key).copied();
    Ok(found.ok_or(Unresolved::Version(key)))
}

/// The source purse that a native transfer may name besides the main purse: one that the account
/// holds under some name. Returns the URef as the account holds it.
pub(crate) fn held_uref(account: &Account, wanted: URef) -> Option<&Key> {
    account
        .named_keys()
        .keys()
        .find(|key| matches!(key, Key::URef(held) if held.addr() == wanted.addr()))
}

/// Casper's words for a stored value of another kind than the code that runs needs.
pub(crate) fn mismatch(key: &Key, expected: &str, found: String) -> Trap {
    Trap::FunctionNotFound(format!(
        "Type mismatch for value under {key:?}: TypeMismatch {{ expected: {expected:?}, found: \
         {found:?} }}"
    ))
}
