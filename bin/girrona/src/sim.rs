//! `girrona sim`: the network under seeds, in virtual time.

mod args;
mod gossip;

pub(crate) use args::GossipArgs;
pub(crate) use gossip::run as gossip;

use std::process::ExitCode;

use anyhow::Result;
use girrona_sim::{ORACLES, Sabotage, Settings, run_many};

use crate::{
    cli::SimArgs,
    show::{BAD, DIM, GOOD, say, styled},
};

/// Plays the seeds and prints what they came to; fails when an oracle fired.
pub(crate) fn run(arguments: &SimArgs) -> Result<ExitCode> {
    let settings = Settings { blocks: arguments.blocks };
    let seeds = arguments.first..arguments.first.saturating_add(arguments.seeds);
    let totals = run_many(seeds, arguments.jobs, &settings, Sabotage::None, |report| {
        if let Some(violation) = &report.violation {
            say!("{} {violation}", styled(BAD, format_args!("seed {}:", report.seed)));
        }
    });
    say!("{totals}");
    if arguments.oracles {
        for (name, meaning) in ORACLES {
            say!("  {name}: {}", styled(DIM, meaning));
        }
    }
    if totals.violations.is_empty() {
        say!("{}", styled(GOOD, "every oracle is content"));
        Ok(ExitCode::SUCCESS)
    } else {
        say!("replay one with `girrona sim --first SEED --seeds 1`");
        Ok(ExitCode::FAILURE)
    }
}
