//! Validators, bids, and what eras paid.

use girrona_http::RpcConfig;
use serde_json::Value;

use crate::{
    memory::{Memory, golden},
    raw::ask,
    server::rpc,
};

const METHODS: [&str; 3] =
    ["chain_get_era_info_by_switch_block", "chain_get_era_summary", "state_get_auction_info"];

#[tokio::test]
async fn the_newest_block_is_meant_unless_one_is_named_in_any_known_way() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    for method in METHODS {
        let expected = &golden(method)["result"];
        // The last two are how one client generation writes it.
        for params in ["", "null", "[]", r#"[{"Height":10}]"#, "[[]]", r#"[[{"Height":10}]]"#] {
            let answer = ask(door.address, method, params).await;
            assert_eq!(&answer.json()["result"], expected, "{method} {params}");
        }
    }
}

#[tokio::test]
async fn a_block_in_the_middle_of_an_era_has_a_summary_but_ends_none() {
    let memory = Memory::new();
    for stored in memory.blocks.lock().unwrap().iter_mut() {
        let old = stored.block.header();
        stored.block = casper_types::BlockV1::new(
            *old.parent_hash(),
            *old.accumulated_seed(),
            *old.state_root_hash(),
            old.random_bit(),
            None,
            old.timestamp(),
            old.era_id(),
            old.height(),
            old.protocol_version(),
            stored.block.proposer().clone(),
            Vec::new(),
            Vec::new(),
        );
    }
    let door = rpc(memory, RpcConfig::default()).await;
    let answer = ask(door.address, METHODS[0], "").await;
    let expected =
        r#"{"jsonrpc":"2.0","id":1,"result":{"api_version":"1.5.8","era_summary":null}}"#;
    assert_eq!(answer.text(), expected);
    let answer = ask(door.address, METHODS[1], "").await.json();
    assert_eq!(answer["result"]["era_summary"]["era_id"], 1);
}

#[tokio::test]
async fn a_state_that_is_gone_is_told_with_the_blocks_there_are() {
    let mut memory = Memory::new();
    memory.auction = None;
    let door = rpc(memory, RpcConfig::default()).await;
    for method in METHODS {
        let error = ask(door.address, method, "").await.json()["error"].take();
        assert_eq!(error["code"], -32012, "{error}");
        assert!(error["data"]["available_block_range"].is_object(), "{error}");
    }
    for method in METHODS {
        let gone = format!(r#"[{{"Hash":"{}"}}]"#, "07".repeat(32));
        let error = ask(door.address, method, &gone).await.json()["error"].take();
        assert_eq!(error["code"], Value::from(-32001), "{error}");
    }
}
