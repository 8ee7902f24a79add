//! Finding, remembering and keeping apart.

use std::time::Duration;

use bytes::Bytes;
use girrona_net::{Config, Error, Limits, Topic};

use crate::nodes::{Node, config, quic, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_finds_its_peers_from_the_book_alone() {
    for base in [config, quic] {
        let folder = tempfile::tempdir().unwrap();
        let book = folder.path().join("peers.txt");
        let friend = start(base(80)).await;
        let first = Config {
            peers: vec![friend.bare_address()],
            peer_book: Some(book.clone()),
            ..base(81)
        };
        let node = start(first.clone()).await;
        until("they meet", || node.is_with(friend.peer())).await;
        node.net.stop().await;
        until("it has gone", || friend.members() == 0).await;
        assert!(std::fs::read_to_string(&book).unwrap().contains(&friend.peer().to_string()));

        let again = start(Config { peers: vec![], ..first }).await;
        until("they meet again", || again.is_with(friend.peer())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_discovery_a_peer_of_a_peer_is_found_and_without_it_is_not() {
    let open = |seed| Config { discovery: true, ..config(seed) };
    let a = start(open(82)).await;
    let b = start(Config { peers: vec![a.address()], ..open(83) }).await;
    until("a and b meet", || a.is_with(b.peer())).await;
    let c = start(Config { peers: vec![b.address()], ..open(84) }).await;
    until("c finds a", || c.is_with(a.peer())).await;

    let closed = start(Config { peers: vec![b.address()], ..config(85) }).await;
    until("the closed one meets b", || closed.is_with(b.peer())).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(closed.net.peers().len(), 1, "it dials nobody it was not told of");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_discovery_three_in_a_row_stay_a_row() {
    let a = start(config(86)).await;
    let b = start(Config { peers: vec![a.address()], ..config(87) }).await;
    let c = start(Config { peers: vec![b.address()], ..config(88) }).await;
    until("the row stands", || a.members() == 1 && b.members() == 2 && c.members() == 1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!c.is_with(a.peer()));
    assert!(a.net.publish(Topic::Blocks, Bytes::from_static(b"along the row")));
    until("gossip goes along it", || c.count(Topic::Blocks, b"along the row") == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_network_does_not_mix() {
    let ours = start(config(89)).await;
    let friend = start(Config { peers: vec![ours.address()], ..config(90) }).await;
    let other = Config { network: "other".into(), peers: vec![ours.address()], ..config(91) };
    let other = start(other).await;
    until("ours meet", || ours.is_with(friend.peer())).await;
    // Whoever hears the other's introduction first ends it.
    let apart = |node: &Node| node.has_metric("net_bans_total{reason=\"another network\"}");
    until("they are apart", || apart(&ours) || apart(&other)).await;
    for topic in Topic::ALL {
        other.net.publish(topic, Bytes::from_static(b"from afar"));
        ours.net.publish(topic, Bytes::from_static(b"from home"));
    }
    until("home is heard at home", || friend.count(Topic::Blocks, b"from home") == 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ours.members(), 1);
    assert_eq!(other.members(), 0);
    assert!(other.log.lock().unwrap().connected.is_empty());
    assert!(other.log.lock().unwrap().gossip.is_empty());
    assert_eq!(ours.count(Topic::Blocks, b"from afar"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configured_peer_that_is_late_is_found_within_moments() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address: libp2p::Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    let early = start(Config { peers: vec![address.clone()], ..config(92) }).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let late = start(Config { listen: vec![address], ..config(93) }).await;
    let start = std::time::Instant::now();
    until("they meet", || early.is_with(late.peer())).await;
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(early.log.lock().unwrap().connected, [late.peer()]);
}

// A stopped QUIC endpoint frees its port when its connections are drained.
async fn restart(config: &Config) -> Node {
    let own = || std::net::UdpSocket::bind(("127.0.0.1", port_of(&config.listen[0]))).is_ok();
    until("its port is free again", own).await;
    start(config.clone()).await
}

fn port_of(address: &libp2p::Multiaddr) -> u16 {
    let port = |part| match part {
        libp2p::multiaddr::Protocol::Tcp(port) | libp2p::multiaddr::Protocol::Udp(port) => {
            Some(port)
        }
        _ => None,
    };
    address.iter().find_map(port).unwrap()
}

// As in a devnet: everybody is configured with everybody, and all start at once.
async fn all_dial_all(scheme: fn(u16) -> String, seeds: std::ops::Range<u8>) {
    let port = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let addresses: Vec<libp2p::Multiaddr> =
        seeds.clone().map(|_| scheme(port()).parse().unwrap()).collect();
    let configs: Vec<_> = seeds
        .zip(&addresses)
        .map(|(seed, own)| Config {
            listen: vec![own.clone()],
            peers: addresses.clone(),
            ..config(seed)
        })
        .collect();
    let mut nodes = futures::future::join_all(configs.iter().cloned().map(start)).await;
    let together = |nodes: &[Node]| nodes.iter().all(|node| node.members() == nodes.len() - 1);
    for (round, again) in configs.iter().enumerate().take(3) {
        until("all are together", || together(&nodes)).await;
        for (place, node) in nodes.iter().enumerate() {
            let text = Bytes::from(format!("round {round} of {place}"));
            node.net.publish(Topic::Consensus, text.clone());
            let others = || nodes.iter().filter(|other| other.peer() != node.peer());
            until("gossip is heard", || {
                others().all(|other| other.count(Topic::Consensus, &text) == 1)
            })
            .await;
            until("frames are heard", || {
                for other in others() {
                    node.net.send(other.peer(), text.clone());
                }
                others().all(|other| other.frames(node.peer()).contains(&text))
            })
            .await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(together(&nodes), "they stay together");
        let first = nodes.remove(0);
        first.net.stop().await;
        nodes.push(restart(again).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_that_dial_each_other_at_once_end_up_together_over_tcp() {
    all_dial_all(|port| format!("/ip4/127.0.0.1/tcp/{port}"), 100..104).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_that_dial_each_other_at_once_end_up_together_over_quic() {
    all_dial_all(|port| format!("/ip4/127.0.0.1/udp/{port}/quic-v1"), 104..108).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_faults_are_a_ban_that_ends_and_a_protected_peer_is_never_banned() {
    let limits = Limits { ban: Duration::from_secs(4), ..Limits::default() };
    let judge = start(Config { limits, ..config(94) }).await;
    let peer = start(Config { peers: vec![judge.address()], ..config(95) }).await;
    let validator = start(Config { peers: vec![judge.address()], ..config(96) }).await;
    until("they meet", || judge.members() == 2).await;
    judge.net.protect(validator.peer());
    for _ in 0..4 {
        judge.net.penalise(peer.peer(), "a test");
    }
    until("the score falls", || judge.score(peer.peer()).is_some_and(|s| s < -300.0)).await;
    for _ in 0..9 {
        judge.net.penalise(peer.peer(), "a test");
        judge.net.penalise(validator.peer(), "a test");
    }
    until("the peer is banned", || !judge.is_with(peer.peer())).await;
    assert!(judge.is_with(validator.peer()));
    let gone = || judge.log.lock().unwrap().disconnected == [peer.peer()];
    until("the owner is told", gone).await;
    until("the ban is served", || judge.is_with(peer.peer())).await;
    assert!(judge.score(peer.peer()).unwrap() > -100.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_start_says_why() {
    let refused = async |config: Config| {
        let mut registry = prometheus_client::registry::Registry::default();
        girrona_net::Net::start(config, &mut registry).await.unwrap_err()
    };
    let running = start(config(97)).await;
    let taken = refused(Config { listen: vec![running.bare_address()], ..config(98) }).await;
    assert!(matches!(taken, Error::Listen { .. }), "{taken}");
    let name = refused(Config { network: "a/b".into(), ..config(98) }).await;
    assert!(name.to_string().contains("\"a/b\""), "{name}");
    let peers = vec!["/ip4/127.0.0.1".parse().unwrap()];
    let peer = refused(Config { peers, ..config(98) }).await;
    assert!(matches!(peer, Error::PeerAddress { .. }), "{peer}");
    let none = refused(Config { listen: vec![], ..config(98) }).await;
    assert!(matches!(none, Error::NoListener), "{none}");
    let folder = tempfile::tempdir().unwrap();
    let book = refused(Config { peer_book: Some(folder.path().into()), ..config(98) }).await;
    assert!(matches!(book, Error::PeerBook { .. }), "{book}");
}
