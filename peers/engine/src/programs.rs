//! Two contracts made for the benchmark: one computes, one counts.

use std::collections::BTreeMap;

use casper_types::{
    AccessRights, CLType, EntryPointAccess, EntryPointType, Key, URef,
    bytesrepr::ToBytes as _,
    contracts::{EntryPoint, EntryPoints},
};

use crate::guest::{Guest, host};

/// Instructions that one turn of the loop of [`compute`] executes: 41 in the loop and 7 in the
/// function that it calls, `end` not counted.
pub(crate) const TURN_INSTRUCTIONS: u64 = 48;

/// A contract named `compute` whose `run` goes around a loop as often as the argument `turns`
/// says, and adds what it found to `value`.
pub(crate) fn compute() -> Vec<u8> {
    let mut guest = Guest::new();
    install(&mut guest, "compute", "run");
    guest.helper(
        "(func $mix (param i64 i64) (result i64)
          (i64.xor
            (i64.rotl (local.get 0) (i64.const 13))
            (i64.add (local.get 1) (i64.const 77))))",
    );
    guest.function("run");
    guest.run("(local $i i32) (local $at i32) (local $x i64) (local $y i32)");
    let turns = guest.arg("turns", 8);
    guest.run(format!("(local.set $i (i32.load (i32.const {})))", turns.at));
    guest.run(
        "(loop $again
          (local.set $x (call $mix (local.get $x) (i64.extend_i32_u (local.get $i))))
          (local.set $at (i32.or
            (i32.and (i32.wrap_i64 (local.get $x)) (i32.const 0x3ff8)) (i32.const 0x8000)))
          (i64.store (local.get $at) (i64.add (i64.load (local.get $at)) (local.get $x)))
          (local.set $y (i32.add
            (i32.mul (local.get $y) (i32.const 1664525))
            (i32.load8_u (i32.and (local.get $i) (i32.const 255)))))
          (local.set $x (select
            (i64.sub (local.get $x) (i64.const 3))
            (local.get $x)
            (i32.and (local.get $y) (i32.const 1))))
          (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))",
    );
    let (key, found) = (guest.key("value"), guest.value(0_u64));
    guest.run(format!("(i64.store (i32.const {}) (local.get $x))", found.at + 4));
    guest.run(host!(add, key.at, key.size, found.at, found.size));
    guest.build()
}

/// A contract named `counter` whose `count` adds 1 to `value`.
pub(crate) fn counter() -> Vec<u8> {
    let mut guest = Guest::new();
    install(&mut guest, "counter", "count");
    guest.function("count");
    let (key, one) = (guest.key("value"), guest.value(1_u64));
    guest.run(host!(add, key.at, key.size, one.at, one.size));
    guest.build()
}

/// Stores a contract with one method and the number `value`, and names it.
fn install(guest: &mut Guest, name: &str, method: &str) {
    let (kind, access) = (EntryPointType::Called, EntryPointAccess::Public);
    let methods: EntryPoints =
        vec![EntryPoint::new(method, Vec::new(), CLType::Unit, access, kind)].into();
    let uref = Key::URef(URef::new([0; 32], AccessRights::READ_ADD_WRITE));
    let names = BTreeMap::from([("value".to_owned(), uref)]);
    let bytes = names.to_bytes().expect("names have bytes");
    // The URef is the last thing in it.
    let uref_at = bytes.len() as u32 - 33;
    let (names, zero) = (guest.bytes(&bytes), guest.value(0_u64));
    guest.run(host!(new_uref, names.at + uref_at, zero.at, zero.size));
    let (package, access) = (guest.room(32), guest.room(32));
    guest.run(host!(create_contract_package_at_hash, package, access, 0_u32));
    let methods = guest.form(&methods);
    let (contract, version, size) = (guest.bytes(&[1; 33]), guest.room(4), guest.room(4));
    guest.check(host!(
        add_contract_version,
        package,
        32_u32,
        version,
        methods.at,
        methods.size,
        names.at,
        names.size,
        contract.at + 1,
        32_u32,
        size
    ));
    let name = guest.text(name);
    guest.run(host!(put_key, name.at, name.size, contract.at, contract.size));
}
