//! Ways out of the sandbox: files, network, a host that breaks.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::{IpAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use girrona_assembly::{
    Permissions,
    run::{End, Stopped},
};
use girrona_workload::{Finished, Resolve, Tree};

use crate::support::{Bench, TRIALS, bench, bench_with, job, wasm};

const COMPONENT: &str = TRIALS[1];

#[test]
fn no_path_leads_out() {
    let bench = bench();
    for name in TRIALS {
        let mut job = job(&bench.compile(wasm(name)), "main", &["escape"]);
        job.input = Tree::from_files([("data/text", "x".into())]).unwrap();
        let finished = bench.run(job);
        assert_eq!(finished.stdout, "that was all\n", "{name}");
        assert!(finished.output.is_empty(), "{name} {:?}", finished.output);
    }
}

/// A server on this machine, and how many came.
fn server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&came);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counter.fetch_add(1, Relaxed);
            let mut asked = [0; 6];
            let _ = stream.read_exact(&mut asked);
            let _ = stream.write_all(b"hello yourself");
        }
    });
    (port, came)
}

/// Says what it was told to, in turn, and the last for ever.
#[derive(Debug)]
struct Names(Mutex<VecDeque<IpAddr>>);

impl Names {
    fn new(answers: &[&str]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(answers.iter().map(|text| text.parse().unwrap()).collect())))
    }
}

impl Resolve for Names {
    fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
        Box::pin(async move { Ok(next.into_iter().collect()) })
    }
}

fn connect(bench: &Bench, name: &str, address: &str, origins: &[String]) -> Finished {
    let mut job = job(&bench.compile(wasm(name)), "main", &["connect", address]);
    let network = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    job.permissions = Permissions { network };
    job.limits.time_ms = 3_000;
    bench.run(job)
}

#[test]
fn there_is_no_network_without_permission() {
    let bench = bench_with(|config| config.resolver = Names::new(&["127.0.0.1"]));
    let (port, came) = server();
    for name in TRIALS {
        for address in
            [format!("127.0.0.1:{port}"), format!("a.org:{port}"), format!("[::1]:{port}")]
        {
            let finished = connect(&bench, name, &address, &[]);
            let text = String::from_utf8_lossy(&finished.stdout).into_owned();
            assert!(text.starts_with("Err("), "{name} {address} {text}");
        }
    }
    assert_eq!(came.load(Relaxed), 0);
}

#[test]
fn what_is_allowed_is_reached_and_nothing_beside_it() {
    let (port, came) = server();
    let bench = bench_with(|config| {
        config.resolver = Names::new(&["127.0.0.1"]);
        // The operator lets guests reach this one service of this machine.
        config.opened = vec![([127, 0, 0, 1], port).into()];
    });
    let allowed = [format!("http://a.org:{port}")];
    let finished = connect(&bench, COMPONENT, &format!("a.org:{port}"), &allowed);
    assert_eq!(finished.stdout, "Ok(\"hello yourself\")\n", "{finished:?}");
    assert_eq!(came.load(Relaxed), 1);
    for (address, origins) in [
        // Another name, another port, an address instead of the name, a path that nobody can check.
        (format!("b.org:{port}"), &allowed[..]),
        ("a.org:81".to_owned(), &allowed[..]),
        (format!("127.0.0.1:{port}"), &allowed[..]),
        (format!("a.org:{port}"), &[format!("http://a.org:{port}/v1")][..]),
    ] {
        let finished = connect(&bench, COMPONENT, &address, origins);
        assert!(finished.stdout.starts_with(b"Err(PermissionDenied)"), "{address} {finished:?}");
    }
    // Modules have no sockets, allowed or not.
    let module = connect(&bench, TRIALS[0], &format!("a.org:{port}"), &allowed);
    assert!(module.stdout.starts_with(b"Err("), "{module:?}");
    assert_eq!(came.load(Relaxed), 1);
}

#[test]
fn a_name_that_leads_home_leads_nowhere() {
    let (port, came) = server();
    let allowed = [format!("http://a.org:{port}")];
    for home in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1"] {
        // First a public address for whoever looks, then one at home for whoever connects.
        let bench = bench_with(|config| config.resolver = Names::new(&[home]));
        let finished = connect(&bench, COMPONENT, &format!("a.org:{port}"), &allowed);
        assert!(finished.stdout.starts_with(b"Err(PermissionDenied)"), "{home} {finished:?}");
    }
    let bench = bench_with(|config| config.resolver = Names::new(&["192.0.9.9", "127.0.0.1"]));
    let mut job =
        job(&bench.compile(wasm(COMPONENT)), "main", &["connect", &format!("a.org:{port}")]);
    job.permissions = Permissions { network: vec![allowed[0].parse().unwrap()] };
    job.limits.time_ms = 500;
    let began = Instant::now();
    // It asks 192.0.9.9, which does not answer here, whatever the name means by now.
    let first = bench.run(job.clone());
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(
        first.end == End::Stopped(Stopped::Time) || first.stdout.starts_with(b"Err("),
        "{first:?}"
    );
    let second = bench.run(job);
    assert!(second.stdout.starts_with(b"Err(PermissionDenied)"), "{second:?}");
    assert_eq!(came.load(Relaxed), 0);
    assert!(bench.is_usable());
}

#[derive(Debug)]
struct Broken;

impl Resolve for Broken {
    fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        panic!("a host that breaks");
    }
}

#[derive(Debug)]
struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_host_that_panics_is_the_nodes_fault_and_no_result() {
    let bench = bench_with(|config| config.resolver = Arc::new(Broken));
    for _ in 0..5 {
        let finished = connect(&bench, COMPONENT, "a.org:80", &["http://a.org".to_owned()]);
        assert_eq!(finished.end, End::Stopped(Stopped::Node));
        assert!(finished.detail.unwrap().contains("a host that breaks"));
        assert!(bench.is_usable());
    }
}

#[test]
fn who_waits_for_an_answer_that_never_comes_is_stopped() {
    let bench = bench_with(|config| config.resolver = Arc::new(Silent));
    let mut job = job(&bench.compile(wasm(COMPONENT)), "main", &["connect", "a.org:80"]);
    job.permissions = Permissions { network: vec!["http://a.org".parse().unwrap()] };
    job.limits.time_ms = 200;
    let began = Instant::now();
    assert_eq!(bench.run(job.clone()).end, End::Stopped(Stopped::Time));
    assert!(began.elapsed() < Duration::from_secs(5));
    job.limits.time_ms = 60_000;
    let running = bench.runner.execute(job).unwrap();
    crate::support::moment();
    running.cancel();
    assert_eq!(bench.runtime.block_on(running).end, End::Stopped(Stopped::Cancelled));
    assert!(bench.is_usable());
}

#[test]
fn with_the_network_time_is_real() {
    let bench = bench_with(|config| config.resolver = Arc::new(Silent));
    let mut job = job(&bench.compile(wasm(COMPONENT)), "main", &["sleep", "1"]);
    job.permissions = Permissions { network: vec!["http://a.org".parse().unwrap()] };
    let began = Instant::now();
    assert_eq!(bench.run(job).end, End::Exit(0));
    assert!(began.elapsed() >= Duration::from_secs(1));
}
