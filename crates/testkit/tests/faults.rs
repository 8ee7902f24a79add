//! Nodes die, are cut off, come late. Nothing final is lost and nobody disagrees.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use casper_types::DeployHash;
use futures::future::join_all;
use girrona_api::{BlockIdentifier, EventStreamPath, Frame};
use girrona_testkit::Net;

const SOON: Duration = Duration::from_secs(30);

/// A number that looks random and is the same each time.
fn draw(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

/// How many kills; fifty unless `GIRRONA_KILLS` says otherwise.
fn kills() -> u64 {
    std::env::var("GIRRONA_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(50)
}

#[tokio::test(flavor = "multi_thread")]
async fn validators_are_killed_at_any_moment_under_load_and_nothing_is_lost() -> Result<()> {
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    let mut seed = 7;
    let mut sent: Vec<DeployHash> = Vec::new();
    for kill in 0..kills() {
        let victim = usize::try_from(draw(&mut seed, 4))?;
        for _ in 0..5 {
            let deploy = net.transfer("ana", "bo", 2_500_000_000)?;
            sent.push(net.node((victim + 1) % 4).put(deploy).await?);
        }
        tokio::time::sleep(Duration::from_millis(draw(&mut seed, 700))).await;
        net.kill9(victim).await?;
        let before = net.node((victim + 1) % 4).height().await?;
        tokio::time::sleep(Duration::from_millis(draw(&mut seed, 400))).await;
        net.restart(victim).await.with_context(|| format!("after kill {kill}"))?;
        // The others went on meanwhile, and the restarted one votes again within seconds.
        let began = Instant::now();
        net.wait_height(before + 1, SOON).await?;
        ensure!(began.elapsed() < Duration::from_secs(10), "kill {kill} stopped the chain");
        if kill % 10 == 9 {
            net.all_agree().await.with_context(|| format!("after kill {kill}"))?;
        }
    }
    for hash in &sent {
        net.wait_executed(*hash, SOON).await?;
    }
    // The one killed last signs blocks again.
    let events = net.node(0).events(EventStreamPath::Sigs).await?;
    let mut signers = std::collections::BTreeSet::new();
    let deadline = Instant::now() + SOON;
    while signers.len() < 4 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
        for frame in events.all() {
            if let Frame::FinalitySignature(signature) = frame {
                signers.insert(signature.public_key);
            }
        }
    }
    assert_eq!(signers.len(), 4, "all validators sign");
    net.all_agree().await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_killed_at_once_and_nothing_final_is_lost() -> Result<()> {
    let net = Net::builder().validators(4).start().await?;
    let deploy = net.transfer("ana", "bo", 25_000_000_000)?;
    let hash = net.node(0).put(deploy).await?;
    net.wait_executed(hash, SOON).await?;
    let block = net.node(0).rpc().block(None).await?.block.context("there is a block")?;
    let waiting = net.transfer("ana", "bo", 2_500_000_000)?;
    let waiting = net.node(0).put(waiting).await?;
    for killed in join_all((0..4).map(|index| net.kill9(index))).await {
        killed?;
    }
    for started in join_all((0..4).map(|index| net.restart(index))).await {
        started?;
    }
    for node in net.nodes() {
        let known = node.rpc().get_deploy(hash).await?;
        assert_eq!(known.execution_results.len(), 1, "{} forgot a final deploy", node.name());
    }
    net.wait_executed(waiting, SOON).await?;
    net.wait_height(block.header.height() + 2, SOON).await?;
    net.all_agree().await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_has_every_waiting_deploy_soon_after() -> Result<()> {
    let seconds = std::env::var("GIRRONA_CUT_SECONDS").ok().and_then(|text| text.parse().ok());
    let net = Net::builder().validators(4).observers(1).start().await?;
    net.wait_height(1, SOON).await?;
    net.cut(4);
    // They wait for something that never comes, so they are still waiting at the end.
    let never = DeployHash::new(casper_types::Digest::from([9; 32]));
    let mut waiting = Vec::new();
    for _ in 0..30 {
        let like = net.transfer("ana", "bo", 2_500_000_000)?;
        let mut draft = net.draft(like.session().clone(), 100_000_000);
        draft.dependencies = vec![never];
        let deploy = draft.sign(net.key("ana")?).map_err(|error| anyhow::anyhow!("{error}"))?;
        waiting.push(net.node(waiting.len() % 4).put(deploy).await?);
    }
    tokio::time::sleep(Duration::from_secs(seconds.unwrap_or(60))).await;
    let tip = net.node(0).height().await?;
    net.heal(4);
    let healed = Instant::now();
    for hash in &waiting {
        while net.node(4).rpc().get_deploy(*hash).await.is_err() {
            ensure!(
                healed.elapsed() < Duration::from_secs(3),
                "3 s after healing {hash} is missing"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    net.wait_height(tip + 1, SOON).await?;
    net.all_agree().await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_node_with_one_peer_reaches_the_tip_and_serves() -> Result<()> {
    // Node 4 starts last; of the others it is told only node 0.
    let net = Net::builder()
        .validators(4)
        .observers(1)
        .block_time("300ms")
        .hold_back(4)
        .config(|index, config| {
            if index == 4 {
                config.swarm.peers.truncate(1);
            }
        })
        .start()
        .await?;
    let deploy = net.transfer("ana", "bo", 25_000_000_000)?;
    let hash = net.node(1).put(deploy).await?;
    net.wait_executed(hash, SOON).await?;
    net.wait_height(40, SOON).await?;
    net.restart(4).await?;
    let tip = net.node(0).height().await?;
    net.wait_height(tip + 1, SOON).await?;
    let late = net.node(4);
    let known = late.rpc().get_deploy(hash).await?;
    assert_eq!(known.execution_results.len(), 1);
    // The signatures of blocks from before its time were gossiped when it was not there.
    let asked = Instant::now();
    for height in [1, 20] {
        let id = BlockIdentifier::Height(height);
        while late.rpc().block(Some(id)).await?.block.context("there is a block")?.proofs.len() < 3
        {
            ensure!(asked.elapsed() < SOON, "block {height} has too few finality signatures");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    // Once it follows, it has each block's body before the block is decided.
    let next = net.transfer("ana", "bo", 2_500_000_000)?;
    let next = net.node(2).put(next).await?;
    net.wait_executed(next, SOON).await?;
    let told = late.rpc().deploy_status(next).await?;
    let at = |wanted| told.phases.iter().find(|time| time.phase == wanted).map(|time| time.at);
    use girrona_api::methods::girrona::DeployPhase::{BlockGossiped, ConsensusReached, Received};
    let (body, decided) = (at(BlockGossiped), at(ConsensusReached));
    assert!(at(Received).is_some() && body.is_some() && decided.is_some(), "{told:?}");
    assert!(body <= decided, "{told:?}");
    net.all_agree().await?;
    net.end().await
}
