//! Checks that take time: the whole test run, golden files, benchmarks, the simulator, fuzzing.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{
    repo,
    steps::{Steps, command, count_tests, succeed},
    tidy,
};

/// Everything that has to hold before a change is shared.
///
/// # Errors
/// When a step failed; all of them ran.
pub(crate) fn test(root: &Path) -> Result<()> {
    let mut steps = Steps::begin();
    steps.step("fmt", |_| succeed(command(root, "cargo fmt --all --check")));
    steps.step("tidy", |_| tidy::run(root));
    steps.step("clippy", |_| {
        succeed(command(root, "cargo clippy --workspace --all-targets -- -D warnings"))
    });
    // Tests of whole networks start the binary; it has to be the one of this source. Everything at
    // once, so that it is built with the same features as the tests, and only once.
    steps.step("build", |_| succeed(command(root, "cargo build --workspace --all-targets")));
    steps.step("tests", |tally| {
        count_tests(command(root, "cargo test --workspace --no-fail-fast"), tally)
    });
    steps.step("docs", |_| {
        let mut doc = command(root, "cargo doc --workspace --no-deps --document-private-items");
        doc.env("RUSTDOCFLAGS", "-D warnings");
        succeed(doc)
    });
    steps.end()
}

/// Runs the golden tests so that they write their files.
///
/// # Errors
/// When a golden test fails all the same.
pub(crate) fn bless(root: &Path) -> Result<()> {
    let mut tests = command(root, "cargo test --workspace --no-fail-fast golden");
    tests.env("BLESS", "1");
    succeed(tests)?;
    println!("golden files written; look at `git diff` before you commit");
    Ok(())
}

/// Prints the figures of `docs/benchmarks.md`: of parts of the program (`parts`), of a network of
/// processes (`network`), of assemblies on one (`assemblies`), of content that spreads over slow links
/// (`spread`), and of the execution engine beside Casper's (`engine`); all of them when none is named.
///
/// # Errors
/// When a name is unknown, or a benchmark fails.
pub(crate) fn bench(root: &Path, wanted: &[String]) -> Result<()> {
    const KINDS: [&str; 5] = ["parts", "network", "assemblies", "spread", "engine"];
    if let Some(unknown) = wanted.iter().find(|word| !KINDS.contains(&word.as_str())) {
        bail!("`{unknown}` is no benchmark; there are {}", KINDS.join(", "));
    }
    let is_wanted = |kind: &str| wanted.is_empty() || wanted.iter().any(|word| word == kind);
    if is_wanted("parts") {
        succeed(command(root, "cargo bench --locked --workspace --benches"))?;
    }
    let on_a_network = ["network", "assemblies", "spread"].into_iter();
    for kind in on_a_network.filter(|kind| is_wanted(kind)) {
        // With all examples, so that everything is built with one set of features.
        succeed(command(root, "cargo build --locked --release --workspace --bins --examples"))?;
        let built = repo::target_folder(root)?.join("release");
        let mut run = Command::new(built.join("examples").join(kind));
        run.current_dir(root).env("GIRRONA_BIN", built.join("girrona")).env("RATE", "1800");
        succeed(run)?;
    }
    if is_wanted("engine") {
        succeed(command(&root.join("peers/engine"), "cargo run --locked --release"))?;
    }
    Ok(())
}

/// Plays the same deploys on Casper's engine and on ours; arguments go to the program that compares.
///
/// # Errors
/// When they differ otherwise than `docs/conformance.md` says.
pub(crate) fn conformance(root: &Path, arguments: &[String]) -> Result<()> {
    let mut run = command(&root.join("peers/engine"), "cargo run --locked --bin conformance --");
    run.args(arguments);
    succeed(run)
}

/// Runs `girrona sim`, optimised; arguments go to it.
///
/// # Errors
/// When a seed fails.
pub(crate) fn sim(root: &Path, arguments: &[String]) -> Result<()> {
    let mut run = command(root, "cargo run --release --package girrona -- sim");
    run.args(arguments);
    succeed(run)
}

/// Runs every fuzz target for a time, as many at once as there are cores.
///
/// A fuzz target is a test in an integration test named `fuzz`; under an ordinary test run it tries
/// a few thousand inputs, here it runs until the time is over.
///
/// # Errors
/// When one finds something.
pub(crate) fn fuzz(root: &Path, seconds: u64) -> Result<()> {
    let mut run = command(root, "cargo test --workspace --no-fail-fast --test fuzz");
    run.env("BOLERO_RANDOM_TEST_TIME_MS", seconds.saturating_mul(1_000).to_string())
        .env("BOLERO_RANDOM_ITERATIONS", u32::MAX.to_string());
    succeed(run)
}
