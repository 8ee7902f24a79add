//! Casper's library for contracts, version 4.0.0, behind the few words in which it differs from
//! version 5.1.1. `v5/sdk` has the same words, so a contract has one source for both.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;

pub use casper_contract::{
    contract_api::{account, runtime, storage, system},
    unwrap_or_revert::UnwrapOrRevert,
};
pub use casper_types;
use casper_types::{
    CLType, EntryPoint, EntryPointAccess, EntryPointType, EntryPoints, Group, Parameter,
    contracts::{ContractHash, ContractPackageHash, NamedKeys},
};

/// Entry points of a contract, which run as the contract.
pub struct Methods(EntryPoints);

impl Methods {
    /// None yet.
    #[expect(clippy::new_without_default, reason = "the library's own default has one")]
    pub fn new() -> Self {
        Self(EntryPoints::new())
    }

    /// Adds one for everybody.
    pub fn public(self, name: &str, parameters: &[(&str, CLType)], returns: CLType) -> Self {
        self.add(name, parameters, returns, EntryPointAccess::Public)
    }

    /// Adds one for those who hold a URef of a group.
    pub fn of_group(
        self,
        group: &str,
        name: &str,
        parameters: &[(&str, CLType)],
        returns: CLType,
    ) -> Self {
        let groups = Vec::from([Group::new(group)]);
        self.add(name, parameters, returns, EntryPointAccess::Groups(groups))
    }

    fn add(
        mut self,
        name: &str,
        parameters: &[(&str, CLType)],
        returns: CLType,
        access: EntryPointAccess,
    ) -> Self {
        let parameters =
            parameters.iter().map(|(name, ty)| Parameter::new(*name, ty.clone())).collect();
        let kind = EntryPointType::Contract;
        self.0.add_entry_point(EntryPoint::new(name, parameters, returns, access, kind));
        self
    }
}

/// Stores the running code as the next version of a package.
pub fn add_version(
    package: ContractPackageHash,
    methods: Methods,
    names: NamedKeys,
) -> ContractHash {
    storage::add_contract_version(package, methods.0, names).0
}
