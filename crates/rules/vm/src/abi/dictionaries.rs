//! Dictionaries.

use casper_types::{ApiError, CLValue, DICTIONARY_ITEM_KEY_MAX_LENGTH, URef};

use super::guest::Call;
use crate::host::Answer;
use crate::trap::Trap;

impl Call<'_, '_> {
    pub(super) fn new_dictionary(&mut self, [size_out]: [u32; 1]) -> Answer<()> {
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let seed = self.guest.host.new_dictionary(&mut self.guest.gas)?;
        self.fill_buffer(CLValue::from_t(seed)?, size_out)
    }

    /// An item key that is too long is a trap here and a code in `dictionary_put`: so it is in
    /// Casper.
    pub(super) fn dictionary_get(
        &mut self,
        [seed, seed_size, item, item_size, size_out]: [u32; 5],
    ) -> Answer<()> {
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let seed: URef = self.memory.decode(seed, seed_size)?;
        let bytes = self.memory.slice(item, item_size)?;
        let Ok(item) = str::from_utf8(bytes) else {
            return Ok(Err(ApiError::InvalidDictionaryItemKey));
        };
        if item.len() > DICTIONARY_ITEM_KEY_MAX_LENGTH {
            return Err(Trap::DictionaryItemKeyExceedsLength);
        }
        match self.guest.host.dictionary_get(seed, item)? {
            Some(value) => self.fill_buffer(value, size_out),
            None => Ok(Err(ApiError::ValueNotFound)),
        }
    }

    pub(super) fn dictionary_put(
        &mut self,
        [seed, seed_size, item, item_size, value, value_size]: [u32; 6],
    ) -> Answer<()> {
        let seed: URef = self.memory.decode(seed, seed_size)?;
        if usize::try_from(item_size).is_ok_and(|size| size > DICTIONARY_ITEM_KEY_MAX_LENGTH) {
            return Ok(Err(ApiError::DictionaryItemKeyExceedsLength));
        }
        let Ok(item) = str::from_utf8(self.memory.slice(item, item_size)?) else {
            return Ok(Err(ApiError::InvalidDictionaryItemKey));
        };
        let value = self.memory.decode(value, value_size)?;
        self.guest.host.dictionary_put(seed, item, value, &mut self.guest.gas)?;
        Ok(Ok(()))
    }

    pub(super) fn dictionary_read(&mut self, [key, key_size, size_out]: [u32; 3]) -> Answer<()> {
        if let Err(full) = self.buffer_is_free() {
            return Ok(Err(full));
        }
        let key = self.memory.key(key, key_size)?;
        match self.guest.host.dictionary_read(key)? {
            Some(value) => self.fill_buffer(value, size_out),
            None => Ok(Err(ApiError::ValueNotFound)),
        }
    }
}
