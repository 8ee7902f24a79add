//! The door: serves JSON-RPC, event streams, REST and metrics.
//!
//! Knows: HTTP, the contract of `girrona_api`, and a small [`Backend`] to ask.
//!
//! Does not know: chain, network, store. Whoever assembles a node binds the listeners, implements
//! [`Backend`] and calls [`serve_rpc`], [`serve_speculative`], [`serve_rest`] and
//! [`serve_events`].
//!
//! Everything that comes in is bounded: connections, request heads and bodies, bytes held for
//! bodies at once, requests per second, event subscribers and what is kept for each. What happens
//! at a bound is written where the bound is.

#![forbid(unsafe_code)]

pub mod assemblies;
mod backend;
mod events;
mod io;
mod metrics;
mod query;
mod rate;
mod rest;
pub mod rpc;
mod server;

pub use assemblies::{Answer, Assemblies, AssemblyError, AssemblyEvent};
pub use backend::{
    Backend, BlockId, DeployRecord, Execution, Fault, NodeStatus, PutError, SpeculateError,
    StateId, StateView, StoredBlock,
};
pub use events::{EventsConfig, serve_events};
pub use metrics::{Metrics, Outcome, Refusal};
pub use rest::{RestConfig, serve_rest};
pub use rpc::{RpcConfig, serve_rpc, serve_speculative};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header::CONTENT_TYPE},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Lets pages of other origins read our answers in a browser: of none for an empty text, of all
/// for `*`, else of the one that is named. A text that cannot be a header value allows none.
fn with_cors(router: Router, origin: &str, method: Method) -> Router {
    let origin = match (origin, HeaderValue::from_str(origin)) {
        ("", _) | (_, Err(_)) => return router,
        ("*", _) => AllowOrigin::any(),
        (_, Ok(origin)) => AllowOrigin::exact(origin),
    };
    let headers = [CONTENT_TYPE, HeaderName::from_static("last-event-id")];
    let cors = CorsLayer::new().allow_methods([method]).allow_headers(headers);
    router.layer(cors.allow_origin(origin))
}
