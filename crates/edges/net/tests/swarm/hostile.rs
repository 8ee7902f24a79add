//! Strangers who speak the protocols badly: garbage, cuts, lies about lengths, too much of it.

use std::time::Duration;

use bytes::Bytes;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use girrona_net::{Config, Multiaddr, PeerId, Topic};
use libp2p::{
    StreamProtocol, SwarmBuilder, gossipsub, identify, noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};

use crate::nodes::{NETWORK, Node, config, mesh, quic, start, until};

#[derive(NetworkBehaviour)]
struct Stranger {
    stream: libp2p_stream::Behaviour,
    gossip: gossipsub::Behaviour,
    identify: identify::Behaviour,
}

/// A libp2p node without any of our manners, connected to `to`; it lives as long as the runtime.
async fn stranger(to: Multiaddr) -> (libp2p_stream::Control, tokio::sync::mpsc::Sender<Say>) {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_quic()
        .with_behaviour(|key| {
            let config = gossipsub::ConfigBuilder::default()
                .max_transmit_size(64 << 20)
                .heartbeat_initial_delay(Duration::from_millis(100))
                .build()
                .unwrap();
            let signed = gossipsub::MessageAuthenticity::Signed(key.clone());
            let identify = identify::Config::new("/ipfs/0.1.0".into(), key.public());
            Stranger {
                stream: libp2p_stream::Behaviour::new(),
                gossip: gossipsub::Behaviour::new(signed, config).unwrap(),
                identify: identify::Behaviour::new(identify),
            }
        })
        .unwrap()
        .build();
    for topic in Topic::ALL {
        let topic = gossipsub::IdentTopic::new(topic.name(NETWORK));
        swarm.behaviour_mut().gossip.subscribe(&topic).unwrap();
    }
    let control = swarm.behaviour().stream.new_control();
    let (say, mut said) = tokio::sync::mpsc::channel::<Say>(1_000);
    swarm.dial(to).unwrap();
    while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some((topic, bytes)) = said.recv() => {
                    let topic = gossipsub::IdentTopic::new(topic.name(NETWORK));
                    // Every message begins with the time of its publication.
                    let bytes = [&[0; 8][..], &bytes].concat();
                    let _ = swarm.behaviour_mut().gossip.publish(topic, bytes);
                }
                _ = swarm.select_next_some() => {}
            }
        }
    });
    (control, say)
}

type Say = (Topic, Vec<u8>);

const PROTOCOLS: [&str; 8] = [
    "/girrona/test/consensus/1",
    "/girrona/test/sync/1",
    "/girrona/test/kad/1.0.0",
    "/meshsub/1.1.0",
    "/meshsub/1.2.0",
    "/ipfs/id/1.0.0",
    "/ipfs/id/push/1.0.0",
    "/ipfs/ping/1.0.0",
];

/// Bytes that are wrong in many ways, the same in every run.
fn garbage(round: usize) -> Vec<u8> {
    let noise: Vec<u8> =
        (0..5_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ round as u8).collect();
    match round % 6 {
        0 => vec![0xff; 64],
        1 => vec![],
        2 => vec![0, 0, 16, 0, 1, 2, 3],
        3 => vec![0, 64, 0, 0],
        4 => vec![0x80; 20],
        _ => noise,
    }
}

async fn serves(nodes: &[Node]) {
    let text = Bytes::from(format!("{:?}", std::time::Instant::now()));
    assert!(nodes[0].net.publish(Topic::Blocks, text.clone()));
    until("gossip flows", || nodes[1].count(Topic::Blocks, &text) == 1).await;
    let answer = nodes[0].net.request(nodes[1].peer(), text.clone()).await;
    assert_eq!(answer.as_ref(), Ok(&text));
    assert!(nodes[0].net.send(nodes[1].peer(), text.clone()));
    until("a frame", || nodes[1].frames(nodes[0].peer()).contains(&text)).await;
}

async fn attack(control: &libp2p_stream::Control, victim: PeerId, round: usize) {
    let bytes = garbage(round);
    for protocol in PROTOCOLS {
        let mut control = control.clone();
        let open = control.open_stream(victim, StreamProtocol::new(protocol));
        let Ok(Ok(mut stream)) = tokio::time::timeout(Duration::from_secs(2), open).await else {
            continue;
        };
        let _ = stream.write_all(&bytes).await;
        let _ = stream.flush().await;
        if round.is_multiple_of(2) {
            let _ = stream.close().await;
            let mut rest = Vec::new();
            let read = stream.read_to_end(&mut rest);
            let _ = tokio::time::timeout(Duration::from_millis(50), read).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_cut_streams_on_every_protocol_do_no_harm() {
    let open = |seed| Config { discovery: true, ..config(seed) };
    let one = start(open(120)).await;
    let two = start(Config { peers: vec![one.address()], ..open(121) }).await;
    until("they meet", || one.is_with(two.peer()) && two.is_with(one.peer())).await;
    let nodes = [one, two];
    serves(&nodes).await;
    for node in &nodes {
        for round in 0..12 {
            let (control, _say) = stranger(node.address()).await;
            attack(&control, node.peer(), round).await;
        }
    }
    serves(&nodes).await;
    assert!(nodes[0].has_metric("net_offences_total"));
    assert_eq!(nodes[0].members(), 1, "a stranger is no member");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_lies_about_lengths_is_banned() {
    for base in [config, quic] {
        let victim = start(base(122)).await;
        let (control, _say) = stranger(victim.address()).await;
        until("it is connected", || !victim.net.peers().is_empty()).await;
        for _ in 0..8 {
            let mut control = control.clone();
            let open = control.open_stream(victim.peer(), StreamProtocol::new(PROTOCOLS[0]));
            let open = tokio::time::timeout(Duration::from_secs(2), open).await;
            let Ok(Ok(mut stream)) = open else { break };
            let _ = stream.write_all(&[0xff; 8]).await;
            let _ = stream.flush().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        until("it is sent away", || victim.net.peers().is_empty()).await;
        assert!(victim.has_metric("net_bans_total"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversize_gossip_is_refused_and_costs_its_sender_the_connection() {
    let nodes = mesh(124..126).await;
    let (_control, say) = stranger(nodes[0].address()).await;
    until("it is connected", || nodes[0].net.peers().len() == 2).await;
    // Within the swarm's largest message, but not within this topic's.
    let mut round = 0u8;
    while nodes[0].net.peers().len() == 2 {
        round = round.checked_add(1).expect("still not sent away");
        let _ = say.send((Topic::Finality, vec![round; 100_000])).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(nodes[0].log.lock().unwrap().gossip.iter().all(|(_, _, item)| item.len() < 100_000));
    serves(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_cannot_be_read_are_rejected_without_the_owner() {
    let nodes = mesh(126..128).await;
    let (_control, say) = stranger(nodes[0].address()).await;
    until("it is connected", || nodes[0].net.peers().len() == 2).await;
    let mut round = 0u8;
    while nodes[0].net.peers().len() == 2 {
        round = round.checked_add(1).expect("still not sent away");
        let _ = say.send((Topic::Deploys, vec![round | 0x80; 100])).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(nodes[0].has_metric("net_offences_total{reason=\"malformed batch\"}"));
    assert!(nodes[0].log.lock().unwrap().gossip.is_empty());
    serves(&nodes).await;
}
