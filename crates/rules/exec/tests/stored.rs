//! Stored contracts: installed, called in every way, upgraded, kept from strangers; payment code and
//! session code chosen independently of each other.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/world.rs"]
mod world;

use casper_types::{
    Deploy, ExecutableDeployItem, Key, RuntimeArgs, StoredValue, U256, U512,
    contracts::{Contract, ContractHash, ContractPackage, ContractPackageHash},
    execution::ExecutionResultV1,
    runtime_args,
};
use girrona_types::chainspec::FailureCharge;
use world::*;

const PAID: u64 = 300 * GIRRO;

fn wasm(name: &str) -> Vec<u8> {
    let path = format!("{}/../../../contracts/wasm/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

fn ok(result: &ExecutionResultV1) -> u64 {
    let (cost, error, _) = seen(result);
    assert_eq!(error, None, "{result:?}");
    cost
}

fn fails(result: &ExecutionResultV1, text: &str) {
    assert_eq!(seen(result).1, Some(text));
}

fn hash_of(key: Option<Key>) -> [u8; 32] {
    match key {
        Some(Key::Hash(hash)) => hash,
        other => panic!("{other:?} is no contract"),
    }
}

/// A network on which Ana has made the token, a vault of hers and Ben's, and stored payment code.
struct Town {
    world: World,
    token: ContractHash,
    token_package: ContractPackageHash,
}

fn town(charge: FailureCharge) -> Town {
    let mut world = World::new(law(charge));
    let token = runtime_args! {
        "name" => "Town", "symbol" => "TWN", "decimals" => 2_u8, "supply" => U256::from(1_000),
    };
    ok(&world.one(world.session(ANA, PAID, wasm("token"), token)));
    let vault = runtime_args! { "owners" => vec![hash(ANA), hash(BEN)], "quorum" => 2_u32 };
    ok(&world.one(world.session(ANA, PAID, wasm("vault"), vault)));
    ok(&world.one(world.session(ANA, PAID, wasm("payment"), runtime_args! {})));
    let token = ContractHash::new(hash_of(world.named(ANA, "token")));
    let token_package = ContractPackageHash::new(hash_of(world.named(ANA, "token_package")));
    Town { world, token, token_package }
}

impl Town {
    fn call(&mut self, who: u8, entry_point: &str, args: RuntimeArgs) -> ExecutionResultV1 {
        let session = by_hash(self.token, entry_point, args);
        self.world.one(self.world.deploy(who, pay(20 * GIRRO), session))
    }

    /// The balance that the token's own dictionary holds.
    fn tokens(&self, who: u8) -> U256 {
        let StoredValue::Contract(token) = self.world.value(Key::Hash(self.token.value())) else {
            panic!("no contract")
        };
        let Some(Key::URef(seed)) = token.named_keys().get("balances") else { panic!("no name") };
        use casper_types::bytesrepr::ToBytes;
        let holder = Key::Account(hash(who)).to_bytes().unwrap();
        let item = hex::encode(casper_types::Digest::hash(holder).value());
        let key = Key::dictionary(*seed, item.as_bytes());
        let Some(stored) = girrona_state::Reader::read(&self.world.state, &key).unwrap() else {
            return U256::zero();
        };
        let value = (*stored).clone();
        let value = casper_types::handle_stored_dictionary_value(key, value).unwrap();
        value.into_cl_value().unwrap().into_t().unwrap()
    }

    fn vault(&self) -> ContractHash {
        ContractHash::new(hash_of(self.world.named(ANA, "vault")))
    }
}

fn by_hash(contract: ContractHash, entry_point: &str, args: RuntimeArgs) -> ExecutableDeployItem {
    ExecutableDeployItem::new_stored_contract_by_hash(contract, entry_point.to_owned(), args)
}

fn give(to: u8, amount: u64) -> RuntimeArgs {
    runtime_args! { "recipient" => Key::Account(hash(to)), "amount" => U256::from(amount) }
}

#[test]
fn a_token_is_moved_allowed_and_minted_by_those_who_may() {
    let mut town = town(FailureCharge::MinimumPenalty);
    assert_eq!(town.tokens(ANA), U256::from(1_000));
    ok(&town.call(ANA, "transfer", give(BEN, 300)));
    assert_eq!((town.tokens(ANA), town.tokens(BEN)), (U256::from(700), U256::from(300)));
    fails(&town.call(BEN, "transfer", give(ANA, 301)), "User error: 1");

    let spend = runtime_args! {
        "spender" => Key::Account(hash(ANA)), "amount" => U256::from(50),
    };
    ok(&town.call(BEN, "approve", spend));
    let take = |amount: u64| {
        let mut args = give(ANA, amount);
        args.insert("owner", Key::Account(hash(BEN))).unwrap();
        args
    };
    fails(&town.call(ANA, "transfer_from", take(51)), "User error: 2");
    ok(&town.call(ANA, "transfer_from", take(50)));
    assert_eq!(town.tokens(BEN), U256::from(250));

    // Ana holds the group's URef, Ben does not.
    fails(&town.call(BEN, "mint", give(BEN, 9)), "Invalid context");
    ok(&town.call(ANA, "mint", give(BEN, 9)));
    assert_eq!(town.tokens(BEN), U256::from(259));
}

#[test]
fn a_contract_is_called_by_hash_by_name_and_by_version() {
    let mut town = town(FailureCharge::MinimumPenalty);
    let (token, package) = (town.token, town.token_package);
    let entry_point = || "transfer".to_owned();
    let sessions = [
        by_hash(token, "transfer", give(BEN, 1)),
        ExecutableDeployItem::new_stored_contract_by_name(
            "token".to_owned(),
            entry_point(),
            give(BEN, 1),
        ),
        ExecutableDeployItem::new_stored_versioned_contract_by_hash(
            package,
            Some(1),
            entry_point(),
            give(BEN, 1),
        ),
        ExecutableDeployItem::new_stored_versioned_contract_by_hash(
            package,
            None,
            entry_point(),
            give(BEN, 1),
        ),
        ExecutableDeployItem::new_stored_versioned_contract_by_name(
            "token_package".to_owned(),
            None,
            entry_point(),
            give(BEN, 1),
        ),
    ];
    let mut costs = Vec::new();
    for session in sessions {
        costs.push(ok(&town.world.one(town.world.deploy(ANA, pay(20 * GIRRO), session))));
    }
    assert_eq!(town.tokens(BEN), U256::from(5));
    // How it is found costs nothing; the first call also makes Ben's entry.
    assert!(costs[1..].windows(2).all(|pair| pair[0] == pair[1]), "{costs:?}");
    fails(&town.call(ANA, "burn", give(BEN, 1)), "No such method: burn");
    let gone = by_hash(ContractHash::new([7; 32]), "transfer", give(BEN, 1));
    let result = town.world.one(town.world.deploy(ANA, pay(20 * GIRRO), gone));
    assert!(seen(&result).1.unwrap().ends_with("not found"), "{result:?}");
}

/// Payment in every way and session in every way, independently.
#[test]
fn payment_and_session_are_chosen_independently() {
    let mut town = town(FailureCharge::MinimumPenalty);
    let payment = ContractHash::new(hash_of(town.world.named(ANA, "payment")));
    let package = ContractPackageHash::new(hash_of(town.world.named(ANA, "payment_package")));
    let motes = || runtime_args! { "amount" => U512::from(20 * GIRRO) };
    let pay_by = |name: &str| -> ExecutableDeployItem {
        let entry_point = "pay".to_owned();
        match name {
            "standard" => pay(20 * GIRRO),
            "module" => module(wasm("payment"), motes()),
            "hash" => by_hash(payment, "pay", motes()),
            "name" => ExecutableDeployItem::new_stored_contract_by_name(
                "payment".to_owned(),
                entry_point,
                motes(),
            ),
            _ => ExecutableDeployItem::new_stored_versioned_contract_by_hash(
                package,
                None,
                entry_point,
                motes(),
            ),
        }
    };
    let hello = wasm("hello");
    let message = || runtime_args! { "message" => "hi" };
    let token = town.token;
    let session_by = |name: &str| -> ExecutableDeployItem {
        let entry_point = "transfer".to_owned();
        match name {
            "module" => module(hello.clone(), message()),
            "hash" => by_hash(token, "transfer", give(BEN, 1)),
            "name" => ExecutableDeployItem::new_stored_contract_by_name(
                "token".to_owned(),
                entry_point,
                give(BEN, 1),
            ),
            _ => ExecutableDeployItem::new_stored_versioned_contract_by_name(
                "token_package".to_owned(),
                Some(1),
                entry_point,
                give(BEN, 1),
            ),
        }
    };
    for payment in ["standard", "module", "hash", "name", "versioned"] {
        for session in ["module", "hash", "name", "versioned"] {
            let before = (town.world.balance(ANA), town.tokens(BEN));
            let deploy = town.world.deploy(ANA, pay_by(payment), session_by(session));
            let result = town.world.one(deploy);
            let (cost, error, _) = seen(&result);
            assert_eq!(error, None, "{payment} payment, {session} session");
            assert_eq!(before.0 - town.world.balance(ANA), cost, "{payment}, {session}");
            let moved = U256::from(u8::from(session != "module"));
            assert_eq!(town.tokens(BEN) - before.1, moved, "{payment}, {session}");
        }
    }
}

#[test]
fn a_session_runs_out_exactly_at_payment_minus_payment_cost() {
    let mut town = town(FailureCharge::MinimumPenalty);
    let payment = ContractHash::new(hash_of(town.world.named(ANA, "payment")));
    let pay_with =
        |motes: u64| by_hash(payment, "pay", runtime_args! { "amount" => U512::from(motes) });
    let session = || module(wasm("hello"), runtime_args! { "message" => "hi" });
    // Twice, so that the second finds the name already there, as all that follow do. An amount of
    // as many bytes as the answer, because arguments are paid by the byte.
    let deploy = |world: &World, motes| world.deploy(ANA, pay_with(motes), session());
    ok(&town.world.one(deploy(&town.world, GIRRO)));
    let whole = ok(&town.world.one(deploy(&town.world, GIRRO)));
    assert_eq!(ok(&town.world.one(deploy(&town.world, whole))), whole);
    let before = town.world.balance(ANA);
    let result = town.world.one(deploy(&town.world, whole - 1));
    fails(&result, "Out of gas error");
    assert_eq!(before - town.world.balance(ANA), PENALTY.max(whole - 1));
}

#[test]
fn payment_code_that_never_ends_costs_exactly_the_penalty() {
    for charge in [FailureCharge::MinimumPenalty, FailureCharge::Casper15] {
        let mut town = town(charge);
        let before = town.world.balance(ANA);
        let payment = module(guest::spins(), runtime_args! { "amount" => U512::from(9 * GIRRO) });
        let session = module(guest::idles(), runtime_args! {});
        let result = town.world.one(town.world.deploy(ANA, payment, session));
        assert_eq!(seen(&result), (PENALTY, Some("Out of gas error"), 0));
        assert_eq!(before - town.world.balance(ANA), PENALTY);
    }
}

fn signed_by_both(deploy: Deploy) -> Deploy {
    let mut deploy = deploy;
    deploy.sign(&key(BEN));
    deploy
}

#[test]
fn a_vault_opens_for_enough_owners_and_outlives_an_upgrade() {
    let mut town = town(FailureCharge::MinimumPenalty);
    let vault = town.vault();
    let purse = named_uref(&town.world, vault, "purse");
    let fill = runtime_args! {
        "amount" => U512::from(80 * GIRRO), "target" => purse, "id" => Some(1_u64),
    };
    ok(&town.world.one(town.world.transfer(ANA, fill)));
    // Ben's key acts for Ana's account from now on, so that one deploy can carry both signatures.
    let associate = add_key(BEN);
    ok(&town.world.one(town.world.session(ANA, PAID, associate, runtime_args! {})));
    let out = |motes: u64| {
        runtime_args! { "target" => hash(9), "amount" => U512::from(motes) }
    };
    let alone = by_hash(vault, "withdraw", out(30 * GIRRO));
    let alone = town.world.deploy(ANA, pay(20 * GIRRO), alone);
    fails(&town.world.one(alone), "User error: 1");
    let both = by_hash(vault, "withdraw", out(30 * GIRRO));
    let both = signed_by_both(town.world.deploy(ANA, pay(20 * GIRRO), both));
    ok(&town.world.one(both));
    assert_eq!(town.world.balance(9), 30 * GIRRO);

    let admin = runtime_args! { "label" => "ours" };
    let rename = by_hash(vault, "rename", admin.clone());
    ok(&town.world.one(town.world.deploy(ANA, pay(20 * GIRRO), rename)));
    let rename = by_hash(vault, "rename", admin);
    let stranger = town.world.deploy(BEN, pay(20 * GIRRO), rename);
    fails(&town.world.one(stranger), "Invalid context");

    ok(&town.world.one(town.world.session(ANA, PAID, wasm("vault"), runtime_args! {})));
    let package = hash_of(town.world.named(ANA, "vault_package"));
    let StoredValue::ContractPackage(package) = town.world.value(Key::Hash(package)) else {
        panic!("no package")
    };
    assert_eq!((package.versions().len(), package.enabled_versions().len()), (2, 1));
    let old = by_hash(vault, "withdraw", out(GIRRO));
    let old = signed_by_both(town.world.deploy(ANA, pay(20 * GIRRO), old));
    fails(&town.world.one(old), "Contract is disabled");
    assert_ne!(town.vault(), vault);
    assert_eq!(named_uref(&town.world, town.vault(), "purse"), purse, "it is the same vault");
    let close = by_hash(town.vault(), "close", runtime_args! { "target" => hash(9) });
    let close = signed_by_both(town.world.deploy(ANA, pay(20 * GIRRO), close));
    ok(&town.world.one(close));
    assert_eq!(town.world.balance(9), 80 * GIRRO);
    check_shapes(&package, &contract(&town.world, town.vault()));
}

fn check_shapes(package: &ContractPackage, contract: &Contract) {
    assert!(!package.is_locked());
    let mut names: Vec<_> = contract.entry_points().keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["balance", "close", "deposit", "rename", "withdraw"]);
}

fn contract(world: &World, hash: ContractHash) -> Contract {
    match world.value(Key::Hash(hash.value())) {
        StoredValue::Contract(contract) => contract,
        other => panic!("{other:?} is no contract"),
    }
}

fn named_uref(world: &World, at: ContractHash, name: &str) -> casper_types::URef {
    match contract(world, at).named_keys().get(name) {
        Some(Key::URef(uref)) => *uref,
        other => panic!("{name} leads to {other:?}"),
    }
}

/// A session that associates a key with weight 1.
fn add_key(who: u8) -> Vec<u8> {
    guest::guest(
        &[(0, hash(who).value().as_slice())],
        "(call $check (call $add_associated_key (i32.const 0) (i32.const 32) (i32.const 1)))",
    )
}

#[test]
fn the_same_code_is_stored_once_and_only_what_entry_points_need() {
    let mut town = town(FailureCharge::MinimumPenalty);
    let first = contract(&town.world, town.token).contract_wasm_hash();
    let again = runtime_args! {
        "name" => "Other", "symbol" => "OTH", "decimals" => 0_u8, "supply" => U256::from(5),
    };
    ok(&town.world.one(town.world.session(BEN, PAID, wasm("token"), again)));
    let other = ContractHash::new(hash_of(town.world.named(BEN, "token")));
    assert_ne!(other, town.token);
    assert_eq!(contract(&town.world, other).contract_wasm_hash(), first);
    let StoredValue::ContractWasm(stored) = town.world.value(Key::Hash(first.value())) else {
        panic!("no code")
    };
    let (stored, whole) = (stored.take_bytes().len(), wasm("token").len());
    assert!(stored < whole, "{stored} of {whole} bytes are stored");
}
