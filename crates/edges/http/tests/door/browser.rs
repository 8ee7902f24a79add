//! What pages and compressing clients get.

use girrona_http::{EventsConfig, RestConfig, RpcConfig};

use crate::{
    memory::Memory,
    raw::{post, request, send},
    server::{events, rest, rpc},
};

const PREFLIGHT: &[u8] = b"OPTIONS /rpc HTTP/1.1\r\nhost: x\r\norigin: http://page.example\r\n\
access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n\r\n";

fn from_page(body: &str) -> Vec<u8> {
    let text = String::from_utf8(post(body)).unwrap();
    text.replace("host: x", "host: x\r\norigin: http://page.example").into_bytes()
}

#[tokio::test]
async fn pages_may_call_only_where_the_operator_says_so() {
    let allowed = async |origin: &str| {
        let config = RpcConfig { cors_origin: origin.to_owned(), ..RpcConfig::default() };
        let door = rpc(Memory::new(), config).await;
        let preflight = send(door.address, PREFLIGHT).await;
        let call = send(door.address, &from_page(&request("info_get_peers", ""))).await;
        let header = |answer: &crate::raw::Answer| {
            answer.header("access-control-allow-origin").map(str::to_owned)
        };
        assert_eq!(call.status, 200);
        if header(&call).is_some() {
            assert_eq!(preflight.status, 200);
            assert_eq!(preflight.header("access-control-allow-methods"), Some("POST"));
            let headers = preflight.header("access-control-allow-headers").unwrap();
            assert!(headers.contains("content-type"));
        } else {
            assert_eq!(preflight.status, 405);
        }
        header(&call)
    };
    assert_eq!(allowed("").await, None);
    assert_eq!(allowed("*").await.as_deref(), Some("*"));
    assert_eq!(allowed("http://page.example").await.as_deref(), Some("http://page.example"));
    // The browser compares, and keeps the answer from the page.
    assert_eq!(allowed("http://other.example").await.as_deref(), Some("http://other.example"));
    assert_eq!(allowed("bad\norigin").await, None);
}

#[tokio::test]
async fn status_and_events_follow_the_same_setting() {
    let config = RestConfig { cors_origin: "*".to_owned(), ..RestConfig::default() };
    let door = rest(Memory::new(), config).await;
    let asked = b"GET /status HTTP/1.1\r\nhost: x\r\norigin: http://a\r\n\r\n";
    let answer = send(door.address, asked).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let config = EventsConfig { cors_origin: "*".to_owned(), ..EventsConfig::default() };
    let door = events(Memory::new(), config).await;
    let asked = b"GET /nothing HTTP/1.1\r\nhost: x\r\norigin: http://a\r\n\r\n";
    let answer = send(door.address, asked).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_ask() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    let ask = async |method: &str, encoding: &str| {
        let text = String::from_utf8(post(&request(method, ""))).unwrap();
        let text = text.replace("host: x", &format!("host: x\r\naccept-encoding: {encoding}"));
        send(door.address, text.as_bytes()).await
    };
    let plain = ask("chain_get_block", "identity").await;
    assert_eq!(plain.header("content-encoding"), None);
    let small = ask("chain_get_block", "gzip").await;
    assert_eq!(small.header("content-encoding"), Some("gzip"));
    assert!(small.body.starts_with(&[0x1f, 0x8b]) && small.body.len() < plain.body.len());
    assert_eq!(ask("info_get_peers", "gzip").await.header("content-encoding"), None, "too short");
}
