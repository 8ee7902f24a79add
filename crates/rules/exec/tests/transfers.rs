//! Native transfers: every kind of target, every wrong argument, refunds and effects.

#[path = "support/world.rs"]
mod world;

use casper_types::{
    AccessRights, Key, RuntimeArgs, StoredValue, U512, URef, execution::ExecutionResultV1,
};
use girrona_types::chainspec::FailureCharge;
use world::*;

const NEW: u8 = 99;

fn world() -> World {
    World::new(law(FailureCharge::MinimumPenalty))
}

#[test]
fn a_transfer_to_an_account_costs_its_fixed_price_and_pays_the_proposer() {
    let mut world = world();
    let result = world.one(world.send(ANA, BEN, 3 * GIRRO));
    assert_eq!(seen(&result), (TRANSFER_COST, None, 1));
    assert_eq!(world.balance(ANA), 1_000 * GIRRO - 3 * GIRRO - TRANSFER_COST);
    assert_eq!(world.balance(BEN), 1_003 * GIRRO);
    assert_eq!(world.balance(PROPOSER), 10 * GIRRO + TRANSFER_COST);
}

#[test]
fn the_effects_of_a_transfer_are_those_of_casper() {
    let mut world = world();
    let deploy = world.send(ANA, BEN, 3 * GIRRO);
    let deploy_hash = *deploy.hash();
    let result = world.one(deploy);
    let balance = |who| format!("balance-{}", hex::encode(world.account(who).main_purse().addr()));
    let ExecutionResultV1::Success { transfers, .. } = &result else { panic!("{result:?}") };
    let payment = format!("balance-{}", hex::encode(girrona_exec::system::SYSTEM.payment_purse));
    let expected = [
        (hash(ANA).to_formatted_string(), "Identity"),
        (balance(ANA), "Identity"),
        (hash(BEN).to_formatted_string(), "Identity"),
        (balance(ANA), "WriteCLValue"),
        (payment.clone(), "AddUInt512"),
        (balance(ANA), "WriteCLValue"),
        (balance(BEN), "AddUInt512"),
        (Key::Transfer(transfers[0]).to_formatted_string(), "WriteTransfer"),
        (payment, "WriteCLValue"),
        (balance(PROPOSER), "AddUInt512"),
        (Key::DeployInfo(deploy_hash).to_formatted_string(), "WriteDeployInfo"),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(k, t)| (k, t.to_owned())).collect();
    assert_eq!(effects(&result), expected);

    let outcome = world.last.as_ref().unwrap();
    let changed: Vec<_> = outcome.changes.keys().collect();
    assert_eq!(changed.len(), 3, "two balances and the proposer's, no payment purse: {changed:?}");
    let Some(StoredValue::Transfer(transfer)) = outcome.records.get(&Key::Transfer(transfers[0]))
    else {
        panic!("no transfer record");
    };
    assert_eq!((transfer.from, transfer.to), (hash(ANA), Some(hash(BEN))));
    assert_eq!((transfer.amount, transfer.id), (U512::from(3 * GIRRO), Some(7)));
    assert_eq!(transfer.source, world.account(ANA).main_purse());
    assert_eq!(transfer.target, world.account(BEN).main_purse_add_only());
    let Some(StoredValue::DeployInfo(info)) = outcome.records.get(&Key::DeployInfo(deploy_hash))
    else {
        panic!("no deploy info");
    };
    assert_eq!((&info.transfers, info.gas), (transfers, U512::from(TRANSFER_COST)));
}

#[test]
fn every_kind_of_target_is_understood() {
    let mut world = world();
    let purse = world.account(BEN).main_purse();
    let deploys = [
        world.transfer(ANA, transfer_args(3 * GIRRO, hash(BEN))),
        world.transfer(ANA, transfer_args(3 * GIRRO, public(BEN))),
        world.transfer(ANA, transfer_args(3 * GIRRO, Key::Account(hash(BEN)))),
        world.transfer(ANA, transfer_args(3 * GIRRO, purse.with_access_rights(AccessRights::ADD))),
    ];
    for result in world.block(&deploys) {
        assert_eq!(seen(&result), (TRANSFER_COST, None, 1));
    }
    assert_eq!(world.balance(BEN), 1_012 * GIRRO);
}

#[test]
fn a_transfer_to_nobody_makes_an_account_that_its_owner_can_use() {
    let mut world = world();
    let result = world.one(world.send(ANA, NEW, 5 * GIRRO));
    assert_eq!(seen(&result), (TRANSFER_COST, None, 1));
    let account = world.account(NEW);
    assert_eq!(account.associated_keys().get(&hash(NEW)).unwrap().value(), 1);
    assert_eq!(account.main_purse().access_rights(), AccessRights::READ_ADD_WRITE);
    assert_eq!(world.balance(NEW), 5 * GIRRO);

    let result = world.one(world.send(NEW, ANA, 3 * GIRRO));
    assert_eq!(seen(&result), (TRANSFER_COST, None, 1));
    assert_eq!(world.balance(NEW), 2 * GIRRO - TRANSFER_COST);
}

#[test]
fn two_transfers_of_a_block_that_make_the_same_account_make_one() {
    let mut world = world();
    let results = world.block(&[world.send(ANA, NEW, 3 * GIRRO), world.send(BEN, NEW, 4 * GIRRO)]);
    assert!(results.iter().all(|result| seen(result).1.is_none()));
    assert_eq!(world.balance(NEW), 7 * GIRRO);
}

#[test]
fn wrong_arguments_are_named_and_cost_the_penalty() {
    let with = |name: &str, value: casper_types::CLValue| {
        let mut args = RuntimeArgs::new();
        for arg in transfer_args(3 * GIRRO, hash(BEN)).named_args() {
            if arg.name() != name {
                args.insert_cl_value(arg.name(), arg.cl_value().clone());
            }
        }
        args.insert_cl_value(name, value);
        args
    };
    let without = |name: &str| {
        let mut args = RuntimeArgs::new();
        for arg in transfer_args(3 * GIRRO, hash(BEN)).named_args() {
            if arg.name() != name {
                args.insert_cl_value(arg.name(), arg.cl_value().clone());
            }
        }
        args
    };
    let value = |text: &str| casper_types::CLValue::from_t(text.to_owned()).unwrap();
    let uref = |uref: URef| casper_types::CLValue::from_t(uref).unwrap();
    let ana_purse = world().account(ANA).main_purse();
    let ben_purse = world().account(BEN).main_purse();
    let unknown = full([9; 32]);
    let cases = [
        (without("target"), "ApiError::MissingArgument [2]".to_owned()),
        (without("amount"), "ApiError::MissingArgument [2]".to_owned()),
        (without("id"), "ApiError::MissingArgument [2]".to_owned()),
        (with("target", value("ben")), "ApiError::InvalidArgument [3]".to_owned()),
        (with("amount", value("much")), "ApiError::InvalidArgument [3]".to_owned()),
        (with("id", value("x")), "ApiError::CLTypeMismatch [16]".to_owned()),
        (with("source", value("mine")), "ApiError::InvalidArgument [3]".to_owned()),
        (
            with("target", casper_types::CLValue::from_t(Key::Hash([1; 32])).unwrap()),
            "ApiError::Transfer [14]".to_owned(),
        ),
        (
            with("amount", casper_types::CLValue::from_t(U512::zero()).unwrap()),
            "ApiError::Transfer [14]".to_owned(),
        ),
        (with("target", uref(unknown)), "ApiError::InvalidPurse [12]".to_owned()),
        (with("target", uref(ana_purse)), "ApiError::InvalidPurse [12]".to_owned()),
        (
            with("target", uref(ben_purse.with_access_rights(AccessRights::READ))),
            "Mint error: 4".to_owned(),
        ),
        (
            with("source", uref(ana_purse.with_access_rights(AccessRights::READ))),
            "Mint error: 4".to_owned(),
        ),
        (with("source", uref(ben_purse)), format!("Forged reference: {ben_purse}")),
        (
            with("amount", casper_types::CLValue::from_t(U512::from(5_000 * GIRRO)).unwrap()),
            "Insufficient payment".to_owned(),
        ),
        (
            with("amount", casper_types::CLValue::from_t(U512::MAX).unwrap()),
            "Insufficient payment".to_owned(),
        ),
    ];
    for (args, text) in cases {
        for (charge, cost) in
            [(FailureCharge::MinimumPenalty, PENALTY), (FailureCharge::Casper15, TRANSFER_COST)]
        {
            let mut world = World::new(law(charge));
            let result = world.one(world.transfer(ANA, args.clone()));
            assert_eq!(seen(&result), (cost, Some(text.as_str()), 0), "{args:?}");
            assert_eq!(world.balance(ANA), 1_000 * GIRRO - cost, "{text}");
            assert_eq!(world.balance(BEN), 1_000 * GIRRO, "{text}");
            assert_eq!(world.balance(PROPOSER), 10 * GIRRO + cost, "{text}");
            let names: Vec<_> = effects(&result).into_iter().map(|(_, name)| name).collect();
            assert_eq!(names, ["WriteCLValue", "AddUInt512"], "{text}");
        }
    }
}

#[test]
fn an_amount_of_64_bits_is_fine() {
    let mut world = world();
    let mut args = RuntimeArgs::new();
    args.insert("amount", 3 * GIRRO).unwrap();
    args.insert("target", hash(BEN)).unwrap();
    args.insert("id", Option::<u64>::None).unwrap();
    assert_eq!(seen(&world.one(world.transfer(ANA, args))), (TRANSFER_COST, None, 1));
}

#[test]
fn the_whole_balance_can_be_sent_and_not_a_mote_more() {
    let mut world = world();
    let all = 1_000 * GIRRO - TRANSFER_COST;
    let result = world.one(world.send(ANA, BEN, all + 1));
    assert_eq!(seen(&result), (PENALTY, Some("Insufficient payment"), 0));
    let all = all - PENALTY;
    let result = world.one(world.send(ANA, BEN, all));
    assert_eq!(seen(&result), (TRANSFER_COST, None, 1));
    assert_eq!(world.balance(ANA), 0);
}

#[test]
fn motes_sent_to_the_payment_purse_come_back_as_a_refund() {
    let mut world = world();
    let purse = girrona_exec::system::SYSTEM.payment_purse_for_guests();
    let result = world.one(world.transfer(ANA, transfer_args(50 * GIRRO, purse)));
    assert_eq!(seen(&result), (TRANSFER_COST, None, 1));
    assert_eq!(world.balance(ANA), 1_000 * GIRRO - TRANSFER_COST);
    assert_eq!(world.purse_balance(purse), 0);
}

#[test]
fn a_proposer_who_sends_keeps_the_fee_and_can_spend_it_in_the_same_block() {
    let mut world = world();
    // The proposer owns 10 GIRRO. It can only send 10.1 because Ana's fee came first.
    let amount = 10 * GIRRO;
    let results =
        world.block(&[world.send(ANA, BEN, 3 * GIRRO), world.send(PROPOSER, BEN, amount)]);
    assert_eq!(seen(&results[0]), (TRANSFER_COST, None, 1));
    assert_eq!(seen(&results[1]), (TRANSFER_COST, None, 1));
    assert_eq!(world.balance(PROPOSER), TRANSFER_COST);

    let mut world = World::new(law(FailureCharge::MinimumPenalty));
    let result = world.one(world.send(PROPOSER, BEN, amount));
    assert_eq!(seen(&result).1, Some("Insufficient payment"));
    assert_eq!(world.balance(PROPOSER), 10 * GIRRO, "the penalty is its own fee");
}

#[test]
fn of_two_transfers_that_want_the_same_motes_the_first_gets_them() {
    let mut world = world();
    let most = 990 * GIRRO;
    let results = world.block(&[world.send(ANA, BEN, most), world.send(ANA, PROPOSER, most)]);
    assert_eq!(seen(&results[0]), (TRANSFER_COST, None, 1));
    assert_eq!(seen(&results[1]), (PENALTY, Some("Insufficient payment"), 0));
    assert_eq!(world.balance(ANA), 10 * GIRRO - TRANSFER_COST - PENALTY);
}

#[test]
fn credits_of_one_block_are_summed_without_being_read() {
    let mut world = world();
    let outcome = {
        let proposer = public(PROPOSER);
        let context = girrona_exec::BlockContext {
            law: &world.law,
            height: girrona_types::Height(1),
            time: casper_types::Timestamp::from(5),
            parent: Default::default(),
            state_root: Default::default(),
            proposer: &proposer,
            era_end: None,
        };
        let deploy = world.send(ANA, BEN, 3 * GIRRO);
        let signed = girrona_exec::Signed::from(&deploy);
        girrona_exec::execute_deploy(&context, &signed, &world.state, &mut girrona_exec::Uncached)
            .unwrap()
    };
    let ben = Key::Balance(world.account(BEN).main_purse().addr());
    let proposer = Key::Balance(world.account(PROPOSER).main_purse().addr());
    assert!(outcome.changes.deltas.contains_key(&ben));
    assert!(outcome.changes.deltas.contains_key(&proposer));
    assert!(!outcome.changes.reads.contains(&ben));
    assert!(!outcome.changes.reads.contains(&proposer));
    let payment = girrona_exec::system::SYSTEM.payment_balance();
    assert!(!outcome.changes.reads.contains(&payment));
    assert!(!outcome.changes.writes.contains_key(&payment));

    let results = world.block(&[
        world.send(ANA, BEN, 3 * GIRRO),
        world.send(BEN, ANA, 4 * GIRRO),
        world.send(ANA, BEN, 5 * GIRRO),
    ]);
    assert!(results.iter().all(|result| seen(result).1.is_none()));
    assert_eq!(world.balance(BEN), 1_000 * GIRRO + 8 * GIRRO - 4 * GIRRO - TRANSFER_COST);
    assert_eq!(world.balance(PROPOSER), 10 * GIRRO + 3 * TRANSFER_COST);
}

#[test]
fn a_deploy_that_is_tried_out_pays_the_system_and_changes_nothing() {
    let world = world();
    let context = girrona_exec::BlockContext {
        law: &world.law,
        height: girrona_types::Height(1),
        time: casper_types::Timestamp::from(5),
        parent: Default::default(),
        state_root: Default::default(),
        proposer: &casper_types::PublicKey::System,
        era_end: None,
    };
    let deploy = world.send(ANA, BEN, 3 * GIRRO);
    let signed = girrona_exec::Signed::from(&deploy);
    let mut code = girrona_exec::Uncached;
    let outcome = girrona_exec::execute_deploy(&context, &signed, &world.state, &mut code).unwrap();
    assert_eq!(seen(&outcome.result), (TRANSFER_COST, None, 1));
    assert_eq!(world.balance(ANA), 1_000 * GIRRO);
}
