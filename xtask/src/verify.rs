//! Checks that take time: the whole test run, golden files, benchmarks, the simulator, fuzzing.

use std::path::Path;

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

/// Runs every benchmark; arguments go to them.
///
/// # Errors
/// When there is none, or one fails.
pub(crate) fn bench(root: &Path, arguments: &[String]) -> Result<()> {
    let benches = targets(root, "/benches/")?;
    if benches.is_empty() {
        bail!("no crate has a `benches` folder");
    }
    for (package, bench) in benches {
        let mut run = command(root, &format!("cargo bench --package {package} --bench {bench} --"));
        run.args(arguments);
        succeed(run)?;
    }
    Ok(())
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

/// Targets of the workspace whose source lies in such a folder: package and target name.
fn targets(root: &Path, folder: &str) -> Result<Vec<(String, String)>> {
    let metadata = repo::metadata(root, &["--no-deps"])?;
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            if text(&target["src_path"]).contains(folder) {
                found.push((text(&package["name"]), text(&target["name"])));
            }
        }
    }
    Ok(found)
}
