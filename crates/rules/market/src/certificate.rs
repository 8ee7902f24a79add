//! TLS keys of accounts. A key is registered by whoever has it, and both ends of a connection
//! compare the other's key with what is written here.

use casper_types::{AsymmetricType, PublicKey, Signature, crypto};
use girrona_types::{
    NetworkId,
    market::{AccountId, Hash32, MarketEvent},
};
use sha2::{Digest as _, Sha256};

use crate::{
    call::CertProof,
    records::Certificate,
    refusal::Refusal,
    session::{Done, Session, Who},
    store::{Key, Store},
};

/// What an Ed25519 SubjectPublicKeyInfo begins with (RFC 8410); 32 bytes of key follow.
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What the TLS key signs so that nobody registers somebody else's: domain, network, account, role (0
/// client, 1 server), SHA-256 of the key.
pub fn proof_message(
    network: &NetworkId,
    account: &AccountId,
    server: bool,
    spki: &Hash32,
) -> Vec<u8> {
    [&b"girrona/cert/v1"[..], &network.0, &account.0, &[u8::from(server)], &spki.0].concat()
}

fn check(proof: &CertProof, network: &NetworkId, account: &AccountId) -> Result<Hash32, Refusal> {
    let length = proof.spki.len() as u64;
    let key = proof.spki.strip_prefix(&ED25519[..]).ok_or(Refusal::KeyForm { length })?;
    let key = PublicKey::ed25519_from_bytes(key).map_err(|_| Refusal::KeyForm { length })?;
    let signature =
        Signature::ed25519_from_bytes(&proof.signature).map_err(|_| Refusal::BadProof)?;
    let spki = Hash32(Sha256::digest(&proof.spki).into());
    let message = proof_message(network, account, proof.server, &spki);
    crypto::verify(&message, &signature, &key).map_err(|_| Refusal::BadProof)?;
    Ok(spki)
}

impl<S: Store> Session<'_, S> {
    pub(crate) fn register_cert(&mut self, who: &Who<'_>, proof: &CertProof) -> Done<(), S> {
        let account = who.caller;
        let spki = check(proof, &who.network, &account)?;
        if proof.not_after_ms <= self.time_ms {
            return Err(Refusal::KeyNotValid.into());
        }
        let key = Key::Certificate(spki);
        // The same account may put another certificate around the same key.
        if let Some(known) = self.get::<Certificate>(&key)?
            && (known.account != account || known.revoked.is_some())
        {
            return Err(Refusal::KeyTaken.into());
        }
        let record = Certificate {
            account,
            server: proof.server,
            cert_sha256: proof.cert_sha256,
            not_after_ms: proof.not_after_ms,
            since: self.height,
            revoked: None,
        };
        self.put(key, &record)?;
        self.tell(MarketEvent::CertRegistered { account, spki, server: proof.server });
        Ok(())
    }

    pub(crate) fn revoke_cert(&mut self, account: AccountId, spki: Hash32) -> Done<(), S> {
        let key = Key::Certificate(spki);
        let known = self.get::<Certificate>(&key)?;
        let mut record =
            known.filter(|known| known.account == account).ok_or(Refusal::NoSuchKey)?;
        if record.revoked.is_some() {
            return Err(Refusal::KeyNotValid.into());
        }
        record.revoked = Some(self.height);
        self.put(key, &record)?;
        self.tell(MarketEvent::CertRevoked { account, spki });
        Ok(())
    }

    /// Whether a key is good for an account's server now.
    pub(crate) fn serves(&mut self, account: AccountId, spki: Hash32) -> Done<bool, S> {
        let known = self.get::<Certificate>(&Key::Certificate(spki))?;
        Ok(known.is_some_and(|known| {
            known.account == account && known.server && known.is_valid(self.time_ms)
        }))
    }
}
