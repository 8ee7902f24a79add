//! The matchmaker: which bid becomes a lease, and the explanation that lets anybody find out why.

use casper_types::Digest;
use girrona_types::{
    keys::derived_address,
    market::{AccountId, Filter, Hash32, LeaseId, MarketEvent, Motes},
};

use crate::{
    money::{less, share, sum, times},
    order,
    records::{
        Bid, Deployment, Explanation, Lease, LeaseState, Order, OrderState, Place, Purse, Row,
        RunnerUp, Usage,
    },
    score,
    session::{Done, Halt, Session, after},
    store::{Key, Store},
};

/// Who takes over if the winner fails, at most.
const RUNNER_UPS_MAX: usize = 3;

/// A bid that takes part.
struct Candidate {
    row: Row,
    operator: AccountId,
}

impl<S: Store> Session<'_, S> {
    /// Matches an order, or finds that nobody suits.
    pub(crate) fn match_order(
        &mut self,
        order: &mut Order,
        deployment: &mut Deployment,
        seed: Hash32,
    ) -> Done<(), S> {
        let mut rejected = Vec::new();
        let mut candidates = Vec::new();
        let mut bidders = std::mem::take(&mut order.bidders);
        // Who bid first must not matter.
        bidders.sort_unstable();
        for bidder in bidders {
            match self.candidate(order, deployment, bidder)? {
                Ok(candidate) => candidates.push(candidate),
                Err(reason) => rejected.push((bidder, reason)),
            }
        }
        self.one_per_operator(order, &seed, &mut candidates, &mut rejected)?;
        let terms = &deployment.terms;
        let mut rows: Vec<Row> = candidates.iter().map(|found| found.row.clone()).collect();
        score::rank(&mut rows, terms.epsilon, &seed, &order.id);
        let enough = rows.len() as u64 >= u64::from(self.law.min_bids);
        let explanation = Explanation {
            order: order.id,
            height: self.height,
            seed,
            weights: terms.weights,
            epsilon: terms.epsilon,
            max_price: terms.max_price,
            rows,
            rejected,
            declined: order.declined.clone(),
        };
        self.put(Key::Explanation(order.id), &explanation)?;
        let Some((winner, others)) = explanation.rows.split_first().filter(|_| enough) else {
            for row in &explanation.rows {
                self.return_bid(order.id, row.provider)?;
            }
            return self.no_bids(order, deployment, &explanation.rejected);
        };
        let mut runner_ups = Vec::new();
        for row in others {
            if runner_ups.len() < RUNNER_UPS_MAX {
                let bond = self.take_bid(order, row.provider)?;
                let (provider, price) = (row.provider, row.price);
                runner_ups.push(RunnerUp { provider, price, bond });
            } else {
                self.return_bid(order.id, row.provider)?;
            }
        }
        let bond = self.take_bid(order, winner.provider)?;
        let hold = self.take_hold(order)?;
        let purse = order::fill(hold, terms, self.law)?;
        let lease = LeaseId(derived_address("girrona/market/lease", &order.id.0, 0));
        order.state = OrderState::Matched(lease);
        let bytes = borsh::to_vec(&explanation).unwrap_or_default();
        self.tell(MarketEvent::OrderMatched {
            order: order.id,
            lease,
            winner: winner.provider,
            price: winner.price,
            score: winner.score,
            explanation: Hash32(Digest::hash(bytes).value()),
            seed,
        });
        let winner = RunnerUp { provider: winner.provider, price: winner.price, bond };
        self.new_lease(deployment, order, winner, runner_ups, purse, 0)
    }

    /// A bid as a candidate, or why it is none; the bond of one that is none is given back.
    fn candidate(
        &mut self,
        order: &Order,
        deployment: &Deployment,
        bidder: AccountId,
    ) -> Done<Result<Candidate, Filter>, S> {
        let key = Key::Bid(order.id, bidder);
        let known = self.get::<Bid>(&key)?;
        let mut bid = known.ok_or(Halt::Broken("a bidder without a bid"))?;
        let Some(price) = bid.price else {
            let burnt = share(bid.bond, self.law.forfeit_bp)?;
            bid.bond = less(bid.bond, burnt)?;
            self.put(key, &bid)?;
            self.return_bid(order.id, bidder)?;
            self.burn(burnt);
            let order = order.id;
            self.tell(MarketEvent::BidForfeited { order, provider: bidder, burnt });
            return Ok(Err(Filter::Unrevealed));
        };
        let known = self.find_provider(bidder)?;
        let provider = known.ok_or(Halt::Broken("a bid without a provider"))?;
        let mut reason = self.filter(deployment, &provider, Some(price))?;
        if reason.is_none() && !self.can_bond(bidder, price, bid.bond)? {
            reason = Some(Filter::Bond);
        }
        if let Some(reason) = reason {
            self.return_bid(order.id, bidder)?;
            return Ok(Err(reason));
        }
        let points = score::points(&deployment.terms, &provider, price, self.height, self.law);
        let score = score::score(&deployment.terms.weights, &points);
        let row = Row { provider: bidder, price, points, score };
        Ok(Ok(Candidate { row, operator: provider.operator }))
    }

    /// Keeps the best bid of each operator.
    fn one_per_operator(
        &mut self,
        order: &Order,
        seed: &Hash32,
        candidates: &mut Vec<Candidate>,
        rejected: &mut Vec<(AccountId, Filter)>,
    ) -> Done<(), S> {
        candidates.sort_by_cached_key(|found| {
            let tie = score::tie(seed, &order.id, &found.row.provider);
            (found.operator, std::cmp::Reverse(found.row.score), tie)
        });
        let mut last = None;
        let mut others = Vec::new();
        candidates.retain(|found| {
            let first = last.replace(found.operator) != Some(found.operator);
            if !first {
                others.push(found.row.provider);
            }
            first
        });
        for provider in others {
            self.return_bid(order.id, provider)?;
            rejected.push((provider, Filter::SameOperator));
        }
        rejected.sort_unstable();
        Ok(())
    }

    /// Takes the bond out of a bid, which is no more.
    fn take_bid(&mut self, order: &Order, bidder: AccountId) -> Done<Motes, S> {
        let key = Key::Bid(order.id, bidder);
        let known = self.get::<Bid>(&key)?;
        self.remove(key);
        Ok(known.ok_or(Halt::Broken("a candidate without a bid"))?.bond)
    }

    /// The bond of a lease at a price.
    fn lease_bond(&self, price: Motes) -> Done<Motes, S> {
        let bond = times(price, self.law.lease_bond_blocks)?;
        Ok(bond.max(Motes(u128::from(self.law.lease_bond_min))))
    }

    /// Whether a provider can make a bid's bond a lease's.
    pub(crate) fn can_bond(&mut self, who: AccountId, price: Motes, bond: Motes) -> Done<bool, S> {
        let has = sum(self.escrow(who)?.unlocked, bond)?;
        Ok(has >= self.lease_bond(price)?)
    }

    /// CREATE_LEASE. The provider was found to suit and to have the bond.
    pub(crate) fn new_lease(
        &mut self,
        deployment: &mut Deployment,
        order: &Order,
        winner: RunnerUp,
        runner_ups: Vec<RunnerUp>,
        purse: Purse,
        promoted: u32,
    ) -> Done<(), S> {
        let RunnerUp { provider, price, bond } = winner;
        let needed = self.lease_bond(price)?;
        self.give(provider, bond)?;
        self.take(provider, needed)?;
        let resources = deployment.terms.resources;
        let mut fits = true;
        self.remember(provider, |known| match known.reserved.plus(&resources) {
            Some(reserved) => known.reserved = reserved,
            None => fits = false,
        })?;
        if !fits {
            return Err(Halt::Broken("more is reserved than can be counted"));
        }
        let id = LeaseId(derived_address("girrona/market/lease", &order.id.0, u64::from(promoted)));
        let by = after(self.height, self.law.reserve_deadline);
        let lease = Lease {
            id,
            deployment: deployment.id,
            order: order.id,
            promoted,
            tenant: deployment.tenant,
            provider,
            price,
            state: LeaseState::Reserving { by },
            created: self.height,
            revision: deployment.revision.saturating_add(1),
            manifest_hash: deployment.terms.manifest_hash,
            resources,
            services: deployment.terms.services.clone(),
            watchers: runner_ups.iter().map(|other| other.provider).collect(),
            runner_ups,
            bond: needed,
            purse,
            settled_at: self.height,
            last_beat: self.height,
            stopped: None,
            ends_at: None,
            gateway: String::new(),
            server_key: Hash32::default(),
            access: Vec::new(),
            usage: Usage::default(),
            reclaim: None,
            paused: None,
            paused_at: self.height,
            paused_blocks: 0,
            probes: Vec::new(),
            funded_blocks: 0,
            low_told: 0,
            paid: Motes::ZERO,
            refunded: Motes::ZERO,
            kept: 0,
            queued: None,
        };
        deployment.place = Place::Lease(id);
        self.tell(MarketEvent::CreateLease {
            lease: id,
            order: order.id,
            deployment: deployment.id,
            tenant: deployment.tenant,
            provider,
            price,
            reserve_by: by,
            runner_ups: lease.watchers.clone(),
        });
        self.put_lease(lease)
    }
}
