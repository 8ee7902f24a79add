//! DEPLOYMENT_CONFIRMED: the server runs, can be reached, and is billed from here on.

use girrona_types::market::{Access, AccountId, Hash32, LeaseId, MarketEvent, Motes};

use super::wrong_state;
use crate::{
    check,
    money::{less, sum, times},
    order::retention_needed,
    records::{Deployment, Lease, LeaseState},
    refusal::Refusal,
    session::{Done, Session, after},
    store::Store,
};

impl<S: Store> Session<'_, S> {
    pub(crate) fn confirm_deployment(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        manifest_hash: Hash32,
        access: Vec<Access>,
    ) -> Done<(), S> {
        let mut lease = self.provider_lease(caller, id)?;
        if !matches!(lease.state, LeaseState::Starting { .. }) {
            return Err(wrong_state(&lease).into());
        }
        if lease.manifest_hash != manifest_hash {
            return Err(Refusal::ManifestDiffers.into());
        }
        check::access(&access, &lease.services, self.law)?;
        let mut deployment = self.deployment(lease.deployment)?;
        deployment.lookups = 0;
        deployment.revision = lease.revision;
        lease.state = LeaseState::Confirmed;
        lease.settled_at = self.height;
        lease.last_beat = self.height;
        lease.usage.time_ms = self.time_ms;
        lease.access.clone_from(&access);
        self.start_billing(&mut lease, &deployment)?;
        self.dismiss(&mut lease)?;
        self.put_deployment(&deployment)?;
        let event = MarketEvent::DeploymentConfirmed {
            lease: id,
            revision: lease.revision,
            price: lease.price,
            access,
            funded_until: lease.exhausts_at(),
        };
        self.put_lease(lease)?;
        self.tell(event);
        Ok(())
    }

    /// The price is known: what was held for a higher one, and the reservation fee, go back if the
    /// lease has a duration, and pay for more blocks if it has none.
    fn start_billing(&mut self, lease: &mut Lease, deployment: &Deployment) -> Done<(), S> {
        let terms = &deployment.terms;
        let retention = retention_needed(lease.price, terms, self.law)?.min(lease.purse.retention);
        let mut spare = less(lease.purse.retention, retention)?;
        lease.purse.retention = retention;
        spare = sum(spare, std::mem::take(&mut lease.purse.reservation))?;
        let base = sum(lease.purse.base, spare)?;
        lease.purse.base = base;
        if let Some(duration) = terms.duration {
            lease.ends_at = Some(after(self.height, duration));
            let needed = times(lease.price, duration)?.min(base);
            lease.purse.base = needed;
            self.refund(lease, less(base, needed)?)?;
        }
        lease.refunded_marks();
        Ok(())
    }

    /// ESCROW_LOW.
    pub(super) fn low(&mut self, lease: &mut Lease) -> Done<(), S> {
        if let Some((_, blocks_left)) = lease.low_mark(self.law) {
            lease.low_told = blocks_left;
            self.tell(MarketEvent::EscrowLow { lease: lease.id, blocks_left });
        }
        Ok(())
    }

    /// The motes of an escrow that are not in use.
    pub(super) fn unlocked(&mut self, account: AccountId) -> Done<Motes, S> {
        Ok(self.escrow(account)?.unlocked)
    }
}
