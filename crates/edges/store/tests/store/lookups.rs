//! What readers find.

use std::sync::Arc;

use casper_types::{Key, Timestamp};
use girrona_chain::{
    Disk,
    disk::{ExecutedDeploy, Fate, Phase, Phases},
};
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

#[test]
fn each_of_many_deploys_in_a_block_has_its_own_result() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    chain.live(&mut store, 0, |_, _| {}).unwrap();
    let many: Vec<_> = (0..45).map(|number| Arc::new(deploy(5_000 + number))).collect();
    let mut commit = chain.commit(1);
    let one = commit.deploys[0].clone();
    commit.deploys = many
        .iter()
        .zip(0..)
        .map(|(deploy, at)| {
            let phases = Phases { at: [(Phase::Received, at)].into() };
            ExecutedDeploy { hash: *deploy.hash(), phases, ..one.clone() }
        })
        .collect();
    store.accept(&many, Timestamp::from(1)).unwrap();
    store.commit(commit).unwrap();
    drop(store);
    let reader = open(dir.path()).reader();
    for (deploy, at) in many.iter().zip(0..) {
        let found = reader.deploy(deploy.hash()).unwrap().unwrap();
        assert_eq!(found.execution.unwrap().phases.at[&Phase::Received], at);
        assert_eq!(reader.record(&Key::DeployInfo(*deploy.hash())).unwrap(), None);
    }
}

#[test]
fn who_waits_is_the_same_after_a_restart_however_groups_fell_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    chain.live(&mut store, 0, |_, _| {}).unwrap();
    let others: Vec<_> = (0..6).map(|number| Arc::new(deploy(7_000 + number))).collect();
    let hash = |number: usize| *others[number].hash();
    store.keep_body(&others[5]).unwrap();
    store.accept(&others[0..3], Timestamp::from(1)).unwrap();
    store.accept(&others[3..], Timestamp::from(2)).unwrap();
    store.accept(&deploys(1), Timestamp::from(3)).unwrap();
    store.commit(chain.commit(1)).unwrap();
    store.expire(&[hash(0), hash(3), hash(4)], Timestamp::from(4)).unwrap();
    for restarted in [false, true] {
        if restarted {
            drop(store);
            store = open(dir.path());
        }
        let mut waiting: Vec<_> = [1, 2, 5].map(hash).into();
        waiting.push(*deploys(1)[3].hash());
        waiting.sort_unstable();
        assert_eq!(store.reader().pending(100).unwrap(), waiting, "{restarted}");
        let mut found = store.pending().unwrap();
        assert_eq!(found.iter().map(|(_, at)| at.millis()).collect::<Vec<_>>(), [1, 1, 2, 3]);
        found.sort_unstable_by_key(|(deploy, _)| *deploy.hash());
        assert!(found.iter().map(|(deploy, _)| *deploy.hash()).eq(waiting));
        assert_eq!(store.fate(&hash(3)).unwrap(), Some(Fate::Expired(4)));
    }
    store.expire(&[hash(1), hash(2), hash(5)], Timestamp::from(5)).unwrap();
    store.expire(&[*deploys(1)[3].hash()], Timestamp::from(5)).unwrap();
    store.accept(&[Arc::new(deploy(8_000))], Timestamp::from(6)).unwrap();
    drop(store);
    assert_eq!(open(dir.path()).pending().unwrap().len(), 1);
}
