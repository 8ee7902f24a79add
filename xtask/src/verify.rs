//! Checks that take time: the whole test run, golden files, benchmarks, the simulator, fuzzing.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

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

/// Runs every fuzz target for a time.
///
/// A fuzz target is an integration test named `fuzz…`; under an ordinary test run it tries a few
/// thousand inputs, here it runs until the time is over.
///
/// # Errors
/// When there is none, or one finds something.
pub(crate) fn fuzz(root: &Path, seconds: u64) -> Result<()> {
    let fuzzers: Vec<_> = targets(root, "/tests/")?
        .into_iter()
        .filter(|(_, target)| target.starts_with("fuzz"))
        .collect();
    if fuzzers.is_empty() {
        bail!("no crate has an integration test named `fuzz…`");
    }
    for (package, target) in fuzzers {
        for test in tests_of(root, &package, &target)? {
            println!("==> {package} {target} {test}: {seconds} s");
            let mut run = command(
                root,
                &format!("cargo test --release --package {package} --test {target} -- --exact"),
            );
            run.arg(&test)
                .env("BOLERO_RANDOM_TEST_TIME_MS", seconds.saturating_mul(1_000).to_string());
            succeed(run)?;
        }
    }
    Ok(())
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

/// Names of the tests in a test program.
fn tests_of(root: &Path, package: &str, target: &str) -> Result<Vec<String>> {
    let mut list: Command = command(
        root,
        &format!("cargo test --release --package {package} --test {target} -- --list"),
    );
    let output = list.output().with_context(|| format!("list the tests of {target}"))?;
    if !output.status.success() {
        bail!("{target} does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect())
}
