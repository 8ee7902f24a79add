//! Direct streams: order, size, backpressure, and coming back after a restart.

use bytes::Bytes;
use girrona_net::{Config, MAX_FRAME, Net, Topic};
use prometheus_client::registry::Registry;

use crate::nodes::{Node, config, mesh, quic, start, until};

fn numbers(node: &Node, from: girrona_net::PeerId) -> Vec<u32> {
    let number = |frame: &Bytes| u32::from_be_bytes(frame[..4].try_into().unwrap());
    node.frames(from).iter().map(number).collect()
}

fn frame(number: u32, len: usize) -> Bytes {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(len, 0);
    bytes.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_in_order_over_tcp_and_quic() {
    let nodes = mesh(40..42).await;
    let (one, two) = (&nodes[0], &nodes[1]);
    for (from, to) in [(one, two), (two, one)] {
        for number in 0..500 {
            assert!(from.net.send(to.peer(), frame(number, 4 + number as usize)));
        }
        assert!(from.net.send(to.peer(), frame(500, MAX_FRAME)));
        assert!(!from.net.send(to.peer(), frame(501, MAX_FRAME + 1)));
        until("all frames are there", || numbers(to, from.peer()).len() == 501).await;
        assert_eq!(numbers(to, from.peer()), (0..501).collect::<Vec<_>>());
    }
    assert!(!one.net.send(libp2p::PeerId::random(), frame(0, 4)), "not connected");
}

async fn restart(base: fn(u8) -> Config, seeds: [u8; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let stays = start(base(seeds[0])).await;
    let peers = vec![stays.address()];
    let goes_config = Config { peers, ..base(seeds[1]) };
    let goes = start(goes_config.clone()).await;
    until("they meet", || stays.is_with(goes.peer()) && goes.is_with(stays.peer())).await;
    assert!(stays.net.send(goes.peer(), frame(1, 10)));
    until("the first frame", || numbers(&goes, stays.peer()) == [1]).await;
    goes.net.stop().await;
    until("it has gone", || !stays.is_with(goes.peer())).await;
    let taken = stays.net.send(goes.peer(), frame(2, 10));
    assert!(taken, "frames wait for a peer that may be back in a moment");

    let back = start(goes_config).await;
    assert_eq!(back.peer(), goes.peer());
    until("the second frame", || numbers(&back, stays.peer()) == [2]).await;
    for number in 3..200 {
        assert!(stays.net.send(back.peer(), frame(number, 10)));
        assert!(back.net.send(stays.peer(), frame(number, 10)));
    }
    let both =
        || numbers(&back, stays.peer()).len() == 198 && numbers(&stays, back.peer()).len() == 197;
    until("all later frames", both).await;
    assert_eq!(numbers(&back, stays.peer()), (2..200).collect::<Vec<_>>());
    assert_eq!(numbers(&stays, back.peer()), (3..200).collect::<Vec<_>>());
    stays.net.publish(Topic::Blocks, Bytes::from_static(b"after"));
    until("gossip works again", || back.count(Topic::Blocks, b"after") == 1).await;
    drop(folder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_streams_survive_a_restart_with_the_same_key_over_tcp() {
    restart(config, [42, 43]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_streams_survive_a_restart_with_the_same_key_over_quic() {
    restart(quic, [44, 45]).await;
}

// The killed peer says no goodbye: its runtime is torn down with everything in it.
fn kill(base: fn(u8) -> Config, seeds: [u8; 2]) {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let living = runtime();
    let stays = living.block_on(start(base(seeds[0])));
    let victim_config = Config { peers: vec![stays.address()], ..base(seeds[1]) };
    let meet = |node: &Node| {
        living.block_on(until("they meet", || {
            stays.is_with(node.peer()) && node.is_with(stays.peer())
        }));
        // What is sent before the old connection's end is noticed goes into it.
        living.block_on(until("a frame", || {
            stays.net.send(node.peer(), frame(7, 10));
            numbers(node, stays.peer()).contains(&7)
        }));
        let text = Bytes::from(format!("{:?}", std::time::Instant::now()));
        living.block_on(until("gossip flows", || {
            stays.net.publish(Topic::Consensus, text.clone());
            node.count(Topic::Consensus, &text) > 0
        }));
    };
    for _ in 0..3 {
        let doomed = runtime();
        let victim = doomed.block_on(start(victim_config.clone()));
        meet(&victim);
        // A process takes longer than this to start; see the gate.
        std::thread::sleep(std::time::Duration::from_millis(400));
        doomed.shutdown_background();
    }
    let back = living.block_on(start(victim_config));
    meet(&back);
}

#[test]
fn a_killed_peer_is_back_at_once_over_tcp() {
    kill(config, [46, 47]);
}

#[test]
fn a_killed_peer_is_back_at_once_over_quic() {
    kill(quic, [48, 49]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_owner_holds_back_its_senders_and_loses_no_frame() {
    let sender = start(config(50)).await;
    let slow = Config { peers: vec![sender.address()], ..config(51) };
    let (net, mut events) = Net::start(slow, &mut Registry::default()).await.unwrap();
    until("they meet", || sender.is_with(net.local_peer())).await;
    let mut sent = 0u32;
    let mut refused = false;
    for _ in 0..3_000 {
        if sender.net.send(net.local_peer(), frame(sent, 64 << 10)) {
            sent += 1;
        } else {
            refused = true;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    assert!(refused, "the queue towards a peer that does not read is bounded");
    let mut next = 0u32;
    while next < sent {
        let event = events.recv().await.unwrap();
        if let girrona_net::Event::Direct { bytes, .. } = event {
            assert_eq!(bytes[..4], next.to_be_bytes());
            next += 1;
        }
    }
}
