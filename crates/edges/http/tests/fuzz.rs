//! Everything that a stranger can send to the JSON-RPC port, read without a panic.
//!
//! `cargo test` runs each for a moment, `cargo xtask fuzz SECONDS` for as long as you like.

use std::time::Duration;

use girrona_api::{
    Method,
    methods::{
        account as a, auction, chain as c, discover, girrona as g, info as i, speculate, spread,
        state as s,
    },
    params,
};
use girrona_http::rpc::request;
use serde_json::value::RawValue;

const BRIEFLY: Duration = Duration::from_secs(3);

/// A method's decoder, with a good example of its parameters.
struct Decoder {
    good: Vec<u8>,
    read: fn(&[u8]),
}

impl Decoder {
    fn of<M: Method>() -> Self {
        let path = format!("{}/tests/golden/{}.json", env!("CARGO_MANIFEST_DIR"), M::NAME);
        let golden: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        Self { good: golden["params"].to_string().into_bytes(), read: read::<M> }
    }

    /// Every method.
    fn all() -> Vec<Self> {
        vec![
            Self::of::<a::PutDeploy>(),
            Self::of::<i::GetDeploy>(),
            Self::of::<i::GetPeers>(),
            Self::of::<i::GetStatus>(),
            Self::of::<i::GetValidatorChanges>(),
            Self::of::<c::GetBlock>(),
            Self::of::<c::GetBlockTransfers>(),
            Self::of::<c::GetStateRootHash>(),
            Self::of::<s::GetItem>(),
            Self::of::<s::GetBalance>(),
            Self::of::<s::GetAccountInfo>(),
            Self::of::<s::GetDictionaryItem>(),
            Self::of::<s::QueryGlobalState>(),
            Self::of::<s::QueryBalance>(),
            Self::of::<i::GetChainspec>(),
            Self::of::<auction::GetEraInfo>(),
            Self::of::<auction::GetEraSummary>(),
            Self::of::<auction::GetAuctionInfo>(),
            Self::of::<s::GetTrie>(),
            Self::of::<discover::Discover>(),
            Self::of::<speculate::SpeculativeExec>(),
            Self::of::<g::DeployStatus>(),
            Self::of::<spread::Propagation>(),
        ]
    }
}

fn read<M: Method>(bytes: &[u8]) {
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

/// Any bytes as the parameters of any method, and a good request with some bytes changed.
#[test]
fn fuzz_parameters() {
    let decoders = Decoder::all();
    bolero::check!().with_test_time(BRIEFLY).for_each(|input: &[u8]| {
        let Some((choice, input)) = input.split_first() else { return };
        let decoder = &decoders[usize::from(*choice) % decoders.len()];
        (decoder.read)(input);
        let mut changed = decoder.good.clone();
        for [low, high, byte] in input.as_chunks().0 {
            let at = usize::from(u16::from_le_bytes([*low, *high])) % changed.len();
            changed[at] = *byte;
        }
        (decoder.read)(&changed);
    });
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
