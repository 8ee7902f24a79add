//! Purses and transfers.

use casper_types::account::AccountHash;
use casper_types::bytesrepr::ToBytes;
use casper_types::{ApiError, CLValue, TransferredTo, U512, UREF_SERIALIZED_LENGTH, URef};

use super::guest::Call;
use crate::host::Answer;
use crate::trap::Trap;

impl Call<'_, '_> {
    pub(super) fn get_main_purse(&mut self, [target]: [u32; 1]) -> Result<(), Trap> {
        let purse = self.guest.host.main_purse()?;
        self.memory.write(target, &purse.to_bytes()?)
    }

    pub(super) fn get_balance(&mut self, [purse, size, size_out]: [u32; 3]) -> Answer<()> {
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let purse = match self.memory.decode_or_error(purse, size)? {
            Ok(purse) => purse,
            Err(error) => return Ok(Err(error.into())),
        };
        match self.guest.host.balance(purse)? {
            Some(balance) => self.fill_buffer(CLValue::from_t(balance)?, size_out),
            None => Ok(Err(ApiError::InvalidPurse)),
        }
    }

    pub(super) fn create_purse(&mut self, [target, target_size]: [u32; 2]) -> Answer<()> {
        if usize::try_from(target_size).is_ok_and(|size| size < UREF_SERIALIZED_LENGTH) {
            return Ok(Err(ApiError::PurseNotCreated));
        }
        match self.guest.host.create_purse(&mut self.guest.gas)? {
            Ok(purse) => {
                self.memory.write(target, &purse.to_bytes()?)?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) fn transfer_to_account(
        &mut self,
        [target, target_size, amount, amount_size, id, id_size, result_out]: [u32; 7],
    ) -> Answer<()> {
        let target: AccountHash = self.memory.decode(target, target_size)?;
        let amount: U512 = self.memory.decode(amount, amount_size)?;
        let id: Option<u64> = self.memory.decode(id, id_size)?;
        let guest = &mut *self.guest;
        let transferred = guest.host.transfer_to_account(target, amount, id, &mut guest.gas)?;
        self.tell_target(transferred, result_out)
    }

    pub(super) fn transfer_from_purse_to_account(
        &mut self,
        [source, source_size, target, target_size, amount, amount_size, id, id_size, result_out]: [u32;
            9],
    ) -> Answer<()> {
        let source: URef = self.memory.decode(source, source_size)?;
        let target: AccountHash = self.memory.decode(target, target_size)?;
        let amount: U512 = self.memory.decode(amount, amount_size)?;
        let id: Option<u64> = self.memory.decode(id, id_size)?;
        let guest = &mut *self.guest;
        let transferred = guest.host.transfer_from_purse_to_account(
            source,
            target,
            amount,
            id,
            &mut guest.gas,
        )?;
        self.tell_target(transferred, result_out)
    }

    pub(super) fn transfer_from_purse_to_purse(
        &mut self,
        [source, source_size, target, target_size, amount, amount_size, id, id_size]: [u32; 8],
    ) -> Answer<()> {
        let source: URef = self.memory.decode(source, source_size)?;
        let target: URef = self.memory.decode(target, target_size)?;
        let amount: U512 = self.memory.decode(amount, amount_size)?;
        let id: Option<u64> = self.memory.decode(id, id_size)?;
        let guest = &mut *self.guest;
        guest.host.transfer_from_purse_to_purse(source, target, amount, id, &mut guest.gas)
    }

    /// 0 for an account that was there, 1 for a new one.
    fn tell_target(
        &mut self,
        transferred: Result<TransferredTo, ApiError>,
        result_out: u32,
    ) -> Answer<()> {
        match transferred {
            Ok(to) => {
                let new = u32::from(to == TransferredTo::NewAccount);
                self.memory.write_u32(result_out, new)?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}
