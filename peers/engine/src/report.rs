//! What was measured, as a table.

use std::{fmt::Write as _, time::Duration};

use crate::clock::Span;

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
    /// Which engine.
    pub(crate) engine: Engine,
    /// Transfers in each block.
    pub(crate) block: usize,
    /// Transfers in all timed blocks.
    pub(crate) transfers: usize,
    /// What it took.
    pub(crate) steps: Vec<(String, Span)>,
}

impl Run {
    fn total(&self) -> Span {
        let mut total = Span::default();
        for (_, span) in &self.steps {
            total += *span;
        }
        total
    }

    fn rate(&self, time: Duration) -> f64 {
        self.transfers as f64 / time.as_secs_f64()
    }

    /// Microseconds for one transfer.
    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.transfers as f64
    }
}

/// Where the time of a run went.
pub(crate) fn details(run: &Run) -> String {
    let mut text = format!("{}, blocks of {}:", run.engine.name(), run.block);
    for (step, span) in run.steps.iter().chain([&("in all".to_owned(), run.total())]) {
        let (thread, process) = (run.each(span.thread), run.each(span.process));
        let wall = run.each(span.wall);
        let _ = write!(text, "\n    {step:24} {thread:6.1} us thread CPU, ");
        let _ = write!(text, "{process:6.1} us process CPU, {wall:6.1} us wall");
    }
    text
}

/// The best run of each engine on each workload, by CPU time of the process.
pub(crate) fn table(runs: &[Run]) -> String {
    let mut text = "| engine | transfers in a block | transfers/s of one core | CPU per transfer \
                    | transfers/s by the wall | of the peer's |\n|---|---|---|---|---|---|\n"
        .to_owned();
    let mut blocks: Vec<usize> = runs.iter().map(|run| run.block).collect();
    blocks.dedup();
    for block in blocks {
        let best = |engine| {
            let these = runs.iter().filter(|run| run.block == block && run.engine == engine);
            these.min_by_key(|run| run.total().process)
        };
        let peer = best(Engine::Peer);
        for run in peer.into_iter().chain(best(Engine::Girrona)) {
            let (span, name) = (run.total(), run.engine.name());
            let rate = run.rate(span.process);
            let (each, wall) = (run.each(span.process), run.rate(span.wall));
            let ratio = peer.map(|peer| rate / peer.rate(peer.total().process));
            let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x"));
            let _ = writeln!(
                text,
                "| {name} | {block} | {rate:.0} | {each:.1} us | {wall:.0} | {ratio} |"
            );
        }
    }
    text
}
