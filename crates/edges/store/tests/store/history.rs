//! Past states, against states kept whole; and readers that look while blocks are committed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use casper_types::{Key, StoredValue};
use girrona_chain::{Disk, disk::Commit};
use girrona_state::{MemoryState, Reader};
use girrona_store::{Options, Store, StoreReader};
use girrona_types::{Event, Height};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::chain::{KEYS, key, number, open, options, plain_commit};

/// The states of a chain that does nothing but change its state.
#[derive(Default)]
struct States(Vec<MemoryState>);

impl States {
    fn commit(&mut self, changes: BTreeMap<Key, Option<StoredValue>>) -> Commit {
        let mut state = self.0.last().cloned().unwrap_or_default();
        let root = state.apply(&changes).unwrap();
        self.0.push(state);
        plain_commit(self.0.len() as u64 - 1, root, changes)
    }
}

#[test]
fn past_states_are_as_they_were_for_as_long_as_they_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    let mut states = States::default();
    let mut kept = 100;
    let mut store =
        Store::open(dir.path(), &Options { state_history_blocks: kept, ..options() }).unwrap();
    let mut lowest_seen = Height(0);
    for height in 0..2_000_u64 {
        let changes = (0..rng.gen_range(0..6))
            .map(|_| {
                let value = rng.gen_bool(0.8).then(|| number(rng.r#gen()));
                (key(rng.gen_range(0..KEYS)), value)
            })
            .collect();
        store.commit(states.commit(changes)).unwrap();
        let reader = store.reader();
        let heights = reader.state_heights().unwrap();
        assert_eq!(*heights.end(), Height(height));
        assert!(*heights.start() >= lowest_seen, "what was forgotten came back");
        lowest_seen = *heights.start();
        for _ in 0..3 {
            let past = rng.gen_range(heights.start().0..=height);
            let key = key(rng.gen_range(0..KEYS));
            let expected = states.0[past as usize].read(&key).unwrap();
            let at = reader.state_at(Height(past)).unwrap();
            assert_eq!(at.read(&key).unwrap(), expected, "{past} at {height}");
        }
        assert!(reader.state_at(Height(height + 1)).is_none());
        if lowest_seen > Height(0) {
            assert!(reader.state_at(Height(lowest_seen.0 - 1)).is_none());
        }
        if height % 250 == 249 {
            // Fewer are kept, then more: what is gone stays gone.
            kept = if kept == 100 { 30 } else { 100 };
            drop(reader);
            drop(store);
            let options = Options { state_history_blocks: kept, ..options() };
            store = Store::open(dir.path(), &options).unwrap();
        }
    }
    let heights = store.reader().state_heights().unwrap();
    let count = heights.end().0 - heights.start().0 + 1;
    assert!(count >= 30, "{count} states are kept");
}

/// Every block gives every key its height. So all keys that a reader sees at one height are equal
/// to it, whatever happens meanwhile.
#[test]
fn readers_see_whole_states_and_whole_blocks_while_blocks_are_committed() {
    const BLOCKS: u64 = 300;
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut states = States::default();
    let all = |height| (0..KEYS).map(|n| (key(n), Some(number(height)))).collect();
    store.commit(states.commit(all(0))).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let checks = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..3_u64)
        .map(|seed| {
            let (reader, done, checks) = (store.reader(), Arc::clone(&done), Arc::clone(&checks));
            thread::spawn(move || {
                let mut rng = StdRng::seed_from_u64(seed);
                while !done.load(Ordering::Relaxed) {
                    look(&reader, &mut rng);
                    checks.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for height in 1..BLOCKS {
        store.commit(states.commit(all(height))).unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    assert!(checks.load(Ordering::Relaxed) > 50);
}

fn look(reader: &StoreReader, rng: &mut StdRng) {
    let heights = reader.state_heights().unwrap();
    let height = if rng.gen_bool(0.5) {
        *heights.end()
    } else {
        Height(rng.gen_range(heights.start().0..=heights.end().0))
    };
    let Some(state) = reader.state_at(height) else { return };
    for _ in 0..5 {
        match state.read(&key(rng.gen_range(0..KEYS))) {
            Ok(value) => assert_eq!(value.as_deref(), Some(&number(height.0)), "at {height}"),
            Err(error) => {
                let text = format!("{error:?}");
                assert!(text.contains("StateGone"), "{text}");
            }
        }
    }
    let last = reader.next_event() - 1;
    for (_, event) in reader.events(last, 10).unwrap() {
        let Event::BlockAdded(hash) = event else { panic!("{event:?}") };
        let block = reader.block_by_hash(&hash).unwrap().expect("an event names a block");
        let root = block.block.state_root_hash();
        assert!(reader.height_of_root(root).unwrap().is_some());
    }
}
