//! `girrona demo`, read as a newcomer reads it: every line that claims something is checked against
//! the chain that the demonstration left behind.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};
use casper_types::{
    AsymmetricType, DeployHash, Digest, Key, PublicKey, StoredValue, U512,
    execution::ExecutionResultV1,
};
use girrona_api::{
    BlockIdentifier, Client, EventStreamPath, Frame, GlobalStateIdentifier, PurseIdentifier,
    events,
    json_compat_15::format_key,
    methods::{
        NoParams,
        assembly::{
            AssemblyNode, AssemblyResult, AssemblyResultParams, AssemblyShow, AssemblyShowResult,
            AssemblyState, RootParams, RunInfo,
        },
        girrona::DeployPhase,
        info::JsonExecutionResult,
    },
};
use girrona_assembly::run::{Certificate, End, Evidence};
use girrona_devnet::{Layout, Network};
use girrona_testkit::{SECOND, Turn, program};
use girrona_types::FinalitySignature;

/// A chapter of the transcript.
#[derive(Debug, Default)]
struct Chapter {
    title: String,
    deploy: Option<DeployHash>,
    /// An assembly's root, and the request that executed it.
    root: Option<String>,
    request: Option<String>,
    /// Rows of the table of phases: name, then milliseconds for each node.
    phases: Vec<(String, Vec<i64>)>,
    claims: Vec<String>,
}

/// Takes a transcript apart; fails on a line that it does not know.
fn chapters(transcript: &str) -> Result<Vec<Chapter>> {
    let mut chapters: Vec<Chapter> = Vec::new();
    for line in transcript.lines().skip(2).filter(|line| !line.trim().is_empty()) {
        if !line.starts_with(' ') {
            chapters.push(Chapter { title: line.to_owned(), ..Chapter::default() });
            continue;
        }
        let chapter = chapters.last_mut().context("a chapter starts with its title")?;
        let text = line.trim();
        if let Some(claim) = text.strip_prefix("true ") {
            chapter.claims.push(claim.trim().to_owned());
        } else if text.starts_with("FALSE") {
            bail!("a claim is not true: {text}");
        } else if let Some(hash) = text.strip_prefix("deploy ").filter(|hash| hash.len() == 64) {
            chapter.deploy = Some(DeployHash::new(Digest::from_hex(hash)?));
        } else if let Some(root) = text.strip_prefix("root ") {
            chapter.root = Some(root.to_owned());
        } else if let Some(request) = text.strip_prefix("request ") {
            chapter.request = Some(request.to_owned());
        } else if line.starts_with("    ") && text.ends_with(" ms") {
            let words: Vec<&str> = text.split_whitespace().collect();
            let start = words.iter().position(|word| word.parse::<i64>().is_ok());
            let start = start.context("a row has times")?;
            let times = words[start..].iter().filter(|word| **word != "ms");
            let times: Result<Vec<i64>, _> = times.map(|word| word.parse()).collect();
            chapter.phases.push((words[..start].join(" "), times?));
        } else if !(text.starts_with("node-0") || line.starts_with("        ")) {
            bail!("what does this line mean? {line}");
        }
    }
    Ok(chapters)
}

/// The network after the demonstration, and what it says.
struct After {
    network: Network,
    clients: Vec<Client>,
    ana: PublicKey,
    bo: PublicKey,
}

impl After {
    async fn resume(data: &Path) -> Result<Self> {
        let layout = Layout::open(data)?;
        let user = |name: &str| -> Result<PublicKey> {
            Ok(layout.user(name).context("a user")?.keys.public_key()?)
        };
        let (ana, bo) = (user("ana")?, user("bo")?);
        let network = Network::start(layout, &program::girrona()?).await?;
        let mut clients = Vec::new();
        for endpoints in network.endpoints() {
            clients.push(Client::new(&endpoints.rpc)?);
        }
        Ok(Self { network, clients, ana, bo })
    }

    fn account(&self, name: &str) -> Result<&PublicKey> {
        match name {
            "ana" => Ok(&self.ana),
            "bo" => Ok(&self.bo),
            other => bail!("who is {other}?"),
        }
    }

    async fn result(&self, deploy: DeployHash) -> Result<JsonExecutionResult> {
        let mut results = Vec::new();
        for client in &self.clients {
            let found = client.get_deploy(deploy).await?;
            results.push(found.execution_results.into_iter().next().context("it is executed")?);
        }
        let first = results.pop().context("there is a node")?;
        assert!(results.iter().all(|result| *result == first), "all nodes tell the same result");
        Ok(first)
    }

    async fn balance(&self, account: &PublicKey, height: u64) -> Result<U512> {
        let mut balances = Vec::new();
        for client in &self.clients {
            let state = GlobalStateIdentifier::BlockHeight(height);
            let purse = PurseIdentifier::MainPurseUnderPublicKey(account.clone());
            balances.push(client.query_balance(Some(state), purse).await?);
        }
        let first = balances.pop().context("there is a node")?;
        assert!(balances.iter().all(|balance| *balance == first), "all nodes tell one balance");
        Ok(first)
    }

    /// The number of a node by its name.
    fn number(&self, name: &str) -> Result<usize> {
        let number = name.strip_prefix("node-").context("a node's name")?.parse()?;
        assert!(number < self.clients.len(), "{name}");
        Ok(number)
    }

    async fn show(&self, chapter: &Chapter, node: usize) -> Result<AssemblyShowResult> {
        let params = RootParams { root: chapter.root.clone().context("a root")? };
        Ok(self.clients[node].call::<AssemblyShow>(&params).await?)
    }

    /// The names of the nodes that hold the chapter's assembly, now that they were started again.
    async fn ready(&self, chapter: &Chapter) -> Result<Vec<String>> {
        let mut ready = Vec::new();
        for node in 0..self.clients.len() {
            if self.show(chapter, node).await?.assembly.state == AssemblyState::Ready {
                ready.push(format!("node-{node}"));
            }
        }
        Ok(ready)
    }

    /// What the node that was asked keeps of the execution.
    async fn run(&self, chapter: &Chapter) -> Result<RunInfo> {
        let request = chapter.request.clone().context("a request")?;
        let client = self.clients.last().context("a node")?;
        let params = AssemblyResultParams { request, wait_ms: 0 };
        Ok(client.call::<AssemblyResult>(&params).await?.run)
    }

    /// Checks that a deploy was executed in the block at a height.
    async fn is_in_block(&self, deploy: DeployHash, height: u64) -> Result<()> {
        let result = self.result(deploy).await?;
        let answer = self.clients[0].block(Some(BlockIdentifier::Height(height))).await?;
        assert_eq!(answer.block.context("a block")?.hash, result.block_hash);
        Ok(())
    }
}

/// Amounts of GIRRO in a sentence, in motes.
fn amounts(claim: &str) -> Vec<U512> {
    let words: Vec<&str> = claim.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| pair[1].trim_matches([',', ':']) == "GIRRO");
    pairs
        .map(|pair| {
            let (whole, part) = pair[0].split_once('.').unwrap_or((pair[0], ""));
            U512::from_dec_str(&format!("{whole}{part:0<9}")).unwrap()
        })
        .collect()
}

/// The number behind a word.
fn number_after(claim: &str, word: &str) -> Result<u64> {
    let mut words = claim.split_whitespace().skip_while(|w| *w != word).skip(1);
    let number = words.next().with_context(|| format!("`{word}` in `{claim}`"))?;
    Ok(number.trim_matches(|c: char| !c.is_ascii_digit()).parse()?)
}

/// The number that a claim begins with.
fn number_first(claim: &str) -> Result<u64> {
    Ok(claim.split_whitespace().next().context("a word")?.parse()?)
}

/// What stands between the first and the last quotation mark.
fn quoted(claim: &str) -> Result<&str> {
    let (_, rest) = claim.split_once('"').context("a quotation")?;
    Ok(rest.rsplit_once('"').context("its end")?.0)
}

/// Checks one claim; fails on one that it does not know.
async fn check(claim: &str, chapter: &Chapter, after: &After) -> Result<()> {
    let deploy = || chapter.deploy.context("this chapter has no deploy");
    let nodes = after.clients.len();
    if claim.contains("nodes saw its six phases") {
        assert_eq!(number_after(claim, "all")?, nodes as u64);
        check_phases(deploy()?, chapter, after).await
    } else if claim == "every node tells the same block and the same result" {
        after.result(deploy()?).await.map(drop)
    } else if claim.starts_with("it succeeded in block") {
        let result = after.result(deploy()?).await?;
        assert!(matches!(*result.result, ExecutionResultV1::Success { .. }), "{result:?}");
        after.is_in_block(deploy()?, number_after(claim, "block")?).await
    } else if claim.starts_with("it failed in block") {
        let result = after.result(deploy()?).await?;
        let ExecutionResultV1::Failure { error_message, .. } = &*result.result else {
            bail!("it did not fail: {result:?}");
        };
        assert_eq!(error_message, quoted(claim)?);
        after.is_in_block(deploy()?, number_after(claim, "block")?).await
    } else if claim.contains(" gained ") || claim.contains(" paid ") {
        let who = claim.split_whitespace().next().context("somebody")?;
        let height = number_after(claim, "block")?;
        let account = after.account(who)?;
        let found =
            [after.balance(account, height - 1).await?, after.balance(account, height).await?];
        let [moved, from, to] = amounts(claim)[..] else { bail!("three amounts in `{claim}`") };
        assert_eq!(found, [from, to], "{claim}");
        let expected = if claim.contains(" gained ") { from + moved } else { from - moved };
        assert_eq!(expected, to, "{claim}");
        after.is_in_block(deploy()?, height).await
    } else if claim.starts_with("it cost ") && claim.contains("penalty") {
        let result = after.result(deploy()?).await?;
        let ExecutionResultV1::Failure { cost, .. } = &*result.result else {
            bail!("it did not fail: {result:?}");
        };
        assert_eq!(amounts(claim), [*cost]);
        assert_eq!(*cost, after.network.layout().law.core.penalty_payment);
        Ok(())
    } else if claim.contains("named key `hello` holds") {
        let key = format_key(&Key::Account(after.ana.to_account_hash()));
        for client in &after.clients {
            let path = vec!["hello".to_owned()];
            let answer = client.query_global_state(None, key.clone(), path).await?;
            let StoredValue::CLValue(value) = answer.stored_value.0 else { bail!("a text") };
            assert_eq!(value.into_t::<String>().ok().as_deref(), Some(quoted(claim)?));
        }
        Ok(())
    } else if claim == "every node held it" {
        let deploy = deploy()?;
        for client in &after.clients {
            assert_eq!(*client.get_deploy(deploy).await?.deploy.hash(), deploy);
        }
        Ok(())
    } else if claim.starts_with("it expired on every node") {
        let (_, rest) = claim.split_once("at most ").context("how late")?;
        let late: u64 = rest.split_whitespace().next().context("a number")?.parse()?;
        assert!(late <= 2_000, "{claim}");
        let deploy = deploy()?;
        for client in &after.clients {
            assert!(client.get_deploy(deploy).await?.execution_results.is_empty());
            let told = client.deploy_status(deploy).await?;
            assert_eq!(told.phase, DeployPhase::Expired);
        }
        Ok(())
    } else if claim.ends_with("event streams said DeployExpired") {
        let deploy = deploy()?;
        assert!(claim.starts_with(&format!("{nodes} ")), "{claim}");
        for endpoints in after.network.endpoints() {
            // From the first event on: a node keeps them on disk.
            let found = find_expiry(&endpoints.events, deploy);
            tokio::time::timeout(20 * SECOND, found).await.context("the event is kept")??;
        }
        Ok(())
    } else if claim.starts_with("it cost nothing") {
        let [before, then] = amounts(claim)[..] else { bail!("two amounts in `{claim}`") };
        assert_eq!(before, then);
        let newest = after.clients[0].status().await?.last_added_block_info.context("a block")?;
        assert_eq!(after.balance(&after.ana, newest.height).await?, then);
        Ok(())
    } else if claim.contains("have one hash and one state root on every node") {
        let last = number_after(claim, "to")?;
        assert!(claim.starts_with(&format!("{} blocks", last + 1)), "{claim}");
        for height in 0..=last {
            let mut seen = Vec::new();
            for client in &after.clients {
                let block = client.block(Some(BlockIdentifier::Height(height))).await?.block;
                let block = block.context("a block")?;
                seen.push((block.hash, *block.header.state_root_hash()));
            }
            assert!(seen.iter().all(|block| *block == seen[0]), "height {height}: {seen:?}");
        }
        Ok(())
    } else if claim.contains("valid finality signatures") {
        let height = number_after(claim, "block")?;
        let promised = number_after(claim, "carries")?;
        for client in &after.clients {
            let block = client.block(Some(BlockIdentifier::Height(height))).await?.block;
            let block = block.context("a block")?;
            let valid = block.proofs.iter().filter(|proof| {
                let signed = FinalitySignature {
                    block: block.hash,
                    era: block.header.era_id(),
                    public_key: proof.public_key.clone(),
                    signature: proof.signature,
                };
                signed.is_valid()
            });
            assert!(valid.count() as u64 >= promised, "{claim}");
        }
        Ok(())
    } else if claim.contains("nodes cached and compiled it") {
        let (_, names) = claim.split_once(": ").context("names")?;
        let ready = after.ready(chapter).await?;
        assert_eq!(names.split(", ").collect::<Vec<_>>(), ready, "{claim}");
        assert_eq!(ready.len(), nodes - 1, "{claim}");
        Ok(())
    } else if let Some((name, reason)) = claim.split_once(" does not: ") {
        let shown = after.show(chapter, after.number(name)?).await?.assembly;
        assert_eq!(shown.state, AssemblyState::Refused, "{shown:?}");
        assert_eq!(shown.reason, reason);
        Ok(())
    } else if claim.starts_with("asked through ") {
        let run = after.run(chapter).await?;
        let result = run.result.context("a result")?;
        let text = String::from_utf8(hex::decode(result.stdout)?)?;
        assert_eq!(text.trim_end(), quoted(claim)?);
        assert_eq!(quoted(claim)?, "Hello, ana!");
        let equal = run.receipts.iter().filter(|receipt| receipt.agrees).count();
        assert!(equal >= 2 && equal == run.receipts.len(), "{:?}", run.receipts);
        Ok(())
    } else if claim.starts_with("all of them are nodes that hold it") {
        let ready = after.ready(chapter).await?;
        let mut holders = Vec::new();
        for name in &ready {
            let client = &after.clients[after.number(name)?];
            holders.push(client.call::<AssemblyNode>(&NoParams {}).await?.account);
        }
        let run = after.run(chapter).await?;
        assert!(run.receipts.iter().all(|one| holders.contains(&one.executor)), "{run:?}");
        Ok(())
    } else if claim.starts_with("the certificate with") {
        let bytes = hex::decode(after.run(chapter).await?.certificate.context("a certificate")?)?;
        let network = after.network.layout().law.network_id();
        let proven = Certificate::from_bytes(&bytes)?.verify(&network)?;
        // Receipts that came later are in it too.
        assert!(proven.executors.len() as u64 >= number_after(claim, "with")?, "{claim}");
        assert_eq!(proven.outcome.end, End::Exit(0));
        Ok(())
    } else if claim.contains("nodes heard the announcement from others") {
        // What was measured ends with a process.
        assert_eq!(number_first(claim)?, nodes as u64 - 1, "{claim}");
        Ok(())
    } else if claim.starts_with("each of them measured the model's inputs itself") {
        assert_eq!(number_after(claim, "counts")?, nodes as u64, "{claim}");
        Ok(())
    } else if claim.contains("the stranger signed something else") {
        let run = after.run(chapter).await?;
        let (equal, other): (Vec<_>, Vec<_>) = run.receipts.iter().partition(|one| one.agrees);
        // One more may have come since.
        assert!(equal.len() as u64 >= number_first(claim)?, "{run:?}");
        assert_eq!(other.len(), 1, "{run:?}");
        Ok(())
    } else if claim.contains("names the stranger and nobody else")
        || claim.starts_with("the proof, of what it and the others signed")
    {
        let run = after.run(chapter).await?;
        let strangers: Vec<_> =
            run.receipts.iter().filter(|one| !one.agrees).map(|one| &one.executor).collect();
        let proof = hex::decode(&run.evidence.first().context("evidence")?.proof)?;
        let network = after.network.layout().law.network_id();
        let offender = Evidence::from_bytes(&proof)?.verify(&network)?;
        assert_eq!((run.evidence.len(), strangers), (1, vec![&offender]), "{claim}");
        Ok(())
    } else {
        bail!("nobody checks this claim: {claim}")
    }
}

/// Checks the table: what each node told then is what it tells now.
async fn check_phases(deploy: DeployHash, chapter: &Chapter, after: &After) -> Result<()> {
    assert_eq!(chapter.phases.len(), 6, "{:?}", chapter.phases);
    for (node, client) in after.clients.iter().enumerate() {
        let told = client.deploy_status(deploy).await?.phases;
        assert_eq!(told.len(), 6, "node {node}: {told:?}");
        let first = told[0].at.millis() as i64 - chapter.phases[0].1[node];
        for (entry, (name, times)) in told.iter().zip(&chapter.phases) {
            let expected = entry.at.millis() as i64 - first;
            assert_eq!(times[node], expected, "node {node}: {name}");
        }
    }
    Ok(())
}

/// Reads a node's events from the beginning up to the expiry of a deploy.
async fn find_expiry(url: &str, deploy: DeployHash) -> Result<()> {
    use futures::StreamExt;
    let mut stream = events(url, EventStreamPath::Main, Some(0));
    while let Some(item) = stream.next().await {
        if matches!(item?.1, Frame::DeployExpired { deploy_hash } if deploy_hash == deploy) {
            return Ok(());
        }
    }
    bail!("the stream ended")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_claim_of_the_demo_is_true_on_the_chain_it_leaves() -> Result<()> {
    let _turn = Turn::take().await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("demo");
    let mut command = Command::new(program::girrona()?);
    command.args(["demo", "--exit", "--ports", "free", "--data"]).arg(&data);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let transcript = String::from_utf8(output.stdout)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{transcript}\n{errors}", output.status);
    assert!(!transcript.contains('\u{1b}'), "no colours where there is no terminal");

    let mut chapters = chapters(&transcript)?;
    let summary = chapters.pop().context("a summary")?.title;
    let claims: usize = chapters.iter().map(|chapter| chapter.claims.len()).sum();
    assert!(claims >= 15, "{transcript}");
    assert_eq!(
        summary,
        format!("All {claims} claims above were read from every node and are true.")
    );
    let deploys = chapters.iter().filter(|chapter| chapter.deploy.is_some()).count();
    assert_eq!(deploys, 4, "a transfer, a Wasm session, a failure and an expiry");

    let after = After::resume(&data).await?;
    for chapter in &chapters {
        for claim in &chapter.claims {
            check(claim, chapter, &after).await.with_context(|| {
                format!("{}: {claim} (ana is {})", chapter.title, after.ana.to_hex())
            })?;
        }
    }
    after.network.stop().await;
    Ok(())
}

#[test]
fn a_transcript_is_taken_apart_and_a_false_claim_or_unknown_line_is_found() {
    let hash = "13c2d7a68ecdd4b74bf4393c88915c836c863fc4bf11d7f2bd930a1bbccacdcb";
    let text = format!(
        "The life\nnetwork in x\n\n1. ana sends\n  deploy {hash}\n        node-0  node-1\n    \
         deploy received  3 ms  -28 ms\n  true  bo gained 2.5 GIRRO: 1 GIRRO before, 3.5 GIRRO after block 7\n"
    );
    let found = chapters(&text).unwrap();
    assert_eq!(found[0].phases, [("deploy received".to_owned(), vec![3, -28])]);
    let motes = |girro: u64| U512::from(girro);
    assert_eq!(
        amounts(&found[0].claims[0]),
        [motes(2_500_000_000), motes(1_000_000_000), motes(3_500_000_000)]
    );
    assert_eq!(number_after(&found[0].claims[0], "block").unwrap(), 7);
    assert!(chapters(&text.replace("true ", "FALSE")).is_err());
    assert!(chapters(&format!("{text}  something else\n")).is_err());
}
