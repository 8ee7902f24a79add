//! Content that is a trap, and peers that want more than there is: refused by what was announced,
//! and nothing of it stays.

use std::{
    collections::BTreeMap,
    fs, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use girrona_api::methods::{
    NoParams,
    assembly::{AssemblyNode, AssemblyState},
};
use girrona_assembly::{
    Cid,
    content::{Block, Codec, car},
    fetch::{WantKind, wire},
    message::{Content, Payload},
};
use girrona_net::{Blocks, Fetch, PutError, Topic};
use girrona_testkit::{Net, Node, SECOND};

use crate::{
    assembly::{HELLO, answers, publish},
    author::{Author, announcement, show},
    peer::{self, Hostile},
    stranger::Stranger,
    watch::{PATIENCE, unharmed, until, watched},
};

/// Blocks in memory.
#[derive(Debug, Default)]
struct Shelf(Mutex<BTreeMap<Cid, Bytes>>);

impl Shelf {
    fn put_block(&self, codec: Codec, bytes: Vec<u8>) -> Cid {
        let Block { cid, bytes } = Block::new(codec, bytes);
        self.0.lock().unwrap().insert(cid, bytes.into());
        cid
    }
}

impl Blocks for Shelf {
    fn get(&self, cid: &Cid) -> io::Result<Option<Bytes>> {
        Ok(self.0.lock().unwrap().get(cid).cloned())
    }

    fn has(&self, cid: &Cid) -> bool {
        self.0.lock().unwrap().contains_key(cid)
    }

    fn size(&self, cid: &Cid) -> Option<u32> {
        self.0.lock().unwrap().get(cid).map(|bytes| bytes.len() as u32)
    }

    fn put(&self, cid: &Cid, block: Bytes) -> Result<(), PutError> {
        self.0.lock().unwrap().insert(*cid, block);
        Ok(())
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field of bytes in protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn number(field: u8, value: u64) -> Vec<u8> {
    [vec![field << 3], varint(value)].concat()
}

/// A dag-pb node with whatever names and UnixFS data.
fn node(links: &[(&[u8], Cid)], data: &[u8]) -> Vec<u8> {
    let links = links.iter().flat_map(|(name, cid)| {
        field(2, &[field(1, &cid.to_bytes()), field(2, name), number(3, 1)].concat())
    });
    links.chain(field(1, data)).collect()
}

fn directory(links: &[(&[u8], Cid)]) -> Vec<u8> {
    node(links, &number(1, 1))
}

fn file(parts: &[(Cid, u64)]) -> Vec<u8> {
    let links: Vec<(&[u8], Cid)> = parts.iter().map(|(cid, _)| (&b""[..], *cid)).collect();
    let total = parts.iter().map(|(_, size)| *size).fold(0_u64, u64::saturating_add);
    let sizes = parts.iter().flat_map(|(_, size)| number(4, *size));
    let data: Vec<u8> = number(1, 2).into_iter().chain(number(3, total)).chain(sizes).collect();
    node(&links, &data)
}

/// What is announced of a root, and what has to be said of it.
struct Trap {
    what: String,
    content: Content,
    reason: &'static str,
}

/// Small roots that stand for more than there is room for in the world.
fn bombs(shelf: &Shelf) -> Vec<Trap> {
    let leaf = shelf.put_block(Codec::Raw, b"x".to_vec());
    let gone = Cid::of(Codec::DagPb, b"nobody has this");
    let mut traps = Vec::new();
    let mut add = |what: &str, root, size, blocks, reason| {
        let content = Content { root, size, blocks };
        traps.push(Trap { what: what.to_owned(), content, reason });
    };
    let huge = shelf.put_block(Codec::DagPb, file(&[(gone, 1 << 39), (gone, 1 << 39)]));
    let root = shelf.put_block(Codec::DagPb, directory(&[(b"manifest.json", huge)]));
    add("a terabyte, announced as a kilobyte", root, 1_000, 3, "bytes");
    let (mut doubled, mut size) = (leaf, 1);
    for _ in 0..50 {
        doubled = shelf.put_block(Codec::DagPb, file(&[(doubled, size), (doubled, size)]));
        size *= 2;
    }
    let root = shelf.put_block(Codec::DagPb, directory(&[(b"manifest.json", doubled)]));
    add("a file that doubles fifty times", root, 500 << 20, 99_000, "bytes");
    let mut tree = leaf;
    for _ in 0..40 {
        tree = shelf.put_block(Codec::DagPb, directory(&[(b"a", tree), (b"b", tree)]));
    }
    add("directories that double forty times", tree, 1_000, 99_000, "blocks");
    let mut deep = leaf;
    for _ in 0..200 {
        deep = shelf.put_block(Codec::DagPb, directory(&[(b"a", deep)]));
    }
    add("two hundred directories deep", deep, 1, 1_000, "on the way to a leaf");
    let names: Vec<String> = (0..9_000).map(|name| format!("{name:05}")).collect();
    let wide: Vec<(&[u8], Cid)> = names.iter().map(|name| (name.as_bytes(), leaf)).collect();
    let wide = shelf.put_block(Codec::DagPb, directory(&wide));
    add("nine thousand names", wide, 9_000, 9_001, "links");
    let long = shelf.put_block(Codec::Raw, vec![7; 3 << 20]);
    let root = shelf.put_block(Codec::DagPb, directory(&[(b"manifest.json", long)]));
    add("a block of three megabytes", root, 3 << 20, 2, "");
    let root = shelf.put_block(Codec::DagPb, directory(&[(b"large", leaf)]));
    add("more than a node has room for, as announced", root, 4 << 30, 2, "are the most here");
    let lie = shelf.put_block(Codec::DagPb, file(&[(leaf, 5)]));
    let root = shelf.put_block(Codec::DagPb, directory(&[(b"manifest.json", lie)]));
    add("a part that is shorter than it says", root, 5, 3, "part");
    traps
}

const MANIFEST: &str = r#"{"name":"innocent","version":"1.0.0","runtime":"wasi-module",
    "entries":[{"name":"main","file":"main.wasm"}]}"#;

/// Programs that would work, in directories with names that lead elsewhere.
fn paths(shelf: &Shelf) -> Vec<Trap> {
    let wasm = wat::parse_str(HELLO).unwrap();
    let size = (MANIFEST.len() + wasm.len()) as u64;
    let main = shelf.put_block(Codec::Raw, wasm);
    let manifest = shelf.put_block(Codec::Raw, MANIFEST.as_bytes().to_vec());
    let link = shelf
        .put_block(Codec::DagPb, node(&[], &[number(1, 4), field(2, b"/etc/passwd")].concat()));
    let long = [b'x'; 256];
    let good: [(&[u8], Cid); 2] = [(b"main.wasm", main), (b"manifest.json", manifest)];
    let tricks: [(&[u8], Cid, &'static str); 10] = [
        (b"..", main, "`.` or `..`"),
        (b".", main, "`.` or `..`"),
        (b"/etc/cron.d/evil", main, "a name has a `/`"),
        (b"../../../etc/passwd", main, "a name has a `/`"),
        (b"a\\..\\b", main, "a name has a `/`"),
        (b"nul\0.wasm", main, "a name has a `/`"),
        (b"main.wasm", manifest, "not in order or not unique"),
        (b"", main, "a name is empty"),
        (&long, main, "a name is longer"),
        (b"link", link, "UnixFS type 4"),
    ];
    let traps = tricks.into_iter().map(|(name, cid, reason)| {
        let mut links = good.to_vec();
        links.push((name, cid));
        links.sort_by_key(|(name, _)| *name);
        let root = shelf.put_block(Codec::DagPb, directory(&links));
        let content = Content { root, size: size + 10, blocks: 4 };
        let what = format!("`{}`", String::from_utf8_lossy(name).escape_debug());
        Trap { what, content, reason }
    });
    traps.collect()
}

/// Nothing of what a stranger announced is held or has room kept for it.
async fn is_empty(node: &Node) -> Result<bool> {
    let room = node.rpc().call::<AssemblyNode>(&NoParams {}).await?.room;
    Ok(room.held + room.reserved == 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_a_trap_is_refused_with_the_reason_and_leaves_nothing() -> Result<()> {
    let net = Net::builder().validators(1).observers(1).block_time("500ms").start().await?;
    let shelf = Arc::new(Shelf::default());
    let mut traps = bombs(&shelf);
    traps.extend(paths(&shelf));
    let node = net.node(1);
    let hostile = Hostile::join_with(&net, node, shelf.clone()).await?;
    let address = hostile.net.listen_addrs().first().context("it listens")?.to_string();
    let publishers = vec![format!("{address}/p2p/{}", hostile.net.local_peer())];
    let author = Author::user(&net, "ana")?;
    for trap in &traps {
        let said = announcement(trap.content, publishers.clone());
        let bytes = author.say(Payload::Announce(said));
        ensure!(hostile.net.publish(Topic::Announcements, bytes.into()));
    }
    watched(&net, async {
        for trap in &traps {
            let root = trap.content.root.to_string();
            until(&format!("{} is refused", trap.what), async || {
                let shown = show(node, &root).await;
                let state = shown.map(|shown| shown.assembly.state);
                Ok(matches!(state, Ok(AssemblyState::Broken | AssemblyState::Refused)))
            })
            .await?;
            let shown = show(node, &root).await?.assembly;
            ensure!(shown.reason.contains(trap.reason), "{}: {}", trap.what, shown.reason);
        }
        until("nothing of it is there", async || is_empty(node).await).await
    })
    .await?;

    // The same over the door, by somebody who even has the token.
    let data = net.layout().nodes[0].config()?.data;
    let token = fs::read_to_string(data.join("token"))?;
    let first = net.node(0);
    // It heard of them all as well.
    until("nothing of it is there either", async || is_empty(first).await).await?;
    let before = first.rpc().call::<AssemblyNode>(&NoParams {}).await?.room;
    // What is small after all is only announced as large.
    for trap in traps.iter().filter(|trap| trap.content.size <= 1 << 30) {
        let root = trap.content.root;
        let mut file = car::header(&[root]);
        let mut open = vec![root];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(cid) = open.pop() {
            let Some(bytes) = shelf.get(&cid)?.filter(|_| seen.insert(cid)) else { continue };
            file.extend(car::section(&cid, bytes.len()));
            file.extend(&bytes);
            // Whatever links to whatever: all that is known goes along.
            let all: Vec<Cid> = shelf.0.lock().unwrap().keys().copied().collect();
            let links = |other: &Cid| {
                let name = other.to_bytes();
                bytes.windows(name.len()).any(|window| window == name)
            };
            if cid.codec == Codec::DagPb && bytes.len() < 10_000 {
                open.extend(all.into_iter().filter(links));
            }
        }
        let url = format!("{}/assembly/{root}", first.rest_url());
        let put = reqwest::Client::new().put(&url).bearer_auth(token.trim()).body(file);
        let answer = put.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == 400, "{}: {status} {text}", trap.what);
    }
    let after = first.rpc().call::<AssemblyNode>(&NoParams {}).await?.room;
    assert_eq!((after.held, after.reserved), (before.held, before.reserved));
    ensure!(!hostile.is_away(), "content that is a trap is its author's fault, not its holder's");
    unharmed(&net).await?;
    net.end().await
}

/// As Bitswap puts messages on a stream.
fn framed(message: &[u8]) -> Vec<u8> {
    [varint(message.len() as u64), message.to_vec()].concat()
}

/// A wantlist of so many blocks that nobody has.
fn wants(from: u32, count: u32) -> Vec<u8> {
    let wants: Vec<(Cid, WantKind)> = (from..from + count)
        .map(|number| (Cid::of(Codec::Raw, &number.to_le_bytes()), WantKind::Block))
        .collect();
    wire::ask(&wants, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wantlist_of_a_million_entries_takes_nothing_from_others() -> Result<()> {
    const ALL: u32 = 1_000_000;
    let net = Net::builder().validators(1).observers(1).block_time("500ms").start().await?;
    let folder = tempfile::tempdir()?;
    let root = publish(&net, folder.path(), "hello", &wat::parse_str(HELLO)?).await?;
    let root: Cid = root.parse()?;
    let (id, node) = (net.law().network_id().short(), net.node(0));
    let before = node.resident_memory()?;
    let million = framed(&wants(0, ALL));
    let pieces: Vec<u8> = (0..ALL / 1_000).flat_map(|n| framed(&wants(n * 1_000, 1_000))).collect();
    println!("{} bytes at once, {} in pieces", million.len(), pieces.len());
    watched(&net, async {
        let at = peer::address(node)?;
        let [whole, many, patient] = [
            Stranger::join(&id, at.clone()).await?,
            Stranger::join(&id, at.clone()).await?,
            Stranger::join(&id, at).await?,
        ];
        // More than anybody honest sends in one message, until it is sent away.
        let greedy = framed(&wants(0, 3_000));
        for (stranger, bytes) in [(&whole, &million), (&many, &greedy)] {
            for round in 0.. {
                if stranger.is_away() {
                    break;
                }
                ensure!(round < 100, "{} bytes of wants and still there", bytes.len());
                stranger.content(bytes).await;
            }
        }
        // The same in messages of a size that is allowed.
        let slow = patient.content(&pieces);
        let honest = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            for _ in 0..3 {
                let shelf = Arc::new(Shelf::default());
                let honest = Hostile::join_with(&net, node, shelf).await?;
                let fetched = honest.net.fetch(Fetch::new(root, [honest.victim]));
                let fetched = tokio::time::timeout(PATIENCE, fetched).await??;
                ensure!(fetched.elapsed < 30 * SECOND, "it took {:?}", fetched.elapsed);
                answers(node).await?;
            }
            Ok(())
        };
        let ((), honest) = tokio::join!(slow, honest);
        honest
    })
    .await?;
    let grown = node.resident_memory()?.saturating_sub(before);
    println!("{} MiB more", grown >> 20);
    ensure!(grown < 200 << 20, "{} MiB more than before", grown >> 20);
    unharmed(&net).await?;
    net.end().await
}
