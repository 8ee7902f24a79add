//! Plain HTTP.

use girrona_http::RestConfig;

use crate::{
    memory::{Memory, golden},
    raw::{get, send},
    server::rest,
};

#[tokio::test]
async fn status_is_that_of_the_rpc_method() {
    let door = rest(Memory::new(), RestConfig::default()).await;
    let answer = get(door.address, "/status").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.text(), golden("info_get_status")["result"].to_string());
}

#[tokio::test]
async fn metrics_are_text_and_other_paths_are_told_where_to_look() {
    let door = rest(Memory::new(), RestConfig::default()).await;
    let answer = get(door.address, "/metrics").await;
    assert_eq!(answer.text(), "# EOF\n");
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let answer = get(door.address, "/").await;
    assert_eq!(
        (answer.status, answer.text()),
        (
            404,
            "try /status, /metrics, /rpc-schema, /validator-changes, /chainspec or /assembly/ROOT\n"
        )
    );
}

#[tokio::test]
async fn rules_validators_and_the_contract_are_those_of_the_rpc_methods() {
    let door = rest(Memory::new(), RestConfig::default()).await;
    for (path, method) in
        [("/chainspec", "info_get_chainspec"), ("/validator-changes", "info_get_validator_changes")]
    {
        let answer = get(door.address, path).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.text(), golden(method)["result"].to_string());
    }
    let answer = get(door.address, "/rpc-schema").await;
    assert_eq!(answer.json(), golden("rpc.discover")["result"]["schema"]);
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_ask() {
    let door = rest(Memory::new(), RestConfig::default()).await;
    let ask = async |encoding: &str| {
        let text =
            format!("GET /rpc-schema HTTP/1.1\r\nhost: x\r\naccept-encoding: {encoding}\r\n\r\n");
        send(door.address, text.as_bytes()).await
    };
    let (plain, small) = (ask("identity").await, ask("gzip").await);
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(small.header("content-encoding"), Some("gzip"));
    assert!(small.body.len() * 2 < plain.body.len());
}
