//! The guest's side of Casper's contract interface: all of 1.5, and what contracts made with the
//! 2.0 library need beyond it (`docs/spec/host-functions.md`).
//!
//! Knows: the names, signatures and prices of the host functions, how values lie in guest memory,
//! the host buffer. Does not know: what a value means (the host does), which engine runs the guest.

mod account;
mod context;
mod contracts;
mod crypto;
mod dictionaries;
mod guest;
mod memory;
mod messages;
mod named_keys;
mod purses;
mod values;

use std::collections::BTreeMap;

use girrona_types::wasm_costs::{self, HostFunctionCost};

pub use guest::{Guest, Reply, Stopped};

/// Every function that a guest may import from `env`, in the order of Casper's table; those that
/// Casper 1.5 does not have are the last nine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the import is, without `casper_`")]
pub enum Function {
    ReadValue,
    Write,
    Add,
    NewUref,
    LoadNamedKeys,
    Ret,
    GetKey,
    HasKey,
    PutKey,
    RemoveKey,
    GetCaller,
    GetBlocktime,
    IsValidUref,
    Revert,
    AddAssociatedKey,
    RemoveAssociatedKey,
    UpdateAssociatedKey,
    SetActionThreshold,
    CreatePurse,
    TransferToAccount,
    TransferFromPurseToAccount,
    TransferFromPurseToPurse,
    GetBalance,
    GetPhase,
    GetSystemContract,
    GetMainPurse,
    ReadHostBuffer,
    CreateContractPackageAtHash,
    CreateContractUserGroup,
    AddContractVersion,
    DisableContractVersion,
    EnableContractVersion,
    CallContract,
    CallVersionedContract,
    GetNamedArgSize,
    GetNamedArg,
    RemoveContractUserGroup,
    ProvisionContractUserGroupUref,
    RemoveContractUserGroupUrefs,
    Blake2b,
    LoadCallStack,
    LoadAuthorizationKeys,
    NewDictionary,
    DictionaryGet,
    DictionaryPut,
    DictionaryRead,
    RandomBytes,
    RecordTransfer,
    RecordEraInfo,
    AddContractVersionWithMessageTopics,
    ManageMessageTopic,
    EmitMessage,
    LoadCallerInformation,
    GetBlockInfo,
    GenericHash,
    RecoverSecp256k1,
    VerifySignature,
    CallPackageVersion,
}

/// No function takes more parameters.
pub(crate) const PARAMS_MAX: usize = 11;

/// Name, number of parameters (all `i32`), whether it returns an `i32`.
type Row = (Function, &'static str, u32, bool);

/// The row of a function is at its own number.
const TABLE: [Row; 58] = [
    (Function::ReadValue, "casper_read_value", 3, true),
    (Function::Write, "casper_write", 4, false),
    (Function::Add, "casper_add", 4, false),
    (Function::NewUref, "casper_new_uref", 3, false),
    (Function::LoadNamedKeys, "casper_load_named_keys", 2, true),
    (Function::Ret, "casper_ret", 2, false),
    (Function::GetKey, "casper_get_key", 5, true),
    (Function::HasKey, "casper_has_key", 2, true),
    (Function::PutKey, "casper_put_key", 4, false),
    (Function::RemoveKey, "casper_remove_key", 2, false),
    (Function::GetCaller, "casper_get_caller", 1, true),
    (Function::GetBlocktime, "casper_get_blocktime", 1, false),
    (Function::IsValidUref, "casper_is_valid_uref", 2, true),
    (Function::Revert, "casper_revert", 1, false),
    (Function::AddAssociatedKey, "casper_add_associated_key", 3, true),
    (Function::RemoveAssociatedKey, "casper_remove_associated_key", 2, true),
    (Function::UpdateAssociatedKey, "casper_update_associated_key", 3, true),
    (Function::SetActionThreshold, "casper_set_action_threshold", 2, true),
    (Function::CreatePurse, "casper_create_purse", 2, true),
    (Function::TransferToAccount, "casper_transfer_to_account", 7, true),
    (Function::TransferFromPurseToAccount, "casper_transfer_from_purse_to_account", 9, true),
    (Function::TransferFromPurseToPurse, "casper_transfer_from_purse_to_purse", 8, true),
    (Function::GetBalance, "casper_get_balance", 3, true),
    (Function::GetPhase, "casper_get_phase", 1, false),
    (Function::GetSystemContract, "casper_get_system_contract", 3, true),
    (Function::GetMainPurse, "casper_get_main_purse", 1, false),
    (Function::ReadHostBuffer, "casper_read_host_buffer", 3, true),
    (Function::CreateContractPackageAtHash, "casper_create_contract_package_at_hash", 3, false),
    (Function::CreateContractUserGroup, "casper_create_contract_user_group", 8, true),
    (Function::AddContractVersion, "casper_add_contract_version", 10, true),
    (Function::DisableContractVersion, "casper_disable_contract_version", 4, true),
    (Function::EnableContractVersion, "casper_enable_contract_version", 4, true),
    (Function::CallContract, "casper_call_contract", 7, true),
    (Function::CallVersionedContract, "casper_call_versioned_contract", 9, true),
    (Function::GetNamedArgSize, "casper_get_named_arg_size", 3, true),
    (Function::GetNamedArg, "casper_get_named_arg", 4, true),
    (Function::RemoveContractUserGroup, "casper_remove_contract_user_group", 4, true),
    (
        Function::ProvisionContractUserGroupUref,
        "casper_provision_contract_user_group_uref",
        5,
        true,
    ),
    (Function::RemoveContractUserGroupUrefs, "casper_remove_contract_user_group_urefs", 6, true),
    (Function::Blake2b, "casper_blake2b", 4, true),
    (Function::LoadCallStack, "casper_load_call_stack", 2, true),
    (Function::LoadAuthorizationKeys, "casper_load_authorization_keys", 2, true),
    (Function::NewDictionary, "casper_new_dictionary", 1, true),
    (Function::DictionaryGet, "casper_dictionary_get", 5, true),
    (Function::DictionaryPut, "casper_dictionary_put", 6, true),
    (Function::DictionaryRead, "casper_dictionary_read", 3, true),
    (Function::RandomBytes, "casper_random_bytes", 2, true),
    (Function::RecordTransfer, "casper_record_transfer", 10, true),
    (Function::RecordEraInfo, "casper_record_era_info", 4, true),
    (
        Function::AddContractVersionWithMessageTopics,
        "casper_add_contract_version_with_message_topics",
        11,
        true,
    ),
    (Function::ManageMessageTopic, "casper_manage_message_topic", 4, true),
    (Function::EmitMessage, "casper_emit_message", 4, true),
    (Function::LoadCallerInformation, "casper_load_caller_information", 3, true),
    (Function::GetBlockInfo, "casper_get_block_info", 2, false),
    (Function::GenericHash, "casper_generic_hash", 5, true),
    (Function::RecoverSecp256k1, "casper_recover_secp256k1", 6, true),
    (Function::VerifySignature, "casper_verify_signature", 6, true),
    (Function::CallPackageVersion, "casper_call_package_version", 11, true),
];

impl Function {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The function that a guest imports under `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The name under which guests import it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.1)
    }

    /// How many parameters it takes, each an `i32`.
    #[must_use]
    pub fn params(self) -> u32 {
        self.row().map_or(0, |row| row.2)
    }

    /// Whether it returns an `i32`; it returns nothing otherwise.
    #[must_use]
    pub fn returns(self) -> bool {
        self.row().is_some_and(|row| row.3)
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.get(self as usize)
    }
}

/// What the host functions cost.
#[derive(Clone, Debug)]
pub struct Prices(Vec<HostFunctionCost>);

impl Prices {
    /// Prices by the name of the function without `casper_`, as a chainspec has them.
    #[must_use]
    pub fn new(by_name: &BTreeMap<String, HostFunctionCost>) -> Self {
        let price = |row: &Row| {
            let name = row.1.strip_prefix("casper_").unwrap_or(row.1);
            by_name.get(name).cloned().unwrap_or_else(|| wasm_costs::unlisted(name))
        };
        Self(TABLE.iter().map(price).collect())
    }

    /// `cost + sum(weight * argument)`, with the arguments as the guest passed them: a size is
    /// paid for before anybody looks whether it is true.
    #[must_use]
    pub fn of(&self, function: Function, arguments: &[u32]) -> u64 {
        let Some(price) = self.0.get(function as usize) else { return u64::MAX };
        let weighted = price.arguments.iter().zip(arguments);
        weighted.fold(u64::from(price.cost), |sum, (weight, argument)| {
            sum.saturating_add(u64::from(*weight).saturating_mul(u64::from(*argument)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_stands_at_its_own_row_and_is_found_by_its_name() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, at, "{}", row.1);
            assert_eq!(Function::named(row.1), Some(row.0));
            assert!(row.2 as usize <= PARAMS_MAX, "{}", row.1);
            assert_eq!((row.0.name(), row.0.params(), row.0.returns()), (row.1, row.2, row.3));
        }
        assert_eq!(Function::all().count(), 58);
        assert_eq!(Function::named("gas"), None);
        assert_eq!(Function::named("casper_print"), None);
    }

    #[test]
    fn every_name_has_a_price_in_the_default_table_and_no_weight_without_a_parameter() {
        let costs = girrona_types::wasm_costs::WasmConfig::default().host_function_costs;
        for function in Function::all() {
            let name = function.name().strip_prefix("casper_").unwrap();
            let price = costs.get(name).unwrap_or_else(|| panic!("{name} has no price"));
            assert!(price.arguments.len() <= function.params() as usize, "{name}");
        }
    }

    #[test]
    fn a_price_is_weighted_by_raw_arguments_and_never_overflows() {
        let mut by_name = BTreeMap::new();
        by_name.insert("write".to_owned(), HostFunctionCost { cost: 7, arguments: vec![0, 2] });
        let prices = Prices::new(&by_name);
        assert_eq!(prices.of(Function::Write, &[9, 10, 11, 12]), 27);
        assert_eq!(prices.of(Function::Add, &[9, 10, 11, 12]), 200);
        by_name.insert(
            "write".to_owned(),
            HostFunctionCost { cost: u32::MAX, arguments: vec![u32::MAX; 4] },
        );
        assert_eq!(Prices::new(&by_name).of(Function::Write, &[u32::MAX; 4]), u64::MAX);
    }
}
