//! What goes wrong between a deploy and stored code: names, hashes, versions, access, depth.

use casper_types::{
    CLType, EntryPointAccess, EntryPointType, Key, ProtocolVersion, RuntimeArgs, StoredValue,
    contracts::{Contract, EntryPoint, EntryPoints},
};

use crate::{
    Money, Row,
    guest::Paper,
    settled,
    town::{
        OFFER, amount, by_hash, by_name, bytes, calls, calls_version, of_package, of_package_at,
    },
    world::*,
};

fn none() -> RuntimeArgs {
    RuntimeArgs::new()
}

/// The hash of nothing.
const GONE: [u8; 32] = [7; 32];
const GONE_TEXT: &str =
    "Key Key::Hash(0707070707070707070707070707070707070707070707070707070707070707) not found";

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = named();
    rows.extend(called());
    rows.extend(made());
    rows
}

/// The session was found missing before it used gas, but after its payment.
fn unused(row: Row) -> Row {
    row.with(settled(PENALTY), Money { cost: 0, lost: 0, refunded: OFFER })
}

/// Deploys that name what to run.
fn named() -> Vec<Row> {
    vec![
        Row::refused("an unknown name", "Named key gone not found", |town| {
            town.session(by_name("gone", "call", none()))
        }),
        Row::refused("an unknown name of a package", "Named key gone not found", |town| {
            town.session(of_package("gone", None, "open"))
        }),
        Row::refused("a name of a URef", "Unsupported key type", |town| {
            town.session(by_name("note", "open", none()))
        }),
        Row::refused("a name of an account", "Unsupported key type", |town| {
            town.session(of_package("ben", None, "open"))
        }),
        Row::refused("a version that never was", "Invalid contract version: 1.9", |town| {
            town.session(of_package("shop_package", Some(9), "open"))
        }),
        Row::refused("a version that is disabled", "Invalid contract version: 1.1", |town| {
            town.session(of_package("shop_package", Some(1), "open"))
        }),
        Row::refused(
            "a package without a version",
            "No active contract versions for contract package",
            |town| town.session(of_package("closed_package", None, "open")),
        ),
        Row::refused(
            "a contract called as a package",
            "Type mismatch. Expected ContractPackage but found Contract.",
            |town| town.session(of_package("shop", None, "open")),
        ),
        Row::refused("the hash of no package", GONE_TEXT, |town| {
            town.session(of_package_at(GONE, None))
        }),
        unused(Row::session("the hash of no contract", GONE_TEXT, 0, |town| {
            town.session(by_hash(GONE, "open", none()))
        })),
        unused(Row::session("a contract without the method", "No such method: nope", 0, |town| {
            town.session(by_name("shop", "nope", none()))
        })),
        unused(Row::session("a contract that is disabled", "Contract is disabled", 0, |town| {
            town.session(by_name("old_shop", "open", none()))
        })),
        unused(Row::session(
            "a package called as a contract",
            "Function not found: Type mismatch for value under Key::Hash({shop_package}): \
             TypeMismatch { expected: \"Contract\", found: \"ContractPackage\" }",
            0,
            |town| town.session(by_name("shop_package", "open", none())),
        )),
        unused(Row::session("an entry point for a group", "Invalid context", 0, |town| {
            town.session(by_name("shop", "staff_only", none()))
        })),
        unused(Row::session(
            "a contract of another major version",
            "Incompatible protocol major version. Expected version 1 but actual version is 2",
            0,
            |town| {
                let key = Key::Hash(town.hash("shop"));
                let StoredValue::Contract(shop) = town.world.value(key) else { panic!("no shop") };
                let newer = Contract::new(
                    shop.contract_package_hash(),
                    shop.contract_wasm_hash(),
                    shop.named_keys().clone(),
                    shop.entry_points().clone(),
                    ProtocolVersion::from_parts(2, 0, 0),
                );
                town.rewrite(key, Some(StoredValue::Contract(newer)));
                town.session(by_name("shop", "open", none()))
            },
        )),
        Row::session("a contract that reverts", "User error: 9", 68_610, |town| {
            town.session(by_name("shop", "breaks", none()))
        }),
        Row::session("a contract that asks for a main purse", "Invalid context", 69_410, |town| {
            town.session(by_name("shop", "whose_purse", none()))
        }),
        Row::session("a contract that manages keys", "User error: 3", 1_406_370, |town| {
            town.session(by_name("shop", "adds_key", none()))
        }),
        Row::payment("payment by an unknown hash", GONE_TEXT, |town| {
            town.pays(by_hash(GONE, "pay", amount(OFFER)))
        }),
        Row::payment("payment by a method that is not there", "No such method: pay", |town| {
            town.pays(by_name("shop", "pay", amount(OFFER)))
        }),
        Row::refused("payment by an unknown name", "Named key gone not found", |town| {
            town.pays(by_name("gone", "pay", amount(OFFER)))
        }),
    ]
}

/// Modules that call contracts.
fn called() -> Vec<Row> {
    let calls = |entry_point: &str| calls("shop", entry_point, &none());
    let with_me = |entry_point: &'static str| {
        move |town: &mut crate::town::Town| {
            let mut args = RuntimeArgs::new();
            args.insert("me", town.hash("shop")).unwrap();
            town.session(by_name("shop", entry_point, args))
        }
    };
    vec![
        Row::runs(
            "a call of a method that is not there",
            "No such method: nope",
            301_719_670,
            calls("nope"),
        ),
        Row::runs(
            "a call of what is for a group",
            "Invalid context",
            302_439_670,
            calls("staff_only"),
        ),
        Row::runs("a call that reverts", "User error: 9", 302_028_280, calls("breaks")),
        Row::runs(
            "a call of a contract that is disabled",
            "Contract is disabled",
            301_721_430,
            crate::town::calls("old_shop", "open", &none()),
        ),
        Row::runs(
            "a call of a version that is disabled",
            "Invalid contract version: 1.1",
            301_723_410,
            calls_version("shop_package", Some(1)),
        ),
        Row::runs(
            "a call of a package without a version",
            "No active contract versions for contract package",
            301_724_290,
            calls_version("closed_package", None),
        ),
        Row::runs("a call of nothing", GONE_TEXT, 301_509_210, {
            let mut paper = Paper::default();
            let gone = paper.put(&GONE);
            let entry_point = paper.put(&bytes(&"open".to_owned()));
            let args = paper.put(&bytes(&none()));
            let size = paper.room(4);
            paper.guest(&format!(
                "(drop (call $call_contract {gone} {entry_point} {args} (i32.const {size})))"
            ))
        }),
        Row::session(
            "a contract that calls code for accounts",
            "Invalid context",
            306_514_240,
            with_me("as_account_inside"),
        ),
        Row::session(
            "contracts in contracts",
            "Runtime stack overflow",
            3_425_776_640,
            with_me("deep"),
        ),
    ]
}

/// Modules that make contracts.
fn made() -> Vec<Row> {
    let locked = |then: fn(&str) -> String| {
        let mut paper = Paper::default();
        let mut entry_points = EntryPoints::new();
        let public = EntryPointAccess::Public;
        let call = EntryPoint::new("open", vec![], CLType::Unit, public, EntryPointType::Called);
        entry_points.add_entry_point(call);
        let entry_points = paper.put(&bytes(&entry_points));
        let names = paper.put(&bytes(&casper_types::NamedKeys::new()));
        let (hash, access, contract) = (paper.room(32), paper.room(32), paper.room(32));
        let size = paper.room(8);
        let add = format!(
            "(call $check (call $add_contract_version (i32.const {hash}) (i32.const 32)
                (i32.const {size}) {entry_points} {names} (i32.const {contract}) (i32.const 32)
                (i32.const {})))",
            size + 4
        );
        let disable = format!(
            "(call $check (call $disable_contract_version (i32.const {hash}) (i32.const 32)
                (i32.const {contract}) (i32.const 32)))"
        );
        let then = then(&add).replace("DISABLE", &disable);
        paper.contract(
            &format!(
                "(call $create_contract_package_at_hash
                    (i32.const {hash}) (i32.const {access}) (i32.const 1))
                 {add} {then}"
            ),
            "(func (export \"open\"))",
        )
    };
    let text = "A locked contract cannot be upgraded";
    let absent = {
        let mut paper = Paper::default();
        let mut entry_points = EntryPoints::new();
        let public = EntryPointAccess::Public;
        let call = EntryPoint::new("absent", vec![], CLType::Unit, public, EntryPointType::Called);
        entry_points.add_entry_point(call);
        let entry_points = paper.put(&bytes(&entry_points));
        let names = paper.put(&bytes(&casper_types::NamedKeys::new()));
        let (hash, access) = (paper.room(32), paper.room(32));
        paper.guest(&format!(
            "(call $create_contract_package_at_hash
                (i32.const {hash}) (i32.const {access}) (i32.const 0))
             (drop (call $add_contract_version (i32.const {hash}) (i32.const 32)
                (i32.const {access}) {entry_points} {names} (i32.const {access}) (i32.const 32)
                (i32.const {access})))"
        ))
    };
    let label = {
        let mut paper = Paper::default();
        let label = paper.put(&bytes(&"x".repeat(5_000)));
        let none = paper.put(&bytes(&Vec::<casper_types::URef>::new()));
        let (hash, access) = (paper.room(32), paper.room(32));
        paper.guest(&format!(
            "(call $create_contract_package_at_hash
                (i32.const {hash}) (i32.const {access}) (i32.const 0))
             (drop (call $create_contract_user_group (i32.const {hash}) (i32.const 32) {label}
                (i32.const 0) {none} (i32.const {access})))"
        ))
    };
    vec![
        Row::runs("a second version of a locked package", text, 409_155_280, locked(str::to_owned)),
        Row::runs("a locked version disabled", text, 414_855_316, locked(|_| "DISABLE".to_owned())),
        Row::runs("an entry point without code", "Function not found: absent", 63_090_381, absent),
        Row::runs(
            "a long label of a group",
            "a group's label of 5004 bytes; 4096 are the most",
            59_370_161,
            label,
        ),
    ]
}
