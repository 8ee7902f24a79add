//! The whole network under a seed: nodes, links, disks, crashes, people and liars in virtual time.
//!
//! Start at [`run`]: a seed decides who takes part, what goes wrong and when ([`plan`]), the same
//! chain, consensus and execution that a real node runs play it out ([`world`]), and oracles watch
//! ([`oracles`]). A seed replays bit by bit, so a seed is a bug report.
//!
//! Beside it, [`gossip`] plays how one message spreads through up to millions of nodes.
//!
//! Knows: what a node's surroundings may do to it, and what must hold whatever they do.
//!
//! Leaves to others: real sockets, files and clocks (the testkit kills real processes).

#![forbid(unsafe_code)]

mod answers;
mod code;
mod disk;
pub mod gossip;
mod liar;
mod load;
mod node;
pub mod oracles;
mod people;
pub mod plan;
mod queue;
mod rng;
mod scheme;
mod spoil;
mod stakes;
pub mod totals;
mod words;
mod world;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

pub use oracles::{ORACLES, Violation};
pub use plan::{Sabotage, Settings};
pub use spoil::Ill;
pub use totals::{Report, Totals};

/// Plays one seed. The same arguments give the same report, on any machine.
pub fn run(seed: u64, settings: &Settings, sabotage: Sabotage) -> Report {
    // A panic is a finding like any other: it names its seed.
    let played = catch_unwind(AssertUnwindSafe(|| world::play(seed, settings, sabotage)));
    played.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        Report {
            seed,
            violation: Some(Violation::Panicked(text)),
            totals: Totals { seeds: 1, ..Totals::default() },
            trace: 0,
        }
    })
}

/// Plays many seeds, `jobs` at a time, and tells `told` of each one as it ends.
pub fn run_many(
    seeds: Range<u64>,
    jobs: usize,
    settings: &Settings,
    sabotage: Sabotage,
    told: impl Fn(&Report) + Sync,
) -> Totals {
    let next = AtomicU64::new(seeds.start);
    let sum = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = run(seed, settings, sabotage);
                    told(&report);
                    let mut sum = match sum.lock() {
                        Ok(sum) => sum,
                        Err(poisoned) => poisoned.into_inner(),
                    };
                    sum.add(report);
                }
            });
        }
    });
    let mut totals = match sum.into_inner() {
        Ok(totals) => totals,
        Err(poisoned) => poisoned.into_inner(),
    };
    totals.violations.sort_by_key(|(seed, _)| *seed);
    totals
}
