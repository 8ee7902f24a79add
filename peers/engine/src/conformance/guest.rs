//! Small modules, made of host calls. Data is laid out here, so the modules need no allocator.

use std::fmt::Write as _;

use casper_types::{CLTyped, CLValue, bytesrepr::ToBytes};

/// Every host function: its name, its parameters, whether it answers.
const IMPORTS: &[(&str, usize, bool)] = &[
    ("read_value", 3, true),
    ("write", 4, false),
    ("add", 4, false),
    ("new_uref", 3, false),
    ("load_named_keys", 2, true),
    ("ret", 2, false),
    ("get_key", 5, true),
    ("has_key", 2, true),
    ("put_key", 4, false),
    ("remove_key", 2, false),
    ("get_caller", 1, true),
    ("get_blocktime", 1, false),
    ("is_valid_uref", 2, true),
    ("revert", 1, false),
    ("add_associated_key", 3, true),
    ("remove_associated_key", 2, true),
    ("update_associated_key", 3, true),
    ("set_action_threshold", 2, true),
    ("create_purse", 2, true),
    ("transfer_to_account", 7, true),
    ("transfer_from_purse_to_account", 9, true),
    ("transfer_from_purse_to_purse", 8, true),
    ("get_balance", 3, true),
    ("get_phase", 1, false),
    ("get_system_contract", 3, true),
    ("get_main_purse", 1, false),
    ("read_host_buffer", 3, true),
    ("create_contract_package_at_hash", 3, false),
    ("create_contract_user_group", 8, true),
    ("add_contract_version", 10, true),
    ("disable_contract_version", 4, true),
    ("enable_contract_version", 4, true),
    ("call_contract", 7, true),
    ("call_versioned_contract", 9, true),
    ("get_named_arg_size", 3, true),
    ("get_named_arg", 4, true),
    ("remove_contract_user_group", 4, true),
    ("provision_contract_user_group_uref", 5, true),
    ("remove_contract_user_group_urefs", 6, true),
    ("blake2b", 4, true),
    ("load_call_stack", 2, true),
    ("load_authorization_keys", 2, true),
    ("new_dictionary", 1, true),
    ("dictionary_get", 5, true),
    ("dictionary_put", 6, true),
    ("dictionary_read", 3, true),
    ("random_bytes", 2, true),
    ("record_transfer", 10, true),
    ("record_era_info", 4, true),
];

/// Names of all host functions.
pub(crate) fn imports() -> impl Iterator<Item = &'static str> {
    IMPORTS.iter().map(|row| row.0)
}

/// An operand: a number, or an expression that is one.
pub(crate) struct Operand(String);

impl From<u32> for Operand {
    fn from(number: u32) -> Self {
        Self(format!("(i32.const {number})"))
    }
}

impl From<&str> for Operand {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Operand {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The expression that calls a host function.
macro_rules! host {
    ($name:ident $(, $operand:expr)* $(,)?) => {
        $crate::guest::call(stringify!($name), &[$($crate::guest::Operand::from($operand)),*])
    };
}
pub(crate) use host;

pub(crate) fn call(name: &str, operands: &[Operand]) -> String {
    let row = IMPORTS.iter().find(|row| row.0 == name);
    assert_eq!(row.map(|row| row.1), Some(operands.len()), "operands of {name}");
    let operands: Vec<&str> = operands.iter().map(|operand| operand.0.as_str()).collect();
    format!("(call ${name} {})", operands.join(" "))
}

/// The number at an address.
pub(crate) fn load(at: u32) -> String {
    format!("(i32.load (i32.const {at}))")
}

/// Bytes in the guest's memory.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) at: u32,
    pub(crate) size: u32,
}

/// A module in the making.
pub(crate) struct Guest {
    data: Vec<(u32, Vec<u8>)>,
    next: u32,
    /// Finished functions.
    functions: String,
    name: String,
    body: String,
}

impl Guest {
    /// A module whose `call` is still empty.
    pub(crate) fn new() -> Self {
        Self {
            data: Vec::new(),
            next: 16,
            functions: String::new(),
            name: "call".to_owned(),
            body: String::new(),
        }
    }

    /// A module whose `call` is what `write` makes of it.
    pub(crate) fn with(write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut guest = Self::new();
        write(&mut guest);
        guest.build()
    }

    /// Puts bytes into memory.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Span {
        let at = self.room(u32::try_from(bytes.len()).expect("a few bytes"));
        self.data.push((at, bytes.to_vec()));
        Span { at, size: bytes.len() as u32 }
    }

    /// Keeps room in memory.
    pub(crate) fn room(&mut self, size: u32) -> u32 {
        let at = self.next;
        self.next = (at + size).next_multiple_of(8);
        assert!(self.next < 60_000, "too much data");
        at
    }

    /// The byte form of a value.
    pub(crate) fn form(&mut self, value: &impl ToBytes) -> Span {
        self.bytes(&value.to_bytes().expect("it has bytes"))
    }

    /// A text as host functions take names.
    pub(crate) fn text(&mut self, text: &str) -> Span {
        self.form(&text.to_owned())
    }

    /// A value with its type.
    pub(crate) fn value(&mut self, value: impl CLTyped + ToBytes) -> Span {
        self.form(&CLValue::from_t(value).expect("it is a value"))
    }

    /// Adds instructions.
    pub(crate) fn run(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.body, "{}", text.as_ref());
    }

    /// Throws an answer away.
    pub(crate) fn drop(&mut self, answer: String) {
        self.run(format!("(drop {answer})"));
    }

    /// Ends with the user error of an answer that is not 0.
    pub(crate) fn check(&mut self, answer: String) {
        self.run(format!("(call $check {answer})"));
    }

    /// Ends with the user error of an answer, whatever it is, so that it is seen.
    pub(crate) fn answer(&mut self, answer: String) {
        self.run(format!("(call $revert (i32.add (i32.const 65536) {answer}))"));
    }

    /// Makes a URef of a value and names it.
    pub(crate) fn keep(&mut self, name: &str, value: Span) {
        let (name, key) = (self.text(name), self.bytes(&[&[2_u8][..], &[0; 33]].concat()));
        self.run(host!(new_uref, key.at + 1, value.at, value.size));
        self.run(host!(put_key, name.at, name.size, key.at, key.size));
    }

    /// Keeps what is in the host buffer, whose size is at an address, under a name.
    pub(crate) fn keep_buffer(&mut self, name: &str, size: u32) {
        let (room, read) = (self.room(2_048), self.room(4));
        self.check(host!(read_host_buffer, room + 4, load(size), read));
        self.keep_sized(name, room, size);
    }

    /// Keeps bytes under a name; `room` has their size's place and then them.
    fn keep_sized(&mut self, name: &str, room: u32, size: u32) {
        let (name, key) = (self.text(name), self.bytes(&[&[2_u8][..], &[0; 33]].concat()));
        self.run(format!("(i32.store (i32.const {room}) {})", load(size)));
        // The type Any.
        let end = format!("(i32.add (i32.const {}) {})", room + 4, load(size));
        self.run(format!("(i32.store8 {end} (i32.const 21))"));
        let all = format!("(i32.add (i32.const 5) {})", load(size));
        self.run(host!(new_uref, key.at + 1, room, all));
        self.run(host!(put_key, name.at, name.size, key.at, key.size));
    }

    /// Keeps bytes of memory under a name.
    pub(crate) fn keep_bytes(&mut self, name: &str, bytes: Span) {
        let (room, size) = (self.room(bytes.size + 8), self.form(&bytes.size));
        for byte in 0..bytes.size {
            let from = format!("(i32.load8_u (i32.const {}))", bytes.at + byte);
            self.run(format!("(i32.store8 (i32.const {}) {from})", room + 4 + byte));
        }
        self.keep_sized(name, room, size.at);
    }

    /// Gets a named key: 34 bytes are where the span is.
    pub(crate) fn key(&mut self, name: &str) -> Span {
        let (name, key, size) = (self.text(name), self.room(40), self.room(4));
        self.check(host!(get_key, name.at, name.size, key, 40_u32, size));
        Span { at: key, size: 34 }
    }

    /// Gets an argument of the deploy whose size is known.
    pub(crate) fn arg(&mut self, name: &str, size: u32) -> Span {
        let (name, room) = (self.bytes(name.as_bytes()), self.room(size));
        self.check(host!(get_named_arg, name.at, name.size, room, size));
        Span { at: room, size }
    }

    /// Gets an argument of the deploy; returns where it is and where its size is.
    pub(crate) fn sized_arg(&mut self, name: &str) -> (u32, u32) {
        let (name, room, size) = (self.bytes(name.as_bytes()), self.room(4_096), self.room(4));
        self.check(host!(get_named_arg_size, name.at, name.size, size));
        self.check(host!(get_named_arg, name.at, name.size, room, load(size)));
        (room, size)
    }

    /// Adds a function as it is written.
    #[allow(dead_code, reason = "the benchmark uses it")]
    pub(crate) fn helper(&mut self, text: &str) {
        let _ = writeln!(self.functions, "{text}");
    }

    /// Ends the present function and begins another.
    pub(crate) fn function(&mut self, name: &str) {
        let _ = writeln!(self.functions, "(func (export \"{}\") {})", self.name, self.body);
        self.name = name.to_owned();
        self.body.clear();
    }

    /// The module.
    pub(crate) fn build(mut self) -> Vec<u8> {
        self.function("");
        let mut text = String::from("(module\n");
        for (name, params, answers) in IMPORTS {
            let used = self.functions.split(|c: char| c != '$' && c != '_' && !c.is_alphanumeric());
            let mut used = used.filter_map(|word| word.strip_prefix('$'));
            if *name != "revert" && !used.any(|word| word == *name) {
                continue;
            }
            let params = vec!["i32"; *params].join(" ");
            let result = if *answers { "(result i32)" } else { "" };
            let _ = writeln!(
                text,
                "(import \"env\" \"casper_{name}\" (func ${name} (param {params}) {result}))"
            );
        }
        text += "(memory (export \"memory\") 1)\n";
        for (at, bytes) in &self.data {
            let hex: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
            let _ = writeln!(text, "(data (i32.const {at}) \"{hex}\")");
        }
        text += "(func $check (param i32) (if (local.get 0) (then
            (call $revert (i32.add (local.get 0) (i32.const 65536))))))\n";
        text += &self.functions;
        text += ")";
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

/// How many parameters a host function has, and whether it answers.
pub(crate) fn row(name: &str) -> (usize, bool) {
    let row = IMPORTS.iter().find(|row| row.0 == name).expect("a host function");
    (row.1, row.2)
}
