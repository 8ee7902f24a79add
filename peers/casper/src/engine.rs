//! casper-execution-engine 7.0.3 on LMDB, as casper-node 1.5.8 drives it: deploys one by one on a
//! scratch state, which is written to the trie once per block, and one sync per block.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use casper_engine_test_support::{LmdbWasmTestBuilder, utils::create_run_genesis_request};
use casper_execution_engine::{
    core::engine_state::{
        BalanceResult, DeployItem, EngineState, ExecutableDeployItem, ExecuteRequest,
        ExecutionResult, GenesisAccount, genesis::GenesisValidator,
    },
    shared::newtypes::CorrelationId,
    storage::global_state::scratch::ScratchGlobalState,
};
use casper_hashing::Digest;
use casper_types::{
    DeployHash, Motes, ProtocolVersion, PublicKey, RuntimeArgs, SecretKey, U512,
    account::AccountHash,
};

use crate::{
    clock::{Span, timed},
    plan::{AMOUNT, BALANCE, BLOCK_TIME, Plan, Played, STAKE, Transfer},
};

/// Executes and commits every block; the first is not timed.
pub(crate) fn play(plan: &Plan, dir: &Path) -> Result<Played> {
    let keys = keys(plan)?;
    let accounts: Vec<AccountHash> = keys.iter().map(PublicKey::to_account_hash).collect();
    let mut builder = LmdbWasmTestBuilder::new_with_config(dir, Default::default());
    builder.run_genesis(&create_run_genesis_request(genesis(&keys)));
    builder.flush_environment();
    let mut root = builder.get_post_state_hash();
    let engine = builder.get_engine_state();

    let (mut execute, mut write, mut sync) = (Span::default(), Span::default(), Span::default());
    for (number, block) in plan.blocks.iter().enumerate() {
        let time = BLOCK_TIME * number as u64;
        let items = block.iter().map(|transfer| item(&accounts, transfer));
        let items = items.collect::<Result<_>>()?;

        let scratch = engine.get_scratch_engine_state();
        let (done, executing) = timed(|| execute_all(&scratch, items, root, time, &keys[0]));
        done?;
        let (written, writing) = timed(|| engine.write_scratch_to_db(root, scratch.into_inner()));
        root = written.map_err(|error| anyhow!("{error}")).context("write the scratch state")?;
        let (synced, syncing) = timed(|| engine.flush_environment());
        synced.map_err(|error| anyhow!("{error}")).context("sync the state")?;
        if number > 0 {
            execute += executing;
            write += writing;
            sync += syncing;
        }
    }
    let balance = |key: &PublicKey| {
        let balance = engine.get_balance(CorrelationId::new(), root, key.clone());
        match balance.map_err(|error| anyhow!("{error}")).context("read a balance")? {
            BalanceResult::Success { motes, .. } => Ok(motes.to_string()),
            BalanceResult::RootNotFound => Err(anyhow!("the last root is not there")),
        }
    };
    let balances = keys.iter().map(balance).collect::<Result<_>>()?;
    let steps = [("execute", execute), ("write the scratch state", write), ("sync", sync)];
    let steps = steps.map(|(name, span)| (name.to_owned(), span)).into();
    Ok(Played { steps, balances })
}

fn execute_all(
    scratch: &EngineState<ScratchGlobalState>,
    items: Vec<DeployItem>,
    root: Digest,
    time: u64,
    proposer: &PublicKey,
) -> Result<()> {
    for item in items {
        let version = ProtocolVersion::V1_0_0;
        let request = ExecuteRequest::new(root, time, vec![item], version, proposer.clone());
        let results = scratch.run_execute(CorrelationId::new(), request);
        for result in results.map_err(|error| anyhow!("{error}")).context("execute a transfer")? {
            let ExecutionResult::Success { execution_journal, transfers, .. } = result else {
                return Err(anyhow!("a transfer failed: {result:?}"));
            };
            ensure!(transfers.len() == 1, "a deploy made {} transfers", transfers.len());
            scratch
                .apply_effect(CorrelationId::new(), root, execution_journal.into())
                .map_err(|error| anyhow!("{error}"))
                .context("apply a transfer")?;
        }
    }
    Ok(())
}

fn keys(plan: &Plan) -> Result<Vec<PublicKey>> {
    let key = |seed| {
        let secret = SecretKey::ed25519_from_bytes(seed).map_err(|error| anyhow!("{error}"))?;
        Ok(PublicKey::from(&secret))
    };
    plan.seeds.iter().map(key).collect()
}

fn genesis(keys: &[PublicKey]) -> Vec<GenesisAccount> {
    let account = |(number, key): (usize, &PublicKey)| {
        let validator =
            (number == 0).then(|| GenesisValidator::new(Motes::new(U512::from(STAKE)), 0));
        GenesisAccount::account(key.clone(), Motes::new(U512::from(BALANCE)), validator)
    };
    keys.iter().enumerate().map(account).collect()
}

fn item(accounts: &[AccountHash], transfer: &Transfer) -> Result<DeployItem> {
    let mut args = RuntimeArgs::new();
    let insert = |error| anyhow!("{error}");
    args.insert("amount", U512::from(AMOUNT)).map_err(insert)?;
    args.insert("target", accounts[transfer.to]).map_err(insert)?;
    args.insert("id", Some(transfer.id)).map_err(insert)?;
    let from = accounts[transfer.from];
    Ok(DeployItem::new(
        from,
        ExecutableDeployItem::Transfer { args },
        ExecutableDeployItem::ModuleBytes {
            module_bytes: Vec::new().into(),
            args: RuntimeArgs::new(),
        },
        1,
        [from].into(),
        DeployHash::new(transfer.deploy),
    ))
}
