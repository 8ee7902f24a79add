//! Bombs. Each ends in what is named for it, takes no more than it may, and leaves a runner that
//! works.

use std::time::{Duration, Instant};

use girrona_assembly::run::{End, Stopped, Trap};

use crate::support::{TRIALS, bench, bench_with, job, moment, resident, wasm};

#[test]
fn an_endless_loop_runs_out_of_fuel_at_the_same_place() {
    let bench = bench();
    for name in TRIALS {
        let run = || {
            let mut job = job(&bench.compile(wasm(name)), "main", &["spin"]);
            job.limits.fuel = 50_000_000;
            bench.run(job)
        };
        let (one, two) = (run(), run());
        assert_eq!(one.end, End::Trap(Trap::Fuel), "{name}");
        assert_eq!(one.fuel, two.fuel, "{name}");
        assert!(one.fuel >= 50_000_000, "{name} {}", one.fuel);
    }
    assert!(bench.is_usable());
}

#[test]
fn a_guest_that_takes_too_long_is_stopped_and_that_is_no_result() {
    let bench = bench();
    // An endless loop with nothing in it, with fuel for ever.
    let spin = bench.text("(module (func (export \"_start\") (loop (br 0))))");
    let mut endless = job(&spin, "main", &[]);
    endless.limits.fuel = u64::MAX;
    endless.limits.time_ms = 200;
    let finished = bench.run(endless);
    assert_eq!(finished.end, End::Stopped(Stopped::Time));
    assert!(!finished.outcome(None).is_result());
    assert!(finished.elapsed < Duration::from_secs(2), "{:?}", finished.elapsed);
    assert!(bench.is_usable());
}

#[test]
fn a_memory_bomb_ends_at_its_limit() {
    let bench = bench();
    for name in TRIALS {
        let before = resident();
        let finished = bench.trial(name, &["hoard"]);
        assert_eq!(finished.end, End::Trap(Trap::Growth), "{name}");
        assert!(finished.memory <= 64 << 20, "{name} {}", finished.memory);
        assert!(resident() < before + (128 << 20), "{name}");
    }
    let grow = |pages: u32| {
        bench.run_text(&format!(
            "(module (memory 1) (func (export \"_start\") (drop (memory.grow (i32.const {pages})))))"
        ))
    };
    assert_eq!(grow(1_023).end, End::Exit(0));
    assert_eq!(grow(1_024).end, End::Trap(Trap::Growth));
    assert_eq!(grow(65_535).end, End::Trap(Trap::Growth));
    assert_eq!(grow(u32::MAX).end, End::Trap(Trap::Growth));
    // It wants it from the start; or several small ones make a large one.
    assert_eq!(
        bench.run_text("(module (memory 65536) (func (export \"_start\")))").end,
        End::Trap(Trap::Growth)
    );
    let several = "(module (memory 600) (memory 600) (func (export \"_start\")))";
    assert_eq!(bench.run_text(several).end, End::Trap(Trap::Growth));
    // A module's own limit is told to the module.
    let own = "(module (memory 1 2) (func (export \"_start\")
        (if (i32.ne (memory.grow (i32.const 2)) (i32.const -1)) (then unreachable))))";
    assert_eq!(bench.run_text(own).end, End::Exit(0));
    assert!(bench.is_usable());
}

#[test]
fn a_table_bomb_ends_at_its_limit() {
    let bench = bench();
    let grow = "(module (table 1 funcref) (func (export \"_start\")
        (loop (drop (table.grow (ref.null func) (i32.const 1000))) (br 0))))";
    assert_eq!(bench.run_text(grow).end, End::Trap(Trap::Growth));
    let large =
        wat::parse_str("(module (table 1000000 funcref) (func (export \"_start\")))").unwrap();
    let compiled = bench.runtime.block_on(bench.runner.compile(large));
    let is_refused = match compiled {
        Err(_) => true,
        Ok(artefact) => bench.run(job(&artefact, "main", &[])).end == End::Trap(Trap::Growth),
    };
    assert!(is_refused);
    assert!(bench.is_usable());
}

#[test]
fn a_fork_bomb_of_instances_is_not_compiled() {
    let bench = bench();
    let instances = |count: usize| {
        let many = "(core instance (instantiate $m))".repeat(count);
        let text = format!("(component (core module $m (memory 1)) {many})");
        bench.runtime.block_on(bench.runner.compile(wat::parse_str(text).unwrap()))
    };
    assert!(instances(5).is_ok());
    for count in [9, 65, 900] {
        let error = instances(count).unwrap_err().to_string();
        assert!(error.contains("instances, memories or tables"), "{count} {error}");
    }
    assert!(instances(5_000).is_err());
    // Each level doubles what is below it.
    let mut text = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..20 {
        let below = level - 1;
        text = format!(
            "(component $c{level} {text} (instance (instantiate $c{below})) (instance (instantiate $c{below})))"
        );
    }
    let doubled = wat::parse_str(&text).unwrap();
    assert!(bench.runtime.block_on(bench.runner.compile(doubled)).is_err());
    assert!(bench.is_usable());
}

#[test]
fn deep_recursion_is_a_stack_overflow() {
    let bench = bench();
    let forever = "(module (func $f (export \"_start\") (call $f)))";
    assert_eq!(bench.run_text(forever).end, End::Trap(Trap::Stack));
    for name in TRIALS {
        let end = bench.trial(name, &["deep", "100000000"]).end;
        // Its own stack, which lies in its memory, or the machine's.
        assert!(matches!(end, End::Trap(Trap::Stack | Trap::Memory)), "{name} {end:?}");
    }
    assert!(bench.is_usable());
}

#[test]
fn a_flood_of_output_ends_at_its_limit() {
    let bench = bench();
    for name in TRIALS {
        let finished = bench.trial(name, &["flood"]);
        assert_eq!(finished.end, End::Trap(Trap::Output), "{name}");
        assert_eq!(finished.stdout.len(), 64 << 10, "{name}");
    }
    // One write of everything that there is.
    let once = bench.run_text(
        "(module
            (import \"wasi_snapshot_preview1\" \"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))
            (memory (export \"memory\") 1000)
            (func (export \"_start\")
                (i32.store (i32.const 4) (i32.const 65000000))
                (drop (call $w (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))))",
    );
    assert_eq!(once.end, End::Trap(Trap::Output));
    assert_eq!(once.stderr.len(), 64 << 10);
    assert!(bench.is_usable());
}

#[test]
fn a_flood_of_files_ends_at_its_limit() {
    let bench = bench();
    for name in TRIALS {
        assert_eq!(bench.trial(name, &["fill", "1000"]).end, End::Exit(0), "{name}");
        let finished = bench.trial(name, &["fill", "100000"]);
        assert_eq!(finished.end, End::Trap(Trap::Files), "{name}");
        assert!(finished.output.len() <= 4_096, "{name}");
    }
    assert!(bench.is_usable());
}

#[test]
fn a_guest_that_sleeps_for_ever_costs_nobody_a_second() {
    let bench = bench();
    for name in TRIALS {
        let began = Instant::now();
        let finished = bench.trial(name, &["sleep", "1000000000"]);
        assert_eq!(finished.end, End::Exit(0), "{name}");
        assert!(began.elapsed() < Duration::from_secs(60), "{name}");
    }
    // Waiting for input that never comes is not possible: it is all there, or at its end.
    let poll = bench.run_text(
        "(module
            (import \"wasi_snapshot_preview1\" \"poll_oneoff\" (func $p (param i32 i32 i32 i32) (result i32)))
            (memory (export \"memory\") 1)
            (func (export \"_start\")
                (i32.store8 (i32.const 8) (i32.const 1))
                (if (call $p (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)) (then unreachable))
                (if (i32.ne (i32.load (i32.const 200)) (i32.const 1)) (then unreachable))))",
    );
    assert_eq!(poll.end, End::Exit(0), "{poll:?}");
    assert!(bench.is_usable());
}

#[test]
fn a_wrong_pointer_is_an_error_and_reaches_nothing() {
    let bench = bench();
    for (function, arguments) in [
        ("fd_write", "(i32.const 1) (i32.const -1) (i32.const -1) (i32.const -1)"),
        ("fd_read", "(i32.const 0) (i32.const 65530) (i32.const 3) (i32.const 0)"),
        ("random_get", "(i32.const 0) (i32.const -1)"),
        ("args_get", "(i32.const -4) (i32.const -1)"),
        ("poll_oneoff", "(i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)"),
        ("path_create_directory", "(i32.const 4) (i32.const 5) (i32.const -1)"),
    ] {
        let count = arguments.matches("i32.const").count();
        let finished = bench.run_text(&format!(
            "(module
                (import \"wasi_snapshot_preview1\" \"{function}\" (func $f (param {}) (result i32)))
                (memory (export \"memory\") 1)
                (func (export \"_start\") (if (i32.eqz (call $f {arguments})) (then unreachable))))",
            "i32 ".repeat(count)
        ));
        assert_eq!(finished.end, End::Exit(0), "{function} {finished:?}");
    }
    // Without a memory there is nowhere to write to.
    let none = "(module
        (import \"wasi_snapshot_preview1\" \"random_get\" (func $f (param i32 i32) (result i32)))
        (func (export \"_start\") (if (i32.eqz (call $f (i32.const 0) (i32.const 1))) (then unreachable))))";
    assert_eq!(bench.run_text(none).end, End::Exit(0));
}

#[test]
fn work_in_the_host_takes_fuel_too() {
    let bench = bench();
    let mut asking = job(
        &bench.text(
            "(module
                (import \"wasi_snapshot_preview1\" \"random_get\" (func $f (param i32 i32) (result i32)))
                (memory (export \"memory\") 17)
                (func (export \"_start\") (loop (drop (call $f (i32.const 0) (i32.const 1048576))) (br 0))))",
        ),
        "main",
        &[],
    );
    asking.limits.fuel = 10_000_000;
    let finished = bench.run(asking);
    assert_eq!(finished.end, End::Trap(Trap::Fuel));
    assert!(finished.elapsed < Duration::from_secs(5), "{:?}", finished.elapsed);
}

#[test]
fn cancelling_stops_who_waits_and_who_runs() {
    let bench = bench_with(|config| config.workers = 1);
    let spin = bench.text("(module (func (export \"_start\") (loop (br 0))))");
    let endless = || {
        let mut endless = job(&spin, "main", &[]);
        endless.limits.fuel = u64::MAX;
        endless.limits.time_ms = 60_000;
        endless
    };
    let running = bench.runner.execute(endless()).unwrap();
    let waiting = bench.runner.execute(endless()).unwrap();
    let late = bench.runner.execute(job(&spin, "main", &[])).unwrap();
    let mut dated = endless();
    dated.deadline = Some(Instant::now() + Duration::from_millis(50));
    let dated = bench.runner.execute(dated).unwrap();
    moment();
    assert_eq!((bench.runner.load().running, bench.runner.load().waiting), (1, 3));
    assert_eq!(bench.runtime.block_on(dated).end, End::Stopped(Stopped::Time));
    waiting.canceller().cancel();
    assert_eq!(bench.runtime.block_on(waiting).end, End::Stopped(Stopped::Cancelled));
    let began = Instant::now();
    running.cancel();
    let finished = bench.runtime.block_on(running);
    assert_eq!(finished.end, End::Stopped(Stopped::Cancelled));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // Nobody wants this one any more.
    drop(late);
    moment();
    assert!(bench.is_usable());
}

#[test]
fn a_component_that_asks_for_everything_gets_an_end() {
    let bench = bench();
    let chance = bench.run_text(
        "(component
            (import \"wasi:random/random@0.2.0\" (instance $r
                (export \"get-random-bytes\" (func (param \"len\" u64) (result (list u8))))))
            (core module $l (memory (export \"memory\") 1)
                (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
            (core instance $l (instantiate $l))
            (core func $get (canon lower (func $r \"get-random-bytes\")
                (memory (core memory $l \"memory\")) (realloc (core func $l \"realloc\"))))
            (core module $m (import \"r\" \"get\" (func $get (param i64 i32)))
                (func (export \"run\") (call $get (i64.const -1) (i32.const 0))))
            (core instance $i (instantiate $m (with \"r\" (instance (export \"get\" (func $get))))))
            (func (export \"main\") (canon lift (core func $i \"run\"))))",
    );
    assert_eq!(chance.end, End::Trap(Trap::Other), "{chance:?}");
    let before = resident();
    let alarms = bench.run_text(
        "(component
            (import \"wasi:io/poll@0.2.0\" (instance $p (export \"pollable\" (type (sub resource)))))
            (alias export $p \"pollable\" (type $pollable))
            (import \"wasi:clocks/monotonic-clock@0.2.0\" (instance $c
                (alias outer 1 $pollable (type $t))
                (export \"pollable\" (type $own (eq $t)))
                (export \"subscribe-duration\" (func (param \"when\" u64) (result (own $own))))))
            (core func $set (canon lower (func $c \"subscribe-duration\")))
            (core module $m (import \"c\" \"set\" (func $set (param i64) (result i32)))
                (func (export \"run\") (loop (drop (call $set (i64.const 1000))) (br 0))))
            (core instance $i (instantiate $m (with \"c\" (instance (export \"set\" (func $set))))))
            (func (export \"main\") (canon lift (core func $i \"run\"))))",
    );
    assert_eq!(alarms.end, End::Trap(Trap::Other), "{alarms:?}");
    assert!(resident() < before + (32 << 20));
    assert!(bench.is_usable());
}
