//! The price of every Wasm instruction and host function: the `[wasm]` part of a chainspec.
//!
//! Numbers are those of Casper 1.5.8's production chainspec; what today's compilers emit beyond
//! Wasm's first version has prices of our own.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Limits and prices of Wasm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WasmConfig {
    /// Pages of 64 KiB that a module's memory may have.
    pub max_memory: u32,
    /// Values (locals and operands) that all active frames of a module may hold together.
    pub max_stack_height: u32,
    /// Price of each instruction.
    pub opcode_costs: OpcodeCosts,
    /// Price of what is kept in global state.
    pub storage_costs: StorageCosts,
    /// Price of each host function, by its name without `casper_`.
    pub host_function_costs: BTreeMap<String, HostFunctionCost>,
}

impl Default for WasmConfig {
    fn default() -> Self {
        Self {
            max_memory: 64,
            max_stack_height: 500,
            opcode_costs: OpcodeCosts::default(),
            storage_costs: StorageCosts::default(),
            host_function_costs: host_function_costs(),
        }
    }
}

/// Gas for each kind of instruction.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct OpcodeCosts {
    /// Bitwise operations.
    pub bit: u32,
    /// Addition and subtraction.
    pub add: u32,
    /// Multiplication.
    pub mul: u32,
    /// Division and remainder.
    pub div: u32,
    /// Memory load.
    pub load: u32,
    /// Memory store.
    pub store: u32,
    /// Constants.
    #[serde(rename = "const")]
    pub op_const: u32,
    /// Access to locals.
    pub local: u32,
    /// Access to globals.
    pub global: u32,
    /// Control flow.
    pub control_flow: ControlFlowCosts,
    /// Comparison of integers.
    pub integer_comparison: u32,
    /// Conversion between integers.
    pub conversion: u32,
    /// `unreachable`.
    pub unreachable: u32,
    /// `nop`.
    pub nop: u32,
    /// `memory.size`.
    pub current_memory: u32,
    /// `memory.grow`, per page.
    pub grow_memory: u32,
    /// Sign extension. Ours.
    pub sign_extend: u32,
    /// `memory.copy` and `memory.fill`, fixed part. Ours.
    pub bulk_memory: u32,
    /// `memory.copy` and `memory.fill`, per byte. Ours.
    pub bulk_memory_per_byte: u32,
}

impl Default for OpcodeCosts {
    fn default() -> Self {
        Self {
            bit: 300,
            add: 210,
            mul: 240,
            div: 320,
            load: 2_500,
            store: 4_700,
            op_const: 110,
            local: 390,
            global: 390,
            control_flow: ControlFlowCosts::default(),
            integer_comparison: 250,
            conversion: 420,
            unreachable: 270,
            nop: 200,
            current_memory: 290,
            grow_memory: 240_000,
            sign_extend: 420,
            bulk_memory: 7_200,
            bulk_memory_per_byte: 900,
        }
    }
}

/// Gas for control flow.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct ControlFlowCosts {
    /// `block`.
    pub block: u32,
    /// `loop`.
    #[serde(rename = "loop")]
    pub op_loop: u32,
    /// `if`.
    #[serde(rename = "if")]
    pub op_if: u32,
    /// `else`.
    #[serde(rename = "else")]
    pub op_else: u32,
    /// `end`.
    pub end: u32,
    /// `br`.
    pub br: u32,
    /// `br_if`.
    pub br_if: u32,
    /// `return`.
    #[serde(rename = "return")]
    pub op_return: u32,
    /// `call`.
    pub call: u32,
    /// `call_indirect`.
    pub call_indirect: u32,
    /// `drop`.
    pub drop: u32,
    /// `select`.
    pub select: u32,
    /// `br_table`.
    pub br_table: BrTableCost,
}

impl Default for ControlFlowCosts {
    fn default() -> Self {
        Self {
            block: 440,
            op_loop: 440,
            op_if: 440,
            op_else: 440,
            end: 440,
            br: 35_000,
            br_if: 35_000,
            op_return: 440,
            call: 68_000,
            call_indirect: 68_000,
            drop: 440,
            select: 440,
            br_table: BrTableCost::default(),
        }
    }
}

/// Gas for `br_table`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct BrTableCost {
    /// Fixed part.
    pub cost: u32,
    /// For each target.
    pub size_multiplier: u32,
}

impl Default for BrTableCost {
    fn default() -> Self {
        Self { cost: 35_000, size_multiplier: 100 }
    }
}

/// Gas for what is written to global state.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct StorageCosts {
    /// For each byte of a written value's serialised form.
    pub gas_per_byte: u32,
}

impl Default for StorageCosts {
    fn default() -> Self {
        Self { gas_per_byte: 1_117_587 }
    }
}

/// Gas for one host function: `cost + sum(arguments[i] * argument i)`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields)]
pub struct HostFunctionCost {
    /// Fixed part.
    pub cost: u32,
    /// Weight of each raw 32-bit argument; a missing one is 0.
    #[serde(default)]
    pub arguments: Vec<u32>,
}

/// What a host function costs that a chainspec does not list: 200, as with Casper 1.5. Functions
/// that came later keep the price of new networks: a chainspec older than they are cannot have
/// meant to give them away.
#[must_use]
pub fn unlisted(name: &str) -> HostFunctionCost {
    const UNKNOWN: HostFunctionCost = HostFunctionCost { cost: 200, arguments: Vec::new() };
    LATER.iter().find(|row| row.0 == name).map_or(UNKNOWN, cost)
}

/// Price of a byte of an argument, where Casper asks for one.
const ARGUMENT: u32 = 120_000;

/// Name, fixed part, weights of the arguments.
type Row = (&'static str, u32, &'static [u32]);

fn cost(&(_, cost, arguments): &Row) -> HostFunctionCost {
    HostFunctionCost { cost, arguments: arguments.to_vec() }
}

/// What Casper 1.5 does not have. Prices are Casper 2's but for signatures: it asks 1,300,000 for
/// each, and a block's worth of gas at that price would take minutes.
const LATER: [Row; 9] = [
    (
        "add_contract_version_with_message_topics",
        200,
        &[0, 0, 0, 0, ARGUMENT, 0, 0, 0, 30_000, 0, 0],
    ),
    ("manage_message_topic", 200, &[0, 30_000, 0, 0]),
    ("emit_message", 200, &[0, 30_000, 0, ARGUMENT]),
    ("load_caller_information", 10_000, &[0, 0, 0]),
    ("get_block_info", 330, &[0, 0]),
    ("generic_hash", 1_200_000, &[0, ARGUMENT, 0, 0, 0]),
    ("recover_secp256k1", 200_000_000, &[0, ARGUMENT, 0, 0, 0, 0]),
    ("verify_signature", 80_000_000, &[0, ARGUMENT, 0, 0, 0, 0]),
    ("call_package_version", 300_000_000, &[0, 0, 0, 0, 0, 0, 0, ARGUMENT, 0, ARGUMENT, 0]),
];

/// Casper 1.5.8's prices, and those of what came later.
fn host_function_costs() -> BTreeMap<String, HostFunctionCost> {
    let table: &[Row] = &[
        ("read_value", 60_000, &[0, ARGUMENT, 0]),
        ("dictionary_get", 5_500, &[0, 0, 0, 590, 0]),
        ("write", 14_000, &[0, 0, 0, 980]),
        ("dictionary_put", 9_500, &[0, 0, 0, 1_800, 0, 520]),
        ("dictionary_read", 60_000, &[0, ARGUMENT, 0]),
        ("add", 5_800, &[0, 0, 0, 0]),
        ("new_uref", 17_000, &[0, 0, 590]),
        ("new_dictionary", 17_000 + 33 * 590, &[0]),
        ("load_named_keys", 42_000, &[0, 0]),
        ("ret", 23_000, &[0, 420_000]),
        ("get_key", 2_000, &[0, 440, 0, 0, 0]),
        ("has_key", 1_500, &[0, 840]),
        ("put_key", 100_000_000, &[0, ARGUMENT, 0, ARGUMENT]),
        ("remove_key", 61_000, &[0, 3_200]),
        ("revert", 500, &[0]),
        ("is_valid_uref", 760, &[0, 0]),
        ("add_associated_key", 1_200_000, &[0, 0, 0]),
        ("remove_associated_key", 4_200, &[0, 0]),
        ("update_associated_key", 4_200, &[0, 0, 0]),
        ("set_action_threshold", 74_000, &[0, 0]),
        ("get_caller", 380, &[0]),
        ("get_blocktime", 330, &[0]),
        ("create_purse", 2_500_000_000, &[0, 0]),
        ("transfer_to_account", 2_500_000_000, &[0, 0, 0, 0, 0, 0, 0]),
        ("transfer_from_purse_to_account", 2_500_000_000, &[0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("transfer_from_purse_to_purse", 82_000_000, &[0, 0, 0, 0, 0, 0, 0, 0]),
        ("get_balance", 3_000_000, &[0, 0, 0]),
        ("get_phase", 710, &[0]),
        ("get_system_contract", 1_100, &[0, 0, 0]),
        ("get_main_purse", 1_300, &[0]),
        ("read_host_buffer", 3_500, &[0, 310, 0]),
        ("create_contract_package_at_hash", 200, &[0, 0, 0]),
        ("create_contract_user_group", 200, &[0, 0, 0, 0, 0, 0, 0, 0]),
        ("add_contract_version", 200, &[0, 0, 0, 0, ARGUMENT, 0, 0, 0, 0, 0]),
        ("disable_contract_version", 200, &[0, 0, 0, 0]),
        ("enable_contract_version", 200, &[0, 0, 0, 0]),
        ("call_contract", 300_000_000, &[0, 0, 0, ARGUMENT, 0, ARGUMENT, 0]),
        ("call_versioned_contract", 300_000_000, &[0, 0, 0, 0, 0, ARGUMENT, 0, ARGUMENT, 0]),
        ("get_named_arg_size", 200, &[0, 0, 0]),
        ("get_named_arg", 200, &[0, ARGUMENT, 0, ARGUMENT]),
        ("remove_contract_user_group", 200, &[0, 0, 0, 0]),
        ("provision_contract_user_group_uref", 200, &[0, 0, 0, 0, 0]),
        ("remove_contract_user_group_urefs", 200, &[0, 0, 0, 0, 0, ARGUMENT]),
        ("blake2b", 1_200_000, &[0, ARGUMENT, 0, 0]),
        ("load_call_stack", 10_000, &[0, 0]),
        ("load_authorization_keys", 10_000, &[0, 0]),
        ("random_bytes", 200, &[0, 0]),
        ("record_transfer", 0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("record_era_info", 0, &[0, 0, 0, 0]),
        ("print", 20_000, &[0, 4_600]),
    ];
    table.iter().chain(&LATER).map(|row| (row.0.to_owned(), cost(row))).collect()
}
