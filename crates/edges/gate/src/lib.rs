//! The gate of a provider: TLS 1.3 where both certificates are pinned to keys that are registered
//! on the chain.
//!
//! Knows: certificates and who owns them as the chain says ([`Registry`]), handshakes, which
//! account asks ([`Peer`]), tokens that delegate a little of what an account may do ([`Token`]).
//! Nobody whose key is not registered reaches a handler; a key that is revoked loses what is open.
//!
//! Does not know: leases, manifests, how the registry is kept up to date. Whoever runs a gate feeds
//! the registry, brings a [`axum::Router`] and calls [`serve`]; whoever asks calls [`Client::connect`].
//!
//! There are no certificate authorities here, no names are checked and no session is resumed: a
//! resumed session does not show its certificate again, so a revoked key would go on.

#![forbid(unsafe_code)]

mod certificate;
mod client;
mod denial;
mod guard;
mod peer;
mod registry;
mod server;
mod token;
mod verify;

pub use certificate::{Identity, IdentityError, Kind, Proof, ProofError};
pub use client::{Client, Connection};
pub use denial::{Code, Denial};
pub use peer::Peer;
pub use registry::{Entry, Fingerprint, Registry, Role};
pub use server::{Entrance, ServerConfig, serve};
pub use token::{Audience, Scope, Token, TokenError};
