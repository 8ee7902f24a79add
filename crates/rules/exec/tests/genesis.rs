//! The first state of a network.

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeMap;

use casper_types::{AccessRights, CLValue, Key, PublicKey, StoredValue, U512};
use girrona_exec::{genesis, system::SYSTEM};
use girrona_types::chainspec::FailureCharge;
use world::*;

#[test]
fn balances_and_stakes_are_the_whole_supply() {
    let world = World::new(law(FailureCharge::MinimumPenalty));
    world.check_supply();
    let genesis = genesis(&world.law).unwrap();
    let expected = (10 + 1_000 + 1_000 + 500) * GIRRO + PENALTY;
    assert_eq!(genesis.total_supply, U512::from(expected));
    assert_eq!(world.balance(PROPOSER), 10 * GIRRO);
    let StoredValue::Bid(bid) = world.value(Key::Bid(hash(PROPOSER))) else { panic!("no bid") };
    assert_eq!(bid.validator_public_key(), &public(PROPOSER));
    assert_eq!(*bid.staked_amount(), U512::from(500 * GIRRO));
    assert_eq!(world.purse_balance(*bid.bonding_purse()), 500 * GIRRO);
}

#[test]
fn the_same_law_gives_the_same_state_and_no_key_is_normalised_twice() {
    let world = World::new(law(FailureCharge::MinimumPenalty));
    let a = genesis(&world.law).unwrap();
    let b = genesis(&world.law).unwrap();
    assert_eq!(a.changes, b.changes);
    assert!(a.changes.values().all(Option::is_some));
    for key in a.changes.keys() {
        assert_eq!(*key, girrona_types::keys::normalised(key));
    }
}

#[test]
fn the_system_has_an_account_contracts_packages_and_a_registry() {
    let world = World::new(law(FailureCharge::MinimumPenalty));
    let account = world.value(Key::Account(PublicKey::System.to_account_hash()));
    assert_eq!(world.purse_balance(account.as_account().unwrap().main_purse()), 0);
    let registry: BTreeMap<String, [u8; 32]> =
        world.value(Key::SystemEntityRegistry).into_cl_value().unwrap().into_t().unwrap();
    let names: Vec<_> = registry.keys().map(String::as_str).collect();
    assert_eq!(names, ["auction", "handle payment", "mint", "standard payment"]);
    for contract in SYSTEM.contracts() {
        assert_eq!(registry.get(contract.name), Some(&contract.contract));
        let StoredValue::Contract(record) = world.value(Key::Hash(contract.contract)) else {
            panic!("no contract");
        };
        assert_eq!(record.contract_package_hash().value(), contract.package);
        let StoredValue::ContractPackage(package) = world.value(Key::Hash(contract.package)) else {
            panic!("no package");
        };
        assert_eq!(package.current_contract_hash().unwrap().value(), contract.contract);
    }
    let StoredValue::Contract(mint) = world.value(Key::Hash(SYSTEM.mint.contract)) else {
        panic!("no mint");
    };
    let supply = *mint.named_keys().get("total_supply").unwrap();
    let supply: U512 = world.value(supply).into_cl_value().unwrap().into_t().unwrap();
    assert_eq!(supply, genesis(&world.law).unwrap().total_supply);
    assert!(mint.named_keys().contains("round_seigniorage_rate"));
    let StoredValue::Contract(payment) = world.value(Key::Hash(SYSTEM.handle_payment.contract))
    else {
        panic!("no handle payment");
    };
    let Some(Key::URef(purse)) = payment.named_keys().get("payment_purse") else {
        panic!("no payment purse");
    };
    assert_eq!(purse.access_rights(), AccessRights::READ_ADD_WRITE);
    assert_eq!(world.value(Key::URef(*purse)), StoredValue::CLValue(CLValue::unit()));
    assert!(world.value(Key::ChainspecRegistry).as_cl_value().is_some());
}

#[test]
fn more_motes_than_fit_into_a_number_are_refused() {
    let mut law = law(FailureCharge::MinimumPenalty);
    for who in [1, 2] {
        law.accounts.push(girrona_types::chainspec::GenesisAccount {
            public_key: public(who),
            balance: U512::MAX,
            validator: None,
        });
    }
    assert!(genesis(&law).is_err());
}
