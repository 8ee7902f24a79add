//! No class of failure without a row: the matches here have no wildcard.

use std::collections::BTreeSet;

use casper_types::{
    AccessRights, ApiError, CLValueError, Key, StoredValueTypeMismatch, bytesrepr,
    contracts::{ContractHash, ContractPackageHash, ContractVersionKey},
};
use girrona_exec::Failure;
use girrona_vm::{PrepareError, Refusal, Trap};

use crate::{rows, world::full};

/// Where a class is tested.
enum At {
    /// In the row of this name.
    Row(&'static str),
    /// No deploy can get there, for this reason.
    Never(&'static str),
}
use At::{Never, Row};

fn of_failure(failure: &Failure) -> At {
    match failure {
        Failure::Authorization => Row("a deploy that somebody else signed"),
        Failure::DeploymentAuthorization => Row("a deploy with too little weight"),
        Failure::InsufficientPayment => Row("payment code that pays nothing"),
        Failure::GasConversionOverflow => Row("gas price 0"),
        Failure::UnsupportedKeyType => Row("a name of a URef"),
        Failure::UnsupportedItem(_) => Row("payment by a native transfer"),
        Failure::Module(error) => of_module(error),
        Failure::Trap(trap) => of_trap(trap),
    }
}

fn of_module(error: &PrepareError) -> At {
    match error {
        PrepareError::Preprocessing(refusal) => match refusal {
            Refusal::Deserialize(_) => Row("bytes that are no module"),
            Refusal::OperationForbidden(_) => Row("a float"),
            Refusal::MissingMemorySection => Row("no memory"),
            Refusal::Limit(_) => Row("too many globals"),
        },
        PrepareError::UnsupportedStart => Row("a start function"),
        PrepareError::Instantiation(_) => Row("an import that does not exist"),
    }
}

fn of_trap(trap: &Trap) -> At {
    match trap {
        Trap::OutOfGas => Row("an endless loop"),
        Trap::Revert(_) => Row("revert with 65543"),
        Trap::Interpreter(_) => Row("an unreachable"),
        Trap::FunctionNotFound(_) => Row("an entry point without code"),
        Trap::ForgedReference(_) => Row("a write to a forged URef"),
        Trap::InvalidAccess { .. } => Row("a URef that one may not read"),
        Trap::TypeMismatch(_) => Row("a contract read as a value"),
        Trap::Bytesrepr(_) => Row("half a key"),
        Trap::CLValue(_) => Row("an amount that is no number"),
        Trap::KeyNotFound(_) => Row("the hash of no contract"),
        Trap::NamedKeyNotFound(_) => Row("an unknown name"),
        Trap::UnexpectedKeyVariant(_) => Row("a dictionary read at what is no dictionary"),
        Trap::UnexpectedStoredValueVariant => {
            Never("a contract's code is always stored as code, and numbers as numbers")
        }
        Trap::InvalidContext => Row("an entry point for a group"),
        Trap::InvalidOperation => Row("a field that no block has"),
        Trap::ExpectedReturnValue => Row("a return that is no value"),
        Trap::NoSuchMethod(_) => Row("a contract without the method"),
        Trap::DisabledContract(_) => Row("a contract that is disabled"),
        Trap::LockedContract(_) => Row("a second version of a locked package"),
        Trap::NoActiveVersions(_) => Row("a package without a version"),
        Trap::InvalidVersion(_) => Row("a version that is disabled"),
        Trap::IncompatibleProtocol { .. } => Row("a contract of another major version"),
        Trap::RuntimeStackOverflow => Row("contracts in contracts"),
        Trap::DictionaryItemKeyExceedsLength => Row("a long item key looked up"),
        Trap::Host(_) => Row("a long label of a group"),
        Trap::Storage(_) => Never("a node that cannot read its state stops instead"),
    }
}

/// One of each class.
fn each() -> Vec<Failure> {
    let mismatch = StoredValueTypeMismatch::new("CLValue".to_owned(), "Contract".to_owned());
    let key = Key::Hash([1; 32]);
    let traps = vec![
        Trap::OutOfGas,
        Trap::Revert(ApiError::User(7)),
        Trap::Interpreter("trap".to_owned()),
        Trap::FunctionNotFound("f".to_owned()),
        Trap::ForgedReference(full([1; 32])),
        Trap::InvalidAccess { required: AccessRights::READ },
        Trap::TypeMismatch(mismatch),
        Trap::Bytesrepr(bytesrepr::Error::Formatting),
        Trap::CLValue(CLValueError::Serialization(bytesrepr::Error::Formatting)),
        Trap::KeyNotFound(key),
        Trap::NamedKeyNotFound("n".to_owned()),
        Trap::UnexpectedKeyVariant(key),
        Trap::UnexpectedStoredValueVariant,
        Trap::InvalidContext,
        Trap::InvalidOperation,
        Trap::ExpectedReturnValue,
        Trap::NoSuchMethod("m".to_owned()),
        Trap::DisabledContract(ContractHash::new([1; 32])),
        Trap::LockedContract(ContractPackageHash::new([1; 32])),
        Trap::NoActiveVersions(ContractPackageHash::new([1; 32])),
        Trap::InvalidVersion(ContractVersionKey::new(1, 1)),
        Trap::IncompatibleProtocol { expected: 1, actual: 2 },
        Trap::RuntimeStackOverflow,
        Trap::DictionaryItemKeyExceedsLength,
        Trap::Host("host".to_owned()),
        Trap::Storage("disk".to_owned()),
    ];
    let text = || "x".to_owned();
    let modules = vec![
        PrepareError::Preprocessing(Refusal::Deserialize(text())),
        PrepareError::Preprocessing(Refusal::OperationForbidden(text())),
        PrepareError::Preprocessing(Refusal::MissingMemorySection),
        PrepareError::Preprocessing(Refusal::Limit(text())),
        PrepareError::UnsupportedStart,
        PrepareError::Instantiation(text()),
    ];
    let mut all = vec![
        Failure::Authorization,
        Failure::DeploymentAuthorization,
        Failure::InsufficientPayment,
        Failure::GasConversionOverflow,
        Failure::UnsupportedKeyType,
        Failure::UnsupportedItem("Transfer"),
    ];
    all.extend(modules.into_iter().map(Failure::Module));
    all.extend(traps.into_iter().map(Failure::Trap));
    all
}

/// Rows in which Casper's engine does something else, and why.
pub(crate) const DIFFERENT: &[(&str, &str)] = &[
    ("bytes that are no module", "its parser words its reasons otherwise"),
    ("no bytes", "its parser words its reasons otherwise"),
    ("payment code that is no module", "its parser words its reasons otherwise"),
    ("revert with 41", "its library has no names for 41 to 50"),
    ("a field that no block has", "it does not have the function"),
    ("blocks in blocks", "it has no limit there, and recurses"),
    ("a long label of a group", "it takes any length and charges storage alone"),
    ("a forged URef in a value", "it does not look into lists of options"),
    ("a dictionary read at what is no dictionary", "it reads any key, whoever asks"),
    ("a dictionary read by a forged URef", "it reads any key, whoever asks"),
    ("a transfer to a purse without the right to add", "it says success and moves nothing"),
    ("payment by standard payment of more than there is", "its standard payment has no code"),
    ("payment by standard payment without an amount", "its standard payment has no code"),
    ("standard payment in the session", "its standard payment has no code"),
    ("a second version of a locked package", "code is stored without metering, for less gas"),
    ("a locked version disabled", "code is stored without metering, for other gas"),
    ("a bid too small", "its default law asks more gas for a bid"),
];

/// Errors of casper-execution-engine 7.0.3 that no deploy here ends in, and why.
pub(crate) const UNREACHABLE: &[(&str, &str)] = &[
    ("Missing argument: ", "only with strict_argument_checking, which no network has"),
    ("Value too large", "a name in 1.5 that nothing returns: gas by the byte bounds values"),
    ("Account {} not found", "an account that is not there is made by a transfer"),
    ("URef not found: ", "nothing in 1.5 returns it"),
    ("Key is not a URef: ", "only purses of the system's own accounts are looked up so"),
    ("WASM optimizer error", "code that ran can be stored"),
    ("Return", "the end of code that returns, never of a deploy"),
    ("Resolver error: ", "for versions of the protocol without host functions"),
    ("Unexpected return value", "nothing in 1.5 returns it"),
    ("Host buffer is empty", "an answer to the code, 33, and no error"),
    ("Invalid contract package: ", "nothing in 1.5 returns it"),
    ("Invalid contract: ", "nothing in 1.5 returns it"),
    ("Invalid contract WASM: ", "a contract's code is always stored as code"),
    ("Missing system contract registry", "genesis writes it"),
    ("Missing system contract hash: ", "genesis writes them"),
    ("Runtime stack missing", "a fault of the engine"),
    ("Failed to transfer with unrestricted transfers disabled", "only on private chains"),
    ("Payment finalization error", "finalization cannot fail: it moves what is there"),
    ("Deploy error", "genesis makes the payment purse"),
    ("Stack limiter error", "a type index out of range is refused when the module is read"),
    ("Missing module", "a fault of the engine"),
];

/// Two words, or one where the second is a key.
fn first_words(text: &str) -> Vec<&str> {
    text.split_whitespace().take(2).filter(|word| !word.starts_with("Key::")).collect()
}

#[test]
fn every_class_of_failure_has_a_row() {
    let rows = rows();
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "two rows of one name");
    for failure in each() {
        match of_failure(&failure) {
            Row(name) => {
                let row = rows.iter().find(|row| row.name == name);
                let row = row.unwrap_or_else(|| panic!("{failure:?} has no row: {name}"));
                let known = first_words(&failure.to_string()) == first_words(&row.text);
                // What the host says in its own words has no beginning in common.
                let is_host = matches!(failure, Failure::Trap(Trap::Host(_)));
                assert!(known || is_host, "{failure} is not {}", row.text);
            }
            Never(reason) => assert!(!reason.is_empty()),
        }
    }
    for (name, reason) in DIFFERENT {
        assert!(names.contains(name) && !reason.is_empty(), "{name}");
    }
    for (text, reason) in UNREACHABLE {
        assert!(!rows.iter().any(|row| row.text.starts_with(text)), "{text}");
        assert!(!reason.is_empty());
    }
}
