//! From a contract's source to its Wasm.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use thiserror::Error;

/// What contracts are built for.
const TARGET: &str = "wasm32v1-none";

/// Why there is no Wasm.
#[derive(Debug, Error)]
pub enum BuildError {
    /// Cargo could not be started.
    #[error("start cargo to build the contract")]
    Start(#[source] io::Error),
    /// The compiler has no core library for Wasm.
    #[error("the Rust target {TARGET} is not installed; `rustup target add {TARGET}` installs it")]
    NoTarget,
    /// The contract does not compile.
    #[error("the contract does not compile:\n{0}")]
    Compile(String),
    /// It compiled, and there is no such file.
    #[error("read {}, which cargo should have made", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

/// Builds the contract `name`, a program of the package in `folder` that needs the feature `wasm`,
/// and returns its bytes: the same that `cargo wasm` leaves in `target/contract`.
///
/// # Errors
/// [`BuildError`] with what to do.
pub fn build(folder: impl AsRef<Path>, name: &str) -> Result<Vec<u8>, BuildError> {
    let folder = folder.as_ref();
    // Not the folder of whoever runs the tests: cargo would wait for itself.
    let target_folder = folder.join("target/contract");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(folder);
    command.args(["build", "--release", "--features", "wasm", "--bin", name, "--target", TARGET]);
    command.arg("--target-dir").arg(&target_folder);
    // Flags for tests would make other bytes.
    for flags in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(flags);
    }
    let output = command.output().map_err(BuildError::Start)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let no_target = text.contains(TARGET) && text.contains("target may not be installed");
        return Err(if no_target { BuildError::NoTarget } else { BuildError::Compile(text) });
    }
    let path = target_folder.join(TARGET).join("release").join(format!("{name}.wasm"));
    fs::read(&path).map_err(|source| BuildError::Read { path, source })
}
