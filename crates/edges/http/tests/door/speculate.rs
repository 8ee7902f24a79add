//! Trying deploys out, on the port of its own and on the main one.

use std::time::Duration;

use girrona_http::{Fault, RpcConfig, SpeculateError};
use serde_json::Value;

use crate::{
    memory::{Memory, golden},
    raw::{ask, post, request, send},
    server::{rpc, speculative},
};

const METHOD: &str = "speculative_exec";

#[tokio::test]
async fn the_port_of_its_own_answers_nothing_else() {
    let door = speculative(Memory::new(), RpcConfig::default()).await;
    let golden = golden(METHOD);
    let params = golden["params"].to_string();
    let answer = ask(door.address, METHOD, &params).await.json();
    assert_eq!(answer["result"], golden["result"]);
    for method in ["account_put_deploy", "info_get_status", "rpc.discover"] {
        let answer = ask(door.address, method, "").await.json();
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
    }
    assert!(door.backend.put.lock().unwrap().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn without_a_block_the_newest_is_meant_and_signatures_may_be_absent() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    let golden = golden(METHOD);
    let mut deploy = golden["params"]["deploy"].clone();
    deploy["approvals"] = Value::Array(Vec::new());
    for params in [
        format!(r#"{{"deploy":{deploy}}}"#),
        format!(r#"{{"block_identifier":null,"deploy":{deploy}}}"#),
        format!("[null,{deploy}]"),
        format!(r#"[{{"Height":10}},{deploy}]"#),
    ] {
        let answer = ask(door.address, METHOD, &params).await.json();
        assert_eq!(answer["result"], golden["result"], "{params}");
    }
    let asked = door.backend.speculated.lock().unwrap();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|(height, deploy)| *height == 10 && deploy.approvals().is_empty()));
}

#[tokio::test]
async fn refusals_have_caspers_codes_and_say_why() {
    let door = speculative(Memory::new(), RpcConfig::default()).await;
    let params = golden(METHOD)["params"].to_string();
    let errors = [
        (SpeculateError::Invalid("account does not exist".to_owned()), -32008),
        (SpeculateError::NoState, -32012),
        (SpeculateError::Busy(4), -32603),
        (SpeculateError::TooLong(Duration::from_secs(10)), -32603),
        (SpeculateError::Internal(Fault("disk full".to_owned())), -32603),
    ];
    let texts = ["account does", "", "4 deploys are being", "end within 10 seconds", "disk full"];
    for ((error, code), text) in errors.into_iter().zip(texts) {
        door.backend.speculate_errors.lock().unwrap().push_back(error);
        let found = ask(door.address, METHOD, &params).await.json()["error"].take();
        assert_eq!(found["code"], code, "{found}");
        assert!(found["data"].to_string().contains(text), "{found}");
    }
    let deploy = &golden(METHOD)["params"]["deploy"];
    let params = format!(r#"[{{"Height":11}},{deploy}]"#);
    let found = ask(door.address, METHOD, &params).await.json()["error"].take();
    assert_eq!(found["code"], -32001, "{found}");
}

#[tokio::test]
async fn its_port_has_a_limit_of_its_own() {
    let limited = RpcConfig { qps_limit: 1, ..RpcConfig::default() };
    let door = speculative(Memory::new(), limited).await;
    let body = post(&request(METHOD, &golden(METHOD)["params"].to_string()));
    let first = send(door.address, &body).await.status;
    let second = send(door.address, &body).await.status;
    assert_eq!((first, second), (200, 429));
}
