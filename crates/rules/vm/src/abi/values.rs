//! Values under keys, the return value, the host buffer, and two functions of bytes alone.

use casper_types::bytesrepr::{self, ToBytes};
use casper_types::{ApiError, CLValue, Digest};

use super::guest::{Call, Stop};
use crate::host::Answer;
use crate::trap::Trap;

impl Call<'_, '_> {
    pub(super) fn read_value(&mut self, [key, key_size, size_out]: [u32; 3]) -> Answer<()> {
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let key = self.memory.key(key, key_size)?;
        match self.guest.host.read_value(key)? {
            Some(value) => self.fill_buffer(value, size_out),
            None => Ok(Err(ApiError::ValueNotFound)),
        }
    }

    pub(super) fn write(&mut self, [key, key_size, value, size]: [u32; 4]) -> Result<(), Trap> {
        let key = self.memory.key(key, key_size)?;
        let value = self.memory.decode(value, size)?;
        self.guest.host.write(key, value, &mut self.guest.gas)
    }

    pub(super) fn add(&mut self, [key, key_size, value, size]: [u32; 4]) -> Result<(), Trap> {
        let key = self.memory.key(key, key_size)?;
        let value = self.memory.decode(value, size)?;
        self.guest.host.add(key, value, &mut self.guest.gas)
    }

    pub(super) fn new_uref(&mut self, [uref_out, value, size]: [u32; 3]) -> Result<(), Trap> {
        let value = self.memory.decode(value, size)?;
        let uref = self.guest.host.new_uref(value, &mut self.guest.gas)?;
        self.memory.write(uref_out, &uref.to_bytes()?)
    }

    /// 1 for yes, 0 for no.
    pub(super) fn is_valid_uref(&mut self, [uref, size]: [u32; 2]) -> Result<i32, Trap> {
        let uref = self.memory.decode(uref, size)?;
        Ok(i32::from(self.guest.host.is_valid_uref(uref)?))
    }

    pub(super) fn ret(&mut self, [value, size]: [u32; 2]) -> Stop {
        self.guest.buffer = None;
        self.returned(value, size).map_or_else(Stop::Trap, Stop::Return)
    }

    fn returned(&mut self, value: u32, size: u32) -> Result<CLValue, Trap> {
        let value = bytesrepr::deserialize_from_slice(self.memory.slice(value, size)?)
            .map_err(|_| Trap::ExpectedReturnValue)?;
        self.guest.host.validate_return(&value)?;
        Ok(value)
    }

    pub(super) fn revert([status]: [u32; 1]) -> Stop {
        /// The last code with a name, and the first of the families after it. Those after 40 are
        /// Casper 2's: what a guest gets it may pass on.
        const NAMED_LAST: u32 = 50;
        const FAMILIES: u32 = 64_512;
        Stop::Trap(Trap::Revert(match status {
            status if status > NAMED_LAST && status < FAMILIES => ApiError::Unhandled,
            status => ApiError::from(status),
        }))
    }

    /// The buffer is empty afterwards, whether its value fitted or not: so it is in Casper.
    pub(super) fn read_host_buffer(
        &mut self,
        [target, target_size, size_out]: [u32; 3],
    ) -> Answer<()> {
        let Some(value) = self.guest.buffer.take() else {
            return Ok(Err(ApiError::HostBufferEmpty));
        };
        let bytes = value.inner_bytes();
        let Ok(size) = u32::try_from(bytes.len()) else {
            return Ok(Err(ApiError::OutOfMemory));
        };
        if size > target_size {
            return Ok(Err(ApiError::BufferTooSmall));
        }
        self.memory.write(target, bytes)?;
        self.memory.write_u32(size_out, size)?;
        Ok(Ok(()))
    }

    pub(super) fn blake2b(
        &mut self,
        [input, input_size, target, target_size]: [u32; 4],
    ) -> Answer<()> {
        let digest = Digest::hash(self.memory.slice(input, input_size)?).value();
        self.write_32_bytes(digest, target, target_size)
    }

    /// The generator moves on even when the result has no room: so it does in Casper.
    pub(super) fn random_bytes(&mut self, [target, target_size]: [u32; 2]) -> Answer<()> {
        let bytes = self.guest.host.random_bytes()?;
        self.write_32_bytes(bytes, target, target_size)
    }

    fn write_32_bytes(&mut self, bytes: [u8; 32], target: u32, target_size: u32) -> Answer<()> {
        if target_size != 32 {
            return Ok(Err(ApiError::BufferTooSmall));
        }
        self.memory.write(target, &bytes)?;
        Ok(Ok(()))
    }
}
