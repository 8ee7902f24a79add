//! The world of a running module: [`girrona_vm::Host`] over one deploy's ledger.
//!
//! Here: who runs, on whose behalf, with which rights. What values, purses and keys may do is in
//! the files below. Everything that a guest passes is judged here; the VM has only decoded it.

mod keys;
mod purses;
mod values;

use std::collections::BTreeSet;

use casper_types::{
    Account, ApiError, CLValue, ContextAccessRights, DeployHash, HashAddr, Key, NamedKeys, Phase,
    RuntimeArgs, StoredValue, TransferAddr, TransferredTo, U512, URef,
    account::{
        AccountHash, ActionType, AddKeyFailure, RemoveKeyFailure, SetThresholdFailure,
        UpdateKeyFailure, Weight,
    },
    bytesrepr::ToBytes,
    system::CallStackElement,
};
use girrona_vm::{Answer, Gas, Host, Trap};

use crate::{
    address::Addresses,
    code::CodeSource,
    deploy::Job,
    error::{Error, Failure},
    ledger::{Allowance, Ledger},
    signed::spending_limit,
    system::SYSTEM,
    urefs::urefs_in,
};

/// How a phase's code ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Why it failed, if it did.
    pub(crate) failure: Option<Failure>,
    /// Gas it used.
    pub(crate) gas: U512,
    /// Transfers it made, also if it failed in the end.
    pub(crate) transfers: Vec<TransferAddr>,
}

impl Run {
    /// Code that failed before it used any gas.
    pub(crate) fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }
}

/// Runs a module that a deploy brings, as the deploy's account.
pub(crate) fn run(
    job: &Job<'_>,
    ledger: &mut Ledger<'_>,
    code: &mut dyn CodeSource,
    module: &[u8],
    args: &RuntimeArgs,
    phase: Phase,
    gas_limit: U512,
) -> Result<Run, Error> {
    let prepared = match code.code(module, &job.law().wasm) {
        Ok(prepared) => prepared,
        Err(error) => return Ok(Run::failed(error.into())),
    };
    // The state of now: payment code may have changed the account.
    let key = Key::Account(job.signed.account);
    let account = match ledger.view.peek(&key)?.as_deref() {
        Some(StoredValue::Account(account)) => account.clone(),
        _ => return Err(Error::missing(key)),
    };
    let mut runtime = Runtime::new(job, ledger, &account, args, phase);
    let gas_limit = u64::try_from(gas_limit).unwrap_or(u64::MAX);
    let outcome = prepared.run("call", &mut runtime, gas_limit);
    if let Some(error) = runtime.fault {
        return Err(error);
    }
    let gas = U512::from(outcome.gas_used);
    let failure = outcome.result.err().map(Failure::from);
    Ok(Run { failure, gas, transfers: runtime.transfers })
}

/// Code that runs as an account.
#[derive(Debug)]
struct Runtime<'r, 'a> {
    ledger: &'r mut Ledger<'a>,
    account: AccountHash,
    main_purse: URef,
    named_keys: NamedKeys,
    rights: ContextAccessRights,
    allowance: Allowance,
    args: &'r RuntimeArgs,
    signers: &'r BTreeSet<AccountHash>,
    deploy: DeployHash,
    phase: Phase,
    block_time: u64,
    addresses: Addresses,
    transfers: Vec<TransferAddr>,
    gas_per_byte: u32,
    associated_keys_max: u32,
    /// Why the node cannot go on; the module was stopped with a trap then.
    fault: Option<Error>,
}

impl<'r, 'a> Runtime<'r, 'a> {
    fn new(
        job: &Job<'r>,
        ledger: &'r mut Ledger<'a>,
        account: &Account,
        args: &'r RuntimeArgs,
        phase: Phase,
    ) -> Self {
        let held = account.named_keys().keys().filter_map(|key| match key {
            Key::URef(uref) => Some(*uref),
            _ => None,
        });
        let main_purse = account.main_purse();
        let hash = account.account_hash();
        let mut rights =
            ContextAccessRights::new(hash.value(), held.chain(std::iter::once(main_purse)));
        if phase == Phase::Payment {
            // In Casper payment code gets it from a call to handle payment.
            rights.grant_access(SYSTEM.payment_purse_for_guests());
        }
        let law = job.law();
        Self {
            ledger,
            account: hash,
            main_purse,
            named_keys: account.named_keys().clone(),
            rights,
            allowance: Allowance { main_purse: main_purse.addr(), left: spending_limit(args) },
            args,
            signers: &job.signed.signers,
            deploy: *job.signed.deploy.hash(),
            phase,
            block_time: job.block_time,
            addresses: Addresses::of(job.signed.deploy.hash(), phase),
            transfers: Vec::new(),
            gas_per_byte: law.wasm.storage_costs.gas_per_byte,
            associated_keys_max: law.core.max_associated_keys,
            fault: None,
        }
    }

    /// Stops the module because the node cannot go on.
    fn fault(&mut self, error: impl Into<Error>) -> Trap {
        let error = error.into();
        let trap = Trap::Storage(error.to_string());
        self.fault = Some(error);
        trap
    }

    /// What is stored under a key, listed in the effects.
    fn lookup(&mut self, key: &Key) -> Result<Option<std::sync::Arc<StoredValue>>, Trap> {
        let read = self.ledger.view.read(key);
        read.map_err(|error| self.fault(error))
    }

    /// Writes a value and charges its bytes.
    fn put(&mut self, key: Key, value: StoredValue, gas: &mut Gas) -> Result<(), Trap> {
        gas.charge_bytes(value.serialized_length(), self.gas_per_byte)?;
        self.ledger.view.write(key, value);
        Ok(())
    }

    /// A URef must be one that the code was given, with no more rights than it was given.
    fn know(&self, uref: &URef) -> Result<(), Trap> {
        if self.rights.has_access_rights_to_uref(uref) {
            Ok(())
        } else {
            Err(Trap::ForgedReference(*uref))
        }
    }

    /// [`Self::know`] for the URef that a key may be.
    fn know_key(&self, key: &Key) -> Result<(), Trap> {
        match key {
            Key::URef(uref) => self.know(uref),
            _ => Ok(()),
        }
    }

    /// [`Self::know`] for all URefs in a value.
    fn know_value(&self, value: &CLValue) -> Result<(), Trap> {
        urefs_in(value)?.iter().try_for_each(|uref| self.know(uref))
    }

    /// The account as it is now.
    fn current_account(&mut self) -> Result<Account, Trap> {
        let key = Key::Account(self.account);
        match self.lookup(&key)?.as_deref() {
            Some(StoredValue::Account(account)) => Ok(account.clone()),
            _ => Err(self.fault(Error::missing(key))),
        }
    }

    fn put_account(&mut self, account: Account, gas: &mut Gas) -> Result<(), Trap> {
        self.put(Key::Account(self.account), StoredValue::Account(account), gas)
    }
}

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
        Ok(self.rights.has_access_rights_to_uref(&uref))
    }

    fn validate_return(&mut self, value: &CLValue) -> Result<(), Trap> {
        self.know_value(value)
    }

    fn named_keys(&mut self) -> Result<NamedKeys, Trap> {
        Ok(self.named_keys.clone())
    }

    fn get_key(&mut self, name: &str) -> Result<Option<Key>, Trap> {
        Ok(self.named_keys.get(name).copied())
    }

    fn put_key(&mut self, name: &str, key: Key, gas: &mut Gas) -> Result<(), Trap> {
        self.name_put(name, key, gas)
    }

    fn remove_key(&mut self, name: &str, gas: &mut Gas) -> Result<(), Trap> {
        self.name_remove(name, gas)
    }

    fn named_arg(&self, name: &str) -> Option<&CLValue> {
        self.args.get(name)
    }

    fn caller(&self) -> AccountHash {
        self.account
    }

    fn block_time(&self) -> u64 {
        self.block_time
    }

    fn phase(&self) -> Phase {
        self.phase
    }

    fn main_purse(&mut self) -> Result<URef, Trap> {
        Ok(self.main_purse)
    }

    fn get_system_contract(&mut self, index: u32) -> Answer<HashAddr> {
        let contract = SYSTEM.contract(index).map(|contract| contract.contract);
        Ok(contract.ok_or(ApiError::InvalidSystemContract))
    }

    fn authorization_keys(&mut self) -> Result<BTreeSet<AccountHash>, Trap> {
        Ok(self.signers.clone())
    }

    fn call_stack(&mut self) -> Result<Vec<CallStackElement>, Trap> {
        Ok(vec![CallStackElement::session(self.account)])
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
        self.pay_account(self.main_purse, target, amount, id, gas)
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
        self.pay(None, source, target, amount, id)
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
}
