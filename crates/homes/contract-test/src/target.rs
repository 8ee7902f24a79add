//! Which contract a call is for.

use casper_types::{
    ExecutableDeployItem, RuntimeArgs,
    contracts::{ContractHash, ContractPackageHash},
};

/// Which contract a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Contract(ContractHash),
    /// The one that the caller's named key leads to.
    Name(String),
    /// A version of a package; the newest when none is named.
    Package(ContractPackageHash, Option<u32>),
    /// As [`Target::Package`], by the caller's named key of the package.
    PackageName(String, Option<u32>),
}

impl Target {
    pub(crate) fn session(self, entry_point: &str, args: RuntimeArgs) -> ExecutableDeployItem {
        let entry_point = entry_point.to_owned();
        match self {
            Self::Contract(hash) => {
                ExecutableDeployItem::new_stored_contract_by_hash(hash, entry_point, args)
            }
            Self::Name(name) => {
                ExecutableDeployItem::new_stored_contract_by_name(name, entry_point, args)
            }
            Self::Package(hash, version) => {
                ExecutableDeployItem::new_stored_versioned_contract_by_hash(
                    hash,
                    version,
                    entry_point,
                    args,
                )
            }
            Self::PackageName(name, version) => {
                ExecutableDeployItem::new_stored_versioned_contract_by_name(
                    name,
                    version,
                    entry_point,
                    args,
                )
            }
        }
    }
}

impl From<ContractHash> for Target {
    fn from(hash: ContractHash) -> Self {
        Self::Contract(hash)
    }
}

impl From<ContractPackageHash> for Target {
    fn from(hash: ContractPackageHash) -> Self {
        Self::Package(hash, None)
    }
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}
