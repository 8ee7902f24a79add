//! Plain HTTP: how the node is doing, and its metrics.

use std::{future::Future, io, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tracing::error;

use crate::{Backend, Metrics, rpc, server, with_cors};

/// The content type of Prometheus's text format as the metrics crate writes it.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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

/// Serves `GET /status` and `GET /metrics` until `shutdown` is done.
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
        .fallback(async || (StatusCode::NOT_FOUND, "try /status or /metrics\n"))
        .with_state(backend)
        .layer(CompressionLayer::new());
    let router = with_cors(router, &config.cors_origin, Method::GET);
    server::serve(listener, router, config.connections_max, config.metrics, shutdown).await
}

async fn status(State(backend): State<Arc<dyn Backend>>) -> Response {
    let work = move || serde_json::to_string(&rpc::status_of(&*backend));
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(json)) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Ok(Err(cause)) => failed(&cause),
        Err(cause) => failed(&cause),
    }
}

async fn metrics(State(backend): State<Arc<dyn Backend>>) -> Response {
    match tokio::task::spawn_blocking(move || backend.metrics_text()).await {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(cause) => failed(&cause),
    }
}

fn failed(cause: &dyn std::error::Error) -> Response {
    error!(%cause, "answering over REST failed");
    (StatusCode::INTERNAL_SERVER_ERROR, "the node failed; its log says more\n").into_response()
}
