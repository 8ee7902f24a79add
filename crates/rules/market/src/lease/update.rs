//! UPDATE_LEASE to LEASE_UPDATED: another revision, agreed on by both sides. The old one runs and is
//! paid until the new one does; if that does not come in time, the old one stays.

use girrona_types::market::{Access, AccountId, Decline, Hash32, LeaseId, MarketEvent, Motes};

use super::wrong_state;
use crate::{
    call::UpdateRequest,
    check,
    money::{less, sum, times},
    records::{Lease, LeaseState, Update},
    refusal::Refusal,
    session::{Done, Session, after},
    store::Store,
};

impl<S: Store> Session<'_, S> {
    pub(crate) fn update_lease(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        request: UpdateRequest,
    ) -> Done<(), S> {
        let mut lease = self.tenant_lease(caller, id)?;
        match lease.state {
            LeaseState::Confirmed => {}
            LeaseState::Updating(_) => return Err(Refusal::UpdatePending.into()),
            _ => return Err(wrong_state(&lease).into()),
        }
        let manifest_hash = request.manifest_hash.unwrap_or(lease.manifest_hash);
        let resources = request.resources.unwrap_or(lease.resources);
        let services = request.services.unwrap_or_else(|| lease.services.clone());
        let max_price = request.max_price.unwrap_or(lease.price);
        check::resources(&resources)?;
        check::services(&services)?;
        check::price("max_price", max_price, self.law)?;
        let same_cost = resources == lease.resources && max_price == lease.price;
        if same_cost && manifest_hash == lease.manifest_hash && services == lease.services {
            return Err(Refusal::EmptyUpdate.into());
        }
        let more = Motes(max_price.0.saturating_sub(lease.price.0));
        let hold = times(more, self.blocks_ahead(&lease))?;
        self.take(caller, hold)?;
        lease.purse.update = hold;
        let revision = lease.revision.saturating_add(1);
        // What costs the same needs no answer: the provider has agreed to run it already.
        let wait = if same_cost {
            self.law.update_apply_deadline
        } else {
            self.law.update_accept_deadline
        };
        let by = after(self.height, wait);
        let price = same_cost.then_some(lease.price);
        lease.state = LeaseState::Updating(Update {
            revision,
            manifest_hash,
            resources,
            services,
            max_price,
            price,
            by,
        });
        self.put_lease(lease)?;
        self.tell(MarketEvent::UpdateLease {
            lease: id,
            revision,
            manifest_hash,
            max_price,
            accept_by: (!same_cost).then_some(by),
            apply_by: same_cost.then_some(by),
        });
        Ok(())
    }

    /// Blocks that a higher price has to be covered for.
    fn blocks_ahead(&self, lease: &Lease) -> u64 {
        match lease.ends_at {
            Some(ends_at) => ends_at.0.saturating_sub(self.height.0),
            None => self.law.min_escrow_blocks,
        }
    }

    pub(crate) fn accept_update(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        price: Motes,
    ) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        let held = lease.resources;
        let LeaseState::Updating(update) = &mut lease.state else {
            return Err(Refusal::NoUpdate.into());
        };
        if update.price.is_some() {
            return Err(Refusal::NoUpdate.into());
        }
        check::price("price", price, self.law)?;
        if price > update.max_price {
            return Err(Refusal::PriceTooHigh { most: update.max_price }.into());
        }
        let both = held.max(&update.resources);
        let provider = self.provider(caller)?;
        let free = provider.capacity.minus(&provider.reserved);
        if free.and_then(|free| free.plus(&held)).and_then(|free| free.minus(&both)).is_none() {
            return Err(Refusal::CapacityInUse { field: "capacity" }.into());
        }
        update.price = Some(price);
        update.by = after(self.height, self.law.update_apply_deadline);
        let (revision, apply_by) = (update.revision, update.by);
        // Until the new revision runs, the provider needs room for the larger of both.
        self.reserve(caller, held, both)?;
        self.put_lease(lease)?;
        self.tell(MarketEvent::UpdateAccepted { lease: id, revision, price, apply_by });
        Ok(())
    }

    pub(crate) fn reject_update(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        reason: Decline,
    ) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        let revision = self.take_update(&mut lease)?.ok_or(Refusal::NoUpdate)?;
        self.put_lease(lease)?;
        self.tell(MarketEvent::UpdateRejected { lease: id, revision, reason });
        Ok(())
    }

    /// Takes an update away, if there is one: the old revision stays, the money goes back. Gives the
    /// revision that is not to be.
    fn take_update(&mut self, lease: &mut Lease) -> Done<Option<u32>, S> {
        let LeaseState::Updating(update) = &lease.state else { return Ok(None) };
        let update = update.clone();
        lease.state = LeaseState::Confirmed;
        if update.price.is_some() {
            let both = lease.resources.max(&update.resources);
            self.reserve(lease.provider, both, lease.resources)?;
        }
        let hold = std::mem::take(&mut lease.purse.update);
        self.give(lease.tenant, hold)?;
        Ok(Some(update.revision))
    }

    /// Ends an update that is under way, if one is: it was not answered or done in time, or the
    /// lease does not run any more.
    pub(super) fn drop_update(&mut self, lease: &mut Lease) -> Done<(), S> {
        if let Some(revision) = self.take_update(lease)? {
            self.tell(MarketEvent::UpdateExpired { lease: lease.id, revision });
        }
        Ok(())
    }

    pub(crate) fn lease_updated(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        revision: u32,
        manifest_hash: Hash32,
        access: Vec<Access>,
    ) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        let LeaseState::Updating(update) = lease.state.clone() else {
            return Err(Refusal::NoUpdate.into());
        };
        let price = update.price.ok_or(Refusal::NoUpdate)?;
        if update.revision != revision {
            return Err(Refusal::WrongRevision { wanted: update.revision, given: revision }.into());
        }
        if update.manifest_hash != manifest_hash {
            return Err(Refusal::ManifestDiffers.into());
        }
        check::access(&access, &update.services, self.law)?;
        // Up to here at the old price.
        lease.beat(self.height);
        self.settle(&mut lease)?;
        let both = lease.resources.max(&update.resources);
        self.reserve(caller, both, update.resources)?;
        let more = times(Motes(price.0.saturating_sub(lease.price.0)), self.blocks_ahead(&lease))?;
        let hold = std::mem::take(&mut lease.purse.update);
        let mut base = sum(lease.purse.base, more.min(hold))?;
        let mut spare = less(hold, more.min(hold))?;
        if let Some(ends_at) = lease.ends_at {
            let left = ends_at.0.saturating_sub(self.height.0);
            let needed = times(price, left)?.min(base);
            spare = sum(spare, less(base, needed)?)?;
            base = needed;
        }
        lease.purse.base = base;
        self.refund(&mut lease, spare)?;
        lease.price = price;
        lease.revision = revision;
        lease.manifest_hash = manifest_hash;
        lease.resources = update.resources;
        lease.services.clone_from(&update.services);
        lease.access.clone_from(&access);
        lease.state = LeaseState::Confirmed;
        lease.refunded_marks();
        self.remember_revision(&lease, price)?;
        self.put_lease(lease)?;
        self.tell(MarketEvent::LeaseUpdated { lease: id, revision, price, access });
        Ok(())
    }

    /// A provider that takes over starts what ran last.
    fn remember_revision(&mut self, lease: &Lease, price: Motes) -> Done<(), S> {
        let mut deployment = self.deployment(lease.deployment)?;
        deployment.revision = lease.revision;
        deployment.terms.manifest_hash = lease.manifest_hash;
        deployment.terms.resources = lease.resources;
        deployment.terms.services.clone_from(&lease.services);
        deployment.terms.max_price = deployment.terms.max_price.max(price);
        self.put_deployment(&deployment)
    }
}
