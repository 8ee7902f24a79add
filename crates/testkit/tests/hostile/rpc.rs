//! Bad requests and bad deploys over JSON-RPC, one by one and as a flood.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use casper_types::{
    Deploy, ExecutableDeployItem, PublicKey, RuntimeArgs, SecretKey, TimeDiff, Timestamp, U512,
};
use futures::future::try_join_all;
use girrona_api::methods::account::PutDeployParams;
use girrona_testkit::{Net, Node};
use girrona_types::draft::Draft;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::watch::{FLOOD, PATIENCE, Tally, balance, serves, unharmed, watched};

/// The largest body that a node reads, in bytes.
const BODY_MAX: usize = 2_621_440;
const FEE: u64 = 100_000_000;

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

fn put(params: &str) -> String {
    request("account_put_deploy", params)
}

/// A deploy as the parameters of `account_put_deploy`.
fn params(deploy: &Deploy) -> Result<String> {
    Ok(serde_json::to_string(&PutDeployParams { deploy: deploy.clone().into() })?)
}

/// A client that shares no connection with others and does not wait for ever.
fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().timeout(PATIENCE).tcp_nodelay(true).build()?)
}

/// Status and body of the answer to one POST.
async fn post(client: &reqwest::Client, node: &Node, body: String) -> Result<(u16, String)> {
    let url = format!("{}/rpc", node.rpc_url());
    let request = client.post(url).header("content-type", "application/json").body(body);
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// A transfer of a changed draft.
fn altered(net: &Net, change: impl FnOnce(&mut Draft)) -> Result<Draft> {
    let mut draft = net.draft(net.transfer("ana", "bo", 3_000_000_000)?.session().clone(), FEE);
    change(&mut draft);
    Ok(draft)
}

/// A deploy with code of this many bytes, all of them nonsense.
pub(crate) fn nonsense(net: &Net, bytes: usize) -> Result<Deploy> {
    let code = vec![0xab; bytes].into();
    let session = ExecutableDeployItem::new_module_bytes(code, RuntimeArgs::new());
    Ok(net.draft(session, 10 * FEE).sign(net.key("ana")?)?)
}

/// What is sent, what it is answered with, and what the text must say.
type Case = (&'static str, String, i64, Vec<String>);

fn bad_requests(good: &str, hash: &str) -> Vec<Case> {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{}1{}", r#"{"deploy":"#.repeat(50_000), "}".repeat(50_000));
    let lists = format!("{}\"U8\"{}", r#"{"List":"#.repeat(5_000), "}".repeat(5_000));
    let case = |what, body, code, says: &str| (what, body, code, vec![says.to_owned()]);
    let whole = put(good);
    vec![
        case("cut off", whole[..whole.len() / 2].to_owned(), -32700, "EOF while parsing"),
        case("no JSON", "\u{1}\u{2}".to_owned(), -32700, "expected value"),
        case("a batch", format!("[{whole}]"), -32600, "batch requests are not supported"),
        case("an unknown method", request("account_take_deploy", good), -32601, "take_deploy"),
        case("no parameters", put("{}"), -32602, "missing field `deploy`"),
        case("deep brackets", put(&deep), -32602, "invalid type: sequence"),
        case("deep braces", put(&nested), -32602, "unknown field `deploy`"),
        case("a deep type", put(&good.replace("\"U512\"", &lists)), -32602, "recursion limit"),
        case(
            "a number for a hash",
            put(&good.replace(&format!("\"{hash}\""), "7")),
            -32602,
            "integer `7`",
        ),
        case("no hex", put(&good.replace(hash, &"zz".repeat(32))), -32602, "nvalid"),
        case("short hex", put(&good.replace(hash, &hash[2..])), -32602, "slice to array"),
        case(
            "a bad time",
            put(&good.replace("\"ttl\":\"30m\"", "\"ttl\":\"ever\"")),
            -32602,
            "expected number",
        ),
        case(
            "a negative price",
            put(&good.replace("\"gas_price\":1", "\"gas_price\":-1")),
            -32602,
            "-1",
        ),
        case(
            "no block hash",
            request("chain_get_block", r#"{"block_identifier":{"Hash":"7"}}"#),
            -32602,
            "must be even",
        ),
        case(
            "no such block",
            request("chain_get_block", r#"{"block_identifier":{"Height":4000000000}}"#),
            -32001,
            "4000000000",
        ),
        case(
            "no key",
            request("query_global_state", r#"{"state_identifier":null,"key":"x","path":[]}"#),
            -32002,
            "x",
        ),
    ]
}

fn bad_deploys(net: &Net) -> Result<Vec<Case>> {
    let key = net.key("ana")?;
    let (good, stranger) =
        (net.transfer("ana", "bo", 3_000_000_000)?, SecretKey::generate_ed25519()?);
    let text = params(&good)?;
    let approval = good.approvals().first().context("it is signed")?.signature();
    let signature = serde_json::to_value(approval)?.as_str().context("a text")?.to_owned();
    // A signature starts with its kind, `01`.
    let forged = format!("01{}", hex::encode([7; 64]));
    let name = &net.law().network.name;
    let now = Timestamp::now();
    let past = Timestamp::from(now.millis().saturating_sub(3_600_000));
    let future = Timestamp::from(now.millis().saturating_add(3_600_000));
    let minute = TimeDiff::from_seconds(60);
    let case = |what, deploy: Deploy, says: &[&str]| -> Result<Case> {
        Ok((what, put(&params(&deploy)?), -32008, says.iter().map(|&s| s.to_owned()).collect()))
    };
    let elsewhere = altered(net, |draft| draft.chain_name = "elsewhere".to_owned())?.sign(key)?;
    let says = format!("invalid chain name: expected {name}, got elsewhere");
    let foreign = altered(net, |_| {})?.sign_for(PublicKey::from(key), &[&stranger])?;
    Ok(vec![
        (
            "a bad signature",
            put(&text.replace(&signature, &forged)),
            -32008,
            vec!["invalid deploy: ".to_owned(), "signature".to_owned()],
        ),
        (
            "a changed body",
            // The amount's bytes.
            put(&text.replace("04005ed0b2", "04005ed0b3")),
            -32008,
            vec!["body hash".to_owned()],
        ),
        case("another chain's", elsewhere, &[&says])?,
        case(
            "an old one",
            altered(net, |draft| {
                draft.timestamp = past;
                draft.ttl = minute;
            })?
            .sign(key)?,
            &["expired at", "node's time at"],
        )?,
        case(
            "one from the future",
            altered(net, |draft| draft.timestamp = future)?.sign(key)?,
            &["is later than node's validation timestamp"],
        )?,
        case(
            "one that wants to live long",
            altered(net, |draft| draft.ttl = TimeDiff::from_seconds(90_000))?.sign(key)?,
            &["time-to-live of", "exceeds limit"],
        )?,
        case(
            "one that pays nothing",
            altered(net, |draft| draft.gas_price = 0)?.sign(key)?,
            &["gas price of 0"],
        )?,
        case("a stranger's signature", foreign, &["authoriz"])?,
        case("an account that is not there", altered(net, |_| {})?.sign(&stranger)?, &["account"])?,
        case(
            "too large",
            nonsense(net, 1_100_000)?,
            &["deploy size too large", "exceeds limit of 1048576"],
        )?,
        case(
            "code that is none",
            nonsense(net, 100_000)?,
            &["Wasm preprocessing error", "bad magic number"],
        )?,
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_is_told_what_is_wrong_and_a_replay_happens_once() -> Result<()> {
    let net = Net::builder().validators(2).block_time("500ms").start().await?;
    let node = net.node(0);
    let client = client()?;
    let executed = net.transfer("ana", "bo", 3_000_000_000)?;
    let hash = hex::encode(executed.hash().inner());
    let ana = net.public_key("ana")?;
    let before = balance(node, &ana).await?;

    let mut cases = bad_requests(&params(&executed)?, &hash);
    cases.extend(bad_deploys(&net)?);
    let mut problems = Vec::new();
    for (what, body, code, says) in cases {
        let (status, text) = post(&client, node, body).await.with_context(|| what.to_owned())?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let told = answer["error"]["data"].to_string();
        let is_clear = says.iter().all(|piece| told.contains(piece));
        if status != 200 || answer["error"]["code"] != code || !is_clear {
            problems.push(format!("{what}: {status} {text}, but expected {code} and {says:?}"));
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    let (status, text) = post(&client, node, " ".repeat(BODY_MAX + 1)).await?;
    assert_eq!(status, 413);
    assert!(text.contains("exceeds the maximum allowed of 2621440 bytes"), "{text}");
    assert_eq!(balance(node, &ana).await?, before, "nothing of all that was executed");

    // Good once; sent again before and after it is executed, to either node.
    let hash = node.put(executed.clone()).await?;
    assert_eq!(node.put(executed.clone()).await?, hash);
    net.wait_executed(hash, PATIENCE).await?;
    for node in net.nodes() {
        for _ in 0..20 {
            assert_eq!(node.put(executed.clone()).await?, hash);
        }
    }
    let height = node.height().await?;
    net.wait_height(height + 3, PATIENCE).await?;
    let paid = before - balance(node, &ana).await?;
    assert_eq!(paid, U512::from(3_000_000_000 + FEE), "a replay costs nobody anything");
    assert_eq!(node.rpc().get_deploy(hash).await?.execution_results.len(), 1);
    unharmed(&net).await?;
    net.end().await
}

/// Sends the same again and again until the time is over.
async fn repeat(
    node: &Node,
    until: Instant,
    fresh: bool,
    body: impl Fn() -> String,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut own = client()?;
    while Instant::now() < until {
        if fresh {
            own = client()?;
        }
        match post(&own, node, body()).await {
            Ok((200, text)) => {
                let answer: Value = serde_json::from_str(&text)?;
                tally.note(answer["error"]["code"].to_string());
            }
            Ok((status, _)) => tally.note(status.to_string()),
            // The node closes while we still send.
            Err(_) => tally.note("broken"),
        }
    }
    Ok(tally)
}

/// Connections with half a request each.
async fn half(node: &Node, count: usize) -> Result<Vec<TcpStream>> {
    let address = node.rpc_url().replace("http://", "");
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(&address).await?;
        let head = b"POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
            content-length: 2000000\r\n\r\n{\"jsonrpc\":\"2.0\",";
        stream.write_all(head).await?;
        open.push(stream);
    }
    Ok(open)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_does_not_keep_an_honest_client_from_its_block() -> Result<()> {
    // Both must vote: if the flooded one could not, there would be no block.
    let net = Net::builder().validators(2).block_time("500ms").start().await?;
    let node = net.node(0);
    net.wait_height(1, PATIENCE).await?;
    let height = node.height().await?;
    let forged = params(&net.transfer("ana", "bo", 3_000_000_000)?)?
        .replace("\"signature\":\"01", "\"signature\":\"0100");
    let large = put(&format!("[\"{}\"]", "x".repeat(BODY_MAX - 100)));
    let unsigned = bad_deploys(&net)?.swap_remove(0).1;
    let heavy = put(&params(&nonsense(&net, 900_000)?)?);
    let idle = half(node, 300).await?;
    let until = Instant::now() + FLOOD;
    let flood = async {
        let of = |count, fresh, body: &str| {
            let body = body.to_owned();
            let each = move |_| {
                let body = body.clone();
                repeat(node, until, fresh, move || body.clone())
            };
            try_join_all((0..count).map(each))
        };
        let oversize = " ".repeat(2 * BODY_MAX);
        let endless = " ".repeat(6 * BODY_MAX);
        let (a, b, c, d, e, f) = tokio::try_join!(
            of(8, false, &large),
            of(3, true, &oversize),
            of(2, true, &endless),
            of(8, false, &unsigned),
            of(8, true, &put(&forged)),
            of(4, false, &heavy),
        )?;
        let mut tally = Tally::default();
        for one in [a, b, c, d, e, f].into_iter().flatten() {
            tally.add(one);
        }
        Ok(tally)
    };
    let honest = async {
        tokio::time::sleep(FLOOD / 5).await;
        let began = Instant::now();
        serves(&net, node).await?;
        let took = began.elapsed();
        ensure!(took < Duration::from_secs(30), "an honest transfer took {took:?}");
        Ok(())
    };
    let (tally, ()) = watched(&net, async { tokio::try_join!(flood, honest) }).await?;
    tally.only(&["413", "429", "503", "-32602", "-32008", "-32603", "broken"])?;
    for (what, least) in [("413", 3), ("-32602", 20), ("-32008", 20)] {
        ensure!(tally.of(what) >= least, "{what}: {tally:?}");
    }
    drop(idle);
    ensure!(node.height().await? > height, "no block during the flood");
    unharmed(&net).await?;
    net.end().await
}
