//! Who may send a deploy, and what it may name.

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeMap;

use casper_types::{
    BlockHash, Digest, ExecutableDeployItem, Key, RuntimeArgs, StoredValue, U512,
    contracts::{ContractHash, ContractPackageHash},
};
use girrona_exec::{
    Signed, Uncached,
    admission::{AdmissionError, check_account, check_code, check_modules},
    system::SYSTEM,
};
use girrona_types::{Height, chainspec::FailureCharge};
use world::*;

fn world() -> World {
    World::new(law(FailureCharge::MinimumPenalty))
}

fn refusal(world: &World, deploy: &casper_types::Deploy) -> String {
    let signed = Signed::from(deploy);
    let refusal = match check_account(&signed, &world.state, &world.law).unwrap() {
        Err(refusal) => refusal,
        Ok(_) => match check_code(&signed, &world.state, &world.law).unwrap() {
            Err(refusal) => refusal,
            Ok(()) => check_modules(&signed, &world.law, &mut Uncached).unwrap_err(),
        },
    };
    refusal.to_string()
}

#[test]
fn balance_exactly_max_payment_cost_executes_and_one_mote_less_is_refused() {
    let world = World::with_poor(law(FailureCharge::MinimumPenalty), PENALTY);
    let deploy = world.session(POOR, PENALTY, vec![0], RuntimeArgs::new());
    let view = check_account(&Signed::from(&deploy), &world.state, &world.law).unwrap().unwrap();
    assert_eq!(view.balance, U512::from(PENALTY));
    assert_eq!(view.account, hash(POOR));

    let world = World::with_poor(law(FailureCharge::MinimumPenalty), PENALTY - 1);
    let deploy = world.send(POOR, BEN, GIRRO);
    let expected = format!("insufficient balance in account with hash {}", hash(POOR));
    assert_eq!(refusal(&world, &deploy), expected);
}

#[test]
fn a_refusal_names_the_state_it_was_made_in() {
    let error = AdmissionError::Unauthorized;
    let text =
        error.message(&Digest::from([1; 32]), &BlockHash::new(Digest::from([2; 32])), Height(7));
    assert_eq!(
        text,
        format!(
            "account authorization invalid at state root hash {} of block {} at height 7",
            "01".repeat(32),
            "02".repeat(32)
        )
    );
}

#[test]
fn who_may_not_send_is_told_why() {
    let mut world = world();
    let unknown = world.send(77, BEN, 3 * GIRRO);
    let expected = format!("account with hash {} does not exist", hash(77));
    assert_eq!(refusal(&world, &unknown), expected);

    // Signed by somebody else too.
    let mut deploy = world.send(ANA, BEN, 3 * GIRRO);
    deploy.sign(&key(BEN));
    assert_eq!(refusal(&world, &deploy), "account authorization invalid");
    let nobody = Signed::new(&deploy, []);
    let refused = check_account(&nobody, &world.state, &world.law).unwrap();
    assert_eq!(refused, Err(AdmissionError::Unauthorized));

    // A threshold that one key does not reach.
    let mut account = world.account(ANA);
    account.add_associated_key(hash(BEN), casper_types::account::Weight::new(1)).unwrap();
    for action in [
        casper_types::account::ActionType::KeyManagement,
        casper_types::account::ActionType::Deployment,
    ] {
        account.set_action_threshold(action, casper_types::account::Weight::new(2)).unwrap();
    }
    let changes = BTreeMap::from([(Key::Account(hash(ANA)), Some(StoredValue::Account(account)))]);
    world.state.apply(&changes).unwrap();
    let mut deploy = world.send(ANA, BEN, 3 * GIRRO);
    assert_eq!(refusal(&world, &deploy), "insufficient deploy signature weight");
    deploy.sign(&key(BEN));
    assert!(check_account(&Signed::from(&deploy), &world.state, &world.law).unwrap().is_ok());

    // An administrator needs no key of the account.
    world.law.core.administrators = vec![public(PROPOSER)];
    let mut deploy = world.send(ANA, BEN, 3 * GIRRO);
    deploy.sign(&key(PROPOSER));
    assert!(check_account(&Signed::from(&deploy), &world.state, &world.law).unwrap().is_ok());
}

#[test]
fn an_account_without_a_purse_has_no_balance() {
    let mut world = world();
    let purse = world.account(ANA).main_purse().addr();
    world.state.apply(&BTreeMap::from([(Key::Balance(purse), None)])).unwrap();
    let expected = format!("unable to determine balance for account with hash {}", hash(ANA));
    assert_eq!(refusal(&world, &world.send(ANA, BEN, 3 * GIRRO)), expected);
}

#[test]
fn what_a_deploy_names_has_to_exist() {
    let mut world = world();
    let mut account = world.account(ANA);
    account.named_keys_mut().insert("purse".to_owned(), Key::URef(full([1; 32])));
    account.named_keys_mut().insert("mint".to_owned(), Key::Hash(SYSTEM.mint.contract));
    let changes = BTreeMap::from([(Key::Account(hash(ANA)), Some(StoredValue::Account(account)))]);
    world.state.apply(&changes).unwrap();
    let args = RuntimeArgs::new;
    let call = || "call".to_owned();
    let by_hash = |hash: [u8; 32]| {
        ExecutableDeployItem::new_stored_contract_by_hash(ContractHash::new(hash), call(), args())
    };
    let by_package =
        |hash: [u8; 32], version| ExecutableDeployItem::StoredVersionedContractByHash {
            hash: ContractPackageHash::new(hash),
            version,
            entry_point: call(),
            args: args(),
        };
    let by_name = |name: &str| {
        ExecutableDeployItem::new_stored_contract_by_name(name.to_owned(), call(), args())
    };
    let nowhere = "07".repeat(32);
    let cases = [
        (by_hash([7; 32]), format!("contract at {nowhere} does not exist")),
        (by_hash(SYSTEM.mint.contract), "contract does not have call".to_owned()),
        (by_hash(SYSTEM.mint.package), {
            format!("contract at {} does not exist", hex::encode(SYSTEM.mint.package))
        }),
        (by_package([7; 32], None), format!("contract package at {nowhere} does not exist")),
        (by_package(SYSTEM.mint.package, Some(2)), "invalid contract at version: 2".to_owned()),
        (by_package(SYSTEM.mint.package, None), "contract does not have call".to_owned()),
        (by_name("gone"), "account has no named key 'gone'".to_owned()),
        (by_name("purse"), "named key 'purse' is not a contract".to_owned()),
        (by_name("mint"), "contract does not have call".to_owned()),
    ];
    for (item, expected) in cases {
        let as_session = world.deploy(ANA, pay(PENALTY), item.clone());
        assert_eq!(refusal(&world, &as_session), expected);
        let as_payment = world.deploy(ANA, item, module(vec![0], RuntimeArgs::new()));
        assert_eq!(refusal(&world, &as_payment), expected);
    }
    let paying_by_transfer = world.deploy(
        ANA,
        ExecutableDeployItem::Transfer { args: args() },
        module(vec![0], RuntimeArgs::new()),
    );
    let expected = "transfer is not valid for payment code";
    assert_eq!(refusal(&world, &paying_by_transfer), expected);
}

#[test]
fn a_transfer_names_nothing_and_its_payment_is_not_looked_at() {
    let world = world();
    let deploy = world.send(ANA, BEN, 3 * GIRRO);
    let signed = Signed::from(&deploy);
    assert!(check_code(&signed, &world.state, &world.law).unwrap().is_ok());
    assert!(check_modules(&signed, &world.law, &mut Uncached).is_ok());
}

#[test]
fn a_broken_module_is_refused_before_it_costs_anything() {
    let world = world();
    let deploy = world.session(ANA, PENALTY, vec![1, 2, 3], RuntimeArgs::new());
    let text = refusal(&world, &deploy);
    assert!(text.starts_with("Wasm preprocessing error: "), "{text}");
    let payment = module(vec![1, 2, 3], RuntimeArgs::new());
    let deploy = world.deploy(ANA, payment, pay(1));
    let text = refusal(&world, &deploy);
    assert!(text.starts_with("Wasm preprocessing error: "), "{text}");
}
