//! How leases end: CLOSE_LEASE, the provider's final word, LEASE_CLOSED; by whomever, or by time.

use girrona_types::{
    Height,
    market::{AccountId, CloseReason, Hash32, LeaseId, MarketEvent},
};

use super::{funds::kept, wrong_state};
use crate::{
    records::{Lease, LeaseState, Place, Resources},
    session::{Done, Session, after},
    store::Store,
};

impl<S: Store> Session<'_, S> {
    /// The tenant ends it, in whatever state it is.
    pub(crate) fn close_lease(&mut self, caller: AccountId, id: LeaseId) -> Done<(), S> {
        let mut lease = self.tenant_lease(caller, id)?;
        match lease.state {
            LeaseState::Closed(_) | LeaseState::Failed(_) => {
                return Err(wrong_state(&lease).into());
            }
            // It is on its way.
            LeaseState::Closing { .. } => return self.put_lease(lease),
            LeaseState::Reserving { .. } => self.end(&mut lease, CloseReason::Tenant, true)?,
            // The provider has reserved what was ordered.
            LeaseState::Ready { .. } | LeaseState::Starting { .. } => {
                self.pay_reservation(&mut lease)?;
                self.end(&mut lease, CloseReason::Tenant, true)?;
            }
            _ => self.begin_close(&mut lease, CloseReason::Tenant, self.height)?,
        }
        self.put_lease(lease)
    }

    /// Billing stops at a height; the provider's final word is waited for.
    pub(super) fn begin_close(
        &mut self,
        lease: &mut Lease,
        reason: CloseReason,
        at: Height,
    ) -> Done<(), S> {
        self.stop(lease, at)?;
        let ack_by = after(self.height, self.law.close_ack_deadline);
        lease.state = LeaseState::Closing { reason, ack_by, heard: None };
        self.tell(MarketEvent::CloseLease { lease: lease.id, reason, ack_by });
        Ok(())
    }

    /// Billing stops.
    fn stop(&mut self, lease: &mut Lease, at: Height) -> Done<(), S> {
        self.drop_update(lease)?;
        if let LeaseState::Degraded { since, by_probes: true, .. } = lease.state {
            lease.stopped = Some(since);
        }
        if let LeaseState::Suspended { since, until, .. } = lease.state {
            lease.kept = kept(since, until, at);
        }
        if lease.paused.is_some() {
            // What was run before the pause is paid already.
            lease.stopped = Some(lease.paused_at);
            lease.paused = None;
        }
        lease.stopped = Some(lease.stopped.map_or(at, |stopped| stopped.min(at)));
        self.settle(lease)
    }

    pub(super) fn expired(&mut self, lease: &mut Lease, at: Height) -> Done<(), S> {
        self.begin_close(lease, CloseReason::Expired, at)
    }

    /// The provider ends it. Without the notice that was agreed on that costs part of its bond.
    pub(crate) fn provider_close(&mut self, caller: AccountId, id: LeaseId) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        let ends = lease.state.runs() || matches!(lease.state, LeaseState::Suspended { .. });
        if !ends {
            return Err(wrong_state(&lease).into());
        }
        let window = self.deployment(lease.deployment)?.terms.reclaim_window;
        let noticed = lease.reclaim.is_some_and(|until| until <= self.height);
        if window > 0 && !noticed {
            let bond = std::mem::take(&mut lease.bond);
            let bp = self.law.slash_no_notice_bp;
            let (left, _) = self.slash(id, lease.provider, lease.tenant, bond, bp, 5_000)?;
            lease.bond = left;
            self.remember(caller, |known| {
                known.standing.bad = known.standing.bad.saturating_add(1);
            })?;
        }
        lease.beat(self.height);
        self.stop(&mut lease, self.height)?;
        self.end(&mut lease, CloseReason::Provider, true)?;
        self.put_lease(lease)
    }

    /// The provider's final word: it stopped the server. It pays for everything up to the close.
    pub(crate) fn ack_closed(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        log_root: Hash32,
    ) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        let LeaseState::Closing { reason, heard: None, .. } = lease.state else {
            return Err(wrong_state(&lease).into());
        };
        lease.usage.log_root = log_root;
        lease.beat(self.height);
        self.settle(&mut lease)?;
        self.end(&mut lease, reason, true)?;
        self.put_lease(lease)
    }

    /// The final word did not come.
    pub(super) fn no_ack(&mut self, lease: &mut Lease) -> Done<(), S> {
        let LeaseState::Closing { reason, .. } = lease.state else { return Ok(()) };
        let bond = std::mem::take(&mut lease.bond);
        let bp = self.law.slash_no_ack_bp;
        let (left, _) = self.slash(lease.id, lease.provider, lease.tenant, bond, bp, 0)?;
        lease.bond = left;
        self.end(lease, reason, false)
    }

    /// The provider's part is over: bond, room and money go where they belong, and the deployment
    /// looks for another provider if this one left it. Receipts that wait are still paid.
    pub(super) fn end(
        &mut self,
        lease: &mut Lease,
        reason: CloseReason,
        heard: bool,
    ) -> Done<(), S> {
        let ran = lease.state.runs()
            || matches!(lease.state, LeaseState::Suspended { .. } | LeaseState::Closing { .. });
        if heard {
            self.pay_kept(lease)?;
        }
        self.dismiss(lease)?;
        self.reserve(lease.provider, lease.resources, Resources::default())?;
        let bond = std::mem::take(&mut lease.bond);
        self.give(lease.provider, bond)?;
        self.remember(lease.provider, |known| {
            let standing = &mut known.standing;
            match reason {
                CloseReason::ProviderLost => standing.bad = standing.bad.saturating_add(1),
                CloseReason::Tenant | CloseReason::Expired | CloseReason::InsufficientFunds
                    if ran && heard =>
                {
                    standing.good = standing.good.saturating_add(1);
                }
                _ => {}
            }
        })?;
        let mut deployment = self.deployment(lease.deployment)?;
        let meter = lease.purse.meter;
        let left = Self::empty(lease)?;
        let blocks = lease.ends_at.map(|at| at.0.saturating_sub(self.height.0));
        let left_by_provider = matches!(reason, CloseReason::Provider | CloseReason::ProviderLost);
        if left_by_provider && deployment.terms.failover && blocks != Some(0) {
            deployment.terms.duration = blocks;
            deployment.terms.meter_budget = meter;
            deployment.lookups = 0;
            self.look_again(&mut deployment, left, lease.provider)?;
        } else {
            deployment.place = Place::Ended;
            self.refund(lease, left)?;
        }
        self.put_deployment(&deployment)?;
        let ack_by = self.height;
        lease.state = LeaseState::Closing { reason, ack_by, heard: Some(heard) };
        if lease.usage.pending.is_empty() {
            self.closed(lease)?;
        }
        Ok(())
    }

    /// LEASE_CLOSED.
    pub(super) fn closed(&mut self, lease: &mut Lease) -> Done<(), S> {
        let LeaseState::Closing { reason, .. } = lease.state else { return Ok(()) };
        lease.state = LeaseState::Closed(reason);
        self.tell(MarketEvent::LeaseClosed {
            lease: lease.id,
            reason,
            paid: lease.paid,
            refunded: lease.refunded,
        });
        Ok(())
    }
}
