//! Random programs on both engines, for as long as wanted: `fuzz SECONDS [FIRST]`.
//!
//! Tries the numbers from FIRST on, or from the time of day. Reports every five minutes and at the
//! end. Fails with the program's line for the corpus when the engines differ, and when an
//! instruction or a host function was never reached. `fuzz cover PROGRAMS` prints lines that
//! together reach everything, `fuzz case FAMILY SEED GAS` tries one.

#[path = "../tests/support/calls.rs"]
mod calls;
#[path = "../tests/support/fuzzer.rs"]
mod fuzzer;
#[path = "../../../rules/vm/tests/suite/host.rs"]
mod host;
#[path = "../tests/support/marks.rs"]
mod marks;
#[path = "../tests/support/program.rs"]
mod program;
#[path = "../../../rules/vm/tests/suite/programs.rs"]
mod programs;
#[path = "../tests/support/values.rs"]
mod values;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fuzzer::{Case, Fuzzer};

const REPORT: Duration = Duration::from_secs(300);
/// After so many programs nothing may be left that was never reached.
const ENOUGH: u64 = 20_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let joined = girrona_engine::spawn("fuzz", move || run(&arguments)).map(|work| work.join());
    match joined {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        Ok(Ok(Err(text))) => {
            println!("{text}");
            ExitCode::FAILURE
        }
        other => {
            println!("{other:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<u64>().map_err(|_| format!("`{word}` is no number"));
    match *words {
        ["case", family, seed, gas] => {
            Fuzzer::new().run_marked(format!("{family} {seed} {gas}").parse()?)
        }
        ["cover", programs] => cover(number(programs)?),
        [seconds] => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            fuzz(number(seconds)?, now.map_or(0, |now| now.as_secs() << 20))
        }
        [seconds, first] => fuzz(number(seconds)?, number(first)?),
        _ => {
            Err("fuzz SECONDS [FIRST] | fuzz cover PROGRAMS | fuzz case FAMILY SEED GAS".to_owned())
        }
    }
}

fn fuzz(seconds: u64, first: u64) -> Result<(), String> {
    let mut fuzzer = Fuzzer::new();
    let began = Instant::now();
    let mut reported = began;
    println!("from {first} on");
    for number in first.. {
        fuzzer
            .run(Case::of(number))
            .map_err(|text| format!("{fuzzer}\nDIFFERS at {number}: {text}"))?;
        if began.elapsed().as_secs() >= seconds {
            break;
        }
        if reported.elapsed() > REPORT {
            reported = Instant::now();
            println!("after {} s: {fuzzer}\n", began.elapsed().as_secs());
        }
    }
    println!("after {} s: {fuzzer}", began.elapsed().as_secs());
    let missing = fuzzer.hits.missing();
    if fuzzer.total() >= ENOUGH && !missing.is_empty() {
        return Err(format!("after {} programs never reached: {missing:?}", fuzzer.total()));
    }
    Ok(())
}

/// Prints the first programs that reach something new.
fn cover(programs: u64) -> Result<(), String> {
    let mut fuzzer = Fuzzer::new();
    let mut missing = fuzzer.hits.missing().len();
    for number in 0..programs {
        let case = Case::of(number);
        fuzzer.run_marked(case)?;
        let left = fuzzer.hits.missing().len();
        if left < missing {
            println!("{case}");
            missing = left;
        }
    }
    println!("# never reached: {:?}", fuzzer.hits.missing());
    Ok(())
}
