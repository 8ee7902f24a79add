//! The manifest: what a provider starts. It has secrets in it, so only its hash goes on the chain.
//!
//! One meaning has one form: maps and sets are ordered, defaults are filled in, and the hash is over
//! the borsh bytes of that, whatever the file looked like.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::Digest;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::{check, image::Image};

const DOMAIN: &[u8] = b"girrona/deployment/manifest/1";
/// The longest manifest, in bytes.
pub const MANIFEST_MAX: usize = 256 * 1024;

/// The name of a manifest: blake2b-256 of `girrona/deployment/manifest/1` and its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct ManifestHash(pub [u8; 32]);

impl fmt::Display for ManifestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ManifestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManifestHash({self})")
    }
}

impl Serialize for ManifestHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Text that logs do not show.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a provider starts.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Manifest {
    /// Random bytes, so that nobody can guess a weak secret and see from the hash that it was
    /// right. Zeros unless whoever orders puts some in.
    #[serde(serialize_with = "as_hex")]
    pub salt: [u8; 32],
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// Addresses that are leased, by name.
    pub endpoints: BTreeMap<String, Endpoint>,
}

fn as_hex<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

/// One program and its copies.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Service {
    /// What runs.
    pub image: Image,
    /// When a container image is fetched.
    pub pull: PullPolicy,
    /// What is started instead of the image's own program; of an assembly, the entry point.
    pub command: Vec<Secret>,
    /// Its arguments.
    pub args: Vec<Secret>,
    /// Its environment.
    pub env: BTreeMap<String, Secret>,
    /// How a private registry is asked.
    pub credentials: Option<Credentials>,
    /// Services that have to be ready before.
    pub dependencies: BTreeSet<String>,
    /// Ports that are opened.
    pub expose: BTreeSet<Expose>,
    /// Where volumes appear, by their names in `resources`.
    pub mounts: BTreeMap<String, Mount>,
    /// What it may read of its own deployment.
    pub permissions: BTreeSet<Permission>,
    /// The protected environment that it needs.
    pub tee: Option<Tee>,
    /// What one copy needs.
    pub resources: Resources,
    /// Copies.
    pub count: u32,
}

/// When a container image is fetched.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize,
)]
pub enum PullPolicy {
    /// Before every start.
    Always,
    /// When the provider has none.
    #[default]
    IfNotPresent,
    /// Never: the provider has to have it.
    Never,
}

/// How a private registry is asked.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Credentials {
    /// The registry.
    pub host: Secret,
    /// The account there.
    pub username: Secret,
    /// Its password or token.
    pub password: Secret,
    /// What some registries ask for.
    pub email: Option<Secret>,
}

/// A port that is opened.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
pub struct Expose {
    /// The port inside.
    pub port: u16,
    /// The port that others use: the same unless the file says otherwise.
    pub external: u16,
    /// For a range of ports, the last one inside; the outer range is as long.
    pub port_end: Option<u16>,
    /// What is spoken.
    pub protocol: Protocol,
    /// Host names that lead here.
    pub hosts: BTreeSet<String>,
    /// Who may come.
    pub to: BTreeSet<Reach>,
    /// How requests are passed on; of ports that the whole world reaches as port 80.
    pub http: Option<HttpOptions>,
}

/// What a port speaks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Who may come to a port.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Everybody.
    World,
    /// Everybody, at a leased address.
    Endpoint(String),
    /// Another service.
    Service(String),
}

/// How requests are passed on.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
pub struct HttpOptions {
    /// The longest body, in bytes.
    pub body_max: u64,
    /// How long an answer may take, in milliseconds.
    pub read_timeout_ms: u64,
    /// How long a request may take to be sent, in milliseconds.
    pub send_timeout_ms: u64,
    /// How often another copy is tried.
    pub next_tries: u64,
    /// For how long other copies are tried, in milliseconds; 0 is without end.
    pub next_timeout_ms: u64,
    /// What makes another copy be tried.
    pub next_cases: BTreeSet<NextCase>,
    /// Bytes of an answer's head that are buffered; the provider's own choice when absent.
    pub proxy_buffer: Option<u64>,
}

impl Default for HttpOptions {
    /// What SDL says: 1 MiB, a minute, three tries.
    fn default() -> Self {
        Self {
            body_max: 1 << 20,
            read_timeout_ms: 60_000,
            send_timeout_ms: 60_000,
            next_tries: 3,
            next_timeout_ms: 0,
            next_cases: BTreeSet::from([NextCase::Error, NextCase::Timeout]),
            proxy_buffer: None,
        }
    }
}

/// What makes another copy be tried.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum NextCase {
    /// The connection failed.
    Error,
    /// It took too long.
    Timeout,
    /// An answer with this status.
    Status(u16),
    /// Nothing does.
    Off,
}

/// Where a volume appears.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Mount {
    /// An absolute path.
    pub path: String,
    /// Whether it cannot be written.
    pub read_only: bool,
}

/// What a service may read of its own deployment.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// What is deployed.
    Deployment,
    /// Logs.
    Logs,
    /// Events.
    Events,
}

/// A protected environment.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tee {
    /// Of the processor.
    Cpu,
    /// Of the processor and the GPU.
    CpuGpu,
}

/// An address that is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// An IP address.
    Ip,
}

/// What one copy of a service needs.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
pub struct Resources {
    /// Thousandths of a processor.
    pub cpu_milli: u64,
    /// What the processor has to be like.
    pub cpu_attributes: BTreeMap<String, String>,
    /// Memory in bytes.
    pub memory: u64,
    /// What the memory has to be like.
    pub memory_attributes: BTreeMap<String, String>,
    /// Volumes by name.
    pub storage: BTreeMap<String, Volume>,
    /// Graphics processors.
    pub gpu: Option<Gpu>,
}

/// A volume.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
pub struct Volume {
    /// Bytes.
    pub size: u64,
    /// Whether it outlives a restart.
    pub persistent: bool,
    /// What it lies on.
    pub class: StorageClass,
}

/// What a volume lies on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum StorageClass {
    /// Whatever the provider has.
    Default,
    /// Disks.
    Beta1,
    /// SSD.
    Beta2,
    /// NVMe.
    Beta3,
    /// Memory that processes share.
    Ram,
}

/// Graphics processors.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
pub struct Gpu {
    /// How many.
    pub units: u32,
    /// Which will do.
    pub models: BTreeSet<GpuModel>,
    /// The least memory of each, in bytes.
    pub memory_min: Option<u64>,
}

/// A kind of graphics processor.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
pub struct GpuModel {
    /// Who makes it.
    pub vendor: String,
    /// Which one; any when absent.
    pub model: Option<String>,
    /// Its memory in bytes.
    pub ram: Option<u64>,
    /// How it is connected.
    pub interface: Option<GpuInterface>,
}

/// How a graphics processor is connected.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum GpuInterface {
    /// PCI Express.
    Pcie,
    /// SXM.
    Sxm,
}

/// Why bytes are no manifest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Too long.
    #[error("the manifest has {0} bytes; {MANIFEST_MAX} are allowed")]
    Long(usize),
    /// Not the canonical bytes of one.
    #[error("these are not the canonical bytes of a manifest")]
    Malformed,
    /// It says what no file can say.
    #[error("the manifest is not usable: {0}")]
    Unusable(String),
}

impl Manifest {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to a vector fails only for a collection of more than 2^32 items.
        borsh::to_vec(self).unwrap_or_default()
    }

    /// Reads what somebody sent: canonical, bounded, and such as a file can be read to.
    ///
    /// # Errors
    /// [`ManifestError`] says why not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_MAX {
            return Err(ManifestError::Long(bytes.len()));
        }
        let manifest: Self = borsh::from_slice(bytes).map_err(|_| ManifestError::Malformed)?;
        if manifest.to_bytes() != bytes {
            return Err(ManifestError::Malformed);
        }
        check::manifest(&manifest).map_err(ManifestError::Unusable)?;
        Ok(manifest)
    }

    /// Its name.
    pub fn hash(&self) -> ManifestHash {
        let mut bytes = DOMAIN.to_vec();
        bytes.extend_from_slice(&self.to_bytes());
        ManifestHash(Digest::hash(bytes).value())
    }
}
