//! A deploy. Reading is casper-types' business: `parsed` is ignored there.

use casper_types::{CLValue, Deploy, Digest, ExecutableDeployItem, NamedArg, RuntimeArgs};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    ser::{SerializeStruct, SerializeStructVariant},
};

use super::{CLValue15, Deploy15};

impl<'de> Deserialize<'de> for Deploy15 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deploy::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Deploy15 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Deploy", 5)?;
        out.serialize_field("hash", self.0.hash())?;
        out.serialize_field("header", self.0.header())?;
        out.serialize_field("payment", &Item(self.0.payment()))?;
        out.serialize_field("session", &Item(self.0.session()))?;
        out.serialize_field("approvals", self.0.approvals())?;
        out.end()
    }
}

struct Item<'a>(&'a ExecutableDeployItem);

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use ExecutableDeployItem as I;
        let variant = |serializer: S, index, name, fields| {
            serializer.serialize_struct_variant("ExecutableDeployItem", index, name, fields)
        };
        let (mut out, args) = match self.0 {
            I::ModuleBytes { module_bytes, args } => {
                let mut out = variant(serializer, 0, "ModuleBytes", 2)?;
                out.serialize_field("module_bytes", module_bytes)?;
                (out, args)
            }
            I::StoredContractByHash { hash, entry_point, args } => {
                let mut out = variant(serializer, 1, "StoredContractByHash", 3)?;
                out.serialize_field("hash", &Digest::from(hash.value()))?;
                out.serialize_field("entry_point", entry_point)?;
                (out, args)
            }
            I::StoredContractByName { name, entry_point, args } => {
                let mut out = variant(serializer, 2, "StoredContractByName", 3)?;
                out.serialize_field("name", name)?;
                out.serialize_field("entry_point", entry_point)?;
                (out, args)
            }
            I::StoredVersionedContractByHash { hash, version, entry_point, args } => {
                let mut out = variant(serializer, 3, "StoredVersionedContractByHash", 4)?;
                out.serialize_field("hash", &Digest::from(hash.value()))?;
                out.serialize_field("version", version)?;
                out.serialize_field("entry_point", entry_point)?;
                (out, args)
            }
            I::StoredVersionedContractByName { name, version, entry_point, args } => {
                let mut out = variant(serializer, 4, "StoredVersionedContractByName", 4)?;
                out.serialize_field("name", name)?;
                out.serialize_field("version", version)?;
                out.serialize_field("entry_point", entry_point)?;
                (out, args)
            }
            I::Transfer { args } => (variant(serializer, 5, "Transfer", 1)?, args),
        };
        out.serialize_field("args", &Args(args))?;
        out.end()
    }
}

struct Args<'a>(&'a RuntimeArgs);

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn pair(arg: &NamedArg) -> (&str, CLValue15<'_>) {
            let value: &CLValue = arg.cl_value();
            (arg.name(), CLValue15(value))
        }
        serializer.collect_seq(self.0.named_args().map(pair))
    }
}
