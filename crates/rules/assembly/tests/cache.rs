//! Caching: each factor of the decision alone, and what is given up.

mod common;

use common::{announcement, root};
use girrona_assembly::{
    cache::{
        Decision, Held, Local, NoRoom, Policy, Refused, decide,
        decide::{FULL, nearness, need, relevance, room},
        evict,
        evict::evictable,
    },
    message::Announcement,
};
use proptest::prelude::*;

const HALF: u64 = u64::MAX / 2;

fn local() -> Local {
    Local {
        room: 10_000,
        cpu_milli: 1_000,
        memory: 1 << 30,
        gpus: 0,
        copies: 0,
        is_ordered: false,
        distance: HALF,
    }
}

fn decided(
    announcement: impl Fn(&mut Announcement),
    policy: impl Fn(&mut Policy),
    here: impl Fn(&mut Local),
) -> Decision {
    let (mut a, mut p, mut l) = (common::announcement(1), Policy::default(), local());
    announcement(&mut a);
    policy(&mut p);
    here(&mut l);
    decide(&a, &p, &l)
}

fn refused(decision: Decision) -> String {
    match decision {
        Decision::Refuse(refused) => refused.to_string(),
        cached => panic!("{cached:?}"),
    }
}

fn is_cached(decision: &Decision) -> bool {
    matches!(decision, Decision::Cache { .. })
}

/// A policy that looks at one factor only.
fn only(relevance: u32, room: u32, need: u32, nearness: u32) -> impl Fn(&mut Policy) {
    move |p| {
        (p.weight_relevance, p.weight_room) = (relevance, room);
        (p.weight_need, p.weight_nearness) = (need, nearness);
        p.threshold = 500;
    }
}

#[test]
fn what_forbids_it_is_said() {
    assert!(is_cached(&decided(|_| {}, |_| {}, |_| {})));
    let text = refused(decided(|a| a.content.size = 10_001, |_| {}, |_| {}));
    assert_eq!(text, "it has 10001 bytes, there is room for 10000");
    let text = refused(decided(|_| {}, |p| p.size_max = 999, |_| {}));
    assert_eq!(text, "it has 1000 bytes, 999 are the most here");
    let text = refused(decided(|_| {}, |p| p.tags = vec!["other".into()], |_| {}));
    assert_eq!(text, "none of its tags is of interest here");
    // Tagged again, it is taken.
    let both = |a: &mut Announcement| a.tags = vec!["other".into()];
    assert!(is_cached(&decided(both, |p| p.tags = vec!["other".into()], |_| {})));
    let text = refused(decided(|_| {}, |p| p.refuse_tags = vec!["wasm".into()], |_| {}));
    assert_eq!(text, "its tag `wasm` is refused here");
    let grouped = |a: &mut Announcement| a.groups = vec!["blue".into()];
    let text = refused(decided(grouped, |_| {}, |_| {}));
    assert_eq!(text, "it is meant for other groups");
    assert!(is_cached(&decided(grouped, |p| p.groups = vec!["blue".into()], |_| {})));
    let text = refused(decided(|a| a.needs.memory = u64::MAX, |_| {}, |_| {}));
    assert_eq!(text, "it needs more memory than there is");
    let text = refused(decided(|a| a.needs.cpu_milli = 2_000, |_| {}, |_| {}));
    assert_eq!(text, "it needs more processor time than there is");
    let text = refused(decided(|a| a.needs.gpus = 1, |_| {}, |_| {}));
    assert_eq!(text, "it needs more graphics processors than there is");
}

#[test]
fn relevance_alone_decides() {
    let policy = |p: &mut Policy| {
        only(1, 0, 0, 0)(p);
        p.tags = vec!["demo".into()];
    };
    // One of two tags in common.
    assert!(is_cached(&decided(|_| {}, policy, |_| {})));
    let more = |a: &mut Announcement| a.tags.insert(0, "a".into());
    let Decision::Refuse(Refused::Score { score, factors, .. }) = decided(more, policy, |_| {})
    else {
        panic!()
    };
    assert_eq!((score, factors.relevance), (333, 333));
    assert!(is_cached(&decided(more, policy, |l| l.is_ordered = true)));
    assert!(is_cached(&decided(|a| a.tags = vec!["x".into()], policy, |l| l.is_ordered = true)));
    let nobody = Policy::default();
    assert_eq!(relevance(&[], &nobody, false), 500);
}

#[test]
fn room_alone_decides() {
    assert!(is_cached(&decided(|_| {}, only(0, 1, 0, 0), |l| l.room = 2_000)));
    assert!(!is_cached(&decided(|_| {}, only(0, 1, 0, 0), |l| l.room = 1_999)));
    assert_eq!((room(0, 10), room(10, 10), room(0, 0)), (FULL, 0, 0));
}

#[test]
fn need_alone_decides() {
    let policy = only(0, 0, 1, 0);
    let target = |a: &mut Announcement| a.replication = 4;
    assert!(is_cached(&decided(target, &policy, |l| l.copies = 2)));
    assert!(!is_cached(&decided(target, &policy, |l| l.copies = 3)));
    assert_eq!((need(3, 0), need(3, 3), need(3, 9), need(0, 0)), (FULL, 0, 0, 0));
}

#[test]
fn nearness_alone_decides() {
    let policy = only(0, 0, 0, 1);
    assert!(is_cached(&decided(|_| {}, &policy, |l| l.distance = HALF)));
    assert!(!is_cached(&decided(|_| {}, &policy, |l| l.distance = HALF / 2 * 3)));
    assert_eq!((nearness(0), nearness(u64::MAX)), (FULL, 0));
}

#[test]
fn without_weights_whatever_is_not_forbidden_is_taken() {
    assert!(is_cached(&decided(|_| {}, only(0, 0, 0, 0), |l| l.copies = 100)));
    assert!(!is_cached(&decided(|_| {}, only(0, 0, 0, 0), |l| l.room = 1)));
}

const DAY: u64 = 24 * 3_600_000;

fn held(byte: u8, size: u64, score: u64) -> Held {
    Held {
        root: root(byte),
        size,
        is_pinned: false,
        is_busy: false,
        is_withdrawn: false,
        score,
        used_ms: 10 * DAY,
    }
}

#[test]
fn the_least_relevant_goes_and_never_what_is_pinned_in_use_or_worth_more() {
    let now = 10 * DAY;
    let all = [
        held(1, 100, 200),
        held(2, 100, 100),
        Held { is_pinned: true, ..held(3, 100, 0) },
        Held { is_busy: true, ..held(4, 100, 0) },
        held(5, 100, 900),
    ];
    assert_eq!(evict(&all, 50, 50, 500, now), Ok(Vec::new()));
    assert_eq!(evict(&all, 100, 50, 500, now), Ok(vec![root(2)]));
    assert_eq!(evict(&all, 200, 0, 500, now), Ok(vec![root(2), root(1)]));
    let refused = NoRoom { wanted: 201, free: 0, evictable: 200 };
    assert_eq!(evict(&all, 201, 0, 500, now), Err(refused));
    assert_eq!(evictable(&all, 1_000, now), 300);
    assert_eq!(evict(&[], 1, 0, 500, now), Err(NoRoom { wanted: 1, free: 0, evictable: 0 }));
}

#[test]
fn what_is_not_used_loses_and_what_was_withdrawn_goes_first() {
    let now = 10 * DAY;
    let idle = Held { used_ms: 5 * DAY, ..held(1, 100, 600) };
    let used = held(2, 100, 300);
    assert_eq!(evict(&[idle, used], 100, 0, 400, now), Ok(vec![root(1)]));
    let withdrawn = Held { is_withdrawn: true, ..held(3, 100, 1_000) };
    assert_eq!(evict(&[idle, used, withdrawn], 100, 0, 0, now), Ok(vec![root(3)]));
}

#[test]
fn nothing_goes_that_need_not() {
    let all = [held(1, 10, 100), held(2, 10, 200), held(3, 500, 300)];
    // The large one is needed, and then the small ones are not.
    assert_eq!(evict(&all, 450, 0, 500, 10 * DAY), Ok(vec![root(3)]));
}

proptest! {
    #[test]
    fn what_goes_makes_room_and_nothing_goes_in_vain(
        parts in prop::collection::vec((1_u64..1_000, 0_u64..1_000, any::<bool>(), any::<bool>()), 0..20),
        wanted in 0_u64..5_000, free in 0_u64..1_000, score in 0_u64..1_000,
    ) {
        let all: Vec<Held> = parts
            .iter()
            .enumerate()
            .map(|(n, (size, score, is_pinned, is_busy))| Held {
                is_pinned: *is_pinned,
                is_busy: *is_busy,
                ..held(n as u8, *size, *score)
            })
            .collect();
        match evict(&all, wanted, free, score, 10 * DAY) {
            Ok(gone) => {
                let of = |root| all.iter().find(|one| one.root == root).unwrap();
                let sum: u64 = gone.iter().map(|root| of(*root).size).sum();
                prop_assert!(free + sum >= wanted);
                for root in &gone {
                    let one = of(*root);
                    prop_assert!(!one.is_pinned && !one.is_busy && one.score < score);
                    prop_assert!(free + sum - one.size < wanted, "{} went in vain", one.root);
                }
            }
            Err(no_room) => {
                prop_assert!(free + no_room.evictable < wanted);
                prop_assert_eq!(no_room.evictable, evictable(&all, score, 10 * DAY));
            }
        }
    }

    #[test]
    fn more_copies_never_speak_for_another(copies in 0_u32..10, target in 1_u32..10) {
        let a = Announcement { replication: target, ..announcement(1) };
        let score = |copies| match decide(&a, &Policy::default(), &Local { copies, ..local() }) {
            Decision::Cache { score, .. } => score,
            Decision::Refuse(Refused::Score { score, .. }) => score,
            Decision::Refuse(other) => panic!("{other}"),
        };
        prop_assert!(score(copies) >= score(copies + 1));
    }
}
