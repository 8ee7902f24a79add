//! The root on disk is the root in memory.

use std::collections::BTreeMap;

use casper_types::{Key, StoredValue};
use girrona_chain::Disk;
use girrona_state::{MemoryState, Reader, commitment};
use proptest::{collection::vec, option, prelude::*};

use crate::chain::{Chain, key, number, open};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_history_gives_the_same_root_on_disk_and_in_memory(
        blocks in vec(vec((0..80_u64, option::of(any::<u64>())), 0..60), 1..25),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let mut state = MemoryState::new();
        for (height, block) in blocks.iter().enumerate() {
            let changes: BTreeMap<Key, Option<StoredValue>> =
                block.iter().map(|(n, value)| (key(*n), value.map(number))).collect();
            // Roots that are only asked for leave no trace.
            let other = BTreeMap::from([(key(1_000), Some(number(1)))]);
            let expected = state.root_after(&other).unwrap();
            prop_assert_eq!(store.root_after(&other).unwrap(), expected);
            let root = state.apply(&changes).unwrap();
            prop_assert_eq!(store.root_after(&changes).unwrap(), root);
            let mut commit = Chain::default().commit(0);
            let block = &commit.block;
            commit.block = casper_types::BlockV1::new(
                *block.hash(),
                casper_types::Digest::default(),
                root,
                false,
                None,
                block.timestamp(),
                block.era_id(),
                height as u64,
                block.protocol_version(),
                block.proposer().clone(),
                Vec::new(),
                Vec::new(),
            );
            commit.changes = changes;
            store.commit(commit).unwrap();
        }
        for n in 0..80 {
            prop_assert_eq!(store.read(&key(n)).unwrap(), state.read(&key(n)).unwrap());
        }
    }
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
