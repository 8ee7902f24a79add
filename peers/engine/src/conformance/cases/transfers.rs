//! Native transfers.

use super::{Book, G, Value, args, motes, named, play, text};
use crate::conform::suite::{ANA, Args, BEN, Item, Play};

fn transfer(name: &str, args: Args) -> Play {
    play(name, Item::Transfer { args })
}

fn to(target: Value, amount: Value) -> Args {
    args! { "amount" => amount, "target" => target, "id" => Value::Id(Some(7)) }
}

fn with(mut args: Args, name: &str, value: Value) -> Args {
    args.retain(|(present, _)| present != name);
    args.push((name.to_owned(), value));
    args
}

fn without(mut args: Args, name: &str) -> Args {
    args.retain(|(present, _)| present != name);
    args
}

pub(super) fn cases(book: &mut Book) {
    let ben = || to(Value::Account(BEN), motes(3 * G));
    let uref = |at: &str, rights| Value::URef { at: at.to_owned(), rights };
    let purse = args! { "target" => Value::Account(BEN), "amount" => motes(40 * G) };
    let mut deploys = vec![
        transfer("to an account", ben()),
        transfer("to a public key", to(Value::Public(BEN), motes(3 * G))),
        transfer("to a key", to(Value::AccountKey(BEN), motes(3 * G))),
        transfer("to a purse", to(uref("2/@main", 7), motes(3 * G))),
        transfer("to a purse that adds", to(uref("2/@main", 4), motes(3 * G))),
        transfer("to a purse that reads", to(uref("2/@main", 1), motes(3 * G))),
        transfer("to a purse that writes", to(uref("2/@main", 2), motes(3 * G))),
        transfer("to no purse", to(uref("@nothing", 7), motes(3 * G))),
        transfer("to a new account", to(Value::Account(8), motes(3 * G))),
        transfer("to a new public key", to(Value::Public(9), motes(3 * G))),
        transfer("to a new key", to(Value::AccountKey(10), motes(3 * G))),
        transfer("to the new account", to(Value::Account(8), motes(3 * G))),
        transfer("to a hash", to(Value::Key("@mint".to_owned()), motes(3 * G))),
        transfer("to a text", to(text("ben"), motes(3 * G))),
        transfer("to oneself", to(Value::Account(ANA), motes(3 * G))),
        transfer("to the own purse", to(uref("1/@main", 7), motes(3 * G))),
        transfer("of u64", to(Value::Account(BEN), Value::U64(3 * G))),
        transfer("of u32", to(Value::Account(BEN), Value::U32(7))),
        transfer("of a text", to(Value::Account(BEN), text("3"))),
        transfer("of nothing", to(Value::Account(BEN), motes(0))),
        transfer("of a mote", to(Value::Account(BEN), motes(1))),
        transfer("of too much", to(Value::Account(BEN), motes(2_000_000 * G))),
        transfer("of too much to a new account", to(Value::Account(11), motes(2_000_000 * G))),
        transfer("without an amount", without(ben(), "amount")),
        transfer("without a target", without(ben(), "target")),
        transfer("without an id", without(ben(), "id")),
        transfer("with no id", with(ben(), "id", Value::Id(None))),
        transfer("with an id of u64", with(ben(), "id", Value::U64(7))),
        transfer("with nothing", args! {}),
        transfer("from the main purse", with(ben(), "source", uref("1/@main", 7))),
        transfer("from the main purse to read", with(ben(), "source", uref("1/@main", 1))),
        transfer("from another's purse", with(ben(), "source", uref("2/@main", 7))),
        transfer("from no purse", with(ben(), "source", uref("@nothing", 7))),
        transfer("from an account", with(ben(), "source", Value::Account(ANA))),
        transfer("from an account as a key", with(ben(), "source", Value::AccountKey(ANA))),
        play("a purse", named("purse", purse)),
        transfer("from an own purse", with(ben(), "source", uref("1/purse", 7))),
        transfer("from an own purse to read", with(ben(), "source", uref("1/purse", 1))),
        transfer(
            "from an own purse to a new account",
            with(to(Value::Account(12), motes(3 * G)), "source", uref("1/purse", 7)),
        ),
        transfer(
            "from an own purse too much",
            with(to(Value::Account(BEN), motes(30 * G)), "source", uref("1/purse", 7)),
        ),
        transfer(
            "from an own purse to the main one",
            with(to(uref("1/@main", 7), motes(G)), "source", uref("1/purse", 7)),
        ),
        transfer(
            "from an own purse to itself",
            with(to(uref("1/purse", 7), motes(G)), "source", uref("1/purse", 7)),
        ),
        transfer("to an own purse", to(uref("1/purse", 7), motes(3 * G))),
        transfer("at twice the price", ben()).priced(2),
        transfer("at no price", ben()).priced(0),
        transfer("paid by nothing", ben()).paid(0),
        transfer("paid by code", ben()).paid_by(named("spin", args! {})),
    ];
    deploys.push(book.guest("a purse for reading", |g| {
        let (from, to) = (g.key("purse"), g.text("reading"));
        g.run(format!("(i32.store8 (i32.const {}) (i32.const 1))", from.at + 33));
        g.run(crate::guest::host!(put_key, to.at, to.size, from.at, from.size));
    }));
    deploys.push(book.guest("no writing purse", |g| {
        let name = g.text("purse");
        g.run(crate::guest::host!(remove_key, name.at, name.size));
    }));
    deploys.push(transfer(
        "from a purse held for reading",
        with(ben(), "source", uref("1/reading", 1)),
    ));
    deploys.push(transfer(
        "from a purse held for reading, to write",
        with(ben(), "source", uref("1/reading", 7)),
    ));
    deploys.push(book.guest("a number", |g| {
        let value = g.value(7_u64);
        g.keep("number", value);
    }));
    deploys.push(transfer("from a number", with(ben(), "source", uref("1/number", 7))));
    deploys.push(transfer("to a number", to(uref("1/number", 7), motes(3 * G))));
    book.case("transfers", deploys);

    let mut deploys = Vec::new();
    for (who, amount) in
        [(3, 2_400_000_000_u64), (3, 1), (4, 2_400_000_000), (4, 2_399_999_999), (5, 1), (5, 0)]
    {
        let name = format!("{who} sends {amount}");
        deploys.push(transfer(&name, to(Value::Account(BEN), motes(amount))).by(who));
    }
    deploys.push(transfer("back", to(Value::Account(5), motes(300_000_000))));
    deploys.push(transfer("5 fails", to(text("who"), motes(1))).by(5));
    deploys.push(transfer("5 sends again", to(Value::Account(BEN), motes(1))).by(5));
    deploys.push(transfer("5 fails again", to(text("who"), motes(1))).by(5));
    deploys.push(transfer("5 fails at last", to(text("who"), motes(1))).by(5));
    book.case("transfers of the poor", deploys);
}
