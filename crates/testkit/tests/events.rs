//! What every node's event stream says, and what it never says.

use std::time::Duration;

use anyhow::Result;
use casper_types::{Deploy, DeployHash, Digest, TimeDiff, Timestamp, U512};
use girrona_api::{EventStreamPath, Frame};
use girrona_testkit::{Frames, Net};
use girrona_types::FinalitySignature;

const SOON: Duration = Duration::from_secs(20);

fn is_accepted(hash: DeployHash) -> impl Fn(&Frame) -> bool {
    move |frame| matches!(frame, Frame::DeployAccepted(deploy) if *deploy.hash() == hash)
}

fn is_processed(hash: DeployHash) -> impl Fn(&Frame) -> bool {
    move |frame| matches!(frame, Frame::DeployProcessed(done) if done.deploy_hash == hash)
}

fn is_expired(hash: DeployHash) -> impl Fn(&Frame) -> bool {
    move |frame| matches!(frame, Frame::DeployExpired { deploy_hash } if *deploy_hash == hash)
}

async fn listen_everywhere(net: &Net) -> Result<Vec<Frames>> {
    let mut all = Vec::new();
    for node in net.running() {
        all.push(node.events(EventStreamPath::All).await?);
    }
    Ok(all)
}

/// A transfer that lives this long.
fn short_lived(net: &Net, seconds: u32, dependencies: Vec<DeployHash>) -> Result<Deploy> {
    let like = net.transfer("ana", "bo", 3_000_000_000)?;
    let mut draft = net.draft(like.session().clone(), 100_000_000);
    draft.timestamp = Timestamp::now();
    draft.ttl = TimeDiff::from_seconds(seconds);
    draft.dependencies = dependencies;
    draft.sign(net.key("ana")?).map_err(|error| anyhow::anyhow!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_tells_of_each_deploy_and_block_exactly_once() -> Result<()> {
    let net = Net::builder().validators(4).observers(1).start().await?;
    let streams = listen_everywhere(&net).await?;
    let deploy = net.transfer("ana", "bo", 25_000_000_000)?;
    let hash = *deploy.hash();
    net.node(0).put(deploy.clone()).await?;

    for stream in &streams {
        stream.wait_for("DeployAccepted", SOON, is_accepted(hash)).await?;
        let done = stream.wait_for("DeployProcessed", SOON, is_processed(hash)).await?;
        let Frame::DeployProcessed(done) = done else { unreachable!("it was just matched") };
        let block = done.block_hash;
        let is_block = move |frame: &Frame| matches!(frame, Frame::BlockAdded { block_hash, .. } if *block_hash == block);
        stream.wait_for("BlockAdded", SOON, is_block).await?;
        let signs = move |frame: &Frame| matches!(frame, Frame::FinalitySignature(signature) if signature.block_hash == block);
        // Within a block time of the block, from each validator, and each of them holds.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(3);
        while stream.count(signs) < 4 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(stream.count(signs), 4, "four validators signed the block");
        for frame in stream.all().iter().filter(|frame| signs(frame)) {
            let Frame::FinalitySignature(signature) = frame else { unreachable!("as above") };
            assert!(FinalitySignature::from(signature.as_ref().clone()).is_valid());
        }
    }
    // Sent again, to every node at once: one hash, and nothing happens twice.
    let again = net.nodes().iter().map(|node| node.put(deploy.clone()));
    for answer in futures::future::join_all(again).await {
        assert_eq!(answer?, hash);
    }
    let height = net.node(0).height().await?;
    net.wait_height(height + 2, SOON).await?;
    for stream in &streams {
        assert_eq!(stream.count(is_accepted(hash)), 1, "accepted once");
        assert_eq!(stream.count(is_processed(hash)), 1, "executed once");
        assert_eq!(stream.count(is_expired(hash)), 0);
        assert!(stream.problems().is_empty(), "{:?}", stream.problems());
    }
    net.all_agree().await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_deploy_sent_to_all_nodes_at_once_is_executed_once() -> Result<()> {
    let net = Net::builder().validators(4).start().await?;
    let streams = listen_everywhere(&net).await?;
    let deploy = net.transfer("ana", "bo", 25_000_000_000)?;
    let hash = *deploy.hash();
    let answers = net.nodes().iter().map(|node| node.put(deploy.clone()));
    for answer in futures::future::join_all(answers).await {
        assert_eq!(answer?, hash);
    }
    for stream in &streams {
        stream.wait_for("DeployProcessed", SOON, is_processed(hash)).await?;
    }
    let height = net.node(0).height().await?;
    net.wait_height(height + 2, SOON).await?;
    for stream in &streams {
        assert_eq!(stream.count(is_accepted(hash)), 1);
        assert_eq!(stream.count(is_processed(hash)), 1);
    }
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_nodes_deploy_expires_there_and_only_its_stream_says_so() -> Result<()> {
    let net = Net::builder().validators(4).start().await?;
    let streams = listen_everywhere(&net).await?;
    net.cut(3);
    let deploy = short_lived(&net, 4, Vec::new())?;
    let hash = *deploy.hash();
    net.node(3).put(deploy).await?;
    streams[3].wait_for("DeployExpired", SOON, is_expired(hash)).await?;
    net.heal(3);
    let height = net.node(0).height().await?;
    net.wait_height(height + 2, SOON).await?;
    for stream in &streams[..3] {
        assert_eq!(stream.count(is_accepted(hash)), 0);
        assert_eq!(stream.count(is_expired(hash)), 0);
    }
    assert_eq!(streams[3].count(is_expired(hash)), 1);
    assert_eq!(streams[3].count(is_processed(hash)), 0);
    net.all_agree().await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_half_the_validators_are_gone_every_holder_lets_the_deploy_expire() -> Result<()> {
    let net = Net::builder().validators(4).observers(1).start().await?;
    net.wait_height(2, SOON).await?;
    net.kill9(2).await?;
    net.kill9(3).await?;
    // Whatever was being decided is through; from now on two of four cannot decide.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let streams = listen_everywhere(&net).await?;
    let deploy = short_lived(&net, 4, Vec::new())?;
    let hash = *deploy.hash();
    let over = deploy.header().timestamp().saturating_add(deploy.header().ttl());
    net.node(0).put(deploy).await?;
    for stream in &streams {
        stream.wait_for("DeployAccepted", SOON, is_accepted(hash)).await?;
    }
    for stream in &streams {
        stream.wait_for("DeployExpired", SOON, is_expired(hash)).await?;
    }
    let late = Timestamp::now().saturating_diff(over);
    assert!(late < TimeDiff::from_seconds(2), "the last one said so {late} after the ttl");
    for index in [2, 3] {
        net.restart(index).await?;
    }
    let height = net.node(0).height().await?;
    net.wait_height(height + 2, Duration::from_secs(30)).await?;
    for stream in &streams {
        assert_eq!(stream.count(is_processed(hash)), 0, "what expired everywhere is not executed");
    }
    net.all_agree().await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_whose_dependency_never_comes_expires_everywhere() -> Result<()> {
    let net = Net::builder().validators(4).start().await?;
    let streams = listen_everywhere(&net).await?;
    let never = DeployHash::new(Digest::from([9; 32]));
    let waits = short_lived(&net, 5, vec![never])?;
    let hash = *waits.hash();
    net.node(1).put(waits).await?;
    for stream in &streams {
        stream.wait_for("DeployExpired", SOON, is_expired(hash)).await?;
        assert_eq!(stream.count(is_processed(hash)), 0);
    }
    let told = net.node(2).rpc().deploy_status(hash).await?;
    assert!(told.reason.unwrap_or_default().contains(&"09".repeat(32)), "it says what it lacked");
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_replays_its_stream_without_gap_or_repetition() -> Result<()> {
    let net = Net::builder().validators(4).start().await?;
    let deploy = net.transfer("ana", "bo", U512::from(25_000_000_000_u64).as_u64())?;
    let hash = *deploy.hash();
    net.node(0).put(deploy).await?;
    net.wait_executed(hash, SOON).await?;
    let before = net.node(0).events_from(EventStreamPath::All, 0).await?;
    before.wait_for("DeployProcessed", SOON, is_processed(hash)).await?;
    let known = before.with_ids();
    drop(before);
    net.kill9(0).await?;
    net.restart(0).await?;
    let after = net.node(0).events_from(EventStreamPath::All, 0).await?;
    let height = net.node(0).height().await?;
    net.wait_height(height + 1, SOON).await?;
    after.wait_for("DeployProcessed", SOON, is_processed(hash)).await?;
    let replayed = after.with_ids();
    let ids = |frames: &[(Option<u64>, Frame)]| -> Vec<u64> {
        frames.iter().filter_map(|(id, _)| *id).collect()
    };
    let now = ids(&replayed);
    assert!(now.windows(2).all(|pair| pair[1] == pair[0] + 1), "ids have no gap: {now:?}");
    let then = ids(&known);
    assert_eq!(now[..then.len()], then[..], "what was said stays said");
    let same = known
        .iter()
        .filter(|(id, _)| id.is_some())
        .zip(replayed.iter().filter(|(id, _)| id.is_some()));
    for ((_, old), (_, new)) in same {
        if !matches!(old, Frame::BlockAdded { .. }) {
            assert_eq!(old, new);
        }
    }
    net.end().await
}
