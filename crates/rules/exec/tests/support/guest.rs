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
];

/// Bytes at an address of the guest's memory.
pub type Data<'d> = (u32, &'d [u8]);

/// A module whose `call` does `body`. Host functions are `$name`; `$check` reverts with the user
/// error of an answer that is not 0.
pub fn guest(data: &[Data<'_>], body: &str) -> Vec<u8> {
    let mut text = String::from("(module\n");
    for (name, params, answers) in IMPORTS {
        let used = body.split(|c: char| c != '$' && c != '_' && !c.is_alphanumeric());
        if *name != "revert" && !used.into_iter().any(|word| word.strip_prefix('$') == Some(name)) {
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
    text += &format!("(func (export \"call\") {body}))\n");
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
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
