//! What every file of the repository has to keep to.

use crate::repo::SourceFile;

/// The one place packages come from, as the lock file writes it.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What every rule crate's `lib.rs` starts its regime with.
const RULE_HEADER: &[&str] = &[
    "#![forbid(unsafe_code)]",
    "clippy::arithmetic_side_effects",
    "clippy::indexing_slicing",
    "clippy::unwrap_used",
    "clippy::expect_used",
    "clippy::panic",
    "clippy::float_arithmetic",
];

/// Lines of code, tests not counted, beyond which a file has a seam somewhere.
const LINES_MAX: usize = 800;

/// Everything in the files that is not tidy.
pub(crate) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        if file.is_rust() {
            check_rust(file, &mut faults);
        }
        if file.path.ends_with("Cargo.toml") && file.path != "Cargo.toml" {
            check_manifest(file, &mut faults);
        }
        if file.path.ends_with("Cargo.lock") {
            check_lock(file, &mut faults);
        } else {
            check_private(file, &mut faults);
        }
    }
    faults
}

/// Rust: opens with what it is, leaves no work to do, has a readable length.
fn check_rust(file: &SourceFile, faults: &mut Vec<String>) {
    let path = &file.path;
    if !file.text.starts_with("//!") {
        faults.push(format!("{path} should open with a `//!` paragraph that says what it is"));
    }
    let is_rule = path.starts_with("crates/rules/") && path.ends_with("/src/lib.rs");
    if is_rule {
        for line in RULE_HEADER {
            if !file.text.contains(line) {
                faults.push(format!("{path} is a rule crate but lacks `{line}`"));
            }
        }
    }
    let unfinished = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("TO", "DO")];
    for (number, line) in numbered(&file.text) {
        for word in unfinished {
            if line.contains(word) {
                faults.push(format!("{path}:{number} has `{word}`; finish it or write an issue"));
            }
        }
    }
    let code = file.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().count();
    if lines > LINES_MAX {
        faults.push(format!("{path} has {lines} lines without its tests; look for the seam"));
    }
}

/// A member's manifest: versions are in the root's table only.
fn check_manifest(file: &SourceFile, faults: &mut Vec<String>) {
    // Assemblies, contracts and foreign peers are workspaces of their own.
    if ["assemblies/", "contracts/", "peers/"].iter().any(|own| file.path.starts_with(own)) {
        return;
    }
    let mut in_dependencies = false;
    for (number, line) in numbered(&file.text) {
        let line = line.trim();
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
        } else if in_dependencies
            && !line.is_empty()
            && !line.starts_with('#')
            && !line.contains("workspace = true")
        {
            faults.push(format!(
                "{}:{number} names a version; put it into the workspace's table",
                file.path
            ));
        }
    }
}

/// A lock file: every package comes from the one registry, none from a mirror or a fork.
fn check_lock(file: &SourceFile, faults: &mut Vec<String>) {
    for (number, line) in numbered(&file.text) {
        if let Some(source) = line.strip_prefix("source = ")
            && source.trim_matches('"') != REGISTRY
        {
            faults.push(format!("{}:{number} has a package from {source}", file.path));
        }
    }
}

/// No file names a registry's host or a folder of one machine.
fn check_private(file: &SourceFile, faults: &mut Vec<String>) {
    // Split, so that this file does not contain what it looks for.
    let hosts = [
        concat!("index.", "crates.io"),
        concat!("static.", "crates.io"),
        concat!("registry.", "npmjs.org"),
        concat!("pypi", ".org"),
        concat!("files.", "pythonhosted.org"),
        concat!("artifact", "ory"),
    ];
    let folders = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
        concat!("C:\\", "Users"),
    ];
    for (number, line) in numbered(&file.text) {
        for host in hosts {
            if line.contains(host) {
                faults.push(format!("{}:{number} names the host of a registry", file.path));
            }
        }
        for folder in folders {
            if starts_a_path(line, folder) {
                faults.push(format!("{}:{number} has a path of one machine", file.path));
            }
        }
    }
}

/// Whether a line has this folder at the start of a path, not in the middle of one or of a URL.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~/}>)".contains(c))
    })
}

/// Lines with their numbers, from 1.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        check(&[SourceFile { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_is_found() {
        assert_eq!(faults("crates/types/src/a.rs", "//! What it is.\n"), Vec::<String>::new());
        let found = faults("crates/types/src/a.rs", "use std::fmt;\n");
        assert!(found[0].contains("should open with a `//!` paragraph"), "{found:?}");
    }

    #[test]
    fn unfinished_work_is_found() {
        let text = format!("//! A.\nfn a() {{ {} }}\n", concat!("todo", "!()"));
        assert!(faults("bin/a/src/main.rs", &text)[0].starts_with("bin/a/src/main.rs:2 has"));
        let text = format!("//! A.\n// {}: later\n", concat!("TO", "DO"));
        assert_eq!(faults("bin/a/src/main.rs", &text).len(), 1);
    }

    #[test]
    fn a_rule_crate_without_its_lints_is_found() {
        let found = faults("crates/rules/vm/src/lib.rs", "//! Vm.\n#![forbid(unsafe_code)]\n");
        assert_eq!(found.len(), RULE_HEADER.len() - 1);
        assert_eq!(faults("crates/edges/net/src/lib.rs", "//! Net.\n"), Vec::<String>::new());
    }

    #[test]
    fn a_version_outside_the_workspace_table_is_found() {
        let good = "[package]\nname = \"a\"\n[dependencies]\nserde.workspace = true\n";
        assert_eq!(faults("crates/types/Cargo.toml", good), Vec::<String>::new());
        let bad = "[dependencies]\nserde = \"1\"\n";
        assert!(faults("crates/types/Cargo.toml", bad)[0].contains("Cargo.toml:2 names a version"));
        assert_eq!(faults("contracts/hello/Cargo.toml", bad), Vec::<String>::new());
    }

    #[test]
    fn a_package_from_elsewhere_is_found_in_the_lock_file() {
        assert_eq!(
            faults("Cargo.lock", &format!("source = \"{REGISTRY}\"\n")),
            Vec::<String>::new()
        );
        assert_eq!(faults("Cargo.lock", "source = \"git+https://example.org/fork\"\n").len(), 1);
    }

    #[test]
    fn what_belongs_to_one_machine_is_found() {
        let path = concat!("see /ho", "me/ana/notes");
        assert_eq!(faults("docs/a.md", path), ["docs/a.md:1 has a path of one machine"]);
        let inside = concat!("https://example.org/ho", "me/ana");
        assert_eq!(faults("docs/a.md", inside), Vec::<String>::new());
        let host = concat!("https://registry.", "npmjs.org/x");
        assert_eq!(faults("package.json", host), ["package.json:1 names the host of a registry"]);
    }
}
