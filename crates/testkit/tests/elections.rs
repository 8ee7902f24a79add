//! Who votes changes on a network of processes: a validator joins, another leaves, both by
//! `casper-client`, while transfers go on; what an era mints is accounted for to the mote.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use casper_types::{AsymmetricType, DeployHash, Digest, PublicKey, SecretKey, U512};
use girrona_api::{
    BlockIdentifier, GlobalStateIdentifier, PurseIdentifier, methods::auction::AuctionState,
};
use girrona_testkit::{Net, SECOND, program};
use girrona_types::chainspec::MOTES_PER_GIRRO;
use serde_json::Value;
use tokio::time::Instant;

/// Blocks of an era here.
const ERA: u64 = 10;
/// Shares of a block's reward are counted in this many parts (Casper's `BLOCK_REWARD`).
const PARTS: u64 = 1_000_000_000_000;

/// Calls the auction by `casper-client` with somebody's key and waits for success everywhere.
async fn stake(net: &Net, key: &std::path::Path, verb: &str, arguments: &[String]) -> Result<()> {
    let Some(client) = program::casper_client() else { bail!("it was there before") };
    let mut command = Command::new(client);
    command.args(["put-deploy", "--node-address", &net.node(1).rpc_url()]);
    command.args(["--chain-name", &net.law().network.name, "--payment-amount", "5000000000"]);
    command.arg("--secret-key").arg(key);
    command.args([
        "--session-hash",
        &format!("hash-{}", net.system_contract("auction").await?),
        "--session-entry-point",
        verb,
    ]);
    for argument in arguments {
        command.args(["--session-arg", argument]);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{verb}: {out}\n{err}");
    let answer: Value = serde_json::from_str(&out)?;
    let hash = answer["result"]["deploy_hash"].as_str().context("a deploy hash")?;
    let hash = DeployHash::new(Digest::from_hex(hash)?);
    let executed = serde_json::to_value(net.wait_executed(hash, 20 * SECOND).await?)?;
    ensure!(executed["result"]["Success"].is_object(), "{verb}: {executed}");
    Ok(())
}

fn argument(name: &str, kind: &str, value: impl std::fmt::Display) -> String {
    format!("{name}:{kind}='{value}'")
}

fn girro(amount: u64) -> U512 {
    U512::from(amount) * U512::from(MOTES_PER_GIRRO)
}

async fn auction_at(net: &Net, height: u64) -> Result<AuctionState> {
    Ok(net.node(1).rpc().auction_info(Some(BlockIdentifier::Height(height))).await?)
}

/// Own stake, by bidder.
fn own_stakes(state: &AuctionState) -> BTreeMap<PublicKey, U512> {
    state.bids.iter().map(|bid| (bid.public_key.clone(), bid.bid.staked_amount)).collect()
}

/// What somebody delegated to a validator.
fn delegated(state: &AuctionState, validator: &PublicKey, delegator: &PublicKey) -> Option<U512> {
    let bid = &state.bids.iter().find(|bid| bid.public_key == *validator)?.bid;
    bid.delegators.iter().find(|one| one.public_key == *delegator).map(|one| one.staked_amount)
}

/// The validators of an era and their weights, as the state after a block has them.
fn weights(state: &AuctionState, era: u64) -> Result<BTreeMap<PublicKey, U512>> {
    let found = state.era_validators.iter().find(|one| one.era_id.value() == era);
    let found = found.with_context(|| format!("era {era} is settled"))?;
    let pairs = found.validator_weights.iter();
    Ok(pairs.map(|weight| (weight.public_key.clone(), weight.weight)).collect())
}

/// The mint's record of all motes after a block.
async fn supply_at(net: &Net, height: u64) -> Result<U512> {
    let mint = format!("hash-{}", net.system_contract("mint").await?);
    let at = Some(GlobalStateIdentifier::BlockHeight(height));
    let path = vec!["total_supply".to_owned()];
    let found = net.node(1).rpc().query_global_state(at, mint, path).await?;
    let found = serde_json::to_value(&found)?;
    let motes = found["stored_value"]["CLValue"]["parsed"].as_str().context("a number")?;
    U512::from_dec_str(motes).map_err(|error| anyhow::anyhow!("{motes}: {error}"))
}

/// Who signed a block, and who proposed it.
async fn signers(net: &Net, height: u64) -> Result<(Vec<PublicKey>, PublicKey)> {
    let block = net.node(1).rpc().block(Some(BlockIdentifier::Height(height))).await?.block;
    let block = block.with_context(|| format!("no block {height}"))?;
    let proposer = block.body.proposer().clone();
    Ok((block.proofs.iter().map(|proof| proof.public_key.clone()).collect(), proposer))
}

/// Waits until a validator has led, or signed, a block above a height; that block's height.
async fn wait_seen(net: &Net, validator: &PublicKey, from: u64, within: Duration) -> Result<u64> {
    let deadline = Instant::now() + within;
    let mut height = from;
    loop {
        while height <= net.node(1).height().await? {
            let (signed, proposer) = signers(net, height).await?;
            if signed.contains(validator) && proposer == *validator {
                return Ok(height);
            }
            height += 1;
        }
        ensure!(Instant::now() < deadline, "{} led no block until {height}", validator.to_hex());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends transfers until told to stop; what was sent.
async fn load(net: Arc<Net>, stop: Arc<AtomicBool>) -> Result<Vec<DeployHash>> {
    let mut sent = Vec::new();
    // Node 0 is the one that leaves.
    for node in [1_usize, 2].into_iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        sent.push(net.node(node).put(net.transfer("faucet", "bo", 2_500_000_000)?).await?);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    Ok(sent)
}

/// What the rule says that an era mints for each validator: its share of the era's blocks by
/// weight, rounded down to parts, times what a block mints, rounded down to motes.
fn rewards(
    net: &Net,
    weights: &BTreeMap<PublicKey, U512>,
    supply: U512,
) -> BTreeMap<PublicKey, U512> {
    let [numerator, denominator] = net.law().core.round_seigniorage_rate;
    let block = supply * U512::from(numerator) / U512::from(denominator);
    let total = weights.values().fold(U512::zero(), |sum, weight| sum + *weight);
    let reward = |weight: &U512| {
        let parts = U512::from(ERA) * U512::from(PARTS) * *weight / total;
        parts * block / U512::from(PARTS)
    };
    weights.iter().map(|(key, weight)| (key.clone(), reward(weight))).collect()
}

/// Checks the supply, every stake, and the delegator's, over the end of one era.
async fn check_rewards(
    net: &Net,
    era: u64,
    delegator: &PublicKey,
    (delegatee, rate): (&PublicKey, u8),
) -> Result<()> {
    let end = era * ERA;
    let (before, after) = (auction_at(net, end - 1).await?, auction_at(net, end).await?);
    let (old, new) = (supply_at(net, end - 1).await?, supply_at(net, end).await?);
    let weights = weights(&auction_at(net, (era - 1) * ERA).await?, era)?;
    let rewards = rewards(net, &weights, old);
    let minted = rewards.values().fold(U512::zero(), |sum, reward| sum + *reward);
    ensure!(!minted.is_zero() && new == old + minted, "era {era}: {old} + {minted}, not {new}");

    let (stakes, grown) = (own_stakes(&before), own_stakes(&after));
    for (validator, reward) in &rewards {
        let mut own = *reward;
        if validator == delegatee {
            // What counts is the stake with which the era was settled, `auction_delay` eras ago.
            let settled = auction_at(net, (era - 1 - net.law().core.auction_delay) * ERA).await?;
            let part = delegated(&settled, validator, delegator).context("a delegation")?;
            let was = delegated(&before, validator, delegator).context("it stays")?;
            let kept = U512::from(100 - rate);
            // Of the exact reward, before it is rounded to motes: rounding down twice is another.
            let block = old * U512::from(net.law().core.round_seigniorage_rate[0])
                / U512::from(net.law().core.round_seigniorage_rate[1]);
            let total = weights.values().fold(U512::zero(), |sum, weight| sum + *weight);
            let parts = U512::from(ERA) * U512::from(PARTS) * weights[validator] / total;
            let gain = parts * block * part * kept
                / (U512::from(PARTS) * weights[validator] * U512::from(100_u8));
            own -= gain;
            let now = delegated(&after, validator, delegator).context("it stays")?;
            ensure!(!gain.is_zero() && now == was + gain, "{now} is not {was} + {gain}");
        }
        let (was, is) = (stakes[validator], grown[validator]);
        ensure!(is == was + own, "{}: {is} is not {was} + {own}", validator.to_hex());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_joins_and_another_leaves_under_load() -> Result<()> {
    if program::casper_client().is_none() {
        return Ok(());
    }
    let net = Net::builder()
        .validators(3)
        .observers(2)
        .user("cy", 2_000_000)
        .block_time("500ms")
        .law(|law| {
            law.core.minimum_era_height = ERA;
            law.core.era_duration = casper_types::TimeDiff::from_millis(1);
            law.core.unbonding_delay = 1;
        })
        // An observer with a key waits for its seat.
        .config(|index, config| {
            if index == 3 {
                config.keys.validator = "../users/cy/secret_key.pem".into();
            }
        })
        // The other one learns all of it later.
        .hold_back(4)
        .start()
        .await?;
    let net = Arc::new(net);
    let stop = Arc::new(AtomicBool::new(false));
    let loading = tokio::spawn(load(Arc::clone(&net), Arc::clone(&stop)));

    let ana = net.public_key("ana")?;
    let cy = net.public_key("cy")?;
    let key_of = |user: &str| -> Result<_> {
        Ok(net.layout().user(user).context("there is such a user")?.keys.secret_key_path())
    };
    let leaver_path = net.node(0).place().config()?.keys.validator;
    let leaver = PublicKey::from(&SecretKey::from_pem(std::fs::read_to_string(&leaver_path)?)?);

    // Joining: a bid as large as the others' stakes, then a delegation to it.
    let bid = [
        argument("public_key", "public_key", cy.to_hex()),
        argument("delegation_rate", "u8", 10),
        argument("amount", "u512", girro(1_000_000)),
    ];
    stake(&net, &key_of("cy")?, "add_bid", &bid).await?;
    let delegation = |amount: u64| {
        [
            argument("delegator", "public_key", ana.to_hex()),
            argument("validator", "public_key", cy.to_hex()),
            argument("amount", "u512", girro(amount)),
        ]
    };
    stake(&net, &key_of("ana")?, "delegate", &delegation(700)).await?;
    let joined = wait_seen(&net, &cy, 1, 60 * SECOND).await?;

    // A whole era of four, with a delegator: to the mote.
    let era = joined.div_ceil(ERA) + 1;
    net.wait_height(era * ERA, 40 * SECOND).await?;
    check_rewards(&net, era, &ana, (&cy, 10)).await?;
    // And the first era, whose validators are those of genesis.
    let plain = weights(&auction_at(&net, 1).await?, 1)?;
    let (old, new) = (supply_at(&net, ERA - 1).await?, supply_at(&net, ERA).await?);
    let minted = rewards(&net, &plain, old).values().fold(old, |sum, reward| sum + *reward);
    assert_eq!(new, minted);

    // Leaving: the whole stake is withdrawn, the seat stays until the settled eras are over.
    let purse = || PurseIdentifier::MainPurseUnderPublicKey(leaver.clone());
    let staked = own_stakes(&net.node(1).rpc().auction_info(None).await?)[&leaver];
    let withdrawal =
        [argument("public_key", "public_key", leaver.to_hex()), argument("amount", "u512", staked)];
    stake(&net, &leaver_path, "withdraw_bid", &withdrawal).await?;
    let half = delegation(300);
    stake(&net, &key_of("ana")?, "undelegate", &half).await?;
    let withdrawn = net.node(1).height().await?;
    let free = net.node(1).rpc().query_balance(None, purse()).await?;
    // Two more ends of eras at most, and one for the era in which the deploy came.
    let gone = withdrawn.div_ceil(ERA) + 2;
    net.wait_height(gone * ERA, 60 * SECOND).await?;
    assert!(!weights(&auction_at(&net, gone * ERA).await?, gone + 1)?.contains_key(&leaver));
    net.kill9(0).await?;
    let without = net.node(1).height().await?;
    net.wait_height(without + ERA, 40 * SECOND).await?;
    let (signed, _) = signers(&net, without + ERA).await?;
    assert!(!signed.contains(&leaver) && signed.contains(&cy), "{signed:?}");
    let paid = net.node(1).rpc().query_balance(None, purse()).await?;
    assert!(paid >= free + staked, "{free} + {staked} became {paid}");

    // Whoever was not there for any of it finds its way through the changes.
    net.restart(4).await?;
    let height = net.node(1).height().await?;
    net.node(4).wait_height(height, 40 * SECOND).await?;
    net.wait_height(height + 2, 20 * SECOND).await?;
    let changes = serde_json::to_value(net.node(4).rpc().validator_changes().await?)?;
    let of = |key: &PublicKey| {
        let changes = changes["changes"].as_array().cloned().unwrap_or_default();
        let one = changes.iter().find(|one| one["public_key"] == key.to_hex()).cloned();
        one.map(|one| one["status_changes"].to_string()).unwrap_or_default()
    };
    assert!(of(&cy).contains("Added"), "{changes}");
    assert!(of(&leaver).contains("Removed"), "{changes}");

    stop.store(true, Ordering::Relaxed);
    let sent = loading.await??;
    assert!(sent.len() > 200, "{} transfers are no load", sent.len());
    for hash in &sent {
        let executed = serde_json::to_value(net.wait_executed(*hash, 20 * SECOND).await?)?;
        assert!(executed["result"]["Success"].is_object(), "{executed}");
    }
    net.all_agree().await?;
    Arc::into_inner(net).context("nobody else has it")?.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auction_refuses_through_a_client_what_it_must() -> Result<()> {
    if program::casper_client().is_none() {
        return Ok(());
    }
    let net = Net::builder().validators(2).block_time("200ms").start().await?;
    let ana = net.public_key("ana")?;
    let bo = net.public_key("bo")?;
    let ana_key = net.layout().user("ana").context("ana")?.keys.secret_key_path();
    let bid = |who: &PublicKey, amount: u64| {
        [
            argument("public_key", "public_key", who.to_hex()),
            argument("delegation_rate", "u8", 10),
            argument("amount", "u512", girro(amount)),
        ]
    };
    for (arguments, expected) in
        [(bid(&bo, 20_000), "InvalidContext"), (bid(&ana, 1), "BondTooSmall")]
    {
        let refused = stake(&net, &ana_key, "add_bid", &arguments).await.unwrap_err();
        let told = format!("{refused:#}");
        assert!(told.contains(expected), "{told}");
    }
    net.end().await
}
