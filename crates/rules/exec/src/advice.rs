//! What went wrong and what to do about it: a sentence for each class of failure, for the person
//! who sent the deploy. The matches have no wildcard, so a new class needs its sentence.

use casper_types::{
    ApiError,
    system::{handle_payment, mint},
};
use girrona_vm::{PrepareError, Refusal, Trap};

use crate::{bill::Bill, error::Failure};

/// Advice on a failure whose bill is known.
pub fn advice(failure: &Failure, bill: &Bill) -> String {
    match failure {
        Failure::Authorization => "The account does not exist, or a key signed that may not act \
             for it: sign with keys that are associated with the account, and with no others."
            .to_owned(),
        Failure::DeploymentAuthorization => "The keys that signed do not weigh enough: have more \
             of the account's keys sign, until their weights reach its threshold for deploys."
            .to_owned(),
        Failure::InsufficientPayment => format!(
            "What there is does not cover what has to be paid; {} motes were paid in. Raise the \
             payment, or keep the amount, the fee and the minimum payment in the main purse.",
            bill.offered
        ),
        Failure::GasConversionOverflow => {
            format!("No gas can be bought at gas price {}: send it with 1.", bill.gas_price)
        }
        Failure::UnsupportedKeyType => "That name of the account leads to no contract: look its \
             named keys up and name a contract, or a package with a version."
            .to_owned(),
        Failure::UnsupportedItem(_) => "Payment cannot be a native transfer: use standard payment \
             or payment code."
            .to_owned(),
        Failure::Module(error) => of_module(error).to_owned(),
        Failure::Trap(trap) => of_trap(trap, bill),
    }
}

fn of_module(error: &PrepareError) -> &'static str {
    match error {
        PrepareError::Preprocessing(refusal) => match refusal {
            Refusal::Deserialize(_) => {
                "The bytes are no Wasm module of the features that this network accepts: build it \
                 for wasm32v1-none, and send the .wasm file itself."
            }
            Refusal::OperationForbidden(_) => {
                "The module has an instruction that has no price, most often one on floating-point \
                 numbers: remove what uses them."
            }
            Refusal::MissingMemorySection => {
                "The module has no memory: build it as a cdylib that declares one."
            }
            Refusal::Limit(_) => {
                "The module is larger in one place than the network allows: see \
                the number, and split the function or remove what is not needed."
            }
        },
        PrepareError::UnsupportedStart => {
            "The module wants to run when it is loaded: remove its start function and begin in \
             `call`."
        }
        PrepareError::Instantiation(_) => {
            "The module asks for what there is not: only the host functions of Casper 1.5 can be \
             imported, from `env`, and memory has a most."
        }
    }
}

fn of_trap(trap: &Trap, bill: &Bill) -> String {
    match trap {
        Trap::OutOfGas => out_of_gas(bill),
        Trap::Revert(error) => of_revert(*error),
        Trap::Interpreter(text) if text.contains("Unreachable") => "The code gave up: a panic, an \
             `unwrap` of nothing, or calls nested too deep. Try it out with `speculative_exec`."
            .to_owned(),
        Trap::Interpreter(_) => "The code did what the machine does not allow, or has no such \
             export: look at the address, the division or the function named here."
            .to_owned(),
        Trap::FunctionNotFound(_) => "No such function, or no such contract: check that every \
             entry point is exported with its name, and that the hash is a contract's."
            .to_owned(),
        Trap::ForgedReference(uref) => format!(
            "The code used {uref}, to which it was given no such right: pass it as an argument, \
             or take it from a named key, with the rights that the owner gave."
        ),
        Trap::InvalidAccess { required } => {
            format!("The reference does not carry the right {required}: ask its owner for it.")
        }
        Trap::TypeMismatch(_) => {
            "A value is of another type than the code expects: check arguments and stored values."
                .to_owned()
        }
        Trap::Bytesrepr(_) | Trap::CLValue(_) => "Bytes that the code passed do not hold what it \
             says: check the type and the encoding of arguments and values."
            .to_owned(),
        Trap::KeyNotFound(key) => {
            format!("Nothing is stored under {key}: check the hash and the network.")
        }
        Trap::NamedKeyNotFound(name) => {
            format!("The account has no key named `{name}`: check the spelling and the account.")
        }
        Trap::UnexpectedKeyVariant(_) | Trap::UnexpectedStoredValueVariant => {
            "The key leads to something of another kind: check what is stored under it.".to_owned()
        }
        Trap::InvalidContext => "This is not allowed here: the entry point is for a group that \
             the caller is not in, or the function is for code that runs as an account."
            .to_owned(),
        Trap::InvalidOperation => {
            "The code asked for a field of the block that there is not: 0 to \
             5 are time, height, parent, state, version of the rules and entities."
                .to_owned()
        }
        Trap::ExpectedReturnValue => {
            "The code returned bytes that are no value: return a CLValue.".to_owned()
        }
        Trap::NoSuchMethod(name) => {
            format!("The contract has no entry point `{name}`: check its name and version.")
        }
        Trap::DisabledContract(_) | Trap::InvalidVersion(_) => "This version cannot be called \
             (any more): call the package without a version for the newest."
            .to_owned(),
        Trap::LockedContract(_) => {
            "The package was made to keep its one version: make a new package.".to_owned()
        }
        Trap::NoActiveVersions(_) => {
            "Every version of the package is disabled: its owner can enable one.".to_owned()
        }
        Trap::IncompatibleProtocol { .. } => {
            "The contract was stored under other rules: its owner has to store it again.".to_owned()
        }
        Trap::RuntimeStackOverflow => {
            "Contracts call contracts too deep: flatten the calls.".to_owned()
        }
        Trap::DictionaryItemKeyExceedsLength => {
            "Keys of dictionary items have at most 128 bytes: use a hash of the long one."
                .to_owned()
        }
        Trap::Host(_) => "The host refused; its words say why.".to_owned(),
        Trap::Storage(_) => "The node could not read its state; ask another one.".to_owned(),
    }
}

fn out_of_gas(bill: &Bill) -> String {
    let given = bill.motes(bill.payment_limit.saturating_add(bill.session_limit));
    match (&bill.needed, bill.session_limit.is_zero()) {
        (Some(needed), _) => format!(
            "It needs {needed} motes and was given {}: raise the payment (--payment-amount) to at \
             least that, as it would have cost in this state.",
            bill.offered
        ),
        (None, true) => format!(
            "Payment code has {given} motes of gas and no more: let it only pay, and do the work \
             in the session."
        ),
        (None, false) => format!(
            "It used all of the {} motes that it was given and had not ended: raise the payment \
             (--payment-amount), or look for a loop that does not end.",
            bill.offered
        ),
    }
}

fn of_revert(error: ApiError) -> String {
    match error {
        ApiError::User(code) => format!(
            "The contract ended the deploy with its own code {code}: its author's list of errors \
             says what that means."
        ),
        ApiError::Mint(code) if code == mint::Error::InsufficientFunds as u8 => {
            "The purse holds less than was to be moved: put more into it, or move less.".to_owned()
        }
        ApiError::Mint(code) if code == mint::Error::UnapprovedSpendingAmount as u8 => "Code \
             takes no more out of the main purse than the argument `amount` of the session (or of \
             the payment) allows: pass it, as large as what is to be moved."
            .to_owned(),
        ApiError::Mint(code) => format!("The mint refused with its code {code}."),
        ApiError::HandlePayment(code)
            if code == handle_payment::Error::SetRefundPurseCalledOutsidePayment as u8 =>
        {
            "Only payment code can choose a purse for the refund.".to_owned()
        }
        ApiError::HandlePayment(code) => {
            format!(
                "Handle payment refused with its code {code}; its methods are for payment code."
            )
        }
        ApiError::AuctionError(_) => "The auction refused; the name in the text says why. Stakes \
             and delegations have least amounts, and only the account itself may move its own."
            .to_owned(),
        ApiError::ContractHeader(code) => {
            format!("The package or its groups do not allow this; code {code} of Casper's list.")
        }
        ApiError::MissingArgument => {
            "An argument is missing: compare the arguments with what the code asks for.".to_owned()
        }
        ApiError::InvalidArgument | ApiError::CLTypeMismatch => {
            "An argument is of another type than the code asks for.".to_owned()
        }
        ApiError::InvalidPurse => {
            "A purse does not exist, or is both source and target of the transfer.".to_owned()
        }
        ApiError::Transfer => {
            "This cannot be transferred: 0 motes, or to a key that is no account.".to_owned()
        }
        _ => "The code, or the host on its behalf, ended the deploy; the name in the text is \
             Casper's for the reason."
            .to_owned(),
    }
}
