//! Values under keys, named keys, dictionaries: what running code may read and write.

use std::sync::Arc;

use casper_types::{
    AccessRights, CLType, CLValue, CLValueDictionary, Key, NamedKeys, StoredValue,
    StoredValueTypeMismatch, U128, U256, U512, URef, bytesrepr::ToBytes,
    handle_stored_dictionary_value,
};
use girrona_state::{Delta, Error as StateError};
use girrona_vm::{Gas, Trap};

use super::{Runtime, frame::Base};

impl Runtime<'_, '_> {
    pub(super) fn value_read(&mut self, key: &Key) -> Result<Option<CLValue>, Trap> {
        let readable = match key {
            Key::Account(_) => *key == self.frame.base.key(),
            Key::Balance(_) => false,
            Key::URef(uref) => uref.is_readable(),
            _ => true,
        };
        if !readable {
            return Err(Trap::InvalidAccess { required: AccessRights::READ });
        }
        self.know_key(key)?;
        let Some(stored) = self.lookup(key)? else {
            return Ok(None);
        };
        as_value(Arc::unwrap_or_clone(stored)).map(Some)
    }

    pub(super) fn value_write(
        &mut self,
        key: Key,
        value: CLValue,
        gas: &mut Gas,
    ) -> Result<(), Trap> {
        if !matches!(key, Key::URef(uref) if uref.is_writeable()) {
            return Err(Trap::InvalidAccess { required: AccessRights::WRITE });
        }
        self.know_key(&key)?;
        self.know_value(&value)?;
        self.put(key, StoredValue::CLValue(value), gas)
    }

    pub(super) fn value_add(
        &mut self,
        key: Key,
        value: CLValue,
        gas: &mut Gas,
    ) -> Result<(), Trap> {
        let addable = match key {
            Key::URef(uref) => uref.is_addable(),
            Key::Account(_) | Key::Hash(_) => key == self.frame.base.key(),
            _ => false,
        };
        if !addable {
            return Err(Trap::InvalidAccess { required: AccessRights::ADD });
        }
        self.know_key(&key)?;
        self.know_value(&value)?;
        // Whatever comes of it, its bytes are paid for.
        let stored = StoredValue::CLValue(value.clone());
        gas.charge_bytes(stored.serialized_length(), self.gas_per_byte())?;
        self.add_delta(key, delta(&value)?)
    }

    /// Adds to something that a guest named, so everything may be wrong with it.
    fn add_delta(&mut self, key: Key, delta: Delta) -> Result<(), Trap> {
        let Err(error) = self.ledger.view.add_checked(key, delta.clone()) else { return Ok(()) };
        match (error, &delta) {
            (StateError::Absent(key), _) => Err(Trap::KeyNotFound(key)),
            (StateError::Mismatch { delta, found, .. }, _) => {
                Err(StoredValueTypeMismatch::new(delta.to_owned(), found).into())
            }
            // Money never overflows; a guest's own number wraps as the smaller ones do.
            (StateError::Overflow(_), Delta::U512(number)) => self.add_wrapping(key, *number),
            (error, _) => Err(self.fault(error)),
        }
    }

    fn add_wrapping(&mut self, key: Key, number: U512) -> Result<(), Trap> {
        let stored = self.lookup(&key)?.ok_or(Trap::KeyNotFound(key))?;
        let old: U512 = match &*stored {
            StoredValue::CLValue(value) => value.to_t()?,
            _ => return Err(Trap::UnexpectedStoredValueVariant),
        };
        let sum = CLValue::from_t(old.overflowing_add(number).0)?;
        self.ledger.view.write(key, StoredValue::CLValue(sum));
        Ok(())
    }

    pub(super) fn uref_new(&mut self, value: CLValue, gas: &mut Gas) -> Result<URef, Trap> {
        self.know_value(&value)?;
        let uref = URef::new(self.addresses.next(), AccessRights::READ_ADD_WRITE);
        self.frame.rights.grant_access(uref);
        self.put(Key::URef(uref), StoredValue::CLValue(value), gas)?;
        Ok(uref)
    }

    pub(super) fn name_put(&mut self, name: &str, key: Key, gas: &mut Gas) -> Result<(), Trap> {
        self.know_key(&key)?;
        let pair = StoredValue::CLValue(CLValue::from_t((name.to_owned(), key))?);
        gas.charge_bytes(pair.serialized_length(), self.gas_per_byte())?;
        self.add_delta(self.frame.base.key(), Delta::Keys(one_name(name, key)))?;
        self.frame.named_keys.insert(name.to_owned(), key);
        Ok(())
    }

    /// An account is written, and paid for, even when it has no such name: so it is in Casper.
    pub(super) fn name_remove(&mut self, name: &str, gas: &mut Gas) -> Result<(), Trap> {
        let removed = self.frame.named_keys.remove(name);
        match self.frame.base {
            Base::Account(_) => {
                let mut account = self.current_account()?;
                account.remove_named_key(name);
                self.put_account(account, gas)
            }
            Base::Contract(_) if removed.is_none() => Ok(()),
            Base::Contract(hash) => {
                let mut contract = self.contract(hash)?;
                contract.remove_named_key(name);
                self.put(Key::Hash(hash.value()), StoredValue::Contract(contract), gas)
            }
        }
    }

    pub(super) fn item_get(&mut self, seed: URef, item_key: &str) -> Result<Option<CLValue>, Trap> {
        if !seed.is_readable() {
            return Err(Trap::InvalidAccess { required: AccessRights::READ });
        }
        self.know(&seed)?;
        self.item_read(&Key::dictionary(seed, item_key.as_bytes()))
    }

    pub(super) fn item_read(&mut self, key: &Key) -> Result<Option<CLValue>, Trap> {
        let Some(stored) = self.lookup(key)? else {
            return Ok(None);
        };
        let stored = handle_stored_dictionary_value(*key, Arc::unwrap_or_clone(stored))?;
        as_value(stored).map(Some)
    }

    pub(super) fn item_put(
        &mut self,
        seed: URef,
        item_key: &str,
        value: CLValue,
        gas: &mut Gas,
    ) -> Result<(), Trap> {
        if !seed.is_writeable() {
            return Err(Trap::InvalidAccess { required: AccessRights::WRITE });
        }
        self.know(&seed)?;
        self.know_value(&value)?;
        let item = item_key.as_bytes();
        let wrapped = CLValueDictionary::new(value, seed.addr().to_vec(), item.to_vec());
        let wrapped = StoredValue::CLValue(CLValue::from_t(wrapped)?);
        self.put(Key::dictionary(seed, item), wrapped, gas)
    }
}

/// A stored value as code gets it: packages as the bytes that they are.
fn as_value(stored: StoredValue) -> Result<CLValue, Trap> {
    match stored {
        StoredValue::CLValue(value) => Ok(value),
        StoredValue::ContractPackage(package) => Ok(CLValue::from_t(package)?),
        other => {
            let expected = "CLValue".to_owned();
            Err(StoredValueTypeMismatch::new(expected, other.type_name()).into())
        }
    }
}

fn one_name(name: &str, key: Key) -> NamedKeys {
    let mut names = NamedKeys::new();
    names.insert(name.to_owned(), key);
    names
}

/// What a guest wants to add: one of five kinds of number, or a name with its key.
fn delta(value: &CLValue) -> Result<Delta, Trap> {
    match value.cl_type() {
        CLType::I32 => Ok(Delta::I32(value.to_t()?)),
        CLType::U64 => Ok(Delta::U64(value.to_t()?)),
        CLType::U128 => Ok(Delta::U128(value.to_t::<U128>()?)),
        CLType::U256 => Ok(Delta::U256(value.to_t::<U256>()?)),
        CLType::U512 => Ok(Delta::U512(value.to_t::<U512>()?)),
        CLType::Tuple2([name, key]) if **name == CLType::String && **key == CLType::Key => {
            let (name, key): (String, Key) = value.to_t()?;
            Ok(Delta::Keys(one_name(&name, key)))
        }
        other => {
            let expected = "I32, U64, U128, U256, U512 or (String, Key) tuple".to_owned();
            Err(StoredValueTypeMismatch::new(expected, format!("{other:?}")).into())
        }
    }
}
