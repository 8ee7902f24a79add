//! The contracts of this repository, as their users deploy them, in a test world.

use casper_types::account::AccountHash;
use casper_types::{AccessRights, ApiError, CLValue, Key, U512, URef};
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::{Interpreter, Outcome, Trap, prepare, run};

use crate::PLENTY;
use crate::casper;
use crate::host::{ACCOUNT, MAIN_PURSE, World};

/// A built contract.
pub(crate) fn wasm(name: &str) -> Vec<u8> {
    let path = format!("{}/../../../contracts/wasm/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a contract by our rules and by Casper's: they must agree on everything.
fn deploy(name: &str, world: &mut World, gas_limit: u64) -> Outcome {
    let wasm = wasm(name);
    let code = prepare(&wasm, &WasmConfig::default(), &Interpreter).unwrap();
    let mut there = world.clone();
    let casper = casper::run(&wasm, "call", &mut there, gas_limit).unwrap();
    let ours = run(&code, "call", world, gas_limit);
    assert_eq!(ours.gas_used, casper.gas_used, "{name}");
    assert_eq!(format!("{:?}", ours.result), format!("{:?}", casper.result), "{name}");
    assert_eq!(*world, there, "{name}");
    ours
}

fn named_uref(world: &World, name: &str) -> URef {
    *world.named_keys.get(name).and_then(Key::as_uref).unwrap()
}

#[test]
fn hello_keeps_its_message_under_a_named_key() {
    let mut world = World::new().arg("message", "good morning".to_owned());
    let outcome = deploy("hello", &mut world, PLENTY);
    assert_eq!(outcome.result.unwrap(), CLValue::unit());
    let place = named_uref(&world, "hello");
    assert_eq!(world.values[&place.addr()], CLValue::from_t("good morning").unwrap());
}

#[test]
fn hello_without_its_argument_reverts_with_missing_argument() {
    let outcome = deploy("hello", &mut World::new(), PLENTY);
    assert!(matches!(outcome.result, Err(Trap::Revert(ApiError::MissingArgument))));
    assert_eq!(outcome.result.unwrap_err().to_string(), "ApiError::MissingArgument [2]");
}

#[test]
fn counter_counts_and_sums_the_points_of_each_player() {
    let mut world = World::new().arg("player", "ana".to_owned()).arg("points", 5_u64);
    deploy("counter", &mut world, PLENTY).result.unwrap();
    world = world.arg("points", 37_u64);
    deploy("counter", &mut world, PLENTY).result.unwrap();
    world = world.arg("player", "bo".to_owned());
    deploy("counter", &mut world, PLENTY).result.unwrap();

    let counter = named_uref(&world, "counter").addr();
    let scores = named_uref(&world, "scores").addr();
    assert_eq!(world.values[&counter], CLValue::from_t(3_u64).unwrap());
    assert_eq!(world.items[&(scores, "ana".to_owned())], CLValue::from_t(42_u64).unwrap());
    assert_eq!(world.items[&(scores, "bo".to_owned())], CLValue::from_t(37_u64).unwrap());
}

#[test]
fn purse_splits_an_amount_between_a_new_purse_and_a_new_account() {
    let target = AccountHash::new([9; 32]);
    let mut world = World::new().arg("target", target).arg("amount", U512::from(1_001));
    deploy("purse", &mut world, PLENTY).result.unwrap();

    let saved = named_uref(&world, "purse");
    assert_eq!(saved.access_rights(), AccessRights::READ_ADD_WRITE);
    assert_eq!(world.balances[&saved.addr()], U512::from(500));
    assert_eq!(world.balances[&world.accounts[&target]], U512::from(501));
    assert_eq!(world.balances[&MAIN_PURSE.addr()], U512::from(998_999));
}

#[test]
fn purse_passes_on_what_the_mint_refuses() {
    let mut world = World::new().arg("target", ACCOUNT).arg("amount", U512::from(3_000_000));
    let outcome = deploy("purse", &mut world, PLENTY);
    assert_eq!(outcome.result.unwrap_err().to_string(), "Mint error: 0");
}

#[test]
fn revert_ends_with_the_code_it_is_told() {
    let mut world = World::new().arg("code", 4_242_u32);
    let outcome = deploy("revert", &mut world, PLENTY);
    assert_eq!(outcome.result.unwrap_err().to_string(), "User error: 4242");
}

#[test]
fn spin_uses_every_bit_of_its_gas() {
    for limit in [0, 1, 50_000, 10_000_000] {
        let outcome = deploy("spin", &mut World::new(), limit);
        assert_eq!(outcome.gas_used, limit);
        assert_eq!(outcome.result.unwrap_err().to_string(), "Out of gas error");
    }
}

#[test]
fn a_contract_that_runs_dry_at_any_point_pays_exactly_its_limit() {
    let world = World::new().arg("message", "good morning".to_owned());
    let whole = deploy("hello", &mut world.clone(), PLENTY).gas_used;
    deploy("hello", &mut world.clone(), whole).result.unwrap();
    for limit in (0..whole).step_by(usize::try_from(whole / 97).unwrap()).chain([whole - 1]) {
        let outcome = deploy("hello", &mut world.clone(), limit);
        assert!(matches!(outcome.result, Err(Trap::OutOfGas)), "{limit} of {whole}");
        assert_eq!(outcome.gas_used, limit);
    }
}

/// How often instructions beyond WebAssembly 1.0 stand in a module of `contracts/v5`.
fn later_instructions(path: &str) -> (usize, usize) {
    use wasmparser::{Operator, Parser, Payload};
    let path = format!("{}/../../../contracts/v5/wasm/{path}.wasm", env!("CARGO_MANIFEST_DIR"));
    let wasm = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    prepare(&wasm, &WasmConfig::default(), &Interpreter).unwrap_or_else(|e| panic!("{path}: {e}"));
    let (mut sign_extension, mut bulk_memory) = (0, 0);
    for payload in Parser::new(0).parse_all(&wasm) {
        let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
        for operator in body.get_operators_reader().unwrap() {
            use Operator as O;
            match operator.unwrap() {
                O::I32Extend8S
                | O::I32Extend16S
                | O::I64Extend8S
                | O::I64Extend16S
                | O::I64Extend32S => sign_extension += 1,
                O::MemoryCopy { .. } | O::MemoryFill { .. } => bulk_memory += 1,
                _ => {}
            }
        }
    }
    (sign_extension, bulk_memory)
}

#[test]
fn what_todays_compiler_writes_for_either_target_is_accepted() {
    for name in ["unknown/newcomer", "unknown/scores"] {
        let (sign_extension, bulk_memory) = later_instructions(name);
        println!("{name}: {sign_extension} sign extensions, {bulk_memory} copies and fills");
        assert!(bulk_memory > 0, "{name} is no test of today's instructions any more");
    }
    for name in ["herald", "keys", "scores", "vault"] {
        assert_eq!(later_instructions(name), (0, 0), "{name} was for machines of 2017");
    }
}
