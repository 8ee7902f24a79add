//! What a module does wrong by itself: its form, its instructions, its own verdicts, its gas.

use crate::{
    Money, PENALIZED, Row, UNSHOWN,
    guest::{self, Paper, guest},
    settled,
    town::{OFFER, clvalue},
    world::*,
};
use casper_types::RuntimeArgs;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Casper says `I/O Error: UnexpectedEof` behind the second colon; its parser is another one.
pub(crate) const END_OF_BYTES: &str =
    "Wasm preprocessing error: Deserialization error: unexpected end-of-file (at offset 0x0)";
/// The gas of a module that does nothing but revert.
const REVERT: u64 = 68_610;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = reverts();
    rows.extend(traps());
    rows.extend(fields());
    rows.extend(gas());
    rows.extend(modules());
    rows
}

/// The names that Casper 1.5 has for the codes from 1 on.
const API_ERRORS: [&str; 40] = [
    "None",
    "MissingArgument",
    "InvalidArgument",
    "Deserialize",
    "Read",
    "ValueNotFound",
    "ContractNotFound",
    "GetKey",
    "UnexpectedKeyVariant",
    "UnexpectedContractRefVariant",
    "InvalidPurseName",
    "InvalidPurse",
    "UpgradeContractAtURef",
    "Transfer",
    "NoAccessRights",
    "CLTypeMismatch",
    "EarlyEndOfStream",
    "Formatting",
    "LeftOverBytes",
    "OutOfMemory",
    "MaxKeysLimit",
    "DuplicateKey",
    "PermissionDenied",
    "MissingKey",
    "ThresholdViolation",
    "KeyManagementThreshold",
    "DeploymentThreshold",
    "InsufficientTotalWeight",
    "InvalidSystemContract",
    "PurseNotCreated",
    "Unhandled",
    "BufferTooSmall",
    "HostBufferEmpty",
    "HostBufferFull",
    "AllocLayout",
    "DictionaryItemKeyTooLarge",
    "InvalidDictionaryItemKey",
    "MissingContractHash",
    "ExceededRecursionDepth",
    "NonRepresentableSerialization",
];

fn reverts() -> Vec<Row> {
    let mut codes: Vec<(u32, String)> = vec![
        (0, "ApiError::Unhandled [31]".to_owned()),
        (41, "ApiError::MessageTopicAlreadyRegistered [41]".to_owned()),
        (64_511, "ApiError::Unhandled [31]".to_owned()),
        (64_512, "ApiError::AuctionError(MissingKey) [64512]".to_owned()),
        (64_768 + 1, "Contract header error: 1".to_owned()),
        (65_024, "Mint error: 0".to_owned()),
        (65_024 + 21, "Mint error: 21".to_owned()),
        (65_280, "Handle Payment error: 0".to_owned()),
        (65_280 + 13, "Handle Payment error: 13".to_owned()),
        (65_536, "User error: 0".to_owned()),
        (65_543, "User error: 7".to_owned()),
        (131_071, "User error: 65535".to_owned()),
        (131_072, "ApiError::Unhandled [31]".to_owned()),
    ];
    codes.extend(
        (1..).zip(API_ERRORS).map(|(code, name)| (code, format!("ApiError::{name} [{code}]"))),
    );
    let row = |(code, text): (u32, String)| {
        let wasm = guest(&[], &format!("(call $revert (i32.const {code}))"));
        Row::runs(&format!("revert with {code}"), &text, REVERT, wasm)
    };
    codes.into_iter().map(row).collect()
}

fn traps() -> Vec<Row> {
    let trap = |name: &str, code: &str, gas: u64, body: &str| {
        let text = format!("Interpreter error: {code}");
        Row::runs(name, &text, gas, guest(&[], body))
    };
    let table = |name: &str, code: &str, gas: u64, index: u32| {
        let wasm = wat(&format!(
            "(module (memory 1) (table 3 funcref) (elem (i32.const 1) $other)
                (func $other (param i64)) (type $none (func))
                (func (export \"call\") (call_indirect (type $none) (i32.const {index}))))"
        ));
        Row::runs(name, &format!("Interpreter error: {code}"), gas, wasm)
    };
    vec![
        trap("an unreachable", "trap: Code(Unreachable)", 270, "(unreachable)"),
        trap(
            "a division by zero",
            "trap: Code(DivisionByZero)",
            980,
            "(drop (i32.div_s (i32.const 1) (i32.const 0)))",
        ),
        trap(
            "a division that overflows",
            "trap: Code(IntegerOverflow)",
            980,
            "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
        ),
        trap(
            "a load outside the memory",
            "trap: Code(MemoryAccessOutOfBounds)",
            3_050,
            "(drop (i32.load (i32.const 65536)))",
        ),
        table(
            "an indirect call outside the table",
            "trap: Code(TableAccessOutOfBounds)",
            68_110,
            3,
        ),
        table("an indirect call of nothing", "trap: Code(ElemUninitialized)", 68_110, 0),
        table("an indirect call of another type", "trap: Code(UnexpectedSignature)", 68_110, 1),
        Row::runs(
            "an endless recursion",
            "Interpreter error: trap: Code(Unreachable)",
            34_100_000,
            wat("(module (memory 1) (func $f (export \"call\") (call $f) (nop)))"),
        ),
        trap(
            "a pointer outside the memory",
            "trying to access region [65530..65562] in memory [0..65536]",
            104_210,
            "(call $new_uref (i32.const 0) (i32.const 65530) (i32.const 32))",
        ),
        trap(
            "a weight that is no byte",
            "trap: Code(UnexpectedSignature)",
            68_770,
            "(drop (call $add_associated_key (i32.const 0) (i32.const 32) (i32.const 256)))",
        ),
    ]
}

/// Refused by what Casper 1.5 does not have.
fn fields() -> Vec<Row> {
    let text = r#"(module (import "env" "casper_get_block_info" (func $info (param i32 i32)))
        (memory 1) (func (export "call") (call $info (i32.const 6) (i32.const 0))))"#;
    let invalid = "The imputed operation is invalid";
    vec![Row::runs("a field that no block has", invalid, 68_550, wat(text))]
}

fn gas() -> Vec<Row> {
    let stores = {
        let mut paper = Paper::default();
        let value = paper.put(&clvalue("x".repeat(40_000)));
        let at = paper.room(33);
        paper.guest(&format!("(call $new_uref (i32.const {at}) {value})"))
    };
    let mut little =
        Row::session("an endless loop for little", "Out of gas error", GIRRO, |town| {
            town.world.session(ANA, GIRRO, guest::spins(), RuntimeArgs::new())
        });
    little.ours = PENALIZED;
    little.casper = Money { cost: GIRRO, lost: GIRRO, refunded: 0 };
    vec![
        Row::runs("an endless loop", "Out of gas error", OFFER, guest::spins()),
        Row::runs("more stored than paid for", "Out of gas error", OFFER, stores),
        Row::runs(
            "a host function dearer than what is left",
            "Out of gas error",
            OFFER,
            guest(&[], &"(drop (call $create_purse (i32.const 0) (i32.const 33)))".repeat(9)),
        ),
        little,
    ]
}

fn modules() -> Vec<Row> {
    let refused = |name: &str, text: &str, wat_text: &str| {
        Row::malformed(name, &format!("Wasm preprocessing error: {text}"), wat(wat_text))
    };
    // Found when the module is loaded, before it used any gas.
    let unloadable = |name: &str, text: &str, wat_text: &str| {
        let wasm = wat(wat_text);
        let text = format!("Interpreter error: {text}");
        let casper = Money { cost: 0, lost: 0, refunded: OFFER };
        let ours = settled(PENALTY);
        let row = Row::runs(name, &text, 0, wasm);
        row.with(ours, casper)
    };
    let globals = "(global i32 (i32.const 0))".repeat(257);
    let params = "i32 ".repeat(257);
    let targets = "0 ".repeat(258);
    let deep = format!("{}{}", "(block ".repeat(2_000), ")".repeat(2_000));
    vec![
        Row::malformed("bytes that are no module", END_OF_BYTES, vec![1, 2, 3]),
        Row::malformed("no bytes", END_OF_BYTES, vec![]),
        refused("no memory", "Memory section should exist", "(module (func (export \"call\")))"),
        refused(
            "a float",
            "Encountered operation forbidden by gas rules. Consult instruction -> metering config \
             map",
            "(module (memory 1) (func (export \"call\") (drop (f32.const 1))))",
        ),
        refused(
            "too many globals",
            "Wasm validation error: declared number of globals (257) exceeds allowed limit of 256",
            &format!("(module (memory 1) {globals} (func (export \"call\")))"),
        ),
        refused(
            "too many parameters",
            "Wasm validation error: use of a function type with too many parameters (limit of 256 \
             but function declares 257)",
            &format!("(module (memory 1) (type (func (param {params}))) (func (export \"call\")))"),
        ),
        refused(
            "a large table",
            "Wasm validation error: initial table size of 4097 exceeds allowed limit of 4096",
            "(module (memory 1) (table 4097 funcref) (func (export \"call\")))",
        ),
        refused(
            "a table that may become large",
            "Wasm validation error: maximum table size of 4097 exceeds allowed limit of 4096",
            "(module (memory 1) (table 1 4097 funcref) (func (export \"call\")))",
        ),
        refused(
            "two tables",
            "Wasm validation error: the number of tables must be at most one",
            "(module (memory 1) (table 1 funcref) (table 1 funcref) (func (export \"call\")))",
        ),
        refused(
            "a long br_table",
            "Wasm validation error: maximum br_table size of 257 exceeds allowed limit of 256",
            &format!(
                "(module (memory 1) (func (export \"call\") (br_table {targets} (i32.const 0))))"
            ),
        ),
        refused(
            "the meter's own import",
            "Wasm validation error: module imports a non-existent function",
            "(module (import \"env\" \"gas\" (func (param i32))) (memory 1)
                (func (export \"call\")))",
        ),
        refused(
            "blocks in blocks",
            "Wasm validation error: number of nested blocks (513) exceeds allowed limit of 512",
            &format!("(module (memory 1) (func (export \"call\") {deep}))"),
        ),
        Row::malformed(
            "a start function",
            "Unsupported WASM start",
            wat("(module (memory 1) (func $f) (start $f) (func (export \"call\")))"),
        ),
        unloadable(
            "an import that does not exist",
            "host module doesn't export function with name casper_magic",
            "(module (import \"env\" \"casper_magic\" (func)) (memory 1) (func (export \"call\")))",
        ),
        unloadable(
            "an import from elsewhere",
            "Module wasi not found",
            "(module (import \"wasi\" \"casper_ret\" (func)) (memory 1) (func (export \"call\")))",
        ),
        unloadable(
            "an import of another type",
            "Expected function with type Signature { params: [], return_type: None }, but actual \
             type is Signature { params: [I32, I32], return_type: None } for entry casper_ret",
            "(module (import \"env\" \"casper_ret\" (func)) (memory 1) (func (export \"call\")))",
        ),
        unloadable(
            "too much memory",
            "maximum limit 64 is less than minimum 65",
            "(module (memory 65) (func (export \"call\")))",
        ),
        unloadable(
            "memory that may become too much",
            "Module requested too much memory",
            "(module (memory 1 65) (func (export \"call\")))",
        ),
        unloadable(
            "nothing to call",
            "Module doesn't have export call",
            "(module (memory 1) (func (export \"run\")))",
        ),
        Row::session(
            "nothing to call, for little",
            "Interpreter error: Module doesn't have export call",
            0,
            |town| {
                let wasm = wat("(module (memory 1) (func (export \"run\")))");
                town.world.session(ANA, GIRRO, wasm, RuntimeArgs::new())
            },
        )
        .with(PENALIZED, UNSHOWN),
        Row::runs(
            "an export that takes something",
            "Interpreter error: trap: Code(UnexpectedSignature)",
            0,
            wat("(module (memory 1) (func (export \"call\") (param i32)))"),
        )
        .with(settled(PENALTY), Money { cost: 0, lost: 0, refunded: OFFER }),
    ]
}
