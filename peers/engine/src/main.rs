//! Executed and committed native transfers of one core: Girrona beside the engine of casper-node
//! 1.5.8, in one run, on one machine, with the same accounts and the same transfers.
//!
//! Both engines are driven from one thread and make every block durable before the next one. A
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

mod clock;
mod girrona;
mod peer;
mod report;
mod workload;

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
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
    let mut runs = Vec::new();
    for (transfers, blocks) in SHAPES {
        // One block more: the first one of every engine only warms it up.
        let workload = Workload::new(transfers, blocks + 1);
        for round in 0..rounds {
            let mut balances = Vec::new();
            for &engine in engines {
                let data = tempfile::tempdir_in(&folder).context("create a folder for data")?;
                let (steps, after) = match engine {
                    Engine::Peer => peer::run(&workload, data.path())?,
                    Engine::Girrona => girrona::run(&workload, data.path())?,
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
