//! Standard payment as a contract: named by a deploy, and called by payment code.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/world.rs"]
mod world;

use casper_types::{
    ExecutableDeployItem, RuntimeArgs, U512, bytesrepr::ToBytes, contracts::ContractHash,
    contracts::ContractPackageHash, runtime_args,
};
use girrona_exec::system::SYSTEM;
use girrona_types::chainspec::FailureCharge;
use guest::Paper;
use world::*;

/// Gas of the method, and of a session that does nothing.
const PAY: u64 = 10_000;
const IDLE: u64 = 200;

fn amount(motes: u64) -> RuntimeArgs {
    runtime_args! { "amount" => U512::from(motes) }
}

/// Every way to name it.
fn named(motes: u64) -> [ExecutableDeployItem; 4] {
    let (name, pay) = (|| "standard payment".to_owned(), || "pay".to_owned());
    let contract = ContractHash::new(SYSTEM.standard_payment.contract);
    let package = ContractPackageHash::new(SYSTEM.standard_payment.package);
    type Item = ExecutableDeployItem;
    [
        Item::new_stored_contract_by_hash(contract, pay(), amount(motes)),
        Item::new_stored_contract_by_name(name(), pay(), amount(motes)),
        Item::new_stored_versioned_contract_by_hash(package, None, pay(), amount(motes)),
        Item::new_stored_versioned_contract_by_name(name(), Some(1), pay(), amount(motes)),
    ]
}

/// Payment code that has standard payment pay this much, times over.
fn calls(motes: u64, times: usize) -> Vec<u8> {
    let mut paper = Paper::default();
    let entry_point = paper.put(&"pay".to_owned().to_bytes().unwrap());
    let args = paper.put(&amount(motes).to_bytes().unwrap());
    let (hash, size) = (paper.room(32), paper.room(4));
    let call = format!(
        "(call $check (call $call_contract
            (i32.const {hash}) (i32.const 32) {entry_point} {args} (i32.const {size})))"
    );
    paper.guest(&format!(
        "(call $check (call $get_system_contract
            (i32.const 2) (i32.const {hash}) (i32.const 32))) {}",
        call.repeat(times)
    ))
}

#[test]
fn a_deploy_pays_by_naming_it_in_every_way() {
    for (charge, least) in
        [(FailureCharge::MinimumPenalty, TRANSFER_COST), (FailureCharge::Casper15, 0)]
    {
        for payment in named(5 * GIRRO) {
            let mut world = World::new(law(charge));
            let idle = module(guest::idles(), RuntimeArgs::new());
            let deploy = world.deploy(ANA, payment, idle);
            let result = world.one(deploy);
            let cost = (PAY + IDLE).max(least);
            assert_eq!(seen(&result), (cost, None, 0));
            assert_eq!(world.balance(ANA), 1_000 * GIRRO - cost);
            assert_eq!(world.balance(PROPOSER), 10 * GIRRO + cost);
        }
    }
}

#[test]
fn payment_code_calls_it_within_its_amount() {
    let mut world = World::new(law(FailureCharge::Casper15));
    let mut pay = |code: Vec<u8>, allowed: u64| {
        let idle = module(guest::spins(), RuntimeArgs::new());
        let deploy = world.deploy(ANA, module(code, amount(allowed)), idle);
        let before = world.balance(ANA);
        let result = world.one(deploy);
        let (cost, text, _) = seen(&result);
        assert_eq!(before - world.balance(ANA), cost);
        (cost, text.unwrap().to_owned())
    };
    // The session uses up all that was paid, so that it can be seen.
    assert_eq!(pay(calls(5 * GIRRO, 1), 5 * GIRRO), (5 * GIRRO, "Out of gas error".to_owned()));
    assert_eq!(pay(calls(2 * GIRRO, 3), 6 * GIRRO), (6 * GIRRO, "Out of gas error".to_owned()));
    assert_eq!(pay(calls(2 * GIRRO, 3), 5 * GIRRO), (PENALTY, "Mint error: 21".to_owned()));
    assert_eq!(pay(calls(2_000 * GIRRO, 1), 2_000 * GIRRO), (PENALTY, "Mint error: 0".to_owned()));
}

#[test]
fn it_pays_from_the_main_purse_of_the_account_alone() {
    let mut world = World::new(law(FailureCharge::MinimumPenalty));
    let before = world.balance(BEN);
    let [payment, ..] = named(5 * GIRRO);
    let deploy = world.deploy(ANA, payment, module(guest::reverts(), RuntimeArgs::new()));
    let result = world.one(deploy);
    assert_eq!(seen(&result), (PENALTY, Some("User error: 7"), 0));
    assert_eq!(world.balance(ANA), 1_000 * GIRRO - PENALTY);
    assert_eq!(world.balance(BEN), before);
}
