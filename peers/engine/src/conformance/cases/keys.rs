//! Keys of an account, their weights, and who may act for it.

use super::{Book, Play, play};
use crate::{
    cases::{G, args, motes},
    conform::{
        scene::account,
        suite::{ANA, BEN, Item, Value},
    },
    guest::{Guest, host},
};

/// A key that has no account.
const CARL: u8 = 7;

fn add(g: &mut Guest, who: u8, weight: u32) -> String {
    let key = g.form(&account(who).expect("an account"));
    host!(add_associated_key, key.at, key.size, weight)
}

fn update(g: &mut Guest, who: u8, weight: u32) -> String {
    let key = g.form(&account(who).expect("an account"));
    host!(update_associated_key, key.at, key.size, weight)
}

fn remove(g: &mut Guest, who: u8) -> String {
    let key = g.form(&account(who).expect("an account"));
    host!(remove_associated_key, key.at, key.size)
}

pub(super) fn cases(book: &mut Book) {
    let nothing = || says_hello();
    let mut deploys: Vec<Play> = Vec::new();
    type Step = (&'static str, fn(&mut Guest) -> String);
    let steps: [Step; 12] = [
        ("add ben", |g| add(g, BEN, 1)),
        ("add ben again", |g| add(g, BEN, 2)),
        ("add carl with 2", |g| add(g, CARL, 2)),
        ("update carl", |g| update(g, CARL, 3)),
        ("update nobody", |g| update(g, 9, 3)),
        ("remove nobody", |g| remove(g, 9)),
        ("deploy threshold above the sum", |_| host!(set_action_threshold, 0_u32, 100_u32)),
        ("deploy threshold above management", |_| host!(set_action_threshold, 0_u32, 2_u32)),
        ("management threshold 4", |_| host!(set_action_threshold, 1_u32, 4_u32)),
        ("a threshold of no kind", |_| host!(set_action_threshold, 2_u32, 1_u32)),
        ("a threshold of 256", |_| host!(set_action_threshold, 0_u32, 256_u32)),
        ("a weight of 256", |g| add(g, 9, 256)),
    ];
    for (name, step) in steps {
        deploys.push(book.guest(name, |g| {
            let answer = step(g);
            // What changes shall stay, so only failure ends it.
            g.check(answer);
        }));
    }
    // Managing keys now takes 4: ana 1 and carl 3.
    let alone = book.guest("ana alone may not", |g| {
        let answer = add(g, 9, 1);
        g.answer(answer);
    });
    let together = book.guest("ana and carl may", |g| {
        let answer = add(g, 9, 1);
        g.check(answer);
        let answer = host!(set_action_threshold, 0_u32, 3_u32);
        g.check(answer);
    });
    deploys.push(alone);
    deploys.push(together.signed(&[ANA, CARL]));
    deploys.push(play("too light", nothing()));
    deploys.push(play("a transfer too light", nothing_native()));
    deploys.push(play("heavy enough", nothing()).signed(&[ANA, BEN, 9]));
    deploys.push(play("carl alone", nothing()).signed(&[CARL]));
    deploys.push(play("a stranger's signature too", nothing()).signed(&[CARL, 8]));
    deploys.push(play("a stranger", nothing()).signed(&[8]));
    deploys.push(play("nobody", nothing()).signed(&[]));
    let steps: [Step; 6] = [
        ("threshold below, with management", |_| host!(set_action_threshold, 1_u32, 2_u32)),
        ("weight of a signer to nothing", |g| update(g, CARL, 1)),
        ("remove who is needed", |g| remove(g, CARL)),
        ("remove ben", |g| remove(g, BEN)),
        ("remove ben again", |g| remove(g, BEN)),
        ("weight 0", |g| add(g, 10, 0)),
    ];
    for (name, step) in steps {
        let deploy = book.guest(name, |g| {
            let answer = step(g);
            g.check(answer);
        });
        deploys.push(deploy.signed(&[ANA, CARL]));
    }
    book.case("keys", deploys);

    let mut many = Vec::new();
    let all = book.guest("99 more", |g| {
        let key = g.bytes(&[50; 32]);
        for number in 0..99_u32 {
            g.run(format!("(i32.store (i32.const {}) (i32.const {number}))", key.at));
            g.check(host!(add_associated_key, key.at, key.size, 1_u32));
        }
    });
    many.push(all);
    many.push(book.guest("one too many", |g| {
        let answer = add(g, BEN, 1);
        g.answer(answer);
    }));
    many.push(book.guest("half a key", |g| {
        let key = g.bytes(&[50; 16]);
        g.answer(host!(add_associated_key, key.at, key.size, 1_u32));
    }));
    book.case("many keys", many);

    let unknown = play("no account", nothing()).by(8);
    let other = play("another's signature", nothing()).signed(&[BEN]);
    let transfer = play("no account transfers", nothing_native()).by(8);
    book.case("strangers", vec![unknown, other, transfer]);
}

fn says_hello() -> Item {
    super::named("hello", args! { "message" => super::text("hello") })
}

fn nothing_native() -> Item {
    Item::Transfer {
        args: args! {
            "amount" => motes(3 * G), "target" => Value::Account(BEN), "id" => Value::Id(Some(1)),
        },
    }
}
