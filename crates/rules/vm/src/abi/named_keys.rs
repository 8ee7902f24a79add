//! The named keys of the context.

use casper_types::bytesrepr::ToBytes;
use casper_types::{ApiError, CLValue};

use super::guest::Call;
use crate::host::Answer;
use crate::trap::Trap;

impl Call<'_, '_> {
    /// Leaves the buffer untouched when there are none.
    pub(super) fn load_named_keys(&mut self, [count_out, size_out]: [u32; 2]) -> Answer<()> {
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let keys = self.guest.host.named_keys()?;
        let Ok(count) = u32::try_from(keys.len()) else {
            return Ok(Err(ApiError::OutOfMemory));
        };
        self.memory.write_u32(count_out, count)?;
        if count == 0 {
            return Ok(Ok(()));
        }
        self.fill_buffer(CLValue::from_t(keys)?, size_out)
    }

    pub(super) fn get_key(
        &mut self,
        [name, name_size, target, target_size, size_out]: [u32; 5],
    ) -> Answer<()> {
        let name: String = self.memory.decode(name, name_size)?;
        let Some(key) = self.guest.host.get_key(&name)? else {
            return Ok(Err(ApiError::MissingKey));
        };
        let bytes = key.to_bytes()?;
        match u32::try_from(bytes.len()) {
            Ok(size) if size <= target_size => {
                self.memory.write(target, &bytes)?;
                self.memory.write_u32(size_out, size)?;
                Ok(Ok(()))
            }
            _ => Ok(Err(ApiError::BufferTooSmall)),
        }
    }

    /// 0 for yes, 1 for no.
    pub(super) fn has_key(&mut self, [name, name_size]: [u32; 2]) -> Result<i32, Trap> {
        let name: String = self.memory.decode(name, name_size)?;
        Ok(i32::from(self.guest.host.get_key(&name)?.is_none()))
    }

    pub(super) fn put_key(&mut self, [name, name_size, key, size]: [u32; 4]) -> Result<(), Trap> {
        let name: String = self.memory.decode(name, name_size)?;
        let key = self.memory.key(key, size)?;
        self.guest.host.put_key(&name, key, &mut self.guest.gas)
    }

    pub(super) fn remove_key(&mut self, [name, name_size]: [u32; 2]) -> Result<(), Trap> {
        let name: String = self.memory.decode(name, name_size)?;
        self.guest.host.remove_key(&name, &mut self.guest.gas)
    }
}
