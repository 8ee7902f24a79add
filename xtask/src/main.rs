//! Repository chores, one verb each: `cargo xtask VERB`.
//!
//! People and the build machine use the same verbs. Needs nothing but the Rust tool chain and a
//! C compiler; whatever else a verb needs, it installs.

#![forbid(unsafe_code)]

mod assemblies;
mod contracts;
mod repo;
mod steps;
mod tidy;
mod verify;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// What can be asked for, with the sentence that explains it.
const VERBS: &[(&str, &str)] = &[
    ("test", "format, lints, tidy, build, every test, docs; ends with a summary line"),
    ("tidy", "layers, purity of the rules, file headers, nothing private in tracked files"),
    ("bless", "accept today's bytes as the golden files; read the diff before you commit"),
    ("contracts [--check]", "build contracts/ into the Wasm files in git, or compare"),
    ("assemblies [--check]", "build assemblies/ into the Wasm files in git, or compare"),
    (
        "bench [KIND]",
        "print figures: of `parts`, a `network`, `assemblies`, their `spread` over slow links, the \
         `engine` beside Casper's",
    ),
    (
        "conformance [ARGS]",
        "play the same deploys on Casper's engine and ours; docs/conformance.md",
    ),
    ("sim [ARGS]", "run the simulator, for example `cargo xtask sim --seeds 200`"),
    ("fuzz SECONDS", "fuzz every decoder that faces the network, each for that long"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments ask for.
fn run(arguments: &[String]) -> Result<()> {
    let Some((verb, rest)) = arguments.split_first() else {
        print!("{}", usage());
        return Ok(());
    };
    let root = repo::root()?;
    match (verb.as_str(), rest) {
        ("test", []) => verify::test(&root),
        ("tidy", []) => tidy::run(&root),
        ("bless", []) => verify::bless(&root),
        ("contracts", []) => contracts::build(&root),
        ("contracts", [flag]) if flag == "--check" => contracts::check(&root),
        ("assemblies", []) => assemblies::build(&root),
        ("assemblies", [flag]) if flag == "--check" => assemblies::check(&root),
        ("bench", rest) => verify::bench(&root, rest),
        ("conformance", rest) => verify::conformance(&root, rest),
        ("sim", rest) => verify::sim(&root, rest),
        ("fuzz", [seconds]) => match seconds.parse() {
            Ok(seconds) => verify::fuzz(&root, seconds),
            Err(_) => bail!("`{seconds}` is no number of seconds"),
        },
        ("help" | "--help" | "-h", _) => {
            print!("{}", usage());
            Ok(())
        }
        _ => bail!("`cargo xtask {}` is not a verb\n\n{}", arguments.join(" "), usage()),
    }
}

/// The list of verbs.
fn usage() -> String {
    let mut text = "cargo xtask VERB\n\n".to_owned();
    for (verb, meaning) in VERBS {
        text.push_str(&format!("  {verb:<20} {meaning}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_unknown_verb_is_refused_with_the_list_of_verbs() {
        let text = format!("{:#}", run(&words("tdiy")).unwrap_err());
        assert!(text.contains("`cargo xtask tdiy` is not a verb"), "{text}");
        assert!(text.contains("  tidy  "), "{text}");
    }

    #[test]
    fn a_fuzzing_time_that_is_no_number_is_refused() {
        let text = format!("{:#}", run(&words("fuzz long")).unwrap_err());
        assert_eq!(text, "`long` is no number of seconds");
    }
}
