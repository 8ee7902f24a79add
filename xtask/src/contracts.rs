//! Contracts: Rust in `contracts/`, Wasm in `contracts/wasm`, both in git, so that nobody needs the
//! Wasm target to run what uses them and everybody can check that they belong together.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::steps::{command, succeed};

/// One run of cargo: a workspace of contracts, for a target, into a folder.
struct Build {
    /// The workspace.
    workspace: &'static str,
    /// The target; stable Rust knows it.
    target: &'static str,
    /// Which contracts; all that the workspace builds by itself when none is named.
    packages: &'static [&'static str],
    /// Where the Wasm files are kept.
    wasm: &'static str,
}

/// Two generations of Casper's library, which share no types; and the other target, with which
/// compilers write Wasm of today.
const BUILDS: [Build; 3] = [
    Build {
        workspace: "contracts",
        target: "wasm32v1-none",
        packages: &[],
        wasm: "contracts/wasm",
    },
    Build {
        workspace: "contracts/v5",
        target: "wasm32v1-none",
        packages: &[],
        wasm: "contracts/v5/wasm",
    },
    Build {
        workspace: "contracts/v5",
        target: "wasm32-unknown-unknown",
        packages: &["newcomer", "scores"],
        wasm: "contracts/v5/wasm/unknown",
    },
];

/// Builds every contract and puts the result where it is kept.
///
/// # Errors
/// When a contract does not build.
pub(crate) fn build(root: &Path) -> Result<()> {
    for job in &BUILDS {
        let folder = root.join(job.wasm);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        for built in job.compile(root)? {
            let name = built.file_name().context("a built contract has a name")?;
            let target = folder.join(name);
            fs::copy(&built, &target).with_context(|| format!("write {}", target.display()))?;
            println!("{}", target.strip_prefix(root).unwrap_or(&target).display());
        }
    }
    Ok(())
}

/// Builds every contract and compares with what is kept.
///
/// # Errors
/// When a contract does not build, or differs from the file in git.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut different = Vec::new();
    for job in &BUILDS {
        for built in job.compile(root)? {
            let name = built.file_name().context("a built contract has a name")?;
            let kept = Path::new(job.wasm).join(name);
            if fs::read(&built)? != fs::read(root.join(&kept)).unwrap_or_default() {
                different.push(kept.display().to_string());
            }
        }
    }
    if !different.is_empty() {
        bail!("not what contracts/ builds: {}; run `cargo xtask contracts`", different.join(", "));
    }
    Ok(())
}

impl Build {
    /// Builds and lists the Wasm files.
    fn compile(&self, root: &Path) -> Result<Vec<PathBuf>> {
        let (workspace, target) = (self.workspace, self.target);
        let folder = root.join(workspace);
        if !folder.join("Cargo.toml").exists() {
            bail!("there is no {workspace}/Cargo.toml");
        }
        succeed(command(&folder, &format!("rustup target add {target}")))?;
        let mut line = format!("cargo build --locked --release --target {target}");
        for package in self.packages {
            line.push_str(" --package ");
            line.push_str(package);
        }
        let mut build = command(&folder, &line);
        // Other flags would make other bytes.
        build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        build.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
        build.env("CARGO_INCREMENTAL", "0");
        succeed(build)?;
        let built = folder.join(format!("target/{target}/release"));
        let mut files = Vec::new();
        for entry in fs::read_dir(&built).with_context(|| format!("list {}", built.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "wasm") {
                files.push(path);
            }
        }
        files.sort_unstable();
        if files.is_empty() {
            bail!("{workspace}/ built no Wasm file for {target}");
        }
        Ok(files)
    }
}
