//! `girrona sim gossip`: how fast a message spreads, beside the seed's model.

use std::{
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result};
use girrona_sim::gossip::{Network, Outcome, Setup, svg};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::args::GossipArgs;
use crate::{
    show::{BAD, DIM, GOOD, json, note, say, styled, table},
    stop::StopSignals,
};

/// What a shell shows for a program that was interrupted.
const INTERRUPTED: u8 = 130;
/// Steps of the progress bar.
const STEPS: u64 = 1_000;

/// Plays the table's rows on a thread of their own; Ctrl-C ends it after the rows that are done.
pub(crate) async fn run(arguments: GossipArgs) -> Result<ExitCode> {
    // What cannot work is said before the work begins.
    arguments.setups().iter().try_for_each(Setup::check)?;
    if let Some(file) = &arguments.svg {
        write(file, "")?;
    }
    let stopped = Arc::new(AtomicBool::new(false));
    let (arguments, flag) = (Arc::new(arguments), stopped.clone());
    let mut signals = StopSignals::listen()?;
    let asked = arguments.clone();
    let mut work = tokio::task::spawn_blocking(move || play(&asked, &flag));
    let rows = tokio::select! {
        rows = &mut work => rows,
        () = signals.asked() => {
            stopped.store(true, Ordering::Relaxed);
            work.await
        }
    };
    let rows = rows.context("play the messages")??;
    show(&arguments, &rows, stopped.load(Ordering::Relaxed))
}

/// One row, and how long it took to play, in seconds.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    outcome: Outcome,
    ratio: f64,
    within_model: bool,
    played_in: f64,
}

/// A bar for the row that is being played; nothing where there is no terminal.
fn bar(rows: usize) -> ProgressBar {
    let bar = ProgressBar::new(STEPS);
    let shape = "{msg} {bar:30.cyan/dim} {elapsed:.dim}";
    if let Ok(style) = ProgressStyle::with_template(shape) {
        bar.set_style(style);
    }
    bar.set_message(format!("1 of {rows}"));
    bar
}

fn play(arguments: &GossipArgs, stopped: &AtomicBool) -> Result<Vec<Row>> {
    let setups = arguments.setups();
    let all = setups.len() * arguments.latency.len();
    let bar = bar(all);
    let mut rows = Vec::new();
    for setup in setups {
        let mut watch = |done: f64| {
            bar.set_position((done * STEPS as f64) as u64);
            !stopped.load(Ordering::Relaxed)
        };
        let begin = Instant::now();
        let (nodes, degree) = (setup.nodes, setup.gossip.degree);
        let Some(network) = Network::build(setup, &mut watch)? else { break };
        let built = begin.elapsed();
        for latency in &arguments.latency {
            bar.set_message(format!("{} of {all}: {nodes} nodes, D {degree}", rows.len() + 1));
            let begin = Instant::now();
            let Some(outcome) = network.play(*latency, &mut watch) else { break };
            rows.push(Row {
                ratio: outcome.ratio(),
                within_model: outcome.is_within_model(),
                // What it takes to get this row alone.
                played_in: (built + begin.elapsed()).as_secs_f64(),
                outcome,
            });
        }
    }
    bar.finish_and_clear();
    Ok(rows)
}

fn show(arguments: &GossipArgs, rows: &[Row], stopped: bool) -> Result<ExitCode> {
    let above: Vec<&Row> = rows.iter().filter(|row| !row.within_model).collect();
    let holes: Vec<&Row> = rows.iter().filter(|row| !row.outcome.is_complete()).collect();
    if arguments.json {
        #[derive(Serialize)]
        struct Answer<'a> {
            rows: &'a [Row],
            above_model: usize,
            incomplete: usize,
            stopped: bool,
        }
        let (above_model, incomplete) = (above.len(), holes.len());
        json(&Answer { rows, above_model, incomplete, stopped })?;
    } else {
        print(rows);
        for row in &above {
            say!("{}: {}", styled(BAD, "above the model"), name(&row.outcome));
        }
        for row in &holes {
            let Outcome { delivered, expected, .. } = row.outcome;
            let lost = expected - delivered;
            say!("{}: {}, {lost} of {expected}", styled(BAD, "not delivered"), name(&row.outcome));
        }
        if above.is_empty() && holes.is_empty() && !rows.is_empty() && !stopped {
            let text = "everything was delivered, and every p99 lies under the model";
            say!("{}", styled(GOOD, text));
        }
    }
    if let Some(file) = &arguments.svg {
        let outcomes: Vec<Outcome> = rows.iter().map(|row| row.outcome.clone()).collect();
        write(file, &svg::plot(&outcomes))?;
    }
    if stopped {
        note("stopped; the rows above are complete");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let failed = arguments.check && !(above.is_empty() && holes.is_empty());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

fn name(outcome: &Outcome) -> String {
    let Outcome { nodes, degree, latency, .. } = outcome;
    format!("{nodes} nodes, D {degree}, {latency}")
}

/// The table for people. Times are in milliseconds.
fn print(rows: &[Row]) {
    let heads = [
        "nodes",
        "D",
        "mesh",
        "latency",
        "p50",
        "p90",
        "p99",
        "max",
        "model",
        "p99/model",
        "got it",
        "by mesh",
        "outside",
        "twice",
        "hops",
        "played in",
    ];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    for row in rows {
        let outcome = &row.outcome;
        let millis =
            |time: f64| if time < 10.0 { format!("{time:.2}") } else { format!("{time:.0}") };
        let got = match outcome.expected {
            0 => "-".to_owned(),
            _ if outcome.is_complete() => "100 %".to_owned(),
            expected => format!("{:.3} %", outcome.delivered as f64 * 100.0 / expected as f64),
        };
        lines.push(vec![
            outcome.nodes.to_string(),
            outcome.degree.to_string(),
            format!("{:.1}", outcome.mesh_degree),
            outcome.latency.clone(),
            millis(outcome.p50),
            millis(outcome.p90),
            millis(outcome.p99),
            millis(outcome.max),
            millis(outcome.model),
            format!("{:.2}", row.ratio),
            got,
            outcome.through_mesh.to_string(),
            outcome.outside_mesh.to_string(),
            format!("{:.1}", outcome.duplicates),
            format!("{:.1}", outcome.hops),
            format!("{:.1} s", row.played_in),
        ]);
    }
    for (place, line) in table(&lines).into_iter().enumerate() {
        if place == 0 {
            say!("{}", styled(DIM, line));
        } else {
            say!("{line}");
        }
    }
    let late: u64 = rows.iter().map(|row| row.outcome.arrived_late).sum();
    if late > 0 {
        let heard: u64 = rows.iter().map(|row| row.outcome.delivered_late).sum();
        say!("of nodes that came while a message spread, {heard} of {late} got it");
    }
    say!("{}", styled(DIM, "times in ms from publication; twice: copies too many per node"));
}
