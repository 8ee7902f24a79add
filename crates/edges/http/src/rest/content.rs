//! Content as CAR files, and the paths of the incumbent's function service.
//!
//! Nothing here rides on CORS: whatever uses the node's key or its disk takes the node's token as
//! `Authorization: Bearer …`, a header that no page of another origin is allowed to send, or
//! content that a signed announcement named before.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::StreamExt;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{Assemblies, AssemblyError, Backend};

/// The content type of CAR files.
const CAR: &str = "application/vnd.ipld.car";
/// Pieces between a socket and the store. When full, the socket waits.
const PIECES: usize = 4;
/// A file that comes in may stand still this long.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest body in JSON.
const JSON_MAX: usize = 2 * 1024 * 1024;

/// Content, which JSON-RPC's address serves too: a client needs one address.
pub(crate) fn routes() -> Router<Arc<dyn Backend>> {
    let content = get(download).put(upload).layer(DefaultBodyLimit::disable());
    Router::new().route("/assembly/{root}", content)
}

/// The incumbent's paths.
pub(super) fn incumbents() -> Router<Arc<dyn Backend>> {
    Router::new()
        .route("/api/v1/health", get(health))
        .route("/api/v1/functions/execute", post(execute))
        .route("/api/v1/functions/install", post(install))
        .route("/api/v1/functions/requests/result", post(result))
        .layer(DefaultBodyLimit::max(JSON_MAX))
}

/// A value as JSON.
struct Json<T>(T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        // Every shape here has a form in JSON.
        let text = serde_json::to_string(&self.0).unwrap_or_default();
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    }
}

type Asked = State<Arc<dyn Backend>>;

struct Failed(AssemblyError);

impl From<AssemblyError> for Failed {
    fn from(error: AssemblyError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            AssemblyError::NotFound(_) => StatusCode::NOT_FOUND,
            AssemblyError::Refused(_) => StatusCode::BAD_REQUEST,
            AssemblyError::Token => StatusCode::UNAUTHORIZED,
            AssemblyError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            AssemblyError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let code = status.as_u16().to_string();
        (status, Json(json!({ "code": code, "message": self.0.to_string() }))).into_response()
    }
}

fn assemblies(backend: &dyn Backend) -> Result<Arc<dyn Assemblies>, Failed> {
    let off = || AssemblyError::NotFound("assemblies are turned off on this node".to_owned());
    Ok(backend.assemblies().ok_or_else(off)?)
}

/// The token that came along.
fn token(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

async fn download(State(backend): Asked, Path(root): Path<String>) -> Result<Response, Failed> {
    let root = root.trim_end_matches(".car");
    let pieces = assemblies(&*backend)?.download(root).await?;
    let body = ReceiverStream::new(pieces).map(|piece| piece.map_err(io::Error::other));
    Ok(([(header::CONTENT_TYPE, CAR)], Body::from_stream(body)).into_response())
}

async fn upload(
    State(backend): Asked,
    Path(root): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let node = assemblies(&*backend)?;
    let (pieces, taken) = mpsc::channel(PIECES);
    let root = root.trim_end_matches(".car");
    let bring = async move {
        let mut body = body.into_data_stream();
        loop {
            let piece = match tokio::time::timeout(PATIENCE, body.next()).await {
                Ok(None) => return,
                Ok(Some(Ok(piece))) => Ok(piece),
                Ok(Some(Err(error))) => Err(error.to_string()),
                Err(_) => Err("the file stood still".to_owned()),
            };
            let is_over = piece.is_err();
            if pieces.send(piece).await.is_err() || is_over {
                return;
            }
        }
    };
    let (answer, ()) = tokio::join!(node.upload(root, token(&headers), taken), bring);
    Ok(Json(answer?).into_response())
}

async fn health() -> Json<Value> {
    Json(json!({ "code": "200" }))
}

async fn execute(
    State(backend): Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Failed> {
    let token = token(&headers).ok_or(AssemblyError::Token)?;
    Ok(Json(assemblies(&*backend)?.function_execute(read(&body)?, token).await?))
}

async fn install(
    State(backend): Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Failed> {
    let token = token(&headers).ok_or(AssemblyError::Token)?;
    Ok(Json(assemblies(&*backend)?.function_install(read(&body)?, token).await?))
}

async fn result(State(backend): Asked, body: Bytes) -> Result<Json<Value>, Failed> {
    Ok(Json(assemblies(&*backend)?.function_result(read(&body)?).await?))
}

fn read(body: &[u8]) -> Result<Value, Failed> {
    serde_json::from_slice(body)
        .map_err(|error| AssemblyError::Refused(format!("the body is no JSON: {error}")).into())
}
