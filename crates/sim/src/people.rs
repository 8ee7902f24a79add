//! Who sends deploys. Their keys are real, and so are their signatures.

use std::sync::LazyLock;

use casper_types::{PublicKey, SecretKey};

/// People with plenty of motes at genesis.
pub(crate) const RICH: usize = 6;
/// People with just enough, or a little more.
pub(crate) const POOR: usize = 2;
/// People with an account that may not send deploys.
pub(crate) const PAUPERS: usize = 1;
/// People without an account at genesis.
pub(crate) const NEW: usize = 4;

/// Somebody with a key.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) secret: SecretKey,
    pub(crate) public: PublicKey,
}

static PEOPLE: LazyLock<Vec<Person>> = LazyLock::new(|| {
    (0..RICH + POOR + PAUPERS + NEW)
        .map(|number| {
            let mut seed = [7; 32];
            seed[0] = number as u8;
            // One of them has the other kind of key.
            let secret = if number == 1 {
                SecretKey::secp256k1_from_bytes(seed)
            } else {
                SecretKey::ed25519_from_bytes(seed)
            };
            let secret = secret.expect("32 bytes are a key");
            let public = PublicKey::from(&secret);
            Person { secret, public }
        })
        .collect()
});

pub(crate) fn rich() -> &'static [Person] {
    &PEOPLE[..RICH]
}

pub(crate) fn poor() -> &'static [Person] {
    &PEOPLE[RICH..RICH + POOR]
}

pub(crate) fn pauper() -> &'static Person {
    &PEOPLE[RICH + POOR]
}

pub(crate) fn new() -> &'static [Person] {
    &PEOPLE[RICH + POOR + PAUPERS..]
}
