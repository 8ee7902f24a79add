//! A view over a block state behaves like a plain map, whatever is done to it.

use std::{collections::BTreeMap, sync::Arc};

use casper_types::{
    AccessRights, CLValue, Key, NamedKeys, StoredValue, U512, URef,
    account::{Account, AccountHash, ActionThresholds, AssociatedKeys, Weight},
};
use girrona_state::{
    BlockState, Changes, Delta, Error, MemoryState, Operation, Reader, Unreadable, View,
};
use proptest::{collection::vec, prelude::*};

/// What a key holds in the model; `Err` after an addition that can never be settled.
type Held = Result<Option<StoredValue>, ()>;

#[derive(Clone, Debug)]
enum Step {
    Read(u8),
    Peek(u8),
    Write(u8, Box<StoredValue>),
    Add(u8, Delta),
    AddChecked(u8, Delta),
    Prune(u8),
    Checkpoint,
    Rollback,
}

fn key(index: u8) -> Key {
    match index {
        0 => Key::Account(AccountHash::new([0; 32])),
        1 => Key::Balance([1; 32]),
        2 => Key::URef(URef::new([2; 32], AccessRights::READ_ADD_WRITE)),
        3 => Key::URef(URef::new([2; 32], AccessRights::READ)),
        4 => Key::Dictionary([4; 32]),
        _ => Key::Hash([index; 32]),
    }
}

/// Where the model keeps a key: the two rights of one `URef` are one key.
fn place(index: u8) -> u8 {
    if index == 3 { 2 } else { index }
}

fn number(value: U512) -> StoredValue {
    StoredValue::CLValue(CLValue::from_t(value).unwrap())
}

fn account() -> StoredValue {
    let hash = AccountHash::new([0; 32]);
    StoredValue::Account(Account::new(
        hash,
        NamedKeys::new(),
        URef::new([9; 32], AccessRights::READ_ADD_WRITE),
        AssociatedKeys::new(hash, Weight::new(1)),
        ActionThresholds::default(),
    ))
}

fn values() -> impl Strategy<Value = StoredValue> {
    prop_oneof![
        any::<u64>().prop_map(|n| number(n.into())),
        Just(number(U512::MAX - 3)),
        any::<u8>().prop_map(|n| StoredValue::CLValue(CLValue::from_t(n).unwrap())),
        any::<i32>().prop_map(|n| StoredValue::CLValue(CLValue::from_t(n).unwrap())),
        Just(StoredValue::CLValue(CLValue::from_t("text").unwrap())),
        Just(account()),
    ]
}

fn deltas() -> impl Strategy<Value = Delta> {
    prop_oneof![
        prop_oneof![any::<i32>(), Just(i32::MAX)].prop_map(Delta::I32),
        prop_oneof![any::<u64>(), Just(u64::MAX)].prop_map(Delta::U64),
        any::<u64>().prop_map(|n| Delta::U128(n.into())),
        (0..5_u64).prop_map(|n| Delta::U512(n.into())),
        Just(Delta::U512(U512::MAX)),
        (0..4_u8).prop_map(|n| {
            let mut keys = NamedKeys::new();
            keys.insert(format!("name-{n}"), key(n));
            Delta::Keys(keys)
        }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..6_u8).prop_map(Step::Read),
        (0..6_u8).prop_map(Step::Peek),
        (0..6_u8, values()).prop_map(|(k, v)| Step::Write(k, Box::new(v))),
        (0..6_u8, deltas()).prop_map(|(k, d)| Step::Add(k, d)),
        (0..6_u8, deltas()).prop_map(|(k, d)| Step::Add(k, d)),
        (0..6_u8, deltas()).prop_map(|(k, d)| Step::AddChecked(k, d)),
        (0..6_u8).prop_map(Step::Prune),
        Just(Step::Checkpoint),
        Just(Step::Rollback),
    ];
    vec(step, 0..40)
}

fn states() -> impl Strategy<Value = BTreeMap<u8, StoredValue>> {
    proptest::collection::btree_map(prop_oneof![0..3_u8, 4..6_u8], values(), 0..5)
}

fn memory(state: &BTreeMap<u8, StoredValue>) -> MemoryState {
    let mut memory = MemoryState::new();
    let changes = state.iter().map(|(k, v)| (key(*k), Some(v.clone()))).collect();
    memory.apply(&changes).unwrap();
    memory
}

/// The addition as the rules state it, written down a second time and more slowly.
fn added(stored: Option<&StoredValue>, delta: &Delta) -> Result<StoredValue, ()> {
    let stored = stored.ok_or(())?;
    if let Delta::Keys(keys) = delta {
        let StoredValue::Account(account) = stored else { return Err(()) };
        let mut account = account.clone();
        account.named_keys_append(keys.clone());
        return Ok(StoredValue::Account(account));
    }
    let value = stored.as_cl_value().ok_or(())?;
    let wide = match delta {
        Delta::I32(n) if *n < 0 => (!U512::from(n.unsigned_abs())).overflowing_add(U512::one()).0,
        Delta::I32(n) => U512::from(n.unsigned_abs()),
        Delta::U64(n) => U512::from(*n),
        Delta::U128(n) => U512::from_dec_str(&n.to_string()).unwrap(),
        Delta::U256(n) => U512::from_dec_str(&n.to_string()).unwrap(),
        Delta::U512(n) => *n,
        Delta::Keys(_) => unreachable!(),
    };
    let low = wide.low_u64();
    let sum = if let Ok(old) = value.to_t::<U512>() {
        match delta {
            Delta::U512(n) => CLValue::from_t(old.checked_add(*n).ok_or(())?),
            _ => CLValue::from_t(old.overflowing_add(wide).0),
        }
    } else if let Ok(old) = value.to_t::<u8>() {
        CLValue::from_t(old.wrapping_add(low.to_le_bytes()[0]))
    } else if let Ok(old) = value.to_t::<i32>() {
        let low = u32::try_from(low & 0xffff_ffff).unwrap();
        CLValue::from_t(old.wrapping_add_unsigned(low))
    } else {
        return Err(());
    };
    Ok(StoredValue::CLValue(sum.unwrap()))
}

/// Plays steps on a view and on a model at once, compares every answer, and returns the answers.
fn play(
    view: &mut View<'_>,
    model: &mut BTreeMap<u8, Held>,
    steps: &[Step],
) -> Vec<Option<Arc<StoredValue>>> {
    let mut marks = Vec::new();
    let mut answers = Vec::new();
    let held =
        |model: &BTreeMap<u8, Held>, k: u8| model.get(&place(k)).cloned().unwrap_or(Ok(None));
    for step in steps {
        match step {
            Step::Read(k) | Step::Peek(k) => {
                let answer = match step {
                    Step::Read(_) => view.read(&key(*k)),
                    _ => view.peek(&key(*k)),
                };
                let plain = answer.as_ref().map(|v| v.as_deref().cloned()).map_err(|_| ());
                assert_eq!(plain, held(model, *k), "{step:?}");
                answers.push(answer.unwrap_or(None));
            }
            Step::Write(k, value) => {
                view.write(key(*k), (**value).clone());
                model.insert(place(*k), Ok(Some((**value).clone())));
            }
            Step::Prune(k) => {
                view.prune(key(*k));
                model.insert(place(*k), Ok(None));
            }
            Step::Add(k, delta) => {
                let sum = held(model, *k).and_then(|value| added(value.as_ref(), delta));
                match view.add(key(*k), delta.clone()) {
                    Ok(()) => drop(model.insert(place(*k), sum.map(Some))),
                    Err(_) => assert!(sum.is_err(), "{step:?} was refused"),
                }
            }
            Step::AddChecked(k, delta) => {
                let sum = held(model, *k).and_then(|value| added(value.as_ref(), delta));
                assert_eq!(view.add_checked(key(*k), delta.clone()).is_ok(), sum.is_ok());
                if let Ok(sum) = sum {
                    model.insert(place(*k), Ok(Some(sum)));
                }
            }
            Step::Checkpoint => marks.push((view.checkpoint(), model.clone())),
            Step::Rollback => {
                if let Some((mark, then)) = marks.pop() {
                    view.rollback(mark);
                    *model = then;
                }
            }
        }
    }
    answers
}

fn model_of(reader: &dyn Reader) -> BTreeMap<u8, Held> {
    (0..6).map(|k| (place(k), Ok(reader.read(&key(k)).unwrap().as_deref().cloned()))).collect()
}

fn plain(changes: &Changes) -> String {
    format!("{:?} {:?} {:?}", changes.reads, changes.writes, changes.deltas)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_block_of_deploys_does_what_a_plain_map_does(
        state in states(),
        deploys in vec(steps(), 1..4),
    ) {
        let before = memory(&state);
        let mut block = BlockState::new(&before);
        for steps in &deploys {
            let mut model = model_of(&block);
            let untouched = model.clone();
            let mut view = View::new(&block);
            play(&mut view, &mut model, steps);
            let changes = view.into_changes();
            let fits = model.values().all(Result::is_ok);
            prop_assert_eq!(block.apply(changes).is_ok(), fits);
            prop_assert_eq!(model_of(&block), if fits { model } else { untouched });
        }
        let after = model_of(&block);
        let mut expected = BTreeMap::new();
        for k in [0, 1, 2, 4, 5] {
            let now = after[&k].clone().unwrap();
            if before.read(&key(k)).unwrap().as_deref() != now.as_ref() {
                expected.insert(girrona_types::keys::normalised(&key(k)), now);
            }
        }
        prop_assert_eq!(block.into_changes(), expected);
    }

    #[test]
    fn what_is_not_in_the_read_set_cannot_change_what_a_deploy_does(
        state in states(),
        other in states(),
        steps in steps(),
    ) {
        let one = memory(&state);
        let mut view = View::new(&one);
        let answers = play(&mut view, &mut model_of(&one), &steps);
        let journal = view.journal().to_vec();
        let changes = view.into_changes();

        let mut mixed = other;
        for k in [0, 1, 2, 4, 5] {
            if changes.reads.contains(&girrona_types::keys::normalised(&key(k))) {
                match state.get(&k) {
                    Some(value) => drop(mixed.insert(k, value.clone())),
                    None => drop(mixed.remove(&k)),
                }
            }
        }
        let two = memory(&mixed);
        let mut view = View::new(&two);
        prop_assert_eq!(play(&mut view, &mut model_of(&two), &steps), answers);
        prop_assert_eq!(view.journal(), journal);
        prop_assert_eq!(plain(&view.into_changes()), plain(&changes));
    }

    #[test]
    fn additions_of_many_deploys_commute(
        start in any::<u64>(),
        (one, other) in vec(any::<u32>(), 1..12)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let sum = |order: &[u32]| {
            let before = memory(&BTreeMap::from([(1, number(start.into()))]));
            let mut block = BlockState::new(&before);
            for credit in order {
                let mut view = View::new(&block);
                view.add(key(1), Delta::U512((*credit).into())).unwrap();
                let changes = view.into_changes();
                assert!(changes.reads.is_empty() && changes.writes.is_empty());
                block.apply(changes).unwrap();
            }
            block.into_changes()
        };
        let expected = one.iter().fold(U512::from(start), |sum, credit| sum + *credit);
        let all = sum(&one);
        prop_assert_eq!(&all, &sum(&other));
        if expected != start.into() {
            prop_assert_eq!(&all[&key(1)], &Some(number(expected)));
        }
    }
}

#[test]
fn a_credit_that_overflows_is_refused_when_it_is_applied_and_changes_nothing() {
    let before = memory(&BTreeMap::from([(1, number(U512::MAX)), (4, number(1.into()))]));
    let mut block = BlockState::new(&before);
    let mut view = View::new(&block);
    view.write(key(4), number(2.into()));
    view.add(key(1), Delta::U512(1.into())).unwrap();
    let error = block.apply(view.into_changes()).unwrap_err();
    assert!(matches!(error, Error::Overflow(_)));
    assert_eq!(
        error.to_string(),
        format!("balance-{} would exceed the largest U512", "01".repeat(32))
    );
    assert!(block.into_changes().is_empty());
}

#[test]
fn an_addition_to_nothing_and_one_of_a_wrong_kind_say_what_is_wrong() {
    let before = memory(&BTreeMap::from([(0, account())]));
    let mut view = View::new(&before);
    let error = view.add_checked(key(1), Delta::U512(1.into())).unwrap_err();
    assert!(error.to_string().starts_with("nothing is stored under balance-0101"), "{error}");
    let error = view.add_checked(key(0), Delta::I32(1)).unwrap_err();
    assert!(
        error.to_string().ends_with("holds Account, to which a I32 cannot be added"),
        "{error}"
    );
}

#[test]
fn what_was_rolled_back_is_not_listed_but_stays_in_the_read_set() {
    let before = memory(&BTreeMap::from([(1, number(1.into())), (4, number(1.into()))]));
    let mut view = View::new(&before);
    view.read(&key(1)).unwrap();
    let mark = view.checkpoint();
    view.read(&key(4)).unwrap();
    view.write(key(4), number(2.into()));
    view.rollback(mark);
    assert_eq!(view.journal(), [(key(1), Operation::Read)]);
    // A key whose listing was rolled back is listed again, one that is listed is not.
    view.read(&key(4)).unwrap();
    view.read(&key(1)).unwrap();
    assert_eq!(view.journal(), [(key(1), Operation::Read), (key(4), Operation::Read)]);
    let changes = view.into_changes();
    assert!(changes.reads.contains(&key(4)));
    assert!(changes.writes.is_empty());
}

#[test]
fn unlisted_operations_are_done_and_noted_ones_are_only_listed() {
    let before = memory(&BTreeMap::from([(1, number(1.into()))]));
    let mut view = View::new(&before);
    assert!(view.set_listed(false));
    view.write(key(4), number(5.into()));
    view.read(&key(1)).unwrap();
    assert!(!view.set_listed(true));
    view.note(key(5), Operation::Add(Delta::U512(7.into())));
    assert_eq!(view.journal().len(), 1);
    let changes = view.into_changes();
    assert_eq!(changes.writes.len(), 1);
    assert!(changes.deltas.is_empty());
}

#[test]
fn transfers_and_deploy_infos_are_records_and_not_state() {
    let before = MemoryState::new();
    let mut block = BlockState::new(&before);
    let record = Key::Transfer(casper_types::TransferAddr::new([1; 32]));
    let mut view = View::new(&block);
    assert!(view.read(&record).unwrap().is_none());
    view.write(record, number(1.into()));
    assert!(view.read(&record).unwrap().is_some());
    block.apply(view.into_changes()).unwrap();
    assert!(block.read(&record).unwrap().is_none());
    let (changes, records) = block.into_parts();
    assert!(changes.is_empty());
    assert_eq!(records, BTreeMap::from([(record, number(1.into()))]));
}

#[test]
fn a_state_that_cannot_be_read_is_an_error_of_its_own() {
    struct Broken;
    impl Reader for Broken {
        fn read(&self, _: &Key) -> Result<Option<Arc<StoredValue>>, Unreadable> {
            Err(Unreadable("the disk is gone".into()))
        }
    }
    let block = BlockState::new(&Broken);
    let mut view = View::new(&block);
    assert!(matches!(view.read(&key(1)), Err(Error::Unreadable(_))));
    assert!(matches!(view.add_checked(key(1), Delta::I32(1)), Err(Error::Unreadable(_))));
    // A blind addition does not look, so it does not fail.
    view.add(key(4), Delta::I32(1)).unwrap();
}
