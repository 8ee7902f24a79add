//! The event stream on disk.

use std::sync::Arc;

use casper_types::Timestamp;
use girrona_chain::Disk;
use girrona_types::Event;

use crate::chain::{Chain, deploy, open};

#[test]
fn events_are_found_from_any_id_and_in_any_portion() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    for height in 0..5 {
        chain.live(&mut store, height, |_, _| {}).unwrap();
    }
    let reader = store.reader();
    let all = reader.events(0, usize::MAX).unwrap();
    assert_eq!(all.iter().map(|(_, event)| event.clone()).collect::<Vec<_>>(), chain.events(4));
    for from in 0..=all.len() {
        for limit in [0, 1, 2, 7, 100] {
            let expected: Vec<_> = all[from..].iter().take(limit).cloned().collect();
            assert_eq!(reader.events(from as u64, limit).unwrap(), expected);
        }
    }
    assert!(reader.events(u64::MAX, 10).unwrap().is_empty());
}

#[test]
fn an_id_is_never_used_twice_even_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for round in 0..4_u64 {
        let mut store = open(dir.path());
        let pair = [Arc::new(deploy(round)), Arc::new(deploy(100 + round))];
        ids.extend(store.accept(&pair, Timestamp::from(round)).unwrap());
        ids.extend(store.expire(&[*pair[0].hash()], Timestamp::from(round)).unwrap());
    }
    assert_eq!(ids, (0..12).collect::<Vec<_>>());
    let store = open(dir.path());
    assert_eq!(store.reader().next_event(), 12);
    let event = &store.reader().events(3, 1).unwrap()[0].1;
    assert_eq!(*event, Event::DeployAccepted(*deploy(1).hash()));
}
