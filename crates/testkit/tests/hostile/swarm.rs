//! Strangers in the swarm: each kind of bad message costs its sender the connection, and a flood
//! of all of them neither stops the chain nor fills the memory.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use casper_types::{Deploy, ExecutableDeployItem, RuntimeArgs};
use futures::future::{join_all, try_join_all};
use girrona_chain::message::{self, Direct, Introduction, Request, SignedProposal};
use girrona_net::{MAX_FRAME, MAX_REQUEST, RequestError, Topic};
use girrona_testkit::{Net, Node};
use girrona_types::{CommitCertificate, FinalitySignature, Height, Round};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    peer::{self, Hostile},
    rpc::nonsense,
    stranger::Stranger,
    watch::{FLOOD, PATIENCE, balance, serves, unharmed, until, watched},
};

const FEE: u64 = 100_000_000;

/// Bytes that are nothing, different in each round.
pub(crate) fn garbage(round: u32, length: usize) -> Vec<u8> {
    let byte = |i: u32| (i.wrapping_add(round).wrapping_mul(2_654_435_761) >> 11) as u8;
    // The first byte is no variant of any message.
    std::iter::once(0xff).chain((1..length as u32).map(byte)).collect()
}

/// What was really said in the network.
struct Real {
    deploy: Vec<u8>,
    proposal: Bytes,
    commit: Bytes,
    finality: Bytes,
}

impl Real {
    /// Listens until there was one of each.
    async fn hear(net: &Net) -> Result<Self> {
        let spy = Hostile::join(net, net.node(0)).await?;
        let topics = [Topic::Blocks, Topic::Commits, Topic::Finality];
        until("all topics were heard", async || {
            Ok(topics.iter().all(|topic| spy.heard(*topic).is_some()))
        })
        .await?;
        let heard = |topic| spy.heard(topic).context("it was heard");
        let deploy = message::encode_deploy(&net.transfer("ana", "bo", 3_000_000_000)?)?;
        let (commit, finality) = (heard(Topic::Commits)?, heard(Topic::Finality)?);
        Ok(Self { deploy, proposal: heard(Topic::Blocks)?, commit, finality })
    }
}

/// A real proposal as if for a height soon after the tip; its signature does not fit.
fn forged(real: &Real, round: u32, tip: u64) -> Result<SignedProposal> {
    let mut signed: SignedProposal = message::decode("proposal", &real.proposal)?;
    signed.proposal.height = Height(tip + 2);
    signed.proposal.timestamp = (signed.proposal.timestamp.millis() + u64::from(round)).into();
    Ok(signed)
}

/// How a hostile peer behaves in each round, knowing the tip, and what the node says about it.
pub(crate) struct Kind<'a> {
    pub(crate) what: String,
    reason: &'static str,
    attack: Box<Attack<'a>>,
}

/// The hostile peer, the round, the node's height.
pub(crate) type Attack<'a> = dyn Fn(&Hostile, u32, u64) + 'a;

pub(crate) fn kind<'a>(
    what: impl Into<String>,
    reason: &'static str,
    attack: impl Fn(&Hostile, u32, u64) + 'a,
) -> Kind<'a> {
    Kind { what: what.into(), reason, attack: Box::new(attack) }
}

fn gossip<'a>(
    what: &str,
    topic: Topic,
    reason: &'static str,
    bytes: impl Fn(u32) -> Vec<u8> + 'a,
) -> Kind<'a> {
    kind(format!("{what} on {topic:?}"), reason, move |hostile, round, _| {
        hostile.net.publish(topic, bytes(round).into());
    })
}

fn malformed(real: &Real) -> Vec<Kind<'_>> {
    let bad =
        |topic| if topic == Topic::Deploys { "malformed deploy" } else { "malformed message" };
    let mut kinds: Vec<_> = Topic::ALL
        .into_iter()
        .map(|topic| gossip("garbage", topic, bad(topic), |round| garbage(round, 500)))
        .collect();
    for (topic, whole) in [
        (Topic::Deploys, real.deploy.as_slice()),
        (Topic::Blocks, &real.proposal),
        (Topic::Commits, &real.commit),
        (Topic::Finality, &real.finality),
    ] {
        kinds.push(gossip("cut off", topic, bad(topic), move |round| {
            whole[..whole.len() - 1 - round as usize % 50].to_vec()
        }));
        kinds.push(gossip("too long", topic, bad(topic), move |round| {
            [whole, garbage(round, 20).as_slice()].concat()
        }));
    }
    kinds.push(kind(
        "garbage on the direct stream",
        "malformed direct message",
        |hostile, round, _| {
            hostile.net.send(hostile.victim, garbage(round, 500).into());
        },
    ));
    kinds.push(kind("the longest frame", "malformed direct message", |hostile, _, _| {
        hostile.net.send(hostile.victim, vec![0xff; MAX_FRAME].into());
    }));
    kinds.push(kind("a vote that is none", "malformed consensus message", |hostile, round, _| {
        let vote = Direct::Vote(garbage(round, 500));
        hostile.net.send(hostile.victim, message::encode(&vote).into());
    }));
    kinds.push(kind("requests that ask nothing", "malformed request", |hostile, round, _| {
        tokio::spawn(hostile.net.request(hostile.victim, garbage(round, MAX_REQUEST).into()));
    }));
    kinds
}

fn false_ones<'a>(net: &'a Net, real: &'a Real) -> Result<Vec<Kind<'a>>> {
    let (rule, invalid) = ("broke a rule of the chain", "invalid deploy");
    let commit: CommitCertificate = message::decode("certificate", &real.commit)?;
    let finality: FinalitySignature = message::decode("finality", &real.finality)?;
    let introduction =
        Introduction { key: finality.public_key.clone(), signature: finality.signature };
    let deploys = |make: &dyn Fn() -> Result<Vec<u8>>| -> Result<Vec<Vec<u8>>> {
        (0..20).map(|_| make()).collect()
    };
    let of = |round: u32, made: &[Vec<u8>]| made[round as usize % made.len()].clone();
    let unsigned = deploys(&|| {
        let mut bytes = message::encode_deploy(&net.transfer("ana", "bo", 3_000_000_000)?)?;
        // The last byte is the signature's.
        *bytes.last_mut().context("a deploy has bytes")? ^= 1;
        Ok(bytes)
    })?;
    let foreign = deploys(&|| {
        let session = net.transfer("ana", "bo", 3_000_000_000)?.session().clone();
        let mut draft = net.draft(session, FEE);
        draft.chain_name = "elsewhere".to_owned();
        Ok(message::encode_deploy(&draft.sign(net.key("ana")?)?)?)
    })?;
    let large = (0..6)
        .map(|i| Ok(message::encode_deploy(&nonsense(net, 1_100_000 + i)?)?))
        .collect::<Result<Vec<_>>>()?;
    Ok(vec![
        gossip("a bad signature", Topic::Deploys, invalid, move |round| of(round, &unsigned)),
        gossip("another chain's", Topic::Deploys, invalid, move |round| of(round, &foreign)),
        gossip("more than a deploy may have", Topic::Deploys, invalid, move |round| {
            of(round, &large)
        }),
        gossip("a bad signature", Topic::Finality, rule, move |round| {
            let mut forged = finality.clone();
            forged.block =
                casper_types::BlockHash::new(casper_types::Digest::hash(round.to_le_bytes()));
            message::encode(&forged)
        }),
        gossip("a height that nobody decided", Topic::Commits, rule, move |round| {
            let mut forged = commit.clone();
            // In this era: of a later one nobody knows yet who may decide.
            forged.height = Height(forged.height.0 + 50);
            forged.round = Round(round + 1);
            message::encode(&forged)
        }),
        kind("a forged proposal", rule, move |hostile, round, tip| {
            let bytes = forged(real, round, tip).map(|signed| message::encode(&signed));
            hostile.net.publish(Topic::Blocks, bytes.unwrap_or_default().into());
        }),
        kind("a forged proposal, directly", "bad proposal", move |hostile, round, tip| {
            let direct = forged(real, round, tip).map(|signed| Direct::Proposal(Box::new(signed)));
            let bytes = direct.map(|direct| message::encode(&direct));
            hostile.net.send(hostile.victim, bytes.unwrap_or_default().into());
        }),
        kind("another validator's name", "false introduction", move |hostile, _, _| {
            let direct = Direct::Introduction(introduction.clone());
            hostile.net.send(hostile.victim, message::encode(&direct).into());
        }),
    ])
}

/// A count of one node, by reason.
async fn count(node: &Node, name: &str, reason: &str) -> Result<f64> {
    let name = format!("{name}{{reason=\"{reason}\"}}");
    Ok(node.metrics().await?.sum(&name).unwrap_or(0.0))
}

/// Attacks until the node closes the connection, and makes sure that it stays closed.
pub(crate) async fn is_sent_away(net: &Net, node: &Node, kind: &Kind<'_>) -> Result<()> {
    let hostile = Hostile::join(net, node).await?;
    let began = Instant::now();
    let mut round = 0;
    while !hostile.is_away() {
        ensure!(began.elapsed() < Duration::from_secs(30), "still connected after {round} times");
        let tip = node.height().await?;
        (kind.attack)(&hostile, round, tip);
        round += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure!(round >= 3, "sent away after {round} times, so for something else");
    ensure!(count(node, "net_offences_total", kind.reason).await? >= 4.0, "no offence noted");
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(hostile.is_away(), "it is back");
    let me = hostile.net.local_peer().to_string();
    let peers = node.rpc().peers().await?.peers;
    ensure!(peers.iter().all(|peer| peer.node_id != me), "{} lists it", node.name());
    Ok(())
}

/// Every node still has every other one, and sent away no more than `bans` peers.
pub(crate) async fn honest_ones_stay(net: &Net, bans: usize) -> Result<()> {
    let mut seen = 0.0;
    for node in net.nodes() {
        let others = net.nodes().len() - 1;
        until("only the others are left", async || {
            Ok(node.rpc().peers().await?.peers.len() == others)
        })
        .await?;
        seen += node.metrics().await?.sum("net_bans_total").unwrap_or(0.0);
    }
    ensure!(seen == bans as f64, "{seen} bans, but {bans} hostile peers");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_bad_message_costs_its_sender_the_connection() -> Result<()> {
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    net.wait_height(2, PATIENCE).await?;
    let real = Real::hear(&net).await?;
    let bo = net.public_key("bo")?;
    let before = balance(net.node(0), &bo).await?;
    let mut kinds = malformed(&real);
    kinds.extend(false_ones(&net, &real)?);
    watched(&net, async {
        let attacks = kinds.iter().enumerate().map(async |(index, kind)| {
            let node = net.node(index % 4);
            let done = is_sent_away(&net, node, kind).await;
            done.with_context(|| format!("{} at {}", kind.what, node.name()))
        });
        try_join_all(attacks).await
    })
    .await?;
    honest_ones_stay(&net, kinds.len()).await?;
    assert_eq!(balance(net.node(0), &bo).await?, before, "nothing of all that was executed");
    drop(kinds);
    unharmed(&net).await?;
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_our_own_swarm_would_not_send_is_refused_as_well() -> Result<()> {
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    net.wait_height(1, PATIENCE).await?;
    let id = net.law().network_id().short();
    let node = net.node(1);
    let join = async || -> Result<Stranger> { Stranger::join(&id, peer::address(node)?).await };

    // No peers at all, at another node.
    let config = net.node(2).place().config()?;
    let port = config.swarm.listen.first().and_then(|address| address.rsplit('/').next());
    let address = format!("127.0.0.1:{}", port.context("a port")?);
    let mut callers = Vec::new();
    for round in 0..200 {
        let mut stream = TcpStream::connect(&address).await?;
        let words = match round % 4 {
            0 => Vec::new(),
            1 => garbage(round, 5_000),
            2 => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            _ => b"\x13/multistream/1.0.0\n\x07/noi".to_vec(),
        };
        // The node may close at any byte.
        let _ = stream.write_all(&words).await;
        callers.push(stream);
    }

    // What is longer than anything on any topic is not even read.
    let endless = join().await?;
    for round in 0..20 {
        endless.gossip(Topic::Blocks, garbage(round, 20 << 20)).await;
    }
    // What is longer than anything on its own topic.
    for (topic, length) in [(Topic::Finality, 100_000), (Topic::Deploys, 1_300_000)] {
        let stranger = join().await?;
        for round in 0.. {
            if stranger.is_away() {
                break;
            }
            ensure!(round < 200, "{length} bytes on {topic:?} and still there");
            stranger.gossip(topic, garbage(round, length)).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    // Lengths that are lies, on both protocols of our own.
    let stranger = join().await?;
    for round in 0.. {
        if stranger.is_away() {
            break;
        }
        ensure!(round < 200, "it lies about lengths and is still there");
        stranger.write("consensus/1", &[0xff; 8]).await?;
        stranger.write("sync/1", &[0xff; 8]).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure!(count(node, "net_offences_total", "oversize direct frame").await? >= 4.0);

    // Another network's peer.
    let other = Stranger::join("00000000", peer::address(node)?).await?;
    for round in 0..10 {
        other.gossip(Topic::Deploys, garbage(round, 500)).await;
        other.write("consensus/1", &garbage(round, 500)).await?;
    }
    drop(other);

    unharmed(&net).await?;
    for mut stream in callers {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        ensure!(end.is_ok(), "a caller who says nothing sensible may stay for {PATIENCE:?}");
    }
    let late = Hostile::join(&net, net.node(2)).await.context("the door opens again")?;
    drop(late);
    net.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_comes_again_from_a_stranger_is_executed_once() -> Result<()> {
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    let bo = net.public_key("bo")?;
    let before = balance(net.node(0), &bo).await?;
    let deploy = net.transfer("ana", "bo", 3_000_000_000)?;
    let hash = net.node(0).put(deploy.clone()).await?;
    net.wait_executed(hash, PATIENCE).await?;
    let bytes = Bytes::from(message::encode_deploy(&deploy)?);
    let hostile = Hostile::join(&net, net.node(2)).await?;
    let name = "net_verdicts_total{topic=\"deploy\",verdict=\"ignore\"}";
    let ignored =
        async || -> Result<f64> { Ok(net.node(2).metrics().await?.sum(name).unwrap_or(0.0)) };
    let first = ignored().await?;
    for copies in 2..20 {
        // Another number of copies is another message.
        for _ in 0..copies {
            hostile.net.publish(Topic::Deploys, bytes.clone());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until("the replays have been looked at", async || Ok(ignored().await? >= first + 5.0)).await?;
    let height = net.node(0).height().await?;
    net.wait_height(height + 3, PATIENCE).await?;
    ensure!(!hostile.is_away(), "a late copy is no fault");
    for node in net.nodes() {
        let known = node.rpc().get_deploy(hash).await?;
        assert_eq!(known.execution_results.len(), 1, "{}", node.name());
        assert_eq!(balance(node, &bo).await?, before + 3_000_000_000_u64, "{}", node.name());
    }
    unharmed(&net).await?;
    net.end().await
}

/// A deploy of nearly the largest size, with code that does nothing.
fn heavy(net: &Net) -> Result<Deploy> {
    let mut code = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01".to_vec();
    code.extend_from_slice(b"\x07\x08\x01\x04call\0\0\x0a\x04\x01\x02\0\x0b");
    // A section of its own: 1 000 000 bytes in LEB128, and the name `x`.
    code.extend_from_slice(b"\0\xc0\x84\x3d\x01x");
    code.resize(code.len() + 999_998, 7);
    let session = ExecutableDeployItem::new_module_bytes(code.into(), RuntimeArgs::new());
    Ok(net.draft(session, 1_000 * FEE).sign(net.key("ana")?)?)
}

/// Comes again under a new name each time it is sent away; says how often that was.
async fn persistent(
    net: &Net,
    node: &Node,
    end: Instant,
    attack: impl Fn(&Hostile, u32),
) -> Result<usize> {
    let mut lives = 0;
    let mut round = 0;
    while Instant::now() < end {
        let hostile = Hostile::join(net, node).await?;
        while Instant::now() < end && !hostile.is_away() {
            for _ in 0..20 {
                attack(&hostile, round);
                round += 1;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lives += 1;
    }
    Ok(lives)
}

/// Asks for as much as it can get, as often as it may.
async fn greedy(net: &Net, node: &Node, end: Instant, request: &Request) -> Result<(usize, usize)> {
    let hostile = Hostile::join(net, node).await?;
    let bytes = Bytes::from(message::encode(request));
    let one = async || {
        let mut answered = (0, 0);
        while Instant::now() < end {
            match hostile.net.request(hostile.victim, bytes.clone()).await {
                Ok(answer) => answered = (answered.0 + 1, answered.1 + answer.len()),
                Err(RequestError::NotConnected) => bail!("a question is no fault"),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        Ok(answered)
    };
    let all = try_join_all((0..60).map(|_| one())).await?;
    Ok(all.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_strangers_neither_stops_the_chain_nor_fills_the_memory() -> Result<()> {
    let net = Net::builder().validators(4).block_time("500ms").start().await?;
    let large = heavy(&net)?;
    let hash = net.node(0).put(large.clone()).await?;
    net.wait_executed(hash, PATIENCE).await?;
    let real = Real::hear(&net).await?;
    let known = Bytes::from(message::encode_deploy(&large)?);
    // A short question with a long answer: the same large deploy, again and again.
    let question = Request::Deploys(vec![message::raw(&hash); 8_000]);
    let height = net.node(0).height().await?;
    let tip = AtomicU64::new(height);
    let follow = async {
        let end = Instant::now() + FLOOD;
        while Instant::now() < end {
            tip.store(net.node(3).height().await?, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    let flood = async {
        let end = Instant::now() + FLOOD;
        let on = |topic: Topic, length| {
            move |hostile: &Hostile, round| {
                hostile.net.publish(topic, garbage(round, length).into());
            }
        };
        let deploys = persistent(&net, net.node(0), end, on(Topic::Deploys, 100_000));
        let blocks = persistent(&net, net.node(0), end, on(Topic::Blocks, 300_000));
        let votes = persistent(&net, net.node(1), end, on(Topic::Consensus, 60_000));
        let frames = persistent(&net, net.node(1), end, |hostile, round| {
            hostile.net.send(hostile.victim, garbage(round, 1_000_000).into());
        });
        let proposals = persistent(&net, net.node(2), end, |hostile, round| {
            // As long as a frame can be, and well formed.
            let Ok(mut signed) = forged(&real, round, tip.load(Ordering::Relaxed)) else { return };
            let mut deploy = girrona_types::SignedDeploy::from(&large);
            deploy.approvals = vec![deploy.approvals[0].clone(); 35_000];
            signed.proposal.deploys = vec![deploy];
            let direct = Direct::Proposal(Box::new(signed));
            hostile.net.send(hostile.victim, message::encode(&direct).into());
        });
        let replays = persistent(&net, net.node(2), end, |hostile, _| {
            hostile.net.publish(Topic::Deploys, known.clone());
        });
        let answers = greedy(&net, net.node(3), end, &question);
        let more = greedy(&net, net.node(3), end, &question);
        tokio::try_join!(deploys, blocks, votes, frames, proposals, replays, answers, more)
    };
    let honest = async {
        tokio::time::sleep(FLOOD / 5).await;
        let began = Instant::now();
        let served = join_all(net.nodes().iter().map(|node| serves(&net, node))).await;
        served.into_iter().collect::<Result<Vec<()>>>()?;
        let took = began.elapsed();
        ensure!(took < PATIENCE, "four honest transfers took {took:?}");
        Ok(())
    };
    let all = async { tokio::try_join!(flood, honest, follow) };
    let (tally, (), ()) = Box::pin(watched(&net, all)).await?;
    let (deploys, blocks, votes, frames, proposals, replays, answers, more) = tally;
    let bans = deploys + blocks + votes + frames + proposals;
    ensure!(bans >= 8, "hostile peers are hardly ever sent away: {tally:?}");
    ensure!(replays == 1, "a copy of a known deploy is no fault: {tally:?}");
    ensure!(answers.0 + more.0 > 0, "no question was answered: {tally:?}");
    ensure!(net.node(0).height().await? > height + 2, "the chain stood still");
    unharmed(&net).await?;
    net.end().await
}
