//! `girrona deploy`: sending Deploys and following them.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use casper_types::{
    Deploy, DeployHash, Digest, ExecutableDeployItem, NamedArg, RuntimeArgs, TimeDiff, Timestamp,
    contracts::{ContractHash, ContractPackageHash},
    execution::ExecutionResultV1,
};
use girrona_api::{
    Client,
    methods::{
        girrona::{DeployExplanation, DeployPhase},
        info::GetDeployResult,
    },
};
use serde_json::json;

use crate::{
    ask::{self, explained},
    cli::{DeployGetArgs, DeployPutArgs, DeployWatchArgs, SessionArgs},
    journey::{self, Journey, Witness},
    money::Girro,
    show::{self, BAD, BOLD, DIM, GOOD, Spinner, say, styled},
    wallet::{self, Terms},
};

/// What nodes may need beyond a deploy's time to live to say that it expired.
const EXPIRY_SLACK: Duration = Duration::from_secs(30);

/// `girrona deploy put`
pub(crate) async fn put(arguments: DeployPutArgs) -> Result<ExitCode> {
    let DeployPutArgs { session, arguments, payment, gas_price, send } = arguments;
    let key = wallet::secret_key(&send.from)?;
    let named: Vec<NamedArg> = arguments.into_iter().map(|argument| argument.0).collect();
    let session = session_code(session, named.into())?;
    let client = ask::client(&send.node)?;
    let terms = Terms {
        chain_name: wallet::chain_name(&client).await?,
        ttl: send.ttl,
        dependencies: send.dependency,
        gas_price,
        payment,
    };
    let deploy = wallet::sign(&key, session, terms)?;
    self::send(client, deploy, send.wait, send.json).await
}

/// The session code that the arguments name.
fn session_code(session: SessionArgs, args: RuntimeArgs) -> Result<ExecutableDeployItem> {
    let entry_point = session.session_entry_point.unwrap_or_default();
    let version = session.session_version;
    let item = if let Some(path) = session.session_path {
        let module = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        if !module.starts_with(b"\0asm") {
            bail!("{} is no Wasm module", path.display());
        }
        ExecutableDeployItem::new_module_bytes(module.into(), args)
    } else if let Some(hash) = session.session_hash {
        let hash = ContractHash::new(hash_of(&hash, &["hash-", "contract-"])?);
        ExecutableDeployItem::new_stored_contract_by_hash(hash, entry_point, args)
    } else if let Some(name) = session.session_name {
        ExecutableDeployItem::new_stored_contract_by_name(name, entry_point, args)
    } else if let Some(hash) = session.session_package_hash {
        let prefixes = ["hash-", "contract-package-", "package-"];
        let hash = ContractPackageHash::new(hash_of(&hash, &prefixes)?);
        ExecutableDeployItem::new_stored_versioned_contract_by_hash(
            hash,
            version,
            entry_point,
            args,
        )
    } else if let Some(name) = session.session_package_name {
        ExecutableDeployItem::new_stored_versioned_contract_by_name(
            name,
            version,
            entry_point,
            args,
        )
    } else {
        bail!("say what to run, for example with --session-path FILE");
    };
    Ok(item)
}

/// A hash in hex, with or without one of the prefixes.
fn hash_of(text: &str, prefixes: &[&str]) -> Result<[u8; 32]> {
    let hex = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    let digest = Digest::from_hex(hex)
        .map_err(|_| anyhow!("`{text}` is no hash; it has 64 hexadecimal digits"))?;
    Ok(digest.value())
}

/// Sends a deploy and, if asked to, waits for its end.
pub(crate) async fn send(
    client: Client,
    deploy: Deploy,
    wait: bool,
    as_json: bool,
) -> Result<ExitCode> {
    let (ttl, sent) = (deploy.ttl(), deploy.timestamp());
    let hash = client.put_deploy(deploy).await.map_err(explained)?;
    if !wait {
        if as_json {
            show::json(&json!({ "deploy_hash": hash }))?;
        } else {
            say!("{}", hash_text(hash));
            show::note(&format!("follow it with `girrona deploy watch {}`", hash_text(hash)));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let spinner = Spinner::start(format!("waiting for {}", hash_text(hash)));
    let witnesses = [Witness { name: "node".to_owned(), client }];
    let journey = journey::follow(&witnesses, hash, patience(ttl), |journey| {
        if let Some(progress) = journey.told.iter().flatten().next() {
            spinner.say(format!("{}: {}", hash_text(hash), journey::phase_name(progress.phase)));
        }
    })
    .await?;
    drop(spinner);
    let [Witness { client, .. }] = witnesses;
    let found = client.get_deploy(hash).await.map_err(explained)?;
    if as_json {
        show::json(&found)?;
    } else {
        print_result(&found, &journey, sent);
        print_explanation(&client, hash).await;
    }
    Ok(exit_code(&found))
}

/// `girrona deploy get`
pub(crate) async fn get(arguments: DeployGetArgs) -> Result<ExitCode> {
    let client = ask::client(&arguments.node)?;
    let found = client.get_deploy(arguments.hash).await.map_err(explained)?;
    if arguments.json {
        show::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let told = client.deploy_status(arguments.hash).await.map_err(explained)?;
    let journey = Journey { told: vec![Some(told)] };
    print_result(&found, &journey, found.deploy.timestamp());
    print_explanation(&client, arguments.hash).await;
    Ok(ExitCode::SUCCESS)
}

/// `girrona deploy watch`
pub(crate) async fn watch(arguments: DeployWatchArgs) -> Result<ExitCode> {
    let mut witnesses = Vec::new();
    for url in &arguments.node {
        witnesses.push(Witness { name: url.clone(), client: ask::client(url)? });
    }
    let names: Vec<String> = witnesses.iter().map(|witness| witness.name.clone()).collect();
    let first = witnesses.first().context("name a node with --node")?;
    let deploy = first.client.get_deploy(arguments.hash).await.map_err(explained)?.deploy;
    let (sent, ttl) = (deploy.timestamp(), deploy.ttl());
    if !arguments.json {
        say!("{} {}", styled(BOLD, "deploy"), hash_text(arguments.hash));
        say!("{}", styled(DIM, format!("times count from {sent}, when it was made")));
    }
    let mut printed: Vec<usize> = vec![0; witnesses.len()];
    let journey = journey::follow(&witnesses, arguments.hash, patience(ttl), |journey| {
        for (index, told) in journey.told.iter().enumerate() {
            let Some(progress) = told else { continue };
            for entry in progress.phases.iter().skip(printed[index]) {
                if arguments.json {
                    let line = json!({
                        "node": names[index],
                        "phase": entry.phase,
                        "at": entry.at,
                    });
                    // A broken pipe ends the program anyway.
                    let _ = show::json_line(&line);
                } else {
                    say!(
                        "{:>10}  {:<18} {}",
                        journey::after(sent, entry.at),
                        journey::phase_name(entry.phase),
                        styled(DIM, &names[index]),
                    );
                }
            }
            printed[index] = progress.phases.len();
        }
    })
    .await?;
    let found = witnesses[0].client.get_deploy(arguments.hash).await.map_err(explained)?;
    if arguments.json {
        show::json_line(&found)?;
    } else {
        print_end(&found, &journey);
        print_explanation(&witnesses[0].client, arguments.hash).await;
    }
    Ok(exit_code(&found))
}

/// How long a deploy is followed.
fn patience(ttl: TimeDiff) -> Duration {
    Duration::from_millis(ttl.millis()).saturating_add(EXPIRY_SLACK)
}

/// A deploy's hash in hex.
pub(crate) fn hash_text(hash: DeployHash) -> String {
    hex::encode(hash.inner().value())
}

/// Whether a deploy did what it should.
fn exit_code(found: &GetDeployResult) -> ExitCode {
    match found.execution_results.first().map(|entry| &*entry.result) {
        Some(ExecutionResultV1::Success { .. }) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Prints a deploy with its phases and its end.
fn print_result(found: &GetDeployResult, journey: &Journey, sent: Timestamp) {
    let deploy = &found.deploy;
    let account = deploy.account().to_account_hash().to_formatted_string();
    say!("{} {}", styled(BOLD, "deploy "), hash_text(*deploy.hash()));
    say!("{} {}", styled(BOLD, "account"), account);
    say!("{} {sent}, good for {}", styled(BOLD, "made   "), deploy.ttl());
    for row in journey.rows(&["after".to_owned()], sent).iter().skip(1) {
        say!("  {:<18} {:>10}", row[0], row[1]);
    }
    print_end(found, journey);
}

/// Prints what became of a deploy.
fn print_end(found: &GetDeployResult, journey: &Journey) {
    let told = journey.told.iter().flatten().next();
    let Some(entry) = found.execution_results.first() else {
        match told {
            Some(told) if told.phase == DeployPhase::Expired => {
                let reason = told.reason.as_deref().unwrap_or("no block had it in time");
                say!("{}: {reason}", styled(BAD, "expired"));
            }
            Some(told) => {
                let reason = told.reason.as_deref().unwrap_or("waiting for a block");
                say!("not executed yet: {reason}");
            }
            None => say!("not executed yet"),
        }
        return;
    };
    let block = hex::encode(entry.block_hash.inner().value());
    match &*entry.result {
        ExecutionResultV1::Success { cost, .. } => {
            let cost = Girro::from_motes(*cost);
            say!("{} in block {block}, cost {cost}", styled(GOOD, "succeeded"));
        }
        ExecutionResultV1::Failure { cost, error_message, .. } => {
            let cost = Girro::from_motes(*cost);
            say!("{} in block {block}, cost {cost}: {error_message}", styled(BAD, "failed"));
        }
    }
}

/// Prints where a deploy's motes went and what to do about its failure, if the node can still tell.
async fn print_explanation(client: &Client, hash: DeployHash) {
    if let Ok(explanation) = client.explain_deploy(hash).await {
        for line in explanation_lines(&explanation) {
            say!("{line}");
        }
    }
}

fn explanation_lines(explanation: &DeployExplanation) -> Vec<String> {
    let bill = &explanation.bill;
    let motes = |name: &str, motes| vec![format!("  {name}"), Girro::from_motes(motes).to_string()];
    let mut rows = vec![motes("paid in", bill.offered), motes("used", bill.used)];
    for (name, amount) in [("penalty", bill.penalty), ("fee", bill.fee), ("came back", bill.refund)]
    {
        if !amount.is_zero() {
            rows.push(motes(name, amount));
        }
    }
    let mut lines = show::table(&rows);
    for (name, gas) in [("payment", &bill.payment), ("session", &bill.session)] {
        if !gas.used.is_zero() {
            lines.push(format!(
                "  gas of {name}: {} of {} ({} instructions, {} host functions, {} storage)",
                gas.used, gas.limit, gas.instructions, gas.host_functions, gas.storage
            ));
        }
    }
    lines.extend(
        explanation.advice.iter().map(|advice| format!("{}: {advice}", styled(BOLD, "what to do"))),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use casper_types::{BlockHash, U512};
    use girrona_api::methods::girrona::{DeployBill, GasUse};

    #[test]
    fn an_explanation_tells_where_the_motes_went_and_what_to_do() {
        let gas = |used: u64| GasUse {
            limit: U512::from(5_000_000_000_u64),
            used: U512::from(used),
            instructions: U512::from(used / 2),
            host_functions: U512::from(used / 2),
            storage: U512::zero(),
        };
        let explanation = DeployExplanation {
            deploy_hash: DeployHash::new(Digest::hash([1])),
            block_hash: BlockHash::new(Digest::hash([2])),
            block_height: 9,
            error_message: Some("User error: 7".to_owned()),
            advice: Some("Ask its author.".to_owned()),
            bill: DeployBill {
                gas_price: 1,
                offered: U512::from(5_000_000_000_u64),
                used: U512::from(1_000_000_000),
                penalty: U512::from(1_500_000_000),
                fee: U512::from(2_500_000_000_u64),
                refund: U512::from(2_500_000_000_u64),
                needed: None,
                payment: gas(0),
                session: gas(1_000_000_000),
            },
        };
        let lines = explanation_lines(&explanation);
        let text = lines.join("\n");
        for part in ["paid in", "penalty", "came back", "gas of session", "Ask its author."] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("gas of payment"), "{text}");
    }
}
