//! A disk in memory that dies at a chosen kind of write, or that is sabotaged.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use casper_types::{
    BlockHash, CLValue, Deploy, DeployHash, Digest, Key, PublicKey, StoredValue, Timestamp, U512,
};
use girrona_chain::{
    Disk, MemoryDisk,
    disk::{Commit, DiskResult, Fate, StoredBlock},
    memory::Crash,
};
use girrona_state::{Reader, Unreadable};
use girrona_types::{EventId, FinalitySignature, Height, Proposal, ProposalHash};

/// The kinds of durable writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Write {
    /// Deploys were accepted.
    Accept,
    /// The body of a deploy of a proposal.
    Body,
    /// Deploys have expired.
    Expire,
    /// Votes and proposals.
    Flush,
    /// A block.
    Commit,
    /// A finality signature.
    Finality,
}

/// All of them.
pub(crate) const WRITES: [Write; 6] =
    [Write::Accept, Write::Body, Write::Expire, Write::Flush, Write::Commit, Write::Finality];

/// A death that is planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    pub(crate) at: Write,
    /// After this many more writes of the kind.
    pub(crate) after: u64,
    pub(crate) write_survives: bool,
}

/// What is wrong with the disk on purpose.
#[derive(Clone, Debug, Default)]
pub(crate) enum Tamper {
    #[default]
    Nothing,
    /// Executed deploys are forgotten.
    ForgetExecuted,
    /// Pending deploys are forgotten at a restart.
    LosePending,
    /// At this height one mote appears in this purse.
    Extra(Height, Key),
    /// At height 2 the auction forgets this bidder, until its bid changes.
    Forget(PublicKey),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SimDisk {
    pub(crate) memory: MemoryDisk,
    pub(crate) tamper: Tamper,
    death: Fateful,
    /// What it died of.
    died_of: Option<Write>,
}

/// A death that can be planned while the disk is in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fateful(Arc<Mutex<Option<Death>>>);

impl Fateful {
    /// Plans the death, or calls it off.
    pub(crate) fn plan(&self, death: Option<Death>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = death;
    }

    /// Whether this write is the one to die in.
    fn is_due(&self, write: Write) -> Option<Death> {
        let mut planned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let death = planned.as_mut().filter(|death| death.at == write)?;
        if death.after > 0 {
            death.after -= 1;
            return None;
        }
        planned.take()
    }
}

impl SimDisk {
    pub(crate) fn new(tamper: Tamper, death: Fateful) -> Self {
        Self { tamper, death, ..Self::default() }
    }

    /// What it died of, if it died in a write.
    pub(crate) const fn died_of(&self) -> Option<Write> {
        self.died_of
    }

    /// What the next start finds.
    pub(crate) fn after_crash(self) -> Self {
        self.death.plan(None);
        Self { memory: self.memory.after_crash(), died_of: None, ..self }
    }

    /// The same, but the votes are gone.
    pub(crate) fn without_votes(self) -> Self {
        let Self { memory, tamper, death, .. } = self.after_crash();
        Self { memory: memory.without_votes(), tamper, death, died_of: None }
    }

    /// Dies in the write that comes now if that is the plan.
    fn before(&mut self, write: Write) {
        let Some(death) = self.death.is_due(write) else { return };
        let crash = Crash { at_write: self.memory.writes(), write_survives: death.write_survives };
        self.memory.plan_crash(Some(crash));
        self.died_of = Some(write);
    }

    /// The changes of a height, and the mote that does not belong there.
    fn tampered<'c>(
        &self,
        height: Height,
        changes: &'c BTreeMap<Key, Option<StoredValue>>,
    ) -> Cow<'c, BTreeMap<Key, Option<StoredValue>>> {
        let (at, key) = match &self.tamper {
            Tamper::Extra(at, key) => (at, key),
            Tamper::Forget(bidder) if height == Height(2) => {
                return self.without_bidder(bidder, changes);
            }
            _ => return Cow::Borrowed(changes),
        };
        if *at != height {
            return Cow::Borrowed(changes);
        }
        let before = match changes.get(key) {
            Some(value) => value.clone(),
            None => self.memory.read(key).ok().flatten().map(|value| value.as_ref().clone()),
        };
        let motes = before
            .and_then(StoredValue::into_cl_value)
            .and_then(|value| value.into_t::<U512>().ok())
            .unwrap_or_default();
        let more = CLValue::from_t(motes + U512::one()).expect("a number has a byte form");
        let mut changes = changes.clone();
        changes.insert(*key, Some(StoredValue::CLValue(more)));
        Cow::Owned(changes)
    }

    /// The changes, and the list of bidders without one of them.
    fn without_bidder<'c>(
        &self,
        bidder: &PublicKey,
        changes: &'c BTreeMap<Key, Option<StoredValue>>,
    ) -> Cow<'c, BTreeMap<Key, Option<StoredValue>>> {
        let key = girrona_exec::auction::listed_at(bidder);
        let mut changes = changes.clone();
        changes.insert(key, None);
        Cow::Owned(changes)
    }
}

impl Reader for SimDisk {
    fn read(&self, key: &Key) -> Result<Option<Arc<StoredValue>>, Unreadable> {
        self.memory.read(key)
    }
}

impl Disk for SimDisk {
    fn tip(&self) -> DiskResult<Option<Arc<StoredBlock>>> {
        self.memory.tip()
    }

    fn block(&self, height: Height) -> DiskResult<Option<Arc<StoredBlock>>> {
        self.memory.block(height)
    }

    fn height_of(&self, block: &BlockHash) -> DiskResult<Option<Height>> {
        self.memory.height_of(block)
    }

    fn deploy(&self, hash: &DeployHash) -> DiskResult<Option<Arc<Deploy>>> {
        self.memory.deploy(hash)
    }

    fn fate(&self, hash: &DeployHash) -> DiskResult<Option<Fate>> {
        let fate = self.memory.fate(hash)?;
        let forgotten = matches!(self.tamper, Tamper::ForgetExecuted)
            && matches!(fate, Some(Fate::Executed(_)));
        Ok(fate.filter(|_| !forgotten))
    }

    fn pending(&self) -> DiskResult<Vec<(Arc<Deploy>, Timestamp)>> {
        match self.tamper {
            Tamper::LosePending => Ok(Vec::new()),
            _ => self.memory.pending(),
        }
    }

    fn accept(&mut self, deploys: &[Arc<Deploy>], now: Timestamp) -> DiskResult<Vec<EventId>> {
        self.before(Write::Accept);
        self.memory.accept(deploys, now)
    }

    fn keep_body(&mut self, deploy: &Arc<Deploy>) -> DiskResult<()> {
        self.before(Write::Body);
        self.memory.keep_body(deploy)
    }

    fn expire(&mut self, hashes: &[DeployHash], now: Timestamp) -> DiskResult<Vec<EventId>> {
        self.before(Write::Expire);
        self.memory.expire(hashes, now)
    }

    fn put_proposal(&mut self, hash: &ProposalHash, proposal: &Proposal) -> DiskResult<()> {
        self.memory.put_proposal(hash, proposal)
    }

    fn proposal(&self, hash: &ProposalHash) -> DiskResult<Option<Arc<Proposal>>> {
        self.memory.proposal(hash)
    }

    fn wal_append(&mut self, height: Height, record: &[u8]) -> DiskResult<()> {
        self.memory.wal_append(height, record)
    }

    fn wal(&self, height: Height) -> DiskResult<Vec<Vec<u8>>> {
        self.memory.wal(height)
    }

    fn put_guard(&mut self, record: &[u8]) -> DiskResult<()> {
        self.memory.put_guard(record)
    }

    fn guard(&self) -> DiskResult<Option<Vec<u8>>> {
        self.memory.guard()
    }

    fn flush(&mut self) -> DiskResult<()> {
        self.before(Write::Flush);
        self.memory.flush()
    }

    fn root_after(&mut self, changes: &BTreeMap<Key, Option<StoredValue>>) -> DiskResult<Digest> {
        let tip = self.memory.tip()?;
        let height = tip.map_or(Height::GENESIS, |tip| Height(tip.block.height()).next());
        let changes = self.tampered(height, changes).into_owned();
        self.memory.root_after(&changes)
    }

    fn commit(&mut self, mut commit: Commit) -> DiskResult<Vec<EventId>> {
        let height = Height(commit.block.height());
        commit.changes = self.tampered(height, &commit.changes).into_owned();
        self.before(Write::Commit);
        self.memory.commit(commit)
    }

    fn put_finality_signature(
        &mut self,
        signature: &FinalitySignature,
    ) -> DiskResult<Option<EventId>> {
        self.before(Write::Finality);
        self.memory.put_finality_signature(signature)
    }

    fn has_finality_signature(&self, block: &BlockHash, signer: &PublicKey) -> DiskResult<bool> {
        self.memory.has_finality_signature(block, signer)
    }

    fn finality_signatures(&self, block: &BlockHash) -> DiskResult<Vec<FinalitySignature>> {
        self.memory.finality_signatures(block)
    }
}
