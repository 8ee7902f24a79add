//! Executions of assemblies, paid from escrows in batches. That results are equal, that the payer
//! signed and that a liar lied is checked by whoever calls; here it is a fact.

use girrona_types::{
    Height,
    market::{AccountId, Hash32, MarketEvent, Motes},
};

use crate::{
    call::ExecutionFacts,
    check,
    money::{sum, times},
    queue::Entry,
    records::{AssemblyTerms, Executor},
    refusal::Refusal,
    session::{Done, Halt, Session, after},
    store::{Key, Store},
};

/// Executors, and liars, of one request.
const EXECUTORS_MAX: u64 = 64;
/// How far ahead a request may expire: that it was paid is remembered until then.
const EXPIRES_MAX: u64 = 86_400;
/// Fuel in a million units of it.
const MFUEL: u64 = 1_000_000;

impl<S: Store> Session<'_, S> {
    pub(crate) fn price_assembly(
        &mut self,
        publisher: AccountId,
        assembly: Hash32,
        per_execution: Motes,
        per_mfuel: Motes,
        cap: Motes,
    ) -> Done<(), S> {
        let key = Key::Assembly(assembly);
        if let Some(known) = self.get::<AssemblyTerms>(&key)?
            && known.publisher != publisher
        {
            return Err(Refusal::NotPublisher.into());
        }
        let most = Motes(u128::from(self.law.max_price));
        for (field, motes) in [("per_execution", per_execution), ("per_mfuel", per_mfuel)] {
            if motes > most {
                let (found, most) = (u64::MAX, self.law.max_price);
                return Err(Refusal::OutOfRange { field, found, least: 0, most }.into());
            }
        }
        check::motes("cap", cap)?;
        self.put(key, &AssemblyTerms { publisher, per_execution, per_mfuel, cap })?;
        self.tell(MarketEvent::AssemblyPriced { assembly, publisher });
        Ok(())
    }

    fn executor(&mut self, account: AccountId) -> Done<Option<Executor>, S> {
        self.get(&Key::Executor(account))
    }

    fn put_executor(&mut self, account: AccountId, mut executor: Executor) -> Done<(), S> {
        let entry = Entry::Executor(account);
        executor.queued = self.wait(executor.queued, executor.leaves_at, entry)?;
        self.put(Key::Executor(account), &executor)
    }

    pub(crate) fn bond_executor(&mut self, account: AccountId, amount: Motes) -> Done<(), S> {
        if amount.is_zero() {
            return Err(Refusal::NothingToMove.into());
        }
        self.take(account, amount)?;
        let mut executor = self.executor(account)?.unwrap_or_default();
        executor.bond = sum(executor.bond, amount)?;
        let bond = executor.bond;
        self.put_executor(account, executor)?;
        self.tell(MarketEvent::ExecutorBonded { executor: account, bond });
        Ok(())
    }

    /// Takes the whole bond out, after a time in which a lie can still be proven.
    pub(crate) fn unbond_executor(&mut self, account: AccountId) -> Done<(), S> {
        let known = self.executor(account)?.filter(|known| !known.bond.is_zero());
        let mut executor = known.ok_or(Refusal::NoExecutor)?;
        if let Some(until) = executor.leaves_at {
            return Err(Refusal::AlreadyLeaving { until }.into());
        }
        executor.leaving = std::mem::take(&mut executor.bond);
        executor.leaves_at = Some(after(self.height, self.law.unstake_blocks));
        self.put_executor(account, executor)?;
        let bond = Motes::ZERO;
        self.tell(MarketEvent::ExecutorBonded { executor: account, bond });
        Ok(())
    }

    pub(crate) fn executor_due(&mut self, account: AccountId, queued: Height) -> Done<(), S> {
        let Some(mut executor) = self.executor(account)? else { return Ok(()) };
        if executor.queued != Some(queued) {
            return Ok(());
        }
        executor.queued = None;
        if executor.leaves_at.is_some_and(|at| at <= self.height) {
            executor.leaves_at = None;
            let motes = std::mem::take(&mut executor.leaving);
            self.give(account, motes)?;
        }
        self.put_executor(account, executor)
    }

    /// Each bill is judged by itself. When none is good, the first one's refusal is the call's.
    pub(crate) fn pay_executions(&mut self, bills: Vec<ExecutionFacts>) -> Done<(), S> {
        if bills.is_empty() {
            return Err(Refusal::Empty { field: "bills" }.into());
        }
        let (found, most) = (bills.len() as u64, u64::from(self.law.max_batch));
        if found > most {
            return Err(Refusal::TooLong { field: "bills", found, most }.into());
        }
        let (mut good, mut first) = (false, None);
        for bill in bills {
            match self.pay_execution(&bill) {
                Ok(()) => good = true,
                Err(Halt::Refused(refusal)) => {
                    let (request, code) = (bill.request, refusal.code());
                    self.tell(MarketEvent::ExecutionRefused { request, code });
                    first = first.or(Some(refusal));
                }
                Err(halt) => return Err(halt),
            }
        }
        match first {
            Some(refusal) if !good => Err(refusal.into()),
            _ => Ok(()),
        }
    }

    /// Nothing is written before all is checked.
    fn pay_execution(&mut self, bill: &ExecutionFacts) -> Done<(), S> {
        let at = bill.expires;
        let last = after(self.height, EXPIRES_MAX);
        if at < self.height {
            return Err(Refusal::RequestExpired { at }.into());
        }
        check::range("expires", at.0, self.height.0, last.0)?;
        for list in [&bill.executors, &bill.liars] {
            check::range("executors", list.len() as u64, 0, EXECUTORS_MAX)?;
        }
        let paid = Key::Paid(bill.request);
        if self.get::<bool>(&paid)?.is_some() {
            return Err(Refusal::AlreadyPaid.into());
        }
        let terms: Option<AssemblyTerms> = self.get(&Key::Assembly(bill.assembly))?;
        let terms = terms.ok_or(Refusal::NoPrice)?;
        let needs = Motes(u128::from(self.law.executor_bond));
        let mut payees = Vec::new();
        for account in &bill.executors {
            let bond = self.executor(*account)?.unwrap_or_default().bond;
            if bond >= needs && !bill.liars.contains(account) && !payees.contains(account) {
                payees.push(*account);
            }
        }
        if payees.is_empty() && bill.liars.is_empty() {
            return Err(Refusal::NoBondedExecutor { needs }.into());
        }
        let fuel = times(terms.per_mfuel, bill.fuel.div_ceil(MFUEL))?;
        let each = sum(terms.per_execution, fuel)?;
        let cost = times(each, payees.len() as u64)?;
        let limit = bill.limit.min(terms.cap);
        if cost > limit {
            return Err(Refusal::AboveLimit { cost, limit }.into());
        }
        self.take(bill.payer, cost)?;
        for payee in payees {
            self.pay_provider(payee, each)?;
        }
        for liar in &bill.liars {
            self.slash_executor(*liar)?;
        }
        self.put(paid, &true)?;
        self.enqueue(at.max(self.height.next()), Entry::Paid(bill.request))?;
        let (request, payer) = (bill.request, bill.payer);
        self.tell(MarketEvent::ExecutionPaid { request, payer, amount: cost });
        Ok(())
    }

    /// A proven liar loses its whole bond.
    fn slash_executor(&mut self, account: AccountId) -> Done<(), S> {
        let Some(mut executor) = self.executor(account)? else { return Ok(()) };
        let bond = std::mem::take(&mut executor.bond);
        let burnt = sum(bond, std::mem::take(&mut executor.leaving))?;
        executor.leaves_at = None;
        executor.lies = executor.lies.saturating_add(1);
        self.burn(burnt);
        self.put_executor(account, executor)?;
        self.tell(MarketEvent::ExecutorSlashed { executor: account, burnt });
        Ok(())
    }
}
