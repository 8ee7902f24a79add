//! Contracts: Rust in `contracts/`, Wasm in `contracts/wasm`, both in git, so that nobody needs the
//! Wasm target to run what uses them and everybody can check that they belong together.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::steps::{command, succeed};

/// The target our contracts are built for; stable Rust knows it.
const TARGET: &str = "wasm32v1-none";

/// Builds every contract and puts the result in `contracts/wasm`.
///
/// # Errors
/// When a contract does not build.
pub(crate) fn build(root: &Path) -> Result<()> {
    let folder = root.join("contracts/wasm");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    for built in compile(root)? {
        let name = built.file_name().context("a built contract has a name")?;
        let target = folder.join(name);
        fs::copy(&built, &target).with_context(|| format!("write {}", target.display()))?;
        println!("{}", target.strip_prefix(root).unwrap_or(&target).display());
    }
    Ok(())
}

/// Builds every contract and compares with `contracts/wasm`.
///
/// # Errors
/// When a contract does not build, or differs from the file in git.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut different = Vec::new();
    for built in compile(root)? {
        let name = built.file_name().context("a built contract has a name")?;
        let kept = root.join("contracts/wasm").join(name);
        if fs::read(&built)? != fs::read(&kept).unwrap_or_default() {
            different.push(name.to_string_lossy().into_owned());
        }
    }
    if !different.is_empty() {
        bail!(
            "contracts/wasm is not what contracts/ builds: {}; run `cargo xtask contracts`",
            different.join(", ")
        );
    }
    Ok(())
}

/// Builds the contracts' own workspace and lists the Wasm files.
fn compile(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join("contracts");
    if !folder.join("Cargo.toml").exists() {
        bail!("there is no contracts/Cargo.toml");
    }
    succeed(command(&folder, &format!("rustup target add {TARGET}")))?;
    let mut build = command(&folder, &format!("cargo build --locked --release --target {TARGET}"));
    // Other flags would make other bytes.
    build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    build.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
    succeed(build)?;
    let built = folder.join(format!("target/{TARGET}/release"));
    let mut files = Vec::new();
    for entry in fs::read_dir(&built).with_context(|| format!("list {}", built.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    files.sort_unstable();
    if files.is_empty() {
        bail!("contracts/ built no Wasm file");
    }
    Ok(files)
}
