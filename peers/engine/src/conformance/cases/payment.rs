//! Every form of payment with every form of session.

use super::{
    Book, G, Value, args, by_hash, by_name, by_package, by_package_name, motes, named, play,
    standard, text,
};
use crate::conform::suite::{Args, BEN, Item, Play};

fn amount(tokens: u64) -> Args {
    args! { "amount" => motes(tokens * G) }
}

/// The payment contract and the token, under Ana's names.
fn install() -> [Play; 2] {
    let make = args! {
        "name" => text("Token"), "symbol" => text("TOK"), "decimals" => Value::U8(9),
        "supply" => super::number(1_000_000),
    };
    [play("install payment", named("payment", args! {})), play("install", named("token", make))]
}

fn payments() -> Vec<(&'static str, Item)> {
    vec![
        ("standard", standard(10 * G)),
        ("a module", named("payment", amount(10))),
        ("a contract", by_hash("1/payment", "pay", amount(10))),
        ("a named contract", by_name("payment", "pay", amount(10))),
        ("a package", by_package("1/payment_package", None, "pay", amount(10))),
        ("version 1", by_package("1/payment_package", Some(1), "pay", amount(10))),
        ("a named package", by_package_name("payment_package", None, "pay", amount(10))),
        ("version 1 by name", by_package_name("payment_package", Some(1), "pay", amount(10))),
    ]
}

pub(super) fn cases(book: &mut Book) {
    let give = || args! { "recipient" => Value::AccountKey(BEN), "amount" => super::number(1) };
    let sessions = [
        ("a module", named("hello", args! { "message" => text("hello") })),
        ("a contract", by_hash("1/token", "transfer", give())),
        ("a named contract", by_name("token", "transfer", give())),
        ("a package", by_package("1/token_package", None, "transfer", give())),
        ("a named package", by_package_name("token_package", Some(1), "transfer", give())),
        ("a revert", named("revert", args! { "code" => Value::U32(5) })),
        ("a loop", named("spin", args! {})),
        (
            "a transfer",
            Item::Transfer {
                args: args! {
                    "amount" => motes(3 * G), "target" => Value::Account(BEN),
                    "id" => Value::Id(Some(1)),
                },
            },
        ),
        ("no module", named("no module", args! {})),
    ];
    book.modules.insert("no module".to_owned(), b"no module at all".to_vec());
    for (form, payment) in payments() {
        let mut deploys = Vec::from(install());
        for (name, session) in &sessions {
            deploys.push(play(name, session.clone()).paid_by(payment.clone()));
        }
        book.case(&format!("paid by {form}"), deploys);
    }
    refused(book);
    refunds(book);
}

fn refused(book: &mut Book) {
    let session = || named("hello", args! { "message" => text("hello") });
    let mut deploys = Vec::from(install());
    let by = |name: &str, payment: Item| play(name, session()).paid_by(payment);
    deploys.push(by("a transfer", Item::Transfer { args: amount(10) }));
    deploys.push(by("no module", named("no module", amount(10))));
    deploys.push(by("a revert", named("revert", args! { "code" => Value::U32(5) })));
    deploys.push(by("a loop", named("spin", args! {})));
    deploys.push(by("a module that pays nothing", session()));
    deploys.push(by("a module without an amount", named("payment", args! {})));
    deploys.push(by("a module with a text", named("payment", args! { "amount" => text("5") })));
    deploys.push(by("a module that pays 0", named("payment", amount(0))));
    deploys.push(by("a module that pays 1 mote", named("payment", args! { "amount" => motes(1) })));
    deploys.push(by("a module that pays 1 token", named("payment", amount(1))));
    deploys.push(by("a module that pays too much", named("payment", amount(2_000_000))));
    deploys.push(by("no such name", by_name("nothing", "pay", amount(10))));
    deploys.push(by("a name of no contract", by_name("payment_package", "pay", amount(10))));
    deploys.push(by("no such method", by_name("payment", "nothing", amount(10))));
    deploys.push(by("nothing's hash", by_hash("@nothing", "pay", amount(10))));
    deploys
        .push(by("no such version", by_package("1/payment_package", Some(2), "pay", amount(10))));
    deploys.push(by("no package", by_package("@nothing", None, "pay", amount(10))));
    deploys.push(by(
        "a contract that pays 1 mote",
        by_name("payment", "pay", args! { "amount" => motes(1) }),
    ));
    deploys.push(by("a contract that does not pay", by_name("token", "total_supply", args! {})));
    deploys.push(by("bytes of the auction", by_hash("@auction", "read_era_id", args! {})));
    deploys.push(
        play("an empty session paid by a module", named("", args! {}))
            .paid_by(named("payment", amount(10))),
    );
    deploys.push(play("an empty session", named("", args! {})));
    let stored = by("a contract at twice the price", by_name("payment", "pay", amount(10)));
    deploys.push(stored.priced(2));
    let module = by("a module at a high price", named("payment", amount(10)));
    deploys.push(module.priced(100));
    // Payment that does more than pay.
    let purse = |g: &mut crate::guest::Guest| {
        let value = g.value(7_u64);
        g.keep("from payment", value);
        g.run(crate::guest::host!(revert, 65_536_u32 + 9));
    };
    let wasm = crate::guest::Guest::with(purse);
    let item = book.module(wasm);
    deploys.push(by("a module that stores and reverts", item));
    let wasm = wat::parse_str("(module (memory 1) (func (export \"call\") (unreachable)))");
    let item = book.module(wasm.expect("a module"));
    deploys.push(by("a trap", item));
    let wasm = wat::parse_str("(module (func (export \"call\")))");
    let item = book.module(wasm.expect("a module"));
    deploys.push(by("a module without memory", item));
    book.case("payment refused", deploys);
}

fn refunds(book: &mut Book) {
    let session = || named("hello", args! { "message" => text("hello") });
    let purse = args! { "target" => Value::Account(BEN), "amount" => motes(20 * G) };
    let rename = |book: &mut Book, name: &str, to: &str, rights: u8| {
        book.guest(name, |g| {
            let (from, to) = (g.key(to), g.text("refund"));
            g.run(format!("(i32.store8 (i32.const {}) (i32.const {rights}))", from.at + 33));
            g.run(crate::guest::host!(put_key, to.at, to.size, from.at, from.size));
        })
    };
    let mut deploys = Vec::from(install());
    let pay = |name: &str| play(name, session()).paid_by(named("payment", amount(10)));
    deploys.push(pay("without a purse"));
    deploys.push(play("a purse", named("purse", purse)));
    deploys.push(rename(book, "refund to it", "purse", 7));
    deploys.push(pay("with a purse"));
    deploys.push(play("by a contract", session()).paid_by(by_name("payment", "pay", amount(10))));
    let fails = named("revert", args! { "code" => Value::U32(5) });
    deploys.push(play("a failure", fails).paid_by(named("payment", amount(10))));
    deploys.push(play("a loop", named("spin", args! {})).paid_by(named("payment", amount(10))));
    deploys.push(rename(book, "refund to one that reads", "purse", 1));
    deploys.push(pay("with a purse that reads"));
    deploys.push(rename(book, "refund to one that adds", "purse", 4));
    deploys.push(pay("with a purse that adds"));
    let number = book.guest("a number", |g| {
        let value = g.value(7_u64);
        g.keep("number", value);
    });
    deploys.push(number);
    deploys.push(rename(book, "refund to a number", "number", 7));
    deploys.push(pay("with a number"));
    deploys.push(play("standard payment", session()));
    book.case("refund purses", deploys);
}
