//! Who asks, as handlers see it.

use std::collections::BTreeSet;

use axum::{extract::FromRequestParts, http::request::Parts};
use casper_types::account::AccountHash;

use crate::{
    denial::{Code, Denial},
    registry::{Fingerprint, Role},
    token::{Scope, Token},
};

/// Who asks. A handler that takes one is only called for somebody who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The account in whose name is asked.
    pub account: AccountHash,
    /// What its key is for; of a peer always [`Role::Client`].
    pub role: Role,
    /// The key of its certificate, if it showed one.
    pub key: Option<Fingerprint>,
    /// What a token allows; a certificate alone allows everything its account may do.
    limits: Option<(BTreeSet<Scope>, [u8; 32])>,
}

impl Peer {
    pub(crate) fn by_certificate(account: AccountHash, key: Fingerprint) -> Self {
        Self { account, role: Role::Client, key: Some(key), limits: None }
    }

    pub(crate) fn by_token(account: AccountHash, key: Option<Fingerprint>, token: Token) -> Self {
        Self { account, role: Role::Client, key, limits: Some((token.scopes, token.lease)) }
    }

    /// Whether the peer may do this with a lease, as far as its token goes. Whether the lease is
    /// its account's is for the handler to know.
    ///
    /// # Errors
    /// [`Denial`] says what the token is for.
    pub fn require(&self, scope: Scope, lease: &[u8; 32]) -> Result<(), Denial> {
        match &self.limits {
            None => Ok(()),
            Some((_, allowed)) if allowed != lease => {
                Err(Denial::new(Code::TokenScope, "the token is for another lease"))
            }
            Some((scopes, _)) if !scopes.contains(&scope) => {
                let message = format!("the token does not allow {scope:?}; it allows {scopes:?}");
                Err(Denial::new(Code::TokenScope, message))
            }
            Some(_) => Ok(()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Denial;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Denial> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Denial::new(Code::CertRequired, "this is only served behind the gate"))
    }
}
