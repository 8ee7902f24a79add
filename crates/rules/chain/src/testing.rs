//! People and deploys for tests.

use std::collections::BTreeMap;

use casper_types::{
    Deploy, ExecutableDeployItem, PublicKey, RuntimeArgs, SecretKey, TimeDiff, Timestamp, U512,
    runtime_args,
};
use girrona_types::{
    Chainspec,
    Draft,
    chainspec::{GenesisAccount, GenesisValidator, MOTES_PER_GIRRO},
};

/// Somebody with a key.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) secret: SecretKey,
    pub(crate) public: PublicKey,
}

impl Person {
    pub(crate) fn new(number: u8) -> Self {
        let secret = SecretKey::ed25519_from_bytes([number; 32]).unwrap();
        let public = PublicKey::from(&secret);
        Self { secret, public }
    }
}

/// A law under which these people hold these motes and these validators this stake in GIRRO.
pub(crate) fn law(balances: &[(&Person, u64)], validators: &[(&Person, u64)]) -> Chainspec {
    let mut accounts: BTreeMap<PublicKey, GenesisAccount> = BTreeMap::new();
    for (person, motes) in balances {
        let public_key = person.public.clone();
        let balance = U512::from(*motes);
        accounts
            .insert(public_key.clone(), GenesisAccount { public_key, balance, validator: None });
    }
    for (person, girro) in validators {
        let bonded_amount = U512::from(*girro) * U512::from(MOTES_PER_GIRRO);
        accounts
            .entry(person.public.clone())
            .or_insert_with(|| GenesisAccount {
                public_key: person.public.clone(),
                balance: U512::from(10) * U512::from(MOTES_PER_GIRRO),
                validator: None,
            })
            .validator = Some(GenesisValidator { bonded_amount, delegation_rate: 0 });
    }
    Chainspec { accounts: accounts.into_values().collect(), ..Chainspec::default() }
}

/// A native transfer of GIRRO.
pub(crate) fn transfer(
    from: &Person,
    to: &Person,
    girro: u64,
    timestamp: Timestamp,
    ttl_seconds: u32,
) -> Deploy {
    transfer_after(from, to, girro, timestamp, ttl_seconds, Vec::new())
}

/// A native transfer of GIRRO that waits for other deploys.
pub(crate) fn transfer_after(
    from: &Person,
    to: &Person,
    girro: u64,
    timestamp: Timestamp,
    ttl_seconds: u32,
    dependencies: Vec<casper_types::DeployHash>,
) -> Deploy {
    let payment = ExecutableDeployItem::new_standard_payment(U512::from(100_000_000));
    let session = ExecutableDeployItem::Transfer {
        args: runtime_args! {
            "amount" => U512::from(girro) * U512::from(MOTES_PER_GIRRO),
            "target" => to.public.clone(),
            "id" => Some(7_u64),
        },
    };
    let ttl = TimeDiff::from_seconds(ttl_seconds);
    let chain_name = Chainspec::default().network.name;
    Draft { timestamp, ttl, gas_price: 1, dependencies, chain_name, payment, session }
        .sign(&from.secret)
        .unwrap()
}

/// Wasm that does nothing but what its text says.
#[allow(dead_code, reason = "not every test module runs code")]
pub(crate) fn module(from: &Person, bytes: Vec<u8>, motes: u64, timestamp: Timestamp) -> Deploy {
    let payment = ExecutableDeployItem::new_standard_payment(U512::from(motes));
    let session = ExecutableDeployItem::new_module_bytes(bytes.into(), RuntimeArgs::new());
    let ttl = TimeDiff::from_seconds(60);
    let chain_name = Chainspec::default().network.name;
    Draft { timestamp, ttl, gas_price: 1, dependencies: Vec::new(), chain_name, payment, session }
        .sign(&from.secret)
        .unwrap()
}
