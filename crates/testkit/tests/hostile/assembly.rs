//! Strangers who talk about assemblies: forged, stale, misplaced, repeated and far too much. What
//! nobody honest says costs the connection; what may be bad luck is ignored; nothing of it is done.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use casper_types::SecretKey;
use futures::future::{join_all, try_join_all};
use girrona_api::methods::{NoParams, assembly::AssemblyList};
use girrona_assembly::{
    Cid, RequestId,
    content::Codec,
    message::{Body, Content, Holdings, Payload, Receipt, Withdrawal},
    run::{End, Outcome},
    talk::{self, Order, Part, Say},
};
use girrona_net::{MAX_ASK, Topic};
use girrona_testkit::{Net, Node, SECOND};

use crate::{
    author::{
        Author, MINUTE_MS, announcement, direct, done, execution, figure, key_path, now_ms, show,
    },
    peer::{self, Hostile},
    stranger::Stranger,
    swarm::{Kind, garbage, honest_ones_stay, is_sent_away, kind},
    watch::{PATIENCE, unharmed, until, watched},
};

/// Says hello.
pub(crate) const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 100) "hello\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 100))
        (i32.store (i32.const 4) (i32.const 6))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))"#;

fn a_root() -> Cid {
    Cid::of(Codec::DagPb, b"a root of nothing")
}

fn announce() -> Payload {
    Payload::Announce(announcement(Content { root: a_root(), size: 10, blocks: 2 }, Vec::new()))
}

fn execute(salt: u32) -> Payload {
    Payload::Execute(execution(a_root(), salt.into()))
}

fn holdings() -> Payload {
    Payload::Holdings(Holdings { have: vec![a_root()], evicted: vec![], addresses: vec![] })
}

fn receipt() -> Payload {
    let outcome = Outcome { end: End::Exit(0), stdout: [1; 32], output: None };
    let request = RequestId([3; 32]);
    let (stderr, fuel, wall_ms, memory) = ([0; 32], 1, 1, 1);
    Payload::Receipt(Receipt { request, outcome, stderr, fuel, wall_ms, memory })
}

/// Said on a topic with something wrong about it, differently each time.
fn wrong<'a>(
    author: &'a Author,
    what: &str,
    reason: &'static str,
    topic: Topic,
    payload: impl Fn(u32) -> Payload + 'a,
    spoil: impl Fn(&mut Body) + 'a,
) -> Kind<'a> {
    kind(format!("{what} on {topic:?}"), reason, move |hostile, round, _| {
        let mut body = author.body(payload(round));
        spoil(&mut body);
        hostile.net.publish(topic, body.sign(&author.key).to_bytes().into());
    })
}

/// Said to one node.
fn told<'a>(what: &str, reason: &'static str, say: impl Fn(u32) -> Vec<u8> + 'a) -> Kind<'a> {
    kind(what, reason, move |hostile, round, _| {
        tokio::spawn(hostile.net.ask(hostile.victim, say(round).into()));
    })
}

fn bad_messages<'a>(author: &'a Author, victim: &'a Author) -> Vec<Kind<'a>> {
    let in_victims_name = |body: &mut Body| body.author = (&victim.key).into();
    let at = |body: &mut Body, created_ms: u64, lives_ms: u64| {
        body.created_ms = created_ms;
        body.expires_ms = created_ms + lives_ms;
    };
    let (d, h, e) = (Topic::Announcements, Topic::Holdings, Topic::Executions);
    let mut kinds = vec![
        wrong(author, "forged", "signature", d, |_| announce(), in_victims_name),
        wrong(author, "forged", "signature", h, |_| holdings(), in_victims_name),
        wrong(author, "forged", "signature", e, execute, in_victims_name),
        wrong(author, "another network's", "network", e, execute, |body| body.network.0[0] ^= 1),
        wrong(author, "of a later version", "version", d, |_| announce(), |body| body.version = 2),
        wrong(author, "long expired", "expired", e, execute, move |body| {
            at(body, now_ms() - 5 * MINUTE_MS, MINUTE_MS);
        }),
        wrong(
            author,
            "from the future",
            "future",
            d,
            |_| announce(),
            move |body| {
                at(body, now_ms() + 10 * MINUTE_MS, MINUTE_MS);
            },
        ),
        wrong(author, "for ever", "lifetime", e, execute, move |body| {
            at(body, now_ms(), 60 * MINUTE_MS);
        }),
        wrong(author, "misplaced", "channel", h, execute, |_| {}),
        wrong(
            author,
            "with too many tags",
            "payload",
            d,
            |_| match announce() {
                Payload::Announce(mut said) => {
                    said.tags = (100..200).map(|tag| tag.to_string()).collect();
                    Payload::Announce(said)
                }
                other => other,
            },
            |_| {},
        ),
        told("no word at all", "malformed word about assemblies", |round| garbage(round, 500)),
        told("a word of the greatest length", "malformed", |round| {
            direct(&garbage(round, MAX_ASK - 5))
        }),
        told("a forged receipt", "signature", move |_| {
            let mut body = author.body(receipt());
            in_victims_name(&mut body);
            direct(&body.sign(&author.key).to_bytes())
        }),
        told("an announcement where none belongs", "channel", |_| direct(&author.say(announce()))),
    ];
    for topic in [d, h, e] {
        kinds.push(kind(
            format!("broken off on {topic:?}"),
            "malformed",
            move |hostile, round, _| {
                let whole = author.say(execute(round));
                let cut = whole.len() - 1 - round as usize % 50;
                hostile.net.publish(topic, whole[..cut].to_vec().into());
            },
        ));
    }
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_bad_word_about_assemblies_costs_its_sender_the_connection() -> Result<()> {
    let net = Net::builder().validators(2).block_time("500ms").start().await?;
    net.wait_height(1, PATIENCE).await?;
    let (mallory, ana) = (Author::nobody(&net, 1)?, Author::user(&net, "ana")?);
    let kinds = bad_messages(&mallory, &ana);
    let id = net.law().network_id().short();
    watched(&net, async {
        let attacks = kinds.iter().enumerate().map(async |(index, kind)| {
            let node = net.node(index % 2);
            let done = is_sent_away(&net, node, kind).await;
            done.with_context(|| format!("{} at {}", kind.what, node.name()))
        });
        try_join_all(attacks).await?;
        // Longer than anything on its topic; our own swarm would not send it.
        for (topic, length) in [
            (Topic::Announcements, 17 << 10),
            (Topic::Holdings, 9 << 10),
            (Topic::Executions, 65 << 10),
        ] {
            let stranger = Stranger::join(&id, peer::address(net.node(0))?).await?;
            for round in 0.. {
                if stranger.is_away() {
                    break;
                }
                ensure!(round < 200, "{length} bytes on {topic:?} and still there");
                stranger.gossip(topic, garbage(round, length)).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        // Lengths that are lies: 4 GiB to come.
        let stranger = Stranger::join(&id, peer::address(net.node(0))?).await?;
        for _ in 0..20 {
            stranger.write("assembly/1", &[0xff; 8]).await?;
        }
        Ok(())
    })
    .await?;
    honest_ones_stay(&net, kinds.len() + 3).await?;
    for node in net.nodes() {
        let list = node.rpc().call::<AssemblyList>(&NoParams {}).await?.assemblies;
        assert_eq!(list, [], "{} believed something", node.name());
    }
    drop(kinds);
    unharmed(&net).await?;
    net.end().await
}

/// Publishes one program; all nodes hold it when this returns.
pub(crate) async fn publish(net: &Net, folder: &Path, name: &str, wasm: &[u8]) -> Result<String> {
    let file = folder.join(format!("{name}.wasm"));
    std::fs::write(&file, wasm)?;
    let (file, ana) = (file.display().to_string(), key_path(net, "ana")?);
    let url = net.node(0).rpc().url().to_owned();
    let said = done(&["publish", &file, "--key", &ana, "--node", &url]).await?;
    let root = said["root"].as_str().context("a root")?.to_owned();
    let all = net.nodes().len();
    for node in net.nodes() {
        until("all hold it", async || {
            Ok(show(node, &root).await.is_ok_and(|shown| shown.holders.len() == all))
        })
        .await?;
    }
    Ok(root)
}

async fn executed(net: &Net) -> Result<f64> {
    let mut sum = 0.0;
    for node in net.nodes() {
        sum += figure(node, "assemblies_executions_total").await?;
    }
    Ok(sum)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_again_is_done_once_and_what_may_be_bad_luck_is_only_ignored() -> Result<()> {
    let net = Net::builder().validators(1).observers(1).block_time("500ms").start().await?;
    let folder = tempfile::tempdir()?;
    let spies = [Hostile::join(&net, net.node(0)).await?, Hostile::join(&net, net.node(1)).await?];
    let root = publish(&net, folder.path(), "hello", &wat::parse_str(HELLO)?).await?;
    let (bo, url) = (key_path(&net, "bo")?, net.node(0).rpc().url().to_owned());
    let said = done(&["run", &root, "--key", &bo, "-k", "2", "--node", &url]).await?;
    assert_eq!(said["state"], "agreed", "{said}");
    assert_eq!(executed(&net).await?, 2.0);

    // The request again: as it was, directly and as gossip, to both nodes.
    let heard = |topic| spies.iter().find_map(|spy| spy.heard(topic));
    let both = [Topic::Executions, Topic::Announcements];
    until("a spy heard both", async || Ok(both.iter().all(|topic| heard(*topic).is_some())))
        .await?;
    let [Some(request), Some(announced)] = both.map(heard) else { unreachable!() };
    for spy in &spies {
        for _ in 0..50 {
            let answer = spy.net.ask(spy.victim, direct(&request).into()).await?;
            assert_eq!(talk::decode(&answer), Some(talk::Reply::Taken));
            spy.net.publish(Topic::Executions, request.clone());
        }
    }
    // Somebody who learned its id can neither order it, nor write its output, nor ask for it.
    let id = girrona_assembly::message::Envelope::from_bytes(&request)
        .ok()
        .and_then(|envelope| envelope.request())
        .context("a request")?;
    let executor = girrona_assembly::message::payload::casper_key::Key;
    for (spy, node) in spies.iter().zip(net.nodes()) {
        let account = node.rpc().call::<girrona_api::methods::assembly::AssemblyNode>(&NoParams {});
        let account = account.await?.account;
        let part = |bytes| Part {
            request: id,
            executor: executor(account.clone()),
            is_stderr: false,
            offset: 0,
            bytes,
        };
        for say in [
            Say::Order(Order { request: id, executor: executor(account.clone()) }),
            Say::Output(part(b"lies".to_vec())),
            Say::Again(vec![id; 1_000]),
            Say::Pull(vec![girrona_assembly::MessageId([1; 32]); 10_000]),
        ] {
            spy.net.ask(spy.victim, talk::encode(&say).into()).await?;
        }
    }
    // What was taken back stays taken back, whoever says it again.
    let ana = key_path(&net, "ana")?;
    done(&["withdraw", &root, "--key", &ana, "--node", &url]).await?;
    for spy in &spies {
        spy.net.publish(Topic::Announcements, announced.clone());
    }
    // Somebody without an account, somebody whose clock is a bit off, a nonce that was used.
    let (nobody, bo) = (Author::nobody(&net, 7)?, Author::user(&net, "bo")?);
    let mut early = bo.body(execute(1));
    early.created_ms += MINUTE_MS;
    early.expires_ms += MINUTE_MS;
    let mut late = bo.body(execute(2));
    late.created_ms -= 2 * MINUTE_MS;
    late.expires_ms = now_ms() - MINUTE_MS;
    let mut used = bo.body(execute(3));
    used.nonce = 1;
    let bodies = [early, late, used].map(|body| body.sign(&bo.key).to_bytes());
    let unfunded = [nobody.say(announce()), nobody.say(execute(9))];
    for spy in &spies {
        for _ in 0..20 {
            for bytes in bodies.iter().chain(&unfunded) {
                // No kind of request is said on the announcements' topic by accident.
                let topic =
                    if bytes == &unfunded[0] { Topic::Announcements } else { Topic::Executions };
                spy.net.publish(topic, bytes.clone().into());
            }
        }
    }
    tokio::time::sleep(2 * SECOND).await;
    for node in net.nodes() {
        let list = node.rpc().call::<AssemblyList>(&NoParams {}).await?.assemblies;
        assert!(list.iter().all(|one| one.root != root), "{} took it up again", node.name());
        assert!(show(node, &a_root().to_string()).await.is_err(), "{}", node.name());
    }
    assert_eq!(executed(&net).await?, 2.0, "a request was executed again");
    let shown = done(&["logs", said["request"].as_str().context("id")?, "--node", &url]).await?;
    assert_eq!(shown["result"], said["result"]);
    for spy in &spies {
        ensure!(!spy.is_away(), "bad luck is no fault");
    }
    unharmed(&net).await?;
    net.end().await
}

/// How many messages a second it manages to send, and for how long it was let.
struct Flooded {
    sent: u32,
    lasted: Duration,
}

/// Sends as fast as it can until it is sent away or the time is over.
async fn flood(hostile: &Hostile, end: Instant, next: impl Fn(u32) -> Bytes) -> Flooded {
    let (began, mut sent) = (Instant::now(), 0);
    let topic = Topic::Executions;
    while Instant::now() < end && !hostile.is_away() {
        for _ in 0..100 {
            // A full queue is ours, not the node's.
            if !hostile.net.publish(topic, next(sent)) {
                break;
            }
            sent += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Flooded { sent, lasted: began.elapsed() }
}

/// Asks questions whose answers are long, and says what has to be verified.
async fn pester(hostile: &Hostile, end: Instant, signed: &[Vec<u8>]) -> usize {
    let bytes = |index: usize| match index % 3 {
        0 => talk::encode(&Say::Digest),
        1 => talk::encode(&Say::Pull(vec![girrona_assembly::MessageId([1; 32]); 39_000])),
        _ => direct(&signed[index % signed.len()]),
    };
    let one = async |line: usize| {
        let mut answered = 0;
        for index in (line * 1_000).. {
            if Instant::now() >= end {
                break;
            }
            match hostile.net.ask(hostile.victim, bytes(index).into()).await {
                Ok(_) => answered += 1,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        answered
    };
    join_all((0..30).map(one)).await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_a_second_about_assemblies_stop_nothing() -> Result<()> {
    const FLOOD: Duration = Duration::from_secs(6);
    let net = Net::builder().validators(2).block_time("500ms").start().await?;
    let folder = tempfile::tempdir()?;
    let root = publish(&net, folder.path(), "hello", &wat::parse_str(HELLO)?).await?;
    let author = Author::user(&net, "ana")?;
    // Forged: the same request with other salts.
    let good = author.say(execute(0));
    let salt = good.windows(32).position(|window| window == [0; 32]).context("a salt")?;
    let forged = |index: u32| {
        let mut bytes = good.clone();
        bytes[salt + 8..salt + 12].copy_from_slice(&(index + 1).to_le_bytes());
        Bytes::from(bytes)
    };
    // Well signed, by people whom the chain does not know: nobody's fault, and a lot of work.
    let unfunded: Vec<Vec<u8>> = (0..20_000)
        .map(|index| {
            let key = SecretKey::ed25519_from_bytes([8; 32])?;
            let mut body = author
                .body(Payload::Withdraw(Withdrawal { root: a_root(), reason: String::new() }));
            body.payload = execute(index);
            body.author = (&key).into();
            Ok(body.sign(&key).to_bytes())
        })
        .collect::<Result<_>>()?;
    let height = net.node(0).height().await?;
    let first = Hostile::join(&net, net.node(0)).await?;
    let second = Hostile::join(&net, net.node(1)).await?;
    let third = Hostile::join(&net, net.node(1)).await?;
    let attack = async {
        let end = Instant::now() + FLOOD;
        let faulty = async {
            let first = flood(&first, end, forged).await;
            // Under new names for the rest of the time.
            let mut lives = 1;
            while Instant::now() < end {
                // A node that is flooded may not find the time to let somebody in.
                let Ok(again) = Hostile::join(&net, net.node(0)).await else { continue };
                flood(&again, end, forged).await;
                lives += 1;
            }
            Ok((first, lives))
        };
        let unlucky = async {
            let next = |index: u32| Bytes::from(unfunded[index as usize % unfunded.len()].clone());
            Ok(flood(&second, end, next).await)
        };
        let asks = async { Ok(pester(&third, end, &unfunded).await) };
        tokio::try_join!(faulty, unlucky, asks)
    };
    let honest = async {
        tokio::time::sleep(FLOOD / 4).await;
        let (bo, url) = (key_path(&net, "bo")?, net.node(0).rpc().url().to_owned());
        let began = Instant::now();
        let said = done(&["run", &root, "--key", &bo, "-k", "2", "--node", &url]).await?;
        ensure!(said["state"] == "agreed", "{said}");
        Ok(began.elapsed())
    };
    let all = async { tokio::try_join!(attack, honest) };
    let (((faulty, lives), unlucky, asks), took) = Box::pin(watched(&net, all)).await?;
    println!(
        "forged: {} in {:?} until it was sent away, {lives} lives; unfunded: {} in {:?}; {asks} \
         questions answered; an honest request took {took:?}",
        faulty.sent, faulty.lasted, unlucky.sent, unlucky.lasted,
    );
    let rate = |flooded: &Flooded| f64::from(flooded.sent) / flooded.lasted.as_secs_f64();
    println!("{:.0} and {:.0} messages a second", rate(&faulty), rate(&unlucky));
    ensure!(first.is_away() && faulty.lasted < FLOOD, "it flooded for {:?}", faulty.lasted);
    ensure!(!second.is_away(), "who is not at fault stays");
    let bans = figure(net.node(0), "net_bans_total").await?;
    ensure!(bans >= 1.0 && bans <= f64::from(lives), "{bans} bans of {lives}");
    let made = net.node(1).height().await? - height;
    ensure!(made >= 2, "{made} blocks in {FLOOD:?}");
    assert_eq!(executed(&net).await?, 2.0, "something was executed for nobody");
    unharmed(&net).await?;
    net.end().await
}

/// Whether a node answers at once, as somebody at its door sees it.
pub(crate) async fn answers(node: &Node) -> Result<()> {
    let began = Instant::now();
    node.rpc().call::<AssemblyList>(&NoParams {}).await?;
    ensure!(began.elapsed() < 5 * SECOND, "{} took {:?}", node.name(), began.elapsed());
    Ok(())
}
