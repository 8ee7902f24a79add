//! Content between honest nodes: whole, from several at once, resumed, found, refused in time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use girrona_assembly::content::{Codec, Limits};
use girrona_net::{
    Cid, Config, Content, Fetch, FetchError, MAX_ASK, Provider, PutError, RequestError,
};

use crate::nodes::{Node, Shelf, config, keeping, mesh, quic, start, until};

const MIB: usize = 1 << 20;

/// Nodes that keep the same blocks.
async fn providers(shelf: &Shelf, bases: Vec<Config>) -> Vec<Node> {
    let mut nodes = Vec::new();
    for base in bases {
        nodes.push(start(keeping(&Arc::new(shelf.copy()), base)).await);
    }
    nodes
}

/// A node that keeps nothing yet, connected to those.
async fn fetcher(base: Config, providers: &[Node]) -> (Node, Arc<Shelf>) {
    let shelf = Arc::new(Shelf::default());
    let peers = providers.iter().map(Node::address).collect();
    let node = start(keeping(&shelf, Config { peers, ..base })).await;
    until("all are connected", || node.members() == providers.len()).await;
    (node, shelf)
}

fn peers(nodes: &[Node]) -> impl Iterator<Item = Provider> {
    nodes.iter().map(|node| node.peer().into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_comes_whole_over_tcp_and_over_quic() {
    for (base, seeds) in [(config as fn(u8) -> Config, 130), (quic, 132)] {
        // The last leaf is one byte long, and there are two levels of nodes.
        let (root, full) = Shelf::with_file(64 * MIB + 1, 32 << 10);
        let nodes = providers(&full, vec![base(seeds)]).await;
        let (node, shelf) = fetcher(base(seeds + 1), &nodes).await;
        let fetch = Fetch::new(root, peers(&nodes));
        let mut progress = fetch.progress.subscribe();
        let watched = tokio::spawn(async move {
            let mut steps = 0;
            while progress.changed().await.is_ok() {
                steps += 1;
            }
            (steps, progress.borrow().clone())
        });
        let fetched = node.net.fetch(fetch).await.unwrap();
        assert_eq!(*shelf.blocks.lock().unwrap(), *full.blocks.lock().unwrap());
        let bytes: usize = full.blocks.lock().unwrap().values().map(Bytes::len).sum();
        assert_eq!(fetched.progress.bytes, bytes as u64);
        assert_eq!((fetched.progress.blocks, fetched.progress.found), (full.len(), full.len()));
        assert_eq!(fetched.progress.offenders, []);
        println!("{} MiB/s", 64.0 / fetched.elapsed.as_secs_f64());
        let (steps, last) = watched.await.unwrap();
        assert!(steps > 10 && last == fetched.progress, "{steps} steps");
        assert!(node.has_metric("net_fetches_total{outcome=\"done\"} 1"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_providers_share_the_work_and_hardly_anything_comes_twice() {
    let (root, full) = Shelf::with_file(64 * MIB, 256 << 10);
    let nodes = providers(&full, vec![config(134), quic(135), config(136)]).await;
    let (node, shelf) = fetcher(config(137), &nodes).await;
    let fetched = node.net.fetch(Fetch::new(root, peers(&nodes))).await.unwrap();
    println!("{} MiB/s {:?}", 64.0 / fetched.elapsed.as_secs_f64(), fetched.progress);
    assert_eq!(shelf.len(), full.len());
    assert_eq!(fetched.progress.by_peer.len(), 3, "each gave something");
    assert!(fetched.progress.duplicate_bytes * 50 < fetched.progress.bytes);
    assert_eq!(fetched.progress.offenders, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_here_is_not_fetched_again() {
    let (root, full) = Shelf::with_file(16 * MIB, 256 << 10);
    let nodes = providers(&full, vec![config(138)]).await;
    let (node, shelf) = fetcher(config(139), &nodes).await;
    // It was interrupted: some blocks are there, the root among them.
    let kept: Vec<_> = full.blocks.lock().unwrap().clone().into_iter().collect();
    for (place, (cid, bytes)) in kept.into_iter().enumerate() {
        if place % 4 != 0 || cid == root {
            shelf.blocks.lock().unwrap().insert(cid, bytes);
        }
    }
    let missing = full.len() - shelf.len();
    let fetched = node.net.fetch(Fetch::new(root, peers(&nodes))).await.unwrap();
    assert_eq!(fetched.progress.bytes as usize, missing * (256 << 10));
    assert_eq!(shelf.len(), full.len());
    // And again: nothing is missing, nobody is needed.
    let again = node.net.fetch(Fetch::new(root, Vec::<Provider>::new())).await.unwrap();
    assert_eq!((again.progress.bytes, again.progress.blocks), (0, full.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_fetches_at_once_share_blocks_and_do_not_mix_up() {
    let (first, one) = Shelf::with_file(8 * MIB, 256 << 10);
    let (second, two) = Shelf::with_file(8 * MIB + 77, 128 << 10);
    let both = one.copy();
    both.blocks.lock().unwrap().extend(two.blocks.lock().unwrap().clone());
    let nodes = providers(&both, vec![config(140), config(141)]).await;
    let (node, shelf) = fetcher(config(142), &nodes).await;
    let fetch = |root| node.net.fetch(Fetch::new(root, peers(&nodes)));
    let ends = futures::future::join_all([fetch(first), fetch(second), fetch(first)]).await;
    for end in &ends {
        assert_eq!(end.as_ref().unwrap().progress.offenders, []);
    }
    assert_eq!(shelf.len(), both.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_comes_later_or_is_only_an_address_will_do() {
    let (root, full) = Shelf::with_file(MIB, 256 << 10);
    let (node, _) = fetcher(config(143), &[]).await;
    // It is dialled.
    let nodes = providers(&full, vec![config(144)]).await;
    let fetch = Fetch::new(root, [nodes[0].address()]);
    node.net.fetch(fetch).await.unwrap();
    // Nobody is named; whoever connects is asked.
    let (late, shelf) = fetcher(config(145), &[]).await;
    let fetching = tokio::spawn(late.net.fetch(Fetch::new(root, Vec::<Provider>::new())));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(shelf.len(), 0);
    let peers = vec![late.address()];
    let _holder = start(keeping(&Arc::new(full.copy()), Config { peers, ..config(146) })).await;
    fetching.await.unwrap().unwrap();
    assert_eq!(shelf.len(), full.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dht_knows_who_provides_what_until_it_is_taken_back() {
    let open = |seed, peers| Config { discovery: true, peers, ..config(seed) };
    let hub = start(open(147, vec![])).await;
    let (root, full) = Shelf::with_file(MIB, 256 << 10);
    let kept = Arc::new(full.copy());
    let holder = start(keeping(&kept, open(148, vec![hub.address()]))).await;
    until("they meet", || hub.is_with(holder.peer())).await;
    holder.net.provide(root);
    let shelf = Arc::new(Shelf::default());
    // It wants no peers beyond the one that it knows, and finds the holder all the same.
    let limits = girrona_net::Limits { target_peers: 1, ..girrona_net::Limits::default() };
    let base = Config { limits, ..open(149, vec![hub.address()]) };
    let node = start(keeping(&shelf, base)).await;
    until("they meet", || node.is_with(hub.peer())).await;
    let begin = std::time::Instant::now();
    while !node.net.find_providers(root).await.contains(&holder.peer()) {
        assert!(begin.elapsed() < Duration::from_secs(20), "nobody is found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let nobody: [Provider; 0] = [];
    let fetched = node.net.fetch(Fetch::new(root, nobody)).await.unwrap();
    assert_eq!(fetched.progress.by_peer.keys().collect::<Vec<_>>(), [&holder.peer()]);
    assert_eq!(shelf.len(), full.len());
    let other = Cid::of(Codec::Raw, b"nobody has this");
    assert_eq!(node.net.find_providers(other).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_get_no_content_has_its_own_error() {
    let (root, full) = Shelf::with_file(4 * MIB, 256 << 10);
    let junk = vec![9; 300];
    let bad = Cid::of(Codec::DagPb, &junk);
    full.blocks.lock().unwrap().insert(bad, Bytes::from(junk));
    let nodes = providers(&full, vec![config(150)]).await;
    let (node, _) = fetcher(config(151), &nodes).await;
    let soon =
        |root| Fetch { patience: Duration::from_millis(500), ..Fetch::new(root, peers(&nodes)) };

    let absent = Cid::of(Codec::Raw, b"nobody has this");
    let error = node.net.fetch(soon(absent)).await.unwrap_err();
    assert!(matches!(error, FetchError::NoProviders { missing: 1, .. }), "{error}");
    let error = node.net.fetch(soon(bad)).await.unwrap_err();
    assert!(matches!(error, FetchError::Content(_)), "{error}");
    let limits = Limits { blocks_max: 10, ..Limits::default() };
    let error = node.net.fetch(Fetch { limits, ..soon(root) }).await.unwrap_err();
    assert!(error.to_string().contains("more than 10 blocks"), "{error}");

    let small = Arc::new(Shelf { room: Some(3), ..Shelf::default() });
    let base = Config { peers: vec![nodes[0].address()], ..config(152) };
    let full_node = start(keeping(&small, base)).await;
    until("they meet", || full_node.members() == 1).await;
    let error = full_node.net.fetch(soon(root)).await.unwrap_err();
    assert!(matches!(error, FetchError::Store(PutError::Full)), "{error}");
    assert_eq!(small.len(), 3);

    let fetching = node.net.fetch(Fetch::new(absent, Vec::<Provider>::new()));
    node.net.stop().await;
    assert!(matches!(fetching.await, Err(FetchError::Stopped)));
    let late = node.net.fetch(soon(root)).await;
    assert!(matches!(late, Err(FetchError::Stopped)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_that_is_dropped_ends_and_its_bytes_do_not_come() {
    let (root, full) = Shelf::with_file(64 * MIB, 256 << 10);
    // Slow enough to be caught.
    let upload = Some(8 << 20);
    let slow = Config { content: Content { upload, ..Content::default() }, ..config(153) };
    let nodes = providers(&full, vec![slow]).await;
    let (node, shelf) = fetcher(config(154), &nodes).await;
    let fetching = node.net.fetch(Fetch::new(root, peers(&nodes)));
    until("it has begun", || shelf.len() > 4).await;
    drop(fetching);
    until("it has ended", || node.has_metric("net_fetches_total{outcome=\"dropped\"}")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let then = shelf.len();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(shelf.len(), then);
    assert!(then < 120, "{then} blocks");
    assert!(node.score(nodes[0].peer()).unwrap() >= 0.0, "nobody is to blame");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_keeps_to_its_share_of_the_link() {
    let (root, full) = Shelf::with_file(8 * MIB, 256 << 10);
    let share = |upload, download, base: Config| Config {
        content: Content { upload, download, ..Content::default() },
        ..base
    };
    let rate = 4 << 20;
    for (place, (up, down)) in [(Some(rate), None), (None, Some(rate))].into_iter().enumerate() {
        let place = place as u8;
        let nodes = providers(&full, vec![share(up, None, config(156 + 2 * place))]).await;
        let shelf = Arc::new(Shelf::default());
        let base = Config { peers: vec![nodes[0].address()], ..config(157 + 2 * place) };
        let node = start(keeping(&shelf, share(None, down, base))).await;
        until("they meet", || node.members() == 1).await;
        let fetched = node.net.fetch(Fetch::new(root, peers(&nodes))).await.unwrap();
        let took = fetched.elapsed.as_secs_f64();
        assert!(took > 1.8, "{took} s for 8 MiB at 4 MiB/s");
        assert_eq!(fetched.progress.offenders, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_do_not_queue_up_behind_content() {
    let (root, full) = Shelf::with_file(32 * MIB, 256 << 10);
    let upload = Some(16 << 20);
    let share = Config { content: Content { upload, ..Content::default() }, ..config(164) };
    let nodes = providers(&full, vec![share]).await;
    let (node, shelf) = fetcher(config(165), &nodes).await;
    let fetching = tokio::spawn(node.net.fetch(Fetch::new(root, peers(&nodes))));
    until("it has begun", || shelf.len() > 8).await;
    // On the same connection, in the direction of the content.
    let mut sent = 0;
    while !fetching.is_finished() {
        assert!(nodes[0].net.send(node.peer(), Bytes::from(vec![1; 300])));
        sent += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Those of the last moments may be on their way.
    let heard = node.frames(nodes[0].peer()).len();
    println!("{heard} of {sent} votes came before the last block");
    assert!(sent > 50 && heard + 30 > sent, "{heard} of {sent}");
    fetching.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_about_assemblies_has_a_line_of_its_own() {
    let nodes = mesh(160..162).await;
    let (one, two) = (&nodes[0], &nodes[1]);
    let long = Bytes::from(vec![5; MAX_ASK]);
    assert_eq!(one.net.ask(two.peer(), long.clone()).await, Ok(long));
    let len = MAX_ASK + 1;
    let refused = one.net.ask(two.peer(), Bytes::from(vec![0; len])).await;
    assert_eq!(refused, Err(RequestError::TooLarge { len, max: MAX_ASK }));
    let refused = one.net.ask(two.peer(), Bytes::from_static(b"refuse")).await;
    assert_eq!(refused, Err(RequestError::Refused));
    // Both lines at once: their numbers do not mix.
    let both = (0..50u32).flat_map(|number| {
        let text = Bytes::from(number.to_string());
        let ask = futures::FutureExt::boxed(one.net.ask(two.peer(), text.clone()));
        let request = futures::FutureExt::boxed(one.net.request(two.peer(), text));
        [ask, request]
    });
    let answers = futures::future::join_all(both).await;
    for (place, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), Bytes::from((place / 2).to_string()));
    }
}
