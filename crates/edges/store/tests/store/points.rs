//! The disk fails at every single write, before it or after it.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
};

use girrona_chain::Disk;
use girrona_store::{Faults, Moment, Store};

use crate::chain::{Chain, open, options};

/// Opens a store whose disk fails at the moment with a number; the list tells which passed.
fn open_to_fail(dir: &Path, fail_at: usize) -> (Store, Arc<Mutex<Vec<Moment>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&seen);
    let faults = Faults::new(move |moment| {
        let mut list = list.lock().unwrap();
        list.push(moment);
        if list.len() == fail_at + 1 { Err("the disk is full".into()) } else { Ok(()) }
    });
    (Store::open_with(dir, &options(), faults).unwrap(), seen)
}

/// Lives at one height on a disk that fails at some moment. `None` when the height was done before
/// that moment came.
fn fail(chain: &mut Chain, dir: &Path, height: u64, fail_at: usize) -> Option<Moment> {
    let (mut store, seen) = open_to_fail(dir, fail_at);
    let error = chain.live(&mut store, height, |_, _| {}).err()?;
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is full");
    // Nothing more can be written: what follows would rest on what is not there.
    let refused = store.put_guard(b"later").unwrap_err();
    assert!(format!("{refused:?}").contains("an earlier write failed"), "{refused:?}");
    let seen = seen.lock().unwrap();
    seen.last().copied()
}

#[test]
fn after_a_failure_at_any_write_the_store_holds_whole_blocks_and_goes_on() {
    let mut chain = Chain::default();
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let mut moments = BTreeSet::new();
    let mut lost = BTreeSet::new();
    let mut height = 0;
    for genesis in [true, false] {
        let mut fail_at = 0;
        while let Some(moment) = fail(&mut chain, dir.path(), height, fail_at) {
            moments.insert(moment);
            let mut store = open(dir.path());
            chain.check(&store);
            let tip = store.tip().unwrap().map(|tip| tip.block.height());
            assert!(tip == Some(height) || tip == height.checked_sub(1));
            lost.insert(tip != Some(height));
            if genesis && tip.is_none() {
                // The same again, at the next moment.
            } else {
                chain.live(&mut store, height, |_, _| {}).unwrap();
                chain.check(&store);
                height += 1;
            }
            fail_at += 1;
        }
        if genesis {
            let mut store = open(dir.path());
            chain.live(&mut store, height, |_, _| {}).unwrap();
        }
        height += 1;
    }
    // Ten kinds of writes, before and after.
    assert_eq!(moments.len(), 20, "{moments:?}");
    assert_eq!(lost, [true, false].into());
}
