//! `girrona account`: what the chain knows about an account.

use std::process::ExitCode;

use anyhow::Result;
use girrona_api::{PurseIdentifier, json_compat_15};
use serde_json::json;

use crate::{
    ask::{self, explained},
    cli::AccountShowArgs,
    money::Girro,
    show::{self, BOLD, DIM, say, styled},
    wallet,
};

/// `girrona account show`
pub(crate) async fn show(arguments: AccountShowArgs) -> Result<ExitCode> {
    let wanted = wallet::account(&arguments.account)?;
    let client = ask::client(&arguments.node)?;
    let hash = wanted.account_hash();
    let account = client.account(wanted, None).await.map_err(explained)?.account;
    let purse = PurseIdentifier::MainPurseUnderAccountHash(hash);
    let balance = client.query_balance(None, purse).await.map_err(explained)?;
    if arguments.json {
        show::json(&json!({ "account": account, "balance": balance }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say!("{} {}", styled(BOLD, "account   "), hash.to_formatted_string());
    say!("{} {}", styled(BOLD, "balance   "), Girro::from_motes(balance));
    say!("{} {}", styled(BOLD, "main purse"), account.main_purse().to_formatted_string());
    let thresholds = account.action_thresholds();
    say!(
        "{} {} to send deploys, {} to change keys",
        styled(BOLD, "needs     "),
        thresholds.deployment().value(),
        thresholds.key_management().value(),
    );
    for (key, weight) in account.associated_keys().iter() {
        say!(
            "{} {} {}",
            styled(BOLD, "key       "),
            key.to_formatted_string(),
            styled(DIM, format!("weight {}", weight.value()))
        );
    }
    for (name, key) in account.named_keys().iter() {
        say!(
            "{} {name} {}",
            styled(BOLD, "name      "),
            styled(DIM, json_compat_15::format_key(key))
        );
    }
    Ok(ExitCode::SUCCESS)
}
