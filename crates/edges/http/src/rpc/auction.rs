//! Reading who validates, with which stake, and what an era paid.

use casper_types::{BlockHeaderV1, StoredValue};
use girrona_api::{
    RpcError,
    methods::{
        auction::{
            AuctionState, EraSummary, GetAuctionInfoResult, GetEraInfoResult, GetEraSummaryResult,
        },
        chain::BlockParams,
    },
};

use super::{
    chain::{self, internal},
    state::{NO_PROOF, no_state},
};
use crate::Backend;

pub(super) fn era_info(
    backend: &dyn Backend,
    params: BlockParams,
) -> Result<GetEraInfoResult, RpcError> {
    let block = chain::find(backend, params.block_identifier, |id| backend.block_header(id))?;
    let era_summary = match block.era_end() {
        Some(_) => Some(summary(backend, &block)?),
        None => None,
    };
    Ok(GetEraInfoResult { api_version: backend.api_version(), era_summary })
}

pub(super) fn era_summary(
    backend: &dyn Backend,
    params: BlockParams,
) -> Result<GetEraSummaryResult, RpcError> {
    let block = chain::find(backend, params.block_identifier, |id| backend.block_header(id))?;
    let era_summary = summary(backend, &block)?;
    Ok(GetEraSummaryResult { api_version: backend.api_version(), era_summary })
}

fn summary(backend: &dyn Backend, block: &BlockHeaderV1) -> Result<EraSummary, RpcError> {
    let root = *block.state_root_hash();
    let info = backend.era_info(block).map_err(internal)?;
    let info = info.ok_or_else(|| no_state(backend, root))?;
    Ok(EraSummary {
        block_hash: block.block_hash(),
        era_id: block.era_id(),
        stored_value: StoredValue::EraInfo(info).into(),
        state_root_hash: root,
        merkle_proof: NO_PROOF,
    })
}

pub(super) fn auction_info(
    backend: &dyn Backend,
    params: BlockParams,
) -> Result<GetAuctionInfoResult, RpcError> {
    let block = chain::find(backend, params.block_identifier, |id| backend.block_header(id))?;
    let root = *block.state_root_hash();
    let bids = backend.bids(&block).map_err(internal)?;
    let bids = bids.ok_or_else(|| no_state(backend, root))?;
    let auction_state = AuctionState {
        state_root_hash: root,
        block_height: block.height(),
        era_validators: backend.era_validators(&block).map_err(internal)?,
        bids: bids.iter().map(Into::into).collect(),
    };
    Ok(GetAuctionInfoResult { api_version: backend.api_version(), auction_state })
}
