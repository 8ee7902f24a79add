//! What assemblies show of themselves. The texts are the help.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    pub(crate) outcome: &'static str,
}

/// Metrics of assemblies.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) announced: Gauge,
    pub(crate) ready: Gauge,
    pub(crate) nodes: Gauge,
    pub(crate) content_bytes: Gauge,
    pub(crate) content_free: Gauge,
    pub(crate) decisions: Family<Outcome, Counter>,
    pub(crate) fetches: Family<Outcome, Counter>,
    pub(crate) fetched_bytes: Counter,
    pub(crate) evicted: Counter,
    pub(crate) refusals: Family<Outcome, Counter>,
    pub(crate) executions: Family<Outcome, Counter>,
    pub(crate) execution_seconds: Histogram,
    pub(crate) requests: Family<Outcome, Counter>,
    pub(crate) request_seconds: Histogram,
    pub(crate) evidence: Counter,
}

impl Metrics {
    /// Registers all of them.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("assemblies");
        let seconds = || Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0]);
        let all = Self {
            announced: Gauge::default(),
            ready: Gauge::default(),
            nodes: Gauge::default(),
            content_bytes: Gauge::default(),
            content_free: Gauge::default(),
            decisions: Family::default(),
            fetches: Family::default(),
            fetched_bytes: Counter::default(),
            evicted: Counter::default(),
            refusals: Family::default(),
            executions: Family::default(),
            execution_seconds: seconds(),
            requests: Family::default(),
            request_seconds: seconds(),
            evidence: Counter::default(),
        };
        let register = registry;
        register.register("announced", "Announcements that hold", all.announced.clone());
        register.register("ready", "Assemblies that can be executed here", all.ready.clone());
        register.register("nodes", "Nodes that say what they hold", all.nodes.clone());
        register.register("content_bytes", "Content held", all.content_bytes.clone());
        register.register("content_free_bytes", "Room for content", all.content_free.clone());
        register.register("decisions", "Whether to cache", all.decisions.clone());
        register.register("fetches", "Fetches that ended", all.fetches.clone());
        register.register("fetched_bytes", "Content that was fetched", all.fetched_bytes.clone());
        register.register("evicted", "Content that was given up", all.evicted.clone());
        register.register("refusals", "Messages that were not taken", all.refusals.clone());
        register.register("executions", "Executions that ended here", all.executions.clone());
        register.register(
            "execution_seconds",
            "From a request's start here to its end",
            all.execution_seconds.clone(),
        );
        register.register("requests", "Requests brought here that ended", all.requests.clone());
        register.register(
            "request_seconds",
            "From a request's arrival to its certificate",
            all.request_seconds.clone(),
        );
        register.register("evidence", "Executors proven to lie", all.evidence.clone());
        all
    }

    /// Counts how something ended.
    pub(crate) fn count(family: &Family<Outcome, Counter>, outcome: &'static str) {
        family.get_or_create(&Outcome { outcome }).inc();
    }
}
