//! Stored contracts: packages, versions, user groups, and calls.

use std::collections::{BTreeMap, BTreeSet};

use casper_types::{
    ApiError, CLValue, EntryPointPayment, NamedKeys, RuntimeArgs, URef, addressable_entity,
    bytesrepr::ToBytes,
    contract_messages::MessageTopicOperation,
    contracts::{self, ContractHash, ContractPackageHash, ContractVersion, EntryPoints},
};

use super::guest::Call;
use super::messages::check_topic;
use crate::host::Answer;
use crate::trap::Trap;

/// Bytes of a hash.
const HASH_BYTES: u32 = 32;
/// No group has a longer label. Casper does not price the size of one, so nobody may make us read
/// more for nothing.
const LABEL_BYTES_MAX: u32 = 4_096;
/// All groups of a package together have no more URefs (Casper 1.5), so no list has.
const GROUP_UREFS_MAX: u32 = 100;

impl Call<'_, '_> {
    /// Locked packages take one version and keep it. The flag is any number but 0.
    pub(super) fn create_contract_package_at_hash(
        &mut self,
        [hash_out, access_out, is_locked]: [u32; 3],
    ) -> Result<(), Trap> {
        let host = &mut self.guest.host;
        let (hash, access) = host.create_contract_package(is_locked != 0, &mut self.guest.gas)?;
        self.memory.write(hash_out, &hash)?;
        self.memory.write(access_out, &access)
    }

    pub(super) fn create_contract_user_group(
        &mut self,
        [package, package_size, label, label_size, new_urefs, existing, existing_size, size_out]: [u32;
            8],
    ) -> Answer<()> {
        let package: ContractPackageHash = self.memory.decode(package, package_size)?;
        let label = self.label(label, label_size)?;
        let Some(existing) = self.urefs(existing, existing_size)? else {
            return Ok(Err(contracts::Error::MaxTotalURefsExceeded.into()));
        };
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let host = &mut self.guest.host;
        let gas = &mut self.guest.gas;
        match host.create_contract_user_group(package, label, new_urefs, existing, gas)? {
            Ok(urefs) => self.fill_buffer(CLValue::from_t(urefs)?, size_out),
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) fn add_contract_version(
        &mut self,
        [
            package,
            package_size,
            version_out,
            entry_points,
            entry_points_size,
            names,
            names_size,
            target,
            target_size,
            size_out,
        ]: [u32; 10],
    ) -> Answer<()> {
        let package: ContractPackageHash = self.memory.decode(package, package_size)?;
        let entry_points: EntryPoints = self.memory.decode(entry_points, entry_points_size)?;
        let names: NamedKeys = self.memory.decode(names, names_size)?;
        let (host, gas) = (&mut self.guest.host, &mut self.guest.gas);
        let none = BTreeSet::new();
        let added = host.add_contract_version(package, entry_points, names, none, gas)?;
        let (contract, version) = match added {
            Ok(added) => added,
            Err(error) => return Ok(Err(error)),
        };
        let bytes = contract.to_bytes()?;
        match u32::try_from(bytes.len()) {
            Ok(size) if size <= target_size => {
                self.memory.write(target, &bytes)?;
                self.memory.write_u32(size_out, size)?;
                self.memory.write_u32(version_out, version)?;
                Ok(Ok(()))
            }
            _ => Ok(Err(ApiError::BufferTooSmall)),
        }
    }

    /// As [`Self::add_contract_version`] in the words of Casper 2: entry points say who pays for
    /// them, the contract may begin with topics for messages, and the hash has 32 bytes.
    pub(super) fn add_contract_version_with_message_topics(
        &mut self,
        [
            package,
            package_size,
            version_out,
            entry_points,
            entry_points_size,
            names,
            names_size,
            topics,
            topics_size,
            target,
            target_size,
        ]: [u32; 11],
    ) -> Answer<()> {
        if target_size < HASH_BYTES {
            return Ok(Err(ApiError::BufferTooSmall));
        }
        let package: ContractPackageHash = self.memory.decode(package, package_size)?;
        let entry_points = self.memory.decode(entry_points, entry_points_size)?;
        let names: NamedKeys = self.memory.decode(names, names_size)?;
        let topics: BTreeMap<String, MessageTopicOperation> =
            self.memory.decode(topics, topics_size)?;
        let topics: BTreeSet<String> = topics.into_keys().collect();
        if let Err(error) = topics.iter().try_for_each(|topic| check_topic(topic)) {
            return Ok(Err(error));
        }
        let entry_points = of_1(entry_points)?;
        let (host, gas) = (&mut self.guest.host, &mut self.guest.gas);
        let added = host.add_contract_version(package, entry_points, names, topics, gas)?;
        let (contract, version) = match added {
            Ok(added) => added,
            Err(error) => return Ok(Err(error)),
        };
        self.memory.write(target, &contract.value())?;
        self.memory.write_u32(version_out, version)?;
        Ok(Ok(()))
    }

    pub(super) fn disable_contract_version(
        &mut self,
        [package, package_size, contract, contract_size]: [u32; 4],
    ) -> Answer<()> {
        let package = self.memory.decode(package, package_size)?;
        let contract = self.memory.decode(contract, contract_size)?;
        self.guest.host.disable_contract_version(package, contract, &mut self.guest.gas)
    }

    pub(super) fn enable_contract_version(
        &mut self,
        [package, package_size, contract, contract_size]: [u32; 4],
    ) -> Answer<()> {
        let package = self.memory.decode(package, package_size)?;
        let contract = self.memory.decode(contract, contract_size)?;
        self.guest.host.enable_contract_version(package, contract, &mut self.guest.gas)
    }

    pub(super) fn call_contract(
        &mut self,
        [contract, contract_size, name, name_size, args, args_size, size_out]: [u32; 7],
    ) -> Answer<()> {
        let contract: ContractHash = self.memory.decode(contract, contract_size)?;
        let entry_point: String = self.memory.decode(name, name_size)?;
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let args: RuntimeArgs = self.memory.decode(args, args_size)?;
        let (host, gas) = (&mut self.guest.host, &mut self.guest.gas);
        let returned = host.call_contract(contract, &entry_point, args, gas)?;
        self.take_return(returned, size_out)
    }

    pub(super) fn call_versioned_contract(
        &mut self,
        [
            package,
            package_size,
            version,
            version_size,
            name,
            name_size,
            args,
            args_size,
            size_out,
        ]: [u32; 9],
    ) -> Answer<()> {
        let package: ContractPackageHash = self.memory.decode(package, package_size)?;
        let version: Option<ContractVersion> = self.memory.decode(version, version_size)?;
        let entry_point: String = self.memory.decode(name, name_size)?;
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let args: RuntimeArgs = self.memory.decode(args, args_size)?;
        let (host, gas) = (&mut self.guest.host, &mut self.guest.gas);
        let returned = host.call_versioned_contract(package, version, &entry_point, args, gas)?;
        self.take_return(returned, size_out)
    }

    pub(super) fn call_package_version(
        &mut self,
        [
            package,
            package_size,
            major,
            major_size,
            version,
            version_size,
            name,
            name_size,
            args,
            args_size,
            size_out,
        ]: [u32; 11],
    ) -> Answer<()> {
        let package: ContractPackageHash = self.memory.decode(package, package_size)?;
        let major: Option<u32> = self.memory.decode(major, major_size)?;
        let version: Option<ContractVersion> = self.memory.decode(version, version_size)?;
        let entry_point: String = self.memory.decode(name, name_size)?;
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let args: RuntimeArgs = self.memory.decode(args, args_size)?;
        let (host, gas) = (&mut self.guest.host, &mut self.guest.gas);
        let wanted = (major, version);
        let returned = host.call_package_version(package, wanted, &entry_point, args, gas)?;
        self.take_return(returned, size_out)
    }

    /// What a callee returned; a value without bytes leaves the buffer empty.
    fn take_return(&mut self, returned: CLValue, size_out: u32) -> Answer<()> {
        if returned.inner_bytes().is_empty() {
            self.memory.write_u32(size_out, 0)?;
            return Ok(Ok(()));
        }
        self.fill_buffer(returned, size_out)
    }

    pub(super) fn remove_contract_user_group(
        &mut self,
        [package, package_size, label, label_size]: [u32; 4],
    ) -> Answer<()> {
        let package = self.memory.decode(package, package_size)?;
        let label = self.label(label, label_size)?;
        self.guest.host.remove_contract_user_group(package, label, &mut self.guest.gas)
    }

    pub(super) fn provision_contract_user_group_uref(
        &mut self,
        [package, package_size, label, label_size, size_out]: [u32; 5],
    ) -> Answer<()> {
        let package = self.memory.decode(package, package_size)?;
        let label = self.label(label, label_size)?;
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let (host, gas) = (&mut self.guest.host, &mut self.guest.gas);
        match host.provision_contract_user_group_uref(package, label, gas)? {
            Ok(uref) => self.fill_buffer(CLValue::from_t(uref)?, size_out),
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) fn remove_contract_user_group_urefs(
        &mut self,
        [package, package_size, label, label_size, urefs, urefs_size]: [u32; 6],
    ) -> Answer<()> {
        let package = self.memory.decode(package, package_size)?;
        let label = self.label(label, label_size)?;
        let Some(urefs) = self.urefs(urefs, urefs_size)? else {
            return Ok(Err(contracts::Error::UnableToRemoveURef.into()));
        };
        let (host, gas) = (&mut self.guest.host, &mut self.guest.gas);
        host.remove_contract_user_group_urefs(package, label, urefs, gas)
    }

    fn label(&self, pointer: u32, size: u32) -> Result<String, Trap> {
        self.memory.slice(pointer, size)?;
        if size > LABEL_BYTES_MAX {
            let text = format!("a group's label of {size} bytes; {LABEL_BYTES_MAX} are the most");
            return Err(Trap::Host(text));
        }
        self.memory.decode(pointer, size)
    }

    /// `None` when there are more than a package can have.
    fn urefs(&self, pointer: u32, size: u32) -> Result<Option<BTreeSet<URef>>, Trap> {
        const UREF_BYTES: u32 = 33;
        self.memory.slice(pointer, size)?;
        if size.saturating_sub(4) > GROUP_UREFS_MAX.saturating_mul(UREF_BYTES) {
            return Ok(None);
        }
        self.memory.decode(pointer, size).map(Some)
    }
}

/// Entry points as Casper 1.5 has them. Casper 2 lets a contract pay for its own calls; here who
/// sends a deploy pays, and a contract that counts on something else is not stored.
fn of_1(entry_points: addressable_entity::EntryPoints) -> Result<EntryPoints, Trap> {
    for entry_point in entry_points.clone().take_entry_points() {
        if entry_point.entry_point_payment() != EntryPointPayment::Caller {
            return Err(Trap::Host(format!(
                "entry point {} asks its contract to pay; here the sender of a deploy pays",
                entry_point.name()
            )));
        }
    }
    Ok(entry_points.into())
}
