//! What is paid, at which price, and how far it goes.

use super::{Book, G, Value, args, motes, named, play, text};
use crate::conform::suite::{Item, Play};

fn hello(name: &str) -> Play {
    play(name, named("hello", args! { "message" => text("hello") }))
}

pub(super) fn cases(book: &mut Book) {
    let idle = book.text("idle", "(module (memory 1) (func (export \"call\")))");
    let mut deploys = Vec::new();
    for amount in [
        0,
        1,
        100,
        100_000_000,
        300_000_000,
        2_499_999_999,
        2_500_000_000,
        2_500_000_001,
        1_000_000 * G,
        1_000_001 * G,
    ] {
        deploys.push(hello(&format!("hello for {amount}")).paid(amount));
        let mut play = idle.clone().paid(amount);
        play.name = format!("idle for {amount}");
        deploys.push(play);
    }
    for price in [0, 2, 3, 7, 1_000, u64::MAX] {
        deploys.push(hello(&format!("hello at {price}")).priced(price));
        let mut play = idle.clone().priced(price);
        play.name = format!("idle at {price}");
        deploys.push(play);
    }
    book.case("standard payment", deploys);

    let mut deploys = Vec::new();
    let pays = |name: &str, args| hello(name).paid_by(Item::Module { module: String::new(), args });
    deploys.push(pays("no amount", args! {}));
    deploys.push(pays("an amount of u64", args! { "amount" => Value::U64(50 * G) }));
    deploys.push(pays("an amount of text", args! { "amount" => text("50") }));
    deploys.push(pays("another argument", args! { "motes" => motes(50 * G) }));
    deploys.push(pays("more arguments", args! {
        "source" => Value::URef { at: "1/@main".to_owned(), rights: 7 }, "amount" => motes(50 * G),
    }));
    deploys.push(pays("a forged URef", args! {
        "source" => Value::URef { at: "@nothing".to_owned(), rights: 7 }, "amount" => motes(50 * G),
    }));
    book.case("arguments of payment", deploys);

    let mut deploys = Vec::new();
    for (who, name) in [(3, "just enough"), (4, "a mote short"), (5, "poor")] {
        deploys.push(hello(&format!("{name}: hello")).by(who).paid(2_500_000_000));
        let mut play = idle.clone().by(who).paid(2_500_000_000);
        play.name = format!("{name}: idle");
        deploys.push(play);
    }
    book.case("the poor", deploys);

    let mut deploys = Vec::new();
    let spends =
        |who: u8, name: &str, paid: u64| play(name, named("spin", args! {})).by(who).paid(paid);
    deploys.push(spends(3, "all there is", 2_500_000_000));
    deploys.push(spends(3, "from nothing", 2_500_000_000));
    book.case("the end of money", deploys);

    // The last gas counts: what a run needs, and one less.
    let mut deploys = Vec::new();
    for limit in [110, 1_000, 2_500, 10_000, 100_000, 3_000_000_000] {
        let text = "(module (memory 1) (func (export \"call\")
            (local $i i32)
            (local.set $i (i32.const 1000))
            (loop $l
              (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (local.get $i)))
              (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))";
        deploys.push(book.text(&format!("a loop for {limit}"), text).paid(limit));
    }
    book.case("gas of a loop", deploys);
}
