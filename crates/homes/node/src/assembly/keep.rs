//! What is kept on disk about messages, requests and results.

use borsh::{BorshDeserialize, BorshSerialize};
use girrona_assembly::{
    MessageId, RequestId,
    message::{Envelope, payload::casper_key::Key},
    run::Ending,
};
use girrona_store::content::{Records, RecordsError, Table};

use super::talk::{decode, encode};

/// Results are served this long after their deadline, in milliseconds: a week.
const RESULTS_KEPT_MS: u64 = 7 * 24 * 3_600_000;
/// Results that are kept; the oldest go first.
const RESULTS_MAX: usize = 20_000;
/// The name of the nonces.
const NONCES: &[u8] = b"nonces";
/// The name of what the owner changed of the node's interests.
const INTERESTS: &[u8] = b"interests";

/// A request that was started here.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct Started {
    pub(crate) author: Key,
    pub(crate) deadline_ms: u64,
    pub(crate) ending: Option<Ending>,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Standing {
    Waiting,
    Agreed,
    Split,
    Failed,
    Cancelled,
}

/// What this node's own execution came to.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Own {
    /// The receipt.
    pub(crate) receipt: Envelope,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// What the sandbox said about a trap.
    pub(crate) detail: String,
}

/// A request and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Result {
    pub(crate) request: Envelope,
    /// It was brought to this node, which counts the receipts.
    pub(crate) is_counted_here: bool,
    pub(crate) standing: Standing,
    /// Why, for people.
    pub(crate) reason: String,
    pub(crate) receipts: Vec<Envelope>,
    /// Who declined, and why.
    pub(crate) declines: Vec<(Key, String)>,
    /// A certificate's bytes.
    pub(crate) certificate: Option<Vec<u8>>,
    /// Bytes of evidence.
    pub(crate) evidence: Vec<Vec<u8>>,
    /// What was agreed on, once it is here.
    pub(crate) stdout: Option<Vec<u8>>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) own: Option<Own>,
}

impl Result {
    /// Nothing came yet.
    pub(crate) const fn new(request: Envelope, is_counted_here: bool, reason: String) -> Self {
        Self {
            request,
            is_counted_here,
            standing: Standing::Waiting,
            reason,
            receipts: Vec::new(),
            declines: Vec::new(),
            certificate: None,
            evidence: Vec::new(),
            stdout: None,
            stderr: Vec::new(),
            own: None,
        }
    }

    fn deadline_ms(&self) -> u64 {
        match &self.request.body.payload {
            girrona_assembly::message::Payload::Execute(execution) => execution.deadline_ms,
            _ => 0,
        }
    }
}

/// The tables, as the service uses them.
#[derive(Clone, Debug)]
pub(crate) struct Keep(pub(crate) Records);

type Kept<T> = std::result::Result<T, RecordsError>;

impl Keep {
    /// Keeps a message that is alive.
    pub(crate) fn message(&self, id: &MessageId, expires_ms: u64, bytes: &[u8]) -> Kept<()> {
        let value = [&expires_ms.to_be_bytes(), bytes].concat();
        self.0.put(Table::Messages, &id.0, &value, false)
    }

    pub(crate) fn drop_message(&self, id: &MessageId) -> Kept<()> {
        self.0.remove(Table::Messages, &id.0)
    }

    /// Every message that is alive; what has expired is removed.
    pub(crate) fn messages(&self, now_ms: u64) -> Kept<Vec<Vec<u8>>> {
        let mut alive = Vec::new();
        for (key, value) in self.0.all(Table::Messages)? {
            match value.split_first_chunk() {
                Some((expires, bytes)) if u64::from_be_bytes(*expires) > now_ms => {
                    alive.push(bytes.to_vec());
                }
                _ => self.0.remove(Table::Messages, &key)?,
            }
        }
        Ok(alive)
    }

    /// Keeps that a request was started, before anything of it is done. It outlives the process; it
    /// outlives a loss of power after [`Self::sync`].
    pub(crate) fn started(&self, id: &RequestId, started: &Started) -> Kept<()> {
        self.0.put(Table::Requests, &id.0, &encode(started), false)
    }

    /// Everything that was kept so far is on disk when this returns.
    pub(crate) fn sync(&self) -> Kept<()> {
        self.0.sync()
    }

    /// Every request whose deadline is not over.
    pub(crate) fn requests(&self, now_ms: u64) -> Kept<Vec<(RequestId, Started)>> {
        let mut alive = Vec::new();
        for (key, value) in self.0.all(Table::Requests)? {
            let id = key.as_slice().try_into().ok().map(RequestId);
            match (id, decode::<Started>(&value)) {
                (Some(id), Some(started)) if started.deadline_ms > now_ms => {
                    alive.push((id, started));
                }
                _ => self.0.remove(Table::Requests, &key)?,
            }
        }
        Ok(alive)
    }

    pub(crate) fn put_result(&self, id: &RequestId, result: &Result) -> Kept<()> {
        let is_decided = result.standing != Standing::Waiting;
        self.0.put(Table::Results, &id.0, &encode(result), is_decided)
    }

    pub(crate) fn result(&self, id: &RequestId) -> Kept<Option<Result>> {
        Ok(self.0.get(Table::Results, &id.0)?.and_then(|bytes| decode(&bytes)))
    }

    /// Every result; those that are too old or too many are removed.
    pub(crate) fn results(&self, now_ms: u64) -> Kept<Vec<(RequestId, Result)>> {
        let mut kept = Vec::new();
        for (key, value) in self.0.all(Table::Results)? {
            let id = key.as_slice().try_into().ok().map(RequestId);
            match (id, decode::<Result>(&value)) {
                (Some(id), Some(result))
                    if result.deadline_ms().saturating_add(RESULTS_KEPT_MS) > now_ms =>
                {
                    kept.push((id, result));
                }
                _ => self.0.remove(Table::Results, &key)?,
            }
        }
        kept.sort_by_key(|(_, result)| std::cmp::Reverse(result.deadline_ms()));
        for (id, _) in kept.iter().skip(RESULTS_MAX) {
            self.0.remove(Table::Results, &id.0)?;
        }
        kept.truncate(RESULTS_MAX);
        Ok(kept)
    }

    pub(crate) fn put_nonces(&self, snapshot: &[u8]) -> Kept<()> {
        self.0.put(Table::Other, NONCES, snapshot, true)
    }

    pub(crate) fn nonces(&self) -> Kept<Option<Vec<u8>>> {
        self.0.get(Table::Other, NONCES)
    }

    pub(crate) fn put_interests(&self, json: &[u8]) -> Kept<()> {
        self.0.put(Table::Other, INTERESTS, json, true)
    }

    pub(crate) fn interests(&self) -> Kept<Option<Vec<u8>>> {
        self.0.get(Table::Other, INTERESTS)
    }
}
