//! The chain: genesis, a block for each Deploy, and what is stored afterwards.

use std::collections::BTreeSet;

use casper_types::{
    Account, BlockHash, CLTyped, Deploy, DeployHash, Digest, ExecutableDeployItem, Key, PublicKey,
    RuntimeArgs, SecretKey, StoredValue, TimeDiff, Timestamp, U512, URef,
    account::AccountHash,
    bytesrepr::FromBytes,
    contracts::{Contract, ContractHash, ContractPackageHash},
    handle_stored_dictionary_value,
};
use girrona_exec::{BlockContext, Signed, Uncached, admission, execute_block, genesis};
use girrona_state::{MemoryState, Reader};
use girrona_types::{
    Chainspec, Height,
    chainspec::{GenesisAccount, GenesisValidator},
    deploy,
    draft::Draft,
};

use crate::{outcome::Outcome, target::Target};

/// Motes of one GIRRO.
pub const GIRRO: u64 = 1_000_000_000;

/// What each user begins with, in GIRRO.
const FUNDS: u64 = 1_000_000;
/// What Deploys of [`Chain::run`] and [`Chain::call`] may cost, in GIRRO.
const PAYMENT: u64 = 1_000;
/// How long a Deploy may wait for its block; here it never does.
const TTL: TimeDiff = TimeDiff::from_seconds(600);

/// Somebody with a key and an account.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
}

impl User {
    /// The key, made from the name: the same in every test.
    pub fn secret_key(&self) -> SecretKey {
        let seed = Digest::hash(format!("girrona/contract-test/{}", self.name)).value();
        match SecretKey::ed25519_from_bytes(seed) {
            Ok(key) => key,
            Err(error) => panic!("32 bytes are a key: {error}"),
        }
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from(&self.secret_key())
    }

    /// The account.
    pub fn account(&self) -> AccountHash {
        self.public_key().to_account_hash()
    }
}

/// A chain in memory.
#[derive(Debug)]
pub struct Chain {
    law: Chainspec,
    users: Vec<String>,
    state: MemoryState,
    height: u64,
    time: u64,
    deploys: u64,
    executed: BTreeSet<DeployHash>,
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// A chain under the law of new networks, on which ana, bo and cy have a million GIRRO each.
    pub fn new() -> Self {
        Self::with(Chainspec::default(), &["ana", "bo", "cy"])
    }

    /// A chain under a law of your own, with a million GIRRO for each of these users. Accounts
    /// that the law has already are there too.
    ///
    /// # Panics
    /// When the law makes no genesis.
    pub fn with(mut law: Chainspec, users: &[&str]) -> Self {
        let users: Vec<String> = users.iter().map(|name| (*name).to_owned()).collect();
        let proposer = GenesisAccount {
            public_key: proposer().public_key(),
            balance: U512::from(GIRRO),
            validator: Some(GenesisValidator {
                bonded_amount: U512::from(GIRRO) * 1_000_000,
                delegation_rate: 0,
            }),
        };
        law.accounts.push(proposer);
        law.accounts.extend(users.iter().map(|name| GenesisAccount {
            public_key: User { name: name.clone() }.public_key(),
            balance: U512::from(GIRRO) * FUNDS,
            validator: None,
        }));
        let genesis = match genesis(&law) {
            Ok(genesis) => genesis,
            Err(error) => panic!("this law makes no genesis: {error}"),
        };
        let mut state = MemoryState::new();
        if let Err(error) = state.apply(&genesis.changes) {
            panic!("genesis does not fit an empty state: {error}");
        }
        let time = law.protocol.activation_point.millis();
        Self { law, users, state, height: 0, time, deploys: 0, executed: BTreeSet::new() }
    }

    /// One of the users this chain was made with.
    ///
    /// # Panics
    /// When there is nobody of that name.
    #[track_caller]
    pub fn user(&self, name: &str) -> User {
        assert!(
            self.users.iter().any(|user| user == name),
            "nobody here is called {name}; there are {}",
            self.users.join(", ")
        );
        User { name: name.to_owned() }
    }

    /// Runs a module as session code; this is also how a contract is installed.
    pub fn run(&mut self, user: &User, wasm: &[u8], args: RuntimeArgs) -> Outcome {
        let session = ExecutableDeployItem::new_module_bytes(wasm.into(), args);
        let deploy = self.deploy(user, session);
        self.execute(&deploy)
    }

    /// Calls an entry point of a stored contract: of a [`ContractHash`], of the newest version of a
    /// [`ContractPackageHash`], or of what the caller's named key leads to; see [`Target`].
    pub fn call(
        &mut self,
        user: &User,
        contract: impl Into<Target>,
        entry_point: &str,
        args: RuntimeArgs,
    ) -> Outcome {
        let deploy = self.deploy(user, contract.into().session(entry_point, args));
        self.execute(&deploy)
    }

    /// Sends motes to an account, or to a purse.
    pub fn transfer(&mut self, user: &User, to: impl Into<Key>, motes: U512) -> Outcome {
        let mut args = RuntimeArgs::new();
        let target = match to.into() {
            Key::URef(purse) => args.insert("target", purse),
            other => args.insert("target", other),
        };
        let rest = target
            .and_then(|()| args.insert("amount", motes))
            .and_then(|()| args.insert("id", Some(0_u64)));
        if let Err(error) = rest {
            panic!("arguments of a transfer are values: {error}");
        }
        let deploy = self.deploy(user, ExecutableDeployItem::Transfer { args });
        self.execute(&deploy)
    }

    /// A Deploy of `user`, signed by it, that may cost up to 1,000 GIRRO. Sign it with more keys,
    /// or make your own: [`Chain::execute`] takes any.
    pub fn deploy(&mut self, user: &User, session: ExecutableDeployItem) -> Deploy {
        self.deploys += 1;
        let payment = U512::from(GIRRO) * PAYMENT;
        let draft = Draft {
            // No two Deploys are the same.
            timestamp: Timestamp::from(self.time.saturating_sub(self.deploys % 60_000)),
            ttl: TTL,
            gas_price: 1,
            dependencies: Vec::new(),
            chain_name: self.law.network.name.clone(),
            payment: ExecutableDeployItem::new_standard_payment(payment),
            session,
        };
        match draft.sign(&user.secret_key()) {
            Ok(deploy) => deploy,
            Err(error) => panic!("a Deploy has bytes: {error}"),
        }
    }

    /// Puts a Deploy into the next block, unless a node would refuse it.
    ///
    /// # Panics
    /// Never because of the Deploy.
    pub fn execute(&mut self, deploy: &Deploy) -> Outcome {
        let signed = Signed::from(deploy);
        if let Some(refusal) = self.refusal(deploy, &signed) {
            return Outcome::refused(refusal);
        }
        self.executed.insert(*deploy.hash());
        self.height += 1;
        self.time += self.law.core.minimum_block_time.millis();
        let proposer = proposer().public_key();
        let context = BlockContext {
            law: &self.law,
            height: Height(self.height),
            time: Timestamp::from(self.time),
            parent: BlockHash::new(Digest::hash(self.height.to_le_bytes())),
            state_root: Digest::hash(self.time.to_le_bytes()),
            proposer: &proposer,
            era_end: None,
        };
        let executed = execute_block(&context, [signed], &self.state, &mut Uncached);
        let mut outcome = match executed {
            Ok(outcome) => outcome,
            Err(error) => panic!("the engine cannot go on: {error}"),
        };
        if let Err(error) = self.state.apply(&outcome.changes) {
            panic!("the state does not take what the block changed: {error}");
        }
        match outcome.results.pop() {
            Some((_, result)) => Outcome::executed(result),
            None => panic!("a block of one Deploy has one result"),
        }
    }

    /// Why a node would not take a Deploy, in its words.
    fn refusal(&self, deploy: &Deploy, signed: &Signed<'_>) -> Option<String> {
        if self.executed.contains(deploy.hash()) {
            return Some(format!("deploy {} was executed already", deploy.hash()));
        }
        let now = Timestamp::from(self.time);
        let form = deploy::check_form(deploy, &self.law, now)
            .and_then(|()| deploy::check_crypto(deploy))
            .map_err(|fault| fault.message());
        if let Err(fault) = form {
            return Some(fault);
        }
        let checks = admission::check_account(signed, &self.state, &self.law).and_then(|account| {
            match account {
                Ok(_) => admission::check_code(signed, &self.state, &self.law),
                Err(refusal) => Ok(Err(refusal)),
            }
        });
        let refused = match checks {
            Ok(Ok(())) => admission::check_modules(signed, &self.law, &mut Uncached).err(),
            Ok(Err(refusal)) => Some(refusal),
            Err(error) => panic!("the state cannot be read: {error}"),
        };
        let root = Digest::hash(self.time.to_le_bytes());
        let block = BlockHash::new(Digest::hash(self.height.to_le_bytes()));
        refused.map(|refusal| refusal.message(&root, &block, Height(self.height)))
    }

    /// Lets time pass before the next block.
    pub fn wait(&mut self, time: TimeDiff) {
        self.time += time.millis();
    }

    /// Height of the last block.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// Timestamp of the last block.
    pub fn time(&self) -> Timestamp {
        Timestamp::from(self.time)
    }

    /// Motes in a user's main purse.
    ///
    /// # Panics
    /// When the user has no account.
    #[track_caller]
    pub fn balance(&self, user: &User) -> U512 {
        let purse = self.account(user).main_purse();
        match self.purse_balance(purse) {
            Some(motes) => motes,
            None => panic!("the main purse of {} is gone", user.name),
        }
    }

    /// Motes in a purse, if it is one.
    #[track_caller]
    pub fn purse_balance(&self, purse: URef) -> Option<U512> {
        self.value(Key::Balance(purse.addr()))
    }

    /// A user's account.
    ///
    /// # Panics
    /// When it does not exist.
    #[track_caller]
    pub fn account(&self, user: &User) -> Account {
        match self.stored(Key::Account(user.account())) {
            Some(StoredValue::Account(account)) => account,
            _ => panic!("{} has no account", user.name),
        }
    }

    /// A stored contract.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn contract(&self, hash: ContractHash) -> Contract {
        match self.stored(Key::Hash(hash.value())) {
            Some(StoredValue::Contract(contract)) => contract,
            _ => panic!("there is no contract at {hash}"),
        }
    }

    /// A named key of an account or a contract.
    pub fn named_key(&self, owner: impl Into<Key>, name: &str) -> Option<Key> {
        match self.stored(owner.into())? {
            StoredValue::Account(account) => account.named_keys().get(name).copied(),
            StoredValue::Contract(contract) => contract.named_keys().get(name).copied(),
            _ => None,
        }
    }

    /// The contract that a user's named key leads to.
    ///
    /// # Panics
    /// When it leads to none.
    #[track_caller]
    pub fn contract_hash(&self, user: &User, name: &str) -> ContractHash {
        ContractHash::new(self.named_hash(user, name))
    }

    /// The package that a user's named key leads to.
    ///
    /// # Panics
    /// When it leads to none.
    #[track_caller]
    pub fn package_hash(&self, user: &User, name: &str) -> ContractPackageHash {
        ContractPackageHash::new(self.named_hash(user, name))
    }

    #[track_caller]
    fn named_hash(&self, user: &User, name: &str) -> [u8; 32] {
        match self.named_key(user.account(), name) {
            Some(Key::Hash(hash)) => hash,
            other => panic!("the named key {name} of {} leads to {other:?}", user.name),
        }
    }

    /// The value under a named key of an account or a contract, if there is one.
    ///
    /// # Panics
    /// When it is of another type.
    #[track_caller]
    pub fn named_value<T: CLTyped + FromBytes>(
        &self,
        owner: impl Into<Key>,
        name: &str,
    ) -> Option<T> {
        self.value(self.named_key(owner, name)?)
    }

    /// An item of a dictionary that an account or a contract has under a named key.
    ///
    /// # Panics
    /// When it is of another type.
    #[track_caller]
    pub fn dictionary<T: CLTyped + FromBytes>(
        &self,
        owner: impl Into<Key>,
        name: &str,
        item: &str,
    ) -> Option<T> {
        let Key::URef(seed) = self.named_key(owner, name)? else { return None };
        self.value(Key::dictionary(seed, item.as_bytes()))
    }

    /// The value under a key, if there is one.
    ///
    /// # Panics
    /// When it is of another type.
    #[track_caller]
    pub fn value<T: CLTyped + FromBytes>(&self, key: Key) -> Option<T> {
        let stored = self.stored(key)?;
        let value = match handle_stored_dictionary_value(key, stored) {
            Ok(StoredValue::CLValue(value)) => value,
            other => panic!("{key} holds no value: {other:?}"),
        };
        let found = value.cl_type().clone();
        match value.into_t() {
            Ok(value) => Some(value),
            Err(_) => panic!("{key} holds a {found:?}, not a {:?}", T::cl_type()),
        }
    }

    /// Whatever is stored under a key.
    pub fn stored(&self, key: Key) -> Option<StoredValue> {
        match self.state.read(&key) {
            Ok(stored) => stored.map(|value| (*value).clone()),
            Err(error) => panic!("the state cannot be read: {error}"),
        }
    }
}

/// Who proposes every block; no user can be called so.
fn proposer() -> User {
    User { name: "the proposer\n".to_owned() }
}
