//! The contract's description of itself.

use std::{collections::BTreeSet, path::Path};

use girrona_api::{METHODS, methods::discover::open_rpc};
use girrona_http::RpcConfig;
use serde_json::{Value, json};

use crate::{
    memory::{Memory, golden},
    raw::ask,
    server::rpc,
};

fn document() -> Value {
    serde_json::from_str(open_rpc()).unwrap()
}

#[test]
fn the_document_is_the_golden_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rpc.discover.json");
    if std::env::var_os("BLESS").is_some() {
        let result = json!({
            "api_version": "1.5.8", "name": "OpenRPC Schema", "schema": document(),
        });
        let file = json!({ "method": "rpc.discover", "params": {}, "result": result });
        std::fs::write(&path, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
    }
    assert_eq!(golden("rpc.discover")["result"]["schema"], document());
}

#[tokio::test]
async fn every_method_that_is_described_is_served() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    let described: BTreeSet<String> = document()["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["name"].as_str().unwrap().to_owned())
        .collect();
    for method in &described {
        let answer = ask(door.address, method, "[[[]]]").await.json();
        assert_ne!(answer["error"]["code"], -32601, "{method}");
    }
    let served: BTreeSet<String> = METHODS.iter().map(|&method| method.to_owned()).collect();
    assert_eq!(described, served);
}

#[test]
fn parameters_and_results_are_named_as_1_5_8_names_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openrpc_158.json");
    let theirs: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let ours = document();
    let ours = ours["methods"].as_array().unwrap();
    for (name, expected) in theirs["methods"].as_object().unwrap() {
        let found = ours.iter().find(|method| method["name"] == name.as_str()).unwrap();
        let params: Vec<Value> = found["params"]
            .as_array()
            .unwrap()
            .iter()
            .map(|param| json!({ "name": param["name"], "required": param["required"] }))
            .collect();
        assert_eq!(Value::Array(params), expected["params"], "{name}");
        let schema = &found["result"]["schema"]["properties"];
        let result: BTreeSet<&str> =
            schema.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted = expected["result"].as_array().unwrap();
        let wanted: BTreeSet<&str> = wanted.iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(result, wanted, "{name}");
    }
}
