//! Assemblies. Every answer is awaited: the service that knows them has a thread of its own.

use std::sync::Arc;

use girrona_api::{
    ErrorCode, Method, RpcError,
    methods::{NoParams, assembly as a},
    params,
};
use serde_json::value::RawValue;

use super::answer::to_json;
use crate::{Assemblies, Backend};

/// The methods that are answered here.
pub(super) const NAMES: [&str; 11] = [
    a::AssemblyNode::NAME,
    a::AssemblyPublish::NAME,
    a::AssemblyWithdraw::NAME,
    a::AssemblyList::NAME,
    a::AssemblyShow::NAME,
    a::AssemblyPin::NAME,
    a::AssemblyInterests::NAME,
    a::AssemblyCheck::NAME,
    a::AssemblyRun::NAME,
    a::AssemblyResult::NAME,
    a::AssemblyCancel::NAME,
];

/// The longest envelope that is taken, in bytes; the node looks closer.
const ENVELOPE_MAX: usize = 1_280 * 1024;

/// Answers one of [`NAMES`].
pub(super) async fn answer(
    backend: &dyn Backend,
    name: &str,
    given: Option<&RawValue>,
) -> Result<Vec<u8>, RpcError> {
    let node: Arc<dyn Assemblies> = backend.assemblies().ok_or_else(|| {
        RpcError::new(ErrorCode::MethodNotFound, "assemblies are turned off on this node")
    })?;
    match name {
        a::AssemblyNode::NAME => {
            let NoParams {} = params::decode::<a::AssemblyNode>(given)?;
            to_json(&node.node().await?)
        }
        a::AssemblyPublish::NAME => {
            let given = params::decode::<a::AssemblyPublish>(given)?;
            to_json(&node.publish(bytes(&given.envelope)?).await?)
        }
        a::AssemblyWithdraw::NAME => {
            let given = params::decode::<a::AssemblyWithdraw>(given)?;
            to_json(&node.withdraw(bytes(&given.envelope)?).await?)
        }
        a::AssemblyList::NAME => {
            let NoParams {} = params::decode::<a::AssemblyList>(given)?;
            to_json(&node.list().await?)
        }
        a::AssemblyShow::NAME => {
            let given = params::decode::<a::AssemblyShow>(given)?;
            to_json(&node.show(&given.root).await?)
        }
        a::AssemblyPin::NAME => {
            let given = params::decode::<a::AssemblyPin>(given)?;
            to_json(&node.pin(&given.root, given.is_pinned, &given.token).await?)
        }
        a::AssemblyInterests::NAME => {
            let given = params::decode::<a::AssemblyInterests>(given)?;
            to_json(&node.interests(given.interests, &given.token).await?)
        }
        a::AssemblyCheck::NAME => {
            let given = params::decode::<a::AssemblyCheck>(given)?;
            to_json(&node.check(&given.root, &given.token).await?)
        }
        a::AssemblyRun::NAME => {
            let given = params::decode::<a::AssemblyRun>(given)?;
            to_json(&node.run(bytes(&given.envelope)?, given.wait_ms).await?)
        }
        a::AssemblyResult::NAME => {
            let given = params::decode::<a::AssemblyResult>(given)?;
            to_json(&node.result(&given.request, given.wait_ms).await?)
        }
        a::AssemblyCancel::NAME => {
            let given = params::decode::<a::AssemblyCancel>(given)?;
            to_json(&node.cancel(bytes(&given.envelope)?).await?)
        }
        _ => Err(RpcError::bare(ErrorCode::MethodNotFound)),
    }
}

/// An envelope's bytes from their hex.
fn bytes(text: &str) -> Result<Vec<u8>, RpcError> {
    let refuse = |reason| Err(RpcError::new(ErrorCode::InvalidParams, reason));
    if text.len() > 2 * ENVELOPE_MAX {
        return refuse("the envelope is too long");
    }
    hex::decode(text).or_else(|_| refuse("the envelope is not in hex"))
}
