//! The state tree's table grows with the state.

use girrona_chain::Disk;
use girrona_state::{MemoryState, Reader};
use girrona_store::{Options, Store};

use crate::chain::{key, number, options, plain_commit};

#[test]
fn a_table_that_gets_full_is_doubled_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { state_buckets: 64, ..options() };
    let mut store = Store::open(dir.path(), &options).unwrap();
    let mut state = MemoryState::new();
    for (height, keys) in [0..500, 500..5_000, 5_000..25_000, 25_000..26_000].iter().enumerate() {
        let changes = keys.clone().map(|n| (key(n), Some(number(n)))).collect();
        state.apply(&changes).unwrap();
        store.commit(plain_commit(height as u64, state.root(), changes)).unwrap();
    }
    drop(store);
    let store = Store::open(dir.path(), &options).unwrap();
    for n in (0..26_000).step_by(97) {
        assert_eq!(store.read(&key(n)).unwrap().as_deref(), Some(&number(n)));
    }
    let past = store.reader().state_at(girrona_types::Height(1)).unwrap();
    assert!(past.read(&key(4_999)).unwrap().is_some());
    assert!(past.read(&key(5_000)).unwrap().is_none());
}
