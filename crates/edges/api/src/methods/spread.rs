//! How gossip spreads: what a node measures, beside what the model says.

use casper_types::ProtocolVersion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NoParams, method};

method! {
    /// How long gossip takes to get to this node, by topic, beside what the model says with what
    /// this node measures.
    Propagation = "girrona_propagation", None, NoParams => PropagationResult
}

/// Accepted messages that came one way. Times are in microseconds, from publication by the
/// publisher's clock to arrival by this node's, of the last 512 messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArrivalInfo {
    /// How many, since the node was started.
    pub messages: u64,
    /// The median.
    pub median_us: Option<u64>,
    /// What 99 of 100 did not exceed.
    pub p99_us: Option<u64>,
}

/// What the model is asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelInputs {
    /// Base_Delay: the median time from a message's arrival to its acceptance, in microseconds.
    pub base_delay_us: u64,
    /// RTT: the p99 of pings to all peers in the last minute, in microseconds.
    pub rtt_us: u64,
    /// N: nodes heard of in the last ten minutes, this one counted.
    pub nodes: u64,
    /// D: peers that a message is pushed to, in thousandths, averaged over the last seconds.
    pub degree_milli: u64,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicPropagation {
    /// Its short name, as in metrics.
    pub topic: String,
    /// Messages that were pushed here through the mesh.
    pub mesh: ArrivalInfo,
    /// Messages that came outside the mesh: asked for (IWANT) after a peer advertised them (IHAVE).
    pub outside: ArrivalInfo,
    /// Messages whose publishers' clocks are ahead of this node's; their times count as zero.
    pub clocks_ahead: u64,
    /// What the model is asked with.
    pub inputs: ModelInputs,
    /// `Base_Delay + RTT * log(N) / log(D)`, in microseconds; nothing where `D` is not above 1.
    pub model_us: Option<u64>,
}

/// Result of [`Propagation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PropagationResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// Every topic. Nothing in the first second.
    pub topics: Vec<TopicPropagation>,
}
