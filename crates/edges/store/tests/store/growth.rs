//! The state tree's table grows with the state.

use girrona_chain::Disk;
use girrona_state::{MemoryState, Reader};
use girrona_store::{Options, Store};

use crate::chain::{Chain, key, number, options};

#[test]
fn a_table_that_gets_full_is_doubled_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { state_buckets: 64, ..options() };
    let mut store = Store::open(dir.path(), &options).unwrap();
    let mut state = MemoryState::new();
    for height in 0..8_u64 {
        let first = height * 5_000;
        let changes = (first..first + 5_000).map(|n| (key(n), Some(number(n)))).collect();
        state.apply(&changes).unwrap();
        let mut commit = Chain::default().commit(0);
        let block = &commit.block;
        commit.block = casper_types::BlockV1::new(
            *block.hash(),
            casper_types::Digest::default(),
            state.root(),
            false,
            None,
            block.timestamp(),
            block.era_id(),
            height,
            block.protocol_version(),
            block.proposer().clone(),
            Vec::new(),
            Vec::new(),
        );
        commit.changes = changes;
        store.commit(commit).unwrap();
    }
    drop(store);
    let store = Store::open(dir.path(), &options).unwrap();
    for n in (0..40_000).step_by(97) {
        assert_eq!(store.read(&key(n)).unwrap().as_deref(), Some(&number(n)));
    }
    let past = store.reader().state_at(girrona_types::Height(3)).unwrap();
    assert!(past.read(&key(19_999)).unwrap().is_some());
    assert!(past.read(&key(20_000)).unwrap().is_none());
}
