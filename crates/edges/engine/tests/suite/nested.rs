//! Contracts that call contracts, executed by blocks: compiled code inside compiled code.

#[path = "../../../../rules/exec/tests/support/world.rs"]
mod world;

use std::time::{Duration, Instant};

use casper_types::contracts::{EntryPoint, EntryPoints};
use casper_types::{
    CLType, EntryPointAccess, EntryPointType, ExecutableDeployItem, Key, RuntimeArgs,
    bytesrepr::ToBytes,
};
use girrona_engine::{Metrics, Tiers};
use girrona_types::chainspec::FailureCharge;
use prometheus_client::registry::Registry;
use world::{ANA, GIRRO, World, law, pay, seen};

use super::with_room;

const PAID: u64 = 100 * GIRRO;

/// A contract whose `dive` calls the contract `self` with `args`, which may lead on to itself, and
/// calls itself 100 frames deep before, nearly as deep as the limit is.
fn diver() -> Vec<u8> {
    let mut entry_points = EntryPoints::new();
    entry_points.add_entry_point(EntryPoint::new(
        "dive".to_owned(),
        Vec::new(),
        CLType::Unit,
        EntryPointAccess::Public,
        EntryPointType::Called,
    ));
    let entry_points = entry_points.to_bytes().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("\\{b:02x}")).collect::<String>();
    let text = format!(
        r#"(module
        (import "env" "casper_revert" (func $revert (param i32)))
        (import "env" "casper_put_key" (func $put_key (param i32 i32 i32 i32)))
        (import "env" "casper_create_contract_package_at_hash"
          (func $create (param i32 i32 i32)))
        (import "env" "casper_add_contract_version"
          (func $add (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "casper_get_named_arg_size" (func $size (param i32 i32 i32) (result i32)))
        (import "env" "casper_get_named_arg" (func $arg (param i32 i32 i32 i32) (result i32)))
        (import "env" "casper_call_contract"
          (func $call (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (memory 2)
        (data (i32.const 900) "\00\00\00\00")
        (data (i32.const 910) "{}")
        (data (i32.const 920) "selfargs")
        (data (i32.const 930) "{}")
        (data (i32.const 1000) "{}")
        (func $check (param i32) (if (local.get 0) (then
          (call $revert (i32.add (local.get 0) (i32.const 65536))))))
        (func $deep (param i32) (result i32)
          (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
            (else (i32.const 0))))
        (func (export "dive") (local $bytes i32)
          (call $check (i32.ne (i32.const 100) (call $deep (i32.const 100))))
          (call $check (call $size (i32.const 924) (i32.const 4) (i32.const 300)))
          (local.set $bytes (i32.load (i32.const 300)))
          (if (i32.gt_u (local.get $bytes) (i32.const 4)) (then
            (call $check (call $arg (i32.const 920) (i32.const 4) (i32.const 320) (i32.const 32)))
            (call $check
              (call $arg (i32.const 924) (i32.const 4) (i32.const 4096) (local.get $bytes)))
            (call $check (call $call (i32.const 320) (i32.const 32) (i32.const 930) (i32.const 8)
              (i32.const 4100) (i32.sub (local.get $bytes) (i32.const 4)) (i32.const 304))))))
        (func (export "call")
          (call $create (i32.const 0) (i32.const 32) (i32.const 0))
          (call $check (call $add (i32.const 0) (i32.const 32) (i32.const 64)
            (i32.const 1000) (i32.const {}) (i32.const 900) (i32.const 4)
            (i32.const 128) (i32.const 32) (i32.const 200)))
          (i32.store8 (i32.const 127) (i32.const 1))
          (call $put_key (i32.const 910) (i32.const 5) (i32.const 127) (i32.const 33))))"#,
        hex(&"c".to_bytes().unwrap()),
        hex(&"dive".to_bytes().unwrap()),
        hex(&entry_points),
        entry_points.len()
    );
    wat::parse_str(text).unwrap()
}

/// Arguments that lead `depth` calls on.
fn args(contract: [u8; 32], depth: u32) -> RuntimeArgs {
    let inner = if depth == 0 { Vec::new() } else { args(contract, depth - 1).to_bytes().unwrap() };
    let mut args = RuntimeArgs::new();
    args.insert("self", contract).unwrap();
    args.insert("args", inner).unwrap();
    args
}

#[test]
fn calls_as_deep_as_the_law_allows_end_alike_interpreted_and_compiled() {
    with_room(|| {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let law = law(FailureCharge::MinimumPenalty);
        let mut plain = World::new(law.clone());
        let mut tiered = World::new(law);
        tiered.code = Box::new(Tiers::new(true, metrics));
        let install = |world: &mut World| {
            let deploy = world.session(ANA, PAID, diver(), RuntimeArgs::new());
            let result = world.one(deploy);
            assert_eq!(seen(&result).1, None);
            result
        };
        assert_eq!(install(&mut plain), install(&mut tiered));
        let Some(Key::Hash(contract)) = plain.named(ANA, "c") else { panic!("no contract") };

        let dive = |world: &mut World, depth| {
            let session = ExecutableDeployItem::StoredContractByName {
                name: "c".to_owned(),
                entry_point: "dive".to_owned(),
                args: args(contract, depth),
            };
            let deploy = world.deploy(ANA, pay(5 * GIRRO), session);
            world.one(deploy)
        };
        let compiled = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            let line = "contracts_runs_total{tier=\"cranelift\"}";
            let found = text.lines().find_map(|l| l.strip_prefix(line));
            found.map_or(0, |n| n.trim().parse::<u64>().unwrap())
        };
        let began = Instant::now();
        let mut turn = 0;
        while compiled() < 40 {
            assert!(began.elapsed() < Duration::from_secs(60), "it was never compiled");
            let depth = [3, 0, 9, 10, 11, 12][turn % 6];
            turn += 1;
            let (expected, result) = (dive(&mut plain, depth), dive(&mut tiered, depth));
            assert_eq!(result, expected);
            let error = seen(&result).1;
            assert_eq!(error.is_some(), depth > 10, "{depth}: {error:?}");
        }
        assert_eq!(plain.state.root(), tiered.state.root());
    });
}
