//! The chapters about an assembly: announced, cached by those whom it suits, executed by those who
//! hold it, proven without a node; how fast word of it went around; and somebody who lies about it.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use casper_types::{PublicKey, SecretKey, TimeDiff};
use girrona_api::methods::{
    NoParams,
    assembly::{
        AssemblyNode, AssemblyResult, AssemblyResultParams, AssemblyShow, AssemblyShowResult,
        AssemblyState, RootParams,
    },
    spread::{Propagation, TopicPropagation},
};
use girrona_assembly::run::{Certificate, End, Evidence};
use girrona_devnet::Layout;
use serde_json::json;

use super::{liar::Liar, story::Teller};
use crate::{
    ask::explained,
    assembly::{
        Node,
        args::{PublishArgs, RunArgs, Where},
        publish::announce,
        run::execute,
    },
    show::{self, Spinner, say},
};

/// Says hello to its argument.
const HELLO: &[u8] = include_bytes!("../../../../assemblies/wasm/hello.wasm");
/// What it is about; the last node wants none of that.
const TAG: &str = "greetings";
/// The topic on which it is announced.
const ANNOUNCED: &str = "announcement";
/// How long nodes have to make up their minds, fetch and compile.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gives the last node a taste of its own.
///
/// # Errors
/// When its configuration cannot be written.
pub(super) fn set_the_stage(layout: &Layout) -> Result<()> {
    if let Some(last) = layout.nodes.last() {
        last.change_config(|config| {
            config.assembly.policy.refuse_tags = vec![TAG.to_owned()];
        })?;
    }
    Ok(())
}

impl Teller {
    /// A program, from its announcement to a certificate.
    ///
    /// Answers the program's root.
    pub(super) async fn assembly(&mut self, key: &SecretKey) -> Result<String> {
        let from = self.doors.first().context("there is no node")?.clone();
        let last = self.doors.len().saturating_sub(1);
        let asked = self.doors.get(last).context("there is no node")?.clone();
        self.begin("assembly", &format!("5. ana announces a program, through {}", self.names[0]))?;
        let path = self.folder.join("hello.wasm");
        fs::write(&path, HELLO).with_context(|| format!("write {}", path.display()))?;
        let began = Instant::now();
        let announced = announce(&Node::ask(&from).await?, key, &publication(path)).await?;
        let root = announced.content.root.to_string();
        if !self.json {
            say!("  root {root}");
        }
        let shown = self.decided(&root).await?;
        let took = began.elapsed().as_millis();
        let is_ready = |shown: &AssemblyShowResult| shown.assembly.state == AssemblyState::Ready;
        let holders = self.named(&shown, is_ready);
        self.claim(
            holders.len() == last,
            &format!(
                "{} nodes cached and compiled it within {took} ms: {}",
                holders.len(),
                holders.join(", ")
            ),
        )?;
        for (name, shown) in self.names.clone().iter().zip(&shown).filter(|(_, one)| !is_ready(one))
        {
            self.claim(
                shown.assembly.state == AssemblyState::Refused,
                &format!("{name} does not: {}", shown.assembly.reason),
            )?;
        }

        let node = Node::ask(&asked).await?;
        self.hears_of(last, &root, holders.len()).await?;
        let run = execute(&node, key, &request(&root)).await?;
        if self.json {
            show::json_line(&json!({ "chapter": "assembly", "root": root, "run": run }))?;
        } else {
            say!("  request {}", run.request);
        }
        let text = run.result.as_ref().and_then(|result| hex::decode(&result.stdout).ok());
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let text = text.trim_end();
        let equal = run.receipts.iter().filter(|receipt| receipt.agrees).count();
        self.claim(
            equal > 1 && equal == run.receipts.len(),
            &format!(
                "asked through {}, {equal} of {} nodes that executed it signed the same: \"{text}\"",
                self.names[last],
                run.receipts.len(),
            ),
        )?;
        let mut accounts: Vec<PublicKey> = Vec::new();
        for (witness, _) in self.witnesses.iter().zip(&shown).filter(|(_, one)| is_ready(one)) {
            let said = witness.client.call::<AssemblyNode>(&NoParams {}).await;
            accounts.push(said.map_err(explained)?.account);
        }
        let strangers = run.receipts.iter().filter(|one| !accounts.contains(&one.executor)).count();
        self.claim(
            strangers == 0 && !run.receipts.is_empty(),
            "all of them are nodes that hold it; the node that was asked does not",
        )?;
        let bytes = hex::decode(run.certificate.unwrap_or_default()).unwrap_or_default();
        let proven = Certificate::from_bytes(&bytes)
            .ok()
            .and_then(|certificate| certificate.verify(&self.law.network_id()).ok());
        let signers = proven.as_ref().map_or(0, |proven| proven.executors.len());
        self.claim(
            proven.is_some_and(|proven| proven.outcome.end == End::Exit(0)),
            &format!("the certificate with {signers} signatures was checked without any node"),
        )?;
        Ok(root)
    }

    /// How long what was said so far took to get around, beside the model.
    pub(super) async fn spread(&mut self) -> Result<()> {
        self.begin("spread", "6. how fast word of it went around, as every node measured it")?;
        let deadline = Instant::now() + PATIENCE;
        // The program was brought to the first: it heard nothing of it from others.
        let listeners = || self.names.iter().zip(&self.witnesses).skip(1);
        let mut heard = Vec::new();
        let mut all = Vec::new();
        for (name, witness) in listeners() {
            let shown = loop {
                let shown = witness.client.call::<Propagation>(&NoParams {}).await;
                let shown = shown.map_err(explained)?.topics;
                // It is shown once a second.
                let said = shown.iter().find(|one| one.topic == ANNOUNCED);
                if said.is_some_and(|one| one.mesh.messages + one.outside.messages > 0)
                    || Instant::now() > deadline
                {
                    break shown;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            let said = shown.iter().find(|one| one.topic == ANNOUNCED);
            if let Some(said) = said.filter(|one| one.mesh.messages + one.outside.messages > 0) {
                heard.push((name.clone(), said.clone()));
            }
            all.extend(shown);
        }
        if self.json {
            let told: Vec<_> = heard
                .iter()
                .map(|(node, one)| json!({ "node": node, "announcement": one }))
                .collect();
            show::json_line(&json!({ "chapter": "spread", "measured": told }))?;
        }
        let mesh: u64 = heard.iter().map(|(_, one)| one.mesh.messages).sum();
        let asked: u64 = heard.iter().map(|(_, one)| one.outside.messages).sum();
        self.claim(
            heard.len() + 1 == self.names.len(),
            &format!(
                "{} nodes heard the announcement from others and measured it: {mesh} times pushed \
                 through the mesh, {asked} times asked for outside it",
                heard.len()
            ),
        )?;
        for topic in [ANNOUNCED, "deploy", "block", "holding"] {
            self.remark(&beside(topic, all.iter().filter(|one| one.topic == topic)))?;
        }
        self.remark("on one machine a hop is mostly work, which the model counts once only")?;
        let inputs = heard.iter().map(|(_, one)| one.inputs);
        let nodes: Vec<u64> = inputs.clone().map(|inputs| inputs.nodes).collect();
        let everybody = self.names.len() as u64;
        self.claim(
            !nodes.is_empty()
                && nodes.iter().all(|n| *n == everybody)
                && inputs.clone().all(|inputs| inputs.degree_milli > 1_000),
            &format!(
                "each of them measured the model's inputs itself, and counts {everybody} nodes"
            ),
        )
    }

    /// A stranger answers a request with something that no program said.
    pub(super) async fn liar(&mut self, key: &SecretKey, root: &str) -> Result<()> {
        self.begin("liar", "7. a stranger joins, and lies about what the program said")?;
        let network = self.law.network_id();
        let liar = Liar::join(network, &self.swarm).await?;
        let asked = self.doors.last().context("there is no node")?.clone();
        let node = Node::ask(&asked).await?;
        let run = execute(&node, key, &request(root)).await?;
        if !self.json {
            say!("  request {}", run.request);
        }
        // The lie may come after the certificate.
        let deadline = Instant::now() + PATIENCE;
        let params = AssemblyResultParams { request: run.request, wait_ms: 0 };
        let mut run = node.client.call::<AssemblyResult>(&params).await.map_err(explained)?.run;
        while run.evidence.is_empty() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
            run = node.client.call::<AssemblyResult>(&params).await.map_err(explained)?.run;
        }
        if self.json {
            show::json_line(&json!({ "chapter": "liar", "liar": liar.account, "run": run }))?;
        }
        let equal = run.receipts.iter().filter(|receipt| receipt.agrees).count();
        let said = run.receipts.iter().find(|receipt| receipt.executor == liar.account);
        self.claim(
            equal > 1 && said.is_some_and(|said| !said.agrees),
            &format!("{equal} nodes said the same again; the stranger signed something else"),
        )?;
        let offenders: Vec<_> = run.evidence.iter().map(|found| &found.offender).collect();
        self.claim(
            offenders == [&liar.account],
            &format!("{} names the stranger and nobody else", self.names[self.names.len() - 1]),
        )?;
        let proofs = run.evidence.iter().filter_map(|found| {
            let bytes = hex::decode(&found.proof).ok()?;
            Evidence::from_bytes(&bytes).ok()?.verify(&network).ok()
        });
        let proven: Vec<PublicKey> = proofs.collect();
        self.claim(
            proven == [liar.account.clone()],
            "the proof, of what it and the others signed, was checked without any node",
        )?;
        liar.leave().await;
        Ok(())
    }

    /// What every node says of an assembly once it has made up its mind.
    async fn decided(&self, root: &str) -> Result<Vec<AssemblyShowResult>> {
        let spinner = Spinner::start("announced");
        let deadline = Instant::now() + PATIENCE;
        let params = RootParams { root: root.to_owned() };
        let mut all = Vec::new();
        for witness in &self.witnesses {
            loop {
                let shown = witness.client.call::<AssemblyShow>(&params).await;
                let is_open = match &shown {
                    Ok(shown) => matches!(
                        shown.assembly.state,
                        AssemblyState::Fetching | AssemblyState::Compiling
                    ),
                    // It has not heard of it yet.
                    Err(_) => true,
                };
                if is_open && Instant::now() < deadline {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                all.push(shown.map_err(explained)?);
                break;
            }
        }
        drop(spinner);
        Ok(all)
    }

    /// Waits until a node knows so many holders.
    async fn hears_of(&self, witness: usize, root: &str, holders: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let params = RootParams { root: root.to_owned() };
        let client = &self.witnesses.get(witness).context("there is no node")?.client;
        while client.call::<AssemblyShow>(&params).await.map_err(explained)?.holders.len() < holders
            && Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn named(
        &self,
        shown: &[AssemblyShowResult],
        which: impl Fn(&AssemblyShowResult) -> bool,
    ) -> Vec<String> {
        let pairs = self.names.iter().zip(shown).filter(|(_, shown)| which(shown));
        pairs.map(|(name, _)| name.clone()).collect()
    }
}

/// A topic as several nodes measured it, beside the largest of their models.
fn beside<'a>(topic: &str, all: impl Iterator<Item = &'a TopicPropagation> + Clone) -> String {
    let ms = |us: u64| format!("{:.1} ms", us as f64 / 1_000.0);
    let messages: u64 = all.clone().map(|one| one.mesh.messages + one.outside.messages).sum();
    let times = all.clone().flat_map(|one| [one.mesh.p99_us, one.outside.p99_us]).flatten();
    let model = all.filter_map(|one| Some((one.model_us?, one.inputs))).max_by_key(|(us, _)| *us);
    let measured = times.max().map_or_else(|| "-".to_owned(), ms);
    let model = model.map_or_else(
        || "-".to_owned(),
        |(us, inputs)| {
            format!(
                "{} (Base_Delay {}, RTT {}, N {}, D {:.1})",
                ms(us),
                ms(inputs.base_delay_us),
                ms(inputs.rtt_us),
                inputs.nodes,
                inputs.degree_milli as f64 / 1_000.0
            )
        },
    );
    format!("{topic}: {messages} heard, p99 at most {measured}; the model says {model}")
}

/// `girrona assembly publish hello.wasm --tag greetings`
fn publication(path: PathBuf) -> PublishArgs {
    PublishArgs {
        path,
        key: PathBuf::new(),
        name: None,
        version_name: "1.0.0".to_owned(),
        tags: vec![TAG.to_owned()],
        groups: Vec::new(),
        replication: 3,
        replaces: None,
        ttl: TimeDiff::from_seconds(3_600),
        at: nowhere(),
    }
}

/// `girrona assembly run ROOT -- ana`
fn request(root: &str) -> RunArgs {
    RunArgs {
        root: root.to_owned(),
        entry: "main".to_owned(),
        args: vec!["ana".to_owned()],
        key: PathBuf::new(),
        stdin: None,
        env: Vec::new(),
        n: None,
        k: None,
        timeout: TimeDiff::from_seconds(20),
        fuel: None,
        memory: None,
        network: Vec::new(),
        certificate: None,
        detach: false,
        at: nowhere(),
    }
}

/// The story has its node already.
fn nowhere() -> Where {
    Where { node: String::new(), json: false }
}
