//! Many at the same time.

use std::time::{Duration, Instant};

use girrona_assembly::run::{End, Stopped};
use girrona_workload::{Caller, Refused};

use crate::support::{bench_with, job, wasm};

#[test]
fn a_flood_of_one_requester_does_not_starve_another() {
    let bench = bench_with(|config| {
        config.workers = 2;
        config.queue_per_caller = 40;
    });
    let spin = bench.text("(module (func (export \"_start\") (loop (br 0))))");
    let mut slow = job(&spin, "main", &[]);
    slow.limits.fuel = u64::MAX;
    slow.limits.time_ms = 100;
    let flood: Vec<_> = (0..42).map_while(|_| bench.runner.execute(slow.clone()).ok()).collect();
    assert!(flood.len() >= 40, "{}", flood.len());
    let full = (0..4).find_map(|_| bench.runner.execute(slow.clone()).err());
    assert_eq!(full, Some(Refused::CallerFull(40)));
    let mut other = job(&bench.compile(wasm("hello.wasm")), "hello", &[]);
    other.caller = Caller([2; 32]);
    let began = Instant::now();
    let finished = bench.run(other);
    assert_eq!(finished.end, End::Exit(0));
    // At most until one of those that run is over, not until 40 are.
    assert!(began.elapsed() < Duration::from_millis(1_200), "{:?}", began.elapsed());
    drop(flood);
}

#[test]
fn memory_is_given_out_once() {
    let bench = bench_with(|config| {
        config.workers = 8;
        config.memory_total = 200 << 20;
    });
    let spin = bench.text("(module (func (export \"_start\") (loop (br 0))))");
    let mut slow = job(&spin, "main", &[]);
    slow.limits.fuel = u64::MAX;
    slow.limits.time_ms = 100;
    let all: Vec<_> = (0..6).map(|_| bench.runner.execute(slow.clone()).unwrap()).collect();
    // 65 MiB and some for each.
    assert_eq!(bench.runner.load().running, 3);
    assert!(bench.runner.load().weight() < 100);
    slow.limits.memory = 300 << 20;
    assert!(matches!(bench.runner.execute(slow), Err(Refused::Memory { .. })));
    for one in all {
        assert_eq!(bench.runtime.block_on(one).end, End::Stopped(Stopped::Time));
    }
    assert_eq!(bench.runner.load().memory_free, 200 << 20);
}

#[test]
fn a_runner_that_goes_stops_what_runs() {
    let bench = bench_with(|_| {});
    let spin = bench.text("(module (func (export \"_start\") (loop (br 0))))");
    let mut endless = job(&spin, "main", &[]);
    endless.limits.fuel = u64::MAX;
    endless.limits.time_ms = 60_000;
    let running: Vec<_> = (0..4).map(|_| bench.runner.execute(endless.clone()).unwrap()).collect();
    let runtime = std::sync::Arc::clone(&bench.runtime);
    let began = Instant::now();
    drop(bench);
    for one in running {
        assert!(!runtime.block_on(one).outcome(None).is_result());
    }
    assert!(began.elapsed() < Duration::from_secs(2));
}
