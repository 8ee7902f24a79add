//! Whether the provider is there: heartbeats, pauses, and what tenant and runners-up found when
//! they looked.

use girrona_types::{
    Height,
    market::{AccountId, CloseReason, Decline, LeaseId, MarketEvent},
};

use super::wrong_state;
use crate::{
    check,
    money::{less, times},
    records::{Lease, LeaseState, Probe},
    refusal::Refusal,
    session::{Done, Session, after},
    store::Store,
};

impl<S: Store> Session<'_, S> {
    /// A sign of the provider: blocks up to here are paid, and silence is over.
    pub(super) fn heard(&mut self, lease: &mut Lease) -> Done<(), S> {
        lease.beat(self.height);
        let LeaseState::Degraded { by_probes, .. } = lease.state else {
            return self.settle(lease);
        };
        // Who was found dead by those who looked has to be found alive by one of them.
        if by_probes {
            return Ok(());
        }
        self.recover(lease)
    }

    fn recover(&mut self, lease: &mut Lease) -> Done<(), S> {
        self.settle(lease)?;
        lease.state = LeaseState::Confirmed;
        self.tell(MarketEvent::LeaseRecovered { lease: lease.id });
        Ok(())
    }

    /// LEASE_DEGRADED.
    pub(super) fn degrade(&mut self, lease: &mut Lease, by_probes: bool) -> Done<(), S> {
        self.drop_update(lease)?;
        self.settle(lease)?;
        let wait = self.law.heartbeat_interval.saturating_mul(self.law.heartbeat_grace);
        let lost_at =
            if by_probes { after(self.height, wait) } else { after(lease.last_beat, wait) };
        lease.state = LeaseState::Degraded { since: self.height, lost_at, by_probes };
        self.remember(lease.provider, |known| {
            known.standing.up_fail = known.standing.up_fail.saturating_add(1);
        })?;
        self.tell(MarketEvent::LeaseDegraded { lease: lease.id, by_probes, lost_at });
        Ok(())
    }

    /// The provider is lost. Silence costs its bond; what others say costs it the lease only,
    /// because nothing proves it.
    pub(super) fn lost(&mut self, lease: &mut Lease) -> Done<(), S> {
        let by_probes = matches!(lease.state, LeaseState::Degraded { by_probes: true, .. });
        if !by_probes {
            let bond = std::mem::take(&mut lease.bond);
            let bp = self.law.slash_dead_bp;
            let (left, _) = self.slash(lease.id, lease.provider, lease.tenant, bond, bp, 5_000)?;
            lease.bond = left;
        }
        self.end(lease, CloseReason::ProviderLost, false)
    }

    /// The tenant or a runner-up looked whether the server answers.
    pub(crate) fn probe(&mut self, by: AccountId, id: LeaseId, alive: bool) -> Done<(), S> {
        let mut lease = self.lease(id)?;
        if !lease.state.runs() {
            return Err(wrong_state(&lease).into());
        }
        if lease.paused.is_some() {
            return Err(Refusal::WrongState { state: "paused" }.into());
        }
        let watches = by == lease.tenant || lease.watchers.contains(&by);
        let since = Height(self.height.0.saturating_sub(self.law.heartbeat_interval));
        lease.probes.retain(|probe| probe.at > since);
        let again = lease.probes.iter().any(|probe| probe.by == by && probe.alive == alive);
        if !watches || again {
            return Err(Refusal::NotWatcher.into());
        }
        lease.probes.retain(|probe| probe.by != by);
        lease.probes.push(Probe { by, at: self.height, alive });
        self.tell(MarketEvent::LivenessReported { lease: id, by, alive });
        match lease.state {
            LeaseState::Degraded { by_probes: true, .. } if alive => {
                // One side said that it was gone, and now says that it is not: neither gains by the
                // time between, which is taken from the one and not given to the other.
                let ends = [lease.stopped, lease.ends_at].into_iter().flatten();
                let to = ends.fold(self.height, Height::min);
                let blocks = to.0.saturating_sub(lease.settled_at.0).min(lease.funded());
                let amount = times(lease.price, blocks)?;
                lease.purse.base = less(lease.purse.base, amount)?;
                self.burn(amount);
                lease.settled_at = self.height;
                lease.beat(self.height);
                lease.probes.clear();
                self.recover(&mut lease)?;
            }
            LeaseState::Confirmed | LeaseState::Updating(_) if !alive => {
                let dead = |probe: &&Probe| !probe.alive;
                let found: Vec<_> = lease.probes.iter().filter(dead).map(|one| one.by).collect();
                // The tenant alone would save the rent, competitors alone would gain a lease.
                if found.len() >= 2 && found.contains(&lease.tenant) {
                    self.degrade(&mut lease, true)?;
                }
            }
            _ => {}
        }
        self.put_lease(lease)
    }

    pub(crate) fn pause_lease(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        blocks: u64,
    ) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        if lease.state != LeaseState::Confirmed || lease.paused.is_some() {
            return Err(wrong_state(&lease).into());
        }
        check::range("blocks", blocks, 1, self.law.max_duration_blocks)?;
        let left = self.law.pause_max_blocks.saturating_sub(lease.paused_blocks);
        if blocks > left {
            return Err(Refusal::PauseTooLong { left }.into());
        }
        self.heard(&mut lease)?;
        let until = after(self.height, blocks);
        lease.paused = Some(until);
        lease.paused_at = self.height;
        self.put_lease(lease)?;
        self.tell(MarketEvent::LeasePaused { lease: id, until });
        Ok(())
    }

    pub(crate) fn unpause_lease(&mut self, caller: AccountId, id: LeaseId) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        if lease.paused.is_none() || !lease.state.runs() {
            return Err(wrong_state(&lease).into());
        }
        self.pause_ends(&mut lease, self.height)?;
        self.put_lease(lease)
    }

    /// Billing and heartbeats go on from here.
    pub(super) fn pause_ends(&mut self, lease: &mut Lease, at: Height) -> Done<(), S> {
        if lease.paused.take().is_none() {
            return Ok(());
        }
        let blocks = at.0.saturating_sub(lease.paused_at.0);
        lease.paused_blocks = lease.paused_blocks.saturating_add(blocks);
        lease.settled_at = lease.settled_at.max(at);
        lease.beat(at);
        self.tell(MarketEvent::LeaseUnpaused { lease: lease.id });
        Ok(())
    }

    pub(crate) fn start_reclaim(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        reason: Decline,
    ) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        if !lease.state.runs() {
            return Err(wrong_state(&lease).into());
        }
        if let Some(until) = lease.reclaim {
            return Err(Refusal::ReclaimRunning { until }.into());
        }
        let window = self.deployment(lease.deployment)?.terms.reclaim_window;
        let until = after(self.height, window);
        lease.reclaim = Some(until);
        self.put_lease(lease)?;
        self.tell(MarketEvent::ReclaimStarted { lease: id, until, reason });
        Ok(())
    }
}
