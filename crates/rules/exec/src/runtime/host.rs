//! The answers to a guest's calls: each names the part of the runtime that gives it.

use std::collections::BTreeSet;

use casper_types::{
    ApiError, BlockHash, CLValue, Digest, HashAddr, Key, NamedKeys, Phase, ProtocolVersion,
    RuntimeArgs, TransferredTo, U512, URef, URefAddr,
    account::{
        AccountHash, ActionType, AddKeyFailure, RemoveKeyFailure, SetThresholdFailure,
        UpdateKeyFailure, Weight,
    },
    contract_messages::MessagePayload,
    contracts::{ContractHash, ContractPackageHash, ContractVersion, EntryPoints},
    system::CallStackElement,
};
use girrona_vm::{Answer, Gas, Host, Trap};

use super::{Runtime, native};
use crate::system::SYSTEM;

impl Host for Runtime<'_, '_> {
    fn read_value(&mut self, key: Key) -> Result<Option<CLValue>, Trap> {
        self.value_read(&key)
    }

    fn write(&mut self, key: Key, value: CLValue, gas: &mut Gas) -> Result<(), Trap> {
        self.value_write(key, value, gas)
    }

    fn add(&mut self, key: Key, value: CLValue, gas: &mut Gas) -> Result<(), Trap> {
        self.value_add(key, value, gas)
    }

    fn new_uref(&mut self, value: CLValue, gas: &mut Gas) -> Result<URef, Trap> {
        self.uref_new(value, gas)
    }

    fn is_valid_uref(&mut self, uref: URef) -> Result<bool, Trap> {
        Ok(self.frame.rights.has_access_rights_to_uref(&uref))
    }

    fn validate_return(&mut self, value: &CLValue) -> Result<(), Trap> {
        self.know_value(value)
    }

    fn named_keys(&mut self) -> Result<NamedKeys, Trap> {
        Ok(self.frame.named_keys.clone())
    }

    fn get_key(&mut self, name: &str) -> Result<Option<Key>, Trap> {
        Ok(self.frame.named_keys.get(name).copied())
    }

    fn put_key(&mut self, name: &str, key: Key, gas: &mut Gas) -> Result<(), Trap> {
        self.name_put(name, key, gas)
    }

    fn remove_key(&mut self, name: &str, gas: &mut Gas) -> Result<(), Trap> {
        self.name_remove(name, gas)
    }

    fn named_arg(&self, name: &str) -> Option<&CLValue> {
        self.frame.args.get(name)
    }

    fn caller(&self) -> AccountHash {
        self.account
    }

    fn block_time(&self) -> u64 {
        self.job.block.time.millis()
    }

    fn block_height(&self) -> u64 {
        self.job.block.height.0
    }

    fn parent_block(&self) -> BlockHash {
        self.job.block.parent
    }

    fn state_root(&self) -> Digest {
        self.job.block.state_root
    }

    fn protocol_version(&self) -> ProtocolVersion {
        self.job.law().protocol.version
    }

    fn phase(&self) -> Phase {
        self.phase
    }

    fn main_purse(&mut self) -> Result<URef, Trap> {
        self.own_main_purse()
    }

    fn get_system_contract(&mut self, index: u32) -> Answer<HashAddr> {
        let contract = SYSTEM.contract(index).map(|contract| contract.contract);
        Ok(contract.ok_or(ApiError::InvalidSystemContract))
    }

    fn authorization_keys(&mut self) -> Result<BTreeSet<AccountHash>, Trap> {
        Ok(self.job.signed.signers.clone())
    }

    fn call_stack(&mut self) -> Result<Vec<CallStackElement>, Trap> {
        Ok(self.stack.clone())
    }

    fn random_bytes(&mut self) -> Result<[u8; 32], Trap> {
        Ok(self.addresses.random_bytes())
    }

    fn balance(&mut self, purse: URef) -> Result<Option<U512>, Trap> {
        self.purse_balance(purse)
    }

    fn create_purse(&mut self, _: &mut Gas) -> Answer<URef> {
        // What the mint writes is not metered.
        self.purse_new().map(Ok)
    }

    fn transfer_to_account(
        &mut self,
        target: AccountHash,
        amount: U512,
        id: Option<u64>,
        gas: &mut Gas,
    ) -> Answer<TransferredTo> {
        let source = self.own_main_purse()?;
        self.pay_account(source, target, amount, id, gas)
    }

    fn transfer_from_purse_to_account(
        &mut self,
        source: URef,
        target: AccountHash,
        amount: U512,
        id: Option<u64>,
        gas: &mut Gas,
    ) -> Answer<TransferredTo> {
        self.know(&source)?;
        self.pay_account(source, target, amount, id, gas)
    }

    fn transfer_from_purse_to_purse(
        &mut self,
        source: URef,
        target: URef,
        amount: U512,
        id: Option<u64>,
        _: &mut Gas,
    ) -> Answer<()> {
        self.know(&source)?;
        self.know(&target)?;
        native::answer(self.mint_transfer(None, source, target, amount, id))
    }

    fn new_dictionary(&mut self, gas: &mut Gas) -> Result<URef, Trap> {
        self.uref_new(CLValue::unit(), gas)
    }

    fn dictionary_get(&mut self, seed: URef, item_key: &str) -> Result<Option<CLValue>, Trap> {
        self.item_get(seed, item_key)
    }

    fn dictionary_put(
        &mut self,
        seed: URef,
        item_key: &str,
        value: CLValue,
        gas: &mut Gas,
    ) -> Result<(), Trap> {
        self.item_put(seed, item_key, value, gas)
    }

    fn dictionary_read(&mut self, key: Key) -> Result<Option<CLValue>, Trap> {
        match key {
            Key::Dictionary(_) => self.item_read(&key),
            other => Err(Trap::UnexpectedKeyVariant(other)),
        }
    }

    fn add_associated_key(
        &mut self,
        key: AccountHash,
        weight: Weight,
        gas: &mut Gas,
    ) -> Answer<(), AddKeyFailure> {
        self.key_add(key, weight, gas)
    }

    fn remove_associated_key(
        &mut self,
        key: AccountHash,
        gas: &mut Gas,
    ) -> Answer<(), RemoveKeyFailure> {
        self.key_remove(key, gas)
    }

    fn update_associated_key(
        &mut self,
        key: AccountHash,
        weight: Weight,
        gas: &mut Gas,
    ) -> Answer<(), UpdateKeyFailure> {
        self.key_update(key, weight, gas)
    }

    fn set_action_threshold(
        &mut self,
        action: ActionType,
        threshold: Weight,
        gas: &mut Gas,
    ) -> Answer<(), SetThresholdFailure> {
        self.threshold_set(action, threshold, gas)
    }

    fn create_contract_package(
        &mut self,
        is_locked: bool,
        gas: &mut Gas,
    ) -> Result<(HashAddr, URefAddr), Trap> {
        self.package_new(is_locked, gas)
    }

    fn create_contract_user_group(
        &mut self,
        package: ContractPackageHash,
        label: String,
        new_urefs: u32,
        existing: BTreeSet<URef>,
        gas: &mut Gas,
    ) -> Answer<Vec<URef>> {
        self.group_new(package, label, new_urefs, existing, gas)
    }

    fn add_contract_version(
        &mut self,
        package: ContractPackageHash,
        entry_points: EntryPoints,
        named_keys: NamedKeys,
        topics: BTreeSet<String>,
        gas: &mut Gas,
    ) -> Answer<(ContractHash, ContractVersion)> {
        self.version_add(package, entry_points, named_keys, topics, gas)
    }

    fn disable_contract_version(
        &mut self,
        package: ContractPackageHash,
        contract: ContractHash,
        gas: &mut Gas,
    ) -> Answer<()> {
        self.version_disable(package, contract, gas)
    }

    fn enable_contract_version(
        &mut self,
        package: ContractPackageHash,
        contract: ContractHash,
        gas: &mut Gas,
    ) -> Answer<()> {
        self.version_enable(package, contract, gas)
    }

    fn call_contract(
        &mut self,
        contract: ContractHash,
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        self.call(contract, entry_point, args, gas)
    }

    fn call_versioned_contract(
        &mut self,
        package: ContractPackageHash,
        version: Option<ContractVersion>,
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        self.call_version(package, version, entry_point, args, gas)
    }

    fn call_package_version(
        &mut self,
        package: ContractPackageHash,
        wanted: (Option<u32>, Option<ContractVersion>),
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        self.call_newest(package, wanted, entry_point, args, gas)
    }

    fn add_message_topic(&mut self, topic: &str, gas: &mut Gas) -> Answer<()> {
        self.topic_add(topic, gas)
    }

    fn emit_message(&mut self, topic: &str, message: MessagePayload, gas: &mut Gas) -> Answer<()> {
        self.message_emit(topic, message, gas)
    }

    fn remove_contract_user_group(
        &mut self,
        package: ContractPackageHash,
        label: String,
        gas: &mut Gas,
    ) -> Answer<()> {
        self.group_remove(package, label, gas)
    }

    fn provision_contract_user_group_uref(
        &mut self,
        package: ContractPackageHash,
        label: String,
        gas: &mut Gas,
    ) -> Answer<URef> {
        self.group_provision(package, label, gas)
    }

    fn remove_contract_user_group_urefs(
        &mut self,
        package: ContractPackageHash,
        label: String,
        urefs: BTreeSet<URef>,
        gas: &mut Gas,
    ) -> Answer<()> {
        self.group_urefs_remove(package, label, urefs, gas)
    }
}
