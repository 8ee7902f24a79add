//! Trying a deploy out.

use std::sync::Arc;

use girrona_api::{
    ErrorCode, RpcError,
    methods::speculate::{SpeculativeExecParams, SpeculativeExecResult},
};
use tracing::error;

use super::{chain, state};
use crate::{Backend, SpeculateError};

pub(super) async fn speculative_exec(
    backend: &Arc<dyn Backend>,
    params: SpeculativeExecParams,
) -> Result<SpeculativeExecResult, RpcError> {
    let SpeculativeExecParams { block_identifier, deploy } = params;
    let reader = Arc::clone(backend);
    let find = move || chain::find(&*reader, block_identifier, |id| reader.block_header(id));
    let block = tokio::task::spawn_blocking(find).await.unwrap_or_else(|failure| {
        error!(%failure, "looking for a block failed");
        Err(RpcError::bare(ErrorCode::InternalError))
    })?;
    let (block_hash, root) = (block.block_hash(), *block.state_root_hash());
    let result = backend.speculate(block, deploy.0).await.map_err(|error| match error {
        SpeculateError::Invalid(text) => RpcError::new(ErrorCode::InvalidDeploy, text),
        SpeculateError::NoState => state::no_state(&**backend, root),
        SpeculateError::Busy(_) | SpeculateError::TooLong(_) | SpeculateError::Internal(_) => {
            RpcError::new(ErrorCode::InternalError, error.to_string())
        }
    })?;
    let api_version = backend.api_version();
    Ok(SpeculativeExecResult { api_version, block_hash, execution_result: result.into() })
}
