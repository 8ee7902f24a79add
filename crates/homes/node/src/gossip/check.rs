//! What is checked about a deploy before the brain sees it: on any thread.

use std::sync::Arc;

use casper_types::Timestamp;
use girrona_chain::{
    Incoming, Refusal, Source, accept,
    message::{self, DecodeError},
};
use girrona_types::Chainspec;
use thiserror::Error;

/// Why bytes are not brought to the brain.
#[derive(Debug, Error)]
pub enum Unfit {
    /// They are no deploy.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// They are a deploy that breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Unfit {
    /// Whether any node can see the fault.
    pub const fn is_senders(&self) -> bool {
        match self {
            Self::Malformed(_) => true,
            Self::Refused(refusal) => refusal.is_senders_fault(),
        }
    }
}

/// Decodes and checks a deploy.
///
/// # Errors
/// The first thing that is wrong.
pub fn incoming(
    bytes: &[u8],
    law: &Chainspec,
    now: Timestamp,
    source: Source,
    ticket: u64,
) -> Result<Incoming, Unfit> {
    let deploy = message::decode_deploy(bytes)?;
    accept::check(&deploy, law, now)?;
    Ok(Incoming { deploy: Arc::new(deploy), size: bytes.len(), source, ticket })
}
