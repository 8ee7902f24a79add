//! The system's contracts, called from code and by deploys.

use super::{Book, G, Value, args, by_hash, by_name, by_package_name, motes, named, play, through};
use crate::conform::suite::{Args, BEN};

fn uref(at: &str, rights: u8) -> Value {
    Value::URef { at: at.to_owned(), rights }
}

pub(super) fn cases(book: &mut Book) {
    mint(book);
    handle_payment(book);
}

fn both(deploys: &mut Vec<super::Play>, contract: &str, name: &str, entry: &str, args: Args) {
    let at = format!("@{contract}");
    deploys.push(play(&format!("{name}, from code"), through(&at, entry, args.clone())));
    deploys.push(play(&format!("{name}, by a deploy"), by_hash(&at, entry, args)));
}

fn mint(book: &mut Book) {
    let purse = args! { "target" => Value::Account(BEN), "amount" => motes(40 * G) };
    let mut deploys = vec![play("a purse", named("purse", purse))];
    let amount = |amount: u64| args! { "amount" => motes(amount) };
    let shift = |source: Value, target: Value, amount: u64| {
        args! {
            "to" => Value::Any(vec![0]), "source" => source, "target" => target,
            "amount" => motes(amount), "id" => Value::Id(Some(4)),
        }
    };
    for (name, entry, args) in [
        ("create", "create", args! {}),
        ("mint nothing", "mint", amount(0)),
        ("mint", "mint", amount(5)),
        ("mint without an amount", "mint", args! {}),
        ("balance", "balance", args! { "purse" => uref("1/purse", 7) }),
        ("balance of another", "balance", args! { "purse" => uref("2/@main", 1) }),
        ("balance of nothing", "balance", args! { "purse" => uref("@nothing", 7) }),
        ("balance without rights", "balance", args! { "purse" => uref("1/purse", 0) }),
        ("reduce supply", "reduce_total_supply", amount(5)),
        ("base reward", "read_base_round_reward", args! {}),
        (
            "mint into a purse",
            "mint_into_existing_purse",
            args! { "amount" => motes(5), "existing_purse" => uref("1/purse", 7) },
        ),
        ("no such method", "print", args! {}),
        ("transfer", "transfer", shift(uref("1/purse", 7), uref("2/@main", 4), 5)),
        ("transfer to oneself", "transfer", shift(uref("1/purse", 7), uref("1/purse", 7), 5)),
        ("transfer without add", "transfer", shift(uref("1/purse", 7), uref("1/@main", 1), 5)),
        (
            "transfer what is another's",
            "transfer",
            shift(uref("2/@main", 7), uref("1/@main", 4), 5),
        ),
        ("transfer too much", "transfer", shift(uref("1/purse", 7), uref("1/@main", 4), 99 * G)),
        (
            "transfer from the main purse",
            "transfer",
            shift(uref("1/@main", 7), uref("1/purse", 4), 5),
        ),
        ("transfer nothing", "transfer", shift(uref("1/purse", 7), uref("1/@main", 4), 0)),
        ("transfer without arguments", "transfer", args! {}),
    ] {
        both(&mut deploys, "mint", name, entry, args);
    }
    deploys.push(play("by the name mint", by_name("mint", "create", args! {})));
    deploys.push(play("by the package mint", by_package_name("mint", None, "create", args! {})));
    book.case("mint", deploys);
}

fn handle_payment(book: &mut Book) {
    let purse = args! { "target" => Value::Account(BEN), "amount" => motes(40 * G) };
    let mut deploys = vec![play("a purse", named("purse", purse))];
    for (name, entry, args) in [
        ("payment purse", "get_payment_purse", args! {}),
        ("set refund purse", "set_refund_purse", args! { "purse" => uref("1/purse", 7) }),
        ("refund purse", "get_refund_purse", args! {}),
        (
            "finalize",
            "finalize_payment",
            args! { "amount" => motes(1), "account" => Value::Account(BEN) },
        ),
        ("distribute fees", "distribute_accumulated_fees", args! {}),
        ("no such method", "pay", args! {}),
    ] {
        both(&mut deploys, "handle_payment", name, entry, args);
    }
    let pays = |args: Args| through("@standard_payment", "pay", args);
    deploys.push(play("standard payment", pays(args! { "amount" => motes(G) })));
    deploys.push(play("standard payment of nothing", pays(args! {})));
    let pay = by_hash("@standard_payment", "pay", args! { "amount" => motes(G) });
    deploys.push(play("standard payment by a deploy", pay.clone()));
    let hello = named("hello", args! { "message" => super::text("hello") });
    deploys.push(play("paid by standard payment", hello.clone()).paid_by(pay));
    let pay = by_hash("@standard_payment", "pay", args! { "amount" => motes(50 * G) });
    deploys.push(play("well paid by standard payment", hello.clone()).paid_by(pay));
    // Payment code that asks the system for more than it should.
    for (name, entry, args) in [
        ("payment purse", "get_payment_purse", args! {}),
        ("set refund purse", "set_refund_purse", args! { "purse" => uref("1/purse", 7) }),
        ("refund purse", "get_refund_purse", args! {}),
        (
            "finalize",
            "finalize_payment",
            args! { "amount" => motes(1), "account" => Value::Account(BEN) },
        ),
    ] {
        let deploy = play(&format!("{name}, from payment code"), hello.clone());
        deploys.push(deploy.paid_by(through("@handle_payment", entry, args)));
    }
    book.case("handle payment", deploys);
}
