//! Girrona: what its chain does between a decision and the next height, on its own store.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use casper_types::{
    Approval, BlockHash, BlockV1, Deploy, DeployHash, DeployHeader, Digest, EraId,
    ExecutableDeployItem, Key, PublicKey, RuntimeArgs, Signature, StoredValue, TimeDiff, Timestamp,
    U512, bytesrepr::ToBytes, execution::ExecutionResultV1,
};
use girrona_chain::{
    Disk as _,
    disk::{Commit, ExecutedDeploy, Phase, Phases},
};
use girrona_engine::{Metrics, Tiers};
use girrona_exec::{BlockContext, BlockOutcome, CodeSource, Signed, execute_block, genesis};
use girrona_state::Reader as _;
use girrona_store::{Options, Store};
use girrona_types::{
    Chainspec, CommitCertificate, Event, Height, Proposal, Round, SignedDeploy,
    chainspec::{GenesisAccount, GenesisValidator},
};

use crate::{
    acts::{Cast, Stored},
    clock::{Span, timed},
    plan::{AMOUNT, Act, BALANCE, BLOCK_TIME, PAYMENT, Plan, Played, STAKE, What},
};

/// What turns modules into code that runs, and keeps it: what a node has.
fn code() -> impl CodeSource {
    Tiers::new(true, Metrics::default())
}

/// Executes and commits every block, on a thread of the kind that a node's chain has.
pub(crate) fn play(plan: &Plan, dir: &Path) -> Result<Played> {
    let (plan, dir) = (plan.clone(), dir.to_owned());
    let thread = girrona_engine::spawn("chain", move || play_here(&plan, &dir))?;
    thread.join().map_err(|_| anyhow!("the chain's thread panicked"))?
}

fn play_here(plan: &Plan, dir: &Path) -> Result<Played> {
    let cast = Cast::of(plan)?;
    let law = law(&cast.keys);
    let mut code = code();
    let mut store = Store::open(dir, &Options::default()).context("open a store")?;
    let first = genesis(&law).context("make genesis")?;
    let root = store.root_after(&first.changes)?;
    let proposal = proposal(&law, 0, BlockHash::default(), &[]);
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
    let mut gas = 0;
    for (number, acts) in plan.blocks.iter().enumerate() {
        let deploys = acts.iter().map(|act| Ok(Arc::new(deploy(&cast, &store, act)?)));
        let deploys = deploys.collect::<Result<Vec<_>>>()?;
        let decided = decide(&law, &mut store, number as u64 + 1, parent, &deploys)?;

        let (outcome, executing) =
            timed(|| execute_decided(&law, &decided, &deploys, &store, &mut code));
        let outcome = outcome?;
        let used = check(acts, &outcome)?;
        let (rooted, rooting) = timed(|| store.root_after(&outcome.changes));
        let rooted = rooted?;
        let (committed, committing) =
            timed(|| commit_decided(&law, &mut store, decided, outcome, rooted));
        parent = committed?;
        if number >= plan.untimed {
            execute += executing;
            root += rooting;
            commit += committing;
            gas += used;
        }
    }
    let reads = |key: &Key| read(&store, key);
    let ends = plan.looks.iter().map(|look| cast.look(&reads, look)).collect::<Result<_>>()?;
    let steps = [("execute", execute), ("root", root), ("commit", commit)];
    let steps = steps.map(|(name, span)| (name.to_owned(), span)).into();
    Ok(Played { steps, ends, gas })
}

/// All deploys of a block succeeded; returns what gas they used.
fn check(acts: &[Act], outcome: &BlockOutcome) -> Result<u64> {
    let mut gas = 0;
    ensure!(acts.len() == outcome.results.len(), "not every deploy has a result");
    for (act, (_, result)) in acts.iter().zip(&outcome.results) {
        let ExecutionResultV1::Success { transfers, cost, .. } = result else {
            bail!("a deploy failed: {result:?}");
        };
        let is_transfer = matches!(act.what, What::Transfer { .. });
        ensure!(!is_transfer || transfers.len() == 1, "a transfer moved {}", transfers.len());
        gas += cost.as_u64();
    }
    Ok(gas)
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
    let proposal = proposal(law, height, parent, deploys);
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
    code: &mut dyn CodeSource,
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
    execute_block(&context, signed, store, code).context("execute a block")
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

/// Mainnet's rules, so that a run costs on both engines the same.
fn law(keys: &[PublicKey]) -> Chainspec {
    let account = |(number, key): (usize, &PublicKey)| GenesisAccount {
        public_key: key.clone(),
        balance: U512::from(BALANCE),
        validator: (number == 0)
            .then(|| GenesisValidator { bonded_amount: U512::from(STAKE), delegation_rate: 0 }),
    };
    let accounts = keys.iter().enumerate().map(account).collect();
    Chainspec { accounts, ..Chainspec::casper_1_5_8() }
}

fn deploy(cast: &Cast, store: &Store, act: &Act) -> Result<Deploy> {
    let bytes = |error| anyhow!("{error}");
    let from = &cast.keys[act.from];
    let session = match &act.what {
        What::Transfer { to } => {
            let mut args = RuntimeArgs::new();
            args.insert("amount", U512::from(AMOUNT)).map_err(bytes)?;
            args.insert("target", cast.accounts[*to]).map_err(bytes)?;
            args.insert("id", Some(act.id)).map_err(bytes)?;
            ExecutableDeployItem::Transfer { args }
        }
        What::Module { module, unseen, args } => ExecutableDeployItem::ModuleBytes {
            module_bytes: cast.module(*module, *unseen, act.id)?.into(),
            args: cast.args(args)?,
        },
        What::Call { name, entry, args } => ExecutableDeployItem::StoredContractByHash {
            hash: cast.contract(&|key| read(store, key), name)?.into(),
            entry_point: entry.clone(),
            args: cast.args(args)?,
        },
    };
    let payment = ExecutableDeployItem::new_standard_payment(U512::from(PAYMENT));
    let mut body = payment.to_bytes().map_err(|error| anyhow!("{error}"))?;
    body.extend(session.to_bytes().map_err(|error| anyhow!("{error}"))?);
    let header = DeployHeader::new(
        from.clone(),
        Timestamp::from(act.id),
        TimeDiff::from_seconds(3_600),
        1,
        Digest::hash(body),
        Vec::new(),
        "girrona-dev".to_owned(),
    );
    let hash = header.to_bytes().map_err(|error| anyhow!("{error}"))?;
    // Nobody checks it here, it is only as long as a real one.
    let signature = Signature::ed25519([1; 64]).map_err(|error| anyhow!("{error}"))?;
    let deploy = Deploy::new(DeployHash::new(Digest::hash(hash)), header, payment, session);
    Ok(deploy.with_approvals([Approval::new(from.clone(), signature)].into()))
}

fn proposal(law: &Chainspec, height: u64, parent: BlockHash, deploys: &[Arc<Deploy>]) -> Proposal {
    let (transfers, deploys): (Vec<_>, Vec<_>) =
        deploys.iter().partition(|deploy| deploy.session().is_transfer());
    let signed = |all: Vec<&Arc<Deploy>>| {
        all.into_iter().map(|deploy| SignedDeploy::from(deploy.as_ref())).collect()
    };
    Proposal {
        network: law.network_id(),
        height: Height(height),
        era: EraId::new(0),
        parent,
        timestamp: Timestamp::from(height * BLOCK_TIME),
        proposer: law.accounts[0].public_key.clone(),
        seed_signature: Signature::System,
        last_commit: None,
        deploys: signed(deploys),
        transfers: signed(transfers),
        evidence: Vec::new(),
    }
}

fn block(law: &Chainspec, proposal: &Proposal, root: Digest) -> BlockV1 {
    let hashes = |all: &[SignedDeploy]| all.iter().map(|deploy| deploy.hash).collect();
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
        hashes(&proposal.deploys),
        hashes(&proposal.transfers),
    )
}

fn read(store: &Store, key: &Key) -> Result<Stored> {
    match store.read(key)?.as_deref() {
        Some(StoredValue::Account(account)) => {
            Ok(Stored::Account(account.named_keys().clone().into_inner(), account.main_purse()))
        }
        Some(StoredValue::Contract(contract)) => {
            Ok(Stored::Contract(contract.named_keys().clone().into_inner()))
        }
        Some(StoredValue::CLValue(value)) => Ok(Stored::Value(value.clone())),
        Some(other) => bail!("{key} is a {}", other.type_name()),
        None => bail!("{key} is nothing"),
    }
}
