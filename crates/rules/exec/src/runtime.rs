//! The world of a running module: [`girrona_vm::Host`] over one deploy's ledger.
//!
//! Here: who runs, on whose behalf, with which rights. What values, purses and keys may do is in
//! the files below. Everything that a guest passes is judged here; the VM has only decoded it.

mod auction;
mod calls;
mod contracts;
mod frame;
mod host;
mod keys;
mod messages;
mod native;
mod purses;
mod values;

use casper_types::{
    Account, CLValue, Key, Phase, RuntimeArgs, StoredValue, TransferAddr, U512, URef,
    account::AccountHash, bytesrepr::ToBytes, contracts::ContractHash, system::CallStackElement,
};
use girrona_vm::{Gas, Trap};

use self::frame::{Frame, Module};
use crate::{
    address::Addresses,
    bill::GasUse,
    code::CodeSource,
    deploy::Job,
    error::{Error, Failure},
    ledger::{Allowance, Ledger},
    signed::spending_limit,
    urefs::{deposit_only, urefs_in},
};

/// How a phase's code ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Why it failed, if it did.
    pub(crate) failure: Option<Failure>,
    /// Gas it used.
    pub(crate) gas: U512,
    /// The same, by what it was used for.
    pub(crate) used: GasUse,
    /// Transfers it made, also if it failed in the end.
    pub(crate) transfers: Vec<TransferAddr>,
}

impl Run {
    /// Code that failed before it used any gas.
    pub(crate) fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }
}

/// What a phase runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program<'p> {
    /// The function `call` of a module.
    Module(&'p [u8]),
    /// An entry point of a stored contract.
    Stored(ContractHash, &'p str),
}

/// Runs a program as the deploy's account.
pub(crate) fn run(
    job: &Job<'_>,
    ledger: &mut Ledger<'_>,
    code: &mut dyn CodeSource,
    program: Program<'_>,
    args: &RuntimeArgs,
    phase: Phase,
    gas_limit: U512,
) -> Result<Run, Error> {
    let left = match spending_limit(args) {
        Ok(left) => left,
        Err(error) => return Ok(Run::failed(Failure::Trap(error.into()))),
    };
    let prepared = match program {
        Program::Module(module) => match code.code(module, &job.law().wasm) {
            Ok(prepared) => Some(prepared),
            Err(error) => return Ok(Run::failed(error.into())),
        },
        Program::Stored(..) => None,
    };
    // The state of now: payment code may have changed the account.
    let key = Key::Account(job.signed.account);
    let account = match ledger.view.peek(&key)?.as_deref() {
        Some(StoredValue::Account(account)) => account.clone(),
        _ => return Err(Error::missing(key)),
    };
    let main_purse = account.main_purse();
    // A deploy's own arguments give no right to take motes out of the main purse either.
    let given = match deposit_only(args, main_purse.addr()) {
        Ok(args) => args,
        Err(error) => return Ok(Run::failed(Failure::Trap(error.into()))),
    };
    let module = match program {
        Program::Module(module) => Module::Brought(module),
        Program::Stored(..) => Module::None,
    };
    let mut runtime = Runtime {
        job,
        ledger,
        code,
        account: account.account_hash(),
        main_purse,
        manages_keys: account.can_manage_keys_with(&job.signed.signers),
        allowance: Allowance { main_purse: main_purse.addr(), left },
        phase,
        addresses: Addresses::of(job.signed.deploy.hash(), phase),
        transfers: Vec::new(),
        stack: vec![CallStackElement::session(account.account_hash())],
        frame: Frame::outermost(&account, given.clone(), module),
        fault: None,
    };
    let mut gas = Gas::new(u64::try_from(gas_limit).unwrap_or(u64::MAX));
    let result = match (prepared, program) {
        (Some(prepared), _) => {
            let outcome = prepared.run("call", &mut runtime, gas.remaining());
            gas.charge_run(&outcome).and(outcome.result)
        }
        (None, Program::Stored(contract, entry_point)) => {
            runtime.call(contract, entry_point, given, &mut gas)
        }
        (None, Program::Module(_)) => Err(Trap::InvalidContext),
    };
    if let Some(error) = runtime.fault {
        return Err(error);
    }
    let failure = result.err().map(Failure::from);
    let used = GasUse::of(gas.used(), gas.parts());
    Ok(Run { failure, gas: used.total, used, transfers: runtime.transfers })
}

/// One phase of a deploy: what all its calls share, and the one that runs.
struct Runtime<'r, 'a> {
    job: &'r Job<'r>,
    ledger: &'r mut Ledger<'a>,
    code: &'r mut dyn CodeSource,
    account: AccountHash,
    main_purse: URef,
    /// Whether those who signed weigh enough to change the account's keys and thresholds.
    manages_keys: bool,
    allowance: Allowance,
    phase: Phase,
    addresses: Addresses,
    transfers: Vec<TransferAddr>,
    /// Who called whom, the outermost first.
    stack: Vec<CallStackElement>,
    frame: Frame<'r>,
    /// Why the node cannot go on; the module was stopped with a trap then.
    fault: Option<Error>,
}

impl<'r, 'a> Runtime<'r, 'a> {
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

    fn gas_per_byte(&self) -> u32 {
        self.job.law().wasm.storage_costs.gas_per_byte
    }

    /// Writes a value and charges its bytes.
    fn put(&mut self, key: Key, value: StoredValue, gas: &mut Gas) -> Result<(), Trap> {
        gas.charge_bytes(value.serialized_length(), self.gas_per_byte())?;
        self.ledger.view.write(key, value);
        Ok(())
    }

    /// A URef must be one that the code was given, with no more rights than it was given.
    fn know(&self, uref: &URef) -> Result<(), Trap> {
        if self.frame.rights.has_access_rights_to_uref(uref) {
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

    /// The main purse, for code that runs as the account.
    fn own_main_purse(&self) -> Result<URef, Trap> {
        if self.frame.is_session() { Ok(self.main_purse) } else { Err(Trap::InvalidContext) }
    }

    fn put_account(&mut self, account: Account, gas: &mut Gas) -> Result<(), Trap> {
        self.put(Key::Account(self.account), StoredValue::Account(account), gas)
    }
}
