//! Dictionaries.

use casper_types::{AccessRights, Key, URef};

use super::Book;
use crate::guest::host;

pub(super) fn cases(book: &mut Book) {
    let mut deploys = vec![book.guest("make", |g| {
        let size = g.room(8);
        g.check(host!(new_dictionary, size));
        let (key, read) = (g.bytes(&[&[2_u8][..], &[0; 33]].concat()), g.room(4));
        g.check(host!(read_host_buffer, key.at + 1, 33_u32, read));
        let name = g.text("seed");
        g.run(host!(put_key, name.at, name.size, key.at, key.size));
    })];
    deploys.push(book.guest("make with a full buffer", |g| {
        let size = g.room(8);
        g.check(host!(get_caller, size));
        g.answer(host!(new_dictionary, size));
    }));
    let long = "i".repeat(128);
    let too_long = "i".repeat(129);
    let items: [(&str, &[u8]); 5] = [
        ("an item", b"item"),
        ("no name", b""),
        ("128 bytes", long.as_bytes()),
        ("129 bytes", too_long.as_bytes()),
        ("no text", &[255]),
    ];
    for (name, item) in items {
        deploys.push(book.guest(&format!("get {name} before"), |g| {
            let (seed, item, size) = (g.key("seed"), g.bytes(item), g.room(8));
            g.answer(host!(dictionary_get, seed.at + 1, 33_u32, item.at, item.size, size));
        }));
        deploys.push(book.guest(&format!("put {name}"), |g| {
            let (seed, item) = (g.key("seed"), g.bytes(item));
            let value = g.value("a value".to_owned());
            g.check(host!(
                dictionary_put,
                seed.at + 1,
                33_u32,
                item.at,
                item.size,
                value.at,
                value.size
            ));
        }));
        deploys.push(book.guest(&format!("get {name}"), |g| {
            let (seed, item, size) = (g.key("seed"), g.bytes(item), g.room(8));
            g.check(host!(dictionary_get, seed.at + 1, 33_u32, item.at, item.size, size));
            g.keep_buffer("got", size);
        }));
    }
    for (name, rights) in [("read", 1_u8), ("write", 2), ("add", 4)] {
        deploys.push(book.guest(&format!("get with the right {name}"), |g| {
            let (seed, item, size) = (g.key("seed"), g.bytes(b"item"), g.room(8));
            g.run(format!("(i32.store8 (i32.const {}) (i32.const {rights}))", seed.at + 33));
            g.answer(host!(dictionary_get, seed.at + 1, 33_u32, item.at, item.size, size));
        }));
        deploys.push(book.guest(&format!("put with the right {name}"), |g| {
            let (seed, item, value) = (g.key("seed"), g.bytes(b"item"), g.value(1_u64));
            g.run(format!("(i32.store8 (i32.const {}) (i32.const {rights}))", seed.at + 33));
            g.answer(host!(
                dictionary_put,
                seed.at + 1,
                33_u32,
                item.at,
                item.size,
                value.at,
                value.size
            ));
        }));
    }
    deploys.push(book.guest("get with a forged seed", |g| {
        let (seed, item, size) = (g.bytes(&[7; 33]), g.bytes(b"item"), g.room(8));
        g.answer(host!(dictionary_get, seed.at, 33_u32, item.at, item.size, size));
    }));
    deploys.push(book.guest("put with a forged seed", |g| {
        let (seed, item, value) = (g.bytes(&[7; 33]), g.bytes(b"item"), g.value(1_u64));
        g.answer(host!(dictionary_put, seed.at, 33_u32, item.at, item.size, value.at, value.size));
    }));
    deploys.push(book.guest("put no value", |g| {
        let (seed, item, value) = (g.key("seed"), g.bytes(b"item"), g.bytes(&[255; 9]));
        g.answer(host!(
            dictionary_put,
            seed.at + 1,
            33_u32,
            item.at,
            item.size,
            value.at,
            value.size
        ));
    }));
    deploys.push(book.guest("put a forged URef", |g| {
        let (seed, item) = (g.key("seed"), g.bytes(b"item"));
        let value = g.value(URef::new([7; 32], AccessRights::READ));
        g.answer(host!(
            dictionary_put,
            seed.at + 1,
            33_u32,
            item.at,
            item.size,
            value.at,
            value.size
        ));
    }));
    deploys.push(book.guest("read by an address of nothing", |g| {
        let (key, size) = (g.form(&Key::Dictionary([9; 32])), g.room(8));
        g.answer(host!(dictionary_read, key.at, key.size, size));
    }));
    deploys.push(book.guest("read by a hash", |g| {
        let (key, size) = (g.form(&Key::Hash([9; 32])), g.room(8));
        g.answer(host!(dictionary_read, key.at, key.size, size));
    }));
    deploys.push(book.guest("read by address", |g| {
        // The address is the hash of the seed's address and the item's name.
        let (seed, key, size) = (g.key("seed"), g.bytes(&[9; 33]), g.room(8));
        g.run(format!("(i32.store (i32.const {}) (i32.const {}))", seed.at + 33, 0x6d65_7469));
        g.check(host!(blake2b, seed.at + 1, 36_u32, key.at + 1, 32_u32));
        g.check(host!(dictionary_read, key.at, key.size, size));
        g.keep_buffer("got", size);
    }));
    deploys.push(book.guest("write by address", |g| {
        let (seed, key, value) = (g.key("seed"), g.bytes(&[9; 33]), g.value(1_u64));
        g.run(format!("(i32.store (i32.const {}) (i32.const {}))", seed.at + 33, 0x6d65_7469));
        g.check(host!(blake2b, seed.at + 1, 36_u32, key.at + 1, 32_u32));
        g.run(host!(write, key.at, key.size, value.at, value.size));
    }));
    book.case("dictionaries", deploys);
}
