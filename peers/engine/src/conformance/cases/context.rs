//! What code learns of where it runs, and the functions without state.

use super::{Book, Value, args, play, text};
use crate::{
    conform::suite::BEN,
    guest::{host, load},
};

pub(super) fn cases(book: &mut Book) {
    let mut deploys = Vec::new();
    deploys.push(book.guest("caller", |g| {
        let size = g.room(8);
        g.check(host!(get_caller, size));
        g.keep_buffer("caller", size);
    }));
    deploys.push(book.guest("block time", |g| {
        let room = g.bytes(&[0; 8]);
        g.run(host!(get_blocktime, room.at));
        g.keep_bytes("time", room);
    }));
    deploys.push(book.guest("phase", |g| {
        let room = g.bytes(&[0; 1]);
        g.run(host!(get_phase, room.at));
        g.keep_bytes("phase", room);
    }));
    deploys.push(book.guest("main purse", |g| {
        let (room, key) = (g.room(40), g.bytes(&[2; 1]));
        let _ = key;
        g.run(host!(get_main_purse, room));
        g.answer(host!(is_valid_uref, room, 33_u32));
    }));
    for index in 0..6_u32 {
        deploys.push(book.guest(&format!("system contract {index}"), |g| {
            let room = g.room(32);
            g.answer(host!(get_system_contract, index, room, 32_u32));
        }));
    }
    deploys.push(book.guest("system contract in no room", |g| {
        let room = g.room(32);
        g.answer(host!(get_system_contract, 0_u32, room, 0_u32));
    }));
    let signers = book.guest("signers", |g| {
        let (count, size) = (g.room(4), g.room(4));
        g.check(host!(load_authorization_keys, count, size));
        g.keep_buffer("signers", size);
    });
    deploys.push(signers);
    deploys.push(book.guest("call stack", |g| {
        let (count, size) = (g.room(4), g.room(4));
        g.check(host!(load_call_stack, count, size));
        g.keep_buffer("stack", size);
    }));
    deploys.push(book.guest("hash", |g| {
        let (data, room) = (g.bytes(b"hash me"), g.bytes(&[0; 32]));
        g.check(host!(blake2b, data.at, data.size, room.at, 32_u32));
        g.keep_bytes("hash", room);
    }));
    for size in [0_u32, 31, 33, 64] {
        deploys.push(book.guest(&format!("hash of {size} bytes"), |g| {
            let (data, room) = (g.bytes(b"hash me"), g.room(64));
            g.answer(host!(blake2b, data.at, data.size, room, size));
        }));
    }
    for size in [0_u32, 31, 32, 33] {
        deploys.push(book.guest(&format!("{size} random bytes"), |g| {
            let room = g.room(64);
            g.answer(host!(random_bytes, room, size));
        }));
    }
    deploys.push(book.guest("is a forged URef valid", |g| {
        let uref = g.bytes(&[7; 33]);
        g.answer(host!(is_valid_uref, uref.at, uref.size));
    }));
    deploys.push(book.guest("is half a URef valid", |g| {
        let uref = g.bytes(&[7; 17]);
        g.answer(host!(is_valid_uref, uref.at, uref.size));
    }));
    let given = || args! { "text" => text("given"), "nothing" => Value::Unit };
    let with = |deploy: super::Play| deploy.args(given());
    deploys.push(with(book.guest("argument", |g| {
        let (room, size) = g.sized_arg("text");
        let _ = room;
        g.answer(load(size));
    })));
    deploys.push(with(book.guest("argument of no bytes", |g| {
        let (_, size) = g.sized_arg("nothing");
        g.answer(load(size));
    })));
    deploys.push(with(book.guest("size of no argument", |g| {
        let (name, size) = (g.bytes(b"other"), g.room(4));
        g.answer(host!(get_named_arg_size, name.at, name.size, size));
    })));
    deploys.push(with(book.guest("no argument", |g| {
        let (name, room) = (g.bytes(b"other"), g.room(9));
        g.answer(host!(get_named_arg, name.at, name.size, room, 9_u32));
    })));
    deploys.push(with(book.guest("argument in little room", |g| {
        let (name, room) = (g.bytes(b"text"), g.room(16));
        g.answer(host!(get_named_arg, name.at, name.size, room, 8_u32));
    })));
    deploys.push(with(book.guest("argument in much room", |g| {
        let (name, room) = (g.bytes(b"text"), g.room(16));
        g.answer(host!(get_named_arg, name.at, name.size, room, 10_u32));
    })));
    deploys.push(with(book.guest("argument by a name of no text", |g| {
        let (name, room) = (g.bytes(&[255]), g.room(16));
        g.answer(host!(get_named_arg_size, name.at, name.size, room));
    })));
    deploys.push(book.guest("record a transfer", |g| {
        let room = g.room(8);
        g.answer(host!(
            record_transfer,
            room,
            0_u32,
            room,
            0_u32,
            room,
            0_u32,
            room,
            0_u32,
            room,
            0_u32
        ));
    }));
    deploys.push(book.guest("record an era", |g| {
        let room = g.room(8);
        g.answer(host!(record_era_info, room, 0_u32, room, 0_u32));
    }));
    let mut late = play("as ben", deploys[0].session.clone());
    late = late.by(BEN);
    deploys.push(late);
    book.case("context", deploys);
}
