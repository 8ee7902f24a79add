//! Executed and committed native transfers of one core: Girrona beside the engine of casper-node
//! 1.5.8, in one run, on one machine, with the same accounts and the same transfers.
//!
//! The peer is a program of its own, because it wants other versions of what both use; it gets the
//! same plan. Both engines are driven from one thread and make every block durable before the next one. A
//! signature is checked when a deploy is accepted, so neither engine checks one here. The peer is
//! driven its cheapest way, block by block through a scratch state, and stores the new state only;
//! Girrona also stores the block, its proposal and certificate, every deploy's result with its
//! effects, the transfer records, the events and the old values that keep past states readable.
//!
//! The figure is transfers per second of CPU time of the whole process, background threads and
//! kernel included, which a busy machine distorts least. At the end both engines must give every
//! account the same balance.
//!
//! `cargo run --release --manifest-path peers/engine/Cargo.toml [-- --rounds N] [--verbose]`; with
//! `--alone` only Girrona runs, for a profiler.

#[path = "../../casper/src/clock.rs"]
mod clock;
mod girrona;
#[path = "../../casper/src/plan.rs"]
mod plan;
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

/// Transfers in a block, and blocks of that size: what our chainspec allows, and Casper's mainnet.
const SHAPES: [(usize, usize); 2] = [(4_000, 10), (650, 20)];

fn main() -> Result<()> {
    let Arguments { rounds, verbose, alone } = arguments()?;
    let engines: &[Engine] =
        if alone { &[Engine::Girrona] } else { &[Engine::Peer, Engine::Girrona] };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::create_dir_all(&folder).context("create the folder for the data")?;
    let peer = if alone { PathBuf::new() } else { build_peer()? };
    let mut runs = Vec::new();
    for (transfers, blocks) in SHAPES {
        // One block more: the first one of every engine only warms it up.
        let workload = Workload::new(transfers, blocks + 1);
        for round in 0..rounds {
            let mut balances = Vec::new();
            for &engine in engines {
                let data = tempfile::tempdir_in(&folder).context("create a folder for data")?;
                let Played { steps, balances: after } = match engine {
                    Engine::Peer => play_peer(&peer, &workload, data.path())?,
                    Engine::Girrona => girrona::play(&workload, data.path())?,
                };
                let run = Run { engine, block: transfers, transfers: transfers * blocks, steps };
                if verbose {
                    eprintln!("round {round}: {}", report::details(&run));
                }
                runs.push(run);
                balances.push(after);
            }
            ensure!(
                balances.windows(2).all(|pair| pair[0] == pair[1]),
                "the engines disagree about the balances after {blocks} blocks"
            );
        }
    }
    println!("{}", report::table(&runs));
    Ok(())
}

/// Builds the peer's program.
fn build_peer() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../casper");
    let status = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["build", "--locked", "--release", "--target-dir", "target"])
        .current_dir(&folder)
        .status()
        .context("start cargo")?;
    ensure!(status.success(), "the peer does not build");
    Ok(folder.join("target/release/peer-casper"))
}

/// Lets the peer play the plan.
fn play_peer(peer: &Path, workload: &Workload, data: &Path) -> Result<Played> {
    let plan = data.join("plan.json");
    std::fs::write(&plan, serde_json::to_vec(&workload.plan)?).context("write the plan")?;
    let state = data.join("state");
    std::fs::create_dir(&state).context("create a folder for the state")?;
    let output = Command::new(peer)
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
}

fn arguments() -> Result<Arguments> {
    let mut asked = Arguments { rounds: 3, verbose: false, alone: false };
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
            other => bail!("unknown argument `{other}`; there are --rounds N, --verbose, --alone"),
        }
    }
    Ok(asked)
}
