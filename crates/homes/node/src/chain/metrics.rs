//! What the chain shows of itself. The doc comments are the help texts.

use std::{sync::atomic::AtomicU64, time::Duration};

use girrona_chain::{Chain, Disk};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::mailbox::Mailbox;

/// Metrics of the chain.
#[derive(Clone, Debug)]
pub struct Metrics {
    height: Gauge,
    round: Gauge,
    waiting: Gauge,
    behind: Gauge,
    mailbox_urgent: Gauge,
    mailbox_deploys: Gauge,
    inputs: Counter,
    handling: Histogram,
    busy: Counter<f64, AtomicU64>,
}

impl Metrics {
    /// Registers all of them.
    pub fn new(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("chain");
        let metrics = Self {
            height: Gauge::default(),
            round: Gauge::default(),
            waiting: Gauge::default(),
            behind: Gauge::default(),
            mailbox_urgent: Gauge::default(),
            mailbox_deploys: Gauge::default(),
            inputs: Counter::default(),
            handling: Histogram::new([0.000_1, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0]),
            busy: Counter::default(),
        };
        registry.register("height", "Height of the last block", metrics.height.clone());
        registry.register("round", "Round of the height in work", metrics.round.clone());
        registry.register(
            "waiting_deploys",
            "Deploys that wait for a block",
            metrics.waiting.clone(),
        );
        registry.register("behind", "1 while other nodes are ahead", metrics.behind.clone());
        registry.register(
            "mailbox_urgent",
            "Consensus and peer inputs that wait",
            metrics.mailbox_urgent.clone(),
        );
        registry.register(
            "mailbox_deploys",
            "Deploys that wait to be judged",
            metrics.mailbox_deploys.clone(),
        );
        registry.register("inputs", "Inputs handled", metrics.inputs.clone());
        registry.register("handling_seconds", "Time that one input took", metrics.handling.clone());
        registry.register(
            "busy_seconds",
            "Time that the chain's thread worked",
            metrics.busy.clone(),
        );
        metrics
    }

    /// One input was handled.
    pub fn handled(&self, took: Duration) {
        self.inputs.inc();
        self.handling.observe(took.as_secs_f64());
        self.busy.inc_by(took.as_secs_f64());
    }

    /// Shows where the chain is.
    pub fn show<D: Disk>(&self, chain: &Chain<D>, mailbox: &Mailbox) {
        let gauge = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.height.set(i64::try_from(chain.height().0).unwrap_or(i64::MAX));
        self.round.set(i64::from(chain.round()));
        self.waiting.set(gauge(chain.waiting()));
        self.behind.set(i64::from(chain.is_behind()));
        let (urgent, deploys) = mailbox.depth();
        self.mailbox_urgent.set(gauge(urgent));
        self.mailbox_deploys.set(gauge(deploys));
    }
}
