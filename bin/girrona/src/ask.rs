//! Asking nodes, with errors that say what to do.

use anyhow::{Error, Result, anyhow};
use girrona_api::{Client, ClientError, ErrorCode};

/// A client of the node at a URL.
///
/// # Errors
/// When the URL is none.
pub(crate) fn client(url: &str) -> Result<Client> {
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    Client::new(&url).map_err(explained)
}

/// A client's error with what to do about it.
pub(crate) fn explained(error: ClientError) -> Error {
    match &error {
        ClientError::Transport { url, .. } => {
            let url = url.trim_end_matches("/rpc");
            anyhow!(
                "no node answers at {url}; start a network with `girrona devnet`, \
                 or name another node with --node ({error})"
            )
        }
        ClientError::Rpc(refusal) => {
            let reason = match &refusal.data {
                Some(serde_json::Value::String(reason)) => format!(": {reason}"),
                Some(serde_json::Value::Object(fields)) => match fields.get("message") {
                    Some(serde_json::Value::String(reason)) => format!(": {reason}"),
                    _ => String::new(),
                },
                _ => String::new(),
            };
            anyhow!("the node says: {}{reason} (code {})", refusal.message, refusal.code)
        }
        _ => Error::new(error),
    }
}

/// Whether the node says that it does not know this deploy.
pub(crate) fn is_unknown_deploy(error: &ClientError) -> bool {
    error.rpc().is_some_and(|refusal| refusal.code == ErrorCode::NoSuchDeploy.code())
}
