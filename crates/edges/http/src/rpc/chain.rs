//! Reading blocks.

use girrona_api::{
    BlockIdentifier, ErrorCode, JsonBlock, RpcError,
    methods::chain::{
        BlockParams, GetBlockResult, GetBlockTransfersResult, GetStateRootHashResult,
    },
};

use crate::{Backend, BlockId, Fault};

pub(super) fn block(
    backend: &dyn Backend,
    params: BlockParams,
) -> Result<GetBlockResult, RpcError> {
    let stored = find(backend, params.block_identifier, |id| backend.block(id))?;
    let block = Some(JsonBlock::new(stored.block, stored.proofs));
    Ok(GetBlockResult { api_version: backend.api_version(), block })
}

pub(super) fn transfers(
    backend: &dyn Backend,
    params: BlockParams,
) -> Result<GetBlockTransfersResult, RpcError> {
    let header = find(backend, params.block_identifier, |id| backend.block_header(id))?;
    let block_hash = header.block_hash();
    let transfers = backend.transfers(&block_hash).map_err(internal)?;
    Ok(GetBlockTransfersResult {
        api_version: backend.api_version(),
        block_hash: Some(block_hash),
        transfers: Some(transfers),
    })
}

pub(super) fn state_root_hash(
    backend: &dyn Backend,
    params: BlockParams,
) -> Result<GetStateRootHashResult, RpcError> {
    let header = find(backend, params.block_identifier, |id| backend.block_header(id))?;
    let state_root_hash = Some(*header.state_root_hash());
    Ok(GetStateRootHashResult { api_version: backend.api_version(), state_root_hash })
}

/// What `read` finds for a block, or the refusal that says which blocks there are.
pub(super) fn find<T>(
    backend: &dyn Backend,
    wanted: Option<BlockIdentifier>,
    read: impl FnOnce(BlockId) -> Result<Option<T>, Fault>,
) -> Result<T, RpcError> {
    let (id, code, text) = match wanted {
        Some(BlockIdentifier::Hash(hash)) => {
            let text = format!("block {:?} not stored on this node", hash.inner());
            (BlockId::Hash(hash), ErrorCode::NoSuchBlock, text)
        }
        Some(BlockIdentifier::Height(height)) => {
            let text = format!("block at height {height} not stored on this node");
            (BlockId::Height(height), ErrorCode::NoSuchBlock, text)
        }
        None => {
            (BlockId::Latest, ErrorCode::InternalError, "failed to get highest block".to_owned())
        }
    };
    let found = read(id).map_err(internal)?;
    found.ok_or_else(|| RpcError::missing(code, text, backend.available_blocks()))
}

/// The node's own fault.
pub(super) fn internal(fault: Fault) -> RpcError {
    RpcError::new(ErrorCode::InternalError, fault.0)
}
