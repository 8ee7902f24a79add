//! Values of state: accounts, contracts, packages and Wasm in their old form.

use std::collections::{BTreeMap, BTreeSet};

use casper_types::{
    CLType, CLValue, Contract, ContractWasm, ContractWasmHash, DeployInfo, EntryPointAccess,
    EntryPointType, Group, Groups, NamedKeys, Parameter, ProtocolVersion, StoredValue, TransferV1,
    URef,
    account::{Account, AccountHash, ActionThresholds, AssociatedKeys},
    bytesrepr::{self, FromBytes, ToBytes},
    contracts::{
        ContractHash, ContractPackage, ContractPackageHash, ContractPackageStatus,
        ContractVersionKey, EntryPoint, EntryPoints,
    },
    system::auction::{Bid, EraInfo, UnbondingPurse, WithdrawPurse},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::{Account15, CLValue15, StoredValue15, key};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NamedKey")]
struct WireNamedKey {
    name: String,
    key: String,
}

fn wire_named_keys(keys: &NamedKeys) -> Vec<WireNamedKey> {
    keys.iter()
        .map(|(name, key)| WireNamedKey { name: name.clone(), key: key::format_key(key) })
        .collect()
}

fn named_keys<E: de::Error>(wire: Vec<WireNamedKey>) -> Result<NamedKeys, E> {
    let mut keys = NamedKeys::default();
    for WireNamedKey { name, key } in wire {
        let key = key::parse_key(&key).map_err(|e| E::custom(format!("key of `{name}`: {e}")))?;
        keys.insert(name, key);
    }
    Ok(keys)
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Account")]
pub(super) struct WireAccount {
    account_hash: AccountHash,
    named_keys: Vec<WireNamedKey>,
    main_purse: URef,
    associated_keys: AssociatedKeys,
    action_thresholds: ActionThresholds,
}

impl From<&Account> for WireAccount {
    fn from(account: &Account) -> Self {
        Self {
            account_hash: account.account_hash(),
            named_keys: wire_named_keys(account.named_keys()),
            main_purse: account.main_purse(),
            associated_keys: account.associated_keys().clone(),
            action_thresholds: account.action_thresholds().clone(),
        }
    }
}

impl WireAccount {
    fn into_account<E: de::Error>(self) -> Result<Account, E> {
        Ok(Account::new(
            self.account_hash,
            named_keys(self.named_keys)?,
            self.main_purse,
            self.associated_keys,
            self.action_thresholds,
        ))
    }
}

impl Serialize for Account15 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WireAccount::from(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Account15 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WireAccount::deserialize(deserializer)?.into_account().map(Self)
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EntryPointType")]
enum WireEntryPointType {
    Session,
    Contract,
    /// Not in 1.5; named rather than lost.
    Factory,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EntryPoint")]
struct WireEntryPoint {
    name: String,
    args: Vec<Parameter>,
    ret: CLType,
    access: EntryPointAccess,
    entry_point_type: WireEntryPointType,
}

impl From<EntryPoint> for WireEntryPoint {
    fn from(entry_point: EntryPoint) -> Self {
        let (name, args, ret, access, kind) = entry_point.into();
        let entry_point_type = match kind {
            EntryPointType::Caller => WireEntryPointType::Session,
            EntryPointType::Called => WireEntryPointType::Contract,
            EntryPointType::Factory => WireEntryPointType::Factory,
        };
        Self { name, args, ret, access, entry_point_type }
    }
}

impl From<WireEntryPoint> for EntryPoint {
    fn from(wire: WireEntryPoint) -> Self {
        let kind = match wire.entry_point_type {
            WireEntryPointType::Session => EntryPointType::Caller,
            WireEntryPointType::Contract => EntryPointType::Called,
            WireEntryPointType::Factory => EntryPointType::Factory,
        };
        Self::new(wire.name, wire.args, wire.ret, wire.access, kind)
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Contract")]
pub(super) struct WireContract {
    contract_package_hash: ContractPackageHash,
    contract_wasm_hash: ContractWasmHash,
    named_keys: Vec<WireNamedKey>,
    entry_points: Vec<WireEntryPoint>,
    protocol_version: ProtocolVersion,
}

impl From<&Contract> for WireContract {
    fn from(contract: &Contract) -> Self {
        let entry_points = contract.entry_points().clone().take_entry_points();
        Self {
            contract_package_hash: contract.contract_package_hash(),
            contract_wasm_hash: contract.contract_wasm_hash(),
            named_keys: wire_named_keys(contract.named_keys()),
            entry_points: entry_points.into_iter().map(Into::into).collect(),
            protocol_version: contract.protocol_version(),
        }
    }
}

impl WireContract {
    fn into_contract<E: de::Error>(self) -> Result<Contract, E> {
        let mut entry_points = EntryPoints::new();
        for entry_point in self.entry_points {
            if let Some(twice) = entry_points.add_entry_point(entry_point.into()) {
                return Err(E::custom(format!("entry point `{}` appears twice", twice.name())));
            }
        }
        Ok(Contract::new(
            self.contract_package_hash,
            self.contract_wasm_hash,
            named_keys(self.named_keys)?,
            entry_points,
            self.protocol_version,
        ))
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ContractVersion")]
struct WireVersion {
    protocol_version_major: u32,
    contract_version: u32,
    contract_hash: ContractHash,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DisabledVersion")]
struct WireDisabledVersion {
    protocol_version_major: u32,
    contract_version: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "NamedUserGroup")]
struct WireGroup {
    group: String,
    keys: Vec<URef>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ContractPackage")]
pub(super) struct WirePackage {
    access_key: URef,
    versions: Vec<WireVersion>,
    disabled_versions: Vec<WireDisabledVersion>,
    groups: Vec<WireGroup>,
    lock_status: ContractPackageStatus,
}

impl WirePackage {
    fn new(package: &ContractPackage) -> Result<Self, bytesrepr::Error> {
        let versions = package.versions().iter().map(|(key, hash)| WireVersion {
            protocol_version_major: key.protocol_version_major(),
            contract_version: key.contract_version(),
            contract_hash: *hash,
        });
        let disabled = package.disabled_versions().iter().map(|key| WireDisabledVersion {
            protocol_version_major: key.protocol_version_major(),
            contract_version: key.contract_version(),
        });
        // The type shows its groups by name only in its bytes.
        let bytes = package.groups().to_bytes()?;
        let (groups, _) = BTreeMap::<Group, BTreeSet<URef>>::from_bytes(&bytes)?;
        let groups = groups.into_iter().map(|(group, keys)| WireGroup {
            group: group.value().to_owned(),
            keys: keys.into_iter().collect(),
        });
        Ok(Self {
            access_key: package.access_key(),
            versions: versions.collect(),
            disabled_versions: disabled.collect(),
            groups: groups.collect(),
            lock_status: package.lock_status(),
        })
    }
}

impl From<WirePackage> for ContractPackage {
    fn from(wire: WirePackage) -> Self {
        let versions = wire.versions.into_iter().map(|v| {
            (ContractVersionKey::new(v.protocol_version_major, v.contract_version), v.contract_hash)
        });
        let disabled = wire
            .disabled_versions
            .into_iter()
            .map(|v| ContractVersionKey::new(v.protocol_version_major, v.contract_version));
        let mut groups = Groups::new();
        for WireGroup { group, keys } in wire.groups {
            groups.insert(Group::new(group), keys.into_iter().collect());
        }
        Self::new(wire.access_key, versions.collect(), disabled.collect(), groups, wire.lock_status)
    }
}

impl Serialize for StoredValue15 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use StoredValue as V;
        fn as_variant<S: Serializer, T: Serialize>(
            serializer: S,
            index: u32,
            name: &'static str,
            value: &T,
        ) -> Result<S::Ok, S::Error> {
            serializer.serialize_newtype_variant("StoredValue", index, name, value)
        }
        let s = serializer;
        match &self.0 {
            V::CLValue(value) => as_variant(s, 0, "CLValue", &CLValue15(value)),
            V::Account(account) => as_variant(s, 1, "Account", &WireAccount::from(account)),
            V::ContractWasm(wasm) => {
                let bytes = wasm.to_bytes().map_err(ser::Error::custom)?;
                as_variant(s, 2, "ContractWasm", &hex::encode(bytes))
            }
            V::Contract(contract) => as_variant(s, 3, "Contract", &WireContract::from(contract)),
            V::ContractPackage(package) => {
                let package = WirePackage::new(package).map_err(ser::Error::custom)?;
                as_variant(s, 4, "ContractPackage", &package)
            }
            V::Transfer(transfer) => as_variant(s, 5, "Transfer", transfer),
            V::DeployInfo(info) => as_variant(s, 6, "DeployInfo", info),
            V::EraInfo(info) => as_variant(s, 7, "EraInfo", info),
            V::Bid(bid) => as_variant(s, 8, "Bid", bid),
            V::Withdraw(purses) => as_variant(s, 9, "Withdraw", purses),
            V::Unbonding(purses) => as_variant(s, 10, "Unbonding", purses),
            // Kinds that 1.5 did not have.
            other => other.serialize(s),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
pub(super) enum WireStoredValue {
    CLValue(CLValue),
    Account(WireAccount),
    ContractWasm(String),
    Contract(WireContract),
    ContractPackage(WirePackage),
    Transfer(TransferV1),
    DeployInfo(DeployInfo),
    EraInfo(EraInfo),
    Bid(Box<Bid>),
    Withdraw(Vec<WithdrawPurse>),
    Unbonding(Vec<UnbondingPurse>),
}

impl<'de> Deserialize<'de> for StoredValue15 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use WireStoredValue as W;
        Ok(Self(match WireStoredValue::deserialize(deserializer)? {
            W::CLValue(value) => StoredValue::CLValue(value),
            W::Account(account) => StoredValue::Account(account.into_account()?),
            W::ContractWasm(text) => {
                let bytes = hex::decode(text).map_err(de::Error::custom)?;
                let wasm: ContractWasm =
                    bytesrepr::deserialize(bytes).map_err(de::Error::custom)?;
                StoredValue::ContractWasm(wasm)
            }
            W::Contract(contract) => StoredValue::Contract(contract.into_contract()?),
            W::ContractPackage(package) => StoredValue::ContractPackage(package.into()),
            W::Transfer(transfer) => StoredValue::Transfer(transfer),
            W::DeployInfo(info) => StoredValue::DeployInfo(info),
            W::EraInfo(info) => StoredValue::EraInfo(info),
            W::Bid(bid) => StoredValue::Bid(bid),
            W::Withdraw(purses) => StoredValue::Withdraw(purses),
            W::Unbonding(purses) => StoredValue::Unbonding(purses),
        }))
    }
}

#[cfg(test)]
mod tests {
    use casper_types::{AccessRights, Key};

    use super::*;

    fn round_trip(value: StoredValue) -> String {
        let value = StoredValue15(value);
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<StoredValue15>(&text).unwrap(), value);
        text
    }

    fn keys() -> NamedKeys {
        NamedKeys::from(BTreeMap::from([
            ("mine".to_owned(), Key::Hash([3; 32])),
            ("system".to_owned(), Key::SystemEntityRegistry),
        ]))
    }

    #[test]
    fn a_contract_has_session_and_contract_entry_points() {
        let mut entry_points = EntryPoints::new();
        for (name, kind) in [("a", EntryPointType::Caller), ("b", EntryPointType::Called)] {
            let args = vec![Parameter::new("amount", CLType::U512)];
            let access = EntryPointAccess::groups(&["admins"]);
            entry_points.add_entry_point(EntryPoint::new(name, args, CLType::Unit, access, kind));
        }
        let contract = Contract::new(
            ContractPackageHash::new([1; 32]),
            ContractWasmHash::new([2; 32]),
            keys(),
            entry_points,
            ProtocolVersion::V1_0_0,
        );
        let text = round_trip(StoredValue::Contract(contract));
        let (one, two, three) = ("01".repeat(32), "02".repeat(32), "03".repeat(32));
        let zero = "00".repeat(32);
        let entry = |name: &str, kind: &str| {
            format!(
                r#"{{"name":"{name}","args":[{{"name":"amount","cl_type":"U512"}}],"ret":"Unit","access":{{"Groups":["admins"]}},"entry_point_type":"{kind}"}}"#
            )
        };
        let expected = format!(
            r#"{{"Contract":{{"contract_package_hash":"contract-package-{one}","contract_wasm_hash":"contract-wasm-{two}","named_keys":[{{"name":"mine","key":"hash-{three}"}},{{"name":"system","key":"system-contract-registry-{zero}"}}],"entry_points":[{},{}],"protocol_version":"1.0.0"}}}}"#,
            entry("a", "Session"),
            entry("b", "Contract"),
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_package_names_its_groups_and_disabled_versions() {
        let key = ContractVersionKey::new(1, 2);
        let access = URef::new([4; 32], AccessRights::READ_ADD_WRITE);
        let mut groups = Groups::new();
        groups.insert(Group::new("adm"), BTreeSet::from([access]));
        let package = ContractPackage::new(
            access,
            BTreeMap::from([(key, ContractHash::new([5; 32]))]),
            BTreeSet::from([key]),
            groups,
            ContractPackageStatus::Unlocked,
        );
        let (four, five) = ("04".repeat(32), "05".repeat(32));
        assert_eq!(
            round_trip(StoredValue::ContractPackage(package)),
            format!(
                r#"{{"ContractPackage":{{"access_key":"uref-{four}-007","versions":[{{"protocol_version_major":1,"contract_version":2,"contract_hash":"contract-{five}"}}],"disabled_versions":[{{"protocol_version_major":1,"contract_version":2}}],"groups":[{{"group":"adm","keys":["uref-{four}-007"]}}],"lock_status":"Unlocked"}}}}"#
            )
        );
    }

    #[test]
    fn wasm_is_a_hex_text_with_its_length_in_front() {
        let text = round_trip(StoredValue::ContractWasm(ContractWasm::new(vec![0, 0x61])));
        assert_eq!(text, r#"{"ContractWasm":"020000000061"}"#);
    }

    #[test]
    fn other_values_come_back_as_they_went() {
        let purse = URef::new([1; 32], AccessRights::READ_ADD_WRITE);
        round_trip(StoredValue::Account(Account::create(AccountHash::new([9; 32]), keys(), purse)));
        round_trip(StoredValue::CLValue(CLValue::from_t(Key::Hash([1; 32])).unwrap()));
        round_trip(StoredValue::Withdraw(Vec::new()));
    }
}
