//! From CREATE_LEASE to the manifest's arrival, and what happens when a provider fails before the
//! deployment is confirmed.

use girrona_types::{
    keys::derived_address,
    market::{AccountId, CloseReason, Hash32, LeaseFailure, LeaseId, MarketEvent, Motes},
};

use super::wrong_state;
use crate::{
    check,
    money::{less, sum, times},
    records::{Deployment, Lease, LeaseState, Purse, Resources, RunnerUp},
    refusal::Refusal,
    session::{Done, Session, after},
    store::Store,
};

impl<S: Store> Session<'_, S> {
    pub(crate) fn signal_ready(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        gateway: String,
        server_key: Hash32,
    ) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        if !matches!(lease.state, LeaseState::Reserving { .. }) {
            return Err(wrong_state(&lease).into());
        }
        check::gateway(&gateway)?;
        if !self.serves(caller, server_key)? {
            return Err(Refusal::KeyNotValid.into());
        }
        let by = after(self.height, self.law.manifest_deadline);
        lease.state = LeaseState::Ready { by };
        lease.gateway.clone_from(&gateway);
        lease.server_key = server_key;
        self.put_lease(lease)?;
        self.tell(MarketEvent::LeaseReady { lease: id, gateway, server_key, manifest_by: by });
        Ok(())
    }

    pub(crate) fn ack_manifest(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        manifest_hash: Hash32,
    ) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        if !matches!(lease.state, LeaseState::Ready { .. }) {
            return Err(wrong_state(&lease).into());
        }
        if lease.manifest_hash != manifest_hash {
            return Err(Refusal::ManifestDiffers.into());
        }
        let by = after(self.height, self.law.confirm_deadline);
        lease.state = LeaseState::Starting { by };
        self.put_lease(lease)?;
        self.tell(MarketEvent::ManifestAccepted { lease: id, manifest_hash, confirm_by: by });
        Ok(())
    }

    pub(crate) fn reject_lease(&mut self, caller: AccountId, id: LeaseId) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        let early = matches!(
            lease.state,
            LeaseState::Reserving { .. } | LeaseState::Ready { .. } | LeaseState::Starting { .. }
        );
        if !early {
            return Err(wrong_state(&lease).into());
        }
        self.fail(&mut lease, LeaseFailure::Rejected)?;
        self.put_lease(lease)
    }

    /// The tenant never sent the manifest: the provider is paid for its reservation.
    pub(super) fn manifest_timeout(&mut self, lease: &mut Lease) -> Done<(), S> {
        self.pay_reservation(lease)?;
        self.end(lease, CloseReason::ManifestTimeout, true)
    }

    /// Pays the reservation fee at the lease's price.
    pub(super) fn pay_reservation(&mut self, lease: &mut Lease) -> Done<(), S> {
        let fee = times(lease.price, self.law.reservation_fee_blocks)?;
        let fee = fee.min(lease.purse.reservation);
        lease.purse.reservation = less(lease.purse.reservation, fee)?;
        self.pay_lease(lease, fee)
    }

    /// The provider failed before the deployment was confirmed: it loses part of its bond, and the
    /// next of the runners-up takes over, at its own price. If there is none, the deployment looks
    /// again.
    pub(super) fn fail(&mut self, lease: &mut Lease, reason: LeaseFailure) -> Done<(), S> {
        let (bp, to_tenant) = match reason {
            LeaseFailure::NoReserve | LeaseFailure::Rejected => {
                (self.law.slash_no_reserve_bp, 10_000)
            }
            LeaseFailure::NoConfirm => (self.law.slash_no_confirm_bp, 5_000),
        };
        let bond = std::mem::take(&mut lease.bond);
        let (left, slashed) =
            self.slash(lease.id, lease.provider, lease.tenant, bond, bp, to_tenant)?;
        self.give(lease.provider, left)?;
        self.reserve(lease.provider, lease.resources, Resources::default())?;
        self.remember(lease.provider, |known| {
            known.standing.bad = known.standing.bad.saturating_add(1);
        })?;
        lease.state = LeaseState::Failed(reason);
        let purse = std::mem::take(&mut lease.purse);
        let runner_ups = std::mem::take(&mut lease.runner_ups);
        let mut deployment = self.deployment(lease.deployment)?;
        let taken_over = self.next_runner_up(&deployment, runner_ups)?;
        let promoted = lease.promoted.saturating_add(1);
        let address = derived_address("girrona/market/lease", &lease.order.0, u64::from(promoted));
        let next = taken_over.is_some().then_some(LeaseId(address));
        self.tell(MarketEvent::LeaseFailed { lease: lease.id, reason, slashed, next });
        if let Some((winner, others)) = taken_over {
            let order = self.order(lease.order)?;
            self.new_lease(&mut deployment, &order, winner, others, purse, promoted)?;
            if !deployment.failed.contains(&lease.provider) {
                deployment.failed.push(lease.provider);
            }
        } else {
            let mut funds = Motes::ZERO;
            for part in purse.parts() {
                funds = sum(funds, part)?;
            }
            self.look_again(&mut deployment, funds, lease.provider)?;
        }
        self.put_deployment(&deployment)
    }

    /// The first of the runners-up that still suits and has the bond, and those after it. Bonds of
    /// those before it are given back.
    fn next_runner_up(
        &mut self,
        deployment: &Deployment,
        runner_ups: Vec<RunnerUp>,
    ) -> Done<Option<(RunnerUp, Vec<RunnerUp>)>, S> {
        let mut waiting = runner_ups.into_iter();
        while let Some(next) = waiting.next() {
            let RunnerUp { provider, price, bond } = next;
            let suits = match self.find_provider(provider)? {
                Some(known) => self.filter(deployment, &known, Some(price))?.is_none(),
                None => false,
            };
            if suits && self.can_bond(provider, price, bond)? {
                return Ok(Some((next, waiting.collect())));
            }
            self.give(provider, bond)?;
        }
        Ok(None)
    }

    /// Gives the bonds of a lease's runners-up back.
    pub(super) fn dismiss(&mut self, lease: &mut Lease) -> Done<(), S> {
        for runner_up in std::mem::take(&mut lease.runner_ups) {
            self.give(runner_up.provider, runner_up.bond)?;
        }
        Ok(())
    }

    /// What is left of a purse for the tenant; receipts that wait stay.
    pub(super) fn empty(lease: &mut Lease) -> Done<Motes, S> {
        let pending = lease.purse.pending;
        let purse = std::mem::replace(&mut lease.purse, Purse { pending, ..Purse::default() });
        let mut left = Motes::ZERO;
        for part in [purse.base, purse.meter, purse.retention, purse.reservation, purse.update] {
            left = sum(left, part)?;
        }
        Ok(left)
    }
}
