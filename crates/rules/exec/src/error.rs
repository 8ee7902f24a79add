//! Why execution could not go on, and why a deploy failed.
//!
//! The two never mix: an [`enum@Error`] is a fault of this node or of its state, and stops the block; a
//! [`Failure`] is the outcome of a deploy, and its text is Casper 1.5's because clients match on
//! it.

use casper_types::{
    AccessRights, ApiError, CLValueError, Key, PublicKey, StoredValue, URef, bytesrepr,
    system::mint,
};
use girrona_vm::{PrepareError, Trap};
use thiserror::Error;

/// Execution cannot go on: the node's state is unreadable or not what genesis made it.
#[derive(Debug, Error)]
pub enum Error {
    /// The state did not answer.
    #[error("read state")]
    State(#[source] Box<girrona_state::Error>),
    /// A key holds something that no rule ever writes there.
    #[error("{key} holds a {found} where {expected} belongs")]
    Corrupt {
        /// Which key.
        key: Box<Key>,
        /// What is there.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A key that genesis writes is not there.
    #[error("{0} is missing from the state; was this state made by genesis?")]
    Missing(Box<Key>),
    /// A value of our own has no byte form.
    #[error("encode a value: {0}")]
    Encode(CLValueError),
    /// A stored value has no meaning.
    #[error("decode the value of {key}")]
    Decode {
        /// Where it is stored.
        key: Box<Key>,
        /// What is wrong with it.
        #[source]
        source: bytesrepr::Error,
    },
    /// Whoever is to receive the fees has no account.
    #[error("the block's proposer {0} has no account")]
    Proposer(Box<PublicKey>),
    /// More motes than a 512-bit number holds, or fewer than none.
    #[error("the sum of all motes does not fit into 512 bits")]
    Supply,
}

impl Error {
    pub(crate) fn corrupt(key: &Key, found: &StoredValue, expected: &'static str) -> Self {
        Self::Corrupt { key: Box::new(*key), found: found.type_name(), expected }
    }

    pub(crate) fn missing(key: Key) -> Self {
        Self::Missing(Box::new(key))
    }

    pub(crate) fn decode(key: &Key, source: bytesrepr::Error) -> Self {
        Self::Decode { key: Box::new(*key), source }
    }
}

impl From<girrona_state::Error> for Error {
    fn from(error: girrona_state::Error) -> Self {
        Self::State(Box::new(error))
    }
}

impl From<girrona_state::Unreadable> for Error {
    fn from(error: girrona_state::Unreadable) -> Self {
        girrona_state::Error::from(error).into()
    }
}

impl From<CLValueError> for Error {
    fn from(error: CLValueError) -> Self {
        Self::Encode(error)
    }
}

/// Why a deploy failed. The texts are what clients see as `error_message`.
#[derive(Clone, Debug, Error)]
pub enum Failure {
    /// There is no such account, or somebody signed who may not act for it.
    #[error("Authorization failure: not authorized.")]
    Authorization,
    /// The signers' weights do not reach the account's threshold for deploys.
    #[error("Deployment authorization failure")]
    DeploymentAuthorization,
    /// The account, or what it offered, does not pay for the execution.
    #[error("Insufficient payment")]
    InsufficientPayment,
    /// Gas and motes do not convert at this gas price.
    #[error("Gas conversion overflow")]
    GasConversionOverflow,
    /// A name in the account leads to something that is no contract.
    #[error("Unsupported key type")]
    UnsupportedKeyType,
    /// A transfer where code has to be.
    #[error("Unsupported deploy item variant: {0}")]
    UnsupportedItem(&'static str),
    /// The module is no module that this network runs.
    #[error(transparent)]
    Module(#[from] PrepareError),
    /// The code ended without success.
    #[error(transparent)]
    Trap(#[from] Trap),
}

impl Failure {
    /// A failure with a code, as code that runs reports it.
    pub(crate) fn revert(code: impl Into<ApiError>) -> Self {
        Self::Trap(Trap::Revert(code.into()))
    }

    /// A URef that the sender does not hold.
    pub(crate) fn forged(uref: URef) -> Self {
        Self::Trap(Trap::ForgedReference(uref))
    }

    /// A URef that the sender holds with too few rights.
    pub(crate) fn access(required: AccessRights) -> Self {
        Self::Trap(Trap::InvalidAccess { required })
    }

    /// Whether the module breaks a rule of form, for which Casper takes the penalty even if more
    /// was paid.
    pub(crate) const fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::Module(PrepareError::Preprocessing(_) | PrepareError::UnsupportedStart)
        )
    }
}

/// Ends the work on a deploy, or on the whole block.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The block cannot go on.
    Node(Error),
    /// The deploy failed.
    Deploy(Failure),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Node(error.into())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Deploy(failure)
    }
}

/// How the mint says no.
pub(crate) type MintResult<T> = Result<Result<T, mint::Error>, Error>;
