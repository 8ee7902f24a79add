//! Tokens: an account lets somebody without its certificate do a little, for a few minutes, at one
//! provider.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::{
    Digest, PublicKey, SecretKey, Signature,
    account::AccountHash,
    bytesrepr::{FromBytes, ToBytes},
};
use data_encoding::BASE64URL_NOPAD;
use girrona_types::NetworkId;
use thiserror::Error;

/// What a signature is over begins with this.
const DOMAIN: &[u8] = b"girrona/gate/token/1";
/// How long a token lives at most, in seconds.
pub(crate) const LIFE_MAX: u64 = 15 * 60;
/// Clocks may differ by this much, in seconds.
const SKEW: u64 = 30;
/// The longest token, in bytes.
const TOKEN_MAX: usize = 1_024;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Scope {
    /// Sending a manifest.
    ManifestSend,
    /// Reading it.
    ManifestRead,
    /// Reading how the lease is.
    Status,
    /// Reading logs.
    Logs,
    /// Reading events.
    Events,
    /// Running commands inside.
    Shell,
    /// Restarting services.
    Restart,
}

/// For whom a token is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The network.
    pub network: NetworkId,
    /// The provider.
    pub provider: AccountHash,
}

/// What an account allows.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Token {
    /// The provider that may take it, by its account's hash.
    pub provider: [u8; 32],
    /// The lease that it is about.
    pub lease: [u8; 32],
    /// What it allows.
    pub scopes: BTreeSet<Scope>,
    /// When it ends, in seconds since 1970; at most 15 minutes ahead.
    pub expires: u64,
    /// Different in each token.
    pub nonce: [u8; 16],
    /// blake2b-256 of the one body that may be sent with it. Such a token is good once.
    pub body: Option<[u8; 32]>,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not one of ours.
    #[error("this is no token")]
    Malformed,
    /// Made for another provider.
    #[error("the token is for another provider")]
    Audience,
    /// Over.
    #[error("the token ended; make a new one")]
    Expired,
    /// Too long a life.
    #[error("a token lives 15 minutes at most")]
    Life,
    /// Not signed by the account, or for another network.
    #[error("the token is not signed by the account it names, for this network")]
    Signature,
}

/// A token that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) account: AccountHash,
    pub(crate) token: Token,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Signed {
    token: Token,
    key: Vec<u8>,
    signature: Vec<u8>,
}

impl Token {
    /// The hash that [`Self::body`] has.
    pub fn hash_of(body: &[u8]) -> [u8; 32] {
        Digest::hash(body).value()
    }

    fn message(&self, network: &NetworkId, key: &PublicKey) -> Vec<u8> {
        let mut message = DOMAIN.to_vec();
        message.extend_from_slice(&network.0);
        message.extend_from_slice(&key.to_bytes().unwrap_or_default());
        message.extend_from_slice(&borsh::to_vec(self).unwrap_or_default());
        message
    }

    /// Signs it with the account's key and writes it for a header: `Authorization: Girrona TOKEN`.
    pub fn sign(&self, network: &NetworkId, secret: &SecretKey) -> String {
        let key = PublicKey::from(secret);
        let signature = casper_types::crypto::sign(self.message(network, &key), secret, &key);
        let signed = Signed {
            token: self.clone(),
            key: key.to_bytes().unwrap_or_default(),
            signature: signature.to_bytes().unwrap_or_default(),
        };
        BASE64URL_NOPAD.encode(&borsh::to_vec(&signed).unwrap_or_default())
    }

    /// Reads and checks a token, at a time in seconds since 1970.
    pub(crate) fn read(text: &str, audience: &Audience, now: u64) -> Result<Verified, TokenError> {
        if text.len() > TOKEN_MAX {
            return Err(TokenError::Malformed);
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| TokenError::Malformed)?;
        let signed: Signed = borsh::from_slice(&bytes).map_err(|_| TokenError::Malformed)?;
        let Signed { token, key, signature } = signed;
        let (Ok((key, [])), Ok((signature, []))) =
            (PublicKey::from_bytes(&key), Signature::from_bytes(&signature))
        else {
            return Err(TokenError::Malformed);
        };
        if token.provider != audience.provider.value() {
            return Err(TokenError::Audience);
        }
        if now > token.expires {
            return Err(TokenError::Expired);
        }
        if token.expires > now.saturating_add(LIFE_MAX + SKEW) {
            return Err(TokenError::Life);
        }
        // A system key has no signature that could be right.
        let message = token.message(&audience.network, &key);
        casper_types::crypto::verify(message, &signature, &key)
            .map_err(|_| TokenError::Signature)?;
        Ok(Verified { account: key.to_account_hash(), token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn audience(byte: u8) -> Audience {
        Audience { network: NetworkId([9; 32]), provider: AccountHash::new([byte; 32]) }
    }

    fn token() -> Token {
        Token {
            provider: [1; 32],
            lease: [2; 32],
            scopes: BTreeSet::from([Scope::Logs]),
            expires: NOW + LIFE_MAX,
            nonce: [3; 16],
            body: None,
        }
    }

    #[test]
    fn a_token_is_good_for_one_provider_network_and_time() {
        for secret in [
            SecretKey::ed25519_from_bytes([7; 32]).unwrap(),
            SecretKey::secp256k1_from_bytes([7; 32]).unwrap(),
        ] {
            let text = token().sign(&NetworkId([9; 32]), &secret);
            let read = Token::read(&text, &audience(1), NOW).unwrap();
            assert_eq!(read.account, PublicKey::from(&secret).to_account_hash());
            assert_eq!(read.token, token());
            assert_eq!(Token::read(&text, &audience(2), NOW), Err(TokenError::Audience));
            let other = Audience { network: NetworkId([8; 32]), ..audience(1) };
            assert_eq!(Token::read(&text, &other, NOW), Err(TokenError::Signature));
            assert_eq!(
                Token::read(&text, &audience(1), NOW + LIFE_MAX + 1),
                Err(TokenError::Expired)
            );
            assert_eq!(Token::read(&text, &audience(1), NOW - 60), Err(TokenError::Life));
        }
    }

    #[test]
    fn nothing_in_a_token_can_be_changed() {
        let secret = SecretKey::ed25519_from_bytes([7; 32]).unwrap();
        let text = token().sign(&NetworkId([9; 32]), &secret);
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let text = BASE64URL_NOPAD.encode(&changed);
            assert!(Token::read(&text, &audience(1), NOW).is_err(), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        bolero::check!().for_each(|input: &[u8]| {
            let text = String::from_utf8_lossy(input);
            assert!(Token::read(&text, &audience(1), NOW).is_err());
            let text = BASE64URL_NOPAD.encode(input);
            assert!(Token::read(&text, &audience(1), NOW).is_err());
        });
    }
}
