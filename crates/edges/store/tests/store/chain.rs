//! A small chain that is the same in every run, and a node's life on it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, LazyLock},
};

use casper_types::{
    Approval, BlockHash, BlockV1, CLValue, Deploy, DeployHash, DeployHeader, DeployInfo, Digest,
    EraId, ExecutableDeployItem, Key, ProtocolVersion, PublicKey, RuntimeArgs, SecretKey,
    StoredValue, TimeDiff, Timestamp, TransferAddr, TransferV1, U512, URef,
    account::AccountHash,
    crypto,
    execution::{ExecutionResultV1, execution_result_v1::ExecutionEffect},
};
use girrona_chain::{
    Disk,
    disk::{Commit, DiskResult, ExecutedDeploy, Fate, Phase, Phases},
};
use girrona_state::{MemoryState, Reader};
use girrona_store::{Options, Store};
use girrona_types::{
    CommitCertificate, Event, FinalitySignature, Height, NetworkId, Proposal, ProposalHash, Round,
    SignedDeploy,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// How many keys the chain uses.
pub(crate) const KEYS: u64 = 60;

pub(crate) fn options() -> Options {
    Options {
        state_history_blocks: 20,
        state_buckets: 4_000,
        state_cache_mib: 8,
        record_cache_mib: 8,
        root_workers: 1,
    }
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, &options()).unwrap()
}

pub(crate) fn secret() -> SecretKey {
    SecretKey::ed25519_from_bytes([5; 32]).unwrap()
}

fn public() -> PublicKey {
    static PUBLIC: LazyLock<PublicKey> = LazyLock::new(|| PublicKey::from(&secret()));
    PUBLIC.clone()
}

pub(crate) fn key(number: u64) -> Key {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    match number % 3 {
        0 => Key::Balance(bytes),
        1 => Key::Hash(bytes),
        _ => Key::URef(URef::new(bytes, casper_types::AccessRights::READ)),
    }
}

pub(crate) fn number(value: u64) -> StoredValue {
    StoredValue::CLValue(CLValue::from_t(U512::from(value)).unwrap())
}

/// What block `height` does to the state.
pub(crate) fn changes(height: u64) -> BTreeMap<Key, Option<StoredValue>> {
    if height % 7 == 3 {
        return BTreeMap::new();
    }
    let mut rng = StdRng::seed_from_u64(height);
    (0..rng.gen_range(1..25))
        .map(|_| {
            let value = match rng.gen_range(0..10) {
                0 | 1 => None,
                2 => Some(StoredValue::CLValue(
                    CLValue::from_t("x".repeat(rng.gen_range(0..9_000))).unwrap(),
                )),
                _ => Some(number(rng.r#gen())),
            };
            (key(rng.gen_range(0..KEYS)), value)
        })
        .collect()
}

/// The deploys of block `height`; the last one never gets into a block.
pub(crate) fn deploys(height: u64) -> Vec<Arc<Deploy>> {
    (0..4).map(|index| Arc::new(deploy(height * 10 + index))).collect()
}

pub(crate) fn deploy(number: u64) -> Deploy {
    let payment = ExecutableDeployItem::new_standard_payment(U512::from(number));
    let session = ExecutableDeployItem::new_module_bytes(vec![7; 200].into(), RuntimeArgs::new());
    let header = DeployHeader::new(
        public(),
        Timestamp::from(number),
        TimeDiff::from_seconds(60),
        1,
        Digest::hash(number.to_le_bytes()),
        Vec::new(),
        "test".to_owned(),
    );
    let hash = DeployHash::new(Digest::hash([&b"deploy"[..], &number.to_le_bytes()].concat()));
    let deploy = Deploy::new(hash, header, payment, session);
    deploy.with_approvals([approval(0)].into())
}

pub(crate) fn approval(number: u8) -> Approval {
    // Signing takes longer than everything else here.
    static APPROVALS: LazyLock<Vec<Approval>> = LazyLock::new(|| {
        let sign = |number| {
            let secret = SecretKey::ed25519_from_bytes([number; 32]).unwrap();
            let public = PublicKey::from(&secret);
            Approval::new(public.clone(), crypto::sign([number], &secret, &public))
        };
        (0..3).map(sign).collect()
    });
    APPROVALS[number as usize].clone()
}

/// A chain, computed as far as somebody asked.
#[derive(Default)]
pub(crate) struct Chain {
    /// States after the blocks.
    pub(crate) states: Vec<MemoryState>,
    pub(crate) blocks: Vec<BlockV1>,
    signatures: Vec<FinalitySignature>,
}

impl Chain {
    pub(crate) fn reach(&mut self, height: u64) {
        while self.blocks.len() as u64 <= height {
            let next = self.blocks.len() as u64;
            let mut state = self.states.last().cloned().unwrap_or_default();
            state.apply(&changes(next)).unwrap();
            let executed: Vec<DeployHash> = if next == 0 {
                Vec::new()
            } else {
                deploys(next).iter().take(3).map(|deploy| *deploy.hash()).collect()
            };
            self.blocks.push(BlockV1::new(
                self.blocks.last().map_or_else(BlockHash::default, |block| *block.hash()),
                Digest::default(),
                state.root(),
                next.is_multiple_of(2),
                None,
                Timestamp::from(next * 1_000),
                EraId::new(next / 60),
                next,
                ProtocolVersion::V1_0_0,
                public(),
                executed,
                Vec::new(),
            ));
            self.states.push(state);
        }
    }

    pub(crate) fn commit(&mut self, height: u64) -> Commit {
        self.reach(height);
        let block = self.blocks[height as usize].clone();
        let mut events = vec![Event::BlockAdded(*block.hash())];
        let mut records = BTreeMap::new();
        let mut executed = Vec::new();
        for hash in block.deploy_hashes() {
            let index = executed.len() as u8;
            let address = TransferAddr::new(hash.inner().value());
            if index < 2 {
                records.insert(Key::Transfer(address), StoredValue::Transfer(transfer(*hash)));
            }
            let info = DeployInfo::new(
                *hash,
                &[address],
                AccountHash::new([1; 32]),
                URef::default(),
                U512::one(),
            );
            records.insert(Key::DeployInfo(*hash), StoredValue::DeployInfo(info));
            executed.push(ExecutedDeploy {
                hash: *hash,
                approvals: vec![approval(1), approval(2)],
                result: result(address, index == 2),
                phases: Phases { at: [(Phase::Executed, height)].into() },
            });
            events.push(Event::DeployProcessed(*hash));
        }
        let proposal = (height > 0).then(|| self.proposal(height, 0));
        let certificate = proposal.as_ref().map(|proposal| CommitCertificate {
            height: Height(height),
            round: Round(0),
            proposal: proposal.hash(),
            signatures: Vec::new(),
        });
        Commit {
            block,
            proposal,
            certificate,
            deploys: executed,
            changes: changes(height),
            records,
            events,
        }
    }

    pub(crate) fn proposal(&mut self, height: u64, round: u64) -> Proposal {
        self.reach(height);
        Proposal {
            network: NetworkId([1; 32]),
            height: Height(height),
            era: EraId::new(0),
            parent: *self.blocks[height as usize - 1].hash(),
            timestamp: Timestamp::from(round),
            proposer: public(),
            seed_signature: casper_types::Signature::System,
            last_commit: None,
            deploys: deploys(height)
                .iter()
                .map(|deploy| SignedDeploy::from(deploy.as_ref()))
                .collect(),
            transfers: Vec::new(),
            evidence: Vec::new(),
        }
    }

    pub(crate) fn signature(&mut self, height: u64) -> FinalitySignature {
        self.reach(height);
        while self.signatures.len() as u64 <= height {
            let block = &self.blocks[self.signatures.len()];
            let signed = FinalitySignature::create(*block.hash(), block.era_id(), &secret());
            self.signatures.push(signed);
        }
        self.signatures[height as usize].clone()
    }

    /// The events of a node that reached `height` and did everything there.
    pub(crate) fn events(&mut self, height: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for height in 0..=height {
            if height > 0 {
                events.extend(
                    deploys(height).iter().map(|deploy| Event::DeployAccepted(*deploy.hash())),
                );
                events.push(Event::DeployExpired(*deploys(height)[3].hash()));
            }
            events.extend(self.commit(height).events);
            events.push(Event::FinalitySignature(self.signature(height)));
        }
        events
    }

    /// What a node does at a height, from wherever it was interrupted; `said` is told after every
    /// step that is then promised.
    pub(crate) fn live(
        &mut self,
        store: &mut Store,
        height: u64,
        mut said: impl FnMut(&str, u64),
    ) -> DiskResult<()> {
        let tip = store.tip()?.map(|tip| tip.block.height());
        if let Some(tip) = tip {
            store.put_finality_signature(&self.signature(tip))?;
        }
        if tip >= Some(height) {
            return Ok(());
        }
        if height > 0 {
            self.prepare(store, height, &mut said)?;
        }
        let commit = self.commit(height);
        let root = store.root_after(&commit.changes)?;
        assert_eq!(root, *commit.block.state_root_hash());
        store.commit(commit)?;
        said("tip", height);
        store.put_finality_signature(&self.signature(height))?;
        said("signed", height);
        Ok(())
    }

    fn prepare(
        &mut self,
        store: &mut Store,
        height: u64,
        said: &mut impl FnMut(&str, u64),
    ) -> DiskResult<()> {
        let deploys = deploys(height);
        if store.fate(deploys[0].hash())?.is_none() {
            let ids = store.accept(&deploys, Timestamp::from(height))?;
            assert_eq!(ids.len(), 4);
        }
        said("accepted", height);
        if store.fate(deploys[3].hash())? == Some(Fate::Pending) {
            store.expire(&[*deploys[3].hash()], Timestamp::from(height))?;
        }
        store.keep_body(&Arc::new(deploy(height * 10 + 9)))?;
        for round in 0..2 {
            let proposal = self.proposal(height, round);
            store.put_proposal(&proposal.hash(), &proposal)?;
        }
        for vote in store.wal(Height(height))?.len() as u64..3 {
            store.wal_append(Height(height), &vote.to_le_bytes())?;
        }
        store.put_guard(&height.to_le_bytes())?;
        store.flush()?;
        said("voted", height);
        Ok(())
    }

    /// Checks everything that a store at some height must hold.
    pub(crate) fn check(&mut self, store: &Store) {
        let Some(tip) = store.tip().unwrap() else {
            assert_eq!(store.reader().next_event(), 0);
            return;
        };
        let height = tip.block.height();
        self.reach(height);
        assert_eq!(tip.block, self.blocks[height as usize]);
        let state = &self.states[height as usize];
        for number in 0..KEYS {
            let expected = state.read(&key(number)).unwrap();
            assert_eq!(store.read(&key(number)).unwrap(), expected, "key {number} at {height}");
        }
        self.check_past(store);
        self.check_blocks(store, height);
        self.check_events(store, height);
        self.check_undecided(store, height);
    }

    fn check_past(&self, store: &Store) {
        let reader = store.reader();
        for height in reader.state_heights().unwrap().map_heights() {
            let state = &self.states[height as usize];
            let at = reader.state_at(Height(height)).unwrap();
            for number in (0..KEYS).step_by(7) {
                let key = key(number);
                assert_eq!(at.read(&key).unwrap(), state.read(&key).unwrap(), "at {height}");
            }
        }
    }

    fn check_blocks(&mut self, store: &Store, tip: u64) {
        let reader = store.reader();
        for height in 0..=tip {
            let expected = self.commit(height);
            let stored = reader.block(Height(height)).unwrap().unwrap();
            assert_eq!(stored.block, expected.block);
            assert_eq!(stored.proposal, expected.proposal);
            assert_eq!(stored.certificate, expected.certificate);
            assert_eq!(store.height_of(expected.block.hash()).unwrap(), Some(Height(height)));
            for deploy in &expected.deploys {
                assert_eq!(store.fate(&deploy.hash).unwrap(), Some(Fate::Executed(Height(height))));
                let stored = reader.deploy(&deploy.hash).unwrap().unwrap();
                let execution = stored.execution.unwrap();
                assert_eq!(execution.result, deploy.result);
                assert_eq!(execution.block, *expected.block.hash());
                assert_eq!(stored.deploy.approvals().len(), 2);
            }
            for (key, record) in &expected.records {
                assert_eq!(reader.record(key).unwrap().as_ref(), Some(record));
            }
            let transfers = reader.transfers(Height(height)).unwrap();
            assert_eq!(transfers.len(), if height == 0 { 0 } else { 2 });
            if height > 0 {
                let lost = deploys(height)[3].clone();
                assert_eq!(store.fate(lost.hash()).unwrap(), Some(Fate::Expired(height)));
            }
        }
        assert_eq!(reader.block(Height(tip + 1)).unwrap().map(|_| ()), None);
    }

    fn check_events(&mut self, store: &Store, tip: u64) {
        let reader = store.reader();
        let events = reader.events(0, usize::MAX).unwrap();
        assert_eq!(events.len() as u64, reader.next_event());
        let expected = self.events(tip + 1);
        for (position, (id, event)) in events.iter().enumerate() {
            assert_eq!(*id, position as u64);
            assert_eq!(event, &expected[position], "event {position} with tip {tip}");
        }
    }

    fn check_undecided(&mut self, store: &Store, tip: u64) {
        for height in 1..=tip {
            assert!(store.wal(Height(height)).unwrap().is_empty());
            let lost = self.proposal(height, 1).hash();
            assert_eq!(store.proposal(&lost).unwrap().map(|_| ()), None, "at {height}");
            let decided = self.proposal(height, 0);
            assert_eq!(store.proposal(&decided.hash()).unwrap().as_deref(), Some(&decided));
        }
        for (deploy, _) in store.pending().unwrap() {
            assert!(deploys(tip + 1).contains(&deploy));
        }
    }

    /// The hash of the proposal that is decided at a height.
    pub(crate) fn decided(&mut self, height: u64) -> ProposalHash {
        self.proposal(height, 0).hash()
    }
}

/// A commit that only changes the state.
pub(crate) fn plain_commit(
    height: u64,
    root: Digest,
    changes: BTreeMap<Key, Option<StoredValue>>,
) -> Commit {
    let block = BlockV1::new(
        BlockHash::default(),
        Digest::default(),
        root,
        false,
        None,
        Timestamp::from(height),
        EraId::new(0),
        height,
        ProtocolVersion::V1_0_0,
        public(),
        Vec::new(),
        Vec::new(),
    );
    Commit {
        events: vec![Event::BlockAdded(*block.hash())],
        block,
        proposal: None,
        certificate: None,
        deploys: Vec::new(),
        changes,
        records: BTreeMap::new(),
    }
}

trait Heights {
    fn map_heights(self) -> std::ops::RangeInclusive<u64>;
}

impl Heights for std::ops::RangeInclusive<Height> {
    fn map_heights(self) -> std::ops::RangeInclusive<u64> {
        self.start().0..=self.end().0
    }
}

fn transfer(deploy: DeployHash) -> TransferV1 {
    TransferV1::new(
        deploy,
        AccountHash::new([1; 32]),
        None,
        URef::default(),
        URef::default(),
        U512::one(),
        U512::zero(),
        Some(1),
    )
}

fn result(transfer: TransferAddr, failed: bool) -> ExecutionResultV1 {
    let effect = ExecutionEffect::default();
    let (transfers, cost) = (vec![transfer], U512::from(9));
    if failed {
        let error_message = "Out of gas error".to_owned();
        ExecutionResultV1::Failure { effect, transfers, cost, error_message }
    } else {
        ExecutionResultV1::Success { effect, transfers, cost }
    }
}
