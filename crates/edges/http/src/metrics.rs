//! What the door counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// How a JSON-RPC request ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// The method, `other` for one that does not exist.
    pub method: &'static str,
    /// The error's code; 0 for a result.
    pub code: i64,
}

/// Why a request or connection got no JSON-RPC answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
}

/// All counters of the door. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// JSON-RPC requests by method and code.
    pub rpc_requests: Family<Outcome, Counter>,
    /// Requests that HTTP refused, by status.
    pub refusals: Family<Refusal, Counter>,
    /// Clients that read event streams now.
    pub event_subscribers: Gauge,
    /// Clients that were cut off because they read too slowly.
    pub event_laggards: Counter,
}

impl Metrics {
    /// Adds the counters to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("door");
        let requests = "JSON-RPC requests by method and error code, 0 for a result";
        registry.register("rpc_requests", requests, self.rpc_requests.clone());
        let refusals = "Requests and connections that HTTP refused, by status";
        registry.register("refusals", refusals, self.refusals.clone());
        let subscribers = "Clients that read event streams now";
        registry.register("event_subscribers", subscribers, self.event_subscribers.clone());
        let laggards = "Clients that were cut off because they read too slowly";
        registry.register("event_laggards", laggards, self.event_laggards.clone());
    }

    pub(crate) fn refused(&self, status: u16) {
        self.refusals.get_or_create(&Refusal { status }).inc();
    }
}
