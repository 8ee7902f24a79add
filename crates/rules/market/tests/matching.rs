//! The matchmaker on a worked example, and what the seed decides.

mod common;

use std::collections::BTreeSet;

use common::{ANA, Market, RICH, small, terms};
use girrona_market::{Explanation, Key, OrderTerms, Resources, Row, Standing, score};
use girrona_types::market::{AccountId, Hash32, MarketEvent, MarketLaw, Motes, OrderId};

const ALPHA: AccountId = AccountId([21; 32]);
const BETA: AccountId = AccountId([22; 32]);
const GAMMA: AccountId = AccountId([23; 32]);
const NEWBIE: AccountId = AccountId([24; 32]);

/// A provider with a past.
fn known(
    market: &mut Market,
    who: AccountId,
    region: &str,
    stake: u128,
    reserved: u32,
    [up_ok, up_fail, good, bad]: [u64; 4],
) {
    market.join(who);
    let mut record = market.provider(who);
    record.region = region.to_owned();
    // Written past the market, so what the purse holds is written too.
    market.purse = market.purse - record.stake.0 + stake;
    record.stake = Motes(stake);
    record.capacity.cpu_milli = 10_000;
    record.reserved = Resources { cpu_milli: reserved, ..Resources::default() };
    record.standing = Standing { up_ok, up_fail, good, bad, ..Standing::default() };
    market.store.records.insert(Key::Provider(who), borsh::to_vec(&record).unwrap());
}

#[test]
fn the_cheapest_bid_does_not_win_and_the_explanation_says_why() {
    let mut market =
        Market::new(MarketLaw { min_stake: 100, stake_cap: 1_000_000, ..MarketLaw::default() });
    market.deposit(ANA, RICH);
    known(&mut market, ALPHA, "eu-west", 490_000, 1_550, [980, 20, 12, 1]);
    known(&mut market, BETA, "us-east", 90_000, 2_910, [450, 50, 6, 1]);
    known(&mut market, GAMMA, "eu-west", 640_000, 3_760, [2_994, 6, 40, 0]);
    known(&mut market, NEWBIE, "eu-west", 100, 5_600, [0, 0, 0, 0]);
    let liked = OrderTerms { regions: vec!["eu-west".to_owned()], ..terms() };
    let deployment = market.orders(liked);
    let order = market.order_of(deployment);
    market.block();
    for (who, price) in [(NEWBIE, 350), (BETA, 500), (ALPHA, 600), (GAMMA, 620)] {
        market.bid(who, order, price);
    }
    market.until(4);
    let why: Explanation = market.store.read(&Key::Explanation(order)).unwrap();
    let found: Vec<_> = why.rows.iter().map(|row| (row.provider, row.score)).collect();
    assert_eq!(found, [(GAMMA, 7_051), (ALPHA, 6_453), (NEWBIE, 6_196), (BETA, 5_254)]);
    assert_eq!(why.rows[0].points, [3_800, 9_973, 9_166, 10_000, 10_000, 8_000, 5_240]);
    assert_eq!(why.rows[1].points, [4_000, 9_782, 6_400, 10_000, 4_288, 7_000, 7_450]);
    assert_eq!(why.rows[2].points, [6_500, 8_000, 5_000, 10_000, 1_432, 100, 3_400]);
    assert_eq!(why.rows[3].points, [5_000, 8_980, 5_263, 0, 4_288, 3_000, 6_090]);
    let lease = market.lease(market.lease_of(deployment));
    assert_eq!((lease.provider, lease.price), (GAMMA, Motes(620)));
    assert_eq!(lease.watchers, [ALPHA, NEWBIE, BETA]);
    let told = market.events.iter().find_map(|(_, event)| match event {
        MarketEvent::OrderMatched { winner, score, explanation, .. } => {
            Some((*winner, *score, *explanation))
        }
        _ => None,
    });
    let bytes = borsh::to_vec(&why).unwrap();
    let hash = Hash32(casper_types::Digest::hash(bytes).value());
    assert_eq!(told, Some((GAMMA, 7_051, hash)));
}

#[test]
fn a_neighbouring_region_counts_half_and_slashes_count_until_they_are_forgotten() {
    let law = MarketLaw { slash_memory_blocks: 10, ..MarketLaw::default() };
    let mut market = Market::new(law.clone());
    known(&mut market, ALPHA, "eu-north", 10_000, 0, [0, 0, 0, 0]);
    let mut alpha = market.provider(ALPHA);
    let liked = OrderTerms { regions: vec!["eu-west".to_owned()], resources: small(), ..terms() };
    let points = |provider: &girrona_market::Provider, height| {
        score::points(&liked, provider, Motes(500), girrona_types::Height(height), &law)
    };
    assert_eq!(points(&alpha, 5)[3], 5_000);
    alpha.standing.slashes = 3;
    alpha.standing.slashed_at = girrona_types::Height(5);
    assert_eq!(points(&alpha, 15)[2], 3_500);
    assert_eq!(points(&alpha, 16)[2], 5_000);
    alpha.standing.slashes = 300;
    assert_eq!(points(&alpha, 6)[2], 0);
}

#[test]
fn the_seed_decides_between_equals_and_differently_for_each_order() {
    let rows = |_| {
        let row = |n| Row {
            provider: AccountId([n; 32]),
            price: Motes(5),
            points: [0; 7],
            score: 5_000 + u32::from(n),
        };
        (1..5).map(row).collect::<Vec<_>>()
    };
    let mut winners = BTreeSet::new();
    for n in 0..64 {
        let mut all = rows(n);
        score::rank(&mut all, 100, &Hash32([7; 32]), &OrderId([n; 32]));
        let mut again = rows(n);
        again.reverse();
        score::rank(&mut again, 100, &Hash32([7; 32]), &OrderId([n; 32]));
        assert_eq!(all, again);
        winners.insert(all[0].provider);
        // Anybody can find it out from what is public.
        let lowest = all
            .iter()
            .min_by_key(|row| score::tie(&Hash32([7; 32]), &OrderId([n; 32]), &row.provider));
        assert_eq!(lowest.map(|row| row.provider), Some(all[0].provider));
    }
    assert_eq!(winners.len(), 4);
}
