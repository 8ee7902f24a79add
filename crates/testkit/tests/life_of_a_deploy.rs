//! The life of a Deploy between real processes, told by every node's events and answers.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use casper_types::{DeployHash, Digest, PublicKey, TimeDiff, U512, execution::ExecutionResultV1};
use futures::future::{join_all, try_join_all};
use girrona_api::{
    EventStreamPath, Frame, PurseIdentifier,
    methods::girrona::{DeployPhase, DeployProgress},
};
use girrona_testkit::{Frames, Net, Node, SECOND};
use girrona_types::FinalitySignature;

const SIX: [DeployPhase; 6] = [
    DeployPhase::Received,
    DeployPhase::Gossiped,
    DeployPhase::Proposed,
    DeployPhase::BlockGossiped,
    DeployPhase::ConsensusReached,
    DeployPhase::Executed,
];
const AMOUNT: u64 = 5_000_000_000;
const FEE: u64 = 100_000_000;

/// Listens to everything that every node says.
async fn listen(net: &Net) -> Result<Vec<Frames>> {
    try_join_all(net.nodes().iter().map(|node| node.events(EventStreamPath::All))).await
}

fn is_accepted(frame: &Frame, hash: DeployHash) -> bool {
    matches!(frame, Frame::DeployAccepted(deploy) if *deploy.hash() == hash)
}

fn is_processed(frame: &Frame, hash: DeployHash) -> bool {
    matches!(frame, Frame::DeployProcessed(done) if done.deploy_hash == hash)
}

fn is_expired(frame: &Frame, hash: DeployHash) -> bool {
    matches!(frame, Frame::DeployExpired { deploy_hash } if *deploy_hash == hash)
}

async fn balance(node: &Node, account: &PublicKey) -> Result<U512> {
    let purse = PurseIdentifier::MainPurseUnderPublicKey(account.clone());
    Ok(node.rpc().query_balance(None, purse).await?)
}

fn phases(progress: &DeployProgress) -> Vec<DeployPhase> {
    progress.phases.iter().map(|entry| entry.phase).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_goes_through_six_phases_and_every_node_tells_its_events() -> Result<()> {
    let net = Net::builder().validators(4).observers(1).block_time("1s").start().await?;
    let (ana, bo) = (net.public_key("ana")?, net.public_key("bo")?);
    let before = [balance(net.node(0), &ana).await?, balance(net.node(0), &bo).await?];
    let streams = listen(&net).await?;

    let hash = net.node(0).put(net.transfer("ana", "bo", AMOUNT)?).await?;
    let executed = net.wait_executed(hash, 20 * SECOND).await?;
    let ExecutionResultV1::Success { cost, transfers, .. } = &*executed.result else {
        panic!("the transfer failed: {:?}", executed.result);
    };
    assert_eq!((*cost, transfers.len()), (U512::from(FEE), 1));

    let validators: BTreeSet<PublicKey> =
        net.law().genesis_validators().map(|(key, _)| key.clone()).collect();
    for (node, stream) in net.nodes().iter().zip(&streams) {
        let name = node.name();
        let block = executed.block_hash;
        let added = stream
            .wait_for("BlockAdded", 5 * SECOND, |frame| {
                matches!(frame, Frame::BlockAdded { block_hash, .. } if *block_hash == block)
            })
            .await?;
        stream.wait_for("DeployProcessed", 5 * SECOND, |frame| is_processed(frame, hash)).await?;
        assert_eq!(stream.count(|frame| is_accepted(frame, hash)), 1, "{name}: DeployAccepted");
        assert_eq!(stream.count(|frame| is_processed(frame, hash)), 1, "{name}: DeployProcessed");
        assert_eq!(stream.count(|frame| is_expired(frame, hash)), 0, "{name}: DeployExpired");

        let Frame::BlockAdded { block: added, .. } = added else { unreachable!() };
        assert!(added.body.transfer_hashes().contains(&hash), "{name}: the block has the transfer");
        assert_eq!(*added.into_block().hash(), block, "{name}: the hash is that of the header");

        for validator in &validators {
            let signed = stream
                .wait_for("FinalitySignature", 5 * SECOND, |frame| {
                    matches!(frame, Frame::FinalitySignature(signed)
                        if signed.block_hash == block && signed.public_key == *validator)
                })
                .await?;
            let Frame::FinalitySignature(signed) = signed else { unreachable!() };
            assert!(FinalitySignature::from(*signed).is_valid(), "{name}: {validator} signed");
        }

        let progress = node.rpc().deploy_status(hash).await?;
        assert_eq!(phases(&progress), SIX, "{name}: phases");
        assert!(
            progress.phases.windows(2).all(|pair| pair[0].at <= pair[1].at),
            "{name}: phases in order of time: {:?}",
            progress.phases
        );
        assert_eq!(progress.block_hash, Some(block), "{name}");

        assert_eq!(balance(node, &ana).await?, before[0] - AMOUNT - FEE, "{name}: ana");
        assert_eq!(balance(node, &bo).await?, before[1] + AMOUNT, "{name}: bo");
    }
    net.all_agree().await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_sent_to_all_nodes_at_once_is_executed_once() -> Result<()> {
    let net = Net::builder().validators(4).observers(1).block_time("500ms").start().await?;
    let bo = net.public_key("bo")?;
    let before = balance(net.node(0), &bo).await?;
    let streams = listen(&net).await?;

    let deploy = net.transfer("ana", "bo", AMOUNT)?;
    let answers = join_all(net.nodes().iter().map(|node| node.put(deploy.clone()))).await;
    for answer in answers {
        assert_eq!(answer?, *deploy.hash());
    }
    let hash = *deploy.hash();
    net.wait_executed(hash, 20 * SECOND).await?;
    // A late second copy would be in one of the next blocks.
    let height = net.node(0).height().await?;
    net.wait_height(height + 3, 20 * SECOND).await?;
    assert_eq!(net.node(1).put(deploy).await?, hash, "sending it again is no fault");
    net.wait_height(height + 6, 20 * SECOND).await?;

    for (node, stream) in net.nodes().iter().zip(&streams) {
        let name = node.name();
        assert_eq!(stream.count(|frame| is_accepted(frame, hash)), 1, "{name}: DeployAccepted");
        assert_eq!(stream.count(|frame| is_processed(frame, hash)), 1, "{name}: DeployProcessed");
        assert_eq!(balance(node, &bo).await?, before + AMOUNT, "{name}: bo");
    }
    net.all_agree().await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_waits_for_one_that_never_comes_expires_on_every_node() -> Result<()> {
    let net = Net::builder().validators(4).observers(1).block_time("500ms").start().await?;
    let ana = net.public_key("ana")?;
    let before = balance(net.node(0), &ana).await?;
    let streams = listen(&net).await?;

    let session = net.transfer("ana", "bo", AMOUNT)?.session().clone();
    let mut draft = net.draft(session, FEE);
    draft.ttl = TimeDiff::from_seconds(4);
    draft.dependencies = vec![DeployHash::new(Digest::hash("never sent"))];
    let ends = draft.timestamp + draft.ttl;
    let hash = net.node(2).put(draft.sign(net.key("ana")?)?).await?;

    for (node, stream) in net.nodes().iter().zip(&streams) {
        let name = node.name();
        stream.wait_for("DeployExpired", 15 * SECOND, |frame| is_expired(frame, hash)).await?;
        let progress = node.rpc().deploy_status(hash).await?;
        assert_eq!(progress.phase, DeployPhase::Expired, "{name}");
        let expired = progress.phases.last().context("there is a phase")?.at;
        let late = expired.millis().checked_sub(ends.millis());
        assert!(late.is_some_and(|late| late <= 2_000), "{name}: expired at {expired}, due {ends}");
    }
    let height = net.node(0).height().await?;
    net.wait_height(height + 2, 20 * SECOND).await?;
    for (node, stream) in net.nodes().iter().zip(&streams) {
        let name = node.name();
        assert_eq!(stream.count(|frame| is_accepted(frame, hash)), 1, "{name}: DeployAccepted");
        assert_eq!(stream.count(|frame| is_expired(frame, hash)), 1, "{name}: DeployExpired");
        assert_eq!(stream.count(|frame| is_processed(frame, hash)), 0, "{name}: DeployProcessed");
        assert_eq!(balance(node, &ana).await?, before, "{name}: ana paid nothing");
    }
    net.end().await
}
