//! A backend in memory, filled with the objects of the golden files.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use casper_types::{
    AccessRights, BlockHeaderV1, CLValue, CLValueDictionary, ChainspecRawBytes, Deploy, DeployHash,
    Key, NamedKeys, PeerEntry, ProtocolVersion, StoredValue, TransferV1, U512, URef,
    account::{Account, AccountHash},
    execution::ExecutionResultV1,
    system::auction::{Bid, Delegator, EraInfo},
};
use girrona_api::{
    BlockRange, JsonBlock, Method, StoredValue15,
    methods::{
        account::PutDeploy,
        auction::{self, EraValidators, GetAuctionInfo, GetEraSummary},
        chain::{GetBlock, GetBlockTransfers},
        girrona::{DeployExplanation, DeployProgress, DeployStatus, ExplainDeploy},
        info::{
            GetChainspec, GetDeploy, GetPeers, GetStatus, GetValidatorChanges, ValidatorChanges,
        },
        speculate::SpeculativeExec,
        spread::{Propagation, TopicPropagation},
        state::{GetAccountInfo, QueryGlobalState},
    },
};
use girrona_http::{
    Assemblies, Backend, BlockId, DeployRecord, Execution, Fault, NodeStatus, PutError,
    SpeculateError, StateId, StateView, StoredBlock,
};
use girrona_types::{Event, EventId};
use serde_json::Value;
use tokio::sync::broadcast;

/// A golden file: a request and its answer in 1.5.8's shape.
pub(crate) fn golden(name: &str) -> Value {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The answer in a golden file, as its type.
pub(crate) fn golden_result<M: Method>() -> M::Output {
    serde_json::from_value(golden(M::NAME)["result"].clone()).unwrap()
}

pub(crate) fn example_deploy() -> Deploy {
    let params: <PutDeploy as Method>::Params =
        serde_json::from_value(golden(PutDeploy::NAME)["params"].clone()).unwrap();
    params.deploy.0
}

type State = BTreeMap<Key, StoredValue>;

pub(crate) struct Memory {
    pub(crate) deploys: Mutex<BTreeMap<DeployHash, DeployRecord>>,
    pub(crate) progress: Mutex<Option<DeployProgress>>,
    pub(crate) blocks: Mutex<Vec<StoredBlock>>,
    pub(crate) available: BlockRange,
    pub(crate) transfers: Vec<TransferV1>,
    /// By block, and by root where the root is asked for.
    pub(crate) at_height: Mutex<BTreeMap<u64, State>>,
    pub(crate) at_root: Mutex<BTreeMap<[u8; 32], State>>,
    pub(crate) status: NodeStatus,
    pub(crate) peers: Vec<PeerEntry>,
    pub(crate) changes: Vec<ValidatorChanges>,
    /// `None` when the state is gone.
    pub(crate) auction: Option<(EraInfo, Vec<Bid>)>,
    /// Deploys that were tried out and after which block, and what the next ones are told.
    pub(crate) speculated: Mutex<Vec<(u64, Deploy)>>,
    pub(crate) speculate_errors: Mutex<VecDeque<SpeculateError>>,
    pub(crate) events: Mutex<BTreeMap<EventId, Event>>,
    pub(crate) live: broadcast::Sender<(EventId, Event)>,
    /// Deploys that were put, and what the next ones are told.
    pub(crate) put: Mutex<Vec<Deploy>>,
    pub(crate) refusals: Mutex<VecDeque<PutError>>,
    /// When set, nothing can be read.
    pub(crate) broken: AtomicBool,
    /// How often a deploy was looked up.
    pub(crate) lookups: AtomicUsize,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let deploy = example_deploy();
        let shown = golden_result::<GetDeploy>();
        let block: JsonBlock = golden_result::<GetBlock>().block.unwrap();
        let proofs = block.proofs.iter().map(|p| (p.public_key.clone(), p.signature)).collect();
        let block = block.into_block();
        let execution = Execution {
            block_hash: shown.execution_results[0].block_hash,
            block_height: block.height(),
            result: shown.execution_results[0].result.0.clone(),
        };
        let record = DeployRecord { deploy, approvals: None, execution: Some(execution) };
        let status = golden_result::<GetStatus>();
        Self {
            deploys: Mutex::new(BTreeMap::from([(*record.deploy.hash(), record)])),
            progress: Mutex::new(Some(golden_result::<DeployStatus>().progress)),
            available: status.available_block_range,
            transfers: golden_result::<GetBlockTransfers>().transfers.unwrap(),
            at_height: Mutex::new(BTreeMap::from([(block.height(), state_by_block())])),
            at_root: Mutex::new(BTreeMap::from([([8; 32], state_by_root())])),
            blocks: Mutex::new(vec![StoredBlock { block, proofs }]),
            status: NodeStatus {
                build_version: status.build_version,
                chainspec_name: status.chainspec_name,
                starting_state_root_hash: status.starting_state_root_hash,
                last_added_block_info: status.last_added_block_info,
                our_public_signing_key: status.our_public_signing_key,
                round_length: status.round_length,
                next_upgrade: status.next_upgrade,
                uptime: status.uptime,
                reactor_state: status.reactor_state,
                last_progress: status.last_progress,
                block_sync: status.block_sync,
            },
            peers: golden_result::<GetPeers>().peers,
            changes: golden_result::<GetValidatorChanges>().changes,
            auction: Some((era_info(), bids())),
            speculated: Mutex::default(),
            speculate_errors: Mutex::default(),
            events: Mutex::default(),
            live: broadcast::Sender::new(64),
            put: Mutex::default(),
            refusals: Mutex::default(),
            broken: AtomicBool::new(false),
            lookups: AtomicUsize::new(0),
        }
    }

    /// Stores an event, then tells it.
    pub(crate) fn publish(&self, event: Event) -> EventId {
        let id = self.store(event.clone());
        let _ = self.live.send((id, event));
        id
    }

    /// Stores an event without telling it.
    pub(crate) fn store(&self, event: Event) -> EventId {
        let mut events = self.events.lock().unwrap();
        let id = events.last_key_value().map_or(0, |(id, _)| id + 1);
        events.insert(id, event);
        id
    }

    fn check(&self) -> Result<(), Fault> {
        if self.broken.load(Ordering::SeqCst) {
            Err(Fault("the disk is gone".to_owned()))
        } else {
            Ok(())
        }
    }
}

pub(crate) fn seed() -> URef {
    URef::from_formatted_str(
        "uref-09480c3248ef76b603d386f3f4f8a5f87f597d4eaffd475433f861af187ab5db-007",
    )
    .unwrap()
}

pub(crate) fn number(number: u64) -> StoredValue {
    StoredValue::CLValue(CLValue::from_t(number).unwrap())
}

pub(crate) fn motes(motes: u64) -> StoredValue {
    StoredValue::CLValue(CLValue::from_t(U512::from(motes)).unwrap())
}

pub(crate) fn account(named: &[(&str, Key)], purse: URef) -> StoredValue {
    let keys: BTreeMap<_, _> = named.iter().map(|(n, k)| ((*n).to_owned(), *k)).collect();
    let hash = AccountHash::new([9; 32]);
    StoredValue::Account(Account::create(hash, NamedKeys::from(keys), purse))
}

fn era_info() -> EraInfo {
    match golden_result::<GetEraSummary>().era_summary.stored_value.0 {
        StoredValue::EraInfo(info) => info,
        other => panic!("{other:?}"),
    }
}

fn bids() -> Vec<Bid> {
    let shown = golden_result::<GetAuctionInfo>().auction_state.bids.into_iter();
    let stored = shown.map(|auction::BidderAndBid { public_key, bid }| {
        let (purse, stake) = (bid.bonding_purse, bid.staked_amount);
        let mut stored = Bid::unlocked(public_key, purse, stake, bid.delegation_rate);
        for delegator in bid.delegators {
            let auction::Delegator { public_key, staked_amount, bonding_purse, delegatee } =
                delegator;
            let delegator =
                Delegator::unlocked(public_key.clone(), staked_amount, bonding_purse, delegatee);
            stored.delegators_mut().insert(public_key, delegator);
        }
        stored
    });
    stored.collect()
}

fn asked_key(method: &str) -> Key {
    let key = golden(method)["params"]["key"].as_str().unwrap().to_owned();
    Key::from_formatted_str(&key).unwrap()
}

fn state_by_block() -> State {
    let shown: StoredValue15 = golden_result::<QueryGlobalState>().stored_value;
    let account15 = golden_result::<GetAccountInfo>().account.0;
    let params: <GetAccountInfo as Method>::Params =
        serde_json::from_value(golden(GetAccountInfo::NAME)["params"].clone()).unwrap();
    let purse = URef::new([6; 32], AccessRights::READ_ADD_WRITE);
    BTreeMap::from([
        (asked_key(QueryGlobalState::NAME), shown.0),
        (Key::Account(params.account_identifier.account_hash()), StoredValue::Account(account15)),
        (Key::Account(AccountHash::new([9; 32])), account(&[], purse)),
        (Key::Balance([6; 32]), motes(123_456)),
        (Key::Hash([1; 32]), number(1)),
    ])
}

fn state_by_root() -> State {
    let item = b"a_unique_entry_identifier";
    let wrapped = CLValueDictionary::new(CLValue::from_t(1_u64).unwrap(), vec![], item.to_vec());
    BTreeMap::from([
        (asked_key("state_get_item"), account(&[("inner", Key::Hash([1; 32]))], seed())),
        (Key::Hash([1; 32]), number(1)),
        (Key::Balance(seed().addr()), motes(123_456)),
        (Key::Balance([5; 32]), StoredValue::CLValue(CLValue::from_t("odd").unwrap())),
        (Key::dictionary(seed(), item), StoredValue::CLValue(CLValue::from_t(wrapped).unwrap())),
        (
            Key::Account(AccountHash::new([9; 32])),
            account(&[("names", Key::URef(seed())), ("hash", Key::Hash([1; 32]))], seed()),
        ),
    ])
}

struct View(State);

impl StateView for View {
    fn read(&self, key: &Key) -> Result<Option<StoredValue>, Fault> {
        if *key == Key::Hash([0xbb; 32]) || *key == Key::Balance([0xbb; 32]) {
            return Err(Fault("a broken record".to_owned()));
        }
        Ok(self.0.get(key).cloned())
    }
}

#[async_trait]
impl Backend for Memory {
    fn assemblies(&self) -> Option<Arc<dyn Assemblies>> {
        Some(Arc::new(crate::assemblies::Canned))
    }

    fn api_version(&self) -> ProtocolVersion {
        ProtocolVersion::from_parts(1, 5, 8)
    }

    async fn put_deploy(&self, deploy: Deploy) -> Result<(), PutError> {
        if let Some(refusal) = self.refusals.lock().unwrap().pop_front() {
            return Err(refusal);
        }
        self.put.lock().unwrap().push(deploy);
        Ok(())
    }

    async fn speculate(
        &self,
        block: BlockHeaderV1,
        deploy: Deploy,
    ) -> Result<ExecutionResultV1, SpeculateError> {
        if let Some(error) = self.speculate_errors.lock().unwrap().pop_front() {
            return Err(error);
        }
        self.speculated.lock().unwrap().push((block.height(), deploy));
        Ok(golden_result::<SpeculativeExec>().execution_result.0)
    }

    async fn explain(
        &self,
        hash: &DeployHash,
    ) -> Result<Option<DeployExplanation>, SpeculateError> {
        if let Some(error) = self.speculate_errors.lock().unwrap().pop_front() {
            return Err(error);
        }
        let explanation = golden_result::<ExplainDeploy>().explanation;
        Ok(Some(explanation).filter(|explanation| explanation.deploy_hash == *hash))
    }

    fn deploy(&self, hash: &DeployHash) -> Result<Option<DeployRecord>, Fault> {
        self.check()?;
        self.lookups.fetch_add(1, Ordering::SeqCst);
        Ok(self.deploys.lock().unwrap().get(hash).cloned())
    }

    fn deploy_progress(&self, hash: &DeployHash) -> Result<Option<DeployProgress>, Fault> {
        self.check()?;
        let progress = self.progress.lock().unwrap().clone();
        Ok(progress.filter(|progress| progress.deploy_hash == *hash))
    }

    fn block(&self, id: BlockId) -> Result<Option<StoredBlock>, Fault> {
        self.check()?;
        let blocks = self.blocks.lock().unwrap();
        let found = match id {
            BlockId::Hash(hash) => blocks.iter().find(|stored| *stored.block.hash() == hash),
            BlockId::Height(height) => blocks.iter().find(|stored| stored.block.height() == height),
            BlockId::Latest => blocks.last(),
        };
        Ok(found.cloned())
    }

    fn available_blocks(&self) -> BlockRange {
        self.available
    }

    fn transfers(&self, _: &casper_types::BlockHash) -> Result<Vec<TransferV1>, Fault> {
        Ok(self.transfers.clone())
    }

    fn state(&self, id: StateId) -> Result<Option<Box<dyn StateView + '_>>, Fault> {
        self.check()?;
        let found = match id {
            StateId::Root(root) => self.at_root.lock().unwrap().get(&root.value()).cloned(),
            StateId::Height(height) => self.at_height.lock().unwrap().get(&height).cloned(),
        };
        Ok(found.map(|state| Box::new(View(state)) as Box<dyn StateView>))
    }

    fn status(&self) -> NodeStatus {
        self.status.clone()
    }

    fn peers(&self) -> Vec<PeerEntry> {
        self.peers.clone()
    }

    fn propagation(&self) -> Vec<TopicPropagation> {
        golden_result::<Propagation>().topics
    }

    fn chainspec(&self) -> ChainspecRawBytes {
        golden_result::<GetChainspec>().chainspec_bytes
    }

    fn era_info(&self, _: &BlockHeaderV1) -> Result<Option<EraInfo>, Fault> {
        self.check()?;
        Ok(self.auction.as_ref().map(|(info, _)| info.clone()))
    }

    fn bids(&self, _: &BlockHeaderV1) -> Result<Option<Vec<Bid>>, Fault> {
        self.check()?;
        Ok(self.auction.as_ref().map(|(_, bids)| bids.clone()))
    }

    fn era_validators(&self, _: &BlockHeaderV1) -> Result<Vec<EraValidators>, Fault> {
        Ok(golden_result::<GetAuctionInfo>().auction_state.era_validators)
    }

    fn validator_changes(&self) -> Result<Vec<ValidatorChanges>, Fault> {
        Ok(self.changes.clone())
    }

    fn events_from(&self, first: EventId, limit: usize) -> Result<Vec<(EventId, Event)>, Fault> {
        self.check()?;
        let events = self.events.lock().unwrap();
        Ok(events.range(first..).take(limit).map(|(id, event)| (*id, event.clone())).collect())
    }

    fn last_event_id(&self) -> Result<Option<EventId>, Fault> {
        Ok(self.events.lock().unwrap().last_key_value().map(|(id, _)| *id))
    }

    fn subscribe(&self) -> broadcast::Receiver<(EventId, Event)> {
        self.live.subscribe()
    }

    fn metrics_text(&self) -> String {
        "# EOF\n".to_owned()
    }
}
