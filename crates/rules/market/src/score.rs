//! How bids are compared. Integers in basis points only, and nothing of another bid: a bid that
//! cannot win changes nothing for the others. `docs/spec/market.md` has the formula for whoever
//! computes it again.

use std::cmp::Reverse;

use casper_types::Digest;
use girrona_types::{
    Height,
    market::{AccountId, Hash32, MarketLaw, Motes, OrderId, Points},
};

use crate::{
    call::OrderTerms,
    money::ratio,
    provider::recent_slashes,
    records::{Provider, Row, Standing},
};

/// All, in basis points.
const ALL: u128 = 10_000;

/// What a sealed bid commits to.
pub fn commitment(order: &OrderId, provider: &AccountId, price: Motes, salt: &[u8; 32]) -> Hash32 {
    let price = price.0.to_le_bytes();
    let parts: [&[u8]; 5] = [b"girrona/market/bid/1", &order.0, &provider.0, &price, salt];
    Hash32(Digest::hash(parts.concat()).value())
}

/// Decides between scores that are close: the lower comes first.
pub fn tie(seed: &Hash32, order: &OrderId, provider: &AccountId) -> [u8; 32] {
    let parts: [&[u8]; 4] = [b"girrona/match/v1", &seed.0, &order.0, &provider.0];
    Digest::hash(parts.concat()).value()
}

/// Trust, from 1 (best) to 7: the best tier whose uptime and observations the provider has.
pub fn tier(standing: &Standing, law: &MarketLaw) -> u8 {
    let seen = u128::from(standing.up_ok).saturating_add(u128::from(standing.up_fail));
    let uptime = ratio(standing.up_ok.into(), ALL, seen);
    let needs = law.tier_uptime_bp.iter().zip(&law.tier_observations);
    for (tier, (least, observations)) in (1..).zip(needs) {
        if uptime >= u128::from(*least) && seen >= u128::from(*observations) {
            return tier;
        }
    }
    7
}

/// How well the provider's region suits: exactly, the same up to the first hyphen, or not. An order
/// that likes no region likes all.
fn locality(terms: &OrderTerms, region: &str) -> u16 {
    let macro_region = |name: &str| name.split('-').next().unwrap_or_default().to_owned();
    if terms.regions.is_empty() || terms.regions.iter().any(|liked| liked == region) {
        10_000
    } else if terms.regions.iter().any(|liked| macro_region(liked) == macro_region(region)) {
        5_000
    } else {
        0
    }
}

/// The least share of any of the provider's resources that is free once the order is placed.
fn spare(terms: &OrderTerms, provider: &Provider) -> u128 {
    let free = provider.capacity.minus(&provider.reserved);
    let free = free.and_then(|free| free.minus(&terms.resources)).unwrap_or_default();
    let shares = provider.capacity.parts().into_iter().zip(free.parts());
    shares
        .filter(|((_, has), _)| *has > 0)
        .map(|((_, has), (_, free))| ratio(free.into(), ALL, has.into()))
        .min()
        .unwrap_or_default()
}

/// The components of a bid's score.
pub fn points(
    terms: &OrderTerms,
    provider: &Provider,
    price: Motes,
    height: Height,
    law: &MarketLaw,
) -> Points {
    let standing = &provider.standing;
    let max = terms.max_price.0;
    let ok = u128::from(standing.up_ok);
    let seen = ok.saturating_add(u128::from(standing.up_fail));
    let good = u128::from(standing.good);
    let weighed = good.saturating_add(u128::from(standing.bad).saturating_mul(5));
    let slashes = recent_slashes(standing, height, law.slash_memory_blocks);
    let stake_cap = u128::from(law.stake_cap);
    let tier = u128::from(tier(standing, law));
    let parts = [
        ratio(max.saturating_sub(price.0), ALL, max),
        ratio(ok.saturating_add(8), ALL, seen.saturating_add(10)),
        ratio(good.saturating_add(4), ALL, weighed.saturating_add(8))
            .saturating_sub(u128::from(slashes).saturating_mul(500)),
        u128::from(locality(terms, &provider.region)),
        ALL.saturating_sub(tier.saturating_sub(1).saturating_mul(1_428)),
        ratio(provider.stake.0.min(stake_cap).isqrt(), ALL, stake_cap.isqrt()),
        spare(terms, provider),
    ];
    parts.map(|part| u16::try_from(part.min(ALL)).unwrap_or_default())
}

/// The weighted sum, rounded down.
pub fn score(weights: &Points, points: &Points) -> u32 {
    let parts = weights.iter().zip(points);
    let sum = parts.fold(0_u64, |sum, (weight, points)| {
        sum.saturating_add(u64::from(*weight).saturating_mul(u64::from(*points)))
    });
    u32::try_from(sum.checked_div(10_000).unwrap_or_default()).unwrap_or_default()
}

/// Puts rows in order: those within `epsilon` of the best by the seed, the others by score, and by
/// the seed where scores are equal.
pub fn rank(rows: &mut [Row], epsilon: u16, seed: &Hash32, order: &OrderId) {
    let best = rows.iter().map(|row| row.score).max().unwrap_or_default();
    let near = best.saturating_sub(epsilon.into());
    rows.sort_by_cached_key(|row| {
        let class = row.score.min(near);
        (Reverse(class), tie(seed, order, &row.provider))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::WEIGHTS;

    #[test]
    fn tiers_need_uptime_and_observations() {
        let law = MarketLaw::default();
        let at = |up_ok, up_fail| tier(&Standing { up_ok, up_fail, ..Standing::default() }, &law);
        assert_eq!(at(0, 0), 7);
        assert_eq!(at(299, 0), 7);
        assert_eq!(at(300, 0), 6);
        assert_eq!(at(2_999, 0), 2);
        assert_eq!(at(3_000, 0), 1);
        assert_eq!(at(2_970, 30), 1);
        assert_eq!(at(2_969, 31), 2);
        assert_eq!(at(8_500, 1_500), 6);
        assert_eq!(at(8_499, 1_501), 7);
    }

    #[test]
    fn a_score_is_a_weighted_sum_rounded_down() {
        assert_eq!(score(&WEIGHTS, &[10_000; 7]), 10_000);
        assert_eq!(score(&WEIGHTS, &[0; 7]), 0);
        assert_eq!(score(&WEIGHTS, &[1, 0, 0, 0, 0, 0, 0]), 0);
        assert_eq!(score(&WEIGHTS, &[5_000, 8_000, 5_000, 10_000, 1_432, 0, 3_500]), 5_596);
    }

    #[test]
    fn ranks_hold_still_when_rows_are_shuffled() {
        let row = |n: u8, score| Row {
            provider: AccountId([n; 32]),
            price: Motes(1),
            points: [0; 7],
            score,
        };
        let (seed, order) = (Hash32([5; 32]), OrderId([6; 32]));
        let mut rows = vec![row(1, 900), row(2, 1_000), row(3, 899), row(4, 950), row(5, 10)];
        rank(&mut rows, 100, &seed, &order);
        let first: Vec<_> = rows.iter().map(|row| row.provider).collect();
        rows.reverse();
        rank(&mut rows, 100, &seed, &order);
        assert_eq!(first, rows.iter().map(|row| row.provider).collect::<Vec<_>>());
        // 1, 2 and 4 are close to the best; 3 and 5 never overtake them.
        assert_eq!(first[3..], [AccountId([3; 32]), AccountId([5; 32])]);
        let mut exact = rows.clone();
        rank(&mut exact, 0, &seed, &order);
        assert_eq!(exact[0].provider, AccountId([2; 32]));
    }
}
