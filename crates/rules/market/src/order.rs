//! Orders: from PROVIDER_LOOKUP to the window's end, and what follows when nobody suited.

use std::collections::BTreeMap;

use girrona_types::{
    Height,
    keys::derived_address,
    market::{
        AccountId, Auction, Decline, DeploymentId, Filter, Hash32, MarketEvent, MarketLaw, Motes,
        OrderEnd, OrderId,
    },
};

use crate::{
    call::OrderTerms,
    check,
    money::{less, share, sum, times},
    queue::Entry,
    records::{Bid, Deployment, Order, OrderState, Place, Purse},
    refusal::Refusal,
    session::{Done, Halt, Session, Who, after},
    store::{Key, Store},
};

/// Failures of a deployment that are remembered.
const FAILED_MAX: usize = 16;

/// What an order has to hold so that a lease at its highest price is covered.
pub(crate) fn hold_needed<E>(terms: &OrderTerms, law: &MarketLaw) -> Result<Motes, Halt<E>> {
    let blocks = terms.duration.unwrap_or(law.min_escrow_blocks);
    let base = times(terms.max_price, blocks)?;
    let fee = times(terms.max_price, law.reservation_fee_blocks)?;
    let extra = sum(retention_needed(terms.max_price, terms, law)?, terms.meter_budget)?;
    sum(sum(base, fee)?, extra)
}

/// What keeping data costs at a price.
pub(crate) fn retention_needed<E>(
    price: Motes,
    terms: &OrderTerms,
    law: &MarketLaw,
) -> Result<Motes, Halt<E>> {
    share(times(price, terms.retention_blocks)?, law.retention_bp)
}

impl Order {
    fn due(&self) -> Option<Height> {
        match self.state {
            OrderState::Waiting { opens_at } => Some(opens_at),
            OrderState::Lookup => Some(self.matches_at),
            _ => None,
        }
    }
}

impl<S: Store> Session<'_, S> {
    pub(crate) fn order(&mut self, id: OrderId) -> Done<Order, S> {
        Ok(self.get(&Key::Order(id))?.ok_or(Refusal::NoSuchOrder)?)
    }

    pub(crate) fn put_order(&mut self, mut order: Order) -> Done<(), S> {
        order.queued = self.wait(order.queued, order.due(), Entry::Order(order.id))?;
        self.put(Key::Order(order.id), &order)
    }

    pub(crate) fn deployment(&mut self, id: DeploymentId) -> Done<Deployment, S> {
        Ok(self.get(&Key::Deployment(id))?.ok_or(Refusal::NoSuchDeployment)?)
    }

    pub(crate) fn put_deployment(&mut self, deployment: &Deployment) -> Done<(), S> {
        self.put(Key::Deployment(deployment.id), deployment)
    }

    pub(crate) fn create_order(&mut self, who: &Who<'_>, terms: OrderTerms) -> Done<(), S> {
        check::terms(&terms, self.law)?;
        let hold = hold_needed(&terms, self.law)?;
        self.lock(who.caller, hold)?;
        let id = DeploymentId(who.id("girrona/market/deployment"));
        let mut deployment = Deployment {
            id,
            tenant: who.caller,
            terms,
            revision: 0,
            place: Place::Ended,
            attempt: 0,
            lookups: 0,
            failed: Vec::new(),
        };
        self.new_order(&mut deployment, hold, 0)?;
        self.put_deployment(&deployment)?;
        self.outcome.made = Some(id.0);
        Ok(())
    }

    /// Makes a deployment's next order, which opens after some blocks; its hold is locked already.
    fn new_order(
        &mut self,
        deployment: &mut Deployment,
        hold: Motes,
        delay: u64,
    ) -> Done<OrderId, S> {
        deployment.attempt = deployment.attempt.saturating_add(1);
        deployment.lookups = deployment.lookups.saturating_add(1);
        let address = derived_address(
            "girrona/market/order",
            &deployment.id.0,
            u64::from(deployment.attempt),
        );
        let id = OrderId(address);
        deployment.place = Place::Order(id);
        let opens_at = after(self.height, delay);
        let mut order = Order {
            id,
            deployment: deployment.id,
            tenant: deployment.tenant,
            attempt: deployment.attempt,
            opened: opens_at,
            closes_at: opens_at,
            matches_at: opens_at,
            state: OrderState::Waiting { opens_at },
            hold,
            bidders: Vec::new(),
            declined: Vec::new(),
            queued: None,
        };
        if delay == 0 {
            self.open(&mut order, &deployment.terms);
        }
        self.put_order(order)?;
        Ok(id)
    }

    /// PROVIDER_LOOKUP begins.
    fn open(&mut self, order: &mut Order, terms: &OrderTerms) {
        let window = if terms.bid_window == 0 { self.law.bid_window } else { terms.bid_window };
        order.opened = self.height;
        order.closes_at = after(self.height, window);
        order.matches_at = match terms.auction {
            Auction::Open => order.closes_at,
            Auction::Sealed => order.closes_at.next(),
        };
        order.state = OrderState::Lookup;
        self.tell(MarketEvent::ProviderLookup {
            order: order.id,
            deployment: order.deployment,
            tenant: order.tenant,
            attempt: order.attempt,
            manifest_hash: terms.manifest_hash,
            max_price: terms.max_price,
            closes_at: order.closes_at,
            matches_at: order.matches_at,
            auction: terms.auction,
        });
    }

    pub(crate) fn cancel_order(&mut self, caller: AccountId, id: DeploymentId) -> Done<(), S> {
        let mut deployment = self.deployment(id)?;
        if deployment.tenant != caller {
            return Err(Refusal::NotTenant.into());
        }
        let Place::Order(order) = deployment.place else {
            return Err(Refusal::OrderNotOpen { state: "matched or ended" }.into());
        };
        let mut order = self.order(order)?;
        for bidder in std::mem::take(&mut order.bidders) {
            self.return_bid(order.id, bidder)?;
        }
        self.end_order(&mut order, OrderEnd::Cancelled)?;
        deployment.place = Place::Ended;
        self.put_deployment(&deployment)?;
        self.put_order(order)
    }

    /// Gives a bidder its bond back.
    pub(crate) fn return_bid(&mut self, order: OrderId, bidder: AccountId) -> Done<(), S> {
        let key = Key::Bid(order, bidder);
        if let Some(bid) = self.get::<Bid>(&key)? {
            self.remove(key);
            self.give(bidder, bid.bond)?;
        }
        Ok(())
    }

    /// The order is over; its hold is free again.
    fn end_order(&mut self, order: &mut Order, reason: OrderEnd) -> Done<(), S> {
        let hold = std::mem::take(&mut order.hold);
        self.take_locked(order.tenant, hold)?;
        self.give(order.tenant, hold)?;
        order.state = OrderState::Ended(reason);
        let order = order.id;
        self.tell(match reason {
            OrderEnd::NoBids => MarketEvent::OrderFailed { order, reason },
            OrderEnd::Cancelled | OrderEnd::InsufficientFunds => {
                MarketEvent::OrderClosed { order, reason }
            }
        });
        Ok(())
    }

    /// A window opens or an order is matched; gives what that cost.
    pub(crate) fn order_due(&mut self, id: OrderId, queued: Height, seed: Hash32) -> Done<u64, S> {
        let mut order = self.order(id)?;
        if order.queued != Some(queued) {
            return Ok(1);
        }
        order.queued = None;
        let cost = (order.bidders.len() as u64).saturating_add(1);
        if order.due().is_some_and(|due| due <= self.height) {
            let mut deployment = self.deployment(order.deployment)?;
            match order.state {
                OrderState::Waiting { .. } => self.open(&mut order, &deployment.terms),
                _ => self.match_order(&mut order, &mut deployment, seed)?,
            }
            self.put_deployment(&deployment)?;
        }
        self.put_order(order)?;
        Ok(cost)
    }

    /// Nobody suited: the next window, or the end.
    pub(crate) fn no_bids(
        &mut self,
        order: &mut Order,
        deployment: &mut Deployment,
        rejected: &[(AccountId, Filter)],
    ) -> Done<(), S> {
        let again = deployment.lookups < self.law.relookup_max;
        let (mut next, mut opens_at) = (None, None);
        if again {
            let delay = u64::from(deployment.lookups).saturating_mul(2);
            let hold = std::mem::take(&mut order.hold);
            let id = self.new_order(deployment, hold, delay)?;
            order.state = OrderState::Reopened(id);
            (next, opens_at) = (Some(id), Some(after(self.height, delay)));
        }
        let mut reasons = BTreeMap::<Filter, u32>::new();
        for (_, reason) in rejected {
            let count = reasons.entry(*reason).or_default();
            *count = count.saturating_add(1);
        }
        let mut declined = BTreeMap::<Decline, u32>::new();
        for (_, reason) in &order.declined {
            let count = declined.entry(*reason).or_default();
            *count = count.saturating_add(1);
        }
        let order_id = order.id;
        self.tell(MarketEvent::NoBids {
            order: order_id,
            rejected: reasons,
            declined,
            next,
            opens_at,
        });
        if !again {
            deployment.place = Place::Ended;
            self.end_order(order, OrderEnd::NoBids)?;
        }
        Ok(())
    }

    /// A lease failed or was lost: the deployment looks for another provider with what is left of
    /// the lease's money. What is missing comes from the tenant's escrow, and less is taken if that
    /// has less, but never less than what a lease has to have at first.
    pub(crate) fn look_again(
        &mut self,
        deployment: &mut Deployment,
        funds: Motes,
        failed: AccountId,
    ) -> Done<(), S> {
        if !deployment.failed.contains(&failed) {
            deployment.failed.push(failed);
        }
        if deployment.failed.len() > FAILED_MAX {
            deployment.failed.remove(0);
        }
        let tenant = deployment.tenant;
        // All of it through the escrow: what is too much stays there.
        self.give(tenant, funds)?;
        let has = self.escrow(tenant)?.unlocked;
        let most = hold_needed(&deployment.terms, self.law)?;
        let mut short = deployment.terms.clone();
        short.duration = short.duration.map(|blocks| blocks.min(self.law.min_escrow_blocks));
        let least = hold_needed(&short, self.law)?;
        let hold = has.min(most);
        let looks_left = deployment.lookups < self.law.relookup_max;
        let enough = hold >= least;
        let locked = if looks_left && enough { hold } else { Motes::ZERO };
        self.lock(tenant, locked)?;
        if looks_left && enough {
            self.new_order(deployment, locked, 0)?;
            return Ok(());
        }
        let reason = if enough { OrderEnd::NoBids } else { OrderEnd::InsufficientFunds };
        // An order that never opens says how it ended.
        let id = self.new_order(deployment, locked, 1)?;
        let mut order = self.order(id)?;
        self.end_order(&mut order, reason)?;
        deployment.place = Place::Ended;
        self.put_order(order)
    }

    /// Takes an order's hold out of the escrow, for the lease's purse.
    pub(crate) fn take_hold(&mut self, order: &mut Order) -> Done<Motes, S> {
        let hold = std::mem::take(&mut order.hold);
        self.take_locked(order.tenant, hold)?;
        Ok(hold)
    }
}

/// A lease's first money: base, meter, retention and reservation out of a hold. What the hold has
/// beyond them is base too; it goes back when the deployment is confirmed, if it has a duration.
pub(crate) fn fill<E>(hold: Motes, terms: &OrderTerms, law: &MarketLaw) -> Result<Purse, Halt<E>> {
    let reservation = times(terms.max_price, law.reservation_fee_blocks)?;
    let retention = retention_needed(terms.max_price, terms, law)?;
    let meter = terms.meter_budget;
    let rest = less(hold, sum(sum(reservation, retention)?, meter)?)?;
    Ok(Purse { base: rest, meter, retention, reservation, ..Default::default() })
}
