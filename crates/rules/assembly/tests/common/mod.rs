//! People, and things that they say.

#![allow(dead_code, reason = "each test program uses some of it")]

use casper_types::{PublicKey, SecretKey};
use girrona_assembly::{
    ManifestDigest, Permissions,
    content::{Cid, Codec},
    message::{
        Announcement, Body, Content, Envelope, Execution, Limits, Needs, Payload, Receipt, Runtime,
        envelope::VERSION, payload::casper_key::Key,
    },
    run::{End, Outcome},
};
use girrona_types::NetworkId;

pub(crate) const NET: NetworkId = NetworkId([7; 32]);
pub(crate) const NOW: u64 = 1_800_000_000_000;
pub(crate) const MINUTE: u64 = 60_000;

/// Keys of both kinds.
pub(crate) fn secret(seed: u8) -> SecretKey {
    if seed.is_multiple_of(2) {
        SecretKey::ed25519_from_bytes([seed; 32]).unwrap()
    } else {
        SecretKey::secp256k1_from_bytes([seed; 32]).unwrap()
    }
}

pub(crate) fn key(seed: u8) -> PublicKey {
    PublicKey::from(&secret(seed))
}

pub(crate) fn root(byte: u8) -> Cid {
    Cid::of(Codec::DagPb, &[byte])
}

pub(crate) fn announcement(byte: u8) -> Announcement {
    Announcement {
        name: "hello".to_owned(),
        version: format!("1.0.{byte}"),
        runtime: Runtime::WasiModule,
        entries: vec!["main".to_owned()],
        permissions: Permissions::default(),
        manifest: ManifestDigest([byte; 32]),
        content: Content { root: root(byte), size: 1_000, blocks: 3 },
        needs: Needs { cpu_milli: 500, memory: 1 << 20, gpus: 0 },
        tags: vec!["demo".to_owned(), "wasm".to_owned()],
        groups: Vec::new(),
        replication: 3,
        publishers: vec!["/ip4/127.0.0.1/tcp/34553".to_owned()],
    }
}

pub(crate) fn execution(salt: u8) -> Execution {
    Execution {
        salt: [salt; 32],
        root: root(1),
        entry: "main".to_owned(),
        args: vec!["a".to_owned()],
        stdin: b"in".to_vec(),
        env: vec![("A".to_owned(), "1".to_owned())],
        n: Some(4),
        k: 3,
        executors: Vec::new(),
        limits: Limits::default(),
        permissions: Permissions::default(),
        deadline_ms: NOW + MINUTE,
        reply: Vec::new(),
    }
}

pub(crate) fn executors(seeds: &[u8]) -> Vec<Key> {
    let mut keys: Vec<Key> = seeds.iter().map(|seed| Key(key(*seed))).collect();
    keys.sort();
    keys
}

pub(crate) fn body(seed: u8, nonce: u64, payload: Payload) -> Body {
    Body {
        version: VERSION,
        network: NET,
        author: key(seed),
        nonce,
        created_ms: NOW,
        expires_ms: NOW + 5 * MINUTE,
        payload,
    }
}

pub(crate) fn say(seed: u8, nonce: u64, payload: Payload) -> Envelope {
    body(seed, nonce, payload).sign(&secret(seed))
}

/// A result with this output.
pub(crate) fn outcome(stdout: u8) -> Outcome {
    Outcome { end: End::Exit(0), stdout: [stdout; 32], output: None }
}

pub(crate) fn receipt(seed: u8, request: &Envelope, outcome: Outcome, fuel: u64) -> Envelope {
    let request = request.request().unwrap();
    let (wall_ms, memory) = (u64::from(seed), 5);
    let receipt = Receipt { request, outcome, stderr: [0; 32], fuel, wall_ms, memory };
    say(seed, 1, Payload::Receipt(receipt))
}
