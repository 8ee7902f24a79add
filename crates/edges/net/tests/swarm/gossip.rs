//! Gossip: everything reaches everybody once, what is bad is not passed on and costs its sender.

use bytes::Bytes;
use girrona_net::Topic;

use crate::nodes::{config, mesh, start, until, warm_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_topic_reaches_all_four_nodes_exactly_once() {
    let nodes = mesh(10..14).await;
    warm_up(&nodes).await;
    for (place, node) in nodes.iter().enumerate() {
        for topic in Topic::ALL {
            for i in 0..20 {
                assert!(node.net.publish(topic, Bytes::from(format!("{topic:?}/{place}/{i}"))));
            }
        }
    }
    let topics = Topic::ALL.len();
    let all = 4 * topics * 20;
    let own = topics * 20;
    let received = |place: usize| {
        let log = nodes[place].log.lock().unwrap();
        log.gossip.iter().filter(|(_, _, item)| !item.starts_with(b"hello")).count()
    };
    until("everything is everywhere", || (0..4).all(|place| received(place) >= all - own)).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    for node in &nodes {
        let log = node.log.lock().unwrap();
        let mut items: Vec<_> = log.gossip.iter().map(|(topic, _, item)| (topic, item)).collect();
        let before = items.len();
        items.sort();
        items.dedup();
        assert_eq!(items.len(), before, "something came twice");
    }
    for place in 0..4 {
        assert_eq!(received(place), all - own, "its own is not among them");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploys_travel_in_batches_and_the_longest_by_itself() {
    let nodes = mesh(14..16).await;
    warm_up(&nodes).await;
    nodes[1].log.lock().unwrap().batches.clear();
    for i in 0..2_000 {
        assert!(nodes[0].net.publish(Topic::Deploys, Bytes::from(format!("{i:0>250}"))));
    }
    let longest = Bytes::from(vec![b'x'; 1 << 20]);
    assert!(nodes[0].net.publish(Topic::Deploys, longest.clone()));
    until("the longest is there", || nodes[1].count(Topic::Deploys, &longest) == 1).await;
    let deploys = || {
        let log = nodes[1].log.lock().unwrap();
        log.gossip
            .iter()
            .filter(|(topic, _, item)| *topic == Topic::Deploys && item.len() == 250)
            .count()
    };
    until("all deploys are there", || deploys() == 2_000).await;
    let batches = nodes[1].log.lock().unwrap().batches.len();
    assert!(batches <= 60, "2000 deploys came in {batches} messages");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_before_anybody_is_there_arrives_later() {
    let alone = start(config(16)).await;
    for topic in Topic::ALL {
        assert!(alone.net.publish(topic, Bytes::from_static(b"early")));
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let late = start(girrona_net::Config { peers: vec![alone.address()], ..config(17) }).await;
    let all = || Topic::ALL.into_iter().all(|topic| late.count(topic, b"early") == 1);
    until("the early messages are there", all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_sent_again_is_heard_again_and_a_block_is_not() {
    let nodes = mesh(18..20).await;
    warm_up(&nodes).await;
    for _ in 0..3 {
        assert!(nodes[0].net.publish(Topic::Consensus, Bytes::from_static(b"vote")));
        assert!(nodes[0].net.publish(Topic::Blocks, Bytes::from_static(b"block")));
    }
    until("three votes", || nodes[1].count(Topic::Consensus, b"vote") == 3).await;
    until("one block", || nodes[1].count(Topic::Blocks, b"block") == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_longer_than_its_topic_allows_is_not_taken() {
    let node = start(config(20)).await;
    for topic in Topic::ALL {
        assert!(!node.net.publish(topic, Bytes::from(vec![1; topic.max_size() + 1])));
        assert!(!node.net.publish(topic, Bytes::new()));
        assert!(node.net.publish(topic, Bytes::from(vec![1; topic.max_size() - 4])));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ignored_message_costs_nothing_and_a_rejected_one_costs_score() {
    let nodes = mesh(21..23).await;
    warm_up(&nodes).await;
    for i in 0..40 {
        assert!(nodes[0].net.publish(Topic::Finality, Bytes::from(format!("skip {i}"))));
    }
    until("the last is ignored", || nodes[1].count(Topic::Finality, b"skip 39") == 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    assert!(nodes[1].score(nodes[0].peer()).unwrap() >= 0.0);

    assert!(nodes[0].net.publish(Topic::Finality, Bytes::from_static(b"bad 1")));
    assert!(nodes[0].net.publish(Topic::Finality, Bytes::from_static(b"bad 2")));
    let low = || nodes[1].score(nodes[0].peer()).is_some_and(|score| score < -20.0);
    until("the score is low", low).await;
    assert!(nodes[1].has_metric("net_verdicts_total{topic=\"finality\",verdict=\"reject\"}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_bad_messages_ends_in_a_ban_and_the_others_go_on() {
    let nodes = mesh(23..27).await;
    warm_up(&nodes).await;
    let liar = &nodes[0];
    for i in 0..10_000 {
        liar.net.publish(Topic::Consensus, Bytes::from(format!("bad {i}")));
    }
    let alone = || nodes[1..].iter().all(|node| !node.is_with(liar.peer()));
    until("everybody has sent the liar away", alone).await;
    for node in &nodes[1..] {
        assert!(node.has_metric("net_bans_total"));
        let bad = |item: &Bytes| item.starts_with(b"bad");
        let heard = node.log.lock().unwrap().gossip.iter().filter(|g| bad(&g.2)).count();
        assert!(heard < 2_000, "{heard} of 10000 bad messages were listened to");
    }
    assert!(nodes[1].net.publish(Topic::Blocks, Bytes::from_static(b"life goes on")));
    let heard = || nodes[2..].iter().all(|node| node.count(Topic::Blocks, b"life goes on") == 1);
    until("the others hear each other", heard).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(nodes[1..].iter().all(|node| !node.is_with(liar.peer())), "the ban holds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_three_thousand_votes_is_heard_in_full() {
    let nodes = mesh(27..30).await;
    warm_up(&nodes).await;
    for i in 0..3_000 {
        assert!(nodes[0].net.publish(Topic::Consensus, Bytes::from(format!("{i:0>200}"))));
    }
    let heard = |node: &crate::nodes::Node| {
        node.log.lock().unwrap().gossip.iter().filter(|(_, _, item)| item.len() == 200).count()
    };
    until("all votes are heard", || nodes[1..].iter().all(|node| heard(node) == 3_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn validators_that_protect_each_other_hear_everything_once_also_after_a_restart() {
    let mut nodes = mesh(30..33).await;
    let protect = |nodes: &[crate::nodes::Node]| {
        for node in nodes {
            for other in nodes {
                node.net.protect(other.peer());
            }
        }
    };
    protect(&nodes);
    let all = |node: &crate::nodes::Node| node.net.peers().iter().all(|peer| peer.protected);
    until("all are protected", || nodes.iter().all(all)).await;
    warm_up(&nodes).await;
    let last = nodes.pop().unwrap();
    last.net.stop().await;
    let peers = nodes.iter().map(crate::nodes::Node::address).collect();
    nodes.push(start(girrona_net::Config { peers, ..config(32) }).await);
    protect(&nodes);
    until("it is back", || nodes.iter().all(|node| node.members() == 2)).await;
    for (place, node) in nodes.iter().enumerate() {
        let text = Bytes::from(format!("after {place}"));
        assert!(node.net.publish(Topic::Blocks, text.clone()));
        let others = || nodes.iter().filter(|other| other.peer() != node.peer());
        until("the others hear it", || others().all(|o| o.count(Topic::Blocks, &text) == 1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_accepted_is_measured_beside_the_model() {
    let nodes = mesh(60..63).await;
    warm_up(&nodes).await;
    for i in 0..20 {
        assert!(nodes[0].net.publish(Topic::Finality, Bytes::from(format!("measured {i}"))));
    }
    let of = |node: &crate::nodes::Node| {
        node.net.spread().into_iter().find(|one| one.topic == Topic::Finality)
    };
    let measured = |node: &crate::nodes::Node| {
        of(node).is_some_and(|one| {
            one.mesh.messages + one.outside.messages >= 20
                && one.inputs.nodes == 3
                && one.inputs.rtt_us > 0
                && one.model.is_some_and(|model| !model.is_zero())
        })
    };
    until("both measure", || nodes[1..].iter().all(measured)).await;
    for node in &nodes[1..] {
        let one = of(node).unwrap();
        let slowest = one.mesh.p99.max(one.outside.p99).unwrap();
        assert!(slowest < std::time::Duration::from_secs(10), "one clock: {slowest:?}");
        assert_eq!(one.clocks_ahead, 0);
        assert!(node.has_metric("net_propagation_model_seconds"));
        assert!(node.has_metric("net_propagation_seconds_bucket"));
    }
}
