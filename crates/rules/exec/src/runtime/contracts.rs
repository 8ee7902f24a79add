//! Packages, their versions and their groups of users.

use std::collections::BTreeSet;

use casper_types::{
    CLValue, ContractWasm, ContractWasmHash, Digest, EntryPointAccess, EntryPointType, Group,
    Groups, HashAddr, Key, NamedKeys, ProtocolVersion, StoredValue, URef, URefAddr, bytesrepr,
    contracts::{
        self, Contract, ContractHash, ContractPackage, ContractPackageHash, ContractPackageStatus,
        ContractVersion, EntryPoints,
    },
};
use girrona_vm::{Answer, Gas, Trap, prune};

use super::{Runtime, frame::Module};

/// Groups that a package may have (Casper 1.5).
const GROUPS_MAX: usize = 10;
/// URefs that all groups of a package may have together (Casper 1.5).
const GROUP_UREFS_MAX: usize = 100;

impl Runtime<'_, '_> {
    pub(super) fn package_new(
        &mut self,
        is_locked: bool,
        gas: &mut Gas,
    ) -> Result<(HashAddr, URefAddr), Trap> {
        let address = self.addresses.next();
        let access = self.uref_new(CLValue::unit(), gas)?;
        let package = ContractPackage::new(
            access,
            Default::default(),
            Default::default(),
            Default::default(),
            ContractPackageStatus::new(is_locked),
        );
        self.put(Key::Hash(address), StoredValue::ContractPackage(package), gas)?;
        Ok((address, access.addr()))
    }

    /// A package that the running code may change: it holds the package's access URef.
    fn own_package(&mut self, hash: ContractPackageHash) -> Result<ContractPackage, Trap> {
        let package = self.package(hash)?;
        self.know(&package.access_key())?;
        Ok(package)
    }

    fn put_package(
        &mut self,
        hash: ContractPackageHash,
        package: ContractPackage,
        gas: &mut Gas,
    ) -> Result<(), Trap> {
        self.put(Key::Hash(hash.value()), StoredValue::ContractPackage(package), gas)
    }

    pub(super) fn version_add(
        &mut self,
        hash: ContractPackageHash,
        entry_points: EntryPoints,
        mut named_keys: NamedKeys,
        topics: BTreeSet<String>,
        gas: &mut Gas,
    ) -> Answer<(ContractHash, ContractVersion)> {
        let mut package = self.own_package(hash)?;
        if package.is_locked() && package.current_contract_version().is_some() {
            return Err(Trap::LockedContract(hash));
        }
        for key in named_keys.keys() {
            self.know_key(key)?;
        }
        check_kinds(&entry_points)?;
        let code = self.part_for(&entry_points)?;
        // Found by what is in it: the same code is stored once, and prepared once.
        let wasm_hash = Digest::hash_pair(Digest::hash(WASM_DOMAIN), Digest::hash(&code)).value();
        let contract_hash = ContractHash::new(self.addresses.next());
        if let Some(before) = package.current_contract_hash() {
            // Names that the version before had mean what they meant.
            named_keys.append(self.contract(before)?.take_named_keys());
        }
        if let Err(error) = self.topics_of_version(hash, topics, &mut named_keys, gas)? {
            return Ok(Err(error));
        }
        let version = ProtocolVersion::from_parts(self.major(), 0, 0);
        let contract = Contract::new(
            hash,
            ContractWasmHash::new(wasm_hash),
            named_keys,
            entry_points,
            version,
        );
        let key = package.insert_contract_version(self.major(), contract_hash);
        let wasm = StoredValue::ContractWasm(ContractWasm::new(code));
        self.put(Key::Hash(wasm_hash), wasm, gas)?;
        self.put(Key::Hash(contract_hash.value()), StoredValue::Contract(contract), gas)?;
        self.put_package(hash, package, gas)?;
        Ok(Ok((contract_hash, key.contract_version())))
    }

    /// The part of the running module that is stored, which must be one that can run.
    fn part_for(&mut self, entry_points: &EntryPoints) -> Result<Vec<u8>, Trap> {
        let names = entry_points.keys().map(String::as_str);
        let part = match self.frame.module {
            Module::Brought(bytes) => prune(bytes, names)?,
            Module::Stored(hash) => {
                let key = Key::Hash(hash);
                let stored = self.lookup(&key)?.ok_or(Trap::KeyNotFound(key))?;
                let StoredValue::ContractWasm(wasm) = stored.as_ref() else {
                    return Err(Trap::UnexpectedStoredValueVariant);
                };
                prune(&wasm.clone().take_bytes(), names)?
            }
            Module::None => return Err(Trap::InvalidContext),
        };
        let prepared = self.code.code(&part, &self.job.law().wasm);
        prepared.map_err(|error| Trap::Host(error.to_string()))?;
        Ok(part)
    }

    pub(super) fn version_disable(
        &mut self,
        hash: ContractPackageHash,
        contract: ContractHash,
        gas: &mut Gas,
    ) -> Answer<()> {
        self.change_versions(hash, gas, |package| package.disable_contract_version(contract))
    }

    pub(super) fn version_enable(
        &mut self,
        hash: ContractPackageHash,
        contract: ContractHash,
        gas: &mut Gas,
    ) -> Answer<()> {
        self.change_versions(hash, gas, |package| package.enable_contract_version(contract))
    }

    /// Changes which versions may be called, of a package that is not locked.
    fn change_versions(
        &mut self,
        hash: ContractPackageHash,
        gas: &mut Gas,
        change: impl FnOnce(&mut ContractPackage) -> Result<(), contracts::Error>,
    ) -> Answer<()> {
        let mut package = self.own_package(hash)?;
        if package.is_locked() {
            return Err(Trap::LockedContract(hash));
        }
        if let Err(error) = change(&mut package) {
            return Ok(Err(error.into()));
        }
        self.put_package(hash, package, gas).map(Ok)
    }

    pub(super) fn group_new(
        &mut self,
        hash: ContractPackageHash,
        label: String,
        new_urefs: u32,
        existing: BTreeSet<URef>,
        gas: &mut Gas,
    ) -> Answer<Vec<URef>> {
        let mut package = self.own_package(hash)?;
        let group = Group::new(label);
        if package.groups().contains(&group) {
            return Ok(Err(contracts::Error::GroupAlreadyExists.into()));
        }
        if package.groups().len() >= GROUPS_MAX {
            return Ok(Err(contracts::Error::MaxGroupsExceeded.into()));
        }
        let new_count = usize::try_from(new_urefs).unwrap_or(usize::MAX);
        let total = package.groups().total_urefs().saturating_add(existing.len());
        if total.saturating_add(new_count) > GROUP_UREFS_MAX {
            return Ok(Err(contracts::Error::MaxTotalURefsExceeded.into()));
        }
        let mut made = Vec::with_capacity(new_count);
        for _ in 0..new_urefs {
            made.push(self.uref_new(CLValue::unit(), gas)?);
        }
        let members = existing.into_iter().chain(made.iter().copied()).collect();
        package.groups_mut().insert(group, members);
        self.put_package(hash, package, gas)?;
        Ok(Ok(made))
    }

    pub(super) fn group_remove(
        &mut self,
        hash: ContractPackageHash,
        label: String,
        gas: &mut Gas,
    ) -> Answer<()> {
        let mut package = self.own_package(hash)?;
        let group = Group::new(label);
        if !package.groups().contains(&group) {
            return Ok(Err(contracts::Error::GroupDoesNotExist.into()));
        }
        for version in package.versions().values() {
            let in_use = self.contract(*version)?.entry_points().clone().take_entry_points();
            let asks = |access: &EntryPointAccess| match access {
                EntryPointAccess::Groups(groups) => groups.contains(&group),
                _ => false,
            };
            if in_use.iter().any(|entry_point| asks(entry_point.access())) {
                return Ok(Err(contracts::Error::GroupInUse.into()));
            }
        }
        package.remove_group(&group);
        self.put_package(hash, package, gas).map(Ok)
    }

    pub(super) fn group_provision(
        &mut self,
        hash: ContractPackageHash,
        label: String,
        gas: &mut Gas,
    ) -> Answer<URef> {
        let mut package = self.own_package(hash)?;
        if package.groups().total_urefs() >= GROUP_UREFS_MAX {
            return Ok(Err(contracts::Error::MaxTotalURefsExceeded.into()));
        }
        let group = Group::new(label);
        let Some(members) = package.groups_mut().get_mut(&group) else {
            return Ok(Err(contracts::Error::GroupDoesNotExist.into()));
        };
        // Casper asks the number of groups here, not that of URefs; so do we.
        if members.len() >= GROUPS_MAX {
            return Ok(Err(contracts::Error::MaxTotalURefsExceeded.into()));
        }
        let uref = self.uref_new(CLValue::unit(), gas)?;
        members.insert(uref);
        self.put_package(hash, package, gas)?;
        Ok(Ok(uref))
    }

    pub(super) fn group_urefs_remove(
        &mut self,
        hash: ContractPackageHash,
        label: String,
        urefs: BTreeSet<URef>,
        gas: &mut Gas,
    ) -> Answer<()> {
        let mut package = self.own_package(hash)?;
        let Some(members) = package.groups_mut().get_mut(&Group::new(label)) else {
            return Ok(Err(contracts::Error::GroupDoesNotExist.into()));
        };
        if urefs.is_empty() {
            return Ok(Ok(()));
        }
        if !urefs.iter().all(|uref| members.remove(uref)) {
            return Ok(Err(contracts::Error::UnableToRemoveURef.into()));
        }
        self.put_package(hash, package, gas).map(Ok)
    }

    /// Whether the running code may call an entry point with this access.
    pub(super) fn check_access(
        &self,
        groups: &Groups,
        access: &EntryPointAccess,
    ) -> Result<(), Trap> {
        let is_member = |group: &Group| {
            let members = groups.get(group).into_iter().flatten();
            members.into_iter().any(|uref| self.frame.rights.has_access_rights_to_uref(uref))
        };
        match access {
            EntryPointAccess::Public => Ok(()),
            EntryPointAccess::Groups(allowed) if allowed.iter().any(is_member) => Ok(()),
            EntryPointAccess::Groups(_) | EntryPointAccess::Template => Err(Trap::InvalidContext),
        }
    }
}

/// Goes before the bytes of code whose hash is its address.
const WASM_DOMAIN: &str = "girrona/contract-wasm/1";

/// Casper 1.5 knows session code and contract code, for everybody or for groups.
fn check_kinds(entry_points: &EntryPoints) -> Result<(), Trap> {
    for entry_point in entry_points.clone().take_entry_points() {
        let of_2 = entry_point.entry_point_type() == EntryPointType::Factory
            || *entry_point.access() == EntryPointAccess::Template;
        if of_2 {
            return Err(bytesrepr::Error::Formatting.into());
        }
    }
    Ok(())
}
