//! The conformance suite on casper-execution-engine 7.0.3.

pub(crate) mod scene;
pub(crate) mod suite;

use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use anyhow::{Context as _, Result, anyhow};
use casper_engine_test_support::{LmdbWasmTestBuilder, utils::create_run_genesis_request};
use casper_execution_engine::{
    core::engine_state::{
        DeployItem, EngineConfig, EngineState, ExecutableDeployItem, ExecuteRequest,
        ExecutionResult, GenesisAccount, engine_config::EngineConfigBuilder,
        genesis::GenesisValidator,
    },
    shared::newtypes::CorrelationId,
    storage::global_state::{StateProvider as _, StateReader as _, lmdb::LmdbGlobalState},
};
use casper_hashing::Digest;
use casper_types::{DeployHash, Key, Motes, ProtocolVersion, StoredValue, U512, bytesrepr::Bytes};

use self::{
    scene::{State, Thing, account, arguments, find, public},
    suite::{ACCOUNTS, BALANCES, Item, PROPOSER, Play, STAKE, Suite, TIME, Told},
};

/// Plays every case and prints a line of JSON for each deploy.
pub(crate) fn play(suite: &Suite, dir: &std::path::Path) -> Result<()> {
    let mut builder = LmdbWasmTestBuilder::new_with_config(dir, law());
    builder.run_genesis(&create_run_genesis_request(genesis()?));
    let start = builder.get_post_state_hash();
    let engine = builder.get_engine_state();
    let modules = suite
        .modules
        .iter()
        .map(|(name, hex)| Ok((name.as_str(), unhex(hex)?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    // A panic is an outcome here, and its text is in the line.
    std::panic::set_hook(Box::new(|_| ()));
    let mut number = 0_u64;
    for case in &suite.cases {
        let mut world = World { engine, root: start, modules: &modules, time: Cell::new(TIME) };
        for (at, play) in case.deploys.iter().enumerate() {
            number += 1;
            let told = world.play(play, number);
            let mut told = told.with_context(|| format!("{}/{}", case.name, play.name))?;
            told.case.clone_from(&case.name);
            if at + 1 == case.deploys.len() {
                told.state = scene::tell(&world)?;
            }
            println!("{}", serde_json::to_string(&told)?);
        }
    }
    Ok(())
}

/// The rules where they are not the engine's own defaults, which are mainnet's.
fn law() -> EngineConfig {
    EngineConfigBuilder::new()
        .with_vesting_schedule_period_millis(0)
        .with_max_delegators_per_validator(Some(1_200))
        .build()
}

fn genesis() -> Result<Vec<GenesisAccount>> {
    let account = |(number, balance): (usize, &u64)| {
        let number = u8::try_from(number)?;
        let validator =
            (number == PROPOSER).then(|| GenesisValidator::new(Motes::new(U512::from(STAKE)), 10));
        Ok(GenesisAccount::account(public(number)?, Motes::new(U512::from(*balance)), validator))
    };
    BALANCES.iter().enumerate().map(account).collect()
}

struct World<'w> {
    engine: &'w EngineState<LmdbGlobalState>,
    root: Digest,
    modules: &'w BTreeMap<&'w str, Vec<u8>>,
    time: Cell<u64>,
}

impl World<'_> {
    fn play(&mut self, play: &Play, number: u64) -> Result<Told> {
        let before = self.balances()?;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        let deploy = DeployItem::new(
            account(play.sender)?,
            self.item(&play.session)?,
            self.item(&play.payment)?,
            play.gas_price,
            play.signers.iter().map(|signer| account(*signer)).collect::<Result<_>>()?,
            DeployHash::new(hash),
        );
        let time = self.time.get();
        self.time.set(time + 1_000);
        let version = ProtocolVersion::V1_0_0;
        let request =
            ExecuteRequest::new(self.root, time, vec![deploy], version, public(PROPOSER)?);
        let done = catch_unwind(AssertUnwindSafe(|| {
            self.engine.run_execute(CorrelationId::new(), request)
        }));
        let mut told = Told {
            case: String::new(),
            deploy: play.name.clone(),
            sender: play.sender,
            error: String::new(),
            cost: "0".to_owned(),
            transfers: Vec::new(),
            changes: Vec::new(),
            state: Vec::new(),
        };
        let result = match done {
            Ok(results) => {
                let mut results = results.map_err(|error| anyhow!("{error}"))?;
                results.pop_front().context("no result")?
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&t| t.to_owned()));
                told.error = format!("panic: {}", text.unwrap_or_default());
                told.changes = scene::changes(&before, &before);
                return Ok(told);
            }
        };
        told.cost = result.cost().value().to_string();
        let transfers = result.transfers().clone();
        if let ExecutionResult::Failure { error, .. } = &result {
            // Some codes have no text, and asking for it panics.
            let text = catch_unwind(AssertUnwindSafe(|| error.to_string()));
            told.error = text.map_or_else(|_| "no text".to_owned(), |text| scene::plain(&text));
        }
        let journal = result.execution_journal().clone();
        self.root = self
            .engine
            .apply_effect(CorrelationId::new(), self.root, journal.into())
            .map_err(|error| anyhow!("{error}"))?;
        for address in transfers {
            let stored = match told.error.is_empty() {
                true => self.read(&Key::Transfer(address))?,
                false => None,
            };
            told.transfers.push(match stored {
                Some(StoredValue::Transfer(transfer)) => {
                    let to = transfer.to.as_ref().map(scene::who).transpose()?;
                    let from = scene::who(&transfer.from)?;
                    format!("{from} to {to:?}: {} as {:?}", transfer.amount, transfer.id)
                }
                _ => "not kept".to_owned(),
            });
        }
        told.changes = scene::changes(&before, &self.balances()?);
        Ok(told)
    }

    fn balances(&self) -> Result<Vec<U512>> {
        (0..ACCOUNTS).map(|number| scene::balance(self, number)).collect()
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

    fn read(&self, key: &Key) -> Result<Option<StoredValue>> {
        let state = self.engine.get_state().checkout(self.root);
        let state = state.map_err(|error| anyhow!("{error}"))?.context("the root is not there")?;
        let value = state.read(CorrelationId::new(), &key.normalize());
        value.map_err(|error| anyhow!("{error}"))
    }
}

impl State for World<'_> {
    fn thing(&self, key: &Key) -> Result<Option<Thing>> {
        let Some(value) = self.read(key)? else { return Ok(None) };
        Ok(Some(match value {
            StoredValue::Account(account) => Thing::Account {
                names: account.named_keys().clone(),
                main_purse: account.main_purse(),
                keys: account.associated_keys().iter().map(|(key, w)| (*key, w.value())).collect(),
                thresholds: [
                    account.action_thresholds().deployment().value(),
                    account.action_thresholds().key_management().value(),
                ],
            },
            StoredValue::Contract(contract) => Thing::Contract {
                names: contract.named_keys().clone(),
                entry_points: contract.entry_points().keys().cloned().collect(),
            },
            StoredValue::ContractPackage(package) => Thing::Package {
                versions: package.versions().keys().map(ToString::to_string).collect(),
                disabled: package.disabled_versions().iter().map(ToString::to_string).collect(),
                groups: package
                    .groups()
                    .iter()
                    .map(|(group, urefs)| (group.value().to_owned(), urefs.len()))
                    .collect(),
                is_locked: package.is_locked(),
            },
            StoredValue::CLValue(value) => Thing::Value(value),
            other => Thing::Other(other.type_name()),
        }))
    }

    fn system(&self, name: &str) -> Result<[u8; 32]> {
        let registry = self.engine.get_system_contract_registry(CorrelationId::new(), self.root);
        let registry = registry.map_err(|error| anyhow!("{error}"))?;
        let name = name.replace('_', " ");
        Ok(registry.get(&name).with_context(|| format!("no system contract {name}"))?.value())
    }
}

fn unhex(hex: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = hex.bytes().collect();
    let pair = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    digits.chunks(2).map(pair).collect()
}
