//! Agreement: `k` equal receipts are a certificate, and who signed something else is named.
//!
//! Both are checked with nothing but the network's id: signatures, the request and the receipts
//! are inside.

use std::collections::{BTreeMap, btree_map};

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::PublicKey;
use girrona_types::NetworkId;
use thiserror::Error;

use super::outcome::Outcome;
use crate::{
    ids::{RequestId, canonical},
    message::{
        envelope::{AHEAD_MAX_MS, Envelope, VERSION},
        payload::{EXECUTORS_MAX, Execution, Invalid, Payload, Receipt},
    },
};

/// The longest certificate or evidence, in bytes: the longest request and 256 receipts.
pub const PROOF_MAX: usize = 2 * 1024 * 1024;

/// A request and the equal receipts that answer it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Certificate {
    /// The E_msg.
    pub request: Envelope,
    /// Receipts with the same outcome, ordered by author.
    pub receipts: Vec<Envelope>,
}

/// What a certificate proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Which request.
    pub request: RequestId,
    /// What it came to.
    pub outcome: Outcome,
    /// Who says so.
    pub executors: Vec<PublicKey>,
    /// What is billed: the lowest fuel among them.
    pub fuel: u64,
}

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Too long, or not the bytes of one.
    #[error("the bytes are no certificate or evidence")]
    Malformed,
    /// The request is for another network, not signed, or not a request.
    #[error("the request is none of this network, or not signed by its author")]
    Request,
    /// The request asks for something that it cannot.
    #[error("the request: {0}")]
    Invalid(#[from] Invalid),
    /// A receipt is for another network or request, not signed, or not a receipt.
    #[error("the receipt of {0} is none for this request, or not signed")]
    Receipt(Box<PublicKey>),
    /// A receipt was signed after the deadline.
    #[error("the receipt of {0} came after the deadline")]
    Late(Box<PublicKey>),
    /// An executor comes twice or out of order.
    #[error("{0} is out of order")]
    OutOfOrder(Box<PublicKey>),
    /// An executor that the request does not name.
    #[error("the request does not ask {0}")]
    NotAsked(Box<PublicKey>),
    /// Receipts say different things, or that there is no result.
    #[error("the receipts do not agree on a result")]
    Different,
    /// Fewer than the request asks for.
    #[error("{have} receipts agree, {needed} are needed")]
    Few {
        /// How many there are.
        have: usize,
        /// How many the request asks for.
        needed: u16,
    },
}

fn decode<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) -> Result<T, CertificateError> {
    if bytes.len() > PROOF_MAX {
        return Err(CertificateError::Malformed);
    }
    let proof: T = borsh::from_slice(bytes).map_err(|_| CertificateError::Malformed)?;
    if canonical(&proof) == bytes { Ok(proof) } else { Err(CertificateError::Malformed) }
}

/// A request that is well formed and signed.
struct Request<'a> {
    execution: &'a Execution,
    id: RequestId,
}

fn check_request<'a>(
    envelope: &'a Envelope,
    network: &NetworkId,
) -> Result<Request<'a>, CertificateError> {
    let body = &envelope.body;
    let (Payload::Execute(execution), VERSION, true) =
        (&body.payload, body.version, body.network == *network)
    else {
        return Err(CertificateError::Request);
    };
    execution.check(body.created_ms)?;
    if !envelope.is_signed() {
        return Err(CertificateError::Request);
    }
    Ok(Request { execution, id: execution.request(network, &body.author) })
}

/// A receipt for this request, signed by its author in time.
fn check_receipt<'a>(
    envelope: &'a Envelope,
    network: &NetworkId,
    request: &Request<'_>,
) -> Result<&'a Receipt, CertificateError> {
    let body = &envelope.body;
    let author = || Box::new(body.author.clone());
    let (Payload::Receipt(receipt), VERSION, true) =
        (&body.payload, body.version, body.network == *network)
    else {
        return Err(CertificateError::Receipt(author()));
    };
    if receipt.request != request.id || !envelope.is_signed() {
        return Err(CertificateError::Receipt(author()));
    }
    if body.created_ms > request.execution.deadline_ms.saturating_add(AHEAD_MAX_MS) {
        return Err(CertificateError::Late(author()));
    }
    if !is_asked(request.execution, &body.author) {
        return Err(CertificateError::NotAsked(author()));
    }
    Ok(receipt)
}

fn is_asked(execution: &Execution, executor: &PublicKey) -> bool {
    let executors = &execution.executors;
    executors.is_empty() || executors.binary_search_by(|key| key.0.cmp(executor)).is_ok()
}

impl Certificate {
    /// The bytes that are stored and sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Reads a certificate; nothing in it is checked.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        decode(bytes)
    }

    /// Checks everything and says what it proves.
    ///
    /// # Errors
    /// [`CertificateError`] names the first thing that is wrong.
    pub fn verify(&self, network: &NetworkId) -> Result<Proven, CertificateError> {
        let request = check_request(&self.request, network)?;
        let (have, needed) = (self.receipts.len(), request.execution.k);
        if have < usize::from(needed) {
            return Err(CertificateError::Few { have, needed });
        }
        if have > usize::from(EXECUTORS_MAX) {
            return Err(CertificateError::Malformed);
        }
        let mut executors: Vec<PublicKey> = Vec::with_capacity(have);
        let (mut outcome, mut fuel) = (None, u64::MAX);
        for envelope in &self.receipts {
            let author = &envelope.body.author;
            if executors.last().is_some_and(|before| before >= author) {
                return Err(CertificateError::OutOfOrder(Box::new(author.clone())));
            }
            let receipt = check_receipt(envelope, network, &request)?;
            let same = *outcome.get_or_insert(receipt.outcome) == receipt.outcome;
            if !same || !receipt.outcome.is_result() {
                return Err(CertificateError::Different);
            }
            fuel = fuel.min(receipt.fuel);
            executors.push(author.clone());
        }
        let outcome = outcome.ok_or(CertificateError::Few { have, needed })?;
        Ok(Proven { request: request.id, outcome, executors, fuel })
    }
}

/// Proof that an executor signed something wrong.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Evidence {
    /// Enough others agree on something else.
    Outvoted {
        /// What they agree on.
        certificate: Certificate,
        /// What the offender signed.
        receipt: Envelope,
    },
    /// The offender signed two results of one request.
    Contradiction {
        /// One receipt.
        first: Envelope,
        /// The other.
        second: Envelope,
    },
}

/// Why evidence proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EvidenceError {
    /// The certificate, or the offender's receipt, is not valid.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The offender says the same, or that there is no result, which is no lie.
    #[error("the receipts do not contradict each other")]
    NoContradiction,
    /// The request lets the program reach the network, so honest results may differ.
    #[error("honest results of this request may differ")]
    NotDeterministic,
    /// Those who agree are not the majority of those who were asked, so either side may lie.
    #[error("those who agree are no majority")]
    NoMajority,
}

impl Evidence {
    /// The bytes that are stored and sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Reads evidence; nothing in it is checked.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        decode(bytes)
    }

    /// Checks everything and names the offender.
    ///
    /// A majority is counted among the executors that the request names, else among the `n` it
    /// asks for, else it takes at least two. Where anybody may make keys, only named executors
    /// make it strong.
    ///
    /// # Errors
    /// [`EvidenceError`] says why nobody is proven to be at fault.
    pub fn verify(&self, network: &NetworkId) -> Result<PublicKey, EvidenceError> {
        match self {
            Self::Outvoted { certificate, receipt } => {
                let proven = certificate.verify(network)?;
                let request = check_request(&certificate.request, network)?;
                let execution = request.execution;
                if !execution.permissions.is_deterministic() {
                    return Err(EvidenceError::NotDeterministic);
                }
                let asked = match (execution.executors.len(), execution.n) {
                    (0, Some(n)) => usize::from(n),
                    (0, None) => 3,
                    (named, _) => named,
                };
                let agree = proven.executors.len();
                if agree.saturating_mul(2) <= asked {
                    return Err(EvidenceError::NoMajority);
                }
                let signed = check_receipt(receipt, network, &request)?;
                if !signed.outcome.is_result() || signed.outcome == proven.outcome {
                    return Err(EvidenceError::NoContradiction);
                }
                Ok(receipt.body.author.clone())
            }
            Self::Contradiction { first, second } => {
                let read = |envelope: &Envelope| {
                    let body = &envelope.body;
                    match &body.payload {
                        Payload::Receipt(receipt)
                            if body.network == *network
                                && body.version == VERSION
                                && envelope.is_signed() =>
                        {
                            Ok(receipt.clone())
                        }
                        _ => Err(CertificateError::Receipt(Box::new(body.author.clone()))),
                    }
                };
                let (one, other) = (read(first)?, read(second)?);
                let same_slot =
                    first.body.author == second.body.author && one.request == other.request;
                let results = one.outcome.is_result() && other.outcome.is_result();
                if !same_slot || !results || one.outcome == other.outcome {
                    return Err(EvidenceError::NoContradiction);
                }
                Ok(first.body.author.clone())
            }
        }
    }
}

/// Where a request's receipts stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// More receipts may decide it.
    Open,
    /// Enough are equal, and no others can become enough.
    Agreed(Certificate),
    /// No outcome can become the result, or more than one did: an explicit failure. The outcomes
    /// with who signed each, the most first.
    Split(Vec<(Outcome, Vec<PublicKey>)>),
}

/// Counts the receipts of one request.
#[derive(Clone, Debug)]
pub struct Tally {
    network: NetworkId,
    request: Envelope,
    id: RequestId,
    k: u16,
    receipts: BTreeMap<PublicKey, (Outcome, Envelope)>,
    contradictions: Vec<Evidence>,
}

impl Tally {
    /// Counts for this request.
    ///
    /// # Errors
    /// [`CertificateError`] when the envelope holds no valid request of this network.
    pub fn new(request: Envelope, network: NetworkId) -> Result<Self, CertificateError> {
        let checked = check_request(&request, &network)?;
        let (id, k) = (checked.id, checked.execution.k);
        let receipts = BTreeMap::new();
        Ok(Self { network, request, id, k, receipts, contradictions: Vec::new() })
    }

    /// The request.
    pub const fn id(&self) -> RequestId {
        self.id
    }

    /// Counts a receipt. An executor's first counts; another one that says something else is
    /// evidence against them.
    ///
    /// # Errors
    /// [`CertificateError`] when it is no receipt that could count.
    pub fn add(&mut self, receipt: Envelope) -> Result<(), CertificateError> {
        let request = check_request(&self.request, &self.network)?;
        let outcome = check_receipt(&receipt, &self.network, &request)?.outcome;
        let is_full = self.receipts.len() >= usize::from(EXECUTORS_MAX);
        match self.receipts.entry(receipt.body.author.clone()) {
            btree_map::Entry::Vacant(place) => {
                if !is_full {
                    place.insert((outcome, receipt));
                }
            }
            btree_map::Entry::Occupied(place) => {
                let (before, first) = place.get();
                let contradicts = before.is_result() && outcome.is_result() && *before != outcome;
                if contradicts && self.contradictions.len() < usize::from(EXECUTORS_MAX) {
                    let first = first.clone();
                    self.contradictions.push(Evidence::Contradiction { first, second: receipt });
                }
            }
        }
        Ok(())
    }

    /// How many executors' receipts are here.
    pub fn count(&self) -> usize {
        self.receipts.len()
    }

    /// Where it stands if so many receipts may still come; at the deadline that is none.
    pub fn agreement(&self, outstanding: usize) -> Agreement {
        let groups = self.groups();
        let k = usize::from(self.k.max(1));
        let size = |index: usize| groups.get(index).map_or(0, |(_, keys)| keys.len());
        let (best, second) = (size(0), size(1));
        let rival = second.saturating_add(outstanding) >= k;
        if best >= k && !rival {
            let outcome = groups.first().map(|(outcome, _)| *outcome);
            let equal = self.receipts.values().filter(|(mine, _)| Some(*mine) == outcome);
            let receipts = equal.map(|(_, envelope)| envelope.clone()).collect();
            Agreement::Agreed(Certificate { request: self.request.clone(), receipts })
        } else if second >= k || best.saturating_add(outstanding) < k {
            Agreement::Split(groups)
        } else {
            Agreement::Open
        }
    }

    /// Evidence against everybody who lied, as far as the receipts prove it.
    pub fn evidence(&self) -> Vec<Evidence> {
        let mut all = self.contradictions.clone();
        if let Agreement::Agreed(certificate) = self.agreement(0) {
            let outcome = certificate.receipts.first().map(|agreed| &agreed.body.payload);
            let outcome = match outcome {
                Some(Payload::Receipt(receipt)) => Some(receipt.outcome),
                _ => None,
            };
            let others = self.receipts.values().filter(|(mine, _)| Some(*mine) != outcome);
            all.extend(others.map(|(_, receipt)| Evidence::Outvoted {
                certificate: certificate.clone(),
                receipt: receipt.clone(),
            }));
        }
        all.retain(|evidence| evidence.verify(&self.network).is_ok());
        all
    }

    /// Results with who signed each, the most first.
    fn groups(&self) -> Vec<(Outcome, Vec<PublicKey>)> {
        let mut groups: BTreeMap<Outcome, Vec<PublicKey>> = BTreeMap::new();
        for (key, (outcome, _)) in &self.receipts {
            if outcome.is_result() {
                groups.entry(*outcome).or_default().push(key.clone());
            }
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, keys)| std::cmp::Reverse(keys.len()));
        groups
    }
}
