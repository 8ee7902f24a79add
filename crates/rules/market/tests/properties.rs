//! What holds whatever people do: random histories, each from a seed. `GIRRONA_HISTORIES=10000`
//! plays more of them than the default; a failure names its seed.

mod common;

use std::{collections::BTreeMap, env};

use common::{ANA, Deed, Market, RICH, access, profile, small, spki_hash, terms, tls};
use girrona_market::{
    BidOffer, Call, ExecutionFacts, Explanation, FundSource, Key, Lease, LeaseState, Order,
    OrderState, OrderTerms, Place, Receipt, Resources, UpdateRequest, score,
};
use girrona_types::{
    Height,
    market::{
        AccountId, Auction, Decline, DeploymentId, Hash32, LeaseId, MarketEvent, MarketLaw, Motes,
        ProviderStatus,
    },
};

/// A plain generator (splitmix64): the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `sides` - 1.
    fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let sides = u64::try_from(from.len()).unwrap();
        if sides == 0 { None } else { Some(from[usize::try_from(self.roll(sides)).unwrap()]) }
    }

    fn chance(&mut self, of: u64) -> bool {
        self.roll(of) == 0
    }
}

#[expect(clippy::disallowed_methods, reason = "how long to test is no rule")]
fn histories(fewer: u64) -> u64 {
    let asked = env::var("GIRRONA_HISTORIES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { fewer } else { 10_000 })
}

/// Short waits, so that a history of sixty blocks meets every deadline.
fn law(dice: &mut Dice) -> MarketLaw {
    MarketLaw {
        min_stake: 1_000,
        stake_cap: 1_000_000,
        reserve_deadline: 3,
        manifest_deadline: 4,
        confirm_deadline: 5,
        update_accept_deadline: 3,
        update_apply_deadline: 5,
        close_ack_deadline: 4,
        heartbeat_interval: 3,
        dispute_blocks: 5,
        min_escrow_blocks: 12,
        low_funds_blocks: [6, 2],
        jail_after: 3,
        jail_blocks: 10,
        slash_memory_blocks: 30,
        unstake_blocks: 8,
        pause_max_blocks: 6,
        reward_blocks: 7,
        reward_claim_periods: 3,
        tier_observations: [50, 40, 30, 20, 10, 5],
        executor_bond: 100,
        // Often too little for what is due.
        max_step_ops: [1, 3, 10_000][usize::try_from(dice.roll(3)).unwrap()],
        ..MarketLaw::default()
    }
}

const BEN: AccountId = AccountId([2; 32]);

fn providers() -> Vec<AccountId> {
    (11..16).map(|n| AccountId([n; 32])).collect()
}

fn ids<T>(market: &Market, of: impl Fn(&Key) -> Option<T>) -> Vec<T> {
    market.store.records.keys().filter_map(of).collect()
}

fn live_leases(market: &Market) -> Vec<Lease> {
    let all = ids(market, |key| if let Key::Lease(id) = key { Some(*id) } else { None });
    all.into_iter().map(|id| market.lease(id)).filter(|one| !one.state.is_terminal()).collect()
}

fn live_orders(market: &Market) -> Vec<Order> {
    let all = ids(market, |key| if let Key::Order(id) = key { Some(*id) } else { None });
    let live =
        |order: &Order| matches!(order.state, OrderState::Lookup | OrderState::Waiting { .. });
    all.into_iter().map(|id| market.order(id)).filter(live).collect()
}

fn random_terms(dice: &mut Dice) -> OrderTerms {
    let flip = |dice: &mut Dice| dice.chance(2);
    OrderTerms {
        max_price: Motes(u128::from(100 + dice.roll(900))),
        duration: flip(dice).then(|| 1 + dice.roll(40)),
        bid_window: dice.roll(3),
        auction: if flip(dice) { Auction::Open } else { Auction::Sealed },
        resources: Resources { cpu_milli: u32::try_from(1 + dice.roll(5_000)).unwrap(), ..small() },
        failover: flip(dice),
        auto_top_up: dice.chance(4),
        retention_blocks: dice.roll(2) * dice.roll(10),
        reclaim_window: dice.roll(2) * 3,
        meter_prices: [dice.roll(3), 0, 1, 0, dice.roll(2), 0],
        meter_cap: Motes(u128::from(dice.roll(3_000))),
        meter_budget: Motes(u128::from(dice.roll(2) * 5_000)),
        ..terms()
    }
}

/// A receipt, twice: the second is refused.
fn receipt(dice: &mut Dice, lease: &Lease, most: u64) -> Call {
    let mut counters = lease.usage.counters;
    for counter in &mut counters {
        *counter += dice.roll(most);
    }
    // Network is scarce.
    counters[2] = lease.usage.counters[2] + dice.roll(8);
    counters[3] = lease.usage.counters[3];
    let seq = lease.usage.seq + 1;
    let receipt = Receipt { lease: lease.id, seq, counters, log_root: Hash32([0; 32]) };
    Call::UsageReceipts { receipts: vec![receipt.clone(), receipt] }
}

/// What somebody may try with a lease: mostly what suits its state, sometimes anything.
fn lease_call(dice: &mut Dice, lease: &Lease) -> (AccountId, Call) {
    let id = lease.id;
    let provider = lease.provider;
    let tenant = lease.tenant;
    let hash = lease.manifest_hash;
    let suits = match &lease.state {
        LeaseState::Reserving { .. } => 0,
        LeaseState::Ready { .. } => 1,
        LeaseState::Starting { .. } => 2,
        LeaseState::Updating(update) if update.price.is_none() => 3 + dice.roll(2),
        LeaseState::Updating(_) => 5,
        LeaseState::Suspended { .. } => 6 + dice.roll(2),
        LeaseState::Closing { .. } => 8 + dice.roll(2),
        _ => 9 + dice.roll(4),
    };
    let pending: Vec<_> = lease.usage.pending.iter().map(|one| one.seq).collect();
    let seq = dice.pick(&pending).unwrap_or(1);
    let motes = Motes(u128::from(dice.roll(5_000)));
    let roll = match dice.roll(6) {
        0 => 11 + dice.roll(16),
        1 | 2 if !pending.is_empty() => 22 + dice.roll(3),
        _ => suits,
    };
    match roll {
        0 => {
            let server_key = spki_hash(&tls(provider).0);
            let gateway = "https://p.example:8443".to_owned();
            (provider, Call::SignalReady { lease: id, gateway, server_key })
        }
        1 => (provider, Call::AckManifest { lease: id, manifest_hash: hash }),
        2 => {
            let access = access();
            (provider, Call::ConfirmDeployment { lease: id, manifest_hash: hash, access })
        }
        3 => (
            provider,
            Call::AcceptUpdate { lease: id, price: Motes(u128::from(1 + dice.roll(900))) },
        ),
        4 => (provider, Call::RejectUpdate { lease: id, reason: Decline::Capacity }),
        5 => {
            let LeaseState::Updating(update) = &lease.state else {
                return (provider, Call::UnpauseLease { lease: id });
            };
            let (revision, manifest_hash) = (update.revision, update.manifest_hash);
            (provider, Call::LeaseUpdated { lease: id, revision, manifest_hash, access: access() })
        }
        6 => (tenant, Call::TopUp { lease: id, amount: motes, source: FundSource::MainPurse }),
        7 => (provider, Call::ResumeLease { lease: id }),
        8 => (provider, Call::AckClosed { lease: id, log_root: hash }),
        9 | 10 => (provider, receipt(dice, lease, 5_000)),
        11 => (
            tenant,
            Call::UpdateLease {
                lease: id,
                request: UpdateRequest {
                    manifest_hash: dice.chance(2).then_some(Hash32([43; 32])),
                    resources: dice.chance(2).then(|| Resources {
                        cpu_milli: u32::try_from(1 + dice.roll(4_000)).unwrap(),
                        ..small()
                    }),
                    services: None,
                    max_price: dice.chance(2).then(|| Motes(u128::from(1 + dice.roll(1_000)))),
                },
            },
        ),
        12 => (provider, Call::PauseLease { lease: id, blocks: 1 + dice.roll(4) }),
        13 => (provider, Call::UnpauseLease { lease: id }),
        14 => (tenant, Call::Probe { lease: id, alive: dice.chance(3) }),
        15 | 16 => {
            let watcher = dice.pick(&lease.watchers).unwrap_or(tenant);
            (watcher, Call::Probe { lease: id, alive: dice.chance(3) })
        }
        17 => (tenant, Call::CloseLease { lease: id }),
        18 => (provider, Call::ProviderClose { lease: id }),
        19 => (provider, Call::RejectLease { lease: id }),
        20 => (provider, Call::StartReclaim { lease: id, reason: Decline::Other }),
        21 => (tenant, Call::ExtendDuration { lease: id, blocks: 1 + dice.roll(10) }),
        22 => (tenant, Call::DisputeReceipt { lease: id, seq, counters: [dice.roll(300); 6] }),
        23 => (tenant, Call::AcceptReceipt { lease: id, seq }),
        24 => (
            if dice.chance(2) { tenant } else { provider },
            Call::ConcedeDispute { lease: id, seq },
        ),
        25 => (BEN, Call::TopUp { lease: id, amount: motes, source: FundSource::Escrow }),
        _ => (provider, Call::WithdrawEarnings),
    }
}

fn order_call(
    dice: &mut Dice,
    order: &Order,
    provider: AccountId,
    height: u64,
) -> (AccountId, Call) {
    let price = Motes(u128::from(1 + dice.roll(1_100)));
    let id = order.id;
    let sealed = order.closes_at < order.matches_at;
    match dice.roll(12) {
        0 => (order.tenant, Call::CancelOrder { deployment: order.deployment }),
        1 => (provider, Call::DeclineBid { order: id, reason: Decline::Price }),
        2..=9 if sealed && height == order.matches_at.0 => {
            let provider = dice.pick(&order.bidders).unwrap_or(provider);
            // What was committed to is a function of who and where, so that it can be shown.
            let price = Motes(u128::from(provider.0[0]) * 30);
            (provider, Call::RevealBid { order: id, price, salt: [5; 32] })
        }
        _ if sealed => {
            let price = Motes(u128::from(provider.0[0]) * 30);
            let commit = score::commitment(&id, &provider, price, &[5; 32]);
            (provider, Call::CreateBid { order: id, offer: BidOffer::Commit(commit) })
        }
        _ => (provider, Call::CreateBid { order: id, offer: BidOffer::Price(price) }),
    }
}

/// What the chain found in a certificate, or in a proof of a lie.
fn bills(dice: &mut Dice) -> (AccountId, Deed) {
    let provider = dice.pick(&providers()).unwrap();
    let tenant = if dice.chance(2) { ANA } else { BEN };
    let bill = ExecutionFacts {
        request: Hash32([u8::try_from(dice.roll(20)).unwrap(); 32]),
        assembly: Hash32([1; 32]),
        payer: tenant,
        limit: Motes(u128::from(dice.roll(20_000))),
        expires: Height(dice.roll(80)),
        fuel: dice.roll(10_000_000),
        executors: providers(),
        liars: if dice.chance(4) { vec![provider] } else { Vec::new() },
    };
    (tenant, Deed::Bills(vec![bill]))
}

fn other_call(dice: &mut Dice) -> (AccountId, Call) {
    let provider = dice.pick(&providers()).unwrap();
    let tenant = if dice.chance(2) { ANA } else { BEN };
    let amount = Motes(u128::from(dice.roll(20_000)));
    match dice.roll(13) {
        0..=3 => (tenant, Call::CreateOrder { terms: random_terms(dice) }),
        4 => (tenant, Call::Withdraw { amount }),
        5 => (tenant, Call::Deposit { amount }),
        6 => {
            let all =
                [ProviderStatus::Active, ProviderStatus::Maintenance, ProviderStatus::Deactivated];
            (provider, Call::SetProviderStatus { status: dice.pick(&all).unwrap() })
        }
        7 => (provider, Call::Unstake { amount }),
        8 => (provider, Call::Stake { amount }),
        9 => (provider, Call::ClaimReward { period: dice.roll(10) }),
        10 => (provider, Call::BondExecutor { amount }),
        11 => (provider, Call::UnbondExecutor),
        _ => (
            tenant,
            Call::PriceAssembly {
                assembly: Hash32([1; 32]),
                per_execution: Motes(5),
                per_mfuel: Motes(1),
                cap: Motes(1_000),
            },
        ),
    }
}

fn set_up(seed: u64) -> (Dice, Market) {
    let mut dice = Dice(seed);
    let mut market = Market::new(law(&mut dice));
    market.strict = seed.is_multiple_of(20);
    market.deposit(ANA, RICH);
    market.deposit(BEN, 200_000);
    for provider in providers() {
        market.join(provider);
        let mut profile = profile(provider);
        profile.reclaim_window = 3;
        profile.region =
            ["eu-west", "eu-north", "us-east"][usize::from(provider.0[0] % 3)].to_owned();
        // Two of them have one operator.
        if provider.0[0] == 12 {
            profile.operator = Some(providers()[0]);
        }
        market.ok(provider, Call::UpdateProvider { profile });
    }
    market.ok(providers()[0], Call::AgreeToOperate { provider: providers()[1] });
    (dice, market)
}

/// No deployment has two providers that are to run it, and none has one that it does not know of.
fn check_leases(market: &Market, seed: u64) {
    let mut serving: BTreeMap<DeploymentId, LeaseId> = BTreeMap::new();
    for lease in live_leases(market) {
        if matches!(lease.state, LeaseState::Closing { heard: Some(_), .. }) {
            continue;
        }
        let other = serving.insert(lease.deployment, lease.id);
        assert_eq!(other, None, "seed {seed}: two leases for {}", lease.deployment);
        assert_eq!(market.place(lease.deployment), Place::Lease(lease.id), "seed {seed}");
        assert!(lease.queued.is_some(), "seed {seed}: {} waits for nothing", lease.id);
        let room = market.provider(lease.provider);
        assert!(room.capacity.minus(&room.reserved).is_some(), "seed {seed}: overbooked");
    }
}

/// Plays a history; gives how often each event happened.
fn play(seed: u64, blocks: u64) -> (Market, BTreeMap<String, u64>) {
    let (mut dice, mut market) = set_up(seed);
    for _ in 0..blocks {
        // Most providers do what they are there for.
        for lease in live_leases(&market) {
            let diligent = lease.id.0[0] % 4 > 0 && dice.chance(2);
            let state = &lease.state;
            if diligent && (state.runs() || matches!(state, LeaseState::Suspended { .. })) {
                let call = receipt(&mut dice, &lease, 150);
                let _ = market.try_call(lease.provider, call);
            }
        }
        for _ in 0..dice.roll(6) {
            let orders = live_orders(&market);
            let leases = live_leases(&market);
            let of = |(who, call): (AccountId, Call)| (who, Deed::from(call));
            let (who, deed) = match dice.roll(10) {
                0 if dice.chance(5) => bills(&mut dice),
                0..=1 => of(other_call(&mut dice)),
                2..=5 if !orders.is_empty() => {
                    let at = usize::try_from(dice.roll(orders.len() as u64)).unwrap();
                    let provider = dice.pick(&providers()).unwrap();
                    of(order_call(&mut dice, &orders[at], provider, market.height))
                }
                _ if !leases.is_empty() => {
                    let at = usize::try_from(dice.roll(leases.len() as u64)).unwrap();
                    of(lease_call(&mut dice, &leases[at]))
                }
                _ => of(other_call(&mut dice)),
            };
            // Now and then somebody who has no business doing it.
            let who = if dice.chance(12) { BEN } else { who };
            let _ = market.try_call(who, deed);
            market.check();
        }
        market.step();
        market.check();
        check_leases(&market, seed);
    }
    let mut seen = BTreeMap::new();
    for (_, event) in &market.events {
        *seen.entry(event.name()).or_default() += 1;
    }
    (market, seen)
}

#[test]
fn no_history_loses_a_mote_doubles_a_lease_or_hangs() {
    let mut seen = BTreeMap::new();
    for seed in 0..histories(600) {
        let (mut market, events) = play(seed, 60);
        for (name, count) in events {
            *seen.entry(name).or_insert(0) += count;
        }
        // Everybody goes home. What waits has a deadline, and an overloaded step a backlog.
        let limit = market.height + 3_000;
        while !(live_leases(&market).is_empty() && live_orders(&market).is_empty()) {
            assert!(market.height < limit, "seed {seed}: {:?}", live_leases(&market));
            market.step();
        }
        market.check();
        let left = market.store.holdings();
        assert_eq!((left.locked, left.purses), (0, 0), "seed {seed}");
        let idle =
            providers().iter().all(|one| market.provider(*one).reserved == Resources::default());
        assert!(idle, "seed {seed}: room is kept for nobody");
        let bids = ids(&market, |key| matches!(key, Key::Bid(..)).then_some(()));
        assert!(bids.is_empty(), "seed {seed}: a bid was forgotten");
    }
    // Histories that never get anywhere would prove nothing.
    for name in [
        "BID_FORFEITED",
        "CREATE_LEASE",
        "DEPLOYMENT_CONFIRMED",
        "DISPUTE_ENDED",
        "ESCROW_EXHAUSTED",
        "EXECUTION_PAID",
        "LEASE_CLOSED",
        "LEASE_DEGRADED",
        "LEASE_FAILED",
        "LEASE_RECOVERED",
        "LEASE_RESUMED",
        "LEASE_SUSPENDED",
        "LEASE_UPDATED",
        "NO_BIDS",
        "ORDER_FAILED",
        "PROVIDER_SLASHED",
        "REWARD_PAID",
        "UPDATE_EXPIRED",
        "USAGE_PAID",
        "EXECUTOR_SLASHED",
    ] {
        assert!(seen.get(name).is_some_and(|count| *count > 0), "{name} never happened: {seen:?}");
    }
}

#[test]
fn the_same_history_gives_the_same_bytes() {
    for seed in 0..20 {
        let (first, _) = play(seed, 40);
        let (second, _) = play(seed, 40);
        assert!(first.store == second.store && first.events == second.events, "seed {seed}");
    }
}

/// A market with one order and these bids, in this order; who won, and the explanation.
fn matched(bids: &[(AccountId, u128)], standing: &[u64]) -> (Option<AccountId>, Explanation) {
    let mut market = Market { strict: false, ..Market::default() };
    market.deposit(ANA, RICH);
    for n in 11..19 {
        let provider = AccountId([n; 32]);
        market.join(provider);
        let key = Key::Provider(provider);
        let mut record = market.provider(provider);
        let history = standing[usize::from(n - 11)];
        record.standing.up_ok = history % 400;
        record.standing.up_fail = history % 7;
        record.standing.good = history % 11;
        record.standing.bad = history % 3;
        market.store.records.insert(key, borsh::to_vec(&record).unwrap());
    }
    let deployment = market.orders(terms());
    let order = market.order_of(deployment);
    market.block();
    for (provider, price) in bids {
        market.bid(*provider, order, *price);
    }
    market.blocks(2);
    let winner = match market.place(deployment) {
        Place::Lease(lease) => Some(market.lease(lease).provider),
        _ => None,
    };
    (winner, market.store.read(&Key::Explanation(order)).unwrap())
}

#[test]
fn the_winner_depends_neither_on_the_order_of_bids_nor_on_bids_that_cannot_win() {
    let (mut shuffled, mut without) = (0, 0);
    for seed in 0..histories(150) {
        let mut dice = Dice(seed);
        let standing: Vec<u64> = (0..8).map(|_| dice.next() % 10_000).collect();
        let count = 2 + dice.roll(7);
        let mut bids: Vec<_> = (0..count)
            .map(|n| {
                (AccountId([11 + u8::try_from(n).unwrap(); 32]), u128::from(1 + dice.roll(1_000)))
            })
            .collect();
        let (winner, why) = matched(&bids, &standing);
        for at in (1..bids.len()).rev() {
            bids.swap(at, usize::try_from(dice.roll(at as u64 + 1)).unwrap());
        }
        let (again, other) = matched(&bids, &standing);
        assert_eq!((winner, &why), (again, &other), "seed {seed}: the order of bids matters");
        shuffled += 1;
        let best = why.rows.iter().map(|row| row.score).max().unwrap();
        let near = best.saturating_sub(why.epsilon.into());
        if let Some(loser) = why.rows.iter().rev().find(|row| row.score < near) {
            bids.retain(|(provider, _)| *provider != loser.provider);
            let (again, other) = matched(&bids, &standing);
            assert_eq!(winner, again, "seed {seed}: a clear loser matters");
            let rest: Vec<_> =
                why.rows.iter().filter(|row| row.provider != loser.provider).cloned().collect();
            assert_eq!(rest, other.rows, "seed {seed}");
            without += 1;
        }
    }
    assert!(shuffled > 0 && without > 0);
}

#[test]
fn money_always_ends_at_the_height_that_it_lasts_to() {
    for seed in 0..histories(150) {
        let mut dice = Dice(seed);
        let mut market = Market::new(MarketLaw {
            min_stake: 1_000,
            max_step_ops: [1, 2, 10_000][usize::try_from(dice.roll(3)).unwrap()],
            ..MarketLaw::default()
        });
        market.strict = false;
        market.cast();
        let price = u128::from(100 + dice.roll(900));
        let ordered = OrderTerms { retention_blocks: 50, ..terms() };
        let lease = market.leased(ordered, &[(common::BO, price)]);
        market.ready_up(lease);
        market.ack(lease);
        market.confirm(lease);
        let start = market.height;
        let mut funds = market.lease(lease).purse.base.0;
        // Others' orders fill the queue, so that a small step falls behind.
        for _ in 0..dice.roll(6) {
            market.orders(OrderTerms { bid_window: 1, ..terms() });
        }
        while market.state(lease).runs() {
            if market.height.is_multiple_of(10) || dice.chance(4) {
                market.beat(lease);
            }
            let lasts = u128::from(start) + funds / price;
            if dice.chance(20) && market.height < start + 100 && u128::from(market.height) <= lasts
            {
                let amount = u128::from(1 + dice.roll(5_000));
                market.top_up(ANA, lease, amount);
                funds += amount;
            }
            if dice.chance(9) {
                market.orders(OrderTerms { bid_window: 1, ..terms() });
            }
            market.step();
            market.check();
        }
        let end = u64::try_from(u128::from(start) + funds / price).unwrap();
        let at = market.events.iter().find_map(|(_, event)| match event {
            MarketEvent::EscrowExhausted { lease: found, at } if *found == lease => Some(at.0),
            _ => None,
        });
        assert_eq!(at, Some(end), "seed {seed}");
        market.beat(lease);
        let found = market.lease(lease);
        assert_eq!(found.paid.0 + found.purse.base.0, funds, "seed {seed}");
        assert!(found.purse.base.0 < price, "seed {seed}");
        assert_eq!(found.paid.0, price * u128::from(end - start), "seed {seed}");
    }
}

#[test]
fn paying_oneself_costs_money_whatever_the_tier() {
    for seed in 0..histories(30) {
        let mut dice = Dice(seed);
        let mut market =
            Market::new(MarketLaw { min_stake: 1_000, reward_blocks: 20, ..MarketLaw::default() });
        market.strict = false;
        market.cast();
        let key = Key::Provider(common::BO);
        let mut record = market.provider(common::BO);
        record.standing.up_ok = dice.roll(5_000);
        market.store.records.insert(key, borsh::to_vec(&record).unwrap());
        // Ana and Bo are one person, alone in the market: all rewards are theirs.
        let before = market.unlocked(ANA) + market.unlocked(common::BO);
        let ordered = OrderTerms { duration: Some(10 + dice.roll(60)), ..terms() };
        let lease = market.running(ordered, &[(common::BO, 100 + u128::from(dice.roll(900)))]);
        while !matches!(market.state(lease), LeaseState::Closing { .. }) {
            market.run(lease, 1);
        }
        market.ok(common::BO, Call::AckClosed { lease, log_root: Hash32([0; 32]) });
        market.blocks(25);
        let earnings: girrona_market::Earnings =
            market.store.read(&Key::Earnings(common::BO)).unwrap();
        let _ = market.try_call(common::BO, Call::ClaimReward { period: earnings.period });
        let after = market.unlocked(ANA) + market.unlocked(common::BO) + market.earned(common::BO);
        assert!(after < before, "seed {seed}: {before} became {after}");
    }
}
