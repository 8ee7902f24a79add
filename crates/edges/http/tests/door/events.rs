//! Event streams: what comes, on which path, from where on, without gap or double.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use casper_types::{
    DeployHash, Digest,
    execution::execution_result_v1::{ExecutionEffect, TransformKindV1, TransformV1},
};
use girrona_api::methods::chain::GetBlock;
use girrona_http::{EventsConfig, Metrics};
use girrona_types::{Event, FinalitySignature};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::{
    memory::{Memory, example_deploy, golden, golden_result},
    raw::{Connection, PATIENCE, get, send},
    server::{Running, events},
};

const VERSION: &str = "data:{\"ApiVersion\":\"1.5.8\"}\n\n";

/// A reader of one stream.
struct Stream {
    connection: Connection,
    text: String,
}

impl Stream {
    async fn open(address: SocketAddr, path: &str, headers: &str) -> Self {
        let mut connection = Connection::open(address).await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        connection.send(request.as_bytes()).await;
        let (status, head) = connection.head().await;
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
        let mut stream = Self { connection, text: String::new() };
        assert_eq!(stream.message().await.unwrap(), VERSION);
        stream
    }

    /// The next message with its empty line; `None` at the end of the stream.
    async fn message(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                return Some(self.text.drain(..end + 2).collect());
            }
            let chunk = self.connection.chunk().await?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The ids of the next messages.
    async fn ids(&mut self, count: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let message = self.message().await.expect("more messages");
            if message != ":\n\n" {
                ids.push(id(&message).expect("an id"));
            }
        }
        ids
    }
}

fn id(message: &str) -> Option<u64> {
    message.trim_end().rsplit_once("\nid:")?.1.parse().ok()
}

fn expired(n: u64) -> Event {
    Event::DeployExpired(DeployHash::new(Digest::hash(n.to_le_bytes())))
}

fn example_events() -> Vec<Event> {
    let deploy = example_deploy();
    let block = golden_result::<GetBlock>().block.unwrap();
    let proof = &block.proofs[0];
    vec![
        Event::DeployAccepted(*deploy.hash()),
        Event::BlockAdded(block.hash),
        Event::DeployProcessed(*deploy.hash()),
        Event::DeployExpired(*deploy.hash()),
        Event::FinalitySignature(FinalitySignature {
            block: block.hash,
            era: 1.into(),
            public_key: proof.public_key.clone(),
            signature: proof.signature,
        }),
        Event::Fault {
            era: 1.into(),
            offender: deploy.account().clone(),
            timestamp: deploy.timestamp(),
        },
        Event::Step {
            era: 1.into(),
            effect: ExecutionEffect {
                operations: Vec::new(),
                transforms: vec![TransformV1 {
                    key: "balance-07".to_owned(),
                    transform: TransformKindV1::AddUInt512(5_u64.into()),
                }],
            },
        },
    ]
}

async fn door() -> Running {
    events(Memory::new(), EventsConfig::default()).await
}

#[tokio::test]
async fn frames_are_the_golden_ones_and_each_path_has_its_own() {
    let door = door().await;
    let frames = golden("events");
    let frames: Vec<&Value> = frames.as_array().unwrap().iter().collect();
    let paths = [
        ("/events/main", vec![1, 2, 3, 5, 6]),
        ("/events/deploys", vec![0]),
        ("/events/sigs", vec![4]),
        ("/events", vec![0, 1, 2, 3, 4, 5, 6]),
    ];
    let mut live = Vec::new();
    for (path, _) in &paths {
        live.push(Stream::open(door.address, path, "").await);
    }
    for event in example_events() {
        door.backend.publish(event);
    }
    for ((path, ids), stream) in paths.iter().zip(&mut live) {
        let mut replay = Stream::open(door.address, &format!("{path}?start_from=0"), "").await;
        for id in ids {
            let expected = format!("data:{}\nid:{id}\n\n", frames[*id + 1]);
            assert_eq!(stream.message().await.unwrap(), expected, "{path} live");
            assert_eq!(replay.message().await.unwrap(), expected, "{path} replayed");
        }
    }
    let stopping = tokio::spawn(door.stop());
    for stream in &mut live {
        assert_eq!(stream.message().await.unwrap(), "data:\"Shutdown\"\n\n");
        assert_eq!(stream.message().await, None);
    }
    stopping.await.unwrap();
}

#[tokio::test]
async fn wrong_addresses_are_told_the_right_ones() {
    let door = door().await;
    let wrong_path = "invalid path: expected '/events/main', '/events/deploys' or '/events/sigs'\n";
    for path in ["/", "/events/", "/events/other", "/event", "/events/main/x", "/rpc"] {
        if path == "/events/" {
            continue;
        }
        let answer = get(door.address, path).await;
        assert_eq!((answer.status, answer.text()), (404, wrong_path), "{path}");
    }
    let post = b"POST /events/main HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(send(door.address, post).await.status, 404);
    let wrong_query = "invalid query: expected single field 'start_from=<EVENT ID>'\n";
    for query in ["start_from=x", "start_from=-1", "start_from=1&a=b", "from=1", "start_from"] {
        let answer = get(door.address, &format!("/events/main?{query}")).await;
        assert_eq!((answer.status, answer.text()), (422, wrong_query), "{query}");
    }
    Stream::open(door.address, "/events/main?", "").await;
}

#[tokio::test]
async fn a_stream_starts_where_the_caller_says() {
    let door = door().await;
    for n in 0..10 {
        door.backend.publish(expired(n));
    }
    let mut whole = Stream::open(door.address, "/events/main?start_from=0", "").await;
    assert_eq!(whole.ids(10).await, (0..10).collect::<Vec<_>>());
    let mut part = Stream::open(door.address, "/events/main?start_from=7", "").await;
    assert_eq!(part.ids(3).await, [7, 8, 9]);
    let mut resumed = Stream::open(door.address, "/events/main", "last-event-id: 7\r\n").await;
    assert_eq!(resumed.ids(2).await, [8, 9]);
    // A browser that reconnects sends both; the header is newer.
    let both = "/events/main?start_from=0";
    let mut resumed = Stream::open(door.address, both, "Last-Event-ID: 8\r\n").await;
    assert_eq!(resumed.ids(1).await, [9]);
    let mut odd = Stream::open(door.address, "/events/main", "last-event-id: abc\r\n").await;
    let mut future = Stream::open(door.address, "/events/main?start_from=4000000000", "").await;
    let mut now = Stream::open(door.address, "/events/main", "").await;
    door.backend.publish(expired(10));
    for stream in [&mut whole, &mut part, &mut resumed, &mut odd, &mut future, &mut now] {
        assert_eq!(stream.ids(1).await, [10]);
    }
}

#[tokio::test]
async fn replay_comes_from_disk_and_runs_into_the_present_without_a_seam() {
    let memory = Memory::new();
    // Far more than is kept in memory, stored before the door opened.
    for n in 0..9_000 {
        memory.store(expired(n));
    }
    let door = events(memory, EventsConfig::default()).await;
    let mut first = Stream::open(door.address, "/events/main?start_from=0", "").await;
    let backend = door.backend.clone();
    let publisher = tokio::spawn(async move {
        for n in 9_000..12_000 {
            backend.publish(expired(n));
            if n % 50 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    let mut later = Stream::open(door.address, "/events/main?start_from=8990", "").await;
    assert_eq!(first.ids(12_000).await, (0..12_000).collect::<Vec<_>>());
    assert_eq!(later.ids(3_010).await, (8_990..12_000).collect::<Vec<_>>());
    publisher.await.unwrap();
}

#[tokio::test]
async fn a_burst_that_overruns_the_feed_is_read_from_disk() {
    let door = door().await;
    let mut stream = Stream::open(door.address, "/events/main", "").await;
    // The feed of this backend holds 64 events; these come without a pause.
    for n in 0..2_000 {
        door.backend.publish(expired(n));
    }
    assert_eq!(stream.ids(2_000).await, (0..2_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_not_stored_any_more_is_left_out_and_the_rest_comes() {
    let memory = Memory::new();
    for n in 0..20 {
        memory.store(expired(n));
    }
    memory.events.lock().unwrap().retain(|id, _| *id >= 15);
    memory.store(Event::BlockAdded(casper_types::BlockHash::new(Digest::hash(b"gone"))));
    memory.store(expired(21));
    let door = events(memory, EventsConfig::default()).await;
    let mut stream = Stream::open(door.address, "/events/main?start_from=3", "").await;
    assert_eq!(stream.ids(6).await, [15, 16, 17, 18, 19, 21]);
    door.backend.publish(expired(22));
    assert_eq!(stream.ids(1).await, [22]);
}

#[tokio::test]
async fn text_is_made_once_for_all_and_not_at_all_for_nobody() {
    let door = door().await;
    let hash = *example_deploy().hash();
    // Somebody listens, but not for deploys.
    let mut other = Stream::open(door.address, "/events/main", "").await;
    door.backend.publish(Event::DeployAccepted(hash));
    door.backend.publish(expired(1));
    assert_eq!(other.ids(1).await, [1]);
    assert_eq!(door.backend.lookups.load(Ordering::SeqCst), 0);

    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Stream::open(door.address, "/events/deploys", "").await);
    }
    for _ in 0..5 {
        door.backend.publish(Event::DeployAccepted(hash));
    }
    for stream in &mut streams {
        assert_eq!(stream.ids(5).await, [2, 3, 4, 5, 6]);
    }
    assert_eq!(door.backend.lookups.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn one_reader_too_many_is_refused_until_another_leaves() {
    let config = EventsConfig { subscribers_max: 2, ..EventsConfig::default() };
    let door = events(Memory::new(), config).await;
    let first = Stream::open(door.address, "/events/main", "").await;
    let _second = Stream::open(door.address, "/events/sigs", "").await;
    let answer = get(door.address, "/events/main").await;
    assert_eq!((answer.status, answer.text()), (503, "server has reached limit of subscribers\n"));
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut connection = Connection::open(door.address).await;
        connection.send(b"GET /events/main HTTP/1.1\r\nhost: x\r\n\r\n").await;
        if connection.head().await.0 == 200 {
            break;
        }
        assert!(Instant::now() < deadline, "the place is not given back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_reader_who_falls_behind_is_cut_off_and_others_are_not() {
    let metrics = Metrics::default();
    let config = EventsConfig { lag_max: 500, metrics: metrics.clone(), ..EventsConfig::default() };
    let door = events(Memory::new(), config).await;
    let hash = *example_deploy().hash();
    let mut slow = Stream::open(door.address, "/events/deploys", "").await;
    let mut quick = Stream::open(door.address, "/events/deploys", "").await;
    let count = 40_000;
    let backend = door.backend.clone();
    let publisher = tokio::spawn(async move {
        for n in 0..count {
            backend.publish(Event::DeployAccepted(hash));
            if n % 20 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let mut next = 0;
    while metrics.event_laggards.get() == 0 {
        let ids = timeout(PATIENCE, quick.ids(1)).await.expect("more events, or a laggard");
        assert_eq!(ids, [next]);
        next += 1;
    }
    publisher.abort();
    // The slow one reads now: what was on its way, in order, and then the end.
    let mut expected = 0;
    while let Some(message) = slow.message().await {
        assert_eq!(id(&message), Some(expected));
        expected += 1;
    }
    assert!(expected < door.backend.events.lock().unwrap().len() as u64);
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_a_comment_every_fifteen_seconds() {
    let door = door().await;
    let mut stream = Stream::open(door.address, "/events/main", "").await;
    let start = Instant::now();
    for n in 1..=3 {
        assert_eq!(stream.message().await.unwrap(), ":\n\n");
        let passed = start.elapsed().as_secs();
        assert!((15 * n..15 * n + 3).contains(&passed), "{passed}");
    }
}

#[tokio::test]
async fn a_disk_fault_ends_the_stream_and_the_next_one_works() {
    let memory = Memory::new();
    memory.store(expired(0));
    let door = events(memory, EventsConfig::default()).await;
    door.backend.broken.store(true, Ordering::SeqCst);
    let mut stream = Stream::open(door.address, "/events/main?start_from=0", "").await;
    assert_eq!(stream.message().await, None);
    door.backend.broken.store(false, Ordering::SeqCst);
    let mut stream = Stream::open(door.address, "/events/main?start_from=0", "").await;
    assert_eq!(stream.ids(1).await, [0]);
}

#[tokio::test]
async fn a_stream_is_never_compressed() {
    let door = events(Memory::new(), EventsConfig::default()).await;
    // Opening it reads the first message as text.
    let mut stream = Stream::open(door.address, "/events", "accept-encoding: gzip\r\n").await;
    door.backend.publish(Event::DeployExpired(*example_deploy().hash()));
    assert!(stream.message().await.unwrap().contains("DeployExpired"));
}
