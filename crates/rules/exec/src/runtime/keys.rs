//! The keys that act for an account, and the weights they need.

use casper_types::{
    Account,
    account::{
        AccountHash, ActionType, AddKeyFailure, RemoveKeyFailure, SetThresholdFailure,
        UpdateKeyFailure, Weight,
    },
};
use girrona_vm::{Answer, Gas, Trap};

use super::Runtime;

impl Runtime<'_, '_> {
    /// The account, if the running code may manage its keys: it runs as the account, and those who
    /// signed weighed enough when it began. What it changes itself does not bind it, so that one
    /// deploy can add keys and then raise both thresholds.
    fn managed_account(&mut self) -> Result<Option<Account>, Trap> {
        if !self.frame.is_session() || !self.manages_keys {
            return Ok(None);
        }
        self.current_account().map(Some)
    }

    pub(super) fn key_add(
        &mut self,
        key: AccountHash,
        weight: Weight,
        gas: &mut Gas,
    ) -> Answer<(), AddKeyFailure> {
        let Some(mut account) = self.managed_account()? else {
            return Ok(Err(AddKeyFailure::PermissionDenied));
        };
        let max = usize::try_from(self.job.law().core.max_associated_keys).unwrap_or(usize::MAX);
        if account.associated_keys().len() >= max {
            return Ok(Err(AddKeyFailure::MaxKeysLimit));
        }
        match account.add_associated_key(key, weight) {
            Ok(()) => self.put_account(account, gas).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    pub(super) fn key_remove(
        &mut self,
        key: AccountHash,
        gas: &mut Gas,
    ) -> Answer<(), RemoveKeyFailure> {
        let Some(mut account) = self.managed_account()? else {
            return Ok(Err(RemoveKeyFailure::PermissionDenied));
        };
        match account.remove_associated_key(key) {
            Ok(()) => self.put_account(account, gas).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    pub(super) fn key_update(
        &mut self,
        key: AccountHash,
        weight: Weight,
        gas: &mut Gas,
    ) -> Answer<(), UpdateKeyFailure> {
        let Some(mut account) = self.managed_account()? else {
            return Ok(Err(UpdateKeyFailure::PermissionDenied));
        };
        match account.update_associated_key(key, weight) {
            Ok(()) => self.put_account(account, gas).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    pub(super) fn threshold_set(
        &mut self,
        action: ActionType,
        threshold: Weight,
        gas: &mut Gas,
    ) -> Answer<(), SetThresholdFailure> {
        let Some(mut account) = self.managed_account()? else {
            return Ok(Err(SetThresholdFailure::PermissionDeniedError));
        };
        match account.set_action_threshold(action, threshold) {
            Ok(()) => self.put_account(account, gas).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}
