//! What somebody does who wants to write a contract: `girrona contract new`, then `cargo test`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, bail};
use girrona_testkit::program;

fn contract_new(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(program::girrona()?);
    command.args(["contract", "new"]).args(arguments).current_dir(folder);
    command.output().context("start girrona")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Our own source, which the project's tests use.
fn source() -> Result<PathBuf> {
    Ok(fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?)
}

/// `cargo test` as whoever made the project would type it.
fn cargo_test(project: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("cargo");
    command.arg("test").args(arguments).current_dir(project);
    // Nothing of the test run that we are part of.
    for (name, _) in env::vars() {
        if name.starts_with("CARGO_") && name != "CARGO_HOME" && name != "CARGO_NET_OFFLINE" {
            command.env_remove(name);
        }
    }
    // Kept from run to run, because it takes minutes to fill.
    command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("template"));
    command.output().context("start cargo")
}

#[test]
fn a_new_contract_passes_its_own_tests() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let engine = source()?.display().to_string();
    let made = contract_new(folder.path(), &["demo", "--engine", &engine])?;
    assert!(made.status.success(), "{}{}", text(&made.stdout), text(&made.stderr));
    let project = folder.path().join("demo");

    // Without a network when everything is here already, with it otherwise.
    let mut run = cargo_test(&project, &["--offline"])?;
    if !run.status.success() && text(&run.stderr).contains("offline") {
        run = cargo_test(&project, &[])?;
    }
    let (out, err) = (text(&run.stdout), text(&run.stderr));
    assert!(run.status.success(), "{out}\n{err}");
    assert!(out.contains("test guests_leave_lines_and_are_counted ... ok"), "{out}\n{err}");
    assert!(out.contains("2 passed"), "{out}");

    // The tests test: a contract that forgets to count fails them.
    let source = project.join("src/main.rs");
    let honest = fs::read_to_string(&source)?;
    let lazy = honest.replace("lines.unwrap_or_default() + 1", "lines.unwrap_or_default()");
    if lazy == honest {
        bail!("the template does not count like that any more");
    }
    fs::write(&source, lazy)?;
    let run = cargo_test(&project, &["--offline"])?;
    assert!(
        !run.status.success() && text(&run.stdout).contains("1 failed"),
        "{}",
        text(&run.stdout)
    );
    fs::write(&source, honest.replace("line.is_empty()", "line.is_emty()"))?;
    let run = cargo_test(&project, &["--offline"])?;
    let told = text(&run.stdout);
    assert!(told.contains("the contract does not compile") && told.contains("is_emty"), "{told}");
    Ok(())
}

#[test]
fn a_project_that_cannot_be_made_is_a_clear_refusal_and_leaves_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let engine = source()?.display().to_string();
    let refused = |arguments: &[&str]| -> Result<String> {
        let output = contract_new(folder.path(), arguments)?;
        assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
        Ok(text(&output.stderr))
    };
    for name in ["Demo", "../up", "", "fn", "a b"] {
        let told = refused(&[name, "--engine", &engine])?;
        assert!(told.contains("is no name for a contract"), "{name}: {told}");
    }
    let told = refused(&["demo", "--engine", "."])?;
    assert!(told.contains("is no checkout of girrona's source"), "{told}");
    assert!(!folder.path().join("demo").exists());

    fs::create_dir(folder.path().join("demo"))?;
    fs::write(folder.path().join("demo/precious"), "mine")?;
    let told = refused(&["demo", "--engine", &engine])?;
    assert!(told.contains("demo exists already"), "{told}");
    assert_eq!(fs::read_to_string(folder.path().join("demo/precious"))?, "mine");

    // Where nobody may make a folder, not even root.
    let nowhere = Path::new("/proc");
    if nowhere.exists() {
        let mut command = Command::new(program::girrona()?);
        command.args(["contract", "new", "demo", "--engine", &engine]).current_dir(nowhere);
        let output = command.output()?;
        let told = text(&output.stderr);
        assert!(!output.status.success() && told.contains("make the folder demo"), "{told}");
    }
    Ok(())
}
