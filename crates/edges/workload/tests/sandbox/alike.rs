//! The same job is the same result: on every node, every time, whatever else goes on.

use std::fmt::Debug;

use girrona_assembly::run::End;
use girrona_workload::{Finished, Job, Tree};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::support::{Bench, TRIALS, bench, bench_with, job, wasm};

/// All of a result that anybody else could see.
fn seen(finished: &Finished) -> impl PartialEq + Debug + use<> {
    let output: Vec<_> =
        finished.output.iter().map(|(path, file)| (path.clone(), file.to_vec())).collect();
    let Finished { stdout, stderr, fuel, memory, .. } = finished;
    (finished.outcome(None), stdout.to_vec(), stderr.to_vec(), output, *fuel, *memory)
}

fn on(bench: &Bench, name: &str, change: impl Fn(&mut Job)) -> Finished {
    let mut job = job(&bench.compile(wasm(name)), "main", &[]);
    change(&mut job);
    bench.run(job)
}

#[test]
fn time_and_chance_come_from_the_job_alone() {
    let bench = bench();
    for name in TRIALS {
        let run = |seed: u8, time_ms: u64| {
            on(&bench, name, |job| {
                job.args = vec!["chance".to_owned()];
                job.seed = [seed; 32];
                job.time_ms = time_ms;
            })
        };
        let one = run(1, 1_000);
        assert_eq!(one.end, End::Exit(0), "{name} {one:?}");
        assert_eq!(seen(&one), seen(&run(1, 1_000)), "{name}");
        assert_ne!(one.stdout, run(2, 1_000).stdout, "{name}");
        assert_ne!(one.stdout, run(1, 2_000).stdout, "{name}");
        let text = String::from_utf8(one.stdout.to_vec()).unwrap();
        // An hour of sleep is an hour, and a step or two.
        assert!(text.contains("3600.00"), "{name} {text}");
    }
}

#[test]
fn every_nan_is_the_same() {
    let bench = bench();
    for name in TRIALS {
        let finished = on(&bench, name, |job| job.args = vec!["numbers".to_owned()]);
        let text = String::from_utf8(finished.stdout.to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["7ff8000000000000"; 3], "{name}");
        // Negation is of the sign alone.
        assert_eq!(lines[3..5], ["fff8000000000000", "7ff8000000000000"], "{name}");
        assert_eq!(lines[5..7], ["7fc00000"; 2], "{name}");
    }
}

#[test]
fn whatever_is_asked_of_it_two_nodes_say_the_same() {
    // One has compiled it before and reads it from disk; it has other settings and other work.
    let here = bench();
    let there = bench_with(|config| {
        config.workers = 5;
        config.memory_total = 1 << 30;
    });
    let noise = there.text("(module (func (export \"_start\") (loop (br 0))))");
    let mut endless = job(&noise, "noise", &[]);
    endless.limits.fuel = u64::MAX;
    endless.limits.time_ms = 60_000;
    let _noise = there.runner.execute(endless).unwrap();
    let verbs = [
        "echo", "files", "escape", "chance", "numbers", "flood", "hoard", "spin", "fill", "exit",
        "deep", "x",
    ];
    let mut runner =
        TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let jobs = (
        prop::sample::select(verbs.to_vec()),
        0..300_u32,
        any::<[u8; 32]>(),
        0..4_000_000_000_000_u64,
        prop::collection::vec(any::<u8>(), 0..40),
        10_000..3_000_000_u64,
        1..64_u64,
        0..20_000_u64,
        any::<bool>(),
    );
    let result = runner.run(
        &jobs,
        |(verb, number, seed, time_ms, stdin, fuel, memory, output, is_module)| {
            let name = TRIALS[usize::from(!is_module)];
            let change = |job: &mut Job| {
                job.args = vec![verb.to_owned(), number.to_string()];
                job.env = vec![("N".to_owned(), number.to_string())];
                (job.seed, job.time_ms, job.stdin) = (seed, time_ms, stdin.clone().into());
                job.limits.fuel = fuel;
                job.limits.memory = memory << 20;
                (job.limits.output, job.limits.files) = (output, output);
                job.input = Tree::from_files([("data/text", stdin.clone().into())]).unwrap();
            };
            let (one, two) = (on(&here, name, change), on(&there, name, change));
            prop_assert!(one.outcome(None).is_result(), "{one:?}");
            prop_assert_eq!(seen(&one), seen(&two), "{} {}", verb, number);
            Ok(())
        },
    );
    result.unwrap();
}
