//! JSON-RPC over HTTP, as casper-node 1.5.8 does it where a client can tell.
//!
//! `POST /rpc` with `content-type: application/json`; any JSON-RPC answer has HTTP status 200.
//! Bounds and what happens there: a body over [`RpcConfig::body_max`] gets 413, one that takes
//! longer than [`BODY_TIMEOUT`] 408, bodies of more than [`BODIES_MAX`] bytes at once 503, more
//! than [`RpcConfig::qps_limit`] requests a second 429 with `Retry-After`.

mod account;
mod answer;
mod assembly;
mod auction;
mod chain;
mod girrona;
mod info;
pub mod request;
mod speculate;
mod state;

pub(crate) use info::{chainspec_of, status_of, validator_changes_of};

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::net::TcpListener;
use tower_http::compression::{CompressionLayer, predicate::SizeAbove};

use crate::{Backend, Metrics, rate::RateLimit, server, with_cors};

/// A request's body has this long to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of bodies that are held at once for all callers: 128 MiB.
const BODIES_MAX: usize = 128 * 1024 * 1024;
/// Answers from this size on are compressed for callers who can read it, in bytes.
const COMPRESS_FROM: u16 = 1_024;
/// Of a body that is too large, this many times the limit is read and thrown away, so that the
/// caller gets to read the refusal.
const DISCARD_FACTOR: usize = 4;

/// How JSON-RPC is served.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// Which origin's pages may call: empty for none, `*` for all.
    pub cors_origin: String,
    /// Requests per second of all callers together; 0 for no limit.
    pub qps_limit: u64,
    /// The largest body, in bytes.
    pub body_max: usize,
    /// Connections open at once; one more is told 503 and closed.
    pub connections_max: usize,
    /// Where to count.
    pub metrics: Metrics,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            cors_origin: String::new(),
            qps_limit: 10_000,
            body_max: 2_621_440,
            connections_max: 1_024,
            metrics: Metrics::default(),
        }
    }
}

/// Which methods a listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    /// All of the contract.
    All,
    /// `speculative_exec` alone.
    Speculative,
}

struct Rpc {
    backend: Arc<dyn Backend>,
    answers: Answers,
    rate: RateLimit,
    body_max: usize,
    held: AtomicUsize,
    metrics: Metrics,
}

/// Serves JSON-RPC on `listener` until `shutdown` is done; requests under way are finished.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve_rpc(
    listener: TcpListener,
    backend: Arc<dyn Backend>,
    config: RpcConfig,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    serve(listener, backend, config, Answers::All, shutdown).await
}

/// Serves `speculative_exec` and nothing else, as [`serve_rpc`] serves all methods.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve_speculative(
    listener: TcpListener,
    backend: Arc<dyn Backend>,
    config: RpcConfig,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    serve(listener, backend, config, Answers::Speculative, shutdown).await
}

async fn serve(
    listener: TcpListener,
    backend: Arc<dyn Backend>,
    config: RpcConfig,
    answers: Answers,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let content = crate::rest::content::routes().with_state(Arc::clone(&backend));
    let rpc = Arc::new(Rpc {
        backend,
        answers,
        rate: RateLimit::new(config.qps_limit, Instant::now()),
        body_max: config.body_max,
        held: AtomicUsize::new(0),
        metrics: config.metrics.clone(),
    });
    let handler = post(handle).fallback(wrong_method);
    let router = Router::new()
        .route("/rpc", handler.clone())
        .route("/rpc/", handler)
        .fallback(wrong_path)
        .with_state(rpc);
    let router = if answers == Answers::All { router.merge(content) } else { router };
    let router = router.layer(CompressionLayer::new().compress_when(SizeAbove::new(COMPRESS_FROM)));
    let router = with_cors(router, &config.cors_origin, Method::POST);
    server::serve(listener, router, config.connections_max, config.metrics, shutdown).await
}

/// A request that gets no JSON-RPC answer.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("Path not found")]
    Path,
    #[error("HTTP method not allowed")]
    Method,
    #[error("The request's content-type is not set")]
    NoContentType,
    #[error("The request's content-type is not supported")]
    ContentType,
    #[error("The request payload exceeds the maximum allowed of {0} bytes")]
    TooLarge(usize),
    #[error("The request's body did not come within {} seconds", BODY_TIMEOUT.as_secs())]
    TooSlow,
    #[error("The request's body broke off")]
    BrokenOff,
    #[error("The request is missing the 'id' field")]
    NoId,
    #[error("Too many requests; try again in a second")]
    TooMany,
    #[error("Too many large requests at once; try again in a second")]
    Full,
}

impl Refused {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoContentType | Self::BrokenOff | Self::NoId => StatusCode::BAD_REQUEST,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::json!({ "message": self.to_string() }).to_string();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if matches!(self, Self::TooMany | Self::Full) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

async fn wrong_path(State(rpc): State<Arc<Rpc>>) -> Refused {
    rpc.refuse(Refused::Path)
}

async fn wrong_method(State(rpc): State<Arc<Rpc>>) -> Refused {
    rpc.refuse(Refused::Method)
}

async fn handle(State(rpc): State<Arc<Rpc>>, request: Request) -> Result<Response, Refused> {
    let result = rpc.respond(request).await;
    result.map_err(|refused| rpc.refuse(refused))
}

impl Rpc {
    fn refuse(&self, refused: Refused) -> Refused {
        self.metrics.refused(refused.status().as_u16());
        refused
    }

    async fn respond(self: &Arc<Self>, request: Request) -> Result<Response, Refused> {
        if !self.rate.take(Instant::now()) {
            return Err(Refused::TooMany);
        }
        check_content_type(request.headers())?;
        let mut held = Held { rpc: self, bytes: 0 };
        let read = held.read(request.into_body());
        let body =
            tokio::time::timeout(BODY_TIMEOUT, read).await.map_err(|_| Refused::TooSlow)??;
        let answer = answer::answer(&self.backend, self.answers, &self.metrics, &body).await?;
        Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
    }
}

/// Exactly `application/json`, in any case of letters.
fn check_content_type(headers: &HeaderMap) -> Result<(), Refused> {
    let value = headers.get(header::CONTENT_TYPE).ok_or(Refused::NoContentType)?;
    if value.as_bytes().eq_ignore_ascii_case(b"application/json") {
        Ok(())
    } else {
        Err(Refused::ContentType)
    }
}

/// Bytes of a body that count against the bound for all.
struct Held<'a> {
    rpc: &'a Rpc,
    bytes: usize,
}

impl Held<'_> {
    async fn read(&mut self, body: Body) -> Result<Bytes, Refused> {
        let max = self.rpc.body_max;
        let mut chunks = body.into_data_stream();
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        let mut length: usize = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Refused::BrokenOff)?;
            length = length.saturating_add(chunk.len());
            if length > max.saturating_mul(DISCARD_FACTOR) {
                break;
            }
            if length > max {
                // Read on and forget: a caller in the middle of sending does not listen.
                (first, whole) = (Bytes::new(), BytesMut::new());
                continue;
            }
            self.hold(chunk.len())?;
            // Most bodies are one chunk, and that one is not copied.
            if first.is_empty() && whole.is_empty() {
                first = chunk;
            } else {
                if whole.is_empty() {
                    whole.extend_from_slice(&std::mem::take(&mut first));
                }
                whole.extend_from_slice(&chunk);
            }
        }
        if length > max {
            return Err(Refused::TooLarge(max));
        }
        Ok(if whole.is_empty() { first } else { whole.freeze() })
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Refused> {
        let held = self.rpc.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes = self.bytes.saturating_add(bytes);
        if held.saturating_add(bytes) > BODIES_MAX { Err(Refused::Full) } else { Ok(()) }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.rpc.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
