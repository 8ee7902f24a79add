//! One contract calls another, or the system.

use std::{mem, sync::Arc};

use casper_types::{
    CLValue, EntryPointType, Key, RuntimeArgs, StoredValue,
    contracts::{
        Contract, ContractHash, ContractPackage, ContractPackageHash, ContractVersion,
        ContractVersionKey,
    },
    system::CallStackElement,
};
use girrona_vm::{Gas, Prepared, Trap};

use super::{
    Runtime,
    frame::{Frame, Module},
};
use crate::{
    system::SYSTEM,
    target::mismatch,
    urefs::{deposit_only, urefs_in},
};

/// A contract that is about to be called.
struct Callee {
    hash: ContractHash,
    contract: Contract,
    package: ContractPackage,
}

impl<'r> Runtime<'r, '_> {
    /// Calls an entry point of a contract with what is left of `gas`.
    pub(super) fn call(
        &mut self,
        hash: ContractHash,
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        let contract = self.contract(hash)?;
        let package = self.package(contract.contract_package_hash())?;
        let is_enabled = package.enabled_versions().values().any(|enabled| *enabled == hash);
        if !is_enabled {
            return Err(Trap::DisabledContract(hash));
        }
        self.enter(Callee { hash, contract, package }, entry_point, args, gas)
    }

    /// Calls a version of a package; the newest one when none is named.
    pub(super) fn call_version(
        &mut self,
        package_hash: ContractPackageHash,
        version: Option<ContractVersion>,
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        let package = self.package(package_hash)?;
        let key = match version {
            Some(version) => ContractVersionKey::new(self.major(), version),
            None => {
                package.current_contract_version().ok_or(Trap::NoActiveVersions(package_hash))?
            }
        };
        let hash = package.enabled_versions().get(&key).copied();
        let hash = hash.ok_or(Trap::InvalidVersion(key))?;
        let contract = self.contract(hash)?;
        self.enter(Callee { hash, contract, package }, entry_point, args, gas)
    }

    /// Calls the newest enabled version of a package among those of `(major version of the rules,
    /// version)`; where one is left open, any will do. Higher major versions are newer.
    pub(super) fn call_newest(
        &mut self,
        package_hash: ContractPackageHash,
        (major, version): (Option<u32>, Option<ContractVersion>),
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        let package = self.package(package_hash)?;
        let fits = |key: &ContractVersionKey| {
            major.is_none_or(|major| key.protocol_version_major() == major)
                && version.is_none_or(|version| key.contract_version() == version)
        };
        let enabled = package.enabled_versions();
        let newest = enabled.iter().filter(|(key, _)| fits(key)).max_by_key(|(key, _)| **key);
        let hash = newest.map(|(_, hash)| *hash).ok_or_else(|| match (major, version) {
            (_, Some(version)) => {
                let major = major.unwrap_or_else(|| self.major());
                Trap::InvalidVersion(ContractVersionKey::new(major, version))
            }
            (_, None) => Trap::NoActiveVersions(package_hash),
        })?;
        let contract = self.contract(hash)?;
        self.enter(Callee { hash, contract, package }, entry_point, args, gas)
    }

    fn enter(
        &mut self,
        callee: Callee,
        name: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        let Callee { hash, contract, package } = callee;
        let entry_point = contract.entry_point(name);
        let entry_point = entry_point.ok_or_else(|| Trap::NoSuchMethod(name.to_owned()))?;
        self.check_access(package.groups(), entry_point.access())?;
        let as_session = entry_point.entry_point_type() == EntryPointType::Caller;
        if as_session && !self.frame.is_session() {
            return Err(Trap::InvalidContext);
        }
        let made_for = contract.protocol_version().value().major;
        if made_for != self.major() {
            return Err(Trap::IncompatibleProtocol { expected: self.major(), actual: made_for });
        }
        let height = usize::try_from(self.job.law().core.max_runtime_call_stack_height);
        if self.stack.len() >= height.unwrap_or(usize::MAX) {
            return Err(Trap::RuntimeStackOverflow);
        }
        let native = SYSTEM.native(hash.value());
        // Nobody hands the key to the account's main purse to a stranger by accident.
        let args = match native {
            Some(_) => args,
            None => deposit_only(&args, self.main_purse.addr())?,
        };
        let mut handed = Vec::new();
        for value in args.to_values() {
            handed.extend(urefs_in(value)?);
        }
        handed.iter().try_for_each(|uref| self.know(uref))?;
        let package_hash = contract.contract_package_hash();
        self.stack.push(if as_session {
            CallStackElement::stored_session(self.account, package_hash, hash)
        } else {
            CallStackElement::stored_contract(package_hash, hash)
        });
        let returned = match native {
            Some(native) => self.call_native(native, name, &args, gas),
            None => {
                let module = Module::Stored(contract.contract_wasm_hash().value());
                let mut frame = if as_session {
                    let names = self.frame.named_keys.clone();
                    Frame::session(self.account, names, self.main_purse, args, module)
                } else {
                    Frame::contract(hash, contract.take_named_keys(), args, module)
                };
                frame.rights.extend(&handed);
                self.run_frame(frame, name, gas)
            }
        };
        self.stack.pop();
        let returned = returned?;
        // They were good where they come from.
        self.frame.rights.extend(&urefs_in(&returned)?);
        Ok(returned)
    }

    /// Runs a frame on top of the present one.
    fn run_frame(&mut self, frame: Frame<'r>, name: &str, gas: &mut Gas) -> Result<CLValue, Trap> {
        let Module::Stored(hash) = frame.module else { return Err(Trap::InvalidContext) };
        let prepared = self.stored_code(hash)?;
        let caller = mem::replace(&mut self.frame, frame);
        let outcome = prepared.run(name, self, gas.remaining());
        let callee = mem::replace(&mut self.frame, caller);
        gas.charge_run(&outcome)?;
        let returned = outcome.result?;
        if callee.is_session() && self.frame.is_session() {
            self.frame.named_keys = callee.named_keys;
        }
        Ok(returned)
    }

    /// Stored code, prepared; the read is in the effects whether or not it was kept from before.
    fn stored_code(&mut self, hash: [u8; 32]) -> Result<Prepared, Trap> {
        let key = Key::Hash(hash);
        let stored = self.lookup(&key)?.ok_or(Trap::KeyNotFound(key))?;
        let StoredValue::ContractWasm(wasm) = stored.as_ref() else {
            return Err(Trap::UnexpectedStoredValueVariant);
        };
        let prepared = self.code.stored(hash, wasm, &self.job.law().wasm);
        prepared.map_err(|error| Trap::Host(error.to_string()))
    }

    pub(super) fn contract(&mut self, hash: ContractHash) -> Result<Contract, Trap> {
        let key = Key::Hash(hash.value());
        match self.stored(key)?.as_ref() {
            StoredValue::Contract(contract) => Ok(contract.clone()),
            other => Err(mismatch(&key, "Contract", other.type_name())),
        }
    }

    pub(super) fn package(&mut self, hash: ContractPackageHash) -> Result<ContractPackage, Trap> {
        let key = Key::Hash(hash.value());
        match self.stored(key)?.as_ref() {
            StoredValue::ContractPackage(package) => Ok(package.clone()),
            other => Err(mismatch(&key, "ContractPackage", other.type_name())),
        }
    }

    fn stored(&mut self, key: Key) -> Result<Arc<StoredValue>, Trap> {
        self.lookup(&key)?.ok_or(Trap::KeyNotFound(key))
    }

    /// The major version of the law, which numbers of contract versions belong to.
    pub(super) fn major(&self) -> u32 {
        self.job.law().protocol.version.value().major
    }
}
