//! Bids: CREATE_BID, showing a sealed one, declining, and whether a provider suits an order.

use girrona_types::market::{
    AccountId, Auction, Decline, Filter, MarketEvent, Motes, OrderId, ProviderStatus,
};

use crate::{
    call::{BidOffer, OrderTerms},
    check,
    money::{less, times},
    records::{Attestation, Bid, Deployment, Order, OrderState, Provider},
    refusal::Refusal,
    score,
    session::{Done, Session},
    store::{Key, Store},
};

/// Who declined is listed up to here.
const DECLINED_MAX: usize = 64;

impl<S: Store> Session<'_, S> {
    /// An order that takes bids now.
    fn open_order(&mut self, id: OrderId) -> Done<(Order, Deployment), S> {
        let order = self.order(id)?;
        if order.state != OrderState::Lookup {
            return Err(Refusal::OrderNotOpen { state: order.state.name() }.into());
        }
        let now = self.height;
        if now <= order.opened {
            return Err(Refusal::BidTooEarly { from: order.opened.next(), now }.into());
        }
        if now > order.closes_at {
            return Err(Refusal::BiddingClosed { closed_at: order.closes_at, now }.into());
        }
        let deployment = self.deployment(order.deployment)?;
        Ok((order, deployment))
    }

    pub(crate) fn create_bid(
        &mut self,
        caller: AccountId,
        id: OrderId,
        offer: BidOffer,
    ) -> Done<(), S> {
        let (mut order, deployment) = self.open_order(id)?;
        let provider = self.provider(caller)?;
        let terms = &deployment.terms;
        let (price, commit) = match (terms.auction, offer) {
            (Auction::Open, BidOffer::Price(price)) => {
                check::price("price", price, self.law)?;
                (Some(price), None)
            }
            (Auction::Sealed, BidOffer::Commit(commit)) => (None, Some(commit)),
            (Auction::Open, BidOffer::Commit(_)) => return Err(Refusal::NeedsPrice.into()),
            (Auction::Sealed, BidOffer::Price(_)) => {
                let closes_at = order.closes_at;
                return Err(Refusal::NeedsCommitment { closes_at }.into());
            }
        };
        if let Some(reason) = self.filter(&deployment, &provider, price)? {
            return Err(Refusal::Unsuitable { reason }.into());
        }
        if order.declined.iter().any(|(account, _)| *account == caller) {
            return Err(Refusal::AlreadyAnswered.into());
        }
        // The newest bid of a provider counts.
        if order.bidders.contains(&caller) {
            self.return_bid(id, caller)?;
        } else if order.bidders.len() as u64 >= u64::from(self.law.max_bids) {
            return Err(Refusal::TooManyBids { most: self.law.max_bids.into() }.into());
        } else {
            order.bidders.push(caller);
            self.put_order(order)?;
        }
        // A sealed bid's bond must not tell its price.
        let bond = times(price.unwrap_or(terms.max_price), self.law.bid_bond_blocks)?;
        self.take(caller, bond)?;
        self.put(Key::Bid(id, caller), &Bid { price, commit, bond, at: self.height })?;
        self.tell(MarketEvent::CreateBid { order: id, provider: caller, price, commit });
        Ok(())
    }

    pub(crate) fn reveal_bid(
        &mut self,
        caller: AccountId,
        id: OrderId,
        price: Motes,
        salt: &[u8; 32],
    ) -> Done<(), S> {
        let order = self.order(id)?;
        let sealed = order.closes_at < order.matches_at;
        if order.state != OrderState::Lookup || !sealed {
            return Err(Refusal::OrderNotOpen { state: order.state.name() }.into());
        }
        if self.height != order.matches_at {
            let (at, now) = (order.matches_at, self.height);
            return Err(Refusal::RevealOutOfTime { at, now }.into());
        }
        let key = Key::Bid(id, caller);
        let mut bid: Bid = self.get(&key)?.ok_or(Refusal::NothingToReveal)?;
        let commit = bid.commit.filter(|_| bid.price.is_none());
        let commit = commit.ok_or(Refusal::NothingToReveal)?;
        if score::commitment(&id, &caller, price, salt) != commit {
            return Err(Refusal::WrongReveal.into());
        }
        check::price("price", price, self.law)?;
        let most = self.deployment(order.deployment)?.terms.max_price;
        if price > most {
            return Err(Refusal::PriceTooHigh { most }.into());
        }
        let bond = times(price, self.law.bid_bond_blocks)?;
        self.give(caller, less(bid.bond, bond)?)?;
        bid.bond = bond;
        bid.price = Some(price);
        self.put(key, &bid)?;
        self.tell(MarketEvent::BidRevealed { order: id, provider: caller, price });
        Ok(())
    }

    pub(crate) fn decline_bid(
        &mut self,
        caller: AccountId,
        id: OrderId,
        reason: Decline,
    ) -> Done<(), S> {
        let (mut order, _) = self.open_order(id)?;
        let provider = self.provider(caller)?;
        if provider.status != ProviderStatus::Active {
            return Err(Refusal::Unsuitable { reason: Filter::ProviderInactive }.into());
        }
        let answered = order.bidders.contains(&caller)
            || order.declined.iter().any(|(account, _)| *account == caller);
        if answered {
            return Err(Refusal::AlreadyAnswered.into());
        }
        if order.declined.len() >= DECLINED_MAX {
            return Err(Refusal::TooManyBids { most: DECLINED_MAX as u64 }.into());
        }
        order.declined.push((caller, reason));
        self.put_order(order)?;
        self.tell(MarketEvent::BidDeclined { order: id, provider: caller, reason });
        Ok(())
    }

    /// Why a provider does not suit, if it does not. Asked when it bids, and again when the order
    /// is matched.
    pub(crate) fn filter(
        &mut self,
        deployment: &Deployment,
        provider: &Provider,
        price: Option<Motes>,
    ) -> Done<Option<Filter>, S> {
        let terms = &deployment.terms;
        let no = |reason| Ok(Some(reason));
        match provider.status {
            ProviderStatus::Active => {}
            ProviderStatus::Maintenance => return no(Filter::Maintenance),
            ProviderStatus::Jailed => return no(Filter::Jailed),
            ProviderStatus::Registered | ProviderStatus::Deactivated => {
                return no(Filter::ProviderInactive);
            }
        }
        let served = match provider.server_key {
            Some(spki) => self.serves(provider.account, spki)?,
            None => false,
        };
        if !served {
            return no(Filter::NoCert);
        }
        if price.is_some_and(|price| price > terms.max_price) {
            return no(Filter::PriceAboveMax);
        }
        if [provider.account, provider.operator].contains(&deployment.tenant) {
            return no(Filter::SameOperator);
        }
        let excluded = [&terms.excluded, &deployment.failed];
        if excluded.iter().any(|list| list.contains(&provider.account)) {
            return no(Filter::Excluded);
        }
        if !terms.desired.is_empty() && !terms.desired.contains(&provider.account) {
            return no(Filter::NotDesired);
        }
        let has = |(name, value): (&String, &String)| provider.attributes.get(name) == Some(value);
        if !terms.attributes.iter().all(has) {
            return no(Filter::AttrMismatch);
        }
        if !self.attested(terms, provider)? {
            return no(Filter::UnsignedAttr);
        }
        if terms.regions_excluded.contains(&provider.region) {
            return no(Filter::RegionExcluded);
        }
        if score::tier(&provider.standing, self.law) > terms.tier_max {
            return no(Filter::Tier);
        }
        if provider.stake < terms.min_stake.max(Motes(u128::from(self.law.min_stake))) {
            return no(Filter::StakeLow);
        }
        if !provider.runtimes.contains(&terms.runtime) {
            return no(Filter::RuntimeUnsupported);
        }
        if provider.reclaim_window < terms.reclaim_window {
            return no(Filter::ReclaimWindow);
        }
        let free = provider.capacity.minus(&provider.reserved);
        if free.and_then(|free| free.minus(&terms.resources)).is_none() {
            return no(Filter::Capacity);
        }
        Ok(None)
    }

    /// Whether one of the order's auditors attests all attributes that it asks for.
    fn attested(&mut self, terms: &OrderTerms, provider: &Provider) -> Done<bool, S> {
        if terms.signed_by.is_empty() {
            return Ok(true);
        }
        for auditor in &terms.signed_by {
            let key = Key::Attestation(provider.account, *auditor);
            let said: Attestation = self.get(&key)?.unwrap_or_default();
            if terms.attributes.iter().all(|(name, value)| said.attributes.get(name) == Some(value))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
