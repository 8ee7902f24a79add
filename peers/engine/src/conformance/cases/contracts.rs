//! Packages, versions, groups, and calls.

use std::collections::{BTreeMap, BTreeSet};

use casper_types::{
    AccessRights, CLType, EntryPointAccess, EntryPointType, Key, URef,
    contracts::{EntryPoint, EntryPoints},
};

use super::{
    Book, G, Value, args, by_hash, by_name, by_package, by_package_name, play, text, through,
    through_version,
};
use crate::{
    conform::suite::BEN,
    guest::{Guest, Span, host, load},
};

fn method(name: &str, session: bool, groups: Option<&[&str]>) -> EntryPoint {
    let access = groups.map_or(EntryPointAccess::Public, EntryPointAccess::groups);
    let kind = if session { EntryPointType::Caller } else { EntryPointType::Called };
    EntryPoint::new(name, Vec::new(), CLType::Any, access, kind)
}

fn methods(methods: Vec<EntryPoint>) -> EntryPoints {
    methods.into()
}

/// The places of a package that a guest has in its memory.
#[derive(Clone, Copy)]
struct Package {
    /// The key; the hash is one further.
    key: Span,
    access: Span,
}

fn new_package(g: &mut Guest, is_locked: u32) -> Package {
    let key = g.bytes(&[&[1_u8][..], &[0; 32]].concat());
    let access = g.bytes(&[&[2_u8][..], &[0; 32], &[7]].concat());
    g.run(host!(create_contract_package_at_hash, key.at + 1, access.at + 1, is_locked));
    Package { key, access }
}

fn put(g: &mut Guest, name: &str, key: Span) {
    let name = g.text(name);
    g.run(host!(put_key, name.at, name.size, key.at, key.size));
}

/// Adds a version; returns the answer and the key of the contract.
fn version(
    g: &mut Guest,
    package: u32,
    entry_points: Span,
    names: &BTreeMap<String, Key>,
) -> (String, Span) {
    let names = g.form(names);
    let contract = g.bytes(&[&[1_u8][..], &[0; 32]].concat());
    let (number, written) = (g.room(4), g.room(4));
    let call = host!(
        add_contract_version,
        package,
        32_u32,
        number,
        entry_points.at,
        entry_points.size,
        names.at,
        names.size,
        contract.at + 1,
        32_u32,
        written
    );
    (call, contract)
}

/// A contract with a group that nobody but its maker is in, and every kind of method.
fn install(g: &mut Guest) {
    let package = new_package(g, 0);
    group(g, package.key.at + 1, "few", 1);
    let size = g.room(4);
    let (room, read) = (g.room(64), g.room(4));
    let _ = size;
    g.check(host!(read_host_buffer, room, 64_u32, read));
    let few = g.bytes(&[2; 34]);
    for byte in 0..33 {
        let from = format!("(i32.load8_u (i32.const {}))", room + 4 + byte);
        g.run(format!("(i32.store8 (i32.const {}) {from})", few.at + 1 + byte));
    }
    let all = methods(vec![
        method("seven", false, None),
        method("phase", false, None),
        method("as_caller", true, None),
        method("for_few", false, Some(&["few"])),
        method("for_nobody", false, Some(&[])),
        method("traps", false, None),
        method("reverts", false, None),
        method("spins", false, None),
        method("main_purse", false, None),
        method("stack", false, None),
        method("stack_as_caller", true, None),
        method("names_it", false, None),
        method("names_it_as_caller", true, None),
        method("deep", false, None),
        method("keys", false, None),
        method("calls_as_caller", false, None),
        method("gives_purse", false, None),
        method("returns_forged", false, None),
        method("wants", false, None),
        method("returns_nothing", false, None),
    ]);
    let all = g.form(&all);
    let (call, contract) = version(g, package.key.at + 1, all, &BTreeMap::new());
    g.check(call);
    put(g, "contract", contract);
    put(g, "package", package.key);
    put(g, "access", package.access);
    put(g, "few", few);
}

fn group(g: &mut Guest, package: u32, label: &str, urefs: u32) {
    let call = new_group(g, package, label, urefs, &BTreeSet::new());
    g.check(call);
}

fn new_group(
    g: &mut Guest,
    package: u32,
    label: &str,
    urefs: u32,
    existing: &BTreeSet<URef>,
) -> String {
    let (label, existing, size) = (g.text(label), g.form(existing), g.room(8));
    host!(
        create_contract_user_group,
        package,
        32_u32,
        label.at,
        label.size,
        urefs,
        existing.at,
        existing.size,
        size
    )
}

/// The methods' code.
fn bodies(g: &mut Guest) {
    let give = |g: &mut Guest, value: u64| {
        let value = g.value(value);
        g.run(host!(ret, value.at, value.size));
    };
    g.function("seven");
    give(g, 7);
    g.function("phase");
    let value = g.value(0_u8);
    g.run(host!(get_phase, value.at + 4));
    g.run(host!(ret, value.at, value.size));
    g.function("as_caller");
    give(g, 8);
    g.function("for_few");
    give(g, 9);
    g.function("for_nobody");
    give(g, 10);
    g.function("traps");
    g.run("(unreachable)");
    g.function("reverts");
    g.run(host!(revert, 65_541_u32));
    g.function("spins");
    g.run("(loop $again (br $again))");
    g.function("main_purse");
    let room = g.room(40);
    g.run(host!(get_main_purse, room));
    for name in ["stack", "stack_as_caller"] {
        g.function(name);
        let (count, size) = (g.room(4), g.room(4));
        g.check(host!(load_call_stack, count, size));
        let value = g.value(0_u32);
        g.run(format!("(i32.store (i32.const {}) {})", value.at + 4, load(count)));
        g.run(host!(ret, value.at, value.size));
    }
    for name in ["names_it", "names_it_as_caller"] {
        g.function(name);
        let value = g.value(name.to_owned());
        g.keep("it", value);
    }
    g.function("deep");
    // Calls itself as often as the argument says.
    let left = g.arg("left", 4);
    g.run(format!("(if (i32.eqz {}) (then (return)))", load(left.at)));
    let me = g.arg("me", 32);
    // Arguments of the next call: `left`, one less, and `me`.
    let mut next = Vec::from(2_u32.to_le_bytes());
    next.extend([4, 0, 0, 0]);
    next.extend(b"left");
    next.extend([4, 0, 0, 0]);
    let at_left = next.len() as u32;
    next.extend([0; 4]);
    next.push(4);
    next.extend([2, 0, 0, 0]);
    next.extend(b"me");
    next.extend([32, 0, 0, 0]);
    let at_me = next.len() as u32;
    next.extend([0; 32]);
    next.extend([15, 32, 0, 0, 0]);
    let next = g.bytes(&next);
    let less = format!("(i32.sub {} (i32.const 1))", load(left.at));
    g.run(format!("(i32.store (i32.const {}) {less})", next.at + at_left));
    for word in 0..8 {
        let from = load(me.at + word * 4);
        g.run(format!("(i32.store (i32.const {}) {from})", next.at + at_me + word * 4));
    }
    let (entry, size) = (g.text("deep"), g.room(4));
    g.check(host!(call_contract, me.at, 32_u32, entry.at, entry.size, next.at, next.size, size));
    g.function("keys");
    let key = g.bytes(&[60; 32]);
    g.answer(host!(add_associated_key, key.at, key.size, 1_u32));
    g.function("calls_as_caller");
    let me = g.arg("me", 32);
    let (entry, none, size) = (g.text("as_caller"), g.bytes(&[0; 4]), g.room(4));
    g.check(host!(call_contract, me.at, 32_u32, entry.at, entry.size, none.at, 4_u32, size));
    g.function("gives_purse");
    let value = g.bytes(&[&[33, 0, 0, 0][..], &[0; 33], &[12]].concat());
    g.check(host!(create_purse, value.at + 4, 33_u32));
    g.run(host!(ret, value.at, value.size));
    g.function("returns_forged");
    let value = g.value(URef::new([7; 32], AccessRights::READ));
    g.run(host!(ret, value.at, value.size));
    g.function("wants");
    let (_, size) = g.sized_arg("it");
    g.run(format!("(drop {})", load(size)));
    g.function("returns_nothing");
}

fn whole(g: &mut Guest) {
    install(g);
    bodies(g);
}

pub(super) fn cases(book: &mut Book) {
    calls(book);
    deploys_of_stored(book);
    versions(book);
    groups(book);
    locked(book);
}

fn calls(book: &mut Book) {
    let mut deploys = vec![book.guest("install", whole)];
    let at = "1/contract";
    for entry in [
        "seven",
        "phase",
        "as_caller",
        "for_few",
        "for_nobody",
        "traps",
        "reverts",
        "spins",
        "main_purse",
        "stack",
        "stack_as_caller",
        "names_it",
        "names_it_as_caller",
        "keys",
        "gives_purse",
        "returns_forged",
        "wants",
        "returns_nothing",
        "missing",
        "call",
        "",
    ] {
        deploys.push(play(&format!("call `{entry}`"), through(at, entry, args! {})));
    }
    deploys.push(play("ben calls for few", through(at, "for_few", args! {})).by(BEN));
    deploys.push(play(
        "a contract calls as its caller",
        through(at, "calls_as_caller", args! { "me" => Value::Address(at.to_owned()) }),
    ));
    for (left, name) in [(3, "3"), (9, "9"), (10, "10"), (11, "11"), (12, "12"), (40, "40")] {
        let deep = args! { "left" => Value::U32(left), "me" => Value::Address(at.to_owned()) };
        deploys.push(play(&format!("{name} calls deep"), through(at, "deep", deep)));
    }
    deploys.push(play("call a package", through("1/package", "seven", args! {})));
    deploys.push(play("call nothing", through("@nothing", "seven", args! {})));
    deploys.push(play("call the hash of a value", through("1/access", "seven", args! {})));
    deploys.push(play("wants what it gets", through(at, "wants", args! { "it" => text("x") })));
    let with_forged = args! {
        "it" => Value::URef { at: "@nothing".to_owned(), rights: 7 },
    };
    deploys.push(play("a forged URef as an argument", through(at, "wants", with_forged)));
    let main = args! { "it" => Value::URef { at: "1/@main".to_owned(), rights: 7 } };
    deploys.push(play("the main purse as an argument", through(at, "wants", main)));
    for (name, version) in [("none", None), ("1", Some(1)), ("2", Some(2)), ("0", Some(0))] {
        let session = through_version("1/package", version, "seven", args! {});
        deploys.push(play(&format!("call version {name}"), session));
    }
    let session = through_version("1/package", None, "missing", args! {});
    deploys.push(play("call a missing method of a version", session));
    let session = through_version("1/contract", None, "seven", args! {});
    deploys.push(play("call a version of a contract", session));
    let session = through_version("@nothing", None, "seven", args! {});
    deploys.push(play("call a version of nothing", session));
    deploys.push(book.guest("call with a full buffer", |g| {
        let (hash, entry, none, size) =
            (g.key("contract"), g.text("seven"), g.bytes(&[0; 4]), g.room(8));
        g.check(host!(get_caller, size));
        g.answer(host!(
            call_contract,
            hash.at + 1,
            32_u32,
            entry.at,
            entry.size,
            none.at,
            4_u32,
            size
        ));
    }));
    deploys.push(book.guest("call with broken arguments", |g| {
        let (hash, entry, broken, size) =
            (g.key("contract"), g.text("seven"), g.bytes(&[9; 4]), g.room(8));
        g.answer(host!(
            call_contract,
            hash.at + 1,
            32_u32,
            entry.at,
            entry.size,
            broken.at,
            4_u32,
            size
        ));
    }));
    deploys.push(book.guest("call half a hash", |g| {
        let (hash, entry, none, size) =
            (g.key("contract"), g.text("seven"), g.bytes(&[0; 4]), g.room(8));
        g.answer(host!(
            call_contract,
            hash.at + 1,
            16_u32,
            entry.at,
            entry.size,
            none.at,
            4_u32,
            size
        ));
    }));
    book.case("calls", deploys);
}

fn deploys_of_stored(book: &mut Book) {
    let mut deploys = vec![book.guest("install", whole)];
    for entry in [
        "seven",
        "as_caller",
        "for_few",
        "for_nobody",
        "traps",
        "reverts",
        "main_purse",
        "stack",
        "stack_as_caller",
        "names_it",
        "names_it_as_caller",
        "keys",
        "returns_forged",
        "missing",
        "gives_purse",
    ] {
        let session = by_hash("1/contract", entry, args! {});
        deploys.push(play(&format!("deploy of `{entry}`"), session));
    }
    deploys.push(play("out of gas", by_hash("1/contract", "spins", args! {})).paid(3 * G));
    deploys.push(play("by name", by_name("contract", "seven", args! {})));
    deploys.push(play("by the name of a package", by_name("package", "seven", args! {})));
    deploys.push(play("by the name of a URef", by_name("access", "seven", args! {})));
    deploys.push(play("by no name", by_name("nothing", "seven", args! {})));
    deploys.push(play("by nothing's hash", by_hash("@nothing", "seven", args! {})));
    deploys.push(play("by a package's hash", by_hash("1/package", "seven", args! {})));
    for (name, version) in [("none", None), ("1", Some(1)), ("2", Some(2)), ("0", Some(0))] {
        let session = by_package("1/package", version, "seven", args! {});
        deploys.push(play(&format!("by package, version {name}"), session));
        let session = by_package_name("package", version, "seven", args! {});
        deploys.push(play(&format!("by package name, version {name}"), session));
    }
    let session = by_package("1/package", None, "missing", args! {});
    deploys.push(play("by package, missing method", session));
    let session = by_package("1/contract", None, "seven", args! {});
    deploys.push(play("by the package of a contract", session));
    let session = by_package("@nothing", None, "seven", args! {});
    deploys.push(play("by no package", session));
    let session = by_package_name("contract", None, "seven", args! {});
    deploys.push(play("by the package name of a contract", session));
    let session = by_package_name("access", None, "seven", args! {});
    deploys.push(play("by the package name of a URef", session));
    let session = by_package_name("nothing", None, "seven", args! {});
    deploys.push(play("by no package name", session));
    let forged = args! { "it" => Value::URef { at: "@nothing".to_owned(), rights: 7 } };
    deploys.push(play("a forged argument", by_hash("1/contract", "wants", forged)));
    let main = args! { "it" => Value::URef { at: "1/@main".to_owned(), rights: 7 } };
    deploys.push(play("the main purse as an argument", by_hash("1/contract", "wants", main)));
    let others = args! { "it" => Value::URef { at: "2/@main".to_owned(), rights: 7 } };
    deploys.push(play("another's main purse", by_hash("1/contract", "wants", others)));
    let few = args! { "it" => Value::URef { at: "1/few".to_owned(), rights: 7 } };
    deploys.push(play("an own URef", by_hash("1/contract", "wants", few)));
    let few = by_hash("1/contract", "for_few", args! {});
    deploys.push(play("ben is not of the few", few).by(BEN));
    book.case("deploys of stored code", deploys);
}

fn versions(book: &mut Book) {
    let mut deploys = vec![book.guest("install", whole)];
    deploys.push(book.guest("upgrade", |g| {
        let package = g.key("package");
        let all = methods(vec![method("seven", false, None), method("new", false, None)]);
        let all = g.form(&all);
        let (call, contract) = version(g, package.at + 1, all, &BTreeMap::new());
        g.check(call);
        put(g, "contract2", contract);
        g.function("seven");
        let value = g.value(77_u64);
        g.run(host!(ret, value.at, value.size));
        g.function("new");
    }));
    let newest = || through_version("1/package", None, "seven", args! {});
    deploys.push(play("newest", newest()));
    let change = |book: &mut Book, name: &str, enable: bool, which: &str| {
        book.guest(name, |g| {
            let (package, contract) = (g.key("package"), g.key(which));
            g.check(if enable {
                host!(enable_contract_version, package.at + 1, 32_u32, contract.at + 1, 32_u32)
            } else {
                host!(disable_contract_version, package.at + 1, 32_u32, contract.at + 1, 32_u32)
            });
        })
    };
    deploys.push(change(book, "disable the second", false, "contract2"));
    deploys.push(play("newest again", newest()));
    deploys.push(play("call the second", through("1/contract2", "seven", args! {})));
    let second = by_hash("1/contract2", "seven", args! {});
    deploys.push(play("deploy of the second", second));
    let second = by_package("1/package", Some(2), "seven", args! {});
    deploys.push(play("deploy of version 2", second));
    deploys.push(change(book, "disable the second again", false, "contract2"));
    deploys.push(change(book, "enable the first, which is", true, "contract"));
    deploys.push(change(book, "disable the first too", false, "contract"));
    deploys.push(play("no version", newest()));
    let none = by_package("1/package", None, "seven", args! {});
    deploys.push(play("deploy of no version", none));
    deploys.push(change(book, "disable what is no contract", false, "package"));
    deploys.push(change(book, "enable the second", true, "contract2"));
    deploys.push(play("newest once more", newest()));
    deploys.push(book.guest("ben disables", |g| {
        let package = g.arg("package", 32);
        let contract = g.arg("contract", 32);
        g.answer(host!(disable_contract_version, package.at, 32_u32, contract.at, 32_u32));
    }));
    let last = deploys.len() - 1;
    let at = |place: &str| Value::Address(place.to_owned());
    deploys[last] = deploys[last]
        .clone()
        .by(BEN)
        .args(args! { "package" => at("1/package"), "contract" => at("1/contract") });
    for (name, entry_points) in [
        ("a method that is not exported", methods(vec![method("absent", false, None)])),
        ("no method", methods(vec![])),
        ("a method named call", methods(vec![method("call", false, None)])),
        ("a group that is not there", methods(vec![method("call", false, Some(&["ghosts"]))])),
    ] {
        deploys.push(book.guest(&format!("a version with {name}"), |g| {
            let package = g.key("package");
            let all = g.form(&entry_points);
            let (call, _) = version(g, package.at + 1, all, &BTreeMap::new());
            g.check(call);
        }));
    }
    deploys.push(book.guest("a version of a forged name", |g| {
        let package = g.key("package");
        let all = g.form(&methods(vec![method("call", false, None)]));
        let forged = Key::URef(URef::new([7; 32], AccessRights::READ_ADD_WRITE));
        let (call, _) = version(g, package.at + 1, all, &[("f".to_owned(), forged)].into());
        g.check(call);
    }));
    deploys.push(book.guest("a version with a name", |g| {
        let package = g.key("package");
        let all = g.form(&methods(vec![method("call", false, None)]));
        let name = ("thing".to_owned(), Key::Hash([5; 32]));
        let (call, contract) = version(g, package.at + 1, all, &[name].into());
        g.check(call);
        put(g, "contract3", contract);
    }));
    deploys.push(book.guest("broken methods", |g| {
        let package = g.key("package");
        let all = g.bytes(&[9; 20]);
        let (call, _) = version(g, package.at + 1, all, &BTreeMap::new());
        g.check(call);
    }));
    deploys.push(book.guest("little room for the hash", |g| {
        let (package, names) = (g.key("package"), g.form(&BTreeMap::<String, Key>::new()));
        let all = g.form(&methods(vec![method("call", false, None)]));
        let room = g.room(40);
        g.answer(host!(
            add_contract_version,
            package.at + 1,
            32_u32,
            room,
            all.at,
            all.size,
            names.at,
            names.size,
            room,
            31_u32,
            room
        ));
    }));
    deploys.push(book.guest("a version of no package", |g| {
        let package = g.bytes(&[9; 32]);
        let all = g.form(&methods(vec![method("call", false, None)]));
        let (call, _) = version(g, package.at, all, &BTreeMap::new());
        g.check(call);
    }));
    book.case("versions", deploys);
}

fn groups(book: &mut Book) {
    let mut deploys = vec![book.guest("install", whole)];
    let label = |g: &mut Guest, text: &str| g.text(text);
    deploys.push(book.guest("a group", |g| {
        let package = g.key("package");
        group(g, package.at + 1, "friends", 2);
    }));
    deploys.push(book.guest("the same group", |g| {
        let package = g.key("package");
        let call = new_group(g, package.at + 1, "friends", 1, &BTreeSet::new());
        g.answer(call);
    }));
    deploys.push(book.guest("a group of too many", |g| {
        let package = g.key("package");
        let call = new_group(g, package.at + 1, "crowd", 98, &BTreeSet::new());
        g.answer(call);
    }));
    deploys.push(book.guest("a group of a forged URef", |g| {
        let package = g.key("package");
        let forged = URef::new([7; 32], AccessRights::READ);
        let call = new_group(g, package.at + 1, "forged", 0, &[forged].into());
        g.answer(call);
    }));
    deploys.push(book.guest("8 groups more", |g| {
        let package = g.key("package");
        let (room, read) = (g.room(64), g.room(4));
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let call = new_group(g, package.at + 1, name, 1, &BTreeSet::new());
            g.check(call);
            g.check(host!(read_host_buffer, room, 64_u32, read));
        }
    }));
    deploys.push(book.guest("the 11th group", |g| {
        let package = g.key("package");
        let call = new_group(g, package.at + 1, "i", 0, &BTreeSet::new());
        g.answer(call);
    }));
    deploys.push(book.guest("a group with a full buffer", |g| {
        let (package, size) = (g.key("package"), g.room(8));
        g.check(host!(get_caller, size));
        let call = new_group(g, package.at + 1, "j", 0, &BTreeSet::new());
        g.answer(call);
    }));
    for name in ["friends", "few", "ghosts"] {
        let deploy = format!("provision `{name}`");
        deploys.push(book.guest(&deploy, |g| {
            let (package, label, size) = (g.key("package"), label(g, name), g.room(8));
            g.check(host!(
                provision_contract_user_group_uref,
                package.at + 1,
                32_u32,
                label.at,
                label.size,
                size
            ));
            // Which URef it is differs.
            let room = g.room(40);
            g.check(host!(read_host_buffer, room, 40_u32, size));
        }));
    }
    deploys.push(book.guest("provision many", |g| {
        let (package, label, size) = (g.key("package"), label(g, "friends"), g.room(8));
        let (room, read) = (g.room(64), g.room(4));
        for _ in 0..12 {
            g.check(host!(
                provision_contract_user_group_uref,
                package.at + 1,
                32_u32,
                label.at,
                label.size,
                size
            ));
            g.check(host!(read_host_buffer, room, 64_u32, read));
        }
    }));
    for (name, list) in [
        ("no URefs", BTreeSet::new()),
        ("a forged URef", BTreeSet::from([URef::new([7; 32], AccessRights::READ)])),
    ] {
        for of in ["friends", "ghosts"] {
            let list = list.clone();
            deploys.push(book.guest(&format!("remove {name} from `{of}`"), |g| {
                let (package, label, list) = (g.key("package"), label(g, of), g.form(&list));
                g.answer(host!(
                    remove_contract_user_group_urefs,
                    package.at + 1,
                    32_u32,
                    label.at,
                    label.size,
                    list.at,
                    list.size
                ));
            }));
        }
    }
    deploys.push(book.guest("remove a URef of the few", |g| {
        let (package, label) = (g.key("package"), label(g, "few"));
        let few = g.key("few");
        let list = g.bytes(&[&[1, 0, 0, 0][..], &[0; 33]].concat());
        for byte in 0..33 {
            let from = format!("(i32.load8_u (i32.const {}))", few.at + 1 + byte);
            g.run(format!("(i32.store8 (i32.const {}) {from})", list.at + 4 + byte));
        }
        g.check(host!(
            remove_contract_user_group_urefs,
            package.at + 1,
            32_u32,
            label.at,
            label.size,
            list.at,
            list.size
        ));
    }));
    deploys.push(play("no longer of the few", by_hash("1/contract", "for_few", args! {})));
    for name in ["a", "a", "few", "ghosts"] {
        let deploy = format!("remove group `{name}`, {}", deploys.len());
        deploys.push(book.guest(&deploy, |g| {
            let (package, label) = (g.key("package"), label(g, name));
            g.check(host!(
                remove_contract_user_group,
                package.at + 1,
                32_u32,
                label.at,
                label.size
            ));
        }));
    }
    let ben = book.guest("ben removes a group", |g| {
        let (package, label) = (g.arg("package", 32), label(g, "b"));
        g.answer(host!(remove_contract_user_group, package.at, 32_u32, label.at, label.size));
    });
    let at = args! { "package" => Value::Address("1/package".to_owned()) };
    deploys.push(ben.by(BEN).args(at));
    book.case("groups", deploys);
}

fn locked(book: &mut Book) {
    let install = book.guest("install", |g| {
        let package = new_package(g, 1);
        let all = g.form(&methods(vec![method("seven", false, None)]));
        let (call, contract) = version(g, package.key.at + 1, all, &BTreeMap::new());
        g.check(call);
        put(g, "contract", contract);
        put(g, "package", package.key);
        put(g, "access", package.access);
        g.function("seven");
        let value = g.value(7_u64);
        g.run(host!(ret, value.at, value.size));
    });
    let upgrade = book.guest("upgrade", |g| {
        let package = g.key("package");
        let all = g.form(&methods(vec![method("call", false, None)]));
        let (call, _) = version(g, package.at + 1, all, &BTreeMap::new());
        g.answer(call);
    });
    let disable = book.guest("disable", |g| {
        let (package, contract) = (g.key("package"), g.key("contract"));
        g.answer(host!(disable_contract_version, package.at + 1, 32_u32, contract.at + 1, 32_u32));
    });
    let enable = book.guest("enable", |g| {
        let (package, contract) = (g.key("package"), g.key("contract"));
        g.answer(host!(enable_contract_version, package.at + 1, 32_u32, contract.at + 1, 32_u32));
    });
    let group = book.guest("a group", |g| {
        let package = g.key("package");
        let call = new_group(g, package.at + 1, "g", 1, &BTreeSet::new());
        g.answer(call);
    });
    let call = play("call", by_name("contract", "seven", args! {}));
    book.case("a locked package", vec![install, upgrade, disable, enable, group, call]);
}
