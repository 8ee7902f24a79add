//! One deploy: payment, session, finalization.
//!
//! Start at [`execute`]. Whatever happens in it, exactly one of these is the outcome:
//! - the account did not send it: nothing changes;
//! - it was refused before its payment ran: it costs what the law says, nothing else changes;
//! - payment failed: as before, the effects of payment are undone;
//! - session failed: its effects are undone, the payment is settled;
//! - all went well.

use casper_types::{
    AccessRights, Account, ApiError, DeployInfo, Key, Phase, RuntimeArgs, StoredValue,
    TransferAddr, U512, URef, execution::ExecutionResultV1,
};
use girrona_state::{Changes, Reader, View};
use girrona_types::{Chainspec, deploy::ARG_AMOUNT};
use girrona_vm::Trap;

use crate::{
    bill::Bill,
    block::BlockContext,
    code::CodeSource,
    error::{Error, Failure},
    ledger::{Allowance, Ledger, Moment},
    payment::{Fees, gas_for, motes_for},
    runtime::{self, Program, Run},
    signed::{Signed, spending_limit},
    system::SYSTEM,
    target::{Target, resolve},
    transfer,
};

/// What one deploy did.
#[derive(Clone, Debug)]
pub struct DeployOutcome {
    /// What clients see.
    pub result: ExecutionResultV1,
    /// What changes in the state, and the records beside it.
    pub changes: Changes,
    /// Motes that are no more; the total supply is reduced by them at the block's end.
    pub burnt: U512,
    /// How its cost came about.
    pub bill: Bill,
    /// Why it failed, as more than a text.
    pub failure: Option<Failure>,
}

/// One deploy in its block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<'j> {
    pub(crate) fees: Fees<'j>,
    pub(crate) block: &'j BlockContext<'j>,
    pub(crate) signed: &'j Signed<'j>,
    /// Gas for the session whatever was paid, to find out how much it would need.
    pub(crate) session_gas: Option<U512>,
}

/// The account that a deploy acts for, as it was before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'s> {
    pub(crate) account: &'s Account,
    pub(crate) main_purse: URef,
    pub(crate) balance: U512,
    /// The moment to go back to when nothing of the deploy shall remain.
    pub(crate) start: Moment,
}

/// How a deploy ended; its effects are in the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) failure: Option<Failure>,
    /// In gas.
    pub(crate) cost: U512,
    pub(crate) transfers: Vec<TransferAddr>,
    pub(crate) bill: Bill,
}

/// Executes a deploy on `base`.
pub(crate) fn execute(
    job: &Job<'_>,
    base: &dyn Reader,
    code: &mut dyn CodeSource,
) -> Result<DeployOutcome, Error> {
    let mut ledger = Ledger::new(View::new(base));
    let ending = run(job, &mut ledger, code)?;
    let effect = ledger.view.effects();
    let Ending { failure, cost, transfers, bill } = ending;
    let result = match &failure {
        None => ExecutionResultV1::Success { effect, transfers, cost },
        Some(failure) => {
            let error_message = failure.to_string();
            ExecutionResultV1::Failure { effect, transfers, cost, error_message }
        }
    };
    let (changes, burnt) = (ledger.view.into_changes(), ledger.burnt);
    Ok(DeployOutcome { result, changes, burnt, bill, failure })
}

fn run(job: &Job<'_>, ledger: &mut Ledger<'_>, code: &mut dyn CodeSource) -> Result<Ending, Error> {
    let start = ledger.moment();
    let unauthorized = |ledger: &mut Ledger<'_>, failure| {
        ledger.rollback(start);
        Ok(Ending::free(failure))
    };
    let key = Key::Account(job.signed.account);
    let Some(record) = ledger.view.read(&key)? else {
        return unauthorized(ledger, Failure::Authorization);
    };
    let StoredValue::Account(account) = &*record else {
        return Err(Error::corrupt(&key, &record, "account"));
    };
    if let Err(failure) = job.signed.authorize(account, &job.law().core.administrators) {
        return unauthorized(ledger, failure);
    }
    let main_purse = account.main_purse();
    let balance = ledger.balance(main_purse.addr())?;
    let balance = balance.ok_or_else(|| Error::missing(Key::Balance(main_purse.addr())))?;
    let sender = Sender { account, main_purse, balance, start };
    if job.signed.deploy.session().is_transfer() {
        transfer::execute(job, ledger, &sender)
    } else {
        execute_code(job, ledger, &sender, code)
    }
}

fn execute_code(
    job: &Job<'_>,
    ledger: &mut Ledger<'_>,
    sender: &Sender<'_>,
    code: &mut dyn CodeSource,
) -> Result<Ending, Error> {
    let deploy = job.signed.deploy;
    let price = deploy.header().gas_price();
    let penalty = job.fees.penalty();
    let major = job.law().protocol.version.value().major;
    let mut lookup = |key: &Key| Ok(ledger.view.read(key)?);
    let session = resolve(deploy.session(), sender.account, major, &mut lookup)?;
    let session = match session {
        Err(unresolved) if !unresolved.is_found_late() => {
            return job.refuse(ledger, sender, unresolved.into(), price);
        }
        found_or_late => found_or_late,
    };
    if sender.balance < penalty {
        return job.refuse(ledger, sender, Failure::InsufficientPayment, price);
    }
    let Some(payment_gas_limit) = gas_for(penalty, price) else {
        return job.refuse(ledger, sender, Failure::GasConversionOverflow, price);
    };
    let payment = resolve(deploy.payment(), sender.account, major, &mut |key: &Key| {
        Ok(ledger.view.read(key)?)
    })?;
    let payment = match payment {
        Err(unresolved) if !unresolved.is_found_late() => {
            return job.refuse(ledger, sender, unresolved.into(), price);
        }
        found_or_late => found_or_late,
    };

    // Payment: it has to put motes into the payment purse, at least what it costs itself.
    let payment = match payment {
        Ok(Target::Module([])) => {
            let args = deploy.payment().args();
            standard_payment(job.law(), ledger, sender, args, payment_gas_limit)?
        }
        Ok(target) => {
            let args = deploy.payment().args();
            let program = program(target);
            runtime::run(job, ledger, code, program, args, Phase::Payment, payment_gas_limit)?
        }
        Err(unresolved) => Run::failed(unresolved.into()),
    };
    let mut bill = Bill {
        gas_price: price,
        offered: ledger.paid,
        payment: payment.used,
        payment_limit: payment_gas_limit,
        ..Bill::default()
    };
    if let Some(failure) = payment.failure {
        // Casper shows the gas used by a module that it could not even start: none.
        let casper_cost = if failure.is_malformed() { payment.gas } else { payment_gas_limit };
        let cost = if job.fees.is_minimum_penalty() { payment_gas_limit } else { casper_cost };
        return job.penalize(ledger, sender, failure, penalty, cost, bill);
    }
    let least = U512::from(job.law().least_charge());
    match motes_for(payment.gas, price) {
        Some(used) if used.max(least) <= ledger.paid => {}
        Some(_) => {
            let failure = Failure::InsufficientPayment;
            return job.penalize(ledger, sender, failure, penalty, payment_gas_limit, bill);
        }
        None => {
            let failure = Failure::GasConversionOverflow;
            return job.penalize(ledger, sender, failure, penalty, payment_gas_limit, bill);
        }
    }

    // Session: it may use what was paid for.
    let paid = ledger.paid;
    let after_payment = ledger.moment();
    let gas_limit =
        gas_for(paid, price).and_then(|gas| gas.checked_sub(payment.gas)).unwrap_or_default();
    let gas_limit = job.session_gas.unwrap_or(gas_limit);
    let args = deploy.session().args();
    let session = match session {
        Ok(target) => {
            runtime::run(job, ledger, code, program(target), args, Phase::Session, gas_limit)?
        }
        Err(unresolved) => Run::failed(unresolved.into()),
    };
    bill.session = session.used;
    bill.session_limit = gas_limit;
    if job.session_gas.is_some() {
        // Nobody pays for this, and nothing of it stays.
        return Ok(Ending {
            failure: session.failure,
            bill,
            ..Ending::free(Failure::Authorization)
        });
    }
    let malformed = session.failure.as_ref().is_some_and(Failure::is_malformed);
    if malformed || (session.gas.is_zero() && paid < penalty) {
        let failure = session.failure.unwrap_or(Failure::InsufficientPayment);
        let minimum = job.fees.is_minimum_penalty();
        let cost = if minimum { payment_gas_limit } else { session.gas };
        return job.penalize(ledger, sender, failure, penalty, cost, bill);
    }

    let gas = payment.gas.checked_add(session.gas).ok_or(Error::Supply)?;
    let used = motes_for(gas, price).ok_or(Error::Supply)?;
    let (spent, cost) = match &session.failure {
        None => (used.max(least), gas_for(least, price).unwrap_or_default().max(gas)),
        Some(_) => {
            ledger.rollback(after_payment);
            let charge = job.fees.failure_charge(used);
            let cost = gas_for(charge, price).unwrap_or(gas).max(gas);
            if charge > paid
                && let Some(failure) = session.failure
            {
                // The payment does not cover the penalty, so it is taken from the main purse.
                return job.penalize(ledger, sender, failure, charge, cost, bill);
            }
            (charge, cost)
        }
    };
    if session.failure.is_none() {
        let info = DeployInfo::new(
            *deploy.hash(),
            &session.transfers,
            job.signed.account,
            sender.main_purse,
            gas,
        );
        ledger.view.write(Key::DeployInfo(*deploy.hash()), StoredValue::DeployInfo(info));
    }
    let main_purse = sender.main_purse.addr();
    (bill.fee, bill.refund) = job.fees.finalize(ledger, main_purse, spent)?;
    bill.penalty = spent.saturating_sub(bill.used());
    Ok(Ending { failure: session.failure, cost, transfers: session.transfers, bill })
}

/// A session without bytes is refused by every acceptor; in a block it fails as a module that is
/// none.
const fn program(target: Target<'_>) -> Program<'_> {
    match target {
        Target::Module(module) => Program::Module(module),
        Target::Stored(contract, entry_point) => Program::Stored(contract, entry_point),
    }
}

/// Standard payment: `amount` motes from the main purse. It gives back the gas that it uses, but
/// there has to be some: at an absurd gas price there is not.
fn standard_payment(
    law: &Chainspec,
    ledger: &mut Ledger<'_>,
    sender: &Sender<'_>,
    args: &RuntimeArgs,
    gas_limit: U512,
) -> Result<Run, Error> {
    let limit = spending_limit(args);
    let amount: U512 = match (limit, args.get(ARG_AMOUNT)) {
        (Err(error), _) => return Ok(Run::failed(Failure::Trap(error.into()))),
        (_, None) => return Ok(Run::failed(Failure::revert(ApiError::MissingArgument))),
        (_, Some(value)) => match value.to_t() {
            Ok(amount) => amount,
            Err(_) => return Ok(Run::failed(Failure::revert(ApiError::InvalidArgument))),
        },
    };
    let costs = &law.system_costs;
    let finding = U512::from(costs.handle_payment_costs.get_payment_purse);
    match gas_limit.checked_sub(finding) {
        None => return Ok(Run::failed(Failure::Trap(Trap::OutOfGas))),
        Some(left) if left < U512::from(costs.mint_costs.transfer) => {
            return Ok(Run::failed(Failure::revert(ApiError::Transfer)));
        }
        Some(_) => {}
    }
    // The whole of it may go, and no more.
    let mut allowance = Allowance { main_purse: sender.main_purse.addr(), left: amount };
    let target = URef::new(SYSTEM.payment_purse, AccessRights::ADD);
    match ledger.transfer(&mut allowance, sender.main_purse, target, amount)? {
        Ok(()) => Ok(Run::default()),
        Err(mint) => Ok(Run::failed(Failure::revert(mint))),
    }
}

impl Ending {
    /// A failure that costs nothing.
    fn free(failure: Failure) -> Self {
        let (cost, transfers) = (U512::zero(), Vec::new());
        Self { failure: Some(failure), cost, transfers, bill: Bill::default() }
    }
}

impl<'j> Job<'j> {
    pub(crate) const fn law(&self) -> &'j Chainspec {
        self.fees.law
    }

    /// Ends a deploy that is the account's own but was refused before anything ran. Under
    /// `minimum_penalty` it costs the penalty, or all there is.
    pub(crate) fn refuse(
        &self,
        ledger: &mut Ledger<'_>,
        sender: &Sender<'_>,
        failure: Failure,
        price: u64,
    ) -> Result<Ending, Error> {
        if !self.fees.is_minimum_penalty() {
            ledger.rollback(sender.start);
            return Ok(Ending::free(failure));
        }
        let charge = self.fees.penalty();
        let cost = gas_for(charge.min(sender.balance), price).unwrap_or(charge);
        let bill = Bill { gas_price: price, ..Bill::default() };
        self.penalize(ledger, sender, failure, charge, cost, bill)
    }

    /// Ends a deploy by undoing everything and taking `charge` from its sender's main purse, or
    /// all there is.
    pub(crate) fn penalize(
        &self,
        ledger: &mut Ledger<'_>,
        sender: &Sender<'_>,
        failure: Failure,
        charge: U512,
        cost: U512,
        mut bill: Bill,
    ) -> Result<Ending, Error> {
        ledger.rollback(sender.start);
        let charge = charge.min(sender.balance);
        if !charge.is_zero() {
            self.fees.take(ledger, sender.main_purse.addr(), sender.balance, charge)?;
        }
        bill.fee = charge;
        bill.penalty = charge.saturating_sub(bill.used());
        Ok(Ending { failure: Some(failure), cost, transfers: Vec::new(), bill })
    }
}
