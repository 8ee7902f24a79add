//! Everything that strangers send: refused or understood, never a panic, never much memory.
//!
//! `cargo test` runs each for a moment, `cargo xtask fuzz SECONDS` for as long as you like.

mod common;

use std::collections::BTreeMap;

use bolero::check;
use common::{NET, NOW, announcement, execution, outcome, receipt, root, say};
use girrona_assembly::{
    Manifest, MessageId, Origin, RequestId,
    content::{
        Block, Cid, Codec, FileBuilder, Limits, Piece, Shape, TreeBuilder, Walk,
        car::{self, CarReader},
        node,
    },
    fetch::{Blocks, Output, Serve, Session, WantKind, session::Config, wire},
    manifest::import,
    message::{Channel, Envelope, Holdings, Payload, Update, open, payload::casper_key::Key},
    run::{Certificate, Challenge, Evidence},
    talk::{self, Offer, Order, Part, Reply, Say},
};

/// A good message with bytes changed where the input says so, and some cut off.
fn damaged(good: &[u8], input: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let (changes, rest) = input.as_chunks();
    for [low, high, byte] in changes {
        let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len();
        bytes[at] ^= *byte;
    }
    if let [cut, ..] = rest {
        bytes.truncate(bytes.len().saturating_sub(usize::from(*cut) % 32));
    }
    bytes
}

const CHANNELS: [Channel; 4] =
    [Channel::Announcements, Channel::Holdings, Channel::Executions, Channel::Direct];

/// What opens means the same when it is written and opened again, and is not longer than allowed.
fn opens(bytes: &[u8]) {
    for channel in CHANNELS {
        if open(bytes, channel, &NET, NOW).is_ok() {
            assert!(bytes.len() <= channel.size_max());
            let envelope = Envelope::from_bytes(bytes).unwrap();
            assert_eq!(envelope.to_bytes(), bytes, "one message, one form");
        }
    }
}

#[test]
fn fuzz_envelopes() {
    check!().for_each(|input: &[u8]| {
        opens(input);
        opens(&[&[1], input].concat());
    });
}

#[test]
fn fuzz_damaged_envelopes() {
    let request = say(2, 1, Payload::Execute(execution(1)));
    let goods: Vec<Vec<u8>> = [
        Payload::Announce(announcement(1)),
        Payload::Update(Update { replaces: root(2), announcement: announcement(1) }),
        Payload::Holdings(Holdings {
            have: vec![root(1)],
            evicted: vec![root(3)],
            ..Holdings::default()
        }),
    ]
    .map(|payload| say(1, 1, payload).to_bytes())
    .into_iter()
    .chain([request.to_bytes(), receipt(4, &request, outcome(1), 5).to_bytes()])
    .collect();
    check!().for_each(|input: &[u8]| {
        for good in &goods {
            let bytes = damaged(good, input);
            opens(&bytes);
            if bytes != *good
                && let Ok(envelope) = Envelope::from_bytes(&bytes)
            {
                assert!(!envelope.is_signed(), "another message with a good signature");
            }
        }
    });
}

#[test]
fn fuzz_proofs() {
    let request = say(2, 1, Payload::Execute(execution(1)));
    let mut receipts: Vec<_> =
        [10, 11, 12].map(|seed| receipt(seed, &request, outcome(1), 5)).into();
    receipts.sort_by(|a, b| a.body.author.cmp(&b.body.author));
    let certificate = Certificate { request: request.clone(), receipts };
    certificate.verify(&NET).unwrap();
    let lie = receipt(13, &request, outcome(2), 5);
    let evidence = Evidence::Outvoted { certificate: certificate.clone(), receipt: lie };
    evidence.verify(&NET).unwrap();
    let goods = [certificate.to_bytes(), evidence.to_bytes()];
    check!().for_each(|input: &[u8]| {
        let bytes = damaged(&goods[0], input);
        if let Ok(read) = Certificate::from_bytes(&bytes) {
            assert_eq!(read.verify(&NET).is_ok(), bytes == goods[0]);
        }
        let bytes = damaged(&goods[1], input);
        if let Ok(read) = Evidence::from_bytes(&bytes) {
            assert_eq!(read.verify(&NET).is_ok(), bytes == goods[1]);
        }
        let _ = Certificate::from_bytes(input);
        let _ = Evidence::from_bytes(input);
    });
}

/// Blocks of a small tree of directories.
fn tree() -> (Cid, BTreeMap<Cid, Vec<u8>>) {
    let mut blocks = BTreeMap::new();
    let mut out = |block: Block| drop(blocks.insert(block.cid, block.bytes));
    let mut tree = TreeBuilder::new(Limits::default());
    for (path, length) in [("a", 3), ("b/c", 40), ("b/d/e", 9)] {
        let mut file = FileBuilder::new(Shape { chunk: 4, width: 3 });
        file.push(&vec![7; length], &mut out);
        tree.add(path, file.finish(&mut out)).unwrap();
    }
    let root = tree.finish(&mut out).unwrap().cid;
    (root, blocks)
}

#[test]
fn fuzz_cids() {
    check!().for_each(|input: &[u8]| {
        if let Ok(cid) = Cid::from_bytes(input) {
            assert_eq!(Cid::from_bytes(&cid.to_bytes()), Ok(cid));
        }
        let _ = Cid::from_prefix(input, b"block");
        if let Ok(cid) = String::from_utf8_lossy(input).parse::<Cid>() {
            assert_eq!(cid.to_string().as_bytes(), input);
        }
    });
}

#[test]
fn fuzz_nodes() {
    let (_, blocks) = tree();
    let limits = Limits { links_max: 5, ..Limits::default() };
    let read = |bytes: &[u8]| {
        if let Ok(links) = node::links(Codec::DagPb, bytes, &limits) {
            assert!(links.len() <= limits.links_max);
        }
    };
    check!().for_each(|input: &[u8]| {
        read(input);
        for bytes in blocks.values().filter(|bytes| !bytes.is_empty()) {
            read(&damaged(bytes, input));
        }
    });
}

/// Walks a DAG of which one block is another's, renamed so that hashes fit.
#[test]
fn fuzz_walks() {
    let (_, blocks) = tree();
    let nodes: Vec<_> = blocks.into_iter().filter(|(cid, _)| cid.codec == Codec::DagPb).collect();
    check!().for_each(|input: &[u8]| {
        let Some((choice, input)) = input.split_first() else { return };
        let (_, good) = &nodes[usize::from(*choice) % nodes.len()];
        let bytes = damaged(good, input);
        let root = Cid::of(Codec::DagPb, &bytes);
        let mut walk = Walk::new(root, Limits { blocks_max: 50, ..Limits::default() });
        match walk.give(&bytes) {
            Ok(Piece::Directory { path } | Piece::File { path, .. }) => assert_eq!(path, ""),
            Ok(Piece::More { .. }) => panic!("a root is no part"),
            Err(_) => {}
        }
    });
}

#[test]
fn fuzz_car_files() {
    let (root, blocks) = tree();
    let mut good = car::header(&[root]);
    for (cid, bytes) in &blocks {
        good.extend(car::section(cid, bytes.len()));
        good.extend(bytes);
    }
    let read = |bytes: &[u8], piece: usize| {
        let mut reader = CarReader::new();
        let mut items = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            loop {
                match reader.read() {
                    Ok(Some(item)) => items.push(item),
                    Ok(None) => break,
                    Err(error) => return (items, Some(error)),
                }
            }
            assert!(reader.held() <= bytes.len());
        }
        (items, reader.finish().err())
    };
    check!().for_each(|input: &[u8]| {
        for bytes in [input.to_vec(), damaged(&good, input)] {
            // However it arrives, it is the same file.
            assert_eq!(read(&bytes, 7), read(&bytes, usize::MAX));
        }
    });
}

#[test]
fn fuzz_manifests() {
    let good = r#"{"name":"a","version":"1","runtime":"wasi-module","entries":[{"name":"main",
        "file":"main.wasm","env":[["A","1"]]}],"permissions":{"network":["https://a.org/v1"]}}"#;
    Manifest::read(good.as_bytes()).unwrap();
    let foreign = r#"{"name":"a","deployment":{"methods":[{"name":"m","entry":"m.wasm",
        "arguments":[{"name":"a","value":"b"}]}]},"permissions":["https://a.org"]}"#;
    import::blockless(foreign.as_bytes()).unwrap();
    check!().for_each(|input: &[u8]| {
        for bytes in [input.to_vec(), damaged(good.as_bytes(), input)] {
            if let Ok(manifest) = Manifest::read(&bytes) {
                assert_eq!(Manifest::read(manifest.to_json().as_bytes()), Ok(manifest));
            }
        }
        for bytes in [input.to_vec(), damaged(foreign.as_bytes(), input)] {
            if let Ok(imported) = import::blockless(&bytes) {
                imported.manifest.check().unwrap();
            }
        }
        if let Ok(origin) = String::from_utf8_lossy(input).parse::<Origin>() {
            assert_eq!(origin.to_string().parse(), Ok(origin));
        }
    });
}

#[test]
fn fuzz_bitswap_messages() {
    let wants = wire::ask(&[(root(1), WantKind::Block), (root(2), WantKind::Have)], &[root(3)]);
    let serves = [Serve::Block(root(1)), Serve::Have(root(2)), Serve::DontHave(root(3))];
    let answer = wire::answer(&serves, &[b"foreign"], 9, &|_| Some(vec![1]));
    check!().for_each(|input: &[u8]| {
        for bytes in [input.to_vec(), damaged(&wants, input), damaged(&answer, input)] {
            if let Ok(message) = wire::Message::read(&bytes) {
                let count = message.wants.len() + message.cancels.len() + message.foreign.len();
                assert!(count <= 2_048);
                for (prefix, block) in message.blocks {
                    let _ = Cid::from_prefix(prefix, block);
                }
            }
        }
    });
}

/// What two nodes say to each other: whatever is understood has one form, and is no longer than
/// what it came from.
#[test]
fn fuzz_direct_messages() {
    let request = say(2, 1, Payload::Execute(execution(1)));
    let (id, message) = (request.request().unwrap(), request.body.payload.kind());
    assert!(Channel::Direct.takes(message));
    let executor = || Key(common::key(3));
    let part =
        |bytes| Part { request: id, executor: executor(), is_stderr: true, offset: 9, bytes };
    let says = [
        Say::Envelope(request.to_bytes()),
        Say::Output(part(vec![7; 20])),
        Say::Offer(Offer { request: id, executor: executor(), free_milli: 500 }),
        Say::Order(Order { request: id, executor: executor() }),
        Say::Digest,
        Say::Pull(vec![MessageId([1; 32]), MessageId([2; 32])]),
        Say::Prove(Challenge { nonce: [3; 32], block: root(1) }),
        Say::Again(vec![id]),
    ];
    let replies = [
        Reply::Ids(vec![MessageId([1; 32])]),
        Reply::Messages(vec![request.to_bytes(), Vec::new()]),
        Reply::Proof(Some([5; 32])),
    ];
    let goods: Vec<Vec<u8>> =
        says.iter().map(talk::encode).chain(replies.iter().map(talk::encode)).collect();
    for (good, known) in goods.iter().zip(&says) {
        assert_eq!(talk::decode::<Say>(good).as_ref(), Some(known));
    }
    let reads = |bytes: &[u8]| {
        if let Some(read) = talk::decode::<Say>(bytes) {
            assert_eq!(talk::encode(&read), bytes, "one word, one form");
            if let Say::Envelope(inner) = read {
                opens(&inner);
            }
        }
        if let Some(read) = talk::decode::<Reply>(bytes) {
            assert_eq!(talk::encode(&read), bytes, "one answer, one form");
        }
    };
    check!().for_each(|input: &[u8]| {
        reads(input);
        for kind in 0..9 {
            reads(&[&[kind], input].concat());
        }
        for good in &goods {
            reads(&damaged(good, input));
        }
    });
}

/// Found by the fuzzer: SEC 1 has a fifth tag for a point whose sign is chosen, and the library takes
/// it for the key with the second.
#[test]
fn a_key_in_another_form_is_no_key() {
    let secret = casper_types::SecretKey::secp256k1_from_bytes([5; 32]).unwrap();
    let order = Order { request: RequestId([1; 32]), executor: Key((&secret).into()) };
    let good = talk::encode(&Say::Order(order.clone()));
    assert_eq!(talk::decode(&good), Some(Say::Order(order)));
    let tag = good.len() - 33;
    for other in (0..=255).filter(|other| *other != good[tag]) {
        let mut bytes = good.clone();
        bytes[tag] = other;
        let read: Option<Say> = talk::decode(&bytes);
        assert!(read.is_none_or(|read| talk::encode(&read) == bytes), "tag {other}");
    }
}

struct Nothing;

impl Blocks for Nothing {
    fn has(&self, _: &Cid) -> bool {
        false
    }
    fn bytes(&self, _: &Cid) -> Option<Vec<u8>> {
        None
    }
}

/// Peers say anything in any order; a fetch that ends, ends once.
#[test]
fn fuzz_fetches() {
    let (root, blocks) = tree();
    let blocks: Vec<_> = blocks.into_iter().collect();
    check!().for_each(|input: &[u8]| {
        let (mut session, mut outputs) = Session::new(root, Config::default(), &Nothing, 0);
        let mut now = 0;
        for step in input.chunks_exact(2) {
            let peer = step[0] % 4;
            let (cid, bytes) = &blocks[usize::from(step[1]) % blocks.len()];
            outputs.extend(match step[0] / 4 % 8 {
                0 => session.connected(&peer, step[1] % 2 == 0, step[1] % 3 == 0, now),
                1 => session.gone(&peer, now),
                2 => session.has(&peer, cid, now),
                3 => session.lacks(&peer, cid, now),
                4 => {
                    now += u64::from(step[1]);
                    session.tick(now)
                }
                5 => {
                    let junk = Block::new(Codec::Raw, step.to_vec());
                    session.block(&peer, &junk.cid, &junk.bytes, &Nothing, now).1
                }
                _ => session.block(&peer, cid, bytes, &Nothing, now).1,
            });
        }
        let ends = |output: &&Output<u8>| matches!(output, Output::Done | Output::Failed(_));
        let count = outputs.iter().filter(ends).count();
        let (here, found) = session.progress();
        assert_eq!(count == 1, here == found, "{here} of {found}, {count} ends");
        assert!(count <= 1);
    });
}
