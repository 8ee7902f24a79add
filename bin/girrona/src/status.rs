//! `girrona status`: how nodes are doing, one line each.

use std::process::ExitCode;

use anyhow::Result;
use futures::future::join_all;
use girrona_api::{ClientError, methods::info::GetStatusResult};
use serde_json::json;

use crate::{
    ask::{self, explained},
    cli::StatusArgs,
    show::{self, BAD, BOLD, say, styled},
};

/// Asks every node; fails when one does not answer.
pub(crate) async fn run(arguments: StatusArgs) -> Result<ExitCode> {
    let mut clients = Vec::new();
    for url in &arguments.node {
        clients.push(ask::client(url)?);
    }
    let answers = join_all(clients.iter().map(|client| client.status())).await;
    let silent = answers.iter().any(Result::is_err);
    if arguments.json {
        let told: Vec<_> =
            arguments.node.iter().zip(answers).map(|(url, answer)| as_json(url, answer)).collect();
        show::json(&told)?;
    } else {
        let mut rows = vec![heading()];
        let mut problems = Vec::new();
        for (url, answer) in arguments.node.iter().zip(answers) {
            match answer {
                Ok(status) => rows.push(row(url, &status)),
                Err(error) => problems.push(explained(error)),
            }
        }
        for (index, line) in show::table(&rows).into_iter().enumerate() {
            if rows.len() > 1 {
                say!("{}", if index == 0 { styled(BOLD, line) } else { line });
            }
        }
        for problem in problems {
            say!("{}: {problem:#}", styled(BAD, "error"));
        }
    }
    Ok(if silent { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One node's answer for programs.
fn as_json(url: &str, answer: Result<GetStatusResult, ClientError>) -> serde_json::Value {
    match answer {
        Ok(status) => json!({ "node": url, "status": status }),
        Err(error) => json!({ "node": url, "error": format!("{:#}", explained(error)) }),
    }
}

/// Names of the columns.
fn heading() -> Vec<String> {
    ["node", "network", "state", "height", "era", "peers", "up for", "block"]
        .map(str::to_owned)
        .to_vec()
}

/// One node's answer for people.
fn row(url: &str, status: &GetStatusResult) -> Vec<String> {
    let block = status.last_added_block_info.as_ref();
    let of_block = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        url.to_owned(),
        status.chainspec_name.clone(),
        format!("{:?}", status.reactor_state),
        of_block(block.map(|block| block.height.to_string())),
        of_block(block.map(|block| block.era_id.value().to_string())),
        status.peers.len().to_string(),
        format!("{} s", status.uptime.millis() / 1_000),
        of_block(block.map(|block| hex::encode(&block.hash.inner().value()[..8]))),
    ]
}
