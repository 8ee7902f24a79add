//! Executing a deploy of a stored block again, behind those before it in the block, to tell where
//! its motes went and what to do about its failure.

use std::time::Instant;

use casper_types::{Deploy, DeployHash, Digest, execution::ExecutionResultV1};
use girrona_api::methods::girrona::{DeployBill, DeployExplanation, GasUse};
use girrona_chain::disk::StoredBlock;
use girrona_exec::{Bill, BlockContext, CodeSource, Explained, Signed};
use girrona_http::{Fault, SpeculateError};
use girrona_state::Reader;
use girrona_store::StoreReader;
use girrona_types::{Chainspec, Height};

use super::Until;
use crate::backend::fault;

/// Explains a deploy; `None` when it is in no block that is stored here.
pub(super) fn explain(
    law: &Chainspec,
    store: &StoreReader,
    code: &mut dyn CodeSource,
    hash: &DeployHash,
    until: Instant,
) -> Result<Option<DeployExplanation>, SpeculateError> {
    let stored = store.deploy(hash).map_err(fault)?;
    let Some(execution) = stored.and_then(|stored| stored.execution) else { return Ok(None) };
    let Some(block) = store.block(execution.height).map_err(fault)? else { return Ok(None) };
    let before = execution.height.previous().ok_or(SpeculateError::NoState)?;
    let state = store.state_at(before).ok_or(SpeculateError::NoState)?;
    let state = Until { state, until };
    let before = store.block(before).map_err(fault)?.ok_or(SpeculateError::NoState)?;
    let root = *before.block.state_root_hash();
    let mut deploys = Vec::new();
    for listed in block.proposal.iter().flat_map(|proposal| proposal.all_deploys()) {
        let body = store.body(&listed.hash).map_err(fault)?;
        deploys.push(body.ok_or_else(|| Fault(format!("deploy {} is missing", listed.hash)))?);
        if listed.hash == *hash {
            break;
        }
    }
    let explained = again(law, (&state, root), code, &block, &deploys)?;
    let (cost, error_message) = seen(&explained.result);
    if (cost, &error_message) != (seen(&execution.result).0, &seen(&execution.result).1) {
        let text = format!("executed again, deploy {hash} ends otherwise than in its block");
        return Err(Fault(text).into());
    }
    Ok(Some(DeployExplanation {
        deploy_hash: *hash,
        block_hash: execution.block,
        block_height: execution.height.0,
        error_message,
        advice: explained.advice,
        bill: shown(&explained.bill),
    }))
}

/// The last of these deploys, executed after the others, on the state that has this root.
pub(super) fn again(
    law: &Chainspec,
    (state, state_root): (&dyn Reader, Digest),
    code: &mut dyn CodeSource,
    block: &StoredBlock,
    deploys: &[Deploy],
) -> Result<Explained, SpeculateError> {
    let header = &block.block;
    let context = BlockContext {
        law,
        height: Height(header.height()),
        time: header.timestamp(),
        parent: *header.parent_hash(),
        state_root,
        proposer: header.proposer(),
        era_end: None,
    };
    let approvals = block.proposal.iter().flat_map(|proposal| proposal.all_deploys());
    let signed = deploys
        .iter()
        .zip(approvals)
        .map(|(deploy, listed)| Signed::new(deploy, &listed.approvals));
    let explained = girrona_exec::explain(&context, signed, state, code);
    let explained = explained.map_err(|error| SpeculateError::Internal(fault(error)))?;
    explained.ok_or_else(|| Fault("the block does not list the deploy".to_owned()).into())
}

fn seen(result: &ExecutionResultV1) -> (casper_types::U512, Option<String>) {
    match result {
        ExecutionResultV1::Success { cost, .. } => (*cost, None),
        ExecutionResultV1::Failure { cost, error_message, .. } => {
            (*cost, Some(error_message.clone()))
        }
    }
}

/// The bill as the door shows it.
fn shown(bill: &Bill) -> DeployBill {
    let gas = |used: &girrona_exec::GasUse, limit| GasUse {
        limit,
        used: used.total,
        instructions: used.instructions(),
        host_functions: used.host,
        storage: used.storage,
    };
    DeployBill {
        gas_price: bill.gas_price,
        offered: bill.offered,
        used: bill.used(),
        penalty: bill.penalty,
        fee: bill.fee,
        refund: bill.refund,
        needed: bill.needed,
        payment: gas(&bill.payment, bill.payment_limit),
        session: gas(&bill.session, bill.session_limit),
    }
}
