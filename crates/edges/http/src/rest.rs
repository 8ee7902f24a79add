//! Plain HTTP: how the node is doing, its metrics, the network's rules and validators, and what
//! JSON-RPC answers.

pub(crate) mod content;

use std::{future::Future, io, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use girrona_api::methods::discover::open_rpc;
use serde::Serialize;
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tracing::error;

use crate::{Backend, Fault, Metrics, rpc, server, with_cors};

/// The content type of Prometheus's text format as the metrics crate writes it.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// How REST is served.
#[derive(Clone, Debug)]
pub struct RestConfig {
    /// Which origin's pages may call: empty for none, `*` for all.
    pub cors_origin: String,
    /// Connections open at once; one more is told 503 and closed.
    pub connections_max: usize,
    /// Where to count.
    pub metrics: Metrics,
}

impl Default for RestConfig {
    fn default() -> Self {
        Self { cors_origin: String::new(), connections_max: 256, metrics: Metrics::default() }
    }
}

/// What is shown when somebody looks elsewhere.
const PATHS: &str =
    "try /status, /metrics, /rpc-schema, /validator-changes, /chainspec or /assembly/ROOT\n";

/// Serves `GET` on [`PATHS`] until `shutdown` is done.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve_rest(
    listener: TcpListener,
    backend: Arc<dyn Backend>,
    config: RestConfig,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let router = Router::new()
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/rpc-schema", get(rpc_schema))
        .route("/validator-changes", get(validator_changes))
        .route("/chainspec", get(chainspec))
        .merge(content::routes())
        .merge(content::incumbents())
        .fallback(async || (StatusCode::NOT_FOUND, PATHS))
        .with_state(backend)
        .layer(CompressionLayer::new());
    let router = with_cors(router, &config.cors_origin, Method::GET);
    server::serve(listener, router, config.connections_max, config.metrics, shutdown).await
}

type Asked = State<Arc<dyn Backend>>;

async fn status(State(backend): Asked) -> Response {
    answer(backend, |backend| Ok(rpc::status_of(backend))).await
}

async fn validator_changes(State(backend): Asked) -> Response {
    answer(backend, rpc::validator_changes_of).await
}

async fn chainspec(State(backend): Asked) -> Response {
    answer(backend, |backend| Ok(rpc::chainspec_of(backend))).await
}

/// The document alone; `rpc.discover` wraps it.
async fn rpc_schema() -> Response {
    (JSON, open_rpc()).into_response()
}

/// Asks on a thread that may block, and writes what comes back as JSON.
async fn answer<T: Serialize + 'static>(
    backend: Arc<dyn Backend>,
    question: fn(&dyn Backend) -> Result<T, Fault>,
) -> Response {
    let work = move || match question(&*backend) {
        Ok(found) => serde_json::to_string(&found).map_err(|error| Fault(error.to_string())),
        Err(fault) => Err(fault),
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(json)) => (JSON, json).into_response(),
        Ok(Err(cause)) => failed(&cause),
        Err(cause) => failed(&cause),
    }
}

async fn metrics(State(backend): Asked) -> Response {
    match tokio::task::spawn_blocking(move || backend.metrics_text()).await {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(cause) => failed(&cause),
    }
}

fn failed(cause: &dyn std::error::Error) -> Response {
    error!(%cause, "answering over REST failed");
    (StatusCode::INTERNAL_SERVER_ERROR, "the node failed; its log says more\n").into_response()
}
