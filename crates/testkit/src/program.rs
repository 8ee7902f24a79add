//! Programs that tests need: our own binary, and other people's clients.
//!
//! What is absent makes a test print why and skip, so that everybody can run the tests. The build
//! machine installs everything and sets `GIRRONA_REQUIRE=1`, which turns a skip into a failure.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// The `girrona` of this build: `GIRRONA_BIN`, or the one beside the running test.
///
/// # Errors
/// When it was not built; says how to.
pub fn girrona() -> Result<PathBuf> {
    if let Some(path) = env::var_os("GIRRONA_BIN") {
        let path = PathBuf::from(path);
        if path.is_file() {
            return Ok(path);
        }
        bail!("GIRRONA_BIN names {}, which is not there", path.display());
    }
    let path = profile_folder()?.join("girrona");
    if path.is_file() {
        return Ok(path);
    }
    bail!("{} is not built; run `cargo build -p girrona`, or `cargo xtask test`", path.display())
}

/// Where `.ci/run` puts what it installs: `GIRRONA_TOOLS`, or `tools` in the build folder.
///
/// # Errors
/// When the running test lies in no build folder.
pub fn tools_folder() -> Result<PathBuf> {
    match env::var_os("GIRRONA_TOOLS") {
        Some(folder) => Ok(folder.into()),
        None => {
            let profile = profile_folder()?;
            Ok(profile.parent().context("a profile lies in a build folder")?.join("tools"))
        }
    }
}

/// A program by name, from the tools folder or the system's path.
pub fn find(name: &str) -> Option<PathBuf> {
    let tools = tools_folder().ok().map(|folder| folder.join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    tools
        .into_iter()
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Passes on what was found. If nothing was, says that the test is skipped, and why.
///
/// # Panics
/// When nothing was found and `GIRRONA_REQUIRE` is 1.
#[expect(clippy::panic, reason = "a test that may not be skipped has to fail")]
pub fn requires<T>(what: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        let how = "`.ci/run` installs it";
        if env::var_os("GIRRONA_REQUIRE").is_some_and(|value| value == "1") {
            panic!("{what} is not here, and GIRRONA_REQUIRE forbids to skip; {how}");
        }
        // Past the capture of the test runner: a skip must be seen.
        let _ = writeln!(std::io::stderr(), "skipped: {what} is not here; {how}");
    }
    found
}

/// `casper-client` 2.0.0, or a skip.
pub fn casper_client() -> Option<PathBuf> {
    let found = find("casper-client").filter(|path| says(path, &["--version"], "2.0.0"));
    requires("casper-client 2.0.0", found)
}

/// A Python that has `pycspr` 0.12.4, or a skip.
pub fn python_with_pycspr() -> Option<PathBuf> {
    let script = "import importlib.metadata as m; print(m.version('pycspr'))";
    let own = tools_folder().ok().map(|folder| folder.join("python/bin/python"));
    let found = own
        .into_iter()
        .chain(find("python3"))
        .find(|python| python.is_file() && says(python, &["-c", script], "0.12.4"));
    requires("pycspr 0.12.4", found)
}

/// Node.js and a folder in which `casper-js-sdk` 2.15.7 can be imported, or a skip.
pub fn node_with_casper_js_sdk() -> Option<(PathBuf, PathBuf)> {
    let folder = tools_folder().ok().map(|folder| folder.join("js")).unwrap_or_default();
    let script = "console.log(require('./node_modules/casper-js-sdk/package.json').version)";
    let found = find("node").filter(|node| {
        let mut command = Command::new(node);
        command.current_dir(&folder).args(["-e", script]);
        folder.is_dir() && output_of(command).is_some_and(|text| text.trim() == "2.15.7")
    });
    requires("casper-js-sdk 2.15.7", found.map(|node| (node, folder)))
}

/// Node.js 24 and a folder in which `helia` 7.1.15 and its companions can be imported, or a skip.
pub fn node_with_helia() -> Option<(PathBuf, PathBuf)> {
    let folder = tools_folder().ok().map(|folder| folder.join("helia")).unwrap_or_default();
    // Helia needs a newer Node.js than some systems have, so one lies beside it.
    let node = folder.join("node_modules/node/bin/node");
    let script = "const of = (name) => require(`./node_modules/${name}/package.json`).version;
        console.log(of('helia'), of('@helia/car'))";
    let is_there = node.is_file() && {
        let mut command = Command::new(&node);
        command.current_dir(&folder).args(["-e", script]);
        output_of(command).is_some_and(|text| text.trim() == "7.1.15 6.0.5")
    };
    requires("helia 7.1.15", is_there.then_some((node, folder)))
}

/// Whether a program says something.
fn says(program: &Path, arguments: &[&str], text: &str) -> bool {
    let mut command = Command::new(program);
    command.args(arguments);
    output_of(command).is_some_and(|output| output.contains(text))
}

/// What a program prints, if it succeeds.
fn output_of(mut command: Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The folder of this build's profile: the running test lies in its `deps`.
fn profile_folder() -> Result<PathBuf> {
    let test = env::current_exe().context("find the running test")?;
    let deps = test.parent().context("a test lies in a folder")?;
    let profile = if deps.ends_with("deps") { deps.parent() } else { Some(deps) };
    Ok(profile.context("a test lies in a profile's folder")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_the_system_is_found_and_another_is_not() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
    }

    #[test]
    fn a_program_is_asked_for_its_version() {
        let sh = find("sh").unwrap();
        assert!(says(&sh, &["-c", "echo client 2.0.0"], "2.0.0"));
        assert!(!says(&sh, &["-c", "echo client 2.0.0; exit 1"], "2.0.0"));
    }
}
