//! The cache: what it keeps, when it compiles, and that nobody notices.

use std::time::{Duration, Instant};

use casper_types::ContractWasm;
use girrona_engine::{Metrics, Tiers};
use girrona_exec::CodeSource;
use girrona_types::wasm_costs::WasmConfig;
use prometheus_client::registry::Registry;

use super::{host::World, see, with_room};

/// Gas for any of these.
const GAS: u64 = 1_000_000_000;

fn counting(turns: u32) -> Vec<u8> {
    let text = format!(
        r#"(module (memory 1) (func (export "call") (local $n i32) (loop $again
             (local.set $n (i32.add (local.get $n) (i32.const 1)))
             (br_if $again (i32.lt_u (local.get $n) (i32.const {turns}))))))"#
    );
    wat::parse_str(text).unwrap()
}

fn shown(registry: &Registry, line: &str) -> u64 {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    let found = text.lines().find_map(|l| l.strip_prefix(line));
    found.map_or(0, |number| number.trim().parse().unwrap())
}

#[test]
fn what_is_called_often_is_compiled_beside_and_never_seen_to_change() {
    with_room(|| {
        let mut registry = Registry::default();
        let mut tiers = Tiers::new(true, Metrics::new(&mut registry));
        let law = WasmConfig::default();
        let module = ContractWasm::new(counting(500));
        let native = "contracts_runs_total{tier=\"cranelift\"}";
        let mut first = None;
        let began = Instant::now();
        while shown(&registry, native) < 3 {
            assert!(began.elapsed() < Duration::from_secs(60), "it was never compiled");
            let code = tiers.stored([7; 32], &module, &law).unwrap();
            let seen = see(&code, "call", GAS);
            assert_eq!(first.get_or_insert_with(|| seen.clone()), &seen);
        }
        assert!(shown(&registry, "contracts_runs_total{tier=\"interpreter\"}") >= 8);
        assert_eq!(shown(&registry, "contracts_compiled_total"), 1);
        assert_eq!(shown(&registry, "contracts_prepared_total"), 1);
    });
}

#[test]
fn what_is_short_stays_interpreted_however_often_it_is_called_and_large_memories_do_not() {
    with_room(|| {
        let mut registry = Registry::default();
        let mut tiers = Tiers::new(true, Metrics::new(&mut registry));
        let law = WasmConfig::default();
        let module = |pages: u32| {
            let text = format!(r#"(module (memory {pages}) (func (export "call")))"#);
            ContractWasm::new(wat::parse_str(text).unwrap())
        };
        let (small, large) = (module(1), module(17));
        let compiled = "contracts_compiled_total";
        let began = Instant::now();
        // They were handed over in order, so the small one would be done by the time the large one is.
        while shown(&registry, compiled) < 1 {
            assert!(began.elapsed() < Duration::from_secs(60), "it was never compiled");
            for (name, module) in [([1; 32], &small), ([2; 32], &large)] {
                let code = tiers.stored(name, module, &law).unwrap();
                see(&code, "call", GAS);
            }
        }
        let interpreted = "contracts_runs_total{tier=\"interpreter\"}";
        let before = shown(&registry, interpreted);
        for _ in 0..100 {
            see(&tiers.stored([1; 32], &small, &law).unwrap(), "call", GAS);
        }
        assert_eq!(shown(&registry, interpreted), before + 100);
        assert_eq!(shown(&registry, compiled), 1);
    });
}

#[test]
fn a_law_with_other_prices_takes_effect_at_once() {
    let mut tiers = Tiers::new(true, Metrics::default());
    let wasm = counting(10);
    let mut law = WasmConfig::default();
    let used =
        |tiers: &mut Tiers, law: &WasmConfig| see(&tiers.code(&wasm, law).unwrap(), "call", GAS).1;
    let before = used(&mut tiers, &law);
    law.opcode_costs.add += 100;
    assert_eq!(used(&mut tiers, &law), before + 1_000);
    law.opcode_costs.add -= 100;
    assert_eq!(used(&mut tiers, &law), before);
}

#[test]
fn kept_code_stays_within_its_bytes_and_the_longest_unused_goes_first() {
    let law = WasmConfig::default();
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry);
    let mut tiers = Tiers::new(false, metrics).with_bytes_max(100_000);
    let often = counting(1_000_000);
    tiers.code(&often, &law).unwrap();
    for turns in 0..50 {
        tiers.code(&counting(turns), &law).unwrap();
        tiers.code(&often, &law).unwrap();
        assert!(tiers.bytes() <= 100_000);
    }
    assert!(tiers.modules() < 10);
    assert_eq!(shown(&registry, "contracts_prepared_total"), 51, "the used one was dropped");
}

#[test]
fn a_module_that_is_refused_is_refused_each_time_and_not_kept() {
    let mut tiers = Tiers::new(true, Metrics::default());
    for _ in 0..20 {
        assert!(tiers.code(b"\0asm\x01\0\0\0", &WasmConfig::default()).is_err());
    }
    assert_eq!((tiers.modules(), tiers.bytes()), (0, 0));
}

#[test]
fn a_queue_that_is_full_only_delays() {
    with_room(|| {
        let mut tiers = Tiers::new(true, Metrics::default());
        let law = WasmConfig::default();
        // More modules at once than the queue takes.
        for round in 0..10 {
            for turns in 0..60 {
                let code = tiers.code(&counting(turns), &law).unwrap();
                assert!(code.run("call", &mut World::new(), GAS).result.is_ok(), "{round}");
            }
        }
    });
}
