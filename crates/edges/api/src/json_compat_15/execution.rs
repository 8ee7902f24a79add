//! What came of a deploy: keys by their old names, values with their kinds of key.

use casper_types::execution::{
    ExecutionResultV1,
    execution_result_v1::{ExecutionEffect, NamedKey, Operation, TransformKindV1, TransformV1},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    ser::{SerializeStruct, SerializeStructVariant},
};

use super::{CLValue15, ExecutionResult15, key};

impl<'de> Deserialize<'de> for ExecutionResult15 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut result = ExecutionResultV1::deserialize(deserializer)?;
        let (ExecutionResultV1::Failure { effect, .. } | ExecutionResultV1::Success { effect, .. }) =
            &mut result;
        for operation in &mut effect.operations {
            operation.key = key::restore(std::mem::take(&mut operation.key));
        }
        for entry in &mut effect.transforms {
            entry.key = key::restore(std::mem::take(&mut entry.key));
            if let TransformKindV1::AddKeys(named_keys) = &mut entry.transform {
                for named in named_keys {
                    named.key = key::restore(std::mem::take(&mut named.key));
                }
            }
        }
        Ok(Self(result))
    }
}

impl Serialize for ExecutionResult15 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NAME: &str = "ExecutionResult";
        match &self.0 {
            ExecutionResultV1::Failure { effect, transfers, cost, error_message } => {
                let mut out = serializer.serialize_struct_variant(NAME, 0, "Failure", 4)?;
                out.serialize_field("effect", &Effect(effect))?;
                out.serialize_field("transfers", transfers)?;
                out.serialize_field("cost", cost)?;
                out.serialize_field("error_message", error_message)?;
                out.end()
            }
            ExecutionResultV1::Success { effect, transfers, cost } => {
                let mut out = serializer.serialize_struct_variant(NAME, 1, "Success", 3)?;
                out.serialize_field("effect", &Effect(effect))?;
                out.serialize_field("transfers", transfers)?;
                out.serialize_field("cost", cost)?;
                out.end()
            }
        }
    }
}

struct Effect<'a>(&'a ExecutionEffect);

impl Serialize for Effect<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("ExecutionEffect", 2)?;
        out.serialize_field("operations", &Each(&self.0.operations, Op))?;
        out.serialize_field("transforms", &Each(&self.0.transforms, Entry))?;
        out.end()
    }
}

/// A list whose items are written through a wrapper.
struct Each<'a, T, F>(&'a [T], F);

impl<'a, T, W: Serialize, F: Fn(&'a T) -> W> Serialize for Each<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(&self.1))
    }
}

struct Op<'a>(&'a Operation);

impl Serialize for Op<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Operation", 2)?;
        out.serialize_field("key", &key::reformat(&self.0.key))?;
        out.serialize_field("kind", &self.0.kind)?;
        out.end()
    }
}

struct Entry<'a>(&'a TransformV1);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("TransformEntry", 2)?;
        out.serialize_field("key", &key::reformat(&self.0.key))?;
        out.serialize_field("transform", &Transform(&self.0.transform))?;
        out.end()
    }
}

struct Transform<'a>(&'a TransformKindV1);

impl Serialize for Transform<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NAME: &str = "Transform";
        match self.0 {
            TransformKindV1::WriteCLValue(value) => {
                serializer.serialize_newtype_variant(NAME, 1, "WriteCLValue", &CLValue15(value))
            }
            TransformKindV1::AddKeys(keys) => {
                serializer.serialize_newtype_variant(NAME, 16, "AddKeys", &Each(keys, Named))
            }
            other => other.serialize(serializer),
        }
    }
}

struct Named<'a>(&'a NamedKey);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("NamedKey", 2)?;
        out.serialize_field("name", &self.0.name)?;
        out.serialize_field("key", &key::reformat(&self.0.key))?;
        out.end()
    }
}
