//! Girrona: what its chain does between a decision and the next height, on its own store.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result, anyhow, ensure};
use casper_types::{
    BlockHash, BlockV1, Deploy, Digest, EraId, Key, PublicKey, Signature, StoredValue, Timestamp,
    U512, execution::ExecutionResultV1,
};
use girrona_chain::{
    Disk as _,
    disk::{Commit, ExecutedDeploy, Phase, Phases},
};
use girrona_exec::{BlockContext, BlockOutcome, Signed, Uncached, execute_block, genesis};
use girrona_state::Reader as _;
use girrona_store::{Options, Store};
use girrona_types::{
    Chainspec, CommitCertificate, Event, Height, Proposal, Round, SignedDeploy,
    chainspec::{GenesisAccount, GenesisValidator},
};

use crate::{
    clock::{Span, timed},
    plan::{BALANCE, BLOCK_TIME, Played, STAKE},
    workload::Workload,
};

/// Executes and commits every block; the first is not timed.
pub(crate) fn play(workload: &Workload, dir: &Path) -> Result<Played> {
    let law = law(&workload.keys);
    let mut store = Store::open(dir, &Options::default()).context("open a store")?;
    let first = genesis(&law).context("make genesis")?;
    let root = store.root_after(&first.changes)?;
    let proposal = proposal(&law, 0, BlockHash::default(), Vec::new());
    let block = block(&law, &proposal, root);
    let mut parent = *block.hash();
    store.commit(Commit {
        events: vec![Event::BlockAdded(parent)],
        block,
        proposal: None,
        certificate: None,
        deploys: Vec::new(),
        changes: first.changes,
        records: Default::default(),
    })?;

    let (mut execute, mut root, mut commit) = (Span::default(), Span::default(), Span::default());
    for (number, block) in workload.deploys.iter().enumerate() {
        let deploys: Vec<Arc<Deploy>> = block.iter().cloned().map(Arc::new).collect();
        let decided = decide(&law, &mut store, number as u64 + 1, parent, &deploys)?;

        let (outcome, executing) = timed(|| execute_decided(&law, &decided, &deploys, &store));
        let outcome = outcome?;
        let (rooted, rooting) = timed(|| store.root_after(&outcome.changes));
        let rooted = rooted?;
        let (committed, committing) =
            timed(|| commit_decided(&law, &mut store, decided, outcome, rooted));
        parent = committed?;
        if number > 0 {
            execute += executing;
            root += rooting;
            commit += committing;
        }
    }
    let balances = workload.keys.iter().map(|key| balance(&store, key)).collect::<Result<_>>()?;
    let steps = [("execute", execute), ("root", root), ("commit", commit)];
    let steps = steps.map(|(name, span)| (name.to_owned(), span)).into();
    Ok(Played { steps, balances })
}

/// A decided proposal.
struct Decided {
    proposal: Proposal,
    certificate: CommitCertificate,
    phases: Vec<Phases>,
}

/// What was done before a decision: the deploys were accepted, the proposal was kept.
fn decide(
    law: &Chainspec,
    store: &mut Store,
    height: u64,
    parent: BlockHash,
    deploys: &[Arc<Deploy>],
) -> Result<Decided> {
    for some in deploys.chunks(100) {
        store.accept(some, Timestamp::from(height * BLOCK_TIME))?;
    }
    let transfers = deploys.iter().map(|deploy| SignedDeploy::from(deploy.as_ref())).collect();
    let proposal = proposal(law, height, parent, transfers);
    let hash = proposal.hash();
    store.put_proposal(&hash, &proposal)?;
    store.flush()?;
    let vote = |account: &GenesisAccount| {
        let signature = Signature::ed25519([2; 64]).map_err(|error| anyhow!("{error}"))?;
        Ok((account.public_key.clone(), signature))
    };
    let certificate = CommitCertificate {
        height: Height(height),
        round: Round(0),
        proposal: hash,
        signatures: law.accounts.iter().take(3).map(vote).collect::<Result<_>>()?,
    };
    let phases = [
        Phase::Received,
        Phase::Gossiped,
        Phase::Proposed,
        Phase::BlockGossiped,
        Phase::ConsensusReached,
        Phase::Executed,
    ];
    let phases = Phases { at: phases.map(|phase| (phase, height * BLOCK_TIME)).into() };
    Ok(Decided { proposal, certificate, phases: vec![phases; deploys.len()] })
}

fn execute_decided(
    law: &Chainspec,
    decided: &Decided,
    deploys: &[Arc<Deploy>],
    store: &Store,
) -> Result<BlockOutcome> {
    let proposal = &decided.proposal;
    let context = BlockContext {
        law,
        height: proposal.height,
        time: proposal.timestamp,
        parent: proposal.parent,
        // No workload looks at it.
        state_root: Digest::default(),
        proposer: &proposal.proposer,
        era_end: None,
    };
    let signed = deploys
        .iter()
        .zip(proposal.all_deploys())
        .map(|(deploy, signed)| Signed::new(deploy, &signed.approvals));
    execute_block(&context, signed, store, &mut Uncached).context("execute a block")
}

fn commit_decided(
    law: &Chainspec,
    store: &mut Store,
    decided: Decided,
    outcome: BlockOutcome,
    root: Digest,
) -> Result<BlockHash> {
    let Decided { proposal, certificate, phases } = decided;
    let block = block(law, &proposal, root);
    let hash = *block.hash();
    let mut events = vec![Event::BlockAdded(hash)];
    events.extend(proposal.all_deploys().map(|deploy| Event::DeployProcessed(deploy.hash)));
    let mut deploys = Vec::with_capacity(outcome.results.len());
    let results = proposal.all_deploys().zip(phases).zip(outcome.results);
    for ((signed, phases), (hash, result)) in results {
        ensure!(
            matches!(&result, ExecutionResultV1::Success { transfers, .. } if transfers.len() == 1),
            "a transfer failed: {result:?}"
        );
        deploys.push(ExecutedDeploy { hash, approvals: signed.approvals.clone(), result, phases });
    }
    store.commit(Commit {
        block,
        proposal: Some(proposal),
        certificate: Some(certificate),
        deploys,
        changes: outcome.changes,
        records: outcome.records,
        events,
    })?;
    Ok(hash)
}

fn law(keys: &[PublicKey]) -> Chainspec {
    let account = |(number, key): (usize, &PublicKey)| GenesisAccount {
        public_key: key.clone(),
        balance: U512::from(BALANCE),
        validator: (number == 0)
            .then(|| GenesisValidator { bonded_amount: U512::from(STAKE), delegation_rate: 0 }),
    };
    Chainspec { accounts: keys.iter().enumerate().map(account).collect(), ..Chainspec::default() }
}

fn proposal(
    law: &Chainspec,
    height: u64,
    parent: BlockHash,
    transfers: Vec<SignedDeploy>,
) -> Proposal {
    Proposal {
        network: law.network_id(),
        height: Height(height),
        era: EraId::new(0),
        parent,
        timestamp: Timestamp::from(height * BLOCK_TIME),
        proposer: law.accounts[0].public_key.clone(),
        seed_signature: Signature::System,
        last_commit: None,
        deploys: Vec::new(),
        transfers,
        evidence: Vec::new(),
    }
}

fn block(law: &Chainspec, proposal: &Proposal, root: Digest) -> BlockV1 {
    BlockV1::new(
        proposal.parent,
        Digest::default(),
        root,
        proposal.random_bit(),
        None,
        proposal.timestamp,
        proposal.era,
        proposal.height.0,
        law.protocol.version,
        proposal.proposer.clone(),
        Vec::new(),
        proposal.transfers.iter().map(|transfer| transfer.hash).collect(),
    )
}

fn balance(store: &Store, key: &PublicKey) -> Result<String> {
    let account = store.read(&Key::Account(key.to_account_hash()))?;
    let Some(StoredValue::Account(account)) = account.as_deref() else {
        return Err(anyhow!("account {key} is gone"));
    };
    let balance = store.read(&Key::Balance(account.main_purse().addr()))?;
    let Some(StoredValue::CLValue(balance)) = balance.as_deref() else {
        return Err(anyhow!("the balance of {key} is gone"));
    };
    let motes: U512 = balance.to_t().map_err(|error| anyhow!("{error}"))?;
    Ok(motes.to_string())
}
