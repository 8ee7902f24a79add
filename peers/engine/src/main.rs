//! What one core executes and commits: Girrona beside the engine of casper-node 1.5.8, in one run,
//! on one machine, with the same accounts and the same deploys.
//!
//! The peer is a program of its own, because it wants other versions of what both use; it gets the
//! same plan. Both engines are driven from one thread and make every block durable before the next one. A
//! signature is checked when a deploy is accepted, so neither engine checks one here. The peer is
//! driven its cheapest way, block by block through a scratch state, and stores the new state only;
//! Girrona also stores the block, its proposal and certificate, every deploy's result with its
//! effects, the transfer records, the events and the old values that keep past states readable.
//!
//! Both run the same blocks before the timed ones, so that what is kept between blocks is there:
//! the figures are those of a steady state. A figure is things per second of CPU time of the whole
//! process, background threads and kernel included, which a busy machine distorts least. At the
//! end both engines must have used the same gas and hold the same balances and values.
//!
//! `cargo run --release --manifest-path peers/engine/Cargo.toml [-- --only NAME] [--rounds N]
//! [--verbose]`; with `--alone` only Girrona runs, for a profiler; with `--quick` both are built
//! without optimisation and do a tenth, to see that it works.

#[path = "../../casper/src/acts.rs"]
mod acts;
#[path = "../../casper/src/clock.rs"]
mod clock;
mod girrona;
#[allow(dead_code, reason = "the conformance suite uses all of it")]
#[path = "conformance/guest.rs"]
mod guest;
#[path = "../../casper/src/plan.rs"]
mod plan;
mod programs;
mod report;
mod workload;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    plan::Played,
    report::{Engine, Run},
    workload::Workload,
};

/// What a node uses; the peer has its own program and the allocator that it ships with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let Arguments { rounds, verbose, alone, quick, only, peer } = arguments()?;
    let engines: &[Engine] =
        if alone { &[Engine::Girrona] } else { &[Engine::Peer, Engine::Girrona] };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::create_dir_all(&folder).context("create the folder for the data")?;
    let peer = match peer {
        Some(peer) => peer,
        None if alone => PathBuf::new(),
        None => build_peer(quick)?,
    };
    let mut runs = Vec::new();
    for name in workload::names().filter(|name| only.as_ref().is_none_or(|only| name == only)) {
        let workload = Workload::new(name, &root.join("contracts/wasm"), quick)?;
        for round in 0..rounds {
            let mut ends = Vec::new();
            for &engine in engines {
                let data = tempfile::tempdir_in(&folder).context("create a folder for data")?;
                let played = match engine {
                    Engine::Peer => play_peer(&peer, &workload, data.path())?,
                    Engine::Girrona => girrona::play(&workload.plan, data.path())?,
                };
                let run = Run::new(engine, &workload, played.steps);
                if verbose {
                    eprintln!("round {round}: {}", report::details(&run));
                }
                runs.push(run);
                ends.push((played.gas, played.ends));
            }
            for pair in ends.windows(2) {
                let differ = pair[0].1.iter().zip(&pair[1].1).position(|(one, other)| one != other);
                ensure!(differ.is_none(), "{name}: look {differ:?} has two answers");
                ensure!(pair[0].0 == pair[1].0, "{name}: gas {} and {}", pair[0].0, pair[1].0);
            }
        }
    }
    ensure!(!runs.is_empty(), "there are {}", workload::names().collect::<Vec<_>>().join(", "));
    println!("{}", report::table(&runs));
    Ok(())
}

/// Builds the peer's program.
fn build_peer(quick: bool) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../casper");
    let status = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["build", "--locked", "--target-dir", "target"])
        .args((!quick).then_some("--release"))
        .current_dir(&folder)
        .status()
        .context("start cargo")?;
    ensure!(status.success(), "the peer does not build");
    let built = if quick { "target/debug" } else { "target/release" };
    Ok(folder.join(built).join("peer-casper"))
}

/// Lets the peer play the plan.
fn play_peer(peer: &Path, workload: &Workload, data: &Path) -> Result<Played> {
    let plan = data.join("plan.json");
    std::fs::write(&plan, serde_json::to_vec(&workload.plan)?).context("write the plan")?;
    let state = data.join("state");
    std::fs::create_dir(&state).context("create a folder for the state")?;
    let output = Command::new(peer)
        .arg("play")
        .args([&plan, &state])
        .stderr(Stdio::inherit())
        .output()
        .context("start the peer")?;
    ensure!(output.status.success(), "the peer ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("read what the peer says")
}

/// What can be asked for.
struct Arguments {
    /// How often everything is done; the best counts.
    rounds: usize,
    /// Whether to say where the time goes.
    verbose: bool,
    /// Whether to leave the peer out.
    alone: bool,
    /// Whether to do a tenth.
    quick: bool,
    /// The one workload to run; all of them when there is none.
    only: Option<String>,
    /// The peer's program, when it is built already.
    peer: Option<PathBuf>,
}

fn arguments() -> Result<Arguments> {
    let mut asked =
        Arguments { rounds: 3, verbose: false, alone: false, quick: false, only: None, peer: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => {
                let number = arguments.next().context("--rounds needs a number")?;
                asked.rounds =
                    number.parse().with_context(|| format!("`{number}` is no number"))?;
                ensure!(asked.rounds > 0, "--rounds must be at least 1");
            }
            "--verbose" => asked.verbose = true,
            "--alone" => asked.alone = true,
            "--quick" => asked.quick = true,
            "--only" => asked.only = Some(arguments.next().context("--only needs a name")?),
            "--peer" => asked.peer = Some(arguments.next().context("--peer needs a file")?.into()),
            other => bail!(
                "unknown argument `{other}`; there are --only NAME, --rounds N, --verbose, \
                 --alone, --quick and --peer FILE"
            ),
        }
    }
    Ok(asked)
}

/// The hash that contracts use.
fn digest(bytes: &[u8]) -> [u8; 32] {
    casper_types::Digest::hash(bytes).value()
}
