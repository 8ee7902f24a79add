//! Example assemblies: sources in `assemblies/`, Wasm in `assemblies/wasm`, both in git, so that
//! nobody needs their compilers to run what uses them and everybody can build them anew.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::steps::{command, succeed};

const FOLDER: &str = "assemblies";
/// Targets of the examples in Rust, and what their files end with.
const TARGETS: [(&str, &str); 2] = [("wasm32-wasip1", "wasm"), ("wasm32-wasip2", "component.wasm")];
/// What C is compiled for, as Debian's compiler names it, and where Debian puts what it needs.
const C_TARGET: &str = "wasm32-wasi";
const C_LIBRARY: &str = "/usr/lib/wasm32-wasi";
const C_HEADERS: &str = "/usr/include/wasm32-wasi";

/// Builds every example and puts the result where it is kept.
///
/// # Errors
/// When one does not build.
pub(crate) fn build(root: &Path) -> Result<()> {
    let mut built = rust(root)?;
    built.push(c(root)?);
    built.push(javascript(root)?);
    let kept = root.join(FOLDER).join("wasm");
    fs::create_dir_all(&kept).with_context(|| format!("create {}", kept.display()))?;
    for (name, file) in built {
        // Not copied, so that it is a file that nobody executes.
        let target = kept.join(&name);
        fs::write(&target, fs::read(&file)?)
            .with_context(|| format!("write {}", target.display()))?;
        println!("{FOLDER}/wasm/{name}");
    }
    Ok(())
}

/// Builds the examples in Rust and compares with what is kept. The others depend on the system's C
/// compiler.
///
/// # Errors
/// When one does not build, or differs from the file in git.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut different = Vec::new();
    for (name, file) in rust(root)? {
        let kept = root.join(FOLDER).join("wasm").join(&name);
        if fs::read(&file)? != fs::read(&kept).unwrap_or_default() {
            different.push(name);
        }
    }
    if !different.is_empty() {
        let names = different.join(", ");
        bail!("not what {FOLDER}/ builds: {names}; run `cargo xtask assemblies`");
    }
    Ok(())
}

/// Names to keep files under, and the files.
type Built = Vec<(String, PathBuf)>;

/// One run of cargo, with nothing of this machine in the bytes.
fn cargo(folder: &Path, target: &str) -> Result<std::process::Command> {
    succeed(command(folder, &format!("rustup target add {target}")))?;
    let mut build = command(folder, &format!("cargo build --locked --release --target {target}"));
    build.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTFLAGS");
    build.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
    build.env("CARGO_INCREMENTAL", "0");
    Ok(build)
}

fn rust(root: &Path) -> Result<Built> {
    let folder = root.join(FOLDER);
    let mut built = Vec::new();
    for (target, end) in TARGETS {
        succeed(cargo(&folder, target)?)?;
        let release = folder.join("target").join(target).join("release");
        let files =
            fs::read_dir(&release).with_context(|| format!("list {}", release.display()))?;
        for file in files {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "wasm") {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                let stem = stem.context("an example has a name")?;
                built.push((format!("{stem}.{end}"), path));
            }
        }
    }
    built.sort_unstable();
    Ok(built)
}

fn c(root: &Path) -> Result<(String, PathBuf)> {
    need_c()?;
    let folder = root.join(FOLDER);
    fs::create_dir_all(folder.join("target"))?;
    let line = format!("clang --target={C_TARGET} -O2 -s -o target/primes.wasm c/primes.c");
    succeed(command(&folder, &line))?;
    Ok(("primes.wasm".to_owned(), folder.join("target/primes.wasm")))
}

fn need_c() -> Result<()> {
    if !Path::new(C_LIBRARY).exists() {
        bail!(
            "C for WebAssembly is not there; Debian has it: apt-get install clang lld llvm \
             wasi-libc libclang-rt-dev-wasm32"
        );
    }
    Ok(())
}

/// The interpreter is C behind a crate, which looks for a whole WASI SDK. Debian's compiler will do,
/// once its parts lie where they are in that.
fn javascript(root: &Path) -> Result<(String, PathBuf)> {
    need_c()?;
    let (target, _) = TARGETS[0];
    let folder = root.join(FOLDER).join("js");
    let sdk = folder.join("target/wasi-sdk");
    link("/usr/bin/clang", &sdk.join("bin/clang"))?;
    link("/usr/bin/llvm-ar", &sdk.join("bin/ar"))?;
    link(C_HEADERS, &sdk.join("share/wasi-sysroot/include").join(target))?;
    link(C_LIBRARY, &sdk.join("share/wasi-sysroot/lib").join(target))?;
    let mut build = cargo(&folder, target)?;
    // Names of source files are in the bytes; where this machine keeps them must not be.
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let sources = home.context("cargo has a home")?.join("registry/src");
    let mut flags = format!("--remap-path-prefix={}=", folder.display());
    for registry in fs::read_dir(&sources).with_context(|| format!("list {}", sources.display()))? {
        flags.push_str(&format!(" --remap-path-prefix={}=crates", registry?.path().display()));
    }
    // Assertions name their files too.
    let c_flags = format!("--sysroot={} -DNDEBUG", sdk.join("share/wasi-sysroot").display());
    build.env("CFLAGS_wasm32_wasip1", c_flags);
    build.env("RUSTFLAGS", flags).env("WASI_SDK", &sdk);
    succeed(build)?;
    Ok(("js.wasm".to_owned(), folder.join("target").join(target).join("release/js.wasm")))
}

fn link(to: &str, at: &Path) -> Result<()> {
    let parent = at.parent().context("a link is in a folder")?;
    fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    // Whatever was there before.
    let _ = fs::remove_file(at);
    symlink(to, at).with_context(|| format!("link {}", at.display()))
}
