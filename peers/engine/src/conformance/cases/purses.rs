//! Purses, and motes that code moves.

use casper_types::{AccessRights, U512, URef};

use super::{Book, G, Value, args, by_name, motes, named, play, text};
use crate::{
    conform::{
        scene::account,
        suite::{ANA, BEN},
    },
    guest::{Guest, Span, host, load},
};

/// No account yet.
const NEW: u8 = 8;

/// Makes a purse named `purse` with 10 tokens in it.
fn purse(g: &mut Guest) {
    let key = g.bytes(&[&[2_u8][..], &[0; 33]].concat());
    g.check(host!(create_purse, key.at + 1, 33_u32));
    let main = g.room(40);
    g.run(host!(get_main_purse, main));
    let (amount, id) = (g.form(&U512::from(10 * G)), g.form(&Some(5_u64)));
    let (amount_size, id_size) = (amount.size, id.size);
    g.check(host!(
        transfer_from_purse_to_purse,
        main,
        33_u32,
        key.at + 1,
        33_u32,
        amount.at,
        amount_size,
        id.at,
        id_size
    ));
    let name = g.text("purse");
    g.run(host!(put_key, name.at, name.size, key.at, key.size));
}

/// A transfer from purse to purse.
fn shift(g: &mut Guest, from: u32, to: u32, amount: u64) -> String {
    let (amount, id) = (g.form(&U512::from(amount)), g.form(&None::<u64>));
    host!(
        transfer_from_purse_to_purse,
        from,
        33_u32,
        to,
        33_u32,
        amount.at,
        amount.size,
        id.at,
        id.size
    )
}

/// A transfer from a purse to an account.
fn send(g: &mut Guest, from: u32, to: u8, amount: u64) -> String {
    let (amount, id) = (g.form(&U512::from(amount)), g.form(&Some(9_u64)));
    let (to, out) = (g.form(&account(to).expect("an account")), g.room(4));
    host!(
        transfer_from_purse_to_account,
        from,
        33_u32,
        to.at,
        to.size,
        amount.at,
        amount.size,
        id.at,
        id.size,
        out
    )
}

/// A transfer from the main purse to an account; the second is where it says whether it is new.
fn give(g: &mut Guest, to: u8, amount: u64) -> (String, u32) {
    let (amount, id) = (g.form(&U512::from(amount)), g.form(&None::<u64>));
    let (to, out) = (g.form(&account(to).expect("an account")), g.room(4));
    let call =
        host!(transfer_to_account, to.at, to.size, amount.at, amount.size, id.at, id.size, out);
    (call, out)
}

fn rights(g: &mut Guest, key: Span, rights: u8) {
    g.run(format!("(i32.store8 (i32.const {}) (i32.const {rights}))", key.at + 33));
}

fn main_purse(g: &mut Guest) -> u32 {
    let main = g.room(40);
    g.run(host!(get_main_purse, main));
    main
}

pub(super) fn cases(book: &mut Book) {
    moved(book);
    given(book);
    spending(book);
}

fn moved(book: &mut Book) {
    let limit = || args! { "amount" => motes(1_000 * G) };
    let mut deploys = vec![book.guest("make a purse", purse).args(limit())];
    deploys.push(book.guest("a purse in little room", |g| {
        let room = g.room(40);
        g.answer(host!(create_purse, room, 32_u32));
    }));
    deploys.push(book.guest("a purse in much room", |g| {
        let room = g.room(40);
        g.answer(host!(create_purse, room, 40_u32));
    }));
    deploys.push(book.guest("its balance", |g| {
        let (key, size) = (g.key("purse"), g.room(4));
        g.check(host!(get_balance, key.at + 1, 33_u32, size));
        g.keep_buffer("balance", size);
    }));
    deploys.push(book.guest("balance of nothing", |g| {
        let (uref, size) = (g.form(&URef::new([7; 32], AccessRights::READ_ADD_WRITE)), g.room(4));
        g.answer(host!(get_balance, uref.at, uref.size, size));
    }));
    deploys.push(book.guest("balance of half a purse", |g| {
        let (uref, size) = (g.bytes(&[7; 17]), g.room(4));
        g.answer(host!(get_balance, uref.at, uref.size, size));
    }));
    deploys.push(
        book.guest("from purse to main purse", |g| {
            let (key, main) = (g.key("purse"), main_purse(g));
            let call = shift(g, key.at + 1, main, G);
            g.check(call);
        })
        .args(limit()),
    );
    for (name, of_purse, of_main) in [
        ("read", 1_u8, 7_u8),
        ("add", 4, 7),
        ("write", 2, 7),
        ("write to one without add", 7, 3),
        ("write to one with add only", 7, 4),
    ] {
        deploys.push(
            book.guest(&format!("from a purse with the right {name}"), |g| {
                let (key, main) = (g.key("purse"), main_purse(g));
                rights(g, key, of_purse);
                g.run(format!("(i32.store8 (i32.const {}) (i32.const {of_main}))", main + 32));
                let call = shift(g, key.at + 1, main, 1);
                g.answer(call);
            })
            .args(limit()),
        );
    }
    for (name, amount) in [("more than there is", 100 * G), ("nothing", 0)] {
        deploys.push(
            book.guest(&format!("move {name}"), |g| {
                let (key, main) = (g.key("purse"), main_purse(g));
                let call = shift(g, key.at + 1, main, amount);
                g.answer(call);
            })
            .args(limit()),
        );
    }
    deploys.push(
        book.guest("from a purse to itself", |g| {
            let key = g.key("purse");
            let call = shift(g, key.at + 1, key.at + 1, 1);
            g.answer(call);
        })
        .args(limit()),
    );
    for (name, from_forged) in [("from", true), ("to", false)] {
        deploys.push(
            book.guest(&format!("{name} a forged purse"), |g| {
                let (key, forged) = (g.key("purse"), g.bytes(&[7; 33]));
                let call = match from_forged {
                    true => shift(g, forged.at, key.at + 1, 1),
                    false => shift(g, key.at + 1, forged.at, 1),
                };
                g.answer(call);
            })
            .args(limit()),
        );
    }
    deploys.push(
        book.guest("from no purse", |g| {
            let value = g.value(7_u64);
            g.keep("number", value);
            let (key, main) = (g.key("number"), main_purse(g));
            let call = shift(g, key.at + 1, main, 1);
            g.answer(call);
        })
        .args(limit()),
    );
    deploys.push(
        book.guest("to no purse", |g| {
            let value = g.value(7_u64);
            g.keep("number", value);
            let (key, main) = (g.key("number"), main_purse(g));
            let call = shift(g, main, key.at + 1, 1);
            g.answer(call);
        })
        .args(limit()),
    );
    deploys.push(
        book.guest("an amount of no number", |g| {
            let (key, main, bad) = (g.key("purse"), main_purse(g), g.bytes(&[99; 3]));
            let id = g.form(&None::<u64>);
            g.answer(host!(
                transfer_from_purse_to_purse,
                key.at + 1,
                33_u32,
                main,
                33_u32,
                bad.at,
                bad.size,
                id.at,
                id.size
            ));
        })
        .args(limit()),
    );
    deploys.push(
        book.guest("from a purse to an account", |g| {
            let key = g.key("purse");
            let call = send(g, key.at + 1, BEN, G);
            g.check(call);
        })
        .args(limit()),
    );
    deploys.push(
        book.guest("from a purse to a new account", |g| {
            let key = g.key("purse");
            let call = send(g, key.at + 1, NEW, G);
            g.check(call);
        })
        .args(limit()),
    );
    deploys.push(
        book.guest("from a purse to an account too much", |g| {
            let key = g.key("purse");
            let call = send(g, key.at + 1, BEN, 100 * G);
            g.answer(call);
        })
        .args(limit()),
    );
    deploys.push(
        book.guest("from a purse to a new account too much", |g| {
            let key = g.key("purse");
            let call = send(g, key.at + 1, 9, 100 * G);
            g.answer(call);
        })
        .args(limit()),
    );
    deploys.push(
        book.guest("from a read-only purse to an account", |g| {
            let key = g.key("purse");
            rights(g, key, 1);
            let call = send(g, key.at + 1, BEN, 1);
            g.answer(call);
        })
        .args(limit()),
    );
    deploys.push(
        book.guest("from a read-only purse to a new account", |g| {
            let key = g.key("purse");
            rights(g, key, 1);
            let call = send(g, key.at + 1, 9, 1);
            g.answer(call);
        })
        .args(limit()),
    );
    deploys.push(
        book.guest("from a forged purse to an account", |g| {
            let forged = g.bytes(&[7; 33]);
            let call = send(g, forged.at, BEN, 1);
            g.answer(call);
        })
        .args(limit()),
    );
    book.case("purses", deploys);
}

fn given(book: &mut Book) {
    let limit = || args! { "amount" => motes(1_000 * G) };
    let mut deploys = Vec::new();
    for (name, to, amount) in [
        ("to ben", BEN, 3 * G),
        ("to a new account", NEW, 3 * G),
        ("to the new account", NEW, G),
        ("to a newer account nothing", 9, 0),
        ("to oneself", ANA, G),
        ("to ben more than there is", BEN, 2_000_000 * G),
        ("to a new account more than there is", 10, 2_000_000 * G),
    ] {
        deploys.push(
            book.guest(name, |g| {
                let (call, out) = give(g, to, amount);
                g.check(call);
                let value = g.value(0_u32);
                g.run(format!("(i32.store (i32.const {}) {})", value.at + 4, load(out)));
                g.keep("is new", value);
            })
            .args(limit()),
        );
    }
    let purse = || args! { "target" => Value::Account(11), "amount" => motes(20 * G) };
    deploys.push(play("purse.wasm", named("purse", purse())));
    deploys.push(play("purse.wasm again", named("purse", purse())));
    let odd = args! { "target" => Value::Account(11), "amount" => motes(7) };
    deploys.push(play("purse.wasm with little", named("purse", odd)));
    let none = args! { "target" => text("who"), "amount" => motes(7) };
    deploys.push(play("purse.wasm with a text", named("purse", none)));
    book.case("motes given", deploys);
}

fn spending(book: &mut Book) {
    let mut deploys = Vec::new();
    for (name, limit) in [
        ("no limit", None),
        ("a limit of a text", Some(text("100"))),
        ("a limit of u64", Some(Value::U64(5 * G))),
        ("a limit of u32", Some(Value::U32(4_000_000_000))),
        ("a lower limit", Some(motes(G))),
        ("an exact limit", Some(motes(2 * G))),
    ] {
        let deploy = book.guest(name, |g| {
            let (call, _) = give(g, BEN, 2 * G);
            g.check(call);
        });
        deploys.push(match limit {
            Some(limit) => deploy.args(args! { "amount" => limit }),
            None => deploy,
        });
    }
    let twice = book.guest("together too much", |g| {
        let (call, _) = give(g, BEN, 2 * G);
        g.check(call);
        let (call, _) = give(g, BEN, 2 * G);
        g.check(call);
    });
    deploys.push(twice.args(args! { "amount" => motes(3 * G) }));
    deploys.push(
        book.guest("a purse within the limit", purse).args(args! { "amount" => motes(10 * G) }),
    );
    deploys.push(
        book.guest("a purse beyond the limit", purse).args(args! { "amount" => motes(9 * G) }),
    );
    deploys.push(book.guest("out of a purse without a limit", |g| {
        let key = g.key("purse");
        let call = send(g, key.at + 1, BEN, G);
        g.check(call);
    }));
    deploys.push(play("nothing by that name", by_name("purse", "call", args! {})));
    book.case("spending", deploys);
}
