//! Providers that fail: killed, lying, silent. The content comes all the same, and it is said who.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use girrona_assembly::fetch::{Serve, wire};
use girrona_net::{Cid, Config, Content, Fetch, Multiaddr, Offence, PeerId, Progress};

use crate::{
    nodes::{Node, Shelf, config, keeping, quic, start, until},
    raw::{Raw, read},
};

const MIB: usize = 1 << 20;

/// A node that fetches, and two honest providers of a file.
async fn three(seed: u8) -> (Node, Arc<Shelf>, [Node; 2], Cid, Shelf) {
    let (root, full) = Shelf::with_file(32 * MIB, 256 << 10);
    let honest = |base| start(keeping(&Arc::new(full.copy()), base));
    let nodes = [honest(config(seed)).await, honest(quic(seed + 1)).await];
    let shelf = Arc::new(Shelf::default());
    let peers = nodes.iter().map(Node::address).collect();
    let node = start(keeping(&shelf, Config { peers, ..config(seed + 2) })).await;
    until("all are connected", || node.members() == 2).await;
    (node, shelf, nodes, root, full)
}

async fn fetch(node: &Node, root: Cid, from: &[PeerId]) -> Progress {
    node.net.fetch(Fetch::new(root, from.iter().copied())).await.unwrap().progress
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_of_wrong_bytes_is_found_out_and_scored() {
    let (node, shelf, nodes, root, full) = three(170).await;
    let liar = Arc::new(Shelf { lies: true, ..full.copy() });
    let liar = start(keeping(&liar, Config { peers: vec![node.address()], ..config(173) })).await;
    until("the liar is there", || node.members() == 3).await;
    let all = [nodes[0].peer(), nodes[1].peer(), liar.peer()];
    let progress = fetch(&node, root, &all).await;
    assert_eq!(*shelf.blocks.lock().unwrap(), *full.blocks.lock().unwrap());
    assert_eq!(progress.offenders, [(liar.peer(), Offence::WrongBytes)]);
    assert!(!progress.by_peer.contains_key(&liar.peer()));
    until("it is scored", || node.score(liar.peer()).is_some_and(|score| score < -50.0)).await;
    assert!(node.score(nodes[0].peer()).unwrap() >= 0.0);
    assert!(node.has_metric("net_offences_total{reason=\"wrong bytes as content\"}"));
    // With nobody else to ask it is never believed, and banned in the end.
    let mut rounds = 0;
    while node.is_with(liar.peer()) {
        rounds += 1;
        assert!(rounds < 20, "still not sent away");
        shelf.blocks.lock().unwrap().clear();
        let patience = Duration::from_millis(300);
        let fetch = Fetch { patience, ..Fetch::new(root, [liar.peer()]) };
        let _ = node.net.fetch(fetch).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_stalls_is_worked_around_and_scored() {
    let (node, shelf, nodes, root, full) = three(174).await;
    // It takes every stream, reads every want, and says nothing.
    let mut silent = Raw::meet(node.address(), true).await;
    let peer = silent.peer;
    tokio::spawn(async move {
        while let Some((_, mut stream)) = silent.incoming.next().await {
            tokio::spawn(async move { while read(&mut stream).await.is_some() {} });
        }
    });
    until("the silent one is there", || node.members() == 3).await;
    let progress = fetch(&node, root, &[nodes[0].peer(), nodes[1].peer(), peer]).await;
    assert_eq!(shelf.len(), full.len());
    // Named at once, or when it is asked again after the end.
    assert!(progress.offenders.iter().all(|named| *named == (peer, Offence::Stalled)));
    until("it is scored", || node.score(peer).is_some_and(|score| score < -50.0)).await;
    assert!(node.has_metric("net_offences_total{reason=\"content not delivered\"} 1"));
    assert!(nodes.iter().all(|honest| node.score(honest.peer()).unwrap() >= 0.0));
}

// The killed one says no goodbye: its runtime is torn down with everything in it.
#[test]
fn a_provider_that_is_killed_is_replaced_by_the_others() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let living = runtime();
    let (node, shelf, nodes, root, full) = living.block_on(three(177));
    let doomed = runtime();
    // It is fast at first, so that it owes much when it is gone.
    let address: Multiaddr = node.address();
    let victim = doomed.block_on(async {
        let base = Config { peers: vec![address], ..quic(180) };
        start(keeping(&Arc::new(full.copy()), base)).await
    });
    living.block_on(until("the victim is there", || node.members() == 3));
    let all = [nodes[0].peer(), nodes[1].peer(), victim.peer()];
    let fetching = living.spawn(node.net.fetch(Fetch::new(root, all)));
    living.block_on(until("it has begun", || shelf.len() > 8));
    doomed.shutdown_background();
    living.block_on(fetching).unwrap().unwrap();
    assert_eq!(*shelf.blocks.lock().unwrap(), *full.blocks.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_asked_for_is_dropped_before_its_hash_and_named() {
    let (root, full) = Shelf::with_file(4 * MIB, 256 << 10);
    let shelf = Arc::new(Shelf::default());
    let node = start(keeping(&shelf, config(181))).await;
    let mut pushy = Raw::meet(node.address(), true).await;
    until("it is there", || node.members() == 1).await;
    let block = |cid: &Cid| full.blocks.lock().unwrap().get(cid).map(|bytes| bytes.to_vec());
    let other = full.blocks.lock().unwrap().keys().copied().find(|cid| *cid != root).unwrap();

    // Asked for the root, it sends it with another block, again and again.
    let begun = node.net.fetch(Fetch::new(root, [pushy.peer]));
    let (_wants, _stream) = pushy.heard().await;
    let answer = wire::answer(&[Serve::Block(root)], &[], 0, &block);
    assert!(pushy.send(node.peer(), &[answer]).await);
    until("the root is there", || shelf.len() == 1).await;
    drop(begun);
    until("it has ended", || node.has_metric("net_fetches_total{outcome=\"dropped\"}")).await;
    let mut rounds = 0;
    while !node.net.peers().is_empty() {
        rounds += 1;
        assert!(rounds < 200, "still not sent away");
        let many = vec![Serve::Block(root); 20];
        pushy.send(node.peer(), &[wire::answer(&many, &[], 0, &block)]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(shelf.len(), 1);
    assert!(node.has_metric("net_wasted_bytes_total"));
    assert!(node.has_metric("net_offences_total{reason=\"unasked content\"}"));

    // A large message of somebody who owes nothing is not even read.
    let stranger = Raw::meet(node.address(), false).await;
    let large = wire::answer(&[Serve::Block(other), Serve::Block(other)], &[], 0, &block);
    assert!(large.len() > 256 << 10);
    let mut rounds = 0;
    while stranger.send(node.peer(), std::slice::from_ref(&large)).await {
        rounds += 1;
        assert!(rounds < 200, "still not sent away");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(shelf.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_sends_a_byte_a_second_is_given_up() {
    let (root, full) = Shelf::with_file(4 * MIB, 256 << 10);
    let shelf = Arc::new(Shelf::default());
    let patience = Duration::from_millis(300);
    let base = Config { content: Content { patience, ..Content::default() }, ..config(182) };
    let node = start(keeping(&shelf, base)).await;
    let honest = Config { peers: vec![node.address()], ..config(183) };
    let honest = start(keeping(&Arc::new(full.copy()), honest)).await;
    let mut slow = Raw::meet(node.address(), true).await;
    until("both are there", || node.members() == 2).await;
    let (peer, to) = (slow.peer, node.peer());
    let dripping = tokio::spawn(async move {
        let _wants = slow.heard().await;
        let mut stream = slow.open(to).await.unwrap();
        let mut drops = 0;
        let message = [crate::raw::prefix(100_000), vec![0x1a; 100]].concat();
        for byte in message {
            let written = futures::AsyncWriteExt::write_all(&mut stream, &[byte]).await;
            if written.is_err() || futures::AsyncWriteExt::flush(&mut stream).await.is_err() {
                break;
            }
            drops += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        drops
    });
    let from = [honest.peer(), peer];
    node.net.fetch(Fetch::new(root, from)).await.unwrap();
    assert_eq!(shelf.len(), full.len());
    until("it is scored", || {
        node.has_metric("net_offences_total{reason=\"slow sender of content\"}")
    })
    .await;
    assert!(dripping.await.unwrap() < 20);
}
