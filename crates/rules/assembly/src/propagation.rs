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
//! | Base_Delay | encoding, decoding, validation and queues, once | median time from a message's arrival to its being passed on, plus the sender's from publish to send |
//! | RTT | there and back between neighbours | median of ping over the mesh's peers |
//! | N | nodes in the network | distinct peers heard of in the last minutes, this one counted |
//! | D | neighbours a node pushes to | peers in the topic's mesh |

use crate::fixed::{FRACTION, ONE, log2};

/// What the model needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Base_Delay, in microseconds.
    pub base_delay_us: u64,
    /// RTT, in microseconds.
    pub rtt_us: u64,
    /// N: nodes in the network, this one counted.
    pub nodes: u64,
    /// D: how many neighbours a node passes a message to.
    pub degree: u64,
}

impl Inputs {
    /// The time until a message has reached everybody, in microseconds.
    ///
    /// Where the formula has no value it is taken to what it stands for: with nobody else
    /// (`N <= 1`) nothing has to travel, and what is left is Base_Delay; with one neighbour each
    /// (`D <= 1`) the network is a chain, and a message takes `N - 1` hops. With `D >= N` one hop
    /// is still a hop.
    pub fn propagation_time_us(&self) -> u64 {
        let Self { base_delay_us, rtt_us, nodes, degree } = *self;
        base_delay_us.saturating_add(times(rtt_us, hops(nodes, degree)))
    }
}

/// `log(N) / log(D)`, in fixed point with 32 bits behind the point.
pub fn hops(nodes: u64, degree: u64) -> u64 {
    let Some(others) = nodes.checked_sub(1).filter(|others| *others > 0) else { return 0 };
    match u128::from(log2(nodes)).wrapping_shl(FRACTION).checked_div(log2(degree).into()) {
        Some(ratio) => u64::try_from(ratio).unwrap_or(u64::MAX).max(ONE),
        // log(1) is 0.
        None => others.saturating_mul(ONE),
    }
}

fn times(value: u64, fixed: u64) -> u64 {
    let product = u128::from(value).saturating_mul(u128::from(fixed)).wrapping_shr(FRACTION);
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(base_delay_us: u64, rtt_us: u64, nodes: u64, degree: u64) -> u64 {
        Inputs { base_delay_us, rtt_us, nodes, degree }.propagation_time_us()
    }

    #[test]
    fn the_model_gives_the_published_times() {
        // 2 ms + 100 ms * ln(N) / ln(8).
        for (nodes, milliseconds) in
            [(100, 223), (1_000, 334), (10_000, 444), (100_000, 555), (1_000_000, 666)]
        {
            let us = time(2_000, 100_000, nodes, 8);
            assert_eq!(us / 1_000, milliseconds, "{nodes}");
        }
    }

    #[test]
    fn where_the_formula_has_no_value_it_means_what_it_stands_for() {
        assert_eq!(time(5, 100, 0, 8), 5);
        assert_eq!(time(5, 100, 1, 8), 5);
        assert_eq!(time(5, 100, 1, 0), 5);
        assert_eq!(time(5, 100, 10, 1), 5 + 900);
        assert_eq!(time(5, 100, 10, 0), 5 + 900);
        assert_eq!(time(5, 100, 2, 50), 5 + 100);
        assert_eq!(time(u64::MAX, u64::MAX, u64::MAX, 1), u64::MAX);
    }

    proptest! {
        #[test]
        fn more_nodes_take_longer_and_more_neighbours_are_faster(
            base in 0_u64..10_000, rtt in 0_u64..1_000_000,
            nodes in 0_u64..10_000_000, degree in 0_u64..1_000,
        ) {
            prop_assert!(time(base, rtt, nodes, degree) <= time(base, rtt, nodes + 1, degree));
            prop_assert!(time(base, rtt, nodes, degree) >= time(base, rtt, nodes, degree + 1));
            prop_assert!(time(base, rtt, nodes, degree) >= base);
            if nodes > 1 && degree > 1 {
                let exact = (nodes as f64).ln() / (degree as f64).ln();
                let ours = hops(nodes, degree) as f64 / ONE as f64;
                prop_assert!((ours - exact.max(1.0)).abs() < 1e-4);
            }
        }
    }
}
