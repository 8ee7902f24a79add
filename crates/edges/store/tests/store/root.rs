//! The root on disk is the root in memory.

use std::collections::BTreeMap;

use casper_types::{CLValue, Key, StoredValue};
use girrona_chain::Disk;
use girrona_state::{MemoryState, Reader, commitment};
use proptest::{collection::vec, option, prelude::*};

use crate::chain::{Chain, key, number, open, plain_commit};

const KEYS_MAX: u64 = 80;

/// Every fourth value is too long for a page of the tree.
fn sized(value: u64) -> StoredValue {
    if value.is_multiple_of(4) {
        let text = "x".repeat((value % 40_000) as usize);
        StoredValue::CLValue(CLValue::from_t(text).unwrap())
    } else {
        number(value)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    // With five keys the state often becomes empty again.

    #[test]
    fn any_history_gives_the_same_root_on_disk_and_in_memory(
        keys in prop_oneof![Just(5_u64), Just(KEYS_MAX)],
        blocks in vec(vec((0..KEYS_MAX, option::of(any::<u64>())), 0..60), 1..25),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let mut state = MemoryState::new();
        for (height, block) in blocks.iter().enumerate() {
            let changes: BTreeMap<Key, Option<StoredValue>> =
                block.iter().map(|(n, value)| (key(n % keys), value.map(sized))).collect();
            // Roots that are only asked for leave no trace.
            let other = BTreeMap::from([(key(1_000), Some(number(1)))]);
            let expected = state.root_after(&other).unwrap();
            prop_assert_eq!(store.root_after(&other).unwrap(), expected);
            let root = state.apply(&changes).unwrap();
            prop_assert_eq!(store.root_after(&changes).unwrap(), root);
            store.commit(plain_commit(height as u64, root, changes)).unwrap();
        }
        for n in 0..KEYS_MAX {
            prop_assert_eq!(store.read(&key(n)).unwrap(), state.read(&key(n)).unwrap());
        }
    }
}

#[test]
fn removing_what_is_not_there_and_writing_what_is_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let none = BTreeMap::from([(key(1), None), (key(2), None)]);
    let empty = store.root_after(&none).unwrap();
    assert_eq!(empty.value(), commitment::EMPTY_ROOT);
    store.commit(plain_commit(0, empty, none.clone())).unwrap();
    let one = BTreeMap::from([(key(1), Some(number(1)))]);
    let root = store.root_after(&one).unwrap();
    for height in 1..4 {
        store.commit(plain_commit(height, root, one.clone())).unwrap();
    }
    store.commit(plain_commit(4, empty, none.clone())).unwrap();
    store.commit(plain_commit(5, empty, none)).unwrap();
    drop(store);
    let store = open(dir.path());
    assert!(store.read(&key(1)).unwrap().is_none());
    let past = store.reader().state_at(girrona_types::Height(2)).unwrap();
    assert_eq!(past.read(&key(1)).unwrap().as_deref(), Some(&number(1)));
}

#[test]
fn the_root_of_an_empty_store_is_that_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    assert_eq!(store.root_after(&BTreeMap::new()).unwrap().value(), commitment::EMPTY_ROOT);
}

#[test]
fn a_block_whose_header_names_another_root_is_refused_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    chain.live(&mut store, 0, |_, _| {}).unwrap();
    let mut commit = chain.commit(1);
    commit.changes.insert(key(999), Some(number(1)));
    let error = store.commit(commit).unwrap_err();
    assert_eq!(error.to_string(), "commit block 1");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.starts_with("its header names state root"), "{source}");
    let error = store.commit(chain.commit(2)).unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the next block is 1");
    chain.live(&mut store, 1, |_, _| {}).unwrap();
    chain.check(&store);
}
