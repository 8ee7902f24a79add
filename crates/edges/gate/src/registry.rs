//! Which key belongs to whom, as the last finalised block says.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use casper_types::account::AccountHash;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::denial::{Code, Denial};

/// The name of a key: SHA-256 of its public part as X.509 writes it (SubjectPublicKeyInfo).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Names the key with this DER form.
    pub fn of(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// What a key is for. One key has one role, so that a tenant's key is never taken for a provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Asking.
    Client,
    /// Answering.
    Server,
}

/// What the chain says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub account: AccountHash,
    /// What it is for.
    pub role: Role,
    /// When it ends, in seconds since 1970.
    pub not_after: u64,
    /// Whether its owner took it back.
    pub revoked: bool,
}

/// Keys and their owners. Clones are the same registry; its owner feeds it, gates and clients read.
///
/// An account may have any number of keys: a new one is registered before the old one is revoked,
/// and both work meanwhile.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: RwLock<State>,
    /// Counts changes that can end what is open.
    changes: watch::Sender<u64>,
    stale_after: Duration,
}

#[derive(Debug)]
struct State {
    entries: BTreeMap<Fingerprint, Entry>,
    heard: Instant,
}

impl Registry {
    /// Knows nobody. While the chain cannot be heard the last state counts, for `stale_after`.
    pub fn new(stale_after: Duration) -> Self {
        let state = State { entries: BTreeMap::new(), heard: Instant::now() };
        let (changes, _) = watch::channel(0);
        Self { inner: Arc::new(Inner { state: RwLock::new(state), changes, stale_after }) }
    }

    /// Takes over what the chain says of all keys.
    pub fn replace(&self, entries: BTreeMap<Fingerprint, Entry>) {
        self.change(|state| state.entries = entries);
    }

    /// Takes over what the chain says of one key.
    pub fn put(&self, key: Fingerprint, entry: Entry) {
        self.change(|state| {
            state.entries.insert(key, entry);
        });
    }

    /// The owner of a key took it back. What is open with it ends.
    pub fn revoke(&self, key: &Fingerprint) {
        self.change(|state| {
            if let Some(entry) = state.entries.get_mut(key) {
                entry.revoked = true;
            }
        });
    }

    /// The chain was heard of and nothing changed.
    pub fn heard(&self) {
        let mut state = self.inner.state.write().unwrap_or_else(PoisonError::into_inner);
        state.heard = Instant::now();
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = self.inner.state.write().unwrap_or_else(PoisonError::into_inner);
            change(&mut state);
            state.heard = Instant::now();
        }
        self.inner.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// What is known of a key.
    pub fn entry(&self, key: &Fingerprint) -> Option<Entry> {
        let state = self.inner.state.read().unwrap_or_else(PoisonError::into_inner);
        state.entries.get(key).copied()
    }

    /// Tells of every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Whether a key may be used in a role at a time, in seconds since 1970.
    ///
    /// # Errors
    /// [`Denial`] says why not.
    pub fn check(&self, key: &Fingerprint, role: Role, now: u64) -> Result<Entry, Denial> {
        let state = self.inner.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.heard.elapsed() > self.inner.stale_after {
            let seconds = self.inner.stale_after.as_secs();
            return Err(Denial::new(
                Code::RegistryStale,
                format!(
                    "nothing was heard of the chain for {seconds} s; certificates cannot be judged"
                ),
            ));
        }
        let entry = state.entries.get(key).copied();
        drop(state);
        let entry = entry.ok_or_else(|| {
            Denial::new(Code::CertUnknown, format!("key {key} is not registered on the chain"))
        })?;
        if entry.revoked {
            return Err(Denial::new(
                Code::CertRevoked,
                format!("key {key} was revoked by its owner"),
            ));
        }
        if now > entry.not_after {
            return Err(Denial::new(
                Code::CertExpired,
                format!("the registration of key {key} ended"),
            ));
        }
        if entry.role != role {
            let (is, is_not) = match entry.role {
                Role::Client => ("clients", "servers"),
                Role::Server => ("servers", "clients"),
            };
            return Err(Denial::new(
                Code::CertRole,
                format!("key {key} is registered for {is}, not for {is_not}"),
            ));
        }
        Ok(entry)
    }
}
