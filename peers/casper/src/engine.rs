//! casper-execution-engine 7.0.3 on LMDB, as casper-node 1.5.8 drives it: deploys one by one on a
//! scratch state, which is written to the trie once per block, and one sync per block.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use casper_engine_test_support::{LmdbWasmTestBuilder, utils::create_run_genesis_request};
use casper_execution_engine::{
    core::engine_state::{
        DeployItem, EngineState, ExecutableDeployItem, ExecuteRequest, ExecutionResult,
        GenesisAccount, genesis::GenesisValidator,
    },
    shared::newtypes::CorrelationId,
    storage::global_state::{
        StateProvider as _, StateReader as _, lmdb::LmdbGlobalState, scratch::ScratchGlobalState,
    },
};
use casper_hashing::Digest;
use casper_types::{
    DeployHash, Key, Motes, ProtocolVersion, PublicKey, RuntimeArgs, StoredValue, U512,
    bytesrepr::Bytes,
};

use crate::{
    acts::{Cast, Stored},
    clock::{Span, timed},
    plan::{AMOUNT, Act, BALANCE, BLOCK_TIME, PAYMENT, Plan, Played, STAKE, What},
};

/// Executes and commits every block.
pub(crate) fn play(plan: &Plan, dir: &Path) -> Result<Played> {
    let cast = Cast::of(plan)?;
    let mut builder = LmdbWasmTestBuilder::new_with_config(dir, Default::default());
    builder.run_genesis(&create_run_genesis_request(genesis(&cast.keys)));
    builder.flush_environment();
    let mut root = builder.get_post_state_hash();
    let engine = builder.get_engine_state();

    let (mut execute, mut write, mut sync) = (Span::default(), Span::default(), Span::default());
    let mut gas = 0;
    for (number, block) in plan.blocks.iter().enumerate() {
        let time = BLOCK_TIME * number as u64;
        let items = block.iter().map(|act| item(&cast, engine, root, act));
        let items = items.collect::<Result<_>>()?;

        let scratch = engine.get_scratch_engine_state();
        let (done, executing) = timed(|| execute_all(&scratch, items, root, time, &cast.keys[0]));
        let used = done?;
        let (written, writing) = timed(|| engine.write_scratch_to_db(root, scratch.into_inner()));
        root = written.map_err(|error| anyhow!("{error}")).context("write the scratch state")?;
        let (synced, syncing) = timed(|| engine.flush_environment());
        synced.map_err(|error| anyhow!("{error}")).context("sync the state")?;
        if number >= plan.untimed {
            execute += executing;
            write += writing;
            sync += syncing;
            gas += used;
        }
    }
    let reads = |key: &Key| read(engine, root, key);
    let ends = plan.looks.iter().map(|look| cast.look(&reads, look)).collect::<Result<_>>()?;
    let steps = [("execute", execute), ("write the scratch state", write), ("sync", sync)];
    let steps = steps.map(|(name, span)| (name.to_owned(), span)).into();
    Ok(Played { steps, ends, gas })
}

/// Executes the deploys of a block; returns what gas they used.
fn execute_all(
    scratch: &EngineState<ScratchGlobalState>,
    items: Vec<DeployItem>,
    root: Digest,
    time: u64,
    proposer: &PublicKey,
) -> Result<u64> {
    let mut gas = 0;
    for item in items {
        let version = ProtocolVersion::V1_0_0;
        let is_transfer = matches!(item.session, ExecutableDeployItem::Transfer { .. });
        let request = ExecuteRequest::new(root, time, vec![item], version, proposer.clone());
        let results = scratch.run_execute(CorrelationId::new(), request);
        for result in results.map_err(|error| anyhow!("{error}")).context("execute a deploy")? {
            let ExecutionResult::Success { execution_journal, transfers, cost } = result else {
                return Err(anyhow!("a deploy failed: {result:?}"));
            };
            ensure!(!is_transfer || transfers.len() == 1, "a transfer moved {}", transfers.len());
            gas += cost.value().as_u64();
            scratch
                .apply_effect(CorrelationId::new(), root, execution_journal.into())
                .map_err(|error| anyhow!("{error}"))
                .context("apply a deploy")?;
        }
    }
    Ok(gas)
}

fn genesis(keys: &[PublicKey]) -> Vec<GenesisAccount> {
    let account = |(number, key): (usize, &PublicKey)| {
        let validator =
            (number == 0).then(|| GenesisValidator::new(Motes::new(U512::from(STAKE)), 0));
        GenesisAccount::account(key.clone(), Motes::new(U512::from(BALANCE)), validator)
    };
    keys.iter().enumerate().map(account).collect()
}

fn item(
    cast: &Cast,
    engine: &EngineState<LmdbGlobalState>,
    root: Digest,
    act: &Act,
) -> Result<DeployItem> {
    let insert = |error| anyhow!("{error}");
    let from = cast.accounts[act.from];
    let session = match &act.what {
        What::Transfer { to } => {
            let mut args = RuntimeArgs::new();
            args.insert("amount", U512::from(AMOUNT)).map_err(insert)?;
            args.insert("target", cast.accounts[*to]).map_err(insert)?;
            args.insert("id", Some(act.id)).map_err(insert)?;
            ExecutableDeployItem::Transfer { args }
        }
        What::Module { module, unseen, args } => ExecutableDeployItem::ModuleBytes {
            module_bytes: Bytes::from(cast.module(*module, *unseen, act.id)?),
            args: cast.args(args)?,
        },
        What::Call { name, entry, args } => ExecutableDeployItem::StoredContractByHash {
            hash: cast.contract(&|key| read(engine, root, key), name)?.into(),
            entry_point: entry.clone(),
            args: cast.args(args)?,
        },
    };
    let mut args = RuntimeArgs::new();
    args.insert("amount", U512::from(PAYMENT)).map_err(insert)?;
    let payment = ExecutableDeployItem::ModuleBytes { module_bytes: Bytes::new(), args };
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&act.id.to_le_bytes());
    Ok(DeployItem::new(from, session, payment, 1, [from].into(), DeployHash::new(hash)))
}

fn read(engine: &EngineState<LmdbGlobalState>, root: Digest, key: &Key) -> Result<Stored> {
    let state = engine.get_state().checkout(root);
    let state = state.map_err(|error| anyhow!("{error}"))?.context("the root is not there")?;
    let value = state.read(CorrelationId::new(), &key.normalize());
    match value.map_err(|error| anyhow!("{error}"))? {
        Some(StoredValue::Account(account)) => {
            Ok(Stored::Account(account.named_keys().clone(), account.main_purse()))
        }
        Some(StoredValue::Contract(contract)) => {
            Ok(Stored::Contract(contract.named_keys().clone()))
        }
        Some(StoredValue::CLValue(value)) => Ok(Stored::Value(value)),
        Some(other) => bail!("{key} is a {}", other.type_name()),
        None => bail!("{key} is nothing"),
    }
}
