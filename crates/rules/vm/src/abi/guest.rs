//! One running guest: its host, its gas, its host buffer, and how its calls are answered.

use std::fmt;
use std::sync::Arc;

use casper_types::{ApiError, CLValue};

use super::memory::Memory;
use super::{Function, Prices};
use crate::engine::Outcome;
use crate::gas::Gas;
use crate::host::Host;
use crate::trap::{Fault, Trap};

/// The state of one run beside the module's own memory and globals.
pub struct Guest<'h> {
    pub(super) host: &'h mut dyn Host,
    pub(super) gas: Gas,
    /// A value that waits for `casper_read_host_buffer`.
    pub(super) buffer: Option<CLValue>,
    prices: Arc<Prices>,
    stopped: Option<Stop>,
}

impl fmt::Debug for Guest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("gas", &self.gas).finish_non_exhaustive()
    }
}

/// Why a call does not return to the guest.
#[derive(Debug)]
pub(super) enum Stop {
    Trap(Trap),
    /// `casper_ret`.
    Return(CLValue),
}

impl<E: Into<Trap>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Trap(error.into())
    }
}

/// What a call gives back to the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The result; 0 where the function returns nothing.
    pub result: i32,
    /// What the module's gas counter has to show now.
    pub remaining: i64,
}

/// The guest has ended inside a call; [`Guest::finish`] knows why. An engine unwinds the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest has ended inside a host function")]
pub struct Stopped;

impl<'h> Guest<'h> {
    /// A guest about to run.
    pub fn new(host: &'h mut dyn Host, prices: Arc<Prices>, gas_limit: u64) -> Self {
        Self { host, gas: Gas::new(gas_limit), buffer: None, prices, stopped: None }
    }

    /// What the module's gas counter has to show before it runs.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.gas.remaining_i64()
    }

    /// Answers one call. `memory` is all of the guest's memory, `remaining` its gas counter.
    ///
    /// # Errors
    /// [`Stopped`] when the run is over.
    pub fn call(
        &mut self,
        function: Function,
        arguments: &[u32],
        memory: &mut [u8],
        remaining: i64,
    ) -> Result<Reply, Stopped> {
        match self.answer(function, arguments, memory, remaining) {
            Ok(result) => Ok(Reply { result, remaining: self.gas.remaining_i64() }),
            Err(stop) => {
                self.stopped = Some(stop);
                Err(Stopped)
            }
        }
    }

    /// The outcome, once the module has ended. `ended` is what the engine says, `remaining` the
    /// gas counter; both count only when the guest did not end inside a call.
    #[must_use]
    pub fn finish(mut self, ended: Result<(), Trap>, remaining: i64) -> Outcome {
        let result = match self.stopped.take() {
            Some(Stop::Trap(trap)) => Err(trap),
            Some(Stop::Return(value)) => Ok(value),
            None => self.gas.set_remaining(remaining).and(ended).and_then(|()| {
                // As in Casper, a value that was never fetched from the host buffer is returned.
                self.buffer.take().map_or_else(|| Ok(CLValue::from_t(())?), Ok)
            }),
        };
        Outcome { result, gas_used: self.gas.used(), gas_parts: self.gas.parts() }
    }

    fn answer(
        &mut self,
        function: Function,
        arguments: &[u32],
        memory: &mut [u8],
        remaining: i64,
    ) -> Result<i32, Stop> {
        self.gas.set_remaining(remaining)?;
        check_bytes(function, arguments)?;
        self.gas.charge(self.prices.of(function, arguments))?;
        let mut call = Call { guest: self, memory: Memory::new(memory) };
        call.dispatch(function, arguments)
    }
}

/// One call of a guest.
pub(super) struct Call<'c, 'h> {
    pub(super) guest: &'c mut Guest<'h>,
    pub(super) memory: Memory<'c>,
}

impl Call<'_, '_> {
    fn dispatch(&mut self, function: Function, arguments: &[u32]) -> Result<i32, Stop> {
        use Function as F;
        let args = arguments;
        Ok(match function {
            F::ReadValue => code(self.read_value(take(args)?)?),
            F::Write => done(self.write(take(args)?)?),
            F::Add => done(self.add(take(args)?)?),
            F::NewUref => done(self.new_uref(take(args)?)?),
            F::IsValidUref => self.is_valid_uref(take(args)?)?,
            F::Ret => return Err(self.ret(take(args)?)),
            F::Revert => return Err(Self::revert(take(args)?)),
            F::ReadHostBuffer => code(self.read_host_buffer(take(args)?)?),
            F::Blake2b => code(self.blake2b(take(args)?)?),
            F::RandomBytes => code(self.random_bytes(take(args)?)?),

            F::LoadNamedKeys => code(self.load_named_keys(take(args)?)?),
            F::GetKey => code(self.get_key(take(args)?)?),
            F::HasKey => self.has_key(take(args)?)?,
            F::PutKey => done(self.put_key(take(args)?)?),
            F::RemoveKey => done(self.remove_key(take(args)?)?),

            F::GetNamedArgSize => code(self.get_named_arg_size(take(args)?)?),
            F::GetNamedArg => code(self.get_named_arg(take(args)?)?),
            F::GetCaller => code(self.get_caller(take(args)?)?),
            F::GetBlocktime => done(self.get_blocktime(take(args)?)?),
            F::GetPhase => done(self.get_phase(take(args)?)?),
            F::GetSystemContract => code(self.get_system_contract(take(args)?)?),
            F::LoadCallStack => code(self.load_call_stack(take(args)?)?),
            F::LoadAuthorizationKeys => code(self.load_authorization_keys(take(args)?)?),

            F::GetMainPurse => done(self.get_main_purse(take(args)?)?),
            F::GetBalance => code(self.get_balance(take(args)?)?),
            F::CreatePurse => code(self.create_purse(take(args)?)?),
            F::TransferToAccount => code(self.transfer_to_account(take(args)?)?),
            F::TransferFromPurseToAccount => {
                code(self.transfer_from_purse_to_account(take(args)?)?)
            }
            F::TransferFromPurseToPurse => code(self.transfer_from_purse_to_purse(take(args)?)?),

            F::NewDictionary => code(self.new_dictionary(take(args)?)?),
            F::DictionaryGet => code(self.dictionary_get(take(args)?)?),
            F::DictionaryPut => code(self.dictionary_put(take(args)?)?),
            F::DictionaryRead => code(self.dictionary_read(take(args)?)?),

            F::AddAssociatedKey => self.add_associated_key(take(args)?)?,
            F::RemoveAssociatedKey => self.remove_associated_key(take(args)?)?,
            F::UpdateAssociatedKey => self.update_associated_key(take(args)?)?,
            F::SetActionThreshold => self.set_action_threshold(take(args)?)?,

            // Only the mint and the auction may record, and those are not guests.
            F::RecordTransfer | F::RecordEraInfo => return Err(Trap::InvalidContext.into()),

            F::CreateContractPackageAtHash => {
                done(self.create_contract_package_at_hash(take(args)?)?)
            }
            F::CreateContractUserGroup => code(self.create_contract_user_group(take(args)?)?),
            F::AddContractVersion => code(self.add_contract_version(take(args)?)?),
            F::DisableContractVersion => code(self.disable_contract_version(take(args)?)?),
            F::EnableContractVersion => code(self.enable_contract_version(take(args)?)?),
            F::CallContract => code(self.call_contract(take(args)?)?),
            F::CallVersionedContract => code(self.call_versioned_contract(take(args)?)?),
            F::RemoveContractUserGroup => code(self.remove_contract_user_group(take(args)?)?),
            F::ProvisionContractUserGroupUref => {
                code(self.provision_contract_user_group_uref(take(args)?)?)
            }
            F::RemoveContractUserGroupUrefs => {
                code(self.remove_contract_user_group_urefs(take(args)?)?)
            }

            F::AddContractVersionWithMessageTopics => {
                code(self.add_contract_version_with_message_topics(take(args)?)?)
            }
            F::CallPackageVersion => code(self.call_package_version(take(args)?)?),
            F::ManageMessageTopic => code(self.manage_message_topic(take(args)?)?),
            F::EmitMessage => code(self.emit_message(take(args)?)?),
            F::LoadCallerInformation => code(self.load_caller_information(take(args)?)?),
            F::GetBlockInfo => done(self.get_block_info(take(args)?)?),
            F::GenericHash => code(self.generic_hash(take(args)?)?),
            F::RecoverSecp256k1 => code(self.recover_secp256k1(take(args)?)?),
            F::VerifySignature => code(self.verify_signature(take(args)?)?),
        })
    }

    /// Says no while a value waits in the host buffer.
    pub(super) fn buffer_is_free(&self) -> Result<(), ApiError> {
        if self.guest.buffer.is_some() { Err(ApiError::HostBufferFull) } else { Ok(()) }
    }

    /// Leaves `value` in the host buffer and its length at `size_pointer`.
    pub(super) fn fill_buffer(
        &mut self,
        value: CLValue,
        size_pointer: u32,
    ) -> Result<Result<(), ApiError>, Trap> {
        let Ok(size) = u32::try_from(value.inner_bytes().len()) else {
            return Ok(Err(ApiError::OutOfMemory));
        };
        self.guest.buffer = Some(value);
        self.memory.write_u32(size_pointer, size)?;
        Ok(Ok(()))
    }
}

/// The arguments as the array that a function takes. Engines check signatures before they call.
fn take<const N: usize>(arguments: &[u32]) -> Result<[u32; N], Trap> {
    arguments.try_into().map_err(|_| unexpected_signature())
}

/// Weights and the choice of a field are a byte in the interface; Casper looks at that before it
/// charges.
fn check_bytes(function: Function, arguments: &[u32]) -> Result<(), Trap> {
    let byte = match function {
        Function::AddAssociatedKey | Function::UpdateAssociatedKey => arguments.get(2),
        Function::SetActionThreshold => arguments.get(1),
        Function::GetBlockInfo | Function::LoadCallerInformation => arguments.first(),
        _ => None,
    };
    match byte {
        Some(value) if u8::try_from(*value).is_err() => Err(unexpected_signature()),
        _ => Ok(()),
    }
}

fn unexpected_signature() -> Trap {
    Fault::UnexpectedSignature.into()
}

/// 0, or the number of the error.
fn code(result: Result<(), ApiError>) -> i32 {
    result.map_or_else(|error| u32::from(error).cast_signed(), |()| 0)
}

fn done((): ()) -> i32 {
    0
}
