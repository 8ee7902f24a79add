//! Who may vote, and with what weight.

use std::{collections::BTreeMap, sync::Arc};

use casper_types::PublicKey;

/// The most validators of one height. It bounds certificates, and so messages.
pub const VALIDATORS_MAX: usize = 256;

/// The validators of a height, ordered by key. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators(Arc<Members>);

#[derive(Debug, PartialEq, Eq)]
struct Members {
    weights: BTreeMap<PublicKey, u64>,
    first: PublicKey,
    total: u64,
}

/// Why a set of validators cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorsError {
    /// Nobody could ever decide anything.
    #[error("a network needs at least one validator")]
    Empty,
    /// Certificates would outgrow a message.
    #[error("{0} validators, at most {VALIDATORS_MAX} are possible")]
    TooMany(usize),
    /// A validator without weight could lead but not vote.
    #[error("validator {0} has weight 0")]
    ZeroWeight(Box<PublicKey>),
    /// The system key signs nothing.
    #[error("the system key cannot be a validator")]
    SystemKey,
    /// Three times the total has to fit 64 bits; scale the weights down.
    #[error("the validators' weights add up to more than a third of 2^64")]
    TooHeavy,
}

impl Validators {
    /// Checks that the weights can be counted: each above 0, three times their sum below 2^64.
    ///
    /// # Errors
    /// [`ValidatorsError`] names what is wrong.
    pub fn new(weights: BTreeMap<PublicKey, u64>) -> Result<Self, ValidatorsError> {
        let first = weights.keys().next().cloned().ok_or(ValidatorsError::Empty)?;
        if weights.len() > VALIDATORS_MAX {
            return Err(ValidatorsError::TooMany(weights.len()));
        }
        let mut total = 0_u64;
        for (key, weight) in &weights {
            if key.is_system() {
                return Err(ValidatorsError::SystemKey);
            }
            if *weight == 0 {
                return Err(ValidatorsError::ZeroWeight(Box::new(key.clone())));
            }
            total = total.checked_add(*weight).ok_or(ValidatorsError::TooHeavy)?;
        }
        total.checked_mul(3).ok_or(ValidatorsError::TooHeavy)?;
        Ok(Self(Arc::new(Members { weights, first, total })))
    }

    /// The weight of a validator; `None` for anybody else.
    pub fn weight(&self, key: &PublicKey) -> Option<u64> {
        self.0.weights.get(key).copied()
    }

    /// All weights together.
    pub fn total(&self) -> u64 {
        self.0.total
    }

    /// How many validators there are, at least one.
    pub fn count(&self) -> usize {
        self.0.weights.len()
    }

    /// Keys and weights, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&PublicKey, u64)> {
        self.0.weights.iter().map(|(key, weight)| (key, *weight))
    }

    /// The validator with the lowest key.
    pub(crate) fn first(&self) -> &PublicKey {
        &self.0.first
    }

    /// Whether `weight` is more than two thirds: enough to decide.
    pub fn is_quorum(&self, weight: u64) -> bool {
        u128::from(weight).saturating_mul(3) > u128::from(self.0.total).saturating_mul(2)
    }

    /// Whether `weight` is more than one third: at least one honest validator is among them.
    pub fn is_honest(&self, weight: u64) -> bool {
        u128::from(weight).saturating_mul(3) > u128::from(self.0.total)
    }
}

#[cfg(test)]
mod tests {
    use casper_types::SecretKey;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        PublicKey::from(&SecretKey::ed25519_from_bytes([seed; 32]).unwrap())
    }

    #[test]
    fn more_than_two_thirds_is_a_quorum_and_exactly_two_thirds_is_not() {
        let validators = Validators::new([(key(1), 1), (key(2), 1), (key(3), 1)].into()).unwrap();
        assert!(!validators.is_quorum(2));
        assert!(validators.is_quorum(3));
        assert!(!validators.is_honest(1));
        assert!(validators.is_honest(2));
    }

    #[test]
    fn weights_that_cannot_be_counted_are_refused() {
        assert_eq!(Validators::new(BTreeMap::new()), Err(ValidatorsError::Empty));
        assert_eq!(
            Validators::new([(key(1), 0)].into()),
            Err(ValidatorsError::ZeroWeight(Box::new(key(1))))
        );
        assert_eq!(
            Validators::new([(PublicKey::System, 1)].into()),
            Err(ValidatorsError::SystemKey)
        );
        let third = u64::MAX / 3;
        assert!(Validators::new([(key(1), third)].into()).is_ok());
        assert_eq!(
            Validators::new([(key(1), third), (key(2), 1)].into()),
            Err(ValidatorsError::TooHeavy)
        );
        assert_eq!(
            Validators::new([(key(1), u64::MAX), (key(2), 1)].into()),
            Err(ValidatorsError::TooHeavy)
        );
    }

    #[test]
    fn the_largest_weights_do_not_overflow_the_quorum() {
        let validators = Validators::new([(key(1), u64::MAX / 3)].into()).unwrap();
        assert!(validators.is_quorum(u64::MAX / 3));
        assert!(!validators.is_quorum(u64::MAX / 9 * 2));
        assert!(validators.is_quorum(u64::MAX));
    }
}
