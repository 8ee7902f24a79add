//! How the cost of a deploy came about, and what people are told to do about its failure.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/world.rs"]
mod world;

use casper_types::{BlockHash, Deploy, Digest, RuntimeArgs, Timestamp, U512, bytesrepr::ToBytes};
use girrona_exec::{BlockContext, Explained, Signed, Uncached, explain};
use girrona_types::{Height, chainspec::FailureCharge};
use guest::Paper;
use world::*;

fn none() -> RuntimeArgs {
    RuntimeArgs::new()
}

fn explained(world: &World, deploys: &[Deploy]) -> Explained {
    let proposer = public(PROPOSER);
    let context = BlockContext {
        law: &world.law,
        height: Height(1),
        time: Timestamp::from(1_001_000),
        parent: BlockHash::default(),
        state_root: Digest::default(),
        proposer: &proposer,
        era_end: None,
    };
    let signed = deploys.iter().map(Signed::from);
    explain(&context, signed, &world.state, &mut Uncached).unwrap().unwrap()
}

fn world() -> World {
    World::new(law(FailureCharge::MinimumPenalty))
}

/// Writes a value of a thousand bytes.
fn stores() -> Vec<u8> {
    let mut paper = Paper::default();
    let value = casper_types::CLValue::from_t("x".repeat(1_000)).unwrap();
    let value = paper.put(&value.to_bytes().unwrap());
    let at = paper.room(33);
    paper.guest(&format!("(call $new_uref (i32.const {at}) {value})"))
}

#[test]
fn the_bill_adds_up_and_is_what_the_block_did() {
    let paid = 5 * GIRRO;
    for charge in [FailureCharge::MinimumPenalty, FailureCharge::Casper15] {
        for wasm in [stores(), guest::idles(), guest::reverts(), guest::traps(), guest::spins()] {
            let mut world = World::new(law(charge));
            let deploy = world.session(ANA, paid, wasm, none());
            let Explained { result, bill, .. } = explained(&world, std::slice::from_ref(&deploy));
            let before = world.balance(ANA);
            assert_eq!(world.one(deploy), result);
            assert_eq!(bill.fee, U512::from(before - world.balance(ANA)), "{bill:?}");
            assert_eq!(bill.offered, U512::from(paid));
            assert_eq!(bill.fee + bill.refund, bill.offered);
            assert_eq!(bill.used() + bill.penalty, bill.fee);
            let session = bill.session;
            assert_eq!(session.instructions() + session.host + session.storage, session.total);
            assert_eq!(bill.session_limit, bill.offered);
        }
    }
}

#[test]
fn gas_is_told_by_what_it_was_used_for() {
    let world = world();
    let bill = explained(&world, &[world.session(ANA, 5 * GIRRO, stores(), none())]).bill;
    // The value with its length, its type and the tag of a stored value.
    let written = 4 + 1_000 + 4 + 1 + 1;
    assert_eq!(bill.session.storage, U512::from(written * 1_117_587_u64));
    // The fixed price of a new URef and that of its argument's bytes.
    assert_eq!(bill.session.host, U512::from(17_000 + (written - 1) * 590));
    assert!(bill.session.instructions() > U512::zero());
}

#[test]
fn who_ran_out_of_gas_is_told_how_much_would_have_been_enough() {
    let mut world = world();
    let little = world.session(ANA, GIRRO, stores(), none());
    let told = explained(&world, &[little]);
    let needed = told.bill.needed.unwrap().as_u64();
    assert!(needed > GIRRO);
    let advice = told.advice.unwrap();
    assert!(
        advice.contains(&needed.to_string()) && advice.contains("--payment-amount"),
        "{advice}"
    );
    assert_eq!(
        seen(&world.one(world.session(ANA, needed - 1, stores(), none()))).1.unwrap(),
        "Out of gas error"
    );
    assert_eq!(seen(&world.one(world.session(ANA, needed, stores(), none()))).1, None);

    let endless = explained(&world, &[world.session(ANA, GIRRO, guest::spins(), none())]);
    assert_eq!(endless.bill.needed, None);
    assert!(endless.advice.unwrap().contains("does not end"));
}

#[test]
fn deploys_before_it_in_the_block_count() {
    let world = World::with_poor(law(FailureCharge::MinimumPenalty), 3 * GIRRO);
    let first = world.session(POOR, 3 * GIRRO, guest::spins(), none());
    let second = world.session(POOR, GIRRO, guest::idles(), none());
    let alone = explained(&world, std::slice::from_ref(&second));
    assert_eq!((alone.advice, alone.bill.offered), (None, U512::from(GIRRO)));
    let told = explained(&world, &[first, second]);
    assert_eq!(told.bill.offered, U512::zero());
    assert!(told.advice.unwrap().contains("main purse"));
}

#[test]
fn payment_code_and_transfers_have_bills_too() {
    let world = world();
    let mut args = RuntimeArgs::new();
    args.insert("amount", U512::from(5 * GIRRO)).unwrap();
    let pays = world.deploy(ANA, module(guest::reverts(), args), module(guest::idles(), none()));
    let Explained { bill, advice, .. } = explained(&world, &[pays]);
    assert_eq!((bill.fee, bill.refund), (U512::from(PENALTY), U512::zero()));
    assert_eq!(bill.payment_limit, U512::from(PENALTY));
    assert_eq!(bill.payment.total + bill.penalty, U512::from(PENALTY));
    assert!(advice.unwrap().contains("own code 7"));

    let Explained { bill, advice, .. } = explained(&world, &[world.send(ANA, BEN, 3 * GIRRO)]);
    assert_eq!((bill.fee, bill.penalty, advice), (U512::from(TRANSFER_COST), U512::zero(), None));
}
