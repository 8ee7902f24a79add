//! Additions that need not know what they are added to.
//!
//! A credit to a purse is a delta, so two deploys that pay the same account do not conflict.
//!
//! The arithmetic, which is part of the protocol:
//! - a `U512` added to a `U512` is checked, because it may be money: passing the largest value is
//!   [`Error::Overflow`];
//! - every other sum wraps at the width of the stored value, as Casper's `casper_add` does: a
//!   negative `i32` counts down, a wide delta on a narrow value keeps the low bits;
//! - keys go to the named keys of an account or a contract, a later one replaces an earlier one of
//!   the same name.
//!
//! So additions to one key commute, except two names that are equal and additions of which one
//! overflows.

use std::sync::Arc;

use casper_types::{
    CLType, CLValue, Key, NamedKeys, StoredValue, U128, U256, U512,
    execution::{TransformError, TransformInstruction, TransformKindV2},
};

use crate::Error;

/// Something to be added to a stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// A signed number.
    I32(i32),
    /// A number of 64 bits.
    U64(u64),
    /// A number of 128 bits.
    U128(U128),
    /// A number of 256 bits.
    U256(U256),
    /// A number of 512 bits; motes among others.
    U512(U512),
    /// Named keys.
    Keys(NamedKeys),
}

impl Delta {
    /// The name of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::I32(_) => "I32",
            Self::U64(_) => "U64",
            Self::U128(_) => "U128",
            Self::U256(_) => "U256",
            Self::U512(_) => "U512",
            Self::Keys(_) => "NamedKeys",
        }
    }

    /// The one delta that does what `self` and then `later` do, where there is one.
    pub(crate) fn then(&self, later: &Self) -> Option<Self> {
        // A sum that wraps in its own width would lose what a wider target keeps.
        match (self, later) {
            (Self::I32(a), Self::I32(b)) => a.checked_add(*b).map(Self::I32),
            (Self::U64(a), Self::U64(b)) => a.checked_add(*b).map(Self::U64),
            (Self::U128(a), Self::U128(b)) => a.checked_add(*b).map(Self::U128),
            (Self::U256(a), Self::U256(b)) => a.checked_add(*b).map(Self::U256),
            (Self::U512(a), Self::U512(b)) => a.checked_add(*b).map(Self::U512),
            (Self::Keys(a), Self::Keys(b)) => {
                let mut all = a.clone();
                all.append(b.clone());
                Some(Self::Keys(all))
            }
            _ => None,
        }
    }

    /// The value after the addition.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Mismatch`] or [`Error::Overflow`]; the stored value is then as
    /// it was.
    pub fn apply(
        &self,
        key: &Key,
        stored: Option<Arc<StoredValue>>,
    ) -> Result<Arc<StoredValue>, Error> {
        let stored = stored.ok_or(Error::Absent(*key))?;
        let transform = match self {
            Self::Keys(keys) => return self.append(key, stored, keys),
            Self::U512(number) => {
                if let Some(sum) = self.add_checked(key, &stored, *number)? {
                    return Ok(sum);
                }
                TransformKindV2::AddUInt512(*number)
            }
            Self::I32(number) => TransformKindV2::AddInt32(*number),
            Self::U64(number) => TransformKindV2::AddUInt64(*number),
            Self::U128(number) => TransformKindV2::AddUInt128(*number),
            Self::U256(number) => TransformKindV2::AddUInt256(*number),
        };
        // Only a number is cloned here.
        if !stored.as_cl_value().is_some_and(|value| is_number(value.cl_type())) {
            return Err(self.mismatch(key, &stored));
        }
        match transform.apply((*stored).clone()) {
            Ok(TransformInstruction::Store(value)) => Ok(Arc::new(value)),
            Ok(TransformInstruction::Prune(_)) | Err(TransformError::TypeMismatch(_)) => {
                Err(self.mismatch(key, &stored))
            }
            Err(TransformError::Serialization(source)) => Err(Error::Bytes { key: *key, source }),
            Err(_) => Err(self.mismatch(key, &stored)),
        }
    }

    /// A checked sum, if the stored value is a `U512`.
    fn add_checked(
        &self,
        key: &Key,
        stored: &StoredValue,
        number: U512,
    ) -> Result<Option<Arc<StoredValue>>, Error> {
        let Some(value) = stored.as_cl_value().filter(|value| *value.cl_type() == CLType::U512)
        else {
            return Ok(None);
        };
        let old: U512 = value.to_t().map_err(|_| self.mismatch(key, stored))?;
        let sum = old.checked_add(number).ok_or(Error::Overflow(*key))?;
        let sum = CLValue::from_t(sum).map_err(|_| self.mismatch(key, stored))?;
        Ok(Some(Arc::new(StoredValue::CLValue(sum))))
    }

    fn append(
        &self,
        key: &Key,
        stored: Arc<StoredValue>,
        keys: &NamedKeys,
    ) -> Result<Arc<StoredValue>, Error> {
        match Arc::unwrap_or_clone(stored) {
            StoredValue::Account(mut account) => {
                account.named_keys_append(keys.clone());
                Ok(Arc::new(StoredValue::Account(account)))
            }
            StoredValue::Contract(mut contract) => {
                contract.named_keys_append(keys.clone());
                Ok(Arc::new(StoredValue::Contract(contract)))
            }
            other => Err(self.mismatch(key, &other)),
        }
    }

    fn mismatch(&self, key: &Key, stored: &StoredValue) -> Error {
        Error::Mismatch { key: Box::new(*key), delta: self.kind(), found: stored.type_name() }
    }
}

const fn is_number(cl_type: &CLType) -> bool {
    matches!(
        cl_type,
        CLType::I32
            | CLType::I64
            | CLType::U8
            | CLType::U32
            | CLType::U64
            | CLType::U128
            | CLType::U256
            | CLType::U512
    )
}
