//! How fast native transfers execute, without signatures, roots and disks: a block of 4,000
//! transfers between 1,000 accounts, view, effects and records included.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use casper_types::{
    Approval, Deploy, DeployHash, DeployHeader, Digest, ExecutableDeployItem, PublicKey,
    RuntimeArgs, SecretKey, TimeDiff, Timestamp, U512, bytesrepr::ToBytes,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use girrona_exec::{BlockContext, Signed, Uncached, execute_block, genesis};
use girrona_state::MemoryState;
use girrona_types::{
    Chainspec, Height,
    chainspec::{GenesisAccount, GenesisValidator},
};

const ACCOUNTS: usize = 1_000;
const TRANSFERS: usize = 4_000;

fn key(number: usize) -> PublicKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    PublicKey::from(&SecretKey::ed25519_from_bytes(seed).unwrap())
}

fn transfer(from: &PublicKey, to: &PublicKey, number: u64) -> Deploy {
    let mut args = RuntimeArgs::new();
    args.insert("amount", U512::from(2_500_000_000_u64)).unwrap();
    args.insert("target", to.to_account_hash()).unwrap();
    args.insert("id", Some(number)).unwrap();
    let session = ExecutableDeployItem::Transfer { args };
    let payment = ExecutableDeployItem::new_standard_payment(U512::from(100_000_000_u64));
    let body = [payment.to_bytes().unwrap(), session.to_bytes().unwrap()].concat();
    let header = DeployHeader::new(
        from.clone(),
        Timestamp::from(number),
        TimeDiff::from_seconds(60),
        1,
        Digest::hash(body),
        Vec::new(),
        "girrona-dev".to_owned(),
    );
    let hash = DeployHash::new(Digest::hash(header.to_bytes().unwrap()));
    Deploy::new(hash, header, payment, session)
}

fn transfers(criterion: &mut Criterion) {
    let keys: Vec<_> = (0..ACCOUNTS).map(key).collect();
    let account = |(number, public_key): (usize, &PublicKey)| GenesisAccount {
        public_key: public_key.clone(),
        balance: U512::from(1_000_000_000_000_000_u64),
        validator: (number == 0).then(|| GenesisValidator {
            bonded_amount: U512::from(1_000_000_000_000_u64),
            delegation_rate: 0,
        }),
    };
    let law = Chainspec {
        accounts: keys.iter().enumerate().map(account).collect(),
        ..Chainspec::default()
    };
    let mut state = MemoryState::new();
    state.apply(&genesis(&law).unwrap().changes).unwrap();

    // A signature is checked when a deploy is accepted; here only its signer matters.
    let signature = casper_types::Signature::ed25519([0; 64]).unwrap();
    let deploys: Vec<_> = (0..TRANSFERS)
        .map(|n| {
            let (from, to) = (&keys[n % ACCOUNTS], &keys[(n * 7 + 1) % ACCOUNTS]);
            let to = if from == to { &keys[(n + 1) % ACCOUNTS] } else { to };
            (transfer(from, to, n as u64), Approval::new(from.clone(), signature))
        })
        .collect();
    let context = BlockContext {
        law: &law,
        height: Height(1),
        time: Timestamp::from(1),
        parent: Default::default(),
        state_root: Default::default(),
        proposer: &keys[0],
        era_end: None,
    };

    let mut group = criterion.benchmark_group("native transfers");
    group.throughput(Throughput::Elements(TRANSFERS as u64));
    group.sample_size(20);
    group.bench_function("execute 4,000 in a block", |bencher| {
        bencher.iter(|| {
            let signed = deploys.iter().map(|(deploy, approval)| Signed::new(deploy, [approval]));
            let outcome = execute_block(&context, signed, &state, &mut Uncached).unwrap();
            assert_eq!(outcome.records.len(), 2 * TRANSFERS);
            black_box(outcome)
        });
    });
    group.finish();
}

criterion_group!(benches, transfers);
criterion_main!(benches);
