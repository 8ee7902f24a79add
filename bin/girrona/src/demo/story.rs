//! The story: four Deploys, from the hand of a user to the end of their lives, and an assembly.
//!
//! Nothing here is known beforehand. What is printed is what the nodes answer, and a claim is true
//! only when every node says so.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use casper_types::{
    Deploy, DeployHash, Digest, ExecutableDeployItem, PublicKey, SecretKey, TimeDiff, Timestamp,
    U512, runtime_args,
};
use futures::future::join_all;
use girrona_api::{AccountIdentifier, methods::girrona::DeployPhase};
use girrona_devnet::{Network, User};
use girrona_types::Chainspec;
use serde_json::json;

use super::chain::{self, agreed};
use crate::{
    ask::{self, explained},
    deploy::hash_text,
    journey::{self, Journey, Witness},
    money::Girro,
    show::{self, BAD, BOLD, DIM, GOOD, Spinner, say, styled},
    wallet::{self, TRANSFER_PAYMENT, Terms},
};

/// Stores its argument `message` under the named key `hello`.
const HELLO: &[u8] = include_bytes!("../../../../contracts/wasm/hello.wasm");
/// Ends with the user error that its argument `code` names.
const REVERT: &[u8] = include_bytes!("../../../../contracts/wasm/revert.wasm");

/// How long the first three may wait for a block.
const TTL: TimeDiff = TimeDiff::from_seconds(120);
/// How long the fourth may.
const SHORT_TTL: TimeDiff = TimeDiff::from_seconds(6);
/// How late after that a node may be to say that it expired.
const EXPIRY_TOLERANCE: Duration = Duration::from_secs(2);
/// What a Wasm session may cost, in motes.
const WASM_PAYMENT: u64 = 5_000_000_000;

/// A sentence and whether every node says the same.
#[derive(Debug)]
pub(crate) struct Claim {
    /// Whether it is true.
    pub(crate) holds: bool,
}

/// Who takes part.
pub(crate) struct Stage {
    law: Chainspec,
    users: Vec<User>,
    witnesses: Vec<Witness>,
    /// Where each witness answers, and where it tells events.
    doors: Vec<String>,
    events: Vec<String>,
    /// Where the first node's swarm listens.
    swarm: String,
    folder: PathBuf,
}

impl Stage {
    /// A running network.
    ///
    /// # Errors
    /// When a node has no usable address.
    pub(crate) fn of(network: &Network) -> Result<Self> {
        let mut witnesses = Vec::new();
        let (mut doors, mut events) = (Vec::new(), Vec::new());
        let mut swarm = None;
        for process in network.processes() {
            let name = process.place().name.clone();
            let endpoints = process.endpoints().with_context(|| format!("{name} has ended"))?;
            witnesses.push(Witness { name, client: ask::client(&endpoints.rpc)? });
            swarm = swarm.or_else(|| endpoints.swarm.into_iter().next());
            doors.push(endpoints.rpc);
            events.push(endpoints.events);
        }
        let layout = network.layout();
        let (law, users, folder) =
            (layout.law.clone(), layout.users.clone(), layout.path().to_owned());
        let swarm = swarm.context("no node has an address")?;
        Ok(Self { law, users, witnesses, doors, events, swarm, folder })
    }
}

/// What was said so far, and what it is said about.
pub(super) struct Teller {
    pub(super) law: Chainspec,
    users: Vec<User>,
    pub(super) witnesses: Vec<Witness>,
    /// Where each witness answers.
    pub(super) doors: Vec<String>,
    events: Vec<String>,
    pub(super) names: Vec<String>,
    /// Where the first node's swarm listens.
    pub(super) swarm: String,
    /// Where the story may leave files.
    pub(super) folder: PathBuf,
    pub(super) json: bool,
    chapter: &'static str,
    claims: Vec<Claim>,
}

/// A deploy whose life is over.
struct Lived {
    hash: DeployHash,
    sent: Timestamp,
    journey: Journey,
}

/// Tells the story.
///
/// # Errors
/// When a node cannot be asked, or refuses a deploy.
pub(crate) async fn tell(stage: Stage, as_json: bool) -> Result<Vec<Claim>> {
    let Stage { law, users, witnesses, doors, events, swarm, folder } = stage;
    let names = witnesses.iter().map(|witness| witness.name.clone()).collect();
    let mut teller = Teller {
        law,
        users,
        witnesses,
        doors,
        events,
        names,
        swarm,
        folder,
        json: as_json,
        chapter: "",
        claims: Vec::new(),
    };
    let ana = teller.user("ana")?;
    let bo = teller.user("bo")?;
    teller.transfer(&ana, &bo).await?;
    teller.wasm(&ana).await?;
    teller.failure(&bo).await?;
    teller.expiry(&ana, &bo).await?;
    let root = teller.assembly(&ana).await?;
    teller.spread().await?;
    teller.liar(&ana, &root).await?;
    teller.agreement().await?;
    Ok(teller.claims)
}

impl Teller {
    /// GIRRO from one account to another.
    async fn transfer(&mut self, from: &SecretKey, to: &SecretKey) -> Result<()> {
        let (payer, receiver) = (PublicKey::from(from), PublicKey::from(to));
        let amount = Girro::from_motes(U512::from(25_000_000_000_u64));
        self.begin("transfer", &format!("1. ana sends bo {amount}, through {}", self.names[0]))?;
        let target = AccountIdentifier::PublicKey(receiver.clone());
        let session = wallet::transfer_to(&target, amount.motes(), Some(1));
        let deploy = self.sign(from, session, TRANSFER_PAYMENT, TTL, Vec::new())?;
        let lived = self.live(0, deploy).await?;
        let Some((height, outcome)) = self.executed(&lived).await? else { return Ok(()) };
        self.claim(outcome.error.is_none(), &format!("it succeeded in block {height}"))?;
        self.moved("bo", &receiver, height, Change::Gain(amount.motes())).await?;
        let fee = Girro::from_motes(outcome.cost);
        let paid = amount.motes() + outcome.cost;
        self.moved("ana", &payer, height, Change::Loss(paid)).await?;
        self.remark(&format!("ana's part is the {amount} and a fee of {fee}"))
    }

    /// Wasm that writes into the sender's account.
    async fn wasm(&mut self, key: &SecretKey) -> Result<()> {
        let message = "Hello from a Wasm session";
        let node = self.index(1);
        let kib = HELLO.len().div_ceil(1_024);
        self.begin(
            "wasm",
            &format!(
                "2. ana runs {kib} KiB of Wasm that keeps a message, through {}",
                self.names[node]
            ),
        )?;
        let args = runtime_args! { "message" => message };
        let session = ExecutableDeployItem::new_module_bytes(HELLO.into(), args);
        let deploy = self.sign(key, session, WASM_PAYMENT, TTL, Vec::new())?;
        let lived = self.live(node, deploy).await?;
        let Some((height, outcome)) = self.executed(&lived).await? else { return Ok(()) };
        let account = PublicKey::from(key);
        self.claim(outcome.error.is_none(), &format!("it succeeded in block {height}"))?;
        let texts = if outcome.error.is_none() {
            chain::named_texts(&self.witnesses, &account, "hello", height).await?
        } else {
            vec![None]
        };
        let found = agreed(texts).flatten().unwrap_or_default();
        self.claim(found == message, &format!("ana's named key `hello` holds \"{found}\""))?;
        self.moved("ana", &account, height, Change::Loss(outcome.cost)).await
    }

    /// Wasm that fails, and what that costs.
    async fn failure(&mut self, key: &SecretKey) -> Result<()> {
        let node = self.index(2);
        self.begin(
            "failure",
            &format!("3. bo runs Wasm that reverts, through {}", self.names[node]),
        )?;
        let args = runtime_args! { "code" => 7_u32 };
        let session = ExecutableDeployItem::new_module_bytes(REVERT.into(), args);
        let deploy = self.sign(key, session, WASM_PAYMENT, TTL, Vec::new())?;
        let lived = self.live(node, deploy).await?;
        let Some((height, outcome)) = self.executed(&lived).await? else { return Ok(()) };
        let error = outcome.error.clone().unwrap_or_else(|| "nothing".to_owned());
        self.claim(
            outcome.error.is_some(),
            &format!("it failed in block {height} with \"{error}\""),
        )?;
        let penalty = self.law.core.penalty_payment;
        self.claim(
            outcome.cost == penalty,
            &format!(
                "it cost {}, the chainspec's penalty for a deploy that fails",
                Girro::from_motes(outcome.cost)
            ),
        )?;
        self.moved("bo", &PublicKey::from(key), height, Change::Loss(penalty)).await
    }

    /// A deploy that waits for another that nobody ever sends.
    async fn expiry(&mut self, from: &SecretKey, to: &SecretKey) -> Result<()> {
        let node = self.index(3);
        self.begin(
            "expiry",
            &format!(
                "4. ana sends a deploy that lives for {SHORT_TTL} and waits for one that never comes, through {}",
                self.names[node]
            ),
        )?;
        let payer = PublicKey::from(from);
        let target = AccountIdentifier::PublicKey(PublicKey::from(to));
        let session = wallet::transfer_to(&target, U512::from(25_000_000_000_u64), Some(2));
        let never = DeployHash::new(Digest::hash("nobody ever sends this"));
        let deploy = self.sign(from, session, TRANSFER_PAYMENT, SHORT_TTL, vec![never])?;
        let (hash, expires) = (*deploy.hash(), deploy.timestamp() + SHORT_TTL);
        let before = chain::common_height(&self.witnesses).await?;
        let patience = Duration::from_millis(SHORT_TTL.millis()) + Duration::from_secs(20);
        let listeners: Vec<_> = self
            .events
            .iter()
            .map(|url| tokio::spawn(chain::hears_expiry(url.clone(), hash, patience)))
            .collect();
        let lived = self.live(node, deploy).await?;
        let told: Vec<_> = lived.journey.told.iter().flatten().collect();
        let all = told.len() == self.witnesses.len();
        self.claim(
            all && told.iter().all(|told| journey::time_of(told, DeployPhase::Received).is_some()),
            "every node held it",
        )?;
        let reason = told.first().and_then(|told| told.reason.clone()).unwrap_or_default();
        let late: Vec<Option<u64>> = told
            .iter()
            .map(|told| {
                let at = journey::time_of(told, DeployPhase::Expired)?;
                at.millis().checked_sub(expires.millis())
            })
            .collect();
        let in_time = |late: &Option<u64>| {
            late.is_some_and(|late| u128::from(late) <= EXPIRY_TOLERANCE.as_millis())
        };
        let latest = late.iter().flatten().max().copied().unwrap_or_default();
        self.claim(
            all && late.iter().all(in_time),
            &format!("it expired on every node, at most {latest} ms after its time: {reason}"),
        )?;
        let mut heard = 0;
        for listener in join_all(listeners).await {
            heard += usize::from(listener.context("listen to a node")??);
        }
        self.claim(
            heard == self.witnesses.len(),
            &format!("{heard} event streams said DeployExpired"),
        )?;
        let after = chain::common_height(&self.witnesses).await?;
        let first = agreed(chain::balances(&self.witnesses, &payer, before).await?);
        let last = agreed(chain::balances(&self.witnesses, &payer, after).await?);
        self.claim(
            first.is_some() && first == last,
            &format!(
                "it cost nothing: ana had {} before and has {} after",
                amount_text(first),
                amount_text(last)
            ),
        )
    }

    /// All nodes have the same chain.
    async fn agreement(&mut self) -> Result<()> {
        self.begin("agreement", "One chain")?;
        let height = chain::common_height(&self.witnesses).await?;
        let mut same = 0;
        for height in 0..=height {
            same += u64::from(agreed(chain::block_ids(&self.witnesses, height).await?).is_some());
        }
        self.claim(
            same == height + 1,
            &format!(
                "{same} blocks, 0 to {height}, have one hash and one state root on every node"
            ),
        )?;
        let validators = self.law.genesis_validators().count();
        // The block before the newest has had a block time to be signed.
        let signed_height = height.saturating_sub(1);
        let signed = chain::blocks(&self.witnesses, signed_height).await?;
        let fewest = signed.iter().map(chain::valid_signatures).min().unwrap_or(0);
        self.claim(
            fewest * 3 > validators * 2,
            &format!(
                "block {signed_height} carries {fewest} valid finality signatures of \
                 {validators} validators, on every node"
            ),
        )
    }

    /// A node by number, if there are so many.
    fn index(&self, wanted: usize) -> usize {
        wanted % self.witnesses.len().max(1)
    }

    /// The key of a funded account.
    fn user(&self, name: &str) -> Result<SecretKey> {
        let user = self.users.iter().find(|user| user.name == name);
        Ok(user.with_context(|| format!("the network has no {name}"))?.keys.secret_key()?)
    }

    /// Makes a deploy for this network.
    fn sign(
        &self,
        key: &SecretKey,
        session: ExecutableDeployItem,
        payment: u64,
        ttl: TimeDiff,
        dependencies: Vec<DeployHash>,
    ) -> Result<Deploy> {
        let chain_name = self.law.network.name.clone();
        wallet::sign(key, session, Terms { chain_name, ttl, dependencies, gas_price: 1, payment })
    }

    /// Sends a deploy to one node and follows it on all until its life is over.
    async fn live(&self, node: usize, deploy: Deploy) -> Result<Lived> {
        let (hash, ttl) = (*deploy.hash(), deploy.ttl());
        let sent = Timestamp::now();
        let answered = self.witnesses[node].client.put_deploy(deploy).await.map_err(explained)?;
        if !self.json {
            say!("  deploy {}", hash_text(answered));
        }
        let within = Duration::from_millis(ttl.millis()) + Duration::from_secs(20);
        let spinner = Spinner::start("on its way");
        let journey = journey::follow(&self.witnesses, hash, within, |journey| {
            if let Some(told) = journey.told.iter().flatten().max_by_key(|told| told.phase) {
                spinner.say(journey::phase_name(told.phase));
            }
        })
        .await?;
        drop(spinner);
        if self.json {
            show::json_line(&json!({
                "chapter": self.chapter,
                "deploy_hash": hash,
                "sent": sent,
                "nodes": self.names.iter().zip(&journey.told).map(|(name, told)| {
                    json!({ "node": name, "progress": told })
                }).collect::<Vec<_>>(),
            }))?;
        } else {
            for line in journey.table(&self.names, sent) {
                say!("    {line}");
            }
        }
        Ok(Lived { hash, sent, journey })
    }

    /// Claims that a deploy was executed through all phases; its block's height and its outcome.
    async fn executed(&mut self, lived: &Lived) -> Result<Option<(u64, chain::Outcome)>> {
        let count = self.witnesses.len();
        let six = lived.journey.has_all_phases();
        let told = lived.journey.told.iter().flatten();
        let last = told
            .clone()
            .filter_map(|told| journey::time_of(told, DeployPhase::Executed))
            .max()
            .map_or_else(|| "never".to_owned(), |at| journey::after(lived.sent, at));
        self.claim(six, &format!("all {count} nodes saw its six phases, the last after {last}"))?;
        if !lived.journey.is_over() {
            return Ok(None);
        }
        let heights: Vec<Option<u64>> = told.map(|told| told.block_height).collect();
        let outcome = agreed(chain::outcomes(&self.witnesses, lived.hash).await?);
        let place = agreed(heights).flatten();
        self.claim(
            outcome.is_some() && place.is_some(),
            "every node tells the same block and the same result",
        )?;
        Ok(place.zip(outcome))
    }

    /// Claims that a balance changed by an amount with a block.
    async fn moved(
        &mut self,
        who: &str,
        account: &PublicKey,
        height: u64,
        change: Change,
    ) -> Result<()> {
        let before =
            agreed(chain::balances(&self.witnesses, account, height.saturating_sub(1)).await?);
        let after = agreed(chain::balances(&self.witnesses, account, height).await?);
        let (holds, word, amount) = match change {
            Change::Gain(amount) => {
                (before.and_then(|before| before.checked_add(amount)) == after, "gained", amount)
            }
            Change::Loss(amount) => {
                (before.and_then(|before| before.checked_sub(amount)) == after, "paid", amount)
            }
        };
        self.claim(
            holds && after.is_some(),
            &format!(
                "{who} {word} {}: {} before, {} after block {height}",
                Girro::from_motes(amount),
                amount_text(before),
                amount_text(after),
            ),
        )
    }

    /// Starts a chapter.
    pub(super) fn begin(&mut self, chapter: &'static str, title: &str) -> Result<()> {
        self.chapter = chapter;
        if self.json {
            show::json_line(&json!({ "chapter": chapter, "title": title }))
        } else {
            say!("\n{}", styled(BOLD, title));
            Ok(())
        }
    }

    /// Says whether something is true.
    pub(super) fn claim(&mut self, holds: bool, text: &str) -> Result<()> {
        if self.json {
            show::json_line(&json!({ "chapter": self.chapter, "claim": text, "holds": holds }))?;
        } else {
            let mark = if holds { styled(GOOD, "true ") } else { styled(BAD, "FALSE") };
            say!("  {mark} {text}");
        }
        self.claims.push(Claim { holds });
        Ok(())
    }

    /// Says something that is no claim.
    pub(super) fn remark(&self, text: &str) -> Result<()> {
        if !self.json {
            say!("        {}", styled(DIM, text));
        }
        Ok(())
    }
}

/// How a balance should have changed, in motes.
enum Change {
    Gain(U512),
    Loss(U512),
}

/// An amount that all nodes agree on.
fn amount_text(motes: Option<U512>) -> String {
    motes.map_or_else(
        || "different amounts on different nodes".to_owned(),
        |motes| Girro::from_motes(motes).to_string(),
    )
}
