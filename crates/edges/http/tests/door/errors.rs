//! Every refusal has its code, its message, and data that helps.

use girrona_http::{Fault, PutError, RpcConfig, SpeculateError};
use serde_json::{Value, json};

use crate::{
    memory::{Memory, golden},
    raw::{ask, post, send},
    server::{Running, rpc},
};

async fn error(door: &Running, method: &str, params: &str) -> Value {
    ask(door.address, method, params).await.json()["error"].clone()
}

fn expected(code: i64, message: &str, data: impl Into<Value>) -> Value {
    json!({ "code": code, "message": message, "data": data.into() })
}

fn with_range(code: i64, message: &str, text: &str) -> Value {
    let range = json!({ "low": 3, "high": 10 });
    expected(code, message, json!({ "message": text, "available_block_range": range }))
}

fn memory() -> Memory {
    let mut memory = Memory::new();
    memory.available = girrona_api::BlockRange { low: 3, high: 10 };
    memory
}

const GONE: &str = "0707070707070707070707070707070707070707070707070707070707070707";
const ROOT: &str = "0808080808080808080808080808080808080808080808080808080808080808";

#[tokio::test]
async fn what_is_no_request_or_no_method() {
    let door = rpc(memory(), RpcConfig::default()).await;
    let text = "'x\"y' is not a supported json-rpc method on this server";
    let found = error(&door, "x\\\"y", "[1]").await;
    assert_eq!(found, expected(-32601, "Method not found", text));

    let answer = send(door.address, &post("nonsense")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.text(),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error","data":"expected ident at line 1 column 2"}}"#
    );
    let answer = send(door.address, &post(r#"{"jsonrpc":"1.0","id":"x","method":"m"}"#)).await;
    assert_eq!(
        answer.text(),
        r#"{"jsonrpc":"2.0","id":"x","error":{"code":-32600,"message":"Invalid Request","data":"Expected 'jsonrpc' to be '2.0', but got '1.0'"}}"#
    );
    let answer = send(door.address, &post(r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#)).await;
    assert_eq!(answer.json()["error"]["code"], -32600);

    let found = error(&door, "info_get_deploy", "").await;
    assert_eq!(found, expected(-32602, "Invalid params", "Missing 'params' field"));
    let found = error(&door, "info_get_deploy", "[3]").await;
    let text = "Failed to parse 'params' field: invalid type: integer `3`, expected a string";
    assert_eq!(found, expected(-32602, "Invalid params", text));
    let found = error(&door, "info_get_peers", "[3]").await;
    let text = "'params' field should be an empty Array '[]', an empty Object '{}' or absent";
    assert_eq!(found, expected(-32602, "Invalid params", text));
    let found = error(&door, "info_get_peers", "\"x\"").await;
    let text = "If present, 'params' must be an Array or Object, but was a String";
    assert_eq!(found, expected(-32600, "Invalid Request", text));
}

#[tokio::test]
async fn deploys_that_are_refused_or_unknown() {
    let door = rpc(memory(), RpcConfig::default()).await;
    let params = golden("account_put_deploy")["params"].to_string();
    let refusals = [
        PutError::Invalid("invalid deploy: the deploy has no approvals".to_owned()),
        PutError::Busy,
        PutError::Internal(Fault("disk full".to_owned())),
    ];
    door.backend.refusals.lock().unwrap().extend(refusals);
    let found = error(&door, "account_put_deploy", &params).await;
    let text = "invalid deploy: the deploy has no approvals";
    assert_eq!(found, expected(-32008, "Invalid Deploy", text));
    let found = error(&door, "account_put_deploy", &params).await;
    assert_eq!(
        (found["code"].as_i64(), found["message"].as_str()),
        (Some(-32603), Some("Internal error"))
    );
    assert!(found["data"].as_str().unwrap().starts_with("the node is busy"));
    let found = error(&door, "account_put_deploy", &params).await;
    assert_eq!(found, expected(-32603, "Internal error", "disk full"));

    let found = error(&door, "info_get_deploy", &format!(r#"["{GONE}"]"#)).await;
    let text = "failed to get deploy-hash(0707..0707) and metadata from storage";
    assert_eq!(found, expected(-32000, "No such deploy", text));
    let found = error(&door, "girrona_deployStatus", &format!(r#"["{GONE}"]"#)).await;
    let text = format!("deploy {GONE} never came to this node");
    assert_eq!(found, expected(-32000, "No such deploy", text));
}

#[tokio::test]
async fn deploys_that_cannot_be_explained() {
    let door = rpc(memory(), RpcConfig::default()).await;
    let method = "girrona_explainDeploy";
    let found = error(&door, method, &format!(r#"["{GONE}"]"#)).await;
    let text = format!("deploy {GONE} is in no block of this node");
    assert_eq!(found, expected(-32000, "No such deploy", text));
    let params = golden(method)["params"].to_string();
    for (refusal, code) in [
        (SpeculateError::NoState, -32012),
        (SpeculateError::Busy(4), -32603),
        (SpeculateError::Internal(Fault("disk full".to_owned())), -32603),
    ] {
        door.backend.speculate_errors.lock().unwrap().push_back(refusal.clone());
        let found = error(&door, method, &params).await;
        assert_eq!((&found["code"], &found["data"]), (&code.into(), &refusal.to_string().into()));
    }
}

#[tokio::test]
async fn blocks_that_are_not_here() {
    let door = rpc(memory(), RpcConfig::default()).await;
    for method in ["chain_get_block", "chain_get_block_transfers", "chain_get_state_root_hash"] {
        let found = error(&door, method, &format!(r#"[{{"Hash":"{GONE}"}}]"#)).await;
        let text = format!("block {GONE} not stored on this node");
        assert_eq!(found, with_range(-32001, "No such block", &text));
        let found = error(&door, method, r#"{"block_identifier":{"Height":11}}"#).await;
        let text = "block at height 11 not stored on this node";
        assert_eq!(found, with_range(-32001, "No such block", text));
    }
    let key = format!("\"hash-{GONE}\"");
    let found =
        error(&door, "query_global_state", &format!(r#"[{{"BlockHash":"{GONE}"}},{key}]"#)).await;
    let text = format!("block {GONE} not stored on this node");
    assert_eq!(found, with_range(-32001, "No such block", &text));

    door.backend.blocks.lock().unwrap().clear();
    let found = error(&door, "chain_get_block", "").await;
    assert_eq!(found, with_range(-32603, "Internal error", "failed to get highest block"));
}

#[tokio::test]
async fn states_and_values_that_are_not_here() {
    let door = rpc(memory(), RpcConfig::default()).await;
    let found = error(&door, "state_get_item", &format!(r#"["{GONE}","hash-{ROOT}"]"#)).await;
    let text = format!("failed to get state root at {GONE}");
    assert_eq!(found, with_range(-32012, "No such state root", &text));
    let found = error(&door, "state_get_item", &format!(r#"["{ROOT}","hash-{GONE}"]"#)).await;
    let text = format!("ValueNotFound(\"Failed to find base key at path: Key::Hash({GONE})\")");
    assert_eq!(found, expected(-32003, "Query failed", text));
    let found = error(&door, "state_get_item", &format!(r#"["{ROOT}","bash-{GONE}"]"#)).await;
    assert_eq!(
        (found["code"].as_i64(), found["message"].as_str()),
        (Some(-32002), Some("Failed to parse query key"))
    );
    assert!(found["data"].as_str().unwrap().starts_with("failed to parse key: "));
    let bad = "bb".repeat(32);
    let found = error(&door, "state_get_item", &format!(r#"["{ROOT}","hash-{bad}"]"#)).await;
    assert_eq!(found, expected(-32004, "Query failed to execute", "a broken record"));

    // The state after the newest block is gone although the block is here.
    door.backend.at_height.lock().unwrap().clear();
    let key = "013b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";
    let found = error(&door, "state_get_account_info", &format!(r#"["{key}"]"#)).await;
    let text = format!("failed to get state root at {ROOT}");
    assert_eq!(found, with_range(-32012, "No such state root", &text));
}

#[tokio::test]
async fn accounts_that_are_none() {
    let door = rpc(memory(), RpcConfig::default()).await;
    let account = format!("\"account-hash-{GONE}\"");
    let found = error(&door, "state_get_account_info", &format!("[{account}]")).await;
    let text = format!("ValueNotFound(\"Failed to find base key at path: Key::Account({GONE})\")");
    assert_eq!(found, expected(-32003, "Query failed", text));

    let key = casper_types::Key::from_formatted_str(account.trim_matches('"')).unwrap();
    for state in door.backend.at_height.lock().unwrap().values_mut() {
        state.insert(key, crate::memory::number(1));
    }
    let found = error(&door, "state_get_account_info", &format!("[{account}]")).await;
    let text = format!("stored value is not an account for account Key::Account({GONE})");
    assert_eq!(found, expected(-32009, "No such account", text));
    let purse = format!(r#"{{"main_purse_under_account_hash":{account}}}"#);
    let found = error(&door, "query_balance", &format!("[null,{purse}]")).await;
    assert_eq!(found["code"], -32009);
    let found = error(&door, "state_get_account_info", r#"["bob"]"#).await;
    assert_eq!(found["code"], -32602);
    assert!(found["data"].as_str().unwrap().contains("`bob` is neither a public key"));
}

#[tokio::test]
async fn balances_that_cannot_be_told() {
    let door = rpc(memory(), RpcConfig::default()).await;
    let found = error(&door, "state_get_balance", &format!(r#"["{ROOT}","bank-{GONE}"]"#)).await;
    let text = "failed to parse purse_uref: prefix is not 'uref-'";
    assert_eq!(found, expected(-32005, "Failed to parse get-balance URef", text));
    let found =
        error(&door, "state_get_balance", &format!(r#"["{GONE}","uref-{GONE}-007"]"#)).await;
    let text = format!("failed for purse URef({GONE}, READ_ADD_WRITE): RootNotFound");
    assert_eq!(found, expected(-32006, "Failed to get balance", text));
    let found =
        error(&door, "state_get_balance", &format!(r#"["{ROOT}","uref-{GONE}-007"]"#)).await;
    let text = format!(
        "failed to execute for purse URef({GONE}, READ_ADD_WRITE): Key Key::Balance({GONE}) not found."
    );
    assert_eq!(found, expected(-32007, "get-balance failed to execute", text));
    for purse in ["05".repeat(32), "bb".repeat(32)] {
        let found =
            error(&door, "state_get_balance", &format!(r#"["{ROOT}","uref-{purse}-007"]"#)).await;
        assert_eq!(found["code"], -32007);
    }
    let purse = format!(r#"{{"purse_uref":"uref-{GONE}-007"}}"#);
    let found = error(&door, "query_balance", &format!("[null,{purse}]")).await;
    let text = format!("Key Key::Balance({GONE}) not found.");
    assert_eq!(found, expected(-32007, "get-balance failed to execute", text));
    let state = format!(r#"{{"StateRootHash":"{GONE}"}}"#);
    let found = error(&door, "query_balance", &format!("[{state},{purse}]")).await;
    assert_eq!(found["code"], -32012);
}

#[tokio::test]
async fn dictionaries_that_cannot_be_found() {
    let door = rpc(memory(), RpcConfig::default()).await;
    let ask = async |identifier: Value| {
        error(&door, "state_get_dictionary_item", &format!(r#"["{ROOT}",{identifier}]"#)).await
    };
    let nine = format!("account-hash-{}", "09".repeat(32));
    let named = |key: &str, name: &str| json!({ "AccountNamedKey": { "key": key, "dictionary_name": name, "dictionary_item_key": "i" } });
    let refused = |text: &str| expected(-32010, "Failed to get dictionary URef", text);
    let found = ask(named(&nine, "none")).await;
    assert_eq!(found, refused("seed uref not in named keys"));
    let found = ask(named(&nine, "hash")).await;
    let one = "01".repeat(32);
    assert_eq!(found, refused(&format!("expected uref, but got Key::Hash({one})")));
    let found = ask(named(&format!("hash-{one}"), "names")).await;
    assert_eq!(found, refused("expected account or contract, but got U64"));
    assert_eq!(ask(named("nobody", "names")).await["code"], -32002);
    let found = ask(json!({ "URef": { "seed_uref": "x", "dictionary_item_key": "i" } })).await;
    assert_eq!(found, refused("failed to parse uref: prefix is not 'uref-'"));
    let uref = format!("uref-{GONE}-007");
    let long = "k".repeat(129);
    let found = ask(json!({ "URef": { "seed_uref": uref, "dictionary_item_key": long } })).await;
    assert_eq!(found, refused("dictionary item key of 129 bytes exceeds limit of 128"));
    let found =
        ask(json!({ "URef": { "seed_uref": uref, "dictionary_item_key": "k".repeat(128) } })).await;
    assert_eq!(found["code"], -32003, "128 bytes are a key like any other");
    assert_eq!(ask(json!({ "Dictionary": "dictionary-00" })).await["code"], -32010);
}

#[tokio::test]
async fn a_broken_node_says_so_and_goes_on() {
    let door = rpc(memory(), RpcConfig::default()).await;
    door.backend.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let found = error(&door, "chain_get_block", "").await;
    assert_eq!(found, expected(-32603, "Internal error", "the disk is gone"));
    door.backend.broken.store(false, std::sync::atomic::Ordering::SeqCst);
    assert!(ask(door.address, "chain_get_block", "").await.json()["result"].is_object());
}
