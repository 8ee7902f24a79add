//! Plays a plan of blocks on the engine of casper-node 1.5.8 and says what it took.
//!
//! `peer-casper PLAN FOLDER`: the plan is JSON, the folder is for the state; prints JSON. Started by
//! `peers/engine`.

mod clock;
mod engine;
mod plan;

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [plan, folder] = &arguments[..] else { bail!("usage: peer-casper PLAN FOLDER") };
    let text = fs::read(plan).with_context(|| format!("read {plan}"))?;
    let plan = serde_json::from_slice(&text).context("read the plan")?;
    let played = engine::play(&plan, Path::new(folder))?;
    println!("{}", serde_json::to_string(&played)?);
    Ok(())
}
