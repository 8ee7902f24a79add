//! What a running module can ask for, in meanings instead of pointers.
//!
//! The VM decodes what the guest passes, charges the price of the call, and asks the [`Host`];
//! the host knows accounts, purses and state. Guests are hostile: every value here has been
//! decoded, but none has been judged. Access rights, forged URefs, spending limits are the host's.
//!
//! Two kinds of failure. A [`Trap`] ends the whole phase of the deploy. An `Err` inside `Ok`
//! ([`Answer`]) is a code that the guest sees and may handle.
//!
//! Methods that write take the run's [`Gas`]: the host charges
//! `gas_per_byte * serialised length of the stored value` for each write that its context meters,
//! with [`Gas::charge_bytes`]. The fixed price of the call was charged before.

use std::collections::BTreeSet;

use casper_types::account::{
    AccountHash, ActionType, AddKeyFailure, RemoveKeyFailure, SetThresholdFailure,
    UpdateKeyFailure, Weight,
};
use casper_types::contract_messages::MessagePayload;
use casper_types::contracts::{ContractHash, ContractPackageHash, ContractVersion, EntryPoints};
use casper_types::system::CallStackElement;
use casper_types::{
    ApiError, BlockHash, CLValue, Digest, HashAddr, Key, NamedKeys, Phase, ProtocolVersion,
    RuntimeArgs, TransferredTo, U512, URef, URefAddr,
};

use crate::{Gas, Trap};

/// The answer to a call: a trap ends the phase, an inner error is a code for the guest.
pub type Answer<T, E = ApiError> = Result<Result<T, E>, Trap>;

/// The world of one running module.
pub trait Host {
    // ---- values under keys ----

    /// The value under `key`, `None` when there is none. Judges forgery and the READ right.
    fn read_value(&mut self, key: Key) -> Result<Option<CLValue>, Trap>;

    /// Writes `value` under `key`: only URefs with WRITE. URefs inside `value` must be known.
    fn write(&mut self, key: Key, value: CLValue, gas: &mut Gas) -> Result<(), Trap>;

    /// Adds `value` to what is under `key`: numbers wrap, named keys merge.
    fn add(&mut self, key: Key, value: CLValue, gas: &mut Gas) -> Result<(), Trap>;

    /// A new URef with all rights that holds `value`.
    fn new_uref(&mut self, value: CLValue, gas: &mut Gas) -> Result<URef, Trap>;

    /// Whether the running code holds `uref` with the rights it claims.
    fn is_valid_uref(&mut self, uref: URef) -> Result<bool, Trap>;

    /// Judges the value that the module returns: URefs in it must be known to it.
    fn validate_return(&mut self, value: &CLValue) -> Result<(), Trap>;

    // ---- named keys of the context ----

    /// All of them, in order.
    fn named_keys(&mut self) -> Result<NamedKeys, Trap>;

    /// The key of that name.
    fn get_key(&mut self, name: &str) -> Result<Option<Key>, Trap>;

    /// Names `key`; a URef in it must be known.
    fn put_key(&mut self, name: &str, key: Key, gas: &mut Gas) -> Result<(), Trap>;

    /// Forgets `name`; fine when it is absent.
    fn remove_key(&mut self, name: &str, gas: &mut Gas) -> Result<(), Trap>;

    // ---- where the code runs ----

    /// The argument of that name.
    fn named_arg(&self, name: &str) -> Option<&CLValue>;

    /// The account that sent the deploy.
    fn caller(&self) -> AccountHash;

    /// Timestamp of the block, in milliseconds.
    fn block_time(&self) -> u64;

    /// Height of the block.
    fn block_height(&self) -> u64;

    /// The block before.
    fn parent_block(&self) -> BlockHash;

    /// The state after the block before, in which the block's first deploy runs.
    fn state_root(&self) -> Digest;

    /// Version of the rules.
    fn protocol_version(&self) -> ProtocolVersion;

    /// Payment, session or finalization.
    fn phase(&self) -> Phase;

    /// The account's main purse; a trap where the code does not run as the account.
    fn main_purse(&mut self) -> Result<URef, Trap>;

    /// The hash of a system contract: 0 mint, 1 handle payment, 2 standard payment, 3 auction;
    /// others are [`ApiError::InvalidSystemContract`].
    fn get_system_contract(&mut self, index: u32) -> Answer<HashAddr>;

    /// Who signed the deploy.
    fn authorization_keys(&mut self) -> Result<BTreeSet<AccountHash>, Trap>;

    /// Who called whom, the outermost first, the running code last.
    fn call_stack(&mut self) -> Result<Vec<CallStackElement>, Trap>;

    /// The next 32 bytes of the phase's deterministic generator.
    fn random_bytes(&mut self) -> Result<[u8; 32], Trap>;

    // ---- purses ----

    /// The balance of a purse, `None` when it is no purse. Anybody may look.
    fn balance(&mut self, purse: URef) -> Result<Option<U512>, Trap>;

    /// A new empty purse.
    fn create_purse(&mut self, gas: &mut Gas) -> Answer<URef>;

    /// From the account's main purse to an account, which is made if it does not exist.
    fn transfer_to_account(
        &mut self,
        target: AccountHash,
        amount: U512,
        id: Option<u64>,
        gas: &mut Gas,
    ) -> Answer<TransferredTo>;

    /// From a purse to an account, which is made if it does not exist.
    fn transfer_from_purse_to_account(
        &mut self,
        source: URef,
        target: AccountHash,
        amount: U512,
        id: Option<u64>,
        gas: &mut Gas,
    ) -> Answer<TransferredTo>;

    /// From a purse to a purse.
    fn transfer_from_purse_to_purse(
        &mut self,
        source: URef,
        target: URef,
        amount: U512,
        id: Option<u64>,
        gas: &mut Gas,
    ) -> Answer<()>;

    // ---- dictionaries; item keys are at most 128 bytes of UTF-8 when they get here ----

    /// A new dictionary's seed URef.
    fn new_dictionary(&mut self, gas: &mut Gas) -> Result<URef, Trap>;

    /// The value of an item. Judges the READ right on the seed.
    fn dictionary_get(&mut self, seed: URef, item_key: &str) -> Result<Option<CLValue>, Trap>;

    /// Sets an item. Judges the WRITE right on the seed.
    fn dictionary_put(
        &mut self,
        seed: URef,
        item_key: &str,
        value: CLValue,
        gas: &mut Gas,
    ) -> Result<(), Trap>;

    /// The value under a `Key::Dictionary`; any other kind of key is a trap.
    fn dictionary_read(&mut self, key: Key) -> Result<Option<CLValue>, Trap>;

    // ---- stored contracts ----

    /// A new package without versions, and the address of the URef whose holder may change it.
    /// One that is locked takes a single version.
    fn create_contract_package(
        &mut self,
        is_locked: bool,
        gas: &mut Gas,
    ) -> Result<(HashAddr, URefAddr), Trap>;

    /// A new group of users: those who hold one of `existing` or of `new_urefs` new URefs, which
    /// come back.
    fn create_contract_user_group(
        &mut self,
        package: ContractPackageHash,
        label: String,
        new_urefs: u32,
        existing: BTreeSet<URef>,
        gas: &mut Gas,
    ) -> Answer<Vec<URef>>;

    /// Stores the part of the running module that `entry_points` need as the package's next
    /// version, which may emit messages on `topics`; those that the package has already stay.
    fn add_contract_version(
        &mut self,
        package: ContractPackageHash,
        entry_points: EntryPoints,
        named_keys: NamedKeys,
        topics: BTreeSet<String>,
        gas: &mut Gas,
    ) -> Answer<(ContractHash, ContractVersion)>;

    /// Nobody may call that version any more.
    fn disable_contract_version(
        &mut self,
        package: ContractPackageHash,
        contract: ContractHash,
        gas: &mut Gas,
    ) -> Answer<()>;

    /// That version may be called again.
    fn enable_contract_version(
        &mut self,
        package: ContractPackageHash,
        contract: ContractHash,
        gas: &mut Gas,
    ) -> Answer<()>;

    /// Runs an entry point of a stored contract on what is left of `gas`; what it returns.
    fn call_contract(
        &mut self,
        contract: ContractHash,
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap>;

    /// As [`Host::call_contract`], for a version of a package; the newest that may be called when
    /// none is named.
    fn call_versioned_contract(
        &mut self,
        package: ContractPackageHash,
        version: Option<ContractVersion>,
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap>;

    /// As [`Host::call_versioned_contract`], for `(major version of the rules, version)`, of which
    /// either may be left open: the newest one that fits.
    fn call_package_version(
        &mut self,
        package: ContractPackageHash,
        wanted: (Option<u32>, Option<ContractVersion>),
        entry_point: &str,
        args: RuntimeArgs,
        gas: &mut Gas,
    ) -> Result<CLValue, Trap>;

    /// Ends a group that no entry point asks for.
    fn remove_contract_user_group(
        &mut self,
        package: ContractPackageHash,
        label: String,
        gas: &mut Gas,
    ) -> Answer<()>;

    /// One more URef for a group.
    fn provision_contract_user_group_uref(
        &mut self,
        package: ContractPackageHash,
        label: String,
        gas: &mut Gas,
    ) -> Answer<URef>;

    /// Takes URefs out of a group.
    fn remove_contract_user_group_urefs(
        &mut self,
        package: ContractPackageHash,
        label: String,
        urefs: BTreeSet<URef>,
        gas: &mut Gas,
    ) -> Answer<()>;

    // ---- messages; topics are 1 to 256 bytes of UTF-8 when they get here ----

    /// Gives the package of the running contract a topic.
    fn add_message_topic(&mut self, topic: &str, gas: &mut Gas) -> Answer<()>;

    /// Adds a message to a topic of the running contract's package.
    fn emit_message(&mut self, topic: &str, message: MessagePayload, gas: &mut Gas) -> Answer<()>;

    // ---- keys of the account ----

    /// Associates a key with the account.
    fn add_associated_key(
        &mut self,
        key: AccountHash,
        weight: Weight,
        gas: &mut Gas,
    ) -> Answer<(), AddKeyFailure>;

    /// Ends the association of a key.
    fn remove_associated_key(
        &mut self,
        key: AccountHash,
        gas: &mut Gas,
    ) -> Answer<(), RemoveKeyFailure>;

    /// Changes the weight of an associated key.
    fn update_associated_key(
        &mut self,
        key: AccountHash,
        weight: Weight,
        gas: &mut Gas,
    ) -> Answer<(), UpdateKeyFailure>;

    /// Sets the weight that deploys or key management need.
    fn set_action_threshold(
        &mut self,
        action: ActionType,
        threshold: Weight,
        gas: &mut Gas,
    ) -> Answer<(), SetThresholdFailure>;
}
