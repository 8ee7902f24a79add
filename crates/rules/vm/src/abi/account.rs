//! Associated keys and action thresholds of the account.

use casper_types::account::{AccountHash, ActionType, Weight};

use super::guest::Call;
use crate::trap::Trap;

impl Call<'_, '_> {
    pub(super) fn add_associated_key(
        &mut self,
        [key, key_size, weight]: [u32; 3],
    ) -> Result<i32, Trap> {
        let key: AccountHash = self.memory.decode(key, key_size)?;
        let answer = self.guest.host.add_associated_key(key, byte(weight), &mut self.guest.gas)?;
        Ok(answer.map_or_else(|failure| failure as i32, |()| 0))
    }

    pub(super) fn remove_associated_key(&mut self, [key, key_size]: [u32; 2]) -> Result<i32, Trap> {
        let key: AccountHash = self.memory.decode(key, key_size)?;
        let answer = self.guest.host.remove_associated_key(key, &mut self.guest.gas)?;
        Ok(answer.map_or_else(|failure| failure as i32, |()| 0))
    }

    pub(super) fn update_associated_key(
        &mut self,
        [key, key_size, weight]: [u32; 3],
    ) -> Result<i32, Trap> {
        let key: AccountHash = self.memory.decode(key, key_size)?;
        let answer =
            self.guest.host.update_associated_key(key, byte(weight), &mut self.guest.gas)?;
        Ok(answer.map_or_else(|failure| failure as i32, |()| 0))
    }

    pub(super) fn set_action_threshold(
        &mut self,
        [action, threshold]: [u32; 2],
    ) -> Result<i32, Trap> {
        let action = ActionType::try_from(action)
            .map_err(|_| Trap::Interpreter("trap: Code(Unreachable)".to_owned()))?;
        let answer =
            self.guest.host.set_action_threshold(action, byte(threshold), &mut self.guest.gas)?;
        Ok(answer.map_or_else(|failure| failure as i32, |()| 0))
    }
}

/// Whoever calls has checked that it is one.
fn byte(value: u32) -> Weight {
    Weight::new(u8::try_from(value).unwrap_or(u8::MAX))
}
