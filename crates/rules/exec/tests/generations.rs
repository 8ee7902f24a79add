//! Contracts made with both generations of Casper's library, 4.0.0 and 5.1.1, and for both targets
//! of the compiler: the same source does the same things.

#[path = "support/world.rs"]
mod world;

use casper_types::{
    AsymmetricType, CLTyped, CLValue, Deploy, Digest, ExecutableDeployItem, Key, PublicKey,
    RuntimeArgs, StoredValue, U512, URef,
    account::AccountHash,
    bytesrepr::{FromBytes, ToBytes},
    contracts::{ContractHash, ContractPackageHash},
    crypto,
    execution::ExecutionResultV1,
    handle_stored_dictionary_value, runtime_args,
};
use girrona_state::Reader;
use girrona_types::chainspec::FailureCharge;
use world::*;

const PAID: u64 = 300 * GIRRO;

/// How a contract was made.
#[derive(Clone, Copy, Debug)]
enum Made {
    /// With casper-contract 4.0.0 for `wasm32v1-none`.
    V4,
    /// With casper-contract 5.1.1 for `wasm32v1-none`.
    V5,
    /// With casper-contract 5.1.1 for `wasm32-unknown-unknown`.
    Unknown,
}

impl Made {
    fn wasm(self, name: &str) -> Vec<u8> {
        let folder = match self {
            Self::V4 => "wasm",
            Self::V5 => "v5/wasm",
            Self::Unknown => "v5/wasm/unknown",
        };
        let root = env!("CARGO_MANIFEST_DIR");
        let path = format!("{root}/../../../contracts/{folder}/{name}.wasm");
        std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

fn world() -> World {
    World::new(law(FailureCharge::MinimumPenalty))
}

fn ok(result: &ExecutionResultV1) {
    assert_eq!(seen(result).1, None, "{result:?}");
}

fn fails(result: &ExecutionResultV1, text: &str) {
    assert_eq!(seen(result).1, Some(text));
}

fn hash_of(world: &World, name: &str) -> [u8; 32] {
    match world.named(ANA, name) {
        Some(Key::Hash(hash)) => hash,
        other => panic!("{name} leads to {other:?}"),
    }
}

fn by_hash(contract: [u8; 32], entry_point: &str, args: RuntimeArgs) -> ExecutableDeployItem {
    let contract = ContractHash::new(contract);
    ExecutableDeployItem::new_stored_contract_by_hash(contract, entry_point.to_owned(), args)
}

/// Calls a contract as `who`.
fn call(world: &mut World, who: u8, session: ExecutableDeployItem) -> ExecutionResultV1 {
    world.one(world.deploy(who, pay(20 * GIRRO), session))
}

/// A named key of a contract that is a URef.
fn uref_of(world: &World, contract: [u8; 32], name: &str) -> URef {
    let StoredValue::Contract(contract) = world.value(Key::Hash(contract)) else {
        panic!("no contract")
    };
    match contract.named_keys().get(name) {
        Some(Key::URef(uref)) => *uref,
        other => panic!("{name} leads to {other:?}"),
    }
}

/// What is under a key, also if that is an item of a dictionary.
fn stored<T: CLTyped + FromBytes>(world: &World, key: Key) -> Option<T> {
    let value = world.state.read(&key).unwrap()?;
    let value = handle_stored_dictionary_value(key, (*value).clone()).unwrap();
    Some(value.into_cl_value().unwrap().into_t().unwrap())
}

fn item<T: CLTyped + FromBytes>(world: &World, dictionary: URef, item: &str) -> Option<T> {
    stored(world, Key::dictionary(dictionary, item.as_bytes()))
}

fn points(player: &str, points: u64) -> RuntimeArgs {
    runtime_args! { "player" => player, "points" => points }
}

#[test]
fn a_contract_is_installed_called_in_every_way_upgraded_disabled_and_enabled() {
    for made in [Made::V4, Made::V5, Made::Unknown] {
        println!("{made:?}");
        let mut world = world();
        let wasm = made.wasm("scores");
        let step = |world: &mut World, step: &str, version: u32| {
            let args = runtime_args! { "step" => step, "version" => version };
            world.one(world.session(ANA, PAID, wasm.clone(), args))
        };
        ok(&step(&mut world, "install", 0));
        let first = hash_of(&world, "scores_1");
        let package = ContractPackageHash::new(hash_of(&world, "scores_package"));
        let scores = uref_of(&world, first, "scores");
        let StoredValue::Contract(contract) = world.value(Key::Hash(first)) else { panic!() };
        assert_eq!(contract.entry_points().keys().collect::<Vec<_>>(), ["add", "clear"]);

        let add = || ("add".to_owned(), points("eva", 1));
        let of_package = |version: Option<u32>, (name, args): (String, RuntimeArgs)| {
            ExecutableDeployItem::new_stored_versioned_contract_by_hash(
                package, version, name, args,
            )
        };
        let by_name = |name: &str, (entry_point, args): (String, RuntimeArgs)| {
            ExecutableDeployItem::new_stored_contract_by_name(name.to_owned(), entry_point, args)
        };
        let package_by_name = |version: Option<u32>, (name, args): (String, RuntimeArgs)| {
            ExecutableDeployItem::new_stored_versioned_contract_by_name(
                "scores_package".to_owned(),
                version,
                name,
                args,
            )
        };
        ok(&call(&mut world, BEN, by_hash(first, "add", points("eva", 1))));
        ok(&call(&mut world, ANA, by_name("scores_1", add())));
        ok(&call(&mut world, BEN, of_package(Some(1), add())));
        ok(&call(&mut world, BEN, of_package(None, add())));
        ok(&call(&mut world, ANA, package_by_name(Some(1), add())));
        ok(&call(&mut world, ANA, package_by_name(None, add())));
        assert_eq!(item::<u64>(&world, scores, "eva"), Some(6));

        // The group: Ana holds its URef.
        let clear = || by_hash(first, "clear", runtime_args! { "player" => "eva" });
        fails(&call(&mut world, BEN, clear()), "Invalid context");
        assert_eq!(item::<u64>(&world, scores, "eva"), Some(6));
        ok(&call(&mut world, ANA, clear()));
        assert_eq!(item::<u64>(&world, scores, "eva"), Some(0));

        // The second version has another method, and the same dictionary.
        ok(&step(&mut world, "upgrade", 0));
        let second = hash_of(&world, "scores_2");
        assert_eq!(uref_of(&world, second, "scores"), scores);
        let double = || ("add_double".to_owned(), points("eva", 1));
        ok(&call(&mut world, BEN, of_package(None, double())));
        ok(&call(&mut world, BEN, of_package(Some(2), double())));
        fails(&call(&mut world, BEN, of_package(None, add())), "No such method: add");
        ok(&call(&mut world, BEN, of_package(Some(1), add())));
        assert_eq!(item::<u64>(&world, scores, "eva"), Some(5));

        ok(&step(&mut world, "disable", 1));
        let result = call(&mut world, BEN, by_hash(first, "add", points("eva", 1)));
        fails(&result, "Contract is disabled");
        let result = call(&mut world, BEN, of_package(Some(1), add()));
        assert!(seen(&result).1.unwrap().starts_with("Invalid contract version"), "{result:?}");
        ok(&step(&mut world, "disable", 2));
        let result = call(&mut world, BEN, of_package(None, double()));
        fails(&result, "No active contract versions for contract package");
        ok(&step(&mut world, "enable", 1));
        ok(&call(&mut world, BEN, of_package(None, add())));
        ok(&call(&mut world, BEN, by_hash(first, "add", points("eva", 1))));
        assert_eq!(item::<u64>(&world, scores, "eva"), Some(7));

        // Whoever does not hold the package's access URef changes nothing of it.
        let args = runtime_args! { "step" => "upgrade", "version" => 0_u32 };
        let theft = world.one(world.session(BEN, PAID, wasm.clone(), args));
        fails(&theft, "User error: 2");
    }
}

fn signed_by_both(mut deploy: Deploy) -> Deploy {
    deploy.sign(&key(BEN));
    deploy
}

fn weigh(weight: u8, deployment: u8, key_management: u8) -> RuntimeArgs {
    runtime_args! {
        "key" => hash(BEN), "weight" => weight, "deployment" => deployment,
        "key_management" => key_management,
    }
}

#[test]
fn purses_and_signatures_of_several_people_work() {
    for made in [Made::V4, Made::V5] {
        println!("{made:?}");
        let mut world = world();
        let vault = runtime_args! { "owners" => vec![hash(ANA), hash(BEN)], "quorum" => 2_u32 };
        ok(&world.one(world.session(ANA, PAID, made.wasm("vault"), vault)));
        let vault = hash_of(&world, "vault");
        let purse = uref_of(&world, vault, "purse");
        let fill = runtime_args! {
            "amount" => U512::from(80 * GIRRO), "target" => purse, "id" => Some(1_u64),
        };
        ok(&world.one(world.transfer(ANA, fill)));

        let out = |motes: u64| {
            let args = runtime_args! { "target" => hash(9), "amount" => U512::from(motes) };
            by_hash(vault, "withdraw", args)
        };
        fails(&call(&mut world, ANA, out(GIRRO)), "User error: 1");

        // From here on the account needs both signatures, for deploys and for its keys.
        let keys = made.wasm("keys");
        let change = |world: &World, args| world.session(ANA, PAID, keys.clone(), args);
        ok(&world.one(change(&world, weigh(1, 0, 2))));
        let raise = change(&world, weigh(1, 2, 0));
        fails(&world.one(raise), "ApiError::PermissionDenied [23]");
        let raise = signed_by_both(change(&world, weigh(1, 2, 0)));
        ok(&world.one(raise));
        let account = world.account(ANA);
        assert_eq!(account.associated_keys().len(), 2);
        let alone = call(&mut world, ANA, out(GIRRO));
        fails(&alone, "Deployment authorization failure");
        let both = signed_by_both(world.deploy(ANA, pay(20 * GIRRO), out(30 * GIRRO)));
        ok(&world.one(both));
        assert_eq!((world.balance(9), world.purse_balance(purse)), (30 * GIRRO, 50 * GIRRO));

        // No key goes while the thresholds count on it; so they go down first.
        let both = |world: &mut World, args| {
            let deploy = signed_by_both(change(world, args));
            world.one(deploy)
        };
        let early = both(&mut world, weigh(0, 0, 0));
        fails(&early, "ApiError::ThresholdViolation [25]");
        ok(&both(&mut world, weigh(2, 1, 0)));
        ok(&both(&mut world, weigh(1, 0, 1)));
        ok(&both(&mut world, weigh(0, 0, 0)));
        assert_eq!(world.account(ANA).associated_keys().len(), 1);
        let strange = signed_by_both(world.deploy(ANA, pay(20 * GIRRO), out(GIRRO)));
        fails(&world.one(strange), "Authorization failure: not authorized.");

        // The upgrade keeps the purse, and a group member may call what strangers may not.
        let rename = || by_hash(vault, "rename", runtime_args! { "label" => "ours" });
        fails(&call(&mut world, BEN, rename()), "Invalid context");
        ok(&call(&mut world, ANA, rename()));
        let label: Option<String> = stored(&world, Key::URef(uref_of(&world, vault, "label")));
        assert_eq!(label.as_deref(), Some("ours"));
        ok(&world.one(world.session(ANA, PAID, made.wasm("vault"), runtime_args! {})));
        let next = hash_of(&world, "vault");
        assert_ne!(next, vault);
        assert_eq!(uref_of(&world, next, "purse"), purse);
        fails(&call(&mut world, ANA, out(GIRRO)), "Contract is disabled");
    }
}

fn herald(world: &mut World) -> [u8; 32] {
    let wasm = Made::V5.wasm("herald");
    ok(&world.one(world.session(ANA, PAID, wasm, runtime_args! {})));
    hash_of(world, "herald")
}

fn tell(contract: [u8; 32], topic: &str, text: &str) -> ExecutableDeployItem {
    by_hash(contract, "tell", runtime_args! { "topic" => topic, "text" => text })
}

#[test]
fn messages_are_read_like_a_dictionary_and_stand_in_the_effects() {
    let mut world = world();
    let first = herald(&mut world);
    let news = uref_of(&world, first, "messages:news");
    assert!(news.is_readable() && !news.is_writeable() && !news.is_addable());
    assert_eq!(stored::<u64>(&world, Key::URef(news)), Some(0));

    let result = call(&mut world, BEN, tell(first, "news", "hear ye"));
    ok(&result);
    let key = Key::dictionary(news, b"0");
    let written = ("WriteCLValue".to_owned(), key.to_formatted_string());
    let found = effects(&result).into_iter().any(|(key, name)| (name, key) == written);
    assert!(found, "{result:?}");
    ok(&call(&mut world, ANA, tell(first, "news", "hear more")));
    assert_eq!(stored::<u64>(&world, Key::URef(news)), Some(2));
    assert_eq!(item::<String>(&world, news, "0").as_deref(), Some("hear ye"));
    assert_eq!(item::<String>(&world, news, "1").as_deref(), Some("hear more"));
    assert_eq!(item::<String>(&world, news, "2"), None);

    let closed = call(&mut world, ANA, tell(first, "gossip", "psst"));
    fails(&closed, "ApiError::MessageTopicNotRegistered [44]");
    let open = |topic: &str| by_hash(first, "open", runtime_args! { "topic" => topic });
    ok(&call(&mut world, BEN, open("gossip")));
    ok(&call(&mut world, BEN, tell(first, "gossip", "psst")));
    let gossip = uref_of(&world, first, "messages:gossip");
    assert_eq!(item::<String>(&world, gossip, "0").as_deref(), Some("psst"));
    let again = call(&mut world, BEN, open("gossip"));
    fails(&again, "ApiError::MessageTopicAlreadyRegistered [41]");

    // Another contract of the same code has a topic of its own.
    let second = herald(&mut world);
    let other = uref_of(&world, second, "messages:news");
    assert_ne!(other, news);
    assert_eq!(stored::<u64>(&world, Key::URef(other)), Some(0));
    assert_eq!(stored::<u64>(&world, Key::URef(news)), Some(2));
}

#[test]
fn a_contract_learns_of_its_block_and_its_callers() {
    let mut world = world();
    let herald = herald(&mut world);
    ok(&call(&mut world, BEN, by_hash(herald, "look", runtime_args! {})));
    let block: Option<(u64, [u8; 32], [u8; 32])> =
        stored(&world, Key::URef(uref_of(&world, herald, "block")));
    assert_eq!(block, Some((1, PARENT, STATE_ROOT)));
    let callers: Option<(AccountHash, u8, u64)> =
        stored(&world, Key::URef(uref_of(&world, herald, "callers")));
    assert_eq!(callers, Some((hash(BEN), 0, 2)), "an account called, and there are two");
}

fn check(message: &str, signature: &[u8], key: PublicKey) -> RuntimeArgs {
    runtime_args! { "message" => message, "signature" => signature.to_vec(), "key" => key }
}

#[test]
fn signatures_are_checked_and_bytes_are_hashed() {
    let mut world = world();
    let herald = herald(&mut world);
    let secp256k1 = casper_types::SecretKey::secp256k1_from_bytes([5; 32]).unwrap();
    for secret in [key(ANA), secp256k1] {
        let public = PublicKey::from(&secret);
        println!("{}", public.to_hex());
        let signature = crypto::sign("a promise", &secret, &public).to_bytes().unwrap();
        let good = check("a promise", &signature, public.clone());
        ok(&call(&mut world, ANA, by_hash(herald, "check", good)));
        let hashes: Vec<u8> = stored(&world, Key::URef(uref_of(&world, herald, "hashes"))).unwrap();
        assert_eq!(hashes.len(), 96);
        assert_eq!(hashes[..32], Digest::hash("a promise").value());
        let bad = check("a lie", &signature, public);
        fails(&call(&mut world, ANA, by_hash(herald, "check", bad)), "User error: 1");
    }
    // Bytes that are no signature at all are for the contract to refuse.
    let bad = check("a promise", &[9; 65], public(ANA));
    let result = call(&mut world, ANA, by_hash(herald, "check", bad));
    fails(&result, "ApiError::Formatting [18]");
}

#[test]
fn a_contract_calls_the_version_of_a_package_that_it_asks_for() {
    let mut world = world();
    let herald = herald(&mut world);
    let scores = Made::V4.wasm("scores");
    for step in ["install", "upgrade"] {
        let args = runtime_args! { "step" => step, "version" => 0_u32 };
        ok(&world.one(world.session(ANA, PAID, scores.clone(), args)));
    }
    let package = hash_of(&world, "scores_package");
    let dictionary = uref_of(&world, hash_of(&world, "scores_1"), "scores");
    let mut relay = |major: Option<u32>, version: Option<u32>, entry_point: &str| {
        let args = runtime_args! {
            "package" => package, "major" => major, "version" => version,
            "entry_point" => entry_point, "player" => "eva", "points" => 1_u64,
        };
        let result = call(&mut world, BEN, by_hash(herald, "relay", args));
        let error = seen(&result).1.map(str::to_owned);
        (error, item::<u64>(&world, dictionary, "eva").unwrap_or_default())
    };
    assert_eq!(relay(None, Some(1), "add"), (None, 1));
    assert_eq!(relay(Some(1), Some(1), "add"), (None, 2));
    assert_eq!(relay(None, None, "add_double"), (None, 4));
    assert_eq!(relay(Some(1), None, "add_double"), (None, 6));
    let (error, sum) = relay(Some(2), Some(1), "add");
    assert!(error.unwrap().starts_with("Invalid contract version"));
    let (other, _) = relay(Some(2), None, "add");
    assert_eq!(other.as_deref(), Some("No active contract versions for contract package"));
    let (error, _) = relay(None, Some(3), "add");
    assert!(error.unwrap().starts_with("Invalid contract version"));
    assert_eq!(sum, 6);
}

#[test]
fn a_newcomers_contract_runs_as_the_compiler_left_it() {
    let mut world = world();
    let wasm = Made::Unknown.wasm("newcomer");
    let words: Vec<String> = ["one", "three", "six"].map(str::to_owned).into();
    let args = runtime_args! { "words" => words };
    ok(&world.one(world.session(ANA, PAID, wasm.clone(), args)));
    let told = |world: &World, name: &str| -> String {
        let StoredValue::CLValue(value) = world.value(world.named(ANA, name).unwrap()) else {
            panic!("no value")
        };
        CLValue::into_t(value).unwrap()
    };
    assert_eq!(told(&world, "longest"), "three");
    assert_eq!(told(&world, "report"), "3 words, the longest is \"three\" with 5 letters");
    let none = runtime_args! { "words" => Vec::<String>::new() };
    let result = world.one(world.session(ANA, PAID, wasm, none));
    let error = seen(&result).1.unwrap();
    assert!(error.starts_with("Interpreter error: "), "a panic is a trap: {error}");
}
