//! What a deploy with code costs on the whole way of a block, in memory: `cargo bench -p
//! girrona-engine --bench blocks`.
//!
//! Each figure is CPU time of the thread that executes, over several blocks, per deploy.

#[path = "../../../rules/exec/tests/support/world.rs"]
mod world;

use std::time::{Duration, Instant};

use casper_types::contracts::ContractHash;
use casper_types::{Deploy, ExecutableDeployItem, Key, RuntimeArgs, U256, runtime_args};
use girrona_engine::{Metrics, Tiers, spawn};
use girrona_exec::{CodeSource, Uncached};
use girrona_types::chainspec::FailureCharge;
use world::{ANA, BEN, GIRRO, World, hash, law, pay, seen};

/// Deploys of a block.
const DEPLOYS: usize = 100;
/// Blocks that are timed.
const BLOCKS: usize = 12;

fn wasm(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../contracts/wasm");
    std::fs::read(format!("{folder}/{name}.wasm")).unwrap()
}

fn code(engine: &str) -> Box<dyn CodeSource> {
    match engine {
        "prepared each time" => Box::new(Uncached),
        "interpreted" => Box::new(Tiers::new(false, Metrics::default())),
        _ => Box::new(Tiers::new(true, Metrics::default())),
    }
}

/// CPU time of this thread so far; time at all where the system does not tell.
fn cpu(began: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.as_ref().and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| began.elapsed(), Duration::from_nanos)
}

/// The time of a deploy over some blocks of the like.
fn time(world: &mut World, mut deploy: impl FnMut(&World) -> Deploy) -> Duration {
    let mut all = Duration::ZERO;
    for block in 0..BLOCKS + 3 {
        let deploys: Vec<Deploy> = (0..DEPLOYS).map(|_| deploy(world)).collect();
        let start = Instant::now();
        let began = cpu(start);
        let results = world.block(&deploys);
        let took = cpu(start) - began;
        for result in &results {
            assert_eq!(seen(result).1, None);
        }
        if block < 3 {
            // The first ones only heat the code, and the compiler needs a moment.
            std::thread::sleep(Duration::from_millis(700));
        } else {
            all += took;
        }
    }
    all / u32::try_from(DEPLOYS * BLOCKS).unwrap()
}

fn stored(engine: &str) -> Duration {
    let mut world = World::new(law(FailureCharge::MinimumPenalty));
    world.code = code(engine);
    let token = runtime_args! {
        "name" => "Town", "symbol" => "TWN", "decimals" => 2_u8, "supply" => U256::from(1_000_000),
    };
    let made = world.one(world.session(ANA, 200 * GIRRO, wasm("token"), token));
    assert_eq!(seen(&made).1, None);
    let Some(Key::Hash(token)) = world.named(ANA, "token") else { panic!("no token") };
    time(&mut world, |world| {
        let give = runtime_args! {
            "recipient" => Key::Account(hash(BEN)), "amount" => U256::from(1),
        };
        let session = ExecutableDeployItem::new_stored_contract_by_hash(
            ContractHash::new(token),
            "transfer".to_owned(),
            give,
        );
        world.deploy(ANA, pay(5 * GIRRO), session)
    })
}

fn session(engine: &str, name: &str, args: &RuntimeArgs) -> Duration {
    let mut world = World::new(law(FailureCharge::MinimumPenalty));
    world.code = code(engine);
    let wasm = wasm(name);
    time(&mut world, |world| world.session(ANA, 5 * GIRRO, wasm.clone(), args.clone()))
}

fn main() {
    let done = spawn("bench", || {
        println!("CPU time of a deploy, {BLOCKS} blocks of {DEPLOYS}");
        for engine in ["interpreted", "compiled"] {
            println!("transfer of a stored token (40 kB), {engine}: {:?}", stored(engine));
        }
        let counter = runtime_args! { "player" => "ana", "points" => 5_u64 };
        for engine in ["prepared each time", "interpreted", "compiled"] {
            let took = session(engine, "counter", &counter);
            println!("session of 12 kB, {engine}: {took:?}");
        }
    });
    done.unwrap().join().unwrap();
}
