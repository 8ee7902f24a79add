//! What the swarm counts. The doc comment of each field is its help text.
//!
//! Knows: names and labels. Does not know: when something is worth counting.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{Route, Spread, Topic};

type Real = Gauge<f64, AtomicU64>;

/// Times of propagation, in seconds.
fn propagation() -> Histogram {
    Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Flow {
    channel: &'static str,
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Judged {
    topic: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Came {
    topic: &'static str,
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Subject {
    topic: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Queue {
    queue: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Direction {
    direction: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    peers: Family<Direction, Gauge>,
    messages: Family<Flow, Counter>,
    bytes: Family<Flow, Counter>,
    routes: Family<Came, Counter>,
    verdicts: Family<Judged, Counter>,
    drops: Family<Queue, Counter>,
    offences: Family<Reason, Counter>,
    bans: Family<Reason, Counter>,
    dials: Family<Outcome, Counter>,
    requests: Family<Outcome, Counter>,
    fetches: Family<Outcome, Counter>,
    wasted: Counter,
    propagation: Family<Came, Histogram>,
    clocks_ahead: Family<Subject, Counter>,
    model: Family<Subject, Real>,
    base_delay: Family<Subject, Real>,
    degree: Family<Subject, Real>,
    rtt: Real,
    nodes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            peers: Family::default(),
            messages: Family::default(),
            bytes: Family::default(),
            routes: Family::default(),
            verdicts: Family::default(),
            drops: Family::default(),
            offences: Family::default(),
            bans: Family::default(),
            dials: Family::default(),
            requests: Family::default(),
            fetches: Family::default(),
            wasted: Counter::default(),
            propagation: Family::new_with_constructor(propagation),
            clocks_ahead: Family::default(),
            model: Family::default(),
            base_delay: Family::default(),
            degree: Family::default(),
            rtt: Real::default(),
            nodes: Gauge::default(),
        }
    }
}

/// The channels beside the topics.
pub(crate) const DIRECT: &str = "direct";
pub(crate) const REQUEST: &str = "request";
pub(crate) const RESPONSE: &str = "response";
pub(crate) const ASK: &str = "ask";
pub(crate) const ANSWER: &str = "answer";
pub(crate) const CONTENT: &str = "content";

impl Metrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let net = registry.sub_registry_with_prefix("net");
        net.register("peers", "Connected peers, by who dialled", metrics.peers.clone());
        net.register(
            "messages",
            "Messages, by topic or channel; deploys count as batches",
            metrics.messages.clone(),
        );
        net.register("bytes", "Bytes of messages, by topic or channel", metrics.bytes.clone());
        net.register(
            "routes",
            "First copies of gossip messages, by how they came: through the mesh or asked for",
            metrics.routes.clone(),
        );
        net.register("verdicts", "Gossip messages judged", metrics.verdicts.clone());
        net.register("drops", "What a full queue turned away", metrics.drops.clone());
        net.register("offences", "Faults of peers, by reason", metrics.offences.clone());
        net.register("bans", "Peers sent away, by reason", metrics.bans.clone());
        net.register("dials", "Dials that ended, by outcome", metrics.dials.clone());
        net.register("requests", "Our requests that ended, by outcome", metrics.requests.clone());
        net.register(
            "fetches",
            "Fetches of content that ended, by outcome",
            metrics.fetches.clone(),
        );
        net.register("wasted_bytes", "Content that came twice or unasked", metrics.wasted.clone());
        net.register(
            "propagation_seconds",
            "From a gossip message's publication, by its publisher's clock, to its arrival here; \
             accepted messages, by topic and how they came",
            metrics.propagation.clone(),
        );
        net.register(
            "clocks_ahead",
            "Accepted gossip messages whose publishers' clocks are ahead of ours; their \
             propagation counts as zero",
            metrics.clocks_ahead.clone(),
        );
        net.register(
            "propagation_model_seconds",
            "What Base_Delay + RTT * log(N) / log(D) says with the inputs below; absent where D \
             is not above 1",
            metrics.model.clone(),
        );
        net.register(
            "base_delay_seconds",
            "Base_Delay: median time from a gossip message's arrival to its acceptance",
            metrics.base_delay.clone(),
        );
        net.register(
            "mesh_degree",
            "D: peers that a gossip message is pushed to, mesh and protected, on average",
            metrics.degree.clone(),
        );
        net.register(
            "rtt_seconds",
            "RTT: the p99 of pings to all peers in the last minute",
            metrics.rtt.clone(),
        );
        net.register(
            "nodes",
            "N: nodes heard of in the last ten minutes, this one counted",
            metrics.nodes.clone(),
        );
        metrics
    }

    pub(crate) fn arrived(&self, topic: Topic, route: Route, took: Option<Duration>) {
        let topic = topic.label();
        let seconds = took.unwrap_or_default().as_secs_f64();
        let came = Came { topic, route: route.label() };
        self.propagation.get_or_create(&came).observe(seconds);
        if took.is_none() {
            self.clocks_ahead.get_or_create(&Subject { topic }).inc();
        }
    }

    pub(crate) fn spread(&self, all: &[Spread]) {
        let seconds = |us: u64| Duration::from_micros(us).as_secs_f64();
        for Spread { topic, inputs, model, .. } in all {
            let topic = Subject { topic: topic.label() };
            self.base_delay.get_or_create(&topic).set(seconds(inputs.base_delay_us));
            self.degree.get_or_create(&topic).set(inputs.degree_milli as f64 / 1_000.0);
            self.rtt.set(seconds(inputs.rtt_us));
            self.nodes.set(i64::try_from(inputs.nodes).unwrap_or(i64::MAX));
            match model {
                Some(time) => {
                    self.model.get_or_create(&topic).set(time.as_secs_f64());
                }
                None => {
                    self.model.remove(&topic);
                }
            }
        }
    }

    pub(crate) fn peers(&self, inbound: i64, outbound: i64) {
        self.peers.get_or_create(&Direction { direction: "in" }).set(inbound);
        self.peers.get_or_create(&Direction { direction: "out" }).set(outbound);
    }

    pub(crate) fn received(&self, channel: &'static str, bytes: usize) {
        self.flow(channel, "in", bytes);
    }

    pub(crate) fn sent(&self, channel: &'static str, bytes: usize) {
        self.flow(channel, "out", bytes);
    }

    fn flow(&self, channel: &'static str, direction: &'static str, bytes: usize) {
        let flow = Flow { channel, direction };
        self.messages.get_or_create(&flow).inc();
        self.bytes.get_or_create(&flow).inc_by(bytes as u64);
    }

    pub(crate) fn routed(&self, topic: Topic, route: Route) {
        self.routes.get_or_create(&Came { topic: topic.label(), route: route.label() }).inc();
    }

    pub(crate) fn fetched(&self, outcome: &'static str) {
        self.fetches.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn wasted(&self, bytes: usize) {
        self.wasted.inc_by(bytes as u64);
    }

    pub(crate) fn judged(&self, topic: Topic, verdict: &'static str) {
        self.verdicts.get_or_create(&Judged { topic: topic.label(), verdict }).inc();
    }

    pub(crate) fn dropped(&self, queue: &'static str, count: usize) {
        if count > 0 {
            self.drops.get_or_create(&Queue { queue }).inc_by(count as u64);
        }
    }

    pub(crate) fn offence(&self, reason: &'static str) {
        self.offences.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn banned(&self, reason: &'static str) {
        self.bans.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn dialed(&self, outcome: &'static str) {
        self.dials.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn requested(&self, outcome: &'static str) {
        self.requests.get_or_create(&Outcome { outcome }).inc();
    }
}
