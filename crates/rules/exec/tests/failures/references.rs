//! What code may not read, write, add to or hand on, and values that are not what they should be.

use casper_types::{AccessRights, Key, URef};

use crate::{
    Row,
    guest::Paper,
    town::{bytes, clvalue},
    world::*,
};

/// A URef that nobody ever gave to anybody.
fn forged() -> URef {
    full([9; 32])
}
const FORGED: &str = "Forged reference: \
    URef(0909090909090909090909090909090909090909090909090909090909090909, READ_ADD_WRITE)";

/// Writes, adds or reads at a key that the account has a name for.
fn at_name(name: &str, value: &[u8], what: &str) -> Vec<u8> {
    let mut paper = Paper::default();
    let name = paper.put(&bytes(&name.to_owned()));
    let value = paper.put(value);
    let (key, size) = (paper.room(40), paper.room(4));
    let get = |bytes: u32| {
        format!(
            "(call $check (call $get_key {name}
                (i32.const {key}) (i32.const {bytes}) (i32.const {size})))"
        )
    };
    let body = match what {
        "write" => format!("{} (call $write (i32.const {key}) (i32.const 34) {value})", get(34)),
        "add" => format!("{} (call $add (i32.const {key}) (i32.const 34) {value})", get(34)),
        "read uref" => format!(
            "{} (drop (call $read_value (i32.const {key}) (i32.const 34) (i32.const {size})))",
            get(34)
        ),
        _ => format!(
            "{} (drop (call $read_value (i32.const {key}) (i32.const 33) (i32.const {size})))",
            get(33)
        ),
    };
    paper.guest(&body)
}

/// Does something with a key of its own.
fn with_key(key: &[u8], what: &str) -> Vec<u8> {
    let mut paper = Paper::default();
    let key = paper.put(key);
    let value = paper.put(&clvalue(1_u8));
    let name = paper.put(&bytes(&"loot".to_owned()));
    let size = paper.room(4);
    paper.guest(&match what {
        "write" => format!("(call $write {key} {value})"),
        "add" => format!("(call $add {key} {value})"),
        "read" => format!("(drop (call $read_value {key} (i32.const {size})))"),
        "name" => format!("(call $put_key {name} {key})"),
        _ => format!("(drop (call $dictionary_read {key} (i32.const {size})))"),
    })
}

fn stores(value: &[u8]) -> Vec<u8> {
    let mut paper = Paper::default();
    let value = paper.put(value);
    let at = paper.room(33);
    paper.guest(&format!("(call $new_uref (i32.const {at}) {value})"))
}

fn returns(value: &[u8]) -> Vec<u8> {
    let mut paper = Paper::default();
    let value = paper.put(value);
    paper.guest(&format!("(call $ret {value})"))
}

/// Looks an item up in the account's dictionary.
fn looks_up(item: &[u8]) -> Vec<u8> {
    let mut paper = Paper::default();
    let name = paper.put(&bytes(&"list".to_owned()));
    let item = paper.put(item);
    let (key, size) = (paper.room(34), paper.room(4));
    paper.guest(&format!(
        "(call $check (call $get_key {name} (i32.const {key}) (i32.const 34) (i32.const {size})))
         (call $check (call $dictionary_get
            (i32.const {}) (i32.const 33) {item} (i32.const {size})))",
        key + 1
    ))
}

/// Puts an item into the account's dictionary.
fn puts_item(item: &[u8]) -> Vec<u8> {
    let mut paper = Paper::default();
    let name = paper.put(&bytes(&"list".to_owned()));
    let item = paper.put(item);
    let value = paper.put(&clvalue(1_u8));
    let (key, size) = (paper.room(34), paper.room(4));
    paper.guest(&format!(
        "(call $check (call $get_key {name} (i32.const {key}) (i32.const 34) (i32.const {size})))
         (call $revert (call $dictionary_put (i32.const {}) (i32.const 33) {item} {value}))",
        key + 1
    ))
}

pub(crate) fn rows() -> Vec<Row> {
    let key = |uref: URef| bytes(&Key::URef(uref));
    let weak = |rights| key(URef::new([9; 32], rights));
    let row = Row::runs;
    let early = "Serialization error: Deserialization error: early end of stream";
    let formatting = "Serialization error: Deserialization error: formatting";
    let left_over = "Serialization error: Deserialization error: left-over bytes";
    let mut long_key = key(forged());
    long_key.push(0);
    let mut names = Paper::default();
    let fresh = names.put(&clvalue(("a".to_owned(), Key::URef(forged()))));
    let account = names.put(&bytes(&Key::Account(hash(ANA))));
    let names = names.guest(&format!("(call $add {account} {fresh})"));
    vec![
        row("a write to a forged URef", FORGED, 88_320, with_key(&key(forged()), "write")),
        row("a forged URef read", FORGED, 4_208_770, with_key(&key(forged()), "read")),
        row("a number added to a forged URef", FORGED, 74_240, with_key(&key(forged()), "add")),
        row("a forged URef named", FORGED, 105_108_440, with_key(&key(forged()), "name")),
        row("a forged URef in a value", FORGED, 111_880, stores(&clvalue(vec![Some(forged())]))),
        row("a forged URef returned", FORGED, 16_051_220, returns(&clvalue(forged()))),
        row("a forged URef added as a name", FORGED, 74_240, names),
        row(
            "a URef that one may not write",
            "Invalid access rights: WRITE",
            88_320,
            with_key(&weak(AccessRights::READ_ADD), "write"),
        ),
        row(
            "a URef that one may not read",
            "Invalid access rights: READ",
            4_208_770,
            with_key(&weak(AccessRights::ADD_WRITE), "read"),
        ),
        row(
            "a URef that one may not add to",
            "Invalid access rights: ADD",
            74_240,
            with_key(&weak(AccessRights::READ_WRITE), "add"),
        ),
        row(
            "somebody else's account read",
            "Invalid access rights: READ",
            4_088_770,
            with_key(&bytes(&Key::Account(hash(BEN))), "read"),
        ),
        row(
            "a balance read",
            "Invalid access rights: READ",
            4_088_770,
            with_key(&bytes(&Key::Balance([1; 32])), "read"),
        ),
        row(
            "a write to a hash",
            "Invalid access rights: WRITE",
            88_320,
            with_key(&bytes(&Key::Hash([1; 32])), "write"),
        ),
        row("half a key", early, 488_770, with_key(&[2, 1, 1], "read")),
        row("no key", early, 128_770, with_key(&[], "read")),
        row(
            "a key of a kind that is not known",
            formatting,
            4_088_770,
            with_key(&[99; 33], "read"),
        ),
        row("a key with a byte too many", left_over, 4_328_770, with_key(&long_key, "read")),
        row("a value that is none", early, 87_100, stores(&[1, 2, 3])),
        row("a value of an unknown type", formatting, 88_280, stores(&[0, 0, 0, 0, 99])),
        row("a return that is no value", "Expected return value", 1_351_220, returns(&[1, 2, 3])),
        row(
            "a text added to a number",
            "Type mismatch. Expected I32, U64, U128, U256, U512 or (String, Key) tuple but found String.",
            14_745_771,
            at_name("note", &clvalue("one"), "add"),
        ),
        row(
            "a contract read as a value",
            "Type mismatch. Expected CLValue but found Contract.",
            4_231_670,
            at_name("shop", &[], "read"),
        ),
        row(
            "a dictionary read at what is no dictionary",
            "Unexpected Key variant: Key::Hash(0101010101010101010101010101010101010101010101010101010101010101)",
            4_088_770,
            with_key(&bytes(&Key::Hash([1; 32])), "look up"),
        ),
        row(
            "a dictionary read by a forged URef",
            "Unexpected Key variant: Key::URef(0909090909090909090909090909090909090909090909090909090909090909, READ_ADD_WRITE)",
            4_208_770,
            with_key(&key(forged()), "look up"),
        ),
        row(
            "a long item key looked up",
            "Dictionary item key exceeded maximum length",
            361_060,
            looks_up(&[b'x'; 129]),
        ),
        row(
            "a long item key put",
            "ApiError::DictionaryItemKeyTooLarge [36]",
            524_880,
            puts_item(&[b'x'; 129]),
        ),
        row(
            "an item key that is no text",
            "ApiError::InvalidDictionaryItemKey [37]",
            296_280,
            puts_item(&[0xff, 0xfe]),
        ),
        row("a name that is not there", "User error: 24", 280_880, at_name("gone", &[], "read")),
    ]
}
