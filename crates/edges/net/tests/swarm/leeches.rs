//! Peers that only take, and too much of it: refused, scored, and never in the way of others.

use std::{sync::Arc, time::Duration};

use futures::{AsyncWriteExt as _, StreamExt as _};
use girrona_assembly::fetch::{WantKind, wire};
use girrona_net::{Cid, Config, Content, Fetch, Limits};

use crate::{
    nodes::{Node, Shelf, config, keeping, start, until},
    raw::{Raw, prefix},
};

const MIB: usize = 1 << 20;

/// A node with a file, which loses patience soon, and its root.
async fn provider(seed: u8, limits: Limits) -> (Node, Cid, Arc<Shelf>) {
    let (root, full) = Shelf::with_file(16 * MIB, 256 << 10);
    let full = Arc::new(full);
    let content = Content { patience: Duration::from_millis(500), ..Content::default() };
    let node = start(keeping(&full, Config { content, limits, ..config(seed) })).await;
    (node, root, full)
}

/// Somebody honest is served.
async fn serves(node: &Node, root: Cid, seed: u8) {
    let shelf = Arc::new(Shelf::default());
    let base = Config { peers: vec![node.address()], ..config(seed) };
    let honest = start(keeping(&shelf, base)).await;
    let fetched = honest.net.fetch(Fetch::new(root, [node.peer()])).await.unwrap();
    assert!(fetched.progress.bytes as usize > 16 * MIB);
    honest.net.stop().await;
}

/// Sends until it is sent away; answers how often.
async fn until_banned(node: &Node, raw: &Raw, message: &[u8]) -> usize {
    for round in 1..=400 {
        raw.send(node.peer(), &[message.to_vec()]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if node.net.peers().iter().all(|peer| peer.peer != raw.peer) {
            return round;
        }
    }
    panic!("still not sent away");
}

fn wants(count: usize) -> Vec<u8> {
    let cid = |number: usize| {
        let mut digest = [7; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        Cid { codec: girrona_assembly::content::Codec::Raw, digest }
    };
    let wants: Vec<_> = (0..count).map(|number| (cid(number), WantKind::Block)).collect();
    wire::ask(&wants, &[])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wantlist_of_a_million_entries_is_refused() {
    let (node, root, _) = provider(190, Limits::default()).await;
    // In one message, as far as messages go.
    let at_once = Raw::meet(node.address(), false).await;
    let message = wants(90_000);
    assert!(message.len() < 4 * MIB && message.len() > 3 * MIB);
    assert!(until_banned(&node, &at_once, &message).await < 100);
    // In messages that may be read but are beyond the bounds.
    let greedy = Raw::meet(node.address(), false).await;
    assert!(until_banned(&node, &greedy, &wants(3_000)).await < 100);
    assert!(node.has_metric("net_offences_total{reason=\"greedy content message\"}"));
    // In five hundred that are each within: answered that nothing is here, and in nobody's way.
    let mut patient = Raw::meet(node.address(), false).await;
    let message = wants(2_000);
    tokio::spawn(async move {
        while let Some((_, mut stream)) = patient.incoming.next().await {
            tokio::spawn(async move { while crate::raw::read(&mut stream).await.is_some() {} });
        }
    });
    let other = Raw::meet(node.address(), false).await;
    assert!(other.send(node.peer(), &vec![message; 500]).await);
    serves(&node, root, 191).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_lengths_and_garbage_cost_the_connection() {
    let (node, root, _) = provider(192, Limits::default()).await;
    let endless: Vec<u8> = prefix(u64::from(u32::MAX));
    let noise: Vec<u8> = (0..200u8).map(|byte| byte ^ 0x5a).collect();
    for (bytes, reason) in [
        (endless, "oversize content message"),
        (vec![0xff; 20], "oversize content message"),
        (prefix(5 << 20), "oversize content message"),
        ([prefix(200), noise].concat(), "malformed content message"),
        ([prefix(2), vec![0x0a, 0xff]].concat(), "malformed content message"),
    ] {
        let raw = Raw::meet(node.address(), false).await;
        until("it is there", || node.net.peers().iter().any(|p| p.peer == raw.peer)).await;
        let mut rounds = 0;
        while node.net.peers().iter().any(|peer| peer.peer == raw.peer) {
            rounds += 1;
            assert!(rounds < 100, "still not sent away for {reason}");
            if let Some(mut stream) = raw.open(node.peer()).await {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(node.has_metric(&format!("net_offences_total{{reason=\"{reason}\"}}")));
    }
    serves(&node, root, 193).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_do_not_read_hold_nobody_up() {
    let (node, root, full) = provider(194, Limits::default()).await;
    let blocks: Vec<_> =
        full.blocks.lock().unwrap().keys().map(|cid| (*cid, WantKind::Block)).collect();
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut raw = Raw::meet(node.address(), false).await;
        raw.send(node.peer(), &[wire::ask(&blocks, &[])]).await;
        // The stream is taken, and never read.
        let stream = raw.incoming.next().await.unwrap();
        held.push((raw, stream));
    }
    serves(&node, root, 195).await;
    let slow = || node.has_metric("net_offences_total{reason=\"slow reader of content\"}");
    until("they are scored", slow).await;
    // What they wanted is forgotten: nothing more comes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    serves(&node, root, 196).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_streams_is_cut_off() {
    let (node, root, _) = provider(197, Limits::default()).await;
    let raw = Raw::meet(node.address(), false).await;
    let peer = raw.peer;
    until("it is there", || node.net.peers().iter().any(|known| known.peer == peer)).await;
    // Streams that say nothing: only so many are kept.
    let mut held = Vec::new();
    for _ in 0..100 {
        held.extend(raw.open(node.peer()).await);
    }
    until("they are counted", || node.has_metric("net_drops_total{queue=\"content streams\"}"))
        .await;
    serves(&node, root, 198).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_what_is_not_here_is_told_so() {
    let (node, root, _) = provider(199, Limits::default()).await;
    let mut raw = Raw::meet(node.address(), false).await;
    let absent = Cid::of(girrona_assembly::content::Codec::Raw, b"absent");
    let ask = wire::ask(&[(absent, WantKind::Block), (root, WantKind::Have)], &[]);
    assert!(raw.send(node.peer(), &[ask]).await);
    let (answer, _stream) = raw.heard().await;
    let message = wire::Message::read(&answer).unwrap();
    assert_eq!((&message.have[..], &message.dont_have[..]), (&[root][..], &[absent][..]));
}
