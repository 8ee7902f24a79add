//! The conformance suite on Girrona's rules, in memory.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use anyhow::{Context as _, Result, anyhow};
use casper_types::{
    Approval, BlockHash, Deploy, DeployHash, DeployHeader, Digest, ExecutableDeployItem, Group,
    Groups, Key, Signature, StoredValue, TimeDiff, Timestamp, TransferAddr, U512, URef,
    account::AccountHash,
    bytesrepr::{self, Bytes, ToBytes},
    execution::ExecutionResultV1,
};
use girrona_engine::{Metrics, Tiers};
use girrona_exec::{
    BlockContext, CodeSource, Signed, execute_block, genesis, recorded_supply, system::SYSTEM,
    total_supply,
};
use girrona_state::{MemoryState, Reader as _};
use girrona_types::{
    Chainspec, Height,
    chainspec::{GenesisAccount, GenesisValidator},
};

use crate::conform::{
    scene::{self, State, Thing, arguments, find, public},
    suite::{ACCOUNTS, BALANCES, Item, PROPOSER, Play, STAKE, Suite, TIME, Told},
};

/// Plays every case.
pub(crate) fn play(suite: &Suite, modules: &BTreeMap<String, Vec<u8>>) -> Result<Vec<Told>> {
    let law = law()?;
    let mut start = MemoryState::new();
    start.apply(&genesis(&law).context("make genesis")?.changes)?;
    let (mut all, mut code) = (Vec::new(), code());
    for case in &suite.cases {
        let state = start.clone();
        let mut world = World { law: &law, state, modules, time: Cell::new(TIME) };
        for (at, play) in case.deploys.iter().enumerate() {
            let told = world.play(play, &mut code);
            let mut told = told.with_context(|| format!("{}/{}", case.name, play.name))?;
            told.case.clone_from(&case.name);
            if at + 1 == case.deploys.len() {
                told.state = scene::tell(&world)?;
            }
            all.push(told);
        }
    }
    Ok(all)
}

/// What turns modules into code that runs: what a node has.
fn code() -> impl CodeSource {
    Tiers::new(false, Metrics::default())
}

/// Casper mainnet's rules.
fn law() -> Result<Chainspec> {
    let account = |(number, balance): (usize, &u64)| {
        let number = u8::try_from(number)?;
        let validator = (number == PROPOSER)
            .then(|| GenesisValidator { bonded_amount: U512::from(STAKE), delegation_rate: 10 });
        Ok(GenesisAccount { public_key: public(number)?, balance: U512::from(*balance), validator })
    };
    let accounts = BALANCES.iter().enumerate().map(account).collect::<Result<_>>()?;
    Ok(Chainspec { accounts, ..Chainspec::casper_1_5_8() })
}

struct World<'w> {
    law: &'w Chainspec,
    state: MemoryState,
    modules: &'w BTreeMap<String, Vec<u8>>,
    time: Cell<u64>,
}

impl World<'_> {
    fn play(&mut self, play: &Play, code: &mut dyn CodeSource) -> Result<Told> {
        let before = self.balances()?;
        let time = self.time.get();
        self.time.set(time + 1_000);
        let deploy = self.deploy(play, time)?;
        let proposer = public(PROPOSER)?;
        let context = BlockContext {
            law: self.law,
            height: Height(1),
            time: Timestamp::from(time),
            parent: BlockHash::default(),
            state_root: Digest::default(),
            proposer: &proposer,
            era_end: None,
        };
        let outcome = execute_block(&context, [Signed::from(&deploy)], &self.state, code)
            .context("execute a deploy")?;
        self.state.apply(&outcome.changes)?;
        let sum = total_supply(self.state.iter())?;
        anyhow::ensure!(sum == recorded_supply(&self.state)?, "motes were made or lost");
        let (_, result) = outcome.results.into_iter().next().context("no result")?;
        let (cost, error, transfers) = match result {
            ExecutionResultV1::Success { cost, transfers, .. } => (cost, String::new(), transfers),
            ExecutionResultV1::Failure { cost, transfers, error_message, .. } => {
                (cost, error_message, transfers)
            }
        };
        let told = |address: &TransferAddr| {
            let record = outcome.records.get(&Key::Transfer(*address));
            Ok(match record.filter(|_| error.is_empty()) {
                Some(StoredValue::Transfer(transfer)) => {
                    let to = transfer.to.as_ref().map(scene::who).transpose()?;
                    let from = scene::who(&transfer.from)?;
                    format!("{from} to {to:?}: {} as {:?}", transfer.amount, transfer.id)
                }
                _ => "not kept".to_owned(),
            })
        };
        Ok(Told {
            case: String::new(),
            deploy: play.name.clone(),
            sender: play.sender,
            cost: cost.to_string(),
            transfers: transfers.iter().map(told).collect::<Result<_>>()?,
            error: scene::plain(&error),
            changes: scene::changes(&before, &self.balances()?),
            state: Vec::new(),
        })
    }

    fn balances(&self) -> Result<Vec<U512>> {
        (0..ACCOUNTS).map(|number| scene::balance(self, number)).collect()
    }

    fn deploy(&self, play: &Play, time: u64) -> Result<Deploy> {
        let (payment, session) = (self.item(&play.payment)?, self.item(&play.session)?);
        let bytes = |error| anyhow!("{error}");
        let mut body = payment.to_bytes().map_err(bytes)?;
        body.extend(session.to_bytes().map_err(bytes)?);
        let header = DeployHeader::new(
            public(play.sender)?,
            Timestamp::from(time),
            TimeDiff::from_seconds(3_600),
            play.gas_price,
            Digest::hash(body),
            Vec::new(),
            self.law.network.name.clone(),
        );
        let hash = DeployHash::new(Digest::hash(header.to_bytes().map_err(bytes)?));
        let approval = |signer: &u8| {
            // Whoever executes has checked it.
            let signature = Signature::ed25519([1; 64]).map_err(|error| anyhow!("{error}"))?;
            Ok(Approval::new(public(*signer)?, signature))
        };
        let approvals = play.signers.iter().map(approval).collect::<Result<_>>()?;
        Ok(Deploy::new(hash, header, payment, session).with_approvals(approvals))
    }

    fn item(&self, item: &Item) -> Result<ExecutableDeployItem> {
        let hash = |place| scene::address(&find(self, place)?);
        Ok(match item {
            Item::Module { module, args } => {
                let bytes = match module.as_str() {
                    "" => Vec::new(),
                    name => self.modules.get(name).cloned().context("no such module")?,
                };
                let args = arguments(self, args)?;
                ExecutableDeployItem::ModuleBytes { module_bytes: Bytes::from(bytes), args }
            }
            Item::Hash { at, entry, args } => ExecutableDeployItem::StoredContractByHash {
                hash: hash(at)?.into(),
                entry_point: entry.clone(),
                args: arguments(self, args)?,
            },
            Item::Name { name, entry, args } => ExecutableDeployItem::StoredContractByName {
                name: name.clone(),
                entry_point: entry.clone(),
                args: arguments(self, args)?,
            },
            Item::PackageHash { at, version, entry, args } => {
                ExecutableDeployItem::StoredVersionedContractByHash {
                    hash: hash(at)?.into(),
                    version: *version,
                    entry_point: entry.clone(),
                    args: arguments(self, args)?,
                }
            }
            Item::PackageName { name, version, entry, args } => {
                ExecutableDeployItem::StoredVersionedContractByName {
                    name: name.clone(),
                    version: *version,
                    entry_point: entry.clone(),
                    args: arguments(self, args)?,
                }
            }
            Item::Transfer { args } => {
                ExecutableDeployItem::Transfer { args: arguments(self, args)? }
            }
        })
    }
}

impl State for World<'_> {
    fn thing(&self, key: &Key) -> Result<Option<Thing>> {
        let Some(value) = self.state.read(key)? else { return Ok(None) };
        Ok(Some(match &*value {
            StoredValue::Account(account) => Thing::Account {
                names: account.named_keys().clone().into_inner(),
                main_purse: account.main_purse(),
                keys: account.associated_keys().iter().map(weight).collect(),
                thresholds: [
                    account.action_thresholds().deployment().value(),
                    account.action_thresholds().key_management().value(),
                ],
            },
            StoredValue::Contract(contract) => Thing::Contract {
                names: contract.named_keys().clone().into_inner(),
                entry_points: contract.entry_points().keys().cloned().collect(),
            },
            StoredValue::ContractPackage(package) => Thing::Package {
                versions: package.versions().keys().map(ToString::to_string).collect(),
                disabled: package.disabled_versions().iter().map(ToString::to_string).collect(),
                groups: groups(package.groups())?,
                is_locked: package.is_locked(),
            },
            StoredValue::CLValue(value) => Thing::Value(value.clone()),
            other => Thing::Other(other.type_name()),
        }))
    }

    fn system(&self, name: &str) -> Result<[u8; 32]> {
        let name = name.replace('_', " ");
        let all = SYSTEM.contracts();
        let found = all.into_iter().find(|system| system.name == name);
        Ok(found.with_context(|| format!("no system contract {name}"))?.contract)
    }
}

/// The labels, which nothing but the byte form tells, and how many URefs each group has.
fn groups(groups: &Groups) -> Result<Vec<(String, usize)>> {
    let bytes = groups.to_bytes().map_err(|error| anyhow!("{error}"))?;
    let all: BTreeMap<Group, BTreeSet<URef>> =
        bytesrepr::deserialize(bytes).map_err(|error| anyhow!("{error}"))?;
    Ok(all.iter().map(|(group, urefs)| (group.value().to_owned(), urefs.len())).collect())
}

fn weight((key, weight): (&AccountHash, &casper_types::account::Weight)) -> (AccountHash, u8) {
    (*key, weight.value())
}
