//! Consensus under seeds: a network of nodes that loses, delays and reorders messages, crashes in
//! the middle of steps, and has a liar in it. A seed replays exactly.

mod node;
mod plan;
mod scheme;
mod world;

use plan::{Cast, Sabotage};
use world::{Story, Violation, play};

/// Plays the seeds and adds up what they came to; the first violation ends the test.
fn play_all(seeds: std::ops::Range<u64>, cast: Cast) -> Story {
    let mut sum = Story::default();
    for seed in seeds {
        let story = play(seed, cast).unwrap_or_else(|v| panic!("seed {seed}: {v:?}"));
        sum.blocks += story.blocks;
        sum.crashes += story.crashes;
        sum.synced += story.synced;
        sum.evidence += story.evidence;
        sum.faults += story.faults;
        sum.round_max = sum.round_max.max(story.round_max);
    }
    println!("{cast:?}: {sum:?}");
    sum
}

/// How many of the seeds end in a violation that the predicate knows.
fn fires(seeds: std::ops::Range<u64>, cast: Cast, known: fn(&Violation) -> bool) -> usize {
    seeds.filter_map(|seed| play(seed, cast).err()).filter(known).count()
}

#[test]
fn honest_validators_agree_and_go_on_whatever_the_network_does() {
    let story = play_all(0..200, Cast::honest(4));
    assert!(story.crashes > 100, "{story:?}");
    assert!(story.synced > 100, "{story:?}");
    assert!(story.round_max > 1, "{story:?}");
}

#[test]
fn what_a_replay_signs_for_the_first_time_survives_the_next_crash() {
    // Crashes between signing and the log, comes back, signs the same, and crashes again.
    play(10_230, Cast::honest(4)).unwrap();
}

#[test]
fn an_equivocator_below_a_third_is_caught_and_changes_nothing() {
    let story = play_all(1_000..1_100, Cast { equivocator: true, ..Cast::honest(4) });
    assert!(story.evidence > 100, "{story:?}");
}

#[test]
fn validators_come_and_go_with_eras_and_an_observer_follows() {
    let cast = Cast { eras: true, observers: 1, target: 16, ..Cast::honest(5) };
    play_all(2_000..2_050, cast);
}

#[test]
fn seven_validators_with_eras_a_liar_and_an_observer_agree() {
    let cast = Cast { eras: true, equivocator: true, observers: 1, ..Cast::honest(7) };
    let story = play_all(3_000..3_025, cast);
    assert!(story.evidence > 10, "{story:?}");
}

#[test]
fn a_seed_replays_exactly() {
    let cast = Cast { eras: true, equivocator: true, observers: 1, ..Cast::honest(5) };
    for seed in 4_000..4_010 {
        assert_eq!(play(seed, cast), play(seed, cast));
    }
}

/// For a change of the engine's version, or of anything in `src/bft`.
#[test]
#[ignore = "takes minutes"]
fn thousands_of_seeds() {
    play_all(10_000..13_000, Cast::honest(4));
    play_all(20_000..23_000, Cast { equivocator: true, ..Cast::honest(4) });
    let cast = Cast { eras: true, observers: 1, target: 16, ..Cast::honest(5) };
    play_all(30_000..32_000, cast);
    let cast = Cast { eras: true, equivocator: true, observers: 1, ..Cast::honest(7) };
    play_all(40_000..41_000, cast);
    let cast = Cast { sabotage: Sabotage::ForgetLog, ..Cast::honest(4) };
    for seed in 50_000..52_000 {
        let end = play(seed, cast);
        assert!(matches!(end, Ok(_) | Err(Violation::NoProgress { .. })), "seed {seed}: {end:?}");
    }
}

#[test]
fn a_broken_quorum_is_noticed_as_a_fork() {
    let cast = Cast { sabotage: Sabotage::SplitQuorum, ..Cast::honest(4) };
    let forks = fires(0..10, cast, |violation| matches!(violation, Violation::Fork(_)));
    assert_eq!(forks, 10);
}

#[test]
fn a_forgotten_log_is_noticed_as_a_double_signature() {
    let cast = Cast { sabotage: Sabotage::ForgetEverything, ..Cast::honest(4) };
    let found = fires(0..60, cast, |violation| matches!(violation, Violation::DoubleSign { .. }));
    assert!(found > 5, "{found}");
}

#[test]
fn a_guard_without_its_log_stops_the_node_and_nothing_is_signed_twice() {
    let cast = Cast { sabotage: Sabotage::ForgetLog, ..Cast::honest(4) };
    let mut stopped = 0;
    for seed in 0..60 {
        match play(seed, cast) {
            Ok(story) => stopped += story.faults,
            // With too many stopped nothing moves any more, as it should be.
            Err(Violation::NoProgress { .. }) => stopped += 1,
            Err(violation) => panic!("seed {seed}: {violation:?}"),
        }
    }
    assert!(stopped > 5, "{stopped}");
}

#[test]
fn silence_is_noticed_as_no_progress() {
    let cast = Cast { sabotage: Sabotage::Silence, ..Cast::honest(4) };
    let stuck = |violation: &Violation| matches!(violation, Violation::NoProgress { .. });
    assert!(fires(0..10, cast, stuck) > 5);
}

#[test]
fn blind_judges_are_noticed_as_an_invalid_decision() {
    let sabotage = Sabotage::JudgeBlindly;
    let cast = Cast { equivocator: true, sabotage, ..Cast::honest(4) };
    let invalid = |violation: &Violation| matches!(violation, Violation::DecidedInvalid(_));
    // Most of the liar's proposals come to nothing because it contradicts itself.
    assert!(fires(0..40, cast, invalid) > 3);
}
