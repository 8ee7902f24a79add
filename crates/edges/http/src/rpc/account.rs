//! Sending a deploy.

use girrona_api::{
    ErrorCode, RpcError,
    methods::account::{PutDeployParams, PutDeployResult},
};

use crate::{Backend, PutError};

pub(super) async fn put_deploy(
    backend: &dyn Backend,
    params: PutDeployParams,
) -> Result<PutDeployResult, RpcError> {
    let deploy = params.deploy.0;
    let deploy_hash = *deploy.hash();
    backend.put_deploy(deploy).await.map_err(|error| match error {
        PutError::Invalid(text) => RpcError::new(ErrorCode::InvalidDeploy, text),
        PutError::Busy => RpcError::new(
            ErrorCode::InternalError,
            "the node is busy: too many deploys wait to be judged; send it again in a second",
        ),
        PutError::Internal(fault) => RpcError::new(ErrorCode::InternalError, fault.0),
    })?;
    Ok(PutDeployResult { api_version: backend.api_version(), deploy_hash })
}
