//! What messages came to: when they were where, what it cost, and what the model says.
//!
//! Knows: sums, percentiles, units for people. Does not know: how a message spreads.

use girrona_assembly::propagation::Inputs;
use serde::Serialize;

use super::{Latency, Setup};

/// What was measured on one network, over all of its messages. Times are in milliseconds from
/// publication.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Nodes.
    pub nodes: u32,
    /// The degree that meshes aim for.
    pub degree: usize,
    /// The degree that they have, on average: the D of the model.
    pub mesh_degree: f64,
    /// The latency model.
    pub latency: String,
    /// Half of all deliveries are not later than this.
    pub p50: f64,
    /// Nine in ten.
    pub p90: f64,
    /// Ninety-nine in a hundred.
    pub p99: f64,
    /// All.
    pub max: f64,
    /// The average.
    pub mean: f64,
    /// Deliveries to nodes that were there all the time.
    pub delivered: u64,
    /// How many there should have been.
    pub expected: u64,
    /// Deliveries to nodes that came while the message spread.
    pub delivered_late: u64,
    /// How many such nodes there were.
    pub arrived_late: u64,
    /// First copies that came by eager push: through the mesh, or from the author itself.
    pub through_mesh: u64,
    /// First copies that came from outside the mesh: advertised (IHAVE) and asked for (IWANT).
    pub outside_mesh: u64,
    /// Copies of what was there already, per node and message.
    pub duplicates: f64,
    /// Copies that were not sent because the receiver had said that it has the message (IDONTWANT),
    /// per node and message.
    pub spared: f64,
    /// Advertisements, per node and message.
    pub advertisements: f64,
    /// Hops of a first copy, on average.
    pub hops: f64,
    /// The most hops.
    pub hops_max: u8,
    /// What ninety-nine links in a hundred are not slower than, one way.
    pub one_way_p99: f64,
    /// Base_Delay of the model: validation and one transmission.
    pub base_delay: f64,
    /// The seed's model with RTT as twice `one_way_p99`.
    pub model: f64,
}

impl Outcome {
    /// p99 as a share of the model.
    pub fn ratio(&self) -> f64 {
        self.p99 / self.model
    }

    /// Whether the model holds as an upper bound: p99 lies under it.
    pub fn is_within_model(&self) -> bool {
        self.delivered > 0 && self.p99 <= self.model
    }

    /// Whether everybody who was there all the time got everything.
    pub fn is_complete(&self) -> bool {
        self.delivered == self.expected
    }
}

/// What is counted while messages spread.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// When each delivery was, in microseconds.
    pub(super) times: Vec<u32>,
    pub(super) expected: u64,
    pub(super) delivered_late: u64,
    pub(super) arrived_late: u64,
    pub(super) through_mesh: u64,
    pub(super) outside_mesh: u64,
    pub(super) duplicates: u64,
    pub(super) spared: u64,
    pub(super) advertisements: u64,
    pub(super) hops: u64,
    pub(super) hops_max: u8,
}

/// What this share of sorted numbers does not exceed; zero if there are none.
pub(super) fn percentile(sorted: &[u32], share: f64) -> u32 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

impl Sums {
    pub(super) fn outcome(
        mut self,
        setup: &Setup,
        latency: Latency,
        mesh_degree: f64,
        p99_one_way: u32,
    ) -> Outcome {
        self.times.sort_unstable();
        let millis = |micros: u32| f64::from(micros) / 1_000.0;
        let at = |share| millis(percentile(&self.times, share));
        let sum: u64 = self.times.iter().map(|time| u64::from(*time)).sum();
        let mean = |sum: u64, count: u64| if count == 0 { 0.0 } else { sum as f64 / count as f64 };
        let delivered = self.times.len() as u64;
        let firsts = self.through_mesh + self.outside_mesh;
        let everybody = u64::from(setup.nodes) * u64::from(setup.messages);
        let one_way_p99 = millis(p99_one_way);
        let base_delay_us = (setup.validation + setup.transmission()).as_micros() as u64;
        let model = Inputs {
            base_delay_us,
            rtt_us: 2 * u64::from(p99_one_way),
            nodes: setup.nodes.into(),
            degree_milli: (mesh_degree * 1_000.0) as u64,
        };
        Outcome {
            nodes: setup.nodes,
            degree: setup.gossip.degree,
            mesh_degree,
            latency: latency.to_string(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: at(1.0),
            mean: mean(sum, delivered) / 1_000.0,
            delivered,
            expected: self.expected,
            delivered_late: self.delivered_late,
            arrived_late: self.arrived_late,
            through_mesh: self.through_mesh,
            outside_mesh: self.outside_mesh,
            duplicates: mean(self.duplicates, everybody),
            spared: mean(self.spared, everybody),
            advertisements: mean(self.advertisements, everybody),
            hops: mean(self.hops, firsts),
            hops_max: self.hops_max,
            one_way_p99,
            base_delay: base_delay_us as f64 / 1_000.0,
            // Where it has no value the mesh reaches nobody.
            model: model
                .propagation_time_us()
                .map_or(f64::INFINITY, |micros| micros as f64 / 1_000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_number_that_enough_do_not_exceed() {
        let numbers: Vec<u32> = (1..=100).collect();
        assert_eq!(
            [0.5, 0.9, 0.99, 1.0].map(|share| percentile(&numbers, share)),
            [50, 90, 99, 100]
        );
        assert_eq!(percentile(&[7], 0.5), 7);
        assert_eq!(percentile(&[], 0.5), 0);
    }
}
