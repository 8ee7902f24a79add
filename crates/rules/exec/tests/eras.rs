//! The end of an era: who is paid what, who votes next, and that no mote is lost on the way.

#[path = "support/stakes.rs"]
mod stakes;
#[path = "support/world.rs"]
mod world;

use std::collections::BTreeMap;

use casper_types::{
    EraId, Key, PublicKey, StoredValue, TimeDiff, U512,
    system::auction::{Error, SeigniorageAllocation},
};
use girrona_exec::{EraReport, recorded_supply};
use proptest::prelude::*;
use stakes::{Wish, staking};
use world::*;

/// Blocks of an era under the default law.
const BLOCKS: u64 = 60;

fn world() -> World {
    World::new(staking())
}

fn weights(of: &[(u8, u64)]) -> BTreeMap<PublicKey, U512> {
    of.iter().map(|(who, motes)| (public(*who), U512::from(*motes))).collect()
}

fn nothing_is_minted() -> girrona_types::Chainspec {
    let mut law = staking();
    law.core.round_seigniorage_rate = [0, 1];
    law
}

#[test]
fn a_bid_counts_after_the_auctions_delay() {
    let mut world = World::new(nothing_is_minted());
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 100 * GIRRO }).unwrap();
    let outcome = world.pass_era();
    assert_eq!(outcome.era, EraId::new(1));
    let old = weights(&[(PROPOSER, 500 * GIRRO)]);
    let new = weights(&[(PROPOSER, 500 * GIRRO), (ANA, 100 * GIRRO)]);
    let expected = [(EraId::new(2), old), (EraId::new(3), new)].into();
    assert_eq!(outcome.validators, expected);
    assert_eq!(girrona_exec::auction::era_validators(&world.state).unwrap(), expected);
}

#[test]
fn without_a_delay_a_bid_counts_in_the_next_era() {
    let mut law = nothing_is_minted();
    law.core.auction_delay = 0;
    let mut world = World::new(law);
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 100 * GIRRO }).unwrap();
    let new = weights(&[(PROPOSER, 500 * GIRRO), (ANA, 100 * GIRRO)]);
    assert_eq!(world.pass_era().validators, [(EraId::new(2), new)].into());
}

#[test]
fn the_slots_go_to_the_largest_stakes_with_their_delegations() {
    let mut world = World::new(nothing_is_minted());
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 100 * GIRRO }).unwrap();
    world.wish(BEN, Wish::AddBid { rate: 0, motes: 60 * GIRRO }).unwrap();
    world.wish(PROPOSER, Wish::WithdrawBid { motes: 470 * GIRRO }).unwrap();
    let next = |world: &mut World| world.pass_era().validators.pop_last().unwrap().1;
    assert_eq!(next(&mut world), weights(&[(ANA, 100 * GIRRO), (BEN, 60 * GIRRO)]));
    world.wish(ANA, Wish::Delegate { to: PROPOSER, motes: 40 * GIRRO }).unwrap();
    assert_eq!(next(&mut world), weights(&[(ANA, 100 * GIRRO), (PROPOSER, 70 * GIRRO)]));
}

#[test]
fn equal_stakes_go_to_the_lower_key() {
    let mut law = nothing_is_minted();
    law.core.validator_slots = 1;
    let mut world = World::new(law);
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 500 * GIRRO }).unwrap();
    let lower = if public(ANA) < public(PROPOSER) { ANA } else { PROPOSER };
    let next = world.pass_era().validators.pop_last().unwrap().1;
    assert_eq!(next, weights(&[(lower, 500 * GIRRO)]));
}

#[test]
fn who_is_caught_or_absent_is_evicted_and_earns_nothing() {
    let mut world = world();
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 500 * GIRRO }).unwrap();
    world.wish(BEN, Wish::AddBid { rate: 0, motes: 100 * GIRRO }).unwrap();
    world.pass_era();
    world.pass_era();
    let before = *world.bid(ANA).staked_amount();
    let report = EraReport { equivocators: vec![public(ANA)], inactive: vec![] };
    let outcome = world.era(&[], &report);
    assert_eq!(outcome.rewards[&public(ANA)], 0);
    assert!(outcome.rewards[&public(PROPOSER)] > 0);
    assert!(world.bid(ANA).inactive());
    assert_eq!(*world.bid(ANA).staked_amount(), before);
    let next = outcome.validators.last_key_value().unwrap().1;
    let next: Vec<_> = next.keys().cloned().collect();
    let mut expected = vec![public(PROPOSER), public(BEN)];
    expected.sort();
    assert_eq!(next, expected);
}

#[test]
fn when_nobody_is_left_those_who_vote_go_on() {
    let mut world = World::new(nothing_is_minted());
    let report = EraReport { equivocators: vec![], inactive: vec![public(PROPOSER)] };
    let all = weights(&[(PROPOSER, 500 * GIRRO)]);
    for era in 2..5 {
        let outcome = world.era(&[], &report);
        let expected = [(EraId::new(era), all.clone()), (EraId::new(era + 1), all.clone())];
        assert_eq!(outcome.validators, expected.into());
    }
}

#[test]
fn an_era_mints_its_blocks_share_of_the_supply_for_the_stakes() {
    let mut world = world();
    let supply = recorded_supply(&world.state).unwrap().as_u64();
    let outcome = world.pass_era();
    let minted = supply / 1_000_000 * BLOCKS;
    assert_eq!(outcome.minted, U512::from(minted));
    assert_eq!(*world.bid(PROPOSER).staked_amount(), U512::from(500 * GIRRO + minted));
    assert_eq!(recorded_supply(&world.state).unwrap().as_u64(), supply + minted);
    assert_eq!(outcome.rewards, [(public(PROPOSER), BLOCKS * 1_000_000_000_000)].into());
    world.check_stakes();
}

#[test]
fn delegators_are_paid_by_stake_less_the_validators_rate() {
    let mut world = world();
    // The proposer's rate is 10 per cent.
    world.wish(ANA, Wish::Delegate { to: PROPOSER, motes: 300 * GIRRO }).unwrap();
    world.wish(BEN, Wish::Delegate { to: PROPOSER, motes: 200 * GIRRO }).unwrap();
    for _ in 0..2 {
        world.pass_era();
    }
    // What counts in era 3 is what the bid was at the end of era 1.
    let before = girrona_exec::auction::bids(&world.state).unwrap().remove(0);
    let supply = recorded_supply(&world.state).unwrap();
    let outcome = world.pass_era();
    let after = world.bid(PROPOSER);
    let total = supply / 1_000_000 * BLOCKS;
    let gained = |who| {
        let stake = |bid: &casper_types::system::auction::Bid| {
            bid.delegators()[&public(who)].staked_amount()
        };
        stake(&after) - stake(&before)
    };
    let (ana, ben) = (gained(ANA), gained(BEN));
    let own = *after.staked_amount() - *before.staked_amount();
    assert_eq!(own + ana + ben, total);
    assert_eq!(outcome.minted, total);
    // 3 to 2 by stake, up to the dust and what stakes grew since.
    let near = |a: U512, b: U512| a.max(b) - a.min(b) < U512::from(GIRRO / 100);
    assert!(near(ana * 2, ben * 3), "{ana} {ben}");
    assert!(near(ana, total * 27 / 100), "{ana} of {total}");
    let StoredValue::EraInfo(info) = world.value(Key::EraSummary) else { panic!("no summary") };
    let listed = info.seigniorage_allocations().iter().map(SeigniorageAllocation::amount);
    assert_eq!(listed.fold(U512::zero(), |sum, motes| sum + motes), outcome.minted);
    assert_eq!(info.seigniorage_allocations().len(), 3);
    world.check_stakes();
}

#[test]
fn who_left_leaves_the_reward_to_the_validator() {
    let mut world = world();
    world.wish(ANA, Wish::Delegate { to: PROPOSER, motes: 300 * GIRRO }).unwrap();
    world.pass_era();
    world.pass_era();
    let stake = world.bid(PROPOSER).delegators()[&public(ANA)].staked_amount().as_u64();
    world.wish(ANA, Wish::Undelegate { from: PROPOSER, motes: stake }).unwrap();
    let before = *world.bid(PROPOSER).staked_amount();
    let outcome = world.pass_era();
    assert_eq!(*world.bid(PROPOSER).staked_amount() - before, outcome.minted);
    world.check_stakes();
}

#[test]
fn stakes_of_genesis_stay_until_they_are_released() {
    let mut law = nothing_is_minted();
    law.core.validator_slots = 1;
    // Blocks of this test come 1 second apart, from 1,000 s on.
    law.protocol.activation_point = casper_types::Timestamp::from(1_000_000);
    law.core.locked_funds_period = TimeDiff::from_seconds(5);
    let mut world = World::new(law);
    let wish = Wish::WithdrawBid { motes: GIRRO };
    let locked = format!(
        "ApiError::AuctionError(ValidatorFundsLocked) [{}]",
        64_512 + Error::ValidatorFundsLocked as u32
    );
    assert_eq!(world.wish(PROPOSER, wish), Err(locked));
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 600 * GIRRO }).unwrap();
    // A locked stake keeps its slot from a larger one.
    let next = world.pass_era().validators.pop_last().unwrap().1;
    assert_eq!(next, weights(&[(PROPOSER, 500 * GIRRO)]));
    for _ in 0..2 {
        world.pass_era();
    }
    let next = world.pass_era().validators.pop_last().unwrap().1;
    assert_eq!(next, weights(&[(ANA, 600 * GIRRO)]));
    world.wish(PROPOSER, wish).unwrap();
}

/// One thing that happens in a random history.
#[derive(Clone, Copy, Debug)]
enum Act {
    Wish(u8, Wish),
    Send { from: u8, to: u8, motes: u64 },
    EndEra { caught: Option<u8>, absent: Option<u8> },
}

fn who() -> impl Strategy<Value = u8> {
    prop_oneof![Just(PROPOSER), Just(ANA), Just(BEN), Just(POOR)]
}

fn motes() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0_u64), 2 => 1_u64..100, 4 => 5 * GIRRO..40 * GIRRO, 1 => 0..900 * GIRRO]
}

fn act() -> impl Strategy<Value = Act> {
    let wish = prop_oneof![
        (0_u8..=100, motes()).prop_map(|(rate, motes)| Wish::AddBid { rate, motes }),
        motes().prop_map(|motes| Wish::WithdrawBid { motes }),
        (who(), motes()).prop_map(|(to, motes)| Wish::Delegate { to, motes }),
        (who(), motes()).prop_map(|(from, motes)| Wish::Undelegate { from, motes }),
        (who(), who(), motes()).prop_map(|(from, to, motes)| Wish::Redelegate { from, to, motes }),
        Just(Wish::Activate),
    ];
    prop_oneof![
        8 => (who(), wish).prop_map(|(who, wish)| Act::Wish(who, wish)),
        1 => (who(), who(), motes()).prop_map(|(from, to, motes)| Act::Send { from, to, motes }),
        3 => (prop::option::weighted(0.2, who()), prop::option::weighted(0.2, who()))
            .prop_map(|(caught, absent)| Act::EndEra { caught, absent }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_history_of_the_auction_conserves_motes(
        acts in prop::collection::vec(act(), 1..60),
        rate in prop_oneof![Just([0_u64, 1]), Just([1, 1_000_000]), Just([7, 7_919])],
        delay in 0_u64..3,
        unbonding in 0_u64..4,
    ) {
        let mut law = staking();
        law.core.round_seigniorage_rate = rate;
        law.core.auction_delay = delay;
        law.core.unbonding_delay = unbonding;
        let mut world = World::with_poor(law, 500 * GIRRO);
        let mut era = 1;
        for act in acts {
            match act {
                Act::Wish(who, wish) => {
                    let _ = world.wish(who, wish);
                }
                Act::Send { from, to, motes } => {
                    let deploy = world.send(from, to, motes);
                    world.one(deploy);
                }
                Act::EndEra { caught, absent } => {
                    let report = EraReport {
                        equivocators: caught.into_iter().map(public).collect(),
                        inactive: absent.into_iter().map(public).collect(),
                    };
                    let outcome = world.era(&[], &report);
                    prop_assert_eq!(outcome.era.value(), era);
                    era += 1;
                    // The next era and those after it, as many as the delay says.
                    let eras: Vec<_> = outcome.validators.keys().map(|era| era.value()).collect();
                    prop_assert_eq!(eras, (era..=era + delay).collect::<Vec<_>>());
                    for validators in outcome.validators.values() {
                        prop_assert!((1..=2).contains(&validators.len()));
                    }
                }
            }
            // `World` re-sums the supply after every block.
            world.check_stakes();
        }
    }
}
