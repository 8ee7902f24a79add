//! What the sandbox shows of itself. The doc comments are the help texts.

use std::{sync::atomic::AtomicU64, time::Duration};

use girrona_assembly::run::{End, Stopped, Trap};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::job::Finished;

type ByLabel = Family<[(&'static str, &'static str); 1], Counter>;

/// Metrics of executions. An end is `ok`, `exit`, the name of a trap, or `stopped_` and by what.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Executions, by how they ended
    ended: ByLabel,
    /// Jobs that were not even let wait
    pub(crate) refused: Counter,
    /// Executions that run
    pub(crate) running: Gauge,
    /// Executions that wait for their turn
    pub(crate) waiting: Gauge,
    /// Bytes of memory that running executions may use
    pub(crate) reserved: Gauge,
    /// Fuel used
    fuel: Counter,
    /// How long executions ran
    ran: Histogram,
    /// How long executions waited for their turn
    waited: Histogram,
    /// Programs compiled
    compiled: Counter,
    /// Seconds that the compiler worked
    compile_seconds: Counter<f64, AtomicU64>,
    /// Programs that were asked for and compiled before, by where they were found
    found: ByLabel,
}

/// How much of a node is free, for how much of the work it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Executions that run.
    pub running: usize,
    /// Executions at the same time, at most.
    pub workers: usize,
    /// Executions that wait.
    pub waiting: usize,
    /// Bytes of memory that no execution may use now.
    pub memory_free: u64,
    /// Bytes of memory for executions.
    pub memory_total: u64,
}

impl Load {
    /// The free part in thousandths, 1 to 1,000: of workers or of memory, whichever is less. Those
    /// who wait count as running.
    pub fn weight(&self) -> u16 {
        let share = |free: u64, total: u64| {
            u128::from(free).saturating_mul(1_000) / u128::from(total.max(1))
        };
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let busy = number(self.running).saturating_add(number(self.waiting));
        let workers = share(number(self.workers).saturating_sub(busy), number(self.workers));
        let memory = share(self.memory_free, self.memory_total);
        u16::try_from(workers.min(memory)).unwrap_or(1_000).clamp(1, 1_000)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = [0.000_1, 0.000_5, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];
        Self {
            ended: Family::default(),
            refused: Counter::default(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            reserved: Gauge::default(),
            fuel: Counter::default(),
            ran: Histogram::new(seconds),
            waited: Histogram::new(seconds),
            compiled: Counter::default(),
            compile_seconds: Counter::default(),
            found: Family::default(),
        }
    }
}

impl Metrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("assembly");
        registry.register("executions", "Executions, by how they ended", self.ended.clone());
        registry.register("refused", "Jobs that were not even let wait", self.refused.clone());
        registry.register("running", "Executions that run", self.running.clone());
        registry.register("waiting", "Executions that wait for their turn", self.waiting.clone());
        registry.register(
            "reserved_bytes",
            "Bytes of memory that running executions may use",
            self.reserved.clone(),
        );
        registry.register("fuel", "Fuel used", self.fuel.clone());
        registry.register_with_unit(
            "ran",
            "How long executions ran",
            Unit::Seconds,
            self.ran.clone(),
        );
        registry.register_with_unit(
            "waited",
            "How long executions waited for their turn",
            Unit::Seconds,
            self.waited.clone(),
        );
        registry.register("compiled", "Programs compiled", self.compiled.clone());
        registry.register(
            "compile_seconds",
            "Seconds that the compiler worked",
            self.compile_seconds.clone(),
        );
        registry.register(
            "code_found",
            "Programs that were asked for and compiled before, by where they were found",
            self.found.clone(),
        );
    }

    pub(crate) fn compiled(&self, took: Duration) {
        self.compiled.inc();
        self.compile_seconds.inc_by(took.as_secs_f64());
    }

    /// Code was found in `memory` or on `disk`.
    pub(crate) fn found(&self, place: &'static str) {
        self.found.get_or_create(&[("place", place)]).inc();
    }

    pub(crate) fn finished(&self, finished: &Finished) {
        self.ended.get_or_create(&[("end", label(finished.end))]).inc();
        self.fuel.inc_by(finished.fuel);
        self.ran.observe(finished.elapsed.as_secs_f64());
        self.waited.observe(finished.waited.as_secs_f64());
    }
}

const fn label(end: End) -> &'static str {
    match end {
        End::Exit(0) => "ok",
        End::Exit(_) => "exit",
        End::Stopped(Stopped::Time) => "stopped_time",
        End::Stopped(Stopped::Cancelled) => "stopped_cancelled",
        End::Stopped(Stopped::Node) => "stopped_node",
        End::Trap(trap) => match trap {
            Trap::Fuel => "fuel",
            Trap::Stack => "stack",
            Trap::Memory => "memory",
            Trap::Table => "table",
            Trap::IndirectCall => "indirect_call",
            Trap::Division => "division",
            Trap::Overflow => "overflow",
            Trap::Conversion => "conversion",
            Trap::Unreachable => "unreachable",
            Trap::Growth => "growth",
            Trap::Output => "output",
            Trap::Files => "files",
            Trap::Link => "link",
            Trap::Other => "other",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_the_smaller_free_part() {
        let idle = Load { running: 0, workers: 4, waiting: 0, memory_free: 100, memory_total: 100 };
        assert_eq!(idle.weight(), 1_000);
        assert_eq!(Load { running: 1, ..idle }.weight(), 750);
        assert_eq!(Load { running: 1, memory_free: 10, ..idle }.weight(), 100);
        assert_eq!(Load { running: 4, waiting: 9, ..idle }.weight(), 1);
    }
}
