//! The contract on a chain of its own, in memory: the engine is the network's.

use std::sync::OnceLock;

use girrona_contract_test::{Chain, User, build, casper_types::runtime_args};

/// The Wasm of the contract, built once for all tests.
fn wasm() -> &'static [u8] {
    static WASM: OnceLock<Vec<u8>> = OnceLock::new();
    WASM.get_or_init(|| match build(env!("CARGO_MANIFEST_DIR"), "NAME") {
        Ok(wasm) => wasm,
        Err(error) => panic!("{error}"),
    })
}

/// A chain on which ana has installed the contract.
fn chain() -> (Chain, User, User) {
    let mut chain = Chain::new();
    let (ana, bo) = (chain.user("ana"), chain.user("bo"));
    let installed = chain.run(&ana, wasm(), runtime_args! {}).succeeded();
    println!("installing costs {} motes", installed.cost);
    (chain, ana, bo)
}

#[test]
fn guests_leave_lines_and_are_counted() {
    let (mut chain, ana, bo) = chain();
    let book = chain.contract_hash(&ana, "NAME");

    chain.call(&ana, "NAME", "sign", runtime_args! { "line" => "hello" }).succeeded();
    chain.call(&bo, book, "sign", runtime_args! { "line" => "nice book" }).succeeded();
    let package = chain.package_hash(&ana, "NAME_package");
    let signed = chain.call(&bo, package, "sign", runtime_args! { "line" => "bye" }).succeeded();
    println!("signing costs {} motes", signed.cost);

    assert_eq!(chain.named_value::<String>(book, "last").as_deref(), Some("bye"));
    let lines = |user: &User| chain.dictionary::<u64>(book, "guests", &user.account().to_string());
    assert_eq!(lines(&ana), Some(1));
    assert_eq!(lines(&bo), Some(2));
    assert_eq!(lines(&chain.user("cy")), None);
}

#[test]
fn an_empty_line_is_refused_and_changes_nothing() {
    let (mut chain, ana, bo) = chain();
    let book = chain.contract_hash(&ana, "NAME");
    chain.call(&bo, book, "sign", runtime_args! { "line" => "" }).failed("User error: 1");
    assert_eq!(chain.named_value::<String>(book, "last").as_deref(), Some(""));
}
