//! Asking about deploys, the node and the validators.

use girrona_api::{
    ErrorCode, RpcError,
    methods::{
        NoParams,
        discover::DiscoverResult,
        info::{
            GetChainspecResult, GetDeployParams, GetDeployResult, GetPeersResult, GetStatusResult,
            GetValidatorChangesResult, JsonExecutionResult,
        },
    },
};

use super::chain::internal;
use crate::{Backend, DeployRecord, Fault, NodeStatus};

pub(super) fn deploy(
    backend: &dyn Backend,
    params: GetDeployParams,
) -> Result<GetDeployResult, RpcError> {
    let record = backend.deploy(&params.deploy_hash).map_err(internal)?;
    let Some(DeployRecord { deploy, approvals, execution }) = record else {
        let text = format!("failed to get {} and metadata from storage", params.deploy_hash);
        return Err(RpcError::new(ErrorCode::NoSuchDeploy, text));
    };
    let deploy = match approvals.filter(|_| params.finalized_approvals) {
        Some(approvals) => deploy.with_approvals(approvals),
        None => deploy,
    };
    let result = execution.map(|execution| JsonExecutionResult {
        block_hash: execution.block_hash,
        result: execution.result.into(),
    });
    Ok(GetDeployResult {
        api_version: backend.api_version(),
        deploy: deploy.into(),
        execution_results: result.into_iter().collect(),
        block_hash: None,
        block_height: None,
    })
}

pub(super) fn peers(backend: &dyn Backend, _: NoParams) -> Result<GetPeersResult, RpcError> {
    Ok(GetPeersResult { api_version: backend.api_version(), peers: backend.peers() })
}

pub(super) fn status(backend: &dyn Backend, _: NoParams) -> Result<GetStatusResult, RpcError> {
    Ok(status_of(backend))
}

/// How the node is doing; REST shows the same.
pub(crate) fn status_of(backend: &dyn Backend) -> GetStatusResult {
    let NodeStatus {
        build_version,
        chainspec_name,
        starting_state_root_hash,
        last_added_block_info,
        our_public_signing_key,
        round_length,
        next_upgrade,
        uptime,
        reactor_state,
        last_progress,
        block_sync,
    } = backend.status();
    GetStatusResult {
        peers: backend.peers(),
        api_version: backend.api_version(),
        build_version,
        chainspec_name,
        starting_state_root_hash,
        last_added_block_info,
        our_public_signing_key,
        round_length,
        next_upgrade,
        uptime,
        reactor_state,
        last_progress,
        available_block_range: backend.available_blocks(),
        block_sync,
    }
}

pub(super) fn validator_changes(
    backend: &dyn Backend,
    _: NoParams,
) -> Result<GetValidatorChangesResult, RpcError> {
    validator_changes_of(backend).map_err(internal)
}

/// When validators came, went or misbehaved; REST shows the same.
pub(crate) fn validator_changes_of(
    backend: &dyn Backend,
) -> Result<GetValidatorChangesResult, Fault> {
    let changes = backend.validator_changes()?;
    Ok(GetValidatorChangesResult { api_version: backend.api_version(), changes })
}

pub(super) fn chainspec(
    backend: &dyn Backend,
    _: NoParams,
) -> Result<GetChainspecResult, RpcError> {
    Ok(chainspec_of(backend))
}

/// The rules of the network; REST shows the same.
pub(crate) fn chainspec_of(backend: &dyn Backend) -> GetChainspecResult {
    GetChainspecResult { api_version: backend.api_version(), chainspec_bytes: backend.chainspec() }
}

pub(super) fn discover(backend: &dyn Backend, _: NoParams) -> Result<DiscoverResult, RpcError> {
    Ok(DiscoverResult::new(backend.api_version()))
}
