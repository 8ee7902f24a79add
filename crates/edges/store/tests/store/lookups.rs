//! What readers find.

use std::sync::Arc;

use casper_types::{Key, Timestamp};
use girrona_chain::{Disk, disk::Fate};
use girrona_state::Reader;
use girrona_types::Height;

use crate::chain::{Chain, deploy, deploys, open};

#[test]
fn a_deploy_is_found_pending_then_executed_with_the_approvals_of_its_block() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    chain.live(&mut store, 0, |_, _| {}).unwrap();
    let one = deploys(1)[0].clone();
    assert!(store.reader().deploy(one.hash()).unwrap().is_none());
    store.accept(&deploys(1), Timestamp::from(77)).unwrap();
    let found = store.reader().deploy(one.hash()).unwrap().unwrap();
    assert_eq!(found.fate, Some(Fate::Pending));
    assert_eq!(found.accepted_at, Some(Timestamp::from(77)));
    assert_eq!(found.deploy.approvals().len(), 1);
    assert_eq!(store.reader().pending(100).unwrap().len(), 4);
    assert_eq!(store.reader().pending(2).unwrap().len(), 2);

    store.commit(chain.commit(1)).unwrap();
    let found = store.reader().deploy(one.hash()).unwrap().unwrap();
    assert_eq!(found.fate, Some(Fate::Executed(Height(1))));
    assert_eq!(found.deploy.approvals().len(), 2);
    assert_eq!(found.execution.unwrap().height, Height(1));
    assert_eq!(store.pending().unwrap().len(), 1);
    let refused = store.accept(&[one], Timestamp::from(78)).unwrap_err();
    assert!(format!("{refused:?}").contains("it was executed in block 1"));
}

#[test]
fn a_body_that_got_into_no_block_is_dropped_after_a_while_and_has_no_fate_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    chain.live(&mut store, 0, |_, _| {}).unwrap();
    let body = Arc::new(deploy(999_999));
    store.keep_body(&body).unwrap();
    let next = store.reader().next_event();
    assert_eq!(store.fate(body.hash()).unwrap(), None);
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.deploy(body.hash()).unwrap().as_ref(), Some(&body));
    assert!(store.pending().unwrap().is_empty());
    assert_eq!(store.reader().next_event(), next);
    for height in 1..55 {
        chain.live(&mut store, height, |_, _| {}).unwrap();
    }
    drop(store);
    let store = open(dir.path());
    assert!(store.deploy(body.hash()).unwrap().is_none());
}

#[test]
fn blocks_for_a_peer_are_as_many_as_fit_and_at_least_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    for height in 0..10 {
        chain.live(&mut store, height, |_, _| {}).unwrap();
    }
    let reader = store.reader();
    let heights = |from, bytes| -> Vec<u64> {
        let blocks = reader.blocks(Height(from), bytes).unwrap();
        blocks.iter().map(|block| block.block.height()).collect()
    };
    assert_eq!(heights(0, usize::MAX), (0..10).collect::<Vec<_>>());
    assert_eq!(heights(4, 0), [4]);
    assert!(heights(10, usize::MAX).is_empty());
    let some = heights(1, 6_000).len();
    assert!((2..9).contains(&some), "{some} blocks in 6000 bytes");
}

#[test]
fn records_are_found_but_are_no_part_of_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    for height in 0..2 {
        chain.live(&mut store, height, |_, _| {}).unwrap();
    }
    let info = Key::DeployInfo(*deploys(1)[0].hash());
    assert!(store.reader().record(&info).unwrap().is_some());
    assert!(store.read(&info).unwrap().is_none());
    let transfers = store.reader().transfers(Height(1)).unwrap();
    assert!(store.reader().record(&Key::Transfer(transfers[0])).unwrap().is_some());
}

#[test]
fn a_root_leads_to_the_last_height_that_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    for height in 0..=4 {
        chain.live(&mut store, height, |_, _| {}).unwrap();
    }
    // Block 3 changes nothing.
    let root = chain.states[2].root();
    assert_eq!(root, chain.states[3].root());
    assert_eq!(store.reader().height_of_root(&root).unwrap(), Some(Height(3)));
    assert_eq!(store.reader().height_of_root(&Default::default()).unwrap(), None);
}
