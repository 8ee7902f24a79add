//! The keys that act for an account, and the weights they need.

use casper_types::account::{
    AccountHash, ActionType, AddKeyFailure, RemoveKeyFailure, SetThresholdFailure,
    UpdateKeyFailure, Weight,
};
use girrona_vm::{Answer, Gas};

use super::Runtime;

impl Runtime<'_, '_> {
    pub(super) fn key_add(
        &mut self,
        key: AccountHash,
        weight: Weight,
        gas: &mut Gas,
    ) -> Answer<(), AddKeyFailure> {
        let mut account = self.current_account()?;
        if !account.can_manage_keys_with(self.signers) {
            return Ok(Err(AddKeyFailure::PermissionDenied));
        }
        let max = usize::try_from(self.associated_keys_max).unwrap_or(usize::MAX);
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
        let mut account = self.current_account()?;
        if !account.can_manage_keys_with(self.signers) {
            return Ok(Err(RemoveKeyFailure::PermissionDenied));
        }
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
        let mut account = self.current_account()?;
        if !account.can_manage_keys_with(self.signers) {
            return Ok(Err(UpdateKeyFailure::PermissionDenied));
        }
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
        let mut account = self.current_account()?;
        if !account.can_manage_keys_with(self.signers) {
            return Ok(Err(SetThresholdFailure::PermissionDeniedError));
        }
        match account.set_action_threshold(action, threshold) {
            Ok(()) => self.put_account(account, gas).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}
