//! Bad subscriptions, too many of them, and subscribers who never read.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use girrona_api::{EventStreamPath, Frame};
use girrona_testkit::{Net, Node};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::watch::{PATIENCE, unharmed, until, watched};

/// Subscribers that a node takes.
const SUBSCRIBERS_MAX: usize = 100;

/// Asks for a path and reads nothing.
async fn ask(node: &Node, path: &str, headers: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(node.events_url().replace("http://", "")).await?;
    // A node that is full closes at once; what it said is still to be read.
    let _ = stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes())
        .await;
    Ok(stream)
}

/// Reads until a text comes, and gives all that came.
async fn read_to(stream: &mut TcpStream, text: &str) -> Result<String> {
    let mut heard = String::new();
    let mut buffer = vec![0; 4_096];
    while !heard.contains(text) {
        let count = timeout(PATIENCE, stream.read(&mut buffer)).await.context("an answer")??;
        ensure!(count > 0, "the end instead of `{text}` after: {heard}");
        heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    Ok(heard)
}

async fn is_refused(node: &Node, path: &str, status: u16, text: &str) -> Result<()> {
    let heard = read_to(&mut ask(node, path, "").await?, text).await?;
    ensure!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {heard}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_subscriptions_are_refused_with_a_reason() -> Result<()> {
    let net = Net::builder().validators(1).block_time("300ms").start().await?;
    let node = net.node(0);
    net.wait_height(2, PATIENCE).await?;
    let deep = format!("/events/{}", "main/".repeat(1_000));
    for path in ["/", "/event", "/events/all", "/events/main/deploys", &deep] {
        is_refused(node, path, 404, "invalid path: expected '/events/main', '/events/deploys'")
            .await?;
    }
    for query in [
        "start_from=",
        "start_from=-1",
        "start_from=0x1",
        "start_from=1.5",
        "begin=1",
        "start_from=1&start_from=2",
        "start_from=99999999999999999999",
    ] {
        let path = format!("/events/main?{query}");
        is_refused(node, &path, 422, "expected single field 'start_from=<EVENT ID>'").await?;
    }
    // An id that is none is no id: the stream begins now, as for a browser that never had one.
    for last in ["none", "-1", "99999999999999999999", "18446744073709551615"] {
        let mut stream = ask(node, "/events", &format!("last-event-id: {last}\r\n")).await?;
        let heard = read_to(&mut stream, "BlockAdded").await?;
        ensure!(heard.starts_with("HTTP/1.1 200 ") && heard.contains("ApiVersion"), "{heard}");
    }
    // An id from the future hides nothing of what happens now.
    let mut stream = ask(node, "/events/main?start_from=4000000000", "").await?;
    read_to(&mut stream, "BlockAdded").await?;
    unharmed(&net).await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_who_never_read_take_their_places_and_nothing_else() -> Result<()> {
    let net = Net::builder().validators(1).block_time("200ms").start().await?;
    let node = net.node(0);
    net.wait_height(5, PATIENCE).await?;
    let listener = node.events(EventStreamPath::All).await?;
    let heights = watched(&net, async {
        let greedy = (1..SUBSCRIBERS_MAX).map(|_| ask(node, "/events?start_from=0", ""));
        let mut silent = try_join_all(greedy).await?;
        // They have been taken in when they have been answered.
        for stream in &mut silent {
            stream.readable().await?;
        }
        for _ in 0..20 {
            is_refused(node, "/events/main", 503, "server has reached limit of subscribers")
                .await?;
        }
        // Beyond that, connections that ask for nothing.
        let mut idle = Vec::new();
        for _ in 0..300 {
            idle.push(TcpStream::connect(node.events_url().replace("http://", "")).await?);
        }
        is_refused(node, "/events/main", 503, "too many connections; try again shortly").await?;
        let first = node.height().await?;
        for _ in 0..5 {
            let mut sent = Vec::new();
            for _ in 0..40 {
                sent.push(node.put(net.transfer("ana", "bo", 2_500_000_000)?).await?);
            }
            for hash in sent {
                net.wait_executed(hash, PATIENCE).await?;
            }
        }
        net.wait_height(first + 10, PATIENCE).await?;
        drop((silent, idle));
        until("a place is free again", async || {
            let heard = read_to(&mut ask(node, "/events/main", "").await?, "\r\n").await?;
            Ok(heard.starts_with("HTTP/1.1 200 "))
        })
        .await?;
        Ok(first + 1..first + 11)
    })
    .await?;
    // The one who did read missed nothing.
    let told: Vec<u64> = listener
        .all()
        .into_iter()
        .filter_map(|frame| match frame {
            Frame::BlockAdded { block, .. } => Some(block.header.height()),
            _ => None,
        })
        .filter(|height| heights.contains(height))
        .collect();
    assert_eq!(told, heights.collect::<Vec<_>>());
    assert_eq!(listener.count(|frame| matches!(frame, Frame::DeployProcessed(_))), 200);
    assert!(listener.problems().is_empty(), "{:?}", listener.problems());
    drop(listener);
    unharmed(&net).await?;
    net.end().await
}
