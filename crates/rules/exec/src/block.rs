//! The deploys of one block, one after the other, and the end of the era if it is its last.

use std::collections::BTreeMap;

use casper_types::{
    BlockHash, CLValue, DeployHash, Digest, Key, PublicKey, StoredValue, Timestamp, U512, URefAddr,
    execution::ExecutionResultV1,
};
use girrona_state::{BlockState, Changes, Reader};
use girrona_types::{Chainspec, Height};
use girrona_vm::Trap;

use crate::{
    advice::advice,
    auction::{self, EraOutcome, EraReport},
    bill::Bill,
    code::CodeSource,
    deploy::{self, DeployOutcome, Job},
    error::{Error, Failure},
    payment::Fees,
    signed::Signed,
    supply::recorded_supply,
    system::SYSTEM,
};

/// What execution knows about the block it is for.
#[derive(Clone, Copy, Debug)]
pub struct BlockContext<'a> {
    /// The rules.
    pub law: &'a Chainspec,
    /// The block's height.
    pub height: Height,
    /// The block's timestamp.
    pub time: Timestamp,
    /// The block before.
    pub parent: BlockHash,
    /// The root of the state after the block before.
    pub state_root: Digest,
    /// Who proposed it and gets the fees. [`PublicKey::System`] when a deploy is only tried out.
    pub proposer: &'a PublicKey,
    /// What was seen of the validators, if the block is the last of its era.
    pub era_end: Option<&'a EraReport>,
}

/// What came of a block.
#[derive(Clone, Debug)]
pub struct BlockOutcome {
    /// The result of each deploy, in order.
    pub results: Vec<(DeployHash, ExecutionResultV1)>,
    /// New values of state; `None` removes the key.
    pub changes: BTreeMap<Key, Option<StoredValue>>,
    /// `Key::Transfer` and `Key::DeployInfo` records, which are not part of the state tree.
    pub records: BTreeMap<Key, StoredValue>,
    /// Motes that are no more, already taken off the total supply.
    pub burnt: U512,
    /// What the end of the era did, if the block is the last of one.
    pub era: Option<EraOutcome>,
}

/// Executes the deploys of a block in their order on `base`, the state before it; then ends the era
/// if the block is its last.
///
/// # Errors
/// Only when the node cannot go on; a deploy that fails is a result.
pub fn execute_block<'d>(
    context: &BlockContext<'_>,
    deploys: impl IntoIterator<Item = Signed<'d>>,
    base: &dyn Reader,
    code: &mut dyn CodeSource,
) -> Result<BlockOutcome, Error> {
    let fees = fees(context, base)?;
    let mut state = BlockState::new(base);
    let mut results = Vec::new();
    let mut burnt = U512::zero();
    for signed in deploys {
        let outcome = deploy::execute(&job(context, fees, &signed), &state, code)?;
        state.apply(outcome.changes)?;
        burnt = burnt.checked_add(outcome.burnt).ok_or(Error::Supply)?;
        results.push((*signed.deploy.hash(), outcome.result));
    }
    if !burnt.is_zero() {
        let supply = recorded_supply(&state)?.checked_sub(burnt).ok_or(Error::Supply)?;
        let value = StoredValue::CLValue(CLValue::from_t(supply)?);
        let mut changes = Changes::default();
        let key = girrona_types::keys::normalised(&SYSTEM.total_supply_key());
        changes.writes.insert(key, Some(value.into()));
        state.apply(changes)?;
    }
    let mut era = None;
    if let Some(report) = context.era_end {
        let (outcome, changes) = auction::era::end(context.law, context.time, report, &state)?;
        state.apply(changes)?;
        era = Some(outcome);
    }
    let (changes, records) = state.into_parts();
    Ok(BlockOutcome { results, changes, records, burnt, era })
}

/// Executes one deploy on `base` without a block around it, to see what it would do.
///
/// # Errors
/// Only when the node cannot go on; a deploy that fails is a result.
pub fn execute_deploy(
    context: &BlockContext<'_>,
    signed: &Signed<'_>,
    base: &dyn Reader,
    code: &mut dyn CodeSource,
) -> Result<DeployOutcome, Error> {
    let fees = fees(context, base)?;
    deploy::execute(&job(context, fees, signed), base, code)
}

fn job<'j>(block: &'j BlockContext<'j>, fees: Fees<'j>, signed: &'j Signed<'j>) -> Job<'j> {
    Job { fees, block, signed, session_gas: None }
}

/// What came of a deploy, and why.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What clients see.
    pub result: ExecutionResultV1,
    /// How its cost came about.
    pub bill: Bill,
    /// What to do about its failure.
    pub advice: Option<String>,
}

/// A session that ran out of gas is tried again with so many times what it had.
const TRY_AGAIN_WITH: u64 = 20;

/// Executes the first deploys of a block again and explains the last of them. One whose session ran
/// out of gas is tried once more with more, to find out what it needs.
///
/// # Errors
/// Only when the node cannot go on.
pub fn explain<'d>(
    context: &BlockContext<'_>,
    deploys: impl IntoIterator<Item = Signed<'d>>,
    base: &dyn Reader,
    code: &mut dyn CodeSource,
) -> Result<Option<Explained>, Error> {
    let fees = fees(context, base)?;
    let mut state = BlockState::new(base);
    let mut deploys = deploys.into_iter().peekable();
    while let Some(signed) = deploys.next() {
        let once = job(context, fees, &signed);
        let outcome = deploy::execute(&once, &state, code)?;
        if deploys.peek().is_some() {
            state.apply(outcome.changes)?;
            continue;
        }
        let DeployOutcome { result, mut bill, failure, .. } = outcome;
        let in_session = !bill.session_limit.is_zero();
        if matches!(&failure, Some(Failure::Trap(Trap::OutOfGas))) && in_session {
            let most = bill.session_limit.saturating_mul(U512::from(TRY_AGAIN_WITH));
            let most = most.min(U512::from(context.law.deploys.block_gas_limit));
            let again = Job { session_gas: Some(most), ..once };
            let again = deploy::execute(&again, &state, code)?;
            if !matches!(&again.failure, Some(Failure::Trap(Trap::OutOfGas))) {
                bill.needed = Some(again.bill.used());
            }
        }
        let advice = failure.map(|failure| advice(&failure, &bill));
        return Ok(Some(Explained { result, bill, advice }));
    }
    Ok(None)
}

fn fees<'l>(context: &BlockContext<'l>, base: &dyn Reader) -> Result<Fees<'l>, Error> {
    let key = Key::Account(context.proposer.to_account_hash());
    let account = base.read(&key)?;
    let proposer_purse: URefAddr = match account.as_deref() {
        Some(StoredValue::Account(account)) => account.main_purse().addr(),
        _ => return Err(Error::Proposer(Box::new(context.proposer.clone()))),
    };
    Ok(Fees { law: context.law, proposer_purse })
}
