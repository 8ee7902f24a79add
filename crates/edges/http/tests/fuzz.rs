//! Everything that a stranger can send to the JSON-RPC port, read without a panic.
//!
//! Run for long with `cargo bolero test NAME`; `cargo test` runs each for a second.

use std::time::Duration;

use girrona_api::{
    Method,
    methods::{account as a, chain as c, girrona as g, info as i, state as s},
    params,
};
use girrona_http::rpc::request;
use serde_json::value::RawValue;

const BRIEFLY: Duration = Duration::from_secs(1);

/// Reads any bytes as a method's parameters, and a golden request with some bytes changed.
fn parameters<M: Method>() {
    let path = format!("{}/tests/golden/{}.json", env!("CARGO_MANIFEST_DIR"), M::NAME);
    let golden: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let good = golden["params"].to_string().into_bytes();
    bolero::check!().with_test_time(BRIEFLY).for_each(|input: &[u8]| {
        try_text::<M>(input);
        let mut changed = good.clone();
        for pair in input.chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([pair[0], pair[1]])) % changed.len();
            changed[at] = pair[2];
        }
        try_text::<M>(&changed);
    });
}

fn try_text<M: Method>(bytes: &[u8]) {
    let Ok(raw) = serde_json::from_slice::<&RawValue>(bytes) else { return };
    match params::decode::<M>(Some(raw)) {
        Ok(params) => {
            // What was read can be written and read again.
            let written = serde_json::to_string(&params).unwrap();
            let again: &RawValue = serde_json::from_str(&written).unwrap();
            assert!(params::decode::<M>(Some(again)).is_ok(), "{written}");
        }
        Err(error) => assert!(matches!(error.code, -32602 | -32600)),
    }
}

#[test]
fn fuzz_request() {
    bolero::check!().with_test_time(BRIEFLY).for_each(|input: &[u8]| {
        let _ = request::decode(input);
        let mut request = br#"{"jsonrpc":"2.0","id":1,"method":"m","params":"#.to_vec();
        request.extend_from_slice(input);
        request.push(b'}');
        if let Ok(request) = request::decode(&request) {
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(request.id.get()).is_ok());
        }
    });
}

macro_rules! fuzz {
    ($($name:ident: $method:ty,)*) => {
        $(
            #[test]
            fn $name() {
                parameters::<$method>();
            }
        )*
    };
}

fuzz! {
    fuzz_put_deploy: a::PutDeploy,
    fuzz_get_deploy: i::GetDeploy,
    fuzz_get_peers: i::GetPeers,
    fuzz_get_status: i::GetStatus,
    fuzz_get_validator_changes: i::GetValidatorChanges,
    fuzz_get_block: c::GetBlock,
    fuzz_get_block_transfers: c::GetBlockTransfers,
    fuzz_get_state_root_hash: c::GetStateRootHash,
    fuzz_get_item: s::GetItem,
    fuzz_get_balance: s::GetBalance,
    fuzz_get_account_info: s::GetAccountInfo,
    fuzz_get_dictionary_item: s::GetDictionaryItem,
    fuzz_query_global_state: s::QueryGlobalState,
    fuzz_query_balance: s::QueryBalance,
    fuzz_deploy_status: g::DeployStatus,
}
