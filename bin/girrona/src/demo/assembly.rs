//! The chapter about an assembly: announced, cached by those whom it suits, executed by those who
//! hold it, proven without a node.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use casper_types::{PublicKey, SecretKey, TimeDiff};
use girrona_api::methods::{
    NoParams,
    assembly::{AssemblyNode, AssemblyShow, AssemblyShowResult, AssemblyState, RootParams},
};
use girrona_assembly::run::{Certificate, End};
use girrona_devnet::Layout;
use serde_json::json;

use super::story::Teller;
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
    pub(super) async fn assembly(&mut self, key: &SecretKey) -> Result<()> {
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
        )
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
