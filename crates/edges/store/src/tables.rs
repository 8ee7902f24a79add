//! Every table, what its keys and values are, and how they become bytes.
//!
//! Numbers in keys are big-endian, so that order in a table is order of numbers. Casper's types are
//! in bytesrepr, ours in borsh.

use std::{error::Error, fmt, path::Path};

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::{
    BlockHash, Digest, Key, PublicKey,
    bytesrepr::{self, FromBytes, ToBytes},
};
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode,
    Snapshot,
};
use girrona_chain::disk::{DiskError, DiskResult, Fate, Phases};
use girrona_types::{CommitCertificate, Height, Proposal, ProposalHash};

use crate::options::Options;

/// A journal file is closed when it has this many bytes, and replayed as a whole when a database
/// is opened; fjall takes no less.
const JOURNAL_BYTES: u64 = 64 << 20;

/// The tables.
pub(crate) struct Tables {
    pub(crate) db: Database,
    /// height -> block.
    pub(crate) blocks: Keyspace,
    /// height -> [`Decision`].
    pub(crate) decisions: Keyspace,
    /// [`by_block`], [`by_proposal`], [`by_root`] -> height.
    pub(crate) heights: Keyspace,
    /// deploy hash -> deploy, with the approvals it was accepted with.
    pub(crate) deploys: Keyspace,
    /// deploy hash -> [`Known`].
    pub(crate) fates: Keyspace,
    /// number of a group -> hashes of deploys that came together; see `waiting.rs`.
    pub(crate) waiting: Keyspace,
    /// height, number -> [`EXECUTED_TOGETHER`] times [`Executed`].
    pub(crate) executed: Keyspace,
    /// height -> addresses of its transfers, in order.
    pub(crate) transfers: Keyspace,
    /// key -> record of a transfer, which is not part of the state.
    pub(crate) records: Keyspace,
    /// id of the first -> events with consecutive ids.
    pub(crate) events: Keyspace,
    /// block hash, public key -> finality signature.
    pub(crate) signatures: Keyspace,
    /// path, height -> what the path held before that height; see `history.rs`.
    pub(crate) history: Keyspace,
    /// height -> paths that it changed.
    pub(crate) touched: Keyspace,
    /// proposal hash -> undecided proposal.
    pub(crate) proposals: Keyspace,
    /// height, number -> record of the vote log.
    pub(crate) votes: Keyspace,
    /// A name from [`meta`] -> see there.
    pub(crate) meta: Keyspace,
}

/// Names in the table `meta`.
pub(crate) mod meta {
    /// [`super::Tip`].
    pub(crate) const TIP: &str = "tip";
    /// [`super::Redo`] of the tip.
    pub(crate) const REDO: &str = "redo";
    /// The second guard against double-signing.
    pub(crate) const GUARD: &str = "guard";
    /// The lowest height whose state can be read.
    pub(crate) const HISTORY_FROM: &str = "history-from";
}

/// The last committed block and the state tree around it.
#[derive(Clone, Copy, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct Tip {
    pub(crate) height: Height,
    pub(crate) root_before: [u8; 32],
    pub(crate) root: [u8; 32],
}

/// What the tip changed in the tree, in case the tree did not get it.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct Redo {
    pub(crate) height: Height,
    pub(crate) leaves: Vec<([u8; 32], Option<Vec<u8>>)>,
}

/// What was decided about a height, and the proof.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct Decision {
    pub(crate) proposal: Option<Proposal>,
    pub(crate) certificate: Option<CommitCertificate>,
}

/// What is known of a deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Known {
    /// Accepted at this time, in milliseconds since 1970; it waits for a block.
    Pending(u64),
    /// It came with a proposal when the tip was at this height, and waits for a block.
    Kept(Height),
    /// It expired at this time, in milliseconds since 1970.
    Expired(u64),
    /// It is in a block.
    Executed(Place),
}

impl Known {
    /// What became of it. One that only came with a proposal has no fate.
    pub(crate) const fn fate(self) -> Option<Fate> {
        match self {
            Self::Pending(_) => Some(Fate::Pending),
            Self::Kept(_) => None,
            Self::Expired(at) => Some(Fate::Expired(at)),
            Self::Executed(place) => Some(Fate::Executed(place.height)),
        }
    }
}

/// Which deploy of which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Place {
    pub(crate) height: Height,
    pub(crate) index: u32,
}

/// Deploys of a block in one value of the table `executed`. They stand there in the order of blocks,
/// so that nothing is moved when the table is compacted.
pub(crate) const EXECUTED_TOGETHER: usize = 16;

impl Place {
    /// The key of the value that it stands in, and its number there.
    pub(crate) fn in_table(self) -> ([u8; 12], usize) {
        let together = u32::try_from(EXECUTED_TOGETHER).unwrap_or(u32::MAX);
        let mut key = [0; 12];
        key[..8].copy_from_slice(&height_key(self.height));
        key[8..].copy_from_slice(&(self.index / together).to_be_bytes());
        (key, usize::try_from(self.index % together).unwrap_or(usize::MAX))
    }
}

/// A deploy in a block. All but phases are in bytesrepr.
#[derive(Clone, Debug, BorshDeserialize)]
pub(crate) struct Executed {
    pub(crate) approvals: Vec<u8>,
    pub(crate) result: Vec<u8>,
    /// Its `DeployInfo` record, empty if it has none.
    pub(crate) info: Vec<u8>,
    pub(crate) phases: Phases,
}

/// [`Executed`] as it is written: everything in it is borrowed.
#[derive(Debug, BorshSerialize)]
pub(crate) struct NewlyExecuted<'a> {
    pub(crate) approvals: &'a [u8],
    pub(crate) result: &'a [u8],
    pub(crate) info: &'a [u8],
    pub(crate) phases: &'a Phases,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tables(..)")
    }
}

impl Tables {
    /// Opens the tables in a folder and creates those that do not exist.
    pub(crate) fn open(dir: &Path, options: &Options) -> fjall::Result<Self> {
        let db = Database::builder(dir)
            .cache_size(options.record_cache_mib << 20)
            .max_journaling_size(JOURNAL_BYTES)
            // A journal lives for minutes; what stays is compressed when it is written out.
            .journal_compression(CompressionType::None)
            // One of two would spin as long as the other one compacts.
            .worker_threads(1)
            .open()?;
        // A table keeps up to this much in memory; all of them together bound the memory of
        // unflushed writes and the time that a restart takes.
        let table = |name: &str, memory_mib: u64| {
            db.keyspace(name, || {
                KeyspaceCreateOptions::default().max_memtable_size(memory_mib << 20)
            })
        };
        // Wasm is written once, beside its table: compactions move what points to it.
        let deploys = db.keyspace("deploys", || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(16 << 20)
                .with_kv_separation(Some(KvSeparationOptions::default()))
        })?;
        Ok(Self {
            blocks: table("blocks", 4)?,
            decisions: table("decisions", 8)?,
            heights: table("heights", 1)?,
            deploys,
            fates: table("fates", 4)?,
            waiting: table("waiting", 4)?,
            executed: table("executed", 16)?,
            transfers: table("transfers", 2)?,
            records: table("records", 16)?,
            events: table("events", 4)?,
            signatures: table("signatures", 2)?,
            history: table("history", 16)?,
            touched: table("touched", 4)?,
            proposals: table("proposals", 8)?,
            votes: table("votes", 4)?,
            meta: table("meta", 8)?,
            db,
        })
    }

    /// Lets the tables with few writes write out what they have, when they keep a full journal
    /// file from being dropped: a restart then replays one journal file and not three.
    pub(crate) fn write_out(&self) -> fjall::Result<()> {
        for table in [
            &self.blocks,
            &self.decisions,
            &self.heights,
            &self.deploys,
            &self.fates,
            &self.waiting,
            &self.executed,
            &self.transfers,
            &self.records,
            &self.events,
            &self.signatures,
            &self.history,
            &self.touched,
            &self.proposals,
            &self.votes,
            &self.meta,
        ] {
            table.rotate_memtable()?;
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> fjall::Result<()> {
        self.db.persist(PersistMode::SyncAll)
    }

    /// What was committed so far, whole batches only.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.db.snapshot()
    }
}

/// Adds to an error what was being done.
pub(crate) trait Doing<T> {
    fn doing<S: Into<String>>(self, doing: impl FnOnce() -> S) -> DiskResult<T>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> Doing<T> for Result<T, E> {
    fn doing<S: Into<String>>(self, doing: impl FnOnce() -> S) -> DiskResult<T> {
        self.map_err(|why| fault(doing(), why))
    }
}

/// Something on disk is not as it must be.
pub(crate) fn fault(
    doing: impl Into<String>,
    why: impl Into<Box<dyn Error + Send + Sync>>,
) -> DiskError {
    DiskError { doing: doing.into(), source: why.into() }
}

/// Reads a record of ours.
pub(crate) fn ours<T: BorshDeserialize>(what: &str, bytes: &[u8]) -> DiskResult<T> {
    borsh::from_slice(bytes).doing(|| format!("understand the stored {what}"))
}

/// Reads a record of Casper's.
pub(crate) fn caspers<T: FromBytes>(what: &str, bytes: &[u8]) -> DiskResult<T> {
    bytesrepr::deserialize_from_slice(bytes).doing(|| format!("understand the stored {what}"))
}

/// Writes a record of ours.
pub(crate) fn our_bytes<T: BorshSerialize>(what: &str, value: &T) -> DiskResult<Vec<u8>> {
    borsh::to_vec(value).doing(|| format!("make bytes of {what}"))
}

/// Writes a record of Casper's.
pub(crate) fn casper_bytes<T: ToBytes>(what: &str, value: &T) -> DiskResult<Vec<u8>> {
    value.to_bytes().doing(|| format!("make bytes of {what}"))
}

/// [`casper_bytes`] in a buffer that was used before.
pub(crate) fn rewrite<T: ToBytes>(bytes: &mut Vec<u8>, what: &str, value: &T) -> DiskResult<()> {
    bytes.clear();
    value.write_bytes(bytes).doing(|| format!("make bytes of {what}"))
}

pub(crate) const fn height_key(height: Height) -> [u8; 8] {
    height.0.to_be_bytes()
}

/// The height in the value of a table or at the start of a key.
pub(crate) fn height_in(bytes: &[u8]) -> DiskResult<Height> {
    match bytes.first_chunk::<8>() {
        Some(height) => Ok(Height(u64::from_be_bytes(*height))),
        None => Err(fault("understand a stored height", "fewer than eight bytes")),
    }
}

pub(crate) fn by_block(hash: &BlockHash) -> Vec<u8> {
    [b"b", hash.as_ref()].concat()
}

pub(crate) fn by_proposal(hash: &ProposalHash) -> Vec<u8> {
    [b"p", hash.as_bytes().as_slice()].concat()
}

pub(crate) fn by_root(root: &Digest) -> Vec<u8> {
    [b"r", root.as_ref()].concat()
}

pub(crate) fn signature_key(block: &BlockHash, signer: &PublicKey) -> DiskResult<Vec<u8>> {
    let mut key = block.as_ref().to_vec();
    key.extend(casper_bytes("a public key", signer)?);
    Ok(key)
}

pub(crate) fn vote_key(height: Height, number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&height_key(height));
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn record_key(key: &Key) -> DiskResult<Vec<u8>> {
    casper_bytes("a key", key)
}

#[cfg(test)]
mod tests {
    use casper_types::{
        DeployInfo, StoredValue, TransferAddr, TransferV1, U512, URef, account::AccountHash,
    };
    use girrona_chain::disk::Phase;

    use super::*;

    #[test]
    fn a_buffer_that_was_used_before_gets_the_bytes_of_a_new_one() {
        let (account, purse) = (AccountHash::new([1; 32]), URef::default());
        let (hash, address) = (casper_types::DeployHash::default(), TransferAddr::new([2; 32]));
        let motes = U512::from(7);
        let transfer =
            TransferV1::new(hash, account, Some(account), purse, purse, motes, motes, Some(3));
        let info = DeployInfo::new(hash, &[address], account, purse, motes);
        let mut bytes = vec![9; 1_000];
        for record in [StoredValue::Transfer(transfer), StoredValue::DeployInfo(info)] {
            rewrite(&mut bytes, "a record", &record).unwrap();
            assert_eq!(bytes, casper_bytes("a record", &record).unwrap());
        }
    }

    #[test]
    fn what_is_written_of_an_execution_is_read_again() {
        let phases = Phases { at: [(Phase::Received, 5), (Phase::Executed, 6)].into() };
        let written =
            NewlyExecuted { approvals: &[1, 2], result: &[], info: &[3], phases: &phases };
        let bytes = our_bytes("an execution", &written).unwrap();
        let Executed { approvals, result, info, phases: read } = ours("execution", &bytes).unwrap();
        assert_eq!((approvals, result, info), (vec![1, 2], vec![], vec![3]));
        assert_eq!(read, phases);
    }
}
