//! The deploys that both engines play.

mod auction;
mod code;
mod context;
mod contracts;
mod dictionaries;
mod keys;
mod money;
mod payment;
mod purses;
mod shipped;
mod system;
mod transfers;
mod values;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use crate::{
    conform::suite::{ANA, Args, Case, Item, Play, Suite, Value},
    guest::{Guest, host, load},
};

/// One token.
pub(crate) const G: u64 = 1_000_000_000;

/// Everything, and the code by name.
pub(crate) fn all(contracts: &std::path::Path) -> Result<(Suite, BTreeMap<String, Vec<u8>>)> {
    let mut book = Book::default();
    for name in ["counter", "hello", "payment", "purse", "revert", "spin", "token", "vault"] {
        let file = contracts.join(name).with_extension("wasm");
        let wasm = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        book.modules.insert(name.to_owned(), wasm);
    }
    book.modules.insert("proxy".to_owned(), proxy());
    book.modules.insert("versioned proxy".to_owned(), versioned_proxy());
    let groups: [fn(&mut Book); 13] = [
        values::cases,
        context::cases,
        keys::cases,
        purses::cases,
        contracts::cases,
        dictionaries::cases,
        shipped::cases,
        payment::cases,
        money::cases,
        code::cases,
        transfers::cases,
        system::cases,
        auction::cases,
    ];
    for group in groups {
        group(&mut book);
    }
    let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let modules = book.modules.iter().map(|(name, bytes)| (name.clone(), hex(bytes))).collect();
    Ok((Suite { modules, cases: book.cases }, book.modules))
}

/// Cases in the making.
#[derive(Default)]
pub(crate) struct Book {
    modules: BTreeMap<String, Vec<u8>>,
    cases: Vec<Case>,
    numbered: u32,
}

impl Book {
    fn case(&mut self, name: &str, deploys: Vec<Play>) {
        for (at, deploy) in deploys.iter().enumerate() {
            let twice = deploys[..at].iter().any(|before| before.name == deploy.name);
            assert!(!twice, "{name} has two deploys `{}`", deploy.name);
        }
        assert!(!self.cases.iter().any(|case| case.name == name), "two cases `{name}`");
        self.cases.push(Case { name: name.to_owned(), deploys });
    }

    /// Code of a test as an item.
    fn module(&mut self, wasm: Vec<u8>) -> Item {
        self.numbered += 1;
        let name = format!("test {}", self.numbered);
        self.modules.insert(name.clone(), wasm);
        Item::Module { module: name, args: Vec::new() }
    }

    /// A deploy of Ana's whose session does host calls.
    fn guest(&mut self, name: &str, write: impl FnOnce(&mut Guest)) -> Play {
        let session = self.module(Guest::with(write));
        play(name, session)
    }

    /// A deploy of Ana's whose session is a module in text.
    fn text(&mut self, name: &str, text: &str) -> Play {
        let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let session = self.module(wasm);
        play(name, session)
    }
}

/// A deploy of Ana's, with 100 tokens of standard payment.
pub(crate) fn play(name: &str, session: Item) -> Play {
    Play {
        name: name.to_owned(),
        sender: ANA,
        signers: vec![ANA],
        gas_price: 1,
        payment: standard(100 * G),
        session,
    }
}

impl Play {
    fn by(mut self, sender: u8) -> Self {
        self.sender = sender;
        self.signers = vec![sender];
        self
    }

    fn signed(mut self, signers: &[u8]) -> Self {
        self.signers = signers.to_vec();
        self
    }

    fn priced(mut self, gas_price: u64) -> Self {
        self.gas_price = gas_price;
        self
    }

    fn paid(mut self, motes: u64) -> Self {
        self.payment = standard(motes);
        self
    }

    fn paid_by(mut self, payment: Item) -> Self {
        self.payment = payment;
        self
    }

    /// The same deploy with arguments for its session.
    fn args(mut self, given: Args) -> Self {
        match &mut self.session {
            Item::Module { args, .. }
            | Item::Hash { args, .. }
            | Item::Name { args, .. }
            | Item::PackageHash { args, .. }
            | Item::PackageName { args, .. }
            | Item::Transfer { args } => *args = given,
        }
        self
    }
}

/// Arguments.
macro_rules! args {
    ($($name:literal => $value:expr),* $(,)?) => {
        vec![$(($name.to_owned(), $value)),*] as $crate::conform::suite::Args
    };
}
pub(crate) use args;

pub(crate) fn motes(motes: u64) -> Value {
    Value::U512(motes.to_string())
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn number(number: u64) -> Value {
    Value::U256(number.to_string())
}

pub(crate) fn standard(amount: u64) -> Item {
    named("", args! { "amount" => motes(amount) })
}

/// A module by its name.
pub(crate) fn named(module: &str, args: Args) -> Item {
    Item::Module { module: module.to_owned(), args }
}

pub(crate) fn by_hash(at: &str, entry: &str, args: Args) -> Item {
    Item::Hash { at: at.to_owned(), entry: entry.to_owned(), args }
}

pub(crate) fn by_name(name: &str, entry: &str, args: Args) -> Item {
    Item::Name { name: name.to_owned(), entry: entry.to_owned(), args }
}

pub(crate) fn by_package(at: &str, version: Option<u32>, entry: &str, args: Args) -> Item {
    Item::PackageHash { at: at.to_owned(), version, entry: entry.to_owned(), args }
}

pub(crate) fn by_package_name(name: &str, version: Option<u32>, entry: &str, args: Args) -> Item {
    Item::PackageName { name: name.to_owned(), version, entry: entry.to_owned(), args }
}

/// A session that calls a contract and keeps what it returns under the name `returned`.
pub(crate) fn through(at: &str, entry: &str, args: Args) -> Item {
    let given = args! {
        "contract" => Value::Address(at.to_owned()),
        "entry" => text(entry),
        "args" => Value::Args(args),
        "amount" => motes(1_000_000 * G),
    };
    named("proxy", given)
}

/// As [`through`], with a package and a version in its byte form.
pub(crate) fn through_version(at: &str, version: Option<u32>, entry: &str, args: Args) -> Item {
    let version = match version {
        None => vec![0],
        Some(version) => [&[1][..], &version.to_le_bytes()].concat(),
    };
    let given = args! {
        "contract" => Value::Address(at.to_owned()),
        "version" => Value::Any(version),
        "entry" => text(entry),
        "args" => Value::Args(args),
    };
    named("versioned proxy", given)
}

fn proxy() -> Vec<u8> {
    Guest::with(|g| {
        let contract = g.arg("contract", 32);
        let (entry, entry_size) = g.sized_arg("entry");
        let (args, args_size) = g.sized_arg("args");
        let size = g.room(4);
        let (entry_size, args_size) = (load(entry_size), load(args_size));
        g.check(host!(
            call_contract,
            contract.at,
            32_u32,
            entry,
            entry_size,
            args,
            args_size,
            size
        ));
        returned(g, size);
    })
}

fn versioned_proxy() -> Vec<u8> {
    Guest::with(|g| {
        let package = g.arg("contract", 32);
        let (version, version_size) = g.sized_arg("version");
        let (entry, entry_size) = g.sized_arg("entry");
        let (args, args_size) = g.sized_arg("args");
        let size = g.room(4);
        let (version_size, entry_size) = (load(version_size), load(entry_size));
        let args_size = load(args_size);
        g.check(host!(
            call_versioned_contract,
            package.at,
            32_u32,
            version,
            version_size,
            entry,
            entry_size,
            args,
            args_size,
            size
        ));
        returned(g, size);
    })
}

/// Keeps what a call returned, if it is not nothing.
fn returned(g: &mut Guest, size: u32) {
    g.run(format!("(if {} (then", load(size)));
    g.keep_buffer("returned", size);
    g.run("))");
}
