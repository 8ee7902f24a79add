//! The same deploys on casper-execution-engine 7.0.3, the engine of casper-node 1.5.8, and on
//! Girrona's rules under `Chainspec::casper_1_5_8()`, compared deploy by deploy.
//!
//! Every difference is in `docs/conformance.md` with its reason; one that is not, or one that is and
//! does not occur, fails the run. `cargo xtask conformance`; `--case NAME` plays the cases whose
//! name begins so and prints what both say, `--rows` prints the differences as rows for the page.

mod cases;
mod compare;
#[path = "../../../casper/src/conform"]
mod conform {
    //! What the peer's program has in common with this one.
    pub(crate) mod scene;
    pub(crate) mod suite;
}
mod guest;
mod ours;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    compare::{Difference, listed},
    conform::suite::{Suite, Told},
};

fn main() -> Result<()> {
    let Arguments { peer, case, rows } = arguments()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut suite, modules) = cases::all(&root.join("contracts/wasm"))?;
    if let Some(case) = &case {
        suite.cases.retain(|known| known.name.starts_with(case.as_str()));
        ensure!(!suite.cases.is_empty(), "no case begins with `{case}`");
    }
    let peer = match peer {
        Some(peer) => peer,
        None => build_peer(&root)?,
    };
    let theirs = play_peer(&peer, &suite)?;
    let ours = ours::play(&suite, &modules)?;
    ensure!(theirs.len() == ours.len(), "the peer told of {} deploys", theirs.len());
    if case.is_some() {
        for (theirs, ours) in theirs.iter().zip(&ours) {
            show(theirs, ours);
        }
    }
    let found: Vec<Difference> = theirs
        .iter()
        .zip(&ours)
        .flat_map(|(theirs, ours)| compare::compare(theirs, ours))
        .collect();
    if rows {
        for difference in &found {
            println!("{}", difference.row());
        }
    }
    let page = root.join("docs/conformance.md");
    let text = std::fs::read_to_string(&page).unwrap_or_default();
    let names: BTreeSet<&str> = suite.cases.iter().map(|case| case.name.as_str()).collect();
    let listed = listed(&text, &names);
    let new: Vec<String> =
        found.iter().map(Difference::row).filter(|row| !listed.contains(row)).collect();
    let found: BTreeSet<String> = found.iter().map(Difference::row).collect();
    let gone: Vec<&String> = listed.iter().filter(|row| !found.contains(*row)).collect();
    for row in &new {
        println!("not in docs/conformance.md: {row}");
    }
    for row in &gone {
        println!("in docs/conformance.md, and no longer so: {row}");
    }
    println!(
        "{} cases, {} deploys, {} differences, {} of them listed",
        suite.cases.len(),
        ours.len(),
        found.len(),
        found.len() - new.len()
    );
    ensure!(new.is_empty() && gone.is_empty(), "the engines differ otherwise than the page says");
    Ok(())
}

fn show(theirs: &Told, ours: &Told) {
    println!("{}/{}", ours.case, ours.deploy);
    for (who, told) in [("casper", theirs), ("ours", ours)] {
        let Told { error, cost, transfers, changes, state, .. } = told;
        println!("  {who}: `{error}` {cost} {transfers:?} {}", changes.join(" "));
        for line in state {
            println!("    {line}");
        }
    }
}

/// Builds the peer's program, quickly rather than well.
fn build_peer(root: &Path) -> Result<PathBuf> {
    let folder = root.join("peers/casper");
    let status = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["build", "--locked", "--target-dir", "target"])
        .current_dir(&folder)
        .status()
        .context("start cargo")?;
    ensure!(status.success(), "the peer does not build");
    Ok(folder.join("target/debug/peer-casper"))
}

/// Lets the peer play the suite.
fn play_peer(peer: &Path, suite: &Suite) -> Result<Vec<Told>> {
    let data = tempfile::tempdir().context("create a folder for data")?;
    let file = data.path().join("suite.json");
    std::fs::write(&file, serde_json::to_vec(suite)?).context("write the suite")?;
    let state = data.path().join("state");
    std::fs::create_dir(&state).context("create a folder for the state")?;
    let output = Command::new(peer)
        .arg("conform")
        .args([&file, &state])
        .stderr(Stdio::inherit())
        .output()
        .context("start the peer")?;
    ensure!(output.status.success(), "the peer ended with {}", output.status);
    let text = String::from_utf8(output.stdout).context("read what the peer says")?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// What can be asked for.
struct Arguments {
    /// The peer's program, when it is built already.
    peer: Option<PathBuf>,
    /// The beginning of the names of the cases to play; all when there is none.
    case: Option<String>,
    /// Whether to print the differences as rows of the page.
    rows: bool,
}

fn arguments() -> Result<Arguments> {
    let mut asked = Arguments { peer: None, case: None, rows: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--peer" => asked.peer = Some(arguments.next().context("--peer needs a file")?.into()),
            "--case" => asked.case = Some(arguments.next().context("--case needs a name")?),
            "--rows" => asked.rows = true,
            other => {
                bail!("unknown argument `{other}`; there are --peer FILE, --case NAME and --rows")
            }
        }
    }
    Ok(asked)
}
