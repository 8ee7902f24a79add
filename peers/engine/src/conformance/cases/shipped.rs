//! The contracts in `contracts/`.

use super::{Book, G, Value, args, by_hash, by_name, motes, named, number, play, text};
use crate::conform::suite::{ANA, Args, BEN, Play};

fn account(number: u8) -> Value {
    Value::AccountKey(number)
}

pub(super) fn cases(book: &mut Book) {
    let hello = |message: Value| named("hello", args! { "message" => message });
    book.case(
        "hello",
        vec![
            play("hello", hello(text("hello"))),
            play("again", hello(text(""))),
            play("long", hello(text(&"long ".repeat(400)))),
            play("no text", hello(motes(1))),
            play("no message", named("hello", args! {})),
        ],
    );
    let count = |player: &str, points: u64| {
        named("counter", args! { "player" => text(player), "points" => Value::U64(points) })
    };
    book.case(
        "counter",
        vec![
            play("first", count("ana", 3)),
            play("second", count("ana", 4)),
            play("another player", count("ben", 1)),
            play("too many points", count("ana", u64::MAX)),
            play("a name too long", count(&"n".repeat(129), 1)),
            play("ben's own", count("ana", 3)).by(BEN),
            play("no player", named("counter", args! { "points" => Value::U64(1) })),
        ],
    );
    let mut spins = Vec::new();
    for tokens in [1, 2, 3, 5, 20] {
        spins.push(play(&format!("{tokens} tokens"), named("spin", args! {})).paid(tokens * G));
    }
    spins.push(play("at twice the price", named("spin", args! {})).paid(6 * G).priced(2));
    spins.push(play("2.5 tokens", named("spin", args! {})).paid(2_500_000_000));
    book.case("spin", spins);
    token(book);
    vault(book);
}

fn token(book: &mut Book) {
    let call = |name: &str, entry: &str, args: Args| play(name, by_hash("1/token", entry, args));
    let make = args! {
        "name" => text("Token"), "symbol" => text("TOK"), "decimals" => Value::U8(9),
        "supply" => number(1_000),
    };
    let transfer = |to: u8, amount: u64| {
        args! { "recipient" => account(to), "amount" => number(amount) }
    };
    let from = |owner: u8, to: u8, amount: u64| {
        args! {
            "owner" => account(owner), "recipient" => account(to), "amount" => number(amount),
        }
    };
    let approve = |spender: u8, amount: u64| args! { "spender" => account(spender), "amount" => number(amount) };
    let read = |name: &str, entry: &str, args: Args| -> Play {
        play(name, super::through("1/token", entry, args))
    };
    let huge = args! {
        "recipient" => account(BEN),
        "amount" => Value::U256(casper_types::U256::MAX.to_string()),
    };
    book.case(
        "token",
        vec![
            play("make", named("token", make.clone())),
            read("supply", "total_supply", args! {}),
            read("ana has", "balance_of", args! { "owner" => account(ANA) }),
            call("transfer", "transfer", transfer(BEN, 300)),
            call("transfer to oneself", "transfer", transfer(ANA, 300)),
            call("transfer nothing", "transfer", transfer(BEN, 0)),
            call("transfer too much", "transfer", transfer(BEN, 701)),
            call("transfer all", "transfer", transfer(BEN, 700)),
            read("ben has", "balance_of", args! { "owner" => account(BEN) }),
            call("ben transfers", "transfer", transfer(ANA, 100)).by(BEN),
            call("transfer not allowed", "transfer_from", from(BEN, ANA, 1)),
            call("approve", "approve", approve(ANA, 50)).by(BEN),
            read(
                "allowance",
                "allowance",
                args! { "owner" => account(BEN), "spender" => account(ANA) },
            ),
            call("transfer allowed", "transfer_from", from(BEN, ANA, 20)),
            call("transfer more than allowed", "transfer_from", from(BEN, ANA, 31)),
            call("mint", "mint", transfer(ANA, 500)),
            call("ben mints", "mint", transfer(BEN, 500)).by(BEN),
            call("mint too much", "mint", huge),
            call("no recipient", "transfer", args! { "amount" => number(1) }),
            call(
                "a recipient of no key",
                "transfer",
                args! { "recipient" => text("ben"), "amount" => number(1) },
            ),
            call("no such method", "burn", args! {}),
            play("by name", by_name("token", "transfer", transfer(BEN, 1))),
            play("ben has no such name", by_name("token", "transfer", transfer(BEN, 1))).by(BEN),
            play("through a session", super::through("1/token", "transfer", transfer(BEN, 1))),
            play("make another", named("token", make)).by(BEN),
            call("out of gas", "transfer", transfer(BEN, 1)).paid(100_000_000),
            call("supply as a deploy", "total_supply", args! {}),
        ],
    );
}

fn vault(book: &mut Book) {
    let call = |name: &str, entry: &str, args: Args| play(name, by_name("vault", entry, args));
    let make = |quorum| {
        named(
            "vault",
            args! { "owners" => Value::Accounts(vec![ANA, BEN]), "quorum" => Value::U32(quorum) },
        )
    };
    let purse = args! { "target" => Value::Account(BEN), "amount" => motes(20 * G) };
    let deposit = |at: &str, rights| {
        args! { "purse" => Value::URef { at: at.to_owned(), rights } }
    };
    let out = |amount: u64| args! { "target" => Value::Account(9), "amount" => motes(amount) };
    let label = || args! { "label" => text("mine") };
    let both = |play: Play| play.signed(&[ANA, BEN]);
    // Ben's key may sign for Ana.
    let ben = book.guest("ben may sign", |g| {
        let key = g.form(&crate::conform::scene::account(BEN).expect("an account"));
        g.check(crate::guest::host!(add_associated_key, key.at, key.size, 1_u32));
    });
    book.case(
        "vault",
        vec![
            play("make", make(2)),
            ben,
            play("a purse", named("purse", purse)),
            call("deposit", "deposit", deposit("1/purse", 7)),
            call("deposit what is not mine", "deposit", deposit("2/@main", 7)),
            call("deposit the main purse", "deposit", deposit("1/@main", 7)),
            call("deposit a purse to read", "deposit", deposit("1/purse", 1)),
            play("what is in it", super::through("1/vault", "balance", args! {})),
            call("withdraw alone", "withdraw", out(G)),
            both(call("withdraw", "withdraw", out(G))),
            both(call("withdraw too much", "withdraw", out(100 * G))),
            call("rename", "rename", label()),
            call("ben renames", "rename", label()).by(BEN),
            play("ben renames by hash", by_hash("1/vault", "rename", label())).by(BEN),
            both(call("close before", "close", args! { "target" => Value::Account(9) })),
            play("upgrade", make(2)),
            play(
                "the old version",
                super::by_package("1/vault_package", Some(1), "balance", args! {}),
            ),
            play(
                "the new version",
                super::by_package("1/vault_package", Some(2), "balance", args! {}),
            ),
            play("the newest", super::by_package_name("vault_package", None, "balance", args! {})),
            call("close alone", "close", args! { "target" => Value::Account(9) }),
            both(call("close", "close", args! { "target" => Value::Account(9) })),
            play("nothing is in it", super::through("1/vault", "balance", args! {})),
        ],
    );
}
