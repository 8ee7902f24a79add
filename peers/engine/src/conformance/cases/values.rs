//! Values, names, the host buffer, and the ways to end.

use casper_types::{AccessRights, CLValue, Key, U128, U256, U512, URef, bytesrepr::Bytes};

use super::{Book, args, named, text};
use crate::{
    conform::{
        scene::account,
        suite::{ANA, BEN},
    },
    guest::{Guest, Span, host, load},
};

const FORGED: URef = URef::new([7; 32], AccessRights::READ_ADD_WRITE);

fn of(who: u8) -> Key {
    Key::Account(account(who).expect("an account"))
}

/// Makes a key lose rights.
fn only(g: &mut Guest, key: Span, rights: u8) {
    g.run(format!("(i32.store8 (i32.const {}) (i32.const {rights}))", key.at + 33));
}

pub(super) fn cases(book: &mut Book) {
    stored(book);
    refused(book);
    names(book);
    buffer(book);
    ends(book);
}

fn stored(book: &mut Book) {
    let make = book.guest("make", |g| {
        for (name, value) in [
            ("u64", g.value(7_u64)),
            ("i32", g.value(-5_i32)),
            ("u128", g.value(U128::from(1))),
            ("u256", g.value(U256::MAX)),
            ("u512", g.value(U512::from(3))),
            ("text", g.value("a text".to_owned())),
            ("unit", g.value(())),
            ("list", g.value(Bytes::from(vec![1, 2, 3]))),
        ] {
            g.keep(name, value);
        }
    });
    let read = book.guest("read", |g| {
        let (key, size) = (g.key("text"), g.room(4));
        g.check(host!(read_value, key.at, key.size, size));
        g.keep_buffer("read", size);
    });
    let write = book.guest("write another type", |g| {
        let (key, value) = (g.key("text"), g.value(8_u64));
        g.run(host!(write, key.at, key.size, value.at, value.size));
    });
    let add = book.guest("add numbers", |g| {
        for (name, value) in [
            ("u64", g.value(5_u64)),
            ("i32", g.value(-7_i32)),
            ("u128", g.value(U128::from(1))),
            ("u256", g.value(U256::from(2))),
            ("u512", g.value(U512::from(9))),
        ] {
            let key = g.key(name);
            g.run(host!(add, key.at, key.size, value.at, value.size));
        }
    });
    let wrap = book.guest("add wraps", |g| {
        for (name, value) in [
            ("u64", g.value(u64::MAX)),
            ("i32", g.value(i32::MIN)),
            ("u128", g.value(U128::MAX)),
            ("u512", g.value(U512::MAX)),
        ] {
            let key = g.key(name);
            g.run(host!(add, key.at, key.size, value.at, value.size));
        }
    });
    let mut deploys = vec![make, read, write, add, wrap];
    for (name, on, value) in [
        ("add u64 to i32", "i32", CLValue::from_t(1_u64)),
        ("add i32 to u64", "u64", CLValue::from_t(1_i32)),
        ("add u8", "u64", CLValue::from_t(1_u8)),
        ("add a text", "u64", CLValue::from_t("1")),
        ("add to a list", "list", CLValue::from_t(1_u64)),
        ("add to a unit", "unit", CLValue::from_t(U512::from(1))),
        ("add a name to a number", "u64", CLValue::from_t(("n".to_owned(), of(BEN)))),
    ] {
        deploys.push(book.guest(name, |g| {
            let value = value.expect("a value");
            let (key, value) = (g.key(on), g.form(&value));
            g.run(host!(add, key.at, key.size, value.at, value.size));
        }));
    }
    deploys.push(book.guest("add a name to the account", |g| {
        let (key, value) = (g.form(&of(ANA)), g.value(("ben".to_owned(), of(BEN))));
        g.run(host!(add, key.at, key.size, value.at, value.size));
    }));
    deploys.push(book.guest("add a name and look for it", |g| {
        let (key, value) = (g.form(&of(ANA)), g.value(("again".to_owned(), of(BEN))));
        g.run(host!(add, key.at, key.size, value.at, value.size));
        let name = g.text("again");
        g.check(host!(has_key, name.at, name.size));
    }));
    deploys.push(book.guest("a URef with fewer rights reads", |g| {
        let (key, size) = (g.key("u64"), g.room(4));
        only(g, key, 1);
        g.check(host!(read_value, key.at, key.size, size));
        g.keep_buffer("read", size);
    }));
    for (name, rights) in [("read", 1_u8), ("add", 4), ("none", 0)] {
        deploys.push(book.guest(&format!("write with the right {name}"), |g| {
            let (key, value) = (g.key("u64"), g.value(1_u64));
            only(g, key, rights);
            g.run(host!(write, key.at, key.size, value.at, value.size));
        }));
    }
    deploys.push(book.guest("add with the right read", |g| {
        let (key, value) = (g.key("u64"), g.value(1_u64));
        only(g, key, 1);
        g.run(host!(add, key.at, key.size, value.at, value.size));
    }));
    deploys.push(book.guest("read with the right write", |g| {
        let (key, size) = (g.key("u64"), g.room(4));
        only(g, key, 2);
        g.answer(host!(read_value, key.at, key.size, size));
    }));
    deploys.push(book.guest("a large value", |g| {
        let value = g.value(Bytes::from(vec![7; 20_000]));
        g.keep("large", value);
    }));
    book.case("values", deploys);
}

fn refused(book: &mut Book) {
    let mut deploys = Vec::new();
    for (name, key) in [
        ("forged", Key::URef(FORGED)),
        ("the own account", of(ANA)),
        ("another account", of(BEN)),
        ("nothing", Key::Hash([9; 32])),
        ("a balance", Key::Balance([9; 32])),
        ("a dictionary item", Key::Dictionary([9; 32])),
    ] {
        deploys.push(book.guest(&format!("read {name}"), |g| {
            let (key, size) = (g.form(&key), g.room(4));
            g.answer(host!(read_value, key.at, key.size, size));
        }));
        deploys.push(book.guest(&format!("write {name}"), |g| {
            let (key, value) = (g.form(&key), g.value(1_u64));
            g.run(host!(write, key.at, key.size, value.at, value.size));
        }));
        deploys.push(book.guest(&format!("add to {name}"), |g| {
            let (key, value) = (g.form(&key), g.value(1_u64));
            g.run(host!(add, key.at, key.size, value.at, value.size));
        }));
    }
    deploys.push(book.guest("read the mint", |g| {
        let (key, size) = (g.bytes(&[1; 33]), g.room(4));
        g.check(host!(get_system_contract, 0_u32, key.at + 1, 32_u32));
        g.answer(host!(read_value, key.at, key.size, size));
    }));
    for (name, value) in [
        ("a forged URef", CLValue::from_t(FORGED)),
        ("a forged URef as a key", CLValue::from_t(Key::URef(FORGED))),
        ("a list of forged URefs", CLValue::from_t(vec![FORGED])),
        ("a forged URef of no rights", CLValue::from_t(FORGED.remove_access_rights())),
    ] {
        deploys.push(book.guest(&format!("store {name}"), |g| {
            let value = g.form(&value.expect("a value"));
            g.keep("forged", value);
        }));
    }
    deploys.push(book.guest("name a forged URef", |g| {
        let (name, key) = (g.text("forged"), g.form(&Key::URef(FORGED)));
        g.run(host!(put_key, name.at, name.size, key.at, key.size));
    }));
    for (name, bytes) in [
        ("no bytes", vec![]),
        ("bytes of no value", vec![255; 9]),
        ("a value and a byte more", vec![1, 0, 0, 0, 7, 3, 0]),
        ("a value of no type", vec![1, 0, 0, 0, 7, 99]),
        ("a number of three bytes", vec![3, 0, 0, 0, 7, 7, 7, 4]),
    ] {
        deploys.push(book.guest(&format!("store {name}"), |g| {
            let value = g.bytes(&bytes);
            g.keep("broken", value);
        }));
    }
    for (name, bytes) in
        [("no tag", vec![]), ("an unknown tag", vec![99; 33]), ("half a hash", vec![1; 17])]
    {
        deploys.push(book.guest(&format!("read a key of {name}"), |g| {
            let (key, size) = (g.bytes(&bytes), g.room(4));
            g.answer(host!(read_value, key.at, key.size, size));
        }));
    }
    for (name, at, size) in [
        ("at the end of memory", 65_530_u32, 34_u32),
        ("outside of memory", 70_000, 34),
        ("around", u32::MAX, 2),
    ] {
        deploys.push(book.guest(&format!("read a key {name}"), |g| {
            let out = g.room(4);
            g.answer(host!(read_value, at, size, out));
        }));
    }
    book.case("values refused", deploys);
}

fn names(book: &mut Book) {
    let none = book.guest("no names", |g| {
        let (count, size) = (g.room(4), g.room(4));
        g.check(host!(load_named_keys, count, size));
        g.answer(load(count));
    });
    let some = book.guest("put names", |g| {
        let (name, key) = (g.text("ben"), g.form(&of(BEN)));
        g.run(host!(put_key, name.at, name.size, key.at, key.size));
        let (name, key) = (g.text(""), g.form(&Key::Hash([1; 32])));
        g.run(host!(put_key, name.at, name.size, key.at, key.size));
        let (count, size) = (g.room(4), g.room(4));
        g.check(host!(load_named_keys, count, size));
        g.keep_buffer("names", size);
    });
    let count = book.guest("count names", |g| {
        let (count, size) = (g.room(4), g.room(4));
        g.check(host!(load_named_keys, count, size));
        g.answer(load(count));
    });
    let replace = book.guest("replace a name", |g| {
        let (name, key) = (g.text("ben"), g.form(&of(ANA)));
        g.run(host!(put_key, name.at, name.size, key.at, key.size));
    });
    let remove = book.guest("remove a name", |g| {
        let name = g.text("ben");
        g.run(host!(remove_key, name.at, name.size));
        g.check(host!(has_key, name.at, name.size));
    });
    let absent = book.guest("remove no name", |g| {
        let name = g.text("nothing");
        g.run(host!(remove_key, name.at, name.size));
    });
    let get_missing = book.guest("get no name", |g| {
        let (name, room) = (g.text("nothing"), g.room(40));
        g.answer(host!(get_key, name.at, name.size, room, 40_u32, room));
    });
    let get_small = book.guest("get a name into little room", |g| {
        let (name, room) = (g.text("names"), g.room(40));
        g.answer(host!(get_key, name.at, name.size, room, 33_u32, room));
    });
    let not_text = book.guest("a name of no text", |g| {
        let name = g.bytes(&[1, 0, 0, 0, 255]);
        g.answer(host!(has_key, name.at, name.size));
    });
    let short = book.guest("a name shorter than it says", |g| {
        let name = g.bytes(&[9, 0, 0, 0, 65]);
        g.answer(host!(has_key, name.at, name.size));
    });
    let bad_key = book.guest("put bytes of no key", |g| {
        let (name, key) = (g.text("bad"), g.bytes(&[255; 33]));
        g.run(host!(put_key, name.at, name.size, key.at, key.size));
    });
    let has = book.guest("has a name", |g| {
        let name = g.text("names");
        g.answer(host!(has_key, name.at, name.size));
    });
    let long = book.guest("a long name", |g| {
        let (name, key) = (g.text(&"n".repeat(3_000)), g.form(&of(BEN)));
        g.run(host!(put_key, name.at, name.size, key.at, key.size));
    });
    book.case(
        "names",
        vec![
            none,
            some,
            count,
            replace,
            remove,
            absent,
            get_missing,
            get_small,
            not_text,
            short,
            bad_key,
            has,
            long,
        ],
    );
}

fn buffer(book: &mut Book) {
    let full = book.guest("full", |g| {
        let size = g.room(8);
        g.check(host!(get_caller, size));
        g.answer(host!(get_caller, size));
    });
    let small = book.guest("little room", |g| {
        let (size, room) = (g.room(8), g.room(40));
        g.check(host!(get_caller, size));
        g.answer(host!(read_host_buffer, room, 5_u32, size));
    });
    let lost = book.guest("little room, then enough", |g| {
        let (size, room) = (g.room(8), g.room(40));
        g.check(host!(get_caller, size));
        g.drop(host!(read_host_buffer, room, 5_u32, size));
        g.answer(host!(read_host_buffer, room, 40_u32, size));
    });
    let empty = book.guest("empty", |g| {
        let (size, room) = (g.room(8), g.room(40));
        g.answer(host!(read_host_buffer, room, 40_u32, size));
    });
    let outside = book.guest("outside of memory", |g| {
        let size = g.room(8);
        g.check(host!(get_caller, size));
        g.answer(host!(read_host_buffer, 65_530_u32, 32_u32, size));
    });
    book.case("host buffer", vec![full, small, lost, empty, outside]);
}

fn ends(book: &mut Book) {
    let mut deploys = Vec::new();
    for code in [
        0,
        1,
        6,
        16,
        24,
        36,
        38,
        39,
        40,
        41,
        9_999,
        64_512,
        64_515,
        64_600,
        64_768,
        64_773,
        65_024,
        65_045,
        65_280,
        65_291,
        65_535,
        65_536,
        65_543,
        131_071,
        131_072,
        u32::MAX,
    ] {
        deploys.push(book.guest(&format!("revert {code}"), |g| g.run(host!(revert, code))));
    }
    let code = args! { "code" => super::Value::U32(77) };
    deploys.push(super::play("revert.wasm", named("revert", code)));
    let code = args! { "code" => text("77") };
    deploys.push(super::play("revert.wasm with a text", named("revert", code)));
    deploys.push(super::play("revert.wasm without a code", named("revert", args! {})));
    deploys.push(book.guest("return a value", |g| {
        let value = g.value(7_u64);
        g.run(host!(ret, value.at, value.size));
    }));
    deploys.push(book.guest("return a forged URef", |g| {
        let value = g.value(FORGED);
        g.run(host!(ret, value.at, value.size));
    }));
    deploys.push(book.guest("return no value", |g| {
        let value = g.bytes(&[255; 9]);
        g.run(host!(ret, value.at, value.size));
    }));
    book.case("ends", deploys);
}
