//! The chain that contract authors test on: it must say what a network would say.

use std::path::Path;

use casper_types::{ExecutableDeployItem, Key, RuntimeArgs, U512, runtime_args};
use girrona_contract_test::{BuildError, Chain, Chainspec, GIRRO, Target, build};

fn wasm(name: &str) -> Vec<u8> {
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::read(format!("{root}/../../../contracts/v5/wasm/{name}.wasm")).unwrap()
}

fn step(step: &str, version: u32) -> RuntimeArgs {
    runtime_args! { "step" => step, "version" => version }
}

fn points(points: u64) -> RuntimeArgs {
    runtime_args! { "player" => "eva", "points" => points }
}

#[test]
fn a_contract_is_installed_called_upgraded_and_read() {
    let mut chain = Chain::new();
    let (ana, bo) = (chain.user("ana"), chain.user("bo"));
    let before = chain.balance(&ana);
    let cost = chain.run(&ana, &wasm("scores"), step("install", 0)).succeeded().cost;
    assert_eq!(before - chain.balance(&ana), cost);
    let first = chain.contract_hash(&ana, "scores_1");
    let package = chain.package_hash(&ana, "scores_package");
    chain.call(&ana, "scores_1", "add", points(1)).succeeded();
    chain.call(&bo, first, "add", points(1)).succeeded();
    chain.call(&bo, package, "add", points(1)).succeeded();
    let one = Target::PackageName("scores_package".to_owned(), Some(1));
    chain.call(&ana, one, "add", points(1)).succeeded();
    assert_eq!(chain.dictionary::<u64>(first, "scores", "eva"), Some(4));
    assert_eq!(chain.dictionary::<u64>(first, "scores", "adam"), None);
    assert_eq!(chain.dictionary::<u64>(first, "no_such_name", "eva"), None);

    chain.run(&ana, &wasm("scores"), step("upgrade", 0)).succeeded();
    let height = chain.height();
    let refused = chain.call(&bo, package, "add", points(1));
    assert!(refused.is_refused() && chain.height() == height, "{refused:?}");
    let text = refused.error.unwrap();
    assert!(text.starts_with("contract does not have add"), "{text}");
    chain.call(&bo, package, "add_double", points(1)).succeeded();
    assert_eq!(chain.dictionary::<u64>(first, "scores", "eva"), Some(6));

    // A failure costs the penalty and changes nothing.
    let before = chain.balance(&bo);
    let failed = chain.call(&bo, first, "add", points(u64::MAX)).failed("User error: 1");
    assert!(!failed.is_refused());
    assert_eq!(before - chain.balance(&bo), U512::from(5 * GIRRO / 2));
    assert_eq!(chain.dictionary::<u64>(first, "scores", "eva"), Some(6));
}

#[test]
fn transfers_keys_and_time_are_those_of_a_network() {
    let mut chain = Chain::new();
    let (ana, bo, cy) = (chain.user("ana"), chain.user("bo"), chain.user("cy"));
    let before = chain.balance(&bo);
    chain.transfer(&ana, bo.account(), U512::from(3 * GIRRO)).succeeded();
    assert_eq!(chain.balance(&bo) - before, U512::from(3 * GIRRO));
    let purse = chain.account(&cy).main_purse();
    chain.transfer(&ana, Key::URef(purse), U512::from(3 * GIRRO)).succeeded();
    let little = chain.transfer(&ana, bo.account(), U512::one());
    assert!(little.is_refused(), "{little:?}");

    let weigh = |deployment: u8, key_management: u8| {
        runtime_args! {
            "key" => bo.account(), "weight" => 1_u8, "deployment" => deployment,
            "key_management" => key_management,
        }
    };
    chain.run(&ana, &wasm("keys"), weigh(0, 2)).succeeded();
    let keys = ExecutableDeployItem::new_module_bytes(wasm("keys").into(), weigh(2, 0));
    let mut both = chain.deploy(&ana, keys);
    both.sign(&bo.secret_key());
    chain.execute(&both).succeeded();
    let alone = chain.transfer(&ana, bo.account(), U512::from(3 * GIRRO));
    let text = alone.error.unwrap();
    assert!(text.starts_with("insufficient deploy signature weight"), "{text}");
    let mut args = runtime_args! { "amount" => U512::from(3 * GIRRO), "target" => bo.account() };
    args.insert("id", Some(1_u64)).unwrap();
    let mut both = chain.deploy(&ana, ExecutableDeployItem::Transfer { args });
    both.sign(&bo.secret_key());
    chain.execute(&both).succeeded();
    assert!(chain.execute(&both).is_refused(), "a Deploy is executed once");

    let before = chain.time();
    chain.wait(casper_types::TimeDiff::from_seconds(86_400));
    assert_eq!(chain.time().millis() - before.millis(), 86_400_000);
    chain.transfer(&bo, cy.account(), U512::from(3 * GIRRO)).succeeded();
}

#[test]
fn what_no_node_would_take_is_refused_in_its_words() {
    let mut chain = Chain::with(Chainspec::default(), &["zoe"]);
    let zoe = chain.user("zoe");
    let broken = chain.run(&zoe, b"no module", runtime_args! {});
    assert!(broken.is_refused(), "{broken:?}");
    let nameless = chain.call(&zoe, "nothing", "add", points(1));
    assert!(nameless.error.is_some(), "{nameless:?}");
    // Somebody else's signature under zoe's deploy.
    let session = ExecutableDeployItem::new_module_bytes(wasm("keys").into(), runtime_args! {});
    let honest = chain.deploy(&zoe, session);
    let thief = Chain::new().user("ana").secret_key();
    let mut stolen = casper_types::Deploy::new(
        *honest.hash(),
        honest.header().clone(),
        honest.payment().clone(),
        honest.session().clone(),
    );
    stolen.sign(&thief);
    assert!(chain.execute(&stolen).is_refused());
}

#[test]
#[should_panic(expected = "nobody here is called eve; there are ana, bo, cy")]
fn a_name_that_nobody_has_is_a_sentence() {
    Chain::new().user("eve");
}

#[test]
#[should_panic(expected = "holds a String, not a U64")]
fn a_value_of_another_type_is_a_sentence() {
    let mut chain = Chain::new();
    let ana = chain.user("ana");
    let wasm = wasm("herald");
    chain.run(&ana, &wasm, runtime_args! {}).succeeded();
    let tell = runtime_args! { "topic" => "news", "text" => "hear ye" };
    chain.call(&ana, "herald", "tell", tell).succeeded();
    let herald = chain.contract_hash(&ana, "herald");
    let message = chain.dictionary::<String>(herald, "messages:news", "0");
    assert_eq!(message.as_deref(), Some("hear ye"));
    chain.dictionary::<u64>(herald, "messages:news", "0");
}

#[test]
#[should_panic(expected = "the Deploy should have succeeded, but: ")]
fn a_failure_that_was_not_expected_is_told() {
    let mut chain = Chain::new();
    let ana = chain.user("ana");
    chain.run(&ana, &wasm("scores"), step("dance", 0)).succeeded();
}

#[test]
fn a_contract_that_does_not_compile_is_told_with_the_compilers_words() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = build(folder.path(), "nothing").unwrap_err();
    assert!(matches!(&nothing, BuildError::Compile(text) if text.contains("Cargo.toml")));
    let absent = build(Path::new("no/such/folder"), "nothing").unwrap_err();
    assert!(matches!(absent, BuildError::Start(_)), "{absent}");
}
