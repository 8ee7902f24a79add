//! A network on which one account has everything that deploys can fail at: contracts of each kind,
//! purses of each right, names that lead nowhere.

use casper_types::{
    AccessRights, CLValue, Deploy, EntryPointAccess, EntryPointType, ExecutableDeployItem, Key,
    RuntimeArgs, StoredValue, URef,
    bytesrepr::ToBytes,
    contracts::{ContractHash, ContractPackageHash, EntryPoint, EntryPoints},
    runtime_args,
};
use girrona_types::chainspec::FailureCharge;

use crate::{guest::Paper, world::*};

/// What each deploy here offers, unless it says otherwise.
pub(crate) const OFFER: u64 = 20 * GIRRO;
const SETUP: u64 = 200 * GIRRO;

pub(crate) fn bytes(value: &impl ToBytes) -> Vec<u8> {
    value.to_bytes().unwrap()
}

pub(crate) fn clvalue<T: casper_types::CLTyped + ToBytes>(value: T) -> Vec<u8> {
    bytes(&CLValue::from_t(value).unwrap())
}

/// Ana's town: under her name are
/// - `shop`, a contract, and `shop_package`; `old_shop` is its first version, which is disabled;
/// - `safe_package`, locked with one version;
/// - `closed_package`, whose only version is disabled;
/// - `note`, a URef with the number 7; `list`, a dictionary's seed; `purse`, a purse;
/// - `deposit` and `glance`, the same purse with the right to add and to read alone;
/// - `ben`, Ben's account.
pub(crate) struct Town {
    pub(crate) world: World,
    /// What made the town, in order.
    pub(crate) setup: Vec<Deploy>,
}

impl Town {
    pub(crate) fn new(charge: FailureCharge, poor: u64) -> Self {
        let mut town = Self { world: World::with_poor(law(charge), poor), setup: Vec::new() };
        for wasm in [shop(), safe(), closed(), belongings()] {
            let deploy = town.world.session(ANA, SETUP, wasm, RuntimeArgs::new());
            let result = town.world.one(deploy.clone());
            assert_eq!(seen(&result).1, None, "{result:?}");
            town.setup.push(deploy);
        }
        town
    }

    /// A module of Ana's that offers enough.
    pub(crate) fn runs(&self, wasm: Vec<u8>) -> Deploy {
        self.world.session(ANA, OFFER, wasm, RuntimeArgs::new())
    }

    /// A session of Ana's that offers enough.
    pub(crate) fn session(&self, session: ExecutableDeployItem) -> Deploy {
        self.world.deploy(ANA, pay(OFFER), session)
    }

    /// A session of Ana's with payment code.
    pub(crate) fn pays(&self, payment: ExecutableDeployItem) -> Deploy {
        self.world.deploy(ANA, payment, module(crate::guest::idles(), RuntimeArgs::new()))
    }

    /// A contract or package that Ana has a name for.
    pub(crate) fn hash(&self, name: &str) -> [u8; 32] {
        match self.world.named(ANA, name) {
            Some(Key::Hash(hash)) => hash,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// A URef that Ana has a name for.
    pub(crate) fn uref(&self, name: &str) -> URef {
        match self.world.named(ANA, name) {
            Some(Key::URef(uref)) => uref,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// Changes what is stored, as no deploy can.
    pub(crate) fn rewrite(&mut self, key: Key, value: Option<StoredValue>) {
        self.world.state.apply(&[(key, value)].into()).unwrap();
    }
}

pub(crate) fn by_name(name: &str, entry_point: &str, args: RuntimeArgs) -> ExecutableDeployItem {
    let (name, entry_point) = (name.to_owned(), entry_point.to_owned());
    ExecutableDeployItem::new_stored_contract_by_name(name, entry_point, args)
}

pub(crate) fn by_hash(
    hash: [u8; 32],
    entry_point: &str,
    args: RuntimeArgs,
) -> ExecutableDeployItem {
    let entry_point = entry_point.to_owned();
    ExecutableDeployItem::new_stored_contract_by_hash(ContractHash::new(hash), entry_point, args)
}

pub(crate) fn of_package(
    name: &str,
    version: Option<u32>,
    entry_point: &str,
) -> ExecutableDeployItem {
    let (name, entry_point) = (name.to_owned(), entry_point.to_owned());
    let args = RuntimeArgs::new();
    ExecutableDeployItem::new_stored_versioned_contract_by_name(name, version, entry_point, args)
}

pub(crate) fn of_package_at(hash: [u8; 32], version: Option<u32>) -> ExecutableDeployItem {
    let (hash, entry_point) = (ContractPackageHash::new(hash), "open".to_owned());
    let args = RuntimeArgs::new();
    ExecutableDeployItem::new_stored_versioned_contract_by_hash(hash, version, entry_point, args)
}

/// Arguments for payment code.
pub(crate) fn amount(motes: u64) -> RuntimeArgs {
    runtime_args! { "amount" => casper_types::U512::from(motes) }
}

/// Calls an entry point of a contract that the account has a name for, with arguments.
pub(crate) fn calls(name: &str, entry_point: &str, args: &RuntimeArgs) -> Vec<u8> {
    let mut paper = Paper::default();
    let name = paper.put(&bytes(&name.to_owned()));
    let entry_point = paper.put(&bytes(&entry_point.to_owned()));
    let args = paper.put(&bytes(args));
    let (key, size) = (paper.room(33), paper.room(4));
    paper.guest(&format!(
        "(call $check (call $get_key {name} (i32.const {key}) (i32.const 33) (i32.const {size})))
         (call $check (call $call_contract
            (i32.const {}) (i32.const 32) {entry_point} {args} (i32.const {size})))",
        key + 1
    ))
}

/// Calls a version of a package that the account has a name for.
pub(crate) fn calls_version(package: &str, version: Option<u32>) -> Vec<u8> {
    let mut paper = Paper::default();
    let name = paper.put(&bytes(&package.to_owned()));
    let entry_point = paper.put(&bytes(&"open".to_owned()));
    let args = paper.put(&bytes(&RuntimeArgs::new()));
    let version = paper.put(&bytes(&version));
    let (key, size) = (paper.room(33), paper.room(4));
    paper.guest(&format!(
        "(call $check (call $get_key {name} (i32.const {key}) (i32.const 33) (i32.const {size})))
         (call $check (call $call_versioned_contract
            (i32.const {}) (i32.const 32) {version} {entry_point} {args} (i32.const {size})))",
        key + 1
    ))
}

/// Calls a system contract by its index.
pub(crate) fn calls_system(index: u32, entry_point: &str, args: &RuntimeArgs) -> Vec<u8> {
    let mut paper = Paper::default();
    let entry_point = paper.put(&bytes(&entry_point.to_owned()));
    let args = paper.put(&bytes(args));
    let (hash, size) = (paper.room(32), paper.room(4));
    paper.guest(&format!(
        "(call $check (call $get_system_contract
            (i32.const {index}) (i32.const {hash}) (i32.const 32)))
         (call $check (call $call_contract
            (i32.const {hash}) (i32.const 32) {entry_point} {args} (i32.const {size})))"
    ))
}

fn entry_point(name: &str, access: EntryPointAccess, kind: EntryPointType) -> EntryPoint {
    EntryPoint::new(name, Vec::new(), casper_types::CLType::Unit, access, kind)
}

/// Wat that makes a package and names it, and what other wat needs to know of it.
struct Package {
    paper: Paper,
    make: String,
    /// Where the package's hash is, as pointer and size.
    hash: String,
}

impl Package {
    fn new(name: &str, locked: bool) -> Self {
        let mut paper = Paper::default();
        // A key's tag and its hash.
        let key = paper.room(33);
        paper.put(&[]);
        let access = paper.room(32);
        let name = paper.put(&bytes(&name.to_owned()));
        let make = format!(
            "(call $create_contract_package_at_hash
                (i32.const {}) (i32.const {access}) (i32.const {}))
             (i32.store8 (i32.const {key}) (i32.const 1))
             (call $put_key {name} (i32.const {key}) (i32.const 33))",
            key + 1,
            u8::from(locked)
        );
        let hash = format!("(i32.const {}) (i32.const 32)", key + 1);
        Self { paper, make, hash }
    }

    /// Wat that adds a version and leaves its hash at the place that comes second.
    fn version(&mut self, entry_points: EntryPoints) -> (String, u32) {
        let entry_points = self.paper.put(&bytes(&entry_points));
        let names = self.paper.put(&bytes(&casper_types::NamedKeys::new()));
        let (key, number, size) = (self.paper.room(33), self.paper.room(4), self.paper.room(4));
        let add = format!(
            "(call $check (call $add_contract_version {} (i32.const {number}) {entry_points}
                {names} (i32.const {}) (i32.const 32) (i32.const {size})))
             (i32.store8 (i32.const {key}) (i32.const 1))",
            self.hash,
            key + 1
        );
        (add, key)
    }

    fn name(&mut self, name: &str, key: u32) -> String {
        let name = self.paper.put(&bytes(&name.to_owned()));
        format!("(call $put_key {name} (i32.const {key}) (i32.const 33))")
    }

    fn disable(&self, key: u32) -> String {
        format!(
            "(call $check (call $disable_contract_version {} (i32.const {}) (i32.const 32)))",
            self.hash,
            key + 1
        )
    }
}

/// A contract whose entry points fail in ways that only a contract's can.
fn shop() -> Vec<u8> {
    use EntryPointType::{Called, Caller};
    let mut package = Package::new("shop_package", false);
    let label = package.paper.put(&bytes(&"staff".to_owned()));
    let none = package.paper.put(&bytes(&Vec::<URef>::new()));
    let public = || EntryPointAccess::Public;
    let mut entry_points = EntryPoints::new();
    for (name, access, kind) in [
        ("open", public(), Called),
        ("staff_only", EntryPointAccess::groups(&["staff"]), Called),
        ("as_account", public(), Caller),
        ("whose_purse", public(), Called),
        ("as_account_inside", public(), Called),
        ("deep", public(), Called),
        ("breaks", public(), Called),
        ("adds_key", public(), Called),
    ] {
        entry_points.add_entry_point(entry_point(name, access, kind));
    }
    let (first, old) = package.version(entry_points.clone());
    let (second, new) = package.version(entry_points);
    let size = package.paper.room(4);
    let body = [
        package.make.clone(),
        format!(
            "(call $check (call $create_contract_user_group
                {} {label} (i32.const 0) {none} (i32.const {size})))",
            package.hash
        ),
        first,
        package.name("old_shop", old),
        second,
        package.name("shop", new),
        package.disable(old),
    ]
    .join("\n");
    // Arguments that hand the contract its own hash: the template has room for it.
    let me = runtime_args! { "me" => [0_u8; 32] };
    let template = bytes(&me);
    // The last five bytes are the type.
    let at = u32::try_from(template.len() - 5 - 32).unwrap();
    let args = package.paper.put(&template);
    let start: u32 = args["(i32.const ".len()..args.find(')').unwrap()].parse().unwrap();
    let name = package.paper.put(b"me");
    let deep = package.paper.put(&bytes(&"deep".to_owned()));
    let as_account = package.paper.put(&bytes(&"as_account".to_owned()));
    let nothing = package.paper.put(&bytes(&RuntimeArgs::new()));
    let ben = package.paper.put(&hash(BEN).value());
    let purse = package.paper.room(33);
    let me = format!("(i32.const {}) (i32.const 32)", start + at);
    let functions = format!(
        "(func (export \"open\"))
         (func (export \"staff_only\"))
         (func (export \"as_account\"))
         (func (export \"whose_purse\") (call $get_main_purse (i32.const {purse})))
         (func (export \"as_account_inside\")
            (call $check (call $get_named_arg {name} {me}))
            (call $check (call $call_contract {me} {as_account} {nothing} (i32.const {size}))))
         (func (export \"deep\")
            (call $check (call $get_named_arg {name} {me}))
            (call $check (call $call_contract {me} {deep} {args} (i32.const {size}))))
         (func (export \"breaks\") (call $revert (i32.const 65545)))
         (func (export \"adds_key\")
            (call $check (call $add_associated_key {ben} (i32.const 1))))"
    );
    package.paper.contract(&body, &functions)
}

fn one_entry_point() -> EntryPoints {
    let mut entry_points = EntryPoints::new();
    entry_points.add_entry_point(entry_point(
        "open",
        EntryPointAccess::Public,
        EntryPointType::Called,
    ));
    entry_points
}

fn safe() -> Vec<u8> {
    let mut package = Package::new("safe_package", true);
    let (add, key) = package.version(one_entry_point());
    let body = [package.make.clone(), add, package.name("safe", key)].join("\n");
    package.paper.contract(&body, "(func (export \"open\"))")
}

fn closed() -> Vec<u8> {
    let mut package = Package::new("closed_package", false);
    let (add, key) = package.version(one_entry_point());
    let body = [package.make.clone(), add, package.disable(key)].join("\n");
    package.paper.contract(&body, "(func (export \"open\"))")
}

fn belongings() -> Vec<u8> {
    let mut paper = Paper::default();
    let seven = paper.put(&clvalue(7_u64));
    let (note, list, purse) = (paper.room(34), paper.room(34), paper.room(34));
    let size = paper.room(4);
    let mut body = format!(
        "(call $new_uref (i32.const {}) {seven})
         (call $check (call $new_dictionary (i32.const {size})))
         (call $check (call $read_host_buffer
            (i32.const {}) (i32.const 33) (i32.const {size})))
         (call $check (call $create_purse (i32.const {}) (i32.const 33)))",
        note + 1,
        list + 1,
        purse + 1,
    );
    let mut name = |name: &str, at: u32, rights: Option<AccessRights>| {
        let name = paper.put(&bytes(&name.to_owned()));
        body += &format!("(i32.store8 (i32.const {at}) (i32.const 2))");
        if let Some(rights) = rights {
            let (place, rights) = (at + 33, rights.bits());
            body += &format!("(i32.store8 (i32.const {place}) (i32.const {rights}))");
        }
        body += &format!("(call $put_key {name} (i32.const {at}) (i32.const 34))");
    };
    name("note", note, None);
    name("list", list, None);
    name("purse", purse, None);
    name("deposit", purse, Some(AccessRights::ADD));
    name("glance", purse, Some(AccessRights::READ));
    let ben = paper.put(&bytes(&Key::Account(hash(BEN))));
    let name = paper.put(&bytes(&"ben".to_owned()));
    body += &format!("(call $put_key {name} {ben})");
    paper.guest(&body)
}
