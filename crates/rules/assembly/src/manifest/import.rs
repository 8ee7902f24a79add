//! Reads the manifest of a Blockless function as one of ours, and says what of it is left out.

use serde::Deserialize;
use serde_json::Value;

use super::{Entry, FILE_MAX, Manifest, ManifestError, json_error};
use crate::{
    message::payload::{Limits, Needs, Runtime},
    permission::{Origin, Permissions},
};

/// Pages of Wasm memory, in which the foreign limit is counted, have this many bytes.
const PAGE: u64 = 65_536;

/// What was read, and what of it has no meaning here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The manifest.
    pub manifest: Manifest,
    /// What was left out, for people.
    pub left_out: Vec<String>,
}

/// As much of the foreign manifest as means something here. Its writers leave most of it out and
/// add what they like.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Foreign {
    id: String,
    name: String,
    description: String,
    function: Function,
    deployment: Deployment,
    entry: String,
    hooks: Value,
    permissions: Vec<String>,
    drivers_root_path: String,
    limited_fuel: u64,
    limited_memory: u64,
    modules: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function {
    name: String,
    version: String,
    extensions: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Deployment {
    methods: Vec<Method>,
    file: String,
    permission: String,
    permissions: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Method {
    name: String,
    entry: String,
    arguments: Vec<Parameter>,
    envvars: Vec<Parameter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parameter {
    name: String,
    value: String,
}

/// Reads a foreign manifest.
///
/// Its functions are WASI preview 1 modules. Fuel and memory become our limits; permissions that
/// are web addresses become ours.
///
/// # Errors
/// [`ManifestError`] when it is no JSON, names nothing to run, or names a file outside itself.
pub fn blockless(bytes: &[u8]) -> Result<Imported, ManifestError> {
    if bytes.len() > FILE_MAX {
        return Err(ManifestError::Long(bytes.len()));
    }
    let foreign: Foreign = serde_json::from_slice(bytes).map_err(json_error)?;
    let mut left_out = Vec::new();
    let first = |texts: &[&String], other: &str| {
        let found = texts.iter().find(|text| !text.is_empty());
        found.map_or_else(|| other.to_owned(), |text| (*text).clone())
    };
    let mut limits = Limits::default();
    if foreign.limited_fuel > 0 {
        limits.fuel = foreign.limited_fuel;
    }
    if foreign.limited_memory > 0 {
        limits.memory = foreign.limited_memory.saturating_mul(PAGE);
    }
    let mut manifest = Manifest {
        name: first(&[&foreign.name, &foreign.function.name, &foreign.id], "function"),
        version: first(&[&foreign.function.version], "0.0.0"),
        description: foreign.description.clone(),
        runtime: Runtime::WasiModule,
        entries: entries(&foreign),
        permissions: permissions(&foreign, &mut left_out),
        limits,
        needs: Needs::default(),
        tags: Vec::new(),
    };
    if !foreign.drivers_root_path.is_empty() || !foreign.modules.is_empty() {
        left_out.push("drivers and native modules, which would run on the host".to_owned());
    }
    if !foreign.function.extensions.is_empty() {
        left_out.push("extensions".to_owned());
    }
    if !is_empty(&foreign.hooks) {
        left_out.push("hooks".to_owned());
    }
    manifest.sort();
    manifest.check()?;
    Ok(Imported { manifest, left_out })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn entries(foreign: &Foreign) -> Vec<Entry> {
    let file = |text: &str| text.strip_prefix("./").unwrap_or(text).to_owned();
    let methods = foreign.deployment.methods.iter().map(|method| {
        let entry = if method.entry.is_empty() { &method.name } else { &method.entry };
        let argument = |parameter: &Parameter| match parameter {
            Parameter { name, value } if name.is_empty() => value.clone(),
            Parameter { name, value } if value.is_empty() => name.clone(),
            Parameter { name, value } => format!("--{name}={value}"),
        };
        let variable = |parameter: &Parameter| (parameter.name.clone(), parameter.value.clone());
        Entry {
            name: if method.name.is_empty() { entry.clone() } else { method.name.clone() },
            file: file(entry),
            args: method.arguments.iter().map(argument).collect(),
            env: method.envvars.iter().map(variable).collect(),
        }
    });
    let mut entries: Vec<Entry> = methods.collect();
    if entries.is_empty() {
        let only = if foreign.entry.is_empty() { &foreign.deployment.file } else { &foreign.entry };
        let (args, env) = (Vec::new(), Vec::new());
        entries.push(Entry { name: "main".to_owned(), file: file(only), args, env });
    }
    entries
}

fn permissions(foreign: &Foreign, left_out: &mut Vec<String>) -> Permissions {
    let deployment = &foreign.deployment;
    let single = Some(&deployment.permission).filter(|text| !text.is_empty());
    let mut network: Vec<Origin> = Vec::new();
    for text in foreign.permissions.iter().chain(&deployment.permissions).chain(single) {
        match text.parse() {
            Ok(origin) => network.push(origin),
            Err(_) => {
                let text: String = text.chars().take(80).collect();
                left_out.push(format!("the permission `{}`", text.escape_debug()));
            }
        }
    }
    Permissions { network }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_manifest_becomes_ours() {
        let text = r#"{
            "id": "org.example.weather", "name": "weather", "description": "Tells it",
            "function": {"id": "f", "name": "weather", "version": "1.2.0", "runtime": "wasm",
                "extensions": []},
            "deployment": {
                "cid": "bafy", "checksum": "00", "uri": "file.tar.gz",
                "methods": [{
                    "name": "weather.wasm", "entry": "./weather.wasm",
                    "arguments": [{"name": "city", "value": "Bern"}, {"name": "-v"}],
                    "envvars": [{"name": "LANG", "value": "de"}], "result_type": "string"
                }],
                "aggregation": "none", "nodes": 1, "file": "file.tar.gz"
            },
            "runtime": {"checksum": "", "url": ""}, "cached": true, "hooks": [],
            "fs_root_path": "/", "contentType": "json", "drivers_root_path": "/drivers",
            "permissions": ["https://api.example.org/v1", "file:///etc/passwd"],
            "limited_fuel": 200000000, "limited_memory": 30, "something": {"new": 1}
        }"#;
        let Imported { manifest, left_out } = blockless(text.as_bytes()).unwrap();
        assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("weather", "1.2.0"));
        let entry = manifest.entry("weather.wasm").unwrap();
        assert_eq!(entry.file, "weather.wasm");
        assert_eq!(entry.args, ["--city=Bern", "-v"]);
        assert_eq!(entry.env, [("LANG".to_owned(), "de".to_owned())]);
        assert_eq!(manifest.limits.fuel, 200_000_000);
        assert_eq!(manifest.limits.memory, 30 * 65_536);
        assert_eq!(manifest.permissions.network.len(), 1);
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        assert_eq!(Manifest::read(manifest.to_json().as_bytes()), Ok(manifest));
    }

    #[test]
    fn a_file_outside_the_function_is_refused() {
        for bad in [
            r#"{"name": "x", "entry": "../../etc/passwd"}"#,
            r#"{"name": "x", "deployment": {"methods": [{"name": "/bin/sh"}]}}"#,
            r#"{"name": "x"}"#,
            "[]",
            "{",
        ] {
            assert!(blockless(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
