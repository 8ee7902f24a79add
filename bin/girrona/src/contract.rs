//! `girrona contract`: a project for somebody who wants to write a contract.
//!
//! The files are in `contract/template`; `NAME` in them becomes the project's name. The tests of the
//! project run the contract on the engine of `girrona-contract-test`, so the project has to know
//! where that is: see `docs/decisions/011-contract-tests.md`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};

use crate::{cli::ContractNewArgs, show::say};

/// Path of each file in the project, and what is in it.
const FILES: [(&str, &str); 8] = [
    ("Cargo.toml", include_str!("contract/template/manifest.toml")),
    ("README.md", include_str!("contract/template/README.md")),
    ("rust-toolchain.toml", include_str!("contract/template/toolchain.toml")),
    (".gitignore", "/target\n"),
    (".cargo/config.toml", include_str!("contract/template/cargo-config.toml")),
    ("src/main.rs", include_str!("contract/template/main.rs")),
    ("src/guest.rs", include_str!("contract/template/guest.rs")),
    ("tests/contract.rs", include_str!("contract/template/tests.rs")),
];

/// Where the crate that a project's tests use lies in our source.
const TEST_CRATE: &str = "crates/homes/contract-test";

/// The source that this program was built from, when it is still there.
const BUILT_FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Where the source is published; empty until it is.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// Longest name: it is a file's, a package's and part of a named key.
const NAME_MAX: usize = 64;

/// What cargo does not take as the name of a package, or the compiler as that of a program.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "guest",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// `girrona contract new`
pub(crate) fn new(arguments: &ContractNewArgs) -> Result<ExitCode> {
    let name = arguments.name.as_str();
    if let Err(reason) = check_name(name) {
        bail!("`{name}` is no name for a contract: {reason}");
    }
    let engine = Engine::find(arguments.engine.as_deref())?;
    let folder = Path::new(name);
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{name} exists already; take another name, or another folder to run this in");
        }
        Err(error) => return Err(error).with_context(|| format!("make the folder {name}")),
    }
    if let Err(error) = write(folder, name, &engine) {
        // Half a project is in the way of the next attempt.
        fs::remove_dir_all(folder).ok();
        return Err(error);
    }
    say!("{name} is a contract with tests. Its engine: {engine}");
    say!("Try it:\n\n    cd {name}\n    cargo test\n");
    Ok(ExitCode::SUCCESS)
}

fn check_name(name: &str) -> Result<(), String> {
    let first = name.chars().next().ok_or("it is empty")?;
    if !first.is_ascii_lowercase() {
        return Err("it has to begin with a small letter, a to z".to_owned());
    }
    let odd = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
    if let Some(odd) = odd {
        return Err(format!("it may have a to z, 0 to 9, - and _, but not {odd:?}"));
    }
    if name.len() > NAME_MAX {
        return Err(format!("it has {} letters, {NAME_MAX} are the most", name.len()));
    }
    if TAKEN.contains(&name) {
        return Err("Rust needs that word itself".to_owned());
    }
    Ok(())
}

/// Where a project's tests get the engine from.
#[derive(Debug, PartialEq, Eq)]
enum Engine {
    /// A checkout of our source.
    Folder(PathBuf),
    /// A git repository.
    Git(String),
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Git(url) => f.write_str(url),
        }
    }
}

impl Engine {
    fn find(wanted: Option<&str>) -> Result<Self> {
        match wanted {
            Some(url) if url.contains("://") || url.starts_with("git@") => {
                Ok(Self::Git(url.to_owned()))
            }
            Some(path) => Self::folder(Path::new(path)).with_context(|| {
                format!("{path} is no checkout of girrona's source: there is no {TEST_CRATE} in it")
            }),
            // Best the very source of this program: then tests and network are of one version.
            None => match Self::folder(Path::new(BUILT_FROM)) {
                Ok(engine) => Ok(engine),
                Err(_) if !REPOSITORY.is_empty() => Ok(Self::Git(REPOSITORY.to_owned())),
                Err(_) => bail!(
                    "the source that this program was built from is gone; say where a checkout of \
                     it is: `--engine PATH`"
                ),
            },
        }
    }

    fn folder(path: &Path) -> Result<Self> {
        // Read, not only looked for: a folder that we may not enter is no use either.
        fs::read(path.join(TEST_CRATE).join("Cargo.toml"))?;
        Ok(Self::Folder(fs::canonicalize(path)?))
    }

    /// The dependency, as a manifest names it.
    fn dependency(&self) -> String {
        match self {
            Self::Folder(path) => {
                let path = path.join(TEST_CRATE).display().to_string();
                format!("{{ path = {} }}", quoted(&path))
            }
            Self::Git(url) => format!("{{ git = {} }}", quoted(url)),
        }
    }
}

/// A TOML string: nothing in a path or a URL may end it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn write(folder: &Path, name: &str, engine: &Engine) -> Result<()> {
    for (path, text) in FILES {
        let path = folder.join(path);
        let inside = path.parent().unwrap_or(folder);
        fs::create_dir_all(inside).with_context(|| format!("make {}", inside.display()))?;
        let text = text
            .replace("NAME", name)
            .replace("\"ENGINE\"", &engine.dependency())
            .replace("ENGINE", &engine.to_string());
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    // The versions that the engine was tested with; cargo adds what only the contract needs.
    if let Engine::Folder(source) = engine {
        let lock = source.join("Cargo.lock");
        if lock.is_file() {
            let bytes = fs::read(&lock).with_context(|| format!("read {}", lock.display()))?;
            let target = folder.join("Cargo.lock");
            fs::write(&target, bytes).with_context(|| format!("write {}", target.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cargo_or_rust_would_choke_on_are_refused_with_the_reason() {
        for good in ["demo", "my-token", "a", "v2_x", &"x".repeat(64)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for (bad, reason) in [
            ("", "it is empty"),
            ("2go", "begin with a small letter"),
            ("Demo", "begin with a small letter"),
            ("-x", "begin with a small letter"),
            ("../up", "begin with a small letter"),
            ("a/b", "not '/'"),
            ("a b", "not ' '"),
            ("a\"b", "not '\"'"),
            ("caffè", "not 'è'"),
            ("fn", "Rust needs that word"),
            ("test", "Rust needs that word"),
            (&"x".repeat(65), "64 are the most"),
        ] {
            let found = check_name(bad).unwrap_err();
            assert!(found.contains(reason), "{bad}: {found}");
        }
    }

    #[test]
    fn no_path_or_url_gets_out_of_its_quotes() {
        let engine = Engine::Folder(PathBuf::from("/a \"b\"\\c\n"));
        let expected = "{ path = \"/a \\\"b\\\"\\\\c\\u000a/crates/homes/contract-test\" }";
        assert_eq!(engine.dependency(), expected);
        let engine = Engine::Git("https://example.org/girrona".to_owned());
        assert_eq!(engine.dependency(), "{ git = \"https://example.org/girrona\" }");
    }

    #[test]
    fn the_engine_is_a_checkout_or_a_url() {
        let here = Engine::find(None).unwrap();
        assert!(matches!(&here, Engine::Folder(path) if path.join("Cargo.lock").is_file()));
        let url = "https://example.org/girrona.git";
        assert_eq!(Engine::find(Some(url)).unwrap(), Engine::Git(url.to_owned()));
        let folder = tempfile::tempdir().unwrap();
        let wrong = Engine::find(folder.path().to_str()).unwrap_err();
        assert!(format!("{wrong:#}").contains("is no checkout of girrona's source"), "{wrong:#}");
    }

    #[test]
    fn the_guest_of_the_template_is_that_of_our_contracts() {
        let ours = include_str!("../../../contracts/guest/src/lib.rs");
        let theirs = include_str!("contract/template/guest.rs");
        let code = |text: &str| {
            let from = text.find("use core::alloc").unwrap();
            text[from..].to_owned()
        };
        assert_eq!(code(theirs), code(ours));
    }
}
