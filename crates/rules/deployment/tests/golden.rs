//! Files beside what they mean: every key of both dialects and of ours, with manifest, order and
//! both hashes.

use std::{env, fs, num::NonZeroU64, path::Path};

use girrona_deployment::{Deployment, Manifest, ManifestError, OrderError, read};
use serde_json::json;

/// Blocks of a second.
fn second() -> NonZeroU64 {
    NonZeroU64::new(1_000).unwrap()
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    fs::read_to_string(path).unwrap_or_default()
}

fn deployment(name: &str) -> Deployment {
    read(&file(&format!("{name}.yaml")), second()).unwrap_or_else(|error| panic!("{name}\n{error}"))
}

const NAMES: [&str; 4] = ["sdl-small", "sdl-full", "sdl21", "icl-full"];

/// A change here makes what was ordered before unreadable, or the same file another order.
#[test]
fn golden_files() {
    for name in NAMES {
        let read = deployment(name);
        let groups: serde_json::Map<_, _> = read
            .groups
            .iter()
            .map(|(place, group)| {
                let value = json!({ "order": group.order, "manifest": group.manifest });
                (place.clone(), value)
            })
            .collect();
        let json = json!({ "name": read.name, "groups": groups });
        let found = serde_json::to_string_pretty(&json).unwrap() + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.json"));
        if env::var_os("BLESS").is_some() {
            fs::write(&path, &found).unwrap();
        }
        assert_eq!(
            found,
            file(&format!("{name}.json")),
            "{name}: `cargo xtask bless` takes it over"
        );
    }
}

#[test]
fn what_was_read_travels_and_is_accepted() {
    for name in NAMES {
        for (place, group) in deployment(name).groups {
            let bytes = group.manifest.to_bytes();
            let again = Manifest::from_bytes(&bytes)
                .unwrap_or_else(|error| panic!("{name} {place}: {error}"));
            assert_eq!(again, group.manifest);
            group.order.check(&again).unwrap();
            let order: girrona_deployment::Order =
                borsh::from_slice(&group.order.to_bytes()).unwrap();
            assert_eq!(order, group.order);
        }
    }
}

/// What everybody sees has none of what only the provider may see.
#[test]
fn the_order_keeps_no_secret() {
    let private = [
        "marker",
        "ana",
        "ghcr",
        "quay",
        "serve",
        "GREETING",
        "hello",
        "notebook",
        "postgres",
        "example.org",
        "web",
        "/var/lib",
        "front",
    ];
    for name in NAMES {
        for group in deployment(name).groups.values() {
            let bytes = String::from_utf8_lossy(&group.order.to_bytes()).into_owned();
            let json = serde_json::to_string(&group.order).unwrap();
            for word in private {
                // The auditors' organisation is a wish that providers have to see.
                let json = json.replace("Ana and Bo", "");
                assert!(!bytes.contains(word), "{name}: bytes of the order contain {word}");
                let keys = json.matches(word).count();
                let fields = ["manifest_hash"].iter().filter(|field| field.contains(word)).count();
                assert_eq!(keys, fields, "{name}: the order contains {word}");
            }
            let shown = format!("{:?}", group.manifest);
            assert!(!shown.contains("marker") && !shown.contains("hello"), "{shown}");
        }
    }
}

#[test]
fn another_manifest_is_refused_and_so_is_one_that_needs_more() {
    let group = deployment("sdl-full").groups.remove("west").unwrap();
    let mut other = group.manifest.clone();
    other.services.get_mut("web").unwrap().env.clear();
    let refusal = group.order.check(&other).unwrap_err();
    assert_eq!(refusal, OrderError::Hash { found: other.hash(), ordered: group.manifest.hash() });
    // A tenant who orders little and hashes much.
    let mut greedy = group.clone();
    greedy.manifest.services.get_mut("web").unwrap().resources.memory *= 2;
    greedy.order.manifest_hash = greedy.manifest.hash();
    assert_eq!(greedy.order.check(&greedy.manifest), Err(OrderError::Resources));
    let mut hidden = group;
    hidden.order.containers = false;
    assert_eq!(hidden.order.check(&hidden.manifest), Err(OrderError::Images));
}

#[test]
fn a_salt_hides_what_could_be_guessed() {
    let mut manifest = deployment("sdl-full").groups.remove("west").unwrap().manifest;
    let plain = manifest.hash();
    manifest.salt = [7; 32];
    assert_ne!(manifest.hash(), plain);
}

/// Whoever writes bytes by hand can say no more than a file can.
#[test]
fn bytes_that_no_file_reads_to_are_refused() {
    let group = deployment("sdl-full").groups.remove("west").unwrap();
    type Change = fn(&mut Manifest);
    let changes: [(Change, &str); 12] = [
        (|m| m.services.clear(), "it has 0 services"),
        (|m| m.services.get_mut("web").unwrap().count = 0, "service web: 0 copies"),
        (|m| m.services.get_mut("web").unwrap().count = 51, "service web: 51 copies"),
        (
            |m| m.services.get_mut("web").unwrap().resources.cpu_milli = 384_001,
            "service web: its resources are out of range",
        ),
        (
            |m| m.services.get_mut("web").unwrap().resources.storage.clear(),
            "service web: its volumes and mounts do not fit together",
        ),
        (
            |m| {
                m.services.get_mut("web").unwrap().mounts.get_mut("data").unwrap().path =
                    "/a/../../etc".to_owned()
            },
            "service web: its volumes and mounts do not fit together",
        ),
        (
            |m| {
                m.services
                    .get_mut("web")
                    .unwrap()
                    .args
                    .push(girrona_deployment::Secret("x".repeat(40_000)))
            },
            "service web: an argument or variable is too long, or there are too many",
        ),
        (
            |m| {
                m.services.get_mut("web").unwrap().dependencies.insert("ghost".to_owned());
            },
            "service web: it depends on what is not there",
        ),
        (|m| m.endpoints.clear(), "service web: port 9000 is not exposed as a file can say it"),
        (
            |m| {
                m.endpoints.insert("spare".to_owned(), girrona_deployment::manifest::Endpoint::Ip);
            },
            "endpoint spare is not used",
        ),
        (
            |m| {
                let web = m.services.remove("web").unwrap();
                m.services.insert("../web".to_owned(), web);
            },
            "`../web` is no name",
        ),
        (
            |m| {
                m.services.get_mut("db").unwrap().image =
                    girrona_deployment::Image::Container("ipfs://x".to_owned())
            },
            "service db: the image is none",
        ),
    ];
    for (change, reason) in changes {
        let mut manifest = group.manifest.clone();
        change(&mut manifest);
        let refusal = Manifest::from_bytes(&manifest.to_bytes()).unwrap_err();
        assert_eq!(refusal, ManifestError::Unusable(reason.to_owned()));
    }
    let mut bytes = group.manifest.to_bytes();
    bytes.push(0);
    assert_eq!(Manifest::from_bytes(&bytes), Err(ManifestError::Malformed));
    let long = vec![0; 300_000];
    assert_eq!(Manifest::from_bytes(&long), Err(ManifestError::Long(300_000)));
}

#[test]
fn time_and_money_follow_the_chains_block_time() {
    let icl = file("icl-full.yaml");
    let at = |ms: u64| {
        let group =
            read(&icl, NonZeroU64::new(ms).unwrap()).unwrap().groups.remove("westcoast").unwrap();
        (group.order.price_max, group.order.duration_blocks.unwrap(), group.manifest.hash())
    };
    let (price, duration, hash) = at(1_000);
    assert_eq!((price, duration), (2_777_778, 7_200));
    assert_eq!(at(16_384), (45_511_112, 440, hash));
    // SDL's prices are per block, whatever that is.
    let full = deployment("sdl-full").groups.remove("west").unwrap().order;
    assert_eq!(full.price_max, 3 * 100 + 84);
    assert_eq!(full.duration_blocks, Some(30 * 86_400));
    assert_eq!((full.notice_blocks, full.retention_blocks), (Some(86_400), 7 * 86_400));
}
