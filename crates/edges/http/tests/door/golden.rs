//! Every method answers exactly what the golden files say: values, names, order, nulls.

use girrona_api::METHODS;
use girrona_http::RpcConfig;
use serde_json::Value;

use crate::{
    memory::{Memory, golden},
    raw::ask,
    server::rpc,
};

#[tokio::test]
async fn each_method_answers_its_golden_file_to_the_letter() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    for method in METHODS {
        let golden = golden(method);
        let expected = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, golden["result"]);
        let named = golden["params"].to_string();
        assert_eq!(ask(door.address, method, &named).await.text(), expected, "{method} by name");

        let positions: Vec<Value> =
            golden["params"].as_object().unwrap().values().cloned().collect();
        let positional = Value::Array(positions).to_string();
        let answer = ask(door.address, method, &positional).await;
        assert_eq!(answer.text(), expected, "{method} by position");
    }
}

#[tokio::test]
async fn without_parameters_the_newest_block_is_meant() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    for method in ["chain_get_block", "chain_get_block_transfers", "chain_get_state_root_hash"] {
        let expected = &golden(method)["result"];
        for params in ["", "null", "[]", "{}", "[null]"] {
            let answer = ask(door.address, method, params).await;
            assert_eq!(&answer.json()["result"], expected, "{method} {params}");
        }
    }
    let balance = &golden("query_balance")["params"]["purse_identifier"];
    let answer = ask(door.address, "query_balance", &format!("[null,{balance}]")).await;
    assert_eq!(answer.json()["result"]["balance"], "123456");
}

#[tokio::test]
async fn a_deploy_that_is_not_executed_yet_has_no_results() {
    let memory = Memory::new();
    for record in memory.deploys.lock().unwrap().values_mut() {
        record.execution = None;
    }
    let door = rpc(memory, RpcConfig::default()).await;
    let params = golden("info_get_deploy")["params"].to_string();
    let answer = ask(door.address, "info_get_deploy", &params).await.json();
    let mut names = answer["result"].as_object().unwrap().keys();
    assert!(names.by_ref().eq(["api_version", "deploy", "execution_results"]));
    assert_eq!(answer["result"]["execution_results"], Value::Array(vec![]));
}

#[tokio::test]
async fn the_signatures_a_deploy_was_executed_with_are_shown_on_demand() {
    let memory = Memory::new();
    for record in memory.deploys.lock().unwrap().values_mut() {
        record.approvals = Some(std::collections::BTreeSet::new());
    }
    let door = rpc(memory, RpcConfig::default()).await;
    let hash = &golden("info_get_deploy")["params"]["deploy_hash"];
    let approvals = async |finalized: &str| {
        let params = format!("[{hash},{finalized}]");
        let answer = ask(door.address, "info_get_deploy", &params).await.json();
        answer["result"]["deploy"]["approvals"].as_array().unwrap().len()
    };
    assert_eq!(approvals("true").await, 0);
    assert_eq!(approvals("false").await, 1);
}

#[tokio::test]
async fn a_state_named_by_root_or_not_at_all_comes_without_a_block_header() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    let hash = "01".repeat(32);
    let root = "08".repeat(32);
    for state in [format!(r#"{{"StateRootHash":"{root}"}}"#), "null".to_owned()] {
        let params = format!(r#"[{state},"hash-{hash}",[]]"#);
        let answer = ask(door.address, "query_global_state", &params).await.json();
        assert_eq!(answer["result"]["block_header"], Value::Null);
        assert_eq!(answer["result"]["stored_value"]["CLValue"]["parsed"], 1);
    }
    let params = format!(r#"[{{"BlockHeight":10}},"hash-{hash}"]"#);
    let answer = ask(door.address, "query_global_state", &params).await.json();
    assert_eq!(answer["result"]["block_header"]["height"], 10);
}

#[tokio::test]
async fn a_dictionary_item_is_found_by_all_four_ways() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    let expected = &golden("state_get_dictionary_item")["result"];
    let (root, nine) = ("08".repeat(32), "09".repeat(32));
    let item = "a_unique_entry_identifier";
    let address = expected["dictionary_key"].as_str().unwrap();
    let ways = [
        format!(
            r#"{{"AccountNamedKey":{{"key":"account-hash-{nine}","dictionary_name":"names","dictionary_item_key":"{item}"}}}}"#
        ),
        format!(
            r#"{{"ContractNamedKey":{{"key":"account-hash-{nine}","dictionary_name":"names","dictionary_item_key":"{item}"}}}}"#
        ),
        golden("state_get_dictionary_item")["params"]["dictionary_identifier"].to_string(),
        format!(r#"{{"Dictionary":"{address}"}}"#),
    ];
    for way in ways {
        let params = format!(r#"["{root}",{way}]"#);
        let answer = ask(door.address, "state_get_dictionary_item", &params).await.json();
        assert_eq!(&answer["result"], expected, "{way}");
    }
}
