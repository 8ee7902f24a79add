//! A world for guests to live in: state, named keys and purses in maps, with the access rules that
//! tests need and nothing else. It keeps a list of what was asked of it.

use std::collections::{BTreeMap, BTreeSet};

use casper_types::account::{
    AccountHash, ActionType, AddKeyFailure, RemoveKeyFailure, SetThresholdFailure,
    UpdateKeyFailure, Weight,
};
use casper_types::bytesrepr::ToBytes;
use casper_types::contract_messages::MessagePayload;
use casper_types::contracts::{
    self, ContractHash, ContractPackageHash, ContractVersion, ContractVersionKey, EntryPoints,
};
use casper_types::system::CallStackElement;
use casper_types::{
    AccessRights, ApiError, BlockHash, CLTyped, CLValue, Digest, HashAddr, Key, NamedKeys, Phase,
    ProtocolVersion, RuntimeArgs, TransferredTo, U512, URef, URefAddr,
};
use girrona_vm::{Answer, Gas, Host, Trap};

/// Gas for each byte that a [`World`] writes.
pub(crate) const GAS_PER_BYTE: u32 = 1_000;
/// The account that every test runs as.
pub(crate) const ACCOUNT: AccountHash = AccountHash::new([7; 32]);
/// Its main purse.
pub(crate) const MAIN_PURSE: URef = URef::new([1; 32], AccessRights::READ_ADD_WRITE);
/// The only package.
pub(crate) const PACKAGE: ContractPackageHash = ContractPackageHash::new([40; 32]);
/// Its only version, which has the entry point `echo`.
pub(crate) const CONTRACT: ContractHash = ContractHash::new([42; 32]);
/// What a call of it costs beyond the price of calling.
pub(crate) const ECHO_GAS: u64 = 77;
/// The least number of a mark: a program that is written for it tells the world how far it came, as a
/// number of a system contract that does not exist.
pub(crate) const FIRST_MARK: u32 = 0x4d00_0000;
/// Timestamp of the block.
pub(crate) const BLOCK_TIME: u64 = 1_700_000_000_123;
/// Height of the block.
pub(crate) const BLOCK_HEIGHT: u64 = 77;

/// State and account in maps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct World {
    pub(crate) args: BTreeMap<String, CLValue>,
    pub(crate) values: BTreeMap<URefAddr, CLValue>,
    pub(crate) named_keys: NamedKeys,
    pub(crate) balances: BTreeMap<URefAddr, U512>,
    pub(crate) accounts: BTreeMap<AccountHash, URefAddr>,
    pub(crate) items: BTreeMap<(URefAddr, String), CLValue>,
    pub(crate) keys: BTreeMap<AccountHash, u8>,
    pub(crate) groups: BTreeMap<String, BTreeSet<URef>>,
    pub(crate) topics: BTreeMap<String, Vec<MessagePayload>>,
    pub(crate) asked: Vec<&'static str>,
    pub(crate) returned: Option<CLValue>,
    pub(crate) marks: BTreeMap<u32, u64>,
    next: u8,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            args: BTreeMap::new(),
            values: BTreeMap::from([(MAIN_PURSE.addr(), CLValue::unit())]),
            named_keys: NamedKeys::new(),
            balances: BTreeMap::from([(MAIN_PURSE.addr(), U512::from(1_000_000))]),
            accounts: BTreeMap::from([(ACCOUNT, MAIN_PURSE.addr())]),
            items: BTreeMap::new(),
            keys: BTreeMap::from([(ACCOUNT, 1)]),
            groups: BTreeMap::new(),
            topics: BTreeMap::new(),
            asked: Vec::new(),
            returned: None,
            marks: BTreeMap::new(),
            next: 100,
        }
    }

    pub(crate) fn arg<T: CLTyped + ToBytes>(mut self, name: &str, value: T) -> Self {
        self.args.insert(name.to_owned(), CLValue::from_t(value).unwrap());
        self
    }

    fn fresh(&mut self) -> URef {
        self.next = self.next.wrapping_add(1);
        URef::new([self.next; 32], AccessRights::READ_ADD_WRITE)
    }

    fn store(&mut self, addr: URefAddr, value: CLValue, gas: &mut Gas) -> Result<(), Trap> {
        gas.charge_bytes(value.serialized_length(), GAS_PER_BYTE)?;
        self.values.insert(addr, value);
        Ok(())
    }

    fn known(&self, uref: URef) -> Result<(), Trap> {
        match self.values.contains_key(&uref.addr()) {
            true => Ok(()),
            false => Err(Trap::ForgedReference(uref)),
        }
    }

    fn writeable(&self, uref: URef) -> Result<(), Trap> {
        self.known(uref)?;
        match uref.is_writeable() {
            true => Ok(()),
            false => Err(Trap::InvalidAccess { required: AccessRights::WRITE }),
        }
    }

    fn as_uref(key: Key) -> Result<URef, Trap> {
        key.as_uref().copied().ok_or(Trap::UnexpectedKeyVariant(key))
    }

    fn shift(&mut self, from: URefAddr, to: URefAddr, amount: U512) -> Result<(), ApiError> {
        let held = *self.balances.get(&from).ok_or(ApiError::Mint(1))?;
        let left = held.checked_sub(amount).ok_or(ApiError::Mint(0))?;
        let had = *self.balances.get(&to).ok_or(ApiError::Mint(2))?;
        let sum = had.checked_add(amount).ok_or(ApiError::Mint(18))?;
        self.balances.insert(from, left);
        self.balances.insert(to, if from == to { had } else { sum });
        Ok(())
    }
}

impl Host for World {
    fn read_value(&mut self, key: Key) -> Result<Option<CLValue>, Trap> {
        self.asked.push("read_value");
        match key {
            Key::URef(uref) => {
                self.known(uref)?;
                Ok(self.values.get(&uref.addr()).cloned())
            }
            _ => Ok(None),
        }
    }

    fn write(&mut self, key: Key, value: CLValue, gas: &mut Gas) -> Result<(), Trap> {
        self.asked.push("write");
        let uref = Self::as_uref(key)?;
        self.writeable(uref)?;
        self.store(uref.addr(), value, gas)
    }

    fn add(&mut self, key: Key, value: CLValue, gas: &mut Gas) -> Result<(), Trap> {
        self.asked.push("add");
        let uref = Self::as_uref(key)?;
        self.known(uref)?;
        let before: u64 = self.values[&uref.addr()].clone().into_t()?;
        let sum = before.wrapping_add(value.into_t()?);
        self.store(uref.addr(), CLValue::from_t(sum)?, gas)
    }

    fn new_uref(&mut self, value: CLValue, gas: &mut Gas) -> Result<URef, Trap> {
        self.asked.push("new_uref");
        let uref = self.fresh();
        self.store(uref.addr(), value, gas)?;
        Ok(uref)
    }

    fn is_valid_uref(&mut self, uref: URef) -> Result<bool, Trap> {
        self.asked.push("is_valid_uref");
        Ok(self.known(uref).is_ok())
    }

    fn validate_return(&mut self, value: &CLValue) -> Result<(), Trap> {
        self.asked.push("validate_return");
        if *value.cl_type() == casper_types::CLType::URef {
            self.known(value.to_t()?)?;
        }
        self.returned = Some(value.clone());
        Ok(())
    }

    fn named_keys(&mut self) -> Result<NamedKeys, Trap> {
        self.asked.push("named_keys");
        Ok(self.named_keys.clone())
    }

    fn get_key(&mut self, name: &str) -> Result<Option<Key>, Trap> {
        self.asked.push("get_key");
        Ok(self.named_keys.get(name).copied())
    }

    fn put_key(&mut self, name: &str, key: Key, gas: &mut Gas) -> Result<(), Trap> {
        self.asked.push("put_key");
        if let Key::URef(uref) = key {
            self.known(uref)?;
        }
        gas.charge_bytes(name.len() + key.serialized_length(), GAS_PER_BYTE)?;
        self.named_keys.insert(name.to_owned(), key);
        Ok(())
    }

    fn remove_key(&mut self, name: &str, _: &mut Gas) -> Result<(), Trap> {
        self.asked.push("remove_key");
        self.named_keys.remove(name);
        Ok(())
    }

    fn named_arg(&self, name: &str) -> Option<&CLValue> {
        self.args.get(name)
    }

    fn caller(&self) -> AccountHash {
        ACCOUNT
    }

    fn block_time(&self) -> u64 {
        BLOCK_TIME
    }

    fn block_height(&self) -> u64 {
        BLOCK_HEIGHT
    }

    fn parent_block(&self) -> BlockHash {
        BlockHash::new(Digest::from([0xb0; 32]))
    }

    fn state_root(&self) -> Digest {
        Digest::from([0x50; 32])
    }

    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::from_parts(1, 5, 8)
    }

    fn phase(&self) -> Phase {
        Phase::Session
    }

    fn main_purse(&mut self) -> Result<URef, Trap> {
        self.asked.push("main_purse");
        Ok(MAIN_PURSE)
    }

    fn get_system_contract(&mut self, index: u32) -> Answer<HashAddr> {
        if index >= FIRST_MARK {
            *self.marks.entry(index).or_default() += 1;
            return Ok(Err(ApiError::InvalidSystemContract));
        }
        self.asked.push("get_system_contract");
        Ok(match index {
            0..4 => Ok([index as u8 + 10; 32]),
            _ => Err(ApiError::InvalidSystemContract),
        })
    }

    fn authorization_keys(&mut self) -> Result<BTreeSet<AccountHash>, Trap> {
        self.asked.push("authorization_keys");
        Ok(BTreeSet::from([ACCOUNT]))
    }

    fn call_stack(&mut self) -> Result<Vec<CallStackElement>, Trap> {
        self.asked.push("call_stack");
        Ok(vec![CallStackElement::Session { account_hash: ACCOUNT }])
    }

    fn random_bytes(&mut self) -> Result<[u8; 32], Trap> {
        self.asked.push("random_bytes");
        self.next = self.next.wrapping_add(1);
        Ok([self.next; 32])
    }

    fn balance(&mut self, purse: URef) -> Result<Option<U512>, Trap> {
        self.asked.push("balance");
        Ok(self.balances.get(&purse.addr()).copied())
    }

    fn create_purse(&mut self, _: &mut Gas) -> Answer<URef> {
        self.asked.push("create_purse");
        let purse = self.fresh();
        self.values.insert(purse.addr(), CLValue::unit());
        self.balances.insert(purse.addr(), U512::zero());
        Ok(Ok(purse))
    }

    fn transfer_to_account(
        &mut self,
        target: AccountHash,
        amount: U512,
        id: Option<u64>,
        gas: &mut Gas,
    ) -> Answer<TransferredTo> {
        self.asked.push("transfer_to_account");
        self.transfer_from_purse_to_account(MAIN_PURSE, target, amount, id, gas)
    }

    fn transfer_from_purse_to_account(
        &mut self,
        source: URef,
        target: AccountHash,
        amount: U512,
        _: Option<u64>,
        gas: &mut Gas,
    ) -> Answer<TransferredTo> {
        self.asked.push("transfer_from_purse_to_account");
        self.known(source)?;
        let (purse, to) = match self.accounts.get(&target) {
            Some(purse) => (*purse, TransferredTo::ExistingAccount),
            None => {
                let Ok(purse) = self.create_purse(gas)? else { return Ok(Err(ApiError::Mint(5))) };
                self.accounts.insert(target, purse.addr());
                (purse.addr(), TransferredTo::NewAccount)
            }
        };
        Ok(self.shift(source.addr(), purse, amount).map(|()| to))
    }

    fn transfer_from_purse_to_purse(
        &mut self,
        source: URef,
        target: URef,
        amount: U512,
        _: Option<u64>,
        _: &mut Gas,
    ) -> Answer<()> {
        self.asked.push("transfer_from_purse_to_purse");
        self.known(source)?;
        Ok(self.shift(source.addr(), target.addr(), amount))
    }

    fn new_dictionary(&mut self, gas: &mut Gas) -> Result<URef, Trap> {
        self.asked.push("new_dictionary");
        self.new_uref(CLValue::unit(), gas)
    }

    fn dictionary_get(&mut self, seed: URef, item_key: &str) -> Result<Option<CLValue>, Trap> {
        self.asked.push("dictionary_get");
        self.known(seed)?;
        Ok(self.items.get(&(seed.addr(), item_key.to_owned())).cloned())
    }

    fn dictionary_put(
        &mut self,
        seed: URef,
        item_key: &str,
        value: CLValue,
        gas: &mut Gas,
    ) -> Result<(), Trap> {
        self.asked.push("dictionary_put");
        self.writeable(seed)?;
        gas.charge_bytes(value.serialized_length(), GAS_PER_BYTE)?;
        self.items.insert((seed.addr(), item_key.to_owned()), value);
        Ok(())
    }

    fn dictionary_read(&mut self, key: Key) -> Result<Option<CLValue>, Trap> {
        self.asked.push("dictionary_read");
        let found = self
            .items
            .iter()
            .find(|((seed, item), _)| {
                let seed = URef::new(*seed, AccessRights::READ);
                Key::dictionary(seed, item.as_bytes()) == key
            })
            .map(|(_, value)| value.clone());
        match key {
            Key::Dictionary(_) => Ok(found),
            _ => Err(Trap::UnexpectedKeyVariant(key)),
        }
    }

    fn add_associated_key(
        &mut self,
        key: AccountHash,
        weight: Weight,
        _: &mut Gas,
    ) -> Answer<(), AddKeyFailure> {
        self.asked.push("add_associated_key");
        if self.keys.contains_key(&key) {
            return Ok(Err(AddKeyFailure::DuplicateKey));
        }
        self.keys.insert(key, weight.value());
        Ok(Ok(()))
    }

    fn remove_associated_key(
        &mut self,
        key: AccountHash,
        _: &mut Gas,
    ) -> Answer<(), RemoveKeyFailure> {
        self.asked.push("remove_associated_key");
        Ok(self.keys.remove(&key).map(|_| ()).ok_or(RemoveKeyFailure::MissingKey))
    }

    fn update_associated_key(
        &mut self,
        key: AccountHash,
        weight: Weight,
        _: &mut Gas,
    ) -> Answer<(), UpdateKeyFailure> {
        self.asked.push("update_associated_key");
        Ok(match self.keys.get_mut(&key) {
            Some(held) => {
                *held = weight.value();
                Ok(())
            }
            None => Err(UpdateKeyFailure::MissingKey),
        })
    }

    fn set_action_threshold(
        &mut self,
        action: ActionType,
        threshold: Weight,
        _: &mut Gas,
    ) -> Answer<(), SetThresholdFailure> {
        self.asked.push("set_action_threshold");
        Ok(match (action, threshold.value()) {
            (ActionType::Deployment, 0..=1) => Ok(()),
            (ActionType::KeyManagement, 1..) => Ok(()),
            (ActionType::Deployment, _) => Err(SetThresholdFailure::DeploymentThreshold),
            (ActionType::KeyManagement, 0) => Err(SetThresholdFailure::KeyManagementThreshold),
        })
    }

    fn create_contract_package(
        &mut self,
        is_locked: bool,
        _: &mut Gas,
    ) -> Result<(HashAddr, URefAddr), Trap> {
        self.asked.push(if is_locked { "create_locked_package" } else { "create_package" });
        Ok((PACKAGE.value(), [41; 32]))
    }

    fn create_contract_user_group(
        &mut self,
        package: ContractPackageHash,
        label: String,
        new_urefs: u32,
        existing: BTreeSet<URef>,
        _: &mut Gas,
    ) -> Answer<Vec<URef>> {
        self.asked.push("create_contract_user_group");
        known_package(package)?;
        if existing.len() + new_urefs as usize > 100 {
            return Ok(Err(contracts::Error::MaxTotalURefsExceeded.into()));
        }
        self.groups.insert(label, existing);
        Ok(Ok((0..new_urefs).map(|_| self.fresh()).collect()))
    }

    fn add_contract_version(
        &mut self,
        package: ContractPackageHash,
        entry_points: EntryPoints,
        named_keys: NamedKeys,
        topics: BTreeSet<String>,
        _: &mut Gas,
    ) -> Answer<(ContractHash, ContractVersion)> {
        self.asked.push("add_contract_version");
        known_package(package)?;
        self.named_keys.append(named_keys);
        self.topics.extend(topics.into_iter().map(|topic| (topic, Vec::new())));
        Ok(Ok((CONTRACT, u32::try_from(entry_points.len()).unwrap())))
    }

    fn call_package_version(
        &mut self,
        package: ContractPackageHash,
        wanted: (Option<u32>, Option<ContractVersion>),
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        self.asked.push("call_package_version");
        known_package(package)?;
        match wanted {
            (None | Some(1), None | Some(1)) => echo(entry_point, &args, gas),
            (_, _) => Err(Trap::InvalidVersion(ContractVersionKey::new(1, 2))),
        }
    }

    fn add_message_topic(&mut self, topic: &str, _: &mut Gas) -> Answer<()> {
        self.asked.push("add_message_topic");
        if self.topics.contains_key(topic) {
            return Ok(Err(ApiError::MessageTopicAlreadyRegistered));
        }
        self.topics.insert(topic.to_owned(), Vec::new());
        Ok(Ok(()))
    }

    fn emit_message(&mut self, topic: &str, message: MessagePayload, gas: &mut Gas) -> Answer<()> {
        self.asked.push("emit_message");
        let Some(messages) = self.topics.get_mut(topic) else {
            return Ok(Err(ApiError::MessageTopicNotRegistered));
        };
        gas.charge_bytes(message.serialized_length(), GAS_PER_BYTE)?;
        messages.push(message);
        Ok(Ok(()))
    }

    fn disable_contract_version(
        &mut self,
        package: ContractPackageHash,
        contract: ContractHash,
        _: &mut Gas,
    ) -> Answer<()> {
        self.asked.push("disable_contract_version");
        known_package(package)?;
        Ok(if contract == CONTRACT {
            Ok(())
        } else {
            Err(contracts::Error::ContractNotFound.into())
        })
    }

    fn enable_contract_version(
        &mut self,
        package: ContractPackageHash,
        contract: ContractHash,
        gas: &mut Gas,
    ) -> Answer<()> {
        let answer = self.disable_contract_version(package, contract, gas);
        self.asked.pop();
        self.asked.push("enable_contract_version");
        answer
    }

    fn call_contract(
        &mut self,
        contract: ContractHash,
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        self.asked.push("call_contract");
        if contract != CONTRACT {
            return Err(Trap::KeyNotFound(Key::Hash(contract.value())));
        }
        echo(entry_point, &args, gas)
    }

    fn call_versioned_contract(
        &mut self,
        package: ContractPackageHash,
        version: Option<ContractVersion>,
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap> {
        self.asked.push("call_versioned_contract");
        known_package(package)?;
        match version {
            None | Some(1) => echo(entry_point, &args, gas),
            Some(other) => Err(Trap::InvalidVersion(ContractVersionKey::new(1, other))),
        }
    }

    fn remove_contract_user_group(
        &mut self,
        package: ContractPackageHash,
        label: String,
        _: &mut Gas,
    ) -> Answer<()> {
        self.asked.push("remove_contract_user_group");
        known_package(package)?;
        let removed = self.groups.remove(&label);
        Ok(removed.map(|_| ()).ok_or_else(|| contracts::Error::GroupDoesNotExist.into()))
    }

    fn provision_contract_user_group_uref(
        &mut self,
        package: ContractPackageHash,
        label: String,
        _: &mut Gas,
    ) -> Answer<URef> {
        self.asked.push("provision_contract_user_group_uref");
        known_package(package)?;
        let uref = self.fresh();
        let group = self.groups.get_mut(&label);
        Ok(match group {
            Some(group) => {
                group.insert(uref);
                Ok(uref)
            }
            None => Err(contracts::Error::GroupDoesNotExist.into()),
        })
    }

    fn remove_contract_user_group_urefs(
        &mut self,
        package: ContractPackageHash,
        label: String,
        urefs: BTreeSet<URef>,
        _: &mut Gas,
    ) -> Answer<()> {
        self.asked.push("remove_contract_user_group_urefs");
        known_package(package)?;
        let Some(group) = self.groups.get_mut(&label) else {
            return Ok(Err(contracts::Error::GroupDoesNotExist.into()));
        };
        let all = urefs.iter().all(|uref| group.remove(uref));
        Ok(if all { Ok(()) } else { Err(contracts::Error::UnableToRemoveURef.into()) })
    }
}

fn known_package(package: ContractPackageHash) -> Result<(), Trap> {
    if package == PACKAGE { Ok(()) } else { Err(Trap::KeyNotFound(Key::Hash(package.value()))) }
}

/// A contract that returns its argument `value`, or unit.
fn echo(entry_point: &str, args: &RuntimeArgs, gas: &mut Gas) -> Result<CLValue, Trap> {
    gas.charge(ECHO_GAS)?;
    match entry_point {
        "echo" => Ok(args.get("value").cloned().unwrap_or_else(CLValue::unit)),
        other => Err(Trap::NoSuchMethod(other.to_owned())),
    }
}
