//! Assemblies at the door: content in and out, the incumbent's paths, and who may do what.

use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use girrona_api::methods::assembly as a;
use girrona_http::{Answer, Assemblies, AssemblyError, AssemblyEvent, RestConfig};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};

use crate::{
    memory::{Memory, golden_result},
    raw::{Answer as Reply, send},
    server::rest,
};

/// What counts as the node's token.
pub(crate) const TOKEN: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

/// Answers what the golden files say.
pub(crate) struct Canned;

fn check(token: &str) -> Answer<()> {
    if token == TOKEN { Ok(()) } else { Err(AssemblyError::Token) }
}

#[async_trait]
impl Assemblies for Canned {
    async fn node(&self) -> Answer<a::AssemblyNodeResult> {
        Ok(golden_result::<a::AssemblyNode>())
    }
    async fn publish(&self, _: Vec<u8>) -> Answer<a::AssemblyPublishResult> {
        Ok(golden_result::<a::AssemblyPublish>())
    }
    async fn withdraw(&self, _: Vec<u8>) -> Answer<a::AssemblyRootResult> {
        Ok(golden_result::<a::AssemblyWithdraw>())
    }
    async fn list(&self) -> Answer<a::AssemblyListResult> {
        Ok(golden_result::<a::AssemblyList>())
    }
    async fn show(&self, _: &str) -> Answer<a::AssemblyShowResult> {
        Ok(golden_result::<a::AssemblyShow>())
    }
    async fn pin(&self, _: &str, _: bool, token: &str) -> Answer<a::AssemblyRootResult> {
        check(token).map(|()| golden_result::<a::AssemblyPin>())
    }
    async fn interests(&self, _: a::Interests, token: &str) -> Answer<a::AssemblyNodeResult> {
        check(token).map(|()| golden_result::<a::AssemblyInterests>())
    }
    async fn check(&self, _: &str, token: &str) -> Answer<a::AssemblyCheckResult> {
        check(token).map(|()| golden_result::<a::AssemblyCheck>())
    }
    async fn run(&self, _: Vec<u8>, _: u64) -> Answer<a::AssemblyRunResult> {
        Ok(golden_result::<a::AssemblyRun>())
    }
    async fn result(&self, _: &str, _: u64) -> Answer<a::AssemblyRunResult> {
        Ok(golden_result::<a::AssemblyResult>())
    }
    async fn cancel(&self, _: Vec<u8>) -> Answer<a::AssemblyCancelResult> {
        Ok(golden_result::<a::AssemblyCancel>())
    }
    async fn upload(
        &self,
        root: &str,
        token: Option<&str>,
        mut pieces: mpsc::Receiver<Result<Bytes, String>>,
    ) -> Answer<a::AssemblyRootResult> {
        if let Some(token) = token {
            check(token)?;
        }
        let mut length = 0;
        while let Some(piece) = pieces.recv().await {
            length += piece.map_err(AssemblyError::Refused)?.len();
        }
        let version = golden_result::<a::AssemblyNode>().api_version;
        Ok(a::AssemblyRootResult { api_version: version, root: format!("{root} {length}") })
    }
    async fn download(&self, root: &str) -> Answer<mpsc::Receiver<Result<Bytes, String>>> {
        if root != "known" {
            return Err(AssemblyError::NotFound(format!("{root} is not held")));
        }
        let (out, pieces) = mpsc::channel(2);
        for piece in ["one ", "two"] {
            out.try_send(Ok(Bytes::from(piece))).unwrap();
        }
        Ok(pieces)
    }
    async fn function_execute(&self, body: Value, token: &str) -> Answer<Value> {
        check(token).map(|()| json!({ "code": "200", "asked": body }))
    }
    async fn function_install(&self, body: Value, token: &str) -> Answer<Value> {
        check(token).map(|()| json!({ "code": "200", "asked": body }))
    }
    async fn function_result(&self, body: Value) -> Answer<Value> {
        Ok(json!({ "code": "200", "asked": body }))
    }
    fn events(&self) -> broadcast::Receiver<AssemblyEvent> {
        broadcast::channel(1).1
    }
}

/// Sends one request, in pieces of HTTP.
async fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &str,
) -> Reply {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n");
    send(address, format!("{head}{headers}\r\n{body}").as_bytes()).await
}

#[tokio::test]
async fn content_goes_in_and_out_in_pieces() {
    let door = rest(Memory::new(), RestConfig::default()).await;
    let answer = exchange(door.address, "GET", "/assembly/known.car", &[], "").await;
    assert_eq!((answer.status, answer.text()), (200, "one two"));
    let answer = exchange(door.address, "GET", "/assembly/other", &[], "").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("other is not held"), "{answer:?}");
    let long = "x".repeat(5 << 20);
    let answer = exchange(door.address, "PUT", "/assembly/root", &[], &long).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text().contains(&format!("root {}", long.len())), "{answer:?}");
    let wrong = [("authorization", "Bearer guess".to_owned())];
    let answer = exchange(door.address, "PUT", "/assembly/root", &wrong, "x").await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn functions_are_executed_for_the_token_alone_and_never_across_origins() {
    let config = RestConfig { cors_origin: "*".to_owned(), ..RestConfig::default() };
    let door = rest(Memory::new(), config).await;
    let paths = ["/api/v1/functions/execute", "/api/v1/functions/install"];
    let bearer = [("authorization", format!("Bearer {TOKEN}"))];
    for path in paths {
        assert_eq!(exchange(door.address, "POST", path, &[], "{}").await.status, 401);
        let answer = exchange(door.address, "POST", path, &bearer, "{\"a\":1}").await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("\"a\":1"), "{answer:?}");
        assert_eq!(exchange(door.address, "POST", path, &bearer, "no json").await.status, 400);
        // What a browser asks before it sends such a header from elsewhere.
        let asks = [
            ("origin", "https://evil.example".to_owned()),
            ("access-control-request-method", "POST".to_owned()),
            ("access-control-request-headers", "authorization".to_owned()),
        ];
        let answer = exchange(door.address, "OPTIONS", path, &asks, "").await;
        assert!(!answer.head.to_lowercase().contains("authorization"), "{answer:?}");
    }
    let path = "/api/v1/functions/requests/result";
    let answer = exchange(door.address, "POST", path, &[], "{\"id\":\"x\"}").await;
    assert_eq!(answer.status, 200);
    let answer = exchange(door.address, "GET", "/api/v1/health", &[], "").await;
    assert_eq!((answer.status, answer.text()), (200, "{\"code\":\"200\"}"));
}
