//! Interpreted and compiled side by side: `cargo bench -p girrona-engine --bench tiers`.
//!
//! Compute by the instruction, calls, a hash, calls of the host, starting, and compiling: once for
//! a module like those that people send, once for each shape that is hard on a compiler.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

#[path = "../../../rules/vm/tests/suite/host.rs"]
#[allow(dead_code, reason = "the host's own tests use all of it")]
mod host;
#[path = "../tests/support/shapes.rs"]
mod shapes;

use std::hint::black_box;
use std::time::Instant;

use casper_types::ContractWasm;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use girrona_engine::{Metrics, Native, Tiers, spawn};
use girrona_exec::CodeSource;
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Engine, Instrumented, Interpreter, Prepared, instrument};
use host::World;
use prometheus_client::metrics::counter::Counter;

/// Gas for anything.
const GAS: u64 = i64::MAX.unsigned_abs();

fn from_text(text: &str) -> Instrumented {
    instrument(&wat::parse_str(text).unwrap(), &WasmConfig::default()).unwrap()
}

/// One module, interpreted and compiled.
fn tiers(module: &Instrumented) -> Vec<(&'static str, Prepared)> {
    let reference = Interpreter.compile(module.clone()).unwrap();
    let native = Native::new(Counter::default()).unwrap();
    let compiled = native.compile_beside(module, &reference).unwrap().0;
    vec![("wasmi", reference), ("cranelift", compiled)]
}

fn run(code: &Prepared, world: &mut World) {
    world.asked.clear();
    let outcome = code.run("call", world, GAS);
    assert!(outcome.result.is_ok(), "{outcome:?}");
    black_box(outcome);
}

/// A body in a loop of so many turns.
fn looped(turns: u32, locals: &str, body: &str) -> String {
    format!(
        r#"(module
        (import "env" "casper_get_blocktime" (func $time (param i32)))
        (import "env" "casper_read_value" (func $read (param i32 i32 i32) (result i32)))
        (import "env" "casper_read_host_buffer" (func $buffer (param i32 i32 i32) (result i32)))
        (memory 1)
        (data (i32.const 0) "\02\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\07")
        (func $leaf (param i32) (result i32) (i32.xor (local.get 0) (i32.const 5)))
        (func $inner (param i32) (result i32) (i32.add (call $leaf (local.get 0)) (i32.const 1)))
        (func (export "call") (local $n i32) {locals} (loop $again
          {body}
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const {turns}))))))"#
    )
}

/// One round of a hash in the manner of SHA-256: rotations, sums, choices, a table in memory.
fn hash_round() -> String {
    let s = |x: &str, a: u32, b: u32, c: u32| {
        format!(
            "(i32.xor (i32.xor (i32.rotr (local.get {x}) (i32.const {a}))
             (i32.rotr (local.get {x}) (i32.const {b}))) (i32.rotr (local.get {x}) (i32.const {c})))"
        )
    };
    format!(
        "(local.set $t (i32.add (i32.add (local.get $h) {})
           (i32.add (i32.xor (i32.and (local.get $e) (local.get $f))
             (i32.and (i32.xor (local.get $e) (i32.const -1)) (local.get $g)))
             (i32.load (i32.and (i32.shl (local.get $n) (i32.const 2)) (i32.const 0xfc))))))
         (local.set $u (i32.add {} (i32.xor (i32.xor (i32.and (local.get $a) (local.get $b))
           (i32.and (local.get $a) (local.get $c))) (i32.and (local.get $b) (local.get $c)))))
         (local.set $h (local.get $g)) (local.set $g (local.get $f)) (local.set $f (local.get $e))
         (local.set $e (i32.add (local.get $d) (local.get $t)))
         (local.set $d (local.get $c)) (local.set $c (local.get $b)) (local.set $b (local.get $a))
         (local.set $a (i32.add (local.get $t) (local.get $u)))
         (i32.store offset=256 (i32.and (local.get $n) (i32.const 0xfc)) (local.get $a))",
        s("$e", 6, 11, 25),
        s("$a", 2, 13, 22)
    )
}

fn running(criterion: &mut Criterion) {
    let locals: String = ["a", "b", "c", "d", "e", "f", "g", "h", "t", "u"]
        .map(|l| format!("(local ${l} i32)"))
        .concat();
    // Instructions of a turn as the author wrote them, the loop's own included.
    let cases = [
        (
            "compute",
            looped(
                100_000,
                "(local $x i32)",
                "(local.set $x (i32.xor (i32.add (i32.mul (local.get $x) (i32.const 31)) (local.get $n))
                 (i32.rotl (local.get $x) (i32.const 7))))
                 (if (i32.and (local.get $x) (i32.const 1)) (then (local.set $x (i32.shr_u (local.get $x) (i32.const 1)))))",
            ),
            100_000 * 25,
        ),
        (
            "calls",
            looped(100_000, "(local $x i32)", "(local.set $x (call $inner (local.get $x)))"),
            200_000,
        ),
        ("hash round", looped(20_000, &locals, &hash_round()), 20_000),
        ("host call", looped(10_000, "", "(call $time (i32.const 64))"), 10_000),
        (
            "host read of a value",
            looped(
                10_000,
                "",
                "(drop (call $read (i32.const 0) (i32.const 34) (i32.const 64)))
                 (drop (call $buffer (i32.const 128) (i32.const 64) (i32.const 68)))",
            ),
            20_000,
        ),
    ];
    for (name, text, elements) in cases {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(elements)).sample_size(10);
        for (engine, code) in tiers(&from_text(&text)) {
            let mut world = World::new();
            group.bench_function(engine, |bencher| bencher.iter(|| run(&code, &mut world)));
        }
        group.finish();
    }
    let mut group = criterion.benchmark_group("start and empty call");
    for (engine, code) in tiers(&from_text("(module (memory 1) (func (export \"call\")))")) {
        let mut world = World::new();
        group.bench_function(engine, |bencher| bencher.iter(|| run(&code, &mut world)));
    }
    group.finish();
}

/// A contract that is called once: prepare and run. And one that is kept: run.
fn contracts(criterion: &mut Criterion) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../contracts/wasm/counter.wasm");
    let wasm = std::fs::read(path).unwrap();
    let law = WasmConfig::default();
    let world = World::new().arg("player", "ana".to_owned()).arg("points", 5_u64);
    let mut group = criterion.benchmark_group("a contract of 12 kB");
    group.sample_size(20);
    group.bench_function("check and instrument", |bencher| {
        bencher.iter(|| instrument(black_box(&wasm), &law).unwrap());
    });
    let module = instrument(&wasm, &law).unwrap();
    let reference = Interpreter.compile(module.clone()).unwrap();
    group.bench_function("compile/wasmi", |b| b.iter(|| Interpreter.compile(module.clone())));
    let native = Native::new(Counter::default()).unwrap();
    group.bench_function("compile/cranelift", |bencher| {
        bencher.iter(|| native.compile_beside(&module, &reference).unwrap());
    });
    let compiled = native.compile_beside(&module, &reference).unwrap().0;
    let codes = [("wasmi", reference), ("cranelift", compiled)];
    let mut kept = Tiers::new(false, Metrics::default());
    let stored = ContractWasm::new(wasm.clone());
    group.bench_function("find among kept code", |bencher| {
        bencher.iter(|| kept.stored([1; 32], &stored, &law).unwrap());
    });
    for (name, code) in &codes {
        group.bench_function(format!("run/{name}"), |bencher| {
            bencher.iter_batched_ref(
                || world.clone(),
                |world| run(code, world),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// The time that a compiler takes for each byte of what the law lets in, once each.
fn compiling(_: &mut Criterion) {
    println!(
        "\ncompile time, microseconds per kilobyte of module (instrumented bytes -> machine code)"
    );
    let native = Native::new(Counter::default()).unwrap();
    for (name, shape) in shapes::all() {
        for bytes in [60_000, 400_000] {
            let wasm = shapes::module(shape, bytes);
            let began = Instant::now();
            let module = instrument(&wasm, &WasmConfig::default()).unwrap();
            let mut line = format!("instrument {:.0}", per_kb(began, &wasm));
            let began = Instant::now();
            let reference = Interpreter.compile(module.clone()).unwrap();
            line += &format!(", wasmi {:.0}", per_kb(began, &wasm));
            let began = Instant::now();
            match native.compile_beside(&module, &reference) {
                Ok((_, code)) => {
                    let ms = began.elapsed().as_millis();
                    let code = code / 1_000;
                    line +=
                        &format!(", Cranelift {:.0} ({ms} ms, {code} kB)", per_kb(began, &wasm));
                }
                Err(reason) => line += &format!(", not compiled: {reason}"),
            }
            println!("{name:24} {:4} kB: {line}", wasm.len() / 1_000);
        }
    }
}

fn per_kb(began: Instant, wasm: &[u8]) -> f64 {
    began.elapsed().as_secs_f64() * 1e9 / wasm.len() as f64
}

/// Everything on a thread with room for compiled code.
fn all(_: &mut Criterion) {
    let done = spawn("bench", || {
        let mut criterion = Criterion::default().configure_from_args();
        running(&mut criterion);
        contracts(&mut criterion);
        compiling(&mut criterion);
    });
    done.unwrap().join().unwrap();
}

criterion_group!(benches, all);
criterion_main!(benches);
