//! What people get wrong, with the exact answer: where it is, what it is, what to write.
//!
//! Each case changes a good file and names what is then said; the table is `golden/invalid.txt`.

use std::{env, fmt::Write as _, fs, num::NonZeroU64, path::Path};

use girrona_deployment::read;

const SMALL: &str = include_str!("golden/sdl-small.yaml");
const FULL: &str = include_str!("golden/sdl-full.yaml");
const ICL: &str = include_str!("golden/icl-full.yaml");

/// A file, what is replaced in it, and by what.
const CASES: &[(&str, &str, &str)] = &[
    // The file as a whole.
    (SMALL, "version: \"2.0\"", ""),
    (SMALL, "version: \"2.0\"", "version: \"3.0\""),
    (SMALL, "version: \"2.0\"", "version: \"2.0\"\ncolour: red"),
    (SMALL, "version: \"2.0\"", "version: \"2.0"),
    (SMALL, "services:\n", "services: 7\nx:\n"),
    (SMALL, "\n  web:\n    image", "\n\tweb:\n    image"),
    (FULL, "include: []", "include: [other.yaml]"),
    // Services.
    (SMALL, "  web:\n    image", "  Web_1:\n    image"),
    (
        SMALL,
        "ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        "ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG",
    ),
    (
        SMALL,
        "ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        "https://example.org/app.wasm",
    ),
    (SMALL, "ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", "Nginx:latest"),
    (
        SMALL,
        "image: ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        "imag: nginx",
    ),
    (
        SMALL,
        "    expose:",
        "    command: [a, b]\n    credentials: {host: a, username: b, password: c}\n    expose:",
    ),
    (FULL, "- EMPTY=", "- EMPTY"),
    (FULL, "- EMPTY=", "- GREETING=again"),
    (FULL, "- EMPTY=", "- {EMPTY: x}"),
    (FULL, "      host: ghcr.io\n", ""),
    (FULL, "      password: marker-password\n", ""),
    (FULL, "- service: db\n    params", "- service: ghost\n    params"),
    (FULL, "- service: db\n    params", "- web\n    params"),
    (FULL, "  db:\n    image", "  db:\n    dependencies: [web]\n    image"),
    (FULL, "data: {mount: /var/lib/web, readOnly: true}", "data: {mount: ../etc, readOnly: maybe}"),
    (FULL, "data: {mount: /var/lib/web, readOnly: true}", "disk: {mount: /var/lib/web}"),
    (FULL, "shm: {mount: /dev/shm}", "shm: {mount: /var/lib/web}"),
    (FULL, "read: [logs, events, deployment]", "read: [secrets]"),
    (FULL, "      permissions:", "      tee: cpu\n      permissions:"),
    (FULL, "image: ghcr.io", "pull_policy: Always\n    image: ghcr.io"),
    // Ports.
    (SMALL, "port: 8080", "port: 0"),
    (SMALL, "port: 8080", "port: 70000"),
    (SMALL, "port: 8080", "prot: 8080"),
    (SMALL, "as: 80", "as: eighty"),
    (SMALL, "as: 80", "proto: sctp"),
    (SMALL, "to: [{global: true}]", "to: [{global: false}]"),
    (SMALL, "to: [{global: true}]", "to: [{global: yes}]"),
    (SMALL, "to: [{global: true}]", "to: [{service: web}]"),
    (SMALL, "to: [{global: true}]", "to: [{service: db, global: true}]"),
    (SMALL, "to: [{global: true}]", "to: [{ip: front, global: true}]"),
    (SMALL, "as: 80", "as: 81\n        accept: [a.example]\n        http_options: {}"),
    (FULL, "WWW.example.org", "under_score.example.org"),
    (FULL, "read_timeout: 60000", "read_timeout: 60001"),
    (FULL, "max_body_size: 104857600", "max_body_size: 104857601"),
    (FULL, "next_cases: [error,", "next_cases: [off,"),
    (FULL, "next_cases: [error,", "next_cases: [501,"),
    (FULL, "to: [{ip: front, global: true}]", "to: [{ip: front}]"),
    (FULL, "to: [{ip: front, global: true}]", "to: [{global: true}]"),
    (FULL, "front: {kind: ip}", "front: {kind: name}"),
    // Resources.
    (SMALL, "units: 100m", "units: 1m"),
    (SMALL, "units: 100m", "units: -1"),
    (SMALL, "units: 100m", "units: 0.0001"),
    (SMALL, "units: 100m", "units: 385"),
    (SMALL, "size: 128Mi", "size: 128MB"),
    (SMALL, "size: 128Mi", "size: 3Ti"),
    (SMALL, "size: 1Gi", "size: 1"),
    (SMALL, "memory: {size: 128Mi}", "memory: 128Mi"),
    (SMALL, "        storage: {size: 1Gi}\n", ""),
    (SMALL, "storage: {size: 1Gi}", "storage: [{size: 1Gi}, {size: 2Gi}]"),
    (SMALL, "storage: {size: 1Gi}", "storage: {size: 1Gi, attributes: {persistent: true}}"),
    (
        SMALL,
        "storage: {size: 1Gi}",
        "storage: {size: 1Gi, attributes: {persistent: true, class: ram}}",
    ),
    (SMALL, "storage: {size: 1Gi}", "storage: {size: 1Gi, attributes: {class: tape}}"),
    (SMALL, "storage: {size: 1Gi}", "storage: {size: 1Gi}\n        gpu: {units: 1}"),
    (
        SMALL,
        "storage: {size: 1Gi}",
        "storage: {size: 1Gi}\n        gpu: {units: 1, attributes: {vendor: {nvidia: }}}",
    ),
    (FULL, "units: 2\n", "units: 0\n"),
    (FULL, "units: 2\n", "units: 25\n"),
    (FULL, "interface: sxm", "interface: agp"),
    // Placement, money, counts.
    (SMALL, "denom: motes", "denom: uakt"),
    (SMALL, "denom: motes", "token: motes"),
    (SMALL, "amount: 50", "amount: 0"),
    (SMALL, "amount: 50", "amount: -5"),
    (SMALL, "amount: 50", "amount: 1e3"),
    (SMALL, "amount: 50", "amount: 99999999999999999999999999"),
    (SMALL, "web: {denom: motes, amount: 50}", "app: {denom: motes, amount: 50}"),
    (FULL, "allOf: [account-hash-0101", "allOf: [akash1x, account-hash-0101"),
    (SMALL, "{profile: web, count: 2}", "{profile: web, count: 0}"),
    (SMALL, "{profile: web, count: 2}", "{profile: web, count: 51}"),
    (SMALL, "{profile: web, count: 2}", "{profile: big, count: 1}"),
    (SMALL, "{profile: web, count: 2}", "{count: 1}"),
    (SMALL, "    anywhere: {profile", "    nowhere: {profile"),
    (SMALL, "deployment:\n  web:", "deployment:\n  app:"),
    (FULL, "  db:\n    west: {profile: small, count: 1}\n", ""),
    (SMALL, "profiles:\n", "profiles:\n  duration: 1h\n"),
    (FULL, "min_window: 24h", "min_window: 5min"),
    // Ours.
    (FULL, "  window: 2\n", "  window: 3\n"),
    (FULL, "auction: sealed", "auction: dutch"),
    (FULL, "price: 5000", "price: 4999"),
    (FULL, "{price: 5000, uptime: 2000", "{price: 500, uptime: 6500"),
    (FULL, "epsilon: 50", "epsilon: 501"),
    (FULL, "duration: 1mon", "duration: 2y"),
    (FULL, "duration: 1mon", "duration: 1.5h"),
    (FULL, "rates: {uakt: \"33.3\"}", "rates: {GIRRO: 2}"),
    (FULL, "tiers: [secured, community-1]", "tiers: gold"),
    // ICL.
    (ICL, "token: GIRRO", "token: CST"),
    (ICL, "token: GIRRO", "denom: GIRRO"),
    (ICL, "duration: 2h", "duration: forever"),
    (ICL, "mode: fizz", "mode: provider"),
    (ICL, "port_range: 9000-9010", "port_range: 9010-9000"),
    (ICL, "port_range_as: 19000-19010", "port_range_as: 19000-19011"),
    (ICL, "- port_range: 5000-5001", "- port_range: 5000-5001\n        port: 5000"),
    (ICL, "- port_range: 5000-5001", "- port: 5000\n        port_range_as: 6000-6001"),
    (ICL, "req_vram: \">=80\"", "req_vram: much"),
    (ICL, "bandwidth: 100mbps", "bandwidth: fast"),
    (ICL, "region: us-east; us-west", "region: us east"),
    (ICL, "pull_policy: Always", "pull_policy: Sometimes"),
    (ICL, "registry: quay.io,", "registry: quay.io, host: quay.io,"),
];

#[test]
fn golden_refusals() {
    let second = NonZeroU64::new(1_000).unwrap();
    let mut found = String::new();
    for (base, from, to) in CASES {
        assert_eq!(base.matches(from).count().min(1), 1, "{from:?} is not in the file");
        let text = base.replacen(from, to, 1);
        let Err(problems) = read(&text, second) else {
            panic!("accepted with {to:?} for {from:?}")
        };
        writeln!(found, "{from:?} -> {to:?}").unwrap();
        for problem in problems.iter() {
            writeln!(found, "    {problem}").unwrap();
            assert!(problem.place.line > 0 && problem.place.column > 0);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/invalid.txt");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "`cargo xtask bless` takes over the new words");
}

/// What may be a password is in no message, however wrong the line is.
#[test]
fn refusals_show_no_secrets() {
    let second = NonZeroU64::new(1_000).unwrap();
    for line in ["- 1=hunter2", "- hunter2", "- A=hunter2\n      - A=hunter2"] {
        let text = FULL.replacen("- EMPTY=", line, 1);
        let said = read(&text, second).unwrap_err().to_string();
        assert!(!said.contains("hunter2"), "{said}");
    }
    for key in ["credentials", "env", "args"] {
        let line = format!("    {key}: A=hunter2\n    expose:");
        let text = SMALL.replacen("    expose:", &line.replace("args: A=", "args: {a: b} # "), 1);
        let said = read(&text, second).unwrap_err().to_string();
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file() {
    let text = SMALL
        .replace("port: 8080", "port: 0")
        .replace("units: 100m", "units: none")
        .replace("denom: motes", "denom: EUR")
        .replace("count: 2", "count: many");
    let problems = read(&text, NonZeroU64::new(1_000).unwrap()).unwrap_err();
    let lines: Vec<_> = problems.iter().map(|problem| problem.place.line).collect();
    assert_eq!(lines, [6, 13, 19, 22]);
}
