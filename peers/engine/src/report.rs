//! What was measured, as a table.

use std::{fmt::Write as _, time::Duration};

use crate::{clock::Span, workload::Workload};

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// casper-execution-engine.
    Peer,
    /// Ours.
    Girrona,
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Self::Peer => "casper-execution-engine 7.0.3, block mode",
            Self::Girrona => "Girrona",
        }
    }
}

/// One engine on one workload.
#[derive(Debug)]
pub(crate) struct Run {
    engine: Engine,
    /// The workload's name.
    name: &'static str,
    /// What is counted.
    unit: &'static str,
    /// Deploys in each block.
    block: usize,
    /// How many of the unit are in all timed blocks.
    count: u64,
    /// What it took.
    steps: Vec<(String, Span)>,
}

impl Run {
    pub(crate) fn new(engine: Engine, of: &Workload, steps: Vec<(String, Span)>) -> Self {
        let count = of.units * (of.deploys * of.blocks) as u64;
        Self { engine, name: of.name, unit: of.unit, block: of.deploys, count, steps }
    }

    fn total(&self) -> Span {
        let mut total = Span::default();
        for (_, span) in &self.steps {
            total += *span;
        }
        total
    }

    fn rate(&self, time: Duration) -> f64 {
        self.count as f64 / time.as_secs_f64()
    }

    /// The time of one, in words.
    fn each(&self, time: Duration) -> String {
        let micros = time.as_secs_f64() * 1e6 / self.count as f64;
        if micros < 0.1 { format!("{:.2} ns", micros * 1e3) } else { format!("{micros:.1} us") }
    }
}

/// Where the time of a run went.
pub(crate) fn details(run: &Run) -> String {
    let mut text = format!("{}, {}, blocks of {}:", run.name, run.engine.name(), run.block);
    for (step, span) in run.steps.iter().chain([&("in all".to_owned(), run.total())]) {
        let (thread, process) = (run.each(span.thread), run.each(span.process));
        let wall = run.each(span.wall);
        let _ = write!(text, "\n    {step:24} {thread:>9} thread CPU, ");
        let _ = write!(text, "{process:>9} process CPU, {wall:>9} wall");
    }
    text
}

/// The best run of each engine on each workload, by CPU time of the process.
pub(crate) fn table(runs: &[Run]) -> String {
    let mut text = "| what | deploys in a block | engine | a second of one core | CPU for each \
                    | a second by the wall | of the peer's |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut names: Vec<&str> = runs.iter().map(|run| run.name).collect();
    names.dedup();
    for name in names {
        let best = |engine| {
            let these = runs.iter().filter(|run| run.name == name && run.engine == engine);
            these.min_by_key(|run| run.total().process)
        };
        let peer = best(Engine::Peer);
        for run in peer.into_iter().chain(best(Engine::Girrona)) {
            let span = run.total();
            let rate = run.rate(span.process);
            let (each, wall) = (run.each(span.process), run.rate(span.wall));
            let ratio = peer.map(|peer| rate / peer.rate(peer.total().process));
            let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x"));
            let (unit, block, engine) = (run.unit, run.block, run.engine.name());
            let _ = writeln!(
                text,
                "| {unit} | {block} | {engine} | {rate:.0} | {each} | {wall:.0} | {ratio} |"
            );
        }
    }
    text
}
