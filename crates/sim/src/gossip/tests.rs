//! What must come out: by counting hops on paper, by what others have published, and by the model.

use std::time::Duration;

use super::*;

fn played(setup: Setup, latency: Latency) -> Outcome {
    let network = Network::build(setup, &mut |_| true).unwrap().unwrap();
    network.play(latency, &mut |_| true).unwrap()
}

/// Nothing but hops: no validation, no transmission to speak of.
fn bare(nodes: u32, degree: usize) -> Setup {
    Setup {
        nodes,
        gossip: Setup::default().gossip.with_degree(degree),
        validation: Duration::ZERO,
        size: 1,
        uplink: 1_000_000_000_000,
        ..Setup::default()
    }
}

#[test]
fn the_same_seed_gives_the_same_outcome_and_another_one_another() {
    let setup = Setup {
        nodes: 3_000,
        loss: 0.1,
        silent: 0.1,
        malicious: 0.1,
        churn: 0.1,
        ..Setup::default()
    };
    let first = played(setup.clone(), Latency::Geo);
    assert_eq!(first, played(setup.clone(), Latency::Geo));
    assert_ne!(first, played(Setup { seed: 1, ..setup }, Latency::Geo));
}

#[test]
fn without_loss_everybody_gets_everything_and_nearly_all_through_the_mesh() {
    for nodes in [2, 3, 10, 100, 1_000, 10_000] {
        for latency in [Latency::Const(50.0), Latency::Lognormal(40.0), Latency::Geo] {
            let outcome = played(Setup { nodes, ..Setup::default() }, latency);
            assert_eq!(outcome.delivered, u64::from(nodes - 1) * 3);
            assert!(outcome.is_complete());
            // Over a slow link an advertisement may come before the mesh does.
            assert_eq!(outcome.through_mesh + outcome.outside_mesh, outcome.delivered);
            assert!(outcome.outside_mesh * 50 <= outcome.delivered, "{outcome:?}");
        }
    }
}

#[test]
fn in_a_complete_mesh_everybody_is_one_hop_away() {
    let setup = Setup {
        gossip: girrona_types::GossipSettings {
            degree: 32,
            degree_low: 32,
            degree_high: 40,
            ..Setup::default().gossip
        },
        ..bare(30, 8)
    };
    let outcome = played(setup, Latency::Const(70.0));
    assert_eq!((outcome.hops, outcome.hops_max), (1.0, 1));
    assert_eq!((outcome.p50, outcome.max), (70.0, 70.0));
    // Everybody sends to everybody but the author and itself.
    assert_eq!(outcome.duplicates * 30.0, f64::from(29 * 28));
}

#[test]
fn hops_take_their_latency_and_validation_each_and_no_more() {
    let setup = Setup { validation: Duration::from_millis(10), ..bare(5_000, 8) };
    let outcome = played(setup, Latency::Const(50.0));
    // The author validates nothing: h hops are h latencies and h - 1 validations.
    let hops = f64::from(outcome.hops_max);
    assert!((outcome.max - (hops * 60.0 - 10.0)).abs() < 0.2, "{outcome:?}");
}

#[test]
fn the_depth_lies_between_that_of_a_tree_and_a_little_more() {
    for (nodes, degree) in [(1_000_u32, 4), (1_000, 8), (20_000, 6), (20_000, 8), (20_000, 16)] {
        let outcome = played(bare(nodes, degree), Latency::Const(10.0));
        // Nobody has more than `degree_high` mesh peers, so no tree is wider than this one.
        let widest = Setup::default().gossip.with_degree(degree).degree_high as f64;
        let (mut reached, mut least) = (1.0 + widest, 1);
        while reached < f64::from(nodes) {
            reached += widest * (widest - 1.0).powi(least);
            least += 1;
        }
        let tree = f64::from(nodes).ln() / (outcome.mesh_degree - 1.0).ln();
        let deepest = f64::from(outcome.hops_max);
        assert!(deepest >= f64::from(least), "{nodes} {degree}: {outcome:?}");
        assert!(deepest <= tree.ceil() + 3.0, "{nodes} {degree}: {outcome:?}");
    }
}

#[test]
fn copies_leave_an_uplink_one_after_the_other() {
    // One second for each copy, two nodes to send to.
    let setup = Setup { nodes: 3, size: 125_000, uplink: 1_000_000, messages: 1, ..bare(3, 2) };
    let outcome = played(setup, Latency::Const(0.0));
    assert_eq!((outcome.p50, outcome.max), (1_000.0, 2_000.0));
}

#[test]
fn with_a_tenth_lost_and_a_third_silent_gossip_outside_the_mesh_delivers_all_of_it() {
    let setup = Setup { nodes: 5_000, loss: 0.1, silent: 0.3, ..Setup::default() };
    let outcome = played(setup.clone(), Latency::Geo);
    assert!(outcome.is_complete(), "{outcome:?}");
    assert!(outcome.outside_mesh > 0);
    assert!(outcome.max < 5_000.0, "{outcome:?}");
    let setup = Setup { gossip: setup.gossip.mesh_only(), ..setup };
    let outcome = played(setup, Latency::Geo);
    assert!(!outcome.is_complete(), "the mesh alone delivers too");
    assert_eq!((outcome.outside_mesh, outcome.advertisements), (0, 0.0));
}

#[test]
fn nodes_that_come_late_hear_of_it_and_those_that_leave_tear_no_holes() {
    let setup = Setup { nodes: 5_000, churn: 0.2, ..Setup::default() };
    let outcome = played(setup, Latency::Geo);
    assert!(outcome.is_complete(), "{outcome:?}");
    assert!((1_000..2_000).contains(&outcome.arrived_late), "{outcome:?}");
    assert!(outcome.delivered_late * 10 > outcome.arrived_late * 7, "{outcome:?}");
}

#[test]
fn the_malicious_slow_the_rest_down_and_stop_nobody() {
    let setup = Setup { nodes: 5_000, ..Setup::default() };
    let fair = played(setup.clone(), Latency::Geo);
    let foul = played(Setup { malicious: 0.3, ..setup }, Latency::Geo);
    assert!(foul.is_complete(), "{foul:?}");
    assert!(foul.p99 > fair.p99);
    assert!(foul.advertisements > fair.advertisements);
}

#[test]
fn idontwant_spares_copies_of_messages_that_are_worth_it() {
    let spared = |size| {
        let setup = Setup { nodes: 2_000, size, ..Setup::default() };
        let outcome = played(setup, Latency::Geo);
        (outcome.spared, outcome.duplicates)
    };
    let (small, small_twice) = spared(1_023);
    let (large, large_twice) = spared(65_536);
    assert_eq!(small, 0.0);
    assert!(large > 0.5 && large_twice < small_twice, "{large} {large_twice} {small_twice}");
}

/// A measurement of others: 1,000 nwaku nodes in Shadow, 100 ms one way, 10 kB, 38 Mbit/s up, 12 ms
/// to verify, D = 6 (nim-libp2p: 4 to 12). Published: 358 ms on average, 95 in 100 within 477, both
/// without the 150 ms that the proof takes first.
#[test]
fn what_others_have_measured_comes_out_within_a_tenth() {
    let setup = Setup {
        nodes: 1_000,
        gossip: girrona_types::GossipSettings {
            degree: 6,
            degree_low: 4,
            degree_high: 12,
            outbound_min: 2,
            flood_publish: true,
            heartbeat: Duration::from_secs(1),
            ..Setup::default().gossip
        },
        validation: Duration::from_millis(12),
        size: 10_000,
        uplink: 38_000_000,
        messages: 20,
        ..Setup::default()
    };
    let outcome = played(setup, Latency::Const(100.0));
    assert!((outcome.mean / 358.0 - 1.0).abs() < 0.1, "{outcome:?}");
    // Their 95 in 100 lies between our 90 and our 99.
    assert!(outcome.p90 < 477.0 * 1.1 && outcome.p99 > 477.0 * 0.9, "{outcome:?}");
}

/// The model counts processing once, a message is processed at every hop. So the model is an upper
/// bound wherever links, and not the nodes, decide: from three times a node's own delay on.
#[test]
fn p99_lies_under_the_model_wherever_links_take_longer_than_nodes() {
    let (mut held, mut exceptions) = (0, Vec::new());
    for nodes in [100, 1_000, 10_000] {
        for degree in [4, 6, 8, 12, 16] {
            let gossip = Setup::default().gossip.with_degree(degree);
            let setup = Setup { nodes, gossip, ..Setup::default() };
            let network = Network::build(setup, &mut |_| true).unwrap().unwrap();
            for latency in [
                Latency::Const(1.0),
                Latency::Const(5.0),
                Latency::Const(50.0),
                Latency::Uniform(10.0, 90.0),
                Latency::Lognormal(50.0),
                Latency::Geo,
            ] {
                let outcome = network.play(latency, &mut |_| true).unwrap();
                assert!(outcome.is_complete(), "{outcome:?}");
                if outcome.is_within_model() {
                    held += 1;
                } else {
                    assert!(outcome.one_way_p99 < outcome.base_delay * 3.0, "{outcome:?}");
                    exceptions.push(outcome.latency);
                }
            }
        }
    }
    assert!(held >= 60, "{held} of 90");
    // The check can fail, and does where nodes take longer than links.
    assert!(exceptions.iter().filter(|latency| *latency == "const:1ms").count() == 15);
}

#[test]
fn nonsense_is_refused_and_says_why() {
    let refused = |change: fn(&mut Setup)| {
        let mut setup = Setup::default();
        change(&mut setup);
        Network::build(setup, &mut |_| true).unwrap_err().to_string()
    };
    assert!(refused(|setup| setup.nodes = 0).contains("from 2 to 4000000"));
    assert!(refused(|setup| setup.nodes = NODES_MAX + 1).contains("from 2 to 4000000"));
    assert!(refused(|setup| setup.gossip.degree = 0).contains("at least 2 neighbours"));
    assert!(refused(|setup| setup.gossip.degree = 33).contains("more than 32 connections"));
    assert!(refused(|setup| setup.connections = 1_000).contains("from 2 to 40"));
    assert!(refused(|setup| setup.loss = 1.0).contains("100 is not a share"));
    assert!(refused(|setup| setup.silent = f64::NAN).contains("silent nodes"));
    assert!(refused(|setup| setup.malicious = 0.6).contains("fewer than half"));
    assert!(refused(|setup| setup.messages = 0).contains("more than zero"));
    assert!(refused(|setup| setup.uplink = 1).contains("at most 60 s"));
    assert!(refused(|setup| setup.patience = Duration::MAX).contains("at most 600 s"));
}

#[test]
fn a_stopped_run_ends() {
    let setup = Setup { nodes: 20_000, ..Setup::default() };
    assert!(Network::build(setup.clone(), &mut |_| false).unwrap().is_none());
    let network = Network::build(setup, &mut |_| true).unwrap().unwrap();
    let mut looks = 0;
    let mut watch = |_| {
        looks += 1;
        looks < 2
    };
    assert_eq!(network.play(Latency::Geo, &mut watch), None);
    assert_eq!(looks, 2);
}
