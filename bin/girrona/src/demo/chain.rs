//! What the story reads from the chain, from every node separately.

use std::{future::Future, time::Duration};

use anyhow::{Context, Result, bail};
use casper_types::{
    BlockHash, DeployHash, Digest, Key, PublicKey, StoredValue, U512, execution::ExecutionResultV1,
};
use futures::{StreamExt, future::try_join_all};
use girrona_api::{
    BlockIdentifier, Client, ClientError, EventStreamPath, Frame, GlobalStateIdentifier, JsonBlock,
    PurseIdentifier, events, json_compat_15,
};
use girrona_types::FinalitySignature;

use crate::{ask::explained, journey::Witness};

/// Asks every node the same.
async fn from_each<'a, T, F>(
    witnesses: &'a [Witness],
    ask: impl Fn(&'a Client) -> F,
) -> Result<Vec<T>>
where
    F: Future<Output = Result<T, ClientError>> + 'a,
{
    try_join_all(witnesses.iter().map(|witness| ask(&witness.client))).await.map_err(explained)
}

/// What every node says, if all say the same.
pub(crate) fn agreed<T: PartialEq>(answers: Vec<T>) -> Option<T> {
    let mut answers = answers.into_iter();
    let first = answers.next()?;
    answers.all(|other| other == first).then_some(first)
}

/// The balance of an account after a block, as each node says.
pub(crate) async fn balances(
    witnesses: &[Witness],
    account: &PublicKey,
    height: u64,
) -> Result<Vec<U512>> {
    from_each(witnesses, |client| {
        let state = GlobalStateIdentifier::BlockHeight(height);
        let purse = PurseIdentifier::MainPurseUnderPublicKey(account.clone());
        client.query_balance(Some(state), purse)
    })
    .await
}

/// The text under a named key of an account after a block, as each node says.
pub(crate) async fn named_texts(
    witnesses: &[Witness],
    account: &PublicKey,
    name: &str,
    height: u64,
) -> Result<Vec<Option<String>>> {
    let key = json_compat_15::format_key(&Key::Account(account.to_account_hash()));
    let answers = from_each(witnesses, |client| {
        let state = GlobalStateIdentifier::BlockHeight(height);
        client.query_global_state(Some(state), key.clone(), vec![name.to_owned()])
    })
    .await?;
    Ok(answers
        .into_iter()
        .map(|answer| match answer.stored_value.0 {
            StoredValue::CLValue(value) => value.into_t::<String>().ok(),
            _ => None,
        })
        .collect())
}

/// What executing a deploy came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The block.
    pub(crate) block: BlockHash,
    /// What it cost its sender, in motes at gas price 1.
    pub(crate) cost: U512,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
}

/// What executing a deploy came to, as each node says.
pub(crate) async fn outcomes(witnesses: &[Witness], hash: DeployHash) -> Result<Vec<Outcome>> {
    let found = from_each(witnesses, |client| client.get_deploy(hash)).await?;
    found
        .into_iter()
        .map(|found| {
            let entry = found.execution_results.into_iter().next();
            let entry = entry.context("a node calls the deploy executed but shows no result")?;
            let (cost, error) = match entry.result.0 {
                ExecutionResultV1::Success { cost, .. } => (cost, None),
                ExecutionResultV1::Failure { cost, error_message, .. } => {
                    (cost, Some(error_message))
                }
            };
            Ok(Outcome { block: entry.block_hash, cost, error })
        })
        .collect()
}

/// The height of the newest block that every node has.
pub(crate) async fn common_height(witnesses: &[Witness]) -> Result<u64> {
    let answers = from_each(witnesses, Client::status).await?;
    let heights = answers
        .into_iter()
        .map(|status| status.last_added_block_info.map_or(0, |block| block.height));
    heights.min().context("there is no node")
}

/// The block at a height, as each node says.
pub(crate) async fn blocks(witnesses: &[Witness], height: u64) -> Result<Vec<JsonBlock>> {
    let answers =
        from_each(witnesses, |client| client.block(Some(BlockIdentifier::Height(height)))).await?;
    answers
        .into_iter()
        .map(|answer| answer.block.with_context(|| format!("a node has no block {height}")))
        .collect()
}

/// Hash and state root of the block at a height, as each node says.
pub(crate) async fn block_ids(
    witnesses: &[Witness],
    height: u64,
) -> Result<Vec<(BlockHash, Digest)>> {
    let blocks = blocks(witnesses, height).await?;
    Ok(blocks.iter().map(|block| (block.hash, *block.header.state_root_hash())).collect())
}

/// How many validators signed a block, counting only signatures that are valid.
pub(crate) fn valid_signatures(block: &JsonBlock) -> usize {
    let era = block.header.era_id();
    block
        .proofs
        .iter()
        .filter(|proof| {
            let signed = FinalitySignature {
                block: block.hash,
                era,
                public_key: proof.public_key.clone(),
                signature: proof.signature,
            };
            signed.is_valid()
        })
        .count()
}

/// Listens to one node until it says that a deploy expired; `false` if it does not in time.
pub(crate) async fn hears_expiry(
    events_url: String,
    deploy: DeployHash,
    within: Duration,
) -> Result<bool> {
    let mut stream = events(&events_url, EventStreamPath::Main, Some(0));
    let heard = async {
        while let Some(item) = stream.next().await {
            match item {
                Ok((_, Frame::DeployExpired { deploy_hash })) if deploy_hash == deploy => {
                    return Ok(true);
                }
                Ok(_) => {}
                Err(error) if error.may_pass() => {}
                Err(error) => bail!("the event stream at {events_url} broke: {error}"),
            }
        }
        Ok(false)
    };
    tokio::time::timeout(within, heard).await.unwrap_or(Ok(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_agree_only_when_all_say_the_same() {
        assert_eq!(agreed(vec![3, 3, 3]), Some(3));
        assert_eq!(agreed(vec![3, 3, 4]), None);
        assert_eq!(agreed(Vec::<u8>::new()), None);
    }
}
