//! The disk fails at every single write, before it or after it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use girrona_chain::Disk;
use girrona_store::{Faults, Moment, Store};

use crate::chain::{Chain, open, options};

const HEIGHTS: u64 = 3;

/// Counts moments and fails at one of them.
fn faults(fail_at: u64) -> (Faults, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let faults = Faults::new(move |_: Moment| {
        if counted.fetch_add(1, Ordering::Relaxed) == fail_at {
            Err("the disk is full".into())
        } else {
            Ok(())
        }
    });
    (faults, count)
}

#[test]
fn after_a_failure_at_any_write_the_store_holds_whole_blocks_and_goes_on() {
    let mut chain = Chain::default();
    let mut fail_at = 0;
    let mut tips = std::collections::BTreeSet::new();
    loop {
        let dir = tempfile::tempdir().unwrap();
        let (faults, count) = faults(fail_at);
        let mut store = Store::open_with(dir.path(), &options(), faults).unwrap();
        let failed =
            (0..=HEIGHTS).find_map(|height| chain.live(&mut store, height, |_, _| {}).err());
        if let Some(error) = &failed {
            assert_eq!(std::error::Error::source(error).unwrap().to_string(), "the disk is full");
            // Nothing more can be written: what follows would rest on what is not there.
            let refused = store.put_guard(b"later").unwrap_err();
            assert!(format!("{refused:?}").contains("an earlier write failed"), "{refused:?}");
        }
        drop(store);
        let mut store = open(dir.path());
        chain.check(&store);
        tips.insert(store.tip().unwrap().map(|tip| tip.block.height()));
        for height in 0..=HEIGHTS + 1 {
            chain.live(&mut store, height, |_, _| {}).unwrap();
        }
        chain.check(&store);
        if failed.is_none() {
            assert!(count.load(Ordering::Relaxed) <= fail_at);
            break;
        }
        fail_at += 1;
    }
    assert!(fail_at > 60, "{fail_at} moments");
    assert_eq!(tips, [None, Some(0), Some(1), Some(2), Some(3)].into());
}
