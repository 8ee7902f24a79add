//! A chain of blocks in memory: accounts by number, deploys by shape, balances to the mote.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::cell::Cell;

use casper_types::{
    AccessRights, Account, BlockHash, Deploy, DeployHash, DeployHeader, Digest,
    ExecutableDeployItem, Key, PublicKey, RuntimeArgs, SecretKey, StoredValue, TimeDiff, Timestamp,
    U512, URef, account::AccountHash, bytesrepr::ToBytes, execution::ExecutionResultV1,
};
use girrona_exec::{
    BlockContext, BlockOutcome, CodeSource, EraOutcome, EraReport, Signed, Uncached, execute_block,
    genesis, recorded_supply, total_supply,
};
use girrona_state::{MemoryState, Reader};
use girrona_types::{
    Chainspec, Height,
    chainspec::{FailureCharge, GenesisAccount, GenesisValidator},
};

/// One GIRRO.
pub const GIRRO: u64 = 1_000_000_000;
/// MAX_PAYMENT_COST.
pub const PENALTY: u64 = 2_500_000_000;
/// What a native transfer costs.
pub const TRANSFER_COST: u64 = 100_000_000;

/// The account that proposes every block, unless a test says otherwise.
pub const PROPOSER: u8 = 1;
/// An account with 1,000 GIRRO.
pub const ANA: u8 = 2;
/// Another one.
pub const BEN: u8 = 3;
/// The account with the balance of `World::with_poor`.
pub const POOR: u8 = 4;

/// Hash of the block before every block.
pub const PARENT: [u8; 32] = [0xb0; 32];
/// Root of the state before every block.
pub const STATE_ROOT: [u8; 32] = [0x50; 32];

/// The key of an account.
pub fn key(who: u8) -> SecretKey {
    SecretKey::ed25519_from_bytes([who; 32]).unwrap()
}

/// The public key of an account.
pub fn public(who: u8) -> PublicKey {
    PublicKey::from(&key(who))
}

/// The hash of an account.
pub fn hash(who: u8) -> AccountHash {
    public(who).to_account_hash()
}

/// A law under which failure costs what `charge` says.
pub fn law(charge: FailureCharge) -> Chainspec {
    let mut law = Chainspec::default();
    law.core.failure_charge = charge;
    law
}

/// A network after some blocks.
pub struct World {
    pub law: Chainspec,
    pub state: MemoryState,
    pub proposer: u8,
    /// What prepares modules.
    pub code: Box<dyn CodeSource>,
    /// The outcome of the last block.
    pub last: Option<BlockOutcome>,
    genesis_supply: U512,
    burnt: U512,
    minted: U512,
    time: u64,
    deploys: Cell<u64>,
}

impl World {
    pub fn new(law: Chainspec) -> Self {
        Self::with_poor(law, PENALTY)
    }

    /// A network on which `POOR` has this many motes.
    pub fn with_poor(mut law: Chainspec, poor: u64) -> Self {
        let account = |who, motes, stake: Option<u64>| GenesisAccount {
            public_key: public(who),
            balance: U512::from(motes),
            validator: stake.map(|stake| GenesisValidator {
                bonded_amount: U512::from(stake),
                delegation_rate: 10,
            }),
        };
        law.accounts = vec![
            account(PROPOSER, 10 * GIRRO, Some(500 * GIRRO)),
            account(ANA, 1_000 * GIRRO, None),
            account(BEN, 1_000 * GIRRO, None),
            account(POOR, poor, None),
        ];
        let genesis = genesis(&law).unwrap();
        let mut state = MemoryState::new();
        state.apply(&genesis.changes).unwrap();
        Self {
            law,
            state,
            proposer: PROPOSER,
            code: Box::new(Uncached),
            last: None,
            genesis_supply: genesis.total_supply,
            burnt: U512::zero(),
            minted: U512::zero(),
            time: 1_000_000,
            deploys: Cell::new(0),
        }
    }

    /// A deploy of `who`, signed by it.
    pub fn deploy(
        &self,
        who: u8,
        payment: ExecutableDeployItem,
        session: ExecutableDeployItem,
    ) -> Deploy {
        self.priced(who, 1, payment, session)
    }

    /// A deploy with a gas price.
    pub fn priced(
        &self,
        who: u8,
        price: u64,
        payment: ExecutableDeployItem,
        session: ExecutableDeployItem,
    ) -> Deploy {
        self.deploys.set(self.deploys.get() + 1);
        let body = [payment.to_bytes().unwrap(), session.to_bytes().unwrap()].concat();
        let header = DeployHeader::new(
            public(who),
            Timestamp::from(self.time + self.deploys.get()),
            TimeDiff::from_seconds(60),
            price,
            Digest::hash(body),
            Vec::new(),
            self.law.network.name.clone(),
        );
        let hash = DeployHash::new(Digest::hash(header.to_bytes().unwrap()));
        let mut deploy = Deploy::new(hash, header, payment, session);
        deploy.sign(&key(who));
        deploy
    }

    /// A native transfer.
    pub fn transfer(&self, who: u8, args: RuntimeArgs) -> Deploy {
        self.deploy(who, pay(0), ExecutableDeployItem::Transfer { args })
    }

    /// A native transfer to an account.
    pub fn send(&self, who: u8, to: u8, motes: u64) -> Deploy {
        self.transfer(who, transfer_args(motes, hash(to)))
    }

    /// A module with standard payment.
    pub fn session(&self, who: u8, paid: u64, wasm: Vec<u8>, args: RuntimeArgs) -> Deploy {
        self.deploy(who, pay(paid), module(wasm, args))
    }

    /// Executes a block and checks that no mote was made or lost.
    pub fn block(&mut self, deploys: &[Deploy]) -> Vec<ExecutionResultV1> {
        self.any_block(deploys, None)
    }

    /// Executes the last block of an era, and checks that exactly what was minted was made.
    pub fn era(&mut self, deploys: &[Deploy], report: &EraReport) -> EraOutcome {
        self.any_block(deploys, Some(report));
        self.last.as_ref().and_then(|last| last.era.clone()).expect("the era ended")
    }

    fn any_block(
        &mut self,
        deploys: &[Deploy],
        report: Option<&EraReport>,
    ) -> Vec<ExecutionResultV1> {
        let proposer = public(self.proposer);
        self.time += 1_000;
        let context = BlockContext {
            law: &self.law,
            height: Height(1),
            time: Timestamp::from(self.time),
            parent: BlockHash::new(Digest::from(PARENT)),
            state_root: Digest::from(STATE_ROOT),
            proposer: &proposer,
            era_end: report,
        };
        let signed = deploys.iter().map(Signed::from);
        let outcome = execute_block(&context, signed, &self.state, &mut *self.code).unwrap();
        self.state.apply(&outcome.changes).unwrap();
        self.burnt += outcome.burnt;
        self.minted += outcome.era.as_ref().map_or(U512::zero(), |era| era.minted);
        self.check_supply();
        let results = outcome.results.iter().map(|(_, result)| result.clone()).collect();
        self.last = Some(outcome);
        results
    }

    /// Executes a block of one deploy.
    pub fn one(&mut self, deploy: Deploy) -> ExecutionResultV1 {
        self.block(&[deploy]).remove(0)
    }

    pub fn check_supply(&self) {
        let sum = total_supply(self.state.iter()).unwrap();
        assert_eq!(sum, self.genesis_supply + self.minted - self.burnt, "motes were made or lost");
        assert_eq!(sum, recorded_supply(&self.state).unwrap());
    }

    pub fn account(&self, who: u8) -> Account {
        self.maybe_account(who).expect("the account exists")
    }

    pub fn maybe_account(&self, who: u8) -> Option<Account> {
        let value = self.state.read(&Key::Account(hash(who))).unwrap()?;
        value.as_account().cloned()
    }

    /// Motes in an account's main purse.
    pub fn balance(&self, who: u8) -> u64 {
        self.purse_balance(self.account(who).main_purse())
    }

    pub fn purse_balance(&self, purse: URef) -> u64 {
        let value = self.value(Key::Balance(purse.addr()));
        value.into_cl_value().unwrap().into_t::<U512>().unwrap().as_u64()
    }

    pub fn value(&self, key: Key) -> StoredValue {
        (*self.state.read(&key).unwrap().expect("there is a value")).clone()
    }

    /// A named key of an account.
    pub fn named(&self, who: u8, name: &str) -> Option<Key> {
        self.account(who).named_keys().get(name).copied()
    }
}

/// Standard payment.
pub fn pay(motes: u64) -> ExecutableDeployItem {
    let mut args = RuntimeArgs::new();
    args.insert("amount", U512::from(motes)).unwrap();
    module(Vec::new(), args)
}

/// Code.
pub fn module(wasm: Vec<u8>, args: RuntimeArgs) -> ExecutableDeployItem {
    ExecutableDeployItem::ModuleBytes { module_bytes: wasm.into(), args }
}

/// Arguments of a native transfer.
pub fn transfer_args<T: casper_types::CLTyped + ToBytes>(motes: u64, target: T) -> RuntimeArgs {
    let mut args = RuntimeArgs::new();
    args.insert("amount", U512::from(motes)).unwrap();
    args.insert("target", target).unwrap();
    args.insert("id", Some(7_u64)).unwrap();
    args
}

/// The cost, the error message if there is one, and how many transfers there were.
pub fn seen(result: &ExecutionResultV1) -> (u64, Option<&str>, usize) {
    match result {
        ExecutionResultV1::Success { cost, transfers, .. } => {
            (cost.as_u64(), None, transfers.len())
        }
        ExecutionResultV1::Failure { cost, transfers, error_message, .. } => {
            (cost.as_u64(), Some(error_message), transfers.len())
        }
    }
}

/// The effects as (key, name of the transform).
pub fn effects(result: &ExecutionResultV1) -> Vec<(String, String)> {
    let (ExecutionResultV1::Success { effect, .. } | ExecutionResultV1::Failure { effect, .. }) =
        result;
    assert!(effect.operations.is_empty());
    effect
        .transforms
        .iter()
        .map(|t| {
            let text = format!("{:?}", t.transform);
            let name = text.split(['(', ' ', '{']).next().unwrap().to_owned();
            (t.key.clone(), name)
        })
        .collect()
}

/// A URef with all rights.
pub fn full(addr: [u8; 32]) -> URef {
    URef::new(addr, AccessRights::READ_ADD_WRITE)
}
