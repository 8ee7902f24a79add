//! Deploys tried out on a state in memory: what is judged, what runs, what stays as it was.

use casper_types::{
    AsymmetricType, BlockHash, BlockV1, Digest, ExecutableDeployItem, ProtocolVersion, RuntimeArgs,
    SecretKey, TimeDiff, U512,
};
use girrona_exec::genesis;
use girrona_state::MemoryState;
use girrona_types::{
    chainspec::{GenesisAccount, GenesisValidator},
    draft::Draft,
};

use super::*;

const GIRRO: u64 = 1_000_000_000;

fn key(seed: u8) -> SecretKey {
    SecretKey::ed25519_from_bytes([seed; 32]).unwrap()
}

fn public(seed: u8) -> PublicKey {
    PublicKey::from(&key(seed))
}

struct World {
    law: Chainspec,
    state: MemoryState,
    block: BlockHeaderV1,
    now: Timestamp,
}

fn world() -> World {
    let validator = GenesisValidator { bonded_amount: U512::from(5 * GIRRO), delegation_rate: 0 };
    let account = |seed, validator| GenesisAccount {
        public_key: public(seed),
        balance: U512::from(100 * GIRRO),
        validator,
    };
    let law = Chainspec {
        accounts: vec![account(1, Some(validator)), account(2, None)],
        ..Chainspec::default()
    };
    let mut state = MemoryState::new();
    state.apply(&genesis(&law).unwrap().changes).unwrap();
    let now = Timestamp::from(2_000_000_000_000);
    let block = BlockV1::new(
        BlockHash::default(),
        Digest::default(),
        Digest::from([8; 32]),
        false,
        None,
        now,
        1.into(),
        7,
        ProtocolVersion::from_parts(1, 5, 8),
        public(1),
        Vec::new(),
        Vec::new(),
    );
    World { law, state, block: block.take_header(), now }
}

fn transfer(world: &World, motes: u64) -> Draft {
    let mut args = RuntimeArgs::new();
    args.insert("amount", U512::from(motes)).unwrap();
    args.insert("target", public(1).to_account_hash()).unwrap();
    args.insert("id", Some(1_u64)).unwrap();
    draft(world, ExecutableDeployItem::Transfer { args }, 100_000_000)
}

fn draft(world: &World, session: ExecutableDeployItem, motes: u64) -> Draft {
    Draft {
        timestamp: world.now,
        ttl: TimeDiff::from_seconds(60),
        gas_price: 1,
        dependencies: Vec::new(),
        chain_name: world.law.network.name.clone(),
        payment: ExecutableDeployItem::new_standard_payment(U512::from(motes)),
        session,
    }
}

impl World {
    fn try_out(&self, deploy: &Deploy) -> Result<ExecutionResultV1, SpeculateError> {
        let code = &mut girrona_exec::Uncached;
        try_out(&self.law, &self.state, code, &self.block, deploy, self.now)
    }
}

#[test]
fn a_transfer_is_tried_out_signed_or_not_and_nothing_changes() {
    let world = world();
    let signed = transfer(&world, 3 * GIRRO).sign(&key(2)).unwrap();
    let unsigned = signed.clone().with_approvals(Default::default());
    for deploy in [signed, unsigned] {
        for _ in 0..2 {
            match world.try_out(&deploy).unwrap() {
                ExecutionResultV1::Success { transfers, cost, .. } => {
                    assert_eq!((transfers.len(), cost), (1, U512::from(100_000_000)));
                }
                failure => panic!("{failure:?}"),
            }
        }
    }
}

#[test]
fn a_module_without_signatures_is_run_within_its_payment() {
    let world = world();
    let module = wat::parse_str(
        r#"(module (memory (export "memory") 1) (func (export "call") (loop (br 0))))"#,
    );
    let session = ExecutableDeployItem::ModuleBytes {
        module_bytes: module.unwrap().into(),
        args: RuntimeArgs::new(),
    };
    let deploy = draft(&world, session, 3 * GIRRO).sign(&key(2)).unwrap();
    let deploy = deploy.with_approvals(Default::default());
    match world.try_out(&deploy).unwrap() {
        ExecutionResultV1::Failure { error_message, cost, .. } => {
            assert_eq!(error_message, "Out of gas error");
            assert_eq!(cost, U512::from(3 * GIRRO));
        }
        success => panic!("{success:?}"),
    }
}

#[test]
fn what_no_acceptor_takes_is_refused_with_the_acceptors_words() {
    let world = world();
    let refused = |deploy: &Deploy| match world.try_out(deploy).unwrap_err() {
        SpeculateError::Invalid(text) => text,
        other => panic!("{other}"),
    };
    let stranger = transfer(&world, 3 * GIRRO).sign(&key(9)).unwrap();
    let text = refused(&stranger);
    assert!(text.starts_with("account with hash ") && text.contains(" at height 7"), "{text}");

    let signed = transfer(&world, 3 * GIRRO).sign(&key(2)).unwrap();
    let forged = signed.clone().with_approvals(stranger.approvals().clone());
    assert!(refused(&forged).starts_with("invalid deploy: the approval at index 0"));
    let other = transfer(&world, 4 * GIRRO).sign(&key(2)).unwrap();
    let mixed = Deploy::new(
        *signed.hash(),
        signed.header().clone(),
        other.payment().clone(),
        other.session().clone(),
    );
    assert!(mixed.approvals().is_empty());
    assert!(refused(&mixed).contains("body hash does not match"), "{}", refused(&mixed));
    let little = transfer(&world, 1).sign(&key(2)).unwrap();
    assert!(refused(&little).contains("insufficient transfer amount"));
    assert!(public(2).to_hex().starts_with("01"));
}

#[test]
fn a_state_is_not_read_when_the_time_is_over() {
    let world = world();
    let until = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    let state = Until { state: world.state, until };
    let key = Key::Account(public(2).to_account_hash());
    assert!(state.read(&key).unwrap_err().0.to_string().contains("is over"));
}

#[test]
fn a_deploy_of_a_block_is_explained_behind_those_before_it() {
    use girrona_chain::disk::StoredBlock;
    use girrona_types::{Proposal, SignedDeploy};
    let world = world();
    let spins = wat::parse_str("(module (memory 1) (func (export \"call\") (loop (br 0))))");
    let session = ExecutableDeployItem::ModuleBytes {
        module_bytes: spins.unwrap().into(),
        args: RuntimeArgs::new(),
    };
    let first = draft(&world, session, 3 * GIRRO).sign(&key(2)).unwrap();
    // Enough for it before the first deploy, and not afterwards.
    let second = transfer(&world, 98 * GIRRO).sign(&key(2)).unwrap();
    let block = BlockV1::new(
        BlockHash::default(),
        Digest::default(),
        Digest::from([8; 32]),
        false,
        None,
        world.now,
        1.into(),
        8,
        ProtocolVersion::from_parts(1, 5, 8),
        public(1),
        Vec::new(),
        Vec::new(),
    );
    let proposal = Proposal {
        network: world.law.network_id(),
        height: Height(8),
        era: 1.into(),
        parent: BlockHash::default(),
        timestamp: world.now,
        proposer: public(1),
        seed_signature: casper_types::crypto::sign(b"seed", &key(1), &public(1)),
        last_commit: None,
        deploys: vec![SignedDeploy::from(&first)],
        transfers: vec![SignedDeploy::from(&second)],
        evidence: Vec::new(),
    };
    let block = StoredBlock { block, proposal: Some(proposal), certificate: None };
    let explain = |deploys: &[Deploy]| {
        let before = (&world.state as &dyn Reader, Digest::default());
        explanation::again(&world.law, before, &mut girrona_exec::Uncached, &block, deploys)
            .unwrap()
    };
    let told = explain(std::slice::from_ref(&first));
    assert_eq!(told.bill.fee, U512::from(3 * GIRRO));
    assert!(told.advice.unwrap().contains("does not end"));
    let told = explain(&[first, second]);
    assert!(told.advice.unwrap().contains("main purse"), "its balance is spent by then");
}
