//! Why a run ended without a return.
//!
//! A trap ends the whole phase of a deploy, nested calls included; its text becomes the
//! `error_message` of the execution result. The texts are Casper 1.5's, because clients match on
//! them.

use std::fmt::Write as _;

use casper_types::contracts::{ContractHash, ContractPackageHash, ContractVersionKey};
use casper_types::{
    AccessRights, ApiError, CLValueError, Key, StoredValueTypeMismatch, URef, bytesrepr,
};
use thiserror::Error;

/// Why a run ended without a return.
#[derive(Clone, Debug, Error)]
pub enum Trap {
    /// The gas limit was reached.
    #[error("Out of gas error")]
    OutOfGas,
    /// The module called `casper_revert`.
    #[error("{}", words(*.0))]
    Revert(ApiError),
    /// The engine stopped the module: a Wasm trap, or a pointer outside the memory.
    #[error("Interpreter error: {0}")]
    Interpreter(String),
    /// The module has no such exported function.
    #[error("Function not found: {0}")]
    FunctionNotFound(String),
    /// A URef that the running code was never given.
    #[error("Forged reference: {0}")]
    ForgedReference(URef),
    /// The key or URef does not carry the right that the operation needs.
    #[error("Invalid access rights: {required}")]
    InvalidAccess {
        /// The right that was missing.
        required: AccessRights,
    },
    /// A value was not of the type that the operation needs.
    #[error("{0}")]
    TypeMismatch(StoredValueTypeMismatch),
    /// Bytes that are not what they should be.
    #[error("Serialization error: {0}")]
    Bytesrepr(bytesrepr::Error),
    /// A `CLValue` that cannot be made or read.
    #[error("{0}")]
    CLValue(CLValueError),
    /// The value that must be there is not.
    #[error("Key {0} not found")]
    KeyNotFound(Key),
    /// The context has no key of that name.
    #[error("Named key {0} not found")]
    NamedKeyNotFound(String),
    /// A key of another kind than the operation takes.
    #[error("Unexpected Key variant: {0}")]
    UnexpectedKeyVariant(Key),
    /// A stored value of another kind than the operation takes.
    #[error("Unexpected variant of a stored value")]
    UnexpectedStoredValueVariant,
    /// The call is not allowed where the code runs.
    #[error("Invalid context")]
    InvalidContext,
    /// A choice that does not exist, of a field or of what to do.
    #[error("The imputed operation is invalid")]
    InvalidOperation,
    /// The module returned something that is not a value.
    #[error("Expected return value")]
    ExpectedReturnValue,
    /// The contract has no such entry point.
    #[error("No such method: {0}")]
    NoSuchMethod(String),
    /// Nobody may call this version any more.
    #[error("Contract is disabled")]
    DisabledContract(ContractHash),
    /// A package that takes one version has it.
    #[error("A locked contract cannot be upgraded")]
    LockedContract(ContractPackageHash),
    /// Every version of the contract is disabled.
    #[error("No active contract versions for contract package")]
    NoActiveVersions(ContractPackageHash),
    /// The package has no such version, or it is disabled.
    #[error("Invalid contract version: {0}")]
    InvalidVersion(ContractVersionKey),
    /// The contract was made for rules that are not compatible with today's.
    #[error(
        "Incompatible protocol major version. Expected version {expected} but actual version is \
         {actual}"
    )]
    IncompatibleProtocol {
        /// Today's major version.
        expected: u32,
        /// The contract's.
        actual: u32,
    },
    /// Contracts call each other deeper than the law allows.
    #[error("Runtime stack overflow")]
    RuntimeStackOverflow,
    /// A dictionary item key of more than 128 bytes was looked up.
    #[error("Dictionary item key exceeded maximum length")]
    DictionaryItemKeyExceedsLength,
    /// Any other reason of the host's that belongs to the outcome of the deploy.
    #[error("{0}")]
    Host(String),
    /// The node could not read its own state. This is never an outcome of a deploy: whoever sees
    /// it stops the node's work on the block.
    #[error("Storage error: {0}")]
    Storage(String),
}

/// A trap of WebAssembly itself. Engines have names of their own for these; results carry the
/// names of Casper's interpreter, which are the names here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `unreachable` was reached; that is also how metering stops a module.
    Unreachable,
    /// A load, store, copy, fill or data segment that leaves the memory.
    MemoryAccessOutOfBounds,
    /// An indirect call or an element segment that leaves the table.
    TableAccessOutOfBounds,
    /// An indirect call to an element that was never set.
    ElemUninitialized,
    /// Division by zero.
    DivisionByZero,
    /// The smallest number divided by -1.
    IntegerOverflow,
    /// The engine's own stack limit, which metering keeps every module away from.
    StackOverflow,
    /// An indirect call, or an entry point, of another type than the callee's.
    UnexpectedSignature,
}

impl From<Fault> for Trap {
    fn from(fault: Fault) -> Self {
        Self::Interpreter(format!("trap: Code({fault:?})"))
    }
}

/// The text of a code. Casper's families have codes that mean nothing, and asking casper-types for
/// their text is an error, which `to_string` answers with a panic. Any contract can name one.
fn words(code: ApiError) -> String {
    let mut text = String::new();
    match write!(text, "{code}") {
        Ok(()) => text,
        Err(_) => format!("ApiError [{}]", u32::from(code)),
    }
}

impl Trap {
    /// A data segment leaves the memory, so nothing ran.
    #[must_use]
    pub fn data_does_not_fit() -> Self {
        Self::Interpreter("out of bounds memory access".to_owned())
    }

    /// An element segment leaves the table, so nothing ran.
    #[must_use]
    pub fn elements_do_not_fit() -> Self {
        Self::Interpreter("elements segment does not fit".to_owned())
    }

    /// The entry point that was asked for is no exported function.
    #[must_use]
    pub fn no_export(entry_point: &str) -> Self {
        Self::Interpreter(format!("Module doesn't have export {entry_point}"))
    }

    /// Whether this is a fault of the node rather than of the code it ran.
    #[must_use]
    pub fn is_node_fault(&self) -> bool {
        matches!(self, Self::Storage(_))
    }
}

impl From<bytesrepr::Error> for Trap {
    fn from(error: bytesrepr::Error) -> Self {
        Self::Bytesrepr(error)
    }
}

impl From<CLValueError> for Trap {
    fn from(error: CLValueError) -> Self {
        Self::CLValue(error)
    }
}

impl From<StoredValueTypeMismatch> for Trap {
    fn from(error: StoredValueTypeMismatch) -> Self {
        Self::TypeMismatch(error)
    }
}
