//! Contracts as people write them: made by a compiler with the `casper-contract` crate.

#[path = "support/world.rs"]
mod world;

use casper_types::{
    CLTyped, Key, RuntimeArgs, StoredValue, U512, bytesrepr::FromBytes, bytesrepr::ToBytes,
    execution::ExecutionResultV1, handle_stored_dictionary_value,
};
use girrona_types::chainspec::FailureCharge;
use world::*;

const PAID: u64 = 100 * GIRRO;

/// A contract of the `contracts` folder, if it was built.
fn built(name: &str) -> Option<Vec<u8>> {
    let path = format!("{}/../../../contracts/wasm/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    match std::fs::read(&path) {
        Ok(wasm) => Some(wasm),
        Err(error) if std::env::var_os("GIRRONA_REQUIRE").is_some() => {
            panic!("{path}: {error}")
        }
        Err(error) => {
            println!("skipped: {path}: {error}; `cargo xtask contracts` builds it");
            None
        }
    }
}

fn world() -> World {
    World::new(law(FailureCharge::MinimumPenalty))
}

fn arg<T: CLTyped + ToBytes>(mut args: RuntimeArgs, name: &str, value: T) -> RuntimeArgs {
    args.insert(name, value).unwrap();
    args
}

fn none() -> RuntimeArgs {
    RuntimeArgs::new()
}

fn run(world: &mut World, wasm: &[u8], args: RuntimeArgs) -> ExecutionResultV1 {
    let before = world.balance(ANA);
    let result = world.one(world.session(ANA, PAID, wasm.to_vec(), args));
    let (cost, message, transfers) = seen(&result);
    if transfers == 0 {
        assert_eq!(before - world.balance(ANA), cost, "{message:?}");
    }
    result
}

fn stored<T: CLTyped + FromBytes>(world: &World, key: Key) -> T {
    let value = handle_stored_dictionary_value(key, world.value(key)).unwrap();
    let StoredValue::CLValue(value) = value else { panic!("not a value: {value:?}") };
    value.into_t().unwrap()
}

#[test]
fn hello_keeps_its_message() {
    let Some(wasm) = built("hello") else { return };
    let mut world = world();
    let args = arg(none(), "message", "Ciao".to_owned());
    assert_eq!(seen(&run(&mut world, &wasm, args)).1, None);
    let message: String = stored(&world, world.named(ANA, "hello").unwrap());
    assert_eq!(message, "Ciao");

    let result = run(&mut world, &wasm, none());
    assert_eq!(seen(&result), (PENALTY, Some("ApiError::MissingArgument [2]"), 0));
}

#[test]
fn counter_counts_across_deploys_and_keeps_scores() {
    let Some(wasm) = built("counter") else { return };
    let mut world = world();
    for (player, points) in [("ana", 5_u64), ("ben", 7), ("ana", 10)] {
        let args = arg(arg(none(), "player", player.to_owned()), "points", points);
        assert_eq!(seen(&run(&mut world, &wasm, args)).1, None);
    }
    let count: u64 = stored(&world, world.named(ANA, "counter").unwrap());
    assert_eq!(count, 3);
    let Some(Key::URef(scores)) = world.named(ANA, "scores") else { panic!("no scores") };
    let score = |who: &str| stored::<u64>(&world, Key::dictionary(scores, who.as_bytes()));
    assert_eq!((score("ana"), score("ben")), (15, 7));

    let args = arg(arg(none(), "player", "ana".to_owned()), "points", u64::MAX);
    assert_eq!(seen(&run(&mut world, &wasm, args)).1, Some("User error: 1"));
    let count: u64 = stored(&world, world.named(ANA, "counter").unwrap());
    assert_eq!(count, 3, "a failed call does not count");
}

#[test]
fn purse_splits_what_it_may_spend() {
    let Some(wasm) = built("purse") else { return };
    for target in [BEN, 99] {
        let mut world = world();
        let before = world.maybe_account(target).map_or(0, |_| world.balance(target));
        let args = arg(none(), "amount", U512::from(10 * GIRRO));
        let result = run(&mut world, &wasm, arg(args, "target", hash(target)));
        let (cost, message, transfers) = seen(&result);
        assert_eq!((message, transfers), (None, 2));
        assert_eq!(world.balance(target) - before, 5 * GIRRO);
        let Some(Key::URef(purse)) = world.named(ANA, "purse") else { panic!("no purse") };
        assert_eq!(world.purse_balance(purse), 5 * GIRRO);
        assert_eq!(world.balance(ANA), 990 * GIRRO - cost);
    }
}

#[test]
fn revert_ends_with_the_error_it_is_told() {
    let Some(wasm) = built("revert") else { return };
    let mut world = world();
    let result = run(&mut world, &wasm, arg(none(), "code", 42_u32));
    assert_eq!(seen(&result), (PENALTY, Some("User error: 42"), 0));
}

#[test]
fn spin_uses_up_what_was_paid() {
    let Some(wasm) = built("spin") else { return };
    let mut world = world();
    let result = run(&mut world, &wasm, none());
    assert_eq!(seen(&result), (PAID, Some("Out of gas error"), 0));
}
