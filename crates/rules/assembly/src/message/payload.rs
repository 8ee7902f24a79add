//! What is said, and how long each part of it may be.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    content::Cid,
    ids::{ManifestDigest, RequestId},
    permission::{ORIGINS_MAX, Permissions},
    run::outcome::Outcome,
};

/// The longest name, version, tag or group, in bytes.
pub const WORD_MAX: usize = 128;
/// The most tags or groups of an assembly.
pub const WORDS_MAX: usize = 32;
/// The most entry points of an assembly.
pub const ENTRIES_MAX: usize = 64;
/// The most addresses of a publisher or requester.
pub const ADDRESSES_MAX: usize = 8;
/// The longest address, in bytes.
pub const ADDRESS_MAX: usize = 256;
/// The most copies that may be wished for.
pub const REPLICATION_MAX: u32 = 100_000;
/// The most CIDs of one [`Holdings`].
pub const HOLDINGS_MAX: usize = 200;
/// Bytes of all arguments together; the same for the environment.
pub const ARGUMENTS_MAX: usize = 64 * 1024;
/// The most arguments, or variables of an environment.
pub const ARGUMENT_COUNT_MAX: usize = 1_024;
/// The longest standard input, in bytes. Gossip takes less; see [`super::Channel`].
pub const STDIN_MAX: usize = 1024 * 1024;
/// The most executors that a request may name or wish for.
pub const EXECUTORS_MAX: u16 = 256;
/// How long after a request its result may still be due, in milliseconds.
pub const DEADLINE_MAX_MS: u64 = 3_600_000;

/// What runs an assembly's entry points.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// A core Wasm module that imports WASI preview 1.
    WasiModule,
    /// A component of the world `wasi:cli/command`, preview 2.
    WasiComponent,
}

/// What an assembly consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Content {
    /// The root of its directory.
    pub root: Cid,
    /// Bytes of all files.
    pub size: u64,
    /// Blocks, each counted as often as it is linked to.
    pub blocks: u64,
}

/// What a node must have to run an assembly.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct Needs {
    /// Thousandths of a core.
    pub cpu_milli: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Graphics processors.
    pub gpus: u32,
}

/// D_msg: an assembly is there, and whoever finds it worth it may cache it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Announcement {
    /// What its publisher calls it.
    pub name: String,
    /// Which version of it.
    pub version: String,
    /// What runs it.
    pub runtime: Runtime,
    /// What can be run, by name.
    pub entries: Vec<String>,
    /// What it may reach.
    pub permissions: Permissions,
    /// The digest of the manifest that lies in the content.
    pub manifest: ManifestDigest,
    /// Where it begins and how much it is.
    pub content: Content,
    /// What it takes to run it.
    pub needs: Needs,
    /// Subjects; nodes cache what theirs are.
    pub tags: Vec<String>,
    /// Groups of nodes that it is meant for; empty: all.
    pub groups: Vec<String>,
    /// How many copies there should be.
    pub replication: u32,
    /// Multiaddresses of the publisher, with its peer id.
    pub publishers: Vec<String>,
}

/// A new version takes an older one's place.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Update {
    /// The root of the version that is replaced.
    pub replaces: Cid,
    /// The new version.
    pub announcement: Announcement,
}

/// The publisher takes an assembly back.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Withdrawal {
    /// Which.
    pub root: Cid,
    /// Why, for people.
    pub reason: String,
}

/// What a node holds completely, and what it no longer holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Holdings {
    /// Roots that are held.
    pub have: Vec<Cid>,
    /// Roots that were evicted.
    pub evicted: Vec<Cid>,
    /// Multiaddresses that they are served at, with the node's peer id.
    pub addresses: Vec<String>,
}

/// What one execution may use.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Instructions, as the sandbox meters them.
    pub fuel: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Milliseconds of wall time; what is over it was stopped, which is no result.
    pub time_ms: u64,
    /// Bytes of standard output and of standard error, each.
    pub output: u64,
    /// Bytes of files written.
    pub files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 10_000_000_000,
            memory: 256 * 1024 * 1024,
            time_ms: 10_000,
            output: 1024 * 1024,
            files: 64 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// In each kind the smaller of both.
    #[must_use]
    pub fn narrowed_by(&self, other: &Self) -> Self {
        Self {
            fuel: self.fuel.min(other.fuel),
            memory: self.memory.min(other.memory),
            time_ms: self.time_ms.min(other.time_ms),
            output: self.output.min(other.output),
            files: self.files.min(other.files),
        }
    }
}

/// E_msg: execute this, you who hold it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Execution {
    /// Tells requests apart that ask for the same.
    pub salt: [u8; 32],
    /// Which assembly.
    pub root: Cid,
    /// Which of its entry points.
    pub entry: String,
    /// Arguments after the program's name.
    pub args: Vec<String>,
    /// Standard input.
    pub stdin: Vec<u8>,
    /// The whole environment, ordered by name; nothing of a node's own is in it.
    pub env: Vec<(String, String)>,
    /// How many shall execute; `None`: every holder.
    pub n: Option<u16>,
    /// How many equal receipts are a result.
    pub k: u16,
    /// Whose receipts count; empty: any holder's. Ordered.
    pub executors: Vec<casper_key::Key>,
    /// What it may use.
    pub limits: Limits,
    /// What it may reach, as far as the manifest and the node allow it too.
    pub permissions: Permissions,
    /// When a result is of no use any more, in milliseconds since 1970.
    pub deadline_ms: u64,
    /// Multiaddresses that receipts go to; empty: they are asked for.
    pub reply: Vec<String>,
}

/// A public key in borsh: its bytesrepr bytes behind their length.
pub mod casper_key {
    use std::io;

    use borsh::{BorshDeserialize, BorshSerialize};
    use casper_types::{
        PublicKey,
        bytesrepr::{self, ToBytes as _},
    };
    use girrona_types::bytes::casper;
    use serde::Serialize;

    /// An account's key.
    #[derive(
        Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
    )]
    #[serde(transparent)]
    pub struct Key(
        #[borsh(serialize_with = "casper::serialize", deserialize_with = "one_form")] pub PublicKey,
    );

    /// The library reads a secp256k1 key in more than one form; we let in the one that it writes.
    ///
    /// # Errors
    /// When the bytes are no key, or not in that form.
    pub(crate) fn one_form<R: io::Read>(reader: &mut R) -> io::Result<PublicKey> {
        let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text);
        let bytes = Vec::<u8>::deserialize_reader(reader)?;
        let key: PublicKey = bytesrepr::deserialize_from_slice(&bytes)
            .map_err(|error| invalid(&error.to_string()))?;
        match key.to_bytes() {
            Ok(written) if written == bytes => Ok(key),
            _ => Err(invalid("a public key in another form than it is written in")),
        }
    }
}

/// The requester no longer wants the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Cancellation {
    /// Which request.
    pub request: RequestId,
}

/// Why a holder does not execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Error)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// It has too much to do.
    #[error("it is busy")]
    Busy,
    /// It does not hold the assembly any more.
    #[error("it does not hold the assembly")]
    NotHeld,
    /// The assembly has no such entry point.
    #[error("the assembly has no such entry point")]
    Entry,
    /// It lacks memory, processors or time for what the assembly needs.
    #[error("it lacks the resources")]
    Resources,
    /// Its owner does not allow it.
    #[error("its policy forbids it")]
    Policy,
    /// The deadline is over or too near.
    #[error("the deadline is too near")]
    Deadline,
}

/// A holder does not execute; another may take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Decline {
    /// Which request.
    pub request: RequestId,
    /// Why.
    pub reason: DeclineReason,
}

/// What an execution came to, by whoever signs the envelope.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Receipt {
    /// Which request.
    pub request: RequestId,
    /// What honest nodes agree on.
    pub outcome: Outcome,
    /// SHA-256 of standard error; reported, not compared.
    pub stderr: [u8; 32],
    /// Fuel used; the lowest of the agreeing is billed.
    pub fuel: u64,
    /// Milliseconds; reported, not compared.
    pub wall_ms: u64,
    /// The most memory, in bytes; reported, not compared.
    pub memory: u64,
}

/// What an envelope carries.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// D_msg.
    Announce(Announcement),
    /// D_msg that replaces another.
    Update(Update),
    /// Takes a D_msg back.
    Withdraw(Withdrawal),
    /// Who holds what.
    Holdings(Holdings),
    /// E_msg.
    Execute(Execution),
    /// Takes an E_msg back.
    Cancel(Cancellation),
    /// A holder does not execute.
    Decline(Decline),
    /// A holder did.
    Receipt(Receipt),
}

/// A payload says more than it may, or something that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} {reason}")]
pub struct Invalid {
    what: &'static str,
    reason: &'static str,
}

const fn invalid(what: &'static str, reason: &'static str) -> Invalid {
    Invalid { what, reason }
}

fn ensure(holds: bool, what: &'static str, reason: &'static str) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(invalid(what, reason)) }
}

/// A word: printable, and not longer than it may be.
fn check_word(what: &'static str, word: &str) -> Result<(), Invalid> {
    ensure(!word.is_empty(), what, "is empty")?;
    ensure(word.len() <= WORD_MAX, what, "is too long")?;
    ensure(!word.chars().any(char::is_control), what, "has a control character in it")
}

/// Words in order, none twice, so that one set has one form.
fn check_words(what: &'static str, words: &[String], count_max: usize) -> Result<(), Invalid> {
    ensure(words.len() <= count_max, what, "are too many")?;
    words.iter().try_for_each(|word| check_word(what, word))?;
    ensure(words.is_sorted_by(|a, b| a < b), what, "are not in order or not unique")
}

fn check_addresses(addresses: &[String]) -> Result<(), Invalid> {
    let what = "an address";
    ensure(addresses.len() <= ADDRESSES_MAX, "addresses", "are too many")?;
    addresses.iter().try_for_each(|address| {
        ensure(address.starts_with('/'), what, "does not begin with a slash")?;
        ensure(address.len() <= ADDRESS_MAX, what, "is too long")?;
        ensure(address.bytes().all(|byte| byte.is_ascii_graphic()), what, "is not printable")
    })
}

fn check_permissions(permissions: &Permissions) -> Result<(), Invalid> {
    let origins = &permissions.network;
    ensure(origins.len() <= ORIGINS_MAX, "permissions", "are too many")?;
    ensure(origins.is_sorted_by(|a, b| a < b), "permissions", "are not in order or not unique")
}

impl Payload {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// [`Invalid`] names the part at fault.
    pub fn check(&self, created_ms: u64) -> Result<(), Invalid> {
        match self {
            Self::Announce(announcement) => announcement.check(),
            Self::Update(update) => {
                let same = update.replaces == update.announcement.content.root;
                ensure(!same, "an update", "replaces itself")?;
                update.announcement.check()
            }
            Self::Withdraw(withdrawal) => {
                ensure(withdrawal.reason.len() <= WORD_MAX, "a reason", "is too long")?;
                let plain = !withdrawal.reason.chars().any(char::is_control);
                ensure(plain, "a reason", "has a control character in it")
            }
            Self::Holdings(holdings) => holdings.check(),
            Self::Execute(execution) => execution.check(created_ms),
            Self::Receipt(_) | Self::Cancel(_) | Self::Decline(_) => Ok(()),
        }
    }
}

impl Announcement {
    /// Checks the length and the order of everything.
    ///
    /// # Errors
    /// [`Invalid`] names the part at fault.
    pub fn check(&self) -> Result<(), Invalid> {
        check_word("a name", &self.name)?;
        check_word("a version", &self.version)?;
        check_words("entry points", &self.entries, ENTRIES_MAX)?;
        ensure(!self.entries.is_empty(), "entry points", "are missing")?;
        check_permissions(&self.permissions)?;
        ensure(self.content.blocks > 0, "the content", "has no blocks")?;
        check_words("tags", &self.tags, WORDS_MAX)?;
        check_words("groups", &self.groups, WORDS_MAX)?;
        let replication = 1..=REPLICATION_MAX;
        ensure(replication.contains(&self.replication), "the replication", "is none or too many")?;
        check_addresses(&self.publishers)
    }
}

impl Holdings {
    fn check(&self) -> Result<(), Invalid> {
        let what = "holdings";
        let count = self.have.len().saturating_add(self.evicted.len());
        ensure(count > 0, what, "are empty")?;
        ensure(count <= HOLDINGS_MAX, what, "are too many")?;
        let ordered = |roots: &[Cid]| roots.is_sorted_by(|a, b| a < b);
        let both = ordered(&self.have) && ordered(&self.evicted);
        ensure(both, what, "are not in order or not unique")?;
        check_addresses(&self.addresses)?;
        let contradicts = self.have.iter().any(|root| self.evicted.binary_search(root).is_ok());
        ensure(!contradicts, what, "say of one root that it is held and evicted")
    }
}

impl Execution {
    /// What the guest's clock shows at the start, in milliseconds since 1970: when it has to begin
    /// at the latest. It cannot be when the request was signed, because a request that is sent again
    /// is the same one.
    pub const fn clock_ms(&self) -> u64 {
        self.deadline_ms.saturating_sub(self.limits.time_ms)
    }

    /// Checks the length and the order of everything.
    ///
    /// # Errors
    /// [`Invalid`] names the part at fault.
    pub fn check(&self, created_ms: u64) -> Result<(), Invalid> {
        check_word("an entry point", &self.entry)?;
        let lengths = |texts: &mut dyn Iterator<Item = &String>| {
            texts.fold(0_usize, |sum, text| sum.saturating_add(text.len()))
        };
        let args = lengths(&mut self.args.iter());
        let env = lengths(&mut self.env.iter().flat_map(|(name, value)| [name, value]));
        let few = self.args.len() <= ARGUMENT_COUNT_MAX && self.env.len() <= ARGUMENT_COUNT_MAX;
        let short = args <= ARGUMENTS_MAX && env <= ARGUMENTS_MAX;
        ensure(few && short, "arguments or environment", "are too many or too long")?;
        ensure(self.stdin.len() <= STDIN_MAX, "standard input", "is too long")?;
        let no_end = |text: &String| !text.contains('\0');
        let names = self.env.iter().all(|(name, value)| {
            !name.is_empty() && !name.contains('=') && no_end(name) && no_end(value)
        });
        ensure(names, "the environment", "has a name or value that cannot be one")?;
        ensure(self.args.iter().all(no_end), "an argument", "has a NUL in it")?;
        let ordered = self.env.is_sorted_by(|(a, _), (b, _)| a < b);
        ensure(ordered, "the environment", "is not in order or names one twice")?;
        let executors = self.executors.len();
        ensure(executors <= usize::from(EXECUTORS_MAX), "executors", "are too many")?;
        let ordered = self.executors.is_sorted_by(|a, b| a < b);
        ensure(ordered, "executors", "are not in order or not unique")?;
        let n = self.n.unwrap_or(EXECUTORS_MAX);
        ensure((1..=EXECUTORS_MAX).contains(&n), "n", "is 0 or too large")?;
        ensure(self.k >= 1 && self.k <= n, "k", "is 0 or larger than n")?;
        let enough = self.executors.is_empty() || executors >= usize::from(self.k);
        ensure(enough, "executors", "are fewer than k")?;
        check_permissions(&self.permissions)?;
        let due = self.deadline_ms.checked_sub(created_ms);
        let in_time = due.is_some_and(|due| due <= DEADLINE_MAX_MS);
        ensure(in_time, "the deadline", "is before the request or too far after it")?;
        check_addresses(&self.reply)
    }
}
