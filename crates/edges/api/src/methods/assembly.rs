//! Assemblies: announced, cached, executed, agreed on.
//!
//! What a person signs (an announcement, a withdrawal, a request, its cancellation) is made and
//! signed by the client and comes as the envelope's bytes in hex: the node has no key of the
//! caller's. What spends the node's own resources without such a signature takes the node's token,
//! which lies in its data folder. Content itself goes over REST, as CAR files.

mod runs;

use casper_types::{ProtocolVersion, PublicKey, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use runs::{
    AssemblyCancel, AssemblyCancelResult, AssemblyResult, AssemblyResultParams, AssemblyRun,
    AssemblyRunParams, AssemblyRunResult, DeclineInfo, EvidenceInfo, OutputInfo, ReceiptInfo,
    RunInfo, RunState, SplitInfo,
};

use super::{NoParams, method};

method! {
    /// The node as a place for assemblies: its key, its addresses, its room and what it wants.
    AssemblyNode = "girrona_assemblyNode", None, NoParams => AssemblyNodeResult
}

/// How much room there is for content, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomInfo {
    /// What may be used.
    pub quota: u64,
    /// Content that is here whole.
    pub held: u64,
    /// Kept free for content that is on its way.
    pub reserved: u64,
    /// Left.
    pub free: u64,
}

/// What a node wants to cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interests {
    /// Subjects that matter; none: all do.
    pub tags: Vec<String>,
    /// Subjects that it does not want.
    pub refuse_tags: Vec<String>,
    /// Groups that it belongs to.
    pub groups: Vec<String>,
}

/// Result of [`AssemblyNode`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssemblyNodeResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The network, as it is signed into every message, in hex.
    pub network: String,
    /// The account that signs the node's receipts.
    pub account: PublicKey,
    /// Multiaddresses that it serves content at.
    pub addresses: Vec<String>,
    /// Room for content.
    pub room: RoomInfo,
    /// What it wants.
    pub interests: Interests,
    /// Nodes that said what they hold.
    pub nodes_heard: u32,
    /// Executions that run.
    pub running: u32,
}

method! {
    /// Announces an assembly or its new version. The envelope is the publisher's. If the content is
    /// not here yet, it has to be brought over REST within ten minutes; then it is announced.
    AssemblyPublish = "girrona_assemblyPublish", Required, EnvelopeParams => AssemblyPublishResult
}

/// Something signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeParams {
    /// The envelope's bytes in hex.
    pub envelope: String,
}

/// Result of [`AssemblyPublish`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssemblyPublishResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The message's id.
    pub message: String,
    /// The content's root.
    pub root: String,
    /// Whether the content is here and the network has been told; if not, bring it.
    pub is_announced: bool,
}

method! {
    /// Takes an assembly back. The envelope is the publisher's.
    AssemblyWithdraw = "girrona_assemblyWithdraw", Required, EnvelopeParams => AssemblyRootResult
}

/// Which assembly it was about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssemblyRootResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The content's root.
    pub root: String,
}

method! {
    /// Every assembly that is announced or held here.
    AssemblyList = "girrona_assemblyList", None, NoParams => AssemblyListResult
}

/// How far an assembly is on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssemblyState {
    /// It is not cached here; the decision says why.
    Refused,
    /// It will be fetched, is being fetched, or is tried again.
    Fetching,
    /// It is here whole and is being compiled.
    Compiling,
    /// It is here and can be executed.
    Ready,
    /// It is here and cannot be executed; the reason says why.
    Broken,
}

/// An assembly in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssemblyInfo {
    /// The content's root.
    pub root: String,
    /// What its publisher calls it; empty if no announcement is known.
    pub name: String,
    /// Which version.
    pub version: String,
    /// Bytes of its files.
    pub size: u64,
    /// How far it is here.
    pub state: AssemblyState,
    /// Why it is so, for people.
    pub reason: String,
    /// Never given up.
    pub is_pinned: bool,
    /// Copies that are known, this node's included.
    pub copies: u32,
    /// Copies that are wished for.
    pub replication: u32,
}

/// Result of [`AssemblyList`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssemblyListResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// In the order of roots.
    pub assemblies: Vec<AssemblyInfo>,
}

method! {
    /// Everything about one assembly: its announcements, this node's decision with what it was
    /// made of, how far the content is, and who holds it.
    AssemblyShow = "girrona_assemblyShow", Required, RootParams => AssemblyShowResult
}

/// One assembly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootParams {
    /// The content's root.
    pub root: String,
}

/// A publisher's word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnouncementInfo {
    /// Who.
    pub author: PublicKey,
    /// The message's id.
    pub message: String,
    /// When the message expires; the assembly does not.
    pub expires: Timestamp,
    /// What was announced.
    pub announcement: Value,
}

/// Somebody who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HolderInfo {
    /// Its account.
    pub account: PublicKey,
    /// Multiaddresses that it serves at.
    pub addresses: Vec<String>,
    /// It is this node.
    pub is_self: bool,
}

/// How far the content is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgressInfo {
    /// Blocks that are here.
    pub blocks: u64,
    /// Blocks that are known to belong to it.
    pub found: u64,
    /// Bytes that came.
    pub bytes: u64,
}

/// Result of [`AssemblyShow`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssemblyShowResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The assembly in short.
    pub assembly: AssemblyInfo,
    /// Who announced it.
    pub announcements: Vec<AnnouncementInfo>,
    /// What this node decided and why, with every factor; null if it did not have to.
    pub decision: Value,
    /// How far the content is.
    pub progress: ProgressInfo,
    /// Who holds it.
    pub holders: Vec<HolderInfo>,
}

method! {
    /// Pins content, so that it is never given up, or lets it go. Fetches it if it is announced and
    /// not here. Takes the node's token.
    AssemblyPin = "girrona_assemblyPin", Required, AssemblyPinParams => AssemblyRootResult
}

/// Parameters of [`AssemblyPin`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssemblyPinParams {
    /// The content's root.
    pub root: String,
    /// Whether it is pinned from now on.
    pub is_pinned: bool,
    /// The node's token.
    pub token: String,
}

method! {
    /// Changes what this node wants to cache while it runs, and decides again about everything that
    /// is announced. Takes the node's token.
    AssemblyInterests = "girrona_assemblyInterests", Required, AssemblyInterestsParams => AssemblyNodeResult
}

/// Parameters of [`AssemblyInterests`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssemblyInterestsParams {
    /// What it wants from now on.
    pub interests: Interests,
    /// The node's token.
    pub token: String,
}

method! {
    /// Reads all blocks of an assembly again and compares them with their hashes. What is damaged
    /// is fetched again. Takes the node's token.
    AssemblyCheck = "girrona_assemblyCheck", Required, AssemblyCheckParams => AssemblyCheckResult
}

/// Parameters of [`AssemblyCheck`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssemblyCheckParams {
    /// The content's root.
    pub root: String,
    /// The node's token.
    pub token: String,
}

/// Result of [`AssemblyCheck`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssemblyCheckResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// Blocks that were looked at.
    pub blocks: u64,
    /// Blocks that were damaged or missing.
    pub bad: Vec<String>,
}
