//! Money of a running lease: more of it, its end, and what is kept for whom when it has ended.

use girrona_types::{
    Height,
    market::{AccountId, CloseReason, LeaseId, MarketEvent, Motes},
};

use super::wrong_state;
use crate::{
    call::FundSource,
    check,
    money::{less, share, sum, times},
    records::{Lease, LeaseState},
    refusal::Refusal,
    session::{Done, Movement, Session, after},
    store::Store,
};

impl<S: Store> Session<'_, S> {
    /// Anybody may pay for a lease.
    pub(crate) fn top_up(
        &mut self,
        by: AccountId,
        id: LeaseId,
        amount: Motes,
        source: FundSource,
    ) -> Done<(), S> {
        if amount.is_zero() {
            return Err(Refusal::NothingToMove.into());
        }
        let mut lease = self.lease(id)?;
        if lease.state.is_terminal() || matches!(lease.state, LeaseState::Closing { .. }) {
            return Err(wrong_state(&lease).into());
        }
        match source {
            FundSource::Escrow => self.take(by, amount)?,
            FundSource::MainPurse => {
                check::motes("amount", amount)?;
                self.moves(Movement::In(by, amount));
            }
        }
        lease.purse.base = sum(lease.purse.base, amount)?;
        lease.refunded_marks();
        let enough = lease.funded_beyond() >= self.resume_blocks();
        if let LeaseState::Suspended { resume_by: by @ None, .. } = &mut lease.state
            && enough
        {
            *by = Some(after(self.height, self.law.confirm_deadline));
        }
        self.put_lease(lease)?;
        self.tell(MarketEvent::EscrowToppedUp { lease: id, by, amount });
        Ok(())
    }

    /// Blocks that have to be paid for before a suspended lease resumes.
    fn resume_blocks(&self) -> u64 {
        let [_, least] = self.law.low_funds_blocks;
        least.max(1)
    }

    pub(crate) fn extend_duration(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        blocks: u64,
    ) -> Done<(), S> {
        let mut lease = self.tenant_lease(caller, id)?;
        if !lease.state.runs() {
            return Err(wrong_state(&lease).into());
        }
        let ends_at = lease.ends_at.ok_or(Refusal::NoDuration)?;
        let left = ends_at.0.saturating_sub(self.height.0);
        let most = self.law.max_duration_blocks.saturating_sub(left);
        check::range("blocks", blocks, 1, most)?;
        let amount = times(lease.price, blocks)?;
        self.take(caller, amount)?;
        lease.purse.base = sum(lease.purse.base, amount)?;
        let ends_at = after(ends_at, blocks);
        lease.ends_at = Some(ends_at);
        lease.refunded_marks();
        self.put_lease(lease)?;
        self.tell(MarketEvent::DurationExtended { lease: id, ends_at });
        Ok(())
    }

    /// The money ended at `at`, the first height that it does not pay for.
    pub(super) fn exhausted(&mut self, lease: &mut Lease, at: Height) -> Done<(), S> {
        let terms = self.deployment(lease.deployment)?.terms;
        if terms.auto_top_up {
            let amount = times(lease.price, self.law.min_escrow_blocks)?;
            if self.unlocked(lease.tenant)? >= amount {
                self.take(lease.tenant, amount)?;
                lease.purse.base = sum(lease.purse.base, amount)?;
                lease.refunded_marks();
                let by = lease.tenant;
                self.tell(MarketEvent::EscrowToppedUp { lease: lease.id, by, amount });
                return Ok(());
            }
        }
        self.tell(MarketEvent::EscrowExhausted { lease: lease.id, at });
        if terms.retention_blocks == 0 {
            return self.begin_close(lease, CloseReason::InsufficientFunds, at);
        }
        self.drop_update(lease)?;
        self.settle(lease)?;
        lease.stopped = Some(at);
        let until = after(at, terms.retention_blocks);
        lease.state = LeaseState::Suspended { since: at, until, resume_by: None };
        self.tell(MarketEvent::LeaseSuspended { lease: lease.id, until });
        Ok(())
    }

    /// The provider started a suspended server again, with its data.
    pub(crate) fn resume_lease(&mut self, caller: AccountId, id: LeaseId) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        let LeaseState::Suspended { since, until, resume_by } = lease.state else {
            return Err(wrong_state(&lease).into());
        };
        if resume_by.is_none() {
            let (funded, needs) = (lease.funded_beyond(), self.resume_blocks());
            return Err(Refusal::ResumeShort { funded, needs }.into());
        }
        // This is a sign of the provider, so what it ran before the money ended is paid now.
        lease.kept = kept(since, until, self.height);
        lease.beat(self.height);
        self.settle(&mut lease)?;
        self.pay_kept(&mut lease)?;
        lease.stopped = None;
        lease.settled_at = self.height;
        lease.state = LeaseState::Confirmed;
        lease.refunded_marks();
        let funded_until = lease.exhausts_at();
        self.put_lease(lease)?;
        self.tell(MarketEvent::LeaseResumed { lease: id, funded_until });
        Ok(())
    }

    /// Pays for keeping data.
    pub(super) fn pay_kept(&mut self, lease: &mut Lease) -> Done<(), S> {
        let blocks = std::mem::take(&mut lease.kept);
        let amount = share(times(lease.price, blocks)?, self.law.retention_bp)?;
        let amount = amount.min(lease.purse.retention);
        lease.purse.retention = less(lease.purse.retention, amount)?;
        self.pay_lease(lease, amount)
    }

    /// Data was kept for as long as was agreed on.
    pub(super) fn retention_over(&mut self, lease: &mut Lease, at: Height) -> Done<(), S> {
        self.begin_close(lease, CloseReason::InsufficientFunds, at)
    }
}

/// Blocks that data was kept for.
pub(super) fn kept(since: Height, until: Height, now: Height) -> u64 {
    now.min(until).0.saturating_sub(since.0)
}
