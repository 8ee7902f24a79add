//! What Casper cannot be asked.

use girrona_api::{
    ErrorCode, RpcError,
    methods::girrona::{DeployStatusParams, DeployStatusResult},
};

use super::chain::internal;
use crate::Backend;

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
