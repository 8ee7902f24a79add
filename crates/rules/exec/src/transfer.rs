//! The native transfer: motes from a purse to an account or a purse, without any code.
//!
//! It costs a fixed sum at gas price 1, whatever the header says.

use casper_types::{
    AccessRights, Account, ApiError, CLType, CLValue, DeployInfo, Key, Phase, PublicKey,
    RuntimeArgs, StoredValue, TransferAddr, TransferV1, U512, URef,
    account::AccountHash,
    bytesrepr::FromBytes,
    system::mint::{self, ARG_AMOUNT, ARG_ID, ARG_SOURCE, ARG_TARGET},
};

use crate::{
    address::Addresses,
    bill::{Bill, GasUse},
    deploy::{Ending, Job, Sender},
    error::{Error, Failure, Stop},
    ledger::Ledger,
    system::SYSTEM,
    target::held_uref,
};

/// Executes a deploy whose session is a native transfer.
pub(crate) fn execute(
    job: &Job<'_>,
    ledger: &mut Ledger<'_>,
    sender: &Sender<'_>,
) -> Result<Ending, Error> {
    let price = U512::from(job.law().system_costs.wasmless_transfer_cost);
    let charge = job.fees.failure_charge(price);
    if sender.balance < charge {
        return job.refuse(ledger, sender, Failure::InsufficientPayment, 1);
    }
    // A transfer has one price, and no code that could use more or less.
    let session = GasUse { total: price, ..GasUse::default() };
    let bill =
        Bill { gas_price: 1, offered: price, session, session_limit: price, ..Bill::default() };
    match transfer(job, ledger, sender, price) {
        Ok(transfer) => {
            let bill = Bill { fee: price, ..bill };
            Ok(Ending { failure: None, cost: price, transfers: vec![transfer], bill })
        }
        Err(Stop::Deploy(failure)) => job.penalize(ledger, sender, failure, charge, charge, bill),
        Err(Stop::Node(error)) => Err(error),
    }
}

/// Where the motes go.
enum To {
    /// A purse that somebody named.
    Purse(URef),
    /// The main purse of an account.
    Account(AccountHash, URef),
    /// An account that does not exist yet.
    NewAccount(AccountHash),
}

fn transfer(
    job: &Job<'_>,
    ledger: &mut Ledger<'_>,
    sender: &Sender<'_>,
    price: U512,
) -> Result<TransferAddr, Stop> {
    let args = job.signed.deploy.session().args();
    let to = target(args, ledger)?;
    let source = source(args, sender.account, ledger)?;
    let same = match &to {
        To::Purse(purse) | To::Account(_, purse) => purse.addr() == source.addr(),
        To::NewAccount(_) => false,
    };
    if same {
        return Err(Failure::revert(ApiError::InvalidPurse).into());
    }
    let amount = amount(args)?;
    let id: Option<u64> = typed(argument(args, ARG_ID)?)?;

    let before = if source.addr() == sender.main_purse.addr() {
        sender.balance
    } else {
        let balance = ledger.balance(source.addr())?;
        balance.ok_or_else(|| Failure::revert(ApiError::InvalidPurse))?
    };
    let after_payment = before.checked_sub(price);
    let after = after_payment.and_then(|rest| rest.checked_sub(amount));
    let (Some(after_payment), Some(after)) = (after_payment, after) else {
        return Err(Failure::InsufficientPayment.into());
    };
    if !source.is_readable()
        || !source.is_writeable()
        || matches!(&to, To::Purse(purse) if !purse.is_addable())
    {
        return Err(Failure::revert(mint::Error::InvalidAccessRights).into());
    }

    let mut addresses = Addresses::of(job.signed.deploy.hash(), Phase::Session);
    let (account, target) = match to {
        To::Purse(purse) => (None, purse),
        To::Account(hash, purse) => (Some(hash), purse),
        To::NewAccount(hash) => {
            let purse = ledger.create_purse(addresses.next())?;
            let account = Account::create(hash, Default::default(), purse);
            ledger.view.write(Key::Account(hash), StoredValue::Account(account));
            (Some(hash), purse.with_access_rights(AccessRights::ADD))
        }
    };
    ledger.set_balance(source.addr(), after_payment)?;
    ledger.credit(SYSTEM.payment_purse, price)?;
    ledger.set_balance(source.addr(), after)?;
    ledger.credit(target.addr(), amount)?;

    let hash = *job.signed.deploy.hash();
    let from = job.signed.account;
    let address = TransferAddr::new(addresses.next());
    let record = TransferV1::new(hash, from, account, source, target, amount, U512::zero(), id);
    ledger.view.write(Key::Transfer(address), StoredValue::Transfer(record));
    job.fees.finalize(ledger, sender.main_purse.addr(), price)?;
    let info = DeployInfo::new(hash, &[address], from, sender.main_purse, price);
    ledger.view.write(Key::DeployInfo(hash), StoredValue::DeployInfo(info));
    Ok(address)
}

fn target(args: &RuntimeArgs, ledger: &mut Ledger<'_>) -> Result<To, Stop> {
    let value = argument(args, ARG_TARGET)?;
    let hash = match value.cl_type() {
        CLType::URef => {
            let purse: URef = typed(value)?;
            return match ledger.balance(purse.addr())? {
                Some(_) => Ok(To::Purse(purse)),
                None => Err(Failure::revert(ApiError::InvalidPurse).into()),
            };
        }
        CLType::ByteArray(32) => typed(value)?,
        CLType::Key => match typed(value)? {
            Key::Account(hash) => hash,
            _ => return Err(Failure::revert(ApiError::Transfer).into()),
        },
        CLType::PublicKey => typed::<PublicKey>(value)?.to_account_hash(),
        _ => return Err(Failure::revert(ApiError::InvalidArgument).into()),
    };
    let key = Key::Account(hash);
    match ledger.view.read(&key)?.as_deref() {
        Some(StoredValue::Account(account)) => Ok(To::Account(hash, account.main_purse_add_only())),
        Some(other) => Err(Error::corrupt(&key, other, "account").into()),
        None => Ok(To::NewAccount(hash)),
    }
}

/// The main purse, or a purse that the account holds and may take from.
fn source(args: &RuntimeArgs, account: &Account, ledger: &mut Ledger<'_>) -> Result<URef, Stop> {
    let Some(value) = args.get(ARG_SOURCE) else {
        return Ok(account.main_purse());
    };
    if *value.cl_type() != CLType::URef {
        return Err(Failure::revert(ApiError::InvalidArgument).into());
    }
    let purse: URef = typed(value)?;
    if purse.addr() == account.main_purse().addr() {
        return Ok(purse);
    }
    match held_uref(account, purse) {
        Some(Key::URef(held)) if !held.is_writeable() => {
            Err(Failure::access(AccessRights::WRITE).into())
        }
        Some(Key::URef(_)) if ledger.balance(purse.addr())?.is_none() => {
            Err(Failure::revert(ApiError::InvalidPurse).into())
        }
        Some(_) => Ok(purse),
        None => Err(Failure::forged(purse).into()),
    }
}

fn amount(args: &RuntimeArgs) -> Result<U512, Failure> {
    let value = argument(args, ARG_AMOUNT)?;
    let amount = match value.cl_type() {
        CLType::U512 => typed(value)?,
        CLType::U64 => U512::from(typed::<u64>(value)?),
        _ => return Err(Failure::revert(ApiError::InvalidArgument)),
    };
    if amount.is_zero() { Err(Failure::revert(ApiError::Transfer)) } else { Ok(amount) }
}

fn argument<'a>(args: &'a RuntimeArgs, name: &str) -> Result<&'a CLValue, Failure> {
    args.get(name).ok_or_else(|| Failure::revert(ApiError::MissingArgument))
}

fn typed<T: casper_types::CLTyped + FromBytes>(value: &CLValue) -> Result<T, Failure> {
    value.to_t().map_err(Failure::revert)
}
