//! What the door asks the node: clients' questions go to the store, their deploys to the brain.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use casper_types::{
    BlockHash, BlockHeaderV1, BlockSynchronizerStatus, BlockV1, ChainspecRawBytes, Deploy,
    DeployHash, Digest, Key, PeerEntry, ProtocolVersion, PublicKey, Signature, StoredValue,
    TimeDiff, Timestamp, TransferV1, U512,
    bytesrepr::ToBytes,
    execution::ExecutionResultV1,
    system::auction::{Bid, EraInfo},
};
use girrona_api::{
    BlockRange,
    methods::{
        auction::EraValidators,
        girrona::{DeployExplanation, DeployPhase, DeployProgress, PhaseTime},
        info::{MinimalBlockInfo, ReactorState, ValidatorChanges},
        spread::{ArrivalInfo, ModelInputs, TopicPropagation},
    },
};
use girrona_chain::{
    Incoming, Source, accept,
    disk::{Fate, Phase, Phases},
};
use girrona_http::{
    Backend, BlockId, DeployRecord, Execution, Fault, NodeStatus, PutError, SpeculateError,
    StateId, StateView, StoredBlock,
};
use girrona_net::{Arrivals, Spread};
use girrona_state::Reader;
use girrona_store::{StateAt, StoreReader};
use girrona_types::{Event, EventId, Height};
use prometheus_client::registry::Registry;
use tokio::sync::broadcast;

use crate::{auction::Auction, gossip::Outside, law_text, speculation::Speculation};

/// The node as the door sees it.
#[derive(Debug)]
pub struct Door {
    outside: Arc<Outside>,
    store: StoreReader,
    auction: Auction,
    speculation: Speculation,
    assemblies: Option<crate::assembly::Door>,
    chainspec: ChainspecRawBytes,
    registry: Mutex<Registry>,
    started: Instant,
    started_at: Digest,
}

/// What the swarm measured of a topic, as the door shows it.
fn spread_shown(spread: &Spread) -> TopicPropagation {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let way = |arrivals: &Arrivals| ArrivalInfo {
        messages: arrivals.messages,
        median_us: arrivals.median.map(us),
        p99_us: arrivals.p99.map(us),
    };
    let inputs = spread.inputs;
    TopicPropagation {
        topic: spread.topic.label().to_owned(),
        mesh: way(&spread.mesh),
        outside: way(&spread.outside),
        clocks_ahead: spread.clocks_ahead,
        inputs: ModelInputs {
            base_delay_us: inputs.base_delay_us,
            rtt_us: inputs.rtt_us,
            nodes: inputs.nodes,
            degree_milli: inputs.degree_milli,
        },
        model_us: spread.model.map(us),
    }
}

/// An error with all its causes.
pub(crate) fn fault(error: impl std::error::Error) -> Fault {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    Fault(text)
}

impl Door {
    /// A door to this node.
    pub fn new(
        outside: Arc<Outside>,
        store: StoreReader,
        speculation: Speculation,
        registry: Registry,
    ) -> Self {
        let started_at = store.tip().map(|tip| *tip.block.state_root_hash()).unwrap_or_default();
        Self {
            auction: Auction::new(Arc::clone(&outside.law), store.clone()),
            speculation,
            assemblies: None,
            chainspec: law_text::raw_bytes(&outside.law),
            outside,
            store,
            registry: Mutex::new(registry),
            started: Instant::now(),
            started_at,
        }
    }

    /// The same with the node's assemblies.
    #[must_use]
    pub(crate) fn with_assemblies(mut self, assemblies: Option<crate::assembly::Door>) -> Self {
        self.assemblies = assemblies;
        self
    }

    /// A refusal as clients of Casper know it: what is wrong with payment or session code names the
    /// state in which that was found.
    fn refusal(&self, refusal: &accept::Refusal) -> PutError {
        let text = refusal.to_string();
        match refusal {
            accept::Refusal::Busy => PutError::Busy,
            accept::Refusal::Fault(inner) if inner.is_of_parameters() => {
                let Some(tip) = self.store.tip() else { return PutError::Invalid(text) };
                PutError::Invalid(format!(
                    "{text} at state root hash {:?} of block {:?} at height {}",
                    tip.block.state_root_hash(),
                    tip.block.hash().inner(),
                    tip.block.height()
                ))
            }
            _ => PutError::Invalid(text),
        }
    }

    fn block_of(&self, id: BlockId) -> Result<Option<BlockV1>, Fault> {
        let stored = match id {
            BlockId::Hash(hash) => self.store.block_by_hash(&hash).map_err(fault)?,
            BlockId::Height(height) => self.store.block(Height(height)).map_err(fault)?,
            BlockId::Latest => self.store.tip(),
        };
        Ok(stored.map(|stored| stored.block.clone()))
    }

    /// What is on disk counts; what was only remembered since the start fills the gaps.
    fn phases(&self, hash: &DeployHash, fate: Fate, stored: Option<&Phases>) -> Vec<PhaseTime> {
        let mut phases = self.outside.phases.get(hash).unwrap_or_default().at;
        for (phase, at) in stored.iter().flat_map(|stored| &stored.at) {
            phases.insert(*phase, *at);
        }
        if let Fate::Expired(at) = fate {
            phases.insert(Phase::Expired, at);
        }
        let mut times: Vec<_> = phases
            .into_iter()
            .map(|(phase, at)| PhaseTime { phase: shown(phase), at: Timestamp::from(at) })
            .collect();
        times.sort_by_key(|time| (time.at, time.phase));
        times
    }

    /// Why a waiting deploy waits.
    fn reason(&self, deploy: &Deploy) -> Result<String, Fault> {
        for dependency in deploy.header().dependencies() {
            if !matches!(self.store.fate(dependency).map_err(fault)?, Some(Fate::Executed(_))) {
                let dependency = hex::encode(dependency.inner());
                return Ok(format!("waits for deploy {dependency}, which is not executed"));
            }
        }
        Ok("waits for a block".to_owned())
    }
}

fn shown(phase: Phase) -> DeployPhase {
    match phase {
        Phase::Received => DeployPhase::Received,
        Phase::Gossiped => DeployPhase::Gossiped,
        Phase::Proposed => DeployPhase::Proposed,
        Phase::BlockGossiped => DeployPhase::BlockGossiped,
        Phase::ConsensusReached => DeployPhase::ConsensusReached,
        Phase::Executed => DeployPhase::Executed,
        Phase::Expired => DeployPhase::Expired,
    }
}

/// A past or present state, with the records beside it.
#[derive(Debug)]
struct View {
    state: StateAt,
    store: StoreReader,
}

impl StateView for View {
    fn read(&self, key: &Key) -> Result<Option<StoredValue>, Fault> {
        if girrona_state::is_record(key) {
            return self.store.record(key).map_err(fault);
        }
        let value = self.state.read(key).map_err(fault)?;
        Ok(value.map(|value| value.as_ref().clone()))
    }
}

#[async_trait]
impl Backend for Door {
    fn api_version(&self) -> ProtocolVersion {
        self.outside.law.protocol.version
    }

    async fn put_deploy(&self, deploy: Deploy) -> Result<(), PutError> {
        let now = Timestamp::now();
        accept::check(&deploy, &self.outside.law, now).map_err(|refusal| self.refusal(&refusal))?;
        let (ticket, verdict) = self.outside.tickets.client();
        let size = deploy.serialized_length();
        let incoming = Incoming { deploy: Arc::new(deploy), size, source: Source::Client, ticket };
        for rest in self.outside.mailbox.deploys(vec![incoming]) {
            self.outside.tickets.drop_ticket(&self.outside.net, rest.ticket);
        }
        match verdict.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(refusal)) => Err(self.refusal(&refusal)),
            Err(_) => Err(PutError::Internal(Fault("the node is stopping".to_owned()))),
        }
    }

    async fn speculate(
        &self,
        block: BlockHeaderV1,
        deploy: Deploy,
    ) -> Result<ExecutionResultV1, SpeculateError> {
        self.speculation.run(block, deploy).await
    }

    async fn explain(
        &self,
        hash: &DeployHash,
    ) -> Result<Option<DeployExplanation>, SpeculateError> {
        self.speculation.explain(*hash).await
    }

    fn deploy(&self, hash: &DeployHash) -> Result<Option<DeployRecord>, Fault> {
        let Some(stored) = self.store.deploy(hash).map_err(fault)? else { return Ok(None) };
        // A body that only came along with a proposal is nobody's business until it is executed.
        if stored.fate.is_none() {
            return Ok(None);
        }
        let execution = stored.execution.map(|execution| Execution {
            block_hash: execution.block,
            block_height: execution.height.0,
            result: execution.result,
        });
        Ok(Some(DeployRecord { deploy: stored.deploy, approvals: None, execution }))
    }

    fn deploy_progress(&self, hash: &DeployHash) -> Result<Option<DeployProgress>, Fault> {
        let Some(stored) = self.store.deploy(hash).map_err(fault)? else { return Ok(None) };
        let Some(fate) = stored.fate else { return Ok(None) };
        let execution = stored.execution.as_ref();
        let phases = self.phases(hash, fate, execution.map(|execution| &execution.phases));
        let phase = match fate {
            Fate::Executed(_) => DeployPhase::Executed,
            Fate::Expired(_) => DeployPhase::Expired,
            Fate::Pending => {
                phases.iter().map(|time| time.phase).max().unwrap_or(DeployPhase::Received)
            }
        };
        let reason = match fate {
            Fate::Pending => Some(self.reason(&stored.deploy)?),
            Fate::Expired(_) => Some(format!(
                "its time to live ended at {}; {}",
                girrona_types::deploy::expires_at(&stored.deploy),
                self.reason(&stored.deploy)?.replace("waits for", "it waited for")
            )),
            Fate::Executed(_) => None,
        };
        let (error_message, cost) = match execution.map(|execution| &execution.result) {
            Some(ExecutionResultV1::Failure { error_message, cost, .. }) => {
                (Some(error_message.clone()), Some(*cost))
            }
            Some(ExecutionResultV1::Success { cost, .. }) => (None, Some(*cost)),
            None => (None, None::<U512>),
        };
        Ok(Some(DeployProgress {
            deploy_hash: *hash,
            phase,
            phases,
            block_hash: execution.map(|execution| execution.block),
            block_height: execution.map(|execution| execution.height.0),
            error_message,
            cost,
            reason,
            node: self.outside.net.local_peer().to_string(),
        }))
    }

    fn block(&self, id: BlockId) -> Result<Option<StoredBlock>, Fault> {
        let Some(block) = self.block_of(id)? else { return Ok(None) };
        let signatures = self.store.finality_signatures(block.hash()).map_err(fault)?;
        let proofs: Vec<(PublicKey, Signature)> =
            signatures.into_iter().map(|proof| (proof.public_key, proof.signature)).collect();
        Ok(Some(StoredBlock { block, proofs }))
    }

    fn available_blocks(&self) -> BlockRange {
        let high = self.store.tip().map_or(0, |tip| tip.block.height());
        BlockRange { low: 0, high }
    }

    fn transfers(&self, block: &BlockHash) -> Result<Vec<TransferV1>, Fault> {
        let Some(height) = self.store.height_of(block).map_err(fault)? else {
            return Ok(Vec::new());
        };
        let mut transfers = Vec::new();
        for address in self.store.transfers(height).map_err(fault)? {
            let record = self.store.record(&Key::Transfer(address)).map_err(fault)?;
            match record {
                Some(StoredValue::Transfer(transfer)) => transfers.push(transfer),
                _ => return Err(Fault(format!("the record of transfer {address} is missing"))),
            }
        }
        Ok(transfers)
    }

    fn state(&self, id: StateId) -> Result<Option<Box<dyn StateView + '_>>, Fault> {
        let height = match id {
            StateId::Height(height) => Some(Height(height)),
            StateId::Root(root) => self.store.height_of_root(&root).map_err(fault)?,
        };
        let state = height.and_then(|height| self.store.state_at(height));
        let store = self.store.clone();
        Ok(state.map(|state| Box::new(View { state, store }) as Box<dyn StateView>))
    }

    fn status(&self) -> NodeStatus {
        let law = &self.outside.law;
        let (_, last_progress) = *self.outside.tip.borrow();
        let key = self.outside.scheme.0.public_key().cloned();
        let votes = key.as_ref().is_some_and(|key| self.outside.validators().weight(key).is_some());
        let behind = self.outside.is_behind();
        let reactor_state = match (behind, votes) {
            (true, _) => ReactorState::CatchUp,
            (false, true) => ReactorState::Validate,
            (false, false) => ReactorState::KeepUp,
        };
        let last_added_block_info = self.store.tip().map(|tip| MinimalBlockInfo {
            hash: *tip.block.hash(),
            timestamp: tip.block.timestamp(),
            era_id: tip.block.era_id(),
            height: tip.block.height(),
            state_root_hash: *tip.block.state_root_hash(),
            creator: tip.block.proposer().clone(),
        });
        NodeStatus {
            build_version: env!("CARGO_PKG_VERSION").to_owned(),
            chainspec_name: law.network.name.clone(),
            starting_state_root_hash: self.started_at,
            last_added_block_info,
            our_public_signing_key: key.filter(|_| votes),
            round_length: Some(law.core.minimum_block_time),
            next_upgrade: None,
            uptime: TimeDiff::from_millis(
                u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ),
            reactor_state,
            last_progress,
            block_sync: BlockSynchronizerStatus::new(None, None),
        }
    }

    fn peers(&self) -> Vec<PeerEntry> {
        let peers = self.outside.net.peers().into_iter().filter(|peer| peer.member);
        peers
            .map(|peer| PeerEntry {
                node_id: peer.peer.to_string(),
                address: socket_address(&peer.addr.to_string()),
            })
            .collect()
    }

    fn propagation(&self) -> Vec<TopicPropagation> {
        self.outside.net.spread().iter().map(spread_shown).collect()
    }

    fn chainspec(&self) -> ChainspecRawBytes {
        self.chainspec.clone()
    }

    fn era_info(&self, block: &BlockHeaderV1) -> Result<Option<EraInfo>, Fault> {
        self.auction.era_info(block)
    }

    fn bids(&self, block: &BlockHeaderV1) -> Result<Option<Vec<Bid>>, Fault> {
        self.auction.bids(block)
    }

    fn era_validators(&self, block: &BlockHeaderV1) -> Result<Vec<EraValidators>, Fault> {
        self.auction.era_validators(block)
    }

    fn validator_changes(&self) -> Result<Vec<ValidatorChanges>, Fault> {
        self.auction.validator_changes()
    }

    fn events_from(&self, first: EventId, limit: usize) -> Result<Vec<(EventId, Event)>, Fault> {
        self.store.events(first, limit).map_err(fault)
    }

    fn last_event_id(&self) -> Result<Option<EventId>, Fault> {
        Ok(self.store.next_event().checked_sub(1))
    }

    fn subscribe(&self) -> broadcast::Receiver<(EventId, Event)> {
        self.outside.events.subscribe()
    }

    fn assemblies(&self) -> Option<Arc<dyn girrona_http::Assemblies>> {
        self.assemblies.as_ref().map(crate::assembly::Door::assemblies)
    }

    fn metrics_text(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &registry) {
            Ok(()) => text,
            Err(error) => format!("# metrics could not be written: {error}\n"),
        }
    }
}

/// `/ip4/1.2.3.4/tcp/5` as `1.2.3.4:5`; anything else as it is.
fn socket_address(multiaddr: &str) -> String {
    let parts: Vec<_> = multiaddr.split('/').collect();
    match parts.as_slice() {
        ["", "ip4", host, _, port, ..] => format!("{host}:{port}"),
        ["", "ip6", host, _, port, ..] => format!("[{host}]:{port}"),
        _ => multiaddr.to_owned(),
    }
}
