//! What the engines show of themselves. The doc comments are the help texts.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type ByTier = Family<[(&'static str, &'static str); 1], Counter>;

/// Metrics of running contracts. Tiers are `interpreter` and `cranelift`.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Runs of contract code, by tier
    runs: ByTier,
    /// Modules compiled in the background
    pub(crate) compiled: Counter,
    /// Seconds that the background compiler worked
    pub(crate) compile_seconds: Counter<f64, AtomicU64>,
    /// Modules that were to be compiled and stay interpreted
    pub(crate) not_compiled: Counter,
    /// Modules prepared anew
    pub(crate) prepared: Counter,
    /// Bytes that kept code takes, estimated
    pub(crate) bytes: Gauge,
}

impl Metrics {
    /// Registers all of them.
    pub fn new(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("contracts");
        let metrics = Self::default();
        registry.register("runs", "Runs of contract code, by tier", metrics.runs.clone());
        registry.register(
            "compiled",
            "Modules compiled in the background",
            metrics.compiled.clone(),
        );
        registry.register(
            "compile_seconds",
            "Seconds that the background compiler worked",
            metrics.compile_seconds.clone(),
        );
        registry.register(
            "not_compiled",
            "Modules that were to be compiled and stay interpreted",
            metrics.not_compiled.clone(),
        );
        registry.register("prepared", "Modules prepared anew", metrics.prepared.clone());
        registry.register(
            "code_bytes",
            "Bytes that kept code takes, estimated",
            metrics.bytes.clone(),
        );
        metrics
    }

    /// Counts runs on `tier`.
    pub(crate) fn runs(&self, tier: &'static str) -> Counter {
        self.runs.get_or_create(&[("tier", tier)]).clone()
    }
}
