//! How long gossip takes to reach everybody, as a model:
//!
//! `Propagation_Time = Base_Delay + RTT * log(N) / log(D)`
//!
//! A message reaches one node, then `D` more, then `D` times as many: after `log(N) / log(D)` hops
//! it has been everywhere. The model charges a whole round trip for each hop although a message
//! that is pushed along the mesh needs half of one, so it is an upper bound; a mesh with loss and
//! silent nodes, which has to ask for what it missed, uses up part of the slack.
//!
//! What each input is on a live node:
//!
//! | input | meaning | measured as |
//! |---|---|---|
//! | Base_Delay | decoding, validation and queues, once | median time from a message's arrival to its acceptance |
//! | RTT | there and back between neighbours | p99 of the last minute's pings over all peers |
//! | N | nodes in the network | distinct nodes heard of in the last ten minutes, this one counted |
//! | D | neighbours of a node, on average | peers that a message is pushed to, averaged over the last seconds |

use crate::fixed::{FRACTION, log2};

/// What the model needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Base_Delay, in microseconds.
    pub base_delay_us: u64,
    /// RTT, in microseconds.
    pub rtt_us: u64,
    /// N: nodes in the network, this one counted.
    pub nodes: u64,
    /// D: how many neighbours a node has on average, in thousandths.
    pub degree_milli: u64,
}

impl Inputs {
    /// The time until a message has reached everybody, in microseconds.
    ///
    /// With nobody else (`N <= 1`) nothing has to travel, and what is left is Base_Delay. Where
    /// nodes have one neighbour or fewer (`D <= 1`) a message does not reach everybody: `None`.
    pub fn propagation_time_us(&self) -> Option<u64> {
        let Self { base_delay_us, rtt_us, nodes, degree_milli } = *self;
        let hops = u128::from(hops(nodes, degree_milli)?);
        let way = u128::from(rtt_us).saturating_mul(hops).wrapping_shr(FRACTION);
        Some(base_delay_us.saturating_add(u64::try_from(way).unwrap_or(u64::MAX)))
    }
}

/// `log(N) / log(D)` with 32 bits behind the point; `None` where messages do not reach everybody.
fn hops(nodes: u64, degree_milli: u64) -> Option<u64> {
    if nodes <= 1 {
        return Some(0);
    }
    let degree = log2(degree_milli).saturating_sub(log2(1_000));
    let ratio = u128::from(log2(nodes)).wrapping_shl(FRACTION).checked_div(degree.into())?;
    Some(u64::try_from(ratio).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(base_delay_us: u64, rtt_us: u64, nodes: u64, degree_milli: u64) -> Option<u64> {
        Inputs { base_delay_us, rtt_us, nodes, degree_milli }.propagation_time_us()
    }

    #[test]
    fn the_model_gives_the_published_times() {
        // 2 ms + 100 ms * ln(N) / ln(8).
        for (nodes, milliseconds) in
            [(100, 223), (1_000, 334), (10_000, 444), (100_000, 555), (1_000_000, 666)]
        {
            let us = time(2_000, 100_000, nodes, 8_000).unwrap();
            assert_eq!(us / 1_000, milliseconds, "{nodes}");
        }
    }

    #[test]
    fn where_the_formula_has_no_value_it_means_what_it_stands_for() {
        for degree in [0, 1, 1_000, 8_000] {
            assert_eq!(time(5, 100, 0, degree), Some(5));
            assert_eq!(time(5, 100, 1, degree), Some(5));
        }
        for degree in [0, 1, 999, 1_000] {
            assert_eq!(time(5, 100, 2, degree), None);
        }
        assert!(time(5, 100, 1_000, 1_001).is_some());
        assert_eq!(time(u64::MAX, u64::MAX, u64::MAX, 1_001), Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn more_nodes_take_longer_and_more_neighbours_are_faster(
            base in 0_u64..10_000, rtt in 0_u64..1_000_000,
            nodes in 0_u64..10_000_000, degree in 1_001_u64..1_000_000,
        ) {
            let here = time(base, rtt, nodes, degree).unwrap();
            prop_assert!(here <= time(base, rtt, nodes + 1, degree).unwrap());
            prop_assert!(here >= time(base, rtt, nodes, degree + 1).unwrap());
            prop_assert!(here >= base);
        }

        #[test]
        fn it_is_the_formula(nodes in 2_u64..10_000_000, degree in 1_500_u64..1_000_000) {
            let exact = (nodes as f64).ln() / (degree as f64 / 1_000.0).ln();
            let ours = time(0, 1_000_000, nodes, degree).unwrap() as f64 / 1e6;
            prop_assert!((ours - exact).abs() < 1e-4 * exact + 1e-5, "{} {}", ours, exact);
        }
    }
}
