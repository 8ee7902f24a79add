//! The root follows from what is stored and from nothing else.

use std::collections::BTreeMap;

use casper_types::{CLValue, Key, StoredValue};
use girrona_state::{Commitment, MemoryState, commitment, memory::MemoryTree};
use nomt_core::{hasher::Blake3Hasher, update::build_trie};
use proptest::{collection::vec, prelude::*};

type Changes = BTreeMap<Key, Option<StoredValue>>;

fn changes(list: &[(u8, Option<u32>)]) -> Changes {
    list.iter()
        .map(|(key, value)| {
            let value = value.map(|n| StoredValue::CLValue(CLValue::from_t(n).unwrap()));
            (Key::Hash([*key; 32]), value)
        })
        .collect()
}

/// The root as NOMT's own library builds it from all leaves.
fn root_of(all: &BTreeMap<Key, StoredValue>) -> [u8; 32] {
    let set = all.iter().map(|(key, value)| (*key, Some(value.clone()))).collect();
    let leaves = commitment::leaves(&set).unwrap();
    let leaves =
        leaves.into_iter().map(|(path, bytes)| (path, *blake3::hash(&bytes.unwrap()).as_bytes()));
    build_trie::<Blake3Hasher>(0, leaves, |_| {})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_history_gives_the_root_of_what_it_leaves_behind(
        blocks in vec(vec((0..40_u8, proptest::option::of(any::<u32>())), 0..30), 1..12),
    ) {
        let mut state = MemoryState::new();
        let mut all = BTreeMap::new();
        for block in blocks {
            let changes = changes(&block);
            for (key, value) in &changes {
                match value {
                    Some(value) => drop(all.insert(*key, value.clone())),
                    None => drop(all.remove(key)),
                }
            }
            let foreseen = state.root_after(&changes).unwrap();
            let root = state.apply(&changes).unwrap();
            prop_assert_eq!(foreseen, root);
            prop_assert_eq!(root.value(), root_of(&all));
            prop_assert!(state.iter().eq(all.iter()));
        }
    }

    #[test]
    fn paths_that_share_many_bits_are_told_apart(
        leaves in proptest::collection::btree_map((any::<u8>(), 0..31_usize), any::<u8>(), 0..20),
        removed in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut tree = MemoryTree::default();
        let mut all: BTreeMap<[u8; 32], Vec<u8>> = BTreeMap::new();
        for ((byte, at), value) in leaves {
            let mut path = [0; 32];
            path[at] = byte;
            all.insert(path, vec![value]);
        }
        let set = all.iter().map(|(path, value)| (*path, Some(value.clone()))).collect();
        tree.commit(&set).unwrap();
        for index in removed {
            if all.is_empty() {
                break;
            }
            let path = *all.keys().nth(index.index(all.len())).unwrap();
            all.remove(&path);
            tree.commit(&BTreeMap::from([(path, None)])).unwrap();
        }
        let expected = build_trie::<Blake3Hasher>(
            0,
            all.iter().map(|(path, value)| (*path, *blake3::hash(value).as_bytes())),
            |_| {},
        );
        prop_assert_eq!(tree.root().unwrap().value(), expected);
    }
}

#[test]
fn the_root_of_nothing_is_zero_and_two_roots_are_frozen() {
    let mut state = MemoryState::new();
    assert_eq!(state.root().value(), commitment::EMPTY_ROOT);
    assert_eq!(state.root().value(), [0; 32]);
    state.apply(&changes(&[(1, Some(1))])).unwrap();
    let one = hex(&state);
    state.apply(&changes(&[(2, Some(2)), (3, Some(3))])).unwrap();
    let three = hex(&state);
    assert_eq!(
        [one.as_str(), three.as_str()],
        [
            "de6b2b1f10525034da3f1567a32da96a97c25d8d8c31d6d9b163aa7c8e0d43d7",
            "411e29253c0b676bbf5463cdeadf556fcc9124440bde25a09b26c6f7b69ad3cd",
        ]
    );
    state.apply(&changes(&[(1, None), (2, None), (3, None), (9, None)])).unwrap();
    assert_eq!(state.root().value(), [0; 32]);
}

fn hex(state: &MemoryState) -> String {
    state.root().value().iter().map(|byte| format!("{byte:02x}")).collect()
}
