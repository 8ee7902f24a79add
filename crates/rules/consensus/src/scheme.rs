//! Signatures: made with one key, checked against any.
//!
//! Leaves to others: where the key is kept. A simulator brings its own cheap scheme.

use std::fmt;

use casper_types::{PublicKey, SecretKey, Signature, crypto};

/// Signs for this node and verifies everybody.
pub trait Scheme {
    /// Signs the message; `None` when this node has no key or the key refuses.
    fn sign(&self, message: &[u8]) -> Option<Signature>;
    /// The key that [`Scheme::sign`] signs with; `None` for an observer.
    fn public_key(&self) -> Option<&PublicKey>;
    /// Whether the key's owner signed the message.
    fn verify(&self, message: &[u8], signature: &Signature, key: &PublicKey) -> bool;
}

/// Casper's keys and its strict verification, ed25519 and secp256k1.
pub struct CasperKeys(Option<(SecretKey, PublicKey)>);

/// The system key was given to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system key cannot sign")]
pub struct SystemKey;

impl CasperKeys {
    /// Signs with this key.
    ///
    /// # Errors
    /// [`SystemKey`], which cannot sign.
    pub fn signer(secret: SecretKey) -> Result<Self, SystemKey> {
        let public = PublicKey::from(&secret);
        if public.is_system() { Err(SystemKey) } else { Ok(Self(Some((secret, public)))) }
    }

    /// Verifies only.
    pub const fn observer() -> Self {
        Self(None)
    }
}

impl fmt::Debug for CasperKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CasperKeys").field(&self.public_key()).finish()
    }
}

impl Scheme for CasperKeys {
    fn sign(&self, message: &[u8]) -> Option<Signature> {
        self.0.as_ref().map(|(secret, public)| crypto::sign(message, secret, public))
    }

    fn public_key(&self) -> Option<&PublicKey> {
        self.0.as_ref().map(|(_, public)| public)
    }

    fn verify(&self, message: &[u8], signature: &Signature, key: &PublicKey) -> bool {
        crypto::verify(message, signature, key).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_key_sign_and_are_told_apart() {
        let ed = CasperKeys::signer(SecretKey::ed25519_from_bytes([1; 32]).unwrap()).unwrap();
        let secp = CasperKeys::signer(SecretKey::secp256k1_from_bytes([2; 32]).unwrap()).unwrap();
        for (keys, other) in [(&ed, &secp), (&secp, &ed)] {
            let signature = keys.sign(b"message").unwrap();
            let key = keys.public_key().unwrap();
            assert!(CasperKeys::observer().verify(b"message", &signature, key));
            assert!(!keys.verify(b"another", &signature, key));
            assert!(!keys.verify(b"message", &signature, other.public_key().unwrap()));
        }
    }

    #[test]
    fn an_observer_signs_nothing_and_the_system_key_is_refused() {
        assert_eq!(CasperKeys::observer().sign(b"message"), None);
        assert_eq!(CasperKeys::signer(SecretKey::system()).unwrap_err(), SystemKey);
        let key = PublicKey::from(&SecretKey::ed25519_from_bytes([1; 32]).unwrap());
        assert!(!CasperKeys::observer().verify(b"message", &Signature::System, &key));
    }
}
