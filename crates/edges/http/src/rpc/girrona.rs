//! What Casper cannot be asked.

use girrona_api::{
    ErrorCode, RpcError,
    methods::{
        NoParams,
        girrona::{
            DeployStatusParams, DeployStatusResult, ExplainDeployParams, ExplainDeployResult,
        },
        spread::PropagationResult,
    },
};

use super::chain::internal;
use crate::{Backend, SpeculateError};

pub(super) fn deploy_status(
    backend: &dyn Backend,
    params: DeployStatusParams,
) -> Result<DeployStatusResult, RpcError> {
    let progress = backend.deploy_progress(&params.deploy_hash).map_err(internal)?;
    let progress = progress.ok_or_else(|| {
        let hash = params.deploy_hash.inner();
        RpcError::new(ErrorCode::NoSuchDeploy, format!("deploy {hash:?} never came to this node"))
    })?;
    Ok(DeployStatusResult { api_version: backend.api_version(), progress })
}

pub(super) fn propagation(
    backend: &dyn Backend,
    _: NoParams,
) -> Result<PropagationResult, RpcError> {
    Ok(PropagationResult { api_version: backend.api_version(), topics: backend.propagation() })
}

pub(super) async fn explain_deploy(
    backend: &dyn Backend,
    params: ExplainDeployParams,
) -> Result<ExplainDeployResult, RpcError> {
    let hash = params.deploy_hash;
    let explanation = backend.explain(&hash).await.map_err(|error| match error {
        SpeculateError::NoState => RpcError::new(ErrorCode::NoSuchStateRoot, error.to_string()),
        SpeculateError::Invalid(text) => RpcError::new(ErrorCode::InvalidDeploy, text),
        SpeculateError::Busy(_) | SpeculateError::TooLong(_) | SpeculateError::Internal(_) => {
            RpcError::new(ErrorCode::InternalError, error.to_string())
        }
    })?;
    let explanation = explanation.ok_or_else(|| {
        let text = format!("deploy {:?} is in no block of this node", hash.inner());
        RpcError::new(ErrorCode::NoSuchDeploy, text)
    })?;
    Ok(ExplainDeployResult { api_version: backend.api_version(), explanation })
}
