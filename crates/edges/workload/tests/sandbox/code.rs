//! Compiled code: what is refused, what is kept, and that nothing else is ever loaded.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use girrona_assembly::run::End;
use girrona_workload::{CompileError, Config, Runner};

use crate::support::{bench, bench_with, job, wasm};

fn compile(runner: &Runner, wasm: impl Into<bytes::Bytes>) -> Result<(), CompileError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(runner.compile(wasm)).map(|_| ())
}

#[test]
fn what_is_no_program_is_refused() {
    let bench = bench_with(|config| config.wasm_bytes = 1 << 20);
    let compile = |wasm: Vec<u8>| compile(&bench.runner, wasm);
    assert_eq!(compile(Vec::new()), Err(CompileError::NotWasm));
    assert_eq!(compile(b"#!/bin/sh".to_vec()), Err(CompileError::NotWasm));
    assert_eq!(
        compile(vec![0; (1 << 20) + 1]),
        Err(CompileError::Long { bytes: (1 << 20) + 1, max: 1 << 20 })
    );
    let invalid = |wasm: Vec<u8>| assert!(matches!(compile(wasm), Err(CompileError::Invalid(_))));
    invalid(b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\x0f".to_vec());
    invalid(b"\0asm\x01\0\0\0\x0a".to_vec());
    let good = wasm("hello.wasm");
    for cut in [9, 100, good.len() / 2, good.len() - 1] {
        invalid(good[..cut].to_vec());
    }
    // Compiled code is not WebAssembly, whoever sends it.
    let engine = wasmtime::Engine::default();
    let code = engine.precompile_module(&good).unwrap();
    assert_eq!(compile(code), Err(CompileError::NotWasm));
    for kind in [
        "(memory 1 2 shared)",
        "(memory i64 1)",
        "(type (struct))",
        "(func (param externref) (drop (ref.eq (ref.null eq) (ref.null eq))))",
    ] {
        let wasm = wat::parse_str(format!("(module {kind})")).unwrap();
        assert!(matches!(compile(wasm), Err(CompileError::Invalid(_))), "{kind}");
    }
    assert!(bench.is_usable());
}

#[test]
fn a_compile_bomb_is_not_begun() {
    let bench = bench_with(|config| config.compile_time = Duration::from_secs(2));
    let began = Instant::now();
    let branchy = "(block (br_if 0 (local.get 7)))".repeat(20_000);
    let bomb =
        format!("(module (func (export \"_start\") (local {}) {branchy}))", "i32 ".repeat(1_000));
    let error = compile(&bench.runner, wat::parse_str(bomb).unwrap()).unwrap_err();
    assert!(matches!(error, CompileError::Slow { .. }), "{error}");
    let loops = format!("(module (func {} {}))", "(loop ".repeat(400), ")".repeat(400));
    let error = compile(&bench.runner, wat::parse_str(loops).unwrap()).unwrap_err();
    assert!(matches!(error, CompileError::Slow { expected: None, .. }), "{error}");
    let tiny = |count: usize| {
        let wasm = wat::parse_str(format!("(module {})", "(func)".repeat(count))).unwrap();
        compile(&bench.runner, wasm).unwrap_err()
    };
    assert!(matches!(tiny(50_000), CompileError::Slow { .. }), "{}", tiny(50_000));
    assert!(matches!(tiny(200_000), CompileError::Large { .. }), "{}", tiny(200_000));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(bench.is_usable());
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some()).collect();
    files.sort();
    files
}

/// How often code was compiled and found on disk, by the metrics.
fn counts(runner: &Runner) -> (u64, u64) {
    let mut registry = prometheus_client::registry::Registry::default();
    runner.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let count = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |count| count.trim().parse().unwrap())
    };
    (count("assembly_compiled_total"), count("assembly_code_found_total{place=\"disk\"}"))
}

#[test]
fn code_survives_a_restart_and_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Runner::new(Config { workers: 1, ..Config::new(folder.path()) }).unwrap();
    let run = |runner: &Runner| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let artefact = runner.compile(wasm("hello.wasm")).await.unwrap();
            runner.execute(job(&artefact, "hello", &[])).unwrap().await.end
        })
    };
    let first = start();
    assert_eq!(run(&first), End::Exit(0));
    assert_eq!(run(&first), End::Exit(0));
    assert_eq!(counts(&first), (1, 0));
    drop(first);
    let second = start();
    assert_eq!(run(&second), End::Exit(0));
    assert_eq!(counts(&second), (0, 1));
    drop(second);
    let [path] = &files(folder.path())[..] else { panic!("one file") };
    let good = fs::read(path).unwrap();
    // Whatever is changed, it is compiled again and not run.
    let other_name = {
        let other = start();
        compile(&other, wasm("words.wasm")).unwrap();
        files(folder.path()).into_iter().find(|other| other != path).unwrap()
    };
    let mut flipped: Vec<Vec<u8>> = [0, 20, 50, good.len() / 2, good.len() - 1]
        .map(|at| {
            let mut bad = good.clone();
            bad[at] ^= 1;
            bad
        })
        .to_vec();
    flipped.push(good[..good.len() - 1].to_vec());
    flipped.push(good[..30].to_vec());
    flipped.push(Vec::new());
    // Our own, but of another program.
    flipped.push(fs::read(&other_name).unwrap());
    for bad in flipped {
        fs::write(path, &bad).unwrap();
        let runner = start();
        assert_eq!(run(&runner), End::Exit(0));
        assert_eq!(counts(&runner), (1, 0), "{}", bad.len());
        drop(runner);
        assert_eq!(fs::read(path).unwrap(), good, "it is kept again");
    }
    // Who has another key trusts nothing.
    fs::write(folder.path().join("key"), [9; 32]).unwrap();
    let runner = start();
    assert_eq!(run(&runner), End::Exit(0));
    assert_eq!(counts(&runner), (1, 0));
}

#[test]
fn the_longest_unused_code_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config { workers: 1, ..Config::new(folder.path()) };
    let all = ["hello.wasm", "words.wasm", "primes.wasm"];
    {
        let runner = Runner::new(config.clone()).unwrap();
        for name in all {
            compile(&runner, wasm(name)).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let total: u64 = files(folder.path()).iter().map(|path| path.metadata().unwrap().len()).sum();
    config.cache_bytes = total - 1;
    let runner = Runner::new(config).unwrap();
    assert_eq!(files(folder.path()).len(), 2);
    compile(&runner, wasm("words.wasm")).unwrap();
    assert_eq!(counts(&runner), (0, 1));
    compile(&runner, wasm("hello.wasm")).unwrap();
    assert_eq!(counts(&runner), (1, 1));
    runner.forget(blake3::hash(&wasm("hello.wasm")).as_bytes());
    compile(&runner, wasm("hello.wasm")).unwrap();
    assert_eq!(counts(&runner).0, 2);
}

#[test]
fn a_cached_program_starts_in_a_millisecond() {
    let bench = bench();
    let hello = bench.compile(wasm("hello.wasm"));
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let began = Instant::now();
            let finished = bench.run(job(&hello, "hello", &[]));
            assert_eq!(finished.end, End::Exit(0));
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    // The figure is of the benchmark; this only notices if it is compiled or copied each time.
    assert!(times[100] < Duration::from_millis(10), "{:?}", times[100]);
}
