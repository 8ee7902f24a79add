//! Signatures that cost next to nothing: a hash of key and message. Anybody could forge them, which
//! is how a simulated liar speaks; nobody else does.

use casper_types::{Digest, PublicKey, SecretKey, Signature};
use girrona_consensus::Scheme;

/// A key pair of the simulation; without a key it only verifies.
#[derive(Clone, Debug)]
pub(crate) struct Mac(pub(crate) Option<PublicKey>);

impl Mac {
    /// The pair number `index`.
    pub(crate) fn number(index: usize) -> Self {
        let mut seed = [42; 32];
        seed[0] = u8::try_from(index).unwrap();
        Self(Some(PublicKey::from(&SecretKey::ed25519_from_bytes(seed).unwrap())))
    }
}

fn mac(key: &PublicKey, message: &[u8]) -> Signature {
    let mut bytes: Vec<u8> = key.into();
    bytes.extend_from_slice(message);
    let hash = Digest::hash(bytes).value();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&hash);
    Signature::ed25519(signature).unwrap()
}

impl Scheme for Mac {
    fn sign(&self, message: &[u8]) -> Option<Signature> {
        self.0.as_ref().map(|key| mac(key, message))
    }

    fn public_key(&self) -> Option<&PublicKey> {
        self.0.as_ref()
    }

    fn verify(&self, message: &[u8], signature: &Signature, key: &PublicKey) -> bool {
        mac(key, message) == *signature
    }
}
