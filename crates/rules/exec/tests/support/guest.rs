//! Small modules in text form. Data is laid out by the test, so the modules need no allocator.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

/// Every host function that the modules below use, with its number of parameters and whether it
/// answers.
const IMPORTS: &[(&str, usize, bool)] = &[
    ("revert", 1, false),
    ("new_uref", 3, false),
    ("put_key", 4, false),
    ("remove_key", 2, false),
    ("get_key", 5, true),
    ("write", 4, false),
    ("add", 4, false),
    ("read_value", 3, true),
    ("read_host_buffer", 3, true),
    ("get_main_purse", 1, false),
    ("create_purse", 2, true),
    ("transfer_to_account", 7, true),
    ("transfer_from_purse_to_account", 9, true),
    ("transfer_from_purse_to_purse", 8, true),
    ("get_balance", 3, true),
    ("add_associated_key", 3, true),
    ("set_action_threshold", 2, true),
    ("new_dictionary", 1, true),
    ("dictionary_put", 6, true),
    ("random_bytes", 2, true),
    ("ret", 2, false),
    ("call_contract", 7, true),
    ("call_versioned_contract", 9, true),
    ("remove_associated_key", 2, true),
    ("update_associated_key", 3, true),
    ("dictionary_get", 5, true),
    ("dictionary_read", 3, true),
    ("get_named_arg", 4, true),
    ("get_system_contract", 3, true),
    ("create_contract_package_at_hash", 3, false),
    ("create_contract_user_group", 8, true),
    ("add_contract_version", 10, true),
    ("disable_contract_version", 4, true),
    ("record_transfer", 10, true),
    ("blake2b", 4, true),
];

/// Bytes at an address of the guest's memory.
pub type Data<'d> = (u32, &'d [u8]);

/// A module whose `call` does `body`. Host functions are `$name`; `$check` reverts with the user
/// error of an answer that is not 0.
pub fn guest(data: &[Data<'_>], body: &str) -> Vec<u8> {
    contract(data, body, "")
}

/// A module with more functions than `call`.
pub fn contract(data: &[Data<'_>], body: &str, functions: &str) -> Vec<u8> {
    let mut text = String::from("(module\n");
    for (name, params, answers) in IMPORTS {
        let is_name = |c: char| c == '$' || c == '_' || c.is_alphanumeric();
        let mut used = [body, functions].into_iter().flat_map(|text| text.split(|c| !is_name(c)));
        if *name != "revert" && !used.any(|word| word.strip_prefix('$') == Some(name)) {
            continue;
        }
        let params = vec!["i32"; *params].join(" ");
        let result = if *answers { "(result i32)" } else { "" };
        text += &format!(
            "(import \"env\" \"casper_{name}\" (func ${name} (param {params}) {result}))\n"
        );
    }
    text += "(memory (export \"memory\") 1)\n";
    for (at, bytes) in data {
        let hex: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        text += &format!("(data (i32.const {at}) \"{hex}\")\n");
    }
    text += "(func $check (param i32) (if (local.get 0) (then
        (call $revert (i32.add (local.get 0) (i32.const 65536))))))\n";
    text += &format!("{functions}\n(func (export \"call\") {body}))\n");
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What a guest finds in its memory, put down piece by piece.
#[derive(Debug, Default)]
pub struct Paper {
    pieces: Vec<(u32, Vec<u8>)>,
    next: u32,
}

impl Paper {
    /// Puts bytes down; how a guest says where they are and how long.
    pub fn put(&mut self, bytes: &[u8]) -> String {
        let at = self.room(u32::try_from(bytes.len()).unwrap());
        self.pieces.push((at, bytes.to_vec()));
        format!("(i32.const {at}) (i32.const {})", bytes.len())
    }

    /// Keeps room free; where it is.
    pub fn room(&mut self, bytes: u32) -> u32 {
        let at = self.next;
        self.next = (at + bytes).next_multiple_of(16);
        at
    }

    /// A module whose `call` does `body`, with this in its memory.
    pub fn guest(&self, body: &str) -> Vec<u8> {
        self.contract(body, "")
    }

    /// A module with more functions than `call`, with this in its memory.
    pub fn contract(&self, body: &str, functions: &str) -> Vec<u8> {
        let data: Vec<Data<'_>> = self.pieces.iter().map(|(at, b)| (*at, b.as_slice())).collect();
        contract(&data, body, functions)
    }
}

/// Reverts with user error 7.
pub fn reverts() -> Vec<u8> {
    guest(&[], "(call $revert (i32.const 65543))")
}

/// Never ends.
pub fn spins() -> Vec<u8> {
    guest(&[], "(loop $again (br $again))")
}

/// Does nothing.
pub fn idles() -> Vec<u8> {
    guest(&[], "(nop)")
}

/// Hits an `unreachable`.
pub fn traps() -> Vec<u8> {
    guest(&[], "(unreachable)")
}
