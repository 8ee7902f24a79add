//! Purses and transfers, as running code reaches the mint.

use casper_types::{
    AccessRights, Account, ApiError, Key, Phase, StoredValue, TransferAddr, TransferV1,
    TransferredTo, U512, URef, account::AccountHash, bytesrepr::ToBytes, system::mint,
};
use girrona_vm::{Answer, Gas, Trap};

use super::Runtime;
use crate::error::Error;

impl Runtime<'_, '_> {
    pub(super) fn purse_balance(&mut self, purse: URef) -> Result<Option<U512>, Trap> {
        let balance = self.ledger.balance(purse.addr());
        balance.map_err(|error| self.fault(error))
    }

    pub(super) fn purse_new(&mut self) -> Result<URef, Trap> {
        let purse = self.ledger.create_purse(self.addresses.next());
        let purse = purse.map_err(|error| self.fault(error))?;
        self.frame.rights.grant_access(purse);
        Ok(purse)
    }

    /// Moves motes from purse to purse and records it, if this is the session.
    pub(super) fn pay(
        &mut self,
        to: Option<AccountHash>,
        source: URef,
        target: URef,
        amount: U512,
        id: Option<u64>,
    ) -> Result<Result<(), mint::Error>, Trap> {
        let moved = self.ledger.transfer(&mut self.allowance, source, target, amount);
        if let Err(refusal) = moved.map_err(|error| self.fault(error))? {
            return Ok(Err(refusal));
        }
        if self.phase == Phase::Session {
            let address = TransferAddr::new(self.addresses.next());
            let record = TransferV1::new(
                *self.job.signed.deploy.hash(),
                self.account,
                to,
                source,
                target,
                amount,
                U512::zero(),
                id,
            );
            self.ledger.view.write(Key::Transfer(address), StoredValue::Transfer(record));
            self.transfers.push(address);
        }
        Ok(Ok(()))
    }

    pub(super) fn pay_account(
        &mut self,
        source: URef,
        target: AccountHash,
        amount: U512,
        id: Option<u64>,
        gas: &mut Gas,
    ) -> Answer<TransferredTo> {
        let key = Key::Account(target);
        let purse = match self.lookup(&key)?.as_deref() {
            None => return self.pay_new_account(source, target, amount, id, gas),
            Some(StoredValue::Account(account)) => account.main_purse_add_only(),
            Some(other) => return Err(self.fault(Error::corrupt(&key, other, "account"))),
        };
        // To oneself: nothing to do.
        if source.addr() == purse.addr() {
            return Ok(Ok(TransferredTo::ExistingAccount));
        }
        let paid = self.mint_transfer(Some(target), source, purse, amount, id)?;
        Ok(paid.map(|()| TransferredTo::ExistingAccount).map_err(ApiError::from))
    }

    fn pay_new_account(
        &mut self,
        source: URef,
        target: AccountHash,
        amount: U512,
        id: Option<u64>,
        gas: &mut Gas,
    ) -> Answer<TransferredTo> {
        if amount > self.purse_balance(source)?.unwrap_or_default() {
            return Ok(Err(ApiError::from(mint::Error::InsufficientFunds)));
        }
        let before = self.ledger.moment();
        let purse = self.ledger.create_purse(self.addresses.next());
        let purse = purse.map_err(|error| self.fault(error))?;
        let add_only = purse.with_access_rights(AccessRights::ADD);
        // The purse belongs to the new account: the running code keeps no right to it.
        if let Err(refusal) = self.mint_transfer(Some(target), source, add_only, amount, id)? {
            self.ledger.rollback(before);
            return Ok(Err(refusal.into()));
        }
        let account = StoredValue::Account(Account::create(target, Default::default(), purse));
        gas.charge_bytes(account.serialized_length(), self.gas_per_byte())?;
        self.ledger.view.write(Key::Account(target), account);
        Ok(Ok(TransferredTo::NewAccount))
    }
}
