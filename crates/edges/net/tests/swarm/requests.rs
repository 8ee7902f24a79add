//! Requests: answers, refusals, sizes, time.

use std::time::Duration;

use bytes::Bytes;
use girrona_net::{Config, Limits, MAX_REQUEST, PeerId, RequestError};

use crate::nodes::{config, mesh, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_each_with_its_own_answer() {
    let nodes = mesh(60..62).await;
    let (one, two) = (&nodes[0], &nodes[1]);
    let asked = (0..60u32).map(|i| one.net.request(two.peer(), Bytes::from(format!("{i}"))));
    let answers = futures::future::join_all(asked).await;
    for (i, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), Bytes::from(format!("{i}")));
    }
    let longest = Bytes::from(vec![3; MAX_REQUEST]);
    assert_eq!(two.net.request(one.peer(), longest.clone()).await.unwrap(), longest);
    let big = two.net.request(one.peer(), Bytes::from_static(b"big")).await.unwrap();
    assert_eq!(big.len(), 15 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_get_no_answer_has_its_own_error() {
    let limits = Limits { request_timeout: Duration::from_millis(500), ..Limits::default() };
    // The server is more patient: whoever gives up first decides which error it is.
    let server = start(config(62)).await;
    let client = start(Config { limits, peers: vec![server.address()], ..config(63) }).await;
    until("they meet", || client.is_with(server.peer())).await;
    let ask = |what: &'static [u8]| client.net.request(server.peer(), Bytes::from_static(what));
    assert_eq!(ask(b"refuse").await, Err(RequestError::Refused));
    assert_eq!(ask(b"huge").await, Err(RequestError::Refused));
    assert_eq!(ask(b"silent").await, Err(RequestError::Timeout));
    assert_eq!(ask(b"still there?").await.unwrap(), Bytes::from_static(b"still there?"));
    let stranger = client.net.request(PeerId::random(), Bytes::from_static(b"x")).await;
    assert_eq!(stranger, Err(RequestError::NotConnected));
    let len = MAX_REQUEST + 1;
    let long = client.net.request(server.peer(), Bytes::from(vec![0; len])).await;
    assert_eq!(long, Err(RequestError::TooLarge { len, max: MAX_REQUEST }));

    let many = (0..100).map(|_| ask(b"silent"));
    let answers = futures::future::join_all(many).await;
    let busy = answers.iter().filter(|answer| **answer == Err(RequestError::Busy)).count();
    assert_eq!(busy, 36, "64 at once to one peer");
    client.net.stop().await;
    assert_eq!(ask(b"x").await, Err(RequestError::Stopped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_dies_while_asked_is_an_error_soon() {
    let nodes = mesh(64..66).await;
    let (one, two) = (&nodes[0], &nodes[1]);
    let pending = tokio::spawn(one.net.request(two.peer(), Bytes::from_static(b"silent")));
    until("it is asked", || two.log.lock().unwrap().silent.len() == 1).await;
    two.net.stop().await;
    let answer = pending.await.unwrap();
    assert!(
        matches!(answer, Err(RequestError::Disconnected | RequestError::Refused)),
        "{answer:?}"
    );
}
