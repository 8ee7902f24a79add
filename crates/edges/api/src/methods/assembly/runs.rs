//! Executions: requests and what came of them.

use casper_types::{ProtocolVersion, PublicKey, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::EnvelopeParams;
use crate::methods::method;

method! {
    /// Asks the holders of an assembly to execute it. The envelope is the requester's. Answers at
    /// once, or when there is a result within `wait_ms`.
    AssemblyRun = "girrona_assemblyRun", Required, AssemblyRunParams => AssemblyRunResult
}

/// Parameters of [`AssemblyRun`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssemblyRunParams {
    /// The envelope's bytes in hex.
    pub envelope: String,
    /// How long to wait for a result, in milliseconds, up to 25,000.
    #[serde(default)]
    pub wait_ms: u64,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Receipts are awaited.
    Waiting,
    /// Enough of them are equal: there is a certificate.
    Agreed,
    /// They differ, so that no result can be agreed on.
    Split,
    /// The deadline is over and too few came.
    Failed,
    /// The requester took it back.
    Cancelled,
}

/// What an executor signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptInfo {
    /// Who.
    pub executor: PublicKey,
    /// How it ended: `exit 0`, `trap: out of fuel`, `stopped: its time was over`.
    pub end: String,
    /// SHA-256 of standard output.
    pub stdout_hash: String,
    /// The root of files that it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Fuel that it used.
    pub fuel: u64,
    /// How long it took, in milliseconds.
    pub wall_ms: u64,
    /// The most memory it had, in bytes.
    pub memory: u64,
    /// Whether it is part of the certificate.
    pub agrees: bool,
}

/// Somebody who did not execute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclineInfo {
    /// Who.
    pub executor: PublicKey,
    /// Why.
    pub reason: String,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputInfo {
    /// The exit code, as the incumbent counts: 255 for a trap without a code of its own.
    pub exit_code: i32,
    /// How it ended, for people.
    pub end: String,
    /// Standard output in hex.
    pub stdout: String,
    /// Standard error of one of the executors, in hex. Nobody agrees on it.
    pub stderr: String,
    /// Whether standard output is here; if not, its hash is in the receipts.
    pub is_here: bool,
    /// The root of files that it left; fetched and exported like any content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// What is billed: the lowest fuel of those who agree.
    pub fuel: u64,
}

/// Outcomes that rival each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitInfo {
    /// How it ended.
    pub end: String,
    /// SHA-256 of standard output.
    pub stdout_hash: String,
    /// Who says so.
    pub executors: Vec<PublicKey>,
}

/// Proof that somebody signed something wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceInfo {
    /// Who.
    pub offender: PublicKey,
    /// The proof's bytes in hex; `girrona assembly verify` checks them.
    pub proof: String,
}

/// A request and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// The request's id.
    pub request: String,
    /// Where it stands.
    pub state: RunState,
    /// Why, for people.
    pub reason: String,
    /// Who asked.
    pub author: PublicKey,
    /// The assembly.
    pub root: String,
    /// The entry point.
    pub entry: String,
    /// Equal receipts that are a result.
    pub k: u16,
    /// Until when.
    pub deadline: Timestamp,
    /// What came from executors.
    pub receipts: Vec<ReceiptInfo>,
    /// Who declined.
    pub declines: Vec<DeclineInfo>,
    /// The result that was agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<OutputInfo>,
    /// The certificate's bytes in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Who lied.
    pub evidence: Vec<EvidenceInfo>,
    /// What they split into.
    pub split: Vec<SplitInfo>,
    /// What this node itself did about it, if it executed it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub here: Value,
}

/// Result of [`AssemblyRun`] and [`AssemblyResult`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssemblyRunResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The request.
    pub run: RunInfo,
}

method! {
    /// What came of a request, also after a restart, on the node that it was brought to and on
    /// those that executed it.
    AssemblyResult = "girrona_assemblyResult", Required, AssemblyResultParams => AssemblyRunResult
}

/// Parameters of [`AssemblyResult`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssemblyResultParams {
    /// The request's id.
    pub request: String,
    /// How long to wait for a result, in milliseconds, up to 25,000.
    #[serde(default)]
    pub wait_ms: u64,
}

method! {
    /// Takes a request back: whoever executes it stops. The envelope is the requester's.
    AssemblyCancel = "girrona_assemblyCancel", Required, EnvelopeParams => AssemblyCancelResult
}

/// Result of [`AssemblyCancel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssemblyCancelResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The request's id.
    pub request: String,
}
