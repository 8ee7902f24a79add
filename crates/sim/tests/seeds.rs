//! Seeds that must pass, and sabotage that must not.

use std::sync::Mutex;

use girrona_sim::{Ill, Sabotage, Settings, Violation, run, run_many};

/// How many seeds a test run plays.
const SEEDS: u64 = 200;

/// What the oracles find in the seeds of a run that is sabotaged.
fn found(seeds: std::ops::Range<u64>, sabotage: Sabotage) -> Vec<Violation> {
    let totals = run_many(seeds, 2, &Settings::default(), sabotage, |_| {});
    totals.violations.into_iter().map(|(_, violation)| violation).collect()
}

/// Asserts that sabotage is noticed in some seed, as what it is.
#[track_caller]
fn fires(sabotage: Sabotage, seeds: u64, is_it: impl Fn(&Violation) -> bool) {
    let found = found(0..seeds, sabotage);
    assert!(found.iter().any(is_it), "{sabotage:?} in {seeds} seeds: {found:#?}");
}

#[test]
fn every_seed_passes_and_the_seeds_are_not_dull() {
    let told = Mutex::new(0);
    let totals = run_many(0..SEEDS, 2, &Settings::default(), Sabotage::None, |_| {
        *told.lock().unwrap() += 1;
    });
    println!("{totals}");
    assert_eq!(totals.violations, []);
    assert_eq!((totals.seeds, *told.lock().unwrap()), (SEEDS, SEEDS));
    assert!(totals.blocks >= SEEDS * 30);
    for (what, count, least) in [
        ("executed deploys", totals.executed, 500),
        ("failed deploys", totals.failed, 200),
        ("ways to fail", totals.failures.len() as u64, 5),
        ("expired deploys", totals.expired, 500),
        ("kinds of writes that nodes died in", totals.deaths.len() as u64, 5),
        ("deaths between inputs", totals.power_offs, 20),
        ("restarts", totals.restarts, 50),
        ("late joins", totals.late_joins, 10),
        ("partitions", totals.partitions, 50),
        ("contradictions", totals.equivocations, 200),
        ("evidence", totals.evidence, 25),
        ("kinds of bad proposals", totals.ills.len() as u64, 15),
        ("fetched blocks", totals.synced, 200),
        ("late rounds", totals.late_rounds, 100),
        ("eras", totals.eras, 200),
        ("elections", totals.elections, 30),
        ("changes of weights", totals.reweighted, 100),
        ("evictions", totals.evicted, 20),
    ] {
        assert!(count >= least, "{what}: only {count}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [1, 15, 7_777] {
        let report = run(seed, &Settings::default(), Sabotage::None);
        assert_eq!(run(seed, &Settings::default(), Sabotage::None), report);
        assert_ne!(report.trace, 0);
    }
}

#[test]
fn different_seeds_play_differently() {
    let trace = |seed| run(seed, &Settings::default(), Sabotage::None).trace;
    assert_ne!(trace(1), trace(2));
}

#[test]
fn two_certificates_for_one_height_are_noticed_as_a_fork() {
    fires(Sabotage::ForgeFork, 6, |it| matches!(it, Violation::Fork { .. }));
}

#[test]
fn votes_that_a_disk_lost_are_noticed_as_a_double_signature() {
    fires(Sabotage::LoseVotes, 30, |it| matches!(it, Violation::DoubleSign { .. }));
}

#[test]
fn a_node_that_executes_otherwise_is_noticed_by_its_root() {
    fires(Sabotage::SkewExecution, 4, |it| matches!(it, Violation::Roots { .. }));
}

#[test]
fn a_disk_that_goes_back_is_noticed_as_a_lost_block() {
    fires(Sabotage::RollBack, 8, |it| matches!(it, Violation::FinalLost { .. }));
}

#[test]
fn one_mote_from_nowhere_is_noticed() {
    fires(Sabotage::MintFromNothing, 4, |it| matches!(it, Violation::Supply { .. }));
}

#[test]
fn a_bidder_whom_the_auction_forgets_is_noticed() {
    fires(Sabotage::BlindAuction, 8, |it| matches!(it, Violation::Era { .. }));
}

#[test]
fn a_deploy_that_is_executed_twice_is_noticed() {
    fires(Sabotage::ForgetExecuted, 12, |it| matches!(it, Violation::ExecutedTwice { .. }));
    let executed = Sabotage::Forge(Ill::Executed);
    fires(executed, 12, |it| matches!(it, Violation::ExecutedTwice { .. }));
}

#[test]
fn a_deploy_in_a_block_after_its_time_is_noticed() {
    let expired = Sabotage::Forge(Ill::Expired);
    fires(expired, 6, |it| matches!(it, Violation::ExecutedLate { .. }));
}

#[test]
fn a_deploy_that_is_forgotten_is_noticed() {
    fires(Sabotage::LosePending, 12, |it| matches!(it, Violation::Unsettled { .. }));
}

#[test]
fn an_expiry_that_is_told_late_is_noticed() {
    fires(Sabotage::LateTicks, 6, |it| matches!(it, Violation::Expiry { .. }));
}

#[test]
fn a_bad_proposal_that_is_decided_is_noticed() {
    for ill in [Ill::Unsigned, Ill::Unfunded, Ill::NoAccount, Ill::WrongList, Ill::Seed] {
        let decided =
            |it: &Violation| matches!(it, Violation::DecidedIll { ill: it, .. } if *it == ill);
        fires(Sabotage::Forge(ill), 6, decided);
    }
}

#[test]
fn an_honest_validator_that_is_accused_is_noticed() {
    let slander = Sabotage::Forge(Ill::Evidence);
    fires(slander, 6, |it| matches!(it, Violation::DecidedIll { ill: Ill::Evidence, .. }));
    fires(Sabotage::Slander, 6, |it| matches!(it, Violation::FalseAccusation { .. }));
}

#[test]
fn a_network_that_stays_cut_is_noticed_as_a_stall() {
    fires(Sabotage::NeverHeal, 6, |it| matches!(it, Violation::Stalled { .. }));
}

#[test]
fn a_node_that_stays_cut_off_is_noticed_as_a_laggard() {
    fires(Sabotage::NeverHealOne, 8, |it| matches!(it, Violation::Laggard { .. }));
}

#[test]
fn deploys_that_are_not_gossiped_are_noticed() {
    fires(Sabotage::KeepDeploys, 6, |it| matches!(it, Violation::Unheard { .. }));
}

#[test]
fn questions_without_end_are_noticed() {
    fires(Sabotage::NeverAnswer, 24, |it| matches!(it, Violation::Requests { .. }));
}

#[test]
fn a_validator_that_does_not_vouch_for_its_blocks_is_noticed() {
    fires(Sabotage::MuteFinality, 4, |it| matches!(it, Violation::Finality { .. }));
}

#[test]
fn a_block_that_the_law_does_not_know_is_noticed_as_a_node_that_stops() {
    let parent = Sabotage::Forge(Ill::Parent);
    fires(parent, 6, |it| matches!(it, Violation::Stopped { .. }));
}
