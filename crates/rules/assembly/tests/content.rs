//! Content as Helia makes it, and content as nobody should make it.

use std::collections::BTreeMap;

use girrona_assembly::content::{
    Block, Built, Cid, Codec, FileBuilder, Limits, Piece, Shape, TreeBuilder, Walk,
    build::TreeError,
    car::{self, CarReader, Item},
    walk::WalkError,
};
use proptest::prelude::*;

const HELIA: &str = include_str!("golden/helia.json");
const MIB: usize = 1 << 20;

type Store = BTreeMap<Cid, Vec<u8>>;

/// The same bytes as `content` in `golden/helia.mjs`.
fn content(size: usize) -> Vec<u8> {
    let mut state = size as u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(|_| next()).collect()
}

fn helia(section: &str) -> Vec<serde_json::Value> {
    let all: serde_json::Value = serde_json::from_str(HELIA).unwrap();
    all[section].as_array().unwrap().clone()
}

fn number(value: &serde_json::Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// Builds a file that is fed in pieces of this length.
fn build(bytes: &[u8], shape: Shape, piece: usize, store: &mut Store) -> Built {
    let mut builder = FileBuilder::new(shape);
    let mut out = |block: Block| {
        store.insert(block.cid, block.bytes);
    };
    for piece in bytes.chunks(piece) {
        builder.push(piece, &mut out);
    }
    builder.finish(&mut out)
}

/// Builds a directory.
fn build_tree(files: &[(String, Vec<u8>)], shape: Shape, store: &mut Store) -> Built {
    let mut tree = TreeBuilder::new(Limits::default());
    for (path, bytes) in files {
        let file = build(bytes, shape, 1 << 16, store);
        tree.add(path, file).unwrap();
    }
    let mut out = |block: Block| {
        store.insert(block.cid, block.bytes);
    };
    tree.finish(&mut out).unwrap()
}

/// Files and directories below a root.
fn unfold(root: Cid, store: &Store, limits: Limits) -> Result<Vec<(String, Vec<u8>)>, WalkError> {
    let mut walk = Walk::new(root, limits);
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    while let Some(cid) = walk.wanted() {
        match walk.give(&store[&cid])? {
            Piece::Directory { .. } => {}
            Piece::File { path, bytes, .. } => files.push((path, bytes.to_vec())),
            Piece::More { bytes } => files.last_mut().unwrap().1.extend(bytes),
        }
    }
    Ok(files)
}

#[test]
fn files_have_the_cids_that_helia_gives_them() {
    for golden in helia("files") {
        let mut store = Store::new();
        let bytes = content(number(&golden["size"]));
        let built = build(&bytes, Shape::HELIA, 300_000, &mut store);
        assert_eq!(built.cid.to_string(), golden["cid"], "{} bytes", bytes.len());
        assert_eq!(unfold(built.cid, &store, Limits::default()).unwrap()[0].1, bytes);
    }
}

#[test]
fn trees_of_every_depth_have_helias_shape() {
    for golden in helia("small") {
        let shape = Shape { chunk: number(&golden["chunk"]), width: number(&golden["width"]) };
        let bytes = content(number(&golden["size"]));
        for piece in [1, 3, 4, 1000] {
            let built = build(&bytes, shape, piece, &mut Store::new());
            assert_eq!(built.cid.to_string(), golden["cid"], "{shape:?}, {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_second_level_begins_after_1024_leaves() {
    let zeros = vec![0; MIB];
    let leaf = Cid::of(Codec::Raw, &zeros);
    for golden in helia("large") {
        let size = number(&golden["size"]);
        let mut builder = FileBuilder::new(Shape::HELIA);
        for _ in 0..size / MIB {
            builder.push_leaf(leaf, MIB, &mut |_| {});
        }
        builder.push(&zeros[..size % MIB], &mut |_| {});
        let built = builder.finish(&mut |_| {});
        assert_eq!(built.cid.to_string(), golden["cid"], "{size} bytes");
        assert_eq!(built.size, size as u64);
    }
}

#[test]
fn directories_have_the_cids_that_helia_gives_them() {
    for golden in helia("directories") {
        let entry = |entry: &serde_json::Value| {
            (entry[0].as_str().unwrap().to_owned(), content(number(&entry[1])))
        };
        let files: Vec<_> = golden["entries"].as_array().unwrap().iter().map(entry).collect();
        let mut store = Store::new();
        let built = build_tree(&files, Shape::HELIA, &mut store);
        assert_eq!(built.cid.to_string(), golden["cid"], "{}", golden["name"]);
        assert_eq!(built.weight, golden["size"].as_u64().unwrap(), "{}", golden["name"]);
        let mut sorted = files.clone();
        sorted.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
        assert_eq!(unfold(built.cid, &store, Limits::default()).unwrap(), sorted);
    }
    let empty = TreeBuilder::new(Limits::default()).finish(&mut |_| {}).unwrap();
    let all: serde_json::Value = serde_json::from_str(HELIA).unwrap();
    assert_eq!(empty.cid.to_string(), all["empty"]);
}

#[test]
fn helias_car_file_is_read_whole() {
    let order = helia("directories").into_iter().find(|golden| golden["name"] == "order").unwrap();
    let mut reader = CarReader::new();
    let mut store = Store::new();
    let mut roots = Vec::new();
    for piece in include_bytes!("golden/helia.car").chunks(50) {
        reader.push(piece);
        while let Some(item) = reader.read().unwrap() {
            match item {
                Item::Roots(all) => roots = all,
                Item::Block(block) => drop(store.insert(block.cid, block.bytes)),
            }
        }
    }
    reader.finish().unwrap();
    assert_eq!(roots.len(), 1);
    assert_eq!(roots[0].to_string(), order["cid"]);
    let files = unfold(roots[0], &store, Limits::default()).unwrap();
    assert_eq!(files.len(), 7);
    assert!(files.contains(&("a.b".to_owned(), content(5))));
    // What we write of it is what Helia wrote, byte for byte.
    let mut walk = Walk::new(roots[0], Limits::default());
    let mut ours = car::header(&roots);
    while let Some(cid) = walk.wanted() {
        ours.extend(car::section(&cid, store[&cid].len()));
        ours.extend(&store[&cid]);
        walk.give(&store[&cid]).unwrap();
    }
    assert_eq!(ours, include_bytes!("golden/helia.car"));
}

#[test]
fn a_builder_holds_one_chunk_and_one_unfinished_node_a_level() {
    let shape = Shape { chunk: 16, width: 3 };
    let mut order = Vec::new();
    let mut builder = FileBuilder::new(shape);
    builder.push(&content(16 * 10), &mut |block| order.push(block));
    // Nine full leaves are three full nodes are one full node: nothing waits but the tenth leaf.
    assert_eq!(order.len(), 9 + 3 + 1);
    let built = builder.finish(&mut |block| order.push(block));
    assert_eq!(order.last().unwrap().cid, built.cid);
    assert_eq!(built.blocks as usize, order.len());
    assert_eq!(built.weight as usize, order.iter().map(|block| block.bytes.len()).sum::<usize>());
}

/// A file that links to the same node twice, so many levels deep.
fn bomb(levels: usize, store: &mut Store) -> Cid {
    let shape = Shape { chunk: 1, width: 2 };
    let mut out = |block: Block| {
        store.insert(block.cid, block.bytes);
    };
    let mut builder = FileBuilder::new(shape);
    // Equal bytes make equal leaves and equal nodes.
    builder.push(&vec![0; 1 << levels], &mut out);
    builder.finish(&mut out).cid
}

#[test]
fn a_dag_that_unfolds_to_more_than_it_stores_is_bounded() {
    let mut store = Store::new();
    let root = bomb(14, &mut store);
    assert_eq!(store.len(), 15);
    let few = Limits { blocks_max: 1_000, ..Limits::default() };
    assert_eq!(unfold(root, &store, few), Err(WalkError::Blocks(1_000)));
    let flat = Limits { depth_max: 10, ..Limits::default() };
    assert_eq!(unfold(root, &store, flat), Err(WalkError::Depth(10)));
    let short = Limits { bytes_max: 10_000, ..Limits::default() };
    assert_eq!(unfold(root, &store, short), Err(WalkError::Bytes(10_000)));
}

#[test]
fn wrong_bytes_are_named_and_the_right_ones_still_pass() {
    let mut store = Store::new();
    let root = build(&content(10), Shape { chunk: 4, width: 2 }, 4, &mut store).cid;
    let mut walk = Walk::new(root, Limits::default());
    assert_eq!(walk.give(b"something else"), Err(WalkError::Hash(root)));
    assert!(matches!(walk.give(&store[&root]), Ok(Piece::File { size: 10, .. })));
}

#[test]
fn paths_that_lead_out_or_clash_are_refused() {
    let file = build(b"x", Shape::HELIA, 1, &mut Store::new());
    let mut tree = TreeBuilder::new(Limits::default());
    for bad in ["", "/a", "a//b", "../a", "a/../b", "a/", "a\0", "C:\\a"] {
        assert!(matches!(tree.add(bad, file), Err(TreeError::Name { .. })), "{bad:?}");
    }
    tree.add("a/b", file).unwrap();
    for taken in ["a/b", "a", "a/b/c"] {
        assert_eq!(tree.add(taken, file), Err(TreeError::Taken(taken.to_owned())));
    }
    let deep = vec!["d"; 100].join("/");
    assert_eq!(tree.add(&deep, file), Err(TreeError::Deep(deep.clone())));
    let mut large = TreeBuilder::new(Limits::default());
    for index in 0..2_000 {
        large.add(&format!("{index:0100}"), file).unwrap();
    }
    assert_eq!(large.finish(&mut |_| {}), Err(TreeError::Large(String::new())));
}

fn any_shape() -> impl Strategy<Value = Shape> {
    (1_usize..9, 2_usize..6).prop_map(|(chunk, width)| Shape { chunk, width })
}

proptest! {
    #[test]
    fn a_file_unfolds_to_what_went_in(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        shape in any_shape(),
        piece in 1_usize..50,
    ) {
        let mut store = Store::new();
        let built = build(&bytes, shape, piece, &mut store);
        let whole = build(&bytes, shape, 1000, &mut Store::new());
        prop_assert_eq!(built, whole);
        let limits = Limits { bytes_max: bytes.len() as u64, ..Limits::default() };
        let mut walk = Walk::new(built.cid, limits);
        while let Some(cid) = walk.wanted() {
            walk.give(&store[&cid]).unwrap();
        }
        prop_assert_eq!(walk.blocks(), built.blocks);
        let files = unfold(built.cid, &store, limits).unwrap();
        prop_assert_eq!(&files[0].1, &bytes);
    }

    #[test]
    fn a_tree_unfolds_to_what_went_in(
        files in prop::collection::btree_map("[a-z]{1,3}(/[A-Z]{1,2}){0,3}", any::<u8>(), 1..20),
    ) {
        let mut tree = TreeBuilder::new(Limits::default());
        let mut store = Store::new();
        let mut kept = Vec::new();
        for (path, byte) in files {
            let file = build(&[byte], Shape::HELIA, 1, &mut store);
            if tree.add(&path, file).is_ok() {
                kept.push((path, vec![byte]));
            }
        }
        let mut out = |block: Block| drop(store.insert(block.cid, block.bytes));
        let built = tree.finish(&mut out).unwrap();
        kept.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
        prop_assert_eq!(unfold(built.cid, &store, Limits::default()).unwrap(), kept);
    }
}
