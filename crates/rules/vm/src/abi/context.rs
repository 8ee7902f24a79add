//! Arguments, and where the code runs.

use casper_types::bytesrepr::ToBytes;
use casper_types::system::{CallStackElement, Caller, CallerInfo};
use casper_types::{ApiError, CLValue, CLValueError};

use super::guest::Call;
use crate::host::{Answer, Host};
use crate::trap::Trap;

/// No argument has a longer name: the law limits all arguments together to less. The size of a
/// name has no price in `get_named_arg_size`, so nobody may make us read a long one.
const NAME_BYTES_MAX: u32 = 1 << 16;

impl Call<'_, '_> {
    pub(super) fn get_named_arg_size(
        &mut self,
        [name, name_size, size_out]: [u32; 3],
    ) -> Answer<()> {
        let name = self.memory.slice(name, name_size)?;
        let Some(value) = named_arg(self.guest.host, name) else {
            return Ok(Err(ApiError::MissingArgument));
        };
        let Ok(size) = u32::try_from(value.inner_bytes().len()) else {
            return Ok(Err(ApiError::OutOfMemory));
        };
        self.memory.write_u32(size_out, size)?;
        Ok(Ok(()))
    }

    /// The room must be exactly the size: Casper refuses less and cannot live with more.
    pub(super) fn get_named_arg(
        &mut self,
        [name, name_size, target, target_size]: [u32; 4],
    ) -> Answer<()> {
        let name = self.memory.slice(name, name_size)?;
        let Some(value) = named_arg(self.guest.host, name) else {
            return Ok(Err(ApiError::MissingArgument));
        };
        let bytes = value.inner_bytes();
        if u32::try_from(bytes.len()) != Ok(target_size) {
            return Ok(Err(ApiError::OutOfMemory));
        }
        self.memory.write(target, bytes)?;
        Ok(Ok(()))
    }

    pub(super) fn get_caller(&mut self, [size_out]: [u32; 1]) -> Answer<()> {
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let caller = CLValue::from_t(self.guest.host.caller())?;
        self.fill_buffer(caller, size_out)
    }

    pub(super) fn get_blocktime(&mut self, [target]: [u32; 1]) -> Result<(), Trap> {
        self.memory.write(target, &self.guest.host.block_time().to_le_bytes())
    }

    pub(super) fn get_phase(&mut self, [target]: [u32; 1]) -> Result<(), Trap> {
        self.memory.write(target, &self.guest.host.phase().to_bytes()?)
    }

    /// The size of the room is not looked at; the hash has 32 bytes.
    pub(super) fn get_system_contract(&mut self, [index, target, _]: [u32; 3]) -> Answer<()> {
        match self.guest.host.get_system_contract(index)? {
            Ok(hash) => {
                self.memory.write(target, &hash)?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) fn load_call_stack(&mut self, [count_out, size_out]: [u32; 2]) -> Answer<()> {
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let stack = self.guest.host.call_stack()?;
        self.load_list(stack.len(), CLValue::from_t(stack)?, count_out, size_out)
    }

    pub(super) fn load_authorization_keys(
        &mut self,
        [count_out, size_out]: [u32; 2],
    ) -> Answer<()> {
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let keys = Vec::from_iter(self.guest.host.authorization_keys()?);
        self.load_list(keys.len(), CLValue::from_t(keys)?, count_out, size_out)
    }

    /// Who asks, in the words of Casper 2: 0 the account that sent the deploy, 1 whoever called the
    /// running code, 2 everybody from the account to the running code.
    pub(super) fn load_caller_information(
        &mut self,
        [wanted, count_out, size_out]: [u32; 3],
    ) -> Answer<()> {
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let callers: Vec<CallerInfo> = match wanted {
            0 => vec![Caller::initiator(self.guest.host.caller()).try_into()?],
            1 => match self.guest.host.call_stack()?.iter().rev().nth(1) {
                Some(caller) => vec![caller_info(caller)?],
                // Nobody calls the outermost code.
                None => return Ok(Err(ApiError::Unhandled)),
            },
            2 => {
                let stack = self.guest.host.call_stack()?;
                stack.iter().map(caller_info).collect::<Result<_, _>>()?
            }
            _ => return Ok(Err(ApiError::InvalidCallerInfoRequest)),
        };
        self.load_list(callers.len(), CLValue::from_t(callers)?, count_out, size_out)
    }

    /// One field of the block, written as it is encoded: 0 its timestamp, 1 its height, 2 the hash
    /// of the block before, 3 the state after the block before, 4 the version of the rules,
    /// 5 whether contracts are Casper 2's entities, which they are not.
    pub(super) fn get_block_info(&mut self, [field, target]: [u32; 2]) -> Result<(), Trap> {
        let host = &self.guest.host;
        let bytes = match field {
            0 => host.block_time().to_bytes()?,
            1 => host.block_height().to_bytes()?,
            2 => host.parent_block().to_bytes()?,
            3 => host.state_root().to_bytes()?,
            4 => host.protocol_version().to_bytes()?,
            5 => false.to_bytes()?,
            _ => return Err(Trap::InvalidOperation),
        };
        self.memory.write(target, &bytes)
    }

    /// Leaves the buffer untouched when the list is empty.
    fn load_list(
        &mut self,
        count: usize,
        list: CLValue,
        count_out: u32,
        size_out: u32,
    ) -> Answer<()> {
        let Ok(count) = u32::try_from(count) else { return Ok(Err(ApiError::OutOfMemory)) };
        self.memory.write_u32(count_out, count)?;
        if count == 0 { Ok(Ok(())) } else { self.fill_buffer(list, size_out) }
    }
}

fn named_arg<'h>(host: &'h dyn Host, name: &[u8]) -> Option<&'h CLValue> {
    let short = u32::try_from(name.len()).is_ok_and(|size| size <= NAME_BYTES_MAX);
    short.then(|| host.named_arg(&String::from_utf8_lossy(name))).flatten()
}

/// Session code runs as its account, whether the deploy brought it or it was stored.
fn caller_info(element: &CallStackElement) -> Result<CallerInfo, CLValueError> {
    match element {
        CallStackElement::Session { account_hash }
        | CallStackElement::StoredSession { account_hash, .. } => Caller::initiator(*account_hash),
        CallStackElement::StoredContract { contract_package_hash, contract_hash } => {
            Caller::smart_contract(*contract_package_hash, *contract_hash)
        }
    }
    .try_into()
}
