//! Random programs on both engines. What `support/fuzzer.rs` compares, it compares to the last bit.
//!
//! Short under `cargo test`; `cargo xtask fuzz SECONDS` goes on for as long as you like, and so does
//! `cargo run --release -p girrona-engine --example fuzz -- SECONDS`, which reports as it goes. A
//! program that shows a difference is kept in `corpus`.

#[path = "support/calls.rs"]
mod calls;
#[path = "support/fuzzer.rs"]
mod fuzzer;
#[path = "../../../rules/vm/tests/suite/host.rs"]
mod host;
#[path = "support/marks.rs"]
mod marks;
#[path = "support/program.rs"]
mod program;
#[path = "../../../rules/vm/tests/suite/programs.rs"]
mod programs;
#[path = "support/values.rs"]
mod values;

use std::path::Path;
use std::sync::{LazyLock, Mutex};

use bolero::check;
use fuzzer::{Case, Fuzzer, GAS};
use girrona_engine::spawn;

/// Does `work` where compiled code has room.
fn with_room<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let joined = spawn("fuzz", work).unwrap().join();
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[test]
fn programs_end_alike_interpreted_and_compiled() {
    static FUZZER: LazyLock<Mutex<Fuzzer>> = LazyLock::new(|| Mutex::new(Fuzzer::new()));
    check!().with_type::<u64>().with_iterations(250).for_each(|number| {
        let case = Case::of(*number);
        let ended = with_room(move || FUZZER.lock().unwrap().run(case));
        ended.unwrap_or_else(|text| panic!("{text}"));
    });
    println!("{}", FUZZER.lock().unwrap());
}

/// What was found once is not found again, and together these reach everything.
#[test]
fn the_corpus_ends_alike_and_reaches_every_instruction_and_every_host_function() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let fuzzer = with_room(move || {
        let mut fuzzer = Fuzzer::new();
        let seeds = std::fs::read_to_string(folder.join("seeds.txt")).unwrap();
        for line in seeds.lines().filter(|line| !line.starts_with('#')) {
            fuzzer.run_marked(line.parse().unwrap()).unwrap_or_else(|text| panic!("{text}"));
        }
        let mut modules = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "wat") {
                modules += 1;
                let wasm = wat::parse_file(&path).unwrap();
                let refused = fuzzer.refused;
                fuzzer.compare(&wasm, GAS).unwrap_or_else(|text| panic!("{path:?}: {text}"));
                assert_eq!(fuzzer.refused, refused, "{path:?}");
            }
        }
        assert!(modules > 0);
        fuzzer
    });
    println!("{fuzzer}");
    assert_eq!(fuzzer.hits.missing(), Vec::<&str>::new());
}

#[test]
fn a_number_and_its_line_in_the_corpus_make_the_same_program() {
    for number in 0..50 {
        let case = Case::of(number);
        assert_eq!(case.to_string().parse(), Ok(case));
    }
}
