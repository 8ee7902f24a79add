//! Plays a plan of blocks on the engine of casper-node 1.5.8 and says what it took, or plays a
//! conformance suite and says what came of it.
//!
//! `peer-casper play PLAN FOLDER` and `peer-casper conform SUITE FOLDER`: the first file is JSON,
//! the folder is for the state; prints JSON. Started by `peers/engine`.

mod acts;
mod clock;
mod conform;
mod engine;
mod plan;

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [verb, file, folder] = &arguments[..] else {
        bail!("usage: peer-casper play|conform FILE FOLDER")
    };
    let text = fs::read(file).with_context(|| format!("read {file}"))?;
    match verb.as_str() {
        "play" => {
            let plan = serde_json::from_slice(&text).context("read the plan")?;
            let played = engine::play(&plan, Path::new(folder))?;
            println!("{}", serde_json::to_string(&played)?);
            Ok(())
        }
        "conform" => {
            let suite = serde_json::from_slice(&text).context("read the suite")?;
            conform::play(&suite, Path::new(folder))
        }
        other => bail!("unknown verb `{other}`; there are play and conform"),
    }
}

/// The hash that the engine and its contracts use.
fn digest(bytes: &[u8]) -> [u8; 32] {
    casper_hashing::Digest::hash(bytes).value()
}
