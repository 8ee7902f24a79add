//! Leases: what each waits for, what happens when that does not come, and how blocks become money.
//!
//! When a lease is next due is a function of its record alone ([`Lease::due`]), and every record
//! that is written is in the queue at least that early: no lease can hang. Blocks are paid up to
//! the last sign of the provider, so one that is gone is not paid for being gone.

mod close;
mod confirm;
mod funds;
mod liveness;
mod reserve;
mod update;
mod usage;

use girrona_types::{
    Height,
    market::{AccountId, LeaseFailure, LeaseId, MarketLaw, Motes},
};

use crate::{
    money::{less, sum, times},
    queue::Entry,
    records::{Lease, LeaseState, Resources},
    refusal::Refusal,
    session::{Done, Halt, Session, after},
    store::{Key, Store},
};

/// What a lease waits for. Earlier ones go first when several are due at one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A receipt is paid, or its dispute ends.
    Receipt,
    /// A closed lease has nothing left to pay.
    Close,
    /// The reservation, the manifest or the confirmation did not come.
    Reserve,
    Manifest,
    Confirm,
    /// A pause ends.
    Pause,
    /// The duration ends.
    Expiry,
    /// The money ends.
    Exhaustion,
    /// An update was not answered or not done.
    Update,
    /// Little money is left.
    Low,
    /// The provider was not heard of, for some time or too long.
    Silence,
    Lost,
    /// Nobody gave more money in time, or the provider did not resume.
    Retention,
    Resume,
    /// The provider's final word did not come.
    Ack,
}

impl Lease {
    /// When the money ends: the first height that is not paid for.
    pub fn exhausts_at(&self) -> Height {
        after(self.settled_at, self.funded())
    }

    /// Blocks that the base money pays for.
    pub(crate) fn funded(&self) -> u64 {
        let blocks = self.purse.base.0.checked_div(self.price.0).unwrap_or(u128::MAX);
        u64::try_from(blocks).unwrap_or(u64::MAX)
    }

    /// The same without those that are owed for since before billing stopped.
    fn funded_beyond(&self) -> u64 {
        let owed = self.stopped.map(|at| at.0.saturating_sub(self.settled_at.0));
        self.funded().saturating_sub(owed.unwrap_or_default())
    }

    /// What is due next, and when.
    fn due(&self, law: &MarketLaw) -> Option<(Height, Due)> {
        let mut next = self.usage.pending.iter().map(|one| (one.due, Due::Receipt)).min();
        let mut wait = |at: Height, due: Due| {
            let candidate = (at, due);
            next = Some(next.map_or(candidate, |next| next.min(candidate)));
        };
        match &self.state {
            LeaseState::Reserving { by } => wait(*by, Due::Reserve),
            LeaseState::Ready { by } => wait(*by, Due::Manifest),
            LeaseState::Starting { by } => wait(*by, Due::Confirm),
            LeaseState::Confirmed | LeaseState::Updating(_) => {
                if let LeaseState::Updating(update) = &self.state {
                    wait(update.by, Due::Update);
                }
                if let Some(ends_at) = self.ends_at {
                    wait(ends_at, Due::Expiry);
                }
                if let Some(until) = self.paused {
                    wait(until, Due::Pause);
                } else {
                    wait(self.exhausts_at(), Due::Exhaustion);
                    wait(
                        after(self.last_beat, law.heartbeat_interval.saturating_mul(2)),
                        Due::Silence,
                    );
                    if let Some((at, _)) = self.low_mark(law) {
                        wait(at, Due::Low);
                    }
                }
            }
            LeaseState::Degraded { lost_at, .. } => wait(*lost_at, Due::Lost),
            LeaseState::Suspended { resume_by: Some(by), .. } => wait(*by, Due::Resume),
            LeaseState::Suspended { until, .. } => wait(*until, Due::Retention),
            LeaseState::Closing { ack_by, heard: None, .. } => wait(*ack_by, Due::Ack),
            LeaseState::Closing { ack_by, heard: Some(_), .. } => {
                if self.usage.pending.is_empty() {
                    wait((*ack_by).min(self.last_beat), Due::Close);
                }
            }
            LeaseState::Closed(_) | LeaseState::Failed(_) => return None,
        }
        next
    }

    /// The next mark of low money: when it is passed, and how many blocks are left then.
    fn low_mark(&self, law: &MarketLaw) -> Option<(Height, u64)> {
        let end = self.exhausts_at();
        if self.ends_at.is_some_and(|ends_at| ends_at <= end) {
            return None;
        }
        let part = u128::from(self.funded_blocks).saturating_mul(law.low_funds_bp.into());
        let part = u64::try_from(part.checked_div(10_000).unwrap_or_default()).unwrap_or_default();
        let [first, second] = law.low_funds_blocks;
        let mark = [part, first, second]
            .into_iter()
            .filter(|mark| (1..self.low_told).contains(mark))
            .max()?;
        Some((Height(end.0.saturating_sub(mark)), mark))
    }

    /// New money: marks of low money start again.
    pub(crate) fn refunded_marks(&mut self) {
        self.funded_blocks = self.funded();
        self.low_told = self.funded_blocks;
    }

    /// The provider showed itself.
    pub(crate) fn beat(&mut self, height: Height) {
        self.last_beat = self.last_beat.max(height);
    }
}

impl<S: Store> Session<'_, S> {
    /// A lease as an operation finds it: what was due before this block is done, even if the step
    /// could not get to it.
    pub(crate) fn lease(&mut self, id: LeaseId) -> Done<Lease, S> {
        let mut lease: Lease = self.get(&Key::Lease(id))?.ok_or(Refusal::NoSuchLease)?;
        let before = self.height.previous().unwrap_or_default();
        if lease.due(self.law).is_some_and(|(at, _)| at <= before) {
            self.advance(&mut lease, before)?;
            // Written at once: in a batch, what comes next may be refused, and this stays.
            self.put_lease(lease)?;
            lease = self.get(&Key::Lease(id))?.ok_or(Refusal::NoSuchLease)?;
        }
        Ok(lease)
    }

    pub(crate) fn provider_lease(&mut self, caller: AccountId, id: LeaseId) -> Done<Lease, S> {
        let lease = self.lease(id)?;
        if lease.provider == caller { Ok(lease) } else { Err(Refusal::NotLeaseProvider.into()) }
    }

    pub(crate) fn tenant_lease(&mut self, caller: AccountId, id: LeaseId) -> Done<Lease, S> {
        let lease = self.lease(id)?;
        if lease.tenant == caller { Ok(lease) } else { Err(Refusal::NotTenant.into()) }
    }

    pub(crate) fn put_lease(&mut self, mut lease: Lease) -> Done<(), S> {
        let due = lease.due(self.law).map(|(at, _)| at);
        lease.queued = self.wait(lease.queued, due, Entry::Lease(lease.id))?;
        self.put(Key::Lease(lease.id), &lease)
    }

    /// An entry of the queue came up.
    pub(crate) fn lease_due(&mut self, id: LeaseId, queued: Height) -> Done<(), S> {
        let known: Option<Lease> = self.get(&Key::Lease(id))?;
        let mut lease = known.ok_or(Halt::Broken("the queue names no lease"))?;
        if lease.queued != Some(queued) {
            return Ok(());
        }
        lease.queued = None;
        self.advance(&mut lease, self.height)?;
        self.put_lease(lease)
    }

    /// Does everything that is due up to a height, each at its own.
    fn advance(&mut self, lease: &mut Lease, upto: Height) -> Done<(), S> {
        // Far more than a lease can have to do; a lease that needs them all is broken.
        for _ in 0..256 {
            match lease.due(self.law) {
                Some((at, due)) if at <= upto => self.lease_event(lease, due, at)?,
                _ => return Ok(()),
            }
        }
        Err(Halt::Broken("a lease does not come to rest"))
    }

    /// Every deadline is one arm.
    fn lease_event(&mut self, lease: &mut Lease, due: Due, at: Height) -> Done<(), S> {
        match due {
            Due::Receipt => self.receipt_due(lease, at),
            Due::Close => self.closed(lease),
            Due::Reserve => self.fail(lease, LeaseFailure::NoReserve),
            Due::Manifest => self.manifest_timeout(lease),
            Due::Confirm => self.fail(lease, LeaseFailure::NoConfirm),
            Due::Pause => self.pause_ends(lease, at),
            Due::Expiry => self.expired(lease, at),
            Due::Exhaustion => self.exhausted(lease, at),
            Due::Update => self.drop_update(lease),
            Due::Low => self.low(lease),
            Due::Silence => self.degrade(lease, false),
            Due::Lost => self.lost(lease),
            Due::Retention => self.retention_over(lease, at),
            Due::Resume => self.lost(lease),
            Due::Ack => self.no_ack(lease),
        }
    }

    /// Pays for the blocks up to the last sign of the provider, to where billing stopped, or to
    /// where the money ends.
    pub(crate) fn settle(&mut self, lease: &mut Lease) -> Done<(), S> {
        let billed = lease.state.runs()
            || matches!(lease.state, LeaseState::Suspended { .. } | LeaseState::Closing { .. });
        if !billed || lease.paused.is_some() {
            return Ok(());
        }
        let ends = [lease.stopped, lease.ends_at].into_iter().flatten();
        let to = ends.fold(lease.last_beat, Height::min);
        let blocks = to.0.saturating_sub(lease.settled_at.0).min(lease.funded());
        if blocks == 0 {
            return Ok(());
        }
        let amount = times(lease.price, blocks)?;
        lease.purse.base = less(lease.purse.base, amount)?;
        lease.settled_at = after(lease.settled_at, blocks);
        self.pay_lease(lease, amount)
    }

    /// Pays motes that were taken out of a lease's purse to its provider.
    pub(crate) fn pay_lease(&mut self, lease: &mut Lease, amount: Motes) -> Done<(), S> {
        lease.paid = sum(lease.paid, amount)?;
        self.pay_provider(lease.provider, amount)
    }

    /// Gives motes that were taken out of a lease's purse to its tenant.
    pub(crate) fn refund(&mut self, lease: &mut Lease, amount: Motes) -> Done<(), S> {
        lease.refunded = sum(lease.refunded, amount)?;
        self.give(lease.tenant, amount)
    }

    /// What a provider has reserved changes.
    pub(crate) fn reserve(
        &mut self,
        provider: AccountId,
        from: Resources,
        to: Resources,
    ) -> Done<(), S> {
        let mut fits = true;
        self.remember(provider, |known| {
            let reserved = known.reserved.minus(&from).and_then(|rest| rest.plus(&to));
            match reserved {
                Some(reserved) => known.reserved = reserved,
                None => fits = false,
            }
        })?;
        if fits { Ok(()) } else { Err(Halt::Broken("less is reserved than leases take")) }
    }
}

/// The refusal of something that a lease's state does not allow.
pub(crate) const fn wrong_state(lease: &Lease) -> Refusal {
    Refusal::WrongState { state: lease.state.name() }
}
