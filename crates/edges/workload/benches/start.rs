//! Start-up of what was compiled before, and how many executions a node does in a second.
//!
//! `cold` is a program of which the node only has the file, as after a restart: read, checked, linked
//! and executed. `warm` is one that was executed before. `many` keeps as many waiting as a caller
//! may.

use std::{fs, hint::black_box, path::Path, time::Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::{StreamExt as _, stream::FuturesUnordered};
use girrona_assembly::{Permissions, message::payload::Limits, run::End};
use girrona_workload::{Artefact, Caller, Config, Job, Runner, Tree};

fn wasm(name: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assemblies/wasm");
    fs::read(folder.join(name)).expect("an example").into()
}

fn job(artefact: &Artefact) -> Job {
    Job {
        artefact: artefact.clone(),
        entry: "hello".to_owned(),
        args: vec!["you".to_owned()],
        stdin: Bytes::new(),
        env: Vec::new(),
        input: Tree::default(),
        limits: Limits { memory: 16 << 20, files: 1 << 20, ..Limits::default() },
        permissions: Permissions::default(),
        seed: [0; 32],
        time_ms: 0,
        caller: Caller([0; 32]),
        deadline: None,
    }
}

fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    for name in ["hello.wasm", "hello.component.wasm"] {
        let wasm = wasm(name);
        let hash = *blake3::hash(&wasm).as_bytes();
        let runner = Runner::new(Config::new(folder.path())).expect("a runner");
        let hello = runtime.block_on(runner.compile(wasm.clone())).expect("it compiles");
        let mut group = criterion.benchmark_group(format!("start/{name}"));
        group.bench_function("warm", |bench| {
            bench.iter(|| {
                let running = runner.execute(job(&hello)).expect("room");
                assert_eq!(black_box(runtime.block_on(running)).end, End::Exit(0));
            });
        });
        drop(hello);
        group.bench_function("cold", |bench| {
            bench.iter_custom(|count| {
                let mut total = std::time::Duration::ZERO;
                for _ in 0..count {
                    runner.unload(&hash);
                    let began = Instant::now();
                    let finished = runtime.block_on(async {
                        let hello = runner.compile(wasm.clone()).await.expect("it is there");
                        runner.execute(job(&hello)).expect("room").await
                    });
                    total += began.elapsed();
                    assert_eq!(finished.end, End::Exit(0));
                }
                total
            });
        });
        let hello = runtime.block_on(runner.compile(wasm)).expect("it is there");
        group.throughput(Throughput::Elements(256));
        group.bench_function("many", |bench| {
            let many = || async {
                let mut waiting = FuturesUnordered::new();
                for _ in 0..256 {
                    while waiting.len() >= 48 {
                        waiting.next().await;
                    }
                    waiting.push(runner.execute(job(&hello)).expect("room"));
                }
                while waiting.next().await.is_some() {}
            };
            bench.iter(|| runtime.block_on(many()));
        });
        group.finish();
    }
}

criterion_group!(start, benches);
criterion_main!(start);
