//! The contract describing itself: an OpenRPC document made from the types that answer.
//!
//! Its form is that of casper-node 1.5.8: required parameters come before optional ones, and the
//! order of positions is that of the parameters' type.

use std::sync::LazyLock;

use casper_types::ProtocolVersion;
use schemars::{
    JsonSchema, Map,
    r#gen::{SchemaGenerator, SchemaSettings},
    schema::{Schema, SchemaObject},
};
use serde::{Deserialize, Serialize};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{Method, NoParams, described as describe_methods, method};

/// Where the document keeps the schemas that others refer to.
const COMPONENTS: &str = "#/components/schemas/";

method! {
    /// All methods with their parameters and results, as an OpenRPC document.
    Discover = "rpc.discover", None, NoParams => DiscoverResult
}

/// Result of [`Discover`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscoverResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// Always "OpenRPC Schema".
    pub name: String,
    /// The document.
    #[schemars(with = "Value")]
    pub schema: Box<RawValue>,
}

impl DiscoverResult {
    /// What a node with rules of this version answers.
    pub fn new(api_version: ProtocolVersion) -> Self {
        let name = "OpenRPC Schema".to_owned();
        Self { api_version, name, schema: OPEN_RPC.clone() }
    }
}

/// The document as JSON text.
pub fn open_rpc() -> &'static str {
    OPEN_RPC.get()
}

/// Written once; it does not depend on the network.
static OPEN_RPC: LazyLock<Box<RawValue>> =
    LazyLock::new(|| to_raw_value(&document()).unwrap_or_default());

fn document() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = COMPONENTS.to_owned();
    });
    let mut generator = settings.into_generator();
    let methods = describe_methods(&mut generator);
    json!({
        "openrpc": "1.0.0-rc1",
        "info": {
            "version": "1.5.8",
            "title": "Client API of a Girrona node",
            "description": "The JSON-RPC 2.0 API of casper-node 1.5.8 as a Girrona node answers \
                it, with the node's own methods beside it. Port 7778 answers speculative_exec \
                alone.",
            "contact": { "name": "Girrona", "url": "" },
            "license": {
                "name": "APACHE LICENSE, VERSION 2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "servers": [{ "name": "any Girrona node", "url": "http://IP:PORT/rpc/" }],
        "methods": methods,
        "components": { "schemas": generator.take_definitions() },
    })
}

/// Describes one method.
pub(super) fn describe<M: Method>(generator: &mut SchemaGenerator) -> Value {
    let params = object_of::<M::Params>(generator);
    let (required, optional): (Vec<_>, Vec<_>) = params
        .properties
        .iter()
        .map(|(name, schema)| (name, schema, params.required.contains(name)))
        .partition(|(_, _, required)| *required);
    let params: Vec<_> = required
        .into_iter()
        .chain(optional)
        .map(|(name, schema, required)| {
            json!({ "name": name, "schema": schema, "required": required })
        })
        .collect();
    let result = M::Output::json_schema(generator);
    json!({
        "name": M::NAME,
        "summary": M::SUMMARY,
        "params": params,
        "result": { "name": format!("{}_result", M::NAME), "schema": result },
        "examples": [],
    })
}

struct Object {
    properties: Map<String, Schema>,
    required: schemars::Set<String>,
}

fn object_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Object {
    let object = T::json_schema(generator).into_object().object.unwrap_or_default();
    Object { properties: object.properties, required: object.required }
}

/// The schema of `T` with other words to it.
pub(crate) fn described<T: JsonSchema>(generator: &mut SchemaGenerator, words: &str) -> Schema {
    let mut object: SchemaObject = T::json_schema(generator).into_object();
    object.metadata().description = Some(words.to_owned());
    object.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::METHODS;

    #[test]
    fn every_method_is_described_once_and_nothing_else_is() {
        let document: Value = serde_json::from_str(open_rpc()).unwrap();
        let methods = document["methods"].as_array().unwrap();
        let names: Vec<&str> = methods.iter().map(|m| m["name"].as_str().unwrap()).collect();
        assert_eq!(names, METHODS);
        for method in methods {
            let summary = method["summary"].as_str().unwrap();
            assert!(summary.ends_with('.') && !summary.contains("  "), "{summary}");
        }
    }

    #[test]
    fn everything_that_is_referred_to_is_there() {
        let document: Value = serde_json::from_str(open_rpc()).unwrap();
        let known: BTreeSet<&String> =
            document["components"]["schemas"].as_object().unwrap().keys().collect();
        let mut found = 0;
        let mut left = vec![&document];
        while let Some(value) = left.pop() {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                let name = reference.strip_prefix(COMPONENTS).unwrap().to_owned();
                assert!(known.contains(&name), "{name}");
                found += 1;
            }
            match value {
                Value::Array(items) => left.extend(items),
                Value::Object(fields) => left.extend(fields.values()),
                _ => {}
            }
        }
        assert!(found > 50, "{found}");
    }
}
