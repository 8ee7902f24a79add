//! Signatures of validators that cost next to nothing: a hash of key and message.
//!
//! Anybody could forge them. Nobody does, except a liar in a run that is sabotaged.

use std::sync::LazyLock;

use casper_types::{Digest, PublicKey, SecretKey, Signature};
use girrona_consensus::Scheme;

use crate::people::Person;

/// Most validators that a seed may have.
pub(crate) const KEYS: usize = 8;

static VALIDATORS: LazyLock<Vec<Person>> = LazyLock::new(|| {
    (0..KEYS)
        .map(|index| {
            let mut seed = [42; 32];
            seed[0] = index as u8;
            let secret = SecretKey::ed25519_from_bytes(seed).expect("32 bytes are a key");
            let public = PublicKey::from(&secret);
            Person { secret, public }
        })
        .collect()
});

/// The owner of validator number `index`, whose deploys have real signatures.
pub(crate) fn owner(index: usize) -> &'static Person {
    &VALIDATORS[index]
}

/// The key of validator number `index`.
pub(crate) fn validator(index: usize) -> PublicKey {
    owner(index).public.clone()
}

/// A key pair of the simulation; without a key it only verifies.
#[derive(Clone, Debug)]
pub(crate) struct Mac {
    key: Option<PublicKey>,
    /// Does not sign executed blocks: sabotage.
    mute: bool,
}

impl Mac {
    pub(crate) const fn of(key: PublicKey) -> Self {
        Self { key: Some(key), mute: false }
    }

    pub(crate) const fn observer() -> Self {
        Self { key: None, mute: false }
    }

    pub(crate) const fn muted(mut self) -> Self {
        self.mute = true;
        self
    }
}

fn mac(key: &PublicKey, message: &[u8]) -> Signature {
    let mut bytes: Vec<u8> = key.into();
    bytes.extend_from_slice(message);
    let hash = Digest::hash(bytes).value();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&hash);
    Signature::ed25519(signature).expect("64 bytes are a signature")
}

impl Scheme for Mac {
    fn sign(&self, message: &[u8]) -> Option<Signature> {
        // A block's hash and its era: nothing else that is signed is as short.
        const FINALITY_BYTES: usize = 40;
        if self.mute && message.len() == FINALITY_BYTES {
            return None;
        }
        self.key.as_ref().map(|key| mac(key, message))
    }

    fn public_key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    fn verify(&self, message: &[u8], signature: &Signature, key: &PublicKey) -> bool {
        mac(key, message) == *signature
    }
}
