//! From a request's text to its answer's text: the table of methods.
//!
//! A deploy is read where it arrives and handed on by value, to be stored or tried out; one in a
//! block is tried out again. Everything else reads blocks and state and is answered on a thread that
//! may block.

use std::sync::Arc;

use bytes::Bytes;
use girrona_api::{
    ErrorCode, Method, RpcError,
    methods::{
        account::PutDeploy, auction as a, chain as c, discover::Discover, girrona as g, info as i,
        speculate::SpeculativeExec, spread::Propagation, state as s,
    },
    params,
};
use serde_json::value::RawValue;
use tracing::{debug, error};

use super::{
    Answers, Refused, account, assembly, auction, chain, girrona, info,
    request::{self, Malformed},
    speculate, state,
};
use crate::{Backend, Metrics, metrics::Outcome};

/// Answers a question with the result's JSON.
type Handler = fn(&dyn Backend, Option<&RawValue>) -> Result<Vec<u8>, RpcError>;

/// Answers a question with the result as its type.
type TypedHandler<M> =
    fn(&dyn Backend, <M as Method>::Params) -> Result<<M as Method>::Output, RpcError>;

/// The methods that only read.
fn reader(method: &str) -> Option<(&'static str, Handler)> {
    Some(match method {
        i::GetDeploy::NAME => (i::GetDeploy::NAME, |b, p| run::<i::GetDeploy>(b, p, info::deploy)),
        i::GetPeers::NAME => (i::GetPeers::NAME, |b, p| run::<i::GetPeers>(b, p, info::peers)),
        i::GetStatus::NAME => (i::GetStatus::NAME, |b, p| run::<i::GetStatus>(b, p, info::status)),
        i::GetValidatorChanges::NAME => (i::GetValidatorChanges::NAME, |b, p| {
            run::<i::GetValidatorChanges>(b, p, info::validator_changes)
        }),
        i::GetChainspec::NAME => {
            (i::GetChainspec::NAME, |b, p| run::<i::GetChainspec>(b, p, info::chainspec))
        }
        Discover::NAME => (Discover::NAME, |b, p| run::<Discover>(b, p, info::discover)),
        a::GetEraInfo::NAME => {
            (a::GetEraInfo::NAME, |b, p| run::<a::GetEraInfo>(b, p, auction::era_info))
        }
        a::GetEraSummary::NAME => {
            (a::GetEraSummary::NAME, |b, p| run::<a::GetEraSummary>(b, p, auction::era_summary))
        }
        a::GetAuctionInfo::NAME => {
            (a::GetAuctionInfo::NAME, |b, p| run::<a::GetAuctionInfo>(b, p, auction::auction_info))
        }
        c::GetBlock::NAME => (c::GetBlock::NAME, |b, p| run::<c::GetBlock>(b, p, chain::block)),
        c::GetBlockTransfers::NAME => {
            (c::GetBlockTransfers::NAME, |b, p| run::<c::GetBlockTransfers>(b, p, chain::transfers))
        }
        c::GetStateRootHash::NAME => (c::GetStateRootHash::NAME, |b, p| {
            run::<c::GetStateRootHash>(b, p, chain::state_root_hash)
        }),
        s::GetItem::NAME => (s::GetItem::NAME, |b, p| run::<s::GetItem>(b, p, state::item)),
        s::GetBalance::NAME => {
            (s::GetBalance::NAME, |b, p| run::<s::GetBalance>(b, p, state::balance_at_root))
        }
        s::GetAccountInfo::NAME => {
            (s::GetAccountInfo::NAME, |b, p| run::<s::GetAccountInfo>(b, p, state::account))
        }
        s::GetDictionaryItem::NAME => (s::GetDictionaryItem::NAME, |b, p| {
            run::<s::GetDictionaryItem>(b, p, state::dictionary_item)
        }),
        s::QueryGlobalState::NAME => {
            (s::QueryGlobalState::NAME, |b, p| run::<s::QueryGlobalState>(b, p, state::query))
        }
        s::QueryBalance::NAME => {
            (s::QueryBalance::NAME, |b, p| run::<s::QueryBalance>(b, p, state::balance))
        }
        s::GetTrie::NAME => (s::GetTrie::NAME, |b, p| run::<s::GetTrie>(b, p, state::trie)),
        g::DeployStatus::NAME => {
            (g::DeployStatus::NAME, |b, p| run::<g::DeployStatus>(b, p, girrona::deploy_status))
        }
        Propagation::NAME => {
            (Propagation::NAME, |b, p| run::<Propagation>(b, p, girrona::propagation))
        }
        _ => return None,
    })
}

fn run<M: Method>(
    backend: &dyn Backend,
    params: Option<&RawValue>,
    handler: TypedHandler<M>,
) -> Result<Vec<u8>, RpcError> {
    to_json(&handler(backend, params::decode::<M>(params)?)?)
}

pub(super) fn to_json<T: serde::Serialize>(result: &T) -> Result<Vec<u8>, RpcError> {
    serde_json::to_vec(result).map_err(|error| {
        let text = format!("failed to encode json-rpc response value: {error}");
        RpcError::new(ErrorCode::InternalError, text)
    })
}

/// Answers one request.
pub(super) async fn answer(
    backend: &Arc<dyn Backend>,
    answers: Answers,
    metrics: &Metrics,
    body: &[u8],
) -> Result<Bytes, Refused> {
    let request = match request::decode(body) {
        Ok(request) => request,
        Err(Malformed::NoId) => return Err(Refused::NoId),
        Err(Malformed::Answer { id, error }) => {
            count(metrics, "other", error.code);
            return Ok(write(id.map_or("null", RawValue::get), Err(error)));
        }
    };
    let all = answers == Answers::All;
    let (name, result) = if request.method == SpeculativeExec::NAME {
        (SpeculativeExec::NAME, speculative_exec(backend, request.params).await)
    } else if all && request.method == PutDeploy::NAME {
        (PutDeploy::NAME, put_deploy(&**backend, request.params).await)
    } else if all && request.method == g::ExplainDeploy::NAME {
        (g::ExplainDeploy::NAME, explain_deploy(&**backend, request.params).await)
    } else if let Some(name) =
        assembly::NAMES.iter().find(|name| all && **name == request.method).copied()
    {
        (name, assembly::answer(&**backend, name, request.params).await)
    } else if let Some((name, handler)) = reader(&request.method).filter(|_| all) {
        (name, read(backend, request.params, handler).await)
    } else {
        let text =
            format!("'{}' is not a supported json-rpc method on this server", request.method);
        ("other", Err(RpcError::new(ErrorCode::MethodNotFound, text)))
    };
    if let Err(error) = &result {
        debug!(method = name, %error, "a request was refused");
    }
    count(metrics, name, result.as_ref().err().map_or(0, |error| error.code));
    Ok(write(request.id.get(), result))
}

async fn explain_deploy(
    backend: &dyn Backend,
    params: Option<&RawValue>,
) -> Result<Vec<u8>, RpcError> {
    let params = params::decode::<g::ExplainDeploy>(params)?;
    to_json(&girrona::explain_deploy(backend, params).await?)
}

async fn put_deploy(backend: &dyn Backend, params: Option<&RawValue>) -> Result<Vec<u8>, RpcError> {
    let params = params::decode::<PutDeploy>(params)?;
    to_json(&account::put_deploy(backend, params).await?)
}

async fn speculative_exec(
    backend: &Arc<dyn Backend>,
    params: Option<&RawValue>,
) -> Result<Vec<u8>, RpcError> {
    let params = params::decode::<SpeculativeExec>(params)?;
    to_json(&speculate::speculative_exec(backend, params).await?)
}

async fn read(
    backend: &Arc<dyn Backend>,
    params: Option<&RawValue>,
    handler: Handler,
) -> Result<Vec<u8>, RpcError> {
    let backend = Arc::clone(backend);
    let params = params.map(RawValue::to_owned);
    let work = move || handler(&*backend, params.as_deref());
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failure| {
        error!(%failure, "answering a request failed");
        Err(RpcError::bare(ErrorCode::InternalError))
    })
}

fn count(metrics: &Metrics, method: &'static str, code: i64) {
    metrics.rpc_requests.get_or_create(&Outcome { method, code }).inc();
}

/// The whole answer. `id` is JSON text.
fn write(id: &str, result: Result<Vec<u8>, RpcError>) -> Bytes {
    let (name, json) = match result {
        Ok(json) => ("result", json),
        Err(error) => ("error", to_json(&error).unwrap_or_default()),
    };
    let mut out = Vec::with_capacity(json.len().saturating_add(id.len()).saturating_add(40));
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(&json);
    out.push(b'}');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_contract_is_answered() {
        for method in girrona_api::METHODS {
            let awaited = [PutDeploy::NAME, SpeculativeExec::NAME, g::ExplainDeploy::NAME];
            let found = reader(method).map(|(name, _)| name);
            let awaited = awaited.contains(method) || assembly::NAMES.contains(method);
            assert_eq!(found.is_none(), awaited, "{method}");
            assert!(found.is_none_or(|found| found == *method), "{method}");
        }
    }
}
